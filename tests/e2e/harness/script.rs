//! The parts that the app behind the gate can play.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::wire::{Head, PATIENCE, Wire};

/// What the app does with a request.
#[derive(Clone, Default)]
pub enum Script {
    /// 200 with the body that came, or a greeting when there was none.
    #[default]
    Echo,
    /// This status with a short body.
    Status(u16),
    /// 200 with further header lines, each without its line end.
    Headers(&'static [&'static str]),
    /// Asks for the body with `100 Continue`, then as [`Script::Echo`].
    Continue,
    /// Waits for [`super::Upstream::release`], then as [`Script::Echo`].
    Hold,
    /// Closes without an answer.
    Close,
    /// 200, and closes in the middle of the body.
    BreakOff,
    /// Takes the upgrade to a WebSocket and sends back each byte it gets.
    WebSocket,
    /// Sends exactly these bytes, and no more before a release, which ends it.
    Raw(&'static [u8]),
    /// Takes the upgrade to a WebSocket and sends frames of 64 KiB for as long as somebody takes them, within bounds.
    Flood,
    /// An event stream: the first event at once, the second after a release, then the end.
    Events,
    /// Exactly this answer.
    Says(Arc<Said>),
}

/// An answer word by word.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub status: u16,
    /// Further header lines, each without its line end.
    pub lines: Vec<String>,
    pub body: Vec<u8>,
    pub framing: SaidFraming,
}

/// How long the body of a [`Said`] claims to be, and is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaidFraming {
    #[default]
    Length,
    /// In chunks, so that nobody knows its length before its end.
    Chunks,
    /// Only the first half comes, and then the connection is closed.
    Cut,
    /// The same without a length, in chunks of which the last is missing.
    CutChunks,
}

impl Script {
    pub fn before_body(&self, wire: &mut Wire) -> io::Result<()> {
        match self {
            Self::Continue => wire.write(b"HTTP/1.1 100 Continue\r\n\r\n"),
            _ => Ok(()),
        }
    }

    /// Answers; `false` ends the connection.
    pub fn answer(
        &self,
        wire: &mut Wire,
        head: &Head,
        body: &[u8],
        released: impl Fn() -> bool,
    ) -> io::Result<bool> {
        let bodyless = head.word(0) == "HEAD";
        let echo = match body {
            [] => b"hello from the app",
            sent => sent,
        };
        match self {
            Self::Echo | Self::Continue => respond(wire, 200, &[], echo, bodyless),
            Self::Status(status) => respond(wire, *status, &[], b"says the app", bodyless),
            Self::Headers(lines) => respond(wire, 200, lines, echo, bodyless),
            Self::Hold => match released() {
                true => respond(wire, 200, &[], echo, bodyless),
                false => Ok(false),
            },
            Self::Close => Ok(false),
            Self::BreakOff => {
                wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly the beg")?;
                Ok(false)
            }
            Self::WebSocket => web_socket(wire, head),
            Self::Raw(bytes) => {
                wire.write(bytes)?;
                released();
                Ok(false)
            }
            Self::Flood => flood(wire),
            Self::Events => events(wire, released),
            Self::Says(said) => said.write(wire),
        }
    }
}

impl Said {
    fn write(&self, wire: &mut Wire) -> io::Result<bool> {
        let mut head = format!("HTTP/1.1 {} Said\r\n", self.status);
        for line in &self.lines {
            head.push_str(line);
            head.push_str("\r\n");
        }
        let half = &self.body[..self.body.len() / 2];
        let chunk =
            |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        let (framing, body, goes_on) = match self.framing {
            SaidFraming::Length => (
                format!("Content-Length: {}", self.body.len()),
                self.body.clone(),
                true,
            ),
            SaidFraming::Cut => (
                format!("Content-Length: {}", self.body.len()),
                half.to_vec(),
                false,
            ),
            SaidFraming::Chunks => {
                let chunks = self.body.chunks(16 << 10).flat_map(chunk);
                (
                    "Transfer-Encoding: chunked".to_owned(),
                    chunks.chain(*b"0\r\n\r\n").collect(),
                    true,
                )
            }
            SaidFraming::CutChunks => (
                "Transfer-Encoding: chunked".to_owned(),
                chunk(&self.body),
                false,
            ),
        };
        // These have no body (RFC 9110, 6.4.1).
        let framing = if self.status == 304 {
            String::new()
        } else {
            format!("{framing}\r\n")
        };
        wire.write(&[head.as_bytes(), framing.as_bytes(), b"\r\n", &body].concat())?;
        Ok(goes_on)
    }
}

fn respond(
    wire: &mut Wire,
    status: u16,
    lines: &[&str],
    body: &[u8],
    bodyless: bool,
) -> io::Result<bool> {
    let mut head = format!("HTTP/1.1 {status} Said\r\nContent-Type: text/plain\r\n");
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let body = if bodyless { &[] } else { body };
    wire.write(&[head.as_bytes(), body].concat())?;
    Ok(true)
}

const ACCEPTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn web_socket(wire: &mut Wire, head: &Head) -> io::Result<bool> {
    let asked = head.values("upgrade");
    if !asked.iter().any(|v| v.eq_ignore_ascii_case("websocket")) {
        return respond(wire, 426, &[], b"this is a WebSocket", false);
    }
    wire.write(ACCEPTED)?;
    while let Ok(byte) = wire.exactly(1, Instant::now() + PATIENCE) {
        wire.write(&byte)?;
    }
    Ok(false)
}

/// Bound: frames of a flood. What lies between app and client holds a fraction of them.
const FLOOD_MAX: usize = 1024;

fn flood(wire: &mut Wire) -> io::Result<bool> {
    wire.write(ACCEPTED)?;
    let payload = [b'x'; 1 << 16];
    let frame = [&b"\x82\x7f\0\0\0\0\0\x01\0\0"[..], &payload].concat();
    (0..FLOOD_MAX).try_for_each(|_| wire.write(&frame))?;
    Ok(false)
}

fn events(wire: &mut Wire, released: impl Fn() -> bool) -> io::Result<bool> {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    wire.write(head)?;
    wire.write(b"d\r\ndata: first\n\n\r\n")?;
    if released() {
        wire.write(b"e\r\ndata: second\n\n\r\n0\r\n\r\n")?;
    }
    Ok(false)
}
