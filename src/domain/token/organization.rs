//! The organization of a token: Clerk's in both token versions, or the claim that the config maps to it.

use serde_json::{Map, Value};

use crate::domain::Rejection;
use crate::domain::ids::OrgId;
use crate::domain::issuer::{Issuer, IssuerKind};

use super::claims::{Read, optional_text};
use super::permissions;

/// The organization that is active in the session, or the tenant that another provider names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    pub id: OrgId,
    /// The role, with its `org:` prefix in both token versions.
    pub role: Option<Box<str>>,
    /// The permissions, each as `org:feature:permission`.
    pub permissions: Vec<Box<str>>,
}

/// The organization: the mapped claim, otherwise Clerk's own claims.
pub(super) fn read(all: &Map<String, Value>, issuer: &Issuer) -> Read<Option<Organization>> {
    match (&issuer.claim_names.tenant, issuer.kind) {
        (Some(claim), _) => tenant(all, claim),
        (None, IssuerKind::Clerk) => of_clerk(all),
        (None, IssuerKind::Oidc) => Ok(None),
    }
}

/// A tenant is only a name. The user's role there comes from the membership.
fn tenant(all: &Map<String, Value>, claim: &str) -> Read<Option<Organization>> {
    let Some(id) = optional_text(all, claim)? else {
        return Ok(None);
    };
    let id = OrgId::parse(id).map_err(|_| Rejection::MalformedToken)?;
    Ok(Some(Organization {
        id,
        role: None,
        permissions: vec![],
    }))
}

/// Version 2 has only `o`. Version 1 (or no version) has only the flat claims. In an unknown version the user has no
/// organization.
fn of_clerk(all: &Map<String, Value>) -> Read<Option<Organization>> {
    match all.get("v").map(Value::as_u64) {
        Some(Some(2)) => organization_v2(all),
        None | Some(Some(1)) => organization_v1(all),
        _ => Ok(None),
    }
}

fn organization_v1(all: &Map<String, Value>) -> Read<Option<Organization>> {
    let Some(id) = optional_text(all, "org_id")? else {
        return Ok(None);
    };
    let listed = match all.get("org_permissions") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    Ok(Some(Organization {
        id: OrgId::parse(id).map_err(|_| Rejection::MalformedToken)?,
        role: optional_text(all, "org_role")?
            .filter(|role| permissions::is_word(role))
            .map(Into::into),
        permissions: listed
            .into_iter()
            .filter(|p| permissions::is_word(p))
            .map(Into::into)
            .collect(),
    }))
}

fn organization_v2(all: &Map<String, Value>) -> Read<Option<Organization>> {
    let org = match all.get("o") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(org)) => org,
        Some(_) => return Err(Rejection::MalformedToken),
    };
    let id = optional_text(org, "id")?.ok_or(Rejection::MalformedToken)?;
    let role = optional_text(org, "rol")?.filter(|role| permissions::is_word(role));
    let names = optional_text(org, "per")?.unwrap_or_default();
    let masks = optional_text(org, "fpm")?.unwrap_or_default();
    let features = optional_text(all, "fea")?.unwrap_or_default();
    Ok(Some(Organization {
        id: OrgId::parse(id).map_err(|_| Rejection::MalformedToken)?,
        role: role.map(|role| format!("org:{role}").into()),
        permissions: permissions::unpack(features, names, masks),
    }))
}
