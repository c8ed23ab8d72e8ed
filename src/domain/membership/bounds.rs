//! Bounds on the changes that are stored above the table.

use super::Record;
use crate::domain::event::UserChange;
use crate::domain::ids::{OrgId, UserId};

/// Bound: rows of change stored above the table.
pub const MAX_CHANGES: usize = 1_000_000;
/// Bound on the same rows in bytes, at the largest size that a store writes. A store holds 1 GiB; the rest is for other rows.
pub const MAX_CHANGED_BYTES: usize = 768 << 20;

/// Bytes of a row beside its texts: names, times and the JSON around them.
const ROW_BYTES: usize = 256;

/// Why a change cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooManyChanges {
    /// The bound is reached: [`MAX_CHANGES`] or [`MAX_CHANGED_BYTES`]. A tenth of both is reserved for changes that take access
    /// away.
    #[error("more than {MAX_CHANGES} users and memberships, or {} MiB, were changed since the table was written", MAX_CHANGED_BYTES >> 20)]
    InAll,
    /// The user has so many memberships that their record would not fit into a row of the store any more.
    #[error("the user has more memberships than are kept of one user")]
    OfOneUser,
}

/// A number of rows and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub rows: usize,
    pub bytes: usize,
}

impl Load {
    pub(super) const MAX: Self = Self {
        rows: MAX_CHANGES,
        bytes: MAX_CHANGED_BYTES,
    };

    /// The load of one user.
    pub(super) fn of_user(user: &UserId, record: &Record) -> Self {
        let rows = record.size();
        if rows == 0 {
            return Self::default();
        }
        let from_clerk = match &record.from_clerk {
            Some((_, UserChange::Described { email, name, .. })) => [email.as_ref(), name.as_ref()],
            Some((_, UserChange::Deleted | UserChange::Superseded { .. })) | None => [None; 2],
        };
        let seen = record
            .from_token
            .iter()
            .flat_map(|seen| [seen.email.as_ref(), seen.name.as_ref()]);
        // JSON writes `"` and `\` as two bytes.
        let texts = from_clerk
            .into_iter()
            .chain(seen)
            .flatten()
            .map(|text| 2 * text.len());
        let flags = record
            .initial_access
            .as_ref()
            .and_then(|entry| entry.flags.header())
            .map_or(0, |flags| 2 * flags.len());
        let bytes =
            ROW_BYTES + user.as_str().len() + flags + record.org_bytes() + texts.sum::<usize>();
        Self { rows, bytes }
    }

    /// The load of one organization.
    pub(super) fn of_org(org: &OrgId) -> Self {
        Self {
            rows: 1,
            bytes: ROW_BYTES + org.as_str().len(),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows.saturating_add(other.rows),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            rows: self.rows.saturating_sub(other.rows),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// Whether a change of one row from `before` to `after` stays within `max`. `self` is the load of all rows after the change.
    ///
    /// A change that `takes` access away and has its row already is always stored. Otherwise a ban would be lost when it matters.
    /// Attack: an issuer signs tokens for any number of users and makes them all known. So room is reserved for the ban of
    /// another user.
    pub(super) fn allows(self, before: Self, after: Self, max: Self, takes: bool) -> bool {
        let (rows, bytes) = if takes {
            (max.rows, max.bytes)
        } else {
            (max.rows - max.rows / 10, max.bytes - max.bytes / 10)
        };
        let another = after.rows > before.rows;
        let larger = if takes {
            another
        } else {
            after.bytes > before.bytes
        };
        !(another && self.rows > rows || larger && self.bytes > bytes)
    }
}
