//! What the people on call see: metrics that add up and do not grow, one line per request, and no
//! secret anywhere. Attacks A-125 and A-126, and A-104 as far as a test is quick.

use serde_json::{Value, json};

use crate::harness::{Delivery, SERVICE_TOKEN, Scrape, Script, WEBHOOK_SECRET, World};

const REQUESTS: &str = "bailiff_requests_total";

fn requests(scrape: &Scrape) -> f64 {
    scrape.sum(REQUESTS, &[])
}

#[test]
fn every_request_is_counted_once() {
    let world = World::start();
    let (member, stranger) = (world.token("user_a"), world.token("user_b"));
    let hook = Delivery::of("{}");
    let asked = [
        ("/public/**", "forward", "", world.get("/public/x")),
        (
            "/public/**",
            "forward",
            "",
            world.request("HEAD", "/public/x?y"),
        ),
        (
            "/api/**",
            "forward",
            "",
            world.post("/api/x", "body").bearer(&member),
        ),
        ("/api/**", "refuse", "missing_token", world.get("/api/x")),
        (
            "/api/**",
            "refuse",
            "missing_token",
            world.post("/api/x", "body"),
        ),
        (
            "/api/**",
            "refuse",
            "malformed_token",
            world.get("/api/x").bearer("x"),
        ),
        (
            "/api/ws/{workspace}/**",
            "refuse",
            "not_a_member",
            world.get("/api/ws/ws_1/x").bearer(&stranger),
        ),
        ("none", "refuse", "no_route", world.get("/nowhere")),
        (
            "none",
            "refuse",
            "ambiguous_path",
            world.get("/public/../x"),
        ),
        ("/webhooks/clerk", "forward", "", hook.to(&world)),
        ("/webhooks/clerk", "acknowledge", "", hook.to(&world)),
        (
            "/webhooks/clerk",
            "refuse",
            "webhook_signature",
            hook.clone().signature("v1,AA==").to(&world),
        ),
        (
            "/internal/**",
            "refuse",
            "unknown_service",
            world.get("/internal/x").bearer(&member),
        ),
    ];
    let count = asked.len();
    let mut expected = Vec::new();
    for (route, verdict, reason, request) in asked {
        request.send();
        expected.push((route, verdict, reason));
    }

    world.gate.metric_becomes(REQUESTS, &[], count as f64);
    let scrape = world.gate.metrics();
    for wanted in &expected {
        let (route, verdict, reason) = *wanted;
        let alike = expected.iter().filter(|other| *other == wanted).count();
        let mut labels = vec![("route", route), ("verdict", verdict)];
        labels.extend((!reason.is_empty()).then_some(("reason", reason)));
        let counted = scrape.sum(REQUESTS, &labels);
        assert_eq!(
            counted.to_bits(),
            (alike as f64).to_bits(),
            "given: {labels:?}"
        );
    }
    let finished = scrape.sum("bailiff_request_duration_seconds_count", &[]);
    assert_eq!(finished.to_bits(), (count as f64).to_bits());
    world
        .gate
        .metric_becomes("bailiff_requests_in_flight", &[], 0.0);
}

#[test]
fn every_name_is_there_from_the_start() {
    let world = World::start();

    let scrape = world.gate.metrics();

    for (name, labels) in [
        (REQUESTS, &["route", "verdict", "reason"][..]),
        ("bailiff_request_duration_seconds_count", &[]),
        ("bailiff_request_duration_seconds_bucket", &["le"]),
        ("bailiff_decision_duration_seconds_count", &[]),
        ("bailiff_upstream_duration_seconds_count", &[]),
        ("bailiff_requests_in_flight", &[]),
        ("bailiff_token_cache_total", &["result"]),
        ("bailiff_key_fetches_total", &["issuer", "result"]),
        ("bailiff_keys_fetched_timestamp_seconds", &["issuer"]),
        ("bailiff_membership_applied_timestamp_seconds", &[]),
        ("bailiff_reloads_total", &["part", "result"]),
        ("bailiff_members", &[]),
        ("bailiff_webhooks_total", &["result"]),
        ("bailiff_profile_fetches_total", &["result"]),
        ("bailiff_streams_open", &[]),
        ("bailiff_streams_closed_total", &["reason"]),
        ("bailiff_snapshot_generation", &[]),
        ("bailiff_auth_disabled", &[]),
        ("bailiff_build_info", &["version"]),
    ] {
        assert!(
            scrape.has(name, labels),
            "{name}{labels:?} is not there:\n{}",
            scrape.text
        );
        assert!(
            scrape.text.contains("# HELP bailiff_"),
            "each name explains itself"
        );
    }
    assert_eq!(requests(&scrape).to_bits(), 0_f64.to_bits());
    for route in world.config["routes"].as_array().into_iter().flatten() {
        let pattern = route["path"].as_str().unwrap_or_default();
        let known =
            |s: &&crate::harness::Sample| s.labels.get("route").is_some_and(|r| r == pattern);
        assert!(
            scrape.samples.iter().any(|s| known(&s)),
            "no series for {pattern}"
        );
    }
    assert_eq!(
        scrape.sum("bailiff_members", &[]).to_bits(),
        8_f64.to_bits()
    );
    assert!(
        scrape.sum(
            "bailiff_keys_fetched_timestamp_seconds",
            &[("issuer", "clerk")]
        ) > 1.7e9
    );
    assert!(scrape.sum("bailiff_membership_applied_timestamp_seconds", &[]) > 1.7e9);
}

#[test]
fn a_104_random_requests_make_no_new_series() {
    const RANDOM: usize = 400;
    let world = World::start();
    let before = world.gate.metrics().series();
    let token = world.token("user_a");
    let (_, signed) = token.split_once('.').expect("a token has dots");
    let mut connection = world.connect();
    for n in 0..RANDOM {
        let kid = world
            .mint("user_a")
            .header("kid", format!("kid-{n}"))
            .sign(&world.clerk.key());
        let user = world.token(&format!("user_{n}"));
        for request in [
            world.get(&format!("/random/{n}?{n}")),
            world.get(&format!("/api/ws/ws_{n}/x")).bearer(&user),
            world.get("/api/x").bearer(&kid),
            world.get("/api/x").bearer(&format!("{n}.{signed}")),
            world.get("/api/x").header("Host", format!("host-{n}.test")),
            world.request(&format!("METHOD{n}"), "/api/x"),
        ] {
            let answer = request.send_on(&mut connection);
            assert!((400..500).contains(&answer.status), "{answer:?}");
        }
    }
    world
        .gate
        .metric_becomes(REQUESTS, &[], (RANDOM * 6) as f64);
    assert_eq!(world.gate.metrics().series(), before);
}

/// Everything that must never be seen, and what it is.
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn of(token: &str, what: &'static str) -> Self {
        let parts = token.split('.').skip(1).filter(|part| part.len() > 16);
        Self(parts.map(|part| (what, part.to_owned())).collect())
    }

    #[track_caller]
    fn absent(&self, text: &str, place: &str) {
        for (what, secret) in &self.0 {
            let found = text.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(found, None, "{what} is in {place}");
        }
    }
}

#[test]
fn a_125_no_secret_is_ever_seen_at_any_level() {
    let world = World::plan()
        .env("RUST_LOG", "trace")
        .env("BAILIFF_LOG", "trace")
        .start();
    let good = world.token("user_a");
    let expired = world.sign(&world.mint("user_a").claim("exp", 1));
    let strange = world.sign(&world.mint("user_a").header("kid", "ins_strange"));
    let hook = Delivery::of(r#"{"type":"user.deleted"}"#);

    let mut answers = vec![
        world.get("/api/x").bearer(&good).send(),
        world.get("/api/x").bearer(&expired).send(),
        world.get("/api/x").bearer(&strange).send(),
        world.get("/api/x").bearer(&good).bearer(&expired).send(),
        world
            .get("/api/x")
            .header("Authorization", format!("Token {good}"))
            .send(),
        world
            .get("/api/x")
            .header("Cookie", format!("__session={good}"))
            .send(),
        world.get(&format!("/api/x?token={good}")).send(),
        world.get(&format!("/api/x?token={good}#x")).send(),
        world
            .get("/api/x")
            .header("Referer", format!("https://app.test/?t={good}"))
            .send(),
        world.get("/internal/x").bearer(SERVICE_TOKEN).send(),
        world.get("/api/x").bearer(SERVICE_TOKEN).send(),
        hook.to(&world).send(),
        hook.to(&world).send(),
        hook.clone()
            .signature("v1,c2hvcnQgYW5kIHdyb25nIGJ1dCBsb25nIGVub3VnaA==")
            .to(&world)
            .send(),
    ];
    // The app's answers echo what it was sent; those of the gate are what counts here.
    answers.retain(|answer| answer.status >= 400);
    world.upstream.once(Script::Close);
    answers.push(world.post("/api/x", "x").bearer(&good).send());

    let mut secrets = Secrets::of(&good, "a good token");
    secrets
        .0
        .extend(Secrets::of(&expired, "an expired token").0);
    secrets
        .0
        .extend(Secrets::of(&strange, "a token of a strange key").0);
    secrets
        .0
        .push(("a service token", SERVICE_TOKEN.to_owned()));
    secrets.0.push((
        "a webhook secret",
        WEBHOOK_SECRET.trim_start_matches("whsec_").to_owned(),
    ));
    for answer in &answers {
        secrets.absent(&format!("{answer:?}"), "an answer");
    }
    for page in ["/metrics", "/status", "/", "/readyz"] {
        secrets.absent(&world.gate.admin(page).text(), page);
    }
    world.gate.sigterm();
    let World {
        gate,
        upstream: _app,
        clerk: _issuer,
        ..
    } = world;
    let finished = gate.finish();
    secrets.absent(&finished.stderr, "the log");
    secrets.absent(&finished.stdout, "stdout");
}

fn access_lines(world: &World) -> Vec<Value> {
    let parsed = |line: &String| serde_json::from_str::<Value>(line).ok();
    let lines = world
        .gate
        .logs()
        .iter()
        .filter_map(parsed)
        .collect::<Vec<_>>();
    lines
        .into_iter()
        .filter(|line| line["message"] == "request")
        .collect()
}

#[test]
fn a_request_leaves_one_line_that_says_what_became_of_it() {
    let world = World::start();
    let token = world.token("user_a");
    let passed = world
        .get("/api/ws/ws_1/x?secret=1")
        .bearer(&token)
        .header("x-request-id", "one")
        .send();
    let refused = world
        .get("/api/ws/ws_2/x")
        .bearer(&token)
        .header("x-request-id", "two")
        .send();
    let nobody = world.get("/nowhere").header("x-request-id", "three").send();
    assert_eq!(
        (passed.status, refused.status, nobody.status),
        (200, 403, 404)
    );

    let line = world.gate.access_line("one");
    for (field, value) in [
        ("method", json!("GET")),
        ("path", json!("/api/ws/ws_1/x")),
        ("route", json!("/api/ws/{workspace}/**")),
        ("status", json!(200)),
        ("verdict", json!("forward")),
        ("subject", json!("user_a")),
        ("workspace", json!("ws_1")),
    ] {
        assert_eq!(line[field], value, "{field} in {line}");
    }
    assert!(line["generation"].as_u64() > Some(0), "{line}");
    let line = world.gate.access_line("two");
    assert_eq!(line["verdict"], "refuse", "{line}");
    assert_eq!(line["reason"], "not_a_member", "{line}");
    assert_eq!(line["subject"], "user_a", "{line}");
    let line = world.gate.access_line("three");
    assert_eq!(line["reason"], "no_route", "{line}");
    assert_eq!(line["status"], 404, "{line}");
    assert_eq!(access_lines(&world).len(), 3);
}

#[test]
fn a_126_nothing_that_is_sent_makes_a_second_line_or_a_control_character() {
    let world = World::start();
    let line = r#"{"level":"INFO","message":"request","request_id":"forged","status":200}"#;
    let sent = [
        world
            .get("/public/x")
            .header("User-Agent", format!("a\x1b[31m{line}")),
        world
            .get("/public/x")
            .header("User-Agent", "a\tb\u{85}\u{2028}"),
        world.get("/public/x%1b%5b31m"),
        world.get(&format!(
            "/public/{}",
            line.replace(['"', '{', '}', ','], "_")
        )),
        world.get("/public/%22,%22message%22:%22forged"),
        world.get("/public/%C2%85%E2%80%A8x"),
        world
            .get("/public/x")
            .header("x-request-id", "forged\",\"status\":\"200"),
        world
            .get("/api/x")
            .bearer(&world.sign(&world.mint("user_a").claim("sub", format!("user_a\n{line}")))),
        world.get("/api/x").bearer(
            &world
                .mint("user_a")
                .header("kid", format!("k\r\n{line}"))
                .sign(&world.clerk.key()),
        ),
        world.get("/api/ws/%22%0A/x").bearer(&world.token("user_a")),
        world.request("GET", "/api/ws/\u{1b}[2J/x"),
    ];
    let count = sent.len();
    for request in sent {
        request.send();
    }
    world
        .get("/public/last")
        .header("x-request-id", "last")
        .send()
        .passed();
    world.gate.access_line("last");

    let lines = world.gate.logs();
    for line in &lines {
        assert!(
            serde_json::from_str::<Value>(line).is_ok_and(|l| l.is_object()),
            "no JSON: {line:?}"
        );
        assert!(
            !line.chars().any(char::is_control),
            "a control character: {line:?}"
        );
    }
    let access = access_lines(&world);
    assert!(
        access.len() <= count + 1,
        "{} lines for {} requests",
        access.len(),
        count + 1
    );
    assert!(access.iter().all(|line| line["request_id"] != "forged"));
}

#[test]
fn the_admin_pages_tell_alive_from_ready() {
    let world = World::start();

    assert_eq!(world.gate.admin("/livez").status, 200);
    assert_eq!(world.gate.admin("/readyz").status, 200);
    let kind = world
        .gate
        .admin("/metrics")
        .header("content-type")
        .unwrap_or_default();
    assert!(kind.starts_with("text/plain"), "{kind}");
    assert_eq!(world.gate.admin("/nothing").status, 404);
}
