//! The layer between Pingora and the connection of a client.

use std::io::{self, Cursor, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{Followed, Stage};

/// A connection whose outgoing bytes [`Followed`] knows. Until it becomes a WebSocket, that costs one check of a byte.
#[derive(Debug)]
pub(super) struct WatchedConnection {
    pub(super) stream: Stream,
    pub(super) followed: Arc<Followed>,
}

impl Drop for WatchedConnection {
    fn drop(&mut self) {
        if self.followed.is(Stage::WebSocketCloser) {
            let nothing = Box::new(Cursor::new(Vec::new()));
            *self.followed.left.lock() = Some(std::mem::replace(&mut self.stream, nothing));
        }
    }
}

impl AsyncRead for WatchedConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.followed.is(Stage::WebSocketCloser) {
            // Fail closed: when access has ended, no more of the client's bytes go to the app while the app's last frame goes
            // out. No waker is needed, because the request is dropped next.
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for WatchedConnection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.followed.is(Stage::Http) {
            return Pin::new(&mut this.stream).poll_write(cx, buf);
        }
        let mut sent = this.followed.sent.lock();
        let end = if this.followed.is(Stage::WebSocketCloser) {
            sent.rest(buf)
        } else {
            buf.len()
        };
        let part = buf.get(..end).unwrap_or_default();
        if part.is_empty() && !buf.is_empty() {
            // The bytes are not of this frame. As in `poll_read`, no waker is needed.
            return Poll::Pending;
        }
        let written = Pin::new(&mut this.stream).poll_write(cx, part);
        if let Poll::Ready(Ok(count)) = written {
            sent.follow(part.get(..count).unwrap_or_default());
        }
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.followed.is(Stage::Http) {
            return Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        }
        let first = bufs
            .iter()
            .find(|buf| !buf.is_empty())
            .map_or(&[][..], |buf| buf);
        Pin::new(this).poll_write(cx, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.followed.is(Stage::WebSocketCloser) {
            // The app has closed its side meanwhile. The gate's close frame must still go out.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for WatchedConnection {
    async fn shutdown(&mut self) {
        // The connection is over, so errors are ignored.
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

// What Pingora requires of a connection.

#[async_trait]
impl Peek for WatchedConnection {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        self.stream.try_peek(buf).await
    }
}

impl UniqueID for WatchedConnection {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for WatchedConnection {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.stream.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

impl GetTimingDigest for WatchedConnection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.stream.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.stream.get_write_pending_time()
    }
}

impl GetProxyDigest for WatchedConnection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.stream.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for WatchedConnection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.stream.set_socket_digest(digest);
    }
}
