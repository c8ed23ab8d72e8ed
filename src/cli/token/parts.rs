//! A token taken apart for display: lenient, unverified, and never used to let a user in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::config::faults::quoted;
use crate::domain::token::{bearer, json};

/// Header and claims. The signature is not kept, so that it cannot be shown.
#[derive(Debug)]
pub(crate) struct TokenParts {
    pub header: Map<String, Value>,
    pub claims: Map<String, Value>,
}

impl TokenParts {
    /// # Errors
    /// The fault of the form, without a byte of the token.
    pub(crate) fn read(token: &str) -> Result<Self, String> {
        if let Some(word) = bearer::placeholder(token) {
            return Err(format!(
                "this is the word `{word}` and no token: the page had none to send, as nobody is signed in"
            ));
        }
        let segments: Vec<_> = token.split('.').collect();
        let [header, claims, signature] = segments.as_slice() else {
            let opaque = ["sk_", "pk_", "oat_", "ak_", "mt_"]
                .iter()
                .find(|start| token.starts_with(**start));
            return Err(match opaque {
                Some(start) => {
                    format!(
                        "this begins with `{start}` and is an API key or an opaque token, no session token"
                    )
                }
                None => format!(
                    "a token has three segments between dots, this has {}",
                    segments.len()
                ),
            });
        };
        let part = |segment: &str, name: &str| {
            let bytes = URL_SAFE_NO_PAD
                .decode(segment)
                .map_err(|_| format!("the {name} is not base64url (copied in part?)"))?;
            json::object(&bytes)
                .ok_or_else(|| format!("the {name} is not one JSON object without double members"))
        };
        let parts = Self {
            header: part(header, "header")?,
            claims: part(claims, "payload")?,
        };
        match URL_SAFE_NO_PAD.decode(signature) {
            Ok(bytes) if !bytes.is_empty() => Ok(parts),
            Ok(_) => Err("the signature is empty".to_owned()),
            Err(_) => Err("the signature is not base64url (copied in part?)".to_owned()),
        }
    }

    /// A claim that is a text.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    /// A claim that is a time.
    pub(crate) fn seconds(&self, claim: &str) -> Option<u64> {
        self.claims.get(claim).and_then(Value::as_u64)
    }

    /// A member of the header for a message.
    pub(crate) fn shown_header(&self, name: &str) -> String {
        shown(self.header.get(name))
    }

    /// A claim for a message.
    pub(crate) fn shown_claim(&self, name: &str) -> String {
        shown(self.claims.get(name))
    }

    /// The kind of token that this claims to be.
    pub(crate) fn kind(&self) -> &'static str {
        let sub = self.text("sub").unwrap_or_default();
        if let Some("at+jwt" | "application/at+jwt") =
            self.header.get("typ").and_then(Value::as_str)
        {
            return "an OAuth access token";
        }
        match self.header.get("cat").and_then(Value::as_str) {
            Some("cl_B7d4PD111AAA") => "a Clerk session token",
            Some("cl_B7d4PD222AAA") => "a token of a Clerk JWT template",
            Some("cl_I7d4PD111III") | None if sub.starts_with("mch_") => "a Clerk machine token",
            Some("cl_I7d4PD111III") | None if self.claims.contains_key("sid") => {
                "probably a Clerk session token"
            }
            Some("cl_I7d4PD111III") | None if self.claims.contains_key("scope") => {
                "probably an OAuth token"
            }
            Some("cl_I7d4PD111III") | None => {
                "a JWT without a session: a template's, or not Clerk's"
            }
            Some(_) => "a Clerk token of another kind: machine or OAuth",
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => quoted(text),
        Some(other) => quoted(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_token_is_described_without_a_byte_of_it() {
        for (given, expected) in [
            ("abc", "three segments"),
            ("null", "the word `null` and no token"),
            ("undefined", "nobody is signed in"),
            ("sk_test_abcdef", "API key"),
            ("e30.e30.", "signature is empty"),
            ("e30.!.c2ln", "payload is not base64url"),
            ("W10.e30.c2ln", "header is not one JSON object"),
        ] {
            let why = TokenParts::read(given).expect_err(given);
            assert!(why.contains(expected), "{given}: {why}");
            assert!(!why.contains("abcdef"), "{why}");
        }
    }
}
