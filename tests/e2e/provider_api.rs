//! Changes through the admin listener: identity providers that are added and removed while the gate runs, and users who are
//! dropped. Whoever may do that decides who comes in, so most of these tests try to do it without leave, or to do harm with it.

mod attacks;
mod kept;
mod users;

use std::net::TcpListener;

use bailiff::dev::issuer::{Behaviour, Metadata};
use bailiff::dev::mint::Mint;
use serde_json::{Value, json};

use crate::harness::{Clerk, Gate, Plan, Request, Response, World, eventually, foreign_key, now};

const TOKEN: &str = "admin-token-0123456789abcdef";
const API: &str = "https://api.test";

/// A request to the admin listener as `curl` on this machine sends it, with the token of whoever may change things.
fn admin(gate: &Gate, method: &str, path: &str) -> Request {
    anybody(gate, method, path).bearer(TOKEN)
}

/// As [`admin`], without the token.
fn anybody(gate: &Gate, method: &str, path: &str) -> Request {
    let host = gate.admin_address().to_string();
    Request::new(gate.admin_address(), method, path)
        .header("Host", host)
        .header("Connection", "close")
}

fn add(gate: &Gate, provider: &Value) -> Response {
    let request = admin(gate, "POST", "/providers").header("Content-Type", "application/json");
    request.body(provider.to_string()).send()
}

fn remove(gate: &Gate, name: &str) -> Response {
    admin(gate, "DELETE", &format!("/providers/{name}")).send()
}

fn list(gate: &Gate) -> Vec<Value> {
    let answer = admin(gate, "GET", "/providers").send().passed();
    answer.json()["providers"]
        .as_array()
        .expect("a list")
        .clone()
}

/// The names of all who may sign tokens, those of the config first.
fn names(gate: &Gate) -> Vec<String> {
    list(gate)
        .iter()
        .map(|provider| provider["provider"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// The standard scene with a store and a token that opens the admin listener.
fn plan() -> Plan {
    World::plan().config(|c| {
        c["store"] = json!("bailiff.store");
        c["admin"] = json!({"address": "127.0.0.1:0", "token": TOKEN});
        c["keys"] = json!({"cooldown": "1s", "wait": "5s"});
    })
}

/// A provider with a key of its own that has the same name as Clerk's.
fn provider() -> Clerk {
    Clerk::with_key(foreign_key().renamed("ins_standard"))
}

/// The description of an OIDC provider whose keys are found by its metadata.
fn described(name: &str, provider: &Clerk) -> Value {
    json!({"provider": name, "issuer": provider.url(), "audience": [API]})
}

/// The same provider as an entry of `issuers:`.
fn oidc(name: &str, url: &str) -> Value {
    json!({"name": name, "kind": "oidc", "issuer": url, "audience": API})
}

/// A good access token of the provider.
fn access(provider: &Clerk, sub: &str) -> Mint {
    Mint::new(&provider.url(), sub, now())
        .oidc(API)
        .access_token("app-1")
}

fn asked(gate: &Gate, provider: &Clerk, mint: &Mint) -> Response {
    gate.request("GET", "/api/me")
        .bearer(&mint.sign(&provider.key()))
        .send()
}

/// Clerk's users come in, whatever the others do.
#[track_caller]
fn clerk_is_unharmed(world: &World) {
    assert_eq!(world.gate.admin("/readyz").status, 200);
    world
        .get("/api/me")
        .bearer(&world.token("user_a"))
        .send()
        .passed();
}

#[test]
fn an_added_provider_is_in_force_at_once_and_its_users_are_known_by_its_name() {
    let partner = provider();
    let world = plan().start();
    asked(&world.gate, &partner, &access(&partner, "user_a")).not_authenticated();

    let mut described = described("partner", &partner);
    described["claim_mapping"] = json!({"user_id": "sub", "email": "mail", "tenant": "tid"});
    let added = add(&world.gate, &described);
    assert_eq!(added.status, 201, "{added:?}");
    described["source"] = json!("added");
    assert_eq!(
        added.json(),
        described,
        "what was added is shown as it was described"
    );
    world.gate.log_line("about the new provider", |line| {
        line["level"] == "WARN" && line["provider"] == "partner"
    });

    let mint = access(&partner, "user_a")
        .claim("mail", "a@partner.test")
        .claim("tid", "org_one");
    asked(&world.gate, &partner, &mint).passed();
    assert_eq!(
        world.upstream.only().identity(),
        [
            "x-auth-issuer: partner",
            "x-auth-kind: user",
            "x-org-id: partner:org_one",
            "x-user-email: a@partner.test",
            "x-user-id: partner:user_a",
        ]
    );
    clerk_is_unharmed(&world);
}

#[test]
fn whoever_is_told_that_a_provider_was_added_can_send_its_tokens_whatever_it_does_then() {
    let world = plan().start();
    for number in 0..20 {
        let partner = provider();
        let name = format!("p{number}");
        assert_eq!(add(&world.gate, &described(&name, &partner)).status, 201);
        partner.behave(Behaviour::Status(503));
        asked(&world.gate, &partner, &access(&partner, "a")).passed();
    }
    world.upstream.take(20);
}

#[test]
fn everybody_who_may_sign_tokens_is_listed_with_where_that_is_said() {
    let partner = provider();
    let world = plan().start();
    assert_eq!(
        list(&world.gate),
        [json!({"provider": "clerk", "issuer": world.clerk.url(), "source": "config"})]
    );
    assert_eq!(
        add(&world.gate, &described("partner", &partner)).status,
        201
    );
    assert_eq!(names(&world.gate), ["clerk", "partner"]);
    let head = admin(&world.gate, "HEAD", "/providers").send();
    assert_eq!((head.status, head.text()), (200, String::new()));
    assert_eq!(list(&world.gate)[1]["audience"], json!([API]));
}

#[test]
fn a_removed_provider_is_out_at_once_although_its_tokens_were_proven_before() {
    let partner = provider();
    let world = plan().start();
    assert_eq!(
        add(&world.gate, &described("partner", &partner)).status,
        201
    );
    let token = access(&partner, "a").sign(&partner.key());
    let me = || world.get("/api/me").bearer(&token).send();
    me().passed();
    me().passed();
    assert!(
        world
            .gate
            .metrics()
            .sum("bailiff_token_cache_total", &[("result", "hit")])
            >= 1.0
    );

    let removed = remove(&world.gate, "partner").passed();
    assert_eq!(removed.json(), json!({"removed": "partner"}));
    let answer = me().not_authenticated();
    assert_eq!(world.gate.reason(&answer), "wrong_issuer");
    assert_eq!(names(&world.gate), ["clerk"]);
    assert_eq!(
        remove(&world.gate, "partner").status,
        404,
        "a second time nobody is there"
    );

    // Under the same name somebody else: what the first one signed is nobody's.
    let other = Clerk::with_key(foreign_key().renamed("ins_other"));
    assert_eq!(add(&world.gate, &described("partner", &other)).status, 201);
    me().not_authenticated();
    asked(&world.gate, &other, &access(&other, "a")).passed();
    clerk_is_unharmed(&world);
}

#[test]
fn no_token_of_one_provider_passes_for_one_of_another() {
    let (partner, staff) = (
        provider(),
        Clerk::with_key(foreign_key().renamed("ins_staff")),
    );
    let world = plan().start();
    for (name, provider) in [("partner", &partner), ("staff", &staff)] {
        assert_eq!(add(&world.gate, &described(name, provider)).status, 201);
    }
    for (given, token, reason) in [
        (
            "the partner as Clerk",
            world.mint("user_a").sign(&partner.key()),
            "bad_signature",
        ),
        (
            "Clerk as the partner",
            access(&partner, "a").sign(&world.clerk.key()),
            "bad_signature",
        ),
        (
            "the partner as staff",
            access(&staff, "a").sign(&partner.key()),
            "unknown_key",
        ),
        (
            "Clerk's token in the partner's name",
            world
                .mint("user_a")
                .claim("iss", partner.url())
                .sign(&partner.key()),
            "wrong_audience",
        ),
        (
            "for another app",
            access(&partner, "a")
                .claim("aud", "https://else.test")
                .sign(&partner.key()),
            "wrong_audience",
        ),
        (
            "a client's own",
            access(&partner, "app-1").sign(&partner.key()),
            "missing_subject",
        ),
    ] {
        let answer = world
            .get("/api/me")
            .bearer(&token)
            .send()
            .not_authenticated();
        assert_eq!(world.gate.reason(&answer), reason, "given: {given}");
    }
    world.upstream.saw_nothing();
    asked(&world.gate, &partner, &access(&partner, "a")).passed();
    asked(&world.gate, &staff, &access(&staff, "a")).passed();
    // Two users of one name are two users.
    let seen: Vec<_> = world
        .upstream
        .take(2)
        .iter()
        .map(|request| request.values("x-user-id"))
        .collect();
    assert_eq!(seen, [["partner:a"], ["staff:a"]]);
}

#[test]
fn a_provider_that_does_not_work_is_refused_with_the_reason_and_nobody_else_notices() {
    let good = provider();
    let world = plan().start();
    assert_eq!(add(&world.gate, &described("good", &good)).status, 201);
    let closed = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let weak = json!([{"kty": "RSA", "kid": "k", "alg": "RS256", "n": "AQAB", "e": "AQAB"}]);

    for (given, metadata, keys, why) in [
        (
            "another issuer's metadata",
            Metadata::Issuer("https://evil.test".into()),
            Behaviour::Normal,
            "the metadata of another issuer: saw `https://evil.test`",
        ),
        (
            "HTML for metadata",
            Metadata::Instead(Behaviour::Html),
            Behaviour::Normal,
            "a web page and not with the metadata",
        ),
        (
            "no metadata",
            Metadata::Instead(Behaviour::Status(404)),
            Behaviour::Normal,
            "answered 404",
        ),
        (
            "HTML for keys",
            Metadata::Normal,
            Behaviour::Html,
            "jwks.json: the answer is",
        ),
        (
            "no keys",
            Metadata::Normal,
            Behaviour::EmptyKeys,
            "none of the 0 keys",
        ),
        (
            "too many bytes",
            Metadata::Normal,
            Behaviour::Huge,
            "more than",
        ),
        (
            "no usable key",
            Metadata::Normal,
            Behaviour::Raw(json!({"keys": weak}).to_string().into_bytes()),
            "none of the 1 keys",
        ),
        (
            "keys of a cloud",
            Metadata::JwksUri("http://169.254.169.254/j".into()),
            Behaviour::Normal,
            "clouds hand out credentials",
        ),
        (
            "a redirect",
            Metadata::Instead(Behaviour::Redirect(good.jwks_url())),
            Behaviour::Normal,
            "which is not followed",
        ),
    ] {
        let bad = provider();
        bad.say_in_metadata(metadata);
        bad.behave(keys);
        let answer = add(&world.gate, &described("bad", &bad));
        assert_eq!(answer.status, 502, "given: {given}, {answer:?}");
        let said = answer.json()["detail"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(said.contains(why), "given: {given}, said: {said}");
        asked(&world.gate, &bad, &access(&bad, "a")).not_authenticated();
    }
    let answer = add(
        &world.gate,
        &json!({"provider": "bad", "issuer": format!("http://{closed}"), "client_id": "x"}),
    );
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("no connection to"), "{answer:?}");

    assert_eq!(
        names(&world.gate),
        ["clerk", "good"],
        "nothing is kept of what was refused"
    );
    asked(&world.gate, &good, &access(&good, "a")).passed();
    clerk_is_unharmed(&world);
}

#[test]
fn a_provider_that_hangs_is_given_up_and_holds_nobody_up_meanwhile() {
    let (hung, good) = (provider(), provider());
    hung.say_in_metadata(Metadata::Instead(Behaviour::Hang));
    let world = plan().start();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| add(&world.gate, &described("hung", &hung)));
        eventually("it was asked", || (hung.metadata_hits() > 0).then_some(()));
        // Another one is added, and users come in, while the first is still waited for.
        assert_eq!(add(&world.gate, &described("good", &good)).status, 201);
        asked(&world.gate, &good, &access(&good, "a")).passed();
        clerk_is_unharmed(&world);
        let answer = waiting.join().expect("an answer");
        assert_eq!(answer.status, 502, "{answer:?}");
        assert!(
            answer.text().contains("did not answer within"),
            "{answer:?}"
        );
    });
    assert_eq!(names(&world.gate), ["clerk", "good"]);
}

#[test]
fn a_second_one_of_the_same_name_or_issuer_is_refused() {
    let (partner, other) = (provider(), provider());
    let world = plan().start();
    assert_eq!(
        add(&world.gate, &described("partner", &partner)).status,
        201
    );
    for (given, described, why) in [
        (
            "the name of an added one",
            described("partner", &other),
            "the provider `partner` is there already",
        ),
        (
            "the issuer of an added one",
            described("other", &partner),
            "the provider `partner` has this `issuer` already",
        ),
        (
            "the issuer of the config",
            described("other", &world.clerk),
            "the provider `clerk` has this `issuer` already",
        ),
        (
            "the name of the config",
            json!({"provider": "clerk", "issuer": other.url(), "jwks_uri": other.jwks_url()}),
            "the provider `clerk` is there already",
        ),
    ] {
        let answer = add(&world.gate, &described);
        assert_eq!(answer.status, 409, "given: {given}, {answer:?}");
        assert!(
            answer.json()["detail"]
                .as_str()
                .is_some_and(|said| said.contains(why)),
            "given: {given}, {answer:?}"
        );
    }
    let answer = remove(&world.gate, "clerk");
    assert_eq!(answer.status, 409, "{answer:?}");
    assert!(
        answer
            .text()
            .contains("stands in the config: remove it there"),
        "{answer:?}"
    );
    assert_eq!(names(&world.gate), ["clerk", "partner"]);
    clerk_is_unharmed(&world);
}
