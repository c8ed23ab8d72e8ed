//! Authentication switched off: every request from this machine is one made-up user's.

use super::*;
use crate::domain::routes::Own;
use crate::domain::static_user::{StaticAuth, StaticUser};

fn disabled(snapshot: Snapshot) -> Snapshot {
    ruled(snapshot, |rules| {
        rules.flags = Flags::new(["is_admin", "is_active"]).expect("flags");
        rules.static_user = Some(StaticAuth::Disabled(Arc::new(StaticUser::disabled())));
    })
}

fn every_word() -> Snapshot {
    disabled(gate([
        route("/public", Access::Public),
        route("/optional", Access::Optional),
        route("/user", Access::User),
        route("/active", Access::Active),
        route("/ws/{workspace}", Access::Role(role("owner"))),
        route("/service", Access::Service),
        route("/webhook", Access::Webhook),
        route("/deny", Access::Deny),
    ]))
}

/// A request as a user at this machine sends it.
fn here(target: &str) -> Request {
    let mut request = get(target);
    request.headers.insert(
        http::header::HOST,
        HeaderValue::from_static("localhost:8484"),
    );
    request
}

#[test]
fn whoever_asks_is_the_made_up_user_and_other_words_stay_as_they_are() {
    for (target, verdict) in [
        ("/public", "forward nobody"),
        ("/optional", "forward dev:dev_user"),
        ("/user", "forward dev:dev_user"),
        ("/active", "forward dev:dev_user"),
        ("/ws/any", "forward dev:dev_user"),
        ("/service", "reject missing_token"),
        ("/webhook", "reject webhook_headers"),
        ("/deny", "reject denied"),
        ("/nowhere", "reject no_route"),
    ] {
        assert_eq!(here(target).at(&every_word()), verdict, "{target}");
    }
    let memberless = Snapshot {
        members: None,
        keys: HashMap::new(),
        ..every_word()
    };
    assert_eq!(
        here("/active").at(&memberless),
        "forward dev:dev_user",
        "nothing is asked of anybody"
    );
}

#[test]
fn the_app_gets_the_mock_user_that_it_would_have_made_itself() {
    let request = here("/ws/any")
        .bearer("whatever")
        .field("x-user-id", "root")
        .field("x-user-flags", "is_root");
    let headers = request.upstream(&every_word());
    for (name, value) in [
        ("x-user-id", Some("dev_user")),
        ("x-clerk-user-id", Some("dev_user")),
        ("x-user-email", Some("dev@localhost")),
        ("x-user-name", Some("dev")),
        ("x-access-status", Some("active")),
        ("x-user-flags", Some("is_active,is_admin")),
        ("x-workspace-id", Some("any")),
        ("x-workspace-role", Some("owner")),
        ("x-auth-kind", Some("user")),
        ("x-auth-issuer", Some("disabled")),
        ("x-session-id", None),
        ("x-actor-id", None),
        ("authorization", None),
    ] {
        assert_eq!(values(&headers, name), Vec::from_iter(value), "{name}");
    }
}

#[test]
fn a_token_that_comes_along_is_neither_looked_at_nor_passed_on() {
    let wanted = disabled(gate([Route {
        forward_token: Some(true),
        ..route("/x", Access::User)
    }]));
    for token in [
        token("user_banned"),
        "nonsense".to_owned(),
        mint("user_admin").sign(other_key()),
    ] {
        let request = here("/x").bearer(&token);
        assert_eq!(request.at(&wanted), "forward dev:dev_user");
        assert!(!request.upstream(&wanted).contains_key("authorization"));
    }
    assert_eq!(
        here("/x").bearer("a").bearer("b").at(&wanted),
        "forward dev:dev_user"
    );
}

#[test]
fn every_condition_holds() {
    let require = vec![
        Condition::Role(role("owner")),
        Condition::Permission("org:a:b".into()),
        Condition::Feature("a".into()),
        Condition::Flag("is_root".into()),
        Condition::Plan("pro".into()),
        Condition::SecondFactorWithin(Duration::from_secs(60)),
        Condition::Issuer(vec!["other".into()]),
        Condition::NoImpersonation,
    ];
    let gate = disabled(gate([Route {
        require,
        ..route("/ws/{workspace}", Access::User)
    }]));
    assert_eq!(here("/ws/ws_1").at(&gate), "forward dev:dev_user");
}

#[test]
fn a_workspace_is_the_one_that_the_request_names_and_two_still_contradict_each_other() {
    let sources = vec![
        WorkspaceSource::Segment(1),
        WorkspaceSource::Header(HeaderName::from_static("x-workspace-id")),
        WorkspaceSource::TokenOrg,
    ];
    let gate = disabled(gate([
        Route {
            workspace: sources,
            ..route("/ws/{workspace}", Access::Role(role("member")))
        },
        Route {
            workspace: vec![WorkspaceSource::TokenOrg],
            ..route("/org", Access::Role(role("member")))
        },
    ]));
    let named = |id: &str| here("/ws/ws_1").field("x-workspace-id", id);
    assert_eq!(
        named("ws_1").at(&gate),
        "forward dev:dev_user",
        "no token, so no organization to agree with"
    );
    assert_eq!(named("ws_2").at(&gate), "reject bad_workspace");
    assert_eq!(here("/ws/ws_1").at(&gate), "reject no_workspace");
    assert_eq!(
        here("/org").at(&gate),
        "reject no_workspace",
        "nothing names one"
    );
}

#[test]
fn what_comes_through_a_proxy_is_somebody_elses() {
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.9"),
        ("X_Forwarded_For", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.1 x"),
        ("cf-connecting-ip", "203.0.113.9"),
    ] {
        for target in ["/optional", "/user", "/active", "/ws/ws_1"] {
            let verdict = here(target).field(name, value).at(&every_word());
            assert_eq!(
                verdict, "reject auth_disabled_behind_proxy",
                "{name} {target}"
            );
        }
        assert_eq!(
            here("/public").field(name, value).at(&every_word()),
            "forward nobody",
            "{name}"
        );
    }
    let trusting = every_word();
    let proxied = here("/user")
        .from("10.0.0.1")
        .field("x-forwarded-for", "203.0.113.9");
    assert_eq!(
        proxied.at(&trusting),
        "reject auth_disabled_behind_proxy",
        "also from a trusted one"
    );
}

// Attack A-127.
#[test]
fn a_page_whose_name_was_made_to_point_here_gets_nothing() {
    let at = |host: &str| {
        let mut request = get("/user");
        request.headers.insert(
            http::header::HOST,
            HeaderValue::from_str(host).expect("a value"),
        );
        request.at(&every_word())
    };
    for host in [
        "localhost",
        "LOCALHOST:8484",
        "127.0.0.1",
        "127.0.0.1:8484",
        "[::1]:8484",
    ] {
        assert_eq!(at(host), "forward dev:dev_user", "{host}");
    }
    for host in [
        "evil.test",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "api.test:8484",
        "notlocalhost",
        "localhost.",
    ] {
        assert_eq!(at(host), "reject auth_disabled_host", "{host}");
    }
}

#[test]
fn a_page_of_another_site_cannot_send_a_form_here() {
    let from = |origin: &str| {
        here("/user")
            .method("POST")
            .field("origin", origin)
            .at(&every_word())
    };
    for ours in [
        "http://localhost:5173",
        "http://127.0.0.1:3000",
        "https://app.test",
    ] {
        assert_eq!(from(ours), "forward dev:dev_user", "{ours}");
    }
    for other in [
        "https://evil.test",
        "null",
        "http://localhost.evil.test",
        "https://app.test.evil.test",
    ] {
        assert_eq!(from(other), "reject auth_disabled_origin", "{other}");
    }
    let two = here("/user")
        .field("origin", "http://localhost")
        .field("origin", "https://evil.test");
    assert_eq!(two.at(&every_word()), "reject auth_disabled_origin");
}

#[test]
fn a_profile_is_that_of_the_made_up_user_and_a_refusal_stays_a_refusal() {
    let own = |path, answer| Route {
        answer: Some(answer),
        ..route(path, Access::User)
    };
    let gate = disabled(gate([
        own("/me", Own::Profile),
        own("/verify", Own::Verify),
    ]));
    let body = |target: &str| match here(target).decision(&gate).outcome {
        Outcome::Answer { answer, .. } => String::from_utf8(answer.body.to_vec()).expect("text"),
        other => panic!("no answer: {}", told_outcome(&other)),
    };
    assert_eq!(
        body("/me"),
        r#"{"id":"dev_user","email":"dev@localhost","name":"dev","clerkUserId":"dev_user","accessStatus":"active","hasProductAccess":true,"isFounder":false,"referralCode":null,"activatedAt":null}"#
    );
    assert_eq!(
        body("/verify"),
        r#"{"valid":true,"provider":"disabled","user_id":"dev_user","email":"dev@localhost"}"#
    );
    assert_eq!(
        here("/verify").field("via", "x").at(&gate),
        "reject auth_disabled_behind_proxy"
    );
}

#[test]
fn each_request_says_in_its_steps_that_nothing_was_judged() {
    #[derive(Default)]
    struct Told(Vec<String>);
    impl Trace for Told {
        fn step(&mut self, text: impl FnOnce() -> String) {
            self.0.push(text());
        }
    }
    let (request, mut trace) = (here("/user"), Told::default());
    let _ = judge_traced(
        &every_word(),
        &request.head(),
        UnixTime(NOW),
        &(),
        &mut trace,
    );
    assert_eq!(
        trace.0.last().map(String::as_str),
        Some("authentication is switched off: user dev:dev_user")
    );
}

#[test]
fn a_long_answer_without_a_token_ends_when_tokens_are_asked_for_again() {
    let off = every_word();
    let grant = here("/user").grant(&off);
    assert_eq!(reauthorize(&off, &grant, UnixTime(NOW)), Ok(()));
    let on = ruled(off.clone(), |rules| rules.static_user = None);
    assert_eq!(
        reauthorize(&on, &grant, UnixTime(NOW)),
        Err(Rejection::MissingToken)
    );
}
