//! From the Authorization field to claims that passed every check, in steps that cannot be skipped:
//! [`bearer()`] → [`UnverifiedToken`] → [`SignedClaims`] → [`VerifiedClaims`]. Each is built only by the check before it.

pub mod bearer;
pub mod claims;
pub mod json;
pub mod jws;
pub mod organization;
mod permissions;
pub mod person;
pub mod verify;

pub use bearer::bearer;
pub use claims::Claims;
pub use jws::{SignedClaims, UnverifiedToken};
pub use organization::Organization;
pub use verify::VerifiedClaims;
