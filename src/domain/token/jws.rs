//! A JSON Web Signature in compact form (RFC 7515): strict parsing, then the signature.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::claims::Claims;
use super::json;
use crate::domain::Rejection;
use crate::domain::issuer::{ClaimNames, Issuer, IssuerKind};
use crate::domain::keys::{Fingerprint, VerifyingKey};

/// A token that is well-formed. Its signature is not checked, so none of its content can be trusted.
#[derive(Debug)]
pub struct UnverifiedToken<'t> {
    signing_input: &'t str,
    signature: &'t str,
    header: Header,
    payload: Map<String, Value>,
}

/// The header members that the gate reads. Unknown ones are ignored (RFC 7515, 4).
#[derive(Debug)]
struct Header {
    kid: Option<String>,
    category: Category,
    /// `typ` marks the token as an OAuth access token (RFC 9068, 2.1).
    access_token: bool,
}

/// Clerk's token categories (`cat`). All of them are signed by the same key, so the signature alone proves no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// `cat` is absent, or the instance opted out of it.
    Unsaid,
    Session,
    Template,
    /// `cat` is there and is not one of Clerk's.
    Foreign,
}

/// Claims that a trusted key has signed. Nothing else is checked: they may have expired a year ago. A cache may keep these, and
/// never a decision.
#[derive(Debug)]
pub struct SignedClaims {
    issuer: Arc<str>,
    key: Fingerprint,
    category: Category,
    kind: IssuerKind,
    names: Arc<ClaimNames>,
    claims: Claims,
}

impl<'t> UnverifiedToken<'t> {
    /// Requires three non-empty segments of strict base64url, header and payload as JSON objects, and RS256. Refuses extensions
    /// that the gate would have to understand (`crit`, `b64`: RFC 7515, 4.1.11 and RFC 7797).
    pub fn parse(token: &'t str) -> Result<Self, Rejection> {
        let (signing_input, signature) = token.rsplit_once('.').ok_or(Rejection::MalformedToken)?;
        let (header, payload) = signing_input
            .split_once('.')
            .ok_or(Rejection::MalformedToken)?;
        let decode = |segment: &str| {
            let bytes = URL_SAFE_NO_PAD
                .decode(segment)
                .ok()
                .filter(|bytes| !bytes.is_empty());
            bytes.ok_or(Rejection::MalformedToken)
        };
        // A second dot in `payload` is not a base64url character, so four segments fail here.
        let header = json::object(&decode(header)?).ok_or(Rejection::MalformedToken)?;
        let header = Header::read(&header)?;
        let payload = json::object(&decode(payload)?).ok_or(Rejection::MalformedToken)?;
        decode(signature)?;
        Ok(Self {
            signing_input,
            signature,
            header,
            payload,
        })
    }

    /// The unverified `iss` of the token. Use it only to choose the issuer whose keys are tried.
    #[must_use]
    pub fn claimed_issuer(&self) -> Option<&str> {
        self.payload.get("iss").and_then(Value::as_str)
    }

    /// The unverified subject of the token, from the claim that `issuer` uses. Use it only to compare it with another token.
    #[must_use]
    pub fn claimed_subject(&self, issuer: &Issuer) -> Option<&str> {
        self.payload
            .get(super::claims::subject_name(issuer))
            .and_then(Value::as_str)
    }

    /// Whether `issuer` accepts tokens of this kind. This is checked before the key is looked up, so that an OAuth token causes
    /// no fetch from Clerk.
    pub fn check_kind(&self, issuer: &Issuer) -> Result<(), Rejection> {
        match issuer.kind {
            // Attack A-56: Clerk's OAuth tokens are signed by the key of its session tokens.
            IssuerKind::Clerk
                if self.header.access_token || self.header.category == Category::Foreign =>
            {
                Err(Rejection::WrongTokenType)
            }
            IssuerKind::Clerk | IssuerKind::Oidc => Ok(()),
        }
    }

    /// An unverified time of the token. Use it only for messages: a decision by it would trust a token that any client can make.
    #[must_use]
    pub fn claimed_seconds(&self, claim: &str) -> Option<u64> {
        self.payload.get(claim).and_then(Value::as_u64)
    }

    /// The `kid` of the token.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Checks the signature with `key`, which belongs to `issuer`. The claims are read only after that. So a client that cannot
    /// sign learns nothing about faults in its claims.
    pub fn verify(self, issuer: &Issuer, key: &VerifyingKey) -> Result<SignedClaims, Rejection> {
        self.check_kind(issuer)?;
        let message = self.signing_input.as_bytes();
        let good = jsonwebtoken::crypto::verify(
            self.signature,
            message,
            key.decoding_key(),
            Algorithm::RS256,
        );
        // Fail closed: an error of the library is a bad signature.
        if !good.unwrap_or(false) {
            return Err(Rejection::BadSignature);
        }
        Ok(SignedClaims {
            issuer: issuer.name.clone(),
            key: key.fingerprint(),
            category: self.header.category,
            kind: issuer.kind,
            names: issuer.claim_names.clone(),
            claims: Claims::read(self.payload, issuer)?,
        })
    }
}

impl Header {
    fn read(header: &Map<String, Value>) -> Result<Self, Rejection> {
        // Attacks: compared exactly, before any key is looked up. `none`, `HS256` and `rs256` are all refused here.
        if header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return Err(Rejection::WrongAlgorithm);
        }
        if header.contains_key("crit")
            || header
                .get("b64")
                .is_some_and(|b64| *b64 != Value::Bool(true))
        {
            return Err(Rejection::MalformedToken);
        }
        // `jwk`, `jku`, `x5u` and `x5c` are never read: the token does not choose its key (A-74, CVE-2018-0114).
        // The issuer is not known yet. Kinds that no issuer may send are refused here, all others in `check_kind`.
        let access_token = match header.get("typ").map(Value::as_str) {
            None | Some(Some("JWT")) => false,
            Some(Some("at+jwt" | "application/at+jwt")) => true,
            // Logout tokens, security events, DPoP proofs: RFC 8725, 3.11.
            _ => return Err(Rejection::WrongTokenType),
        };
        let category = match header.get("cat").map(Value::as_str) {
            None | Some(Some("cl_I7d4PD111III")) => Category::Unsaid,
            Some(Some("cl_B7d4PD111AAA")) => Category::Session,
            Some(Some("cl_B7d4PD222AAA")) => Category::Template,
            // Attack A-56: machine tokens, and kinds that Clerk may add later.
            Some(Some(clerk)) if clerk.starts_with("cl_") => return Err(Rejection::WrongTokenType),
            Some(_) => Category::Foreign,
        };
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= 255 => Some(kid.clone()),
            Some(_) => return Err(Rejection::MalformedToken),
        };
        Ok(Self {
            kid,
            category,
            access_token,
        })
    }
}

impl SignedClaims {
    /// Name of the issuer whose key made the signature.
    #[must_use]
    pub fn issuer(&self) -> &Arc<str> {
        &self.issuer
    }

    /// The key that made the signature. A cached proof is valid only while the issuer still has this key.
    #[must_use]
    pub fn key(&self) -> Fingerprint {
        self.key
    }

    /// Whether the claims were read with the claim names that `issuer` has now. After the config maps another claim to the user,
    /// a proof from before must not be used: it has the old user.
    #[must_use]
    pub fn read_as(&self, issuer: &Issuer) -> bool {
        self.kind == issuer.kind && self.names == issuer.claim_names
    }

    #[must_use]
    pub fn category(&self) -> Category {
        self.category
    }

    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
}
