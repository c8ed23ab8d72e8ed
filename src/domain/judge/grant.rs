//! The grant: the admitted caller, and the headers about the caller for the upstream.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderValue, header};
use serde_json::Value;

use super::Permit;
use super::access::Joined;
use super::principal::{Principal, UserProfile, qualified};
use crate::domain::Rejection;
use crate::domain::head::RequestHead;
use crate::domain::identity::{TrustedHeaders, name};
use crate::domain::ids::{ServiceName, WorkspaceId, text_header};
use crate::domain::membership::Roles;
use crate::domain::routes::{Route, Streams};
use crate::domain::service_token;
use crate::domain::snapshot::{Rules, Snapshot};
use crate::domain::token::{Organization, VerifiedClaims};

/// The longest list of permissions in a header, in bytes. A longer list is left out whole: half a list would be wrong.
const MAX_PERMISSIONS: usize = 8 * 1024;

/// An admitted caller, with the permit to go to the upstream. Only the judge makes one. It is owned, so that it can stay in the
/// request's context.
#[derive(Clone, Debug)]
pub struct Grant {
    pub(super) permit: Permit,
    pub(super) caller: Caller,
    /// The workspace of the request, where the route asks for one.
    pub(super) workspace: Option<WorkspaceId>,
    /// The list that defines the caller's role in the workspace. A role of one list has no meaning in another list.
    pub(super) roles: Option<Roles>,
    /// The reason for the refusal that a route in report mode did not enforce.
    pub(super) reported: Option<Rejection>,
}

/// The admitted caller.
#[derive(Clone, Debug)]
pub enum Caller {
    Nobody,
    User(Principal),
    Service(ServiceName),
}

impl Grant {
    pub(super) fn new(
        snapshot: &Snapshot,
        head: &RequestHead,
        route: &Arc<Route>,
        caller: Caller,
        joined: Option<Joined>,
    ) -> Self {
        let headers = headers(snapshot, head, route, &caller, joined.as_ref());
        Self {
            permit: Permit::new(route, head, headers),
            caller,
            roles: joined.as_ref().and(snapshot.rules.roles.clone()),
            workspace: joined.map(|joined| joined.workspace),
            reported: None,
        }
    }

    /// The grant of a request that would be refused for `reason`, on a route in report mode: the request passes without identity.
    pub(super) fn reporting(
        snapshot: &Snapshot,
        head: &RequestHead,
        route: &Arc<Route>,
        reason: Rejection,
    ) -> Self {
        Self {
            reported: Some(reason),
            ..Self::new(snapshot, head, route, Caller::Nobody, None)
        }
    }

    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The headers that the upstream can trust.
    #[must_use]
    pub fn headers(&self) -> &TrustedHeaders {
        self.permit.headers()
    }

    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The reason for the refusal that a route in report mode did not enforce.
    #[must_use]
    pub fn reported(&self) -> Option<Rejection> {
        self.reported
    }

    /// Whether only the app and the client end the answer, and the gate never does.
    #[must_use]
    pub fn streams_never_end(&self) -> bool {
        self.permit
            .routes()
            .all(|route| route.streams == Streams::Never)
    }

    /// Whether the answer ends when the caller's token expires.
    #[must_use]
    pub fn ends_at_expiry(&self) -> bool {
        self.permit
            .routes()
            .any(|route| matches!(route.streams, Streams::AtExpiry { .. }))
    }
}

/// The headers for a request of `caller`.
fn headers(
    snapshot: &Snapshot,
    head: &RequestHead,
    route: &Route,
    caller: &Caller,
    joined: Option<&Joined>,
) -> TrustedHeaders {
    let rules = &snapshot.rules;
    let trusted_peer = rules.trusts(head.peer);
    let mut headers = TrustedHeaders::new(rules.names.clone(), trusted_peer);
    let (kind, forward_token) = match caller {
        // The caller was admitted without a check of the token, or in report mode.
        Caller::Nobody => (name::NOBODY, !carries_shared_token(rules, head)),
        Caller::User(principal) => {
            say_user(&mut headers, snapshot, principal);
            // A shared token is valid for months, as a service token is.
            ("user", !principal.is_static())
        }
        Caller::Service(service) => {
            headers.say(name::SERVICE_NAME, service.to_header());
            // A service token is valid for months, and the app does not need it.
            ("service", false)
        }
    };
    headers.say(name::AUTH_KIND, HeaderValue::from_static(kind));
    if let Some(joined) = joined {
        let role = rules
            .roles
            .as_ref()
            .and_then(|roles| roles.header(joined.role));
        headers.say(name::WORKSPACE_ID, joined.workspace.to_header());
        headers.say_if(name::WORKSPACE_ROLE, role);
    }
    say_request(&mut headers, head, trusted_peer);
    // While authentication is switched off the gate checks no token. So the app must not get a token that it would take for
    // checked.
    let not_judged = matches!(caller, Caller::User(principal) if principal.bypasses_auth());
    if not_judged || !route.forward_token.unwrap_or(forward_token) {
        headers.drop_authorization();
    }
    headers
}

/// The headers of a verified webhook.
pub(super) fn webhook_headers(
    snapshot: &Snapshot,
    head: &RequestHead,
    route: &Route,
) -> TrustedHeaders {
    let rules = &snapshot.rules;
    let trusted_peer = rules.trusts(head.peer);
    let mut headers = TrustedHeaders::new(rules.names.clone(), trusted_peer);
    headers.say(name::AUTH_KIND, HeaderValue::from_static("webhook"));
    say_request(&mut headers, head, trusted_peer);
    if route.forward_token == Some(false) {
        headers.drop_authorization();
    }
    headers
}

/// Whether the request carries a token that is valid for months (a shared token or a service token) and that the route did not
/// ask for.
fn carries_shared_token(rules: &Rules, head: &RequestHead) -> bool {
    let static_user = rules.static_user.as_ref();
    static_user.is_some_and(|mode| mode.is_carried(head.headers))
        || service_token::is_carried(&rules.services, head.headers)
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

/// The actor who impersonates the user.
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

/// A claim as text: a text, number or truth value as it is, and a list of texts with commas. Any other value has no single text
/// form.
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

/// The longest chain of addresses in a header, in bytes.
const MAX_CHAIN: usize = 1024;

/// The last entries of a chain of addresses, as many as fit. Proxies write the end. The client can write anything at the
/// beginning, and that must not push the end out.
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

/// Sets the request id and the headers about the origin of the request. Such headers from a client are stripped. Those from a
/// trusted proxy stay, with the proxy's own address appended (attack A-12).
fn say_request(headers: &mut TrustedHeaders, head: &RequestHead, trusted_peer: bool) {
    headers.say(name::REQUEST_ID, head.request_id.to_header());
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
