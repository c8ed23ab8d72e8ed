//! Which of two facts of one key counts: the one with the larger rank, byte for byte.
//!
//! A store must be able to say which counts without understanding either, so the order of the domain
//! ([`UserChange::order`], [`MemberChange::weight`]) is spelled out as a text.

use http::HeaderValue;

use crate::domain::event::{Change, EventTime, MemberChange, OrgChange, UserChange};

/// Ends a text within a rank: less than any byte that a header may have, so that a text sorts before a longer one.
const END: char = '\u{1}';

/// The rank of `change` at `at`.
pub(super) fn rank(change: &Change, at: EventTime) -> String {
    match change {
        Change::User(_, told) => of_user(told, at),
        Change::Member(_, _, MemberChange::Role(role)) => {
            // Of two roles with one time the lower one counts.
            format!("{}{:02x}", without_role(at), u8::MAX - role.place())
        }
        Change::Member(_, _, MemberChange::Removed) => format!("{:020}1", at.0),
        Change::Member(_, _, MemberChange::Overruled) => format!("{:020}2", at.0),
        Change::Organization(_, OrgChange::Exists) => format!("{:020}0", at.0),
        Change::Organization(_, OrgChange::Deleted) => format!("{:020}1", at.0),
        Change::Organization(_, OrgChange::Overruled) => format!("{:020}2", at.0),
        Change::Revoked(_) => format!("{:020}", at.0),
        // Not shared, and less than anything that is.
        Change::Seen(..) => String::new(),
    }
}

/// The rank of any role at `at`, without the two digits that tell roles apart: these follow from a config, which may be another.
pub(super) fn without_role(at: EventTime) -> String {
    format!("{:020}0", at.0)
}

fn of_user(told: &UserChange, EventTime(at): EventTime) -> String {
    let (weight, email, name) = match told {
        UserChange::Overruled { .. } => (3, None, None),
        UserChange::Deleted => (2, None, None),
        UserChange::Described {
            banned,
            email,
            name,
        } => (u8::from(*banned), text(email), text(name)),
    };
    let mut rank = format!("{}{at:020}{weight}", u8::from(told.is_final()));
    for text in [email, name] {
        match text {
            None => rank.push('0'),
            Some(text) => {
                rank.push('1');
                rank.push_str(text);
                rank.push(END);
            }
        }
    }
    rank
}

/// Texts of ids and names are visible ASCII: see [`crate::domain::ids::text_header`].
pub(super) fn text(value: &Option<HeaderValue>) -> Option<&str> {
    value.as_ref().and_then(|value| value.to_str().ok())
}
