//! The conditions of `require:`. Every one must hold, and a condition that cannot be checked does not hold (attack A-63).

use super::*;

fn requiring(require: Vec<Condition>) -> Snapshot {
    gate([
        Route {
            require: require.clone(),
            ..route("/x", Access::User)
        },
        Route {
            require,
            ..route("/ws/{workspace}", Access::User)
        },
    ])
}

/// An owner in `org_1` whose token has everything that a condition could ask for.
fn rich() -> Mint {
    mint("user_owner")
        .org(
            "org_1",
            "acme",
            "admin",
            &["org:billing:manage", "org:teams:read"],
        )
        .claim("pla", "u:free,o:pro")
        .claim("fea", "o:billing,o:teams,u:beta")
        .claim(
            "o",
            json!({"id": "org_1", "rol": "admin", "per": "manage,read", "fpm": "1,2,0"}),
        )
        .claim("fva", json!([1, 2]))
}

fn within(secs: u64) -> Condition {
    Condition::SecondFactorWithin(Duration::from_secs(secs))
}

fn permission(name: &str) -> Condition {
    Condition::Permission(name.into())
}

fn feature(name: &str) -> Condition {
    Condition::Feature(name.into())
}

fn plan(name: &str) -> Condition {
    Condition::Plan(name.into())
}

fn every_condition() -> Vec<Condition> {
    vec![
        Condition::Role(role("admin")),
        permission("org:billing:manage"),
        feature("beta"),
        plan("o:pro"),
        within(180),
        Condition::Issuer(vec!["clerk".into()]),
        Condition::NoImpersonation,
    ]
}

#[test]
fn all_conditions_together_hold_and_each_false_one_alone_refuses() {
    let request = |token: Mint| get("/ws/ws_1").bearer(&token.sign(key()));
    assert_eq!(
        request(rich()).at(&requiring(every_condition())),
        "forward user_owner"
    );
    for (given, token, reason) in [
        (
            "a role too low",
            Mint::new(ISS, "user_member", NOW),
            "role_too_low",
        ),
        (
            "no such permission",
            rich().claim(
                "o",
                json!({"id": "org_1", "rol": "admin", "per": "manage", "fpm": "0,0,0"}),
            ),
            "no_permission",
        ),
        (
            "no such feature",
            rich().claim("fea", "o:billing,o:teams,u:other"),
            "no_feature",
        ),
        (
            "another plan",
            rich().claim("pla", "u:pro,o:free"),
            "no_plan",
        ),
        (
            "a second factor too long ago",
            rich().claim("fva", json!([1, 4])),
            "second_factor",
        ),
        ("impersonated", rich().actor("user_support"), "impersonated"),
    ] {
        assert_eq!(
            request(token).at(&requiring(every_condition())),
            format!("reject {reason}"),
            "{given}"
        );
    }
    let mut foreign = every_condition();
    foreign[5] = Condition::Issuer(vec!["other".into()]);
    assert_eq!(
        request(rich()).at(&requiring(foreign)),
        "reject issuer_not_allowed"
    );
    let nobody = vec![Condition::Issuer(vec![])];
    assert_eq!(
        request(rich()).at(&requiring(nobody)),
        "reject issuer_not_allowed",
        "an empty list allows nobody"
    );
}

#[test]
fn what_cannot_be_told_does_not_hold() {
    let bare = || mint("user_owner").v1().without("fva");
    for (condition, reason) in [
        (Condition::Role(role("member")), "role_too_low"),
        (permission("org:billing:manage"), "no_permission"),
        (feature("beta"), "no_feature"),
        (plan("pro"), "no_plan"),
        (within(u64::MAX), "second_factor"),
    ] {
        let gate = requiring(vec![condition.clone()]);
        assert_eq!(
            get("/x").bearer(&bare().sign(key())).at(&gate),
            format!("reject {reason}"),
            "{condition:?}"
        );
    }
}

#[test]
fn a_permission_counts_in_its_own_organization_only() {
    let gate = requiring(vec![permission("org:billing:manage")]);
    let on = |target: &str, token: Mint| get(target).bearer(&token.sign(key())).at(&gate);
    assert_eq!(on("/ws/ws_1", rich()), "forward user_owner");
    assert_eq!(on("/x", rich()), "forward user_owner");
    let elsewhere = || mint("user_owner").org("org_2", "other", "admin", &["org:billing:manage"]);
    assert_eq!(
        on("/ws/ws_1", elsewhere()),
        "reject no_permission",
        "active in another organization"
    );
    assert_eq!(
        on("/x", elsewhere()),
        "forward user_owner",
        "no workspace is asked for"
    );
    for near in [
        "org:billing:manage2",
        "org:billing",
        "billing:manage ",
        "org:Billing:manage",
        "manage",
    ] {
        let token = mint("user_owner").v1_org("org_1", "acme", "org:admin", &[near]);
        assert_eq!(on("/x", token), "reject no_permission", "{near}");
    }
    let plain = requiring(vec![permission("billing:manage")]);
    assert_eq!(
        get("/x").bearer(&rich().sign(key())).at(&plain),
        "forward user_owner",
        "`org:` goes without saying"
    );
}

#[test]
fn a_plan_or_feature_is_asked_for_in_any_scope_or_in_one() {
    for (condition, x, ws_1) in [
        (plan("free"), true, true),
        (plan("u:free"), true, true),
        (plan("o:free"), false, false),
        (plan("pro"), true, true),
        (plan("o:pro"), true, true),
        (plan("u:pro"), false, false),
        (plan("pr"), false, false),
        (plan(""), false, false),
        (feature("beta"), true, true),
        (feature("u:beta"), true, true),
        (feature("o:beta"), false, false),
        (feature("billing"), true, true),
        (feature("u:billing"), false, false),
    ] {
        let gate = requiring(vec![condition.clone()]);
        for (target, holds) in [("/x", x), ("/ws/ws_1", ws_1)] {
            let verdict = get(target).bearer(&rich().sign(key())).at(&gate);
            assert_eq!(
                verdict.starts_with("forward"),
                holds,
                "{condition:?} on {target}: {verdict}"
            );
        }
    }
    let elsewhere = mint("user_owner")
        .org("org_2", "other", "admin", &[])
        .claim("pla", "o:pro")
        .sign(key());
    let gate = requiring(vec![plan("pro")]);
    assert_eq!(
        get("/ws/ws_1").bearer(&elsewhere).at(&gate),
        "reject no_plan",
        "another organization has paid"
    );
    assert_eq!(get("/x").bearer(&elsewhere).at(&gate), "forward user_owner");
}

#[test]
fn the_second_factor_ages_with_the_token() {
    let gate = requiring(vec![within(180)]);
    for (given, minutes, iat, holds) in [
        ("just given", json!([0, 0]), NOW, true),
        ("at the edge", json!([9, 2]), NOW - 60, true),
        ("one second over", json!([9, 2]), NOW - 61, false),
        ("three minutes", json!([0, 3]), NOW, true),
        ("four minutes", json!([0, 4]), NOW, false),
        ("never", json!([0, -1]), NOW, false),
        (
            "the first factor is not the second",
            json!([0, -1]),
            NOW,
            false,
        ),
        (
            "an overflow looking for a place",
            json!([0, i64::MAX]),
            NOW,
            false,
        ),
        ("before never", json!([0, i64::MIN]), NOW, false),
    ] {
        let token = mint("user_owner")
            .issued_at(iat)
            .lifetime(600)
            .claim("fva", minutes)
            .sign(key());
        let verdict = if holds {
            "forward user_owner"
        } else {
            "reject second_factor"
        };
        assert_eq!(get("/x").bearer(&token).at(&gate), verdict, "{given}");
    }
    let lax = claiming(requiring(vec![within(180)]), |policy| {
        policy.verify_iat = false
    });
    let undated = mint("user_owner")
        .claim("fva", json!([0, 0]))
        .without("iat")
        .sign(key());
    assert_eq!(
        get("/x").bearer(&undated).at(&lax),
        "reject second_factor",
        "nobody knows since when"
    );
}

#[test]
fn a_condition_on_a_route_for_others_than_users_lets_nobody_in() {
    let require = || vec![Condition::NoImpersonation];
    for (access, target, verdict) in [
        (Access::Public, "/x", "reject denied"),
        (Access::Service, "/x", "reject denied"),
        (Access::Webhook, "/x", "reject denied"),
        (Access::Optional, "/x", "reject missing_token"),
    ] {
        let gate = gate([Route {
            require: require(),
            ..route("/x", access)
        }]);
        assert_eq!(get(target).at(&gate), verdict, "{access:?}");
    }
    let gate = gate([Route {
        require: require(),
        ..route("/x", Access::Service)
    }]);
    assert_eq!(get("/x").bearer(SERVICE_TOKEN).at(&gate), "reject denied");
}
