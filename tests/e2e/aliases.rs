//! Names and values that say the same to some app as another does to the gate (attacks ).

use serde_json::json;

use crate::harness::World;

#[test]
fn a_04_another_spelling_of_the_header_that_names_the_workspace_never_reaches_the_app() {
    let route =
        json!({"path": "/tenants/**", "access": "member", "workspace": {"header": "x-tenant"}});
    let world = World::plan().route(route).start();
    let token = world.token("user_a");
    let request = || world.get("/tenants/x").bearer(&token);

    for alias in ["X_Tenant", "x.tenant", "X~TENANT"] {
        for pair in [
            [("X-Tenant", "ws_1"), (alias, "ws_2")],
            [(alias, "ws_2"), ("X-Tenant", "ws_1")],
        ] {
            request().headers(pair).send().passed();
            let seen = world.upstream.only();
            assert_eq!(seen.values("x-tenant"), ["ws_1"], "given: {alias}");
            assert!(!seen.contains("ws_2"), "given: {alias}");
        }
        request().header(alias, "ws_1").send().forbidden();
    }
    world.upstream.saw_nothing();
}

#[test]
fn a_04_another_spelling_of_a_name_that_frames_or_routes_never_reaches_the_app() {
    let world = World::start();
    let names = [
        "X_Request_Id",
        "x.request.id",
        "Content_Length",
        "Transfer_Encoding",
        "Proxy_Authorization",
        "Keep_Alive",
        "Proxy",
    ];
    let fields = names.map(|name| (name, "5"));

    world
        .post("/public/x", "a body")
        .headers(fields)
        .header("X-Request-Id", "ours")
        .send()
        .passed();

    let seen = world.upstream.only();
    for name in names {
        assert!(
            seen.values(name).is_empty(),
            "{name} came through: {seen:?}"
        );
    }
    assert_eq!(seen.header("x-request-id").as_deref(), Some("ours"));
    assert_eq!(seen.body, b"a body");
}

#[test]
fn a_12_a_long_chain_from_a_client_does_not_push_out_what_proxies_have_written() {
    let world = World::plan()
        .config(|c| c["trusted_proxies"] = json!(["127.0.0.1"]))
        .start();
    let claimed = format!("{}203.0.113.7", "6.6.6.6, ".repeat(200));

    world
        .get("/public/x")
        .header("X-Forwarded-For", claimed)
        .send()
        .passed();

    let chain = world
        .upstream
        .only()
        .header("x-forwarded-for")
        .expect("a chain");
    assert!(
        chain.ends_with("6.6.6.6, 203.0.113.7, 127.0.0.1"),
        "{chain}"
    );
    assert!(chain.len() <= 1024, "{}", chain.len());
}

#[test]
fn a_58_a_session_cookie_of_another_user_is_seen_however_it_is_written() {
    let world = World::start();
    let (token, other) = (world.token("user_a"), world.token("user_b"));
    let encoded = other.replace('.', "%2E");
    for cookie in [
        format!("__session={other}"),
        format!("__session ={other}"),
        format!("__session= {other}"),
        format!("a=1;\t__session\t=\t\"{other}\""),
        format!("__session={encoded}"),
    ] {
        let request = world.get("/api/x").bearer(&token);
        request.header("Cookie", cookie).send().not_authenticated();
    }
    world.upstream.saw_nothing();
    world
        .get("/api/x")
        .bearer(&token)
        .header("Cookie", format!("__session = {token}"))
        .send()
        .passed();
}
