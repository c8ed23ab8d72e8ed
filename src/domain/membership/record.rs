//! What is stored about one user above the table: events from Clerk, the contents of the user's own tokens, and the access that
//! the user got at first sight.

use http::HeaderValue;

use super::{AccessStatus, Flags, Role};
use crate::domain::event::{EventTime, MemberChange, UserChange};
use crate::domain::ids::OrgId;

/// One user. The same events in any order give the same record, so replicas agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The last event from Clerk about the user, from a webhook or from Clerk's answer to a request.
    pub from_clerk: Option<(EventTime, UserChange)>,
    /// E-mail address and name from the user's tokens, where Clerk did not give them.
    pub from_token: Option<Seen>,
    /// The access of a user who is in no table. It is given once.
    pub initial_access: Option<InitialAccess>,
    /// Memberships of organizations, sorted by organization.
    pub orgs: Vec<OrgEntry>,
}

/// What a token contains about its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When the token with this e-mail address was issued.
    pub at: EventTime,
    pub email: Option<HeaderValue>,
    pub name: Option<HeaderValue>,
}

/// The access that a user got when they first appeared. A later change of the config does not change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialAccess {
    pub at: EventTime,
    pub access: AccessStatus,
    pub flags: Flags,
}

/// Bound on the memberships of one user, in bytes of the row that stores them. The rest of a record is at most 12 KiB. So every
/// record fits into a row of 64 KiB, and a ban can always be written.
pub const MAX_ORG_BYTES: usize = 40 * 1024;
/// Additional room, in bytes, for ended memberships that the table would otherwise give back.
const MORE_FOR_ENDED: usize = 8 * 1024;
/// Bytes of an entry beside the id of its organization: a time, the name of a role, and the JSON around them.
const ENTRY_BYTES: usize = 128;

/// The last event about a membership in an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgEntry {
    pub org: OrgId,
    pub at: EventTime,
    pub change: MemberChange,
}

impl Record {
    /// Whether Clerk has deleted the user. A deletion is final: Clerk never reuses an id. So every other event about the user is
    /// older than the deletion, however late it arrives.
    #[must_use]
    pub fn deleted(&self) -> bool {
        matches!(self.from_clerk, Some((_, UserChange::Deleted)))
    }

    /// Whether `change` at `at` ranks above the last event about the user.
    pub(super) fn is_news_of_user(&self, change: &UserChange, at: EventTime) -> bool {
        let known = self.from_clerk.as_ref();
        known.is_none_or(|(then, from_clerk)| from_clerk.rank(*then) < change.rank(at))
    }

    /// Whether `change` at `at` ranks above the last event about the membership. A deletion ends all memberships from before it,
    /// whichever event arrives first. Events after the deletion count once the source supersedes the deletion: it may come from
    /// an operator and not from Clerk.
    pub(super) fn is_news_of_member(
        &self,
        org: &OrgId,
        change: MemberChange,
        at: EventTime,
    ) -> bool {
        let deletion = self
            .from_clerk
            .as_ref()
            .filter(|(_, from_clerk)| from_clerk.is_final());
        let known = self.entry_of(org);
        deletion.is_none_or(|(then, _)| *then < at)
            && known.is_none_or(|known| known.change.rank(known.at) < change.rank(at))
    }

    /// Applies an event about the user, from Clerk or from a source that supersedes Clerk's.
    pub(super) fn tell(
        &mut self,
        change: UserChange,
        at: EventTime,
        newcomer: &InitialAccess,
        keep_deleted: bool,
    ) {
        if !self.is_news_of_user(&change, at) {
            return;
        }
        if change.is_final() {
            self.orgs.retain(|entry| entry.at > at);
        }
        match change {
            UserChange::Deleted if keep_deleted => {}
            UserChange::Deleted => (self.from_token, self.initial_access) = (None, None),
            UserChange::Described { .. } => self.enter(newcomer),
            // The user may only have been known because of the superseded event. Now the source decides whether they are known.
            // So a replica that receives this event alone does not know them either.
            UserChange::Superseded { .. } => self.initial_access = None,
        }
        self.from_clerk = Some((at, change));
    }

    /// "E-mail is updated when it changed, the name only when it was empty": the e-mail address from a later token counts, and
    /// the first name stays.
    ///
    /// This alone does not make a user known: that takes the entry of a `newcomer`.
    pub(super) fn see(&mut self, seen: Seen, newcomer: Option<&InitialAccess>) {
        if self.deleted() {
            return;
        }
        newcomer.iter().for_each(|newcomer| self.enter(newcomer));
        match &mut self.from_token {
            None => self.from_token = Some(seen),
            Some(known) => {
                if seen.email.is_some() && (known.email.is_none() || seen.rank() > known.rank()) {
                    (known.at, known.email) = (seen.at, seen.email);
                }
                known.name = known.name.take().or(seen.name);
            }
        }
    }

    /// Whether `seen` contains something new. A user gets a new token every minute; the same contents again are not new.
    pub(super) fn learns(&self, seen: &Seen) -> bool {
        if self.deleted() {
            return false;
        }
        let (told_at, told_email, told_name) = match &self.from_clerk {
            Some((at, UserChange::Described { email, name, .. })) => {
                (Some(*at), email.as_ref(), name.as_ref())
            }
            _ => (None, None, None),
        };
        let known = self.from_token.as_ref();
        let known_email = known.and_then(|known| known.email.as_ref());
        let later = known
            .map(|known| known.at)
            .filter(|_| known_email.is_some())
            .max(told_at)
            < Some(seen.at);
        let other_email = |email: &HeaderValue| later && known_email.or(told_email) != Some(email);
        let nameless = told_name.is_none() && known.is_none_or(|known| known.name.is_none());
        self.initial_access.is_none()
            || seen.email.as_ref().is_some_and(other_email)
            || (nameless && seen.name.is_some())
    }

    /// Applies an event about a membership.
    pub(super) fn join(&mut self, org: OrgId, change: MemberChange, at: EventTime) {
        if !self.is_news_of_member(&org, change, at) {
            return;
        }
        let entry = OrgEntry { org, at, change };
        match self
            .orgs
            .binary_search_by(|known| known.org.cmp(&entry.org))
        {
            Err(place) => self.orgs.insert(place, entry),
            Ok(place) => {
                if let Some(known) = self.orgs.get_mut(place) {
                    *known = entry;
                }
            }
        }
    }

    /// Keeps the memberships within their bound. Attack: a user creates and deletes organizations until their record is too large
    /// to be written. Then a ban in the record could not be written either.
    ///
    /// Removes entries that are `needless`, the oldest first. Returns `false` when the remaining entries are too many. An entry
    /// that `takes` access away has some more room.
    pub(super) fn fit(&mut self, needless: impl Fn(&OrgEntry) -> bool, takes: bool) -> bool {
        let max = if takes {
            MAX_ORG_BYTES + MORE_FOR_ENDED
        } else {
            MAX_ORG_BYTES
        };
        let mut bytes = self.org_bytes();
        while bytes > MAX_ORG_BYTES {
            let entries = self
                .orgs
                .iter()
                .enumerate()
                .filter(|(_, entry)| needless(entry));
            let Some((oldest, entry)) = entries.min_by_key(|(_, entry)| entry.at) else {
                break;
            };
            bytes -= entry.bytes();
            self.orgs.remove(oldest);
        }
        bytes <= max
    }

    /// The bytes that the memberships take in a row, or more.
    pub(super) fn org_bytes(&self) -> usize {
        self.orgs.iter().map(OrgEntry::bytes).sum()
    }

    /// The last event about the membership in `org`.
    #[must_use]
    pub fn entry_of(&self, org: &OrgId) -> Option<&OrgEntry> {
        let place = self
            .orgs
            .binary_search_by(|entry| entry.org.cmp(org))
            .ok()?;
        self.orgs.get(place)
    }

    fn enter(&mut self, newcomer: &InitialAccess) {
        match &mut self.initial_access {
            None => self.initial_access = Some(newcomer.clone()),
            Some(entry) => entry.at = entry.at.min(newcomer.at),
        }
    }

    /// How many things the record stores. They count against the bound.
    pub(super) fn size(&self) -> usize {
        usize::from(
            self.from_clerk.is_some() || self.from_token.is_some() || self.initial_access.is_some(),
        ) + self.orgs.len()
    }
}

impl OrgEntry {
    /// The role, or `Some(None)` if the membership has ended. `None` where the source decides.
    pub(super) fn role(&self) -> Option<Option<Role>> {
        match self.change {
            MemberChange::Role(role) => Some(Some(role)),
            MemberChange::Removed => Some(None),
            MemberChange::Superseded => None,
        }
    }

    /// The bytes that the entry takes in a row, or more.
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.org.as_str().len()
    }
}
