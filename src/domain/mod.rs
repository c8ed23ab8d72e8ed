//! The floor: it decides what happens, given a snapshot, a request head and a second.
//!
//! Everything here is a pure function of its arguments. Nothing in this module opens a socket or a file, reads the clock, takes a
//! lock, or uses Pingora or tokio; `tests/layering.rs` fails when an import reaches upward. So the gate, `bailiff explain`, the
//! tests, the benches and the fuzzers all run the same judgement.
//!
//! Start reading at [`judge()`].

pub mod answer;
pub mod authority;
pub mod client;
pub mod cors;
pub mod event;
pub mod head;
pub mod hint;
pub mod identity;
pub mod ids;
pub mod issuer;
pub mod judge;
pub mod keys;
pub mod membership;
pub mod path;
pub mod profile;
pub mod rejection;
pub mod retry;
pub mod revocation;
pub mod routes;
pub mod service_token;
pub mod shared;
pub mod snapshot;
pub mod static_user;
pub mod token;
pub mod webhook;

pub use head::RequestHead;
pub use identity::{Headers, TrustedHeaders};
pub use judge::{Decision, Grant, Outcome, Step, judge};
pub use rejection::Rejection;
pub use snapshot::{Rules, Snapshot};

/// Seconds since 1970-01-01T00:00:00Z. The time is always an argument: the caller of the floor reads the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// The time `duration` later. At the maximum it stays there and does not wrap.
    #[must_use]
    pub fn plus(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// Seconds from `earlier` to `self`, or 0 when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
