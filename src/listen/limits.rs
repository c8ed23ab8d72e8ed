//! Limits the time for the head of a request, and the number of connections.
//!
//! Pingora limits each read of a head but not the whole head. A client that sends a byte now and then keeps its connection for as
//! long as it likes, and a thousand such clients use up all connections of a process (attack A-100). Only the app knows when the
//! head has arrived, so it reports that with [`head_received`].

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::websocket;

tokio::task_local! {
    static ARRIVED: Arc<AtomicBool>;
    static END: Arc<Mutex<Option<End>>>;
}

/// Holds one task, which ends when the request must be ended. The task is also stopped when the request is over.
///
/// It is a task of its own, because it may wake with every new snapshot. Polling the whole request each time would cost much
/// more.
type End = JoinSet<()>;

/// Ends the request when `end` completes, whatever the request waits for then. Both its connections are closed, that of a
/// WebSocket as [`websocket`] describes. Does nothing outside of [`HeadTimeout`].
pub fn ends_with(end: impl Future<Output = ()> + Send + 'static) {
    let _ = END.try_with(|slot| {
        let mut task = End::new();
        task.spawn(end);
        *slot.lock() = Some(task);
    });
}

/// Runs `request` to its end, or until the future that the request set with [`ends_with`] completes.
async fn until_ended<T>(request: impl Future<Output = T>) -> Option<T> {
    let slot: Arc<Mutex<Option<End>>> = Arc::default();
    let mut request = Box::pin(END.scope(slot.clone(), request));
    let done = poll_fn(|cx| {
        // The request is polled first, because it may set its end while it runs.
        if let Poll::Ready(done) = request.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        match slot.lock().as_mut().map(|end| end.poll_join_next(cx)) {
            // Fail closed: a task that panicked ends the request too.
            Some(Poll::Ready(_)) => Poll::Ready(None),
            Some(Poll::Pending) | None => Poll::Pending,
        }
    })
    .await;
    if done.is_none() {
        websocket::close(request).await;
    }
    done
}

/// Reports that the head of the request has arrived. Other limits apply from now on. Does nothing outside of [`HeadTimeout`].
pub fn head_received() {
    let _ = ARRIVED.try_with(|head_received| head_received.store(true, Ordering::Relaxed));
}

/// The limit on simultaneous connections. A connection over the limit is closed at once, without an answer, because an answer
/// would use the resources that are short.
#[derive(Clone)]
pub struct ConnectionLimit {
    places: Arc<Semaphore>,
    full: Arc<dyn Fn() + Send + Sync>,
}

impl ConnectionLimit {
    /// `full` is called for each connection over the limit.
    pub fn new(places: usize, full: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            full: Arc::new(full),
        }
    }
}

/// An app with a time limit for each head, which includes the pause before it, and with a limit on connections.
pub struct HeadTimeout<A> {
    app: Arc<A>,
    within: Duration,
    room: ConnectionLimit,
}

impl<A> HeadTimeout<A> {
    pub fn new(app: A, within: Duration, room: ConnectionLimit) -> Self {
        Self {
            app: Arc::new(app),
            within,
            room,
        }
    }
}

#[async_trait]
impl<A> HttpServerApp for HeadTimeout<A>
where
    A: HttpServerApp + Send + Sync + 'static,
{
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        // A kept connection that waits for its next head counts too, so this counts connections.
        let Ok(_place) = self.room.places.try_acquire() else {
            (self.room.full)();
            return None;
        };
        let head_received = Arc::new(AtomicBool::new(false));
        let request = ARRIVED.scope(
            head_received.clone(),
            self.app.process_new_http(session, shutdown),
        );
        let mut request = std::pin::pin!(until_ended(request));
        match tokio::time::timeout(self.within, &mut request).await {
            Ok(done) => done.flatten(),
            Err(_) if head_received.load(Ordering::Relaxed) => request.await.flatten(),
            // Dropping the request drops the session, and that closes the connection.
            Err(_) => None,
        }
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.app.server_options()
    }

    async fn http_cleanup(&self) {
        self.app.http_cleanup().await;
    }
}
