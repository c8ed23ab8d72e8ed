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
/// Most judgements ask for nothing but the access, so texts are copied out of the table when somebody wants them.
#[derive(Clone, Copy, Debug)]
pub struct UserView<'m> {
    pub access: AccessStatus,
    pub founder: bool,
    pub flags: &'m Flags,
    /// When the user was heard of first, where that is why they are known.
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

    /// The e-mail address: what Clerk told counts more than the table, and the table more than a token of the user.
    #[must_use]
    pub fn email(&self) -> Option<HeaderValue> {
        let seen = self.record.and_then(|record| record.seen.as_ref());
        let seen_email = || seen.and_then(|seen| seen.email.clone());
        match (self.told(), self.row) {
            (Some((at, email, _)), row) => {
                // A token that was issued later knows the newer address.
                let newer = row.is_none() && seen.is_some_and(|seen| seen.at > at);
                if newer { seen_email() } else { None }.or_else(|| email.cloned())
            }
            (None, Some(row)) => row.email().or_else(seen_email),
            (None, None) => seen_email(),
        }
    }

    /// The name, by the same order; a name does not change with a later token.
    #[must_use]
    pub fn name(&self) -> Option<HeaderValue> {
        let told = self.told().map(|(_, _, name)| name.cloned());
        let first = told.unwrap_or_else(|| self.row.and_then(Row::name));
        first.or_else(|| self.record?.seen.as_ref()?.name.clone())
    }

    /// What only the profile tells.
    #[must_use]
    pub fn details(&self) -> Option<Details> {
        self.row?.details()
    }

    /// When Clerk described the user, and with which e-mail address and name.
    fn told(&self) -> Option<(EventTime, Option<&HeaderValue>, Option<&HeaderValue>)> {
        match &self.record?.told {
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
