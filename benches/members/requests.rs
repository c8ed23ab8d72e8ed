//! Requests through the real binary while it loads the whole membership again, and while it does not.
//!
//! Windows alternate in one run, so that whatever else the machine does falls on both. Each request has a time at which it is due, and
//! its time counts from then: one that waits behind a slow one counts as slow.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bailiff::dev::key::SigningKey;
use bailiff::dev::mint::Mint;
use serde_json::json;

use crate::endpoint::Scene;
use crate::people::{document, place_of, user_id, workspace_id};
use crate::{MEMBERS, grouped, memory_of};

/// Connections, each with a request every so often.
const CONNECTIONS: usize = 16;
const EVERY: Duration = Duration::from_millis(40);
/// Between two looks at whether a load has ended.
const LOOK: Duration = Duration::from_millis(100);
/// Pairs of windows.
const PAIRS: usize = 6;
/// Bound on one load.
const PATIENCE: Duration = Duration::from_secs(120);
/// Users whose requests are made.
const USERS: usize = 400;
const KINDS: [&str; 2] = ["without", "during a load"];

/// When a request was due, and how long it took.
type Sample = (Instant, Duration);

pub fn run() {
    println!(
        "requests through the real binary: {} a second",
        CONNECTIONS * 1000 / EVERY.as_millis() as usize
    );
    let key = SigningKey::generate("ins_bench").expect("a key");
    let jwks = json!({"keys": [key.jwk()]}).to_string();
    let document = document(MEMBERS);
    println!(
        "  the endpoint tells {} members in {} MB",
        grouped(MEMBERS),
        document.len() / 1_000_000
    );
    let scene = Arc::new(Scene {
        jwks,
        document,
        version: AtomicUsize::new(0),
    });
    let here = scene.serve();
    let gate = Gate::start(&here);
    let issuer = format!("http://{here}");
    let requests: Vec<String> = (0..USERS)
        .map(|n| request(&key, &issuer, n * (MEMBERS / USERS) + 1))
        .collect();

    let (sender, samples) = channel();
    let running = Arc::new(AtomicUsize::new(1));
    let send = |connection: usize| {
        let (address, sender, running) = (gate.address.clone(), sender.clone(), running.clone());
        let mine: Vec<String> = requests
            .iter()
            .skip(connection)
            .step_by(CONNECTIONS)
            .cloned()
            .collect();
        std::thread::spawn(move || send_all(&address, &mine, connection, &sender, &running))
    };
    let senders: Vec<_> = (0..CONNECTIONS).map(send).collect();
    measure(&scene, &gate, &samples);
    running.store(0, Ordering::SeqCst);
    senders
        .into_iter()
        .for_each(|sender| sender.join().expect("it ends well"));
}

fn measure(scene: &Scene, gate: &Gate, samples: &Receiver<Sample>) {
    let mut times: [Vec<Duration>; 2] = [vec![], vec![]];
    let mut loads = vec![];
    // The first pair is for warming up.
    for pair in 0..=PAIRS {
        let began = Instant::now();
        let before = gate.loads();
        scene.version.fetch_add(1, Ordering::SeqCst);
        while gate.loads() == before {
            assert!(
                began.elapsed() < PATIENCE,
                "the gate loads the members in time"
            );
            std::thread::sleep(LOOK);
        }
        let ended = Instant::now();
        // As long a window without, in which the gate is looked at as often: that takes its time as well.
        while ended.elapsed() < ended - began {
            gate.loads();
            std::thread::sleep(LOOK);
        }
        let last = Instant::now();
        if pair > 0 {
            loads.push(ended - began);
        }
        for (due, took) in samples.try_iter().filter(|_| pair > 0) {
            if (began..ended).contains(&due) {
                times[1].push(took);
            } else if (ended..last).contains(&due) {
                times[0].push(took);
            }
        }
    }
    loads.sort();
    println!(
        "  from the change to its effect: median {:.2} s (asked every second)",
        loads[loads.len() / 2].as_secs_f64()
    );
    let mut p99 = vec![];
    for (kind, times) in KINDS.iter().zip(&mut times) {
        times.sort();
        let at =
            |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!(
            "  {kind:>14}: {:>6} requests, p50 {:.2} ms, p99 {:.2} ms",
            times.len(),
            at(0.5),
            at(0.99)
        );
        p99.push(at(0.99));
    }
    println!(
        "  p99 during a load against without: {:.2} times",
        p99[1] / p99[0]
    );
    gate.tell_memory();
}

/// A request of a user to their own workspace.
fn request(key: &SigningKey, issuer: &str, user: usize) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let mint = Mint::new(issuer, user_id(user).as_str(), now)
        .azp("https://app.test")
        .lifetime(3600);
    let path = format!("/api/ws/{}/boards", workspace_id(place_of(user)));
    format!(
        "GET {path} HTTP/1.1\r\nhost: app.test\r\nauthorization: Bearer {}\r\n\r\n",
        mint.sign(key)
    )
}

/// Sends requests when they are due, until there are no more windows.
fn send_all(
    address: &str,
    requests: &[String],
    number: usize,
    sender: &Sender<Sample>,
    running: &AtomicUsize,
) {
    let mut stream = BufReader::new(TcpStream::connect(address).expect("the gate listens"));
    stream.get_ref().set_nodelay(true).expect("a socket");
    let mut due = Instant::now() + EVERY / CONNECTIONS as u32 * number as u32;
    for request in requests.iter().cycle() {
        if running.load(Ordering::SeqCst) == 0 {
            return;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        stream
            .get_mut()
            .write_all(request.as_bytes())
            .expect("the gate reads");
        let status = answer(&mut stream);
        assert!(status.contains(" 200 "), "refused: {status}");
        if sender.send((due, due.elapsed())).is_err() {
            return;
        }
        due += EVERY;
    }
}

/// Reads an answer with a length; gives its first line.
fn answer(stream: &mut BufReader<TcpStream>) -> String {
    let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
    while stream.read_line(&mut line).expect("an answer") > 2 {
        if first.is_empty() {
            first = line.clone();
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a number");
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    first
}

/// The real binary. Dropping it ends it.
struct Gate {
    process: Child,
    address: String,
    admin: String,
    idle: usize,
    _folder: tempfile::TempDir,
}

impl Gate {
    /// Starts it with an empty membership, and then lets it load.
    fn start(here: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = json!({
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "upstream": format!("http://{here}"),
            "clerk": {
                "issuer": format!("http://{here}"),
                "jwks_url": format!("http://{here}/jwks"),
                "authorized_parties": ["https://app.test"],
            },
            "membership": {"file": "membership.yaml", "roles": ["member", "admin", "owner"]},
            "routes": [{"path": "/api/ws/{workspace}/**", "access": "member"}],
        });
        let path = folder.path().join("bailiff.yaml");
        std::fs::write(folder.path().join("membership.yaml"), "users: {}\n").expect("a file");
        std::fs::write(&path, config.to_string()).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_bailiff"));
        command
            .args(["serve", "--config"])
            .arg(&path)
            .env("RUST_LOG", "info");
        let mut process = command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the gate starts");
        let mut log = BufReader::new(process.stderr.take().expect("a log"));
        let (mut address, mut admin) = (String::new(), String::new());
        while address.is_empty() || admin.is_empty() {
            let mut line = String::new();
            assert!(
                log.read_line(&mut line).expect("a log") > 0,
                "the gate ended before it listened"
            );
            if !line.starts_with('{') {
                eprint!("{line}");
            }
            let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            match (line["listener"].as_str(), line["address"].as_str()) {
                (Some("admin"), Some(found)) => admin = found.to_owned(),
                (Some("gate"), Some(found)) => address = found.to_owned(),
                _ => {}
            }
        }
        std::thread::spawn(move || log.lines().for_each(drop));
        let mut gate = Self {
            process,
            address,
            admin,
            idle: 0,
            _folder: folder,
        };
        std::thread::sleep(Duration::from_secs(2));
        gate.idle = memory_of(&gate.process.id().to_string(), "VmRSS");
        let mut config = config;
        let http =
            json!({"url": format!("http://{here}/members"), "interval": "1s", "max_bytes": "1GiB"});
        config["membership"] = json!({"http": http, "roles": ["member", "admin", "owner"]});
        std::fs::write(&path, config.to_string()).expect("a file");
        let began = Instant::now();
        while gate.loads() == 0 {
            assert!(
                began.elapsed() < PATIENCE,
                "the gate loads the members in time"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        gate
    }

    /// How often the membership was loaded.
    fn loads(&self) -> usize {
        let mut stream =
            BufReader::new(TcpStream::connect(&self.admin).expect("the admin port listens"));
        let ask = format!(
            "GET /metrics HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.admin
        );
        stream
            .get_mut()
            .write_all(ask.as_bytes())
            .expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        let count = |line: &str| {
            let ours = line.starts_with("bailiff_reloads_total") && line.contains("membership");
            assert!(
                !(ours && line.contains("failed") && !line.ends_with(" 0")),
                "a load failed: {line}"
            );
            if ours && line.contains("\"ok\"") {
                line.rsplit(' ').next()?.parse().ok()
            } else {
                None
            }
        };
        text.lines().find_map(count).unwrap_or(0)
    }

    fn tell_memory(&self) {
        std::thread::sleep(Duration::from_secs(2));
        let id = self.process.id().to_string();
        let (now, most) = (memory_of(&id, "VmRSS"), memory_of(&id, "VmHWM"));
        let each = now.saturating_sub(self.idle) as f64 / MEMBERS as f64;
        println!(
            "  memory of the gate after all loads: {} MB, idle {} MB: {each:.1} bytes a member; at the most {} MB",
            now / 1_000_000,
            self.idle / 1_000_000,
            most / 1_000_000
        );
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
