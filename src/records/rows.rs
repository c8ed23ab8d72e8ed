//! The rows of the local store for the membership and for revocations.

use super::{Kind, Rows};
use crate::domain::Snapshot;
use crate::domain::event::Change;
use crate::domain::event::row::{MAX_ROW, encode_organization, encode_revocation, encode_user};
use crate::domain::membership::{Kept, Members, Roles};
use crate::domain::revocation::Revoked;
use crate::storage::{Op, OpError};

// The store takes exactly the rows that can be decoded again.
const _: () = assert!(Op::MAX_VALUE == MAX_ROW);

/// The row that held a tombstone, without it.
pub(super) fn rest_of(members: &Members, mark: &Change, roles: &Roles) -> Result<Op, OpError> {
    match (members.kept(mark), mark) {
        (Some(kept), _) => row(&kept, roles),
        (None, Change::Organization(org, _)) => Op::delete(Kind::Organizations, org.as_str()),
        (None, Change::User(user, _) | Change::Member(_, user, _) | Change::Seen(user, _)) => {
            Op::delete(Kind::Users, user.as_str())
        }
        (None, Change::Revoked(_)) => Err(OpError::Key(0)),
    }
}

/// The rows to persist for `change`, which leads from `now` to `next`.
pub(super) fn rows_of(
    now: &Snapshot,
    next: &Snapshot,
    change: &Change,
) -> Result<Vec<Op>, OpError> {
    let kept = next
        .members
        .as_ref()
        .and_then(|members| members.kept(change))
        .zip(next.rules.roles.as_ref());
    let mut rows: Vec<Op> = kept
        .map(|(kept, roles)| row(&kept, roles))
        .into_iter()
        .collect::<Result<_, _>>()?;
    let revoked = match change {
        Change::Revoked(revoked) => Some(revoked.clone()),
        Change::User(user, _) => Some(Revoked::User(user.clone())),
        _ => None,
    };
    if let Some(revoked) = revoked
        && let Some(at) = next.revocations.at(&revoked)
        && now.revocations.at(&revoked) != Some(at)
    {
        let (key, value) = encode_revocation(&revoked, at);
        rows.push(Op::put(Kind::Revocations, key, value)?);
    }
    Ok(rows)
}

pub(super) fn row(kept: &Kept<'_>, roles: &Roles) -> Result<Op, OpError> {
    match kept {
        Kept::User(user, record) => Op::put(Kind::Users, user.as_str(), encode_user(record, roles)),
        Kept::Organization(org, at, change) => Op::put(
            Kind::Organizations,
            org.as_str(),
            encode_organization(*at, *change),
        ),
    }
}

pub(super) fn rows(members: &Members, roles: &Roles) -> Rows {
    let mut rows = Rows::default();
    for kept in members.all_kept() {
        match kept {
            Kept::User(user, record) => rows
                .users
                .push((user.to_string(), encode_user(record, roles))),
            Kept::Organization(org, at, change) => rows
                .orgs
                .push((org.to_string(), encode_organization(at, change))),
        }
    }
    rows
}
