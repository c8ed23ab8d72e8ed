//! From a caller to the headers that tell the upstream about them.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderValue, header};
use serde_json::Value;

use super::access::Joined;
use super::principal::{Principal, UserProfile, qualified};
use super::sighting::Lesson;
use super::{Caller, Grant, Identified};
use crate::domain::head::RequestHead;
use crate::domain::identity::{TrustedHeaders, name};
use crate::domain::ids::text_header;
use crate::domain::routes::Route;
use crate::domain::service_token;
use crate::domain::snapshot::Snapshot;
use crate::domain::token::{Organization, VerifiedClaims};

/// Longest list of permissions in a header, in bytes. A longer one is left out whole: half a list would be a lie.
const MAX_PERMISSIONS: usize = 8 * 1024;

pub(super) fn grant(
    snapshot: &Snapshot,
    head: &RequestHead,
    route: &Arc<Route>,
    caller: Caller,
    who: Identified,
    joined: Option<Joined>,
) -> Grant {
    let trusted_peer = snapshot.rules.trusts(head.peer);
    let mut headers = TrustedHeaders::new(snapshot.rules.names.clone(), trusted_peer);
    let (kind, forward_token) = match &caller {
        // Let in without a look at the token, or in report mode.
        Caller::Nobody => {
            let rules = &snapshot.rules;
            let shared = rules
                .static_user
                .as_ref()
                .is_some_and(|mode| mode.is_carried(head.headers));
            (
                name::NOBODY,
                !shared && !service_token::is_carried(&rules.services, head.headers),
            )
        }
        Caller::User(principal) => {
            say_user(&mut headers, snapshot, principal);
            // A shared token lives for months, as that of a service does.
            ("user", !principal.is_static())
        }
        Caller::Service(service) => {
            headers.say(name::SERVICE_NAME, service.to_header());
            // A service token lives for months; the app has no use for it.
            ("service", false)
        }
        Caller::Webhook(_) => ("webhook", true),
    };
    headers.say(name::AUTH_KIND, HeaderValue::from_static(kind));
    let roles = joined.as_ref().and(snapshot.rules.roles.clone());
    if let Some(joined) = joined {
        let role = snapshot
            .rules
            .roles
            .as_ref()
            .and_then(|roles| roles.header(joined.role));
        headers.say(name::WORKSPACE_ID, joined.workspace.to_header());
        headers.say_if(name::WORKSPACE_ROLE, role);
    }
    headers.say(name::REQUEST_ID, head.request_id.to_header());
    say_forwarding(&mut headers, head, trusted_peer);
    // Nobody has looked at a token that comes along while authentication is switched off: the app must not take it for judged.
    let unseen = matches!(&caller, Caller::User(principal) if principal.bypasses_auth());
    if unseen || !route.forward_token.unwrap_or(forward_token) {
        headers.drop_authorization();
    }
    let (route, further_routes) = (route.clone(), Vec::new());
    Grant {
        route,
        further_routes,
        caller,
        who,
        headers,
        reported: None,
        lesson: Lesson::default(),
        roles,
    }
}

fn say_user(headers: &mut TrustedHeaders, snapshot: &Snapshot, principal: &Principal) {
    let user_profile = UserProfile::of(snapshot, principal);
    headers.say_if(
        name::ACCESS_STATUS,
        user_profile
            .access
            .map(|access| HeaderValue::from_static(access.name())),
    );
    headers.say_if(name::USER_FLAGS, user_profile.flags.header());
    headers.say(name::USER_ID, user_profile.user_id);
    headers.say_if(name::CLERK_USER_ID, user_profile.clerk_user_id);
    headers.say_if(name::AUTH_ISSUER, user_profile.issuer);
    headers.say_if(name::SESSION_ID, user_profile.session_id);
    headers.say_if(name::USER_EMAIL, user_profile.email);
    headers.say_if(name::USER_NAME, user_profile.name);
    let Some(claims) = user_profile.claims else {
        return;
    };
    headers.say_if(name::ACTOR_ID, principal.claims().and_then(actor));
    if let Some((org, id)) = claims.org.as_ref().zip(user_profile.org_id) {
        say_organization(headers, id, org);
    }
    for (header, claim) in &snapshot.rules.claim_headers {
        if let Some(value) = claims
            .all
            .get(&**claim)
            .and_then(claim_text)
            .as_deref()
            .and_then(text_header)
        {
            headers.say_configured(header.clone(), value);
        }
    }
}

/// Who acts as the user.
fn actor(verified: &VerifiedClaims) -> Option<HeaderValue> {
    qualified(verified.issuer(), verified.claims().actor.as_deref()?)
}

fn say_organization(headers: &mut TrustedHeaders, id: HeaderValue, org: &Organization) {
    headers.say(name::ORG_ID, id);
    headers.say_if(
        name::ORG_ROLE,
        org.role
            .as_deref()
            .and_then(|role| HeaderValue::from_str(role).ok()),
    );
    let list = org.permissions.join(",");
    if !list.is_empty() && list.len() <= MAX_PERMISSIONS {
        headers.say_if(name::ORG_PERMISSIONS, HeaderValue::from_str(&list).ok());
    }
}

/// A claim as text: a text, number or truth value as it is, a list of texts with commas. Anything else has no one reading.
fn claim_text(claim: &Value) -> Option<String> {
    match claim {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(claim.to_string()),
        Value::Array(items) => {
            let texts: Option<Vec<_>> = items
                .iter()
                .map(|i| i.as_str().filter(|t| !t.contains(',')))
                .collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// Longest chain of addresses in a header, in bytes.
const MAX_CHAIN: usize = 1024;

/// The last entries of a chain of addresses, as many as fit. The end is what proxies have written; the beginning is whatever the
/// client claims, and must not push the end out.
fn end_of(chain: &[&str]) -> String {
    let mut kept = String::new();
    for entry in chain.iter().rev().map(|entry| entry.trim()) {
        let longer = if kept.is_empty() {
            entry.to_owned()
        } else {
            format!("{entry}, {kept}")
        };
        if longer.len() > MAX_CHAIN {
            break;
        }
        kept = longer;
    }
    kept
}

/// Where the request came from. A stranger's word about it was stripped; a trusted proxy's stays, with that proxy's own
/// address behind it (attack A-12).
fn say_forwarding(headers: &mut TrustedHeaders, head: &RequestHead, trusted_peer: bool) {
    let address = head
        .peer
        .map(|peer: IpAddr| peer.to_canonical().to_string());
    let told = |name: &str| {
        head.headers
            .get_all(name)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .collect::<Vec<_>>()
    };
    let before = if trusted_peer {
        told(name::FORWARDED_FOR)
    } else {
        vec![]
    };
    let chain: Vec<_> = before
        .into_iter()
        .flat_map(|line| line.split(','))
        .chain(address.as_deref())
        .collect();
    let value = Some(end_of(&chain)).filter(|chain| !chain.is_empty());
    headers.say_if(
        name::FORWARDED_FOR,
        value.and_then(|chain| HeaderValue::from_str(&chain).ok()),
    );
    if !trusted_peer || told(name::FORWARDED_PROTO).is_empty() {
        headers.say(name::FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    if !trusted_peer || told(name::FORWARDED_HOST).is_empty() {
        headers.say_if(
            name::FORWARDED_HOST,
            head.headers.get(header::HOST).cloned(),
        );
    }
}
