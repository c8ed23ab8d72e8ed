//! Decides which of two events about the same thing counts: the one with the larger rank. Nothing else orders events.
//!
//! Usually the later event counts. Of two events at the same time, the one that takes more access away counts, so the order of
//! delivery does not matter. The rest of the rank only makes any two different events differ, so that replicas with the same
//! events agree.
//!
//! A shared store must compare two events without understanding them. So a rank is also a text, and comparing the bytes of two
//! texts gives the order of the ranks. Gates of all versions share these texts in stores, so the texts must not change.

use std::cmp::Reverse;
use std::fmt;

use http::HeaderValue;

use super::{Change, EventTime, MemberChange, MembershipEvent, OrgChange, UserChange};
use crate::domain::membership::{Role, Seen};

/// Ends a text within a rank. It is less than any byte in a header, so a text sorts before every longer text that starts with it.
const END: char = '\u{1}';

/// The rank of an event among the events about the same thing. Ranks of different kinds are never compared.
///
/// The parts are compared one after the other: mostly a time first, and then the weight of the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank<'e> {
    /// Whether it is a deletion, which ranks above all other events about the user at any time; then time and weight; then the
    /// e-mail address and the name.
    User(bool, EventTime, u8, [Option<&'e str>; 2]),
    /// Time and weight; of two roles the lower one counts.
    Member(EventTime, u8, Option<Reverse<Role>>),
    Organization(EventTime, u8),
    Revoked(EventTime),
    /// Time and e-mail address of a token. The name has no rank: the first name stays.
    Seen(EventTime, Option<&'e str>),
}

impl MembershipEvent {
    /// The rank of this event among the events about the same thing.
    #[must_use]
    pub fn rank(&self) -> Rank<'_> {
        let at = self.at;
        match &self.change {
            Change::User(_, change) => change.rank(at),
            Change::Member(_, _, change) => change.rank(at),
            Change::Organization(_, change) => change.rank(at),
            Change::Revoked(_) => Rank::Revoked(at),
            Change::Seen(_, seen) => seen.rank(),
        }
    }
}

impl UserChange {
    pub(in crate::domain) fn rank(&self, at: EventTime) -> Rank<'_> {
        let (weight, texts) = match self {
            Self::Superseded { .. } => (3, [None; 2]),
            Self::Deleted => (2, [None; 2]),
            Self::Described {
                banned,
                email,
                name,
            } => (u8::from(*banned), [text(email), text(name)]),
        };
        Rank::User(self.is_final(), at, weight, texts)
    }
}

impl MemberChange {
    pub(in crate::domain) fn rank(self, at: EventTime) -> Rank<'static> {
        match self {
            Self::Superseded => Rank::Member(at, 2, None),
            Self::Removed => Rank::Member(at, 1, None),
            Self::Role(role) => Rank::Member(at, 0, Some(Reverse(role))),
        }
    }
}

impl OrgChange {
    pub(in crate::domain) fn rank(self, at: EventTime) -> Rank<'static> {
        match self {
            Self::Exists => Rank::Organization(at, 0),
            Self::Deleted => Rank::Organization(at, 1),
            Self::Superseded => Rank::Organization(at, 2),
        }
    }
}

impl Seen {
    pub(in crate::domain) fn rank(&self) -> Rank<'_> {
        Rank::Seen(self.at, text(&self.email))
    }
}

/// The text that a store compares byte by byte.
impl fmt::Display for Rank<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(is_final, at, weight, texts) => {
                write!(f, "{}{:020}{weight}", u8::from(*is_final), at.0)?;
                texts.iter().try_for_each(|text| match text {
                    None => f.write_str("0"),
                    Some(text) => write!(f, "1{text}{END}"),
                })
            }
            Self::Member(at, weight, Some(Reverse(role))) => {
                write!(f, "{:020}{weight}{:02x}", at.0, u8::MAX - role.place())
            }
            Self::Member(at, weight, None) | Self::Organization(at, weight) => {
                write!(f, "{:020}{weight}", at.0)
            }
            Self::Revoked(at) => write!(f, "{:020}", at.0),
            // No store contains these events, and the empty text ranks below everything in a store.
            Self::Seen(..) => Ok(()),
        }
    }
}

/// Whether `text` is the rank of a membership with any role at `at`. The role itself depends on the config of the writer, and may
/// be another one here.
pub(super) fn is_of_some_role(text: &str, at: EventTime) -> bool {
    let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix(&format!("{:020}0", at.0))
        .is_some_and(|role| role.len() == 2 && role.bytes().all(is_hex))
}

/// Texts of ids and names are visible ASCII: see [`crate::domain::ids::text_header`].
pub(super) fn text(value: &Option<HeaderValue>) -> Option<&str> {
    value.as_ref().and_then(|value| value.to_str().ok())
}
