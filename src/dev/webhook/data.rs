//! The `data` of Clerk's events, with the members that Clerk sends and a receiver may rely on.
//!
//! Times are in milliseconds since 1970, as everywhere in Clerk's backend.

use serde_json::{Value, json};

/// A user as `user.created` and `user.updated` carry one.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebhookUser<'a> {
    /// `user_…`
    pub id: &'a str,
    /// The primary address, verified; `None` for a user without one.
    pub email: Option<&'a str>,
    /// May be missing in Clerk too.
    pub first_name: Option<&'a str>,
    /// May be missing in Clerk too.
    pub last_name: Option<&'a str>,
    /// Banned users may not sign in, and their sessions are revoked.
    pub banned: bool,
    /// Locked out after too many attempts.
    pub locked: bool,
    /// Orders the events of one user.
    pub updated_at_ms: u64,
}

/// The data of `user.created` and `user.updated`: the full user.
#[must_use]
pub fn user(user: &WebhookUser<'_>) -> Value {
    let address_id = user
        .email
        .map(|_| format!("idn_{}", user.id.trim_start_matches("user_")));
    let addresses: Vec<Value> = user
        .email
        .iter()
        .map(|email| {
            json!({
                "id": address_id,
                "object": "email_address",
                "email_address": email,
                "verification": {"status": "verified", "strategy": "email_code"},
                "linked_to": [],
            })
        })
        .collect();
    json!({
        "id": user.id,
        "object": "user",
        "email_addresses": addresses,
        "primary_email_address_id": address_id,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "username": null,
        "external_id": null,
        "banned": user.banned,
        "locked": user.locked,
        "phone_numbers": [],
        "external_accounts": [],
        "public_metadata": {},
        "private_metadata": {},
        "unsafe_metadata": {},
        "two_factor_enabled": false,
        "created_at": user.updated_at_ms,
        "updated_at": user.updated_at_ms,
    })
}

/// The data of `user.deleted` (`object` is `user`) and `organization.deleted` (`organization`). It
/// has no time of its own: such events are ordered by the time in the envelope.
#[must_use]
pub fn deleted(object: &str, id: &str) -> Value {
    json!({"deleted": true, "id": id, "object": object})
}

/// The data of `organization.created` and `organization.updated`.
#[must_use]
pub fn organization(id: &str, name: &str, slug: &str, updated_at_ms: u64) -> Value {
    json!({
        "id": id,
        "object": "organization",
        "name": name,
        "slug": slug,
        "max_allowed_memberships": 5,
        "admin_delete_enabled": true,
        "created_by": null,
        "public_metadata": {},
        "private_metadata": {},
        "created_at": updated_at_ms,
        "updated_at": updated_at_ms,
    })
}

/// The data of `organizationMembership.created`, `.updated` and `.deleted`, which is the full
/// membership in all three. `role` has its prefix: `org:admin`.
#[must_use]
pub fn membership(org_id: &str, user_id: &str, role: &str, updated_at_ms: u64) -> Value {
    let org = org_id.trim_start_matches("org_");
    let user = user_id.trim_start_matches("user_");
    json!({
        "id": format!("orgmem_{org}_{user}"),
        "object": "organization_membership",
        "role": role,
        "role_name": role.trim_start_matches("org:"),
        "permissions": [],
        "organization": organization(org_id, org, org, updated_at_ms),
        "public_user_data": {
            "user_id": user_id,
            "identifier": null,
            "first_name": null,
            "last_name": null,
        },
        "public_metadata": {},
        "private_metadata": {},
        "created_at": updated_at_ms,
        "updated_at": updated_at_ms,
    })
}

/// The data of `session.*`: `status` is `active`, `pending`, `ended`, `removed` or `revoked`.
#[must_use]
pub fn session(id: &str, user_id: &str, status: &str, updated_at_ms: u64) -> Value {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    json!({
        "id": id,
        "object": "session",
        "client_id": format!("client_{}", id.trim_start_matches("sess_")),
        "user_id": user_id,
        "status": status,
        "actor": null,
        "last_active_organization_id": null,
        "last_active_at": updated_at_ms,
        "expire_at": updated_at_ms.saturating_add(7 * DAY_MS),
        "abandon_at": updated_at_ms.saturating_add(30 * DAY_MS),
        "created_at": updated_at_ms,
        "updated_at": updated_at_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::super::event;
    use super::*;

    #[test]
    fn the_primary_address_of_a_user_can_be_found_by_its_id() {
        let data = user(&WebhookUser {
            id: "user_1",
            email: Some("alice@example.com"),
            ..WebhookUser::default()
        });

        let primary = data["email_addresses"]
            .as_array()
            .unwrap()
            .iter()
            .find(|address| address["id"] == data["primary_email_address_id"])
            .unwrap();
        assert_eq!(primary["email_address"], "alice@example.com");
    }

    #[test]
    fn a_user_without_an_address_has_none() {
        let data = user(&WebhookUser {
            id: "user_1",
            ..WebhookUser::default()
        });

        assert_eq!(data["email_addresses"], json!([]));
        assert_eq!(data["primary_email_address_id"], Value::Null);
    }

    #[test]
    fn a_membership_names_its_organization_and_its_user_where_clerk_does() {
        let data = membership("org_1", "user_1", "org:admin", 5);

        assert_eq!(data["organization"]["id"], "org_1");
        assert_eq!(data["public_user_data"]["user_id"], "user_1");
        assert_eq!(data["role"], "org:admin");
        assert_eq!(data["updated_at"], 5);
    }

    #[test]
    fn a_deletion_has_no_time_but_its_envelope_has() {
        let event = event("user.deleted", deleted("user", "user_1"), 7, "ins_1");

        assert_eq!(event["data"].get("updated_at"), None);
        assert_eq!(event["timestamp"], 7);
        assert_eq!(event["object"], "event");
        assert_eq!(event["type"], "user.deleted");
        assert_eq!(event["instance_id"], "ins_1");
    }

    #[test]
    fn a_session_names_its_user_and_its_status() {
        let data = session("sess_1", "user_1", "revoked", 5);

        assert_eq!(data["user_id"], "user_1");
        assert_eq!(data["status"], "revoked");
    }
}
