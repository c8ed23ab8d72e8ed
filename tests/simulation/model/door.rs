//! The door of a simulated gate: its rules, the membership that its source tells, and the tokens that are shown to it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bailiff::dev::key::SigningKey;
use bailiff::dev::mint::Mint;
use bailiff::domain::answer::Answers;
use bailiff::domain::cors::Cors;
use bailiff::domain::head::{Incoming, RequestHead};
use bailiff::domain::identity::TrustedNames;
use bailiff::domain::ids::{OrgId, RequestId, SessionId, UserId, WorkspaceId};
use bailiff::domain::issuer::{Issuer, IssuerKind, Leeway};
use bailiff::domain::judge::{Decision, Outcome, Proofs, Step, judge};
use bailiff::domain::keys::KeySet;
use bailiff::domain::membership::{
    AccessStatus, Flags, Members, Policy, Roles, Table, TableBuilder, UserState,
};
use bailiff::domain::profile::Profile;
use bailiff::domain::routes::{
    Access, Methods, Mode, PathRules, Route, RouteTable, WorkspaceSource,
};
use bailiff::domain::token::SignedClaims;
use bailiff::domain::{Rejection, Rules, Snapshot, UnixTime, membership, revocation};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use serde_json::json;

use super::clerk::{EPOCH, ORGS, org_id, roles, session_id, user_id};

const ISS: &str = "https://clerk.app.test";
/// How long a token lives, in seconds: Clerk's default.
pub const TOKEN_LIVES: u64 = 60;
/// How long a gate remembers revocations.
pub const KEEP: Duration = Duration::from_secs(600);

/// A session token, by what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub user: usize,
    pub session: usize,
    /// Seconds since 1970.
    pub issued: u64,
}

impl Token {
    /// The token that the session gets at `now`.
    pub fn at(user: usize, session: usize, now: u64) -> Self {
        Self {
            user,
            session,
            issued: (EPOCH + now) / 1000,
        }
    }
}

/// What a gate's clock shows at `now`, where it is off by `skew` seconds.
pub fn clock(now: u64, skew: i64) -> UnixTime {
    UnixTime(((EPOCH + now) / 1000).saturating_add_signed(skew))
}

/// The world of a gate that has only its config and its source.
pub fn blank(users: usize, version: usize) -> Snapshot {
    static RULES: OnceLock<Arc<Rules>> = OnceLock::new();
    let rules = RULES.get_or_init(|| Arc::new(rules())).clone();
    let jwks = json!({"keys": [key().jwk()]}).to_string();
    let keys = KeySet::from_jwks(jwks.as_bytes(), None)
        .expect("a key set")
        .0;
    Snapshot {
        generation: 1,
        rules,
        keys: HashMap::from([("clerk".into(), Arc::new(keys))]),
        members: Some(Members::new(table(users, version), Policy::default())),
        revocations: Default::default(),
        awaits_shared: true,
    }
}

/// What the source says: everybody is active and a member of one organization. Its versions differ in the role of the last user, who
/// has none in the second and a higher one in the third.
pub fn table(users: usize, version: usize) -> Table {
    let mut table = TableBuilder::new();
    let roles = roles();
    for org in 0..ORGS {
        let id = OrgId::parse(&org_id(org)).expect("an organization id");
        table
            .workspace(&workspace(org), Some(&id))
            .expect("each comes once");
    }
    for user in 0..users {
        let (id, row) = (
            user_of(user),
            membership::User::new(None, None, None, AccessStatus::Active, false),
        );
        table.user(&id, &row).expect("each comes once");
        let role = match version {
            1 if user + 1 == users => None,
            2 if user + 1 == users => Some(roles.highest()),
            _ => Some(roles.lowest()),
        };
        role.iter().for_each(|role| {
            table
                .member(&workspace(user % ORGS), &id, *role)
                .expect("each comes once")
        });
    }
    table.build()
}

pub fn user_of(user: usize) -> UserId {
    UserId::parse(&user_id(user)).expect("a user id")
}

pub fn workspace(org: usize) -> WorkspaceId {
    WorkspaceId::parse(&format!("ws_{org}")).expect("a workspace id")
}

/// Whether a gate lets the holder of `token` in at `now`, or into an organization, by the parts of which [`judge`] is made. That it
/// says the same is compared in [`judged`], which costs a signature.
pub fn admits(
    world: &Snapshot,
    token: Token,
    org: Option<usize>,
    now: UnixTime,
) -> Result<(), Rejection> {
    let leeway = Leeway::DEFAULT.secs();
    if now.0 >= token.issued + TOKEN_LIVES + leeway {
        return Err(Rejection::Expired);
    }
    // Clerk's `nbf` lies 10 s before `iat`.
    if token.issued > now.0 + leeway + 10 {
        return Err(Rejection::NotYetValid);
    }
    if token.issued > now.0 + leeway {
        return Err(Rejection::IssuedInFuture);
    }
    if world.awaits_shared {
        return Err(Rejection::SharedStateUnavailable);
    }
    let user = user_of(token.user);
    let members = world
        .members
        .as_ref()
        .ok_or(Rejection::MembersUnavailable)?;
    match members.user_state(&user) {
        UserState::Deleted => return Err(Rejection::UserDeleted),
        UserState::Banned => return Err(Rejection::UserBanned),
        _ => {}
    }
    let session = SessionId::parse(&session_id(token.session)).expect("a session id");
    let shown = revocation::Token {
        user: &user,
        session: Some(&session),
        issued: Some(UnixTime(token.issued)),
        expires: UnixTime(token.issued + TOKEN_LIVES),
    };
    world
        .revocations
        .check(&shown, now, world.rules.keep_revocations)?;
    match org {
        Some(org) => members
            .role(&workspace(org), &user, None)
            .map(|_| ())
            .ok_or(Rejection::NotAMember),
        None => Ok(()),
    }
}

/// The same by [`judge`] itself, with a token that is really signed.
pub fn judged(
    world: &Snapshot,
    token: Token,
    org: Option<usize>,
    now: UnixTime,
) -> Result<(), Rejection> {
    let target = org.map_or("/user".to_owned(), |org| format!("/ws/{}", workspace(org)));
    let bearer = format!("Bearer {}", signed(token));
    let headers = HeaderMap::from_iter([
        (http::header::HOST, HeaderValue::from_static("api.test")),
        (
            HeaderName::from_static("authorization"),
            HeaderValue::from_str(&bearer).expect("a token is a value"),
        ),
    ]);
    let incoming = Incoming {
        method: &Method::GET,
        target: target.as_bytes(),
        version: Version::HTTP_11,
        headers: &headers,
        peer: Some([203, 0, 113, 9].into()),
        fresh_id: RequestId::parse("req-1").expect("an id"),
    };
    let head = RequestHead::parse(incoming).expect("a good head");
    match judge(world, &head, now, &Kept) {
        Step::Decided(Decision {
            outcome: Outcome::Forward(_),
            ..
        }) => Ok(()),
        Step::Decided(Decision {
            outcome: Outcome::Refuse(reason),
            ..
        }) => Err(reason),
        other => panic!("neither in nor out: {other:?}"),
    }
}

thread_local! {
    static TOKENS: RefCell<HashMap<Token, String>> = RefCell::default();
    static PROOFS: RefCell<HashMap<String, Arc<SignedClaims>>> = RefCell::default();
}

fn signed(token: Token) -> String {
    let sign = || {
        let mint = Mint::new(ISS, &user_id(token.user), token.issued);
        mint.claim("sid", session_id(token.session)).sign(key())
    };
    TOKENS.with_borrow_mut(|tokens| tokens.entry(token).or_insert_with(sign).clone())
}

/// As the gate's own cache, which holds no verdicts.
struct Kept;

impl Proofs for Kept {
    fn find(&self, token: &str) -> Option<Arc<SignedClaims>> {
        PROOFS.with_borrow(|kept| kept.get(token).cloned())
    }

    fn keep(&self, token: &str, signed: &Arc<SignedClaims>) {
        PROOFS.with_borrow_mut(|kept| kept.insert(token.into(), signed.clone()));
    }
}

fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate("ins_1").expect("a key"))
}

fn rules() -> Rules {
    let roles: Roles = roles();
    let routes = vec![
        route("/user", Access::User),
        route("/ws/{workspace}", Access::Role(roles.lowest())),
    ];
    Rules {
        keep_revocations: KEEP,
        flags: Flags::NONE,
        static_user: None,
        profile: Profile::default(),
        routes: RouteTable::new(routes, PathRules::default()).expect("no contradiction"),
        issuers: vec![Issuer::new("clerk", ISS, IssuerKind::Clerk)],
        roles: Some(roles),
        services: vec![],
        webhooks: None,
        cors: Cors::default(),
        names: Arc::new(TrustedNames::new([])),
        claim_headers: vec![],
        answers: Answers::default(),
        trusted_proxies: vec![],
    }
}

fn route(path: &str, access: Access) -> Route {
    let pattern: bailiff::domain::routes::Pattern = path.parse().expect("a pattern");
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
