//! Finds the token of a request: exactly one, or none.

use std::borrow::Cow;

use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

use crate::domain::Rejection;

/// The longest token in bytes. Clerk's session tokens fit into a cookie (4 KB); tokens of templates may be larger.
pub const MAX_TOKEN: usize = 16 * 1024;

/// The bearer token of the request (RFC 6750, 2.1): the scheme in any letter case, one space, the token. The gate takes a token
/// from no other place: never from the query, never from a cookie.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Rejection> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    // Attack A-58: of two fields, the app could read one and the gate the other.
    if fields.next().is_some() {
        return Err(Rejection::SeveralTokens);
    }
    // The length is checked before the content is read (attack A-60).
    if field.len() > MAX_TOKEN + "Bearer ".len() {
        return Err(Rejection::MalformedToken);
    }
    let text = field.to_str().map_err(|_| Rejection::MalformedToken)?;
    let (scheme, token) = text.split_once(' ').ok_or(Rejection::MalformedToken)?;
    let visible = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic() && b != b',');
    if scheme.eq_ignore_ascii_case("Bearer") && visible {
        Ok(Some(token))
    } else {
        Err(Rejection::MalformedToken)
    }
}

/// The JavaScript word that a page sends as its token when it has none.
#[must_use]
pub fn placeholder(token: &str) -> Option<&'static str> {
    ["null", "undefined", "[object Promise]", "[object Object]"]
        .into_iter()
        .find(|word| *word == token.trim())
}

/// Clerk's session cookies of the request, `__session` and `__session_<suffix>`. Browsers send them beside the header on
/// same-origin requests. They are never used as a token. The caller only checks that they do not belong to another user.
///
/// The reading is as lenient as that of any library: the gate must find every session cookie that some library finds.
pub fn session_cookies(headers: &HeaderMap) -> impl Iterator<Item = Cow<'_, str>> {
    // The line is split as bytes, not text. An odd byte in another cookie of the line must not hide the session cookie.
    let pairs = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b';'));
    pairs.filter_map(|pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.trim().split_once('=')?;
        let name = name.trim_end();
        let ours = name == "__session" || name.starts_with("__session_");
        // RFC 6265, 4.1.1: a value may stand in quotes, and apps read it without them. Many apps decode percent sequences.
        ours.then(|| percent_decode_str(value.trim().trim_matches('"')).decode_utf8_lossy())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(
                header::AUTHORIZATION,
                http::HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
            );
        }
        map
    }

    #[test]
    fn one_bearer_token_is_read_whatever_the_case_of_the_scheme() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c"] {
            assert_eq!(bearer(&headers(&[value])), Ok(Some("a.b.c")), "{value}");
        }
        assert_eq!(bearer(&headers(&[])), Ok(None));
    }

    #[test]
    fn everything_else_in_the_field_is_refused_and_never_taken_for_no_token() {
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer  a",
            "Bearer a b",
            "Bearer\ta",
            "Basic eDp5",
            "a.b.c",
            "Bearer a,Bearer b",
            "Bearer ä",
        ] {
            assert_eq!(
                bearer(&headers(&[value])),
                Err(Rejection::MalformedToken),
                "{value:?}"
            );
        }
        let huge = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
        assert_eq!(bearer(&headers(&[&huge])), Err(Rejection::MalformedToken));
        assert_eq!(
            bearer(&headers(&["Bearer a", "Bearer a"])),
            Err(Rejection::SeveralTokens)
        );
    }

    #[test]
    fn session_cookies_are_found_among_others() {
        let mut map = HeaderMap::new();
        map.append(
            header::COOKIE,
            "a=1; __session=x.y.z; __session_ab12=q".parse().unwrap(),
        );
        map.append(
            header::COOKIE,
            "__sessions=no; __client_uat=1".parse().unwrap(),
        );
        map.append(
            header::COOKIE,
            http::HeaderValue::from_bytes(b"a=\xff; __session=\"r\"").unwrap(),
        );
        map.append(header::COOKIE, "__session = s%2Et".parse().unwrap());
        assert_eq!(
            session_cookies(&map).collect::<Vec<_>>(),
            ["x.y.z", "q", "r", "s.t"]
        );
    }
}
