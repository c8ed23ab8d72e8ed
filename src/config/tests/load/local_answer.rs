//! `answer:` of a route, and `profile:`.

use super::messages::assert_text;
use super::*;
use crate::domain::profile::Profile;
use crate::domain::routes::{Methods, Own};

#[test]
fn an_answer_of_the_gate_is_for_reading_and_for_users() {
    for (given, expected) in [
        (
            "{path: /me, access: public, answer: profile}",
            "lets in others than users",
        ),
        (
            "{path: /me, access: optional, answer: profile}",
            "lets in others than users",
        ),
        (
            "{path: /me, access: service, answer: profile}",
            "lets in others than users",
        ),
        (
            "{path: /me, access: deny, answer: profile}",
            "lets in others than users",
        ),
        (
            "{path: /v, access: active, answer: verify}",
            "the route asks for something else",
        ),
        (
            "{path: /v, access: public, answer: verify}",
            "the route asks for something else",
        ),
        (
            "{path: \"/{workspace}/v\", access: member, answer: verify}",
            "the route asks for something else",
        ),
        (
            "{path: \"/{workspace}/v\", access: user, answer: verify}",
            "the route asks for more than that",
        ),
        (
            "{path: /v, access: user, answer: verify, require: {plan: pro}}",
            "the route asks for more than that",
        ),
        (
            "{path: /v, access: user, answer: verify, allow_suspended: true}",
            "would call the token of a suspended user good",
        ),
        (
            "{path: /me, access: user, answer: profile, methods: [GET, POST]}",
            "`methods` on a route with `answer: profile`",
        ),
        (
            "{path: /v, access: user, answer: verify, methods: [POST]}",
            "`methods` on a route with `answer: verify`",
        ),
        (
            "{path: /me, access: user, answer: profile, mode: report}",
            "`mode` cannot be `report`",
        ),
        (
            "{path: /me, access: user, answer: profile, timeout: 1s}",
            "`timeout` has no effect on a route with",
        ),
        (
            "{path: /v, access: user, answer: verify, forward_token: true}",
            "`forward_token` has no effect on a route with",
        ),
        (
            "{path: /me, access: user, answer: profil}",
            "did you mean `profile`?",
        ),
        (
            "{path: /me, access: user, answer: introspect}",
            "expected `profile` or `verify`",
        ),
    ] {
        assert!(route(given).contains(expected), "{given}\n{}", route(given));
        assert!(
            route(given).contains("error[B0"),
            "{given}\n{}",
            route(given)
        );
    }
}

#[test]
fn a_route_with_an_answer_covers_get_unless_it_says_less() {
    let loaded = |line: &str| {
        let text = format!("upstream: {APP}\nmembership: {{file: m.yaml}}\nroutes:\n  - {line}\n");
        let loaded = file(&text, env()).unwrap_or_else(|faults| panic!("{line}\n{faults}"));
        let route = loaded
            .settings
            .reloadable
            .rules
            .routes
            .iter()
            .next()
            .cloned()
            .expect("a route");
        (route.answer, route.methods.clone())
    };
    let get = Methods::These(vec![http::Method::GET]);
    assert_eq!(
        loaded("{path: /me, access: user, answer: profile}"),
        (Some(Own::Profile), get.clone())
    );
    assert_eq!(
        loaded("{path: /me, access: active, answer: profile}"),
        (Some(Own::Profile), get.clone())
    );
    assert_eq!(
        loaded("{path: \"/{workspace}/me\", access: member, answer: profile}"),
        (Some(Own::Profile), get.clone())
    );
    assert_eq!(
        loaded("{path: /v, access: user, answer: verify}"),
        (Some(Own::Verify), get)
    );
    let head = Methods::These(vec![http::Method::HEAD]);
    assert_eq!(
        loaded("{path: /v, access: user, answer: verify, methods: [HEAD]}"),
        (Some(Own::Verify), head)
    );
    assert_eq!(loaded("{path: /x, access: user}"), (None, Methods::Usual));
}

const WITH_ROUTE: &str = "routes: [{path: /me, access: user, answer: profile}]\n";

fn profile(text: &str) -> Result<Profile, String> {
    match file(
        &format!("upstream: {APP}\nprofile: {text}\n{WITH_ROUTE}"),
        env(),
    ) {
        Ok(loaded) => Ok(loaded.settings.reloadable.rules.profile.clone()),
        Err(faults) => Err(faults.to_string()),
    }
}

#[test]
fn the_shape_of_a_profile_is_that_of_the_config_in_its_order() {
    let read = profile("{b: email, a: attributes.x, c: claims.y}").expect("a profile");
    let body = read.render(|word| format!("{word:?}").into());
    assert_eq!(
        body,
        r#"{"b":"Email","a":"Attribute(\"x\")","c":"Claim(\"y\")"}"#
    );
    let file = file(&format!("upstream: {APP}\n{WITH_ROUTE}"), env()).expect("a config");
    assert_eq!(file.settings.reloadable.rules.profile, Profile::default());
}

#[test]
fn a_word_that_a_profile_does_not_know_names_the_near_one() {
    let expected = "\
error[B002]: `id` has an unknown word for its value
 --> b.yaml:1:15
1 | profile: {id: userid, x: email}
  |               ^^^^^^ did you mean `user_id`?
";
    assert_text(
        &complaint(&format!("profile: {{id: userid, x: email}}\n{WITH_ROUTE}")),
        expected,
    );
    for (given, expected) in [
        ("{a: colour}", "expected one of `user_id`, `clerk_user_id`,"),
        ("{a: attributes.}", "`attributes.NAME` or `claims.NAME`"),
        ("{a: password}", "has an unknown word"),
        ("{}", "`profile` has 0 keys"),
        ("{a: email, a: name}", "key `a` stands twice"),
        ("[email]", "must be a mapping"),
        ("{a: {b: email}}", "`a` must be a single value"),
    ] {
        let complaint = profile(given).expect_err(given);
        assert!(complaint.contains(expected), "{given}\n{complaint}");
    }
    let many: String = (0..65).map(|i| format!("k{i}: email, ")).collect();
    assert!(
        profile(&format!("{{{many}}}"))
            .expect_err("too many")
            .contains("`profile` has 65 keys")
    );
    let long = format!("{{{}: email}}", "k".repeat(256));
    assert!(
        profile(&long)
            .expect_err("too long")
            .contains("a key of the profile is too long")
    );
}

#[test]
fn a_shape_that_no_route_gives_is_a_warning() {
    let got = complaint("profile: {id: user_id}\n");
    let expected = "\
warning[B010]: `profile` has no effect, because no route has `answer: profile`
 --> b.yaml:1:1
1 | profile: {id: user_id}
  | ^^^^^^^
  fix    add `- {path: /api/auth/me, access: user, answer: profile}`, or remove it
";
    assert_text(&got, expected);
}
