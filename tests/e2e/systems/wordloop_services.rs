//! Wordloop's ML engine and its static token: where it counts, from where, and how it is changed.

use serde_json::{Value, json};

use super::wordloop::{ENGINE, app, meeting, system};
use super::{forged, refused_as_documented, user_event, with_body};
use crate::harness::{Product, Upstream, eventually, now};

const NEXT: &str = "next-token-of-the-ml-engine-0123456789";
/// `printf %s token-of-the-ml-engine-0123456789 | sha256sum`
const HASH: &str = "99749aa00dd7e19f13a40b30dd9893ed504578b79e7e4f198724a4d52cffaf2d";
const AUDIO: &str = "/meetings/m-1/audio";
const LISTED: &str = r#"token: ["${SERVICE_AUTH_TOKEN}"]"#;

#[track_caller]
fn refused(product: &Product, method: &str, path: &str, token: &str) -> String {
    refused_as_documented(
        product,
        product.request(method, path).bearer(token).send(),
        &format!("{method} {path}"),
    )
}

#[test]
fn the_engine_pulls_audio_and_writes_transcripts_as_a_service_with_a_name() {
    let app = app();
    let product = system(&app.url()).start();
    let standup = meeting(&product, "user_nora");
    let audio = product
        .get(&format!("{standup}/audio"))
        .bearer(ENGINE)
        .send()
        .passed()
        .json();
    let expected = json!({"kind": "service", "user": null, "service": "ml-engine", "audio": "audio of Standup"});
    assert_eq!(audio, expected);
    let put = product
        .request("PUT", &format!("/internal{standup}/transcript"))
        .bearer(ENGINE);
    let told = with_body(put, &json!({"text": "Hello."}))
        .send()
        .passed()
        .json();
    assert_eq!(
        (&told["service"], &told["meeting"]["transcript"]),
        (&json!("ml-engine"), &json!("Hello."))
    );

    // For users of the same path nothing changes: theirs, or none.
    product
        .deliver(
            &user_event("user.created", "user_nora", "Nora", now() * 1000),
            "/webhooks/clerk",
        )
        .send()
        .passed();
    product
        .deliver(
            &user_event("user.created", "user_eve", "Eve", now() * 1000),
            "/webhooks/clerk",
        )
        .send()
        .passed();
    let hears = |user| {
        product
            .as_user(user, "GET", &format!("{standup}/audio"))
            .send()
    };
    eventually("the webhook counted", || {
        (hears("user_nora").status == 200).then_some(())
    });
    eventually("the webhook counted", || {
        (hears("user_eve").status == 404).then_some(())
    });
}

#[test]
fn a_service_is_told_as_such_and_its_token_stays_at_the_gate() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    for (method, path) in [
        ("GET", AUDIO),
        ("HEAD", AUDIO),
        ("POST", "/internal/jobs"),
        ("GET", "/internal"),
    ] {
        forged(product.request(method, path).bearer(ENGINE), "admin")
            .send()
            .passed();
        let seen = upstream.only();
        assert_eq!(
            seen.identity(),
            ["x-auth-kind: service", "x-service-name: ml-engine"],
            "given: {method} {path}"
        );
        assert!(
            !seen.contains(ENGINE) && seen.header("authorization").is_none(),
            "given: {method} {path}"
        );
    }
}

/// "Assumed scope: full administrative access" is not what a token in an environment variable should have.
#[test]
fn the_service_token_has_no_access_beyond_its_routes_whatever_the_document_says() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/users/me"),
        ("GET", "/meetings"),
        ("POST", "/meetings"),
        ("GET", "/meetings/m-1"),
        ("DELETE", "/meetings/m-1"),
        ("POST", AUDIO),
        ("DELETE", AUDIO),
        ("GET", "/meetings/m-1/audio/raw"),
        ("GET", "/internals"),
    ] {
        assert_eq!(
            refused(&product, method, path, ENGINE),
            "service_route",
            "given: {method} {path}"
        );
    }
    product
        .get("/Internal/jobs")
        .bearer(ENGINE)
        .send()
        .not_authenticated();
    product
        .get("/meetings/../internal/jobs")
        .bearer(ENGINE)
        .send()
        .refused(400);
    product
        .get("/webhooks/clerk")
        .bearer(ENGINE)
        .send()
        .refused(404);
    upstream.saw_nothing();
}

#[test]
fn nobody_but_the_engine_uses_the_internal_routes() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let user = product.token("user_nora");
    for token in [
        user.as_str(),
        "x",
        &ENGINE[1..],
        &format!("{ENGINE}0"),
        &ENGINE.to_uppercase(),
    ] {
        assert_eq!(
            refused(&product, "GET", "/internal/jobs", token),
            "unknown_service"
        );
    }
    product.get("/internal/jobs").send().not_authenticated();
    product
        .get("/internal/jobs")
        .header("Authorization", format!("Basic {ENGINE}"))
        .send()
        .not_authenticated();
    product
        .get(&format!("/internal/jobs?token={ENGINE}"))
        .send()
        .not_authenticated();
    product
        .get("/internal/jobs")
        .bearer(ENGINE)
        .bearer(&user)
        .send()
        .not_authenticated();
    product
        .get("/internal/jobs")
        .bearer(&user)
        .headers([("x-auth-kind", "service")])
        .send()
        .not_authenticated();
    upstream.saw_nothing();
}

/// A token that looks like a JWT, and like none that could ever pass: it is compared before anything of it is read.
#[test]
fn the_token_is_compared_before_any_jwt_is_parsed() {
    let upstream = Upstream::start();
    let shaped = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c2VyX25vcmEifQ.c2lnbmF0dXJl";
    let product = system(&upstream.url())
        .env("SERVICE_AUTH_TOKEN", shaped)
        .start();
    for path in [AUDIO, "/internal/jobs"] {
        product.get(path).bearer(shaped).send().passed();
        assert_eq!(upstream.only().values("x-service-name"), ["ml-engine"]);
    }
    assert_eq!(
        refused(&product, "GET", "/meetings", shaped),
        "service_route"
    );
    // One letter beside it, and it is a JWT without algorithm.
    assert_eq!(
        refused(&product, "GET", AUDIO, &shaped.replace("c2ln", "c2lm")),
        "wrong_algorithm"
    );
    upstream.saw_nothing();
}

#[test]
fn the_public_side_never_uses_the_token() {
    let upstream = Upstream::start();
    // What a load balancer forwards, which nobody has declared: its address is private, whoever stands behind it.
    let product = system(&upstream.url()).start();
    for (name, value) in [
        ("X-Forwarded-For", "10.1.2.3"),
        ("Forwarded", "for=10.1.2.3"),
        ("Via", "1.1 edge"),
    ] {
        for path in [AUDIO, "/internal/jobs"] {
            let answer = product.get(path).bearer(ENGINE).header(name, value).send();
            assert_eq!(
                refused_as_documented(&product, answer, name),
                "undeclared_proxy",
                "given: {path}"
            );
        }
    }
    // And with the load balancer declared: it says from where the request came.
    let product = system(&upstream.url())
        .edit(
            "routes:\n  - {path: /healthz",
            "trusted_proxies: [127.0.0.1]\nroutes:\n  - {path: /healthz",
        )
        .start();
    let from = |address: &str| {
        product
            .get(AUDIO)
            .bearer(ENGINE)
            .header("X-Forwarded-For", address)
            .send()
    };
    for address in [
        "203.0.113.9",
        "2001:db8::1",
        "192.168.1.1",
        "172.16.0.1",
        "somewhere",
    ] {
        let answer = from(address);
        assert_eq!(
            refused_as_documented(&product, answer, address),
            "service_network",
            "given: {address}"
        );
    }
    upstream.saw_nothing();
    from("10.1.2.3").passed();
    assert_eq!(upstream.only().values("x-service-name"), ["ml-engine"]);
}

#[test]
fn both_tokens_are_good_while_rotating_and_the_old_one_ends_with_the_reload() {
    let upstream = Upstream::start();
    let two = format!(r#"token: ["${{SERVICE_AUTH_TOKEN}}", {NEXT}]"#);
    let product = system(&upstream.url()).edit(LISTED, &two).start();
    for token in [ENGINE, NEXT] {
        product.get(AUDIO).bearer(token).send().passed();
        assert_eq!(upstream.only().values("x-service-name"), ["ml-engine"]);
    }
    product.write_config(|text| text.replace(&two, &format!("token: [{NEXT}]")));
    eventually("the old token ended", || {
        (product.get("/internal/jobs").bearer(ENGINE).send().status == 401).then_some(())
    });
    product.get("/internal/jobs").bearer(NEXT).send().passed();
}

#[test]
fn a_hash_in_the_config_is_enough_and_opens_nothing_itself() {
    let upstream = Upstream::start();
    let product = system(&upstream.url())
        .edit(LISTED, &format!("sha256: [{HASH}]"))
        .start();
    product.get(AUDIO).bearer(ENGINE).send().passed();
    assert_eq!(
        upstream.only().identity(),
        ["x-auth-kind: service", "x-service-name: ml-engine"]
    );
    assert_eq!(
        refused(&product, "GET", "/internal/jobs", HASH),
        "unknown_service"
    );
    upstream.saw_nothing();
}

#[test]
fn the_token_is_never_shown_and_a_short_one_never_starts() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).env("BAILIFF_LOG", "trace").start();
    product.get(AUDIO).bearer(ENGINE).send().passed();
    let answer = product.get("/meetings").bearer(ENGINE).send();
    let line = product
        .gate
        .access_line(&answer.header("x-request-id").expect("an id"));
    assert_eq!(
        (&line["service"], &line["user"]),
        (&json!("ml-engine"), &Value::Null),
        "the log says whose it was"
    );
    assert!(
        !product.gate.logs().iter().any(|line| line.contains(ENGINE)),
        "and not what it is"
    );
    assert!(!answer.text().contains(ENGINE));
    let short = system(&upstream.url())
        .env("SERVICE_AUTH_TOKEN", "short")
        .run()
        .exits(78);
    assert!(
        short.stderr.contains("SERVICE_AUTH_TOKEN") && short.stderr.contains("16"),
        "{}",
        short.stderr
    );
}
