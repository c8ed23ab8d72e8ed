//! What comes from outside, decided before anything runs: what happens at Clerk, when and where each webhook is tried, what breaks.

use super::case::Case;
use super::clerk::{ORGS, Op};
use super::dice::Dice;

/// Something that comes from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Clerk(Op),
    /// Svix tries to deliver what the act with this number has caused. Where `again` is said also after it was delivered.
    Deliver {
        caused_by: usize,
        gate: usize,
        again: bool,
    },
    /// The gate and the store cannot reach each other, until they can.
    Cut(usize),
    Mend(usize),
    /// The process dies. What it knew is gone but for its local store, if it has one.
    Crash(usize),
    Start(usize),
    /// The store answers nobody; it keeps what it has.
    Stop,
    Resume,
    /// The store is empty.
    Flush,
    /// A copy that lags behind by this many milliseconds takes over.
    Failover(u64),
    /// The log keeps its last entries only.
    Trim(usize),
    /// The source of the membership has another version, and all gates read it sooner or later.
    Source(usize),
    Reload(usize),
    /// The clock of this gate is off by so many seconds from now on.
    Skew(usize, i64),
    /// Somebody looks at this gate.
    Look(usize),
}

/// An act and when it happens, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    pub number: usize,
    pub at: u64,
    pub act: Act,
}

/// When Svix tries again, in milliseconds after the first time; what it is documented to do.
const RETRIES: [u64; 7] = [
    5_000, 305_000, 2_105_000, 9_305_000, 27_305_000, 63_305_000, 99_305_000,
];
/// Gates whose clocks are off by more than the leeway of tokens refuse good ones. They are looked at for safety only.
const SKEWS: [i64; 8] = [-60, -20, -9, -3, 3, 9, 20, 60];

struct Planner<'c> {
    case: &'c Case,
    dice: Dice,
    acts: Vec<(u64, Act)>,
}

/// All acts of a case in the order in which they happen.
pub fn plan(case: &Case) -> Vec<Planned> {
    let mut planner = Planner {
        case,
        dice: Dice::of(case.seed, &[0x91A4]),
        acts: vec![],
    };
    planner.changes();
    planner.faults();
    planner.looks();
    let mut acts: Vec<Planned> = planner
        .acts
        .into_iter()
        .enumerate()
        .map(|(number, (at, act))| Planned { number, at, act })
        .collect();
    acts.sort_by_key(|planned| (planned.at, planned.number));
    match &case.only {
        Some(only) => acts
            .into_iter()
            .filter(|planned| only.contains(&planned.number))
            .collect(),
        None => acts,
    }
}

/// A history that chance hardly ever finds: a gate with a local store is away for ten days. In these the source overrules a role that it
/// knows of, the other gate makes a mark of that, tells it, and forgets it after a week; and then the store is emptied. Gate 0 is the
/// one that is away.
pub fn weeks_away() -> Vec<Planned> {
    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;
    let acts = [
        (HOUR, Act::Clerk(Op::Join(0, 0, 1))),
        (
            HOUR + 1_000,
            Act::Deliver {
                caused_by: 0,
                gate: 1,
                again: false,
            },
        ),
        (10 * DAY, Act::Crash(0)),
        (10 * DAY + HOUR, Act::Source(1)),
        (10 * DAY + HOUR, Act::Reload(1)),
        (10 * DAY + 2 * HOUR, Act::Look(1)),
        (17 * DAY + 3 * HOUR, Act::Look(1)),
        (19 * DAY, Act::Flush),
        (20 * DAY, Act::Start(0)),
        (20 * DAY + HOUR, Act::Look(0)),
        (20 * DAY + HOUR, Act::Look(1)),
    ];
    acts.into_iter()
        .enumerate()
        .map(|(number, (at, act))| Planned { number, at, act })
        .collect()
}

impl Planner<'_> {
    fn gate(&mut self) -> usize {
        self.dice.index(self.case.gates)
    }

    fn when(&mut self) -> u64 {
        self.dice.below(self.case.ends())
    }

    /// What happens at Clerk comes in bursts: one user is banned, signed out and let in again within seconds.
    fn changes(&mut self) {
        let mut now = self.when() / 4;
        let mut user = 0;
        for _ in 0..self.case.changes {
            if self.dice.percent(40) {
                now = self.when();
                user = self.dice.index(self.case.users);
            } else {
                now += self.dice.one_of(&[1, 40, 900, 5_000]);
            }
            let op = self.op(user);
            let caused_by = self.acts.len();
            self.acts.push((now, Act::Clerk(op)));
            self.deliveries(now, caused_by);
        }
    }

    fn op(&mut self, user: usize) -> Op {
        let org = self.dice.index(ORGS);
        match self.dice.below(100) {
            0..15 => Op::SignIn(user),
            15..35 => Op::SignOut(user),
            35..48 => Op::Ban(user),
            48..60 => Op::Unban(user),
            60..68 => Op::Rename(user),
            68..71 => Op::Delete(user),
            71..85 => Op::Join(user, org, self.dice.index(2)),
            85..98 => Op::Leave(user, org),
            _ => Op::DeleteOrg(org),
        }
    }

    /// At least once, late, at any gate, in any order.
    fn deliveries(&mut self, now: u64, caused_by: usize) {
        let late = match self.dice.below(10) {
            0..7 => self.dice.between(30, 2_000),
            7..9 => self.dice.between(2_000, 60_000),
            // Svix has a bad day.
            _ => self.dice.between(60_000, 4 * 3_600_000),
        };
        for wait in std::iter::once(0).chain(RETRIES) {
            let gate = self.gate();
            let at = now + late + wait + self.dice.below(500);
            self.acts.push((
                at,
                Act::Deliver {
                    caused_by,
                    gate,
                    again: false,
                },
            ));
        }
        while self.dice.percent(20) {
            let (gate, at) = (self.gate(), now + late + self.dice.below(600_000));
            self.acts.push((
                at,
                Act::Deliver {
                    caused_by,
                    gate,
                    again: true,
                },
            ));
        }
    }

    fn faults(&mut self) {
        for gate in 0..self.case.gates {
            if self.case.faults > 0 && self.dice.percent(30) {
                let skew = self.dice.one_of(&SKEWS);
                self.acts.push((0, Act::Skew(gate, skew)));
            }
        }
        for _ in 0..self.case.faults {
            let (at, gate) = (self.when(), self.gate());
            let lasts = match self.dice.below(10) {
                0..4 => self.dice.between(50, 3_000),
                4..7 => self.dice.between(3_000, 120_000),
                _ => self.dice.below(self.case.ends()),
            };
            let acts: &[(u64, Act)] = match self.dice.below(100) {
                0..30 => &[(0, Act::Cut(gate)), (lasts, Act::Mend(gate))],
                30..50 => {
                    self.rush(at + lasts);
                    &[(0, Act::Crash(gate)), (lasts, Act::Start(gate))]
                }
                50..60 => &[(0, Act::Stop), (lasts, Act::Resume)],
                60..68 => &[(0, Act::Flush)],
                68..76 => &[(0, Act::Failover(self.dice.between(1, 2_000)))],
                76..84 => &[(0, Act::Trim(self.dice.index(3)))],
                84..90 => {
                    self.zombie(gate);
                    &[]
                }
                90..92 => {
                    // The store is restarted and has nothing.
                    &[(0, Act::Stop), (lasts, Act::Flush), (lasts, Act::Resume)]
                }
                _ => {
                    self.source(at);
                    &[]
                }
            };
            self.acts
                .extend(acts.iter().map(|(later, act)| (at + later, *act)));
        }
    }

    /// While a gate comes back, much happens at once.
    fn rush(&mut self, at: u64) {
        for _ in 0..self.dice.below(4) {
            let (now, user) = (
                at + self.dice.below(8_000),
                self.dice.index(self.case.users),
            );
            let op = self.op(user);
            let caused_by = self.acts.len();
            self.acts.push((now, Act::Clerk(op)));
            self.deliveries(now, caused_by);
        }
    }

    /// A gate with a local store was told of a role and is away while the source overrules it; the store is emptied meanwhile.
    fn zombie(&mut self, gate: usize) {
        let (user, at) = (self.case.users - 1, self.when() / 8);
        let caused_by = self.acts.len();
        self.acts
            .push((at, Act::Clerk(Op::Join(user, user % ORGS, 1))));
        self.deliveries(at, caused_by);
        let (known, away) = (
            self.dice.below(self.case.ends() / 2),
            self.dice.below(self.case.ends() * 3 / 4),
        );
        let crash = at + known;
        self.source(crash + away / 16);
        let back = crash + away;
        self.acts.extend([
            (crash, Act::Crash(gate)),
            (crash + away * 9 / 10, Act::Flush),
            (back, Act::Start(gate)),
        ]);
        // The others forget what they may, which they do when somebody looks.
        let others = (0..self.case.gates)
            .flat_map(|gate| [1, 3, 5, 7].map(|part| (crash + away * part / 8, Act::Look(gate))));
        self.acts.extend(others);
    }

    /// The source changes the row of one user, and each gate reads it when it does.
    fn source(&mut self, at: u64) {
        let version = self.dice.index(3);
        self.acts.push((at, Act::Source(version)));
        for gate in 0..self.case.gates {
            let after = self.dice.one_of(&[10, 400, 30_000, 200_000]);
            self.acts
                .push((at + self.dice.below(after), Act::Reload(gate)));
        }
    }

    /// Somebody looks soon after something has happened, and now and then.
    fn looks(&mut self) {
        let happened: Vec<u64> = self.acts.iter().map(|(at, _)| *at).collect();
        for at in happened {
            let after = self.dice.one_of(&[5, 100, 1_500, 20_000, 75_000]);
            let (gate, after) = (self.gate(), self.dice.below(after));
            self.acts.push((at + after, Act::Look(gate)));
        }
    }
}
