//! Sends a request to a running gate, through its admin listener.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::config::secret::Secret;

/// Bound on each step: a health check that hangs is worse than one that fails.
const WAIT: Duration = Duration::from_secs(3);
/// Bound on the answer.
const MAX_ANSWER: u64 = 64 * 1024;

/// One request without a body to the admin listener at `address` (IP and port, or `unix:/path`): status and text of the answer.
/// `path` goes out as it is, so what a caller puts there must be encoded.
///
/// # Errors
/// When there is no answer, or it is not HTTP.
pub(crate) fn ask(
    address: &str,
    method: &str,
    path: &str,
    token: Option<&Secret>,
) -> io::Result<(u16, String)> {
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
            .into_bytes();
    if let Some(token) = token {
        // One word of visible ASCII, as the config has checked: it cannot end the line.
        request.extend([b"Authorization: Bearer ", token.expose(), b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    match address.strip_prefix("unix:") {
        Some(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(WAIT))?;
            stream.set_write_timeout(Some(WAIT))?;
            exchange(stream, &request)
        }
        None => {
            let stream = TcpStream::connect_timeout(&reachable(address)?, WAIT)?;
            stream.set_read_timeout(Some(WAIT))?;
            stream.set_write_timeout(Some(WAIT))?;
            exchange(stream, &request)
        }
    }
}

fn reachable(address: &str) -> io::Result<SocketAddr> {
    let mut address: SocketAddr = address.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
    // The address that means "all addresses" cannot be connected to.
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    Ok(address)
}

fn exchange(mut stream: impl Read + Write, request: &[u8]) -> io::Result<(u16, String)> {
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    read(&String::from_utf8_lossy(&answer)).ok_or_else(|| io::Error::other("the answer is no HTTP"))
}

/// Status and body of an answer.
fn read(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head
        .strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    Some((status, body.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn status_and_text_are_read_and_nonsense_is_none() {
        assert_eq!(
            read("HTTP/1.1 503 x\r\nA: b\r\n\r\nnot ready\n"),
            Some((503, "not ready".to_owned()))
        );
        for bad in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 x\r\n\r\n",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
