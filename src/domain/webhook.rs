//! Svix signatures over the raw bytes of a webhook (Standard Webhooks 1.0, Clerk's page "Webhooks").

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};

use super::ids::SvixId;
use super::{Rejection, UnixTime};

/// A secret that signs webhooks, as an HMAC key. It is never printed.
#[derive(Clone)]
pub struct WebhookSecret(hmac::Key);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

/// Why a text is not a webhook secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("is empty")]
    Empty,
    #[error("has quotes or white space around it")]
    Quoted,
    #[error(
        "is a public or private ed25519 key (`whpk_`, `whsk_`): the signing secret begins with `whsec_`"
    )]
    Asymmetric,
    #[error(
        "is a Clerk API key: the signing secret of the endpoint begins with `whsec_` (dashboard, Webhooks)"
    )]
    ApiKey,
    #[error("is no base64 after `whsec_`")]
    NotBase64,
    #[error("has {0} bytes once decoded, {MIN_SECRET} are the least")]
    Weak(usize),
}

/// The fewest bytes of a secret. With libraries that read `whsec_` as an empty key, any client could sign.
pub const MIN_SECRET: usize = 16;

impl WebhookSecret {
    /// Reads `whsec_…`, with or without the prefix.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        if text.starts_with(['"', '\'']) || text.trim() != text {
            return Err(SecretError::Quoted);
        }
        if text.starts_with("whpk_") || text.starts_with("whsk_") {
            return Err(SecretError::Asymmetric);
        }
        if text.starts_with("sk_") || text.starts_with("pk_") {
            return Err(SecretError::ApiKey);
        }
        let packed = text.strip_prefix("whsec_").unwrap_or(text);
        let key = STANDARD
            .decode(packed)
            .map_err(|_| SecretError::NotBase64)?;
        if key.len() < MIN_SECRET {
            return Err(SecretError::Weak(key.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }
}

/// The svix headers of a request. They are well-formed; the signature is not checked. They are owned, because they wait until the
/// body is read.
#[derive(Clone, Debug)]
pub struct Envelope {
    id: SvixId,
    timestamp: Box<str>,
    sent: UnixTime,
    signatures: Box<str>,
}

/// The most entries in a signature list: the sender signs with one new and up to ten old secrets.
const MAX_SIGNATURES: usize = 32;
/// `v1,` and the base64 of 32 bytes.
const ENTRY: usize = 3 + 44;

/// A webhook that a configured secret has signed, over exactly these bytes.
#[derive(Clone, Debug)]
pub struct SignedWebhook {
    id: SvixId,
}

impl SignedWebhook {
    /// The id of the delivery. A retry has the same id.
    #[must_use]
    pub fn id(&self) -> &SvixId {
        &self.id
    }
}

impl Envelope {
    /// Reads one complete family of headers, each exactly once: `svix-*` (what Clerk sends), else `webhook-*`.
    pub fn read(headers: &HeaderMap) -> Result<Self, Rejection> {
        let family = if headers.contains_key("svix-id") {
            "svix"
        } else {
            "webhook"
        };
        let field = |part: &str| {
            let name = HeaderName::try_from(format!("{family}-{part}")).ok()?;
            let mut values = headers.get_all(name).iter();
            let (value, more) = (values.next()?, values.next());
            if more.is_some() {
                None
            } else {
                value.to_str().ok()
            }
        };
        let (Some(id), Some(timestamp), Some(signatures)) =
            (field("id"), field("timestamp"), field("signature"))
        else {
            return Err(Rejection::WebhookHeaders);
        };
        // With a dot in the id, `id.timestamp.body` could be split at another place with the same signature.
        let id = SvixId::parse(id)
            .ok()
            .filter(|id| !id.as_str().contains('.'))
            .ok_or(Rejection::WebhookHeaders)?;
        Ok(Self {
            id,
            timestamp: timestamp.into(),
            sent: seconds(timestamp).ok_or(Rejection::WebhookHeaders)?,
            signatures: signatures.into(),
        })
    }

    /// Checks time and signature. One entry of the list that fits one configured secret is enough, so both sides can rotate their
    /// secrets.
    pub fn verify(
        self,
        body: &[u8],
        secrets: &[WebhookSecret],
        tolerance: std::time::Duration,
        now: UnixTime,
    ) -> Result<SignedWebhook, Rejection> {
        // The limit on replays (attack A-112). It holds in both directions, because a sender's clock may be ahead or behind.
        let distance = now.since(self.sent).max(self.sent.since(now));
        if distance > tolerance.as_secs() {
            return Err(Rejection::WebhookTime);
        }
        if self.signatures.len() > MAX_SIGNATURES * (ENTRY + 64) {
            return Err(Rejection::WebhookHeaders);
        }
        let entries = self
            .signatures
            .split(' ')
            .take(MAX_SIGNATURES)
            .filter_map(signature);
        let macs: Vec<_> = entries.collect();
        // One pass over the body per secret, however many signatures a client puts into the list (attack A-105).
        let fits = |secret: &WebhookSecret| {
            let mut context = hmac::Context::with_key(&secret.0);
            let head = [
                self.id.as_str().as_bytes(),
                b".",
                self.timestamp.as_bytes(),
                b".",
            ];
            head.iter().for_each(|part| context.update(part));
            context.update(body);
            let ours = context.sign();
            // Compares whole MACs in constant time: svix CVE-2024-21491 compared only up to the shorter one.
            macs.iter()
                .any(|mac| constant_time::verify_slices_are_equal(mac, ours.as_ref()).is_ok())
        };
        if !macs.is_empty() && secrets.iter().any(fits) {
            Ok(SignedWebhook { id: self.id })
        } else {
            Err(Rejection::WebhookSignature)
        }
    }
}

/// Reads `v1,` and 44 characters of standard base64, and nothing else. Other versions are skipped, as the standard requires.
fn signature(entry: &str) -> Option<Vec<u8>> {
    let packed = entry
        .strip_prefix("v1,")
        .filter(|packed| packed.len() == 44)?;
    STANDARD.decode(packed).ok().filter(|mac| mac.len() == 32)
}

/// Reads the timestamp in its one valid spelling. Libraries that sign the *parsed* number accept `017…`, `+17…` and Arabic
/// digits.
fn seconds(text: &str) -> Option<UnixTime> {
    let plain = (1..=12).contains(&text.len())
        && !text.starts_with('0')
        && text.bytes().all(|b| b.is_ascii_digit());
    if plain {
        text.parse().ok().map(UnixTime)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::dev::webhook::WebhookSigner;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = b"{\"test\": 2432232314}";
    const TIME: u64 = 1_614_265_330;
    const GOOD: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn check(fields: &[(&str, &str)], body: &[u8], now: u64) -> Result<String, Rejection> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let secrets = [WebhookSecret::parse(SECRET).unwrap()];
        let signed = Envelope::read(&headers)?.verify(
            body,
            &secrets,
            Duration::from_secs(300),
            UnixTime(now),
        )?;
        Ok(signed.id().to_string())
    }

    fn with(signature: &str) -> [(&str, &str); 3] {
        [
            ("svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("svix-timestamp", "1614265330"),
            ("svix-signature", signature),
        ]
    }

    #[test]
    fn the_published_vectors_verify() {
        assert_eq!(
            check(&with(GOOD), BODY, TIME).as_deref(),
            Ok("msg_p5jXN8AQM9LWM0D4loKWxJek")
        );
        let secrets = [WebhookSecret::parse("C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap()];
        let mut headers = HeaderMap::new();
        headers.insert(
            "webhook-id",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk".parse().unwrap(),
        );
        headers.insert("webhook-timestamp", "1649367553".parse().unwrap());
        headers.insert(
            "webhook-signature",
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
                .parse()
                .unwrap(),
        );
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let envelope = Envelope::read(&headers).unwrap();
        assert!(
            envelope
                .verify(
                    body,
                    &secrets,
                    Duration::from_secs(300),
                    UnixTime(1_649_367_553)
                )
                .is_ok()
        );
    }

    #[test]
    fn each_entry_of_the_list_counts_by_itself() {
        let other = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        for list in [
            format!("{other} {GOOD}"),
            format!("{GOOD} {other}"),
            format!("v1a,xyz {GOOD}"),
            format!("garbage {GOOD}"),
        ] {
            assert!(check(&with(&list), BODY, TIME).is_ok(), "{list}");
        }
        assert_eq!(
            check(&with(other), BODY, TIME),
            Err(Rejection::WebhookSignature)
        );
    }

    #[test]
    fn short_empty_and_adorned_signatures_are_refused() {
        for bad in [
            "v1,",
            "v1,AA==",
            "",
            "v1",
            "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=,x",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE",
        ] {
            assert_eq!(
                check(&with(bad), BODY, TIME),
                Err(Rejection::WebhookSignature),
                "{bad}"
            );
        }
        assert_eq!(
            check(&with(GOOD), b"{\"test\": 2432232315}", TIME),
            Err(Rejection::WebhookSignature)
        );
    }

    #[test]
    fn the_time_is_bounded_both_ways_and_has_one_spelling() {
        for (now, good) in [
            (TIME + 300, true),
            (TIME + 301, false),
            (TIME - 300, true),
            (TIME - 301, false),
        ] {
            assert_eq!(check(&with(GOOD), BODY, now).is_ok(), good, "{now}");
        }
        for bad in [
            "",
            "01614265330",
            "+1614265330",
            "1614265330.5",
            "1614265330abc",
            "1e9",
            "16142653301614",
            "-1",
        ] {
            let fields = [
                ("svix-id", "msg_1"),
                ("svix-timestamp", bad),
                ("svix-signature", GOOD),
            ];
            assert_eq!(
                check(&fields, BODY, TIME),
                Err(Rejection::WebhookHeaders),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_family_of_headers_is_complete_single_and_unmixed() {
        let [id, time, signature] = with(GOOD);
        for fields in [
            vec![id, time],
            vec![id, signature],
            vec![time, signature],
            vec![id, id, time, signature],
            vec![id, time, signature, signature],
            vec![id, ("webhook-timestamp", time.1), signature],
            vec![("svix-id", "a.b"), time, signature],
            vec![("svix-id", ""), time, signature],
        ] {
            assert_eq!(
                check(&fields, BODY, TIME),
                Err(Rejection::WebhookHeaders),
                "{fields:?}"
            );
        }
    }

    #[test]
    fn a_secret_that_anybody_could_guess_is_none() {
        for bad in [
            "",
            "whsec_",
            "whsec_AAAA",
            "\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"",
            "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "sk_test_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_not base64",
        ] {
            assert!(WebhookSecret::parse(bad).is_err(), "accepted: {bad}");
        }
        assert_eq!(
            format!("{:?}", WebhookSecret::parse(SECRET).unwrap()),
            "WebhookSecret(..)"
        );
    }

    #[test]
    fn a_list_of_many_signatures_is_bounded_and_its_good_entry_counts_within_the_bound() {
        let wrong = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ";
        let at = |position: usize| format!("{}{GOOD}", wrong.repeat(position));
        assert!(check(&with(&at(MAX_SIGNATURES - 1)), BODY, TIME).is_ok());
        assert_eq!(
            check(&with(&at(MAX_SIGNATURES)), BODY, TIME),
            Err(Rejection::WebhookSignature)
        );
        assert_eq!(
            check(&with(&at(100)), BODY, TIME),
            Err(Rejection::WebhookHeaders)
        );
    }

    proptest! {
        #[test]
        fn a_webhook_with_any_one_bit_changed_does_not_verify(
            body in proptest::collection::vec(any::<u8>(), 1..64),
            secret in proptest::collection::vec(any::<u8>(), MIN_SECRET..64),
            part in 0_usize..4,
            at in 0_usize..1024,
            bit in 0_u32..8,
        ) {
            let signer = WebhookSigner::with_raw_key(&secret);
            let secrets = [WebhookSecret::parse(&STANDARD.encode(&secret)).unwrap()];
            let [id, time, signature] = signer.headers("msg_2b", TIME, &body).map(|(_, value)| value.into_bytes());
            let mut parts = [id, time, signature, body];
            let verifies = |[id, time, signature, body]: &[Vec<u8>; 4]| {
                let mut headers = HeaderMap::new();
                for (name, value) in [("svix-id", id), ("svix-timestamp", time), ("svix-signature", signature)] {
                    let Ok(value) = http::HeaderValue::from_bytes(value) else { return false };
                    headers.insert(name, value);
                }
                let envelope = Envelope::read(&headers);
                envelope.and_then(|e| e.verify(body, &secrets, Duration::from_secs(300), UnixTime(TIME))).is_ok()
            };
            prop_assert!(verifies(&parts));
            let length = parts[part].len();
            parts[part][at % length] ^= 1 << bit;
            prop_assert!(!verifies(&parts));
        }

        #[test]
        fn any_header_values_are_read_without_a_panic(values in proptest::collection::vec("[ -~\\x80-\\xff]{0,60}", 3)) {
            let mut headers = HeaderMap::new();
            for (name, value) in ["svix-id", "svix-timestamp", "svix-signature"].into_iter().zip(&values) {
                headers.insert(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            if let Ok(envelope) = Envelope::read(&headers) {
                let secrets = [WebhookSecret::parse(SECRET).unwrap()];
                prop_assert!(envelope.verify(BODY, &secrets, Duration::MAX, UnixTime(TIME)).is_err());
            }
        }
    }
}
