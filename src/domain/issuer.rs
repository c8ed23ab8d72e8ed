//! Who may sign tokens, and what else a token of theirs must say.

use std::sync::Arc;
use std::time::Duration;

/// One issuer of tokens: a Clerk instance, or another provider that speaks OpenID Connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// What the config calls it; `clerk` for the one under `clerk:`.
    pub name: Arc<str>,
    /// The `iss` of its tokens, compared byte for byte.
    pub iss: Box<str>,
    pub kind: IssuerKind,
    /// What is read from where. Shared, as every proof remembers with which names it was read.
    pub claim_names: Arc<ClaimNames>,
    pub claims: ClaimsPolicy,
    /// Webhooks of another instance change nothing (attack A-115). `None`: not compared.
    pub instance_id: Option<Box<str>>,
    /// Added while the process runs, and not by the config.
    pub added: bool,
}

impl Issuer {
    /// An issuer of this kind with every default.
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

/// By whose rules a token is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerKind {
    /// Clerk's session tokens: `user_…` in a session, `cat`, `sts`, organizations of both token versions.
    Clerk,
    /// ID tokens (OpenID Connect Core, 2) and access tokens (RFC 9068) of any provider, as long as they are signed with RS256.
    Oidc,
}

/// Which claims say who the user is. Each is the exact name of a claim at the top of the token: a dot in it leads nowhere, as the
/// names that Auth0 gives to claims are URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// The subject. Of no effect for [`IssuerKind::Clerk`], whose users are in `sub`.
    pub user_id: Box<str>,
    /// The first that holds an address counts.
    pub email: Vec<Box<str>>,
    /// The first that holds a text counts.
    pub name: Vec<Box<str>>,
    /// Where none of `name` is there: these, with a space between. Empty where the config names the claims itself.
    pub name_parts: Vec<Box<str>>,
    /// The organization. `None`: Clerk's own claims for [`IssuerKind::Clerk`], nothing for [`IssuerKind::Oidc`].
    pub tenant: Option<Box<str>>,
}

impl ClaimNames {
    /// The names that tokens of this kind have by themselves.
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
    /// The client for which a token of an OIDC issuer must have been made; `None`: not compared.
    pub client_id: Option<Box<str>>,
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
            client_id: None,
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
