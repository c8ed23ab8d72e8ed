//! Issuers beside Clerk: `kind: oidc`, its keys, and for whom its tokens must be made.

use super::*;
use crate::config::settings::KeySource;
use crate::domain::issuer::{ClaimNames, Issuer, IssuerKind};

const KEYS: &str = "jwks_url: \"https://id.example/j\"";

/// What is wrong with an OIDC issuer `b` that has an audience and is right but for `more`.
fn oidc(more: &str) -> String {
    complaint(&format!(
        "issuers: [{{name: b, kind: oidc, issuer: \"https://id.example/\", audience: api, {more}}}]\n"
    ))
}

/// What is wrong with a list of this one issuer.
fn alone_with(issuer: &str) -> String {
    complaint(&format!("issuers: [{{{issuer}}}]\n"))
}

fn read(issuer: &str) -> (Issuer, KeySource) {
    let text = format!("upstream: {APP}\nissuers: [{{{issuer}}}]\n");
    let loaded = file(&text, FakeEnv::new()).unwrap_or_else(|faults| panic!("{faults}"));
    let live = loaded.settings.reloadable;
    (
        live.rules.issuers[0].clone(),
        live.issuers[0].source.clone(),
    )
}

#[test]
fn an_oidc_issuer_needs_no_more_than_its_name_its_url_and_for_whom_its_tokens_are() {
    let (issuer, source) =
        read("name: b, kind: oidc, issuer: \"https://id.example/realms/x/\", client_id: app-1");
    assert_eq!(
        (&*issuer.name, &*issuer.iss, issuer.kind),
        ("b", "https://id.example/realms/x/", IssuerKind::Oidc)
    );
    assert_eq!(*issuer.claim_names, ClaimNames::of(IssuerKind::Oidc));
    assert_eq!(issuer.claims.client_id.as_deref(), Some("app-1"));
    let KeySource::Discovery { issuer, url } = source else {
        panic!("no discovery: {source:?}")
    };
    assert_eq!(
        &*issuer, "https://id.example/realms/x/",
        "nothing is normalised"
    );
    assert_eq!(
        url,
        "https://id.example/realms/x/.well-known/openid-configuration"
    );

    let (_, source) = read(
        "name: b, kind: oidc, issuer: \"https://id.example\", audience: x, jwks_uri: \"https://k.example/j\"",
    );
    assert!(matches!(source, KeySource::Url(url) if url == "https://k.example/j"));
    assert_eq!(
        oidc("leeway: 5s, verify_iat: false, max_token_age: 1h"),
        "",
        "no warning either"
    );
}

#[test]
fn every_claim_can_be_mapped_to_another_name() {
    let claims =
        "claims: {user_id: \"https://x.example/id\", email: [mail, upn], name: nick, tenant: tid}";
    let (issuer, _) = read(&format!(
        "name: b, kind: oidc, issuer: \"https://id.example\", audience: x, {claims}"
    ));
    let names = &issuer.claim_names;
    assert_eq!(
        (&*names.user_id, names.tenant.as_deref()),
        ("https://x.example/id", Some("tid"))
    );
    assert_eq!(
        (
            names.email.join(" "),
            names.name.join(" "),
            names.name_parts.len()
        ),
        ("mail upn".into(), "nick".into(), 0)
    );

    let text = format!(
        "upstream: {APP}\nclerk: {{publishable_key: {KEY}, claims: {{user_id: sub, email: mail, tenant: team}}}}\n"
    );
    let loaded = file(&text, FakeEnv::new()).unwrap_or_else(|faults| panic!("{faults}"));
    let names = loaded.settings.reloadable.rules.issuers[0]
        .claim_names
        .clone();
    assert_eq!(
        (
            names.email.join(" "),
            names.tenant.as_deref(),
            names.name_parts.len()
        ),
        ("mail".into(), Some("team"), 2)
    );
}

#[test]
fn an_issuer_whose_tokens_may_be_for_anybody_is_refused_with_the_reason() {
    let got = alone_with("name: b, kind: oidc, issuer: \"https://id.example\"");
    let expected = "\
error[B004]: an OIDC issuer without `audience` or `client_id`: a token that it made for any other app would pass
 --> b.yaml:1:11
";
    assert!(got.contains(expected), "{got}");
    assert!(
        got.contains("fix    `audience:` with what access tokens for your API have in `aud`"),
        "{got}"
    );
}

#[test]
fn what_would_have_no_effect_or_another_one_than_meant_is_refused() {
    for (given, expected) in [
        (
            "publishable_key: pk_live_Y2xlcmsuZXhhbXBsZS5jb20k",
            "`publishable_key` is for issuers of `kind: clerk`",
        ),
        (
            "secret_key: sk_test_abcdefghijklmnop",
            "`secret_key` is for issuers of `kind: clerk`",
        ),
        (
            "instance_id: ins_1",
            "`instance_id` is for issuers of `kind: clerk`",
        ),
        (
            "authorized_parties: [\"https://a.example\"]",
            "name the client for which tokens must be made: `client_id: …`",
        ),
        ("azp: optional", "`azp` is for issuers of `kind: clerk`"),
        (
            "allow_pending: true",
            "only Clerk's sessions can be pending",
        ),
        (
            "allow_jwt_templates: true",
            "an OIDC token needs no session",
        ),
        (
            "client_id: pk_live_Y2xlcmsuZXhhbXBsZS5jb20k",
            "`client_id` is a publishable key of Clerk: write `kind: clerk`",
        ),
        ("client_id: \"a b\"", "`client_id` is no client id"),
        ("claims: {}", ""),
        ("claims: {sub: x}", "unknown key `sub`"),
        (
            "claims: {user_id: [a, b]}",
            "`user_id` must be a single value",
        ),
        ("claims: {tenant: [a]}", "`tenant` must be a single value"),
        ("claims: {email: []}", "`email` is an empty list"),
        (
            "claims: {email: [a, b, c, d, e, f, g, h, i]}",
            "`email` names too many claims",
        ),
        (
            "claims: {user_id: iss}",
            "`user_id` is `iss`, which names no user",
        ),
        (
            "claims: {user_id: jti}",
            "`user_id` is `jti`, which names no user",
        ),
        (
            "claims: {user_id: email}",
            "warning[B011]: users are told apart by `email`, which can be changed",
        ),
        (
            "jwks_url: \"https://a.example/j\", jwks_uri: \"https://a.example/j\"",
            "`jwks_url` and `jwks_uri` are both given",
        ),
        (
            "jwks_uri: \"https://a.example/j\", jwt_key: x",
            "`jwt_key` does not serve",
        ),
        (
            "jwks_uri: \"http://a.example/j\"",
            "`jwks_uri` is not https",
        ),
    ] {
        let got = oidc(given);
        assert!(
            got.contains(expected) && (!expected.is_empty() || got.is_empty()),
            "{given}\n{got}"
        );
    }
    let long = oidc(&format!("claims: {{user_id: {}}}", "x".repeat(256)));
    assert!(
        long.contains("`user_id` is too long for the name of a claim"),
        "{long}"
    );
    for (given, expected) in [
        (
            "name: clerk, kind: oidc, issuer: \"https://id.example\", audience: x",
            "the name `clerk` is for an issuer of `kind: clerk`",
        ),
        (
            "name: b, kind: oicd, issuer: \"https://id.example\", audience: x",
            "did you mean `oidc`?",
        ),
        (
            "name: b, kind: oidc, audience: x",
            "an OIDC issuer without `issuer`",
        ),
        (
            "name: b, kind: oidc, issuer: \"https://Id.example\", audience: x",
            "`issuer` has a host with upper-case letters",
        ),
        (
            "name: b, kind: oidc, issuer: \"https://id.example/?x\", audience: x",
            "`issuer` has a query",
        ),
        (
            "name: b, kind: oidc, issuer: \"http://id.example\", audience: x",
            "`issuer` is not https",
        ),
        (
            "name: \"b:c\", kind: oidc, issuer: \"https://id.example\", audience: x",
            "`name` is not a name",
        ),
    ] {
        assert!(
            alone_with(given).contains(expected),
            "{given}\n{}",
            alone_with(given)
        );
    }
    let misspelt = alone_with("name: b, kind: oicd, issuer: \"https://id.example\", audience: x");
    assert_eq!(
        misspelt.matches("error[").count(),
        1,
        "one mistake is one fault:\n{misspelt}"
    );
}

#[test]
fn clerks_users_stay_who_they_are_and_its_client_id_names_its_instance() {
    let clerk = |more: &str| {
        alone_with(&format!(
            "name: b, issuer: \"https://x.example\", {KEYS}, authorized_parties: [\"https://a.example\"], {more}"
        ))
    };
    // https://x.example and https://clerk.example.com
    let (own, other) = ("pk_live_eC5leGFtcGxlJA", "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k");
    assert_eq!(clerk(&format!("client_id: {own}")), "");
    for (given, expected) in [
        (
            format!("client_id: {other}"),
            "`client_id` is a key of `https://clerk.example.com`, and the issuer is `https://x.example`",
        ),
        (
            "client_id: app-1".to_owned(),
            "`client_id` has an unknown beginning",
        ),
        (
            "client_id: sk_test_abcdefghijklmnop".to_owned(),
            "`client_id` is a secret key",
        ),
        (
            "claims: {user_id: email}".to_owned(),
            "`user_id` cannot be another claim than `sub`",
        ),
    ] {
        let got = clerk(&given);
        assert!(got.contains(expected), "{given}\n{got}");
    }
}
