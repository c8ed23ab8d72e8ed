//! The user's state in the membership, and whether it is enough for a route.

use crate::domain::Rejection;
use crate::domain::membership::{AccessStatus, UserState};
use crate::domain::routes::{Access, Route};

/// Whether a user in this state may use the route.
pub(super) fn admits(
    route: &Route,
    user_state: &UserState,
    is_static: bool,
) -> Result<(), Rejection> {
    let token_only = matches!(route.access, Access::User | Access::Optional);
    match user_state {
        UserState::Deleted => Err(Rejection::UserDeleted),
        UserState::Banned => Err(Rejection::UserBanned),
        UserState::Unknown if token_only || is_static => Ok(()),
        UserState::Unknown => Err(Rejection::UnknownUser),
        UserState::Known(known) => match known.access {
            _ if known.founder => Ok(()),
            AccessStatus::Active => Ok(()),
            AccessStatus::Suspended if token_only && route.allow_suspended => Ok(()),
            AccessStatus::Suspended => Err(Rejection::Suspended),
            AccessStatus::Pending if token_only || is_static => Ok(()),
            AccessStatus::Pending => Err(Rejection::NotActive),
        },
    }
}
