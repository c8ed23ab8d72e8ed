//! Which user belongs to which workspace in which role: a table from a source, and the changes that were learned after it.

mod bounds;
mod drift;
mod flags;
mod known;
mod members;
mod policy;
mod record;
mod reload;
mod table;
mod user_row;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderValue;

use super::ids::{AppUserId, text_header};

pub use bounds::{MAX_CHANGED_BYTES, MAX_CHANGES, TooManyChanges};
pub use drift::{Drift, drift};
pub use flags::{Flags, MAX_FLAGS};
pub use known::{UserState, UserView};
pub use members::{Kept, Members, TokenMembership};
pub use policy::Policy;
pub use record::{InitialAccess, OrgEntry, Record, Seen};
pub use reload::{MARKS_LAST, Reloaded, TableTime};
pub use table::{RowFault, Table, TableBuilder, Workspace};
pub use user_row::{MAX_ATTRIBUTES, MAX_DETAIL, UserRow, UserRowError};

/// A role by its height: an index into [`Roles`]. A higher role includes all lower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(u8);

impl Role {
    /// Its index among the roles of the config. The lowest role has 0.
    pub(super) fn place(self) -> u8 {
        self.0
    }
}

/// The roles of `membership.roles`, lowest first. Cheap to clone: each grant in a workspace has a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles(Arc<[(Box<str>, HeaderValue)]>);

/// Most roles.
pub const MAX_ROLES: usize = 32;

impl Roles {
    /// `names`, lowest first: 1 to [`MAX_ROLES`] distinct words of letters, digits, `_` and `-`. `None` for anything else.
    #[must_use]
    pub fn new(names: &[String]) -> Option<Self> {
        let word = |n: &str| {
            !n.is_empty()
                && n.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        };
        let distinct = names
            .iter()
            .enumerate()
            .all(|(i, n)| !names.iter().take(i).any(|m| m == n));
        let good =
            distinct && (1..=MAX_ROLES).contains(&names.len()) && names.iter().all(|n| word(n));
        let header = |n: &String| {
            HeaderValue::from_str(n)
                .ok()
                .map(|value| (n.as_str().into(), value))
        };
        if good {
            names.iter().map(header).collect::<Option<_>>().map(Self)
        } else {
            None
        }
    }

    /// The role with this name; `org:admin` means `admin`. Upper and lower case differ (attack A-64).
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Role> {
        let name = name.strip_prefix("org:").unwrap_or(name);
        let index = self.0.iter().position(|(n, _)| **n == *name)?;
        u8::try_from(index).ok().map(Role)
    }

    /// The name of `role`.
    #[must_use]
    pub fn name(&self, role: Role) -> &str {
        self.0.get(usize::from(role.0)).map_or("", |(name, _)| name)
    }

    pub(super) fn header(&self, role: Role) -> Option<HeaderValue> {
        self.0
            .get(usize::from(role.0))
            .map(|(_, value)| value.clone())
    }

    /// The lowest role: what it takes to be a member at all.
    #[must_use]
    pub fn lowest(&self) -> Role {
        Role(0)
    }

    /// The lowest role. Every member has at least this one.
    #[must_use]
    pub fn highest(&self) -> Role {
        Role(u8::try_from(self.0.len().saturating_sub(1)).unwrap_or(0))
    }

    /// All names, lowest first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }
}

/// Whether a user may use the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessStatus {
    Pending,
    Active,
    Suspended,
}

impl AccessStatus {
    pub const NAMES: &[&str] = &["pending", "active", "suspended"];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// The status with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Suspended]
            .into_iter()
            .find(|s| s.name() == name)
    }
}

/// A user as the source describes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The app's own id, where it has one.
    pub id: Option<AppUserId>,
    pub email: Option<HeaderValue>,
    pub name: Option<HeaderValue>,
    pub access: AccessStatus,
    /// Whether the user counts as active, whatever `access` is.
    pub founder: bool,
    pub flags: Flags,
    /// Data that only the profile shows. Most users have none.
    pub details: Option<Box<Details>>,
}

/// Data that the profile shows and the headers do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// When the user gained access to the product, as the source writes it.
    pub activated_at: Option<Box<str>>,
    /// Further values that the app wants in the profile, by name.
    pub attributes: BTreeMap<Box<str>, Box<str>>,
}

impl User {
    /// A user from texts. Text that is too long for a header is left out.
    #[must_use]
    pub fn new(
        id: Option<AppUserId>,
        email: Option<&str>,
        name: Option<&str>,
        access: AccessStatus,
        founder: bool,
    ) -> Self {
        let (email, name) = (email.and_then(text_header), name.and_then(text_header));
        Self {
            id,
            email,
            name,
            access,
            founder,
            flags: Flags::default(),
            details: None,
        }
    }
}

#[cfg(test)]
mod tests;
