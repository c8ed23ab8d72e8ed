//! The connection of a client whose WebSocket may have to be closed: with a close frame, which has to go between two frames of the
//! app.
//!
//! Pingora passes the bytes of an upgraded connection on without knowing what they are, and whoever drops its request drops the
//! connection. So [`WebSocketCloser`] puts a layer of its own under Pingora. It counts the frames that went out, and it hands the
//! connection to `close` when the request is dropped for that.

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

/// Bound: how long the app may take for the rest of its frame, and the client to take that and the close frame.
const CLOSE_WITHIN: Duration = Duration::from_millis(50);
/// Bound: how long a client may take to close its side, once ours is closed. A socket that is closed with unread bytes in it is
/// reset, and then the client may lose the close frame (RFC 9112, 9.6, says it of answers).
const LINGER: Duration = Duration::from_secs(1);
/// Bound: how much of what such a client still sends is read, in bytes.
const LINGER_BYTES: u64 = 64 * 1024;

/// FIN and opcode 8, unmasked, 14 bytes: the code 1008, policy violation (RFC 6455, 7.4.1), and a reason that does not tell which
/// check failed.
const CLOSE_FRAME: &[u8; 16] = b"\x88\x0e\x03\xf0access ended";

/// What is going on on a connection.
#[repr(u8)]
enum Stage {
    Http,
    /// From here on the frames are counted.
    WebSocket,
    /// Nothing more is read, and nothing more is written but the rest of a frame.
    WebSocketCloser,
}

/// What is known of a connection outside of Pingora.
#[derive(Debug, Default)]
struct Followed {
    stage: AtomicU8,
    sent: Mutex<Sent>,
    /// The connection, once Pingora has dropped it while it was closing.
    left: Mutex<Option<Stream>>,
}

impl Followed {
    fn is(&self, stage: Stage) -> bool {
        // Set and read by the one task of the connection.
        self.stage.load(Ordering::Relaxed) == stage as u8
    }

    fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    fn gap(&self) -> FrameBoundary {
        self.sent.lock().gap()
    }

    /// Closes the side of the client, with the close frame in its place.
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

/// Says that the next `101` of this connection makes a WebSocket of it. Does nothing where nobody could close one.
pub fn begins() {
    let _ = CLIENT.try_with(|client| client.enter(Stage::WebSocket));
}

/// Drops `request`, which has not ended, and closes the connection of its client. If that is a WebSocket, the client gets a close
/// frame, unless there is no place for one within [`CLOSE_WITHIN`].
pub(super) async fn close<T>(mut request: Pin<Box<impl Future<Output = T>>>) {
    let client = CLIENT.try_with(Arc::clone).ok();
    let Some(client) = client.filter(|client| client.is(Stage::WebSocket)) else {
        return;
    };
    client.enter(Stage::WebSocketCloser);
    let goodbye = async {
        // What is left of the app's frame comes through the request.
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
        // With it goes the connection to the app.
        drop(request);
        client.send_close().await
    };
    if let Ok(Ok(Some(stream))) = tokio::time::timeout(CLOSE_WITHIN, goodbye).await {
        let mut rest = stream.take(LINGER_BYTES);
        let _ =
            tokio::time::timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    }
    // Not said in time: the connection is closed all the same.
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
