//! The data of an event, from the arguments on the command line.

use serde_json::Value;

use crate::cli::exit::CommandError;
use crate::dev::mint::session_of;
use crate::dev::webhook::data;

/// Every event whose data this command can generate.
const KNOWN: &str = "user.created, user.updated, user.deleted, organization.created, organization.updated, \
organization.deleted, organizationMembership.created, organizationMembership.updated, organizationMembership.deleted, \
session.created, session.ended, session.removed, session.revoked";

/// The subject of the event.
#[derive(clap::Args, Debug)]
pub(super) struct About {
    /// The user of the event
    #[arg(long, value_name = "user_…", default_value = "user_1")]
    user: String,
    /// The organization of the event
    #[arg(long, value_name = "org_…", default_value = "org_1")]
    org: String,
    /// The role in the organization
    #[arg(long, default_value = "member")]
    role: String,
    /// The user's address
    #[arg(long)]
    email: Option<String>,
    /// The user's first name
    #[arg(long)]
    first_name: Option<String>,
    /// The user's last name
    #[arg(long)]
    last_name: Option<String>,
    /// Say that the user is banned
    #[arg(long)]
    banned: bool,
}

impl About {
    pub(super) fn data(&self, kind: &str, now_ms: u64) -> Result<Value, CommandError> {
        let unknown = || {
            CommandError::usage(format!(
                "the data of this kind of event cannot be made up here; known: {KNOWN}"
            ))
            .fix("--data FILE with the event's `data` as JSON")
        };
        let (object, action) = kind.split_once('.').ok_or_else(unknown)?;
        let role = format!(
            "org:{}",
            self.role.strip_prefix("org:").unwrap_or(&self.role)
        );
        let slug = self.org.strip_prefix("org_").unwrap_or(&self.org);
        Ok(match (object, action) {
            ("user", "created" | "updated") => data::user(&data::WebhookUser {
                id: &self.user,
                email: self.email.as_deref(),
                first_name: self.first_name.as_deref(),
                last_name: self.last_name.as_deref(),
                banned: self.banned,
                locked: false,
                updated_at_ms: now_ms,
            }),
            ("user", "deleted") => data::deleted("user", &self.user),
            ("organization", "created" | "updated") => {
                data::organization(&self.org, slug, slug, now_ms)
            }
            ("organization", "deleted") => data::deleted("organization", &self.org),
            ("organizationMembership", "created" | "updated" | "deleted") => {
                data::membership(&self.org, &self.user, &role, now_ms)
            }
            ("session", "created") => {
                data::session(&session_of(&self.user), &self.user, "active", now_ms)
            }
            ("session", "ended" | "removed" | "revoked") => {
                data::session(&session_of(&self.user), &self.user, action, now_ms)
            }
            _ => return Err(unknown()),
        })
    }
}
