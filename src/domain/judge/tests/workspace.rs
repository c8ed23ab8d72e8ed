//! Which workspace a request names: only the configured sources count (attacks ).

use super::*;

fn header() -> WorkspaceSource {
    WorkspaceSource::Header(HeaderName::from_static("x-tenant"))
}

fn asking(path: &str, sources: Vec<WorkspaceSource>) -> Snapshot {
    gate([Route {
        workspace: sources,
        ..route(path, Access::Role(role("member")))
    }])
}

fn owner() -> Mint {
    mint("user_owner")
}

#[test]
fn the_path_names_the_workspace() {
    let gate = gate([route("/ws/{workspace}/**", Access::Role(role("member")))]);
    for (target, verdict) in [
        ("/ws/ws_1", "forward user_owner"),
        ("/ws/ws_1/", "forward user_owner"),
        ("/ws/ws_1/boards?workspace=ws_2", "forward user_owner"),
        ("/ws/ws%5F1/boards", "forward user_owner"),
        ("/ws/ws_2", "reject not_a_member"),
        ("/ws/WS_1", "reject not_a_member"),
        ("/ws/ws_9", "reject not_a_member"),
        ("/ws/ws_1,ws_2", "reject bad_workspace"),
        ("/ws/ws%201", "reject bad_workspace"),
        ("/ws", "reject no_route"),
    ] {
        assert_eq!(
            get(target).bearer(&owner().sign(key())).at(&gate),
            verdict,
            "{target}"
        );
    }
    let long = format!("/ws/{}", "w".repeat(256));
    assert_eq!(
        get(&long).bearer(&owner().sign(key())).at(&gate),
        "reject bad_workspace"
    );
}

#[test]
fn a_header_names_the_workspace_once_and_as_an_id() {
    let gate = asking("/boards", vec![header()]);
    let request = |values: &[&[u8]]| {
        let request = get("/boards").bearer(&owner().sign(key()));
        values
            .iter()
            .fold(request, |request, value| request.field("x-tenant", value))
            .at(&gate)
    };
    for (given, values, verdict) in [
        ("its own", &[&b"ws_1"[..]][..], "forward user_owner"),
        ("another's", &[b"ws_2"], "reject not_a_member"),
        ("none", &[], "reject no_workspace"),
        ("two fields", &[b"ws_1", b"ws_2"], "reject bad_workspace"),
        (
            "the same twice",
            &[b"ws_1", b"ws_1"],
            "reject bad_workspace",
        ),
        ("a comma list", &[b"ws_1,ws_2"], "reject bad_workspace"),
        ("an empty field", &[b""], "reject bad_workspace"),
        ("8-bit bytes", &[b"\xff"], "reject bad_workspace"),
        ("a space", &[b"ws 1"], "reject bad_workspace"),
    ] {
        assert_eq!(request(values), verdict, "{given}");
    }
}

#[test]
fn the_organization_of_the_token_names_the_workspace() {
    let gate = asking("/boards", vec![WorkspaceSource::TokenOrg]);
    for (given, token, verdict) in [
        (
            "its organization",
            owner().org("org_1", "acme", "admin", &[]),
            "forward user_owner",
        ),
        (
            "the same in version 1",
            owner().v1_org("org_1", "acme", "org:admin", &[]),
            "forward user_owner",
        ),
        (
            "another organization",
            owner().org("org_2", "other", "admin", &[]),
            "reject not_a_member",
        ),
        (
            "an unknown one, whatever the token's role",
            owner().org("org_9", "x", "owner", &[]),
            "reject not_a_member",
        ),
        ("none", owner(), "reject no_workspace"),
    ] {
        assert_eq!(
            get("/boards").bearer(&token.sign(key())).at(&gate),
            verdict,
            "{given}"
        );
    }
}

#[test]
fn several_sources_must_name_the_same_workspace() {
    let sources = || {
        vec![
            WorkspaceSource::Segment(1),
            header(),
            WorkspaceSource::TokenOrg,
        ]
    };
    let gate = asking("/ws/{workspace}", sources());
    for (given, path, field, org, verdict) in [
        (
            "all three agree",
            "ws_1",
            Some("ws_1"),
            Some("org_1"),
            "forward user_owner",
        ),
        ("the path alone", "ws_1", None, None, "reject no_workspace"),
        (
            "the token says nothing",
            "ws_1",
            Some("ws_1"),
            None,
            "reject no_workspace",
        ),
        (
            "path and header differ",
            "ws_1",
            Some("ws_2"),
            Some("org_1"),
            "reject bad_workspace",
        ),
        (
            "path and token differ",
            "ws_1",
            Some("ws_1"),
            Some("org_2"),
            "reject bad_workspace",
        ),
        (
            "header and token differ from the path",
            "ws_2",
            Some("ws_1"),
            Some("org_1"),
            "reject bad_workspace",
        ),
        (
            "a header that is no id spoils the rest",
            "ws_1",
            Some("ws,1"),
            None,
            "reject bad_workspace",
        ),
    ] {
        let token = org
            .map_or(owner(), |org| owner().org(org, "slug", "admin", &[]))
            .sign(key());
        let request = get(&format!("/ws/{path}")).bearer(&token);
        let request = field
            .into_iter()
            .fold(request, |request, value| request.field("x-tenant", value));
        assert_eq!(request.at(&gate), verdict, "{given}");
    }
}

#[test]
fn a_place_that_is_not_configured_is_not_looked_at_and_never_reaches_the_upstream_as_ours() {
    let gate = gate([route("/ws/{workspace}", Access::Role(role("member")))]);
    let request = get("/ws/ws_1?workspace=ws_2")
        .bearer(&owner().org("org_2", "other", "owner", &[]).sign(key()))
        .field("x-workspace-id", "ws_2")
        .field("x_workspace_id", "ws_2")
        .field("x-workspace-role", "owner");
    let headers = request.upstream(&gate);
    assert_eq!(values(&headers, "x-workspace-id"), ["ws_1"]);
    assert_eq!(values(&headers, "x-workspace-role"), ["owner"]);
    assert!(!headers.contains_key("x_workspace_id"));
}

#[test]
fn a_workspace_on_a_route_for_any_user_asks_for_membership_in_it() {
    for (access, user, verdict) in [
        (Access::User, "user_member", "forward user_member"),
        (Access::User, "user_two", "reject not_a_member"),
        (Access::User, "user_unknown", "reject not_a_member"),
        (Access::Active, "user_member", "forward user_member"),
        (Access::Active, "user_two", "reject not_a_member"),
        (Access::Optional, "user_two", "reject not_a_member"),
    ] {
        let gate = gate([route("/ws/{workspace}", access)]);
        assert_eq!(
            get("/ws/ws_1").bearer(&token(user)).at(&gate),
            verdict,
            "{user} on {access:?}"
        );
    }
    let open = gate([route("/ws/{workspace}", Access::Optional)]);
    assert_eq!(get("/ws/ws_1").at(&open), "forward nobody");
}

#[test]
fn where_a_suffix_is_only_a_format_the_workspace_is_what_stands_before_it() {
    use crate::domain::routes::Suffix;
    let rules = PathRules {
        suffix: Suffix::Ignored,
        ..PathRules::default()
    };
    let by_path = route("/ws/{workspace}/**", Access::Role(role("member")));
    let table = RouteTable::new(vec![by_path], rules).expect("one route");
    let gate = ruled(gate([]), |rules| rules.routes = table);
    let ask = |path| get(path).bearer(&token("user_member")).at(&gate);
    assert_eq!(ask("/ws/ws_1.json"), "forward user_member");
    assert_eq!(ask("/ws/ws_2.json"), "reject not_a_member");
    assert_eq!(ask("/ws/ws_1.x/y"), "reject not_a_member");
}
