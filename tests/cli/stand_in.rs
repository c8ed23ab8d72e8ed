//! What `check` and `explain` say where no issuer vouches for users.

use crate::harness::{file, folder, run_with};

const SHARED: &str = "the-shared-token-of-this-set-up-0123456789";
const ROUTES: &str = "listen: 127.0.0.1:8484
upstream: http://127.0.0.1:2
routes:
  - {path: /verify, access: user, answer: verify}
  - {path: /me, access: user, answer: profile}
  - {path: /**, access: user}
";
const LOCAL: [(&str, &str); 2] = [("AUTH_MODE", "local"), ("LOCAL_AUTH_TOKEN", SHARED)];
const DISABLED: [(&str, &str); 1] = [("AUTH_DISABLED", "true")];

fn config() -> String {
    file(&folder(), "bailiff.yaml", ROUTES)
}

#[test]
fn check_says_who_everybody_is() {
    let config = config();
    let args = ["check", "--config", &config];
    let local = run_with(&args, &LOCAL, "");
    assert_eq!(local.status, 0, "{local:?}");
    for part in [
        "users       local:local, by 1 shared token",
        "user, answered here: verify",
    ] {
        assert!(
            local.out.contains(part),
            "{part} is missing in {}",
            local.out
        );
    }
    let off = run_with(&args, &DISABLED, "");
    assert_eq!(off.status, 0, "{off:?}");
    assert!(
        off.err.contains("warning[B016]") && off.err.contains("reverse proxy"),
        "{off:?}"
    );
    assert!(
        off.out
            .contains("users       dev:dev_user, whoever asks: authentication is switched off"),
        "{off:?}"
    );
    let json = run_with(&[&args[..], &["--json"]].concat(), &DISABLED, "").json();
    assert_eq!(
        (&json["auth_disabled"], &json["stand_in"]),
        (&true.into(), &"dev:dev_user".into())
    );
    assert_eq!(json["routes"][1]["answer"], "profile", "{json}");
}

#[test]
fn check_refuses_what_serve_would_refuse() {
    let config = config();
    let ended = run_with(
        &["check", "--config", &config, "--listen", "0.0.0.0:8484"],
        &DISABLED,
        "",
    );
    assert_eq!(ended.status, 78, "{ended:?}");
    for part in [
        "error[B016]",
        "0.0.0.0:8484, which is not this machine alone",
        "command line:1:10",
        "unset AUTH_DISABLED",
    ] {
        assert!(
            ended.err.contains(part),
            "{part} is missing in {}",
            ended.err
        );
    }
}

#[test]
fn explain_shows_the_shared_token_to_nobody() {
    let config = config();
    let ask = |path: &str, token: &str| {
        let ended = run_with(
            &[
                "explain", "--config", &config, "--path", path, "--token", "-",
            ],
            &LOCAL,
            token,
        );
        assert!(!ended.all().contains(token), "{ended:?}");
        ended
    };
    let good = ask("/x", SHARED);
    assert_eq!(good.status, 0, "{good:?}");
    for part in [
        "shared token good: user local:local",
        "x-auth-issuer: local",
        "stripped from the request\n    authorization",
    ] {
        assert!(good.out.contains(part), "{part} is missing in {}", good.out);
    }
    let wrong = ask("/x", "another-token-altogether");
    assert_eq!(wrong.status, 1, "{wrong:?}");
    for part in [
        "refused: wrong_local_token",
        "one shared token counts",
        "LOCAL_AUTH_TOKEN",
    ] {
        assert!(
            wrong.out.contains(part),
            "{part} is missing in {}",
            wrong.out
        );
    }
    let answered = ask("/me", SHARED);
    assert_eq!(answered.status, 0, "{answered:?}");
    assert!(
        answered
            .out
            .contains("answered by bailiff: 200\n    {\"id\":\"local:local\","),
        "{answered:?}"
    );
    let refused = ask("/verify", "another-token-altogether");
    assert_eq!(refused.status, 1, "{refused:?}");
    for part in [
        "answered by bailiff: 401",
        r#"{"valid":false,"reason":"invalid_token"}"#,
        "because wrong_local_token",
    ] {
        assert!(
            refused.out.contains(part),
            "{part} is missing in {}",
            refused.out
        );
    }
    let args = [
        "explain", "--json", "--config", &config, "--path", "/verify",
    ];
    let json = run_with(&args, &LOCAL, "").json();
    assert_eq!(
        (&json["verdict"], &json["status"], &json["reason"]),
        (&"answer".into(), &401.into(), &"missing_token".into())
    );
}

#[test]
fn explain_says_why_a_request_is_not_taken_for_one_of_this_machine() {
    let config = config();
    let ask = |more: &[&str]| {
        let args = ["explain", "--config", &config, "--path", "/x"];
        run_with(&[&args[..], more].concat(), &DISABLED, "")
    };
    let here = ask(&[]);
    assert_eq!(here.status, 0, "{here:?}");
    for part in [
        "authentication is switched off: user dev:dev_user",
        "x-user-id: dev_user",
        "x-auth-issuer: disabled",
    ] {
        assert!(here.out.contains(part), "{part} is missing in {}", here.out);
    }
    for (header, reason, cause) in [
        (
            "x-forwarded-for: 203.0.113.9",
            "auth_disabled_behind_proxy",
            "carries `x-forwarded-for`, which proxies write",
        ),
        (
            "host: evil.test",
            "auth_disabled_host",
            "call http://localhost",
        ),
        (
            "origin: https://evil.test",
            "auth_disabled_origin",
            "`cors.origins`",
        ),
    ] {
        let ended = ask(&["-H", header]);
        assert_eq!(ended.status, 1, "{ended:?}");
        for part in [&format!("refused: {reason}"), cause] {
            assert!(
                ended.out.contains(part),
                "{part} is missing in {}",
                ended.out
            );
        }
    }
}
