//! The client side: requests built word by word, or sent as exactly the bytes a test wrote.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::wire::{Framing, Head, PATIENCE, Wire, text};

/// One answer. `Debug` shows it as it was on the wire.
#[derive(Clone)]
pub struct Response {
    pub status: u16,
    pub head: Head,
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header that must not be there twice.
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.value(name)
    }

    pub fn text(&self) -> String {
        text(&self.body)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {self:?}"))
    }

    /// Asserts a refusal in the shape that every refusal has, and gives it back for more.
    #[track_caller]
    pub fn refused(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        let json = "application/json";
        assert_eq!(
            self.header("content-type").as_deref(),
            Some(json),
            "{self:?}"
        );
        let no_store = "no-store";
        assert_eq!(
            self.header("cache-control").as_deref(),
            Some(no_store),
            "{self:?}"
        );
        assert!(self.header("x-request-id").is_some(), "{self:?}");
        self
    }

    /// A 401 that says what all 401 say: nothing about the check that failed.
    #[track_caller]
    pub fn not_authenticated(self) -> Self {
        let answer = self.refused(401);
        assert_eq!(answer.text(), r#"{"detail":"Not authenticated"}"#);
        answer
    }

    /// A 403 with the code that apps look for.
    #[track_caller]
    pub fn forbidden(self) -> Self {
        let answer = self.refused(403);
        assert_eq!(answer.json()["code"], "FORBIDDEN", "{answer:?}");
        answer
    }

    /// The answer came from the app behind the gate.
    #[track_caller]
    pub fn passed(self) -> Self {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.head, self.text())
    }
}

/// A connection that a test drives byte by byte.
pub struct Connection {
    wire: Wire,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let wire = TcpStream::connect_timeout(&address, PATIENCE).and_then(Wire::new);
        Self {
            wire: wire.unwrap_or_else(|e| panic!("no connection to {address}: {e}")),
        }
    }

    /// Sends exactly these bytes. A peer that has already closed is no failure of the test: what
    /// it answered before that is what counts.
    pub fn send(&mut self, bytes: &[u8]) -> &mut Self {
        let _closed_early = self.wire.write(bytes);
        self
    }

    /// The next final answer; interim ones (100, 103) are passed over.
    #[track_caller]
    pub fn answer(&mut self, method: &str) -> Response {
        self.try_answer(method)
            .unwrap_or_else(|e| panic!("no answer: {e}"))
    }

    /// As [`Connection::answer`]; an error means that the connection ended without one.
    pub fn try_answer(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let answer = self.next(method)?;
            if answer.status >= 200 || answer.status == 101 {
                return Ok(answer);
            }
        }
    }

    /// The very next answer, interim or not.
    pub fn next(&mut self, method: &str) -> io::Result<Response> {
        let deadline = Instant::now() + PATIENCE;
        let Some(head) = self.wire.head(deadline)? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let status = head.word(1).parse().map_err(io::Error::other)?;
        let mut body = Vec::new();
        let framing = Framing::of_answer(&head, status, method);
        self.wire
            .body(&framing, deadline, |piece| body.extend_from_slice(piece))?;
        Ok(Response { status, head, body })
    }

    /// Only the head of the next answer, for streams without an end.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        let head = self.wire.head(Instant::now() + PATIENCE);
        head.ok().flatten().expect("an answer should begin")
    }

    #[track_caller]
    pub fn exactly(&mut self, count: usize) -> Vec<u8> {
        self.wire
            .exactly(count, Instant::now() + PATIENCE)
            .unwrap_or_else(|e| panic!("{count} bytes did not come: {e}"))
    }

    /// What arrived beyond the answers read so far.
    pub fn leftover(&self) -> &[u8] {
        self.wire.leftover()
    }

    /// Whether the gate ends this connection.
    pub fn is_closed(&mut self) -> bool {
        self.wire.ends(Instant::now() + PATIENCE)
    }

    /// Whether the gate ends this connection, however much it has sent before.
    pub fn ends(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        self.wire
            .body(&Framing::UntilClose, deadline, |_| ())
            .is_ok()
            || self.wire.ends(deadline)
    }

    /// Whether nothing comes and nothing ends for a moment. Only ever used to catch a gate that
    /// does something it should not do: a slow machine makes it pass, never fail.
    pub fn is_quiet(&mut self) -> bool {
        let moment = Duration::from_millis(20);
        !self.wire.ends(Instant::now() + moment) && self.leftover().is_empty()
    }
}

/// What came back for bytes that a test sent: all answers, in order.
pub struct RawResponse {
    pub answers: Vec<Response>,
}

impl RawResponse {
    /// The only answer. A second one means that one request was read as two.
    #[track_caller]
    pub fn only(mut self) -> Response {
        assert_eq!(self.answers.len(), 1, "answers: {:?}", self.answers);
        self.answers.remove(0)
    }
}

/// Sends exactly these bytes on a connection of its own and reads every answer until the peer
/// closes, or falls silent after at least one answer.
pub fn raw(address: SocketAddr, bytes: &[u8]) -> RawResponse {
    let mut connection = Connection::open(address);
    connection.send(bytes);
    let method = text(bytes.split(|b| *b == b' ').next().unwrap_or_default());
    let mut answers = Vec::new();
    while let Ok(answer) = connection.try_answer(&method) {
        let last = answer.head.says("connection", "close");
        answers.push(answer);
        if last || connection.is_quiet() {
            break;
        }
    }
    RawResponse { answers }
}

/// A request in the making. `Host: app.test` unless the test says otherwise.
#[must_use]
pub struct Request {
    address: SocketAddr,
    method: String,
    target: String,
    fields: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(address: SocketAddr, method: &str, target: &str) -> Self {
        Self {
            address,
            method: method.to_owned(),
            target: target.to_owned(),
            fields: Vec::new(),
            body: None,
        }
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn headers<'a>(self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        fields
            .into_iter()
            .fold(self, |request, (name, value)| request.header(name, value))
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// The request as it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        };
        if !self.names("host") {
            line("Host", b"app.test");
        }
        for (name, value) in &self.fields {
            line(name, value);
        }
        if let Some(body) = &self.body
            && !self.names("content-length")
            && !self.names("transfer-encoding")
        {
            line("Content-Length", body.len().to_string().as_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(self.body.iter().flatten());
        bytes
    }

    fn names(&self, name: &str) -> bool {
        let same = |(n, _): &(String, Vec<u8>)| n.eq_ignore_ascii_case(name);
        self.fields.iter().any(same)
    }

    #[track_caller]
    pub fn send(self) -> Response {
        let mut connection = Connection::open(self.address);
        self.send_on(&mut connection)
    }

    #[track_caller]
    pub fn send_on(self, connection: &mut Connection) -> Response {
        connection.send(&self.bytes()).answer(&self.method)
    }
}
