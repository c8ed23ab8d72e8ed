//! What replication needs of the gate that it runs in, so that it does not have to know who keeps records there.

use crate::domain::UnixTime;
use crate::domain::event::{DecodeError, EncodedEvent};
use crate::domain::shared::Offered;

use super::Publisher;

/// The facts of this replica: those of the others go in, its own come out.
pub trait LocalFacts: Send + Sync + 'static {
    /// From now on, `publisher` tells other replicas what is learned here. The first one counts.
    fn set_publisher(&self, publisher: Publisher);

    /// Puts in force what is new of `facts`, what takes access away first. None of it is sent back to the other replicas. Takes a
    /// while for many.
    fn learn(&self, facts: &[EncodedEvent]) -> impl Future<Output = Learned> + Send;

    /// What is known here and not in `stored`. `last` is set for a replica that was away for long after it had heard of the store
    /// until then: it holds back what others may have forgotten since. Takes a while.
    fn unshared(&self, stored: &[EncodedEvent], last: Option<UnixTime>) -> Vec<Offered>;

    /// At `now`, everything was known that the shared store has. With `keep`, a restart will know that, too.
    fn shared_was_read(&self, now: UnixTime, keep: bool);

    /// This replica heard of the store until `last`, and then was away for so long that it does not tell everything any more.
    fn shared_silence(&self, last: UnixTime);
}

/// What became of facts of other replicas.
#[derive(Debug)]
pub struct Learned {
    /// Facts that are in force now, or will be as soon as there is a membership.
    pub applied: usize,
    /// Facts that say nothing new.
    pub old: usize,
    /// What is no fact: its key, and why.
    pub poisoned: Vec<(Box<str>, DecodeError)>,
    /// Whether a restart forgets nothing of it, where there is a store.
    pub kept: bool,
}
