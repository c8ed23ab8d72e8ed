//! The routes that every app has, what each of them demands, and the gate in front.

use bailiff::dev::mint::Mint;
use serde_json::{Value, json};

use crate::harness::{APP, Clerk, Gate, Launch, now};

/// Whom a route lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    Anybody,
    User,
    Admin,
    Nobody,
}

/// The pattern of each route is also the name of its handler in each app.
pub const ROUTES: [(&str, Demand); 19] = [
    ("/", Demand::Anybody),
    ("/public", Demand::Anybody),
    ("/public/**", Demand::Anybody),
    ("/login", Demand::Anybody),
    ("/items/{id}/open", Demand::Anybody),
    ("/items/**", Demand::User),
    ("/files", Demand::User),
    ("/files/**", Demand::Admin),
    ("/admin/**", Demand::Admin),
    ("/Mixed/Case", Demand::User),
    ("/api/special", Demand::Anybody),
    ("/api/{id}", Demand::User),
    ("/api/{id}/x", Demand::Admin),
    ("/a.b/c-d_e~f", Demand::User),
    ("/users/@me", Demand::Anybody),
    ("/users/{id}", Demand::User),
    ("/closed/**", Demand::Nobody),
    ("/tenant/**", Demand::User),
    ("/**", Demand::Anybody),
];

/// What stands before the name of a handler that no route declares.
pub const UNDECLARED: &str = "undeclared:";

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Nobody,
    User,
    Admin,
}

impl Sender {
    pub const ALL: [Self; 3] = [Self::Nobody, Self::User, Self::Admin];

    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Nobody => None,
            Self::User => Some("user_a"),
            Self::Admin => Some("user_admin"),
        }
    }

    pub fn satisfies(self, demand: Demand) -> bool {
        match demand {
            Demand::Anybody => true,
            Demand::User => self != Self::Nobody,
            Demand::Admin => self == Self::Admin,
            Demand::Nobody => false,
        }
    }
}

/// Whether the gate opens what nobody declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// `/**` is public, beside routes that are not.
    Open,
    /// Without `/**` and `/`: what is not declared is refused. The apps have handlers for it all the same.
    Closed,
}

impl Variant {
    pub const ALL: [Self; 2] = [Self::Open, Self::Closed];

    fn declares(self, pattern: &str) -> bool {
        self == Self::Open || !matches!(pattern, "/" | "/**")
    }

    pub fn routes(self) -> impl Iterator<Item = (&'static str, Demand)> {
        ROUTES
            .into_iter()
            .filter(move |(pattern, _)| self.declares(pattern))
    }

    /// What the handler with this name demands.
    pub fn demand(self, handler: &str) -> Demand {
        let name = if handler.starts_with(UNDECLARED) {
            "/**"
        } else {
            handler
        };
        let declared = self.routes().find(|(pattern, _)| *pattern == name);
        declared.map_or(Demand::Nobody, |(_, demand)| demand)
    }
}

const MEMBERSHIP: &str = "\
users:
  user_a: {access: active}
  user_admin: {access: active, flags: [is_admin]}
";

fn route((pattern, demand): (&str, Demand)) -> Value {
    match demand {
        Demand::Anybody => json!({"path": pattern, "access": "public"}),
        Demand::User => json!({"path": pattern, "access": "user"}),
        Demand::Admin => {
            json!({"path": pattern, "access": "user", "require": {"flag": "is_admin"}})
        }
        Demand::Nobody => json!({"path": pattern, "access": "deny"}),
    }
}

/// The gate of this variant in front of the app at this URL. `paths`: how that app reads paths, if not as the gate does.
pub fn config(variant: Variant, clerk: &Clerk, upstream: &str, paths: Option<&Value>) -> Value {
    let mut config = json!({
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "upstream": upstream,
        "threads": 1,
        "clerk": {"issuer": clerk.url(), "jwks_url": clerk.jwks_url(), "authorized_parties": [APP]},
        "membership": {"file": "membership.yaml", "roles": ["member"], "flags": ["is_admin"]},
        "routes": variant.routes().map(route).collect::<Vec<_>>(),
    });
    if let Some(paths) = paths {
        config["paths"] = paths.clone();
    }
    config
}

/// Starts it.
#[track_caller]
pub fn gate(config: &Value) -> Gate {
    Launch::with_config(&format!("{config:#}\n"))
        .file("membership.yaml", MEMBERSHIP)
        .start()
}

/// The tokens of the two users, for as long as a run may take.
pub struct Tokens {
    user: String,
    admin: String,
}

impl Tokens {
    pub fn of(clerk: &Clerk) -> Self {
        let sign = |sender: Sender| {
            let name = sender.name().unwrap_or_default();
            Mint::new(&clerk.url(), name, now())
                .azp(APP)
                .lifetime(24 * 3600)
                .sign(&clerk.key())
        };
        Self {
            user: sign(Sender::User),
            admin: sign(Sender::Admin),
        }
    }

    pub fn of_sender(&self, sender: Sender) -> Option<&str> {
        match sender {
            Sender::Nobody => None,
            Sender::User => Some(&self.user),
            Sender::Admin => Some(&self.admin),
        }
    }
}
