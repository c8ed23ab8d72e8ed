//! Faults that are put in on purpose, into the simulated store and the simulated driver, never into the product: that the simulation
//! finds each of them is why it may be believed when it finds nothing.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The last to write counts, and not the larger fact.
    StoreTakesAnything,
    /// Whatever comes next is taken for what follows: no reader finds a gap.
    NoChain,
    /// What is behind the cursor is only ever asked for, and never where the store is.
    NeverChecks,
    /// Everything is read, and then the log from where it is by then: what changed meanwhile is missed.
    TailFromAfter,
    /// Where the store is is asked for after everything was read.
    PositionAfterFacts,
    /// What could not be told when it happened is not told later.
    NeverPushes,
    /// A gate that comes back after weeks tells what it knows from then.
    PushesAfterWeeks,
    /// Marks of what was overruled are forgotten after a minute.
    ForgetsMarks,
    /// A gate that starts lets in whoever has a token before it has read anything.
    OpenAtStart,
    /// Revocations are forgotten while tokens of before are alive.
    ForgetsRevocations,
    /// A restart forgets what the local store has.
    ForgetsItsStore,
    /// A webhook is accepted, and what it says goes to the others only.
    TellsOthersOnly,
    /// A ban revokes nothing: it is in the store as one fact, not two.
    BanWithoutRevocation,
}

impl Mutant {
    pub const ALL: [Self; 13] = [
        Self::StoreTakesAnything,
        Self::NoChain,
        Self::NeverChecks,
        Self::TailFromAfter,
        Self::PositionAfterFacts,
        Self::NeverPushes,
        Self::PushesAfterWeeks,
        Self::ForgetsMarks,
        Self::OpenAtStart,
        Self::ForgetsRevocations,
        Self::ForgetsItsStore,
        Self::TellsOthersOnly,
        Self::BanWithoutRevocation,
    ];
}
