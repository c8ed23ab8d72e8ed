//! The product's specification: rows of a route, a member, a token and a second, and the decision for them.
//!
//! Every row runs through `judge` itself, with real signatures. A decision is written as text: `forward user`, `reject expired`,
//! `need key clerk, else reject unknown_key`, `need body 1024`.

mod access;
mod authorize;
mod claims;
mod conditions;
mod cookies;
mod disabled;
mod forwarding;
mod grant;
mod keys;
mod local;
mod observations;
mod oidc;
mod own;
mod proofs;
mod readings;
mod reauthorize;
mod services;
mod sources;
mod tokens;
mod trace;
mod webhook;
mod workspace;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use serde_json::json;

use super::*;
use crate::dev::key::SigningKey;
use crate::dev::mint::Mint;
use crate::domain::client::Networks;
use crate::domain::cors::Cors;
use crate::domain::event::{Change, EventTime, UserChange};
use crate::domain::head::Incoming;
use crate::domain::identity::TrustedNames;
use crate::domain::ids::{AppUserId, OrgId, RequestId, ServiceName, WorkspaceId};
use crate::domain::issuer::{ClaimsPolicy, Issuer, IssuerKind};
use crate::domain::keys::KeySet;
use crate::domain::membership::{
    AccessStatus, Flags, Members, Policy, Role, Roles, Table, User, Workspace,
};
use crate::domain::profile::Profile;
use crate::domain::routes::{Condition, Methods, PathRules, RouteTable, WorkspaceSource};
use crate::domain::service_token::{Reach, ServiceRoute, ServiceToken, TokenHash};
use crate::domain::snapshot::{Rules, WebhookPolicy};
use crate::domain::webhook::WebhookSecret;

const NOW: u64 = 1_800_000_000;
const ISS: &str = "https://clerk.app.test";
const ISS_2: &str = "https://clerk.other.test";
const SERVICE_TOKEN: &str = "a-service-token-of-some-length";
const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The key of the issuer `clerk`.
fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate("ins_1").expect("a key"))
}

/// The key of the issuer `other`. Where that issuer is not configured, the key belongs to no issuer.
fn other_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate("ins_2").expect("a key"))
}

/// A good session token of `user`, as `clerk` makes it at [`NOW`].
fn mint(user: &str) -> Mint {
    Mint::new(ISS, user, NOW)
}

fn token(user: &str) -> String {
    mint(user).sign(key())
}

fn key_set(key: &SigningKey) -> Arc<KeySet> {
    let jwks = json!({"keys": [key.jwk()]}).to_string();
    Arc::new(
        KeySet::from_jwks(jwks.as_bytes(), Some(UnixTime(NOW + 3600)))
            .expect("a key set")
            .0,
    )
}

fn roles() -> Roles {
    Roles::new(&["member", "admin", "owner"].map(str::to_owned)).expect("roles")
}

fn role(name: &str) -> Role {
    roles().find(name).expect("a role")
}

fn route(path: &str, access: Access) -> Route {
    let pattern: crate::domain::routes::Pattern = path.parse().expect("a pattern");
    let workspace = pattern.position("workspace").map(WorkspaceSource::Segment);
    Route {
        pattern,
        methods: Methods::Usual,
        access,
        require: vec![],
        workspace: workspace.into_iter().collect(),
        mode: Mode::Enforce,
        timeout: None,
        max_body: None,
        forward_token: None,
        streams: Default::default(),
        allow_suspended: false,
        answer: None,
    }
}

/// `user_member`, `user_admin` and `user_owner` have that role in `ws_1` (which is `org_1`). The other users are named for their
/// status and are owners of `ws_1`; the founder is a pending owner. `user_two` owns only `ws_2` (`org_2`).
fn members() -> Members {
    let id = |name: &str| UserId::parse(&format!("user_{name}")).expect("a user id");
    let status = |name: &str| match name {
        "pending" | "founder" => AccessStatus::Pending,
        "suspended" => AccessStatus::Suspended,
        _ => AccessStatus::Active,
    };
    let own = |name: &str| {
        AppUserId::parse(&format!("app-{name}"))
            .ok()
            .filter(|_| name != "two")
    };
    let names = [
        "member",
        "admin",
        "owner",
        "pending",
        "suspended",
        "founder",
        "banned",
        "deleted",
        "two",
    ];
    let user = |name: &str| {
        let email = format!("{name}@example.com");
        (
            id(name),
            User::new(
                own(name),
                Some(&email),
                Some("Zoë Ŝ"),
                status(name),
                name == "founder",
            ),
        )
    };
    let role_of = |name: &str| roles().find(name).unwrap_or(role("owner"));
    let first = names
        .iter()
        .filter(|name| **name != "two")
        .map(|name| (id(name), role_of(name)))
        .collect();
    let org = |id: &str| OrgId::parse(id).ok();
    let workspaces = [
        (
            "ws_1",
            Workspace {
                org: org("org_1"),
                members: first,
            },
        ),
        (
            "ws_2",
            Workspace {
                org: org("org_2"),
                members: HashMap::from([(id("two"), role("owner"))]),
            },
        ),
    ];
    let workspaces = workspaces
        .map(|(id, workspace)| (WorkspaceId::parse(id).expect("a workspace id"), workspace));
    let table = Table::new(
        names.iter().map(|name| user(name)).collect(),
        HashMap::from(workspaces),
    );
    let banned = UserChange::Described {
        banned: true,
        email: None,
        name: None,
    };
    [("banned", banned), ("deleted", UserChange::Deleted)]
        .into_iter()
        .fold(
            Members::new(table.expect("no organization twice"), Policy::default()),
            |members, (name, change)| {
                members
                    .changed(&Change::User(id(name), change).at(EventTime(1)))
                    .expect("room")
            },
        )
}

fn service(name: &str, tokens: &[&str], reach: Reach, networks: Networks) -> ServiceToken {
    let tokens = tokens
        .iter()
        .map(|token| TokenHash::of(token.as_bytes()).expect("a long token"))
        .collect();
    ServiceToken::new(
        ServiceName::parse(name).expect("a name"),
        tokens,
        reach,
        networks,
    )
    .expect("one to four tokens")
}

/// A snapshot with one issuer, its key, the membership above, a service and a webhook secret.
fn gate(routes: impl IntoIterator<Item = Route>) -> Snapshot {
    let issuer = Issuer::new("clerk", ISS, IssuerKind::Clerk);
    // The network that the requests of these tests come from.
    let near = Networks::new(vec!["203.0.113.0/24".parse().expect("a network")], false);
    let rules = Rules {
        keep_revocations: Duration::MAX,
        flags: Flags::NONE,
        static_user: None,
        profile: Profile::default(),
        routes: RouteTable::new(routes.into_iter().collect(), PathRules::default())
            .expect("no contradiction"),
        issuers: vec![issuer],
        roles: Some(roles()),
        services: vec![service(
            "engine",
            &[SERVICE_TOKEN],
            Reach::ServiceRoutes,
            near,
        )],
        webhooks: Some(WebhookPolicy {
            secrets: vec![WebhookSecret::parse(WEBHOOK_SECRET).expect("a secret")],
            tolerance: Duration::from_secs(300),
            max_body: 1024,
        }),
        cors: Cors {
            origins: vec!["https://app.test".into()],
            credentials: false,
            max_age: 600,
        },
        names: Arc::new(TrustedNames::new([])),
        claim_headers: vec![],
        answers: crate::domain::answer::Answers::default(),
        trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")],
    };
    Snapshot {
        revocations: Default::default(),
        awaits_shared: false,
        generation: 1,
        rules: Arc::new(rules),
        keys: HashMap::from([("clerk".into(), key_set(key()))]),
        members: Some(members()),
    }
}

/// `snapshot` with other rules.
fn ruled(mut snapshot: Snapshot, change: impl FnOnce(&mut Rules)) -> Snapshot {
    change(Arc::make_mut(&mut snapshot.rules));
    snapshot
}

/// `snapshot` with another policy on claims.
fn claiming(snapshot: Snapshot, change: impl FnOnce(&mut ClaimsPolicy)) -> Snapshot {
    ruled(snapshot, |rules| change(&mut rules.issuers[0].claims))
}

/// `snapshot` with the issuer `other` and its key beside the first.
fn with_other_issuer(snapshot: Snapshot) -> Snapshot {
    let mut snapshot = ruled(snapshot, |rules| {
        let mut other = rules.issuers[0].clone();
        (other.name, other.iss) = ("other".into(), ISS_2.into());
        rules.issuers.push(other);
    });
    snapshot.keys.insert("other".into(), key_set(other_key()));
    snapshot
}

/// A request with a valid `host` and valid other fields.
#[derive(Clone)]
struct Request {
    method: Method,
    target: String,
    headers: HeaderMap,
    peer: Option<IpAddr>,
}

fn get(target: &str) -> Request {
    let headers =
        HeaderMap::from_iter([(http::header::HOST, HeaderValue::from_static("api.test"))]);
    Request {
        method: Method::GET,
        target: target.into(),
        headers,
        peer: Some(IpAddr::from([203, 0, 113, 9])),
    }
}

impl Request {
    fn method(mut self, method: &str) -> Self {
        self.method = Method::from_bytes(method.as_bytes()).expect("a method");
        self
    }

    fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a value");
        self.headers
            .append(HeaderName::try_from(name).expect("a name"), value);
        self
    }

    fn bearer(self, token: &str) -> Self {
        self.field("authorization", format!("Bearer {token}"))
    }

    fn from(mut self, peer: &str) -> Self {
        self.peer = Some(peer.parse().expect("an address"));
        self
    }

    fn head(&self) -> RequestHead<'_> {
        let incoming = Incoming {
            method: &self.method,
            target: self.target.as_bytes(),
            version: Version::HTTP_11,
            headers: &self.headers,
            peer: self.peer,
            fresh_id: RequestId::parse("req-1").expect("an id"),
        };
        RequestHead::parse(incoming).expect("a good head")
    }

    fn judged_at(&self, snapshot: &Snapshot, now: u64, proofs: &impl Proofs) -> Step {
        judge(snapshot, &self.head(), UnixTime(now), proofs)
    }

    /// The decision of `snapshot` on the request at [`NOW`].
    fn at(&self, snapshot: &Snapshot) -> String {
        told(&self.judged_at(snapshot, NOW, &()))
    }

    /// The decision on a request that needs nothing else.
    fn decision(&self, snapshot: &Snapshot) -> Decision {
        match self.judged_at(snapshot, NOW, &()) {
            Step::Decided(decision) => decision,
            other => panic!("no decision: {}", told(&other)),
        }
    }

    /// The grant that the request gets.
    fn grant(&self, snapshot: &Snapshot) -> Grant {
        match self.decision(snapshot).outcome {
            Outcome::Forward(grant) => grant,
            other => panic!("no grant: {}", told_outcome(&other)),
        }
    }

    /// The header fields that the upstream gets.
    fn upstream(&self, snapshot: &Snapshot) -> HeaderMap {
        let mut headers = self.headers.clone();
        self.grant(snapshot).headers().apply(&mut headers);
        headers
    }
}

fn told(step: &Step) -> String {
    match step {
        Step::Decided(decision) => told_outcome(&decision.outcome),
        Step::NeedKey { issuer, otherwise } => {
            format!(
                "need key {issuer}, else {}",
                told_outcome(&otherwise.outcome)
            )
        }
        Step::NeedMember { user, otherwise } => {
            format!(
                "need member {user}, else {}",
                told_outcome(&otherwise.outcome)
            )
        }
        Step::NeedBody(webhook) => format!("need body {}", webhook.max_body()),
    }
}

fn told_outcome(outcome: &Outcome) -> String {
    let caller = |grant: &Grant| match grant.caller() {
        Caller::Nobody => "nobody".to_owned(),
        Caller::User(principal) => principal.user().to_string(),
        Caller::Service(name) => format!("service {name}"),
    };
    match outcome {
        Outcome::Forward(grant) => match grant.reported() {
            None => format!("forward {}", caller(grant)),
            Some(reason) => format!("forward {}, reported {}", caller(grant), reason.label()),
        },
        Outcome::Refuse(reason) => format!("reject {}", reason.label()),
        Outcome::Preflight(_) => "preflight".into(),
        Outcome::Answer { answer, reason } => {
            let reason = reason
                .map(|reason| format!(" {}", reason.label()))
                .unwrap_or_default();
            format!("answer {}{reason}", answer.status)
        }
    }
}

/// The values of all fields of `name`.
fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().expect("ASCII").to_owned())
        .collect()
}
