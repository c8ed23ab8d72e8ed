//! What is refused, by a part of what it says.

use super::*;

#[test]
fn a_route_that_asks_for_what_is_not_configured_is_refused() {
    for (given, expected) in [
        (
            "{path: /h, access: webhook}",
            "access `webhook` without a secret",
        ),
        (
            "{path: /h, access: service}",
            "access `service` without a service token",
        ),
        (
            "{path: /h, access: owner}",
            "and the route does not say in which",
        ),
        (
            "{path: /h, access: user, require: {role: owner}}",
            "`require.role` is a role in a workspace",
        ),
        (
            "{path: /h, access: user, require: {issuer: clark}}",
            "did you mean `clerk`?",
        ),
        (
            "{path: /h, access: user, require: {role: ownr}}",
            "did you mean `owner`?",
        ),
    ] {
        assert!(route(given).contains(expected), "{given}\n{}", route(given));
    }
    let without = |line: &str| {
        let text = format!("upstream: {APP}\nroutes:\n  - {line}\n");
        printed(file(&text, env()))
    };
    assert!(
        without("{path: /h, access: active}")
            .contains("access `active` needs to know who is active")
    );
    assert!(
        without("{path: \"/{workspace}\", access: user}")
            .contains("a route with a workspace needs to know its members")
    );
    assert!(without("{path: /h, access: owner}").contains("roles need a `membership:` section"));
    assert!(
        !without("{path: \"/{workspace}\", access: public}").contains("error["),
        "a plain segment here"
    );
}

#[test]
fn a_132_rules_that_can_never_hold_or_never_be_looked_at_are_errors() {
    for (given, expected) in [
        (
            "{path: /h, access: public, require: {plan: pro}}",
            "`require` is never looked at on a route with access `public`",
        ),
        (
            "{path: /h, access: optional, workspace: {claim: org}}",
            "`workspace` is never looked at",
        ),
        (
            "{path: /h, access: deny, require: {plan: pro}}",
            "`require` is never looked at",
        ),
        (
            "{path: /h, access: active, allow_suspended: true}",
            "`allow_suspended` has no effect",
        ),
        (
            "{path: /h, access: public, mode: report}",
            "`mode` cannot be `report`",
        ),
        (
            "{path: /h, access: user, methods: []}",
            "`methods` is an empty list",
        ),
        (
            "{path: /h, access: user, methods: [get]}",
            "did you mean `GET`?",
        ),
        (
            "{path: /h, access: user, methods: [GET, GET]}",
            "`methods` names GET twice",
        ),
        (
            "{path: /h, access: webhook, methods: [POST, PUT]}",
            "`methods` of a webhook are wrong",
        ),
        (
            "{path: /h, access: webhook, max_body: 1MiB}",
            "set `webhooks.max_body`",
        ),
        (
            "{path: /h, access: user, streams_grace: 30s}",
            "no effect without `streams: at_expiry`",
        ),
        (
            "{path: /h, access: user, streams: never, streams_grace: 0s}",
            "no effect without `streams: at_expiry`",
        ),
        (
            "{path: /h, access: user, streams: at_expiry, streams_grace: 25h}",
            "`streams_grace` is out of range",
        ),
        ("{path: /h/, access: user}", "`path` is not a pattern"),
        (
            "{path: /h, access: user, require: {}}",
            "`require` demands nothing",
        ),
        (
            "{path: /h, access: user, require: {permission: org:sys_memberships:read}}",
            "which no token carries",
        ),
        (
            "{path: /h, access: user, require: {permission: read}}",
            "is not a permission",
        ),
        (
            "{path: /h, access: user, require: {plan: x:pro}}",
            "has an unknown scope",
        ),
        (
            "{path: /h, access: user, require: {impersonation: allow}}",
            "has an unknown value",
        ),
        ("{path: /h, access: user, workspace: {}}", "names no source"),
        (
            "{path: /h, access: user, workspace: {header: authorization}}",
            "never comes from outside",
        ),
        (
            "{path: /h, access: user, workspace: {header: x-user-id}}",
            "never comes from outside",
        ),
        (
            "{path: /h, access: user, workspace: {claim: sub}}",
            "expected `org`",
        ),
    ] {
        assert!(route(given).contains(expected), "{given}\n{}", route(given));
    }
    for (given, expected) in [
        ("routes: []\n", "`routes` is an empty list"),
        (
            "clerk: {publishable_key: pk_live_Y2xlcmsuZXhhbXBsZS5jb20k, authorized_parties: []}\n",
            "`authorized_parties` is an empty list",
        ),
        (
            "clerk: {publishable_key: pk_live_Y2xlcmsuZXhhbXBsZS5jb20k, azp: required}\n",
            "`azp` without `authorized_parties`",
        ),
        ("cors: {origins: []}\n", "`origins` is an empty list"),
        ("cors: {credentials: true}\n", "`cors` has no `origins`"),
        ("issuers: []\n", "`issuers` is an empty list"),
        ("service_tokens: []\n", "`service_tokens` is an empty list"),
        (
            "webhooks: {tolerance: 5m}\n",
            "`webhooks` without `secrets`",
        ),
        (
            "membership: {file: m.yaml, roles: []}\n",
            "`roles` is an empty list",
        ),
        (
            "membership: {file: m.yaml, roles: [user]}\n",
            "the role `user` has the name of a word",
        ),
        (
            "membership: {file: m.yaml, roles: [a, b, a]}\n",
            "names `a` twice",
        ),
        (
            "membership: {file: m.yaml, roles: [\"org:admin\"]}\n",
            "has the prefix `org:`",
        ),
        (
            "keys: {refresh: 2h, max_age: 1h}\n",
            "`keys.max_age` is not longer than `keys.refresh`",
        ),
        (
            "paths: {case: lower}\n",
            "expected `sensitive` or `insensitive`",
        ),
        (
            "paths: {suffix: none}\n",
            "expected `significant` or `ignored`",
        ),
        ("paths: {cases: sensitive}\n", "did you mean `case`?"),
        (
            "headers: {pass: [x-user-id]}\n",
            "is a header that bailiff writes",
        ),
        (
            "headers: {pass: [x-clerk-token]}\n",
            "is a header that bailiff writes",
        ),
        (
            "headers: {pass_from_proxies: [x-forwarded-for]}\n",
            "or believes from proxies",
        ),
        (
            "headers: {pass: [accept]}\n",
            "is not stripped, so there is nothing to let through",
        ),
        ("headers: {pass: [\"a b\"]}\n", "is not one name in full"),
        (
            "headers: {pass: [\"x-auth-request-*\"]}\n",
            "is not one name in full: no `*`",
        ),
        (
            "headers: {pass: [x_http_method_override]}\n",
            "is written with `-`",
        ),
        (
            "headers: {pass: [x-scheme], pass_from_proxies: [x-scheme]}\n",
            "`x-scheme` stands under `pass`, too",
        ),
        (
            "headers: {claims: {x-remote-user: sub}}\n",
            "is a header that bailiff writes or strips itself",
        ),
    ] {
        assert!(
            complaint(given).contains(expected),
            "{given}{}",
            complaint(given)
        );
    }
}

#[test]
fn issuers_that_cannot_be_told_apart_or_have_no_keys_are_refused() {
    let clerk = "clerk: {publishable_key: pk_live_Y2xlcmsuZXhhbXBsZS5jb20k, authorized_parties: [https://a.example]";
    for (given, expected) in [
        (
            "issuers: [{name: clerk, issuer: \"https://x.example\", jwks_url: \"https://x.example/j\"}]\n",
            "two issuers have the name `clerk`",
        ),
        (
            "issuers: [{name: b, issuer: \"https://clerk.example.com\", jwks_url: \"https://x.example/j\"}]\n",
            "the issuers `clerk` and `b` are both `https://clerk.example.com`",
        ),
        (
            "issuers: [{name: b, issuer: \"https://x.example\"}]\n",
            "no keys for the issuer `https://x.example`",
        ),
        (
            "issuers: [{name: b, jwks_url: \"https://x.example/j\"}]\n",
            "an issuer without `publishable_key` or `issuer`",
        ),
        (
            "issuers: [{name: b, issuer: \"https://x.example/\", jwks_url: \"https://x.example/j\"}]\n",
            "`issuer` ends with a slash",
        ),
        (
            "issuers: [{name: b, issuer: \"http://x.example\", jwks_url: \"https://x.example/j\"}]\n",
            "`issuer` is not https",
        ),
        (
            "issuers: [{name: b, issuer: \"https://x.example\", jwks_url: \"https://x.example/j\", jwt_key: x}]\n",
            "`jwt_key` does not serve",
        ),
    ] {
        assert!(
            complaint(given).contains(expected),
            "{given}{}",
            complaint(given)
        );
    }
    for (given, expected) in [
        (
            ", issuer: \"https://other.example\"}\n",
            "the publishable key is of `https://clerk.example.com`, and `issuer` says `https://other.example`",
        ),
        (
            ", issuer: \"https://a.clerk.accounts.dev\"}\n",
            "`issuer` is of a development instance, and the publishable key is a live one",
        ),
        (
            ", jwks_url: \"https://a.clerk.accounts.dev/j\"}\n",
            "`jwks_url` is of a development instance",
        ),
        (
            ", secret_key: sk_test_abcdefghijklmnop}\n",
            "of a development and a production instance",
        ),
        (
            ", instance_id: org_1}\n",
            "`instance_id` is not the id of a Clerk instance",
        ),
        (", leeway: 61s}\n", "`leeway` is out of range"),
        (", name: x}\n", "unknown key `name`"),
    ] {
        let text = format!("{clerk}{given}");
        assert!(
            complaint(&text).contains(expected),
            "{text}{}",
            complaint(&text)
        );
    }
}

#[test]
fn a_74_keys_are_not_fetched_from_where_a_config_should_not_lead() {
    for url in [
        "http://keys.example/j",
        "http://8.8.8.8/j",
        "file:///etc/passwd",
        "https://u:p@x.example/j",
        "https://169.254.169.254/j",
        "http://[fd00:ec2::254]/j",
        "https://x.example",
        "https://x.example/j#k",
        "ftp://x.example/j",
    ] {
        let text =
            format!("issuers: [{{name: b, issuer: \"https://x.example\", jwks_url: \"{url}\"}}]\n");
        assert!(
            complaint(&text).contains("error[B002]: `jwks_url` "),
            "{url}\n{}",
            complaint(&text)
        );
    }
    for url in [
        "https://x.example/j?k",
        "http://127.0.0.1:8486/j",
        "http://localhost/j",
        "http://[fd12::1]/j",
    ] {
        let text =
            format!("issuers: [{{name: b, issuer: \"https://x.example\", jwks_url: \"{url}\"}}]\n");
        assert!(
            !complaint(&text).contains("error["),
            "{url}\n{}",
            complaint(&text)
        );
    }
}

#[test]
fn names_that_bailiff_or_http_needs_are_no_headers_for_claims() {
    let long = "x".repeat(65);
    for name in [
        "x-user-id",
        "x-clerk-plan",
        "x-request-id",
        "x-forwarded-for",
        "host",
        "cookie",
        "content-length",
        "connection",
        "authorization",
        "x_plan",
        &long,
    ] {
        let got = complaint(&format!("headers: {{claims: {{{name}: pla}}}}\n"));
        assert!(
            got.contains("error[B002]") && got.contains("a header of your own such as x-plan"),
            "{name}\n{got}"
        );
    }
    assert_eq!(complaint("headers: {claims: {X-Plan: pla}}\n"), "");
    let twice = complaint("headers: {claims: {X-Plan: pla, x-plan: fea}}\n");
    assert!(
        twice.contains("`x-plan` stands twice, as letters of both cases are the same"),
        "{twice}"
    );
}
