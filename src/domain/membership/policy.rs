//! What the config sets for users beside the table.

use std::time::Duration;

use super::{AccessStatus, Flags};

/// How users are treated who are in no table, and for how long the source counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The status of a user who appears for the first time.
    pub access: AccessStatus,
    /// The flags of such a user.
    pub flags: Flags,
    /// Whether a valid token of an unknown user makes a record of them.
    pub first_sight: bool,
    /// Whether a deletion at Clerk suspends the user here and keeps their data.
    pub deactivate: bool,
    /// Whether a token of `clerk` decides that its user is a member of the organization in it, and in which role.
    pub by_token: bool,
    /// How long the source's last answer counts when no further one comes; `None` where it never becomes too old.
    pub max_age: Option<Duration>,
}

impl Default for Policy {
    /// Users who are in no table are pending by default.
    fn default() -> Self {
        Self {
            access: AccessStatus::Pending,
            flags: Flags::default(),
            first_sight: false,
            deactivate: false,
            by_token: false,
            max_age: None,
        }
    }
}
