//! An RSA key like that of a Clerk instance: it signs tokens, and its public half is in the key set.
//!
//! Signing takes the header as bytes and always computes RS256, whatever the header claims. So tests get wrong tokens with a
//! correct signature: a header with `none`, a payload with a duplicate member.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Value, json};

use super::DevError;

/// Bound: a PEM file of an RSA key of 8192 bits has about 6.5 kB.
const PEM_BYTES_MAX: usize = 16 * 1024;

/// An RSA key pair with the name under which its public half is published. Clones share the key.
#[derive(Clone)]
pub struct SigningKey(Arc<Parts>);

struct Parts {
    kid: String,
    pair: RsaKeyPair,
    pkcs8_der: Vec<u8>,
    public_der: Vec<u8>,
    modulus: String,
    exponent: String,
}

/// Shows the key id, never the key.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.0.kid)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key of 2048 bits, which is what Clerk uses.
    ///
    /// # Errors
    ///
    /// When the crypto library fails.
    pub fn generate(kid: &str) -> Result<Self, DevError> {
        Self::generate_with_bits(kid, 2048)
    }

    /// A new key of 2048, 3072, 4096 or 8192 bits. Smaller ones cannot be made here; for a key set
    /// with a weak key in it see [`weak_jwk`].
    ///
    /// # Errors
    ///
    /// For other sizes, and when the crypto library fails.
    pub fn generate_with_bits(kid: &str, bits: usize) -> Result<Self, DevError> {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            8192 => KeySize::Rsa8192,
            other => return Err(DevError::KeySize(other)),
        };
        let pair = RsaKeyPair::generate(size).map_err(|_| DevError::Crypto("make an RSA key"))?;
        Self::from_pair(kid, pair)
    }

    /// The key in a PEM text: `PRIVATE KEY` (PKCS#8) or `RSA PRIVATE KEY` (PKCS#1), not encrypted.
    ///
    /// # Errors
    ///
    /// When the text holds no such key. The message never quotes the text.
    pub fn from_pem(kid: &str, pem: &str) -> Result<Self, DevError> {
        let unusable = |_| DevError::Pem("the crypto library refuses the key");
        let pair = match decode_pem(pem)? {
            (PemKind::Pkcs8, der) => RsaKeyPair::from_pkcs8(&der).map_err(unusable)?,
            (PemKind::Pkcs1, der) => RsaKeyPair::from_der(&der).map_err(unusable)?,
        };
        Self::from_pair(kid, pair)
    }

    fn from_pair(kid: &str, pair: RsaKeyPair) -> Result<Self, DevError> {
        let pkcs8 = pair
            .as_der()
            .map_err(|_| DevError::Crypto("encode the private key"))?;
        let public: PublicKeyX509Der<'_> = pair
            .public_key()
            .as_der()
            .map_err(|_| DevError::Crypto("encode the public key"))?;
        let (modulus, exponent) = components(pair.public_key().as_ref())?;
        Ok(Self(Arc::new(Parts {
            kid: kid.to_owned(),
            pkcs8_der: pkcs8.as_ref().to_vec(),
            public_der: public.as_ref().to_vec(),
            pair,
            modulus,
            exponent,
        })))
    }

    /// The key id, which goes into the header of tokens and into the JWK.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.0.kid
    }

    /// The same key under another name.
    #[must_use]
    pub fn renamed(&self, kid: &str) -> Self {
        let Parts {
            kid: _,
            pair,
            pkcs8_der,
            public_der,
            modulus,
            exponent,
        } = &*self.0;
        Self(Arc::new(Parts {
            kid: kid.to_owned(),
            pair: pair.clone(),
            pkcs8_der: pkcs8_der.clone(),
            public_der: public_der.clone(),
            modulus: modulus.clone(),
            exponent: exponent.clone(),
        }))
    }

    /// The public half as an entry of a key set, with the members that Clerk publishes.
    #[must_use]
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "RSA",
            "kid": self.0.kid,
            "use": "sig",
            "alg": "RS256",
            "n": self.0.modulus,
            "e": self.0.exponent,
        })
    }

    /// The public half as PEM (`PUBLIC KEY`, SPKI), the form of `CLERK_JWT_KEY`.
    #[must_use]
    pub fn public_pem(&self) -> String {
        encode_pem("PUBLIC KEY", &self.0.public_der)
    }

    /// The private key, for a file that keeps it between two runs of a development issuer.
    #[must_use]
    pub fn private_pem(&self) -> String {
        encode_pem("PRIVATE KEY", &self.0.pkcs8_der)
    }

    /// The private key as PKCS#8 DER. `jsonwebtoken::EncodingKey::from_rsa_der` takes PKCS#1; give
    /// [`Self::private_pem`] to its `from_rsa_pem` instead.
    #[must_use]
    pub fn pkcs8_der(&self) -> &[u8] {
        &self.0.pkcs8_der
    }

    /// A token of this header and payload.
    #[must_use]
    pub fn sign(&self, header: &Value, payload: &Value) -> String {
        self.sign_raw(
            header.to_string().as_bytes(),
            payload.to_string().as_bytes(),
        )
    }

    /// A token of exactly these bytes, signed with RS256 whatever the header contains.
    ///
    /// Fail closed: if the crypto library fails, the signature is empty, and no receiver accepts it.
    #[must_use]
    pub fn sign_raw(&self, header_json: &[u8], payload_json: &[u8]) -> String {
        let mut token = URL_SAFE_NO_PAD.encode(header_json);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload_json, &mut token);
        let signature = self.signature(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// The RS256 signature over `message`, for tokens whose segments are broken on purpose. Empty
    /// when the crypto library fails.
    #[must_use]
    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.pair.public_modulus_len()];
        let signed = self.0.pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message,
            &mut signature,
        );
        match signed {
            Ok(()) => signature,
            Err(_) => Vec::new(),
        }
    }
}

/// A JWK of 1024 bits, well-formed but too weak to be trusted. Its private half does not exist.
#[must_use]
pub fn weak_jwk(kid: &str) -> Value {
    const MODULUS: &str = "5JX-TVebZhTiB3wweXFLwDrmK9O6DpnFm2UuhXwuu6pehLglZ4u4xSUI3smioCEuZCFks2vJbsUxuIzV5YH3S9TZpiaje8BXv7yxuswYaM9LUs0TVFiMi3UWxaSLDcwGEN624U30Y4ZiZ6Ul8mZYEuBOgHA3UbZSRDmSGtpcqTk";
    json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": MODULUS, "e": "AQAB"})
}

/// Modulus and exponent of a PKCS#1 public key, as base64url.
fn components(pkcs1_public: &[u8]) -> Result<(String, String), DevError> {
    let unreadable = DevError::Crypto("read the public key back");
    let key = DecodingKey::from_rsa_der(pkcs1_public);
    match Jwk::from_decoding_key(&key, Some(Algorithm::RS256)).map(|jwk| jwk.algorithm) {
        Ok(AlgorithmParameters::RSA(parts)) => Ok((parts.n, parts.e)),
        _ => Err(unreadable),
    }
}

enum PemKind {
    Pkcs8,
    Pkcs1,
}

fn decode_pem(pem: &str) -> Result<(PemKind, Vec<u8>), DevError> {
    if pem.len() > PEM_BYTES_MAX {
        return Err(DevError::Pem("it is longer than 16 KiB"));
    }
    let (kind, rest) = if let Some((_, rest)) = pem.split_once("-----BEGIN PRIVATE KEY-----") {
        (PemKind::Pkcs8, rest)
    } else if let Some((_, rest)) = pem.split_once("-----BEGIN RSA PRIVATE KEY-----") {
        (PemKind::Pkcs1, rest)
    } else {
        return Err(DevError::Pem("there is no BEGIN PRIVATE KEY line"));
    };
    let (body, _) = rest
        .split_once("-----END ")
        .ok_or(DevError::Pem("there is no END line"))?;
    let base64: String = body.split_ascii_whitespace().collect();
    let der = STANDARD
        .decode(base64)
        .map_err(|_| DevError::Pem("its content is not base64"))?;
    Ok((kind, der))
}

fn encode_pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII, so every index is a character boundary.
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem + "-----END " + label + "-----\n"
}

#[cfg(test)]
pub(super) mod tests;
