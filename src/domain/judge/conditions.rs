//! The conditions of `require:`. Every one must hold. A condition that the gate cannot check does not hold (Clerk
//! CVE-2026-42349).

use crate::domain::membership::{Members, UserState};
use crate::domain::routes::Condition;
use crate::domain::token::{Claims, Organization, VerifiedClaims};
use crate::domain::{Rejection, UnixTime};

use super::Principal;
use super::access::Joined;

/// What a condition can read.
pub(super) struct Scope<'s> {
    pub principal: &'s Principal,
    pub joined: Option<&'s Joined>,
    pub members: Option<&'s Members>,
    pub now: UnixTime,
}

impl Scope<'_> {
    pub(super) fn check(&self, condition: &Condition) -> Result<(), Rejection> {
        let (holds, otherwise) = match condition {
            Condition::Role(role) => (
                self.joined.is_some_and(|j| j.role >= *role),
                Rejection::RoleTooLow,
            ),
            Condition::Permission(wanted) => (self.has_permission(wanted), Rejection::NoPermission),
            Condition::Feature(wanted) => (
                self.lists(|claims| &claims.features, wanted),
                Rejection::NoFeature,
            ),
            Condition::Flag(wanted) => (self.has_flag(wanted), Rejection::NoFlag),
            Condition::Plan(wanted) => (
                self.lists(|claims| &claims.plans, wanted),
                Rejection::NoPlan,
            ),
            Condition::SecondFactorWithin(within) => (
                self.second_factor(within.as_secs()),
                Rejection::SecondFactor,
            ),
            Condition::Issuer(names) => (
                names.iter().any(|name| **name == *self.principal.issuer()),
                Rejection::IssuerNotAllowed,
            ),
            Condition::NoImpersonation => (
                self.claims().is_none_or(|claims| claims.actor.is_none()),
                Rejection::Impersonated,
            ),
        };
        if holds { Ok(()) } else { Err(otherwise) }
    }

    /// The claims of the token. A caller without a token has no permission, feature, plan or second factor.
    fn claims(&self) -> Option<&Claims> {
        self.principal.claims().map(VerifiedClaims::claims)
    }

    /// The organization whose permissions count. On a workspace route it must be the workspace's own organization: permissions in
    /// one organization do not count in another.
    fn organization(&self) -> Option<&Organization> {
        let org = self.claims()?.org.as_ref()?;
        match (self.joined, self.members) {
            (None, _) => Some(org),
            (Some(joined), Some(members)) => members
                .org_of(&joined.workspace)
                .is_some_and(|of| of == org.id)
                .then_some(org),
            (Some(_), None) => None,
        }
    }

    fn has_flag(&self, wanted: &str) -> bool {
        match self
            .members
            .map(|members| members.user_state(self.principal.user()))
        {
            Some(UserState::Known(known)) => known.flags.has(wanted),
            _ => false,
        }
    }

    fn has_permission(&self, wanted: &str) -> bool {
        let plain = |p: &str| p.strip_prefix("org:").unwrap_or(p).to_owned();
        self.organization()
            .is_some_and(|org| org.permissions.iter().any(|p| plain(p) == plain(wanted)))
    }

    /// Whether `scope:name` is in the list, for `wanted` with or without scope. Features and plans of the organization count only
    /// where the organization counts.
    fn lists(&self, list: impl Fn(&Claims) -> &[Box<str>], wanted: &str) -> bool {
        self.claims()
            .map(list)
            .unwrap_or_default()
            .iter()
            .any(|entry| {
                let Some((scope, name)) = entry.split_once(':') else {
                    return false;
                };
                let (scope_fits, name_fits) = match wanted.split_once(':') {
                    Some((wanted_scope, wanted_name)) => {
                        (scope.contains(wanted_scope), name == wanted_name)
                    }
                    None => (true, name == wanted),
                };
                let of_user = scope.contains('u') && !wanted.starts_with("o:");
                scope_fits && name_fits && (of_user || self.organization().is_some())
            })
    }

    /// Clerk gives whole minutes up to `iat`. The time since `iat` is added.
    fn second_factor(&self, within: u64) -> bool {
        let Some(claims) = self.claims() else {
            return false;
        };
        let minutes = claims
            .factor_age
            .and_then(|(_, second)| u64::try_from(second).ok());
        match (minutes, claims.iat) {
            (Some(minutes), Some(iat)) => {
                minutes
                    .saturating_mul(60)
                    .saturating_add(self.now.since(UnixTime(iat)))
                    <= within
            }
            _ => false,
        }
    }
}
