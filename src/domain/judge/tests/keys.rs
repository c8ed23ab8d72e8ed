//! Keys that are present, unknown, too old, or of another issuer.

use super::*;

fn users() -> Snapshot {
    gate([
        route("/x", Access::User),
        route("/open", Access::Optional),
        route("/public", Access::Public),
    ])
}

fn by(key: &SigningKey, iss: &str) -> Request {
    get("/x").bearer(&Mint::new(iss, "user_owner", NOW).sign(key))
}

#[test]
fn an_unknown_key_is_asked_for_once_and_has_its_decision_already() {
    let unknown = "need key clerk, else reject unknown_key";
    assert_eq!(by(other_key(), ISS).at(&users()), unknown);
    assert_eq!(
        by(&key().renamed("INS_1"), ISS).at(&users()),
        unknown,
        "a name is compared to the letter"
    );
    assert_eq!(by(&key().renamed(""), ISS).at(&users()), unknown);
    let step = by(other_key(), ISS).judged_at(&users(), NOW, &());
    assert!(matches!(
        step,
        Step::NeedKey {
            otherwise: Decision {
                route: Some(_),
                outcome: Outcome::Refuse(_),
                ..
            },
            ..
        }
    ));
    let mut fetched = users();
    fetched.keys.insert("clerk".into(), key_set(other_key()));
    assert_eq!(by(other_key(), ISS).at(&fetched), "forward user_owner");
    assert_eq!(
        by(key(), ISS).at(&fetched),
        unknown,
        "a key that was removed"
    );
}

#[test]
fn only_an_issuer_of_ours_is_asked_for_a_key() {
    assert_eq!(by(other_key(), ISS_2).at(&users()), "reject wrong_issuer");
    let nameless = mint("user_owner").without_header("kid").sign(other_key());
    assert_eq!(
        get("/x").bearer(&nameless).at(&users()),
        "reject unknown_key",
        "a fetch could not help"
    );
    assert_eq!(
        by(other_key(), ISS).clone().method("PROPFIND").at(&users()),
        "reject no_route"
    );
    let public = Request {
        target: "/public".into(),
        ..by(other_key(), ISS)
    };
    assert_eq!(
        public.at(&users()),
        "forward nobody",
        "a public route costs no fetch"
    );
}

#[test]
fn without_usable_keys_the_answer_is_503_and_never_open() {
    let mut none = users();
    none.keys.clear();
    assert_eq!(by(key(), ISS).at(&none), "reject keys_unavailable");
    let open = Request {
        target: "/open".into(),
        ..by(key(), ISS)
    };
    assert_eq!(open.at(&none), "reject keys_unavailable");
    assert_eq!(get("/open").at(&none), "forward nobody");
    assert_eq!(Rejection::KeysUnavailable.kind().status(), 503);

    let late = mint("user_owner").issued_at(NOW + 3600).sign(key());
    for (now, verdict) in [
        (NOW + 3599, "forward user_owner"),
        (NOW + 3600, "reject keys_unavailable"),
    ] {
        let step = get("/x").bearer(&late).judged_at(&users(), now, &());
        assert_eq!(
            told(&step),
            verdict,
            "keys are stale from their hour on: {now}"
        );
    }
}

// Attack A-54.
#[test]
fn each_issuer_speaks_with_its_own_key_for_its_own_users() {
    let both = with_other_issuer(users());
    assert_eq!(by(key(), ISS).at(&both), "forward user_owner");
    assert_eq!(
        by(other_key(), ISS_2).at(&both),
        "forward other:user_owner",
        "another person, whatever its subject"
    );
    assert_eq!(
        by(other_key(), ISS).at(&both),
        "need key clerk, else reject unknown_key"
    );
    assert_eq!(
        by(&other_key().renamed("ins_1"), ISS).at(&both),
        "reject bad_signature",
        "under the other's name"
    );
    assert_eq!(
        by(key(), ISS_2).at(&both),
        "need key other, else reject unknown_key"
    );
    let mut half = both.clone();
    half.keys.remove("other");
    assert_eq!(by(other_key(), ISS_2).at(&half), "reject keys_unavailable");
    assert_eq!(
        by(key(), ISS).at(&half),
        "forward user_owner",
        "an outage of one is none of the other's business"
    );
}

#[test]
fn each_issuer_has_its_own_policy_and_a_route_can_ask_for_one() {
    let both = with_other_issuer(gate([
        route("/x", Access::User),
        Route {
            require: vec![Condition::Issuer(vec!["other".into()])],
            ..route("/other", Access::User)
        },
    ]));
    let both = ruled(both, |rules| {
        rules.issuers[1].claims.audience = Some(vec!["api".into()])
    });
    assert_eq!(by(other_key(), ISS_2).at(&both), "reject wrong_audience");
    assert_eq!(by(key(), ISS).at(&both), "forward user_owner");
    let here = Request {
        target: "/other".into(),
        ..by(key(), ISS)
    };
    assert_eq!(here.at(&both), "reject issuer_not_allowed");
    let there = Mint::new(ISS_2, "user_owner", NOW)
        .claim("aud", "api")
        .sign(other_key());
    assert_eq!(
        get("/other").bearer(&there).at(&both),
        "forward other:user_owner"
    );
}

#[test]
fn a_pem_has_no_name_so_every_name_fits_it() {
    let mut pem = users();
    pem.keys.insert(
        "clerk".into(),
        Arc::new(KeySet::from_pem(&key().public_pem()).expect("a key")),
    );
    assert_eq!(by(key(), ISS).at(&pem), "forward user_owner");
    assert_eq!(
        by(&key().renamed("other"), ISS).at(&pem),
        "forward user_owner"
    );
    let nameless = mint("user_owner").without_header("kid").sign(key());
    assert_eq!(get("/x").bearer(&nameless).at(&pem), "forward user_owner");
    assert_eq!(
        by(other_key(), ISS).at(&pem),
        "reject bad_signature",
        "there is nothing to fetch"
    );
}
