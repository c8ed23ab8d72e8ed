//! The command line as its users meet it: `check` and `explain` (the others are in `cli_tools`). What the commands say is
//! judged by what a reader needs from it, not to the letter.

use serde_json::json;

use crate::harness::{Delivery, Launch, MEMBERSHIP, Plan, WEBHOOK_SECRET, World};

const BROKEN: &str = "\
listen: 127.0.0.1:0
admin: 127.0.0.1:0
upstream: http://127.0.0.1:3000
clerk:
  issuer: https://clerk.example.com
  jwks_url: http://clerk.example.com/jwks.json
  leway: 10s
webhooks:
  secrets: [whsec_c2hvcnQ=]
service_tokens: [{name: engine, token: secret-of-15-by}]
routes:
  - {path: /public/**, access: pubic}
  - {path: /api/**, acess: user}
  - {path: /a/../b, access: user}
colour: red
";

/// Where `what` stands in `text`, as messages write it.
fn place(file: &str, text: &str, what: &str) -> String {
    let at = text.find(what).unwrap_or_else(|| panic!("{what} is not in the text"));
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, str::len) + 1;
    format!("{file}:{line}:{column}")
}

fn check(config: &str, membership: &str) -> Launch {
    let launch = Launch::with_args(&["check", "--config", "bailiff.yaml"]);
    launch.file("bailiff.yaml", config).file("membership.yaml", membership)
}

#[test]
fn check_tells_every_fault_at_once_with_its_place_and_what_was_meant() {
    let said = check(BROKEN, MEMBERSHIP).run().exits(78);

    for what in ["http://clerk.example.com", "leway", "whsec_", "secret-of", "pubic", "acess", "/a/../b", "colour"] {
        let place = place("bailiff.yaml", BROKEN, what);
        assert!(said.stderr.contains(&place), "{place} ({what}) is not told:\n{}", said.stderr);
    }
    for meant in ["leeway", "public", "access"] {
        assert!(said.stderr.contains(&format!("did you mean `{meant}`")), "{meant}:\n{}", said.stderr);
    }
    for secret in ["c2hvcnQ", "secret-of-15-by"] {
        assert!(!said.stderr.contains(secret), "a secret is shown:\n{}", said.stderr);
    }
    assert_eq!(said.stdout, "", "a result that is none");
}

#[test]
fn serve_refuses_to_start_with_the_same_words() {
    let serve = Launch::with_config(BROKEN).file("membership.yaml", MEMBERSHIP).run().exits(78);
    let check = check(BROKEN, MEMBERSHIP).run().exits(78);

    for line in serve.stderr.lines().filter(|line| line.starts_with("error[")) {
        assert!(check.stderr.contains(line), "only serve says: {line}");
    }
    assert!(serve.stderr.contains("did you mean `leeway`"), "{}", serve.stderr);
}

#[test]
fn check_reads_the_membership_too() {
    let plan = World::plan();
    let broken = MEMBERSHIP.replace("user_b: {access: active}", "user_b: {access: actve}");
    let said = check(&plan.text(), &broken).run().exits(78);

    let place = place("membership.yaml", &broken, "actve");
    assert!(said.stderr.contains(&place), "{}", said.stderr);
    assert!(said.stderr.contains("did you mean `active`"), "{}", said.stderr);

    let missing = Launch::with_args(&["check", "--config", "bailiff.yaml"]).file("bailiff.yaml", &plan.text());
    let said = missing.run().exits(78);
    assert!(said.stderr.contains("membership.yaml"), "{}", said.stderr);
}

#[test]
fn check_says_that_a_good_config_is_good_and_writes_json_for_programs() {
    let plan = World::plan();

    plan.command(&["check", "--config", "bailiff.yaml"]).run().exits(0);
    let good = plan.command(&["check", "--config", "bailiff.yaml", "--json"]).run().exits(0);
    let good: serde_json::Value = serde_json::from_str(&good.stdout).expect("stdout is JSON");
    assert_eq!(good["ok"], true, "{good}");

    let bad = Launch::with_args(&["check", "--config", "bailiff.yaml", "--json"]).file("bailiff.yaml", BROKEN);
    let bad = bad.run().exits(78);
    let bad: serde_json::Value = serde_json::from_str(&bad.stdout).expect("stdout is JSON");
    assert_eq!(bad["ok"], false, "{bad}");
    assert!(bad["faults"].as_array().is_some_and(|faults| faults.len() >= 8), "{bad}");

    Launch::with_args(&["check", "--config", "nowhere.yaml"]).run().exits(78);
    Launch::with_args(&["check", "--confg", "x"]).run().exits(2);
}

#[test]
fn check_online_asks_the_issuer() {
    let plan = World::plan();
    let online = ["check", "--config", "bailiff.yaml", "--online"];

    let good = plan.command(&online).run().exits(0);
    assert!(good.stdout.contains("ins_standard"), "{}", good.stdout);

    let nobody = json!("http://127.0.0.1:9/jwks.json");
    let plan = World::plan().config(|c| c["clerk"]["jwks_url"] = nobody);
    let bad = plan.command(&online).run();
    assert_ne!(bad.code(), 0, "{}{}", bad.stdout, bad.stderr);
    assert!(bad.stderr.contains("clerk"), "{}", bad.stderr);
}

fn explain(plan: &Plan, args: &[&str]) -> Launch {
    plan.command(&[&["explain", "--config", "bailiff.yaml"], args].concat())
}

#[test]
fn explain_prints_the_steps_of_a_verdict_and_what_the_app_would_get() {
    let plan = World::plan();
    let token = plan.token("user_a");
    let ask = |path: &str| explain(&plan, &["--path", path, "--token", "-"]).run_with_input(token.as_bytes());

    let pass = ask("/api/ws/ws_1/boards?page=2").exits(0);
    for part in ["/api/ws/{workspace}/**", "user_a", "ws_1", "x-workspace-role", "member", "x-user-id"] {
        assert!(pass.stdout.contains(part), "no word of {part}:\n{}", pass.stdout);
    }
    let refusal = ask("/api/ws/ws_2/boards").exits(1);
    for part in ["not_a_member", "403"] {
        assert!(refusal.stdout.contains(part), "no word of {part}:\n{}", refusal.stdout);
    }
    for said in [&pass, &refusal] {
        let signature = token.rsplit('.').next().unwrap_or_default();
        assert!(!said.stdout.contains(signature) && !said.stderr.contains(signature), "the token is shown");
    }
}

#[test]
fn explain_and_the_gate_agree() {
    let plan = World::plan();
    let (member, stranger) = (plan.token("user_a"), plan.token("user_b"));
    let expired = plan.sign(&plan.mint("user_a").claim("exp", 1));
    let mut told = Vec::new();
    for (method, path, token) in [
        ("GET", "/public/x", ""),
        ("GET", "/api/x", ""),
        ("GET", "/api/x", member.as_str()),
        ("GET", "/api/x", &expired),
        ("GET", "/api/x", "nonsense"),
        ("GET", "/api/ws/ws_1/x", &stranger),
        ("GET", "/public/../admin", ""),
        ("PROPFIND", "/public/x", ""),
        ("GET", "/closed/x", &member),
        ("GET", "/internal/x", crate::harness::SERVICE_TOKEN),
    ] {
        let mut args = vec!["--json", "--method", method, "--path", path];
        args.extend(if token.is_empty() { &[][..] } else { &["--token", "-"] });
        let said = explain(&plan, &args).run_with_input(token.as_bytes());
        let json: serde_json::Value = serde_json::from_str(&said.stdout).unwrap_or_default();
        told.push((method, path, token.to_owned(), said.code(), json));
    }

    let world = plan.start();
    for (method, path, token, code, json) in told {
        let request = world.request(method, path);
        let answer = if token.is_empty() { request.send() } else { request.bearer(&token).send() };
        assert_eq!(code == 0, answer.status == 200, "given: {method} {path}, explain said {json}");
        if answer.status != 200 {
            let reason = world.gate.reason(&answer);
            assert!(json.to_string().contains(&format!("\"{reason}\"")), "given: {method} {path}, {reason}, {json}");
        }
    }
}

#[test]
fn explain_judges_a_webhook_with_its_body() {
    let plan = World::plan();
    let good = Delivery::of("{}");
    let ask = |delivery: &Delivery| {
        let headers = [("svix-id", &delivery.id), ("svix-timestamp", &delivery.timestamp)];
        let signature = format!("svix-signature: {}", delivery.signature);
        let mut args =
            vec!["--method".to_owned(), "POST".to_owned(), "--path".to_owned(), "/webhooks/clerk".to_owned()];
        for (name, value) in headers {
            args.extend(["-H".to_owned(), format!("{name}: {value}")]);
        }
        args.extend(["-H".to_owned(), signature, "--body".to_owned(), "-".to_owned()]);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        explain(&plan, &args).run_with_input(&delivery.body)
    };

    ask(&good).exits(0);
    let forged = ask(&good.body("{ }")).exits(1);
    assert!(forged.stdout.contains("webhook_signature"), "{}", forged.stdout);
    assert!(!forged.stdout.contains(WEBHOOK_SECRET), "the secret is shown");
}

#[test]
fn a_credential_on_the_command_line_is_refused_and_not_repeated() {
    let plan = World::plan();
    let token = plan.token("user_a");

    let given = format!("Authorization: Bearer {token}");
    let refused = explain(&plan, &["--path", "/api/x", "-H", &given]).run().exits(2);
    assert!(!refused.stderr.contains(&token), "{}", refused.stderr);
    let misspelt = explain(&plan, &["--path", "/api/x", "--tokn", &token]).run().exits(2);
    assert!(!misspelt.stderr.contains(&token), "{}", misspelt.stderr);
}
