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
    /// Where the store is is asked for after everything was read: what changed meanwhile is missed.
    PositionAfterFacts,
    /// What could not be told when it happened is not told later.
    NeverPushes,
    /// A gate that comes back after weeks tells what it knows from then.
    PushesAfterWeeks,
    /// A gate that comes back after weeks tells nothing at all. The product did so once.
    SilentAfterWeeks,
    /// The store forgets marks of what was overruled after a week. The product's did so once.
    StoreForgetsMarks,
    /// A gate forgets a mark when what it overrules is a week old, also when it was just made. The product did so once.
    ForgetsMarksByTheirTime,
    /// Marks of what was overruled are forgotten at once.
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
    pub const ALL: [Self; 15] = [
        Self::StoreTakesAnything,
        Self::NoChain,
        Self::NeverChecks,
        Self::PositionAfterFacts,
        Self::NeverPushes,
        Self::PushesAfterWeeks,
        Self::SilentAfterWeeks,
        Self::StoreForgetsMarks,
        Self::ForgetsMarksByTheirTime,
        Self::ForgetsMarks,
        Self::OpenAtStart,
        Self::ForgetsRevocations,
        Self::ForgetsItsStore,
        Self::TellsOthersOnly,
        Self::BanWithoutRevocation,
    ];
}

impl std::str::FromStr for Mutant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let named = Self::ALL
            .into_iter()
            .find(|mutant| format!("{mutant:?}") == name);
        named.ok_or_else(|| format!("there is no fault `{name}`, but there are {:?}", Self::ALL))
    }
}
