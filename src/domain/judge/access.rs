//! What a route asks for, and whether the caller has it.

use std::sync::Arc;

use super::{Caller, Proofs, Sighting, Trace, Who, conditions};
use crate::domain::head::RequestHead;
use crate::domain::ids::WorkspaceId;
use crate::domain::membership::{AccessStatus, Members, Role, Standing};
use crate::domain::routes::{Access, Route, WorkspaceSource};
use crate::domain::snapshot::{Rules, Snapshot};
use crate::domain::token::{SignedClaims, UnverifiedToken, VerifiedClaims, bearer, bearer::session_cookies};
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
    pub who: Who,
    /// What a request teaches that is refused because nobody has let its user in yet.
    pub sighting: Option<Sighting>,
}

/// Who is let in; or that the webhook's body is needed first.
pub(super) enum Admitted {
    Caller(Caller, Option<Joined>),
    Webhook { max_body: usize },
}

/// A workspace joined with the caller's role in it.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub workspace: WorkspaceId,
    pub role: Role,
}

/// Why the judgement stops short.
pub(super) enum Stop {
    Refuse(Rejection),
    NeedKey(Arc<str>),
}

impl From<Rejection> for Stop {
    fn from(reason: Rejection) -> Self {
        Self::Refuse(reason)
    }
}

/// The route's demand in words.
pub(super) fn describe(route: &Route, rules: &Rules) -> String {
    let asked = match route.access {
        Access::Public => "nothing".into(),
        Access::Optional => "a good token if there is one".into(),
        Access::User => "a valid token".into(),
        Access::Active => "a user whose access is active".into(),
        Access::Role(role) => {
            format!("the role `{}` in the workspace", rules.roles.as_ref().map_or("?", |roles| roles.name(role)))
        }
        Access::Service => "a service token".into(),
        Access::Webhook => "a signed webhook".into(),
        Access::Deny => "what nobody has".into(),
    };
    let services = rules.services.iter().filter(|s| route.access != Access::Service && s.reaches(route));
    let services: Vec<_> = services.map(|service| format!("`{}`", service.name())).collect();
    if services.is_empty() { asked } else { format!("{asked}, or the token of {}", services.join(" or ")) }
}

impl<'j, P: Proofs, T: Trace> Judgement<'j, P, T> {
    pub(super) fn admit(&mut self) -> Result<Admitted, Stop> {
        let admitted = self.admit_whatever_size()?;
        // Refused before the body is read; one that does not say its length is counted while it is.
        let (max, reason) = match &admitted {
            Admitted::Webhook { max_body } => (u64::try_from(*max_body).ok(), Rejection::WebhookTooLarge),
            Admitted::Caller(..) => (self.route.max_body, Rejection::BodyTooLarge),
        };
        let said = self.head.content_length();
        if said.zip(max).is_some_and(|(said, max)| said > max) { Err(reason.into()) } else { Ok(admitted) }
    }

    fn admit_whatever_size(&mut self) -> Result<Admitted, Stop> {
        // Fail closed: what is required of a user holds for nobody else, not even where a route lets others in (attack A-63).
        let conditional = !self.route.require.is_empty();
        let caller = match self.route.access {
            Access::Public | Access::Service | Access::Webhook if conditional => return Err(Rejection::Denied.into()),
            Access::Deny => return Err(Rejection::Denied.into()),
            Access::Public => Caller::Nobody,
            Access::Webhook => {
                let policy = self.snapshot.rules.webhooks.as_ref().ok_or(Rejection::Internal)?;
                // Before the body is read: whoever has no such headers costs us nothing.
                Envelope::read(self.head.headers)?;
                return Ok(Admitted::Webhook { max_body: policy.max_body });
            }
            Access::Service | Access::Optional | Access::User | Access::Active | Access::Role(_) => {
                match bearer(self.head.headers)? {
                    Some(token) => return self.holder(token),
                    None if self.route.access == Access::Optional && !conditional => {
                        self.trace.step(|| "no token: passes as nobody".into());
                        Caller::Nobody
                    }
                    None => return Err(Rejection::MissingToken.into()),
                }
            }
        };
        Ok(Admitted::Caller(caller, None))
    }

    /// Whoever holds the token: a service, or else a user.
    fn holder(&mut self, token: &str) -> Result<Admitted, Stop> {
        // Before anything of the token is parsed (attack A-62).
        if let Some(service) = self.service(token)? {
            return Ok(Admitted::Caller(Caller::Service(service), None));
        }
        if self.route.access == Access::Service {
            return Err(Rejection::UnknownService.into());
        }
        let claims = self.verified_claims(token)?;
        let joined = self.check_user(&claims)?;
        Ok(Admitted::Caller(Caller::User(claims), joined))
    }

    fn verified_claims(&mut self, token: &str) -> Result<VerifiedClaims, Stop> {
        let signed = self.signed_claims(token)?;
        let name = signed.issuer().clone();
        let issuer = self.snapshot.rules.issuers.iter().find(|i| i.name == name).ok_or(Rejection::WrongIssuer)?;
        self.trace.step(|| format!("signature good: signed by issuer `{name}`"));
        let claims = VerifiedClaims::verify(signed, issuer, self.now)?;
        self.check_cookies(&claims)?;
        self.trace.step(|| {
            let left = UnixTime(claims.claims().exp).since(self.now);
            format!("claims good: user {}, valid for another {left} s", claims.user())
        });
        self.who.user = Some(claims.user().clone());
        Ok(claims)
    }

    /// The signature, from the cache or by arithmetic.
    fn signed_claims(&mut self, token: &str) -> Result<Arc<SignedClaims>, Stop> {
        if let Some(signed) = self.proofs.find(token)
            && let Some(keys) = self.snapshot.keys.get(signed.issuer())
            && keys.usable(self.now)
            && keys.holds(&signed.key())
        {
            return Ok(signed);
        }
        let unverified = UnverifiedToken::parse(token)?;
        // The token only chooses among the issuers that the config names; its `iss` is looked at again after the signature.
        let claimed = unverified.claimed_issuer().ok_or(Rejection::WrongIssuer)?;
        let issuer = self.snapshot.rules.issuer(claimed).ok_or(Rejection::WrongIssuer)?;
        let keys = self.snapshot.keys.get(&issuer.name).filter(|keys| keys.usable(self.now));
        let keys = keys.ok_or(Rejection::KeysUnavailable)?;
        let Some(key) = keys.find(unverified.kid()) else {
            // Without a name there is nothing that a fetch could bring.
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

    /// Attack A-58: a header of one user beside a session cookie of another. The app may well read the cookie, so this is
    /// refused; a cookie of another application, or of nobody, is none of our business.
    fn check_cookies(&self, claims: &VerifiedClaims) -> Result<(), Rejection> {
        let (iss, user) = (&*claims.claims().iss, claims.user().as_str());
        let other = session_cookies(self.head.headers).any(|cookie| {
            UnverifiedToken::parse(&cookie).is_ok_and(|token| {
                let ours = token.claimed_issuer().is_some_and(|iss| self.snapshot.rules.issuer(iss).is_some());
                ours && (token.claimed_issuer(), token.claimed_subject()) != (Some(iss), Some(user))
            })
        });
        if other { Err(Rejection::SeveralTokens) } else { Ok(()) }
    }

    /// Status, workspace, role and conditions.
    fn check_user(&mut self, claims: &VerifiedClaims) -> Result<Option<Joined>, Rejection> {
        let route = self.route;
        let members = self.members()?;
        if let Some(members) = members {
            let checked = self.check_standing(&members.standing(claims.user()));
            // Seen all the same: whoever has to wait must not get in because the config is more generous to newcomers one day.
            if checked == Err(Rejection::NotActive) {
                self.sighting = Sighting::of(members, claims, self.now);
            }
            checked?;
        }
        let in_workspace = matches!(route.access, Access::Role(_)) || !route.workspace.is_empty();
        let joined = match members {
            // Fail closed: the route asks for what only a membership could tell, and there is none.
            None if in_workspace => return Err(Rejection::NotAMember),
            None if route.access == Access::Active => return Err(Rejection::NotActive),
            Some(members) if in_workspace => Some(self.join(claims, members)?),
            _ => None,
        };
        let scope = conditions::Scope { claims, joined: joined.as_ref(), members, now: self.now };
        for condition in &route.require {
            scope.check(condition)?;
            self.trace.step(|| format!("condition holds: {condition:?}"));
        }
        Ok(joined)
    }

    fn members(&self) -> Result<Option<&'j Members>, Rejection> {
        match (&self.snapshot.members, &self.snapshot.rules.roles) {
            (Some(members), Some(_)) => Ok(Some(members)),
            (None, Some(_)) => Err(Rejection::MembersUnavailable),
            (_, None) => Ok(None),
        }
    }

    /// Whether a user of this standing may use the route. A user whom the membership does not know yet passes routes that ask
    /// for a token only, since the app makes its record on first sight.
    fn check_standing(&mut self, standing: &Standing) -> Result<(), Rejection> {
        let token_only = matches!(self.route.access, Access::User | Access::Optional);
        match standing {
            Standing::Deleted => Err(Rejection::UserDeleted),
            Standing::Banned => Err(Rejection::UserBanned),
            Standing::Unknown if token_only => Ok(()),
            Standing::Unknown => Err(Rejection::UnknownUser),
            Standing::Known(known) => {
                let (access, founder) = (known.access, known.founder);
                self.trace
                    .step(|| format!("membership: access {}{}", access.name(), if founder { ", founder" } else { "" }));
                match access {
                    _ if founder => Ok(()),
                    AccessStatus::Active => Ok(()),
                    AccessStatus::Suspended if token_only && self.route.allow_suspended => Ok(()),
                    AccessStatus::Suspended => Err(Rejection::Suspended),
                    AccessStatus::Pending if token_only => Ok(()),
                    AccessStatus::Pending => Err(Rejection::NotActive),
                }
            }
        }
    }

    fn join(&mut self, claims: &VerifiedClaims, members: &Members) -> Result<Joined, Rejection> {
        let workspace = self.workspace(claims, members)?;
        self.who.workspace = Some(workspace.clone());
        let role = members.role(&workspace, claims.user()).ok_or(Rejection::NotAMember)?;
        self.trace.step(|| {
            let name = self.snapshot.rules.roles.as_ref().map_or("?", |roles| roles.name(role));
            format!("workspace {workspace}: role `{name}`")
        });
        match self.route.access {
            Access::Role(wanted) if role < wanted => Err(Rejection::RoleTooLow),
            _ => Ok(Joined { workspace, role }),
        }
    }

    /// The workspace that the request names: by the configured sources alone, by each of them, and the same in all.
    fn workspace(&self, claims: &VerifiedClaims, members: &Members) -> Result<WorkspaceId, Rejection> {
        let mut named: Option<WorkspaceId> = None;
        for source in &self.route.workspace {
            let id = self.workspace_from(source, claims, members)?.ok_or(Rejection::NoWorkspace)?;
            match &named {
                Some(other) if *other != id => return Err(Rejection::BadWorkspace),
                _ => named = Some(id),
            }
        }
        named.ok_or(Rejection::NoWorkspace)
    }

    fn workspace_from(
        &self,
        source: &WorkspaceSource,
        claims: &VerifiedClaims,
        members: &Members,
    ) -> Result<Option<WorkspaceId>, Rejection> {
        let text = match source {
            WorkspaceSource::TokenOrg => {
                return Ok(claims.claims().org.as_ref().and_then(|org| members.workspace_of(&org.id)));
            }
            WorkspaceSource::Segment(index) => self.head.path.segments().nth(*index),
            WorkspaceSource::Header(name) => self.head.single(name).map_err(|_| Rejection::BadWorkspace)?,
        };
        text.map(WorkspaceId::parse).transpose().map_err(|_| Rejection::BadWorkspace)
    }
}
