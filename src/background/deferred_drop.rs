//! Frees tables that are not in force any more.
//!
//! Requests that began before a reload hold the old table. The last of them would free it, a hundred megabytes, while other
//! requests wait for its thread. So the table is kept until these requests have ended, and then freed in the background.

use std::sync::Arc;
use std::time::Duration;

use super::background;
use crate::domain::membership::Table;

/// Smaller tables are freed at once, which takes no noticeable time.
const LARGE: usize = 50_000;
/// Between two checks whether a request still holds the table.
const LOOK: Duration = Duration::from_millis(100);
/// After so many checks, the requests that hold the table free it: a slow request must not cause a queue of tables.
const LOOKS: u32 = 600;
/// After this time the allocator returns freed memory to the system, but only when it has other work, for example when a thread
/// ends. (`purge_delay` of mimalloc is one second.)
const GIVEN_BACK: Duration = Duration::from_millis(1500);

/// Frees the `old` table, which no new request uses, where no request has to wait for that. Also returns the memory that building
/// the `new` table needed.
pub(crate) fn deferred_drop(old: Option<Arc<Table>>, new: Option<&Table>) {
    let old = old.filter(|old| is_large(old));
    if old.is_none() && !new.is_some_and(is_large) {
        return;
    }
    // Without a runtime there are no requests.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            if let Some(old) = old {
                free(old).await;
            }
            tokio::time::sleep(GIVEN_BACK).await;
            let _ = background(|| ()).await;
        });
    }
}

fn is_large(table: &Table) -> bool {
    let (users, _, members) = table.size();
    users + members >= LARGE
}

async fn free(table: Arc<Table>) {
    for _ in 0..LOOKS {
        if Arc::strong_count(&table) == 1 {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    // If no thread can be started, the table is freed here.
    let _ = background(move || drop(table)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{UserId, WorkspaceId};
    use crate::domain::membership::{Roles, TableBuilder};

    fn table(members: usize) -> Arc<Table> {
        let role = Roles::new(&["member".to_owned()]).unwrap().lowest();
        let mut table = TableBuilder::new();
        for i in 0..members {
            let user = UserId::parse(&format!("user_{i}")).unwrap();
            table
                .member(&WorkspaceId::parse("ws_1").unwrap(), &user, role)
                .unwrap();
        }
        Arc::new(table.build())
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_table_is_kept_until_the_last_request_has_let_go_of_it() {
        let (table, small) = (table(LARGE), table(1));
        let (held, held_small) = (table.clone(), small.clone());
        deferred_drop(Some(table), None);
        deferred_drop(Some(small), None);
        assert_eq!(
            Arc::strong_count(&held_small),
            1,
            "a small one is not worth the wait"
        );
        tokio::time::sleep(10 * LOOK).await;
        assert_eq!(Arc::strong_count(&held), 2);
        let watched = Arc::downgrade(&held);
        drop(held);
        assert!(watched.upgrade().is_some(), "not freed by the request");
        while watched.upgrade().is_some() {
            tokio::time::sleep(LOOK).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_never_ends_has_the_table_to_itself_after_a_while() {
        let held = table(LARGE);
        deferred_drop(Some(held.clone()), None);
        tokio::time::sleep(2 * LOOKS * LOOK).await;
        while Arc::strong_count(&held) > 1 {
            tokio::time::sleep(LOOK).await;
        }
    }
}
