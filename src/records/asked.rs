//! Tables of sources that answer while the config may change.

use super::Records;
use super::reloads::NewTable;
use crate::clock;
use crate::config::settings::MembershipSource;
use crate::domain::UnixTime;
use crate::domain::membership::{Flags, Members, Roles, Table, TableTime};

/// A table that a source delivered, and the roles and flags by which it was read.
#[derive(Debug)]
pub struct Asked<'a> {
    pub table: Table,
    pub said: TableTime,
    /// When the source was asked.
    pub at: UnixTime,
    pub source: &'a MembershipSource,
    pub roles: &'a Roles,
    pub flags: &'a Flags,
}

/// A table that is in force now.
#[derive(Debug)]
pub struct TableInForce {
    pub generation: u64,
    pub before: Option<Members>,
    pub after: Option<Members>,
}

impl Records {
    /// As [`Records::reload_at`], for a source that answers while the config may change. `None` if the config has changed: the
    /// source is another one, or the roles and flags are, and the first role may now be the second.
    pub fn take(&self, asked: Asked<'_>) -> Option<TableInForce> {
        let Asked {
            table,
            said,
            at,
            source,
            roles,
            flags,
        } = asked;
        let new = NewTable {
            table,
            source,
            said,
            at,
        };
        let taken = self.put_table(&new, |now| {
            let followed = self.source.lock();
            let followed = followed
                .as_ref()
                .is_none_or(|of| of.as_ref() == Some(source));
            followed && now.rules.roles.as_ref() == Some(roles) && now.rules.flags == *flags
        })?;
        self.metrics.membership_applied(clock::now());
        self.metrics.membership_confirmed(at);
        Some(taken)
    }

    /// Whether the table in force has any user.
    #[must_use]
    pub fn has_users(&self) -> bool {
        self.snapshots
            .load()
            .members
            .as_ref()
            .is_some_and(|members| members.size().0 > 0)
    }
}
