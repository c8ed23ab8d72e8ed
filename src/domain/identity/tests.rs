use http::HeaderMap;
use proptest::prelude::*;

use super::*;

fn alice() -> TrustedHeaders {
    let mut headers = TrustedHeaders::new(Arc::new(TrustedNames::new(["x-plan"])), false);
    headers.say(name::USER_ID, HeaderValue::from_static("alice"));
    headers.say(name::AUTH_KIND, HeaderValue::from_static("user"));
    headers
}

fn listing(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |v: &HeaderValue| v.to_str().expect("ASCII").to_owned();
    headers
        .iter()
        .map(|(n, v)| (n.to_string(), text(v)))
        .collect()
}

fn after(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(
            HeaderName::try_from(*name).expect("a name"),
            value.parse().expect("a value"),
        );
    }
    alice().apply(&mut headers);
    alice().apply(&mut headers);
    let mut listing = listing(&headers);
    listing.retain(|(name, _)| name != "x-auth-kind");
    listing
}

#[test]
fn a_client_cannot_speak_under_a_trusted_name() {
    for forged in [
        "x-user-id",
        "X-USER-ID",
        "x_user_id",
        "X-User_Id",
        "x.user.id",
        "x~user|id",
        "x-user-id ",
    ] {
        let seen = after(&[(forged.trim(), "admin"), ("x-user-id", "admin")]);
        assert_eq!(
            seen,
            [("x-user-id".to_owned(), "alice".to_owned())],
            "{forged}"
        );
    }
}

#[test]
fn a_name_for_which_we_have_no_value_is_absent_and_not_the_clients() {
    for forged in [
        "x-workspace-role",
        "x_workspace_role",
        "x-plan",
        "X_Plan",
        "x-clerk-auth-token",
        "x-bailiff-x",
        "x_clerk_y",
    ] {
        assert_eq!(after(&[(forged, "owner")]).len(), 1, "{forged}");
    }
}

#[test]
fn headers_that_change_method_path_or_origin_do_not_come_from_strangers() {
    for forged in [
        "x-http-method-override",
        "x-original-url",
        "x-rewrite-url",
        "forwarded",
        "x-forwarded-host",
        "x_forwarded_for",
        "x-real-ip",
        "x-forwarded-prefix",
    ] {
        assert_eq!(after(&[(forged, "/admin")]).len(), 1, "{forged}");
    }
    assert_eq!(
        after(&[("accept", "*/*"), ("x-user", "me"), ("x-user-idx", "1")]).len(),
        4,
        "others pass"
    );
}

/// A name of the class in full: where only its beginning counts, with something behind.
fn overriding() -> impl Iterator<Item = String> {
    overrides::all().map(|(name, _)| name.replace('*', "x"))
}

#[test]
fn no_field_that_overrides_what_was_judged_gets_through_in_any_spelling() {
    for name in overriding() {
        for forged in [
            name.clone(),
            name.replace('_', "-"),
            name.replace('_', "."),
            name.to_uppercase(),
        ] {
            assert_eq!(
                after(&[(&forged, "/admin"), (&forged, ""), (&name, "/public")]).len(),
                1,
                "{forged}"
            );
        }
        let what = TrustedNames::overridden(&name.replace('_', "-"));
        assert!(what.is_some(), "{name} is named by explain");
    }
    assert_eq!(
        TrustedNames::overridden("Script.Name"),
        Some(Override::Path)
    );
    assert_eq!(TrustedNames::overridden("$WSRU"), Some(Override::User));
    assert_eq!(TrustedNames::overridden("x-user-id"), None);
    assert_eq!(TrustedNames::overridden("x-forwarded-for"), None);
}

#[test]
fn the_page_of_known_attacks_has_a_row_for_each_of_them() {
    let page = include_str!("../../../docs/known-attacks.md");
    let section = page
        .split("\n## ")
        .find(|s| s.starts_with("Fields that override"))
        .expect("the section");
    let rows = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
    let listed = rows.flat_map(|(names, rest)| {
        let what = rest.split(" | ").next().unwrap_or_default();
        names
            .split('`')
            .step_by(2)
            .map(move |name| format!("{name}: {what}"))
    });
    let mut listed: Vec<_> = listed.filter(|line| !line.starts_with(':')).collect();
    let mut known: Vec<_> = overrides::all()
        .map(|(name, what)| format!("{name}: {what}"))
        .collect();
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);
}

#[test]
fn what_honest_clients_send_gets_through() {
    let honest = [
        "accept",
        "accept-encoding",
        "access-control-request-headers",
        "apikey",
        "cache-control",
        "content-type",
        "cookie",
        "cf-ray",
        "dpop",
        "etag",
        "forward",
        "hx-request",
        "if-none-match",
        "iv",
        "next-action",
        "next-router-state-tree",
        "origin",
        "pathway",
        "range",
        "referer",
        "rsc",
        "sec-fetch-site",
        "sec-websocket-key",
        "sentry-trace",
        "signature",
        "traceparent",
        "upgrade-insecure-requests",
        "user-agent",
        "x-api-key",
        "x-csrf-token",
        "x-device-id",
        "x-host-name",
        "x-middleware-prefetch",
        "x-ms-version",
        "x-nextjs-data",
        "x-original-filename",
        "x-requested-with",
        "x-scheme-version",
        "x-user",
        "x-user-agent",
    ];
    for name in honest {
        assert_eq!(after(&[(name, "1")]).len(), 2, "{name} is stripped");
    }
}

#[test]
fn a_field_that_the_config_lets_through_comes_in_that_spelling_only() {
    let name = HeaderName::from_static;
    let names = TrustedNames::new([])
        .with_passed(name("x-http-method-override"), PassedFrom::AnyClient)
        .with_passed(name("x-auth-request-user"), PassedFrom::TrustedProxies)
        .with_passed(name("x-forwarded-prefix"), PassedFrom::TrustedProxies)
        .with_passed(name("x-user-id"), PassedFrom::AnyClient);
    let names = Arc::new(names);
    let left = |trusted_peer| {
        let mut headers = HeaderMap::new();
        for sent in [
            "x-http-method-override",
            "x_http_method_override",
            "x-auth-request-user",
            "x-auth-request_user",
            "x-auth-request-email",
            "x-forwarded-prefix",
            "x-forwarded-user",
            "x-user-id",
        ] {
            headers.insert(name(sent), HeaderValue::from_static("1"));
        }
        TrustedHeaders::new(names.clone(), trusted_peer).apply(&mut headers);
        let mut left: Vec<_> = headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        left.sort_unstable();
        left
    };
    assert_eq!(left(false), ["x-http-method-override"]);
    assert_eq!(
        left(true),
        [
            "x-auth-request-user",
            "x-forwarded-prefix",
            "x-http-method-override"
        ]
    );
}

#[test]
fn a_trusted_proxy_is_not_believed_in_what_it_only_passes_on() {
    let mut headers = HeaderMap::new();
    let passed_on = overriding().map(|name| name.replace('_', "-"));
    for name in passed_on {
        headers.insert(
            HeaderName::try_from(name).expect("a name"),
            HeaderValue::from_static("1"),
        );
    }
    TrustedHeaders::new(Arc::new(TrustedNames::new([])), true).apply(&mut headers);
    assert!(headers.is_empty(), "{headers:?}");
}

#[test]
fn a_claim_cannot_be_sent_under_a_name_of_ours() {
    for name in [
        "x-user-id",
        "X_User_Id",
        "x-clerk-plan",
        "x-request-id",
        "x-forwarded-for",
        "forwarded",
    ] {
        assert!(TrustedNames::reserves(name), "{name}");
    }
    for name in ["x-http-method-override", "Remote-User", "script_name"] {
        assert!(TrustedNames::reserves(name), "{name}");
    }
    for name in [
        "Host",
        "Content-Length",
        "transfer-encoding",
        "connection",
        "Authorization",
        "cookie",
    ] {
        assert!(TrustedNames::reserves(name), "{name}");
    }
    assert!(!TrustedNames::reserves("x-plan"));
}

#[test]
fn a_name_of_the_config_is_stripped_however_long_it_is() {
    let long = format!("x-{}", "a-".repeat(60));
    let names = Arc::new(TrustedNames::new([long.as_str()]));
    for forged in [long.clone(), long.replace('-', "_")] {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::try_from(forged).expect("a name"),
            HeaderValue::from_static("forged"),
        );
        TrustedHeaders::new(names.clone(), false).apply(&mut headers);
        assert!(headers.is_empty(), "{headers:?}");
    }
}

#[test]
fn a_trusted_proxy_is_believed_in_its_own_spelling_only() {
    let names = Arc::new(TrustedNames::new([]));
    let mut headers = HeaderMap::new();
    for name in [
        "x-forwarded-proto",
        "x_forwarded_proto",
        "x-forwarded_host",
        "x_real_ip",
        "x-real-ip",
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
    }
    TrustedHeaders::new(names, true).apply(&mut headers);
    let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["x-forwarded-proto", "x-real-ip"]);
}

proptest! {
    #[test]
    fn whatever_the_spelling_the_upstream_sees_exactly_our_value(
        which in 0..name::IDENTITY.len(),
        separators in proptest::collection::vec("[-_.!~|^+*'$&#%`]", 4),
        upper in proptest::collection::vec(any::<bool>(), 40),
    ) {
        let mut separators = separators.into_iter().cycle();
        let spelled: String = name::IDENTITY[which].chars().zip(upper).map(|(c, up)| match c {
            '-' => separators.next().expect("a cycle"),
            c if up => c.to_uppercase().to_string(),
            c => c.to_string(),
        }).collect();
        let mut headers = HeaderMap::new();
        headers.append(HeaderName::try_from(&spelled).expect("a token"), HeaderValue::from_static("forged"));
        alice().apply(&mut headers);
        prop_assert!(headers.values().all(|v| v != "forged"), "{}", spelled);
        prop_assert_eq!(headers.len(), 2);
    }
}
