//! Words that an app sets on a user, such as `is_admin`.

use std::sync::Arc;

use http::HeaderValue;

/// The flags that are set on a user: sorted words of letters, digits, `_` and `-`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags(Option<Arc<Set>>);

#[derive(Debug, PartialEq, Eq)]
struct Set {
    names: Vec<Box<str>>,
    header: HeaderValue,
}

/// Most flags.
pub const MAX_FLAGS: usize = 32;

impl Flags {
    /// No flag is set.
    pub const NONE: Self = Self(None);

    /// Flags by name, in any order, each once or more. `None` for more than [`MAX_FLAGS`] names, and for a name that is no word
    /// of 1 to 64 letters, digits, `_` and `-`: a header that lists flags could show such a name as two flags (attack A-05).
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<Self> {
        let mut names: Vec<Box<str>> = names.into_iter().map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Some(Self(None));
        }
        if names.len() > MAX_FLAGS || !names.iter().all(|name| Self::is_name(name)) {
            return None;
        }
        let header = HeaderValue::from_str(&names.join(",")).ok()?;
        Some(Self(Some(Arc::new(Set { names, header }))))
    }

    /// Whether `text` can be the name of a flag.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    }

    /// Whether the flag with this name is set.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|flag| flag == name)
    }

    /// All flags that are set, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .flat_map(|set| set.names.iter().map(|name| &**name))
    }

    /// The names as a list with commas; `None` when no flag is set.
    #[must_use]
    pub fn header(&self) -> Option<HeaderValue> {
        self.0.as_ref().map(|set| set.header.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_that_would_read_as_two_is_none() {
        for bad in ["is_admin,is_root", "is admin", "", "is\nadmin", "ä"] {
            assert_eq!(Flags::new([bad]), None, "{bad:?}");
        }
        let flags = Flags::new(["is_approved", "is_active", "is_active"]).unwrap();
        assert_eq!(flags.header().unwrap(), "is_active,is_approved");
        assert!(flags.has("is_active") && !flags.has("is_admin") && !flags.has("is_"));
        assert_eq!(Flags::new([]).unwrap().header(), None);
    }
}
