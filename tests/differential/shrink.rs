//! From a case with a fault to the smallest one that still has it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;

use crate::campaign::{Campaign, Door, Found, Line};
use crate::generate::Case;
use crate::harness::fold;
use crate::oracle::{Fault, Seen, judge};
use crate::scene::Sender;

/// Bound: requests that are sent to make one case smaller.
const TRIES: usize = 200;
/// Bound: how long cases of one kind are made smaller.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many cases of one kind are shown.
const SHOWN: usize = 4;

/// The smallest cases of these, which all have the same kind of fault.
pub fn smallest(campaign: &Campaign, found: Vec<Found>) -> Vec<Found> {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = BTreeSet::new();
    let smaller = found
        .into_iter()
        .map(|found| shrunk(campaign, found, deadline));
    let once = |found: &Found| seen.insert(alike(&found.case));
    let mut smaller: Vec<_> = smaller.filter(once).collect();
    smaller.sort_by_key(|found| found.case.to_string().len());
    smaller.truncate(SHOWN);
    smaller
}

/// What two cases have in common that tell of one thing: letter cases and escapes aside, the target and the names of the fields.
fn alike(case: &Case) -> (String, Vec<String>) {
    let target = percent_decode_str(&case.target)
        .decode_utf8_lossy()
        .to_lowercase();
    (
        target,
        case.fields.iter().map(|(name, _)| fold(name)).collect(),
    )
}

fn shrunk(campaign: &Campaign, mut found: Found, deadline: Instant) -> Found {
    let fits = |door: &&Door| door.app == found.app && door.variant == found.case.variant;
    let Some(door) = campaign.doors.iter().find(fits) else {
        return found;
    };
    let mut line = Line::new(door);
    let (mut tries, kind) = (0, found.fault.kind);
    let mut still = |case: &Case| -> Option<Fault> {
        tries += 1;
        if tries > TRIES || Instant::now() > deadline {
            return None;
        }
        let answer = line.ask(case, &campaign.tokens).ok()?;
        let seen = Seen::of(&answer)?;
        judge(door.app, case, &seen)
            .into_iter()
            .find(|fault| fault.kind == kind)
    };
    while let Some((case, fault)) = smaller(&found.case)
        .into_iter()
        .find_map(|case| still(&case).map(|f| (case, f)))
    {
        (found.case, found.fault) = (case, fault);
    }
    found
}

/// Cases that are a little smaller, the boldest first.
fn smaller(case: &Case) -> Vec<Case> {
    let with = |change: &dyn Fn(&mut Case)| {
        let mut changed = case.clone();
        change(&mut changed);
        changed
    };
    let mut cases = vec![
        with(&|c| c.method = "GET".to_owned()),
        with(&|c| c.host = "app.test".to_owned()),
        with(&|c| c.sender = Sender::Nobody),
        with(&|c| {
            c.sender = if c.sender == Sender::Admin {
                Sender::User
            } else {
                c.sender
            }
        }),
        with(&|c| c.target = c.target.split('?').next().unwrap_or_default().to_owned()),
    ];
    cases.extend((0..case.fields.len()).map(|at| with(&|c| drop(c.fields.remove(at)))));
    cases.extend(
        shorter(&case.target)
            .into_iter()
            .map(|target| with(&|c| c.target.clone_from(&target))),
    );
    cases.retain(|smaller| smaller != case);
    cases
}

/// Targets without their host, without one of their segments, or with an escape that was undone.
fn shorter(target: &str) -> Vec<String> {
    if let Some((_, rest)) = target.split_once("://") {
        return rest
            .find('/')
            .map(|slash| rest[slash..].to_owned())
            .into_iter()
            .collect();
    }
    let segments: Vec<&str> = target.split('/').collect();
    let without = |at: usize| [&segments[..at], &segments[at + 1..]].concat().join("/");
    let mut targets: Vec<String> = (1..segments.len())
        .map(without)
        .filter(|t| t.starts_with('/'))
        .collect();
    for (at, _) in target.match_indices('%') {
        let byte = target
            .get(at + 1..at + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(byte) = byte.filter(u8::is_ascii_graphic) {
            targets.push(format!(
                "{}{}{}",
                &target[..at],
                char::from(byte),
                &target[at + 3..]
            ));
        }
    }
    targets
}
