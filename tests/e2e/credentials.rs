//! Attacks A-58 to A-64: how tokens are carried, how many there are, and what they are good for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::harness::{NOBODY, SERVICE_TOKEN, USER_A, World};

#[test]
fn a_58_of_two_tokens_none_wins() {
    let world = World::start();
    let (ours, other) = (world.token("user_a"), world.token("user_b"));
    let bearer = |token: &str| format!("Bearer {token}");

    for (given, request) in [
        (
            "two users",
            world.get("/api/x").bearer(&ours).bearer(&other),
        ),
        (
            "the same twice",
            world.get("/api/x").bearer(&ours).bearer(&ours),
        ),
        (
            "a list",
            world.get("/api/x").header(
                "Authorization",
                format!("{}, {}", bearer(&ours), bearer(&other)),
            ),
        ),
        (
            "a cookie of another user",
            world
                .get("/api/x")
                .bearer(&ours)
                .header("Cookie", format!("a=1; __session={other}")),
        ),
        (
            "a suffixed cookie",
            world
                .get("/api/x")
                .bearer(&ours)
                .header("Cookie", format!("__session_ab12cd34={other}")),
        ),
    ] {
        let answer = request.send();
        assert!(
            [400, 401].contains(&answer.status),
            "given: {given}, {answer:?}"
        );
        world.upstream.saw_nothing();
    }

    let same = world.get("/api/x").bearer(&ours);
    same.header("Cookie", format!("__session={ours}; theme=dark"))
        .send()
        .passed();
    assert_eq!(world.upstream.only().identity(), USER_A);
}

#[test]
fn a_58_a_cookie_or_a_query_alone_is_no_token() {
    let world = World::start();
    let token = world.token("user_a");

    let cookie = world
        .get("/api/x")
        .header("Cookie", format!("__session={token}"));
    cookie.send().not_authenticated();
    world
        .get(&format!("/api/x?token={token}&access_token={token}"))
        .send()
        .not_authenticated();
    world.upstream.saw_nothing();
}

#[test]
fn a_59_a_flood_of_unknown_key_names_costs_at_most_one_fetch_and_no_memory() {
    const FLOOD: usize = 10_000;
    let world = World::start();
    let token = world.token("user_a");
    let (_, signed) = token.split_once('.').expect("a token has dots");
    let before = world.clerk.hits();
    let memory = world.gate.resident_kib();

    let mut connection = world.connect();
    for number in 0..FLOOD {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": format!("ins_{number}")});
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let request = world.get("/api/me").bearer(&format!("{header}.{signed}"));
        let answer = request.send_on(&mut connection);
        assert_eq!(answer.status, 401, "at number {number}: {answer:?}");
    }

    world.upstream.saw_nothing();
    let fetched = world.clerk.hits() - before;
    assert!(fetched <= 2, "the issuer was asked {fetched} times");
    let grown = world.gate.resident_kib().saturating_sub(memory);
    assert!(grown < 32 << 10, "memory grew by {grown} KiB");
    world.get("/api/me").bearer(&token).send().passed();
}

#[test]
fn a_60_huge_and_odd_tokens_are_refused_before_they_cost_anything() {
    let world = World::start();
    let good = world.token("user_a");
    let nested = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let header = world.mint("user_a").header_json("ins_standard").to_string();
    let deep = world
        .clerk
        .key()
        .sign_raw(header.as_bytes(), format!(r#"{{"a":{nested}}}"#).as_bytes());

    for (given, token) in [
        ("beyond 16 KiB", "a".repeat(17 << 10)),
        ("many dots", ".".repeat(10_000)),
        ("nested", deep),
        (
            "nested header",
            format!("{}.e30.e30", URL_SAFE_NO_PAD.encode(&nested)),
        ),
        ("padding", format!("{good}=")),
        ("a space inside", good.replacen('.', ". ", 1)),
        ("a fourth part", format!("{good}.e30")),
        (
            "no signature",
            good.rsplit_once('.')
                .map(|(rest, _)| format!("{rest}."))
                .unwrap_or_default(),
        ),
        ("another alphabet", good.replace(['-', '_'], "+")),
    ] {
        let answer = world.get("/api/me").bearer(&token).send();
        assert_eq!(answer.status, 401, "given: {given}, {answer:?}");
        world.upstream.saw_nothing();
    }
    for size in [100 << 10, 1 << 20] {
        let answer = world.get("/api/me").bearer(&"a.".repeat(size / 2)).send();
        assert!(
            [400, 401, 431].contains(&answer.status),
            "given: {size} bytes, {answer:?}"
        );
        world.upstream.saw_nothing();
    }
    world.get("/api/me").bearer(&good).send().passed();
}

#[test]
fn a_61_the_scheme_is_bearer_in_any_case_with_one_space() {
    let world = World::start();
    let token = world.token("user_a");
    for scheme in ["Bearer ", "bearer ", "BEARER "] {
        let request = world
            .get("/api/x")
            .header("authorization", format!("{scheme}{token}"));
        assert_eq!(request.send().status, 200, "given: {scheme:?}");
        assert_eq!(world.upstream.only().identity(), USER_A);
    }
    for scheme in [
        "", "Bearer  ", "Bearer\t", "Bearer", "Token ", "JWT ", "Basic ", "Bearer: ", "Bearer=",
    ] {
        let request = world
            .get("/api/x")
            .header("Authorization", format!("{scheme}{token}"));
        assert_eq!(request.send().status, 401, "given: {scheme:?}");
        world.upstream.saw_nothing();
    }
}

#[test]
fn a_61_a_bad_token_is_not_no_token_where_identity_is_optional() {
    let world = World::start();

    world.get("/optional/x").send().passed();
    assert_eq!(world.upstream.only().identity(), NOBODY);
    world
        .get("/optional/x")
        .bearer(&world.token("user_a"))
        .send()
        .passed();
    assert_eq!(world.upstream.only().identity(), USER_A);
    world
        .get("/optional/x")
        .bearer("e30.e30.e30")
        .send()
        .not_authenticated();
    world.upstream.saw_nothing();
}

#[test]
fn a_62_a_service_token_is_compared_whole() {
    let world = World::start();
    let (shorter, wrong) = (
        SERVICE_TOKEN.get(1..).unwrap_or_default(),
        SERVICE_TOKEN.replacen('s', "t", 1),
    );
    for (given, token) in [
        ("one wrong byte", wrong.as_str()),
        ("a part of it", shorter),
        (
            "a prefix of it",
            SERVICE_TOKEN.get(..16).unwrap_or_default(),
        ),
        ("one byte more", &format!("{SERVICE_TOKEN}x")),
        ("another case", &SERVICE_TOKEN.to_uppercase()),
        ("a user's", &world.token("user_owner")),
    ] {
        let answer = world.get("/internal/x").bearer(token).send();
        assert!(
            [401, 403].contains(&answer.status),
            "given: {given}, {answer:?}"
        );
        world.upstream.saw_nothing();
    }
    world
        .get("/internal/x")
        .header("Authorization", "Bearer ")
        .send()
        .not_authenticated();
    world.get("/internal/x").send().not_authenticated();
    world.upstream.saw_nothing();
}

#[test]
fn a_62_a_service_token_is_good_on_service_routes_only() {
    let world = World::start();

    world
        .get("/internal/x")
        .bearer(SERVICE_TOKEN)
        .send()
        .passed();
    let seen = world.upstream.only();
    assert_eq!(seen.values("x-auth-kind"), ["service"]);
    assert_eq!(seen.values("x-user-id"), [""; 0], "a service is no user");

    for path in ["/api/me", "/api/x", "/api/ws/ws_1/x", "/optional/x"] {
        world
            .get(path)
            .bearer(SERVICE_TOKEN)
            .send()
            .not_authenticated();
        world.upstream.saw_nothing();
    }
}

#[test]
fn a_62_an_empty_or_short_service_token_never_starts() {
    for token in ["", "Qx7-z", "fifteen-bytes-x"] {
        let plan = World::plan().config(|c| c["service_tokens"][0]["token"] = json!(token));
        let finished = plan.run().exits(78);
        let secret = finished.stderr.contains(token) && !token.is_empty();
        assert!(!secret, "the message shows the secret: {}", finished.stderr);
    }
}

#[test]
fn a_63_of_combined_conditions_each_must_hold() {
    let world = World::plan()
        .route(json!({
            "path": "/pay/{workspace}/**",
            "access": "admin",
            "require": {
                "permission": "org:invoices:pay",
                "feature": "invoices",
                "plan": "pro",
                "second_factor_within": "10m",
                "impersonation": "deny",
            },
        }))
        .start();
    let good = || {
        world
            .mint("user_admin")
            .org("org_one", "one", "admin", &["org:invoices:pay"])
            .claim("pla", "o:pro")
            .claim("fva", json!([1, 3]))
    };
    let pay = |mint| world.get("/pay/ws_1/x").bearer(&world.sign(&mint)).send();

    pay(good()).passed();
    world.upstream.only();
    for (given, mint) in [
        ("no second factor", good().claim("fva", json!([0, -1]))),
        ("an old second factor", good().claim("fva", json!([0, 11]))),
        ("an unknown second factor", good().without("fva")),
        ("a free plan", good().claim("pla", "o:free")),
        (
            "a plan that begins alike",
            good().claim("pla", "o:professional"),
        ),
        ("no plan", good().without("pla")),
        (
            "another permission",
            good().org("org_one", "one", "admin", &["org:invoices:read"]),
        ),
        ("no organization", good().without("o").without("fea")),
        ("no feature", good().without("fea")),
        ("impersonated", good().actor("user_support")),
    ] {
        let answer = pay(mint);
        assert_eq!(answer.status, 403, "given: {given}, {answer:?}");
        answer.forbidden();
        world.upstream.saw_nothing();
    }
    let unreadable = pay(good().claim("fva", json!([0, "3"])));
    assert!([401, 403].contains(&unreadable.status), "{unreadable:?}");
    world.upstream.saw_nothing();
    let member = world
        .mint("user_a")
        .org("org_one", "one", "admin", &["org:invoices:pay"]);
    pay(member.claim("pla", "o:pro").claim("fva", json!([1, 3]))).forbidden();
    world.upstream.saw_nothing();
}

#[test]
fn a_64_a_role_is_a_whole_word_and_org_admin_means_admin() {
    let membership = "\
users: {user_a: {access: active}, user_b: {access: active}}
workspaces: {ws_1: {members: {user_a: \"org:admin\", user_b: member}}}
";
    let world = World::plan().membership(membership).start();
    let settings = |user| {
        world
            .get("/api/ws/ws_1/settings/x")
            .bearer(&world.token(user))
            .send()
    };

    settings("user_a").passed();
    assert_eq!(world.upstream.only().values("x-workspace-role"), ["admin"]);
    settings("user_b").forbidden();
    world.upstream.saw_nothing();
}

#[test]
fn a_64_a_role_that_only_looks_like_one_never_starts() {
    for role in [
        "administrator",
        "ADMIN",
        "adm",
        "org:",
        "org:org:admin",
        " admin",
        "a.min",
    ] {
        let membership = format!(
            "users: {{user_a: {{access: active}}}}\nworkspaces: {{ws_1: {{members: {{user_a: \"{role}\"}}}}}}\n"
        );
        let finished = World::plan().membership(&membership).run();
        assert_eq!(finished.code(), 78, "given: {role:?}\n{}", finished.stderr);
    }
}
