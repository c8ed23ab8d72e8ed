//! Closes the connection of a client's WebSocket with a close frame, which must stand between two frames of the app.
//!
//! Pingora passes the bytes of an upgraded connection on without reading them, and dropping its request drops the connection. So
//! [`WebSocketCloser`] puts its own layer below Pingora. The layer follows the frames that go out. When `close` drops the
//! request, the layer hands the connection over to `close`.

mod client;
mod frames;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::apps::ServerApp;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt};

use client::WatchedConnection;
use frames::{FrameBoundary, Sent};

tokio::task_local! {
    static CLIENT: Arc<Followed>;
}

/// The longest time for the rest of the app's frame, and for the client to take that and the close frame.
const CLOSE_WITHIN: Duration = Duration::from_millis(50);
/// The longest time that a client may take to close its side after the gate closed its own. A socket that is closed with unread
/// bytes in it is reset, and the client may then lose the close frame (RFC 9112, 9.6, describes it for answers).
const LINGER: Duration = Duration::from_secs(1);
/// The most bytes that are still read from such a client.
const LINGER_BYTES: u64 = 64 * 1024;

/// FIN and opcode 8, unmasked, 14 bytes: the code 1008, policy violation (RFC 6455, 7.4.1), and a reason that does not reveal
/// which check failed.
const CLOSE_FRAME: &[u8; 16] = b"\x88\x0e\x03\xf0access ended";

/// The stage of a connection.
#[repr(u8)]
enum Stage {
    Http,
    /// From here on the frames are followed.
    WebSocket,
    /// Nothing more is read, and only the rest of a frame is still written.
    WebSocketCloser,
}

/// The state of a connection that is shared with the code outside of Pingora.
#[derive(Debug, Default)]
struct Followed {
    stage: AtomicU8,
    sent: Mutex<Sent>,
    /// The connection, after Pingora dropped it while it was closing.
    left: Mutex<Option<Stream>>,
}

impl Followed {
    fn is(&self, stage: Stage) -> bool {
        // Set and read only by the connection's own task.
        self.stage.load(Ordering::Relaxed) == stage as u8
    }

    fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    fn gap(&self) -> FrameBoundary {
        self.sent.lock().gap()
    }

    /// Closes the connection to the client, with a close frame if one may stand there.
    async fn send_close(&self) -> io::Result<Option<Stream>> {
        let Some(mut stream) = self.left.lock().take() else {
            return Ok(None);
        };
        if self.gap() != FrameBoundary::Between {
            return Ok(None);
        }
        stream.write_all(CLOSE_FRAME).await?;
        AsyncWriteExt::shutdown(&mut stream).await?;
        Ok(Some(stream))
    }
}

/// Marks that the next `101` of this connection starts a WebSocket. Does nothing on a connection without [`WebSocketCloser`].
pub fn begins() {
    let _ = CLIENT.try_with(|client| client.enter(Stage::WebSocket));
}

/// Drops `request`, which has not ended, and closes the connection of its client. The client of a WebSocket gets a close frame,
/// unless none can be sent within [`CLOSE_WITHIN`].
pub(super) async fn close<T>(mut request: Pin<Box<impl Future<Output = T>>>) {
    let client = CLIENT.try_with(Arc::clone).ok();
    let Some(client) = client.filter(|client| client.is(Stage::WebSocket)) else {
        return;
    };
    client.enter(Stage::WebSocketCloser);
    let goodbye = async {
        // The request delivers the rest of the app's frame.
        poll_fn(|cx| match client.gap() {
            FrameBoundary::Within
                if request.as_mut().poll(cx).is_pending()
                    && client.gap() == FrameBoundary::Within =>
            {
                Poll::Pending
            }
            _ => Poll::Ready(()),
        })
        .await;
        // This also closes the connection to the app.
        drop(request);
        client.send_close().await
    };
    if let Ok(Ok(Some(stream))) = tokio::time::timeout(CLOSE_WITHIN, goodbye).await {
        let mut rest = stream.take(LINGER_BYTES);
        let _ =
            tokio::time::timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    }
    // If the close frame was not sent in time, the connection is closed all the same.
    drop(client.left.lock().take());
}

/// An app whose WebSockets `close` can close.
pub struct WebSocketCloser<A> {
    app: Arc<A>,
}

impl<A> WebSocketCloser<A> {
    pub fn new(app: A) -> Self {
        Self { app: Arc::new(app) }
    }
}

#[async_trait]
impl<A> ServerApp for WebSocketCloser<A>
where
    A: ServerApp + Send + Sync + 'static,
{
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let followed = Arc::<Followed>::default();
        let client: Stream = Box::new(WatchedConnection {
            stream,
            followed: followed.clone(),
        });
        CLIENT
            .scope(followed, self.app.process_new(client, shutdown))
            .await
    }

    async fn cleanup(&self) {
        self.app.cleanup().await;
    }
}

#[cfg(test)]
mod tests;
