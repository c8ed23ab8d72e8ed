//! Attacks: the keys that tokens are checked with, and what becomes of the gate when
//! their source fails, lies or turns against it.

use bailiff::dev::issuer::Behaviour;
use bailiff::dev::key::weak_jwk;
use serde_json::json;

use crate::harness::{Clerk, Plan, Upstream, World, eventually, foreign_key, now};

/// The standard scene, but an unknown key name may cost a fetch every second, and a request waits long enough for it on a
/// slow machine.
fn restless() -> Plan {
    World::plan().config(|c| c["keys"] = json!({"cooldown": "1s", "wait": "5s"}))
}

/// Makes the gate fetch the keys again, by a token that names a key that it does not know. Such a request waits for the
/// fetch, so what came is judged when this returns.
#[track_caller]
fn refetched(world: &World) {
    let before = world.clerk.hits();
    let unknown = world
        .mint("user_a")
        .header("kid", "ins_unknown")
        .sign(&foreign_key());
    eventually("the keys were fetched again", || {
        assert_eq!(status(world, &unknown), 401);
        (world.clerk.hits() > before).then_some(())
    });
}

fn status(world: &World, token: &str) -> u16 {
    world.get("/api/me").bearer(token).send().status
}

#[test]
fn a_70_without_keys_the_gate_is_not_ready_and_protected_routes_say_503() {
    for behaviour in [
        Behaviour::Status(503),
        Behaviour::Html,
        Behaviour::EmptyKeys,
    ] {
        let plan = restless();
        plan.clerk.behave(behaviour.clone());
        let world = plan.start_unready();
        let token = world.token("user_a");

        assert_eq!(world.gate.admin("/livez").status, 200);
        assert_eq!(
            world.gate.admin("/readyz").status,
            503,
            "given: {behaviour:?}"
        );
        let answer = world.get("/api/me").bearer(&token).send().refused(503);
        assert_eq!(answer.json()["detail"], "Temporarily unavailable");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        world.get("/api/me").send().not_authenticated();
        world.upstream.saw_nothing();

        world.clerk.behave(Behaviour::Normal);
        eventually("the gate was ready", || {
            (world.gate.admin("/readyz").status == 200).then_some(())
        });
        world.get("/api/me").bearer(&token).send().passed();
    }
}

#[test]
fn a_70_a_forged_token_is_not_accepted_while_there_are_no_keys() {
    let plan = restless();
    plan.clerk.behave(Behaviour::Status(500));
    let world = plan.start_unready();
    let mint = world.mint("user_a");

    for token in [
        mint.sign(&foreign_key()),
        world.sign(&mint.clone().header("alg", "none")),
    ] {
        let status = status(&world, &token);
        assert!([401, 503].contains(&status), "got {status}");
    }
    world.upstream.saw_nothing();
}

#[test]
fn a_71_cached_keys_go_on_through_an_outage_and_metrics_and_log_say_so() {
    let world = restless().start();
    let token = world.token("user_a");

    world.clerk.behave(Behaviour::Status(500));
    refetched(&world);

    world.get("/api/me").bearer(&token).send().passed();
    let failed = |name: &str| {
        let scrape = world.gate.metrics();
        let all = scrape.sum(name, &[("issuer", "clerk")]);
        let good = scrape.sum(name, &[("issuer", "clerk"), ("result", "ok")]);
        all > good
    };
    eventually("the metrics told of it", || {
        failed("bailiff_key_fetches_total").then_some(())
    });
    world.gate.log_line("a warning about keys", |line| {
        let serious = line["level"] == "WARN" || line["level"] == "ERROR";
        serious && line.to_string().contains("key")
    });
}

#[test]
fn a_71_keys_that_are_too_old_mean_503_and_not_401_nor_open() {
    let plan = World::plan().config(|c| c["keys"] = json!({"refresh": "1s", "max_age": "3s"}));
    let world = plan.start();
    let token = world.token("user_a");
    world.get("/api/me").bearer(&token).send().passed();
    world.upstream.only();

    world.clerk.behave(Behaviour::Status(500));

    eventually("old keys were given up", || {
        let status = status(&world, &token);
        assert!([200, 503].contains(&status), "got {status}");
        (status == 503).then_some(())
    });
    assert_eq!(world.gate.admin("/readyz").status, 503);

    world.clerk.behave(Behaviour::Normal);
    eventually("new keys were believed", || {
        (status(&world, &token) == 200).then_some(())
    });
}

#[test]
fn a_72_a_rotated_key_is_picked_up_without_a_failed_request() {
    let world = World::plan()
        .config(|c| c["keys"] = json!({"wait": "5s"}))
        .start();
    let next = world.clerk.next_key();
    let (old, new) = (world.token("user_a"), world.mint("user_a").sign(&next));
    let before = world.clerk.hits();

    world.clerk.publish(&[next, world.clerk.key()]);

    for _ in 0..20 {
        world.get("/api/me").bearer(&new).send().passed();
        world.get("/api/me").bearer(&old).send().passed();
    }
    assert_eq!(world.clerk.hits(), before + 1);
}

#[test]
fn a_72_a_removed_key_is_refused_after_the_next_refresh() {
    let world = restless().start();
    let (next, old) = (world.clerk.next_key(), world.token("user_a"));
    world.get("/api/me").bearer(&old).send().passed();

    world.clerk.publish(std::slice::from_ref(&next));
    refetched(&world);

    world.get("/api/me").bearer(&old).send().not_authenticated();
    world
        .get("/api/me")
        .bearer(&world.mint("user_a").sign(&next))
        .send()
        .passed();
}

#[test]
fn a_73_a_key_set_that_is_none_changes_nothing() {
    let world = restless().start();
    let token = world.token("user_a");
    let many: Vec<_> = (0..10_000).map(|n| weak_jwk(&format!("ins_{n}"))).collect();

    for behaviour in [
        Behaviour::EmptyKeys,
        Behaviour::Html,
        Behaviour::Huge,
        Behaviour::Status(404),
        Behaviour::Raw(b"{\"keys\":".to_vec()),
        Behaviour::Raw(b"[]".to_vec()),
        Behaviour::Raw(b"{\"keys\": {}}".to_vec()),
        Behaviour::Raw(
            json!({"keys": [weak_jwk("ins_standard")]})
                .to_string()
                .into_bytes(),
        ),
        Behaviour::Raw(json!({ "keys": many }).to_string().into_bytes()),
    ] {
        world.clerk.behave(behaviour.clone());
        refetched(&world);
        let name = format!("{behaviour:?}")
            .chars()
            .take(60)
            .collect::<String>();
        assert_eq!(status(&world, &token), 200, "given: {name}");
    }
}

#[test]
fn a_73_unusable_keys_are_skipped_and_the_good_one_beside_them_counts() {
    let plan = World::plan();
    let good = plan.clerk.key().jwk();
    let with = |name: &str, value: serde_json::Value| {
        let mut jwk = plan.clerk.next_key().renamed("ins_bent").jwk();
        jwk[name] = value;
        jwk
    };
    plan.clerk.publish_raw(&[
        weak_jwk("ins_weak"),
        json!({"kty": "oct", "kid": "ins_oct", "alg": "HS256", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}),
        json!("no key"),
        with("use", json!("enc")),
        with("kty", json!("EC")),
        with("alg", json!("HS256")),
        with("key_ops", json!(["encrypt"])),
        with("kid", json!(7)),
        good,
    ]);
    let world = plan.start();

    world
        .get("/api/me")
        .bearer(&world.token("user_a"))
        .send()
        .passed();
    let bent = world.clerk.next_key().renamed("ins_bent");
    world
        .get("/api/me")
        .bearer(&world.mint("user_a").sign(&bent))
        .send()
        .not_authenticated();
}

#[test]
fn a_73_a_name_that_two_keys_bear_opens_nothing_for_the_second() {
    let plan = World::plan();
    let impostor = foreign_key().renamed("ins_standard");
    plan.clerk.publish_raw(&[
        plan.clerk.next_key().jwk(),
        plan.clerk.key().jwk(),
        impostor.jwk(),
    ]);
    let world = plan.start();

    let forged = world.mint("user_a").sign(&impostor);

    world
        .get("/api/me")
        .bearer(&forged)
        .send()
        .not_authenticated();
    world.upstream.saw_nothing();
}

#[test]
fn a_74_a_token_never_chooses_a_key_or_an_address() {
    let world = World::start();
    let trap = Upstream::start();
    let key = foreign_key();
    let url = format!("{}/jwks.json", trap.url());
    let mint = || world.mint("user_a");

    for (given, token) in [
        ("jku", mint().header("jku", url.as_str()).sign(&key)),
        ("x5u", mint().header("x5u", url.as_str()).sign(&key)),
        ("jwk", mint().header("jwk", key.jwk()).sign(&key)),
        (
            "jwk under our kid",
            mint()
                .header("jwk", key.jwk())
                .sign(&key.renamed("ins_standard")),
        ),
        ("x5c", mint().header("x5c", json!(["MIIB"])).sign(&key)),
        ("iss", mint().claim("iss", trap.url()).sign(&key)),
        (
            "kid as address",
            mint().header("kid", url.as_str()).sign(&key),
        ),
        (
            "kid as path",
            mint().header("kid", "../../etc/passwd").sign(&key),
        ),
    ] {
        assert_eq!(status(&world, &token), 401, "given: {given}");
    }
    trap.saw_nothing();
    world.upstream.saw_nothing();
}

#[test]
fn a_74_a_redirect_of_the_key_address_is_not_followed() {
    let trap = Upstream::start();
    let world = restless().start();

    world
        .clerk
        .behave(Behaviour::Redirect(format!("{}/jwks.json", trap.url())));
    refetched(&world);

    trap.saw_nothing();
    assert_eq!(
        status(&world, &world.token("user_a")),
        200,
        "the last good set stays"
    );
}

#[test]
fn a_74_an_address_of_keys_that_is_unsafe_never_starts() {
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "http://clerk.example.com/.well-known/jwks.json",
        "http://8.8.8.8/jwks.json",
        "file:///etc/passwd",
        "ftp://127.0.0.1/jwks.json",
        "127.0.0.1:80",
        "",
    ] {
        let plan = World::plan().config(|c| c["clerk"]["jwks_url"] = json!(url));
        let finished = plan.run();
        assert_eq!(finished.code(), 78, "given: {url:?}\n{}", finished.stderr);
    }
}

#[test]
fn a_75_one_token_gets_two_verdicts_where_two_rules_apply() {
    let other = Clerk::with_key(foreign_key());
    let plan = World::plan().beside(&other);
    let world = plan.start();
    let token = world.token("user_a");

    for _ in 0..3 {
        world.get("/api/me").bearer(&token).send().passed();
        world.get("/other/x").bearer(&token).send().forbidden();
    }
}

#[test]
fn a_75_a_token_once_found_good_does_not_outlive_its_end() {
    let world = World::start();
    // The leeway of ten seconds is almost used up: three more remain.
    let mint = world
        .mint("user_a")
        .issued_at(now() - 60)
        .claim("exp", now() - 7);
    let token = world.sign(&mint);

    world.get("/api/me").bearer(&token).send().passed();

    eventually("the token was over", || {
        (status(&world, &token) == 401).then_some(())
    });
}

#[test]
fn a_75_a_token_once_found_good_does_not_outlive_the_rules_it_was_good_under() {
    let world = World::start();
    let token = world.token("user_a");
    world.get("/api/me").bearer(&token).send().passed();

    world.rewrite_config(|c| c["clerk"]["authorized_parties"] = json!(["https://new.test"]));

    eventually("the new party alone counted", || {
        (status(&world, &token) == 401).then_some(())
    });
}

#[test]
fn keys_may_come_from_a_pem_without_any_network() {
    let pem = World::plan().clerk.key().public_pem();
    let lines: Vec<_> = pem.lines().filter(|line| !line.contains("-----")).collect();

    for (given, form) in [
        ("whole", pem.clone()),
        ("escaped line ends", pem.replace('\n', "\\n")),
        ("one line without header", lines.concat()),
    ] {
        let plan = World::plan().config(|c| {
            let clerk = c["clerk"].as_object_mut().expect("a table");
            clerk.remove("jwks_url");
            clerk.insert("jwt_key".to_owned(), json!(form));
        });
        plan.clerk.behave(Behaviour::Status(500));
        let world = plan.start();
        assert_eq!(
            status(&world, &world.token("user_a")),
            200,
            "given: {given}"
        );
        let foreign = world.mint("user_a").sign(&foreign_key());
        assert_eq!(status(&world, &foreign), 401, "given: {given}");
        assert_eq!(world.clerk.hits(), 0, "given: {given}");
    }
}

#[test]
fn an_issuer_that_hangs_does_not_hang_a_request() {
    let plan = World::plan().config(|c| c["keys"] = json!({"wait": "100ms", "cooldown": "1s"}));
    let world = plan.start();
    world.clerk.behave(Behaviour::Hang);

    let unknown = world.mint("user_a").sign(&foreign_key());

    assert_eq!(status(&world, &unknown), 401);
    assert_eq!(status(&world, &world.token("user_a")), 200);
}
