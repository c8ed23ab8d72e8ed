//! Other paths that an app may read in a path.
//!
//! PHP passes the part of the path after a script's name to the app. Frameworks serve the data of a page under a path of its own.
//! In both cases the page's handler or loader runs, so the page's route must admit the caller too.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{CleanPath, PathSegment};
use crate::domain::Rejection;

/// The most aliases of one path. Honest paths have one; each costs a walk over all routes.
pub const MAX_ALIASES: usize = 4;

/// Endings of script names after which the rest of the path goes to the script (PATH_INFO; RFC 3875, 4.1.5).
const SCRIPTS: &[&str] = &[
    ".php", ".phtml", ".phar", ".cgi", ".fcgi", ".pl", ".py", ".wsgi", ".cfm",
];

/// Scripts that serve the page `/` of an app when no path follows them. Scripts with other names are files. `.pl` may also end a
/// name that is no script: the name of a Polish host.
const FRONT_CONTROLLERS: &[&str] = &["index", "app", "app_dev", "default", "main"];

/// Last segments under which frameworks and web servers serve the path before them, or its data: React Router and Remix (also for
/// `/` under a base name), SvelteKit, Nuxt, Qwik City, Vike; the index pages of a directory.
const PARENT_SEGMENTS: &[&str] = &[
    "_root.data",
    "_.data",
    ".data",
    "__data.json",
    "__route.js",
    "_payload.json",
    "_payload.js",
    "q-data.json",
    "index.pageContext.json",
    "index.html",
    "index.htm",
    "index.php",
];

/// Endings of a last segment under which frameworks serve the data of the path without that ending.
const DATA_SUFFIXES: &[&str] = &[".data", "__data.json", "__route.js"];

/// Another path that an app may read in the request's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    pub path: CleanPath<'static>,
    /// The index of the segment in the original path that makes the alias: the script, or the name of the data.
    pub named_at: usize,
}

/// Bytes of a segment that must be encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@')
    .remove(b':');

impl CleanPath<'_> {
    /// The other paths that an app may read in this one. Empty for nearly every path.
    ///
    /// # Errors
    /// [`Rejection::AmbiguousPath`] for more than [`MAX_ALIASES`]: no honest client sends such a path.
    pub fn aliases(&self) -> Result<Vec<Alias>, Rejection> {
        // Every alias comes from a name with a dot.
        if !self.decoded.contains('.') {
            return Ok(Vec::new());
        }
        let segments: Vec<_> = self.segments().collect();
        let mut found: Vec<Alias> = Vec::new();
        let mut add = |pages: Vec<Vec<String>>, named_at| {
            for page in pages {
                let path = self.alias(page)?;
                if found.iter().all(|alias| alias.path != path) {
                    found.push(Alias { path, named_at });
                }
                if found.len() > MAX_ALIASES {
                    return Err(Rejection::AmbiguousPath);
                }
            }
            Ok(())
        };
        for at in 0..segments.len() {
            let Some(page) = behind_script(&segments, at) else {
                continue;
            };
            // What the script gets may name the data of a page in turn: `/index.php/a.data` is `/a`.
            let behind = self.alias(page.clone())?;
            let pages = data_of(&behind.segments().collect::<Vec<_>>());
            add([vec![page], pages].concat(), at)?;
        }
        add(data_of(&segments), segments.len().saturating_sub(1))?;
        Ok(found)
    }

    /// Builds a path from these raw segments, with a slash at the end if this path has one.
    fn alias(&self, segments: Vec<String>) -> Result<CleanPath<'static>, Rejection> {
        let mut path: String = segments
            .into_iter()
            .flat_map(|segment| ["/".to_owned(), segment])
            .collect();
        if path.is_empty() || self.trailing_slash {
            path.push('/');
        }
        CleanPath::parse(path)
    }
}

fn raw(segments: &[PathSegment<'_>]) -> Vec<String> {
    segments
        .iter()
        .map(|segment| segment.raw().to_owned())
        .collect()
}

/// The segments after the name of a script at this index, if there is such a name.
fn behind_script(segments: &[PathSegment<'_>], at: usize) -> Option<Vec<String>> {
    let text = segments.get(at)?.trimmed();
    let behind = segments.get(at + 1..)?;
    if let Some(name) = SCRIPTS
        .iter()
        .find_map(|end| strip_ignoring_case(text, end))
    {
        let known = || {
            FRONT_CONTROLLERS
                .iter()
                .any(|front| name.eq_ignore_ascii_case(front))
        };
        return (!behind.is_empty() || known()).then(|| raw(behind));
    }
    // Symfony, CodeIgniter and others cut their script's name off even without a slash after it: `/index.phpadmin` is `/admin`.
    let lower = text.to_ascii_lowercase();
    let rest = lower
        .find(".php")
        .and_then(|dot| text.get(dot + ".php".len()..))?;
    let first = utf8_percent_encode(rest, ENCODED).to_string();
    Some([vec![first], raw(behind)].concat())
}

fn strip_ignoring_case<'t>(text: &'t str, end: &str) -> Option<&'t str> {
    let (name, tail) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    tail.eq_ignore_ascii_case(end).then_some(name)
}

/// The pages whose data the path may name.
fn data_of(segments: &[PathSegment<'_>]) -> Vec<Vec<String>> {
    let Some((last, before)) = segments.split_last() else {
        return vec![];
    };
    let is_data = |pair: &[PathSegment<'_>]| matches!(pair, [a, b] if a.text() == "_next" && b.text() == "data");
    let next = before.windows(2).position(is_data);
    let gatsby = before
        .iter()
        .position(|segment| segment.text() == "page-data");
    let under = |start: usize, page: usize, name: Option<String>| {
        // The page is behind the base path of the app, or without it where a proxy removed the base path.
        let page = [
            raw(before.get(page..).unwrap_or_default()),
            name.into_iter().collect(),
        ]
        .concat();
        let page = if page == ["index"] { vec![] } else { page };
        let base = raw(before.get(..start).unwrap_or_default());
        if base.is_empty() {
            vec![page]
        } else {
            vec![[base, page.clone()].concat(), page]
        }
    };
    if let (Some(at), Some(name)) = (
        next.filter(|at| before.len() > at + 2),
        stem(*last, ".json"),
    ) {
        // `/_next/data/<build>/a/b.json` is `/a/b`, and `/_next/data/<build>/index.json` is `/`.
        return under(at, at + 3, Some(name));
    }
    if let (Some(at), "page-data.json") = (gatsby, last.text()) {
        return under(at, at + 1, None);
    }
    if PARENT_SEGMENTS.contains(&last.text()) {
        return vec![raw(before)];
    }
    let page = DATA_SUFFIXES.iter().find_map(|suffix| stem(*last, suffix));
    page.map(|name| [raw(before), vec![name]].concat())
        .into_iter()
        .collect()
}

/// The raw segment without this suffix. If the suffix is encoded, the rest is encoded again.
fn stem(segment: PathSegment<'_>, suffix: &str) -> Option<String> {
    let text = segment
        .text()
        .strip_suffix(suffix)
        .filter(|stem| !stem.is_empty())?;
    let raw = segment.raw().strip_suffix(suffix).map(str::to_owned);
    Some(raw.unwrap_or_else(|| utf8_percent_encode(text, ENCODED).to_string()))
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
                .map(|alias| &*alias.path.raw)
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
            ("/sub/index.php", "/ /sub"),
            ("/index.php/a.data", "/a.data /a /index.php/a"),
            ("/index.php/a/__data.json", "/a/__data.json /a /index.php/a"),
            ("/index.phpa.data", "/a.data /a /index.phpa"),
            ("/style.php", ""),
            ("/users/jan@wp.pl", ""),
            ("/index.phpadmin/x", "/admin/x"),
            ("/a/i%6Edex.PHPadm%69n", "/admin"),
            ("/index.php/", "/"),
            ("/sec/index.html", "/sec"),
            ("/sec/.data", "/sec"),
            ("/a.php/b.cgi/c", "/b.cgi/c /c"),
            ("/_next/data/b1/w/ws_1.json", "/w/ws_1"),
            ("/docs/_next/data/b1/%61dmin.json", "/docs/%61dmin /%61dmin"),
            ("/_next/data/b/a/b/c/d/e.json", "/a/b/c/d/e"),
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
            ("/.data", "/"),
        ] {
            assert_eq!(aliases(target).as_deref(), Some(expected), "{target}");
        }
        assert_eq!(
            aliases(&"/a.php".repeat(MAX_ALIASES + 2)),
            None,
            "nobody does that in good faith"
        );
    }
}
