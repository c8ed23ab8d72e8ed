//! Revocations end access before a token expires: for sessions that were ended, and for users whose earlier tokens no longer
//! count.
//!
//! A token of Clerk cannot be withdrawn; it only expires. So the gate remembers each revocation for as long as a token of that
//! session or user can live. It refuses tokens that live longer than it remembers revocations ([`Revocations::check`]).

use std::time::Duration;

use super::event::EventTime;
use super::ids::{SessionId, UserId};
use super::{Rejection, UnixTime};

/// Whose tokens are revoked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// Every token of this session.
    Session(SessionId),
    /// Every token of this user that was issued up to the time of the revocation.
    User(UserId),
}

impl std::fmt::Display for Revoked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session(session) => write!(f, "session {session}"),
            Self::User(user) => write!(f, "user {user}"),
        }
    }
}

/// All revocations with their times. Cheap to clone and to change by one entry.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    sessions: imbl::HashMap<SessionId, EventTime>,
    users: imbl::HashMap<UserId, EventTime>,
}

/// Bound on the revoked sessions, and likewise on the revoked users.
pub const MAX_REVOCATIONS: usize = 1_000_000;

/// Clocks differ: the tokens of a provider whose clock is ahead seem to live longer than they do.
const SLACK: Duration = Duration::from_secs(60);

/// The revocation cannot be stored, because there are [`MAX_REVOCATIONS`] already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_REVOCATIONS} sessions or users are revoked at this moment")]
pub struct TooManyRevocations;

impl Revocations {
    /// These revocations and one more. Of two for the same session or user the later one counts, in whichever order they arrive.
    pub fn with(&self, revoked: Revoked, at: EventTime) -> Result<Self, TooManyRevocations> {
        self.within(MAX_REVOCATIONS, revoked, at)
    }

    fn within(
        &self,
        max: usize,
        revoked: Revoked,
        at: EventTime,
    ) -> Result<Self, TooManyRevocations> {
        let mut next = self.clone();
        let later = |known: &mut EventTime| *known = at.max(*known);
        match revoked {
            Revoked::Session(session) => later(next.sessions.entry(session).or_insert(at)),
            Revoked::User(user) => later(next.users.entry(user).or_insert(at)),
        }
        let full = next.sessions.len() > max.max(self.sessions.len())
            || next.users.len() > max.max(self.users.len());
        if full {
            Err(TooManyRevocations)
        } else {
            Ok(next)
        }
    }

    /// Whether `token` still counts at `now`. `keep` is how long a revocation is remembered.
    ///
    /// # Errors
    /// Why the token does not count. Fail closed: this includes a token that would outlive the memory of its revocation, and a
    /// token without an issue time while its user is revoked.
    pub fn check(&self, token: &Token<'_>, now: UnixTime, keep: Duration) -> Result<(), Rejection> {
        if token.expires > now.plus(keep).plus(SLACK) {
            return Err(Rejection::TokenLivesTooLong);
        }
        if token
            .session
            .is_some_and(|session| self.sessions.contains_key(session))
        {
            return Err(Rejection::SessionRevoked);
        }
        // Token times are in seconds: a token from the second of the revocation may be older than the revocation.
        let until = self.users.get(token.user).map(|at| UnixTime(at.0 / 1000));
        match until {
            Some(until) if token.issued.is_none_or(|issued| issued <= until) => {
                Err(Rejection::UserRevoked)
            }
            _ => Ok(()),
        }
    }

    /// The time of this revocation.
    #[must_use]
    pub fn at(&self, revoked: &Revoked) -> Option<EventTime> {
        match revoked {
            Revoked::Session(session) => self.sessions.get(session).copied(),
            Revoked::User(user) => self.users.get(user).copied(),
        }
    }

    /// The revocations without those older than `keep` at `now`, and the removed ones. No token of a removed revocation can be
    /// alive.
    #[must_use]
    pub fn forgotten(&self, now: UnixTime, keep: Duration) -> (Self, Vec<Revoked>) {
        let old = |at: &EventTime| now > UnixTime(at.0 / 1000).plus(keep).plus(2 * SLACK);
        let sessions = self
            .sessions
            .iter()
            .filter(|(_, at)| old(at))
            .map(|(id, _)| Revoked::Session(id.clone()));
        let users = self
            .users
            .iter()
            .filter(|(_, at)| old(at))
            .map(|(id, _)| Revoked::User(id.clone()));
        let gone: Vec<_> = sessions.chain(users).collect();
        let mut next = self.clone();
        for revoked in &gone {
            match revoked {
                Revoked::Session(session) => drop(next.sessions.remove(session)),
                Revoked::User(user) => drop(next.users.remove(user)),
            }
        }
        (next, gone)
    }

    /// All revocations with their times.
    pub fn all(&self) -> impl Iterator<Item = (Revoked, EventTime)> {
        let sessions = self
            .sessions
            .iter()
            .map(|(id, at)| (Revoked::Session(id.clone()), *at));
        sessions.chain(
            self.users
                .iter()
                .map(|(id, at)| (Revoked::User(id.clone()), *at)),
        )
    }

    /// How many sessions and users are revoked.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        (self.sessions.len(), self.users.len())
    }
}

/// The parts of a token that decide whether a revocation applies.
#[derive(Clone, Copy, Debug)]
pub struct Token<'t> {
    pub user: &'t UserId,
    pub session: Option<&'t SessionId>,
    pub issued: Option<UnixTime>,
    pub expires: UnixTime,
}

#[cfg(test)]
impl Revocations {
    /// Revocations for as many users as there is room for.
    pub fn full() -> Self {
        let user = |n| UserId::parse(&format!("user_{n}")).expect("a user id");
        Self {
            sessions: Default::default(),
            users: (0..MAX_REVOCATIONS)
                .map(|n| (user(n), EventTime(1)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEEP: Duration = Duration::from_secs(3600);
    const NOW: UnixTime = UnixTime(1_000_000);

    fn session(id: &str) -> SessionId {
        SessionId::parse(id).unwrap()
    }

    fn user() -> UserId {
        UserId::parse("user_a").unwrap()
    }

    fn at(seconds: u64) -> EventTime {
        EventTime(seconds * 1000 + 500)
    }

    fn check(
        revocations: &Revocations,
        sid: Option<&str>,
        issued: Option<u64>,
    ) -> Result<(), Rejection> {
        let (user, session) = (user(), sid.map(session));
        let issued = issued.map(UnixTime);
        let token = Token {
            user: &user,
            session: session.as_ref(),
            issued,
            expires: NOW.plus(Duration::from_secs(60)),
        };
        revocations.check(&token, NOW, KEEP)
    }

    #[test]
    fn a_session_that_was_ended_ends_and_no_other() {
        let ended = Revocations::default()
            .with(Revoked::Session(session("sess_1")), at(NOW.0))
            .unwrap();
        assert_eq!(
            check(&ended, Some("sess_1"), Some(NOW.0)),
            Err(Rejection::SessionRevoked)
        );
        assert_eq!(
            check(&ended, Some("sess_1"), Some(NOW.0 + 50)),
            Err(Rejection::SessionRevoked)
        );
        assert_eq!(check(&ended, Some("sess_2"), Some(NOW.0)), Ok(()));
        assert_eq!(check(&ended, None, Some(NOW.0)), Ok(()));
    }

    #[test]
    fn a_revoked_user_comes_back_with_a_token_that_was_issued_later() {
        let revoked = Revocations::default()
            .with(Revoked::User(user()), at(NOW.0))
            .unwrap();
        for (issued, expected) in [
            (Some(NOW.0 - 10), Err(Rejection::UserRevoked)),
            (Some(NOW.0), Err(Rejection::UserRevoked)),
            (None, Err(Rejection::UserRevoked)),
            (Some(NOW.0 + 1), Ok(())),
        ] {
            assert_eq!(
                check(&revoked, Some("sess_1"), issued),
                expected,
                "{issued:?}"
            );
        }
        let other = UserId::parse("user_b").unwrap();
        let token = Token {
            user: &other,
            session: None,
            issued: Some(UnixTime(1)),
            expires: NOW,
        };
        assert_eq!(revoked.check(&token, NOW, KEEP), Ok(()));
    }

    #[test]
    fn no_token_outlives_the_memory_of_its_revocation() {
        let user = user();
        let token = |life| Token {
            user: &user,
            session: None,
            issued: Some(NOW),
            expires: NOW.plus(life),
        };
        let none = Revocations::default();
        assert_eq!(none.check(&token(KEEP), NOW, KEEP), Ok(()));
        assert_eq!(none.check(&token(KEEP + SLACK), NOW, KEEP), Ok(()));
        let longer = KEEP + SLACK + Duration::from_secs(1);
        assert_eq!(
            none.check(&token(longer), NOW, KEEP),
            Err(Rejection::TokenLivesTooLong)
        );
        assert_eq!(
            none.check(
                &Token {
                    expires: UnixTime(u64::MAX),
                    ..token(KEEP)
                },
                NOW,
                KEEP
            ),
            Err(Rejection::TokenLivesTooLong)
        );
    }

    #[test]
    fn what_no_token_can_show_any_more_is_forgotten() {
        let revoked = Revoked::Session(session("sess_1"));
        let kept = Revocations::default()
            .with(revoked.clone(), at(NOW.0))
            .unwrap();
        let last = NOW.plus(KEEP).plus(2 * SLACK);
        assert_eq!(kept.forgotten(last, KEEP).1, []);
        let (after, gone) = kept.forgotten(last.plus(Duration::from_secs(1)), KEEP);
        assert_eq!((after.len(), gone), ((0, 0), vec![revoked]));
    }

    #[test]
    fn the_entries_are_bounded_and_what_is_kept_can_still_change() {
        let full = Revocations::default()
            .within(1, Revoked::User(user()), at(1))
            .unwrap();
        let other = Revoked::User(UserId::parse("user_b").unwrap());
        assert_eq!(full.within(1, other, at(1)).err(), Some(TooManyRevocations));
        let changed = full.within(1, Revoked::User(user()), at(2)).unwrap();
        assert_eq!(changed.at(&Revoked::User(user())), Some(at(2)));
    }

    proptest! {
        #[test]
        fn any_order_of_the_same_revocations_gives_the_same(
            (some, shuffled) in proptest::collection::vec((0_u8..3, any::<bool>(), 0_u64..5), 0..10)
                .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
        ) {
            let apply = |list: &[(u8, bool, u64)]| list.iter().fold(Revocations::default(), |all, (id, is_user, time)| {
                let revoked = if *is_user {
                    Revoked::User(UserId::parse(&format!("user_{id}")).unwrap())
                } else {
                    Revoked::Session(session(&format!("sess_{id}")))
                };
                all.with(revoked, at(*time)).unwrap()
            });
            let (one, other) = (apply(&some), apply(&shuffled));
            prop_assert_eq!(one.sessions, other.sessions);
            prop_assert_eq!(one.users, other.users);
        }
    }
}
