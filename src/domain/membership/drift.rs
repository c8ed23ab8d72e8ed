//! How two memberships differ in the access that they give.

use super::{AccessStatus, Members, Role, UserState};
use crate::domain::ids::{UserId, WorkspaceId};

/// Bound: differences that are described. Further ones are only counted.
const MOST_TOLD: usize = 10;

/// The differences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// The number of users with another access.
    pub users: usize,
    /// The number of users with another role in a workspace; each workspace counts.
    pub members: usize,
    /// Descriptions of the first differences for people: which user, the access before, and the access after.
    pub first: Vec<String>,
}

/// The access status of a user, and whether they are a founder. `None` for an unknown user.
type Access = Option<(AccessStatus, bool)>;

/// How `after` differs from `before`. Compares every user and membership that either of them knows.
#[must_use]
pub fn drift(before: &Members, after: &Members) -> Drift {
    let mut drift = Drift::default();
    // First the users that have access in `before`, then those that have none there: so each difference is found once.
    for user in users(before) {
        let (was, is) = (access(before, &user), access(after, &user));
        if was.is_some() && was != is {
            drift.user(&user, was, is);
        }
    }
    for user in users(after) {
        let is = access(after, &user);
        if is.is_some() && access(before, &user).is_none() {
            drift.user(&user, None, is);
        }
    }
    for (workspace, user) in pairs(before) {
        let (was, is) = (
            before.role(&workspace, &user, None),
            after.role(&workspace, &user, None),
        );
        if was.is_some() && was != is {
            drift.member(&workspace, &user, is);
        }
    }
    for (workspace, user) in pairs(after) {
        let is = after.role(&workspace, &user, None);
        if is.is_some() && before.role(&workspace, &user, None).is_none() {
            drift.member(&workspace, &user, is);
        }
    }
    drift
}

impl Drift {
    fn user(&mut self, user: &UserId, was: Access, is: Access) {
        let word = |access: Access| access.map_or("unknown", |(status, _)| status.name());
        self.users += 1;
        self.tell(|| format!("{user} was {} and is {}", word(was), word(is)));
    }

    fn member(&mut self, workspace: &WorkspaceId, user: &UserId, is: Option<Role>) {
        self.members += 1;
        let what = if is.is_some() {
            "has another role in"
        } else {
            "is no member of"
        };
        self.tell(|| format!("{user} {what} {workspace}"));
    }

    fn tell(&mut self, text: impl FnOnce() -> String) {
        if self.first.len() < MOST_TOLD {
            self.first.push(text());
        }
    }
}

/// Every known user, each once.
fn users(members: &Members) -> impl Iterator<Item = UserId> {
    let more = members
        .users
        .keys()
        .filter(|user| members.table.user(user).is_none());
    members.table.user_ids().chain(more.cloned())
}

/// Every known pair of workspace and user, each once.
fn pairs(members: &Members) -> impl Iterator<Item = (WorkspaceId, UserId)> {
    let told = members
        .users
        .iter()
        .flat_map(|(user, record)| record.orgs.iter().map(move |entry| (user, &entry.org)));
    let told = told.filter_map(|(user, org)| Some((members.workspace_of(org)?, user)));
    let more = told.filter(|(workspace, user)| members.table.role(workspace, user).is_none());
    let more = more.map(|(workspace, user)| (workspace, user.clone()));
    members
        .table
        .members()
        .map(|(workspace, user, _)| (workspace, user))
        .chain(more)
}

fn access(members: &Members, user: &UserId) -> Access {
    match members.user_state(user) {
        UserState::Unknown | UserState::Deleted => None,
        // A ban by webhook and a suspension by a row have the same effect on the user.
        UserState::Banned => Some((AccessStatus::Suspended, false)),
        UserState::Known(known) => Some((known.access, known.founder)),
    }
}
