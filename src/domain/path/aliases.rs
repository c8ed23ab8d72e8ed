//! Paths that an app may make of the one that was sent.
//!
//! PHP hands what stands behind a script to the app; frameworks serve the data of a page under a path of its own. The handler or the
//! loader of the page runs either way, so the page's route must let the caller in, too.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{CleanPath, PathSegment};
use crate::domain::Rejection;

/// Bound on the aliases of one path. Honest paths have one; each costs a walk over all routes.
pub const MAX_ALIASES: usize = 4;

/// Endings of the names of scripts to which the rest of the path is handed (PATH_INFO; RFC 3875, 4.1.5).
const SCRIPTS: &[&str] = &[
    ".php", ".phtml", ".cgi", ".fcgi", ".pl", ".py", ".wsgi", ".cfm",
];

/// Last segments under which frameworks serve the data of the path before: React Router and Remix (also for `/` under a base name),
/// SvelteKit, Nuxt, Qwik City.
const DATA_SEGMENTS: &[&str] = &[
    "_root.data",
    "_.data",
    "__data.json",
    "__route.js",
    "_payload.json",
    "_payload.js",
    "q-data.json",
];

/// Ends of a last segment under which they serve the data of the rest.
const DATA_SUFFIXES: &[&str] = &[".data", "__data.json", "__route.js"];

/// Bytes of a segment that have to be encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@')
    .remove(b':');

impl CleanPath<'_> {
    /// The paths that an app may make of this one, without itself. Empty for nearly every path.
    ///
    /// # Errors
    /// [`Rejection::AmbiguousPath`] for more than [`MAX_ALIASES`]: nobody sends that in good faith.
    pub fn aliases(&self) -> Result<Vec<CleanPath<'static>>, Rejection> {
        // Every alias comes from a name with a dot in it.
        if !self.decoded.contains('.') {
            return Ok(Vec::new());
        }
        let segments: Vec<_> = self.segments().collect();
        let mut found = Vec::new();
        for (at, segment) in segments.iter().enumerate() {
            if names_a_script(*segment) {
                let behind = segments.get(at + 1..).unwrap_or_default();
                found.push(self.alias(behind.iter().map(|segment| segment.raw().to_owned())));
            }
            if found.len() > MAX_ALIASES {
                return Err(Rejection::AmbiguousPath);
            }
        }
        found.extend(data_of(&segments).map(|page| self.alias(page)));
        match found.len() {
            0..=MAX_ALIASES => found.into_iter().collect(),
            _ => Err(Rejection::AmbiguousPath),
        }
    }

    /// A path of these raw segments, with a slash at the end if this one has it.
    fn alias(
        &self,
        segments: impl Iterator<Item = String>,
    ) -> Result<CleanPath<'static>, Rejection> {
        let mut path: String = segments
            .flat_map(|segment| ["/".to_owned(), segment])
            .collect();
        if path.is_empty() || self.trailing_slash {
            path.push('/');
        }
        CleanPath::parse(path)
    }
}

/// The segments of the page whose data a path names.
fn data_of(segments: &[PathSegment<'_>]) -> Option<std::vec::IntoIter<String>> {
    let (last, before) = segments.split_last()?;
    let raw = |segments: &[PathSegment<'_>]| {
        segments
            .iter()
            .map(|segment| segment.raw().to_owned())
            .collect::<Vec<_>>()
    };
    let next = before
        .windows(2)
        .position(|pair| matches!(pair, [a, b] if a.text() == "_next" && b.text() == "data"));
    let gatsby = before
        .iter()
        .position(|segment| segment.text() == "page-data");
    let page = if let (Some(at), Some(name)) = (next, stem(*last, ".json")) {
        // `/_next/data/<build>/a/b.json` is `/a/b`, and `/_next/data/<build>/index.json` is `/`.
        let mut page = raw(before.get(at + 3..)?);
        page.extend(Some(name).filter(|name| name != "index"));
        page
    } else if let (Some(at), "page-data.json") = (gatsby, last.text()) {
        let page = raw(before.get(at + 1..)?);
        if page == ["index"] { vec![] } else { page }
    } else if DATA_SEGMENTS.contains(&last.text()) {
        raw(before)
    } else {
        let name = DATA_SUFFIXES
            .iter()
            .find_map(|suffix| stem(*last, suffix))?;
        let mut page = raw(before);
        page.push(name);
        page
    };
    Some(page.into_iter())
}

/// The raw segment without this end of it. Where the end is encoded, the rest is encoded anew.
fn stem(segment: PathSegment<'_>, suffix: &str) -> Option<String> {
    let text = segment
        .text()
        .strip_suffix(suffix)
        .filter(|stem| !stem.is_empty())?;
    let raw = segment.raw().strip_suffix(suffix).map(str::to_owned);
    Some(raw.unwrap_or_else(|| utf8_percent_encode(text, ENCODED).to_string()))
}

fn names_a_script(segment: PathSegment<'_>) -> bool {
    let text = segment.trimmed();
    let ends = |end: &&str| {
        let at = text.len().checked_sub(end.len());
        at.and_then(|at| text.get(at..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    SCRIPTS.iter().any(ends)
}

#[cfg(test)]
mod tests {
    use super::super::Target;
    use super::*;

    fn aliases(target: &str) -> Option<String> {
        let target = Target::parse(target.as_bytes()).expect("a clean target");
        let found = target.path.aliases().ok()?;
        Some(
            found
                .iter()
                .map(|path| &*path.raw)
                .collect::<Vec<_>>()
                .join(" "),
        )
    }

    #[test]
    fn a_path_may_be_another_one_to_the_app() {
        for (target, expected) in [
            ("/admin", ""),
            ("/a.b/c.json", ""),
            ("/index.php/admin/x", "/admin/x"),
            ("/sub/INDEX.PHP/%61dmin/", "/%61dmin/"),
            ("/index.ph%70/admin", "/admin"),
            ("/index.php./admin", "/admin"),
            ("/index.php", "/"),
            ("/index.php/", "/"),
            ("/a.php/b.cgi/c", "/b.cgi/c /c"),
            ("/_next/data/b1/w/ws_1.json", "/w/ws_1"),
            ("/docs/_next/data/b1/%61dmin.json", "/%61dmin"),
            ("/_next/data/b1/admin.jso%6E", "/admin"),
            ("/_next/data/b1/index.json", "/"),
            ("/_next/data/b1/a", ""),
            ("/_next/static/x.js", ""),
            ("/page-data/account/page-data.json", "/account"),
            ("/page-data/index/page-data.json", "/"),
            ("/account.data", "/account"),
            ("/_root.data", "/"),
            ("/app/_root.data", "/app"),
            ("/account/_.data", "/account"),
            ("/account/__data.json", "/account"),
            ("/__data.json", "/"),
            ("/account.html__data.json", "/account.html"),
            ("/account/__route.js", "/account"),
            ("/account/_payload.json", "/account"),
            ("/account/q-data.json", "/account"),
            ("/x.data/y", ""),
            ("/.data", ""),
        ] {
            assert_eq!(aliases(target).as_deref(), Some(expected), "{target}");
        }
        assert_eq!(
            aliases(&"/a.php".repeat(MAX_ALIASES + 1)),
            None,
            "nobody does that in good faith"
        );
    }
}
