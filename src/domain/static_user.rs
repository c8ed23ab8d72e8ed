//! Users without an issuer: the holder of one shared token, or, for development, every client.
//!
//! The operator chooses either for the whole gate and never beside issuers: every request is judged by one kind of proof.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use super::Rejection;
use super::authority::Authority;
use super::client::forwarding_header;
use super::cors::Cors;
use super::head::RequestHead;
use super::ids::{Subject, UserId};
use super::service_token::TokenHash;
use super::token::bearer;

/// How users come in without an issuer.
#[derive(Clone, Debug)]
pub enum StaticAuth {
    /// The client shows the shared token and is this user. While the operator replaces the token, several are valid.
    Local {
        tokens: Vec<TokenHash>,
        who: Arc<StaticUser>,
    },
    /// Authentication is switched off: every client is this user and may do everything.
    Disabled(Arc<StaticUser>),
}

/// A user that comes from the config and not from an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticUser {
    user: UserId,
    issuer: &'static str,
    email: Option<HeaderValue>,
    name: Option<HeaderValue>,
}

/// The `x-auth-issuer` of the user of a shared token, and the beginning of their [`UserId`].
pub const LOCAL: &str = "local";
/// The `x-auth-issuer` while authentication is switched off.
pub const DISABLED: &str = "disabled";
/// The beginning of the [`UserId`] of the made-up user.
const DEV: &str = "dev";
/// The id of the made-up user, as the app gets it. Clerk's ids begin with `user_`, so no Clerk user has this id.
pub const DEV_USER: &str = "dev_user";
/// Names that an issuer may not have. An app that reads `x-auth-issuer` must be able to tell an issuer from a static user.
pub const RESERVED: &[&str] = &[LOCAL, DISABLED, DEV];

/// The most shared tokens at a time.
pub const MAX_TOKENS: usize = 4;

impl StaticUser {
    /// The user of a shared token, with the id `local:SUBJECT`. The texts are in the form of [`super::ids::text_header`].
    #[must_use]
    pub fn local(
        subject: &Subject,
        email: Option<HeaderValue>,
        name: Option<HeaderValue>,
    ) -> Option<Self> {
        Some(Self {
            user: UserId::of(LOCAL, subject)?,
            issuer: LOCAL,
            email,
            name,
        })
    }

    /// The made-up user while authentication is switched off.
    #[must_use]
    pub fn disabled() -> Self {
        let user = UserId::parse(&format!("{DEV}:{DEV_USER}")).expect("a constant is a user id");
        let text = HeaderValue::from_static;
        Self {
            user,
            issuer: DISABLED,
            email: Some(text("dev@localhost")),
            name: Some(text(DEV)),
        }
    }

    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    #[must_use]
    pub fn issuer(&self) -> &'static str {
        self.issuer
    }

    #[must_use]
    pub fn email(&self) -> Option<&HeaderValue> {
        self.email.as_ref()
    }

    #[must_use]
    pub fn name(&self) -> Option<&HeaderValue> {
        self.name.as_ref()
    }

    /// Whether the user may do everything, because authentication is switched off.
    #[must_use]
    pub fn bypasses_auth(&self) -> bool {
        self.issuer == DISABLED
    }
}

/// A caller who was admitted as the static user.
#[derive(Clone, Debug)]
pub struct AdmittedStaticUser {
    who: Arc<StaticUser>,
    /// The token that the caller showed. `None` while authentication is switched off.
    token: Option<TokenHash>,
}

impl AdmittedStaticUser {
    #[must_use]
    pub fn who(&self) -> &StaticUser {
        &self.who
    }
}

impl StaticAuth {
    #[must_use]
    pub fn who(&self) -> &Arc<StaticUser> {
        match self {
            Self::Local { who, .. } | Self::Disabled(who) => who,
        }
    }

    /// Admits the caller as the user, or returns the reason for the refusal.
    pub fn admit(&self, head: &RequestHead, cors: &Cors) -> Result<AdmittedStaticUser, Rejection> {
        match self {
            Self::Local { tokens, who } => {
                let token = bearer(head.headers)?.ok_or(Rejection::MissingToken)?;
                let token = TokenHash::shown(token.as_bytes());
                if !has(tokens, &token) {
                    return Err(Rejection::WrongLocalToken);
                }
                Ok(AdmittedStaticUser {
                    who: who.clone(),
                    token: Some(token),
                })
            }
            Self::Disabled(who) => check_near(head, cors).map(|()| AdmittedStaticUser {
                who: who.clone(),
                token: None,
            }),
        }
    }

    /// Whether a caller who was admitted before would still be admitted under `now`, the mode in force.
    ///
    /// # Errors
    /// The reason for the refusal: the token is no longer valid, or it belongs to another user now. Fail closed: a caller who was
    /// admitted without a token, while authentication was switched off, has no token for when it is switched on.
    pub fn still_admits(now: Option<&Self>, holder: &AdmittedStaticUser) -> Result<(), Rejection> {
        match (now, &holder.token) {
            (Some(Self::Disabled(_)), None) => Ok(()),
            (_, None) => Err(Rejection::MissingToken),
            (Some(Self::Local { tokens, who }), Some(token))
                if who.user() == holder.who.user() && has(tokens, token) =>
            {
                Ok(())
            }
            (_, Some(_)) => Err(Rejection::WrongLocalToken),
        }
    }

    /// Whether the request carries the shared token, on whatever route.
    #[must_use]
    pub fn is_carried(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Local { tokens, .. } => {
                let shown = bearer(headers)
                    .ok()
                    .flatten()
                    .map(|token| TokenHash::shown(token.as_bytes()));
                shown.is_some_and(|token| has(tokens, &token))
            }
            Self::Disabled(_) => false,
        }
    }
}

/// Compares with every token, also after a match (attack A-62). It does not parse the request's token first.
fn has(tokens: &[TokenHash], shown: &TokenHash) -> bool {
    tokens
        .iter()
        .fold(false, |found, hash| hash.same(shown) | found)
}

/// Checks, while authentication is switched off, that the request comes from a user at this machine. The loopback listeners alone
/// do not ensure that.
fn check_near(head: &RequestHead, cors: &Cors) -> Result<(), Rejection> {
    // A reverse proxy or a tunnel on the same machine forwards requests from anywhere.
    if forwarding_header(head.headers).is_some() {
        return Err(Rejection::AuthDisabledBehindProxy);
    }
    // Attack A-127: the page of another site lets its own name point at this machine.
    let host = head.single(&header::HOST)?;
    let host = host.and_then(|host| Authority::parse(host).ok());
    if !host.is_some_and(|authority| authority.host.cannot_be_rebound()) {
        return Err(Rejection::AuthDisabledHost);
    }
    // The page of another site can send a form without a token, and the gate asks for no token here (CSRF). Browsers send the
    // page's origin with every request except plain reads (Fetch standard, 3.2).
    let mut origins = head.headers.get_all(header::ORIGIN).iter();
    let ours =
        |origin: &HeaderValue| cors.lists(origin) || origin.to_str().is_ok_and(is_of_this_machine);
    match (origins.next(), origins.next()) {
        (None, _) => Ok(()),
        (Some(origin), None) if ours(origin) => Ok(()),
        _ => Err(Rejection::AuthDisabledOrigin),
    }
}

/// Whether a page of this origin was served by this machine.
fn is_of_this_machine(origin: &str) -> bool {
    let authority = ["http://", "https://"]
        .iter()
        .find_map(|scheme| origin.strip_prefix(scheme))
        .and_then(|rest| Authority::parse(rest).ok());
    authority.is_some_and(|Authority { host, .. }| host.cannot_be_rebound() && host.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_machine_are_near() {
        for near in [
            "http://localhost",
            "http://localhost:5173",
            "https://127.0.0.1:8080",
            "http://[::1]:3000",
        ] {
            assert!(is_of_this_machine(near), "{near}");
        }
        for far in [
            "null",
            "",
            "localhost",
            "http://localhost.evil.test",
            "http://localhost@evil.test",
            "http://localhost:80@evil.test",
            "http://localhost:80.evil.test",
            "http://127.0.0.1.evil.test",
            "http://127.0.0.1/evil",
            "http://[::1].evil.test",
            "http://192.168.0.1",
            "file://localhost",
            "http://0.0.0.0",
        ] {
            assert!(!is_of_this_machine(far), "{far}");
        }
    }

    #[test]
    fn the_made_up_user_is_nobody_at_clerk() {
        let who = StaticUser::disabled();
        assert_eq!(who.user().as_str(), "dev:dev_user");
        assert_eq!(who.user().clerk(), None);
        assert!(who.bypasses_auth());
        let local = StaticUser::local(&Subject::parse("user_2abc").unwrap(), None, None).unwrap();
        assert_eq!(
            (local.user().as_str(), local.user().clerk()),
            ("local:user_2abc", None)
        );
        assert!(!local.bypasses_auth());
    }

    #[test]
    fn every_shared_token_counts_and_nothing_near_one() {
        let tokens: Vec<_> = [b"0123456789abcdef", b"fedcba9876543210"]
            .iter()
            .filter_map(|t| TokenHash::of(*t))
            .collect();
        let fits =
            |tokens: &[TokenHash], shown: &str| has(tokens, &TokenHash::shown(shown.as_bytes()));
        assert!(fits(&tokens, "0123456789abcdef") && fits(&tokens, "fedcba9876543210"));
        for wrong in [
            "",
            "0123456789abcde",
            "0123456789abcdef0",
            "0123456789ABCDEF",
        ] {
            assert!(!fits(&tokens, wrong), "{wrong}");
        }
        assert!(!fits(&[], ""), "nobody has no token");
    }
}
