//! What is known of one user.

use http::HeaderValue;

use super::table::Row;
use super::{AccessStatus, Details, Flags, Record};
use crate::domain::event::{EventTime, UserChange};

/// What is known of a user.
#[derive(Clone, Debug, PartialEq)]
pub enum UserState<'m> {
    Unknown,
    Deleted,
    /// Banned or locked at Clerk.
    Banned,
    Known(UserView<'m>),
}

/// A user who is neither deleted nor banned.
///
/// Most judgements need only the access. So texts are copied out of the table only when they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct UserView<'m> {
    pub access: AccessStatus,
    pub founder: bool,
    pub flags: &'m Flags,
    /// When the user first appeared, if the user is known for that reason and is in no table.
    pub since: Option<EventTime>,
    pub(super) row: Option<Row<'m>>,
    pub(super) record: Option<&'m Record>,
}

impl UserView<'_> {
    /// The app's own id.
    #[must_use]
    pub fn id(&self) -> Option<HeaderValue> {
        self.row?.id()?.to_header()
    }

    /// The e-mail address: the one from Clerk counts more than the table, and the table counts more than a token of the user.
    #[must_use]
    pub fn email(&self) -> Option<HeaderValue> {
        let seen = self.record.and_then(|record| record.from_token.as_ref());
        let seen_email = || seen.and_then(|seen| seen.email.clone());
        match (self.described_by_clerk(), self.row) {
            (Some((at, email, _)), row) => {
                // Without a row, a token that is newer than Clerk's event has the newer address.
                let newer = row.is_none() && seen.is_some_and(|seen| seen.at > at);
                if newer { seen_email() } else { None }.or_else(|| email.cloned())
            }
            (None, Some(row)) => row.email().or_else(seen_email),
            (None, None) => seen_email(),
        }
    }

    /// The name, in the same order of preference. A later token does not change it.
    #[must_use]
    pub fn name(&self) -> Option<HeaderValue> {
        let from_clerk = self.described_by_clerk().map(|(_, _, name)| name.cloned());
        let first = from_clerk.unwrap_or_else(|| self.row.and_then(Row::name));
        first.or_else(|| self.record?.from_token.as_ref()?.name.clone())
    }

    /// The data that only the profile shows.
    #[must_use]
    pub fn details(&self) -> Option<Details> {
        self.row?.details()
    }

    /// The time, e-mail address and name of Clerk's last description of the user.
    fn described_by_clerk(
        &self,
    ) -> Option<(EventTime, Option<&HeaderValue>, Option<&HeaderValue>)> {
        match &self.record?.from_clerk {
            Some((at, UserChange::Described { email, name, .. })) => {
                Some((*at, email.as_ref(), name.as_ref()))
            }
            _ => None,
        }
    }
}

impl PartialEq for UserView<'_> {
    fn eq(&self, other: &Self) -> bool {
        let said = |known: &Self| (known.access, known.founder, known.since, known.details());
        let texts = |known: &Self| (known.id(), known.email(), known.name());
        said(self) == said(other) && texts(self) == texts(other) && self.flags == other.flags
    }
}
