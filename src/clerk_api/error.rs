//! Why a request to Clerk's Backend API failed. Every message names the cause and the cure, and never the secret key.

use std::fmt;
use std::time::Duration;

use crate::domain::ids::ClerkUserId;
use crate::fetch::FetchError;

/// Why there is no usable answer.
#[derive(Debug)]
pub enum BackendError {
    /// 401: Clerk refuses the secret key.
    Key { base: String },
    /// No user has this id in the instance of the secret key.
    NotFound { base: String, user: ClerkUserId },
    /// No request was sent, and none will be for so long: the gate's share of the rate limit is used up, or Clerk has answered 429.
    Limited { base: String, wait: Duration },
    /// 429: over the rate limit, which all programs with this secret key share. The gate sends no request for so long.
    TooMany { base: String, wait: Duration },
    /// 500 and above: Clerk is down.
    Down { base: String, status: u16 },
    /// Any other status, with Clerk's code where it gave one.
    Refused {
        base: String,
        status: u16,
        code: Option<String>,
    },
    /// No connection, no answer in time, or more than may be read.
    Fetch(FetchError),
    /// A web page, or something else that Clerk does not send: a captive portal, a wrong address.
    NotClerk { base: String, page: bool },
    /// The answer is about another user than the requested one.
    OtherUser { base: String, user: ClerkUserId },
    /// A user without the fields that every user has, or a deletion that is not confirmed.
    Unreadable { base: String, why: &'static str },
}

impl BackendError {
    /// The cause.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::Key { base } => {
                format!("CLERK_SECRET_KEY is not of the instance at {base} (clerk_key_invalid)")
            }
            Self::NotFound { base, user } => {
                format!("{base} has no user {user} in the instance of the secret key")
            }
            Self::Limited { base, wait } => {
                format!(
                    "the rate limit of {base} is reached for the next {} s",
                    wait.as_secs_f32().ceil()
                )
            }
            Self::TooMany { base, wait } => {
                format!(
                    "{base} answered 429: its rate limit is reached, and nothing is asked for the next {} s",
                    wait.as_secs_f32().ceil()
                )
            }
            Self::Down { base, status } => format!("{base} answered {status}"),
            Self::Refused {
                base,
                status,
                code: Some(code),
            } => format!("{base} answered {status} ({code})"),
            Self::Refused {
                base,
                status,
                code: None,
            } => format!("{base} answered {status}, and not as Clerk does"),
            Self::Fetch(error) => error.to_string(),
            Self::NotClerk { base, page: true } => format!("{base} answered with a web page"),
            Self::NotClerk { base, page: false } => {
                format!("{base} answered with something that is no JSON object")
            }
            Self::OtherUser { base, user } => {
                format!("{base} was asked for {user} and answered with another user")
            }
            Self::Unreadable { base, why } => format!("the answer of {base} cannot be used: {why}"),
        }
    }

    /// The cure.
    #[must_use]
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Key { .. } => {
                "take the secret key from the Clerk dashboard, API keys; it may have been rotated"
            }
            Self::NotFound { .. } => {
                "the user is deleted, or the secret key is of another instance than the token"
            }
            Self::Limited { .. } | Self::TooMany { .. } => {
                "wait; if it happens often, something else with this secret key asks too much"
            }
            Self::Down { .. } => "wait, and look at status.clerk.com",
            Self::Refused { code: Some(_), .. } => {
                "Clerk's documentation of errors says what the code means"
            }
            Self::Refused { .. }
            | Self::NotClerk { .. }
            | Self::OtherUser { .. }
            | Self::Unreadable { .. } => {
                "is `api_url` (CLERK_API_URL) Clerk's Backend API, and no proxy or portal in between?"
            }
            Self::Fetch(_) => {
                "may this machine reach `api_url` (CLERK_API_URL), also through its proxy and firewall?"
            }
        }
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.cause(), self.cure())
    }
}

impl std::error::Error for BackendError {}

impl From<FetchError> for BackendError {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}
