//! A small HTTP server for the scene: keys of the issuer, the app, and the app's endpoint of members.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What it answers with.
pub struct Scene {
    pub jwks: String,
    /// All members, from the second user on.
    pub document: String,
    /// Grows with each change of the members.
    pub version: AtomicUsize,
}

impl Scene {
    /// Serves until the process ends; gives the address.
    pub fn serve(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let scene = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let scene = scene.clone();
                std::thread::spawn(move || scene.answer(&stream));
            }
        });
        address
    }

    /// Answers on one connection until it ends.
    fn answer(&self, stream: &TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut reader = BufReader::new(stream);
        loop {
            let (mut path, mut etag, mut line) = (String::new(), String::new(), String::new());
            while reader.read_line(&mut line).ok()? > 2 {
                match line.split_once(' ') {
                    Some(("GET", rest)) => path = rest.split(' ').next()?.to_owned(),
                    Some((name, value)) if name.eq_ignore_ascii_case("if-none-match:") => {
                        etag = value.trim().to_owned()
                    }
                    _ => {}
                }
                line.clear();
            }
            if path.is_empty() {
                return None;
            }
            match path.as_str() {
                "/jwks" => send(stream, "200 OK", "", &[&self.jwks])?,
                "/members" => self.members(stream, &etag)?,
                _ => send(stream, "200 OK", "", &["fine"])?,
            }
        }
    }

    fn members(&self, stream: &TcpStream, etag: &str) -> Option<()> {
        let version = self.version.load(Ordering::SeqCst);
        let now = format!("\"{version}\"");
        if etag == now {
            return send(stream, "304 Not Modified", &format!("etag: {now}\r\n"), &[]);
        }
        let first = format!("{{\"users\":{{\"user_first\":{{\"name\":\"Version {version}\"}},");
        send(
            stream,
            "200 OK",
            &format!("etag: {now}\r\n"),
            &[&first, &self.document],
        )
    }
}

fn send(mut stream: &TcpStream, status: &str, fields: &str, parts: &[&str]) -> Option<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{fields}content-length: {length}\r\n\r\n"
    );
    // Small answers in one piece.
    let mut whole = head.into_bytes();
    let (small, large): (Vec<&str>, Vec<&str>) = parts.iter().partition(|part| part.len() < 4096);
    small
        .iter()
        .for_each(|part| whole.extend_from_slice(part.as_bytes()));
    stream.write_all(&whole).ok()?;
    large
        .iter()
        .try_for_each(|part| stream.write_all(part.as_bytes()))
        .ok()
}
