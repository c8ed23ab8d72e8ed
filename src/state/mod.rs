//! Who fills the snapshot: keys from issuers, membership from its source, rules from the config, changes from webhooks and
//! from what Clerk is asked.

pub mod aside;
pub mod backend;
pub mod deliveries;
pub(crate) mod discovery;
pub mod fetch;
pub mod hints;
pub mod kept;
pub mod keys;
pub mod lookups;
mod print;
pub mod profiles;
pub mod proofs;
pub mod providers;
pub mod records;
pub mod reload;
mod retired;
pub mod shared;
pub mod snapshot_store;
pub mod sources;
pub mod store;
pub mod watch;

pub use snapshot_store::SnapshotStore;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// Everything in an id that is not unreserved (RFC 3986, 2.3), so that it stays one segment of a path: a `sub` is chosen by
/// whoever signs tokens, and may hold `/`, `?`, `#` and `%`. Dots stay, as no id is a dot segment: each begins with `user_`, or with
/// the name of an issuer and a colon.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
