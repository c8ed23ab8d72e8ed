//! The standard scene of the suite: the routes, users and workspaces that tests speak of.
//!
//! `user_a` is a member of `ws_1`, `user_b` of `ws_2`: each is a stranger where the other is at home.

use serde_json::{Value, json};

/// The origin of the browser app, and the only authorized party.
pub const APP: &str = "https://app.test";
pub const SERVICE_TOKEN: &str = "service-token-of-the-engine-0123456789";
/// A signing secret of 24 bytes.
pub const WEBHOOK_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The app's own id of `user_a`.
pub const A_ID: &str = "4f6c0a51-6a0e-4c1f-9b1e-0e9d6b0f2f10";

/// What the app may read of `user_a` on a route without a workspace, and nothing else.
pub const USER_A: [&str; 8] = [
    "x-access-status: active",
    "x-auth-issuer: clerk",
    "x-auth-kind: user",
    "x-clerk-user-id: user_a",
    "x-session-id: sess_a",
    "x-user-email: alex@example.com",
    "x-user-id: 4f6c0a51-6a0e-4c1f-9b1e-0e9d6b0f2f10",
    "x-user-name: Alex Chen",
];
/// What the app may read of anybody on an open route.
pub const NOBODY: [&str; 1] = ["x-auth-kind: none"];

pub const MEMBERSHIP: &str = "\
users:
  user_a: {id: 4f6c0a51-6a0e-4c1f-9b1e-0e9d6b0f2f10, email: alex@example.com, name: Alex Chen, access: active}
  user_b: {access: active}
  user_admin: {access: active}
  user_owner: {access: active}
  user_pending: {access: pending}
  user_founder: {access: pending, founder: true}
  user_suspended: {access: suspended}
workspaces:
  ws_1:
    org: org_one
    members:
      user_a: member
      user_admin: admin
      user_owner: owner
      user_pending: member
      user_founder: member
      user_suspended: owner
  ws_2: {org: org_two, members: {user_b: member, user_admin: member}}
";

/// The standard config for these two addresses. JSON is YAML, so this is written to `bailiff.yaml`.
pub fn config(issuer: &str, jwks_url: &str, upstream: &str) -> Value {
    json!({
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "upstream": upstream,
        "clerk": {
            "issuer": issuer,
            "jwks_url": jwks_url,
            "authorized_parties": [APP],
        },
        "membership": {"file": "membership.yaml", "roles": ["member", "admin", "owner"]},
        "webhooks": {"secrets": [WEBHOOK_SECRET]},
        "service_tokens": [{"name": "engine", "token": SERVICE_TOKEN}],
        "cors": {"origins": [APP], "credentials": true},
        "routes": [
            {"path": "/healthz", "access": "public"},
            {"path": "/public/**", "access": "public"},
            {"path": "/optional/**", "access": "optional"},
            {"path": "/api/me", "access": "user"},
            {"path": "/api/**", "access": "active"},
            {"path": "/api/ws/{workspace}/**", "access": "member"},
            {"path": "/api/ws/{workspace}/settings/**", "access": "admin"},
            {"path": "/admin/**", "access": "admin", "workspace": {"header": "x-workspace-id"}},
            {"path": "/org/**", "access": "member", "workspace": {"claim": "org"}},
            {"path": "/internal/**", "access": "service"},
            {"path": "/closed/**", "access": "deny"},
            {"path": "/webhooks/clerk", "methods": ["POST"], "access": "webhook"},
        ],
    })
}
