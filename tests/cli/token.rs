use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Ended, assert_no_token, file, folder, run, run_with};

const CONFIG: &str = "upstream: http://127.0.0.1:1
clerk:
  issuer: https://clerk.test
  jwt_key: ${CLERK_JWT_KEY}
  authorized_parties: [https://app.test]
routes: [{path: /**, access: user}]
";

/// A key, a config that believes it, and its public half.
struct Own {
    key: String,
    config: String,
    public: String,
}

impl Own {
    fn new() -> (Self, Ended) {
        let folder = folder();
        let key = folder
            .join("dev.pem")
            .to_str()
            .expect("a path in ASCII")
            .to_owned();
        let config = file(&folder, "bailiff.yaml", CONFIG);
        let first = run(&[
            "token",
            "mint",
            "--issuer",
            "https://clerk.test",
            "--user",
            "user_a",
            "--key",
            &key,
        ]);
        let public = std::fs::read_to_string(format!("{key}.pub")).expect("the public half");
        (
            Self {
                key,
                config,
                public,
            },
            first,
        )
    }

    fn mint(&self, more: &[&str]) -> String {
        let args = [
            "token",
            "mint",
            "--issuer",
            "https://clerk.test",
            "--user",
            "user_a",
            "--key",
            &self.key,
        ];
        run(&[&args[..], more].concat()).out
    }

    fn run(&self, args: &[&str], token: &str) -> Ended {
        run_with(
            &[args, &["--config", &self.config]].concat(),
            &[("CLERK_JWT_KEY", &self.public)],
            token,
        )
    }
}

#[test]
fn a_minted_token_passes_a_gate_that_has_its_public_key() {
    let (own, first) = Own::new();
    assert_eq!(first.status, 0, "{first:?}");
    assert_eq!(
        first.out.trim().split('.').count(),
        3,
        "stdout is the token and nothing else"
    );
    assert!(
        first.err.contains(&own.key) && first.err.contains("CLERK_JWT_KEY"),
        "{first:?}"
    );
    assert_eq!(
        std::fs::metadata(&own.key).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let token = own.mint(&[
        "--azp",
        "https://app.test",
        "--org",
        "org_1:acme:admin",
        "--permission",
        "org:boards:read",
    ]);
    let ended = own.run(&["explain", "--path", "/x", "--token", "-"], &token);
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(
        ended.out.contains("x-org-permissions: org:boards:read"),
        "{ended:?}"
    );
    assert_no_token(&ended, &token);
    let ended = own.run(&["token", "inspect"], &token);
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(
        ended.out.contains("signature  good") && ended.out.contains("nothing is wrong"),
        "{ended:?}"
    );
}

#[test]
fn all_faults_of_a_token_are_said_at_once_and_never_its_bytes() {
    let (own, _) = Own::new();
    let token = own.mint(&[
        "--azp",
        "https://evil.test",
        "--claim",
        "exp=1000",
        "--claim",
        "nbf=9999999999",
        "--claim",
        "sts=\"pending\"",
        "--claim",
        "sub=\"mch_1\"",
    ]);
    let ended = own.run(&["token", "inspect"], &token);
    assert_eq!(ended.status, 1, "{ended:?}");
    for reason in [
        "expired",
        "not_yet_valid",
        "session_pending",
        "wrong_party",
        "missing_subject",
        "5 faults",
    ] {
        assert!(
            ended.out.contains(reason),
            "{reason} is missing in {}",
            ended.out
        );
    }
    assert!(
        ended.out.contains("\"azp\": \"https://evil.test\""),
        "the claims are shown"
    );
    assert_no_token(&ended, &token);
    let json = own.run(&["token", "inspect", "--json"], &token).json();
    assert_eq!(json["faults"].as_array().unwrap().len(), 5);
    assert_eq!(json["signature"], "good");
    assert_eq!(json["claims"]["sub"], "mch_1");
}

#[test]
fn a_signature_by_another_key_does_not_match() {
    let ((own, _), (other, _)) = (Own::new(), Own::new());
    let token = other.mint(&["--azp", "https://app.test"]);
    let ended = own.run(&["token", "inspect"], &token);
    assert_eq!(ended.status, 1);
    assert!(
        ended.out.contains("signature  does not match") && ended.out.contains("bad_signature"),
        "{ended:?}"
    );
}

#[test]
fn without_a_config_the_times_are_checked_and_the_rest_is_said_to_be_unknown() {
    let (own, _) = Own::new();
    let ended = run_with(&["token", "inspect", "-"], &[], &own.mint(&[]));
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(
        ended.out.contains("signature  not checked") && ended.err.contains("CLERK_PUBLISHABLE_KEY"),
        "{ended:?}"
    );
}

#[test]
fn what_is_no_token_is_named_for_what_it_is() {
    for (given, expected) in [
        ("sk_test_abc", "API key"),
        ("a.b", "three segments"),
        ("", "no token"),
    ] {
        let ended = run_with(&["token", "inspect", "-"], &[], given);
        assert_eq!(ended.status, 1, "{ended:?}");
        assert!(ended.all().contains(expected), "{given}: {ended:?}");
    }
}

#[test]
fn a_wrong_option_makes_no_key() {
    let path = folder().join("key.pem");
    let key = path.to_str().unwrap();
    let base = [
        "token",
        "mint",
        "--issuer",
        "https://clerk.test",
        "--key",
        key,
    ];
    for more in [
        &["--user", "alice"][..],
        &["--user", "user_a", "--claim", "x"],
        &["--user", "user_a", "--org", "org_1"],
    ] {
        let ended = run(&[&base[..], more].concat());
        assert_eq!(ended.status, 2, "{ended:?}");
        assert!(ended.err.contains("fix") && !path.exists(), "{ended:?}");
    }
    // What is there and is no key is left alone.
    std::fs::write(&path, "mine").unwrap();
    let ended = run(&[&base[..], &["--user", "user_a"]].concat());
    assert_eq!(
        (
            ended.status,
            std::fs::read_to_string(&path).unwrap().as_str()
        ),
        (1, "mine"),
        "{ended:?}"
    );
}
