//! Attacks to A-42 (the others are in `hosts_and_methods`): reaching a protected path under a name that only one of two readers
//! understands. Nothing here carries a token unless it says so; every refusal is checked at both
//! ends, at the client and at the app.

use serde_json::json;

use crate::harness::{Response, World};

/// How a request must end.
#[derive(Clone, Copy, Debug)]
pub enum Ends {
    /// 400 by the gate: the target has two readings.
    Ambiguous,
    /// As the plain form of the protected path without a token: 401.
    Protected,
    /// No rule covers it: 404.
    Nowhere,
    /// Any refusal will do, as long as it is one.
    Refused,
}

/// Sends a request line with this target and asserts the end, and that the app saw nothing.
#[track_caller]
pub fn try_target(world: &World, target: &[u8], ends: Ends) {
    let line = [b"GET ", target, b" HTTP/1.1\r\nHost: app.test\r\n\r\n"].concat();
    let given = target.escape_ascii().to_string();
    let answer = world.raw(line).only();
    check(&answer, ends, &given);
    world.upstream.saw_nothing();
}

#[track_caller]
pub fn check(answer: &Response, ends: Ends, given: &str) {
    let fits = match ends {
        Ends::Ambiguous => answer.status == 400,
        Ends::Protected => answer.status == 401,
        Ends::Nowhere => answer.status == 404,
        Ends::Refused => (400..500).contains(&answer.status),
    };
    assert!(fits, "given: {given}, expected: {ends:?}, got: {answer:?}");
    assert_eq!(answer.header("location"), None, "given: {given}");
}

#[track_caller]
fn try_all(targets: &[&str], ends: Ends) {
    let world = World::start();
    for target in targets {
        try_target(&world, target.as_bytes(), ends);
    }
}

#[test]
fn a_20_dot_segments_are_refused_not_repaired() {
    try_all(
        &[
            "/public/../admin",
            "/public/./../admin",
            "/public/..",
            "/public/.",
            "/public/x/../../admin/",
            "/./admin",
            "/..",
        ],
        Ends::Ambiguous,
    );
}

#[test]
fn a_21_encoded_dots_are_dots() {
    let targets = [
        "/public/%2e%2e/admin",
        "/public/.%2E/admin",
        "/public/%2E./admin",
        "/public/%2e",
    ];
    try_all(&targets, Ends::Ambiguous);
}

#[test]
fn a_22_encoded_slashes_and_backslashes_are_refused() {
    try_all(
        &[
            "/public%2f..%2fadmin",
            "/public%2F..%2Fadmin",
            "/public%5c..%5cadmin",
            "/public%5C..%5Cadmin",
            "/public/a%2fb",
            "/public/%2e%2e%2fadmin",
        ],
        Ends::Ambiguous,
    );
}

#[test]
fn a_23_other_encoded_delimiters_are_refused() {
    let targets = [
        "/public/a%3bx",
        "/public/a%3Bx",
        "/public/a%3fx",
        "/public/a%23x",
        "/public/a%00x",
    ];
    try_all(&targets, Ends::Ambiguous);
    try_all(
        &[
            "/public/%252e%252e/admin",
            "/public/a%0d%0ab",
            "/public/a%7f",
        ],
        Ends::Ambiguous,
    );
}

#[test]
fn a_24_a_raw_backslash_is_refused() {
    try_all(
        &["/public\\..\\admin", "/public/a\\b", "\\admin"],
        Ends::Ambiguous,
    );
}

#[test]
fn a_25_double_slashes_are_refused_and_never_read_as_a_host() {
    try_all(
        &[
            "//admin/x",
            "/public//../admin",
            "///api/me",
            "/public//x",
            "/public/x//",
            "//",
        ],
        Ends::Ambiguous,
    );
}

#[test]
fn a_26_path_parameters_are_refused() {
    try_all(
        &[
            "/admin;x=1",
            "/admin/;/x",
            "/public/..;/admin",
            "/public;/x",
        ],
        Ends::Ambiguous,
    );
}

#[test]
fn a_27_needless_encoding_is_judged_decoded_and_as_it_stands() {
    // No rule covers what an app sees that does not decode these.
    try_all(
        &[
            "/%61dmin",
            "/a%64min/x",
            "/%61%64%6d%69%6e/x",
            "/api%2d",
            "/%61pi/me",
            "/p%75blic/x",
        ],
        Ends::Nowhere,
    );

    let world = World::plan()
        .route(json!({"path": "/items/{id}/open", "access": "public"}))
        .route(json!({"path": "/items/**", "access": "user"}))
        .start();
    world.get("/items/x/open").send().passed();
    assert_eq!(world.upstream.only().target(), "/items/x/open");
    for target in [
        "/items/x/%6Fpen",
        "/items/x/%6fpen",
        "/items/x/o%70e%6E",
        "/items/x/open/",
    ] {
        try_target(&world, target.as_bytes(), Ends::Protected);
        world
            .get(target)
            .bearer(&world.token("user_a"))
            .send()
            .passed();
        let seen = world.upstream.only();
        assert_eq!(seen.target(), target, "what was judged is what is sent");
        assert_eq!(
            seen.values("x-clerk-user-id"),
            ["user_a"],
            "the handler of /items/** relies on it"
        );
    }
}

#[test]
fn a_28_another_letter_case_is_another_path() {
    try_all(
        &["/ADMIN/x", "/Admin", "/PUBLIC/x", "/Api/me"],
        Ends::Nowhere,
    );
}

#[test]
fn a_28_letter_case_is_no_way_in_to_an_app_that_does_not_tell_cases_apart() {
    let plan = World::plan().route(json!({"path": "/**", "access": "public"}));
    let world = plan
        .config(|c| c["paths"] = json!({"case": "insensitive"}))
        .start();
    for target in ["/ADMIN/x", "/Admin", "/aPI/me", "/%41DMIN", "/Admin/"] {
        try_target(&world, target.as_bytes(), Ends::Protected);
    }
    for target in ["/Closed/x", "/CLOSED"] {
        world
            .get(target)
            .bearer(&world.token("user_a"))
            .send()
            .refused(403);
    }
    world.upstream.saw_nothing();
    world
        .get("/API/me")
        .bearer(&world.token("user_a"))
        .send()
        .passed();
    assert_eq!(world.upstream.only().target(), "/API/me");
}

#[test]
fn a_script_in_front_of_a_path_opens_nothing() {
    let world = World::plan()
        .route(json!({"path": "/**", "access": "public"}))
        .start();
    for target in [
        "/index.php/admin/x",
        "/app/INDEX.php/api/me",
        "/index.ph%70/admin",
        "/index.php/api/",
    ] {
        try_target(&world, target.as_bytes(), Ends::Protected);
    }
    world.get("/blog/index.php/2026/12").send().passed();
    assert_eq!(world.upstream.only().target(), "/blog/index.php/2026/12");
}

#[test]
fn a_suffix_is_no_way_in_to_an_app_that_ignores_it() {
    let plan = World::plan().route(json!({"path": "/**", "access": "public"}));
    let world = plan
        .config(|c| c["paths"] = json!({"suffix": "ignored"}))
        .start();
    for target in ["/admin.json", "/api/me.xml", "/closed/x.json"] {
        let ends = if target.starts_with("/closed") {
            Ends::Refused
        } else {
            Ends::Protected
        };
        try_target(&world, target.as_bytes(), ends);
    }
}

#[test]
fn a_29_a_query_is_no_path() {
    try_all(
        &[
            "/admin?/public/x",
            "/admin?x=/public/",
            "/admin/x?/../public",
            "/api/x?/public/**",
        ],
        Ends::Protected,
    );
}

#[test]
fn a_30_a_fragment_in_the_target_is_refused() {
    try_all(
        &[
            "/admin#/public",
            "/foo/secret#/bar",
            "/public/x#",
            "/public#/../admin",
        ],
        Ends::Ambiguous,
    );
}

#[test]
fn a_31_a_prefix_ends_at_a_slash() {
    try_all(
        &[
            "/administrator",
            "/apix",
            "/publicity",
            "/public-x",
            "/healthzz",
            "/healthz/x",
        ],
        Ends::Nowhere,
    );
}

#[test]
fn a_32_a_trailing_slash_or_dot_opens_nothing() {
    let world = World::start();
    for (target, ends) in [
        ("/admin/", Ends::Protected),
        ("/api/me/", Ends::Protected),
        ("/admin/.", Ends::Ambiguous),
        ("/admin.", Ends::Nowhere),
        ("/healthz/", Ends::Nowhere),
        ("/internal/", Ends::Protected),
    ] {
        try_target(&world, target.as_bytes(), ends);
    }
    world.get("/public/").send().passed();
    assert_eq!(world.upstream.only().target(), "/public/");
}

#[test]
fn a_33_broken_percent_sequences_are_refused() {
    try_all(
        &[
            "/%",
            "/public/%",
            "/public/%zz",
            "/public/%2",
            "/public/%+1x",
            "/public/%%35%63",
        ],
        Ends::Ambiguous,
    );
}

#[test]
fn a_34_what_is_no_utf_8_after_decoding_is_refused() {
    try_all(
        &[
            "/%ff%fe",
            "/public/%ff",
            "/public/%c0%ae%c0%ae/admin",
            "/public/%ed%a0%80",
        ],
        Ends::Ambiguous,
    );
}

#[test]
fn a_35_characters_that_no_target_may_hold_are_refused() {
    let world = World::start();
    for target in [
        &b"/public/<x>"[..],
        b"/public/\"x\"",
        b"/public/\x01",
        b"/public/\x7f",
        b"/public/\xe4",
        b"/public/\xc3\xa4",
        b"/public/{x}",
        b"/public/x|y",
        b"/public/a\tb",
        b"/public/x?q=\xff",
        b"/public/x?q=<y>",
    ] {
        try_target(&world, target, Ends::Ambiguous);
    }
}

/// Pingora writes a raw space as `%20` before anybody can look at the target, in the raw head too. So it cannot be told from
/// a client's own `%20`, and refused; what must hold is that the same target is judged and sent.
#[test]
fn a_35_a_raw_space_in_the_target_has_one_reading() {
    let world = World::start();
    for (target, sent) in [
        ("/public/a b", "/public/a%20b"),
        ("/public/x?q=a b", "/public/x?q=a%20b"),
    ] {
        world
            .raw(format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n\r\n").into_bytes())
            .only()
            .passed();
        assert_eq!(world.upstream.only().target(), sent, "given: {target}");
    }
    try_target(&world, b"/pub lic", Ends::Nowhere);
    try_target(&world, b"/public/x HTTP/1.1 /y", Ends::Refused);
    try_target(&world, b"/api/x /public/y", Ends::Protected);
    try_target(&world, b"/public/ ../admin", Ends::Refused);
    try_target(&world, b"/public/.. /admin", Ends::Refused);
}

#[test]
fn a_40_a_literal_in_the_config_is_no_pattern() {
    let plan = World::plan()
        .route(json!({"path": "/v1.0/**", "access": "public"}))
        .route(json!({"path": "/v1.0/a+b", "access": "public"}));
    let world = plan.start();

    try_target(&world, b"/v1x0/x", Ends::Nowhere);
    try_target(&world, b"/v100/x", Ends::Nowhere);
    world.get("/v1.0/x").send().passed();
    world.upstream.only();
}

#[test]
fn a_41_nothing_is_rewritten_on_the_way() {
    let world = World::start();
    try_target(&world, b"/pub%6cic/../admin", Ends::Ambiguous);

    for target in [
        "/public/%78",
        "/public/a%20b?x=%2e%2e/%2F;y&z=[1]",
        "/public/%C3%A4?",
        "/public/a+b,c@d:e!$&'()*~=",
    ] {
        world.get(target).send().passed();
        assert_eq!(world.upstream.only().target(), target);
    }
}

#[test]
fn a_42_the_configured_source_alone_names_the_workspace() {
    let world = World::start();
    let token = world.token("user_a");
    let request = world
        .get("/api/ws/ws_1/x?workspace=ws_2&x-workspace-id=ws_2")
        .bearer(&token);

    request.header("x-workspace-id", "ws_2").send().passed();
    let seen = world.upstream.only();
    assert_eq!(seen.values("x-workspace-id"), ["ws_1"]);
    assert_eq!(seen.values("x-workspace-role"), ["member"]);

    let elsewhere = world.get("/api/ws/ws_2/x").bearer(&token);
    elsewhere
        .header("x-workspace-id", "ws_1")
        .send()
        .forbidden();
    world.upstream.saw_nothing();
}

#[test]
fn a_42_two_configured_sources_that_differ_are_refused() {
    // The `{workspace}` of the path is the other one.
    let both = json!({
        "path": "/both/{workspace}/**",
        "access": "member",
        "workspace": {"header": "x-workspace-id"},
    });
    let world = World::plan().route(both).start();
    let token = world.token("user_admin");
    let ask = |path: &str, header: &str| {
        let request = world.get(path).bearer(&token);
        request.header("x-workspace-id", header).send()
    };

    ask("/both/ws_1/x", "ws_2").refused(400);
    world.upstream.saw_nothing();
    ask("/both/ws_1/x", "ws_1").passed();
    assert_eq!(world.upstream.only().values("x-workspace-id"), ["ws_1"]);
}
