//! What a route asks for, and whether the caller meets it.

use std::cell::Cell;
use std::sync::Arc;

use super::authorize::{Authorization, Purpose};
use super::workspace::NamedWorkspace;
use super::{Caller, Identified, Observation, Principal, Proofs, Trace};
use crate::domain::head::RequestHead;
use crate::domain::ids::{UserId, WorkspaceId};
use crate::domain::membership::{Members, Role};
use crate::domain::path::CleanPath;
use crate::domain::routes::{Access, Route};
use crate::domain::snapshot::{Rules, Snapshot};
use crate::domain::token::{
    SignedClaims, UnverifiedToken, VerifiedClaims, bearer, bearer::session_cookies,
};
use crate::domain::webhook::Envelope;
use crate::domain::{Rejection, UnixTime};

/// One judgement under way.
pub(super) struct Judgement<'j, P, T> {
    pub snapshot: &'j Snapshot,
    pub head: &'j RequestHead<'j>,
    pub now: UnixTime,
    pub proofs: &'j P,
    pub trace: &'j mut T,
    pub route: &'j Arc<Route>,
    /// See [`crate::domain::routes::RouteReading::path`].
    pub path: &'j CleanPath<'j>,
    pub who: Identified,
    /// News about a user who is refused because their access is still pending.
    pub observation: Option<Observation>,
}

/// The admitted caller, or a webhook whose body is needed first.
pub(super) enum Admitted {
    Caller(Caller, Option<Joined>),
    Webhook { envelope: Envelope, max_body: usize },
}

/// A workspace joined with the caller's role in it.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub workspace: WorkspaceId,
    pub role: Role,
}

/// Why the judgement stops early.
pub(super) enum Stop {
    Refuse(Rejection),
    NeedKey(Arc<str>),
    NeedMember(UserId),
}

impl From<Rejection> for Stop {
    fn from(reason: Rejection) -> Self {
        Self::Refuse(reason)
    }
}

/// What the route asks for, in words.
pub(super) fn describe(route: &Route, rules: &Rules) -> String {
    let asked = match route.access {
        Access::Public => "nothing".into(),
        Access::Optional => "a good token if there is one".into(),
        Access::User => "a valid token".into(),
        Access::Active => "a user whose access is active".into(),
        Access::Role(role) => {
            format!(
                "the role `{}` in the workspace",
                rules.roles.as_ref().map_or("?", |roles| roles.name(role))
            )
        }
        Access::Service => "a service token".into(),
        Access::Webhook => "a signed webhook".into(),
        Access::Deny => "what nobody has".into(),
    };
    if let Some(own) = route.answer {
        return format!("{asked}, and is answered here: {}", own.name());
    }
    let services = rules
        .services
        .iter()
        .filter(|s| route.access != Access::Service && s.reaches(route));
    let services: Vec<_> = services
        .map(|service| format!("`{}`", service.name()))
        .collect();
    if services.is_empty() {
        asked
    } else {
        format!("{asked}, or the token of {}", services.join(" or "))
    }
}

impl<'j, P: Proofs, T: Trace> Judgement<'j, P, T> {
    pub(super) fn admit(&mut self) -> Result<Admitted, Stop> {
        let admitted = self.admit_whatever_size()?;
        // Refused before the body is read. A body without a declared length is counted while it is read.
        let (max, reason) = match &admitted {
            Admitted::Webhook { max_body, .. } => {
                (u64::try_from(*max_body).ok(), Rejection::WebhookTooLarge)
            }
            Admitted::Caller(..) => (self.route.max_body, Rejection::BodyTooLarge),
        };
        let said = self.head.content_length();
        if said.zip(max).is_some_and(|(said, max)| said > max) {
            Err(reason.into())
        } else {
            Ok(admitted)
        }
    }

    fn admit_whatever_size(&mut self) -> Result<Admitted, Stop> {
        // Fail closed: only a user can meet the conditions. On a route with conditions every other caller is refused (attack
        //
        let conditional = !self.route.require.is_empty();
        let caller = match self.route.access {
            Access::Public | Access::Service | Access::Webhook if conditional => {
                return Err(Rejection::Denied.into());
            }
            Access::Deny => return Err(Rejection::Denied.into()),
            Access::Public => Caller::Nobody,
            Access::Webhook => {
                let policy = self
                    .snapshot
                    .rules
                    .webhooks
                    .as_ref()
                    .ok_or(Rejection::Internal)?;
                // Checked before the body is read, so that a request without these headers costs little.
                return Ok(Admitted::Webhook {
                    envelope: Envelope::read(self.head.headers)?,
                    max_body: policy.max_body,
                });
            }
            // While authentication is switched off, the gate reads no token where a user is asked for.
            Access::Optional | Access::User | Access::Active | Access::Role(_)
                if self.snapshot.rules.auth_disabled() =>
            {
                return self.admit_person();
            }
            Access::Service
            | Access::Optional
            | Access::User
            | Access::Active
            | Access::Role(_) => match bearer(self.head.headers)? {
                Some(token) => return self.holder(token),
                None if self.route.access == Access::Optional && !conditional => {
                    self.trace.step(|| "no token: passes as nobody".into());
                    Caller::Nobody
                }
                None => return Err(self.without_token().into()),
            },
        };
        Ok(Admitted::Caller(caller, None))
    }

    /// The reason to refuse a request without a token. Both reasons have the same answer.
    fn without_token(&self) -> Rejection {
        let cors = &self.snapshot.rules.cors;
        match cors.unlisted_preflight(self.head.method, self.head.headers) {
            Some(_) => Rejection::OriginNotListed,
            None => Rejection::MissingToken,
        }
    }

    /// The holder of the token: a service, or else a user.
    fn holder(&mut self, token: &str) -> Result<Admitted, Stop> {
        // This comes before any part of the token is parsed (attack A-62).
        if let Some(service) = self.service(token)? {
            return Ok(Admitted::Caller(Caller::Service(service), None));
        }
        if self.route.access == Access::Service {
            return Err(Rejection::UnknownService.into());
        }
        self.admit_person()
    }

    fn admit_person(&mut self) -> Result<Admitted, Stop> {
        let principal = self.principal()?;
        self.who.user = Some(principal.user().clone());
        let joined = self.authorize(&principal)?;
        Ok(Admitted::Caller(Caller::User(principal), joined))
    }

    /// The caller as a person. Without a static user only an issuer can identify the caller. With a static user no token is
    /// parsed.
    fn principal(&mut self) -> Result<Principal, Stop> {
        let rules = &self.snapshot.rules;
        let Some(mode) = &rules.static_user else {
            return self.verified_claims().map(Principal::Verified);
        };
        let holder = mode.admit(self.head, &rules.cors)?;
        self.trace.step(|| {
            let who = holder.who();
            let why = if who.bypasses_auth() {
                "authentication is switched off"
            } else {
                "shared token good"
            };
            format!("{why}: user {}", who.user())
        });
        Ok(Principal::StaticUser(holder))
    }

    fn verified_claims(&mut self) -> Result<VerifiedClaims, Stop> {
        let token = bearer(self.head.headers)?.ok_or(Rejection::MissingToken)?;
        let signed = self.signed_claims(token)?;
        let name = signed.issuer().clone();
        let issuer = self
            .snapshot
            .rules
            .issuers
            .iter()
            .find(|i| i.name == name)
            .ok_or(Rejection::WrongIssuer)?;
        self.trace
            .step(|| format!("signature good: signed by issuer `{name}`"));
        let claims = VerifiedClaims::verify(signed, issuer, self.now)?;
        self.check_cookies(&claims)?;
        self.trace.step(|| {
            let left = UnixTime(claims.claims().exp).since(self.now);
            format!(
                "claims good: user {}, valid for another {left} s",
                claims.user()
            )
        });
        Ok(claims)
    }

    /// The claims with a checked signature, from the cache or by verifying it now.
    fn signed_claims(&mut self, token: &str) -> Result<Arc<SignedClaims>, Stop> {
        if let Some(signed) = self.proofs.find(token)
            && let Some(keys) = self.snapshot.keys.get(signed.issuer())
            && keys.usable(self.now)
            && keys.holds(&signed.key())
            && self
                .snapshot
                .rules
                .issuers
                .iter()
                .any(|i| i.name == *signed.issuer() && signed.read_as(i))
        {
            return Ok(signed);
        }
        let unverified = UnverifiedToken::parse(token)?;
        // The token only chooses among the configured issuers. Its `iss` is checked again after the signature.
        let claimed = unverified.claimed_issuer().ok_or(Rejection::WrongIssuer)?;
        let issuer = self
            .snapshot
            .rules
            .issuer(claimed)
            .ok_or(Rejection::WrongIssuer)?;
        unverified.check_kind(issuer)?;
        let keys = self
            .snapshot
            .keys
            .get(&issuer.name)
            .filter(|keys| keys.usable(self.now));
        let keys = keys.ok_or(Rejection::KeysUnavailable)?;
        let Some(key) = keys.find(unverified.kid()) else {
            // Without a `kid` a fetch cannot bring the key.
            return Err(if unverified.kid().is_some() {
                Stop::NeedKey(issuer.name.clone())
            } else {
                Rejection::UnknownKey.into()
            });
        };
        let signed = Arc::new(unverified.verify(issuer, key)?);
        self.proofs.keep(token, &signed);
        Ok(signed)
    }

    /// Attack A-58: the header carries the token of one user and the session cookie that of another. The app may read the cookie,
    /// so the request is refused. A cookie of another application, or without a user, is ignored.
    fn check_cookies(&self, claims: &VerifiedClaims) -> Result<(), Rejection> {
        let subject = claims.claims().sub.as_ref().map(|sub| sub.as_str());
        let other = session_cookies(self.head.headers).any(|cookie| {
            UnverifiedToken::parse(&cookie).is_ok_and(|token| {
                let issuer = token
                    .claimed_issuer()
                    .and_then(|iss| self.snapshot.rules.issuer(iss));
                issuer
                    .filter(|issuer| token.check_kind(issuer).is_ok())
                    .is_some_and(|issuer| {
                        issuer.name != *claims.issuer() || token.claimed_subject(issuer) != subject
                    })
            })
        });
        if other {
            Err(Rejection::SeveralTokens)
        } else {
            Ok(())
        }
    }

    /// Whether the user may use the route.
    fn authorize(&mut self, principal: &Principal) -> Result<Option<Joined>, Stop> {
        let named = Cell::new(None);
        let (snapshot, route, now) = (self.snapshot, self.route, self.now);
        let request = NamedWorkspace {
            head: self.head,
            route,
            path: self.path,
            principal,
            rules: snapshot.rules.routes.rules(),
        };
        let workspace = |members: Option<&Members>| {
            let workspace = request.find(members)?;
            named.set(Some(workspace.clone()));
            Ok(workspace)
        };
        let purpose = Purpose::Request {
            workspace: &workspace,
        };
        let authorized = Authorization {
            snapshot,
            route,
            principal,
            purpose,
            now,
        }
        .check(&mut *self.trace);
        self.who.workspace = named.take();
        // A user with pending access is recorded too. Otherwise they would get in later, if the config then gives newcomers more.
        if let (Err(Stop::Refuse(Rejection::NotActive)), Some(members)) =
            (&authorized, &snapshot.members)
        {
            self.observation = principal
                .claims()
                .and_then(|claims| Observation::of(members, claims, now));
        }
        authorized
    }
}
