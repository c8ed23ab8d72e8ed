//! An end to waiting for the head of a request, and to the number of those who wait.
//!
//! Pingora bounds each read of a head and not the whole: a client that sends a byte now and then keeps its connection for as long
//! as it likes, and a thousand of them are all that a process can have (attack A-100). Only the app knows when the head is
//! there, so it says so with [`head_received`].

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

/// Has one task, which ends when the request must not go on; it ends with the request, too.
///
/// A task of its own: it may wake with every change of the world, and the request, which is much more to look at, need not then.
type End = JoinSet<()>;

/// Ends the request with `end`: whatever it waits for then, both its connections are closed, that of a WebSocket as
/// [`websocket`] says. Does nothing where nobody waits.
pub fn ends_with(end: impl Future<Output = ()> + Send + 'static) {
    let _ = END.try_with(|slot| {
        let mut task = End::new();
        task.spawn(end);
        *slot.lock() = Some(task);
    });
}

/// Runs `request` to its end, or to that which it has set for itself by [`ends_with`].
async fn until_ended<T>(request: impl Future<Output = T>) -> Option<T> {
    let slot: Arc<Mutex<Option<End>>> = Arc::default();
    let mut request = Box::pin(END.scope(slot.clone(), request));
    let done = poll_fn(|cx| {
        // First the request: while it runs, it may set its end.
        if let Poll::Ready(done) = request.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        match slot.lock().as_mut().map(|end| end.poll_join_next(cx)) {
            // Fail closed: also when it has panicked.
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

/// Says that the head of the request is there, and that from now on other bounds count. Does nothing where nobody waits.
pub fn head_received() {
    let _ = ARRIVED.try_with(|head_received| head_received.store(true, Ordering::Relaxed));
}

/// Room for so many connections at a time. One that finds none is closed at once, without an answer: an answer would take what
/// there is too little of.
#[derive(Clone)]
pub struct ConnectionLimit {
    places: Arc<Semaphore>,
    full: Arc<dyn Fn() + Send + Sync>,
}

impl ConnectionLimit {
    /// `full` is called for each connection that finds no place.
    pub fn new(places: usize, full: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            full: Arc::new(full),
        }
    }
}

/// An app whose clients have this long for each head, the pause before it included, and of whom so many have room.
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
        // A kept connection is in here too, waiting for its next head; so this counts connections.
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
            // The session goes with the request, and the connection with the session.
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
