use std::net::TcpListener;
use std::path::Path;

use crate::harness::{Demo, file, folder, get, run, run_with, shell};

/// What the screen offers: expected word, and the line to paste.
fn offered(screen: &str) -> Vec<(String, String)> {
    let mut expected = String::new();
    let mut all = vec![];
    for line in screen.lines() {
        if let Some((_, word)) = line.split_once(" -> ") {
            expected = word.trim().to_owned();
        } else if line.starts_with("     curl ") {
            all.push((expected.clone(), line.trim().to_owned()));
        }
    }
    all
}

#[test]
fn every_line_of_the_screen_does_what_it_says_when_it_is_pasted() {
    let demo = Demo::start(&[], "serve --upstream", &[]);
    let lines = offered(&demo.screen);
    assert_eq!(lines.len(), 10, "{}", demo.screen);
    for (expected, line) in lines {
        let seen = shell(&line);
        let good = match expected.parse::<u16>() {
            Ok(status) => seen.starts_with(&format!("HTTP/1.1 {status}")),
            Err(_) => seen.contains(&format!("refused: {expected}")),
        };
        assert!(good, "{line}\nexpected {expected}, seen:\n{seen}");
        assert!(!seen.contains("root"), "{line}\n{seen}");
    }
}

#[test]
fn the_app_is_told_who_alice_is_and_what_she_may_do() {
    let demo = Demo::start(&[], "serve --upstream", &[]);
    let (_, line) = offered(&demo.screen)
        .into_iter()
        .nth(1)
        .expect("the second line");
    let seen = shell(&line);
    let (_, body) = seen.split_once("\r\n\r\n").expect("an answer");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON from the app");
    assert_eq!(body["identity"]["x-clerk-user-id"], "user_alice");
    assert_eq!(body["identity"]["x-workspace-id"], "ws_acme");
    assert_eq!(body["identity"]["x-workspace-role"], "owner");
    assert_eq!(
        body["identity"]["x-user-id"].as_str().map(str::len),
        Some(36),
        "the app's own id"
    );
}

#[test]
fn it_ends_with_one_sentence_and_leaves_no_file() {
    let (demo, addresses) = Demo::json(&[]);
    let config = addresses["config"].as_str().unwrap().to_owned();
    assert!(Path::new(&config).exists());
    let (status, err) = demo.interrupt();
    assert_eq!(status, 0, "{err}");
    assert!(
        err.ends_with("The demo has ended, and nothing of it is left.\n"),
        "{err}"
    );
    assert!(!Path::new(&config).parent().unwrap().exists());
}

#[test]
fn editing_the_membership_file_changes_the_next_answer() {
    let (_demo, addresses) = Demo::json(&[]);
    let members = addresses["membership"].as_str().unwrap();
    let text = std::fs::read_to_string(members).unwrap();
    std::fs::write(members, text.replace("access: suspended", "access: active")).unwrap();
    let (gate, issuer) = (
        addresses["gate"].as_str().unwrap(),
        addresses["issuer"].as_str().unwrap(),
    );
    let asked = format!(
        r#"curl -s -o /dev/null -w '%{{http_code}}' {gate}/api/x -H "Authorization: Bearer $(curl -s {issuer}/token/eve)""#
    );
    let passes = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        shell(&asked) == "200"
    });
    assert!(passes);
}

#[test]
fn the_users_own_settings_do_not_leak_in() {
    let own = [
        ("CLERK_PUBLISHABLE_KEY", "no key at all"),
        ("CLERK_LEEWAY", "NaN"),
        ("BAILIFF_UPSTREAM", "nonsense"),
        ("BAILIFF_CONFIG", "/does/not/exist.yaml"),
        ("AUTH_DISABLED", "true"),
        ("http_proxy", "http://127.0.0.1:1"),
        ("ALL_PROXY", "http://127.0.0.1:1"),
    ];
    let (_demo, addresses) = Demo::json(&own);
    assert_eq!(
        get(&format!("{}/readyz", addresses["admin"].as_str().unwrap())),
        "ready\n"
    );
}

#[test]
fn a_taken_port_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let ended = run(&["demo", "--port", &port.to_string()]);
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(ended.out.is_empty(), "{ended:?}");
    for part in [
        &format!("127.0.0.1:{port} is taken"),
        "for its gate",
        "Address already in use",
        "--port",
        "ss -ltnp",
    ] {
        assert!(
            ended.err.contains(part),
            "{part} is missing in {}",
            ended.err
        );
    }
}

#[test]
fn a_134_it_does_not_start_beside_a_live_key_or_in_a_cluster() {
    for (name, value) in [
        ("CLERK_SECRET_KEY", "sk_live_verysecret"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
    ] {
        for args in [
            &["demo", "--port", "0"][..],
            &["demo", "--port", "0", "--bind", "0.0.0.0"],
        ] {
            let ended = run_with(args, &[(name, value)], "");
            assert_eq!(ended.status, 1, "{ended:?}");
            assert!(
                ended.err.contains(name) && ended.err.contains("fix"),
                "{ended:?}"
            );
            assert!(!ended.all().contains("verysecret"), "{ended:?}");
        }
    }
}

#[test]
fn health_says_ready_and_says_no_when_nobody_answers() {
    let (_demo, addresses) = Demo::json(&[]);
    let admin = addresses["admin"]
        .as_str()
        .unwrap()
        .trim_start_matches("http://");
    let ended = run(&["health", "--admin", admin]);
    assert_eq!(
        (ended.status, ended.out.as_str()),
        (0, "ready\n"),
        "{ended:?}"
    );

    // The config of `serve` names the address too, whatever else it lacks by itself.
    let text = format!(
        "admin: {admin}\nclerk: {{issuer: http://127.0.0.1:1, jwks_url: http://127.0.0.1:1/jwks}}\n"
    );
    let config = file(
        &folder(),
        "bailiff.yaml",
        &(text + "routes: [{path: /**, access: user}]\n"),
    );
    let ended = run(&["health", "--config", &config]);
    assert_eq!(
        (ended.status, ended.out.as_str()),
        (0, "ready\n"),
        "{ended:?}"
    );

    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let ended = run(&["health", "--json", "--admin", &free]);
    assert_eq!(ended.status, 1);
    assert_eq!(ended.json()["ready"], false);
    assert!(
        ended.err.contains(&free) && ended.err.contains("fix"),
        "{ended:?}"
    );

    assert_eq!(run(&["health", "--admin", "localhost"]).status, 2);
}
