//! `bailiff token` and `bailiff webhook`: the tools with which developers try their gate.

use bailiff::dev::key::SigningKey;
use serde_json::{Value, json};

use crate::harness::{APP, Launch, WEBHOOK_SECRET, World, eventually, foreign_key};

const ISSUER: &str = "https://clerk.example.com";

fn mint(args: &[&str]) -> Launch {
    let usual = ["token", "mint", "--issuer", ISSUER, "--user", "user_a", "--azp", APP];
    let launch = Launch::with_args(&[&usual, args].concat());
    launch.file("key.pem", &foreign_key().private_pem())
}

#[test]
fn a_minted_token_opens_the_gate_that_knows_its_key_and_no_other() {
    let minted = mint(&["--key", "key.pem"]).run().exits(0).stdout.trim().to_owned();
    let with = |key: &SigningKey| {
        let pem = key.public_pem();
        let plan = World::plan().config(|c| {
            c["clerk"] = json!({"issuer": ISSUER, "jwt_key": pem, "authorized_parties": [APP]});
        });
        plan.start()
    };

    with(&foreign_key()).get("/api/x").bearer(&minted).send().passed();
    let other = with(&World::plan().clerk.key());
    other.get("/api/x").bearer(&minted).send().not_authenticated();
}

#[test]
fn a_minted_token_can_be_made_wrong_and_its_key_is_made_when_it_is_not_there() {
    let minted = mint(&["--key", "new.pem", "--claim", "exp=1", "--claim", "pla=\"u:free\""]).run().exits(0);
    let token = minted.stdout.trim();
    assert_eq!(token.split('.').count(), 3, "{token}");

    let inspect = Launch::with_args(&["token", "inspect", "--json", "-"]);
    let seen = inspect.run_with_input(token.as_bytes()).exits(1);
    let seen: Value = serde_json::from_str(&seen.stdout).expect("stdout is JSON");
    assert!(seen.to_string().contains("u:free"), "{seen}");
    assert!(seen.to_string().contains("expired"), "{seen}");
    mint(&["--claim", "exp"]).run().exits(2);
}

#[test]
fn inspect_names_every_fault_of_a_token_and_never_shows_it() {
    let plan = World::plan();
    let inspect = |token: &str| {
        let command = plan.command(&["token", "inspect", "--config", "bailiff.yaml", "-"]);
        let said = command.run_with_input(token.as_bytes());
        let signature = token.rsplit('.').next().filter(|part| part.len() > 20);
        assert!(!signature.is_some_and(|s| said.stdout.contains(s) || said.stderr.contains(s)), "the token is shown");
        said
    };

    let good = inspect(&plan.token("user_a")).exits(0);
    for part in ["user_a", "sess_a", APP, "ins_standard"] {
        assert!(good.stdout.contains(part), "no word of {part}:\n{}", good.stdout);
    }
    let bad = plan.mint("user_a").claim("exp", 1).claim("azp", "https://evil.test").claim("sts", "pending");
    let bad = inspect(&plan.sign(&bad)).exits(1);
    for reason in ["expired", "wrong_party", "session_pending"] {
        assert!(bad.stdout.contains(reason), "no word of {reason}:\n{}", bad.stdout);
    }
    let strange = inspect(&plan.mint("user_a").sign(&foreign_key())).exits(1);
    assert!(strange.stdout.contains("unknown_key"), "{}", strange.stdout);
    let forged = plan.mint("user_a").sign(&foreign_key().renamed("ins_standard"));
    let forged = inspect(&forged).exits(1);
    assert!(forged.stdout.contains("bad_signature"), "{}", forged.stdout);
    for nonsense in ["", "x", "a.b.c", "e30.e30.e30"] {
        inspect(nonsense).exits(1);
    }
}

#[test]
fn a_signed_body_has_the_signature_that_was_published_as_an_example() {
    let args = ["webhook", "sign", "--id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", "--timestamp", "1649367553"];
    let body = br#"{"email":"test@example.com","username":"test_user"}"#;
    for variable in ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"] {
        let signed = Launch::with_args(&args).env(variable, WEBHOOK_SECRET).run_with_input(body).exits(0);
        assert!(signed.stdout.contains("v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="), "{}", signed.stdout);
        assert!(signed.stdout.contains("svix-timestamp: 1649367553"), "{}", signed.stdout);
    }
    let file = Launch::with_args(&[&args[..], &["--secret-file", "secret"]].concat()).file("secret", WEBHOOK_SECRET);
    assert!(file.run_with_input(body).exits(0).stdout.contains("v1,tZ1I4"));
    assert_ne!(Launch::with_args(&args).run_with_input(body).code(), 0, "there is no secret");
}

#[test]
fn a_sent_event_does_what_an_event_of_clerk_does() {
    let world = World::start();
    let to = format!("http://{}/webhooks/clerk", world.gate.address());
    let send = |secret: &str| {
        let about = ["organizationMembership.deleted", "--user", "user_a", "--org", "org_one"];
        let args = [&["webhook", "send"][..], &about, &["--to", &to]].concat();
        Launch::with_args(&args).env("CLERK_WEBHOOK_SIGNING_SECRET", secret).run()
    };
    let status = || world.get("/api/ws/ws_1/x").bearer(&world.token("user_a")).send().status;
    assert_eq!(status(), 200);
    world.upstream.only();

    let forged = send("whsec_b3RoZXItb3RoZXItb3RoZXItb3RoZXI=").exits(1);
    assert!(forged.stdout.contains("401"), "{}", forged.stdout);
    world.upstream.saw_nothing();
    assert_eq!(status(), 200);
    world.upstream.only();

    let sent = send(WEBHOOK_SECRET).exits(0);
    assert!(sent.stdout.contains("200"), "{}", sent.stdout);
    let event: Value = serde_json::from_slice(&world.upstream.only().body).expect("the event is JSON");
    assert_eq!(event["type"], "organizationMembership.deleted");
    eventually("the member was out", || (status() == 403).then_some(()));
}
