//! Whether a user may use a route. The gate checks it when a request comes in, and again and again while the answer goes on.
//!
//! Requests and streams share one procedure, so that a condition added later also ends streams without further code. All
//! differences between the two are in [`Purpose`].

use std::sync::Arc;

use super::access::{Joined, Stop};
use super::conditions::Scope;
use super::{Principal, Trace, user_state};
use crate::domain::ids::WorkspaceId;
use crate::domain::membership::{Members, Role, Roles, UserState};
use crate::domain::routes::{Access, Condition, Route};
use crate::domain::snapshot::Snapshot;
use crate::domain::token::VerifiedClaims;
use crate::domain::{Rejection, UnixTime, revocation};

/// What the user is authorized for.
pub(super) enum Purpose<'p> {
    /// A new request.
    Request {
        /// The workspace that the request names. It is read only where the route needs one, and after the checks of the user's
        /// own state.
        workspace: &'p dyn Fn(Option<&Members>) -> Result<WorkspaceId, Rejection>,
    },
    /// A stream that goes on.
    Stream {
        /// The workspace that the user was admitted to.
        workspace: Option<&'p WorkspaceId>,
        /// The list that defined the user's role in it. A role of one list has no meaning in another list.
        roles: Option<&'p Roles>,
    },
}

/// The inputs of one check: this user, this route, now.
pub(super) struct Authorization<'a> {
    pub snapshot: &'a Snapshot,
    pub route: &'a Arc<Route>,
    pub principal: &'a Principal,
    pub purpose: Purpose<'a>,
    pub now: UnixTime,
}

impl<'a> Authorization<'a> {
    /// The workspace with the user's role in it, where the route asks for one.
    ///
    /// # Errors
    /// Why the user may not use the route, or that the source of the membership must be asked for the user first.
    pub(super) fn check(&self, trace: &mut impl Trace) -> Result<Option<Joined>, Stop> {
        let Self {
            snapshot,
            route,
            principal,
            ..
        } = self;
        if principal.bypasses_auth() {
            return self.join_unasked();
        }
        // Fail closed: another replica may have recorded a ban or a revocation that this replica has not read yet.
        if snapshot.awaits_shared {
            return Err(Rejection::SharedStateUnavailable.into());
        }
        let members = self.members()?;
        if let Some(members) = members {
            if members.must_ask(principal.user()) {
                trace.step(|| {
                    format!(
                        "membership: its source must be asked about {}",
                        principal.user()
                    )
                });
                return Err(Stop::NeedMember(principal.user().clone()));
            }
            let user_state = members.user_state(principal.user());
            trace_standing(&user_state, trace);
            user_state::admits(route, &user_state, principal.is_static())?;
        }
        // This comes after the check of the membership: for a banned user the ban is the more precise reason.
        if let Some(claims) = principal.claims() {
            self.check_revoked(claims)?;
        }
        let joined = match members {
            // Fail closed: the route needs a workspace role, and there is no membership that could give one.
            None if self.looks_at_a_workspace() => return Err(Rejection::NotAMember.into()),
            None if route.access == Access::Active && !principal.is_static() => {
                return Err(Rejection::NotActive.into());
            }
            Some(members) if self.looks_at_a_workspace() => Some(self.join(members, trace)?),
            _ => None,
        };
        let scope = Scope {
            principal,
            joined: joined.as_ref(),
            members,
            now: self.now,
        };
        for condition in route
            .require
            .iter()
            .filter(|condition| self.lasts(condition))
        {
            scope.check(condition)?;
            trace.step(|| format!("condition holds: {condition:?}"));
        }
        Ok(joined)
    }

    fn looks_at_a_workspace(&self) -> bool {
        matches!(self.route.access, Access::Role(_)) || !self.route.workspace.is_empty()
    }

    fn is_stream(&self) -> bool {
        matches!(self.purpose, Purpose::Stream { .. })
    }

    fn members(&self) -> Result<Option<&'a Members>, Rejection> {
        let asks =
            |condition: &Condition| matches!(condition, Condition::Role(_) | Condition::Flag(_));
        let must_know = self.looks_at_a_workspace()
            || self.route.access == Access::Active
            || self.route.require.iter().any(asks);
        match (&self.snapshot.members, &self.snapshot.rules.roles) {
            // Fail closed: while the source was silent for too long, it may have ended the user's access.
            (Some(members), Some(_)) if !members.is_lookup() && members.too_old(self.now) => {
                Err(Rejection::MembersStale)
            }
            (Some(members), Some(_)) => Ok(Some(members)),
            // While one membership is replaced by another, streams that do not depend on it go on.
            (None, Some(_)) if self.is_stream() && !must_know => Ok(None),
            (None, Some(_)) => Err(Rejection::MembersUnavailable),
            (_, None) => Ok(None),
        }
    }

    /// Refuses a token that was revoked: its session was ended, or its user's tokens were revoked.
    fn check_revoked(&self, claims: &VerifiedClaims) -> Result<(), Rejection> {
        let told = claims.claims();
        let token = revocation::Token {
            user: claims.user(),
            session: told.sid.as_ref(),
            issued: told.iat.map(UnixTime),
            // A stream's token lifetime was checked when the stream began.
            expires: if self.is_stream() {
                self.now
            } else {
                UnixTime(told.exp)
            },
        };
        self.snapshot
            .revocations
            .check(&token, self.now, self.snapshot.rules.keep_revocations)
    }

    /// Whether a condition can cease to hold during a stream. The age of the second factor is checked only when the request comes
    /// in: it grows while the answer goes on.
    fn lasts(&self, condition: &Condition) -> bool {
        !(self.is_stream() && matches!(condition, Condition::SecondFactorWithin(_)))
    }

    /// The highest role in the workspace that the request names. It is for the user while authentication is switched off.
    fn join_unasked(&self) -> Result<Option<Joined>, Stop> {
        if !self.looks_at_a_workspace() {
            return Ok(None);
        }
        let workspace = self.workspace(None)?;
        let role = self
            .snapshot
            .rules
            .roles
            .as_ref()
            .map(Roles::highest)
            .ok_or(Rejection::NotAMember)?;
        Ok(Some(Joined { workspace, role }))
    }

    fn join(&self, members: &Members, trace: &mut impl Trace) -> Result<Joined, Rejection> {
        let (workspace, roles) = (
            self.workspace(Some(members))?,
            self.snapshot.rules.roles.as_ref(),
        );
        let claim = self.principal.claimed(roles);
        let role = members
            .role(&workspace, self.principal.user(), claim)
            .ok_or(Rejection::NotAMember)?;
        trace.step(|| format!("workspace {workspace}: role `{}`", name_of(role, roles)));
        match self.route.access {
            Access::Role(wanted) if role < wanted => Err(Rejection::RoleTooLow),
            _ => Ok(Joined { workspace, role }),
        }
    }

    fn workspace(&self, members: Option<&Members>) -> Result<WorkspaceId, Rejection> {
        match &self.purpose {
            Purpose::Request { workspace } => workspace(members),
            Purpose::Stream { roles, .. } if *roles != self.snapshot.rules.roles.as_ref() => {
                Err(Rejection::RoleTooLow)
            }
            Purpose::Stream { workspace, .. } => workspace.cloned().ok_or(Rejection::NotAMember),
        }
    }
}

fn name_of(role: Role, roles: Option<&Roles>) -> &str {
    roles.map_or("?", |roles| roles.name(role))
}

fn trace_standing(user_state: &UserState, trace: &mut impl Trace) {
    if let UserState::Known(known) = user_state {
        let (access, founder) = (known.access, known.founder);
        trace.step(|| {
            format!(
                "membership: access {}{}",
                access.name(),
                if founder { ", founder" } else { "" }
            )
        });
    }
}
