//! A source has spoken again: what that overrules is overruled in the store as well, and at other replicas.

use std::sync::Arc;

use super::{BATCH, Records, row};
use crate::config::settings::MembershipSource;
use crate::domain::event::MembershipEvent;
use crate::domain::membership::{Members, Prepared, Reloaded, Said, Table};
use crate::domain::shared::Offered;
use crate::domain::snapshot::Rules;
use crate::storage::Op;

/// A reload that was worked out outside of the lock of the store, for these rules.
pub(super) struct Ready {
    prepared: Prepared,
    rules: Arc<Rules>,
    overruled: Overruled,
}

/// What was overruled, for the store and for other replicas.
struct Overruled {
    ops: Vec<Op>,
    offers: Vec<Offered>,
}

impl Records {
    /// Works out beforehand what `table` overrules. `None` where there is no membership yet.
    pub(super) fn ready(
        &self,
        table: &Table,
        source: &MembershipSource,
        said: Said,
    ) -> Option<Ready> {
        let now = self.snapshots.load();
        let prepared = Prepared::new(
            now.members.as_ref()?,
            table.clone(),
            source.policy.clone(),
            said,
        );
        let overruled = self.overruled(prepared.so_far(), &now.rules);
        Some(Ready {
            prepared,
            rules: now.rules.clone(),
            overruled,
        })
    }

    /// Finishes it within the lock of the store, where `now` is in force.
    pub(super) fn finish(
        &self,
        ready: Option<Ready>,
        now: &Members,
        table: Table,
        source: &MembershipSource,
        rules: &Arc<Rules>,
        said: Said,
    ) -> Members {
        // Under other rules a role may have another place.
        let Some(Ready {
            prepared,
            overruled,
            ..
        }) = ready.filter(|ready| Arc::ptr_eq(&ready.rules, rules))
        else {
            return self.reloaded(now, table, source, rules, said);
        };
        let all = prepared.is_of(now);
        let reloaded = prepared.finished(now);
        self.send(if all {
            overruled
        } else {
            self.overruled(&reloaded, rules)
        });
        reloaded.members
    }

    /// All at once, where that is not known to take long.
    pub(super) fn reloaded(
        &self,
        before: &Members,
        table: Table,
        source: &MembershipSource,
        rules: &Rules,
        said: Said,
    ) -> Members {
        let reloaded = before.reloaded(table, source.policy.clone(), said);
        self.send(self.overruled(&reloaded, rules));
        reloaded.members
    }

    fn overruled(&self, Reloaded { members, overruled }: &Reloaded, rules: &Rules) -> Overruled {
        let offers = self.offers(overruled.iter().flat_map(MembershipEvent::shared), rules);
        let roles = rules.roles.as_ref().filter(|_| self.store.is_some());
        let rows = overruled
            .iter()
            .filter_map(|event| row(&members.kept(&event.change)?, roles?).ok());
        Overruled {
            ops: rows.collect(),
            offers,
        }
    }

    fn send(&self, Overruled { ops, offers }: Overruled) {
        if let Some(publisher) = self.publisher.get() {
            // Not waited for: what is not told now is told after everything was read again.
            drop(publisher.tell(offers));
        }
        if let Some(store) = &self.store {
            for batch in ops.chunks(BATCH) {
                // Not waited for either: if it is lost, a restart refuses somebody until the row is written once more.
                drop(store.write(batch.to_vec()));
            }
        }
    }
}
