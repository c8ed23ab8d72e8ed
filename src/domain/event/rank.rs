//! Which of two events about the same thing counts: the one with the larger rank. The only place that orders events.
//!
//! Mostly the later one counts. At one time the event counts that takes more access away, so that no order of delivery decides. Beyond
//! that the rank only makes sure that any two events differ in it: replicas that know the same events agree.
//!
//! A shared store must say which of two events counts without understanding either. So a rank is also a text, and the bytes of two
//! texts are in the order of the ranks. The texts are in stores that gates of all versions share: they must not change.

use std::cmp::Reverse;
use std::fmt;

use http::HeaderValue;

use super::{Change, EventTime, MemberChange, MembershipEvent, OrgChange, UserChange};
use crate::domain::membership::{Role, Seen};

/// Ends a text within a rank: less than any byte that a header may have, so that a text sorts before a longer one.
const END: char = '\u{1}';

/// The rank of an event among the events about the same thing. Ranks of different kinds are never compared.
///
/// The order is that of the parts, the first one first: mostly a time, and then the weight of what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank<'e> {
    /// Whether it is a deletion, which stands above whatever else is said of the user, at whatever time; time and weight; the e-mail
    /// address and the name.
    User(bool, EventTime, u8, [Option<&'e str>; 2]),
    /// Time and weight; of two roles the lower one counts.
    Member(EventTime, u8, Option<Reverse<Role>>),
    Organization(EventTime, u8),
    Revoked(EventTime),
    /// Of the e-mail address in a token. Its name has no rank: the first one stays.
    Seen(EventTime, Option<&'e str>),
}

impl MembershipEvent {
    /// Its rank among the events about the same thing.
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

/// The text by whose bytes a store compares.
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
            // In no store, and less than anything that is in one.
            Self::Seen(..) => Ok(()),
        }
    }
}

/// Whether `text` is the rank of a membership with some role at `at`. Which one it is follows from the config of its writer, and may be
/// another one here.
pub(super) fn is_of_some_role(text: &str, at: EventTime) -> bool {
    let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix(&format!("{:020}0", at.0))
        .is_some_and(|role| role.len() == 2 && role.bytes().all(is_hex))
}

/// Texts of ids and names are visible ASCII: see [`crate::domain::ids::text_header`].
pub(super) fn text(value: &Option<HeaderValue>) -> Option<&str> {
    value.as_ref().and_then(|value| value.to_str().ok())
}
