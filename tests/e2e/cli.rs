//! The command line beside the gate: what both say is the same. The commands by themselves are tested in `tests/cli`.

use crate::harness::{Launch, MEMBERSHIP, Plan, World};

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
    let at = text
        .find(what)
        .unwrap_or_else(|| panic!("{what} is not in the text"));
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, str::len) + 1;
    format!("{file}:{line}:{column}")
}

fn check(config: &str, membership: &str) -> Launch {
    let launch = Launch::with_args(&["check", "--config", "bailiff.yaml"]);
    launch
        .file("bailiff.yaml", config)
        .file("membership.yaml", membership)
}

#[test]
fn check_tells_every_fault_at_once_with_its_place_and_what_was_meant() {
    let said = check(BROKEN, MEMBERSHIP).run().exits(78);

    for what in [
        "http://clerk.example.com",
        "leway",
        "whsec_",
        "secret-of",
        "pubic",
        "acess",
        "/a/../b",
        "colour",
    ] {
        let place = place("bailiff.yaml", BROKEN, what);
        assert!(
            said.stderr.contains(&place),
            "{place} ({what}) is not told:\n{}",
            said.stderr
        );
    }
    for meant in ["leeway", "public", "access"] {
        assert!(
            said.stderr.contains(&format!("did you mean `{meant}`")),
            "{meant}:\n{}",
            said.stderr
        );
    }
    for secret in ["c2hvcnQ", "secret-of-15-by"] {
        assert!(
            !said.stderr.contains(secret),
            "a secret is shown:\n{}",
            said.stderr
        );
    }
    assert_eq!(said.stdout, "", "a result that is none");
}

#[test]
fn serve_refuses_to_start_with_the_same_words() {
    let serve = Launch::with_config(BROKEN)
        .file("membership.yaml", MEMBERSHIP)
        .run()
        .exits(78);
    let check = check(BROKEN, MEMBERSHIP).run().exits(78);

    for line in serve
        .stderr
        .lines()
        .filter(|line| line.starts_with("error["))
    {
        assert!(check.stderr.contains(line), "only serve says: {line}");
    }
    assert!(
        serve.stderr.contains("did you mean `leeway`"),
        "{}",
        serve.stderr
    );
}

fn explain(plan: &Plan, args: &[&str]) -> Launch {
    plan.command(&[&["explain", "--config", "bailiff.yaml"], args].concat())
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
        ("GET", "/api/x", crate::harness::SERVICE_TOKEN),
        ("GET", "/internal/x", "a-token-of-no-service-0123456789"),
    ] {
        let mut args = vec!["--json", "--method", method, "--path", path];
        args.extend(if token.is_empty() {
            &[][..]
        } else {
            &["--token", "-"]
        });
        let said = explain(&plan, &args).run_with_input(token.as_bytes());
        let json: serde_json::Value = serde_json::from_str(&said.stdout).unwrap_or_default();
        told.push((method, path, token.to_owned(), said.code(), json));
    }

    let world = plan.start();
    for (method, path, token, code, json) in told {
        let request = world.request(method, path);
        let answer = if token.is_empty() {
            request.send()
        } else {
            request.bearer(&token).send()
        };
        assert_eq!(
            code == 0,
            answer.status == 200,
            "given: {method} {path}, explain said {json}"
        );
        if answer.status != 200 {
            let reason = world.gate.reason(&answer);
            assert!(
                json.to_string().contains(&format!("\"{reason}\"")),
                "given: {method} {path}, {reason}, {json}"
            );
        }
    }
}

#[test]
fn explain_says_why_a_service_is_refused_and_what_to_do() {
    let plan = World::plan().config(|config| {
        config["trusted_proxies"] = serde_json::json!(["10.9.0.1"]);
        config["service_tokens"][0]["routes"] = serde_json::json!(["/internal/**", "GET /api/me"]);
    });
    let token = crate::harness::SERVICE_TOKEN;
    for (given, path, more, parts) in [
        (
            "let in on a route of users",
            "/api/me",
            &[][..],
            &[
                "asks for a valid token, or the token of `engine`",
                "the token is that of the service `engine`",
                "127.0.0.1 is where the service may call from",
                "x-service-name: engine",
            ][..],
        ),
        (
            "another route",
            "/api/x",
            &[],
            &[
                "refused: service_route",
                "may use /internal/**, GET /api/me",
                "add `/api/**` to the `routes` of `engine`",
            ],
        ),
        (
            "another network",
            "/internal/x",
            &["--from", "203.0.113.9"],
            &[
                "refused: service_network",
                "comes from 203.0.113.9",
                "may call from loopback, link-local and private",
            ],
        ),
        (
            "a socket",
            "/internal/x",
            &["--from", "unix"],
            &[
                "refused: service_network",
                "over a Unix socket",
                "add `unix` to the `networks`",
            ],
        ),
        (
            "a silent proxy",
            "/internal/x",
            &["--from", "10.9.0.1"],
            &[
                "refused: service_network",
                "10.9.0.1 is in `trusted_proxies`",
                "let the proxy set X-Forwarded-For",
            ],
        ),
        (
            "an undeclared proxy",
            "/internal/x",
            &["-H", "Via: 1.1 edge"],
            &[
                "refused: undeclared_proxy",
                "127.0.0.1 is not in `trusted_proxies`, and via says",
                "list every proxy",
            ],
        ),
        (
            "an undeclared proxy before a declared one",
            "/internal/x",
            &[
                "--from",
                "10.9.0.1",
                "-H",
                "X-Forwarded-For: 203.0.113.9, 172.16.0.1",
            ],
            &[
                "refused: undeclared_proxy",
                "the last other address in its X-Forwarded-For forwarded the request too",
            ],
        ),
    ] {
        let args = [&["--path", path, "--offline", "--token", "-"][..], more].concat();
        let said = explain(&plan, &args).run_with_input(token.as_bytes());
        for part in parts {
            assert!(
                said.stdout.contains(part),
                "given: {given}, {part} is missing in {}{}",
                said.stdout,
                said.stderr
            );
        }
        assert!(
            !said.stdout.contains(token) && !said.stderr.contains(token),
            "given: {given}"
        );
    }
    let wrong = explain(&plan, &["--path", "/internal/x", "--from", "everywhere"]).run();
    assert!(
        wrong.code() == 2 && wrong.stderr.contains("expected an IP address, or `unix`"),
        "{}",
        wrong.stderr
    );
}
