//! Issuers of tokens, and what the claims of their tokens must be.

use std::sync::Arc;
use std::time::Duration;

/// One issuer of tokens: a Clerk instance, or another provider that speaks OpenID Connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The name of the issuer in the config; `clerk` for the one under `clerk:`.
    pub name: Arc<str>,
    /// The `iss` of its tokens, compared byte for byte.
    pub iss: Box<str>,
    pub kind: IssuerKind,
    /// Which claims are read for what. Shared, because every cached proof remembers the claim names with which it was read.
    pub claim_names: Arc<ClaimNames>,
    pub claims: ClaimsPolicy,
    /// The Clerk instance. Webhooks of another instance change nothing (attack A-115). `None`: not compared.
    pub instance_id: Option<Box<str>>,
    /// Whether the issuer was added while the process runs, and not by the config.
    pub added: bool,
}

impl Issuer {
    /// An issuer of this kind with all defaults.
    #[must_use]
    pub fn new(name: &str, iss: &str, kind: IssuerKind) -> Self {
        Self {
            name: name.into(),
            iss: iss.into(),
            kind,
            claim_names: Arc::new(ClaimNames::of(kind)),
            claims: ClaimsPolicy::default(),
            instance_id: None,
            added: false,
        }
    }
}

/// The rules by which the gate reads a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerKind {
    /// Clerk's session tokens: `user_…` in a session, `cat`, `sts`, organizations of both token versions.
    Clerk,
    /// ID tokens (OpenID Connect Core, 2) and access tokens (RFC 9068) of any provider that signs with RS256.
    Oidc,
}

/// Which claims identify and describe the user. Each is the exact name of a claim at the top level of the token. A dot in it is
/// no path, because Auth0's claim names are URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// The subject. [`IssuerKind::Clerk`] ignores it: Clerk's users are always in `sub`.
    pub user_id: Box<str>,
    /// The first of these claims that holds an address counts.
    pub email: Vec<Box<str>>,
    /// The first of these claims that holds a text counts.
    pub name: Vec<Box<str>>,
    /// If no claim of `name` is there, these are joined with a space. Empty where the config sets the claims itself.
    pub name_parts: Vec<Box<str>>,
    /// The organization. `None`: Clerk's own claims for [`IssuerKind::Clerk`], no organization for [`IssuerKind::Oidc`].
    pub tenant: Option<Box<str>>,
}

impl ClaimNames {
    /// The default names for tokens of this kind.
    #[must_use]
    pub fn of(kind: IssuerKind) -> Self {
        let (email, name, parts): (&[&str], &[&str], _) = match kind {
            IssuerKind::Clerk => (
                &[
                    "email",
                    "email_address",
                    "primary_email_address",
                    "email_addresses",
                ],
                &["name", "full_name"],
                ["first_name", "last_name"],
            ),
            // OpenID Connect Core, 5.1.
            IssuerKind::Oidc => (&["email"], &["name"], ["given_name", "family_name"]),
        };
        let owned = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
        Self {
            user_id: "sub".into(),
            email: owned(email),
            name: owned(name),
            name_parts: owned(&parts),
            tenant: None,
        }
    }
}

/// The policy on the claims of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimsPolicy {
    pub leeway: Leeway,
    /// Whether `iat` is required and must not lie in the future.
    pub verify_iat: bool,
    /// Origins for which a token may be issued (`azp`). `None`: not compared.
    pub authorized_parties: Option<Vec<Box<str>>>,
    /// Whether a token without `azp` passes. Tokens of native apps have none.
    pub azp_optional: bool,
    /// Accepted `aud`; `None`: not compared.
    pub audience: Option<Vec<Box<str>>>,
    /// The client for which a token of an OIDC issuer must be issued. `None`: not compared.
    pub client_id: Option<Box<str>>,
    pub allow_pending: bool,
    /// Whether tokens of JWT templates pass. They belong to no session.
    pub allow_jwt_templates: bool,
    /// The longest time since `iat`.
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
            client_id: None,
            allow_pending: false,
            allow_jwt_templates: false,
            max_token_age: None,
        }
    }
}

/// The clock skew that the gate tolerates, in whole seconds, at most [`Leeway::MAX`]. A large leeway has the effect of a longer
/// token lifetime, and Clerk session tokens live 60 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leeway(u64);

/// A leeway out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a leeway is at most {} s: a larger one would only make stolen tokens live longer", Leeway::MAX.as_secs())]
pub struct LeewayTooLong;

impl Leeway {
    pub const MAX: Duration = Duration::from_secs(60);
    pub const DEFAULT: Self = Self(10);

    /// Parts of a second are cut off, so that rounding never makes the leeway larger.
    pub fn new(leeway: Duration) -> Result<Self, LeewayTooLong> {
        if leeway <= Self::MAX {
            Ok(Self(leeway.as_secs()))
        } else {
            Err(LeewayTooLong)
        }
    }

    #[must_use]
    pub fn secs(self) -> u64 {
        self.0
    }
}
