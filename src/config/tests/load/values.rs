use std::time::Duration;

use http::{HeaderName, Method};

use super::*;
use crate::config::settings::KeySource;
use crate::domain::routes::{
    Access, Condition, LetterCase, MAX_GRACE, Methods, Mode, PathRules, Streams, Suffix,
    WorkspaceSource,
};

#[test]
fn the_environment_alone_is_a_working_gate() {
    let loaded = alone(&env()).expect("a config");
    let (fixed, live) = (&loaded.settings.fixed, &loaded.settings.reloadable);
    assert_eq!(
        fixed
            .listen
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["0.0.0.0:8484"]
    );
    assert_eq!(fixed.admin.to_string(), "127.0.0.1:8485");
    assert_eq!(fixed.upstream.to_string(), APP);
    let routes: Vec<_> = live
        .rules
        .routes
        .iter()
        .map(|r| (r.pattern.text().to_string(), r.access))
        .collect();
    assert_eq!(routes, [("/**".to_owned(), Access::User)]);
    assert_eq!(
        &*live.rules.issuers[0].iss,
        "https://amused-cat-7.clerk.accounts.dev"
    );
    assert_eq!(&*live.issuers[0].name, "clerk");
    let KeySource::Url(url) = &live.issuers[0].source else {
        panic!("no URL")
    };
    assert_eq!(
        url,
        "https://amused-cat-7.clerk.accounts.dev/.well-known/jwks.json"
    );
}

#[test]
fn the_config_of_the_design_loads() {
    let text = "\
listen: 0.0.0.0:8484
upstream: http://127.0.0.1:3000
admin: 127.0.0.1:8485
clerk:
  publishable_key: ${CLERK_PUBLISHABLE_KEY}
  authorized_parties: [https://app.example.com]
  leeway: 10s
  verify_iat: true
membership:
  file: membership.yaml
  roles: [member, admin, owner]
webhooks:
  secrets: [\"${CLERK_WEBHOOK_SECRET}\"]
service_tokens: [{name: engine, token: \"${SERVICE_AUTH_TOKEN}\"}]
routes:
  - {path: /healthz, access: public}
  - {path: /api/webhooks/clerk, methods: [POST], access: webhook}
  - {path: /api/auth/**, access: user}
  - {path: \"/api/workspaces/{workspace}\", methods: [DELETE], access: owner}
  - {path: \"/api/workspaces/{workspace}/**\", access: member}
  - {path: /api/**, access: active}
  - {path: /internal/**, access: service}
";
    let env = env()
        .with_var(
            "CLERK_WEBHOOK_SECRET",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        )
        .with_var("SERVICE_AUTH_TOKEN", "0123456789abcdef");
    let loaded = file(text, env).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.warnings.to_string(), "");
    assert_eq!(loaded.settings.reloadable.rules.routes.iter().count(), 7);
    let source = loaded.settings.reloadable.membership.expect("a membership");
    assert_eq!(
        source.from.file(),
        Some(Path::new("/etc/bailiff/membership.yaml"))
    );
    assert_eq!(loaded.files, [Path::new("/etc/bailiff/bailiff.yaml")]);
}

/// The rules of a config with an upstream, an issuer and a membership, and `text`.
fn rules(text: &str) -> std::sync::Arc<crate::domain::Rules> {
    let env = env().with_var("T", "0123456789abcdef");
    let loaded = file(&format!("membership: {{file: m.yaml}}\n{text}"), env)
        .unwrap_or_else(|faults| panic!("{faults}"));
    loaded.settings.reloadable.rules
}

fn routes(text: &str) -> Vec<crate::domain::routes::Route> {
    rules(&format!("routes:\n{text}"))
        .routes
        .iter()
        .map(|route| (**route).clone())
        .collect()
}

#[test]
fn a_segment_called_workspace_names_it_where_a_membership_is_looked_at() {
    for (given, expected) in [
        (
            "{path: \"/a/{workspace}\", access: member}",
            vec![WorkspaceSource::Segment(1)],
        ),
        (
            "{path: \"/a/{workspace}\", access: user}",
            vec![WorkspaceSource::Segment(1)],
        ),
        ("{path: \"/a/{workspace}\", access: public}", vec![]),
        ("{path: \"/a/{workspace}\", access: optional}", vec![]),
        (
            "{path: /a, access: active, workspace: {claim: org}}",
            vec![WorkspaceSource::TokenOrg],
        ),
        (
            "{path: \"/{workspace}\", access: owner, workspace: [{header: x-workspace-id}, {claim: org}]}",
            vec![
                WorkspaceSource::Segment(0),
                WorkspaceSource::Header(HeaderName::from_static("x-workspace-id")),
                WorkspaceSource::TokenOrg,
            ],
        ),
    ] {
        assert_eq!(
            routes(&format!("  - {given}\n"))[0].workspace,
            expected,
            "given: {given}"
        );
    }
}

#[test]
fn a_route_says_everything_that_its_line_says() {
    let line = "  - {path: /a, methods: [GET, POST], access: active, mode: report, timeout: 2.5, max_body: 64KiB, \
                forward_token: false, require: {permission: [org:a:b, \"c:d\"], feature: x, plan: o:pro, \
                second_factor_within: 10m, issuer: clerk, impersonation: deny}}\n";
    let route = &routes(line)[0];
    assert_eq!(
        route.methods,
        Methods::These(vec![Method::GET, Method::POST])
    );
    assert_eq!((route.access, route.mode), (Access::Active, Mode::Report));
    assert_eq!(route.timeout, Some(Duration::from_millis(2500)));
    assert_eq!(
        (route.max_body, route.forward_token),
        (Some(65_536), Some(false))
    );
    let expected = [
        Condition::Permission("org:a:b".into()),
        Condition::Permission("c:d".into()),
        Condition::Feature("x".into()),
        Condition::Plan("o:pro".into()),
        Condition::SecondFactorWithin(Duration::from_secs(600)),
        Condition::Issuer(vec!["clerk".into()]),
        Condition::NoImpersonation,
    ];
    assert_eq!(route.require, expected);
    let default = &routes("  - {path: /a, access: user}\n")[0];
    assert_eq!(
        (&default.methods, default.mode, default.max_body),
        (&Methods::Usual, Mode::Enforce, None)
    );
}

#[test]
fn a_stream_outlives_its_token_by_nothing_or_by_the_grace_of_its_route() {
    let at_expiry = |grace| Streams::AtExpiry { grace };
    for (given, expected) in [
        ("", Streams::AtRevocation),
        (", streams: at_revocation", Streams::AtRevocation),
        (", streams: never", Streams::Never),
        (", streams: at_expiry", at_expiry(Duration::ZERO)),
        (
            ", streams: at_expiry, streams_grace: 0s",
            at_expiry(Duration::ZERO),
        ),
        (
            ", streams: at_expiry, streams_grace: 1m 30s",
            at_expiry(Duration::from_secs(90)),
        ),
        (
            ", streams: at_expiry, streams_grace: 24h",
            at_expiry(MAX_GRACE),
        ),
    ] {
        assert_eq!(
            routes(&format!("  - {{path: /a, access: user{given}}}\n"))[0].streams,
            expected,
            "given: {given}"
        );
    }
}

#[test]
fn a_webhook_is_a_post_without_saying_so() {
    let rules = rules(
        "webhooks: {secrets: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, tolerance: 1m, max_body: 2KiB}\n\
         routes: [{path: /h, access: webhook}]\n",
    );
    let route = rules.routes.iter().next().expect("a route");
    assert_eq!(route.methods, Methods::These(vec![Method::POST]));
    let policy = rules.webhooks.as_ref().expect("webhooks");
    assert_eq!(
        (policy.secrets.len(), policy.tolerance, policy.max_body),
        (1, Duration::from_secs(60), 2048)
    );
}

#[test]
fn a_body_keeps_the_types_that_it_was_written_with() {
    let rules = rules(
        "answers: {403: {detail: Zoë, n: 1, f: 1.5, t: true, s: \"1\", l: [a, {b: no}], z: 007}}\n",
    );
    let body = rules
        .answers
        .answer(crate::domain::answer::AnswerKind::Forbidden)
        .body;
    let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let expected = serde_json::json!({
        "detail": "Zoë", "n": 1, "f": 1.5, "t": true, "s": "1", "l": ["a", {"b": "no"}], "z": "007",
    });
    assert_eq!(json, expected);
}

#[test]
fn a_header_from_a_claim_is_stripped_from_requests_too() {
    let rules = rules("headers: {claims: {x-plan: pla}}\n");
    assert_eq!(
        rules.claim_headers,
        [(HeaderName::from_static("x-plan"), "pla".into())]
    );
    assert!(
        rules
            .names
            .strips(&HeaderName::from_static("x_plan"), false),
        "in every spelling"
    );
}

#[test]
fn a_header_is_let_through_where_the_config_names_it_and_from_whom() {
    let text = "trusted_proxies: [10.0.0.0/8]\nheaders: {pass: [X-HTTP-Method-Override], pass_from_proxies: [x-scheme]}\n";
    let rules = rules(text);
    let stripped = |name, trusted| rules.names.strips(&HeaderName::from_static(name), trusted);
    assert!(!stripped("x-http-method-override", false));
    assert!(stripped("x_http_method_override", false));
    assert_eq!(
        [stripped("x-scheme", false), stripped("x-scheme", true)],
        [true, false]
    );
    assert!(stripped("x-http-method", true), "and nothing else");
}

#[test]
fn how_the_app_reads_paths_is_as_plain_as_can_be_unless_said_otherwise() {
    let read = |text: &str| rules(text).routes.rules();
    assert_eq!(read(""), PathRules::default());
    let said = read("paths: {case: insensitive, suffix: ignored}\n");
    assert_eq!(
        said,
        PathRules {
            case: LetterCase::Insensitive,
            suffix: Suffix::Ignored
        }
    );
}

#[test]
fn upstreams_and_proxies_are_read_in_each_of_their_forms() {
    for (given, shown, h2c) in [
        ("http://app", "http://app:80", false),
        ("http://127.0.0.1:3000/", "http://127.0.0.1:3000", false),
        ("h2c://[::1]:50051", "h2c://[::1]:50051", true),
        ("unix:/run/app.sock", "unix:/run/app.sock", false),
    ] {
        let text = format!("upstream: \"{given}\"\n");
        let env = FakeEnv::new().with_var("CLERK_PUBLISHABLE_KEY", KEY);
        let upstream = file(&text, env)
            .unwrap_or_else(|faults| panic!("{faults}"))
            .settings
            .fixed
            .upstream;
        assert_eq!((upstream.to_string().as_str(), upstream.h2c), (shown, h2c));
    }
    let rules = rules("trusted_proxies: [10.0.0.0/8, \"::1\", \"::ffff:192.0.2.1\"]\n");
    let shown: Vec<_> = rules
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(shown, ["10.0.0.0/8", "::1/128", "192.0.2.1/32"]);
}

#[test]
fn what_a_file_refers_to_is_followed() {
    let env = env().with_file("/run/token", b"0123456789abcdef", 0o400);
    let text = "service_tokens: [{name: a, token: \"${file:/run/token}\"}]\nroutes: [{path: /**, access: service}]\n";
    let loaded = file(text, env).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(
        loaded.files,
        [
            Path::new("/etc/bailiff/bailiff.yaml"),
            Path::new("/run/token")
        ]
    );
}
