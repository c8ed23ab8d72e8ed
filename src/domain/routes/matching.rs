//! Whether an app serves a path by a route. The match holds for every app server, for the app that the config describes, or for
//! some app servers.

use super::{MAX_SEGMENTS, Pattern, Route, Segment};
use crate::domain::path::{CleanPath, PathSegment, eq_ignore_case};

/// How the app behind the gate reads paths, as the operator describes it under `paths:` in the config.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathRules {
    pub case: LetterCase,
    pub suffix: Suffix,
}

/// Whether the app reads `/ADMIN` as `/admin`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LetterCase {
    #[default]
    Sensitive,
    /// The default of Express, ASP.NET and IIS.
    Insensitive,
}

/// Whether the app reads `/admin.json` as `/admin`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Suffix {
    #[default]
    Significant,
    /// The default of Rails (`.:format`) and of Spring before 5.3.
    Ignored,
}

/// How certain it is that the app serves a path by a route. A greater value is less certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    /// Every app server serves the path by the route.
    Certain,
    /// The app does, according to `paths:` or to the rule about a slash at the end. Broader routes are judged too.
    Declared,
    /// Some app servers do. Such a match alone admits no caller.
    Possible,
}

/// The parts of a path, computed once for all routes.
pub(super) struct PathParts<'p> {
    /// At most one more than a pattern can have.
    segments: Vec<PathSegment<'p>>,
    trailing_slash: bool,
    /// Whether `paths:` is empty and no segment has other readings. Then only equal texts match.
    plain: bool,
    rules: PathRules,
}

impl<'p> PathParts<'p> {
    pub(super) fn of(path: &'p CleanPath<'_>, rules: PathRules) -> Self {
        Self {
            segments: path.segments().take(MAX_SEGMENTS + 1).collect(),
            trailing_slash: path.trailing_slash(),
            plain: rules == PathRules::default() && !path.may_have_other_readings(),
            rules,
        }
    }

    /// How certain it is that the app serves the path by this route. `None` where no app server does.
    pub(super) fn match_route(&self, route: &Route) -> Option<Match> {
        let segments = self.match_pattern(&route.pattern)?;
        let slash = match self.trailing_slash && !route.pattern.rest {
            false => Match::Certain,
            // Many frameworks read `/admin/` as `/admin`; others read it as a path below `/admin` (attack A-32). A route that
            // asks for something covers both. A route that opens a path to every client covers exactly its pattern.
            true if route.access.opens() => Match::Possible,
            true => Match::Declared,
        };
        Some(segments.max(slash))
    }

    fn match_pattern(&self, pattern: &Pattern) -> Option<Match> {
        let (wanted, given) = (pattern.segments.len(), self.segments.len());
        if given < wanted || (given > wanted && !pattern.rest) {
            return None;
        }
        let mut found = Match::Certain;
        for (at, (segment, part)) in pattern.segments.iter().zip(&self.segments).enumerate() {
            match segment {
                Segment::Any(_) => {}
                Segment::Literal(literal) if self.plain && **literal == *part.text() => {}
                Segment::Literal(_) if self.plain => return None,
                Segment::Literal(literal) => {
                    found = found.max(match_literal(literal, *part, at + 1 == given, self.rules)?);
                }
            }
        }
        Some(found)
    }
}

fn match_literal(
    literal: &str,
    part: PathSegment<'_>,
    last: bool,
    rules: PathRules,
) -> Option<Match> {
    let text = part.text();
    if *literal == *text {
        // Express finds `/open` only in `/open` and not in `/%6Fpen`. uvicorn and gunicorn find it in both.
        let canonical = part.is_canonically_encoded();
        return Some(if canonical {
            Match::Certain
        } else {
            Match::Possible
        });
    }
    let without_suffix =
        || Some(part.without_suffix()).filter(|bare| last && bare.len() != text.len());
    let suffix_ignored = || {
        rules.suffix == Suffix::Ignored
            && without_suffix().is_some_and(|bare| rules.same(literal, bare))
    };
    if rules.same(literal, text) || suffix_ignored() {
        // The config's rule on letter case is about ASCII letters. Apps that ignore case do not agree about other letters.
        let declared = part.is_canonically_encoded() && text.is_ascii() && literal.is_ascii();
        return Some(if declared {
            Match::Declared
        } else {
            Match::Possible
        });
    }
    let trimmed = part.trimmed();
    let looser = (trimmed.len() != text.len() && rules.same(literal, trimmed))
        // PHP's `urldecode` reads `+` as a space.
        || (literal.contains(' ') && rules.same(literal, &text.replace('+', " ")));
    looser.then_some(Match::Possible)
}

impl PathRules {
    /// Whether the app reads these two texts of a segment as the same.
    pub(super) fn same(self, a: &str, b: &str) -> bool {
        a == b || (self.case == LetterCase::Insensitive && eq_ignore_case(a, b))
    }
}
