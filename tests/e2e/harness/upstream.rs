//! The app behind the gate: a TCP server that writes down every byte it is sent and plays the part
//! it is told to play.

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::script::Script;
use super::wire::{Framing, Head, PATIENCE, Wire, text};

/// Bound: connections that one upstream serves in its life.
const CONNECTIONS_MAX: usize = 4096;

/// One request as the app got it.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub connection: usize,
    pub head: Head,
    pub body: Vec<u8>,
    /// Whether the whole body arrived.
    pub complete: bool,
}

impl Recorded {
    pub fn method(&self) -> &str {
        self.head.word(0)
    }

    pub fn target(&self) -> &str {
        self.head.word(1)
    }

    pub fn values(&self, name: &str) -> Vec<String> {
        self.head.values(name)
    }

    /// The value of a header that must not be there twice.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.value(name)
    }

    /// Every line that an app could read as something the gate vouches for, however its name is
    /// spelt: `name: value` with the name in small letters, sorted.
    pub fn identity(&self) -> Vec<String> {
        let trusted = |(name, _): &&(String, Vec<u8>)| is_trusted(name);
        let fields = self.head.fields.iter().filter(trusted);
        let line =
            |(name, value): &(String, Vec<u8>)| format!("{}: {}", name.to_lowercase(), text(value));
        let mut lines: Vec<_> = fields.map(line).collect();
        lines.sort();
        lines
    }

    pub fn contains(&self, needle: &str) -> bool {
        let needle = needle.as_bytes();
        self.head.raw.windows(needle.len()).any(|w| w == needle)
    }
}

/// The names of the contract, folded: small letters, every other sign an underscore.
const TRUSTED: [&str; 16] = [
    "x_user_id",
    "x_clerk_user_id",
    "x_session_id",
    "x_user_email",
    "x_user_name",
    "x_user_flags",
    "x_access_status",
    "x_workspace_id",
    "x_workspace_role",
    "x_org_id",
    "x_org_role",
    "x_org_permissions",
    "x_actor_id",
    "x_auth_kind",
    "x_auth_issuer",
    "x_service_name",
];

/// The trusted names, folded.
pub fn trusted_names() -> &'static [&'static str] {
    &TRUSTED
}

/// A name as a careless app server may hand it on.
pub fn fold(name: &str) -> String {
    let fold = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '_'
        }
    };
    name.chars().map(fold).collect()
}

fn is_trusted(name: &str) -> bool {
    let folded = fold(name);
    let ours = ["x_clerk_", "x_bailiff_"];
    TRUSTED.contains(&folded.as_str()) || ours.iter().any(|prefix| folded.starts_with(prefix))
}

#[derive(Default)]
struct Stage {
    requests: Vec<Recorded>,
    next: VecDeque<Script>,
    always: Script,
    open: Vec<TcpStream>,
    released: usize,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    stage: Mutex<Stage>,
    changed: Condvar,
}

impl Shared {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, f: impl FnOnce(&mut Stage) -> T) -> T {
        let result = f(&mut self.stage());
        self.changed.notify_all();
        result
    }

    /// Waits until the stage answers, within the patience of a test.
    fn wait<T>(&self, mut ask: impl FnMut(&mut Stage) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut stage = self.stage();
        loop {
            if let Some(answer) = ask(&mut stage) {
                return Some(answer);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || stage.ended {
                return None;
            }
            let woken = self.changed.wait_timeout(stage, left);
            stage = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A real HTTP server on a port of its own. Dropping it closes everything.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Upstream {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &theirs));
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on every request is played like this, unless [`Upstream::once`] says otherwise.
    pub fn play(&self, script: Script) {
        self.shared.change(|stage| stage.always = script);
    }

    /// The next request without a script of its own is played like this.
    pub fn once(&self, script: Script) {
        self.shared.change(|stage| stage.next.push_back(script));
    }

    /// Lets one request that plays [`Script::Hold`] go on.
    pub fn release(&self) {
        self.shared.change(|stage| stage.released += 1);
    }

    /// Everything recorded so far, in the order of the heads' arrival.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.shared.stage().requests.clone()
    }

    /// Waits until this many requests came whole, and takes all that there are.
    #[track_caller]
    pub fn take(&self, count: usize) -> Vec<Recorded> {
        let whole = |stage: &mut Stage| {
            let complete = stage.requests.iter().filter(|r| r.complete).count();
            (complete >= count).then(|| std::mem::take(&mut stage.requests))
        };
        let taken = self.shared.wait(whole);
        let taken = taken.unwrap_or_else(|| panic!("{count} were due: {:?}", self.recorded()));
        assert_eq!(taken.len(), count, "requests at the app: {taken:#?}");
        taken
    }

    /// The one request that came since the last look; more or fewer fail the test.
    #[track_caller]
    pub fn only(&self) -> Recorded {
        self.take(1).remove(0)
    }

    /// Forgets what came so far, for tests that have looked at the answers.
    pub fn forget(&self) {
        self.shared.change(|stage| stage.requests.clear());
    }

    /// Waits until the head of a request is here, whatever becomes of its body.
    #[track_caller]
    pub fn head(&self) -> Recorded {
        let first = self.shared.wait(|stage| stage.requests.first().cloned());
        first.expect("a request should have reached the app")
    }

    /// Asserts that no byte of any request got here since the last look.
    #[track_caller]
    pub fn saw_nothing(&self) {
        let recorded = self.recorded();
        assert!(recorded.is_empty(), "the app was reached: {recorded:#?}");
    }

    /// Ends all connections that are open now, as an app does when it restarts.
    pub fn drop_connections(&self) {
        self.shared.change(|stage| hang_up(&mut stage.open));
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.change(|stage| {
            stage.ended = true;
            hang_up(&mut stage.open);
        });
        // Wakes the accepting thread, which then sees that it is over.
        let _gone = TcpStream::connect(self.address);
    }
}

fn hang_up(open: &mut Vec<TcpStream>) {
    for stream in open.drain(..) {
        let _already_closed = stream.shutdown(Shutdown::Both);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (number, stream) in listener.incoming().enumerate().take(CONNECTIONS_MAX) {
        let Ok(stream) = stream else { continue };
        let twins = stream
            .try_clone()
            .and_then(|twin| Ok((twin, stream.try_clone()?)));
        let Ok((twin, end)) = twins else { continue };
        let ended = shared.change(|stage| {
            stage.open.push(twin);
            stage.ended
        });
        if ended {
            return;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A connection that breaks is the business of the test that broke it.
            let _broken = serve(stream, number, &shared);
            let _already_closed = end.shutdown(Shutdown::Both);
        });
    }
}

fn serve(stream: TcpStream, connection: usize, shared: &Shared) -> io::Result<()> {
    let mut wire = Wire::new(stream)?;
    // Idle connections in the gate's pool outlive the patience of one exchange.
    while let Some(head) = wire.head(Instant::now() + 3 * PATIENCE)? {
        let framing = Framing::of_request(&head);
        let recorded = Recorded {
            connection,
            head: head.clone(),
            body: Vec::new(),
            complete: false,
        };
        let (index, script) = shared.change(|stage| {
            stage.requests.push(recorded);
            let script = stage.next.pop_front();
            let script = script.unwrap_or_else(|| stage.always.clone());
            (stage.requests.len() - 1, script)
        });
        script.before_body(&mut wire)?;
        let mut body = Vec::new();
        let read = wire.body(&framing, Instant::now() + PATIENCE, |piece| {
            body.extend_from_slice(piece);
        });
        shared.change(|stage| {
            if let Some(recorded) = stage.requests.get_mut(index) {
                recorded.body.clone_from(&body);
                recorded.complete = read.is_ok();
            }
        });
        read?;
        let released = || {
            let released = |stage: &mut Stage| {
                let release = stage.released > 0;
                stage.released -= usize::from(release);
                release.then_some(())
            };
            shared.wait(released).is_some()
        };
        if !script.answer(&mut wire, &head, &body, released)? {
            return Ok(());
        }
    }
    Ok(())
}
