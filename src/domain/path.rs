//! The request target, in a form that the gate and every upstream read alike.
//!
//! Other gates leaked their users' data here: they judged a path that they had repaired, and the app behind them read the
//! original (Oathkeeper CVE-2026-33494, Envoy CVE-2021-29492, Clerk's own CVE-2026-41248). So this module repairs nothing. It
//! refuses what cannot be judged safely. Some parts of a path have several readings among app servers: an encoded letter, a slash
//! at the end, a script's name in front. The module keeps these, and the gate judges every reading: see
//! [`super::routes::RouteTable::readings`].

mod aliases;
mod segment;

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::Rejection;

pub use aliases::{Alias, MAX_ALIASES};
pub use segment::{PathSegment, eq_ignore_case};

/// The longest request target in bytes, query included.
pub const MAX_TARGET: usize = 8 * 1024;

/// A path that every app server splits into the same segments. It has no dot segment, empty segment, encoded delimiter,
/// parameter, or byte that some parser repairs. The text of a segment may still depend on whether the app server decodes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanPath<'r> {
    raw: Cow<'r, str>,
    decoded: Cow<'r, str>,
    trailing_slash: bool,
}

/// The parts of a request target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'r> {
    /// The path that the gate judges.
    pub path: CleanPath<'r>,
    /// The `host[:port]` of a target in absolute form.
    pub authority: Option<&'r str>,
    /// Path and query as the client sent them. The upstream gets exactly these.
    pub origin_form: &'r str,
}

impl<'r> Target<'r> {
    /// Reads a request target (RFC 9112, 3.2) from the bytes of the request line.
    pub fn parse(raw: &'r [u8]) -> Result<Self, Rejection> {
        if raw.len() > MAX_TARGET {
            return Err(Rejection::TargetTooLong);
        }
        // Attack A-35: Pingora percent-encodes spaces and 8-bit bytes on its own, so the gate refuses these.
        // Attack A-30: a request never contains a fragment.
        if !raw
            .iter()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'"' | b'<' | b'>'))
        {
            return Err(Rejection::AmbiguousPath);
        }
        let text = std::str::from_utf8(raw).map_err(|_| Rejection::AmbiguousPath)?;
        let (authority, origin_form) = split_absolute(text)?;
        let path = origin_form
            .split_once('?')
            .map_or(origin_form, |(path, _)| path);
        Ok(Self {
            path: CleanPath::parse(path)?,
            authority,
            origin_form,
        })
    }
}

/// Splits `http://host/path?query`. A target in origin form has no authority. All other forms, such as `*`, are refused.
fn split_absolute(text: &str) -> Result<(Option<&str>, &str), Rejection> {
    if text.starts_with('/') {
        return Ok((None, text));
    }
    let (scheme, rest) = text.split_once("://").ok_or(Rejection::AmbiguousPath)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(Rejection::AmbiguousPath);
    }
    let slash = rest.find('/').ok_or(Rejection::AmbiguousPath)?;
    let (authority, origin_form) = rest.split_at(slash);
    Ok((Some(authority), origin_form))
}

impl<'r> CleanPath<'r> {
    /// Checks the path part of a target. It refuses the paths of attacks.
    pub fn parse(path: impl Into<Cow<'r, str>>) -> Result<Self, Rejection> {
        let raw = path.into();
        let known = |b: u8| is_pchar(b) || matches!(b, b'/' | b'%');
        if !raw.starts_with('/') || !raw.bytes().all(known) {
            return Err(Rejection::AmbiguousPath);
        }
        let decoded = decode(raw.clone())?;
        let body = decoded.strip_prefix('/').unwrap_or_default();
        let (body, trailing_slash) = match body.strip_suffix('/') {
            Some(shorter) => (shorter, true),
            None => (body, false),
        };
        let lonely_slash = body.is_empty() && !trailing_slash;
        // Refuses empty segments, dot segments, and segments of dots and spaces only: Windows reads `.. ` and `...` in more than
        // one way. Also refuses NTFS streams and ASP.NET sessions in the path, which give a file or page a second name.
        let hollow = |segment: &str| {
            segment.bytes().all(|b| matches!(b, b'.' | b' '))
                || segment.contains(":$")
                || is_cookieless_session(segment)
        };
        if !lonely_slash && body.split('/').any(hollow) {
            return Err(Rejection::AmbiguousPath);
        }
        Ok(Self {
            raw,
            decoded,
            trailing_slash,
        })
    }

    /// The segments, without the empty one after a trailing slash.
    pub fn segments(&self) -> impl Iterator<Item = PathSegment<'_>> {
        let (raw, decoded) = (self.raw.trim_matches('/'), self.decoded.trim_matches('/'));
        let empty = raw.is_empty();
        // The path has no encoded slash, so both forms have the same number of segments.
        let pairs = raw
            .split('/')
            .zip(decoded.split('/'))
            .filter(move |_| !empty);
        pairs.map(|(raw, text)| PathSegment::new(raw, text))
    }

    /// Whether some app server may read a segment as another text, where `paths:` does not describe the app. It is cheaper to
    /// check this once than for each route.
    #[must_use]
    pub fn may_have_other_readings(&self) -> bool {
        self.raw.contains(['%', '+', '.'])
    }

    /// Whether the path ends with a slash (and is not just `/`).
    #[must_use]
    pub fn trailing_slash(&self) -> bool {
        self.trailing_slash
    }

    /// The decoded path, for the log.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.decoded
    }
}

/// Whether ASP.NET removes the segment as a cookieless session: `(S(abc))` (CVE-2023-36899).
fn is_cookieless_session(segment: &str) -> bool {
    segment.starts_with('(') && segment.ends_with("))") && segment.get(2..3) == Some("(")
}

/// Whether a segment may contain this byte unencoded (`pchar` of RFC 3986, 3.3, except `;`).
fn is_pchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
}

/// Percent-decodes. It refuses sequences that are broken, that hide a delimiter or a second encoding, or that are not UTF-8.
fn decode(path: Cow<'_, str>) -> Result<Cow<'_, str>, Rejection> {
    if !path.contains('%') {
        return Ok(path);
    }
    let mut rest = &*path;
    while let Some((_, tail)) = rest.split_once('%') {
        let byte = tail.get(..2).and_then(|hex| {
            let hex_digits = hex.bytes().all(|b| b.is_ascii_hexdigit());
            hex_digits
                .then(|| u8::from_str_radix(hex, 16).ok())
                .flatten()
        });
        // An app that decodes twice would read %25 as the start of a second percent sequence.
        if byte.is_none_or(|b| b.is_ascii_control() || b"/\\;?#%".contains(&b)) {
            return Err(Rejection::AmbiguousPath);
        }
        rest = tail.get(2..).unwrap_or_default();
    }
    let decoded = percent_decode_str(&path)
        .decode_utf8()
        .map_err(|_| Rejection::AmbiguousPath)?;
    Ok(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segments(target: &str) -> Vec<String> {
        let target = Target::parse(target.as_bytes()).expect("a clean target");
        target
            .path
            .segments()
            .map(|segment| segment.text().to_owned())
            .collect()
    }

    #[test]
    fn a_plain_target_is_judged_by_its_segments_and_sent_as_it_came() {
        let target = Target::parse(b"/api/ws/ws_1?x=/../y&z=[1]").unwrap();
        assert_eq!(
            segments("/api/ws/ws_1?x=/../y&z=[1]"),
            ["api", "ws", "ws_1"]
        );
        assert_eq!(target.origin_form, "/api/ws/ws_1?x=/../y&z=[1]");
        assert!(segments("/").is_empty());
        assert_eq!(segments("/a/"), ["a"]);
        assert_eq!(segments("/%61dmin/b%20c/%5Bx%5D"), ["admin", "b c", "[x]"]);
        assert_eq!(segments("http://app.test/admin?x"), ["admin"]);
    }

    #[test]
    fn a_target_that_two_readers_could_read_differently_is_refused() {
        for (id, target) in [
            ("A-20", "/public/../admin"),
            ("A-20", "/public/./../admin"),
            ("A-20", "/public/.."),
            ("A-21", "/public/%2e%2e/admin"),
            ("A-21", "/public/.%2E/admin"),
            ("A-21", "/public/..%20/admin"),
            ("A-21", "/public/%20../admin"),
            ("A-21", "/public/.../admin"),
            ("A-22", "/public%2f..%2fadmin"),
            ("A-22", "/public%5C..%5cadmin"),
            ("A-22", "/public/x%2Fadmin"),
            ("A-23", "/a%3bx"),
            ("A-23", "/a%3fx"),
            ("A-23", "/a%23x"),
            ("A-23", "/a%00x"),
            ("A-23", "/a%0d%0ax"),
            ("A-24", "/public\\..\\admin"),
            ("A-25", "//admin/x"),
            ("A-25", "/public//../admin"),
            ("A-25", "///api/me"),
            ("A-25", "/admin//"),
            ("A-25", "//"),
            ("A-26", "/admin;x=1"),
            ("A-26", "/admin/;/x"),
            ("A-30", "/admin#/public"),
            ("A-32", "/admin/."),
            ("A-33", "/%"),
            ("A-33", "/%zz"),
            ("A-33", "/%2"),
            ("A-33", "/%+1"),
            ("A-34", "/%ff%fe"),
            ("double", "/%252e%252e/admin"),
            ("A-35", "/pub lic"),
            ("A-35", "/a<b"),
            ("A-35", "/a\"b"),
            ("A-35", "/a\tb"),
            ("A-36", "http://other.host"),
            ("A-36", "ftp://other.host/x"),
            ("", "/(S(x))/admin"),
            ("", "/sec::$INDEX_ALLOCATION"),
            ("", "/sec:$i30:$INDEX_ALLOCATION"),
            ("A-38", "*"),
            ("A-38", "app.test:443"),
            ("", ""),
            ("", "admin"),
        ] {
            assert_eq!(
                Target::parse(target.as_bytes()),
                Err(Rejection::AmbiguousPath),
                "{id}: {target}"
            );
        }
        assert_eq!(
            Target::parse("/ä".as_bytes()),
            Err(Rejection::AmbiguousPath)
        );
        let long = format!("/{}", "a".repeat(MAX_TARGET));
        assert_eq!(
            Target::parse(long.as_bytes()),
            Err(Rejection::TargetTooLong)
        );
    }

    proptest! {
        #[test]
        fn no_target_panics_and_an_accepted_one_has_no_second_reading(raw in "[/a.%25cCfF2eE;\\\\?#: ]{0,24}") {
            if let Ok(target) = Target::parse(raw.as_bytes()) {
                for segment in target.path.segments().map(|segment| segment.text()) {
                    prop_assert!(!matches!(segment, "" | "." | ".."));
                    prop_assert!(!segment.contains(['/', '\\', ';', '%', '#', '?']));
                }
                // A second decoding changes nothing, so an app that decodes twice reads the same path.
                let again = percent_decode_str(target.path.as_str()).decode_utf8().unwrap().into_owned();
                prop_assert_eq!(again, target.path.as_str());
            }
        }

        #[test]
        fn any_bytes_are_judged_without_a_panic(raw in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Target::parse(&raw);
        }
    }
}
