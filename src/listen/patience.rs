//! An end to waiting for the head of a request.
//!
//! Pingora bounds each read of a head and not the whole: a client that sends a byte now and then keeps its connection for as long
//! as it likes, and a thousand of them are all that a process can have (attack A-100). Only the app knows when the head is
//! there, so it says so with [`arrived`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;

tokio::task_local! {
    static ARRIVED: Arc<AtomicBool>;
}

/// Says that the head of the request is there, and that from now on other bounds count. Does nothing where nobody waits.
pub fn arrived() {
    let _ = ARRIVED.try_with(|arrived| arrived.store(true, Ordering::Relaxed));
}

/// An app whose clients have this long for each head, the pause before it included.
pub struct Patience<A> {
    app: Arc<A>,
    within: Duration,
}

impl<A> Patience<A> {
    pub fn new(app: A, within: Duration) -> Self {
        Self { app: Arc::new(app), within }
    }
}

#[async_trait]
impl<A> HttpServerApp for Patience<A>
where
    A: HttpServerApp + Send + Sync + 'static,
{
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let arrived = Arc::new(AtomicBool::new(false));
        let mut request = Box::pin(ARRIVED.scope(arrived.clone(), self.app.process_new_http(session, shutdown)));
        match tokio::time::timeout(self.within, &mut request).await {
            Ok(done) => done,
            Err(_) if arrived.load(Ordering::Relaxed) => request.await,
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
