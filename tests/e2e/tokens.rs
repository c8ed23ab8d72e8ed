//! Attacks A-50 to A-57: tokens that are almost right. Each is tried at the app's bootstrap route,
//! where a valid token is all that is asked for, and must not reach the app.

use aws_lc_rs::hmac;
use bailiff::dev::mint::Mint;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::harness::{APP, Clerk, World, foreign_key, now};

/// Asserts that the token opens nothing, looks to the client like any other bad one, and gives the
/// reason that the log names.
#[track_caller]
fn refused(world: &World, token: &str, given: &str) -> String {
    let answer = world.get("/api/me").bearer(token).send();
    assert_eq!(answer.status, 401, "given: {given}");
    let answer = answer.not_authenticated();
    let challenge = answer.header("www-authenticate");
    assert_eq!(
        challenge.as_deref(),
        Some(r#"Bearer error="invalid_token""#),
        "given: {given}"
    );
    world.upstream.saw_nothing();
    world.gate.reason(&answer)
}

#[track_caller]
fn refused_mint(world: &World, mint: &Mint, given: &str) -> String {
    refused(world, &world.sign(mint), given)
}

#[track_caller]
fn accepted(world: &World, token: &str, given: &str) {
    let answer = world.get("/api/me").bearer(token).send();
    assert_eq!(answer.status, 200, "given: {given}, {answer:?}");
    world.upstream.only();
}

/// A token of these parts, with any bytes as signature.
fn assemble(header: &Value, claims: &Value, signature: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(signature(signed.as_bytes()));
    format!("{signed}.{signature}")
}

#[test]
fn a_50_a_token_that_says_none_is_refused_with_and_without_a_signature() {
    let world = World::start();
    let key = world.clerk.key();
    let mint = world.mint("user_a");
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = mint.clone().header("alg", alg).header_json(key.kid());
        let signed = key.sign(&header, &mint.claims());
        let unsigned = assemble(&header, &mint.claims(), |_| Vec::new());
        let two_parts = unsigned.trim_end_matches('.').to_owned();

        let reasons = [&signed, &unsigned, &two_parts].map(|token| refused(&world, token, alg));
        assert_eq!(reasons[0], "wrong_algorithm", "given: {alg:?}");
    }
    let without = mint.without_header("alg");
    refused_mint(&world, &without, "no alg at all");
}

#[test]
fn a_51_a_public_key_is_no_secret() {
    let world = World::start();
    let key = world.clerk.key();
    let (pem, jwk) = (key.public_pem(), key.jwk().to_string());
    let modulus = key.jwk()["n"].as_str().unwrap_or_default().to_owned();
    let mint = world.mint("user_a");
    for (given, secret) in [
        ("pem", pem.as_str()),
        ("trimmed", pem.trim()),
        ("jwk", &jwk),
        ("n", &modulus),
    ] {
        let header = mint.clone().header("alg", "HS256").header_json(key.kid());
        let forged = assemble(&header, &mint.claims(), |signed| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            hmac::sign(&key, signed).as_ref().to_vec()
        });
        assert_eq!(refused(&world, &forged, given), "wrong_algorithm");
    }
    for alg in [
        "RS384", "RS512", "PS256", "ES256", "EdDSA", "HS512", "rs256", "RS256 ",
    ] {
        let dressed = mint.clone().header("alg", alg);
        assert_eq!(
            refused_mint(&world, &dressed, alg),
            "wrong_algorithm",
            "given: {alg}"
        );
    }
}

#[test]
fn a_51_a_published_key_that_names_no_algorithm_still_verifies_rs256_only() {
    let plan = World::plan();
    let mut jwk = plan.clerk.key().jwk();
    jwk.as_object_mut().and_then(|jwk| jwk.remove("alg"));
    plan.clerk.publish_raw(&[jwk]);
    let world = plan.start();

    accepted(&world, &world.token("user_a"), "RS256");
    let key = world.clerk.key();
    let mint = world.mint("user_a").header("alg", "HS256");
    let forged = assemble(&mint.header_json(key.kid()), &mint.claims(), |signed| {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_pem().as_bytes());
        hmac::sign(&secret, signed).as_ref().to_vec()
    });
    refused(&world, &forged, "HS256");
}

#[test]
fn a_52_a_time_that_is_no_time_is_refused() {
    let world = World::start();
    let wrong = [
        json!("9999999999"),
        json!("x"),
        json!(null),
        json!(-1),
        json!([9_999_999_999_u64]),
        json!({"value": 9_999_999_999_u64}),
        json!(true),
        json!(1e300),
        json!(i64::MIN),
        json!(u64::MAX),
    ];
    for claim in ["exp", "nbf", "iat"] {
        for value in &wrong {
            let mint = world.mint("user_a").claim(claim, value.clone());
            refused_mint(&world, &mint, &format!("{claim} = {value}"));
        }
    }
    for claim in ["exp", "iat", "sub", "iss", "sid"] {
        let mint = world.mint("user_a").without(claim);
        refused_mint(&world, &mint, &format!("no {claim}"));
    }
    for (claim, value) in [
        ("sub", json!("")),
        ("sub", json!(7)),
        ("iss", json!(["x"])),
        ("azp", json!([APP])),
    ] {
        let mint = world.mint("user_a").claim(claim, value.clone());
        refused_mint(&world, &mint, &format!("{claim} = {value}"));
    }
}

#[test]
fn a_52_a_fraction_of_a_second_changes_no_verdict_about_a_dead_token() {
    let world = World::start();
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of this century fit into 52 bits"
    )]
    let long_ago = now() as f64 - 3600.5;

    let mint = world.mint("user_a").claim("exp", long_ago);

    refused_mint(&world, &mint, "a fractional exp in the past");
}

#[test]
fn a_52_a_claim_written_twice_is_refused() {
    let world = World::start();
    let key = world.clerk.key();
    let mint = world.mint("user_a");
    let header = mint.header_json(key.kid()).to_string();
    let claims = mint.claims().to_string();
    let twice = claims.replacen('{', r#"{"sub":"user_owner","#, 1);
    let kid_twice = header.replacen('{', r#"{"kid":"other","#, 1);

    refused(
        &world,
        &key.sign_raw(header.as_bytes(), twice.as_bytes()),
        "sub twice",
    );
    refused(
        &world,
        &key.sign_raw(kid_twice.as_bytes(), claims.as_bytes()),
        "kid twice",
    );
    accepted(
        &world,
        &key.sign_raw(header.as_bytes(), claims.as_bytes()),
        "as it should be",
    );
}

#[test]
fn a_53_the_leeway_of_ten_seconds_is_all_that_a_clock_may_be_off() {
    let world = World::start();
    // Five seconds of room: the gate reads its clock later than the test does.
    let ago = |secs: u64| now() - secs;
    let ahead = |secs: u64| now() + secs;
    let mint = || world.mint("user_a").issued_at(ago(60));

    for (given, token) in [
        ("expired within the leeway", mint().claim("exp", ago(5))),
        ("starts within the leeway", mint().claim("nbf", ahead(9))),
        ("issued within the leeway", mint().claim("iat", ahead(9))),
        ("issued long ago", mint().claim("iat", ago(3000))),
    ] {
        accepted(&world, &world.sign(&token), given);
    }
    for (given, token, reason) in [
        ("expired beyond it", mint().claim("exp", ago(11)), "expired"),
        (
            "starts beyond it",
            mint().claim("nbf", ahead(25)),
            "not_yet_valid",
        ),
        (
            "issued beyond it",
            mint().claim("iat", ahead(25)),
            "issued_in_future",
        ),
        ("expired long ago", mint().claim("exp", 1), "expired"),
    ] {
        assert_eq!(
            refused_mint(&world, &token, given),
            reason,
            "given: {given}"
        );
    }
}

#[test]
fn a_54_a_perfect_token_of_another_instance_is_refused() {
    let world = World::start();
    let mint = world.mint("user_a");

    let strange = mint.sign(&foreign_key());
    assert_eq!(refused(&world, &strange, "other kid"), "unknown_key");
    let same_kid = mint.sign(&foreign_key().renamed(world.clerk.key().kid()));
    assert_eq!(
        refused(&world, &same_kid, "our kid, another key"),
        "bad_signature"
    );
    for iss in ["https://clerk.other.test", "", "http://127.0.0.1"] {
        let mint = world.mint("user_a").claim("iss", iss);
        assert_eq!(refused_mint(&world, &mint, iss), "wrong_issuer");
    }
    let slash = mint.claim("iss", format!("{}/", world.clerk.url()));
    assert_eq!(refused_mint(&world, &slash, "a slash more"), "wrong_issuer");
}

#[test]
fn a_54_two_instances_in_one_process_do_not_vouch_for_each_other() {
    // Both publish under the same kid, as two instances of a careless copy would.
    let other = Clerk::with_key(foreign_key().renamed("ins_standard"));
    let plan = World::plan().beside(&other);
    let world = plan.start();
    let ours = world.token("user_a");
    let theirs = Mint::new(&other.url(), "user_a", now())
        .azp(APP)
        .sign(&other.key());

    accepted(&world, &ours, "ours");
    world.get("/other/x").bearer(&theirs).send().passed();
    world.upstream.only();
    world.get("/other/x").bearer(&ours).send().forbidden();

    let crossed = Mint::new(&world.clerk.url(), "user_a", now())
        .azp(APP)
        .sign(&other.key());
    refused(&world, &crossed, "our name, their key");
    let crossed = Mint::new(&other.url(), "user_a", now())
        .azp(APP)
        .sign(&world.clerk.key());
    refused(&world, &crossed, "their name, our key");
}

#[test]
fn a_55_a_token_for_another_party_is_refused_and_so_is_one_for_none() {
    let world = World::start();
    for azp in [
        "https://evil.test",
        "",
        "https://app.test/",
        "https://APP.test",
        "https://app.test.evil.com",
        "null",
    ] {
        let mint = world.mint("user_a").claim("azp", azp);
        assert_eq!(
            refused_mint(&world, &mint, azp),
            "wrong_party",
            "given: {azp:?}"
        );
    }
    let without = world.mint("user_a").without("azp");
    assert_eq!(refused_mint(&world, &without, "no azp"), "wrong_party");
}

#[test]
fn a_55_a_token_without_a_party_passes_only_where_the_config_says_so() {
    let world = World::plan()
        .config(|c| c["clerk"]["azp"] = json!("optional"))
        .start();

    let without = world.sign(&world.mint("user_a").without("azp"));
    accepted(&world, &without, "no azp");
    for azp in ["https://evil.test", ""] {
        let foreign = world.mint("user_a").claim("azp", azp);
        assert_eq!(refused_mint(&world, &foreign, azp), "wrong_party");
    }
}

#[test]
fn a_56_tokens_of_another_kind_are_no_session() {
    let world = World::start();
    let mint = || world.mint("user_a");
    for (given, token) in [
        ("machine category", mint().header("cat", "cl_B7d4PD333AAA")),
        ("template category", mint().header("cat", "cl_B7d4PD222AAA")),
        ("unknown category", mint().header("cat", "cl_B7d4PD999AAA")),
        ("template", mint().template()),
        ("oauth", mint().header("typ", "at+jwt")),
        ("oauth in full", mint().header("typ", "application/at+jwt")),
        ("small letters", mint().header("typ", "jwt")),
        ("machine subject", mint().claim("sub", "mch_1")),
        (
            "handshake",
            mint()
                .without("sub")
                .claim("handshake", json!(["__session=x"])),
        ),
        (
            "critical extension",
            mint().header("crit", json!(["b64"])).header("b64", false),
        ),
        ("unencoded payload", mint().header("b64", false)),
        ("kid as list", mint().header("kid", json!(["ins_standard"]))),
        ("no kid", mint().without_header("kid")),
    ] {
        refused_mint(&world, &token, given);
    }
    for opaque in [
        "oat_abc",
        "mt_abc",
        "ak_abc",
        "m2m_abc",
        "a.b.c",
        "...",
        "e30.e30.e30",
    ] {
        refused(&world, opaque, opaque);
    }
    let ignored = mint().header("cat", "cl_I7d4PD111III");
    accepted(&world, &world.sign(&ignored), "an instance that opted out");
    let old = mint().without_header("cat").without_header("typ");
    accepted(&world, &world.sign(&old), "minted before categories");
}

#[test]
fn a_56_a_template_token_passes_only_where_the_config_says_so() {
    let plan = World::plan().config(|c| c["clerk"]["allow_jwt_templates"] = json!(true));
    let world = plan.start();
    let mint = || world.mint("user_a").template();

    accepted(&world, &world.sign(&mint()), "template");
    refused_mint(&world, &mint().header("cat", "cl_B7d4PD333AAA"), "machine");
}

#[test]
fn a_57_a_session_with_open_tasks_is_signed_out() {
    let world = World::start();
    for sts in [json!("pending"), json!("ended"), json!(""), json!(1)] {
        let mint = world.mint("user_a").claim("sts", sts.clone());
        refused_mint(&world, &mint, &format!("sts = {sts}"));
    }
    accepted(
        &world,
        &world.sign(&world.mint("user_a").without("sts")),
        "no sts",
    );

    let world = World::plan()
        .config(|c| c["clerk"]["allow_pending"] = json!(true))
        .start();
    let pending = world.mint("user_a").claim("sts", "pending");
    accepted(&world, &world.sign(&pending), "allowed by the config");
}
