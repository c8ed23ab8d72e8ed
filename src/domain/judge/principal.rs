//! The principal: the person who sends the request, and everything that headers and profile contain about them.

use http::HeaderValue;

use crate::domain::UnixTime;
use crate::domain::event::EventTime;
use crate::domain::ids::{CLERK, OrgId, UserId};
use crate::domain::membership::{AccessStatus, Flags, Roles, TokenMembership, UserState, UserView};
use crate::domain::snapshot::Snapshot;
use crate::domain::static_user::{AdmittedStaticUser, DEV_USER};
use crate::domain::token::{Claims, VerifiedClaims};

/// A person, and what proves who they are.
#[derive(Clone, Debug)]
pub enum Principal {
    /// An issuer signed the claims.
    Verified(VerifiedClaims),
    /// The config sets the user: see [`crate::domain::static_user`].
    StaticUser(AdmittedStaticUser),
}

impl Principal {
    #[must_use]
    pub fn user(&self) -> &UserId {
        match self {
            Self::Verified(claims) => claims.user(),
            Self::StaticUser(holder) => holder.who().user(),
        }
    }

    /// The claims of the token. Only a verified principal has them.
    #[must_use]
    pub fn claims(&self) -> Option<&VerifiedClaims> {
        match self {
            Self::Verified(claims) => Some(claims),
            Self::StaticUser(_) => None,
        }
    }

    /// The name of the issuer, or of the mode that takes the place of an issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        match self {
            Self::Verified(claims) => claims.issuer(),
            Self::StaticUser(holder) => holder.who().issuer(),
        }
    }

    /// Whether the person may do everything, because authentication is switched off.
    #[must_use]
    pub fn bypasses_auth(&self) -> bool {
        match self {
            Self::Verified(_) => false,
            Self::StaticUser(holder) => holder.who().bypasses_auth(),
        }
    }

    /// The active organization of the token, with the user's role in it. Only tokens of `clerk` count: another issuer may use an
    /// organization id that is a customer's at Clerk.
    #[must_use]
    pub fn claimed(&self, roles: Option<&Roles>) -> Option<TokenMembership<'_>> {
        let claims = self
            .claims()
            .filter(|claims| **claims.issuer() == *CLERK)?
            .claims();
        let org = claims.org.as_ref()?;
        let role = org.role.as_deref().and_then(|name| roles?.find(name));
        Some(TokenMembership {
            org: &org.id,
            role,
            issued: claims.iat.map(UnixTime),
        })
    }

    pub(super) fn is_static(&self) -> bool {
        matches!(self, Self::StaticUser(_))
    }
}

/// Everything that headers and profile contain about a person. It is built in one place, so headers and profile cannot differ.
pub(super) struct UserProfile<'p> {
    pub user_id: HeaderValue,
    pub clerk_user_id: Option<HeaderValue>,
    pub issuer: Option<HeaderValue>,
    pub session_id: Option<HeaderValue>,
    /// The organization of the token, qualified by its issuer as users are.
    pub org_id: Option<HeaderValue>,
    /// From the membership, else from the token. E-mail and name are in the form of [`crate::domain::ids::text_header`].
    pub email: Option<HeaderValue>,
    pub name: Option<HeaderValue>,
    /// `None` where the access is not known.
    pub access: Option<AccessStatus>,
    pub founder: bool,
    pub flags: &'p Flags,
    /// The membership's record of the user, for details beyond the fields above.
    pub known: Option<UserView<'p>>,
    /// The first time that the gate heard of the person, where they are known only because of that.
    pub since: Option<EventTime>,
    pub claims: Option<&'p Claims>,
}

/// An issuer's id as a header value, under the same rule as users: only the ids of `clerk` stand without the issuer's name.
pub(super) fn qualified(issuer: &str, id: &str) -> Option<HeaderValue> {
    match issuer {
        CLERK => HeaderValue::from_str(id).ok(),
        issuer => HeaderValue::from_str(&format!("{issuer}:{id}")).ok(),
    }
}

/// The organization of a token. Many apps use it as the tenant whose rows they show. Another provider may use an organization id
/// that is a customer's at Clerk.
fn organization(issuer: &str, org: &OrgId) -> Option<HeaderValue> {
    // Clerk's ids have no colon. A claim that is mapped to the tenant can have one, and must not look like the organization of
    // another issuer.
    let imitates = issuer == CLERK && org.as_str().contains(':');
    if imitates {
        None
    } else {
        qualified(issuer, org.as_str())
    }
}

impl<'p> UserProfile<'p> {
    pub(super) fn of(snapshot: &'p Snapshot, principal: &'p Principal) -> Self {
        static NO_FLAGS: Flags = Flags::NONE;
        let user = principal.user();
        let blank = Self {
            user_id: user.to_header(),
            clerk_user_id: user.clerk().map(|id| id.to_header()),
            issuer: HeaderValue::from_str(principal.issuer()).ok(),
            session_id: None,
            org_id: None,
            email: None,
            name: None,
            access: None,
            founder: false,
            flags: &NO_FLAGS,
            known: None,
            since: None,
            claims: None,
        };
        let mut user_profile = match principal {
            Principal::Verified(verified) => {
                let claims = verified.claims();
                let session_id = claims.sid.as_ref().map(|sid| sid.to_header());
                let (email, name) = (claims.email.clone(), claims.name.clone());
                let org_id = claims
                    .org
                    .as_ref()
                    .and_then(|org| organization(verified.issuer(), &org.id));
                Self {
                    session_id,
                    org_id,
                    email,
                    name,
                    claims: Some(claims),
                    ..blank
                }
            }
            Principal::StaticUser(holder) => {
                let who = holder.who();
                let (email, name) = (who.email().cloned(), who.name().cloned());
                Self {
                    email,
                    name,
                    access: Some(AccessStatus::Active),
                    ..blank
                }
            }
        };
        if principal.bypasses_auth() {
            // This follows the mock users of apps: one id under every name, and every field set.
            let id = HeaderValue::from_static(DEV_USER);
            return Self {
                user_id: id.clone(),
                clerk_user_id: Some(id),
                flags: &snapshot.rules.flags,
                ..user_profile
            };
        }
        if let Some(UserState::Known(known)) = snapshot
            .members
            .as_ref()
            .map(|members| members.user_state(user))
        {
            user_profile.know(known, principal.is_static());
        }
        user_profile
    }

    /// Adds the membership's record of the user, which takes precedence over the token.
    fn know(&mut self, known: UserView<'p>, is_static: bool) {
        if let Some(own) = known.id() {
            self.user_id = own;
        }
        self.email = known.email().or(self.email.take());
        self.name = known.name().or(self.name.take());
        self.access = Some(match known.access {
            // The operator admits every holder of the shared token.
            AccessStatus::Pending if is_static => AccessStatus::Active,
            _ if known.founder => AccessStatus::Active,
            access => access,
        });
        (self.founder, self.flags) = (known.founder, known.flags);
        self.since = known.since;
        self.known = Some(known);
    }
}
