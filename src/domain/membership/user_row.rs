//! One user as a source describes them. This is the one place that checks the values, for every source.

use http::HeaderValue;

use super::{AccessStatus, Details, Flags, User};
use crate::domain::ids::{AppUserId, IdError, text_header};

/// Bound: attributes of one user.
pub const MAX_ATTRIBUTES: usize = 32;
/// Bound on a text that only the profile shows, and on the name of an attribute, in bytes.
pub const MAX_DETAIL: usize = 1024;

/// What is wrong with a value. Completes "`key` …". The source knows where the value is, and may quote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserRowError {
    #[error("{0}")]
    Id(#[from] IdError),
    #[error("is none of {}", AccessStatus::NAMES.join(", "))]
    Access,
    /// The first flag that `membership.flags` does not list.
    #[error("has a flag which `membership.flags` has not")]
    UnknownFlag(Box<str>),
    #[error("has too many flags")]
    TooManyFlags,
    #[error("is longer than {MAX_DETAIL} bytes")]
    TooLong,
    #[error("has more than {MAX_ATTRIBUTES} entries")]
    TooManyAttributes,
    #[error("stands there twice")]
    SameAttribute,
}

/// A user that is being read. A source reads its own format and passes texts; a value that is not passed is absent. A value that
/// is refused changes nothing.
#[derive(Debug)]
pub struct UserRow<'f> {
    known_flags: &'f Flags,
    id: Option<AppUserId>,
    email: Option<HeaderValue>,
    name: Option<HeaderValue>,
    access: AccessStatus,
    founder: bool,
    flags: Flags,
    details: Details,
}

impl<'f> UserRow<'f> {
    /// A user without any values. They are active: a source that lists a user and gives no access status means to let them in.
    #[must_use]
    pub fn new(known_flags: &'f Flags) -> Self {
        Self {
            known_flags,
            id: None,
            email: None,
            name: None,
            access: AccessStatus::Active,
            founder: false,
            flags: Flags::NONE,
            details: Details::default(),
        }
    }

    /// The app's own id.
    ///
    /// # Errors
    /// When it is no id.
    pub fn id(&mut self, text: &str) -> Result<(), UserRowError> {
        self.id = Some(AppUserId::parse(text)?);
        Ok(())
    }

    /// The e-mail address. A text that is too long for a header is left out: one long text must not keep all other users from
    /// working.
    pub fn email(&mut self, text: &str) {
        self.email = text_header(text);
    }

    /// The name. One that is too long for a header is left out.
    pub fn name(&mut self, text: &str) {
        self.name = text_header(text);
    }

    /// The access status, one of [`AccessStatus::NAMES`].
    ///
    /// # Errors
    /// For any other text.
    pub fn access(&mut self, text: &str) -> Result<(), UserRowError> {
        self.access = AccessStatus::find(text).ok_or(UserRowError::Access)?;
        Ok(())
    }

    /// Whether the user counts as active whatever their access is.
    pub fn founder(&mut self, founder: bool) {
        self.founder = founder;
    }

    /// The flags that are set.
    ///
    /// # Errors
    /// When the config does not know one of them.
    pub fn flags<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n str> + Clone,
    ) -> Result<(), UserRowError> {
        let known = self.known_flags;
        if let Some(unknown) = names.clone().into_iter().find(|name| !known.has(name)) {
            return Err(UserRowError::UnknownFlag(unknown.into()));
        }
        self.flags = Flags::new(names).ok_or(UserRowError::TooManyFlags)?;
        Ok(())
    }

    /// When the user gained access to the product, as the source writes it.
    ///
    /// # Errors
    /// When it is longer than [`MAX_DETAIL`].
    pub fn activated_at(&mut self, text: &str) -> Result<(), UserRowError> {
        self.details.activated_at = Some(detail(text)?);
        Ok(())
    }

    /// One more attribute.
    ///
    /// # Errors
    /// When name or text is longer than [`MAX_DETAIL`], the name was there before, or there are [`MAX_ATTRIBUTES`].
    pub fn attribute(&mut self, name: &str, text: &str) -> Result<(), UserRowError> {
        let (name, text) = (detail(name)?, detail(text)?);
        let attributes = &mut self.details.attributes;
        if attributes.contains_key(&name) {
            return Err(UserRowError::SameAttribute);
        }
        if attributes.len() >= MAX_ATTRIBUTES {
            return Err(UserRowError::TooManyAttributes);
        }
        attributes.insert(name, text);
        Ok(())
    }

    /// The user.
    #[must_use]
    pub fn user(self) -> User {
        let has_details =
            self.details.activated_at.is_some() || !self.details.attributes.is_empty();
        User {
            id: self.id,
            email: self.email,
            name: self.name,
            access: self.access,
            founder: self.founder,
            flags: self.flags,
            details: has_details.then(|| Box::new(self.details)),
        }
    }
}

fn detail(text: &str) -> Result<Box<str>, UserRowError> {
    if text.len() <= MAX_DETAIL {
        Ok(text.into())
    } else {
        Err(UserRowError::TooLong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_of_whom_nothing_is_said_is_active_and_has_nothing() {
        let user = UserRow::new(&Flags::NONE).user();
        assert_eq!(
            user,
            User::new(None, None, None, AccessStatus::Active, false)
        );
    }

    #[test]
    fn whatever_cannot_be_is_refused_and_changes_nothing() {
        let known = Flags::new(["is_admin"]).unwrap();
        let mut row = UserRow::new(&known);
        let long = "x".repeat(MAX_DETAIL + 1);
        for (read, expected) in [
            (row.id("a,b"), UserRowError::Id(IdError::Character)),
            (row.id(""), UserRowError::Id(IdError::Empty)),
            (row.access("Active"), UserRowError::Access),
            (
                row.flags(["is_admin", "is_root"]),
                UserRowError::UnknownFlag("is_root".into()),
            ),
            (row.activated_at(&long), UserRowError::TooLong),
            (row.attribute("a", &long), UserRowError::TooLong),
            (row.attribute(&long, "a"), UserRowError::TooLong),
        ] {
            assert_eq!(read, Err(expected));
        }
        row.email(&long);
        assert_eq!(
            row.user(),
            User::new(None, None, None, AccessStatus::Active, false)
        );
    }

    #[test]
    fn what_is_good_is_taken_up_to_the_bounds() {
        let known = Flags::new(["is_admin"]).unwrap();
        let mut row = UserRow::new(&known);
        row.id("7").unwrap();
        row.email("alex@example.com");
        row.name("Alex");
        row.access("suspended").unwrap();
        row.founder(true);
        row.flags(["is_admin", "is_admin"]).unwrap();
        row.activated_at(&"x".repeat(MAX_DETAIL)).unwrap();
        for number in 0..MAX_ATTRIBUTES {
            row.attribute(&number.to_string(), "y").unwrap();
        }
        assert_eq!(row.attribute("0", "y"), Err(UserRowError::SameAttribute));
        assert_eq!(
            row.attribute("more", "y"),
            Err(UserRowError::TooManyAttributes)
        );
        let user = row.user();
        assert_eq!(user.id.unwrap().as_str(), "7");
        assert_eq!(user.email.unwrap(), "alex@example.com");
        assert_eq!(user.name.unwrap(), "Alex");
        assert_eq!((user.access, user.founder), (AccessStatus::Suspended, true));
        assert_eq!(user.flags, known);
        assert_eq!(user.details.unwrap().attributes.len(), MAX_ATTRIBUTES);
    }
}
