//! Which rule covers a request: patterns of whole segments, the most specific first, and no implicit default.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};

use super::membership::Role;

mod matching;
mod table;

pub use matching::{LetterCase, PathRules, Suffix};
pub use table::{Readings, RouteReading, RouteTable};

/// One line of `routes:`.
#[derive(Clone, Debug)]
pub struct Route {
    pub pattern: Pattern,
    pub methods: Methods,
    pub access: Access,
    /// Each must hold; none is skipped because it cannot be told (attack A-63).
    pub require: Vec<Condition>,
    /// Where the workspace is named. With more than one, all must name the same (attack A-42).
    pub workspace: Vec<WorkspaceSource>,
    pub mode: Mode,
    /// Longest wait for the upstream's next bytes; `None` for the gate's own setting.
    pub timeout: Option<Duration>,
    /// Largest request body in bytes; `None` for no bound of ours.
    pub max_body: Option<u64>,
    /// Whether the upstream gets the Authorization field; `None` for the default of the kind of caller.
    pub forward_token: Option<bool>,
    /// When an answer that goes on for long is ended.
    pub streams: Streams,
    /// Whether a suspended user passes `access: user`, say to see the profile that says so.
    pub allow_suspended: bool,
    /// What the gate answers itself to whoever it lets in; `None` where the upstream does.
    pub answer: Option<Own>,
}

/// An answer that the gate gives itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// Who the caller is, in the shape of [`super::profile::Profile`].
    Profile,
    /// Whether the token is good; also to a caller whose token is not.
    Verify,
}

impl Own {
    /// The word of `answer:`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Verify => "verify",
        }
    }
}

/// The one word of `access:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without identity.
    Public,
    /// Anybody; with identity if there is a token, which then must be good.
    Optional,
    /// A valid token. The membership need not know the user yet.
    User,
    /// A user whose access is active.
    Active,
    /// A member of the workspace with this role or a higher one.
    Role(Role),
    /// A holder of a static service token.
    Service,
    /// A signed webhook.
    Webhook,
    /// Nobody.
    Deny,
}

impl Access {
    /// Words that let a request pass without a token. They cover exactly what they say, never a trailing slash more
    /// (attack A-117).
    fn opens(self) -> bool {
        self.is_open() || self == Self::Webhook
    }

    /// Whether everybody passes, with or without a token.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Public | Self::Optional)
    }
}

/// A line of `require:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Role(Role),
    /// `org:feature:permission`, as Clerk writes it.
    Permission(String),
    /// A feature, `dashboard` in any scope or `o:dashboard` in one.
    Feature(String),
    /// A flag that is set on the user.
    Flag(Box<str>),
    /// A plan, `pro` in any scope or `o:pro` in one.
    Plan(String),
    /// A second factor, given at most so long ago.
    SecondFactorWithin(Duration),
    /// One of these issuers, by name.
    Issuer(Vec<Arc<str>>),
    /// No impersonation.
    NoImpersonation,
}

/// Where a request names its workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkspaceSource {
    /// The path segment with this index, named `{workspace}` in the pattern.
    Segment(usize),
    Header(HeaderName),
    /// The active organization of the token.
    TokenOrg,
}

/// When a WebSocket, an event stream or another long answer to a user is ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Streams {
    /// When the user's access ends.
    #[default]
    AtRevocation,
    /// Then, and this long after the token has expired; at most [`MAX_GRACE`].
    AtExpiry { grace: Duration },
    /// When app or client end it.
    Never,
}

/// Longest time for which a stream may outlive its token.
pub const MAX_GRACE: Duration = Duration::from_secs(24 * 3600);

/// What happens to a request that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Enforce,
    /// Log what would be refused and forward it without identity.
    Report,
}

/// The methods that a route covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Methods {
    /// GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS. A method that nobody named is not covered (attack A-39).
    Usual,
    /// Exactly these. GET covers HEAD too, as a server answers both from one resource (RFC 9110, 9.3.2).
    These(Vec<Method>),
}

impl Methods {
    /// The methods that a route covers which names none.
    pub const USUAL: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];

    /// Whether a request with this method is covered.
    #[must_use]
    pub fn cover(&self, method: &Method) -> bool {
        match self {
            Self::Usual => Self::USUAL.contains(method),
            Self::These(list) => {
                list.contains(method) || (*method == Method::HEAD && list.contains(&Method::GET))
            }
        }
    }

    fn overlap(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Usual, Self::Usual) => true,
            (Self::These(list), any) | (any, Self::These(list)) => {
                let covered_back =
                    matches!(any, Self::These(other) if other.iter().any(|m| self.cover(m)));
                covered_back || list.iter().any(|m| any.cover(m))
            }
        }
    }
}

/// A path pattern: literal segments, `{name}` for any one segment, `/**` at the end for any rest, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Arc<str>,
    segments: Vec<Segment>,
    rest: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Any(Box<str>),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("a path pattern starts with `/`")]
    NoSlash,
    #[error("`**` stands only at the end, as a segment of its own: `/x/**`")]
    Rest,
    #[error("`{{name}}` is a whole segment with a name of letters, digits and `_`")]
    Name,
    #[error("`{0}` stands twice")]
    Twice(String),
    #[error(
        "a pattern is written as plain text: no `%`, `*`, `?`, `#`, `;`, empty or dot segment, and no slash at the end"
    )]
    Literal,
    #[error("a pattern has at most {MAX_SEGMENTS} segments")]
    TooLong,
}

/// Most segments in a pattern.
pub const MAX_SEGMENTS: usize = 32;

impl std::str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let body = text.strip_prefix('/').ok_or(PatternError::NoSlash)?;
        let (body, rest) = match body.strip_suffix("**") {
            Some("") => ("", true),
            Some(head) => (head.strip_suffix('/').ok_or(PatternError::Rest)?, true),
            None => (body, false),
        };
        let mut segments = Vec::new();
        if !body.is_empty() || (rest && text != "/**") {
            for part in body.split('/') {
                let segment = segment(part)?;
                if let Segment::Any(name) = &segment
                    && segments.contains(&segment)
                {
                    return Err(PatternError::Twice(name.to_string()));
                }
                segments.push(segment);
            }
        }
        if segments.len() > MAX_SEGMENTS {
            return Err(PatternError::TooLong);
        }
        Ok(Self {
            text: text.into(),
            segments,
            rest,
        })
    }
}

fn segment(part: &str) -> Result<Segment, PatternError> {
    if part.contains("**") {
        return Err(PatternError::Rest);
    }
    if part.contains(['{', '}']) {
        let name = part
            .strip_prefix('{')
            .and_then(|p| p.strip_suffix('}'))
            .ok_or(PatternError::Name)?;
        let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return if good {
            Ok(Segment::Any(name.into()))
        } else {
            Err(PatternError::Name)
        };
    }
    // A pattern that no clean path can equal would be a rule that never matches.
    let never = |c: char| c.is_control() || "%*?#;\\".contains(c);
    if matches!(part, "" | "." | "..") || part.contains(never) {
        return Err(PatternError::Literal);
    }
    Ok(Segment::Literal(part.into()))
}

impl Pattern {
    /// The pattern as it stands in the config: what metrics and logs call the route.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// One of the paths that the pattern covers, to ask which route other methods of it would meet.
    #[must_use]
    pub fn example(&self) -> String {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => text,
            Segment::Any(name) => name,
        });
        let path: String = segments.flat_map(|text| ["/", text]).collect();
        if path.is_empty() {
            "/".to_owned()
        } else {
            path
        }
    }

    /// Index of the path segment with this `{name}`.
    #[must_use]
    pub fn position(&self, wanted: &str) -> Option<usize> {
        self.segments
            .iter()
            .position(|s| matches!(s, Segment::Any(name) if **name == *wanted))
    }

    /// Whether the pattern spells out one path.
    fn is_literal(&self) -> bool {
        let literal = |segment: &Segment| matches!(segment, Segment::Literal(_));
        !self.rest && self.segments.iter().all(literal)
    }

    /// Whether the pattern spells out the segment at this index.
    fn is_literal_at(&self, index: usize) -> bool {
        matches!(self.segments.get(index), Some(Segment::Literal(_)))
    }

    /// Whether the pattern spells out any segment.
    fn has_literals(&self) -> bool {
        (0..self.segments.len()).any(|index| self.is_literal_at(index))
    }

    /// More specific first: at the leftmost difference a literal comes before `{name}` before the end before `/**`.
    fn specificity(&self, other: &Self) -> Ordering {
        let rank = |pattern: &Self, i: usize| match pattern.segments.get(i) {
            Some(Segment::Literal(_)) => 0,
            Some(Segment::Any(_)) => 1,
            None if pattern.rest => 3,
            None => 2,
        };
        (0..=MAX_SEGMENTS)
            .map(|i| rank(self, i).cmp(&rank(other, i)))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// Whether both cover the same paths: the same but for the names in braces, and for letter case where the app does not tell
    /// cases apart.
    #[must_use]
    pub fn same_paths(&self, other: &Self, rules: PathRules) -> bool {
        let alike = |(a, b): (&Segment, &Segment)| match (a, b) {
            (Segment::Any(_), Segment::Any(_)) => true,
            (Segment::Literal(a), Segment::Literal(b)) => rules.same(a, b),
            (Segment::Any(_), Segment::Literal(_)) | (Segment::Literal(_), Segment::Any(_)) => {
                false
            }
        };
        self.rest == other.rest
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(alike)
    }
}

#[cfg(test)]
mod tests;
