//! Random numbers of the system. Only this module draws them for a gate that runs.

use aws_lc_rs::rand;

use crate::domain::retry::Chance;

/// A random number; `None` where the system has none.
#[must_use]
pub fn number() -> Option<u64> {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).ok()?;
    Some(u64::from_le_bytes(bytes))
}

/// A random share of a wait. Where the system has no random numbers it is the whole: the gate asks late, and together with others.
#[must_use]
pub fn chance() -> Chance {
    let mut bytes = [0; 4];
    let drawn = rand::fill(&mut bytes).is_ok();
    Chance::drawn(if drawn {
        u32::from_le_bytes(bytes)
    } else {
        u32::MAX
    })
}
