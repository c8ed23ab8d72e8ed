//! Types for names. Each is built only by the check that makes the text safe to look up and to send in a header.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("is empty")]
    Empty,
    #[error("is longer than {MAX_ID} bytes")]
    TooLong,
    #[error("has a character other than visible ASCII, or one of , ; \" \\")]
    Character,
    #[error("does not start with `{0}`")]
    Prefix(&'static str),
    #[error("is neither `user_…` of Clerk nor `name:id` with the name of another issuer")]
    Unqualified,
}

/// The longest id in bytes.
pub const MAX_ID: usize = 255;

/// Allows visible ASCII without the characters that separate or quote list items in header fields (RFC 9110, 5.6). So an id can
/// never end a header, and an app that splits on a comma never reads it as two values (attacks ).
fn check(text: &str, prefix: &'static str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > MAX_ID {
        return Err(IdError::TooLong);
    }
    if !text
        .bytes()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b',' | b';' | b'"' | b'\\'))
    {
        return Err(IdError::Character);
    }
    if !text.starts_with(prefix) || text.len() == prefix.len() {
        return Err(IdError::Prefix(prefix));
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        id! { $(#[$doc])* $name = |text| check(text, $prefix), MAX_ID }
    };
    ($(#[$doc:meta])* $name:ident = $check:expr, $max:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            #[doc = concat!("Checks `text`: 1 to [`", stringify!($max), "`] bytes of visible ASCII without `, ; \" \\`, in the form of its kind.")]
            pub fn parse(text: &str) -> Result<Self, IdError> {
                $check(text)?;
                Ok(Self(text.into()))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The id as a header value.
            #[must_use]
            pub fn to_header(&self) -> HeaderValue {
                HeaderValue::from_str(&self.0).expect("an id is visible ASCII")
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }
    };
}

id! {
    /// The issuer's name for a person: the `sub` of a token, or the claim that takes its place. It identifies a person only
    /// together with the issuer.
    Subject, ""
}
id! {
    /// Clerk's id of a person: the `sub` of a session token, `user_…`. It has no colon: see [`UserId`].
    ClerkUserId = |text: &str| if text.contains(':') { Err(IdError::Character) } else { check(text, "user_") }, MAX_ID
}
id! {
    /// The gate's id of a person: issuer and subject in one text, which membership, log and headers share.
    ///
    /// Users of the issuer [`CLERK`] have their Clerk id, `user_2abc`; users of any other issuer have `name:subject`. So an
    /// issuer that chooses its own subjects can never name a user of another issuer. A Clerk id has no colon and a qualified id
    /// has one, so each text has exactly one reading.
    UserId = UserId::split, MAX_USER_ID
}
id! {
    /// The app's id of a person, where the membership knows it.
    AppUserId, ""
}
id! {
    /// A Clerk session, `sess_…`.
    SessionId, ""
}
id! {
    /// A Clerk organization, `org_…`.
    OrgId, ""
}
id! {
    /// A tenant of the app.
    WorkspaceId, ""
}
id! {
    /// The name of a signing key.
    Kid, ""
}
id! {
    /// The id of a request: the client's `x-request-id` if it is well-formed, otherwise a fresh one of the gate.
    RequestId, ""
}
id! {
    /// The name of a caller with a static token.
    ServiceName, ""
}
id! {
    /// The id of a webhook delivery; a retry carries the same one.
    SvixId, ""
}

/// The issuer under `clerk:`. Its users have their plain Clerk id.
pub const CLERK: &str = "clerk";
/// The longest name of an issuer in bytes.
pub const MAX_ISSUER_NAME: usize = 64;
/// The longest [`UserId`] in bytes: the name of an issuer, a colon, a subject.
pub const MAX_USER_ID: usize = MAX_ISSUER_NAME + 1 + MAX_ID;

/// Whether `text` can be the name of an issuer: letters, digits, `-` and `_`.
#[must_use]
pub fn is_issuer_name(text: &str) -> bool {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    plain && !text.is_empty() && text.len() <= MAX_ISSUER_NAME
}

impl UserId {
    /// The id of the user that `issuer` calls `subject`. `None` when a user of [`CLERK`] has no Clerk id.
    #[must_use]
    pub fn of(issuer: &str, subject: &Subject) -> Option<Self> {
        if issuer == CLERK {
            return ClerkUserId::parse(subject.as_str()).ok().map(Self::from);
        }
        is_issuer_name(issuer).then(|| Self(format!("{issuer}:{subject}").into()))
    }

    fn split(text: &str) -> Result<(), IdError> {
        match text.split_once(':') {
            None => check(text, "user_").map_err(|error| match error {
                IdError::Prefix(_) => IdError::Unqualified,
                other => other,
            }),
            Some((issuer, subject)) if issuer != CLERK && is_issuer_name(issuer) => {
                check(subject, "")
            }
            Some(_) => Err(IdError::Unqualified),
        }
    }

    /// The Clerk id of a user of [`CLERK`].
    #[must_use]
    pub fn clerk(&self) -> Option<ClerkUserId> {
        if self.0.contains(':') {
            None
        } else {
            Some(ClerkUserId(self.0.clone()))
        }
    }
}

impl From<ClerkUserId> for UserId {
    fn from(id: ClerkUserId) -> Self {
        Self(id.0)
    }
}

/// Encodes display text (a name, an e-mail address) as a header value. The text is UTF-8. Every byte outside space and visible
/// ASCII, `%` itself, and a space at either end are percent-encoded. So the app decodes it without loss, and it can never end a
/// header line (attack A-10). `None` when the text is empty or longer than [`MAX_TEXT`] bytes once encoded.
#[must_use]
pub fn text_header(text: &str) -> Option<HeaderValue> {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const INSIDE: &AsciiSet = &CONTROLS.add(b'%');
    const EDGES: &AsciiSet = &INSIDE.add(b' ');

    let start = text.len() - text.trim_start_matches(' ').len();
    let end = text.trim_end_matches(' ').len().max(start);
    let (head, rest) = text.split_at(start);
    let (middle, tail) = rest.split_at(end - start);
    let encoded: String = utf8_percent_encode(head, EDGES)
        .chain(utf8_percent_encode(middle, INSIDE))
        .chain(utf8_percent_encode(tail, EDGES))
        .collect();
    if encoded.is_empty() || encoded.len() > MAX_TEXT {
        return None;
    }
    HeaderValue::from_str(&encoded).ok()
}

/// The longest display text in a header, in bytes after encoding.
pub const MAX_TEXT: usize = 1024;

impl OrgId {
    /// Parses the id of an organization at Clerk, as a source of the membership must write it.
    ///
    /// # Errors
    /// As [`OrgId::parse`], and for an id that does not start with `org_`.
    pub fn parse_clerk(text: &str) -> Result<Self, IdError> {
        check(text, "org_")?;
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_that_could_end_or_split_a_header_is_refused() {
        for bad in [
            "",
            "user_",
            "user_a b",
            "user_a,b",
            "user_a;b",
            "user_\r\nx",
            "user_ä",
            "usr_a",
            "user_a\0",
        ] {
            assert!(ClerkUserId::parse(bad).is_err(), "accepted: {bad:?}");
        }
        assert!(ClerkUserId::parse("user_2abcDEF").is_ok());
        assert!(WorkspaceId::parse(&"w".repeat(255)).is_ok());
        assert!(WorkspaceId::parse(&"w".repeat(256)).is_err());
    }

    #[test]
    fn no_issuer_can_name_a_user_of_another_one() {
        let of = |issuer, subject| {
            UserId::of(issuer, &Subject::parse(subject).unwrap()).map(|id| id.to_string())
        };
        assert_eq!(of(CLERK, "user_a").as_deref(), Some("user_a"));
        assert_eq!(of("partner", "user_a").as_deref(), Some("partner:user_a"));
        assert_eq!(
            of("partner", "clerk:user_a").as_deref(),
            Some("partner:clerk:user_a")
        );
        for (issuer, subject) in [
            (CLERK, "a"),
            (CLERK, "user_a:b"),
            (CLERK, "partner:a"),
            ("", "user_a"),
            ("a:b", "c"),
        ] {
            assert_eq!(of(issuer, subject), None, "{issuer} {subject}");
        }
        for good in ["user_a", "partner:user_a", "partner:auth0|1", "user_a:b"] {
            assert!(UserId::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "a",
            ":a",
            "partner:",
            "clerk:user_a",
            "par tner:a",
            "partner:a,b",
            "user_",
        ] {
            assert!(UserId::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            UserId::parse("user_a").unwrap().clerk(),
            ClerkUserId::parse("user_a").ok()
        );
        assert_eq!(
            UserId::parse("user_a:b").unwrap().clerk(),
            None,
            "b of an issuer with an odd name"
        );
    }

    #[test]
    fn a_name_arrives_readable_and_whole() {
        assert_eq!(text_header("Alex Chen").unwrap(), "Alex Chen");
        assert_eq!(text_header("Zoë 100%").unwrap(), "Zo%C3%AB 100%25");
        assert_eq!(text_header(" a ").unwrap(), "%20a%20");
        assert_eq!(
            text_header("a\r\nx-user-id: root").unwrap(),
            "a%0D%0Ax-user-id: root"
        );
        assert_eq!(text_header("  ").unwrap(), "%20%20");
        assert!(text_header("").is_none());
        assert!(text_header(&"x".repeat(MAX_TEXT + 1)).is_none());
    }

    proptest! {
        #[test]
        fn any_text_survives_the_header_and_comes_back(text in ".{1,80}") {
            let header = text_header(&text).expect("short enough");
            let back = percent_encoding::percent_decode(header.as_bytes()).decode_utf8().unwrap().into_owned();
            prop_assert_eq!(back, text);
            prop_assert!(header.as_bytes().iter().all(|b| (0x20..0x7f).contains(b)));
        }
    }
}
