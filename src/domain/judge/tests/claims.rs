//! The rules on the claims of a token with a valid signature, each tested at its limits.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::domain::issuer::Leeway;

fn users() -> Snapshot {
    gate([route("/x", Access::User)])
}

fn policy(change: impl FnOnce(&mut ClaimsPolicy)) -> Snapshot {
    claiming(users(), change)
}

fn verdict(gate: &Snapshot, token: Mint) -> String {
    get("/x")
        .bearer(&token.sign(key()))
        .at(gate)
        .replace(" user_owner", "")
}

fn with(name: &str, value: impl Into<Value>) -> Mint {
    mint("user_owner").claim(name, value)
}

fn leeway(secs: u64) -> Leeway {
    Leeway::new(Duration::from_secs(secs)).expect("a short leeway")
}

// Attack A-53: the default leeway is 10 s.
#[test]
fn time_ends_and_begins_at_the_second() {
    for (given, token, expected) in [
        ("one second left", with("exp", NOW - 9), "forward"),
        (
            "expired at this second",
            with("exp", NOW - 10),
            "reject expired",
        ),
        ("expired long ago", with("exp", 0), "reject expired"),
        (
            "the last second of time",
            with("exp", 253_402_300_799_u64),
            "forward",
        ),
        (
            "beyond time",
            with("exp", 253_402_300_800_u64),
            "reject malformed_token",
        ),
        (
            "an overflow",
            with("exp", u64::MAX),
            "reject malformed_token",
        ),
        ("not before, at the edge", with("nbf", NOW + 10), "forward"),
        (
            "not before, one second on",
            with("nbf", NOW + 11),
            "reject not_yet_valid",
        ),
        ("no nbf", mint("user_owner").without("nbf"), "forward"),
        ("issued at the edge", with("iat", NOW + 10), "forward"),
        (
            "issued in the future",
            with("iat", NOW + 11),
            "reject issued_in_future",
        ),
        ("issued long ago is no fault", with("iat", 0), "forward"),
        (
            "no iat",
            mint("user_owner").without("iat"),
            "reject issued_in_future",
        ),
        (
            "no exp",
            mint("user_owner").without("exp"),
            "reject malformed_token",
        ),
        (
            "15 s old under a leeway of 10 s",
            mint("user_owner").issued_at(NOW - 15),
            "forward",
        ),
    ] {
        assert_eq!(verdict(&users(), token), expected, "{given}");
    }
}

// Attack A-52.
#[test]
fn a_time_of_a_wrong_type_is_no_time() {
    let wrong = [
        json!("9999999999"),
        json!(null),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!([NOW]),
        json!({}),
        json!(true),
    ];
    for name in ["exp", "nbf", "iat"] {
        for value in &wrong {
            assert_eq!(
                verdict(&users(), with(name, value.clone())),
                "reject malformed_token",
                "{name}: {value}"
            );
        }
    }
}

#[test]
fn the_leeway_is_the_configured_one() {
    let strict = policy(|p| p.leeway = leeway(0));
    assert_eq!(verdict(&strict, with("exp", NOW + 1)), "forward");
    assert_eq!(verdict(&strict, with("exp", NOW)), "reject expired");
    assert_eq!(verdict(&strict, with("nbf", NOW)), "forward");
    assert_eq!(
        verdict(&strict, with("nbf", NOW + 1)),
        "reject not_yet_valid"
    );
    assert!(Leeway::new(Duration::from_secs(61)).is_err());
}

#[test]
fn iat_counts_when_it_is_asked_for() {
    let lax = policy(|p| p.verify_iat = false);
    assert_eq!(verdict(&lax, mint("user_owner").without("iat")), "forward");
    assert_eq!(verdict(&lax, with("iat", NOW + 1000)), "forward");
    assert_eq!(
        verdict(&lax, with("iat", "x")),
        "reject malformed_token",
        "a wrong type is never taken for none"
    );
}

#[test]
fn a_token_may_have_a_greatest_age() {
    let young = |verify_iat| {
        policy(move |p| {
            p.max_token_age = Some(Duration::from_secs(100));
            p.verify_iat = verify_iat;
        })
    };
    assert_eq!(
        verdict(&young(true), with("iat", NOW - 110)),
        "forward",
        "100 s and the leeway"
    );
    assert_eq!(
        verdict(&young(true), with("iat", NOW - 111)),
        "reject token_too_old"
    );
    assert_eq!(
        verdict(&young(false), mint("user_owner").without("iat")),
        "reject token_too_old"
    );
}

// Attack A-54.
#[test]
fn the_issuer_is_compared_byte_for_byte() {
    for iss in [
        "https://clerk.app.test/",
        "https://CLERK.app.test",
        "https://clerk.app.test.evil.com",
        "",
        ISS_2,
    ] {
        assert_eq!(
            verdict(&users(), with("iss", iss)),
            "reject wrong_issuer",
            "{iss}"
        );
    }
    assert_eq!(
        verdict(&users(), mint("user_owner").without("iss")),
        "reject wrong_issuer"
    );
    assert_eq!(
        verdict(&users(), with("iss", json!([ISS]))),
        "reject wrong_issuer"
    );
}

// Attack A-55.
#[test]
fn the_party_that_asked_for_the_token_is_listed_to_the_letter() {
    let listed = |optional| {
        policy(move |p| {
            p.authorized_parties =
                Some(vec!["https://app.test".into(), "https://admin.test".into()]);
            p.azp_optional = optional;
        })
    };
    for (azp, strict, optional) in [
        (Some(json!("https://app.test")), "forward", "forward"),
        (Some(json!("https://admin.test")), "forward", "forward"),
        (
            Some(json!("https://evil.test")),
            "reject wrong_party",
            "reject wrong_party",
        ),
        (
            Some(json!("https://app.test/")),
            "reject wrong_party",
            "reject wrong_party",
        ),
        (
            Some(json!("https://app.test.evil.com")),
            "reject wrong_party",
            "reject wrong_party",
        ),
        (Some(json!("")), "reject wrong_party", "reject wrong_party"),
        (
            Some(json!(["https://app.test"])),
            "reject malformed_token",
            "reject malformed_token",
        ),
        (Some(json!(null)), "reject wrong_party", "forward"),
        (None, "reject wrong_party", "forward"),
    ] {
        let token = || {
            azp.clone()
                .map_or(mint("user_owner"), |azp| with("azp", azp))
        };
        assert_eq!(verdict(&listed(false), token()), strict, "{azp:?}");
        assert_eq!(
            verdict(&listed(true), token()),
            optional,
            "{azp:?} where none is allowed"
        );
    }
    assert_eq!(
        verdict(&users(), with("azp", "https://any.test")),
        "forward",
        "without a list nothing is compared"
    );
    let nobody = policy(|p| p.authorized_parties = Some(vec![]));
    assert_eq!(
        verdict(&nobody, with("azp", "https://app.test")),
        "reject wrong_party",
        "an empty list is nobody"
    );
}

#[test]
fn an_audience_that_is_asked_for_must_be_there() {
    let asked = policy(|p| p.audience = Some(vec!["api".into()]));
    for (aud, expected) in [
        (json!("api"), "forward"),
        (json!(["other", "api"]), "forward"),
        (json!("other"), "reject wrong_audience"),
        (json!("api2"), "reject wrong_audience"),
        (json!([]), "reject wrong_audience"),
        (json!(null), "reject wrong_audience"),
        (json!(5), "reject malformed_token"),
        (json!(["api", 5]), "reject malformed_token"),
    ] {
        assert_eq!(verdict(&asked, with("aud", aud.clone())), expected, "{aud}");
    }
    assert_eq!(verdict(&asked, mint("user_owner")), "reject wrong_audience");
    assert_eq!(
        verdict(&users(), with("aud", "whatever")),
        "forward",
        "nobody asked"
    );
}

// Attack A-57.
#[test]
fn a_session_with_open_tasks_is_no_session_unless_the_config_says_so() {
    for (sts, strict, lax) in [
        (json!("active"), "forward", "forward"),
        (json!("pending"), "reject session_pending", "forward"),
        (json!("invented"), "reject session_pending", "forward"),
        (json!(""), "reject session_pending", "forward"),
        (json!(1), "reject malformed_token", "reject malformed_token"),
    ] {
        assert_eq!(verdict(&users(), with("sts", sts.clone())), strict, "{sts}");
        assert_eq!(
            verdict(
                &policy(|p| p.allow_pending = true),
                with("sts", sts.clone())
            ),
            lax,
            "{sts} where allowed"
        );
    }
    assert_eq!(
        verdict(&users(), mint("user_owner").without("sts")),
        "forward",
        "an instance that has no tasks"
    );
}

// Attack A-56: every kind of Clerk token is signed by the same key.
#[test]
fn only_a_session_token_of_a_user_lets_in() {
    let plain = |token: Mint| token.without_header("cat");
    let machine = || mint("mch_1").without("sid");
    for (given, token, strict, templates) in [
        (
            "a template",
            mint("user_owner").template(),
            "reject wrong_token_type",
            "forward",
        ),
        (
            "a template that does not say so",
            plain(mint("user_owner").template()),
            "reject missing_session",
            "forward",
        ),
        (
            "a machine",
            machine(),
            "reject missing_session",
            "reject missing_session",
        ),
        (
            "a machine that does not say so",
            plain(machine()),
            "reject wrong_token_type",
            "reject wrong_token_type",
        ),
        (
            "a machine with a session",
            plain(mint("mch_1")),
            "reject wrong_token_type",
            "reject wrong_token_type",
        ),
        (
            "a session token without session",
            mint("user_owner").without("sid"),
            "reject missing_session",
            "reject missing_session",
        ),
        (
            "an empty session",
            with("sid", ""),
            "reject malformed_token",
            "reject malformed_token",
        ),
        (
            "a session that splits a header",
            with("sid", "a,b"),
            "reject malformed_token",
            "reject malformed_token",
        ),
        (
            "no user (handshake)",
            mint("user_owner").without("sub"),
            "reject missing_subject",
            "reject missing_subject",
        ),
        (
            "an empty user",
            with("sub", ""),
            "reject missing_subject",
            "reject missing_subject",
        ),
        (
            "a bare prefix",
            with("sub", "user_"),
            "reject missing_subject",
            "reject missing_subject",
        ),
        (
            "another prefix",
            with("sub", "client_1"),
            "reject missing_subject",
            "reject missing_subject",
        ),
        (
            "a list of users",
            with("sub", json!(["user_owner"])),
            "reject missing_subject",
            "reject missing_subject",
        ),
        (
            "a line break",
            with("sub", "user_a\r\nx-user-id: b"),
            "reject missing_subject",
            "reject missing_subject",
        ),
        (
            "another script",
            with("sub", "user_оwner"),
            "reject missing_subject",
            "reject missing_subject",
        ),
        (
            "too long",
            with("sub", format!("user_{}", "a".repeat(251))),
            "reject missing_subject",
            "reject missing_subject",
        ),
    ] {
        let claims = token.sign(key());
        assert_eq!(
            get("/x")
                .bearer(&claims)
                .at(&users())
                .replace(" user_owner", ""),
            strict,
            "{given}"
        );
        let lax = policy(|p| p.allow_jwt_templates = true);
        assert_eq!(
            get("/x")
                .bearer(&claims)
                .at(&lax)
                .replace(" user_owner", ""),
            templates,
            "{given}, with templates"
        );
    }
}

#[test]
fn who_impersonates_is_told_and_must_have_a_name() {
    for (act, expected) in [
        (
            json!({"iss": ISS, "sid": "sess_1", "sub": "user_support"}),
            "forward",
        ),
        (json!({"sub": "agent_1", "type": "agent"}), "forward"),
        (json!(null), "forward"),
        (json!({}), "reject malformed_token"),
        (json!({"sub": ""}), "reject malformed_token"),
        (json!({"sub": 5}), "reject malformed_token"),
        (json!("user_support"), "reject malformed_token"),
        (json!(false), "reject malformed_token"),
        (json!({"sub": "a\r\nb"}), "reject malformed_token"),
    ] {
        assert_eq!(
            verdict(&users(), with("act", act.clone())),
            expected,
            "{act}"
        );
    }
    assert_eq!(
        get("/x")
            .bearer(&mint("user_owner").actor("user_banned").sign(key()))
            .at(&users()),
        "forward user_owner",
        "the actor is never the identity"
    );
}

#[test]
fn a_claim_of_a_wrong_type_makes_the_token_malformed() {
    for (name, value) in [
        ("sid", json!(5)),
        ("o", json!("org_1")),
        ("o", json!({"id": 5})),
        ("o", json!({})),
        ("o", json!({"id": "org 1"})),
        ("pla", json!(["o:pro"])),
        ("fea", json!(5)),
        ("fva", json!(5)),
        ("fva", json!([1])),
        ("fva", json!([1, 2, 3])),
        ("fva", json!(["1", "2"])),
        ("fva", json!([1.5, 2])),
    ] {
        assert_eq!(
            verdict(&users(), with(name, value.clone())),
            "reject malformed_token",
            "{name}: {value}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn time_agrees_with_the_rule_said_plainly(
        now in prop_oneof![Just(0), Just(u64::MAX), Just(NOW), 0_u64..200, any::<u64>()],
        exp in prop_oneof![Just(0), Just(u64::MAX), NOW - 70..NOW + 70, 0_u64..200, any::<u64>()],
        nbf in proptest::option::of(prop_oneof![Just(u64::MAX), NOW - 70..NOW + 70, 0_u64..200, any::<u64>()]),
        iat in proptest::option::of(prop_oneof![Just(u64::MAX), NOW - 70..NOW + 70, 0_u64..200, any::<u64>()]),
        skew in 0_u64..=60,
        verify_iat in any::<bool>(),
        max_age in proptest::option::of(prop_oneof![Just(u64::MAX), 0_u64..200]),
    ) {
        let gate = policy(|p| {
            p.leeway = leeway(skew);
            p.verify_iat = verify_iat;
            p.max_token_age = max_age.map(Duration::from_secs);
        });
        // The keys never become too old, so that the test can use any second.
        let mut gate = gate;
        gate.keys.insert("clerk".into(), Arc::new(KeySet::from_pem(&key().public_pem()).expect("a key")));
        let set = |token: Mint, name, value: Option<u64>| match value {
            Some(value) => token.claim(name, value),
            None => token.without(name),
        };
        let token = set(set(mint("user_owner").claim("exp", exp), "nbf", nbf), "iat", iat).sign(key());
        let verdict = told(&get("/x").bearer(&token).judged_at(&gate, now, &()));

        let wide = u128::from;
        let in_time = [Some(exp), nbf, iat].into_iter().flatten().all(|t| t <= 253_402_300_799);
        let alive = wide(now) < wide(exp) + wide(skew);
        let begun = nbf.is_none_or(|nbf| wide(nbf) <= wide(now) + wide(skew));
        let issued = !verify_iat || iat.is_some_and(|iat| wide(iat) <= wide(now) + wide(skew));
        let young = max_age.is_none_or(|max| iat.is_some_and(|iat| wide(now) <= wide(iat) + wide(max) + wide(skew)));
        let good = in_time && alive && begun && issued && young;
        prop_assert_eq!(verdict == "forward user_owner", good, "{}", verdict);
    }
}
