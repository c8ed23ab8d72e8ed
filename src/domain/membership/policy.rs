//! What the config says of users beside the table.

use std::time::Duration;

use super::{AccessStatus, Flags};

/// What happens with users who are in no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The status of a user who is heard of for the first time.
    pub access: AccessStatus,
    /// The flags of such a user.
    pub flags: Flags,
    /// Whether a good token of an unknown user is a reason to make a record.
    pub first_sight: bool,
    /// Whether a deletion at Clerk suspends the user here, and keeps what is known of them.
    pub deactivate: bool,
    /// Whether the organization of a token of `clerk` says who is a member of it, in which role.
    pub by_token: bool,
    /// How long what the source said counts when it says nothing any more; `None` for one that is never too old.
    pub max_age: Option<Duration>,
}

impl Default for Policy {
    /// Of somebody who is in no table nobody has decided anything yet.
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
