//! The membership in force: the table, and above it one record for each user about whom something was learned later.

use std::sync::Arc;
use std::time::Duration;

use super::bounds::{Load, TooManyChanges};
use super::{
    AccessStatus, Flags, InitialAccess, OrgEntry, Policy, Record, Role, Roles, Table, UserState,
    UserView,
};
use crate::domain::UnixTime;
use crate::domain::event::{
    Change, EventTime, MemberChange, MembershipEvent, OrgChange, UserChange,
};
use crate::domain::ids::{OrgId, UserId, WorkspaceId};

/// The membership in force. It is cheap to clone and to change by one event: the table is shared, and the records are a
/// persistent map.
///
/// **Which statement counts:** for each user and each membership, the latest one. A webhook event counts more than the table that
/// was loaded before it. A reloaded table supersedes events only in rows that changed in it. So editing one row of a file does
/// not undo the ban of another user, and an operator can always supersede a webhook event by changing the row.
///
/// An event that takes access away is superseded only by a row that gives more access than the row before. Suppose an app reacts
/// to a deletion by removing its row, or suspends a banned user as well, or stores their new name. None of these gives access
/// back.
///
/// A superseded event leaves a tombstone with its time, for [`MARKS_LAST`](super::MARKS_LAST). An older event that is delivered
/// later then still meets the newer one. A replica that has not seen the row change yet learns that the event is superseded.
#[derive(Clone, Debug, Default)]
pub struct Members {
    pub(super) table: Arc<Table>,
    /// Set where the source is asked for one user at a time.
    pub(super) lookup: Option<Lookup>,
    /// Whether the source has not answered yet. Until then the table is empty, or is that of another source.
    pub(super) awaiting_source: bool,
    /// When the source last confirmed the table.
    pub(super) confirmed: Option<UnixTime>,
    /// The table supersedes events up to this time: see [`super::TableTime::At`].
    pub(super) since: Option<EventTime>,
    pub(super) users: imbl::HashMap<UserId, Record>,
    pub(super) orgs: imbl::HashMap<OrgId, (EventTime, OrgChange)>,
    /// The number and size of `users` and `orgs` together.
    pub(super) changes: Load,
    pub(super) policy: Policy,
}

/// The user for whom the source was asked. The table holds the rows of this user and no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lookup {
    asked: Option<UserId>,
}

/// A row that must survive a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept<'m> {
    User(&'m UserId, &'m Record),
    Organization(&'m OrgId, EventTime, OrgChange),
}

impl Members {
    /// The membership with `table` and no changes.
    #[must_use]
    pub fn new(table: Table, policy: Policy) -> Self {
        Self {
            table: Arc::new(table),
            policy,
            ..Self::default()
        }
    }

    /// A membership whose source is asked user by user: see [`Members::must_ask`].
    #[must_use]
    pub fn by_lookup(policy: Policy) -> Self {
        Self {
            lookup: Some(Lookup::default()),
            awaiting_source: true,
            policy,
            ..Self::default()
        }
    }

    /// The same membership with the rows that were stored before a restart.
    #[must_use]
    pub fn remembering(
        mut self,
        users: impl IntoIterator<Item = (UserId, Record)>,
        orgs: impl IntoIterator<Item = (OrgId, EventTime, OrgChange)>,
    ) -> Self {
        self.users = users.into_iter().collect();
        self.orgs = orgs
            .into_iter()
            .map(|(org, at, change)| (org, (at, change)))
            .collect();
        self.changes = self.load();
        self
    }

    /// Whether the source must be asked about `user` before the user can be judged.
    #[must_use]
    pub fn must_ask(&self, user: &UserId) -> bool {
        self.lookup
            .as_ref()
            .is_some_and(|lookup| lookup.asked.as_ref() != Some(user))
    }

    /// The same membership with the source's answer for `user`: only their rows. The user's record still counts more than the
    /// rows, because rows have no history.
    #[must_use]
    pub fn answered(&self, user: UserId, rows: Arc<Table>, confirmed: UnixTime) -> Self {
        let lookup = Some(Lookup { asked: Some(user) });
        Self {
            table: rows,
            lookup,
            confirmed: Some(confirmed),
            ..self.clone()
        }
    }

    /// Whether the source is asked for one user at a time.
    #[must_use]
    pub fn is_lookup(&self) -> bool {
        self.lookup.is_some()
    }

    /// The same membership after the source has confirmed it at `at`.
    #[must_use]
    pub fn confirmed(&self, at: UnixTime) -> Self {
        Self {
            confirmed: self.confirmed.max(Some(at)),
            ..self.clone()
        }
    }

    /// Whether the last confirmation by the source is older than the policy allows. Fail closed: a source that has never answered
    /// is too old.
    #[must_use]
    pub fn too_old(&self, now: UnixTime) -> bool {
        let silent = |max: Duration| {
            self.confirmed
                .is_none_or(|at| now.since(at) > max.as_secs())
        };
        self.policy.max_age.is_some_and(silent)
    }

    /// The table, without the changes above it.
    #[must_use]
    pub fn table(&self) -> Arc<Table> {
        self.table.clone()
    }

    /// What is stored about the user or organization that `change` concerns.
    #[must_use]
    pub fn kept(&self, change: &Change) -> Option<Kept<'_>> {
        match change {
            Change::User(user, _) | Change::Seen(user, _) | Change::Member(_, user, _) => self
                .users
                .get_key_value(user)
                .map(|(user, record)| Kept::User(user, record)),
            Change::Revoked(_) => None,
            Change::Organization(org, _) => self
                .orgs
                .get_key_value(org)
                .map(|(org, (at, change))| Kept::Organization(org, *at, *change)),
        }
    }

    /// Everything that is stored above the table.
    pub fn all_kept(&self) -> impl Iterator<Item = Kept<'_>> {
        let users = self
            .users
            .iter()
            .map(|(user, record)| Kept::User(user, record));
        users.chain(
            self.orgs
                .iter()
                .map(|(org, (at, change))| Kept::Organization(org, *at, *change)),
        )
    }

    /// The same membership under another list of roles. A role keeps its name, not its height. If the name is gone, the holder of
    /// the role loses the membership.
    #[must_use]
    pub fn with_roles(&self, old: &Roles, new: &Roles) -> Self {
        if old == new {
            return self.clone();
        }
        let renamed = |role: Role| new.find(old.name(role));
        let in_new_words = |(user, record): (&UserId, &Record)| {
            let mut record = record.clone();
            for entry in &mut record.orgs {
                if let MemberChange::Role(role) = entry.change {
                    entry.change = renamed(role).map_or(MemberChange::Removed, MemberChange::Role);
                }
            }
            (user.clone(), record)
        };
        let table = Arc::new(self.table.with_roles(renamed));
        Self {
            table,
            users: self.users.iter().map(in_new_words).collect(),
            ..self.clone()
        }
    }

    /// The membership after `event`. An older event never undoes a newer one (attack A-114): then nothing changes. Of two
    /// events with the same time, the one that takes more access away counts, so the order of delivery does not matter.
    ///
    /// # Errors
    /// When there is no room for the change; then nothing has changed.
    pub fn changed(&self, event: &MembershipEvent) -> Result<Self, TooManyChanges> {
        self.changed_within(Load::MAX, event)
    }

    /// Whether `event` ranks above the known event about the same thing. If it does not, it changes nothing. For events from
    /// tokens, ask [`Members::is_news`] instead.
    #[must_use]
    pub fn would_change(&self, event: &MembershipEvent) -> bool {
        let at = event.at;
        let record = |user| self.users.get(user);
        match &event.change {
            Change::User(user, change) => {
                record(user).is_none_or(|record| record.is_news_of_user(change, at))
            }
            Change::Member(org, user, change) => {
                record(user).is_none_or(|record| record.is_news_of_member(org, *change, at))
            }
            Change::Organization(org, change) => self.is_news_of_org(org, *change, at),
            Change::Seen(..) | Change::Revoked(_) => false,
        }
    }

    pub(super) fn changed_within(
        &self,
        max: Load,
        event: &MembershipEvent,
    ) -> Result<Self, TooManyChanges> {
        let event = self.unless_outdated(event);
        let takes = event.takes_access();
        let MembershipEvent { change, at } = event;
        let mut next = self.clone();
        let newcomer = InitialAccess {
            at,
            access: self.policy.access,
            flags: self.policy.flags.clone(),
        };
        let mut edit = |user: UserId, edit: &mut dyn FnMut(&mut Record)| {
            let record = next.users.entry(user.clone()).or_default();
            let before = Load::of_user(&user, record);
            edit(record);
            (before, Load::of_user(&user, record))
        };
        let (before, after) = match change {
            Change::User(user, change) => edit(user, &mut |record| {
                record.tell(change.clone(), at, &newcomer, self.policy.deactivate)
            }),
            Change::Seen(user, seen) => {
                // Fail closed: without `first_sight`, a name from a token does not make the user known.
                let newcomer = Some(&newcomer).filter(|_| self.policy.first_sight);
                edit(user, &mut |record| record.see(seen.clone(), newcomer))
            }
            Change::Member(org, user, change) => {
                let needless = |entry: &OrgEntry| self.is_needless(&user, entry);
                let mut fits = true;
                let counts = edit(user.clone(), &mut |record| {
                    let before = record.orgs.len();
                    record.join(org.clone(), change, at);
                    fits = record.fit(needless, takes) || record.orgs.len() <= before;
                });
                if !fits {
                    return Err(TooManyChanges::OfOneUser);
                }
                counts
            }
            Change::Organization(org, change) => {
                let load = Load::of_org(&org);
                let before = self.orgs.get(&org).map_or(Load::default(), |_| load);
                if self.is_news_of_org(&org, change, at) {
                    next.orgs.insert(org, (at, change));
                }
                (before, load)
            }
            // Revoked tokens are kept in `Revocations`, not here.
            Change::Revoked(_) => (Load::default(), Load::default()),
        };
        next.changes = self.changes.plus(after).minus(before);
        let room = next.changes.allows(before, after, max, takes);
        if room {
            Ok(next)
        } else {
            Err(TooManyChanges::InAll)
        }
    }

    fn is_news_of_org(&self, org: &OrgId, change: OrgChange, at: EventTime) -> bool {
        let known = self.orgs.get(org);
        known.is_none_or(|(then, known)| known.rank(*then) < change.rank(at))
    }

    pub(super) fn load(&self) -> Load {
        let users = self
            .users
            .iter()
            .map(|(user, record)| Load::of_user(user, record));
        users
            .chain(self.orgs.keys().map(Load::of_org))
            .fold(Load::default(), Load::plus)
    }

    /// Whether forgetting `entry` would let no user in: the entry refuses a user whom the organization or the table refuses
    /// anyway.
    fn is_needless(&self, user: &UserId, entry: &OrgEntry) -> bool {
        let gone = self
            .orgs
            .get(&entry.org)
            .is_some_and(|(_, change)| *change == OrgChange::Deleted);
        // Where the source is asked user by user, the table does not show what the source would answer for this user.
        let out =
            |org: &OrgId| self.lookup.is_none() && self.table.role_in_org(org, user).is_none();
        gone || (entry.change == MemberChange::Removed && out(&entry.org))
    }

    /// Whether a token contains something new about its user.
    #[must_use]
    pub fn is_news(&self, user: &UserId, seen: &super::Seen) -> bool {
        if !self.policy.first_sight {
            return false;
        }
        self.users
            .get(user)
            .is_none_or(|record| record.learns(seen))
    }

    /// What is known of `user`.
    #[must_use]
    pub fn user_state(&self, user: &UserId) -> UserState<'_> {
        static NO_FLAGS: Flags = Flags::NONE;
        let (row, record) = (self.table.user(user), self.users.get(user));
        let from_clerk = record.and_then(|record| record.from_clerk.as_ref());
        let deactivated = match from_clerk {
            Some((_, UserChange::Deleted)) if !self.policy.deactivate => return UserState::Deleted,
            Some((_, UserChange::Deleted)) => true,
            Some((_, UserChange::Described { banned: true, .. })) => return UserState::Banned,
            _ => false,
        };
        let entry = record.and_then(|record| record.initial_access.as_ref());
        // Clerk does not know which organizations the users of other issuers belong to.
        let by_token = self.policy.by_token && user.clerk().is_some();
        let (access, flags) = match (row, entry) {
            // The table is Clerk's own, and a later event from Clerk describes the user as not banned: the ban in the table was
            // lifted.
            (Some(row), _)
                if self.since.is_some()
                    && matches!(from_clerk, Some((_, UserChange::Described { .. }))) =>
            {
                (AccessStatus::Active, row.flags())
            }
            (Some(row), _) => (row.access(), row.flags()),
            (None, Some(entry)) => (entry.access, &entry.flags),
            (None, None) if deactivated || self.policy.first_sight || by_token => {
                (self.policy.access, &self.policy.flags)
            }
            (None, None) => return UserState::Unknown,
        };
        UserState::Known(UserView {
            access: if deactivated {
                AccessStatus::Suspended
            } else {
                access
            },
            founder: !deactivated && row.is_some_and(|row| row.founder()),
            // A deactivated user loses all flags.
            flags: if deactivated { &NO_FLAGS } else { flags },
            row,
            record,
            since: entry.filter(|_| row.is_none()).map(|entry| entry.at),
        })
    }

    /// The role of `user` in `workspace`. `claim` is the membership that their token contains, if tokens may state one.
    #[must_use]
    pub fn role(
        &self,
        workspace: &WorkspaceId,
        user: &UserId,
        claim: Option<TokenMembership<'_>>,
    ) -> Option<Role> {
        let record = self.users.get(user);
        if record.is_some_and(Record::deleted) {
            return None;
        }
        let claim = claim.filter(|_| self.policy.by_token);
        // The usual case: only the table can decide, so the organization of the workspace does not matter.
        if claim.is_none()
            && self.orgs.is_empty()
            && record.is_none_or(|record| record.orgs.is_empty())
        {
            return self.table.role(workspace, user);
        }
        let Some(org) = self.org_of(workspace) else {
            return self.table.role(workspace, user);
        };
        // A deleted organization has no members, even if the table, a token or a late event lists some.
        if self
            .orgs
            .get(&org)
            .is_some_and(|(_, change)| *change == OrgChange::Deleted)
        {
            return None;
        }
        let from_clerk = record.and_then(|record| record.entry_of(&org));
        let claim = claim.filter(|claim| *claim.org == org);
        match (from_clerk, claim) {
            // Token times are in seconds, so a token from the second of the event may be older than the event. Fail closed: the
            // event counts.
            (Some(from_clerk), Some(claim))
                if claim
                    .issued
                    .is_none_or(|issued| issued.0 <= from_clerk.at.0 / 1000) =>
            {
                from_clerk
                    .role()
                    .unwrap_or_else(|| self.table.role(workspace, user))
            }
            (_, Some(claim)) => claim.role,
            (Some(from_clerk), None) => from_clerk
                .role()
                .unwrap_or_else(|| self.table.role(workspace, user)),
            (None, None) => self.table.role(workspace, user),
        }
    }

    /// The Clerk organization of `workspace`. An organization that only webhooks have named is its own workspace.
    #[must_use]
    pub fn org_of(&self, workspace: &WorkspaceId) -> Option<OrgId> {
        match self.table.org_of(workspace) {
            Some(Some(org)) => Some(org),
            // A workspace with the id of an organization is that organization, even if its source does not state it. Otherwise a
            // webhook that removes a member from the organization would not remove them from this workspace.
            Some(None) if !workspace.as_str().starts_with("org_") => None,
            Some(None) | None => OrgId::parse(workspace.as_str())
                .ok()
                .filter(|org| !self.table.has_org(org)),
        }
    }

    /// The workspace of `org`.
    #[must_use]
    pub fn workspace_of(&self, org: &OrgId) -> Option<WorkspaceId> {
        self.table
            .workspace_of(org)
            .or_else(|| WorkspaceId::parse(org.as_str()).ok())
    }

    /// The numbers of users, workspaces and members in the table, and of changes above it.
    #[must_use]
    pub fn size(&self) -> (usize, usize, usize, usize) {
        let (users, workspaces, members) = self.table.size();
        (users, workspaces, members, self.changes.rows)
    }
}

/// The membership in a token: the organization that is active in it, and the role there.
#[derive(Clone, Copy, Debug)]
pub struct TokenMembership<'c> {
    pub org: &'c OrgId,
    /// `None` for a role that the config does not name.
    pub role: Option<Role>,
    pub issued: Option<UnixTime>,
}
