//! Tables of sources that are asked while the config may change.

use super::Records;
use crate::clock;
use crate::config::settings::MembershipSource;
use crate::domain::UnixTime;
use crate::domain::membership::{Flags, Members, Roles, Said, Table};

/// A table that was asked for, and the words by which it was read.
#[derive(Debug)]
pub struct Asked<'a> {
    pub table: Table,
    pub said: Said,
    /// When it was asked for.
    pub at: UnixTime,
    pub source: &'a MembershipSource,
    pub roles: &'a Roles,
    pub flags: &'a Flags,
}

/// A table that is in force now.
#[derive(Debug)]
pub struct Taken {
    pub generation: u64,
    pub before: Option<Members>,
    pub after: Option<Members>,
}

impl Records {
    /// As [`Records::reload_at`], of a source that was asked while the config could change. `None` if it has: the source is another one,
    /// or the table was read by other words, whose first role may now be the second.
    pub fn take(&self, asked: Asked<'_>) -> Option<Taken> {
        let Asked {
            table,
            said,
            at,
            source,
            roles: read_by,
            flags,
        } = asked;
        let (mut before, mut after, mut good) = (None, None, false);
        let mut ready = self.ready(&table, source, said);
        let generation = self.put_members(|snapshot, roles| {
            let followed = self
                .source
                .lock()
                .as_ref()
                .is_none_or(|now| now.as_ref() == Some(source));
            good = followed && roles == read_by && snapshot.rules.flags == *flags;
            before = snapshot.members.clone();
            if !good {
                return before.clone();
            }
            let members = match (&before, said) {
                (Some(members), _) => {
                    self.finish(ready.take(), members, table, source, &snapshot.rules, said)
                }
                (None, Said::WhenChanged) => {
                    self.first(Members::new(table, source.policy.clone()), roles)
                }
                // What was kept over a restart is older than this as well.
                (None, Said::At(_)) => {
                    let kept =
                        self.first(Members::new(Table::default(), source.policy.clone()), roles);
                    self.reloaded(&kept, table, source, &snapshot.rules, said)
                }
            };
            after = Some(members.confirmed(at));
            after.clone()
        });
        if good {
            self.metrics.membership_applied(clock::now());
            self.metrics.membership_confirmed(at);
        }
        good.then_some(Taken {
            generation,
            before,
            after,
        })
    }

    /// Whether the source has named anybody.
    #[must_use]
    pub fn has_users(&self) -> bool {
        self.snapshots
            .load()
            .members
            .as_ref()
            .is_some_and(|members| members.size().0 > 0)
    }
}
