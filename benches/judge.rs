//! What a judgement costs: `cargo bench --bench judge`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bailiff::dev::key::SigningKey;
use bailiff::dev::mint::Mint;
use bailiff::domain::answer::Answers;
use bailiff::domain::cors::Cors;
use bailiff::domain::head::{Incoming, RequestHead};
use bailiff::domain::identity::TrustedNames;
use bailiff::domain::ids::{AppUserId, OrgId, RequestId, UserId, WorkspaceId};
use bailiff::domain::issuer::{Issuer, IssuerKind};
use bailiff::domain::judge::{Decision, Outcome, Proofs, Step, judge, reauthorize};
use bailiff::domain::keys::KeySet;
use bailiff::domain::membership::{
    AccessStatus, Flags, Members, Policy, Roles, Table, User, Workspace,
};
use bailiff::domain::profile::Profile;
use bailiff::domain::routes::{
    Access, LetterCase, Methods, Mode, PathRules, Route, RouteTable, WorkspaceSource,
};
use bailiff::domain::snapshot::{Rules, Snapshot};
use bailiff::domain::token::SignedClaims;
use bailiff::domain::{Grant, UnixTime};
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use serde_json::json;

const ISS: &str = "https://clerk.app.test";
const NOW: UnixTime = UnixTime(1_800_000_000);

/// As the gate's cache, without its bound.
#[derive(Default)]
struct Kept(RefCell<HashMap<String, Arc<SignedClaims>>>);

impl Proofs for Kept {
    fn find(&self, token: &str) -> Option<Arc<SignedClaims>> {
        self.0.borrow().get(token).cloned()
    }

    fn keep(&self, token: &str, signed: &Arc<SignedClaims>) {
        self.0.borrow_mut().insert(token.into(), signed.clone());
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

fn user(i: usize) -> UserId {
    UserId::parse(&format!("user_{i:027}")).expect("a user id")
}

fn members(count: usize) -> Members {
    let roles = roles();
    let row = |i: usize| {
        let id = AppUserId::parse(&format!("4f6c0a51-6a0e-4c1f-9b1e-{i:012}")).ok();
        User::new(
            id,
            Some("alex@example.com"),
            Some("Alex Chen"),
            AccessStatus::Active,
            false,
        )
    };
    let users = (0..count).map(|i| (user(i), row(i))).collect();
    let members = (0..count).map(|i| (user(i), roles.lowest())).collect();
    let workspace = Workspace {
        org: OrgId::parse("org_1").ok(),
        members,
    };
    let workspaces = HashMap::from([(WorkspaceId::parse("ws_1").expect("an id"), workspace)]);
    Members::new(
        Table::new(users, workspaces).expect("one workspace"),
        Policy::default(),
    )
}

fn roles() -> Roles {
    Roles::new(&["member", "admin", "owner"].map(str::to_owned)).expect("roles")
}

fn snapshot(key: &SigningKey, routes: usize, count: usize) -> Snapshot {
    let mut table = vec![route(
        "/api/workspaces/{workspace}/**",
        Access::Role(roles().lowest()),
    )];
    table.extend((1..routes).map(|i| route(&format!("/api/a{i}/{{id}}/**"), Access::User)));
    let jwks = json!({"keys": [key.jwk()]}).to_string();
    let rules = Rules {
        keep_revocations: Duration::from_secs(86_400),
        flags: Flags::NONE,
        static_user: None,
        profile: Profile::default(),
        routes: RouteTable::new(table, PathRules::default()).expect("no contradiction"),
        issuers: vec![Issuer::new("clerk", ISS, IssuerKind::Clerk)],
        roles: Some(roles()),
        services: vec![],
        webhooks: None,
        cors: Cors::default(),
        names: Arc::new(TrustedNames::new([])),
        claim_headers: vec![],
        answers: Answers::default(),
        trusted_proxies: vec![],
    };
    let keys = KeySet::from_jwks(jwks.as_bytes(), None)
        .expect("a key set")
        .0;
    Snapshot {
        awaits_shared: false,
        revocations: Default::default(),
        generation: 1,
        rules: Arc::new(rules),
        keys: HashMap::from([("clerk".into(), Arc::new(keys))]),
        members: Some(members(count)),
    }
}

/// The header fields of a browser's request to an API.
fn browser(token: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "api.example.com"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
        ),
        ("accept", "application/json, text/plain, */*"),
        ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("content-type", "application/json"),
        ("origin", "https://app.example.com"),
        ("referer", "https://app.example.com/boards"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-site", "same-site"),
        (
            "cookie",
            "__client_uat=1800000000; theme=dark; _ga=GA1.1.123456789.1700000000",
        ),
        ("x-forwarded-for", "198.51.100.7"),
        ("x-user-id", "forged"),
    ] {
        headers.append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    if let Some(token) = token {
        headers.insert(
            "authorization",
            format!("Bearer {token}").parse().expect("a value"),
        );
    }
    headers
}

fn head<'r>(headers: &'r HeaderMap, target: &'r str) -> RequestHead<'r> {
    let incoming = Incoming {
        method: &Method::GET,
        target: target.as_bytes(),
        version: Version::HTTP_11,
        headers,
        peer: Some([198, 51, 100, 7].into()),
        fresh_id: RequestId::parse("0192f0c1-2345-7abc-8def-0123456789ab").expect("an id"),
    };
    RequestHead::parse(incoming).expect("a good head")
}

fn granted(step: Step) -> Grant {
    match step {
        Step::Decided(Decision {
            outcome: Outcome::Forward(grant),
            ..
        }) => grant,
        other => panic!("no grant: {other:?}"),
    }
}

const TARGET: &str = "/api/workspaces/ws_1/boards/42?expand=cards";

fn judging(c: &mut Criterion) {
    let key = SigningKey::generate("ins_1").expect("a key");
    let minted = || {
        let mint = Mint::new(ISS, user(7).as_str(), NOW.0).azp("https://app.example.com");
        mint.org(
            "org_1",
            "acme",
            "admin",
            &["boards:read", "boards:manage", "billing:read"],
        )
    };
    let token = minted().sign(&key);
    let snapshot = snapshot(&key, 10, 10);
    let headers = browser(Some(&token));
    let good = head(&headers, TARGET);

    let kept = Kept::default();
    drop(granted(judge(&snapshot, &good, NOW, &kept)));
    c.bench_function("judge/warm", |b| {
        b.iter(|| judge(black_box(&snapshot), black_box(&good), NOW, &kept))
    });
    c.bench_function("judge/cold", |b| {
        b.iter(|| judge(black_box(&snapshot), black_box(&good), NOW, &()))
    });
    c.bench_function("judge/head", |b| {
        b.iter(|| head(black_box(&headers), TARGET))
    });

    let none = browser(None);
    let missing = head(&none, TARGET);
    c.bench_function("refuse/missing", |b| {
        b.iter(|| judge(black_box(&snapshot), black_box(&missing), NOW, &()))
    });
    let old = browser(Some(&minted().issued_at(NOW.0 - 600).sign(&key)));
    let expired = head(&old, TARGET);
    let seen = Kept::default();
    drop(judge(&snapshot, &expired, NOW, &seen));
    c.bench_function("refuse/expired", |b| {
        b.iter(|| judge(black_box(&snapshot), black_box(&expired), NOW, &()))
    });
    c.bench_function("refuse/expired-seen", |b| {
        b.iter(|| judge(black_box(&snapshot), black_box(&expired), NOW, &seen))
    });

    let grant = granted(judge(&snapshot, &good, NOW, &()));
    // What each stream costs with each change of the world.
    c.bench_function("still", |b| {
        b.iter(|| reauthorize(black_box(&snapshot), black_box(&grant), NOW))
    });
    c.bench_function("apply/15-headers", |b| {
        b.iter_batched_ref(
            || headers.clone(),
            |headers| grant.headers().apply(black_box(headers)),
            criterion::BatchSize::SmallInput,
        );
    });
}

fn looking_up(c: &mut Criterion) {
    let key = SigningKey::generate("ins_1").expect("a key");
    let headers = browser(None);
    for count in [10, 1000] {
        let snapshot = snapshot(&key, count, 10);
        let last = format!("/api/a{}/7/cards", count - 1);
        let head = head(&headers, &last);
        c.bench_function(&format!("routes/{count}"), |b| {
            b.iter(|| {
                snapshot
                    .rules
                    .routes
                    .readings(black_box(head.method), black_box(&head.path), &[])
            });
        });
    }
    // What a stranger sends to make the gate work: a path as long as it may be, with another reading in every letter.
    let hostile = format!("/{}.", "%C3%A9".repeat(1200));
    let attack = head(&headers, &hostile);
    let aliases = attack.path.aliases().expect("few");
    for case in [LetterCase::Sensitive, LetterCase::Insensitive] {
        let routes = snapshot(&key, 1000, 10)
            .rules
            .routes
            .iter()
            .map(|route| Route::clone(route))
            .collect();
        let rules = PathRules {
            case,
            ..PathRules::default()
        };
        let table = RouteTable::new(routes, rules).expect("no contradiction");
        c.bench_function(&format!("routes/1000-hostile-{case:?}"), |b| {
            b.iter(|| {
                table
                    .readings(attack.method, black_box(&attack.path), &aliases)
                    .is_some()
            });
        });
    }
    let workspace = WorkspaceId::parse("ws_1").expect("an id");
    for count in [10, 10_000] {
        let (members, user) = (members(count), user(count / 2));
        c.bench_function(&format!("members/{count}"), |b| {
            b.iter(|| {
                (
                    members.role(black_box(&workspace), black_box(&user), None),
                    members.user_state(black_box(&user)),
                )
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = judging, looking_up
}
criterion_main!(benches);
