//! All servers, each behind a gate of each variant, and the cases that are sent to them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::generate::Case;
use crate::harness::{Clerk, Connection, Gate, Response};
use crate::oracle::{Fault, Seen, judge};
use crate::scene::{self, Tokens, Variant};
use crate::servers::{App, Server};
use crate::shrink;

/// Bound: how long a run of the standard length may take. A longer one has as much more.
const LONGEST: Duration = Duration::from_secs(240);
const STANDARD: u64 = 20_000;
const CLIENTS: u64 = 4;
/// Bound: cases of one kind that are kept.
const KEPT: usize = 24;

/// One gate in front of one app.
pub struct Door {
    pub app: App,
    pub variant: Variant,
    pub gate: Gate,
}

/// The whole scene. The gates go first, so that nothing asks an app that is gone.
pub struct Campaign {
    pub doors: Vec<Door>,
    pub tokens: Tokens,
    _servers: Vec<Server>,
    _clerk: Clerk,
}

impl Campaign {
    #[track_caller]
    pub fn start() -> Self {
        let clerk = Clerk::start();
        let tokens = Tokens::of(&clerk);
        let servers: Vec<Server> = App::ALL.into_iter().map(App::start).collect();
        let pairs = || App::ALL.into_iter().zip(&servers);
        let each =
            pairs().flat_map(|(app, server)| Variant::ALL.map(|variant| (app, server, variant)));
        let door = |(app, server, variant): (App, &Server, Variant)| {
            let gate = scene::gate(&scene::config(
                variant,
                &clerk,
                &server.url(),
                app.paths().as_ref(),
            ));
            Door { app, variant, gate }
        };
        Self {
            doors: each.map(door).collect(),
            tokens,
            _servers: servers,
            _clerk: clerk,
        }
    }

    /// Sends about `count` requests: each case goes to every app.
    pub fn run(self, count: u64, seed: u64) -> Report {
        let cases = count.div_ceil(App::ALL.len() as u64);
        let patience = LONGEST.mul_f64((count as f64 / STANDARD as f64).max(1.0));
        let deadline = Instant::now() + patience;
        let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
        let trouble = thread::scope(|scope| {
            let client = |_| scope.spawn(|| self.send_cases(seed, cases, deadline, &next, &tally));
            let clients: Vec<_> = (0..CLIENTS).map(client).collect();
            clients
                .into_iter()
                .filter_map(|client| client.join().expect("a client ends").err())
                .next()
        });
        let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        let late = || {
            format!(
                "only {} of {count} requests were sent in {patience:?}",
                tally.requests
            )
        };
        let trouble = trouble.or_else(|| (tally.requests < count).then(late));
        let found = std::mem::take(&mut tally.found)
            .into_values()
            .flat_map(|found| shrink::smallest(&self, found));
        Report {
            seed,
            trouble,
            found: found.collect(),
            tally,
        }
    }

    fn send_cases(
        &self,
        seed: u64,
        cases: u64,
        deadline: Instant,
        next: &AtomicU64,
        tally: &Mutex<Tally>,
    ) -> Result<(), String> {
        let mut lines: Vec<Line> = self.doors.iter().map(Line::new).collect();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= cases || Instant::now() > deadline {
                return Ok(());
            }
            let case = Case::numbered(seed, number);
            for line in lines
                .iter_mut()
                .filter(|line| line.door.variant == case.variant)
            {
                let answer = line.ask(&case, &self.tokens)?;
                tally
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .note(line.door, number, &case, &answer);
            }
        }
    }
}

/// A client of one gate, on a connection that it keeps for as long as the gate does.
pub struct Line<'s> {
    pub door: &'s Door,
    connection: Option<Connection>,
}

impl<'s> Line<'s> {
    pub fn new(door: &'s Door) -> Self {
        Self {
            door,
            connection: None,
        }
    }

    /// The one answer. A connection that was kept may have ended meanwhile, a new one may not.
    pub fn ask(&mut self, case: &Case, tokens: &Tokens) -> Result<Response, String> {
        let bytes = case.bytes(tokens);
        let kept = self.connection.take();
        let again = kept.is_some();
        let mut connection = kept.unwrap_or_else(|| Connection::open(self.door.gate.address()));
        match connection.send(&bytes).try_answer(&case.method) {
            Ok(answer) if connection.leftover().is_empty() => {
                self.connection = (!answer.head.says("connection", "close")).then_some(connection);
                Ok(answer)
            }
            Ok(answer) => Err(format!(
                "more than one answer of {:?} to\n{case}\n{answer:?}",
                self.door.app
            )),
            Err(_) if again => self.ask(case, tokens),
            Err(e) => Err(format!("no answer of {:?} ({e}) to\n{case}", self.door.app)),
        }
    }
}

/// A fault with the case that showed it, and where.
#[derive(Clone, Debug)]
pub struct Found {
    pub number: u64,
    pub app: App,
    pub case: Case,
    pub fault: Fault,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            app,
            case,
            fault,
        } = self;
        writeln!(
            f,
            "{}, {:?}: {} (case {number})",
            app.name(),
            case.variant,
            fault.kind
        )?;
        writeln!(f, "  {}\n{case}", fault.text)
    }
}

/// From how many requests on a run must have reached most handlers.
const ENOUGH: u64 = 1000;

#[derive(Default)]
struct Tally {
    requests: u64,
    ran: u64,
    refused: u64,
    /// How often each handler ran.
    handlers: BTreeMap<String, u64>,
    found: BTreeMap<(&'static str, bool, &'static str), Vec<Found>>,
    faults: u64,
}

impl Tally {
    fn note(&mut self, door: &Door, number: u64, case: &Case, answer: &Response) {
        self.requests += 1;
        let Some(seen) = Seen::of(answer) else {
            // A refusal of the gate has its request id; the app's own "not found" passes the gate.
            self.refused += u64::from(answer.status >= 400);
            return;
        };
        self.ran += 1;
        *self.handlers.entry(seen.handler.clone()).or_default() += 1;
        for fault in judge(door.app, case, &seen) {
            self.faults += 1;
            let kind = (door.app.name(), case.variant == Variant::Open, fault.kind);
            let kept = self.found.entry(kind).or_default();
            if kept.len() < KEPT {
                kept.push(Found {
                    number,
                    app: door.app,
                    case: case.clone(),
                    fault,
                });
            }
        }
    }
}

/// What came of a run.
pub struct Report {
    seed: u64,
    /// Why it ended too early.
    trouble: Option<String>,
    tally: Tally,
    found: Vec<Found>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally {
            requests,
            ran,
            refused,
            handlers,
            faults,
            ..
        } = &self.tally;
        write!(
            f,
            "{requests} requests, seed {}, {ran} handlers ran, {refused} refused, {faults} faults",
            self.seed
        )?;
        handlers
            .iter()
            .try_for_each(|(handler, times)| write!(f, "\n  {times:>6} {handler}"))
    }
}

impl Report {
    #[track_caller]
    pub fn assert_nothing_was_found(&self) {
        if let Some(trouble) = &self.trouble {
            panic!("{trouble}");
        }
        let found: Vec<_> = self.found.iter().map(ToString::to_string).collect();
        assert!(
            found.is_empty(),
            "the smallest cases of {} faults:\n\n{}",
            self.tally.faults,
            found.join("\n")
        );
        // A scene in which little runs would find little; of a few requests that says nothing.
        if self.tally.requests < ENOUGH {
            return;
        }
        assert!(
            self.tally.ran * 5 > self.tally.requests,
            "handlers ran: {self}"
        );
        assert!(
            self.tally.handlers.len() > 15,
            "different handlers ran: {self}"
        );
    }
}
