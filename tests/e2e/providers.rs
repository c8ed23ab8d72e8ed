//! Identity providers beside Clerk: found by their metadata, each with its own keys, its own users and its own outages.

use std::net::TcpListener;

use bailiff::dev::issuer::{Behaviour, Metadata};
use bailiff::dev::mint::Mint;
use serde_json::{Value, json};

use crate::harness::{
    Clerk, MEMBERSHIP, Plan, Response, Upstream, World, eventually, foreign_key, now,
};

const API: &str = "https://api.test";

/// The config of an OIDC issuer at this URL, whose keys are found by its metadata.
fn oidc(name: &str, url: &str) -> Value {
    json!({"name": name, "kind": "oidc", "issuer": url, "audience": API})
}

/// The standard scene with these further issuers. An unknown key name may cost a fetch every second.
fn beside(issuers: &[Value]) -> Plan {
    World::plan().config(|c| {
        c["issuers"] = json!(issuers);
        c["keys"] = json!({"cooldown": "1s", "wait": "5s"});
    })
}

/// A provider with a key of its own that has the same name as Clerk's.
fn provider() -> Clerk {
    Clerk::with_key(foreign_key().renamed("ins_standard"))
}

/// A good access token of the provider.
fn access(provider: &Clerk, sub: &str) -> Mint {
    Mint::new(&provider.url(), sub, now())
        .oidc(API)
        .access_token("app-1")
}

fn asked(world: &World, provider: &Clerk, mint: &Mint) -> Response {
    world
        .get("/api/me")
        .bearer(&mint.sign(&provider.key()))
        .send()
}

/// Clerk's users come in, whatever the others do.
#[track_caller]
fn clerk_is_unharmed(world: &World) {
    assert_eq!(world.gate.admin("/readyz").status, 200);
    world
        .get("/api/me")
        .bearer(&world.token("user_a"))
        .send()
        .passed();
}

#[test]
fn a_provider_is_found_by_its_metadata_and_the_app_is_told_whose_user_came() {
    let partner = provider();
    let world = beside(&[oidc("partner", &partner.url())]).start();
    let token = access(&partner, "user_a")
        .claim("email", "a@partner.test")
        .claim("name", "Alex")
        .sign(&partner.key());

    let request = world
        .get("/api/me")
        .bearer(&token)
        .header("x-auth-issuer", "clerk")
        .header("X_Auth_Issuer", "clerk");
    request
        .header("x-clerk-user-id", "user_a")
        .header("x-user-id", "user_a")
        .send()
        .passed();

    assert_eq!(
        world.upstream.only().identity(),
        [
            "x-auth-issuer: partner",
            "x-auth-kind: user",
            "x-user-email: a@partner.test",
            "x-user-id: partner:user_a",
            "x-user-name: Alex",
        ]
    );
    assert_eq!((partner.metadata_hits(), partner.hits()), (1, 1));
}

#[test]
fn no_token_of_one_provider_passes_for_one_of_another() {
    let (partner, staff) = (
        provider(),
        Clerk::with_key(foreign_key().renamed("ins_staff")),
    );
    let world = beside(&[oidc("partner", &partner.url()), oidc("staff", &staff.url())]).start();
    let clerk = world.clerk.url();

    for (given, token, reason) in [
        (
            "the partner as Clerk",
            world.mint("user_a").sign(&partner.key()),
            "bad_signature",
        ),
        (
            "Clerk as the partner",
            access(&partner, "a").sign(&world.clerk.key()),
            "bad_signature",
        ),
        (
            "the partner as staff",
            access(&staff, "a").sign(&partner.key()),
            "unknown_key",
        ),
        (
            "an access token in Clerk's name",
            access(&partner, "user_a")
                .claim("iss", clerk)
                .sign(&world.clerk.key()),
            "wrong_token_type",
        ),
        (
            "a session token in the partner's name",
            world
                .mint("user_a")
                .claim("iss", partner.url())
                .sign(&partner.key()),
            "wrong_audience",
        ),
        (
            "for another app",
            access(&partner, "a")
                .claim("aud", "https://else.test")
                .sign(&partner.key()),
            "wrong_audience",
        ),
        (
            "nobody's",
            access(&partner, "a")
                .claim("iss", format!("{}/", partner.url()))
                .sign(&partner.key()),
            "wrong_issuer",
        ),
    ] {
        let answer = world
            .get("/api/me")
            .bearer(&token)
            .send()
            .not_authenticated();
        assert_eq!(world.gate.reason(&answer), reason, "given: {given}");
    }
    world.upstream.saw_nothing();
    asked(&world, &partner, &access(&partner, "a")).passed();
    asked(&world, &staff, &access(&staff, "a")).passed();
    clerk_is_unharmed(&world);
}

#[test]
fn a_row_of_the_membership_is_for_one_users_of_one_provider() {
    let partner = provider();
    let rows = MEMBERSHIP.replace(
        "workspaces:\n",
        "  partner:auth0|7: {id: p-7, access: active}\nworkspaces:\n",
    );
    let rows = rows.replace(
        "  ws_2: {org: org_two, members: {",
        "  ws_2: {org: org_two, members: {partner:auth0|7: owner, ",
    );
    let issuer = json!({"name": "partner", "kind": "oidc", "issuer": partner.url(), "client_id": "app-1", "claims": {"tenant": "tid"}});
    let world = beside(&[issuer]).membership(&rows).start();
    let get = |path: &str, sub: &str| {
        world
            .get(path)
            .bearer(
                &access(&partner, sub)
                    .claim("tid", "org_two")
                    .sign(&partner.key()),
            )
            .send()
    };

    get("/api/ws/ws_2/settings/x", "auth0|7").passed();
    let seen = world.upstream.only();
    assert_eq!(
        (seen.values("x-user-id"), seen.values("x-workspace-role")),
        (vec!["p-7".into()], vec!["owner".into()])
    );
    assert_eq!(
        (seen.values("x-org-id"), seen.values("x-org-role")),
        (vec!["partner:org_two".into()], vec![])
    );
    get("/org/x", "auth0|7").passed();
    assert_eq!(world.upstream.only().values("x-workspace-id"), ["ws_2"]);
    get("/api/ws/ws_1/x", "auth0|7").forbidden();
    // Clerk's `user_b` is a member of this workspace, and the partner may call its own users what it likes.
    let answer = get("/api/ws/ws_2/x", "user_b").forbidden();
    assert_eq!(world.gate.reason(&answer), "unknown_user");
    world.upstream.saw_nothing();
}

#[test]
fn a_rotated_key_costs_one_fetch_and_keys_that_moved_are_looked_up_again() {
    let (partner, elsewhere) = (provider(), provider());
    let world = beside(&[oidc("partner", &partner.url())]).start();
    asked(&world, &partner, &access(&partner, "a")).passed();

    let next = partner.next_key();
    partner.publish(&[next.clone(), partner.key()]);
    world
        .get("/api/me")
        .bearer(&access(&partner, "a").sign(&next))
        .send()
        .passed();
    assert_eq!(
        (partner.metadata_hits(), partner.hits()),
        (1, 2),
        "the address was known"
    );

    // The old address ends, and the metadata name another one.
    partner.behave(Behaviour::Status(404));
    partner.say_in_metadata(Metadata::JwksUri(elsewhere.jwks_url()));
    let last = partner.next_key().renamed("ins_last");
    elsewhere.publish(&[last.clone(), partner.key()]);
    let token = access(&partner, "a").sign(&last);
    eventually("the keys were found where they are now", || {
        let status = world.get("/api/me").bearer(&token).send().status;
        assert!([200, 401].contains(&status), "got {status}");
        (status == 200).then_some(())
    });
    assert!(partner.metadata_hits() >= 2);
}

#[test]
fn an_address_of_keys_in_the_config_needs_no_metadata() {
    let partner = provider();
    partner.say_in_metadata(Metadata::Instead(Behaviour::Status(404)));
    // An issuer with a slash, as Auth0's: what counts is what the token says, byte for byte.
    let url = format!("{}/", partner.url());
    let issuer = json!({"name": "partner", "kind": "oidc", "issuer": url, "audience": API, "jwks_uri": partner.jwks_url()});
    let world = beside(&[issuer]).start();

    asked(&world, &partner, &access(&partner, "a").claim("iss", url)).passed();
    asked(&world, &partner, &access(&partner, "a")).not_authenticated();
    assert_eq!(partner.metadata_hits(), 0);
}

#[test]
fn an_issuer_with_a_slash_is_found_under_the_address_without_it() {
    let partner = provider();
    let url = format!("{}/", partner.url());
    partner.say_in_metadata(Metadata::Issuer(url.clone()));
    let world = beside(&[oidc("partner", &url)]).start();

    asked(&world, &partner, &access(&partner, "a").claim("iss", url)).passed();
}

#[test]
fn a_provider_that_answers_wrongly_is_refused_with_the_reason_and_the_others_are_unharmed() {
    let trap = Upstream::start();
    let closed = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port");
    let as_told = Metadata::Instead;
    let cases = [
        (
            "other",
            Metadata::Issuer("https://evil.test".into()),
            "the metadata of another issuer: saw `https://evil.test`",
        ),
        (
            "html",
            as_told(Behaviour::Html),
            "answers with a web page and not with the metadata of an issuer",
        ),
        (
            "empty",
            as_told(Behaviour::Raw(vec![])),
            "answers with nothing",
        ),
        ("huge", as_told(Behaviour::Huge), "more than 65536 bytes"),
        ("status", as_told(Behaviour::Status(500)), "answered 500"),
        (
            "redirect",
            as_told(Behaviour::Redirect(trap.url())),
            "answered 302: a redirect, which is not followed",
        ),
        (
            "keyless",
            as_told(Behaviour::EmptyKeys),
            "names no `jwks_uri`",
        ),
        (
            "metadata",
            Metadata::JwksUri("http://169.254.169.254/j".into()),
            "at which clouds hand out credentials",
        ),
        (
            "plain",
            Metadata::JwksUri("http://keys.example/j".into()),
            "is not https",
        ),
        (
            "inner",
            Metadata::JwksUri(format!("{}/jwks.json", trap.url())),
            "keys` (does the URL end in",
        ),
    ];
    let providers: Vec<_> = cases
        .iter()
        .map(|(name, metadata, _)| {
            let provider = provider();
            provider.say_in_metadata(metadata.clone());
            (*name, provider)
        })
        .collect();
    let good = provider();
    let mut issuers: Vec<_> = providers
        .iter()
        .map(|(name, provider)| oidc(name, &provider.url()))
        .collect();
    issuers.extend([
        oidc("good", &good.url()),
        oidc("dead", &format!("http://{closed}")),
    ]);
    let world = beside(&issuers).start();

    for ((name, provider), (_, _, why)) in providers.iter().zip(&cases) {
        let answer = asked(&world, provider, &access(provider, "a")).refused(503);
        assert_eq!(
            world.gate.reason(&answer),
            "keys_unavailable",
            "given: {name}"
        );
        world
            .gate
            .log_line(&format!("about {name}: {why}"), |line| {
                line["issuer"] == *name
                    && line["level"] == "WARN"
                    && line["why"].as_str().is_some_and(|said| said.contains(why))
            });
    }
    world.gate.log_line("about the dead one", |line| {
        line["issuer"] == "dead"
            && line["why"]
                .as_str()
                .is_some_and(|why| why.contains("a typo in the domain"))
    });
    // Where the metadata of an inner issuer lead, is its own affair; a redirect is never followed.
    assert!(
        trap.recorded()
            .iter()
            .all(|request| request.target() == "/jwks.json")
    );
    asked(&world, &good, &access(&good, "a")).passed();
    clerk_is_unharmed(&world);
}

#[test]
fn a_provider_that_is_down_takes_only_its_own_users_with_it_and_comes_back_by_itself() {
    let partner = provider();
    partner.behave(Behaviour::Status(503));
    let world = beside(&[oidc("partner", &partner.url())]).start();

    asked(&world, &partner, &access(&partner, "a")).refused(503);
    clerk_is_unharmed(&world);

    // The same fault twice is one line.
    let failed = || {
        world.gate.metrics().sum(
            "bailiff_key_fetches_total",
            &[("issuer", "partner"), ("result", "failed")],
        )
    };
    eventually("it was asked again", || (failed() >= 2.0).then_some(()));
    let told = world
        .gate
        .logs()
        .iter()
        .filter(|line| line.contains("no keys fetched") && line.contains("partner"))
        .count();
    assert_eq!(told, 1, "{:#?}", world.gate.logs());

    partner.behave(Behaviour::Normal);
    eventually("the partner's users came in", || {
        (asked(&world, &partner, &access(&partner, "a")).status == 200).then_some(())
    });
}

#[test]
fn keys_of_a_provider_that_are_too_old_are_given_up_and_the_gate_stays_ready() {
    let partner = provider();
    let plan = beside(&[oidc("partner", &partner.url())]);
    let world = plan
        .config(|c| c["keys"] = json!({"refresh": "1s", "max_age": "3s"}))
        .start();
    let mint = access(&partner, "a");
    asked(&world, &partner, &mint).passed();

    partner.say_in_metadata(Metadata::Issuer("https://evil.test".into()));
    eventually("old keys were given up", || {
        let status = asked(&world, &partner, &mint).status;
        assert!([200, 503].contains(&status), "got {status}");
        (status == 503).then_some(())
    });
    clerk_is_unharmed(&world);
    world
        .gate
        .log_line("about keys that no longer serve", |line| {
            line["issuer"] == "partner"
                && line["message"]
                    .as_str()
                    .is_some_and(|said| said.contains("its tokens get 503"))
        });
}

#[test]
fn a_provider_that_hangs_hangs_neither_the_start_nor_a_request() {
    let partner = provider();
    partner.say_in_metadata(Metadata::Instead(Behaviour::Hang));
    let world = beside(&[oidc("partner", &partner.url())]).start();

    asked(&world, &partner, &access(&partner, "a")).refused(503);
    clerk_is_unharmed(&world);
}

#[test]
fn without_clerk_the_first_issuer_decides_whether_the_gate_is_ready() {
    let (first, second) = (provider(), provider());
    first.behave(Behaviour::Status(503));
    let world = beside(&[oidc("first", &first.url()), oidc("second", &second.url())])
        .config(|c| _ = c.as_object_mut().expect("a table").remove("clerk"))
        .start_unready();

    assert_eq!(world.gate.admin("/readyz").status, 503);
    first.behave(Behaviour::Normal);
    eventually("the gate was ready", || {
        (world.gate.admin("/readyz").status == 200).then_some(())
    });
    asked(&world, &first, &access(&first, "a")).passed();
    asked(&world, &second, &access(&second, "a")).passed();
    world
        .get("/api/me")
        .bearer(&world.token("user_a"))
        .send()
        .not_authenticated();
}

#[test]
fn a_template_token_is_refused_by_default_and_let_in_by_the_option_with_its_address() {
    let template = |world: &World| {
        let mint = world.mint("user_b").template().claim(
            "email_addresses",
            json!([
                {"id": "idn_1", "email_address": "old@app.test", "verification": {"status": "unverified"}},
                {"id": "idn_2", "email_address": "b@app.test", "verification": {"status": "verified"}},
            ]),
        );
        world.sign(&mint.claim("primary_email_address_id", "idn_2"))
    };
    let world = World::start();
    let answer = world
        .get("/api/me")
        .bearer(&template(&world))
        .send()
        .not_authenticated();
    assert_eq!(world.gate.reason(&answer), "wrong_token_type");

    let world = World::plan()
        .config(|c| c["clerk"]["allow_jwt_templates"] = json!(true))
        .start();
    world
        .get("/api/me")
        .bearer(&template(&world))
        .send()
        .passed();
    let seen = world.upstream.only();
    assert_eq!(
        (seen.values("x-user-email"), seen.values("x-session-id")),
        (vec!["b@app.test".into()], vec![])
    );
}
