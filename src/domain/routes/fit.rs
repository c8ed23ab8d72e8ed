//! Whether a pattern covers a path: to every reader, to the app that the config describes, or only to some reader.

use super::{Pattern, Route, Segment};
use crate::domain::path::{CleanPath, PathSegment, same_letters};

/// How the app behind the gate reads paths, as far as its operator has said so: `paths:` of the config.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathRules {
    pub case: LetterCase,
    pub suffix: Suffix,
}

/// Whether `/ADMIN` is `/admin` to the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LetterCase {
    #[default]
    Sensitive,
    /// As Express, ASP.NET and IIS have it by default.
    Insensitive,
}

/// Whether `/admin.json` is `/admin` to the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Suffix {
    #[default]
    Significant,
    /// As Rails (`.:format`) and Spring before 5.3 have it by default.
    Ignored,
}

/// How surely a route covers a path. The greater, the less sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// To every reader: none gets to a less specific route.
    Certain,
    /// By what the config says of the app, or by the contract about a slash at the end. It suffices where nothing else covers the
    /// path; where a broader route does, some reader gets to that one.
    Declared,
    /// To some readers only. Where no other route covers the path, the other readers get to what no route covers.
    Possible,
}

/// How surely `route` covers the rest of `path` behind the first `skipped` segments; `None` if no reader gets to it.
pub(super) fn fit(
    route: &Route,
    path: &CleanPath<'_>,
    skipped: usize,
    rules: PathRules,
) -> Option<Fit> {
    let segments = fit_segments(&route.pattern, path, skipped, rules)?;
    let rest_of_nothing = skipped > 0 && path.segments().nth(skipped).is_none();
    let slash = match path.trailing_slash() && !route.pattern.rest && !rest_of_nothing {
        false => Fit::Certain,
        // `/admin/` is `/admin` to many frameworks, and below `/admin` to others (attack A-32). A rule that asks for something covers
        // both; one that opens a path to everybody covers exactly what it says.
        true if route.access.opens() => Fit::Possible,
        true => Fit::Declared,
    };
    let script = if skipped > 0 {
        Fit::Possible
    } else {
        Fit::Certain
    };
    Some(segments.max(slash).max(script))
}

fn fit_segments(
    pattern: &Pattern,
    path: &CleanPath<'_>,
    skipped: usize,
    rules: PathRules,
) -> Option<Fit> {
    let mut parts = path.segments().skip(skipped).peekable();
    if pattern.segments.is_empty()
        && !pattern.rest
        && names_the_root(path.segments().skip(skipped), skipped)
    {
        return Some(Fit::Possible);
    }
    // Next.js adds `.json` to the page behind its prefix.
    let rules = if skipped > 0 {
        PathRules {
            suffix: Suffix::Ignored,
            ..rules
        }
    } else {
        rules
    };
    let plain = rules == PathRules::default() && !path.may_be_read_otherwise();
    let mut fit = Fit::Certain;
    for segment in &pattern.segments {
        let part = parts.next()?;
        match segment {
            Segment::Any(_) => {}
            Segment::Literal(literal) if plain && **literal == *part.text() => {}
            Segment::Literal(_) if plain => return None,
            Segment::Literal(literal) => {
                fit = fit.max(fit_literal(literal, part, parts.peek().is_none(), rules)?)
            }
        }
    }
    (pattern.rest || parts.next().is_none()).then_some(fit)
}

/// Whether this asks React Router or Next.js for the data of the page `/`.
fn names_the_root<'p>(mut parts: impl Iterator<Item = PathSegment<'p>>, skipped: usize) -> bool {
    let name = parts.next().map(PathSegment::text);
    let known = name == Some("_root.data") || (skipped > 0 && name == Some("index.json"));
    known && parts.next().is_none()
}

fn fit_literal(literal: &str, part: PathSegment<'_>, last: bool, rules: PathRules) -> Option<Fit> {
    let text = part.text();
    if *literal == *text {
        // Express finds `/open` in `/open` alone, and not in `/%6Fpen`; uvicorn and gunicorn do in both.
        return Some(if part.has_one_spelling() {
            Fit::Certain
        } else {
            Fit::Possible
        });
    }
    // What the config says of letter cases is said of ASCII: of other letters not even the readers that ignore case agree.
    let declared = if part.has_one_spelling() && text.is_ascii() {
        Fit::Declared
    } else {
        Fit::Possible
    };
    let bare = if last && rules.suffix == Suffix::Ignored {
        part.without_suffix()
    } else {
        text
    };
    if rules.same(literal, text) || rules.same(literal, bare) {
        return Some(declared);
    }
    if last && rules.same(literal, part.page()) {
        return Some(Fit::Possible);
    }
    let loose = part.loose();
    (*loose != *text && rules.same(literal, &loose)).then_some(Fit::Possible)
}

impl PathRules {
    /// Whether the app takes these two texts of a segment for the same.
    pub(super) fn same(self, a: &str, b: &str) -> bool {
        a == b || (self.case == LetterCase::Insensitive && same_letters(a, b))
    }
}
