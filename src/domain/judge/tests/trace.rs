//! The steps that `bailiff explain` gets.

use super::*;

#[derive(Default)]
struct Told(Vec<String>);

impl Trace for Told {
    fn step(&mut self, text: impl FnOnce() -> String) {
        self.0.push(text());
    }
}

fn steps(snapshot: &Snapshot, request: &Request) -> Vec<String> {
    let mut trace = Told::default();
    let traced = judge_traced(snapshot, &request.head(), UnixTime(NOW), &(), &mut trace);
    assert_eq!(
        told(&traced),
        request.at(snapshot),
        "watching changes nothing"
    );
    trace.0
}

#[test]
fn every_step_to_a_grant_is_told_in_its_order() {
    let require = vec![
        Condition::NoImpersonation,
        Condition::Issuer(vec!["clerk".into()]),
    ];
    let gate = gate([Route {
        require,
        ..route("/ws/{workspace}", Access::Role(role("member")))
    }]);
    assert_eq!(
        steps(&gate, &get("/ws/ws_1").bearer(&token("user_founder"))),
        [
            "route /ws/{workspace} asks for the role `member` in the workspace",
            "signature good: signed by issuer `clerk`",
            "claims good: user user_founder, valid for another 60 s",
            "membership: access pending, founder",
            "workspace ws_1: role `owner`",
            "condition holds: NoImpersonation",
            "condition holds: Issuer([\"clerk\"])",
        ]
    );
}

#[test]
fn a_refusal_is_told_up_to_the_step_that_failed() {
    let gate = gate([
        route("/public", Access::Public),
        route("/open", Access::Optional),
        route("/active", Access::Active),
        route("/service", Access::Service),
        route("/hooks", Access::Webhook),
        route("/deny", Access::Deny),
    ]);
    let active = "route /active asks for a user whose access is active";
    for (given, request, last) in [
        ("no route", get("/none"), "no route covers GET /none"),
        ("public", get("/public"), "route /public asks for nothing"),
        ("nobody", get("/open"), "no token: passes as nobody"),
        ("no token", get("/active"), active),
        (
            "expired",
            get("/active").bearer(&mint("user_admin").issued_at(1).sign(key())),
            "signature good: signed by issuer `clerk`",
        ),
        (
            "not active",
            get("/active").bearer(&token("user_pending")),
            "membership: access pending",
        ),
        (
            "a service",
            get("/service").bearer(SERVICE_TOKEN),
            "203.0.113.9 is where the service may call from",
        ),
        (
            "a webhook",
            get("/hooks"),
            "route /hooks asks for a signed webhook",
        ),
        (
            "closed",
            get("/deny"),
            "route /deny asks for what nobody has",
        ),
    ] {
        assert_eq!(
            steps(&gate, &request).last().map(String::as_str),
            Some(last),
            "{given}"
        );
    }
    let asks = get("/deny")
        .method("OPTIONS")
        .field("origin", "https://app.test")
        .field("access-control-request-method", "PUT");
    assert_eq!(
        steps(&gate, &asks),
        ["a preflight of a listed origin: answered here"]
    );
}

// Attack A-125.
#[test]
fn no_step_shows_a_token_or_a_secret() {
    let gate = gate([
        route("/x", Access::User),
        route("/service", Access::Service),
    ]);
    let token = token("user_admin");
    for request in [
        get("/x").bearer(&token),
        get("/service").bearer(SERVICE_TOKEN),
    ] {
        let all = steps(&gate, &request).join("\n");
        assert!(
            !all.contains(&token[..20]) && !all.contains(SERVICE_TOKEN),
            "{all}"
        );
    }
    let step = get("/service")
        .bearer(SERVICE_TOKEN)
        .judged_at(&gate, NOW, &());
    assert!(!format!("{step:?} {gate:?}").contains(SERVICE_TOKEN));
    assert!(!format!("{gate:?}").contains(WEBHOOK_SECRET));
}
