//! The answers that the gate gives itself.

use serde_json::Value;

use super::*;
use crate::domain::answer::Answer;
use crate::domain::membership::Details;
use crate::domain::profile::Word;
use crate::domain::routes::Own;

fn own(path: &str, access: Access, answer: Own) -> Route {
    Route {
        answer: Some(answer),
        methods: Methods::These(vec![Method::GET]),
        ..route(path, access)
    }
}

fn both() -> Snapshot {
    gate([
        own("/me", Access::User, Own::Profile),
        own("/active", Access::Active, Own::Profile),
        own("/ws/{workspace}", Access::Role(role("admin")), Own::Profile),
        own("/verify", Access::User, Own::Verify),
    ])
}

fn answer(request: &Request, snapshot: &Snapshot) -> Answer {
    match request.judged_at(snapshot, NOW, &()) {
        Step::Decided(Decision {
            outcome: Outcome::Answer { answer, .. },
            ..
        })
        | Step::NeedKey {
            otherwise:
                Decision {
                    outcome: Outcome::Answer { answer, .. },
                    ..
                },
            ..
        } => answer,
        other => panic!("no answer: {}", told(&other)),
    }
}

fn said(request: &Request, snapshot: &Snapshot) -> String {
    String::from_utf8(answer(request, snapshot).body.to_vec()).expect("text")
}

fn json(request: &Request, snapshot: &Snapshot) -> Value {
    serde_json::from_str(&said(request, snapshot)).expect("JSON")
}

/// A snapshot whose membership has one user with details and learns every new user at first sight.
fn first_sight(access: AccessStatus) -> Snapshot {
    let details = Details {
        activated_at: Some("2026-01-31T10:00:00Z".into()),
        attributes: [("referral_code".into(), "ALEX42".into())].into(),
    };
    let user = User {
        details: Some(Box::new(details)),
        flags: Flags::new(["is_b", "is_a"]).expect("flags"),
        ..User::new(
            AppUserId::parse("4f6c").ok(),
            Some("ä@x.test"),
            Some("Zoë 100%"),
            AccessStatus::Pending,
            true,
        )
    };
    let users = HashMap::from([(UserId::parse("user_alex").expect("an id"), user)]);
    let policy = Policy {
        access,
        first_sight: true,
        ..Policy::default()
    };
    let members = Members::new(Table::new(users, HashMap::new()).expect("a table"), policy);
    let seen = UserChange::Described {
        banned: false,
        email: None,
        name: None,
    };
    let change = Change::User(UserId::parse("user_new").expect("an id"), seen);
    let members = members
        .changed(&change.at(EventTime(1_769_853_600_999)))
        .expect("room");
    Snapshot {
        members: Some(members),
        ..both()
    }
}

#[test]
fn a_profile_says_what_the_headers_say_in_the_order_of_the_config() {
    assert_eq!(
        said(&get("/me").bearer(&token("user_admin")), &both()),
        r#"{"id":"app-admin","email":"admin@example.com","name":"Zoë Ŝ","clerkUserId":"user_admin","accessStatus":"active","hasProductAccess":true,"isFounder":false,"referralCode":null,"activatedAt":null}"#
    );
    assert_eq!(
        said(
            &get("/me").bearer(&token("user_alex")),
            &first_sight(AccessStatus::Pending)
        ),
        r#"{"id":"4f6c","email":"ä@x.test","name":"Zoë 100%","clerkUserId":"user_alex","accessStatus":"active","hasProductAccess":true,"isFounder":true,"referralCode":"ALEX42","activatedAt":"2026-01-31T10:00:00Z"}"#
    );
}

#[test]
fn every_word_of_a_profile_says_one_thing() {
    let words = [
        "user_id",
        "issuer",
        "session_id",
        "org_id",
        "flags",
        "since",
        "attributes.referral_code",
        "claims.plan",
    ];
    let shape = || {
        words
            .map(|word| (word.into(), Word::parse(word).expect("a word")))
            .to_vec()
    };
    let gate = |snapshot| {
        ruled(snapshot, |rules| {
            rules.profile = Profile::new(shape()).expect("a profile")
        })
    };
    let token = mint("user_alex")
        .org("org_9", "o", "member", &[])
        .claim("plan", json!({"tier": [1, "x"]}));
    assert_eq!(
        said(
            &get("/me").bearer(&token.sign(key())),
            &gate(first_sight(AccessStatus::Pending))
        ),
        r#"{"user_id":"4f6c","issuer":"clerk","session_id":"sess_alex","org_id":"org_9","flags":["is_a","is_b"],"since":null,"attributes.referral_code":"ALEX42","claims.plan":{"tier":[1,"x"]}}"#
    );
    let stranger = json(
        &get("/me").bearer(&super::token("user_stranger")),
        &gate(both()),
    );
    for word in ["org_id", "since", "attributes.referral_code", "claims.plan"] {
        assert_eq!(stranger[word], Value::Null, "{word} is there, and null");
    }
    assert_eq!(stranger["flags"], json!([]));
}

#[test]
fn nobody_has_access_whom_the_membership_does_not_know() {
    let profile = json(&get("/me").bearer(&token("user_stranger")), &both());
    assert_eq!(
        (&profile["accessStatus"], &profile["hasProductAccess"]),
        (&Value::Null, &json!(false))
    );
    let without = Snapshot {
        members: None,
        ..ruled(both(), |rules| rules.roles = None)
    };
    assert_eq!(
        json(&get("/me").bearer(&token("user_admin")), &without)["hasProductAccess"],
        false
    );
    let pending = json(&get("/me").bearer(&token("user_pending")), &both());
    assert_eq!(
        (&pending["accessStatus"], &pending["hasProductAccess"]),
        (&json!("pending"), &json!(false))
    );
}

#[test]
fn who_began_as_active_was_activated_in_that_moment_and_of_others_nobody_knows() {
    let activated = |user: &str, access| {
        json(&get("/me").bearer(&token(user)), &first_sight(access))["activatedAt"].clone()
    };
    assert_eq!(
        activated("user_new", AccessStatus::Active),
        "2026-01-31T10:00:00Z"
    );
    assert_eq!(activated("user_new", AccessStatus::Pending), Value::Null);
    assert_eq!(
        activated("user_never_seen", AccessStatus::Active),
        Value::Null
    );
    let since = |snapshot| {
        let shape = Profile::new(vec![("since".into(), Word::Since)]).expect("a profile");
        json(
            &get("/me").bearer(&token("user_new")),
            &ruled(snapshot, |rules| rules.profile = shape),
        )["since"]
            .clone()
    };
    assert_eq!(
        since(first_sight(AccessStatus::Pending)),
        "2026-01-31T10:00:00Z"
    );
}

#[test]
fn a_profile_is_for_those_whom_the_route_lets_in() {
    for (target, user, verdict) in [
        ("/me", "user_admin", "answer 200"),
        ("/me", "user_pending", "answer 200"),
        ("/me", "user_suspended", "reject suspended"),
        ("/me", "user_banned", "reject user_banned"),
        ("/me", "user_deleted", "reject user_deleted"),
        ("/active", "user_pending", "reject not_active"),
        ("/active", "user_founder", "answer 200"),
        ("/ws/ws_1", "user_admin", "answer 200"),
        ("/ws/ws_1", "user_member", "reject role_too_low"),
        ("/ws/ws_2", "user_admin", "reject not_a_member"),
    ] {
        assert_eq!(
            get(target).bearer(&token(user)).at(&both()),
            verdict,
            "{target} {user}"
        );
    }
    assert_eq!(get("/me").at(&both()), "reject missing_token");
    assert_eq!(
        get("/me").bearer(SERVICE_TOKEN).at(&both()),
        "reject service_route"
    );
    assert_eq!(
        get("/me")
            .method("HEAD")
            .bearer(&token("user_admin"))
            .at(&both()),
        "answer 200"
    );
    assert_eq!(
        get("/me")
            .method("POST")
            .bearer(&token("user_admin"))
            .at(&both()),
        "reject no_route"
    );
    let allowed = gate([Route {
        allow_suspended: true,
        ..own("/me", Access::User, Own::Profile)
    }]);
    let profile = json(&get("/me").bearer(&token("user_suspended")), &allowed);
    assert_eq!(
        (&profile["accessStatus"], &profile["hasProductAccess"]),
        (&json!("suspended"), &json!(false))
    );
}

#[test]
fn nobody_but_a_person_is_answered_and_nothing_leads_upstream() {
    let public = gate([own("/x", Access::Public, Own::Profile)]);
    assert_eq!(
        get("/x").at(&public),
        "reject denied",
        "no config says so, and it opens nothing"
    );
    let service = gate([own("/x", Access::Service, Own::Verify)]);
    assert_eq!(
        get("/x").bearer(SERVICE_TOKEN).at(&service),
        "reject denied"
    );
    let report = gate([Route {
        mode: Mode::Report,
        ..own("/x", Access::User, Own::Profile)
    }]);
    assert_eq!(get("/x").at(&report), "reject missing_token");
}

#[test]
fn a_good_token_is_said_to_be_good() {
    assert_eq!(
        said(&get("/verify").bearer(&token("user_admin")), &both()),
        r#"{"valid":true,"provider":"clerk","user_id":"app-admin","email":"admin@example.com"}"#
    );
    assert_eq!(
        said(&get("/verify").bearer(&token("user_new")), &both()),
        r#"{"valid":true,"provider":"clerk","user_id":"user_new","email":null}"#
    );
    let other = Mint::new(ISS_2, "user_x", NOW).sign(other_key());
    assert_eq!(
        get("/verify").bearer(&other).at(&both()),
        "answer 401 wrong_issuer"
    );
}

#[test]
fn a_token_that_is_not_good_gets_a_401_with_a_word_and_the_log_the_reason() {
    let expired = mint("user_admin").issued_at(1).sign(key());
    let forged = mint("user_admin").sign(other_key());
    let early = mint("user_admin").claim("nbf", NOW + 1000).sign(key());
    for (given, request, verdict, word) in [
        (
            "none",
            get("/verify"),
            "answer 401 missing_token",
            "missing_token",
        ),
        (
            "no JWT",
            get("/verify").bearer("x"),
            "answer 401 malformed_token",
            "invalid_token",
        ),
        (
            "expired",
            get("/verify").bearer(&expired),
            "answer 401 expired",
            "expired",
        ),
        (
            "too early",
            get("/verify").bearer(&early),
            "answer 401 not_yet_valid",
            "invalid_token",
        ),
        (
            "two",
            get("/verify").bearer("a").bearer("b"),
            "answer 401 several_tokens",
            "invalid_token",
        ),
        (
            "a service's",
            get("/verify").bearer(SERVICE_TOKEN),
            "answer 401 service_route",
            "invalid_token",
        ),
        (
            "a banned user's",
            get("/verify").bearer(&token("user_banned")),
            "answer 401 user_banned",
            "user_refused",
        ),
        (
            "a deleted user's",
            get("/verify").bearer(&token("user_deleted")),
            "answer 401 user_deleted",
            "user_refused",
        ),
        (
            "suspended",
            get("/verify").bearer(&token("user_suspended")),
            "answer 401 suspended",
            "user_refused",
        ),
    ] {
        assert_eq!(request.at(&both()), verdict, "{given}");
        let answer = answer(&request, &both());
        let said: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(said, json!({"valid": false, "reason": word}), "{given}");
        assert!(
            answer
                .challenge
                .is_some_and(|challenge| challenge.starts_with("Bearer")),
            "{given}"
        );
    }
    let unknown = get("/verify").bearer(&forged);
    assert_eq!(
        unknown.at(&both()),
        "need key clerk, else answer 401 unknown_key",
        "a fetch may bring the key"
    );
    assert_eq!(json(&unknown, &both())["reason"], "invalid_token");
}

#[test]
fn what_cannot_be_told_now_is_a_503_and_never_a_no() {
    let request = get("/verify").bearer(&token("user_admin"));
    let keyless = Snapshot {
        keys: HashMap::new(),
        ..both()
    };
    assert_eq!(request.at(&keyless), "answer 503 keys_unavailable");
    assert_eq!(
        json(&request, &keyless),
        json!({"valid": false, "reason": "issuer unreachable"})
    );
    let memberless = Snapshot {
        members: None,
        ..both()
    };
    assert_eq!(request.at(&memberless), "answer 503 members_unavailable");
    assert_eq!(
        json(&request, &memberless),
        json!({"valid": false, "reason": "temporarily unavailable"})
    );
    assert!(answer(&request, &keyless).retry_after.is_some());
}

#[test]
fn bodies_that_the_operator_replaced_do_not_change_what_verify_says() {
    let replaced = std::collections::BTreeMap::from([(401, bytes::Bytes::from_static(b"{}"))]);
    let gate = ruled(both(), |rules| {
        rules.answers = crate::domain::answer::Answers::new(replaced)
    });
    assert_eq!(
        said(&get("/verify"), &gate),
        r#"{"valid":false,"reason":"missing_token"}"#
    );
}
