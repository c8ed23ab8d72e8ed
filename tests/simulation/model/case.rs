//! What is simulated: how much of what, and by which seed. A case is a line of text, so that a test can keep it.

use std::fmt;
use std::str::FromStr;

/// One simulation, to the last millisecond. Two runs of the same case do the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub seed: u64,
    pub gates: usize,
    pub users: usize,
    /// Things that happen at Clerk.
    pub changes: usize,
    /// Things that go wrong.
    pub faults: usize,
    /// How long all that takes.
    pub minutes: u64,
    /// Which planned acts happen, by their number in the plan; `None` for all of them.
    pub only: Option<Vec<usize>>,
}

impl Case {
    /// A case of this seed, small enough for many of them: 2 to 12 gates, and from minutes to weeks.
    pub fn of_seed(seed: u64) -> Self {
        let mut dice = super::dice::Dice::of(seed, &[0xCA5E]);
        // A third of the cases lasts for more than the week after which marks may be forgotten.
        let minutes = dice.one_of(&[2, 10, 60, 600, 20_000, 60_000]);
        Self {
            seed,
            gates: dice.between(2, 12) as usize,
            users: dice.between(1, 5) as usize,
            changes: dice.between(4, 40) as usize,
            faults: dice.between(0, 24) as usize,
            minutes,
            only: None,
        }
    }

    /// Ten thousand gates for some minutes.
    pub fn of_many_gates(seed: u64) -> Self {
        Self {
            seed,
            gates: 10_000,
            users: 4,
            changes: 12,
            faults: 12,
            minutes: 5,
            only: None,
        }
    }

    pub fn ends(&self) -> u64 {
        self.minutes * 60_000
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            gates,
            users,
            changes,
            faults,
            minutes,
            only,
        } = self;
        write!(
            f,
            "seed={seed} gates={gates} users={users} changes={changes} faults={faults} minutes={minutes}"
        )?;
        if let Some(only) = only {
            let numbers: Vec<String> = only.iter().map(usize::to_string).collect();
            write!(f, " only={}", numbers.join(","))?;
        }
        Ok(())
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut case = Self {
            seed: 0,
            gates: 0,
            users: 0,
            changes: 0,
            faults: 0,
            minutes: 0,
            only: None,
        };
        for word in line.split_whitespace() {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| format!("`{word}` is no name=value"))?;
            let number = || value.parse::<u64>().map_err(|why| format!("{word}: {why}"));
            match name {
                "seed" => case.seed = number()?,
                "gates" => case.gates = number()? as usize,
                "users" => case.users = number()? as usize,
                "changes" => case.changes = number()? as usize,
                "faults" => case.faults = number()? as usize,
                "minutes" => case.minutes = number()?,
                "only" => {
                    let numbers = value.split(',').filter(|n| !n.is_empty()).map(str::parse);
                    case.only = Some(
                        numbers
                            .collect::<Result<_, _>>()
                            .map_err(|why| format!("{word}: {why}"))?,
                    );
                }
                _ => return Err(format!("a case has no `{name}`")),
            }
        }
        if case.gates == 0 || case.users == 0 {
            Err("a case has gates and users".into())
        } else {
            Ok(case)
        }
    }
}
