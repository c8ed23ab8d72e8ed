//! The keys that sign tokens, from a JWKS document (RFC 7517) or a PEM. Weak keys are refused.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde_json::Value;

use super::UnixTime;
use super::ids::Kid;

/// The largest JWKS document in bytes.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;
pub const MAX_KEYS: usize = 64;
/// The allowed bits of an RSA modulus. A smaller one can be factored; verifying with a larger one would cost more than a request
/// may.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// SHA-256 over a public key. It shows whether the key behind a cached proof is still trusted.
pub type Fingerprint = [u8; 32];

/// One RSA public key of at least 2048 bits, for RS256.
#[derive(Clone)]
pub struct VerifyingKey(Arc<Inner>);

struct Inner {
    decoding: DecodingKey,
    fingerprint: Fingerprint,
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(..)")
    }
}

impl VerifyingKey {
    fn new(decoding: DecodingKey, public: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in public {
            // The length is hashed too, so that another split between modulus and exponent has another fingerprint.
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.finish().as_ref());
        Self(Arc::new(Inner {
            decoding,
            fingerprint,
        }))
    }

    pub(crate) fn decoding_key(&self) -> &DecodingKey {
        &self.0.decoding
    }

    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }
}

/// The keys of one issuer.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Keys,
    /// From this second on the keys verify nothing. `None` for keys from the config.
    usable_until: Option<UnixTime>,
}

#[derive(Clone, Debug)]
enum Keys {
    /// From a JWKS: each key is found by the exact `kid`.
    Named(HashMap<Kid, VerifyingKey>),
    /// From one PEM. The key has no name, so the token's `kid` is not compared.
    Single(VerifyingKey),
}

/// Why a document has no usable keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    #[error("the key set is larger than {MAX_JWKS_BYTES} bytes")]
    TooLarge,
    #[error(
        "the answer is not a JSON document with a list `keys` (does the URL end in /.well-known/jwks.json?)"
    )]
    NotJwks,
    #[error(
        "the answer is a web page and no key set: a proxy or a captive portal in between, or a typo in the domain has led to somebody \
         else"
    )]
    Page,
    #[error("the key set has more than {MAX_KEYS} keys")]
    TooMany,
    #[error("none of the {0} keys can verify RS256{1}")]
    NoneUsable(usize, String),
}

impl KeySet {
    /// Reads a JWKS document. Keys that cannot be used are skipped and listed in the second part of the result. A document
    /// without any usable key is an error, so that it never replaces a good set (attack A-73).
    pub fn from_jwks(
        bytes: &[u8],
        usable_until: Option<UnixTime>,
    ) -> Result<(Self, Vec<String>), JwksError> {
        if bytes.len() > MAX_JWKS_BYTES {
            return Err(JwksError::TooLarge);
        }
        if bytes.trim_ascii_start().starts_with(b"<") {
            return Err(JwksError::Page);
        }
        let document: Value = serde_json::from_slice(bytes).map_err(|_| JwksError::NotJwks)?;
        let listed = document
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(JwksError::NotJwks)?;
        if listed.len() > MAX_KEYS {
            return Err(JwksError::TooMany);
        }
        let mut keys = HashMap::new();
        let mut skipped = Vec::new();
        for (i, jwk) in listed.iter().enumerate() {
            match read_jwk(jwk) {
                // Of two keys with one name the first stays. The name cannot show which of them signed.
                Ok((kid, _)) if keys.contains_key(&kid) => {
                    skipped.push(format!("key {i}: kid `{kid}` stands twice"))
                }
                Ok((kid, key)) => {
                    keys.insert(kid, key);
                }
                Err(why) => skipped.push(format!("key {i}: {why}")),
            }
        }
        if keys.is_empty() {
            let why = skipped
                .first()
                .map(|s| format!(" ({s})"))
                .unwrap_or_default();
            return Err(JwksError::NoneUsable(listed.len(), why));
        }
        Ok((
            Self {
                keys: Keys::Named(keys),
                usable_until,
            },
            skipped,
        ))
    }

    /// Reads one public key in PEM, in every form in which people paste it: see [`parse_pem`].
    pub fn from_pem(pem: &str) -> Result<Self, PemError> {
        Ok(Self {
            keys: Keys::Single(parse_pem(pem)?),
            usable_until: None,
        })
    }

    /// The key with this name. A single PEM has no name and is returned for every name.
    #[must_use]
    pub fn find(&self, kid: Option<&str>) -> Option<&VerifyingKey> {
        match &self.keys {
            Keys::Single(key) => Some(key),
            Keys::Named(keys) => keys.get(kid?),
        }
    }

    /// Whether a key with this fingerprint is in the set.
    #[must_use]
    pub fn holds(&self, fingerprint: &Fingerprint) -> bool {
        match &self.keys {
            Keys::Single(key) => key.fingerprint() == *fingerprint,
            Keys::Named(keys) => keys.values().any(|key| key.fingerprint() == *fingerprint),
        }
    }

    /// Whether both sets have a key in common. If so, they belong to one issuer. Names are not compared, because every issuer
    /// chooses its own.
    #[must_use]
    pub fn shares_a_key_with(&self, other: &Self) -> bool {
        match &self.keys {
            Keys::Single(key) => other.holds(&key.fingerprint()),
            Keys::Named(keys) => keys.values().any(|key| other.holds(&key.fingerprint())),
        }
    }

    /// Whether the keys may still be used at `now`. They stay usable while the issuer is down, but only for a limited time
    /// (attack A-71).
    #[must_use]
    pub fn usable(&self, now: UnixTime) -> bool {
        self.usable_until.is_none_or(|until| now < until)
    }

    /// The names of the keys, for messages.
    #[must_use]
    pub fn kids(&self) -> Vec<&str> {
        match &self.keys {
            Keys::Single(_) => vec![],
            Keys::Named(keys) => keys.keys().map(Kid::as_str).collect(),
        }
    }
}

/// Reads an RSA key with a name, for RS256 signatures (attack A-73). The error is the reason why the key cannot be used.
fn read_jwk(jwk: &Value) -> Result<(Kid, VerifyingKey), String> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    if text("kty") != Some("RSA") {
        let word = |kty: &&str| kty.len() <= 16 && kty.bytes().all(|b| b.is_ascii_alphanumeric());
        return Err(format!(
            "kty is {}, RSA is needed",
            text("kty").filter(word).unwrap_or("missing or no word")
        ));
    }
    if jwk.get("use").is_some_and(|u| u != "sig") {
        return Err("use is not `sig`".into());
    }
    if jwk.get("alg").is_some_and(|alg| alg != "RS256") {
        return Err("alg is not RS256".into());
    }
    let verifies = |ops: &Value| {
        ops.as_array()
            .is_some_and(|ops| ops.iter().any(|op| op == "verify"))
    };
    if jwk.get("key_ops").is_some_and(|ops| !verifies(ops)) {
        return Err("key_ops has no `verify`".into());
    }
    let kid = Kid::parse(text("kid").unwrap_or_default()).map_err(|e| format!("kid {e}"))?;
    let number = |name: &str| {
        let bytes = URL_SAFE_NO_PAD
            .decode(text(name).unwrap_or_default())
            .map_err(|_| format!("{name} is no base64url"))?;
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        Ok::<_, String>(bytes.get(zeros..).unwrap_or_default().to_vec())
    };
    let (n, e) = (number("n")?, number("e")?);
    check_rsa(&n, &e)?;
    Ok((
        kid,
        VerifyingKey::new(DecodingKey::from_rsa_raw_components(&n, &e), &[&n, &e]),
    ))
}

fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), String> {
    let bits = n.len() * 8 - n.first().map_or(0, |b| b.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err(format!(
            "the RSA key has {bits} bits, {} to {} are needed",
            RSA_BITS.start(),
            RSA_BITS.end()
        ));
    }
    // With the exponent 1 every signature equals its message, so any client could sign.
    let good = e.len() <= 8 && e.last().is_some_and(|b| b % 2 == 1) && *e != [1];
    if good {
        Ok(())
    } else {
        Err("the RSA exponent is not an odd number from 3 on".into())
    }
}

/// Why a text is not a public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    #[error("it is empty")]
    Empty,
    #[error(
        "it is a private key: paste the public one, and change this one, as it has been shown to a config"
    )]
    Private,
    #[error(
        "it is a certificate: paste the public key (Clerk dashboard, API keys, JWKS public key)"
    )]
    Certificate,
    #[error("it is no base64 between its header and footer")]
    NotBase64,
    #[error("it is no RSA public key")]
    NotRsa,
    #[error("{0}")]
    Weak(String),
}

/// Reads a public key as people paste it: with or without header and footer, on several lines or one, with `\n` as two
/// characters, in quotes.
pub fn parse_pem(pasted: &str) -> Result<VerifyingKey, PemError> {
    let text = pasted
        .trim()
        .trim_matches(['"', '\''])
        .replace("\\r", "")
        .replace("\\n", "\n");
    if text.trim().is_empty() {
        return Err(PemError::Empty);
    }
    if text.contains("PRIVATE KEY") {
        return Err(PemError::Private);
    }
    if text.contains("CERTIFICATE") {
        return Err(PemError::Certificate);
    }
    let body = match text.split_once("-----BEGIN") {
        Some((_, rest)) => rest.split("-----").nth(1).unwrap_or_default(),
        None => text.as_str(),
    };
    let packed: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    let der = STANDARD.decode(packed).map_err(|_| PemError::NotBase64)?;
    let (n, e) = der::rsa_public_key(&der).ok_or(PemError::NotRsa)?;
    check_rsa(n, e).map_err(PemError::Weak)?;
    Ok(VerifyingKey::new(
        DecodingKey::from_rsa_raw_components(n, e),
        &[n, e],
    ))
}

/// Just enough DER (X.690) to find modulus and exponent, so that their size is checked before the key is used.
mod der {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    const BIT_STRING: u8 = 0x03;
    /// `rsaEncryption` with its NULL parameters (RFC 8017, A.1).
    const RSA_ENCRYPTION: &[u8] = &[
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];

    /// Modulus and exponent, without leading zeros, of a SubjectPublicKeyInfo or a bare RSAPublicKey.
    pub(super) fn rsa_public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
        let (outer, rest) = element(der, SEQUENCE)?;
        if !rest.is_empty() {
            return None;
        }
        let bare = match element(outer, SEQUENCE) {
            Some((algorithm, rest)) if algorithm == RSA_ENCRYPTION => {
                let (bits, rest) = element(rest, BIT_STRING)?;
                let (inner, end) = element(bits.strip_prefix(&[0])?, SEQUENCE)?;
                (rest.is_empty() && end.is_empty()).then_some(inner)?
            }
            Some(_) => return None,
            None => outer,
        };
        let (n, rest) = element(bare, INTEGER)?;
        let (e, rest) = element(rest, INTEGER)?;
        rest.is_empty().then_some((positive(n)?, positive(e)?))
    }

    fn positive(integer: &[u8]) -> Option<&[u8]> {
        match integer {
            // A zero may stand only before a byte with its high bit set. With further zeros, a short modulus could look long
            // enough, and the exponent 1 could look like another one.
            [0, rest @ ..] if rest.first().is_some_and(|b| b & 0x80 != 0) => Some(rest),
            [1..=0x7f, ..] => Some(integer),
            _ => None,
        }
    }

    /// The content of the element at the start of `input`, and the rest of the input.
    fn element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
        let (&first, rest) = input.split_first()?;
        let (&length, rest) = rest.split_first()?;
        if first != tag {
            return None;
        }
        let (length, rest) = match length {
            0..=0x7f => (usize::from(length), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
                (bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest)
            }
            _ => return None,
        };
        rest.split_at_checked(length)
    }
}

#[cfg(test)]
mod tests;
