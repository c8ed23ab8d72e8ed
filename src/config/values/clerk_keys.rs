//! Clerk's API keys: what they say, and whether the right one was pasted.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use thiserror::Error;

use crate::domain::authority::is_dns_name;

/// A publishable key: `pk_test_` or `pk_live_`, then the base64 of the Frontend API's host and a `$`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publishable {
    pub(crate) host: String,
    /// Of a production instance.
    pub(crate) live: bool,
}

/// What a publishable key looks like, for messages.
pub(crate) const PUBLISHABLE: &str =
    "pk_test_… or pk_live_… as the Clerk dashboard shows it under API keys";
/// What a secret key looks like, for messages.
pub(crate) const SECRET: &str =
    "sk_test_… or sk_live_… as the Clerk dashboard shows it under API keys";

/// Why a text is no key of Clerk's. Completes "`publishable_key` …" and never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum KeyError {
    #[error("has quotes or white space around it")]
    Quoted,
    #[error(
        "is a secret key, which begins with `sk_`: change it in the dashboard if others could see this place"
    )]
    IsSecret,
    #[error("is a publishable key, which begins with `pk_`")]
    IsPublishable,
    #[error("is the signing secret of a webhook, which begins with `whsec_`")]
    IsWebhook,
    #[error("has an unknown beginning")]
    Prefix,
    #[error("is cut off before its end")]
    Truncated,
    #[error("has something behind its end")]
    Trailing,
    #[error("has a character that no such key has")]
    Character,
    #[error("does not name a plain host")]
    Host,
}

impl std::str::FromStr for Publishable {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (packed, live) = unprefixed(text, "pk_")?;
        let host = host(packed)?;
        if host.contains('.') && is_dns_name(&host) {
            Ok(Self { host, live })
        } else {
            Err(KeyError::Host)
        }
    }
}

/// A secret key; gives back whether it is of a production instance.
pub(crate) fn secret_key(text: &str) -> Result<bool, KeyError> {
    match unprefixed(text, "sk_")? {
        (packed, _) if packed.len() < 16 => Err(KeyError::Truncated),
        (packed, live) if packed.bytes().all(|b| b.is_ascii_alphanumeric()) => Ok(live),
        _ => Err(KeyError::Character),
    }
}

/// What stands after the prefix of this kind, and whether the key is of a production instance.
fn unprefixed<'t>(text: &'t str, kind: &str) -> Result<(&'t str, bool), KeyError> {
    let rest = text.strip_prefix(kind).ok_or_else(|| other_kind(text))?;
    let (packed, live) = match (rest.strip_prefix("live_"), rest.strip_prefix("test_")) {
        (Some(packed), _) => (packed, true),
        (_, Some(packed)) => (packed, false),
        _ => return Err(other_kind(text)),
    };
    if packed.trim() != packed || packed.ends_with(['"', '\'']) {
        return Err(KeyError::Quoted);
    }
    Ok((packed, live))
}

/// What was pasted instead.
fn other_kind(text: &str) -> KeyError {
    match text {
        text if text.starts_with(['"', '\'']) || text.trim() != text => KeyError::Quoted,
        text if text.starts_with("sk_") => KeyError::IsSecret,
        text if text.starts_with("pk_live_") || text.starts_with("pk_test_") => {
            KeyError::IsPublishable
        }
        text if text.starts_with("whsec_") => KeyError::IsWebhook,
        _ => KeyError::Prefix,
    }
}

fn host(packed: &str) -> Result<String, KeyError> {
    if !packed
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
    {
        return Err(KeyError::Character);
    }
    let trimmed = packed.trim_end_matches('=');
    if trimmed.contains('=') {
        return Err(KeyError::Trailing);
    }
    // Padding is often lost on the way.
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&STANDARD, config);
    let decoded = engine.decode(trimmed).or_else(|_| {
        // Not a whole number of bytes: still enough to tell whether there is too little or too much.
        engine.decode(trimmed.get(..trimmed.len() / 4 * 4).unwrap_or_default())
    });
    let decoded = decoded.map_err(|_| KeyError::Truncated)?;
    // Bytes that are no text end up in no host name: `is_dns_name` is asked next.
    let text = String::from_utf8_lossy(&decoded);
    match text.split_once('$') {
        None => Err(KeyError::Truncated),
        Some((host, "")) if engine.decode(trimmed).is_ok() => Ok(host.to_owned()),
        Some(_) => Err(KeyError::Trailing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publishable_key_names_its_host_with_and_without_padding() {
        for (given, host, live) in [
            (
                "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k",
                "clerk.example.com",
                true,
            ),
            (
                "pk_test_YW11c2VkLWNhdC03LmNsZXJrLmFjY291bnRzLmRldiQ",
                "amused-cat-7.clerk.accounts.dev",
                false,
            ),
            (
                "pk_test_YW11c2VkLWNhdC03LmNsZXJrLmFjY291bnRzLmRldiQ=",
                "amused-cat-7.clerk.accounts.dev",
                false,
            ),
        ] {
            assert_eq!(
                given.parse(),
                Ok(Publishable {
                    host: host.into(),
                    live
                }),
                "given: {given}"
            );
        }
    }

    #[test]
    fn a_wrong_key_is_called_what_it_is() {
        let pack = |text: &str| {
            format!(
                "pk_test_{}",
                base64::engine::general_purpose::STANDARD_NO_PAD.encode(text)
            )
        };
        for (given, expected) in [
            ("".to_owned(), KeyError::Prefix),
            ("pk_".to_owned(), KeyError::Prefix),
            (
                "pk_prod_Y2xlcmsuZXhhbXBsZS5jb20k".to_owned(),
                KeyError::Prefix,
            ),
            ("sk_live_abcdefghijklmnop".to_owned(), KeyError::IsSecret),
            ("whsec_abcdefghijklmnop".to_owned(), KeyError::IsWebhook),
            (
                "\"pk_live_Y2xlcmsuZXhhbXBsZS5jb20k\"".to_owned(),
                KeyError::Quoted,
            ),
            (
                "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k\"".to_owned(),
                KeyError::Quoted,
            ),
            (
                " pk_live_Y2xlcmsuZXhhbXBsZS5jb20k".to_owned(),
                KeyError::Quoted,
            ),
            (
                "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k\n".to_owned(),
                KeyError::Quoted,
            ),
            ("pk_live_".to_owned(), KeyError::Truncated),
            (
                "pk_live_Y2xlcmsuZXhhbXBsZS5jb20".to_owned(),
                KeyError::Truncated,
            ),
            (
                "pk_live_Y2xlcmsuZXhhbXBsZS5j".to_owned(),
                KeyError::Truncated,
            ),
            (
                "pk_live_Y2xlcmsuZXhhbXBsZS5jb20kx".to_owned(),
                KeyError::Trailing,
            ),
            (
                "pk_live_Y2xlcmsuZXhhbXBsZS5jb20kabcd".to_owned(),
                KeyError::Trailing,
            ),
            (
                "pk_test_YW11c2VkLWNhdC03LmNsZXJrLmFjY291bnRzLmRldiQ=x".to_owned(),
                KeyError::Trailing,
            ),
            (
                "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k$".to_owned(),
                KeyError::Character,
            ),
            (
                "pk_live_Y2xlcmsu_ZXhhbXBsZS5jb20k".to_owned(),
                KeyError::Character,
            ),
            (pack("clerk.example.com$$"), KeyError::Trailing),
            (pack("localhost$"), KeyError::Host),
            (pack("evil.com/x.y$"), KeyError::Host),
            (pack("a@evil.com$"), KeyError::Host),
            (pack("evil.com:444$"), KeyError::Host),
            (pack("169.254.169.254$"), KeyError::Host),
            (pack("$"), KeyError::Host),
        ] {
            assert_eq!(
                given.parse::<Publishable>(),
                Err(expected),
                "given: {given}"
            );
        }
    }

    #[test]
    fn a_secret_key_is_not_mistaken_either() {
        assert_eq!(secret_key("sk_live_abcdefghijklmnop"), Ok(true));
        assert_eq!(secret_key("sk_test_abcdefghijklmnop"), Ok(false));
        assert_eq!(
            secret_key("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k"),
            Err(KeyError::IsPublishable)
        );
        assert_eq!(
            secret_key("'sk_test_abcdefghijklmnop'"),
            Err(KeyError::Quoted)
        );
        assert_eq!(secret_key("sk_test_abc"), Err(KeyError::Truncated));
        assert_eq!(secret_key("hunter2"), Err(KeyError::Prefix));
    }
}
