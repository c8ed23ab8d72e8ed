//! A signed webhook: headers first, then the body.

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

fn unverified(snapshot: &Snapshot, request: &Request) -> UnverifiedWebhook {
    match request.judged_at(snapshot, NOW, &()) {
        Step::NeedBody(webhook) => webhook,
        other => panic!("no body is asked for: {}", told(&other)),
    }
}

fn verified(snapshot: &Snapshot, request: &Request, body: &[u8]) -> String {
    match unverified(snapshot, request).verify(snapshot, body, UnixTime(NOW)) {
        Ok(webhook) => format!("verified {}", webhook.id()),
        Err(reason) => format!("reject {}", reason.label()),
    }
}

#[test]
fn a_signed_webhook_is_verified_once_its_body_is_here() {
    let request = signed(WEBHOOK_SECRET, NOW);
    assert_eq!(request.at(&hooks()), "need body 1024");
    assert_eq!(verified(&hooks(), &request, BODY), "verified msg_1");
}

#[test]
fn whatever_is_wrong_with_it_it_is_refused_and_its_id_stays_unknown() {
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
            "verified msg_1",
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
        // Only a verified webhook has an id that can be looked up among the delivered ones.
        assert_eq!(verified(&hooks(), &request, body), expected, "{given}");
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
            verified(&both, &signed(secret, NOW), BODY),
            "verified msg_1"
        );
    }
    let none = ruled(hooks(), |rules| {
        rules.webhooks.as_mut().expect("a policy").secrets.clear()
    });
    assert_eq!(
        verified(&none, &signed(WEBHOOK_SECRET, NOW), BODY),
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
    let waiting = unverified(&hooks(), &request).verify(&unset, BODY, UnixTime(NOW));
    assert!(
        matches!(waiting, Err(Rejection::Internal)),
        "nor for one whose body was being read"
    );
}

#[test]
fn a_webhook_reaches_the_upstream_as_it_was_signed_and_marked_as_one() {
    let request = signed(WEBHOOK_SECRET, NOW)
        .field("x-auth-kind", "user")
        .field("x-user-id", "forged");
    let webhook = unverified(&hooks(), &request);
    assert_eq!(&**webhook.route().pattern.text(), "/hooks");
    let verified = webhook
        .verify(&hooks(), BODY, UnixTime(NOW))
        .expect("signed");
    let mut headers = request.headers.clone();
    verified.permit().headers().apply(&mut headers);
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
