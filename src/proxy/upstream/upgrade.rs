//! Connections to the upstream for requests that ask for an upgrade.
//!
//! Such a request has an empty body of its own. Pingora 0.9.1 has a bug here: if it reads the upstream's `101` before the end of
//! that body, it takes the end of the body for the end of the WebSocket. The client then gets its `101` and after that the end of
//! the connection (cloudflare/pingora#946, open). Pingora polls both at once and in random order, so a fast upstream and a busy
//! machine are enough to cause it. The end of the body is always there from the beginning. So the connections of this module find
//! nothing in their first polls for an answer, and Pingora reads the end of the body first.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora::connectors::l4::Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::upstreams::peer::PeerOptions;
use pingora::{Error, ErrorType, OkOrErr as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// The number of polls that find nothing. One is enough if Pingora's half that sends the body is polled first; two are enough in
/// either order.
const LOOKS: u8 = 2;

/// Lets this module make the connections of a peer.
pub(super) fn connect_here(options: &mut PeerOptions) {
    options.custom_l4 = Some(Arc::new(Connector));
    // A refused upgrade leaves a connection that Pingora's pool could not tell from others, because these connections have no
    // descriptor.
    options.idle_timeout = Some(std::time::Duration::ZERO);
}

#[derive(Debug)]
struct Connector;

#[async_trait]
impl Connect for Connector {
    // The peer's `total_connection_timeout` limits the time.
    async fn connect(&self, address: &SocketAddr) -> pingora::Result<Stream> {
        let refused = |error: &io::Error| match error.kind() {
            io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
            _ => ErrorType::ConnectError,
        };
        let failed =
            |error: io::Error| Error::because(refused(&error), "connecting for an upgrade", error);
        let socket: Box<dyn VirtualSocket> = match address {
            SocketAddr::Inet(address) => Box::new(Late::new(
                TcpStream::connect(address).await.map_err(failed)?,
            )),
            SocketAddr::Unix(address) => {
                let path = address
                    .as_pathname()
                    .or_err(ErrorType::ConnectError, "a Unix socket without a path")?;
                Box::new(Late::new(UnixStream::connect(path).await.map_err(failed)?))
            }
        };
        Ok(VirtualSocketStream::new(socket).into())
    }
}

/// A connection whose first [`LOOKS`] polls for reading find nothing, even if there are bytes.
#[derive(Debug)]
struct Late<S> {
    stream: S,
    looks: u8,
}

impl<S> Late<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            looks: LOOKS,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Late<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(left) = self.looks.checked_sub(1) {
            self.looks = left;
            // Poll again at once.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Late<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl VirtualSocket for Late<TcpStream> {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.set_nodelay(true),
            // The gate never asks for another kind.
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl VirtualSocket for Late<UnixStream> {
    fn set_socket_option(&self, _: VirtualSockOpt) -> io::Result<()> {
        // These options are for TCP only.
        Ok(())
    }
}
