//! The output of the demo: addresses, and lines to paste.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::fixtures;

/// The addresses of all servers and files.
pub(super) struct Addresses {
    pub gate: String,
    pub admin: String,
    pub admin_socket: String,
    pub issuer: String,
    pub app: String,
    pub config: PathBuf,
    pub membership: PathBuf,
}

/// Something to try: what it demonstrates, and the lines to paste.
struct Try {
    what: &'static str,
    status: &'static str,
    lines: Vec<String>,
}

impl Addresses {
    pub(super) fn json(&self) -> Value {
        let people: serde_json::Map<_, _> = fixtures::names()
            .map(|(name, role)| (name.to_owned(), json!(role)))
            .collect();
        json!({
            "gate": self.gate,
            "admin": self.admin,
            "issuer": self.issuer,
            "app": self.app,
            "config": self.config.display().to_string(),
            "membership": self.membership.display().to_string(),
            "people": people,
        })
    }

    pub(super) fn screen(&self) -> String {
        let style = Style::of_stdout();
        let Self {
            gate,
            admin,
            issuer,
            app,
            ..
        } = self;
        let people: Vec<_> = fixtures::names()
            .map(|(name, role)| format!("{name} ({role})"))
            .collect();
        let mut text = format!(
            "\n  {}    everything here is made up and ends with Ctrl-C\n\n",
            style.bold(concat!("bailiff ", env!("CARGO_PKG_VERSION"), " demo"))
        );
        for (name, address, what) in [
            ("gate", gate, "ask here".to_owned()),
            (
                "app",
                app,
                "sample upstream: answers with the headers that reached it".to_owned(),
            ),
            (
                "issuer",
                issuer,
                "pretends to be Clerk: tokens live 60 s, /send/EVENT/NAME sends signed webhooks"
                    .to_owned(),
            ),
            ("admin", admin, "/metrics /livez /readyz".to_owned()),
            ("config", &self.config.display().to_string(), String::new()),
            (
                "members",
                &self.membership.display().to_string(),
                "edit and save: the gate follows".to_owned(),
            ),
        ] {
            text += format!("  {name:<8}  {address}    {what}").trim_end();
            text += "\n";
        }
        text += &format!(
            "\n  {}\n\n  Try, in another terminal:\n\n",
            people.join(", ")
        );
        for (number, tried) in self.tries().into_iter().enumerate() {
            text += &format!(
                "  {}  {:<62} -> {}\n",
                style.bold(&(number + 1).to_string()),
                tried.what,
                tried.status
            );
            tried
                .lines
                .iter()
                .for_each(|line| text += &format!("     {line}\n"));
        }
        text += &format!(
            "\n  Next: your own app behind your own Clerk\n     \
             CLERK_PUBLISHABLE_KEY=pk_test_... {} serve --upstream http://127.0.0.1:3000\n\n",
            program()
        );
        text
    }

    fn tries(&self) -> Vec<Try> {
        let Self { gate, issuer, .. } = self;
        let bearer =
            |name: &str| format!(r#"-H "Authorization: Bearer $(curl -s {issuer}/token/{name})""#);
        let board = |workspace: &str, name: &str| {
            format!(
                "curl -i {gate}/workspaces/ws_{workspace}/board {}",
                bearer(name)
            )
        };
        let explain = format!(
            "curl -s {issuer}/token/bob | {} explain --config {} --method GET --path /workspaces/ws_globex/board --token -",
            program(),
            self.config.display()
        );
        vec![
            Try {
                what: "no token",
                status: "401",
                lines: vec![format!("curl -i {gate}/me")],
            },
            Try {
                what: "alice in her workspace: look at x-user-id, x-workspace-role",
                status: "200",
                lines: vec![board("acme", "alice")],
            },
            Try {
                what: "bob is a stranger to globex",
                status: "403",
                lines: vec![board("globex", "bob")],
            },
            Try {
                what: "bob wants to be root: the app sees only who he is",
                status: "200",
                lines: vec![format!(
                    r#"curl -i {gate}/me -H "x-user-id: root" -H "X_User_Id: root" -H "x.user.id: root" {}"#,
                    bearer("bob")
                )],
            },
            Try {
                what: "dan is pending, eve is suspended",
                status: "403",
                lines: vec![
                    format!("curl -i {gate}/api/hello {}", bearer("dan")),
                    format!("curl -i {gate}/api/hello {}", bearer("eve")),
                ],
            },
            Try {
                what: "Clerk says that bob has left acme: a signed webhook",
                status: "200",
                lines: vec![format!(
                    "curl -i -X POST {issuer}/send/organizationMembership.deleted/bob"
                )],
            },
            Try {
                what: "... and his next request is refused, his token still good",
                status: "403",
                lines: vec![board("acme", "bob")],
            },
            Try {
                what: "a forged webhook: the app never hears of it",
                status: "401",
                lines: vec![format!(
                    r#"curl -i {gate}{} -H "svix-id: msg_forged" -H "svix-timestamp: $(date +%s)" -H "svix-signature: v1,{}=" -d '{{"type":"user.deleted","data":{{"id":"user_alice"}}}}'"#,
                    fixtures::WEBHOOK_PATH,
                    "A".repeat(43)
                )],
            },
            Try {
                what: "why was bob refused in 3? step by step",
                status: "not_a_member",
                lines: vec![explain],
            },
        ]
    }
}

/// The path with which this program was called, so that a pasted line finds it.
fn program() -> String {
    let called = std::env::args_os()
        .next()
        .and_then(|name| name.into_string().ok());
    let plain = |name: &String| {
        name.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b))
    };
    called.filter(plain).unwrap_or_else(|| "bailiff".to_owned())
}

/// Bold on a terminal whose user wants colours.
struct Style(bool);

impl Style {
    fn of_stdout() -> Self {
        Self(
            std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        )
    }

    fn bold(&self, text: &str) -> String {
        if self.0 {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
