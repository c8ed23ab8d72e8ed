//! Who may sign tokens, and what else a token of theirs must say.

use std::sync::Arc;
use std::time::Duration;

/// One issuer of tokens: a Clerk instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// What the config calls it; `clerk` for the one under `clerk:`.
    pub name: Arc<str>,
    /// The `iss` of its tokens, compared byte for byte.
    pub iss: Box<str>,
    pub claims: ClaimsPolicy,
    /// Webhooks of another instance change nothing (attack A-115). `None`: not compared.
    pub instance_id: Option<Box<str>>,
}

/// What the claims of a token must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimsPolicy {
    pub leeway: Leeway,
    /// Whether `iat` is required and must not lie in the future.
    pub verify_iat: bool,
    /// Origins that may have asked for the token (`azp`). `None`: not compared.
    pub authorized_parties: Option<Vec<Box<str>>>,
    /// Whether a token without `azp` passes. Native apps have none.
    pub azp_optional: bool,
    /// Accepted `aud`; `None`: not compared.
    pub audience: Option<Vec<Box<str>>>,
    pub allow_pending: bool,
    /// Whether tokens of JWT templates, which belong to no session, pass.
    pub allow_jwt_templates: bool,
    /// Longest time since `iat`.
    pub max_token_age: Option<Duration>,
}

impl Default for ClaimsPolicy {
    fn default() -> Self {
        Self {
            leeway: Leeway::DEFAULT,
            verify_iat: true,
            authorized_parties: None,
            azp_optional: false,
            audience: None,
            allow_pending: false,
            allow_jwt_templates: false,
            max_token_age: None,
        }
    }
}

/// Clock skew we forgive, in whole seconds. Never more than [`Leeway::MAX`]: a large leeway is a longer token lifetime by
/// another name, and Clerk session tokens live 60 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leeway(u64);

/// A leeway out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a leeway is at most {} s: a larger one would only make stolen tokens live longer", Leeway::MAX.as_secs())]
pub struct LeewayTooLong;

impl Leeway {
    pub const MAX: Duration = Duration::from_secs(60);
    pub const DEFAULT: Self = Self(10);

    /// Parts of a second are cut off, so that rounding never widens the door.
    pub fn new(leeway: Duration) -> Result<Self, LeewayTooLong> {
        if leeway <= Self::MAX { Ok(Self(leeway.as_secs())) } else { Err(LeewayTooLong) }
    }

    #[must_use]
    pub fn secs(self) -> u64 {
        self.0
    }
}
