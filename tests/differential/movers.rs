//! Each field that moves a request, at somebody who reads it: sent to the server itself it moves the request, which proves that the
//! server is one who believes; through the gate it does not, in whatever spelling.

use crate::dice::Dice;
use crate::fields::spelling;
use crate::generate::Case;
use crate::harness::{Clerk, Request, Response};
use crate::oracle::Seen;
use crate::scene::{self, Sender, Tokens, Variant};
use crate::servers::{App, Server};

/// How often a field is sent through the gate, each time spelt another way.
const SPELLINGS: u64 = 12;

/// What a field makes a server believe.
#[derive(Clone, Copy, Debug)]
enum Belief {
    Handler(&'static str),
    Root(&'static str),
    Method(&'static str),
    Scheme(&'static str),
    Host(&'static str),
    User(&'static str),
    Client(&'static str),
}

impl Belief {
    fn is_held(self, seen: &Seen) -> bool {
        match self {
            Self::Handler(it) => seen.handler == it,
            Self::Root(it) => seen.root == it,
            Self::Method(it) => seen.method == it,
            Self::Scheme(it) => seen.scheme == it,
            Self::Host(it) => seen.host == it,
            Self::User(it) => seen.user == it,
            Self::Client(it) => seen.client == it,
        }
    }
}

/// A field, its value, and what whoever believes it makes of `POST /public/admin/x`.
type Mover = (&'static str, &'static str, Belief);

const FOR: Mover = ("X-Forwarded-For", "10.0.0.9", Belief::Client("10.0.0.9"));
const PROTO: Mover = ("X-Forwarded-Proto", "https", Belief::Scheme("https"));
const HOST: Mover = ("X-Forwarded-Host", "evil.test", Belief::Host("evil.test"));
const PREFIX: Mover = ("X-Forwarded-Prefix", "/public", Belief::Root("/public"));
const OVERRIDE: Mover = ("X-HTTP-Method-Override", "DELETE", Belief::Method("DELETE"));

fn posted() -> Case {
    Case {
        variant: Variant::Open,
        sender: Sender::Nobody,
        method: "POST".to_owned(),
        target: "/public/admin/x".to_owned(),
        host: "app.test".to_owned(),
        fields: Vec::new(),
    }
}

#[track_caller]
fn seen(answer: &Response) -> Seen {
    Seen::of(answer).unwrap_or_else(|| panic!("no handler answered: {answer:?}"))
}

/// What counts of an observation: all but the names and values of what came along.
fn moved(seen: Seen) -> Seen {
    Seen {
        fields: Vec::new(),
        ..seen
    }
}

#[track_caller]
fn only_the_server_believes(server: &Server, movers: &[Mover]) {
    let clerk = Clerk::start();
    let tokens = Tokens::of(&clerk);
    let gate = scene::gate(&scene::config(Variant::Open, &clerk, &server.url(), None));
    let ask = |address, fields: &[(String, String)]| {
        let case = Case {
            fields: fields.to_vec(),
            ..posted()
        };
        let fields = case
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let request =
            Request::new(address, &case.method, &case.target).header("Content-Length", "0");
        let request = request
            .headers(fields)
            .bearer(tokens.of_sender(Sender::User).unwrap_or_default());
        request.send()
    };
    let straight = seen(&ask(server.address(), &[]));
    let through = moved(seen(&ask(gate.address(), &[])));
    let mut believed = Vec::new();
    for (name, value, belief) in movers {
        assert!(
            !belief.is_held(&straight),
            "{name}: {belief:?} would prove nothing, it is so anyway: {straight:?}"
        );
        // Daphne reads further words of a proxy only beside this one.
        let proxy = (FOR.0.to_owned(), "127.0.0.1".to_owned());
        let fields = [(name.to_string(), value.to_string()), proxy];
        let answer = ask(
            server.address(),
            if *name == FOR.0 {
                &fields[..1]
            } else {
                &fields
            },
        );
        assert!(
            belief.is_held(&seen(&answer)),
            "this server does not read {name}: {value}\n{answer:?}"
        );

        let dice = &mut Dice::of(0, 0);
        let spellings = (0..SPELLINGS).map(|_| spelling(dice, name));
        for spelt in std::iter::once((*name).to_owned()).chain(spellings) {
            let answer = ask(gate.address(), &[(spelt.clone(), (*value).to_owned())]);
            // A spelling that is no name is refused; one that is believed may also break the server.
            let seen = Seen::of(&answer).map(moved);
            if seen.as_ref() != Some(&through) {
                believed.push(format!(
                    "{spelt}: {value}\n  {} {seen:?}",
                    answer.head.first_line
                ));
                break;
            }
        }
    }
    assert!(
        believed.is_empty(),
        "through the gate the server believed\n{}",
        believed.join("\n")
    );
}

#[test]
fn gunicorn_believes_its_proxy_and_no_client() {
    only_the_server_believes(
        &App::Flask.start(),
        &[
            ("SCRIPT_NAME", "/public", Belief::Handler("/admin/**")),
            PROTO,
            ("X-Forwarded-Protocol", "ssl", Belief::Scheme("https")),
            ("X-Forwarded-Ssl", "on", Belief::Scheme("https")),
        ],
    );
}

#[test]
fn uvicorn_believes_its_proxy_and_no_client() {
    only_the_server_believes(&App::FastApi.start(), &[PROTO, FOR]);
}

#[test]
fn hypercorns_proxy_fix_believes_its_proxy_and_no_client() {
    only_the_server_believes(
        &Server::hypercorn("fastapi_behind:legacy"),
        &[PROTO, FOR, HOST],
    );
    let forwarded = |belief| {
        (
            "Forwarded",
            "for=10.0.0.9;proto=https;host=evil.test",
            belief,
        )
    };
    let three = [
        Belief::Client("10.0.0.9"),
        Belief::Scheme("https"),
        Belief::Host("evil.test"),
    ]
    .map(forwarded);
    only_the_server_believes(&Server::hypercorn("fastapi_behind:modern"), &three);
}

#[test]
fn daphne_believes_its_proxy_and_no_client() {
    let root = ("Daphne-Root-Path", "/public", Belief::Handler("/admin/**"));
    only_the_server_believes(&App::Daphne.start(), &[root]);
    only_the_server_believes(
        &Server::daphne(&["--proxy-headers", "django_app:app"], &[]),
        &[root, FOR, PROTO],
    );
}

#[test]
fn waitress_believes_its_proxy_and_no_client() {
    let trusting = |names: &str| {
        let names = format!("--trusted-proxy-headers={names}");
        let count = "--trusted-proxy-count=1";
        Server::waitress(
            &["--trusted-proxy=127.0.0.1", count, &names, "flask_app:app"],
            &[],
        )
    };
    only_the_server_believes(
        &trusting("x-forwarded-for x-forwarded-proto x-forwarded-host"),
        &[FOR, PROTO, HOST],
    );
    let forwarded = (
        "Forwarded",
        "for=10.0.0.9;proto=https;host=evil.test",
        Belief::Client("10.0.0.9"),
    );
    only_the_server_believes(&trusting("forwarded"), &[forwarded]);
}

#[test]
fn werkzeugs_proxy_fix_believes_its_proxy_and_no_client() {
    only_the_server_believes(
        &Server::gunicorn("flask_behind:fixed"),
        &[FOR, PROTO, HOST, PREFIX],
    );
}

#[test]
fn flasks_snippets_believe_their_proxy_and_no_client() {
    only_the_server_believes(
        &Server::waitress(&["flask_behind:reverse_proxied"], &[]),
        &[
            ("X-Script-Name", "/public", Belief::Handler("/admin/**")),
            ("X-Scheme", "https", Belief::Scheme("https")),
        ],
    );
    let server = ("X-Forwarded-Server", "evil.test", Belief::Host("evil.test"));
    only_the_server_believes(&Server::gunicorn("flask_behind:reverse_proxied"), &[server]);
    only_the_server_believes(&Server::gunicorn("flask_behind:overridden"), &[OVERRIDE]);
}

#[test]
fn django_believes_its_proxy_and_no_client() {
    let told = [("DJANGO_FORWARDED_HOST", "1"), ("DJANGO_PROXY_SSL", "1")];
    only_the_server_believes(&Server::daphne(&["django_app:app"], &told), &[HOST, PROTO]);
    let user = ("Remote-User", "user_admin", Belief::User("user_admin"));
    only_the_server_believes(&Server::waitress(&["django_remote_user:app"], &[]), &[user]);
}

#[test]
fn express_believes_its_proxy_and_no_client() {
    only_the_server_believes(
        &Server::express(&[("EXPRESS_TRUST_PROXY", "1")]),
        &[FOR, PROTO, HOST],
    );
    only_the_server_believes(
        &Server::express(&[("EXPRESS_METHOD_OVERRIDE", "1")]),
        &[OVERRIDE],
    );
}

#[test]
fn rack_believes_its_proxy_and_no_client() {
    only_the_server_believes(
        &Server::puma("rack_app.ru"),
        &[
            FOR,
            HOST,
            PROTO,
            OVERRIDE,
            ("X-Forwarded-Ssl", "on", Belief::Scheme("https")),
            ("X-Forwarded-Scheme", "https", Belief::Scheme("https")),
        ],
    );
}

#[test]
fn symfony_believes_its_proxy_and_no_client() {
    only_the_server_believes(
        &Server::php("php_app.php"),
        &[FOR, HOST, PROTO, PREFIX, OVERRIDE],
    );
}
