//! A check that cannot fail proves nothing: what the apps, the generator and the oracle are good for.

use std::collections::BTreeSet;

use crate::generate::Case;
use crate::harness::Request;
use crate::oracle::{Seen, judge};
use crate::scene::{ROUTES, Sender, Variant};
use crate::servers::App;

/// A path for each handler that an app has.
const HANDLERS: &[(&str, &str)] = &[
    ("/", "/"),
    ("/public", "/public"),
    ("/public/a/b", "/public/**"),
    ("/login", "/login"),
    ("/items/7/open", "/items/{id}/open"),
    ("/items", "/items/**"),
    ("/items/7", "/items/**"),
    ("/items/7/8", "/items/**"),
    ("/files", "/files"),
    ("/files/7", "/files/**"),
    ("/admin", "/admin/**"),
    ("/admin/a/b", "/admin/**"),
    ("/Mixed/Case", "/Mixed/Case"),
    ("/api/special", "/api/special"),
    ("/api/7", "/api/{id}"),
    ("/api/7/x", "/api/{id}/x"),
    ("/a.b/c-d_e~f", "/a.b/c-d_e~f"),
    ("/users/@me", "/users/@me"),
    ("/users/7", "/users/{id}"),
    ("/closed", "/closed/**"),
    ("/closed/x", "/closed/**"),
    ("/tenant", "/tenant/**"),
    ("/tenant/x/y", "/tenant/**"),
    ("/page", "undeclared:/{page}"),
    ("/a/b", "undeclared:/{a}/{b}"),
    ("/a/b/c", "undeclared:/**"),
];

#[test]
fn every_handler_of_every_app_can_be_reached() {
    let named: BTreeSet<_> = HANDLERS.iter().map(|(_, handler)| *handler).collect();
    assert!(
        ROUTES
            .iter()
            .all(|(pattern, _)| *pattern == "/**" || named.contains(pattern)),
        "each route has a handler"
    );
    for app in App::ALL {
        let server = app.start();
        for (target, handler) in HANDLERS {
            // nginx has one place for all of those.
            let handler = match (app, *handler) {
                (App::Nginx, "undeclared:/{a}/{b}") => "undeclared:/**",
                (_, handler) => handler,
            };
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                let request =
                    Request::new(server.address(), method, target).header("Content-Length", "0");
                let answer = request.send();
                let seen = Seen::of(&answer)
                    .unwrap_or_else(|| panic!("{app:?}, {method} {target}: {answer:?}"));
                assert_eq!(
                    (
                        &*seen.handler,
                        &*seen.method,
                        &*seen.root,
                        &*seen.scheme,
                        &*seen.host,
                        &*seen.user,
                        &*seen.client
                    ),
                    (handler, method, "", "http", "app.test", "", "127.0.0.1"),
                    "{app:?}, {method} {target}",
                );
            }
        }
    }
}

#[test]
fn what_a_client_forges_is_seen_by_every_app_when_nobody_strips_it() {
    for app in App::ALL {
        let server = app.start();
        let request =
            Request::new(server.address(), "GET", "/public/x").header("X-User-Id", "forged");
        let answer = request.header("X-Forwarded-Host", "forged").send();
        let seen = Seen::of(&answer).unwrap_or_else(|| panic!("{app:?}: {answer:?}"));
        assert_eq!(
            seen.trusted(),
            ["x-forwarded-host: forged", "x-user-id: forged"],
            "{app:?}"
        );
    }
}

fn case(variant: Variant, sender: Sender, target: &str) -> Case {
    let (method, host) = ("GET".to_owned(), "app.test".to_owned());
    Case {
        variant,
        sender,
        method,
        target: target.to_owned(),
        host,
        fields: Vec::new(),
    }
}

/// What an app sees of a request without any trouble.
fn honest(sender: Sender, handler: &str) -> Seen {
    let kind = if sender == Sender::Nobody {
        "none"
    } else {
        "user"
    };
    let forwarded = [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "app.test"),
    ];
    let mut fields = [&forwarded[..], &[("HTTP_X_AUTH_KIND", kind)]].concat();
    let session = sender.name().unwrap_or_default().replace("user_", "sess_");
    if let Some(name) = sender.name() {
        fields.extend([
            ("x-user-id", name),
            ("x-clerk-user-id", name),
            ("x-session-id", &session),
        ]);
        fields.extend([("x-access-status", "active"), ("x-auth-issuer", "clerk")]);
    }
    if sender == Sender::Admin {
        fields.push(("x-user-flags", "is_admin"));
    }
    Seen {
        handler: handler.to_owned(),
        method: "GET".to_owned(),
        path: String::new(),
        root: String::new(),
        scheme: "http".to_owned(),
        host: "app.test".to_owned(),
        user: String::new(),
        client: "127.0.0.1".to_owned(),
        fields: fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

#[test]
fn the_oracle_has_nothing_against_an_honest_observation() {
    let fits = |sender, told, target, handler| {
        let case = case(Variant::Open, sender, target);
        assert_eq!(
            judge(App::Flask, &case, &honest(told, handler)),
            [],
            "{sender:?}, {target}, {handler}"
        );
    };
    fits(Sender::Nobody, Sender::Nobody, "/public", "/public");
    fits(
        Sender::Nobody,
        Sender::Nobody,
        "/page",
        "undeclared:/{page}",
    );
    fits(Sender::User, Sender::User, "/items/7", "/items/**");
    fits(Sender::Admin, Sender::Admin, "/admin/x", "/admin/**");
    // Nobody is told to an open route who came along.
    fits(Sender::User, Sender::Nobody, "/login", "/login");
}

#[test]
fn the_oracle_notices_a_handler_that_should_not_have_run() {
    let kinds = |variant, sender, target: &str, handler: &str| {
        let faults = judge(
            App::Flask,
            &case(variant, sender, target),
            &honest(sender, handler),
        );
        faults
            .into_iter()
            .map(|fault| fault.kind)
            .collect::<Vec<_>>()
    };
    let unjudged = "a handler ran whose route the gate did not judge by";
    let unsatisfied = "a handler ran whose route its sender does not satisfy";
    let closed = "a handler ran that is closed or that no route declares";
    for (variant, sender, target, handler, expected) in [
        (
            Variant::Open,
            Sender::Nobody,
            "/items/7",
            "/items/**",
            [unsatisfied].as_slice(),
        ),
        (
            Variant::Open,
            Sender::User,
            "/admin",
            "/admin/**",
            &[unsatisfied],
        ),
        (
            Variant::Open,
            Sender::Admin,
            "/closed",
            "/closed/**",
            &[closed],
        ),
        (
            Variant::Closed,
            Sender::Admin,
            "/",
            "/",
            &[closed, unjudged],
        ),
        (
            Variant::Closed,
            Sender::Admin,
            "/page",
            "undeclared:/{page}",
            &[closed, unjudged],
        ),
        (
            Variant::Closed,
            Sender::Nobody,
            "/api/7/",
            "undeclared:/**",
            &[closed, unjudged],
        ),
        (
            Variant::Open,
            Sender::Admin,
            "/tenant/x",
            "/admin/**",
            &[unjudged],
        ),
        (
            Variant::Open,
            Sender::Nobody,
            "/public/x",
            "/login",
            &[unjudged],
        ),
        // By contract: the slash at the end belongs to the route.
        (
            Variant::Closed,
            Sender::User,
            "/api/7/",
            "undeclared:/**",
            &[],
        ),
    ] {
        assert_eq!(
            kinds(variant, sender, target, handler),
            expected,
            "{variant:?}, {sender:?}, {target}, {handler}"
        );
    }
}

#[test]
fn the_oracle_notices_every_forged_word() {
    let forged = |change: &dyn Fn(&mut Seen)| {
        let mut seen = honest(Sender::User, "/items/**");
        change(&mut seen);
        judge(
            App::Flask,
            &case(Variant::Open, Sender::User, "/items/7"),
            &seen,
        )
    };
    assert_eq!(forged(&|_| ()), []);
    let other = |text: &mut String| "other".clone_into(text);
    let changes: [&dyn Fn(&mut Seen); 6] = [
        &|seen| other(&mut seen.method),
        &|seen| other(&mut seen.root),
        &|seen| other(&mut seen.scheme),
        &|seen| other(&mut seen.host),
        &|seen| other(&mut seen.user),
        &|seen| other(&mut seen.client),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        assert_eq!(forged(change).len(), 1, "change {at}");
    }
    for name in [
        "X-User-Flags",
        "x_user_flags",
        "HTTP_X_ORG_ROLE",
        "X-User-Id",
        "x-clerk-any",
        "X.Bailiff.Any",
    ] {
        let added = forged(&|seen| seen.fields.push((name.to_owned(), "is_admin".to_owned())));
        assert_eq!(added.len(), 1, "given: {name}");
    }
    for gone in 0..honest(Sender::User, "/").fields.len() {
        assert_eq!(
            forged(&|seen| drop(seen.fields.remove(gone))).len(),
            1,
            "without field {gone}"
        );
    }
    // A user for whom nobody vouches runs no handler of users.
    let unknown = judge(
        App::Flask,
        &case(Variant::Open, Sender::User, "/items/7"),
        &honest(Sender::Nobody, "/items/**"),
    );
    assert_eq!(unknown.len(), 1, "{unknown:?}");
}

#[test]
fn the_same_seed_makes_the_same_cases_and_no_case_has_a_body() {
    let cases = |seed: u64| (0..20_000).map(move |number| Case::numbered(seed, number));
    assert!(cases(1).eq(cases(1)));
    assert!(!cases(1).eq(cases(2)));
    let framing = |name: &str| name.replace('_', "-").to_lowercase();
    for case in cases(1) {
        for (name, value) in &case.fields {
            match framing(name).as_str() {
                "content-length" => assert_eq!(value, "0", "{case}"),
                "transfer-encoding" | "expect" | "upgrade" | "te" => panic!("{case}"),
                _ => {}
            }
            assert!(!value.contains(['\r', '\n', '"']), "{case}");
        }
    }
    let different: BTreeSet<_> = cases(1).map(|case| case.target).collect();
    assert!(
        different.len() > 5_000,
        "{} different targets",
        different.len()
    );
    assert!(cases(1).any(|case| case.variant == Variant::Closed && case.sender == Sender::Admin));
}
