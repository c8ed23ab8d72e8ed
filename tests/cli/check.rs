use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use bailiff::dev::key::SigningKey;

use crate::harness::{file, folder, run};

const GOOD: &str = "listen: 127.0.0.1:8484
upstream: UPSTREAM
clerk:
  issuer: ISSUER
  jwks_url: ISSUER/jwks.json
membership:
  file: membership.yaml
  roles: [member, owner]
routes:
  - {path: /public, access: public}
  - {path: \"/ws/{workspace}/**\", access: owner}
";
const MEMBERS: &str =
    "users: {user_a: {access: active}}\nworkspaces: {ws_1: {members: {user_a: owner}}}\n";

/// A config in a folder of its own.
fn config(text: &str, members: &str, issuer: &str, upstream: &str) -> String {
    let folder = folder();
    file(&folder, "membership.yaml", members);
    file(
        &folder,
        "bailiff.yaml",
        &text.replace("ISSUER", issuer).replace("UPSTREAM", upstream),
    )
}

fn usual(text: &str, members: &str) -> String {
    config(text, members, "http://127.0.0.1:1", "http://127.0.0.1:2")
}

/// An issuer whose clock says `date`.
fn issuer(date: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let keys =
        serde_json::json!({"keys": [SigningKey::generate("ins_clock").expect("a key").jwk()]})
            .to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let head = format!(
                "HTTP/1.1 200 OK\r\nDate: {date}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                keys.len()
            );
            let _ = stream.write_all(format!("{head}{keys}").as_bytes());
        }
    });
    address
}

#[test]
fn a_good_config_is_summed_up() {
    let ended = run(&["check", "--config", &usual(GOOD, MEMBERS)]);
    assert_eq!(ended.status, 0, "{ended:?}");
    for part in [
        "is fine",
        "http://127.0.0.1:2",
        "1 user, 1 workspace, 1 membership",
        "/ws/{workspace}/**",
        "owner",
        "public",
    ] {
        assert!(
            ended.out.contains(part),
            "{part} is missing in {}",
            ended.out
        );
    }
}

#[test]
fn every_fault_is_said_at_once_with_its_place() {
    let broken = GOOD
        .replace("listen:", "lisen:")
        .replace("access: owner", "access: onwer");
    let path = usual(&broken, MEMBERS);
    let ended = run(&["check", "--config", &path]);
    assert_eq!(ended.status, 78, "{ended:?}");
    assert!(ended.out.is_empty(), "{ended:?}");
    for part in [
        "bailiff.yaml:1:1",
        "did you mean `listen`",
        "bailiff.yaml:11:",
        "did you mean `owner`",
        "2 errors and 1 warning",
    ] {
        assert!(
            ended.err.contains(part),
            "{part} is missing in {}",
            ended.err
        );
    }
    let json = run(&["check", "--json", "--config", &path]);
    assert_eq!(json.status, 78);
    assert_eq!(json.json()["ok"], false);
    assert!(
        json.json()["faults"].as_array().unwrap().len() >= 2,
        "{json:?}"
    );
    assert_eq!(json.json()["faults"][0]["line"], 1);
}

#[test]
fn a_broken_membership_is_a_wrong_config_too() {
    let ended = run(&[
        "check",
        "--config",
        &usual(GOOD, "users: {user_a: {acces: active}}\n"),
    ]);
    assert_eq!(ended.status, 78, "{ended:?}");
    assert!(
        ended.err.contains("membership.yaml:1:") && ended.err.contains("did you mean `access`"),
        "{ended:?}"
    );
}

#[test]
fn an_issuer_that_does_not_answer_is_69_and_an_upstream_only_a_warning() {
    let ended = run(&["check", "--online", "--config", &usual(GOOD, MEMBERS)]);
    assert_eq!(ended.status, 69, "{ended:?}");
    for part in [
        "asking http://127.0.0.1:1/jwks.json",
        "error[B022]",
        "warning[B030]",
        "refused",
        "fix",
    ] {
        assert!(
            ended.err.contains(part),
            "{part} is missing in {}",
            ended.err
        );
    }
    assert!(ended.out.contains("cannot work now"), "{ended:?}");
}

#[test]
fn a_clock_that_is_off_is_told_with_what_to_do() {
    let issuer = issuer("Fri, 01 Jan 2021 00:00:00 GMT");
    let upstream = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let path = config(
        GOOD,
        MEMBERS,
        &format!("http://{issuer}"),
        &format!("http://{upstream}"),
    );
    let ended = run(&["check", "--online", "--config", &path]);
    assert_eq!(ended.status, 0, "a warning is no error: {ended:?}");
    for part in [
        "warning[B021]",
        "s ahead of the issuer `clerk`",
        "timedatectl",
    ] {
        assert!(
            ended.err.contains(part),
            "{part} is missing in {}",
            ended.err
        );
    }
    assert!(ended.out.contains("found ins_clock"), "{ended:?}");
    let json = run(&["check", "--online", "--json", "--config", &path]).json();
    assert_eq!(json["issuers"][0]["kids"][0], "ins_clock");
    assert!(json["issuers"][0]["clock_ahead_s"].as_i64().unwrap() > 100_000_000);
}
