//! The people of the demo, and the two files that `serve` would read.

use std::net::SocketAddr;
use std::path::Path;

use crate::dev::issuer::{DevUser, INSTANCE_ID, Org};

/// The origin for which tokens are made.
pub(super) const ORIGIN: &str = "https://app.example.com";
/// The path at which the gate takes webhooks.
pub(super) const WEBHOOK_PATH: &str = "/webhooks/clerk";

/// One person: name, full name, the app's own id, access, and the roles in workspaces.
struct Role {
    name: &'static str,
    full_name: &'static str,
    id: &'static str,
    access: &'static str,
    role: &'static str,
    workspace: &'static str,
}

const CAST: [Role; 5] = [
    Role {
        name: "alice",
        full_name: "Alice Archer",
        id: "6d0f5a52-2f3e-4d5c-9a41-0b7c1e5f0a01",
        access: "active",
        role: "owner",
        workspace: "acme",
    },
    Role {
        name: "bob",
        full_name: "Bob Baker",
        id: "b2a4c6e8-1d3f-4b5a-8c7d-9e0f1a2b3c02",
        access: "active",
        role: "member",
        workspace: "acme",
    },
    Role {
        name: "carol",
        full_name: "Carol Cooper",
        id: "c3d5e7f9-2a4b-4c6d-9e8f-0a1b2c3d4e03",
        access: "active",
        role: "owner",
        workspace: "globex",
    },
    Role {
        name: "dan",
        full_name: "Dan Dyer",
        id: "d4e6f8a0-3b5c-4d7e-8f90-1b2c3d4e5f04",
        access: "pending",
        role: "member",
        workspace: "acme",
    },
    Role {
        name: "eve",
        full_name: "Eve Ewing",
        id: "e5f7a9b1-4c6d-4e8f-90a1-2c3d4e5f6a05",
        access: "suspended",
        role: "member",
        workspace: "acme",
    },
];

/// The people as the issuer knows them.
pub(super) fn people() -> Vec<DevUser> {
    let person = |role: &Role| DevUser {
        name: role.name.to_owned(),
        user_id: format!("user_{}", role.name),
        email: Some(format!("{}@example.com", role.name)),
        full_name: role.full_name.to_owned(),
        orgs: vec![Org {
            id: format!("org_{}", role.workspace),
            slug: role.workspace.to_owned(),
            role: role.role.to_owned(),
            permissions: vec!["org:boards:read".to_owned()],
        }],
    };
    CAST.iter().map(person).collect()
}

/// The names, for the screen.
pub(super) fn names() -> impl Iterator<Item = (&'static str, String)> {
    CAST.iter().map(|role| {
        let access = if role.access == "active" {
            String::new()
        } else {
            format!(", {}", role.access)
        };
        (
            role.name,
            format!("{} of ws_{}{access}", role.role, role.workspace),
        )
    })
}

/// The membership file.
pub(super) fn membership() -> String {
    let mut text = "# Edit and save: the gate follows.\nusers:\n".to_owned();
    for (role, person) in CAST.iter().zip(people()) {
        let email = person.email.unwrap_or_default();
        text += &format!(
            "  {}: {{id: {}, email: {email}, name: {}, access: {}}}\n",
            person.user_id, role.id, person.full_name, role.access
        );
    }
    text += "workspaces:\n";
    for workspace in ["acme", "globex"] {
        let members = CAST.iter().filter(|role| role.workspace == workspace);
        let members: Vec<_> = members
            .map(|role| format!("user_{}: {}", role.name, role.role))
            .collect();
        text += &format!(
            "  ws_{workspace}: {{org: org_{workspace}, members: {{{}}}}}\n",
            members.join(", ")
        );
    }
    text
}

/// The addresses and files that the config names.
pub(super) struct Places<'p> {
    pub gate: SocketAddr,
    pub admin: SocketAddr,
    pub issuer: &'p str,
    pub app: &'p str,
    pub members: &'p Path,
    pub store: &'p Path,
    pub secret_file: &'p Path,
}

/// The config file.
pub(super) fn config(places: &Places<'_>) -> String {
    let Places {
        gate,
        admin,
        issuer,
        app,
        members,
        store,
        secret_file,
    } = places;
    let (members, store, secret_file) = (members.display(), store.display(), secret_file.display());
    format!(
        r#"# The config of `bailiff demo`: as it could stand beside an app of your own.
listen: "{gate}"
admin: "{admin}"
upstream: {app}
store: {store}

clerk:                                  # your own instance: publishable_key: ${{CLERK_PUBLISHABLE_KEY}}
  issuer: {issuer}
  jwks_url: {issuer}/.well-known/jwks.json
  authorized_parties: [{ORIGIN}]
  instance_id: {INSTANCE_ID}

membership:
  file: {members}
  roles: [member, admin, owner]         # rising

webhooks:
  secrets: ["${{file:{secret_file}}}"]

routes:                                 # the most specific wins; what nothing covers is refused
  - {{path: /public, access: public}}
  - {{path: /me, access: user}}
  - {{path: /api/**, access: active}}
  - {{path: "/workspaces/{{workspace}}", methods: [DELETE], access: owner}}
  - {{path: "/workspaces/{{workspace}}/**", access: member}}
  - {{path: {WEBHOOK_PATH}, methods: [POST], access: webhook}}
"#
    )
}
