//! The routes: patterns of whole path segments. The most specific route that matches judges the request; there is no default
//! route.

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
    /// Each condition must hold. A condition that the gate cannot check does not hold (attack A-63).
    pub require: Vec<Condition>,
    /// The places where a request names its workspace. With more than one, all must name the same workspace (attack A-42).
    pub workspace: Vec<WorkspaceSource>,
    pub mode: Mode,
    /// The longest wait for the upstream's next bytes. `None`: the setting of the whole gate.
    pub timeout: Option<Duration>,
    /// The largest request body in bytes. `None`: the gate sets no limit.
    pub max_body: Option<u64>,
    /// Whether the upstream gets the Authorization field. `None`: the default for the kind of caller.
    pub forward_token: Option<bool>,
    /// When the gate ends an answer that lasts long.
    pub streams: Streams,
    /// Whether a suspended user passes `access: user`, for example to see the profile that shows the suspension.
    pub allow_suspended: bool,
    /// The answer that the gate itself gives to an admitted caller. `None`: the upstream answers.
    pub answer: Option<Own>,
}

/// An answer that the gate gives itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// The caller's profile, in the shape of [`super::profile::Profile`].
    Profile,
    /// Whether the token is valid. A caller with an invalid token gets this answer too.
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
    /// Every client, without identity.
    Public,
    /// Every client. If a token is there it must be valid, and the upstream gets the identity.
    Optional,
    /// A client with a valid token. The membership need not know the user yet.
    User,
    /// A user whose access is active.
    Active,
    /// A member of the workspace with this role or a higher one.
    Role(Role),
    /// A client with a static service token.
    Service,
    /// A signed webhook.
    Webhook,
    /// No client.
    Deny,
}

impl Access {
    /// Whether the word lets a request pass without a token. Such a route covers exactly its pattern, and not the path with a
    /// further trailing slash (attack A-117).
    fn opens(self) -> bool {
        self.is_open() || self == Self::Webhook
    }

    /// Whether every client passes, with or without a token.
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
    /// A feature: `dashboard` in any scope, or `o:dashboard` in the scope of the organization.
    Feature(String),
    /// A flag of the user that must be set.
    Flag(Box<str>),
    /// A plan: `pro` in any scope, or `o:pro` in the scope of the organization.
    Plan(String),
    /// A second factor that the user gave at most this long ago.
    SecondFactorWithin(Duration),
    /// The token is from one of these issuers, given by name.
    Issuer(Vec<Arc<str>>),
    /// The session is not impersonated.
    NoImpersonation,
}

/// Where a request names its workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkspaceSource {
    /// The path segment with this index, which the pattern calls `{workspace}`.
    Segment(usize),
    Header(HeaderName),
    /// The active organization of the token.
    TokenOrg,
}

/// When the gate ends a WebSocket, an event stream or another long answer to a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Streams {
    /// When the user's access ends.
    #[default]
    AtRevocation,
    /// When the user's access ends, and also `grace` after the token expires. `grace` is at most [`MAX_GRACE`].
    AtExpiry { grace: Duration },
    /// Never: only the app or the client ends it.
    Never,
}

/// The longest time that a stream may go on after its token expires.
pub const MAX_GRACE: Duration = Duration::from_secs(24 * 3600);

/// What the gate does with a request that it would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Enforce,
    /// The gate logs the refusal and forwards the request without identity.
    Report,
}

/// The methods that a route covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Methods {
    /// GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS. Any other method is covered only by a route that names it (attack A-39).
    Usual,
    /// Exactly these. GET covers HEAD too, because a server answers both from one resource (RFC 9110, 9.3.2).
    These(Vec<Method>),
}

impl Methods {
    /// The methods that a route covers when it names none.
    pub const USUAL: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];

    /// Whether the route covers this method.
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

/// A path pattern. A segment is literal, or `{name}` for any one segment; `/**` at the end covers any rest, an empty one
/// included.
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

/// Why a text is not a pattern.
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

/// The most segments in a pattern.
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
    // No clean path contains these characters, so a route with such a pattern would never match.
    let never = |c: char| c.is_control() || "%*?#;\\".contains(c);
    if matches!(part, "" | "." | "..") || part.contains(never) {
        return Err(PatternError::Literal);
    }
    Ok(Segment::Literal(part.into()))
}

impl Pattern {
    /// The pattern as the config writes it. Metrics and logs use it as the name of the route.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// An example path that the pattern covers. It serves to look up the routes of the other methods of this path.
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

    /// The index of the path segment with this `{name}`.
    #[must_use]
    pub fn position(&self, wanted: &str) -> Option<usize> {
        self.segments
            .iter()
            .position(|s| matches!(s, Segment::Any(name) if **name == *wanted))
    }

    /// Whether the pattern covers exactly one path.
    fn is_literal(&self) -> bool {
        let literal = |segment: &Segment| matches!(segment, Segment::Literal(_));
        !self.rest && self.segments.iter().all(literal)
    }

    /// Whether the segment at this index is literal.
    fn is_literal_at(&self, index: usize) -> bool {
        matches!(self.segments.get(index), Some(Segment::Literal(_)))
    }

    /// Whether any segment is literal.
    fn has_literals(&self) -> bool {
        (0..self.segments.len()).any(|index| self.is_literal_at(index))
    }

    /// The more specific pattern comes first. At the leftmost difference the order is: literal, `{name}`, end of the pattern,
    /// `/**`.
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

    /// Whether both patterns cover the same paths: they differ only in the names in braces, or in letter case where the app
    /// ignores it.
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
