//! Names of things, as types: each can only be built by the check that makes it safe to look up and to send.

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
}

/// Longest id in bytes.
pub const MAX_ID: usize = 255;

/// Visible ASCII without the characters that separate or quote list items in header fields (RFC 9110, 5.6), so that an
/// id can never end a header, nor turn into two values when an app splits on a comma (attacks ).
fn check(text: &str, prefix: &'static str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > MAX_ID {
        return Err(IdError::TooLong);
    }
    if !text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b',' | b';' | b'"' | b'\\')) {
        return Err(IdError::Character);
    }
    if !text.starts_with(prefix) || text.len() == prefix.len() {
        return Err(IdError::Prefix(prefix));
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text`: 1 to [`MAX_ID`] bytes of visible ASCII without `, ; " \`, with the prefix of its kind.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text, $prefix)?;
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
    /// A person as Clerk names them: the `sub` of a session token, `user_…`.
    ClerkUserId, "user_"
}
id! {
    /// A person as the app names them, where the membership knows that name.
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
    /// What is asked of a request that did not bring a well-formed `x-request-id` of its own.
    RequestId, ""
}
id! {
    /// The name of a caller that shows a static token.
    ServiceName, ""
}
id! {
    /// The id of a webhook delivery; a retry carries the same one.
    SvixId, ""
}

/// Text for people (a name, an e-mail address) as a header value: UTF-8 with every byte outside space and visible ASCII,
/// `%` itself, and a space at either end percent-encoded, so that it can be decoded without loss and can never end a
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

/// Longest text for people in a header, in bytes after encoding.
pub const MAX_TEXT: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_that_could_end_or_split_a_header_is_refused() {
        for bad in ["", "user_", "user_a b", "user_a,b", "user_a;b", "user_\r\nx", "user_ä", "usr_a", "user_a\0"] {
            assert!(ClerkUserId::parse(bad).is_err(), "accepted: {bad:?}");
        }
        assert!(ClerkUserId::parse("user_2abcDEF").is_ok());
        assert!(WorkspaceId::parse(&"w".repeat(255)).is_ok());
        assert!(WorkspaceId::parse(&"w".repeat(256)).is_err());
    }

    #[test]
    fn a_name_arrives_readable_and_whole() {
        assert_eq!(text_header("Alex Chen").unwrap(), "Alex Chen");
        assert_eq!(text_header("Zoë 100%").unwrap(), "Zo%C3%AB 100%25");
        assert_eq!(text_header(" a ").unwrap(), "%20a%20");
        assert_eq!(text_header("a\r\nx-user-id: root").unwrap(), "a%0D%0Ax-user-id: root");
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
