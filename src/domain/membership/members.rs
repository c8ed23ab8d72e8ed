//! The membership in force: the table, and on top of it one record per user of whom something was learned since.

use std::sync::Arc;

use http::HeaderValue;

use super::bounds::{Load, TooManyChanges};
use super::{AccessStatus, Details, Entry, Flags, OrgEntry, Record, Role, Roles, Table, User};
use crate::domain::event::{Change, EventTime, MemberChange, UserChange};
use crate::domain::ids::{AppUserId, OrgId, UserId, WorkspaceId};

/// The membership in force. Cheap to clone and to change by one event: the table is shared, the records are a persistent map.
///
/// **Who wins:** for each user and each membership, the last to speak. A webhook stands above the table that was loaded
/// before it; a reloaded table takes back only the rows that it changed itself. So editing one row of a file does not undo
/// the ban of another user, and an operator can always overrule a webhook by writing the row.
///
/// What takes access away falls only to a row that gives more access than before. An app that follows a deletion by removing its
/// row, that suspends a banned user as well, or that writes down their new name, gives nobody access back by that, and an older
/// event that is delivered later still finds the newer one.
#[derive(Clone, Debug, Default)]
pub struct Members {
    table: Arc<Table>,
    users: imbl::HashMap<UserId, Record>,
    orgs: imbl::HashMap<OrgId, (EventTime, bool)>,
    /// What `users` and `orgs` are together.
    changes: Load,
    policy: Policy,
}

/// What happens with users who are in no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The status of a user who is heard of for the first time.
    pub access: AccessStatus,
    /// The flags of such a user.
    pub flags: Flags,
    /// Whether a good token of an unknown user is a reason to make a record.
    pub first_sight: bool,
    /// Whether a deletion at Clerk suspends the user here, and keeps what is known of them.
    pub deactivate: bool,
}

impl Default for Policy {
    /// Of somebody who is in no table nobody has decided anything yet.
    fn default() -> Self {
        Self { access: AccessStatus::Pending, flags: Flags::default(), first_sight: false, deactivate: false }
    }
}

/// What is known of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing<'m> {
    Unknown,
    Deleted,
    /// Banned or locked at Clerk.
    Banned,
    Known(Known<'m>),
}

/// A user who is neither deleted nor banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known<'m> {
    pub id: Option<&'m AppUserId>,
    pub access: AccessStatus,
    pub founder: bool,
    pub flags: &'m Flags,
    pub email: Option<&'m HeaderValue>,
    pub name: Option<&'m HeaderValue>,
    pub details: Option<&'m Details>,
    /// When the user was heard of first, where that is why they are known.
    pub since: Option<EventTime>,
}

/// Something that a restart must not forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept<'m> {
    User(&'m UserId, &'m Record),
    Organization(&'m OrgId, EventTime, bool),
}

impl Members {
    /// The membership as the table says.
    #[must_use]
    pub fn new(table: Table, policy: Policy) -> Self {
        Self { table: Arc::new(table), policy, ..Self::default() }
    }

    /// The same membership with what was kept before a restart.
    #[must_use]
    pub fn remembering(
        mut self,
        users: impl IntoIterator<Item = (UserId, Record)>,
        orgs: impl IntoIterator<Item = (OrgId, EventTime, bool)>,
    ) -> Self {
        self.users = users.into_iter().collect();
        self.orgs = orgs.into_iter().map(|(org, at, exists)| (org, (at, exists))).collect();
        self.changes = self.load();
        self
    }

    /// What is kept of the user or organization that `change` concerns.
    #[must_use]
    pub fn kept(&self, change: &Change) -> Option<Kept<'_>> {
        match change {
            Change::User(user, _) | Change::Seen(user, _) | Change::Member(_, user, _) => {
                self.users.get_key_value(user).map(|(user, record)| Kept::User(user, record))
            }
            Change::Revoked(_) => None,
            Change::Organization(org, _) => {
                self.orgs.get_key_value(org).map(|(org, (at, exists))| Kept::Organization(org, *at, *exists))
            }
        }
    }

    /// Everything that is kept.
    pub fn all_kept(&self) -> impl Iterator<Item = Kept<'_>> {
        let users = self.users.iter().map(|(user, record)| Kept::User(user, record));
        users.chain(self.orgs.iter().map(|(org, (at, exists))| Kept::Organization(org, *at, *exists)))
    }

    /// The users of whom `other` keeps something else, with what that is.
    pub fn users_unlike<'m>(&'m self, other: &'m Self) -> impl Iterator<Item = (&'m UserId, Option<&'m Record>)> {
        let pairs = self.users.iter().map(|(user, record)| (user, record, other.users.get(user)));
        pairs.filter(|(_, record, other)| Some(*record) != *other).map(|(user, _, other)| (user, other))
    }

    /// The organizations of which `other` keeps nothing.
    pub fn orgs_not_in<'m>(&'m self, other: &'m Self) -> impl Iterator<Item = &'m OrgId> {
        self.orgs.keys().filter(|org| !other.orgs.contains_key(*org))
    }

    /// The membership after the source was read again: records stay, except in rows that the source changed.
    #[must_use]
    pub fn reloaded(&self, table: Table, policy: Policy) -> Self {
        let old = &self.table;
        let keeps_told = |user: &UserId, change: &UserChange| {
            let (before, after) = (old.users.get(user), table.users.get(user));
            before == after || (change.takes_access() && User::height(after) <= User::height(before))
        };
        let keeps_org = |user: &UserId, org: &OrgId, change: MemberChange| {
            let (before, after) = (old.role_in_org(org, user), table.role_in_org(org, user));
            before == after || (change == MemberChange::Removed && after.is_none())
        };
        let retained = |(user, record): (&UserId, &Record)| {
            let mut record = record.clone();
            record.told = record.told.filter(|(_, change)| keeps_told(user, change));
            record.orgs.retain(|entry| keeps_org(user, &entry.org, entry.change));
            (record.size() > 0).then(|| (user.clone(), record))
        };
        let mut next = Self { policy, ..self.clone() };
        next.users = self.users.iter().filter_map(retained).collect();
        next.orgs.retain(|org, (_, exists)| {
            let (before, after) = (old.by_org.contains_key(org), table.by_org.contains_key(org));
            before == after || (!*exists && !after)
        });
        next.changes = next.load();
        next.table = Arc::new(table);
        next
    }

    /// The same membership in the words of other roles: a role keeps its name, not its height. One whose name is gone is no role,
    /// so its holder is out.
    #[must_use]
    pub fn with_roles(&self, old: &Roles, new: &Roles) -> Self {
        let renamed = |role: Role| new.find(old.name(role));
        let mut table = Table::clone(&self.table);
        for workspace in table.workspaces.values_mut() {
            workspace.members = workspace.members.drain().filter_map(|(u, r)| Some((u, renamed(r)?))).collect();
        }
        let in_new_words = |(user, record): (&UserId, &Record)| {
            let mut record = record.clone();
            for entry in &mut record.orgs {
                if let MemberChange::Role(role) = entry.change {
                    entry.change = renamed(role).map_or(MemberChange::Removed, MemberChange::Role);
                }
            }
            (user.clone(), record)
        };
        Self { table: Arc::new(table), users: self.users.iter().map(in_new_words).collect(), ..self.clone() }
    }

    /// The membership after `change`. An older event never undoes a newer one (attack A-114): then nothing changes. Of two
    /// events with the same time the one that takes more access away wins, so that no order of delivery matters.
    pub fn changed(&self, change: Change, at: EventTime) -> Result<Self, TooManyChanges> {
        self.changed_within(Load::MAX, change, at)
    }

    pub(super) fn changed_within(&self, max: Load, change: Change, at: EventTime) -> Result<Self, TooManyChanges> {
        let takes = change.takes_access();
        let mut next = self.clone();
        let newcomer = Entry { at, access: self.policy.access, flags: self.policy.flags.clone() };
        let mut edit = |user: UserId, edit: &mut dyn FnMut(&mut Record)| {
            let record = next.users.entry(user.clone()).or_default();
            let before = Load::of_user(&user, record);
            edit(record);
            (before, Load::of_user(&user, record))
        };
        let (before, after) = match change {
            Change::User(user, change) => {
                edit(user, &mut |record| record.tell(change.clone(), at, &newcomer, self.policy.deactivate))
            }
            Change::Seen(user, seen) => {
                // Fail closed: a name that was learned makes nobody known, where first sight does not.
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
            Change::Organization(org, exists) => {
                let load = Load::of_org(&org);
                let earlier = next.orgs.get(&org).map(|(then, exists)| (*then, !exists));
                if earlier.is_none_or(|earlier| (at, !exists) > earlier) {
                    next.orgs.insert(org, (at, exists));
                }
                (earlier.map_or(Load::default(), |_| load), load)
            }
            // Whose tokens count no more is no matter of membership.
            Change::Revoked(_) => (Load::default(), Load::default()),
        };
        next.changes = self.changes.plus(after).minus(before);
        let room = next.changes.allows(before, after, max, takes);
        if room { Ok(next) } else { Err(TooManyChanges::InAll) }
    }

    fn load(&self) -> Load {
        let users = self.users.iter().map(|(user, record)| Load::of_user(user, record));
        users.chain(self.orgs.keys().map(Load::of_org)).fold(Load::default(), Load::plus)
    }

    /// Whether nobody would get in if `entry` were forgotten: it only says that somebody is out who would be out anyway.
    fn is_needless(&self, user: &UserId, entry: &OrgEntry) -> bool {
        let gone = self.orgs.get(&entry.org).is_some_and(|(_, exists)| !exists);
        gone || (entry.change == MemberChange::Removed && self.table.role_in_org(&entry.org, user).is_none())
    }

    /// Whether what a token says of its user is news.
    #[must_use]
    pub fn is_news(&self, user: &UserId, seen: &super::Seen) -> bool {
        if !self.policy.first_sight {
            return false;
        }
        self.users.get(user).is_none_or(|record| record.learns(seen))
    }

    /// What is known of `user`.
    #[must_use]
    pub fn standing(&self, user: &UserId) -> Standing<'_> {
        static NO_FLAGS: Flags = Flags::NONE;
        let (row, record) = (self.table.users.get(user), self.users.get(user));
        let told = record.and_then(|record| record.told.as_ref());
        let deactivated = match told {
            Some((_, UserChange::Deleted)) if !self.policy.deactivate => return Standing::Deleted,
            Some((_, UserChange::Deleted)) => true,
            Some((_, UserChange::Described { banned: true, .. })) => return Standing::Banned,
            _ => false,
        };
        let entry = record.and_then(|record| record.entry.as_ref());
        let (access, flags) = match (row, entry) {
            (Some(row), _) => (row.access, &row.flags),
            (None, Some(entry)) => (entry.access, &entry.flags),
            (None, None) if deactivated || self.policy.first_sight => (self.policy.access, &self.policy.flags),
            (None, None) => return Standing::Unknown,
        };
        let (email, name) = contact(row, record);
        Standing::Known(Known {
            id: row.and_then(|user| user.id.as_ref()),
            access: if deactivated { AccessStatus::Suspended } else { access },
            founder: !deactivated && row.is_some_and(|user| user.founder),
            // What a user was allowed before is not what a deactivated one is.
            flags: if deactivated { &NO_FLAGS } else { flags },
            email,
            name,
            details: row.and_then(|user| user.details.as_deref()),
            since: entry.filter(|_| row.is_none()).map(|entry| entry.at),
        })
    }

    /// The role of `user` in `workspace`.
    #[must_use]
    pub fn role(&self, workspace: &WorkspaceId, user: &UserId) -> Option<Role> {
        let Some(org) = self.org_of(workspace) else { return self.table.role(workspace, user) };
        // A deleted organization has no members, whatever the table and late events say of them.
        if self.orgs.get(&org).is_some_and(|(_, exists)| !exists) {
            return None;
        }
        match self.users.get(user).and_then(|record| record.org(&org)) {
            Some(MemberChange::Removed) => None,
            Some(MemberChange::Role(role)) => Some(role),
            None => self.table.role(workspace, user),
        }
    }

    /// The organization that `workspace` is. One of which only webhooks have spoken is its own workspace.
    #[must_use]
    pub fn org_of(&self, workspace: &WorkspaceId) -> Option<OrgId> {
        match self.table.workspaces.get(workspace) {
            Some(known) => known.org.clone(),
            None => OrgId::parse(workspace.as_str()).ok().filter(|org| !self.table.by_org.contains_key(org)),
        }
    }

    /// The workspace that `org` is.
    #[must_use]
    pub fn workspace_of(&self, org: &OrgId) -> Option<WorkspaceId> {
        self.table.by_org.get(org).cloned().or_else(|| WorkspaceId::parse(org.as_str()).ok())
    }

    /// Users, workspaces and members of the table; changes on top of it.
    #[must_use]
    pub fn size(&self) -> (usize, usize, usize, usize) {
        let (users, workspaces, members) = self.table.size();
        (users, workspaces, members, self.changes.rows)
    }
}

/// E-mail address and name: what Clerk told counts more than the table, and the table more than a token of the user.
fn contact<'m>(
    row: Option<&'m User>,
    record: Option<&'m Record>,
) -> (Option<&'m HeaderValue>, Option<&'m HeaderValue>) {
    let seen = record.and_then(|record| record.seen.as_ref());
    let (seen_email, seen_name) = (seen.and_then(|s| s.email.as_ref()), seen.and_then(|s| s.name.as_ref()));
    match (record.and_then(|record| record.told.as_ref()), row) {
        (Some((at, UserChange::Described { email, name, .. })), row) => {
            // A token that was issued later knows the newer address.
            let newer = seen_email.filter(|_| row.is_none() && seen.is_some_and(|seen| seen.at > *at));
            (newer.or(email.as_ref()), name.as_ref().or(seen_name))
        }
        (_, Some(row)) => (row.email.as_ref().or(seen_email), row.name.as_ref().or(seen_name)),
        (_, None) => (seen_email, seen_name),
    }
}
