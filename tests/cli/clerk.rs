use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::OnceLock;

use bailiff::dev::issuer::{DevIssuer, DevUser, UserBehaviour};
use bailiff::listen;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::harness::{Ended, file, folder, run_with};

const KEY: &str = "sk_test_hunter2hunter2hunter2";
const PUBLISHABLE: (&str, &str) = (
    "CLERK_PUBLISHABLE_KEY",
    "pk_test_YW11c2VkLWNhdC03LmNsZXJrLmFjY291bnRzLmRldiQ",
);

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime")
    })
}

/// A Backend API that knows Alex. It serves for as long as this lives.
struct Clerk {
    issuer: DevIssuer,
    _serving: watch::Sender<bool>,
}

impl Clerk {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let issuer = DevIssuer::new(
            format!("http://{}", listener.local_addr().expect("an address")),
            vec![],
        );
        issuer.set_people(vec![DevUser {
            name: "alex".to_owned(),
            user_id: "user_2abc".to_owned(),
            email: Some("alex@example.com".to_owned()),
            full_name: "Alex Chen".to_owned(),
            orgs: vec![],
        }]);
        issuer.set_secret_key(Some(KEY.to_owned()));
        let (serving, shutdown) = watch::channel(false);
        let _inside = runtime().enter();
        let _served = listen::spawn("issuer", issuer.clone(), listener, shutdown);
        Self {
            issuer,
            _serving: serving,
        }
    }

    fn is_there(&self) -> bool {
        !self.issuer.people().is_empty()
    }

    /// With the environment alone, and `y` for whoever asks.
    fn delete(&self, args: &[&str]) -> Ended {
        delete(self.issuer.url(), KEY, args)
    }
}

fn delete(url: &str, key: &str, args: &[&str]) -> Ended {
    delete_with(url, key, &[], args)
}

fn delete_with(url: &str, key: &str, more: &[(&str, &str)], args: &[&str]) -> Ended {
    let variables = [
        &[
            PUBLISHABLE,
            ("CLERK_SECRET_KEY", key),
            ("CLERK_API_URL", url),
        ],
        more,
    ]
    .concat();
    let ended = run_with(
        &[&["clerk", "delete-user"], args].concat(),
        &variables,
        "user_2abc\n",
    );
    assert!(
        !ended.all().contains("hunter2"),
        "the secret key was printed: {ended:?}"
    );
    ended
}

#[test]
fn a_user_is_shown_and_deleted_and_a_second_time_is_gone_already() {
    let clerk = Clerk::start();
    let ended = clerk.delete(&["user_2abc", "--yes"]);
    assert_eq!(
        (ended.status, ended.out.as_str()),
        (0, "user_2abc is deleted at Clerk\n"),
        "{ended:?}"
    );
    for part in [
        "user_2abc",
        "alex@example.com",
        "Alex Chen",
        "no gate was told",
        "admin.token",
    ] {
        assert!(ended.err.contains(part), "{part} is missing: {ended:?}");
    }
    assert!(!clerk.is_there());

    let ended = clerk.delete(&["user_2abc", "--yes"]);
    assert_eq!(
        (ended.status, ended.out.as_str()),
        (0, "user_2abc was gone already\n"),
        "{ended:?}"
    );
    assert!(
        ended.err.contains("has no user user_2abc") && ended.err.contains("of another instance"),
        "{ended:?}"
    );
    assert_eq!(clerk.issuer.user_hits("user_2abc"), (2, 2));
}

#[test]
fn a_program_reads_what_became_of_it() {
    let clerk = Clerk::start();
    for result in ["deleted", "already_gone"] {
        let ended = clerk.delete(&["user_2abc", "--yes", "--json"]);
        assert_eq!(ended.status, 0, "{ended:?}");
        assert_eq!(
            ended.json(),
            serde_json::json!({"user": "user_2abc", "result": result, "gate": "not_asked"})
        );
    }
}

/// Whoever listens where the config says that the gate's admin listener is.
fn stranger(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn a_gate_that_could_not_be_told_is_a_failure_that_says_so_and_the_user_is_deleted_all_the_same() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port");
    for (given, admin, word, said) in [
        ("nobody", nobody, "no_answer", "Connection refused"),
        (
            "no HTTP",
            stranger("SSH-2.0-x\r\n\r\n"),
            "no_answer",
            "the answer is no HTTP",
        ),
        (
            "a page",
            stranger("HTTP/1.1 404 x\r\n\r\n<html>\x1b[2J"),
            "refused",
            "404 <html>[2J",
        ),
        (
            "another gate",
            stranger("HTTP/1.1 401 x\r\n\r\n{}"),
            "refused",
            "does not take this `admin.token`",
        ),
        (
            "a full disk",
            stranger("HTTP/1.1 503 x\r\n\r\n{\"detail\":\"full\"}"),
            "refused",
            "full",
        ),
    ] {
        let clerk = Clerk::start();
        let admin = admin.to_string();
        let variables = [
            ("BAILIFF_ADMIN", admin.as_str()),
            ("BAILIFF_ADMIN_TOKEN", "hunter2hunter2hunter2"),
        ];
        let ended = delete_with(
            clerk.issuer.url(),
            KEY,
            &variables,
            &["user_2abc", "--yes", "--json"],
        );
        assert_eq!(
            (ended.status, clerk.is_there()),
            (1, false),
            "{given}: {ended:?}"
        );
        assert_eq!(
            ended.json(),
            serde_json::json!({"user": "user_2abc", "result": "deleted", "gate": word})
        );
        let told = format!("error: the gate at {admin} was not told");
        assert!(
            ended.err.contains(&told) && ended.err.contains(said) && ended.err.contains("fix"),
            "{given}: {ended:?}"
        );
    }
}

#[test]
fn without_a_terminal_and_without_yes_nobody_is_asked_for_and_nobody_deleted() {
    let clerk = Clerk::start();
    let ended = clerk.delete(&["user_2abc"]);
    assert_eq!(ended.status, 2, "{ended:?}");
    assert!(
        ended.err.contains("no terminal") && ended.err.contains("--yes") && ended.out.is_empty(),
        "{ended:?}"
    );
    assert_eq!(
        (clerk.is_there(), clerk.issuer.user_hits("user_2abc")),
        (true, (0, 0))
    );
}

#[test]
fn what_is_no_id_of_a_user_is_sent_to_nobody() {
    let clerk = Clerk::start();
    for id in ["alex@example.com", "usr_2abc", "user_", "user_a b", ""] {
        let ended = clerk.delete(&[id, "--yes"]);
        assert_eq!(ended.status, 2, "{id}: {ended:?}");
        assert!(ended.err.contains("fix"), "{ended:?}");
    }
    assert!(clerk.is_there());
}

#[test]
fn an_id_with_a_path_in_it_deletes_nobody_else() {
    let clerk = Clerk::start();
    let ended = clerk.delete(&["user_x/../user_2abc", "--yes"]);
    assert_eq!((ended.status, clerk.is_there()), (0, true), "{ended:?}");
    assert_eq!(clerk.issuer.user_hits("user_x/../user_2abc"), (1, 1));
}

#[test]
fn a_wrong_secret_key_deletes_nobody_and_is_named_with_its_cure() {
    let clerk = Clerk::start();
    let ended = delete(
        clerk.issuer.url(),
        "sk_test_hunter2anotherinstance",
        &["user_2abc", "--yes"],
    );
    assert_eq!((ended.status, clerk.is_there()), (1, true), "{ended:?}");
    let expected = format!(
        "CLERK_SECRET_KEY is not of the instance at {}",
        clerk.issuer.url()
    );
    assert!(
        ended.err.contains(&expected) && ended.err.contains("fix    take the secret key from"),
        "{ended:?}"
    );
}

#[test]
fn an_api_that_is_down_or_no_api_at_all_fails_with_a_reason() {
    let ended = delete("http://127.0.0.1:1", KEY, &["user_2abc", "--yes"]);
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(
        ended.err.contains("no connection to http://127.0.0.1:1") && ended.err.contains("fix"),
        "{ended:?}"
    );

    let clerk = Clerk::start();
    for (given, expected) in [
        (UserBehaviour::Status(503), "answered 503"),
        (
            UserBehaviour::Status(404),
            "answered 404, and not as Clerk does",
        ),
        (UserBehaviour::Html, "a web page"),
        (UserBehaviour::WrongId, "another user"),
        (UserBehaviour::RateLimited(Some(30)), "rate limit"),
    ] {
        clerk.issuer.set_user_behaviour(given.clone());
        let ended = clerk.delete(&["user_2abc", "--yes", "--json"]);
        assert_eq!(
            (ended.status, ended.out.as_str(), clerk.is_there()),
            (1, "", true),
            "{given:?}: {ended:?}"
        );
        assert!(
            ended.err.contains(expected) && ended.err.contains("user_2abc is not deleted"),
            "{given:?}: {ended:?}"
        );
    }
}

#[test]
fn a_config_without_a_secret_key_or_with_a_fault_is_wrong() {
    let args = ["clerk", "delete-user", "user_2abc", "--yes"];
    let ended = run_with(&args, &[PUBLISHABLE], "");
    assert_eq!(ended.status, 78, "{ended:?}");
    assert!(
        ended.err.contains("no secret key") && ended.err.contains("CLERK_SECRET_KEY"),
        "{ended:?}"
    );

    let clerk = Clerk::start();
    let text = format!(
        "upstream: http://127.0.0.1:1\nclerk: {{publishable_key: \"${{CLERK_PUBLISHABLE_KEY}}\", api_url: \"{}\"}}\n",
        clerk.issuer.url()
    );
    let path = file(&folder(), "bailiff.yaml", &text);
    let with = |variables: &[(&str, &str)]| {
        run_with(&[&args[..], &["--config", &path]].concat(), variables, "")
    };
    assert_eq!(with(&[PUBLISHABLE]).status, 78);
    assert_eq!(
        with(&[PUBLISHABLE, ("CLERK_SECRET_KEY", "hunter2")]).status,
        78
    );
    assert!(clerk.is_there());
    let ended = with(&[PUBLISHABLE, ("CLERK_SECRET_KEY", KEY)]);
    assert_eq!((ended.status, clerk.is_there()), (0, false), "{ended:?}");
}
