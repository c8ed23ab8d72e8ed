//! What is kept of one user on top of the table: what Clerk said, what the user's own tokens said, and the access that was given
//! at first sight.

use http::HeaderValue;

use super::{AccessStatus, Flags, Role};
use crate::domain::event::{EventTime, MemberChange, UserChange};
use crate::domain::ids::OrgId;

/// One user. The order in which things are learned makes no difference to what is kept in the end, so that replicas agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The last that Clerk said of the user: by webhook, or when asked.
    pub told: Option<(EventTime, UserChange)>,
    /// What tokens said of a user of whom Clerk did not say it.
    pub seen: Option<Seen>,
    /// The access of a user who is in no table, given once.
    pub entry: Option<InitialAccess>,
    /// Memberships of organizations, sorted by organization.
    pub orgs: Vec<OrgEntry>,
}

/// What a token said of its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When the token was issued that said the e-mail address.
    pub at: EventTime,
    pub email: Option<HeaderValue>,
    pub name: Option<HeaderValue>,
}

/// The access that a user got when they were first heard of. It does not change with the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialAccess {
    pub at: EventTime,
    pub access: AccessStatus,
    pub flags: Flags,
}

/// Bound on the memberships of one user, in bytes of the row that keeps them. The rest of a record is at most 12 KiB, so it
/// always is a row of at most 64 KiB, and a ban can always be written.
pub const MAX_ORG_BYTES: usize = 40 * 1024;
/// As much more is for memberships that have ended and that the table would give back.
const MORE_FOR_ENDED: usize = 8 * 1024;
/// What an entry takes beside the id of its organization: a time, the name of a role, and JSON around them.
const ENTRY_BYTES: usize = 128;

/// What was last said of a membership in an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgEntry {
    pub org: OrgId,
    pub at: EventTime,
    pub change: MemberChange,
}

impl Record {
    /// Whether Clerk has deleted the user. That is final: Clerk never gives an id a second time, so whatever else is said of the
    /// user was said before, however late it arrives.
    #[must_use]
    pub fn deleted(&self) -> bool {
        matches!(self.told, Some((_, UserChange::Deleted)))
    }

    /// Whether what is said of the user at `at` ranks above what was said before.
    pub(super) fn is_news_of_user(&self, change: &UserChange, at: EventTime) -> bool {
        let known = self.told.as_ref();
        known.is_none_or(|(then, told)| told.rank(*then) < change.rank(at))
    }

    /// Whether what is said of a membership at `at` ranks above what was said before. All memberships from before a deletion have ended
    /// with it, whichever is heard of first. What is said later counts once the source overrules the deletion, which may have been an
    /// operator's and not Clerk's.
    pub(super) fn is_news_of_member(
        &self,
        org: &OrgId,
        change: MemberChange,
        at: EventTime,
    ) -> bool {
        let deletion = self.told.as_ref().filter(|(_, told)| told.is_final());
        let known = self.entry_of(org);
        deletion.is_none_or(|(then, _)| *then < at)
            && known.is_none_or(|known| known.change.rank(known.at) < change.rank(at))
    }

    /// Takes what Clerk, or a source that overrules it, says of the user.
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
            UserChange::Deleted => (self.seen, self.entry) = (None, None),
            UserChange::Described { .. } => self.enter(newcomer),
            // That they were known before counts no more; whether they are known now, the source says. A replica that hears of
            // nothing but this does not know them either.
            UserChange::Superseded { .. } => self.entry = None,
        }
        self.told = Some((at, change));
    }

    /// "E-mail is updated when it changed, the name only when it was empty": what a later token says of the address counts, and
    /// the first name that was heard stays.
    ///
    /// Makes nobody known by itself: that takes a `newcomer`'s entry.
    pub(super) fn see(&mut self, seen: Seen, newcomer: Option<&InitialAccess>) {
        if self.deleted() {
            return;
        }
        newcomer.iter().for_each(|newcomer| self.enter(newcomer));
        match &mut self.seen {
            None => self.seen = Some(seen),
            Some(known) => {
                if seen.email.is_some() && (known.email.is_none() || seen.rank() > known.rank()) {
                    (known.at, known.email) = (seen.at, seen.email);
                }
                known.name = known.name.take().or(seen.name);
            }
        }
    }

    /// Whether `seen` is news. Every minute brings a new token; that it says the same once more is none.
    pub(super) fn learns(&self, seen: &Seen) -> bool {
        if self.deleted() {
            return false;
        }
        let (told_at, told_email, told_name) = match &self.told {
            Some((at, UserChange::Described { email, name, .. })) => {
                (Some(*at), email.as_ref(), name.as_ref())
            }
            _ => (None, None, None),
        };
        let known = self.seen.as_ref();
        let known_email = known.and_then(|known| known.email.as_ref());
        let later = known
            .map(|known| known.at)
            .filter(|_| known_email.is_some())
            .max(told_at)
            < Some(seen.at);
        let other_email = |email: &HeaderValue| later && known_email.or(told_email) != Some(email);
        let nameless = told_name.is_none() && known.is_none_or(|known| known.name.is_none());
        self.entry.is_none()
            || seen.email.as_ref().is_some_and(other_email)
            || (nameless && seen.name.is_some())
    }

    /// Takes what is said of a membership.
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

    /// Keeps the memberships within their bound. Anybody can found organizations and delete them again, and would otherwise have a
    /// record one day that is too large to be written, together with the ban in it.
    ///
    /// Forgets entries that are `needless`, the oldest first. `false` when the others are too many; for one that `takes` access
    /// away there is some more room.
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

    /// What the memberships take in a row, or more.
    pub(super) fn org_bytes(&self) -> usize {
        self.orgs.iter().map(OrgEntry::bytes).sum()
    }

    /// What was last said of the membership in `org`.
    #[must_use]
    pub fn entry_of(&self, org: &OrgId) -> Option<&OrgEntry> {
        let place = self
            .orgs
            .binary_search_by(|entry| entry.org.cmp(org))
            .ok()?;
        self.orgs.get(place)
    }

    fn enter(&mut self, newcomer: &InitialAccess) {
        match &mut self.entry {
            None => self.entry = Some(newcomer.clone()),
            Some(entry) => entry.at = entry.at.min(newcomer.at),
        }
    }

    /// Things kept: what counts against the bound.
    pub(super) fn size(&self) -> usize {
        usize::from(self.told.is_some() || self.seen.is_some() || self.entry.is_some())
            + self.orgs.len()
    }
}

impl OrgEntry {
    /// The role, or none; the outer `None` where the source has the word.
    pub(super) fn role(&self) -> Option<Option<Role>> {
        match self.change {
            MemberChange::Role(role) => Some(Some(role)),
            MemberChange::Removed => Some(None),
            MemberChange::Superseded => None,
        }
    }

    /// What it takes in a row, or more.
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.org.as_str().len()
    }
}
