//! HTTP/1.1 as bytes. The suite must see what HTTP libraries hide: spelling of names, duplicates,
//! order, framing. Every read has a deadline and every length a bound.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Bound: how long any single exchange of a test may take.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Bound: the largest head and the largest body that either end of a test reads.
const HEAD_MAX: usize = 2 << 20;
const BODY_MAX: usize = 16 << 20;

/// The head of a request or an answer, as it was on the wire.
#[derive(Clone)]
pub struct Head {
    pub first_line: String,
    pub fields: Vec<(String, Vec<u8>)>,
    pub raw: Vec<u8>,
}

impl Head {
    /// Reads a complete head; the empty line at its end may be there or not.
    fn parse(raw: &[u8]) -> Self {
        let mut lines = raw
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first_line = text(lines.next().unwrap_or_default());
        let fields = lines.filter(|line| !line.is_empty()).map(field).collect();
        Self {
            first_line,
            fields,
            raw: raw.to_vec(),
        }
    }

    /// All values of one name, letter case aside, in the order of the wire.
    pub fn values(&self, name: &str) -> Vec<String> {
        let named = |(n, _): &&(String, Vec<u8>)| n.eq_ignore_ascii_case(name);
        self.fields
            .iter()
            .filter(named)
            .map(|(_, value)| text(value))
            .collect()
    }

    /// The value of a name that may be there once or not at all.
    pub fn value(&self, name: &str) -> Option<String> {
        let mut values = self.values(name);
        assert!(values.len() <= 1, "{name} is there twice: {values:?}");
        values.pop()
    }

    pub fn word(&self, index: usize) -> &str {
        self.first_line.split(' ').nth(index).unwrap_or_default()
    }

    /// Whether a list header names this word.
    pub fn says(&self, name: &str, word: &str) -> bool {
        self.values(name)
            .iter()
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.raw))
    }
}

/// Bytes as a reader of a failed test wants them: text where it is text, escapes where not.
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

fn field(line: &[u8]) -> (String, Vec<u8>) {
    let mut parts = line.splitn(2, |byte| *byte == b':');
    let name = text(parts.next().unwrap_or_default());
    let value = parts.next().unwrap_or_default().trim_ascii().to_vec();
    (name, value)
}

/// How the length of a body is told.
pub enum Framing {
    None,
    Sized(usize),
    Chunked,
    UntilClose,
}

impl Framing {
    pub fn of_request(head: &Head) -> Self {
        if head.says("transfer-encoding", "chunked") {
            return Self::Chunked;
        }
        sized(head).unwrap_or(Self::None)
    }

    pub fn of_answer(head: &Head, status: u16, method: &str) -> Self {
        let bodyless = method == "HEAD" || status < 200 || status == 204 || status == 304;
        if bodyless {
            return Self::None;
        }
        if head.says("transfer-encoding", "chunked") {
            return Self::Chunked;
        }
        sized(head).unwrap_or(Self::UntilClose)
    }
}

fn sized(head: &Head) -> Option<Framing> {
    let length = head.values("content-length").pop()?.parse().ok()?;
    Some(Framing::Sized(length))
}

/// One TCP connection with what was read from it and not yet used.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// What has arrived beyond the last message that was read.
    pub fn leftover(&self) -> &[u8] {
        &self.buffer
    }

    /// The next head, or `None` when the peer closed before its first byte.
    pub fn head(&mut self, deadline: Instant) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(Head::parse(&self.take(end + 4))));
            }
            bounded(self.buffer.len(), HEAD_MAX)?;
            if self.fill(deadline)? == 0 {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    /// The body, handed to `sink` piece by piece as it arrives.
    pub fn body(
        &mut self,
        framing: &Framing,
        deadline: Instant,
        mut sink: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        match framing {
            Framing::None => Ok(()),
            Framing::Sized(length) => {
                bounded(*length, BODY_MAX)?;
                self.sized(*length, deadline, &mut sink)
            }
            Framing::Chunked => self.chunked(deadline, &mut sink),
            Framing::UntilClose => self.until_close(deadline, &mut sink),
        }
    }

    fn sized(
        &mut self,
        length: usize,
        deadline: Instant,
        sink: &mut dyn FnMut(&[u8]),
    ) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            if self.buffer.is_empty() {
                self.more(deadline)?;
            }
            let piece = self.take(left.min(self.buffer.len()));
            left -= piece.len();
            sink(&piece);
        }
        Ok(())
    }

    fn chunked(&mut self, deadline: Instant, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let mut total = 0;
        loop {
            let line = self.line(deadline)?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = usize::from_str_radix(digits, 16)
                .map_err(|_| io::Error::other(format!("not a chunk size: {line:?}")))?;
            if length == 0 {
                let trailer = self.line(deadline)?;
                // Nobody here passes one on (attack A-92).
                let none = trailer.is_empty();
                return if none {
                    Ok(())
                } else {
                    Err(io::Error::other(format!("a trailer: {trailer:?}")))
                };
            }
            total += length;
            bounded(total, BODY_MAX)?;
            self.sized(length, deadline, sink)?;
            self.line(deadline)?;
        }
    }

    fn until_close(&mut self, deadline: Instant, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let mut total = 0;
        loop {
            let piece = self.take(self.buffer.len());
            total += piece.len();
            bounded(total, BODY_MAX)?;
            sink(&piece);
            if self.fill(deadline)? == 0 {
                return Ok(());
            }
        }
    }

    fn line(&mut self, deadline: Instant) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = self.take(end + 2);
                return Ok(text(line.trim_ascii_end()));
            }
            bounded(self.buffer.len(), HEAD_MAX)?;
            self.more(deadline)?;
        }
    }

    /// Exactly this many bytes, for protocols other than HTTP.
    pub fn exactly(&mut self, count: usize, deadline: Instant) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            self.more(deadline)?;
        }
        Ok(self.take(count))
    }

    /// Whether the peer ends the connection within the deadline without another byte.
    pub fn ends(&mut self, deadline: Instant) -> bool {
        if !self.buffer.is_empty() {
            return false;
        }
        match self.fill(deadline) {
            Ok(read) => read == 0,
            Err(error) => matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            ),
        }
    }

    fn more(&mut self, deadline: Instant) -> io::Result<()> {
        match self.fill(deadline)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn fill(&mut self, deadline: Instant) -> io::Result<usize> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut piece = [0; 16 << 10];
        let read = self.stream.read(&mut piece)?;
        self.buffer.extend(piece.iter().take(read));
        Ok(read)
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.buffer.drain(..count).collect()
    }
}

fn bounded(length: usize, most: usize) -> io::Result<()> {
    match length <= most {
        true => Ok(()),
        false => Err(io::Error::other(format!("more than {most} bytes"))),
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}
