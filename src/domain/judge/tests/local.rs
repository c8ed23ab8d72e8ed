//! One shared token instead of issuers.

use super::*;
use crate::domain::ids::Subject;
use crate::domain::service_token::TokenHash;
use crate::domain::static_user::{StaticAuth, StaticUser};

const SHARED: &str = "the-shared-token-of-this-set-up";
const OLD: &str = "the-shared-token-before-this-one";

/// `snapshot` in local mode, with `local:alex` as the user.
fn local(snapshot: Snapshot) -> Snapshot {
    let tokens = [SHARED, OLD]
        .iter()
        .filter_map(|token| TokenHash::of(token.as_bytes()))
        .collect();
    let (email, name) = (
        HeaderValue::from_static("alex@home.test"),
        HeaderValue::from_static("Alex"),
    );
    let who = StaticUser::local(
        &Subject::parse("alex").expect("a subject"),
        Some(email),
        Some(name),
    )
    .expect("a user");
    let snapshot = ruled(snapshot, |rules| {
        rules.issuers.clear();
        rules.static_user = Some(StaticAuth::Local {
            tokens,
            who: Arc::new(who),
        });
    });
    Snapshot {
        keys: HashMap::new(),
        ..snapshot
    }
}

fn every_word() -> Snapshot {
    local(gate([
        route("/public", Access::Public),
        route("/optional", Access::Optional),
        route("/user", Access::User),
        route("/active", Access::Active),
        route("/ws/{workspace}", Access::Role(role("admin"))),
        route("/service", Access::Service),
        route("/deny", Access::Deny),
    ]))
}

/// A membership in which `local:alex` has this row, and is admin of `ws_1`.
fn knowing(snapshot: Snapshot, access: AccessStatus) -> Snapshot {
    let id = UserId::parse("local:alex").expect("an id");
    let user = User::new(
        AppUserId::parse("app-alex").ok(),
        Some("alex@app.test"),
        None,
        access,
        false,
    );
    let workspace = Workspace {
        org: None,
        members: HashMap::from([(id.clone(), role("admin"))]),
    };
    let workspaces = HashMap::from([(WorkspaceId::parse("ws_1").expect("an id"), workspace)]);
    let table = Table::new(HashMap::from([(id, user)]), workspaces).expect("a table");
    Snapshot {
        members: Some(Members::new(table, Policy::default())),
        ..snapshot
    }
}

#[test]
fn the_shared_token_is_the_local_user_and_everything_else_is_refused() {
    for (target, shown, verdict) in [
        ("/public", None, "forward nobody"),
        ("/optional", None, "forward nobody"),
        ("/optional", Some(SHARED), "forward local:alex"),
        ("/optional", Some("wrong"), "reject wrong_local_token"),
        ("/user", Some(SHARED), "forward local:alex"),
        ("/user", Some(OLD), "forward local:alex"),
        ("/active", Some(SHARED), "forward local:alex"),
        ("/user", None, "reject missing_token"),
        (
            "/user",
            Some("the-shared-token-of-this-set-u"),
            "reject wrong_local_token",
        ),
        (
            "/user",
            Some("the-shared-token-of-this-set-up0"),
            "reject wrong_local_token",
        ),
        (
            "/user",
            Some("THE-SHARED-TOKEN-OF-THIS-SET-UP"),
            "reject wrong_local_token",
        ),
        ("/user", Some(SERVICE_TOKEN), "reject service_route"),
        ("/service", Some(SHARED), "reject unknown_service"),
        ("/service", Some(SERVICE_TOKEN), "forward service engine"),
        ("/deny", Some(SHARED), "reject denied"),
        ("/ws/ws_1", Some(SHARED), "reject not_a_member"),
    ] {
        let request = shown.map_or(get(target), |token| get(target).bearer(token));
        assert_eq!(request.at(&every_word()), verdict, "{target} {shown:?}");
    }
}

#[test]
fn no_token_of_an_issuer_counts_beside_the_shared_one() {
    assert_eq!(
        get("/user").bearer(&token("user_admin")).at(&every_word()),
        "reject wrong_local_token"
    );
    // An issuer's token is refused even if that issuer is configured beside the shared token. The config refuses both together.
    let issuer = Issuer::new("clerk", ISS, IssuerKind::Clerk);
    let mut both = ruled(every_word(), |rules| rules.issuers.push(issuer));
    both.keys.insert("clerk".into(), key_set(key()));
    assert_eq!(
        get("/user").bearer(&token("user_admin")).at(&both),
        "reject wrong_local_token"
    );
}

#[test]
fn the_shared_token_counts_in_one_place_only() {
    for (given, request) in [
        (
            "another scheme",
            get("/user").field("authorization", format!("Basic {SHARED}")),
        ),
        ("no scheme", get("/user").field("authorization", SHARED)),
        ("twice", get("/user").bearer(SHARED).bearer(SHARED)),
        (
            "a cookie",
            get("/user").field("cookie", format!("__session={SHARED}")),
        ),
        (
            "a header of its own",
            get("/user").field("x-local-auth-token", SHARED),
        ),
        ("the query", get(&format!("/user?token={SHARED}"))),
    ] {
        assert!(request.at(&every_word()).starts_with("reject"), "{given}");
    }
}

#[test]
fn the_app_is_told_who_the_local_user_is_and_never_the_token() {
    let headers = get("/user")
        .bearer(SHARED)
        .field("x-user-id", "root")
        .upstream(&every_word());
    for (name, value) in [
        ("x-user-id", Some("local:alex")),
        ("x-user-email", Some("alex@home.test")),
        ("x-user-name", Some("Alex")),
        ("x-access-status", Some("active")),
        ("x-auth-kind", Some("user")),
        ("x-auth-issuer", Some("local")),
        ("x-clerk-user-id", None),
        ("x-session-id", None),
        ("authorization", None),
    ] {
        assert_eq!(values(&headers, name), Vec::from_iter(value), "{name}");
    }
    let wanted = local(gate([Route {
        forward_token: Some(true),
        ..route("/user", Access::User)
    }]));
    assert_eq!(
        values(
            &get("/user").bearer(SHARED).upstream(&wanted),
            "authorization"
        ),
        [format!("Bearer {SHARED}")]
    );
}

#[test]
fn no_open_route_leaks_the_shared_token_to_the_app() {
    let headers = get("/public").bearer(SHARED).upstream(&every_word());
    assert!(!headers.contains_key("authorization"), "{headers:?}");
    let headers = get("/public")
        .bearer("the-app-s-own")
        .upstream(&every_word());
    assert_eq!(values(&headers, "authorization"), ["Bearer the-app-s-own"]);
    let report = local(gate([Route {
        mode: Mode::Report,
        ..route("/ws/{workspace}", Access::Role(role("owner")))
    }]));
    let request = get("/ws/ws_1").bearer(SHARED);
    assert_eq!(request.at(&report), "forward nobody, reported not_a_member");
    assert!(!request.upstream(&report).contains_key("authorization"));
}

#[test]
fn the_membership_gives_the_local_user_roles_and_can_take_access_away() {
    let request = |target: &str| get(target).bearer(SHARED);
    let known = knowing(every_word(), AccessStatus::Active);
    assert_eq!(request("/ws/ws_1").at(&known), "forward local:alex");
    let headers = request("/ws/ws_1").upstream(&known);
    assert_eq!(values(&headers, "x-user-id"), ["app-alex"]);
    assert_eq!(values(&headers, "x-user-email"), ["alex@app.test"]);
    assert_eq!(
        values(&headers, "x-user-name"),
        ["Alex"],
        "where the membership says nothing, the config does"
    );
    assert_eq!(values(&headers, "x-workspace-role"), ["admin"]);
    let pending = knowing(every_word(), AccessStatus::Pending);
    assert_eq!(
        request("/active").at(&pending),
        "forward local:alex",
        "whoever has the token was let in"
    );
    assert_eq!(
        values(&request("/active").upstream(&pending), "x-access-status"),
        ["active"]
    );
    let suspended = knowing(every_word(), AccessStatus::Suspended);
    assert_eq!(request("/user").at(&suspended), "reject suspended");
    let without = Snapshot {
        members: None,
        ..every_word()
    };
    assert_eq!(request("/user").at(&without), "reject members_unavailable");
    let none = ruled(without, |rules| rules.roles = None);
    assert_eq!(request("/active").at(&none), "forward local:alex");
    assert_eq!(request("/ws/ws_1").at(&none), "reject not_a_member");
}

#[test]
fn what_only_a_token_of_an_issuer_could_say_does_not_hold() {
    for (condition, verdict) in [
        (
            Condition::Permission("org:a:b".into()),
            "reject no_permission",
        ),
        (Condition::Feature("a".into()), "reject no_feature"),
        (Condition::Plan("pro".into()), "reject no_plan"),
        (
            Condition::SecondFactorWithin(Duration::from_secs(86_400)),
            "reject second_factor",
        ),
        (Condition::Flag("is_admin".into()), "reject no_flag"),
        (
            Condition::Issuer(vec!["clerk".into()]),
            "reject issuer_not_allowed",
        ),
        (
            Condition::Issuer(vec!["local".into()]),
            "forward local:alex",
        ),
        (Condition::NoImpersonation, "forward local:alex"),
    ] {
        let shown = format!("{condition:?}");
        let gate = local(gate([Route {
            require: vec![condition],
            ..route("/x", Access::User)
        }]));
        assert_eq!(get("/x").bearer(SHARED).at(&gate), verdict, "{shown}");
    }
    let org = Route {
        workspace: vec![WorkspaceSource::TokenOrg],
        ..route("/org", Access::Role(role("member")))
    };
    assert_eq!(
        get("/org")
            .bearer(SHARED)
            .at(&knowing(local(gate([org])), AccessStatus::Active)),
        "reject no_workspace"
    );
}

#[test]
fn the_shared_token_is_never_shown() {
    let gate = every_word();
    let step = get("/user").bearer(SHARED).judged_at(&gate, NOW, &());
    assert!(!format!("{step:?} {gate:?}").contains(SHARED));
}

#[test]
fn a_long_answer_to_the_local_user_ends_with_the_token_that_it_was_opened_with() {
    let world = every_word();
    let grant = |token: &str| get("/user").bearer(token).grant(&world);
    let (new, old) = (grant(SHARED), grant(OLD));
    let now = |world: &Snapshot, grant: &Grant| reauthorize(world, grant, UnixTime(NOW));
    assert_eq!((now(&world, &new), now(&world, &old)), (Ok(()), Ok(())));
    let mode = |change: &dyn Fn(&mut Vec<TokenHash>, &mut Arc<StaticUser>)| {
        ruled(world.clone(), |rules| {
            let Some(StaticAuth::Local { tokens, who }) = &mut rules.static_user else {
                panic!("no local mode")
            };
            change(tokens, who);
        })
    };
    let rotated = mode(&|tokens, _| tokens.truncate(1));
    assert_eq!(
        (now(&rotated, &new), now(&rotated, &old)),
        (Ok(()), Err(Rejection::WrongLocalToken))
    );
    let renamed = mode(&|_, who| {
        let sam = Subject::parse("sam").expect("a subject");
        *who = Arc::new(StaticUser::local(&sam, None, None).expect("a user"));
    });
    assert_eq!(
        now(&renamed, &new),
        Err(Rejection::WrongLocalToken),
        "it is another user's token now"
    );
    let issuers = ruled(world.clone(), |rules| rules.static_user = None);
    assert_eq!(now(&issuers, &new), Err(Rejection::WrongLocalToken));
}
