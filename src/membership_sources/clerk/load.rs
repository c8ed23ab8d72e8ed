//! One load of all users, organizations and memberships, as Clerk had them at one time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::walk::{Torn, Walk};
use crate::background::{Throttle, background};
use crate::clerk_api::{Backend, BackendError, List, Page};
use crate::clock;
use crate::domain::event;
use crate::domain::ids::{OrgId, UserId, WorkspaceId};
use crate::domain::membership::{AccessStatus, Roles, RowFault, Table, TableBuilder, User};
use crate::domain::retry::Backoff;
use crate::membership_sources::RowFaults;
use crate::random::chance;

/// Bound: attempts of a load. It starts again when the lists change under it.
const ATTEMPTS: usize = 3;
/// Bound on a load with all its waits for the rate limit: 10,000,000 rows of a production instance take a little longer than an hour.
const LOAD_WITHIN: Duration = Duration::from_secs(2 * 3600);
/// Bound on the pages of one list: 10,000,000 rows.
const MAX_PAGES: usize = 20_000;
/// Bound on requests that Clerk answers with 429 or not at all, in one load.
const MAX_STUMBLES: usize = 5;
/// Pause before an unanswered request is repeated: after the first one of a load, and after the last one.
const STUMBLE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(1600));

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{0}")]
    Backend(BackendError),
    #[error(
        "{ATTEMPTS} times in a row the lists of Clerk changed while they were read: {0}; it is tried again later"
    )]
    Torn(Torn),
    #[error("the lists of Clerk have rows that cannot be used: {0}")]
    Rows(RowFaults),
    #[error("Clerk lists more than {} {}", MAX_PAGES * crate::clerk_api::PAGE, .0.name())]
    TooLong(List),
    #[error("the lists of Clerk could not be read within {} h", LOAD_WITHIN.as_secs() / 3600)]
    Late,
    #[error("reading a page ended abnormally")]
    Abnormal,
}

/// Why a walk ended early.
enum Stop {
    /// The load must start again.
    Again(Torn),
    Failed(LoadError),
}

impl From<Torn> for Stop {
    fn from(torn: Torn) -> Self {
        Self::Again(torn)
    }
}

impl From<LoadError> for Stop {
    fn from(error: LoadError) -> Self {
        Self::Failed(error)
    }
}

/// The result of a load.
pub(crate) struct LoadedTable {
    pub table: Table,
    /// When the load began, in milliseconds. Its content holds from then on.
    pub began_ms: u64,
    /// Members with a role that the config does not name. They get no access, as after a webhook.
    pub roleless: RowFaults,
}

/// Reads everything. Users who are banned or locked are suspended.
///
/// # Errors
/// See [`LoadError`].
pub(crate) async fn load(backend: &Arc<Backend>, roles: &Roles) -> Result<LoadedTable, LoadError> {
    tokio::time::timeout(LOAD_WITHIN, attempts(backend, roles))
        .await
        .unwrap_or(Err(LoadError::Late))
}

async fn attempts(backend: &Arc<Backend>, roles: &Roles) -> Result<LoadedTable, LoadError> {
    let mut attempt = 1;
    let mut stumbles = Stumbles::default();
    loop {
        let began_ms = clock::now_ms();
        let mut load = Load {
            backend,
            stumbles: &mut stumbles,
            rows: Rows::new(roles.clone()),
        };
        match load.all().await {
            Ok(()) => {
                let Rows {
                    table,
                    faults,
                    roleless,
                    ..
                } = load.rows;
                let built = background(move || {
                    let mut throttle = Throttle::default();
                    faults.judge(table.build_with_rests(|| throttle.rest_if_due()))
                });
                let table = built
                    .await
                    .map_err(|_| LoadError::Abnormal)?
                    .map_err(LoadError::Rows)?;
                return Ok(LoadedTable {
                    table,
                    began_ms,
                    roleless,
                });
            }
            Err(Stop::Failed(why)) => return Err(why),
            Err(Stop::Again(torn)) if attempt == ATTEMPTS => return Err(LoadError::Torn(torn)),
            Err(Stop::Again(torn)) => {
                tracing::info!(%torn, attempt, "the lists of Clerk are read once more")
            }
        }
        attempt += 1;
    }
}

struct Load<'l> {
    backend: &'l Arc<Backend>,
    stumbles: &'l mut Stumbles,
    rows: Rows,
}

impl Load<'_> {
    /// Reads memberships first. Their users and organizations existed before them, so the later lists contain them, unless they
    /// were deleted meanwhile.
    async fn all(&mut self) -> Result<(), Stop> {
        self.walk(List::Memberships, None).await?;
        self.walk(List::Organizations, None).await?;
        let before = self
            .patiently(|backend| async move { backend.count_users().await })
            .await?;
        self.walk(List::Users, Some(before)).await?;
        let after = self
            .patiently(|backend| async move { backend.count_users().await })
            .await?;
        if after < before {
            return Err(Torn::Shrunk {
                list: List::Users,
                from: before,
                to: after,
            }
            .into());
        }
        self.rows
            .unlisted_members()
            .map_or(Ok(()), |torn| Err(torn.into()))
    }

    async fn walk(&mut self, list: List, said: Option<u64>) -> Result<(), Stop> {
        let mut walk = Walk::new(list, said);
        for _ in 0..MAX_PAGES {
            let offset = walk.offset();
            let page = self
                .patiently(|backend| async move { backend.page(list, offset).await })
                .await?;
            let empty = Rows::new(self.rows.roles.clone());
            let mut rows = std::mem::replace(&mut self.rows, empty);
            let read = background(move || {
                let more = rows.take(list, &page, &mut walk);
                (rows, walk, more)
            });
            let (rows, walked, more) = read.await.map_err(|_| LoadError::Abnormal)?;
            (self.rows, walk) = (rows, walked);
            if !more? {
                return Ok(());
            }
        }
        Err(LoadError::TooLong(list).into())
    }

    /// Asks until there is an answer. Waits for the gate's share of the rate limit, and obeys `Retry-After`.
    async fn patiently<T, F>(&mut self, ask: impl Fn(Arc<Backend>) -> F) -> Result<T, LoadError>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        loop {
            let wait = match ask(self.backend.clone()).await {
                // No request was sent, so this does not count as a failure.
                Err(BackendError::Limited { wait, .. }) => wait,
                Err(BackendError::TooMany { wait, .. }) if self.stumbles.once_more() => wait,
                Err(BackendError::Fetch(_) | BackendError::Down { .. })
                    if self.stumbles.once_more() =>
                {
                    self.stumbles.backoff.delay(chance())
                }
                answered => return answered.map_err(LoadError::Backend),
            };
            tokio::time::sleep(wait).await;
        }
    }
}

/// Requests of one load that Clerk did not answer as it should.
struct Stumbles {
    count: usize,
    backoff: Backoff,
}

impl Default for Stumbles {
    fn default() -> Self {
        Self {
            count: 0,
            backoff: Backoff::new(STUMBLE.0, STUMBLE.1),
        }
    }
}

impl Stumbles {
    /// Counts one. Returns whether the request may be repeated.
    fn once_more(&mut self) -> bool {
        self.count += 1;
        self.count <= MAX_STUMBLES
    }
}

/// The rows that were read so far.
struct Rows {
    roles: Roles,
    table: TableBuilder,
    faults: RowFaults,
    roleless: RowFaults,
    users: std::collections::HashSet<UserId>,
    orgs: std::collections::HashSet<OrgId>,
    /// The organization and the user of each membership.
    members: Vec<(OrgId, UserId)>,
}

impl Rows {
    fn new(roles: Roles) -> Self {
        let (table, faults, roleless) = (
            TableBuilder::new(),
            RowFaults::default(),
            RowFaults::default(),
        );
        Self {
            roles,
            table,
            faults,
            roleless,
            users: Default::default(),
            orgs: Default::default(),
            members: Vec::new(),
        }
    }

    /// Takes a page. Returns whether more may follow.
    fn take(&mut self, list: List, page: &Page, walk: &mut Walk) -> Result<bool, Torn> {
        let id =
            |row: &'_ Map<String, Value>| row.get("id").and_then(Value::as_str).map(str::to_owned);
        let ids: Vec<String> = page
            .rows
            .iter()
            .map(|row| id(row).unwrap_or_default())
            .collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let from = walk.offset();
        let (known, more) = walk.page(&ids, page.total)?;
        for (number, row) in (from..).zip(&page.rows).skip(known) {
            let place = format!("{}[{number}]", list.name());
            match list {
                List::Users => self.user(&place, row)?,
                List::Organizations => self.organization(&place, row)?,
                List::Memberships => self.membership(&place, row)?,
            }
        }
        Ok(more)
    }

    fn user(&mut self, place: &str, row: &Map<String, Value>) -> Result<(), Torn> {
        match event::listed_user(row) {
            Ok(listed) => {
                let access = if listed.banned {
                    AccessStatus::Suspended
                } else {
                    AccessStatus::Active
                };
                let user = User {
                    email: listed.email,
                    name: listed.name,
                    ..User::new(None, None, None, access, false)
                };
                self.users.insert(listed.id.clone());
                let added = self.table.user(&listed.id, &user);
                self.added(List::Users, place, added)
            }
            Err(why) => {
                self.faults.push(place, why);
                Ok(())
            }
        }
    }

    fn organization(&mut self, place: &str, row: &Map<String, Value>) -> Result<(), Torn> {
        let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
        match (OrgId::parse(id), WorkspaceId::parse(id)) {
            (Ok(org), Ok(workspace)) => {
                if !self.orgs.insert(org.clone()) {
                    return Err(Torn::Twice {
                        list: List::Organizations,
                        row: org.to_string(),
                    });
                }
                let added = self.table.workspace(&workspace, Some(&org));
                self.added(List::Organizations, place, added)
            }
            (Err(why), _) | (_, Err(why)) => {
                self.faults.push(place, format_args!("`id` {why}"));
                Ok(())
            }
        }
    }

    fn membership(&mut self, place: &str, row: &Map<String, Value>) -> Result<(), Torn> {
        let listed = match event::listed_member(row, &self.roles) {
            Ok(listed) => listed,
            Err(why) => {
                self.faults.push(place, why);
                return Ok(());
            }
        };
        let Ok(workspace) = WorkspaceId::parse(listed.org.as_str()) else {
            return Ok(());
        };
        self.members.push((listed.org.clone(), listed.user.clone()));
        match listed.role {
            Some(role) => {
                let added = self.table.member(&workspace, &listed.user, role);
                self.added(List::Memberships, place, added)
            }
            None => {
                let who = format!("{} in {}", listed.user, listed.org);
                self.roleless
                    .push(who, "a role that `membership.roles` does not name");
                Ok(())
            }
        }
    }

    /// Checks the result of adding a row. A row that comes twice means that the list moved; any other fault is one of the row
    /// itself.
    fn added(&mut self, list: List, place: &str, added: Result<(), RowFault>) -> Result<(), Torn> {
        match added {
            Ok(()) => Ok(()),
            Err(RowFault::SameUser(user)) => Err(Torn::Twice {
                list,
                row: user.to_string(),
            }),
            Err(RowFault::SameMember(workspace, user)) => Err(Torn::Twice {
                list,
                row: format!("{user} in {workspace}"),
            }),
            Err(why) => {
                self.faults.push(place, why);
                Ok(())
            }
        }
    }

    /// A membership whose user or organization is in no list.
    fn unlisted_members(&self) -> Option<Torn> {
        let stranger = self
            .members
            .iter()
            .find(|(org, user)| !self.orgs.contains(org) || !self.users.contains(user));
        stranger.map(|(org, user)| Torn::Stranger {
            row: format!("there is a membership of {user} in {org}"),
        })
    }
}
