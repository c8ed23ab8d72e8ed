//! What replication needs from the gate in which it runs. With this trait it does not depend on the module that keeps records.

use crate::domain::UnixTime;
use crate::domain::event::{DecodeError, EncodedEvent};
use crate::domain::shared::Offered;

use super::Publisher;

/// The events that this replica knows. It takes those of other replicas and publishes its own.
pub trait LocalFacts: Send + Sync + 'static {
    /// From now on, `publisher` publishes what this replica learns. Only the first call has an effect.
    fn set_publisher(&self, publisher: Publisher);

    /// Puts in force what is new in `facts`, beginning with what takes access away. None of it is published again. Takes a while
    /// for many events.
    fn learn(&self, facts: &[EncodedEvent]) -> impl Future<Output = Learned> + Send;

    /// What this replica knows and `stored` does not have. `last` is set for a replica that was away for long: it is the time of
    /// its last contact before that. Such a replica holds back what the other replicas may have forgotten since. Takes a while.
    fn unshared(&self, stored: &[EncodedEvent], last: Option<UnixTime>) -> Vec<Offered>;

    /// At `now` this replica knew everything in the shared store. With `keep`, a restart may rely on that.
    fn shared_was_read(&self, now: UnixTime, keep: bool);

    /// This replica was last in contact with the store at `last`, and then away for so long that it may not publish everything any
    /// more.
    fn shared_silence(&self, last: UnixTime);
}

/// What became of events that other replicas published.
#[derive(Debug)]
pub struct Learned {
    /// Events that are in force now, or will be as soon as there is a membership.
    pub applied: usize,
    /// Events that this replica knew already.
    pub old: usize,
    /// Entries that could not be decoded: the key, and why.
    pub poisoned: Vec<(Box<str>, DecodeError)>,
    /// Whether all of it is persisted, so that a restart with a local store forgets nothing.
    pub kept: bool,
}
