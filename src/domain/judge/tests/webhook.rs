//! A signed webhook: headers first, then the body, then whether it was taken already.

use super::*;
use crate::dev::webhook::WebhookSigner;

const BODY: &[u8] = br#"{"type":"user.updated"}"#;

fn hooks() -> Snapshot {
    let posts = Methods::These(vec![Method::POST]);
    gate([
        Route {
            methods: posts,
            ..route("/hooks", Access::Webhook)
        },
        route("/x", Access::User),
    ])
}

fn signed(secret: &str, at: u64) -> Request {
    let signer = WebhookSigner::new(secret).expect("a secret");
    let fields = signer.headers("msg_1", at, BODY);
    fields
        .iter()
        .fold(get("/hooks").method("POST"), |request, (name, value)| {
            request.field(name, value)
        })
}

fn verdict(snapshot: &Snapshot, request: &Request, body: &[u8], taken: bool) -> String {
    let Step::NeedBody {
        route,
        max_body: 1024,
    } = request.judged_at(snapshot, NOW, &())
    else {
        panic!("no body is asked for");
    };
    told_verdict(&judge_webhook(
        snapshot,
        &request.head(),
        &route,
        body,
        UnixTime(NOW),
        |_| taken,
    ))
}

#[test]
fn a_signed_webhook_is_forwarded_and_a_repeated_one_acknowledged() {
    let request = signed(WEBHOOK_SECRET, NOW);
    assert_eq!(request.at(&hooks()), "need body 1024");
    assert_eq!(
        verdict(&hooks(), &request, BODY, false),
        "forward webhook msg_1"
    );
    assert_eq!(verdict(&hooks(), &request, BODY, true), "acknowledge msg_1");
}

#[test]
fn whatever_is_wrong_with_it_it_is_refused_and_nobody_learns_what_was_taken() {
    let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    for (given, request, body, expected) in [
        (
            "another body",
            signed(WEBHOOK_SECRET, NOW),
            &b"{}"[..],
            "reject webhook_signature",
        ),
        (
            "no body",
            signed(WEBHOOK_SECRET, NOW),
            b"",
            "reject webhook_signature",
        ),
        (
            "another secret",
            signed(other, NOW),
            BODY,
            "reject webhook_signature",
        ),
        (
            "at the edge",
            signed(WEBHOOK_SECRET, NOW - 300),
            BODY,
            "forward webhook msg_1",
        ),
        (
            "too old",
            signed(WEBHOOK_SECRET, NOW - 301),
            BODY,
            "reject webhook_time",
        ),
        (
            "from the future",
            signed(WEBHOOK_SECRET, NOW + 301),
            BODY,
            "reject webhook_time",
        ),
    ] {
        assert_eq!(
            verdict(&hooks(), &request, body, false),
            expected,
            "{given}"
        );
        if expected.starts_with("reject") {
            assert_eq!(
                verdict(&hooks(), &request, body, true),
                expected,
                "{given}, and taken"
            );
        }
    }
}

#[test]
fn two_secrets_hold_while_rotating() {
    let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let both = ruled(hooks(), |rules| {
        let policy = rules.webhooks.as_mut().expect("a policy");
        policy
            .secrets
            .push(WebhookSecret::parse(other).expect("a secret"));
    });
    for secret in [WEBHOOK_SECRET, other] {
        assert_eq!(
            verdict(&both, &signed(secret, NOW), BODY, false),
            "forward webhook msg_1"
        );
    }
    let none = ruled(hooks(), |rules| {
        rules.webhooks.as_mut().expect("a policy").secrets.clear()
    });
    assert_eq!(
        verdict(&none, &signed(WEBHOOK_SECRET, NOW), BODY, false),
        "reject webhook_signature"
    );
}

// Attack A-117.
#[test]
fn the_webhook_route_covers_exactly_what_it_says() {
    let request = signed(WEBHOOK_SECRET, NOW);
    for (method, target) in [
        ("GET", "/hooks"),
        ("PUT", "/hooks"),
        ("POST", "/hooks/"),
        ("POST", "/hooks/x"),
    ] {
        let other = Request {
            target: target.into(),
            ..request.clone().method(method)
        };
        assert_eq!(other.at(&hooks()), "reject no_route", "{method} {target}");
    }
    let elsewhere = Request {
        target: "/x".into(),
        ..request.clone()
    };
    assert_eq!(
        elsewhere.at(&hooks()),
        "reject missing_token",
        "a signature opens no other route"
    );
    let unset = ruled(hooks(), |rules| rules.webhooks = None);
    assert_eq!(
        request.at(&unset),
        "reject internal",
        "without secrets there is no door"
    );
    let user = Arc::new(route("/x", Access::User));
    let verdict = judge_webhook(
        &hooks(),
        &request.head(),
        &user,
        BODY,
        UnixTime(NOW),
        |_| false,
    );
    assert_eq!(
        told_verdict(&verdict),
        "reject internal",
        "the second half alone opens no other route"
    );
}

#[test]
fn a_webhook_reaches_the_upstream_as_it_was_signed_and_marked_as_one() {
    let request = signed(WEBHOOK_SECRET, NOW)
        .field("x-auth-kind", "user")
        .field("x-user-id", "forged");
    let Step::NeedBody { route, .. } = request.judged_at(&hooks(), NOW, &()) else {
        panic!("no body is asked for")
    };
    let verdict = judge_webhook(
        &hooks(),
        &request.head(),
        &route,
        BODY,
        UnixTime(NOW),
        |_| false,
    );
    let Verdict::Forward(grant) = verdict else {
        panic!("refused")
    };
    let mut headers = request.headers.clone();
    grant.headers().apply(&mut headers);
    assert_eq!(values(&headers, "x-auth-kind"), ["webhook"]);
    assert!(!headers.contains_key("x-user-id"));
    for name in ["svix-id", "svix-timestamp", "svix-signature"] {
        assert_eq!(
            headers.get(name),
            request.headers.get(name),
            "the upstream can verify again"
        );
    }
}
