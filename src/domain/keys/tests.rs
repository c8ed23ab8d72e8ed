use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dev::key::{SigningKey, weak_jwk};

fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate("ins_1").expect("a key"))
}

fn read(document: &Value) -> Result<(KeySet, Vec<String>), JwksError> {
    KeySet::from_jwks(document.to_string().as_bytes(), None)
}

fn with(name: &str, value: Value) -> Value {
    let mut jwk = key().jwk();
    jwk[name] = value;
    jwk
}

fn without(name: &str) -> Value {
    let mut jwk = key().jwk();
    jwk.as_object_mut().expect("an object").remove(name);
    jwk
}

#[test]
fn a_usable_key_is_found_by_its_exact_name_alone() {
    let (set, skipped) = read(&json!({"keys": [key().jwk()]})).expect("a key set");
    assert!(skipped.is_empty());
    assert_eq!(set.kids(), ["ins_1"]);
    assert!(set.find(Some("ins_1")).is_some());
    for other in [None, Some(""), Some("ins_2"), Some("INS_1"), Some("ins_1 ")] {
        assert!(set.find(other).is_none(), "{other:?}");
    }
    let fingerprint = set.find(Some("ins_1")).expect("the key").fingerprint();
    assert!(set.holds(&fingerprint));
    assert!(!set.holds(&[0; 32]));
}

#[test]
fn two_sets_are_of_one_issuer_when_they_share_a_key_and_not_a_name() {
    let set = |key: &SigningKey| read(&json!({"keys": [key.jwk()]})).expect("a key set").0;
    let pem = KeySet::from_pem(&key().public_pem()).expect("a key");
    let impostor = SigningKey::generate("ins_1").expect("a key");
    assert!(set(key()).shares_a_key_with(&set(&key().renamed("ins_2"))));
    assert!(set(key()).shares_a_key_with(&pem) && pem.shares_a_key_with(&set(key())));
    assert!(
        !set(key()).shares_a_key_with(&set(&impostor)) && !pem.shares_a_key_with(&set(&impostor))
    );
}

#[test]
fn a_document_that_is_no_key_set_gives_an_error_and_never_an_empty_set() {
    for (given, body, error) in [
        (
            "an HTML page",
            &b"<!doctype html><p>504"[..],
            JwksError::Page,
        ),
        ("nothing", b"", JwksError::NotJwks),
        ("a list", b"[]", JwksError::NotJwks),
        ("no list of keys", b"{\"keys\":{}}", JwksError::NotJwks),
        (
            "an empty list",
            b"{\"keys\":[]}",
            JwksError::NoneUsable(0, String::new()),
        ),
    ] {
        assert_eq!(KeySet::from_jwks(body, None).err(), Some(error), "{given}");
    }
    let padded = format!(
        "{}{}",
        json!({"keys": [key().jwk()]}),
        " ".repeat(MAX_JWKS_BYTES)
    );
    assert_eq!(
        KeySet::from_jwks(padded.as_bytes(), None).err(),
        Some(JwksError::TooLarge)
    );
    let many: Vec<_> = (0..=MAX_KEYS)
        .map(|i| key().renamed(&format!("k{i}")).jwk())
        .collect();
    assert_eq!(read(&json!({"keys": many})).err(), Some(JwksError::TooMany));
    assert!(
        read(&json!({"keys": many[1..]})).is_ok(),
        "as many as are allowed"
    );
    let deep = format!("{{\"keys\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(
        KeySet::from_jwks(deep.as_bytes(), None).err(),
        Some(JwksError::NotJwks)
    );
}

#[test]
fn a_key_that_cannot_be_used_is_skipped_and_named_and_the_others_stay() {
    let good = key().renamed("good").jwk();
    for (given, jwk) in [
        ("for encryption", with("use", json!("enc"))),
        ("a use of a wrong type", with("use", Value::Null)),
        (
            "symmetric",
            json!({"kty": "oct", "kid": "ins_1", "k": "c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS256"}),
        ),
        (
            "an elliptic curve",
            json!({"kty": "EC", "kid": "ins_1", "crv": "P-256", "x": "AA", "y": "AA"}),
        ),
        ("another algorithm", with("alg", json!("RS512"))),
        ("HMAC with an RSA key", with("alg", json!("HS256"))),
        ("not for verifying", with("key_ops", json!(["encrypt"]))),
        ("key_ops of a wrong type", with("key_ops", json!("verify"))),
        ("of 1024 bits", weak_jwk("ins_1")),
        (
            "a short modulus behind zeros",
            with("n", json!(format!("{}{}", "A".repeat(400), "AQAB"))),
        ),
        ("the exponent 1", with("e", json!("AQ"))),
        ("the exponent 1 behind zeros", with("e", json!("AAAB"))),
        ("an even exponent", with("e", json!("Ag"))),
        ("a huge exponent", with("e", json!("AQEBAQEBAQEBAQEB"))),
        ("the exponent 0", with("e", json!("AA"))),
        ("no exponent", without("e")),
        ("no modulus", without("n")),
        ("padding", with("e", json!("AQAB=="))),
        ("a modulus of a wrong type", with("n", json!(5))),
        ("no name", without("kid")),
        ("an empty name", with("kid", json!(""))),
        ("a name of a wrong type", with("kid", json!(["ins_1"]))),
        ("a name that breaks a line", with("kid", json!("a\nb"))),
        ("no type", without("kty")),
        (
            "a type that fills the log",
            with("kty", json!("x\n".repeat(1000))),
        ),
        ("no object", json!("key")),
    ] {
        let (set, skipped) = read(&json!({"keys": [jwk, good]})).expect("one good key");
        assert_eq!(set.kids(), ["good"], "{given}");
        assert_eq!(skipped.len(), 1, "{given}");
        assert!(
            skipped
                .iter()
                .all(|why| why.len() < 300 && !why.contains('\n')),
            "{given}: {skipped:?}"
        );
        let alone = read(&json!({"keys": [jwk]}));
        assert!(matches!(alone, Err(JwksError::NoneUsable(1, _))), "{given}");
    }
    for (given, jwk) in [
        ("without use", without("use")),
        ("without alg", without("alg")),
        ("with key_ops", with("key_ops", json!(["sign", "verify"]))),
        (
            "with members nobody knows",
            with("x5u", json!("http://169.254.169.254/")),
        ),
    ] {
        assert!(read(&json!({"keys": [jwk]})).is_ok(), "{given}");
    }
}

#[test]
fn of_two_keys_with_one_name_the_first_stays() {
    let other = SigningKey::generate("ins_1").expect("a key");
    let (set, skipped) = read(&json!({"keys": [key().jwk(), other.jwk()]})).expect("a key set");
    let (one, _) = read(&json!({"keys": [key().jwk()]})).expect("a key set");
    assert_eq!(
        set.find(Some("ins_1")).map(VerifyingKey::fingerprint),
        one.find(Some("ins_1")).map(VerifyingKey::fingerprint)
    );
    assert_eq!(skipped, ["key 1: kid `ins_1` stands twice"]);
}

#[test]
fn fetched_keys_end_and_those_of_the_config_do_not() {
    let jwks = json!({"keys": [key().jwk()]}).to_string();
    let (set, _) = KeySet::from_jwks(jwks.as_bytes(), Some(UnixTime(100))).expect("a key set");
    assert!(
        set.usable(UnixTime(99)) && !set.usable(UnixTime(100)) && !set.usable(UnixTime(u64::MAX))
    );
    assert!(
        KeySet::from_pem(&key().public_pem())
            .expect("a key")
            .usable(UnixTime(u64::MAX))
    );
}

#[test]
fn a_public_key_is_read_in_every_form_in_which_people_paste_it() {
    let pem = key().public_pem();
    let body: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let spki = STANDARD.decode(&body).expect("base64");
    // A SubjectPublicKeyInfo of this size has 24 bytes before the bare key inside.
    let bare = STANDARD.encode(&spki[24..]);
    let jwk = read(&json!({"keys": [key().jwk()]})).expect("a key set").0;
    let expected = jwk.find(Some("ins_1")).expect("the key").fingerprint();
    for (given, pasted) in [
        ("as it is", pem.clone()),
        ("with CRLF", pem.replace('\n', "\r\n")),
        ("with white space around", format!("\n  {pem}  \n")),
        ("indented", pem.replace('\n', "\n    ")),
        ("with \\n written out", pem.replace('\n', "\\n")),
        ("with \\r\\n written out", pem.replace('\n', "\\r\\n")),
        (
            "in double quotes",
            format!("\"{}\"", pem.replace('\n', "\\n")),
        ),
        ("in single quotes", format!("'{pem}'")),
        ("on one line", pem.replace('\n', " ")),
        ("on one line without spaces", pem.replace('\n', "")),
        ("without header and footer", body.clone()),
        (
            "PKCS#1",
            format!("-----BEGIN RSA PUBLIC KEY-----\n{bare}\n-----END RSA PUBLIC KEY-----"),
        ),
        ("PKCS#1 without header", bare),
    ] {
        let set = KeySet::from_pem(&pasted).unwrap_or_else(|e| panic!("{given}: {e}"));
        assert_eq!(
            set.find(None).map(VerifyingKey::fingerprint),
            Some(expected),
            "{given}"
        );
        assert!(
            set.find(Some("any name")).is_some(),
            "{given}: a PEM has no name to compare"
        );
        assert!(set.kids().is_empty());
    }
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    [&[tag, 0x82][..], &length, content].concat()
}

fn pkcs1(modulus: &[u8], exponent: &[u8]) -> String {
    STANDARD.encode(der(0x30, &[der(2, modulus), der(2, exponent)].concat()))
}

#[test]
fn what_is_no_public_rsa_key_of_full_strength_is_refused_by_name() {
    let wide = [&[0][..], &[0xc5; 256]].concat();
    let hidden = [&[0; 257][..], &[0x11; 8]].concat();
    let pem = key().public_pem();
    for (given, text, error) in [
        ("nothing", String::new(), PemError::Empty),
        ("quotes around nothing", "\"\"".into(), PemError::Empty),
        ("a private key", key().private_pem(), PemError::Private),
        (
            "a PKCS#1 private key",
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n".into(),
            PemError::Private,
        ),
        (
            "a certificate",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".into(),
            PemError::Certificate,
        ),
        (
            "a URL",
            "https://clerk.example.com/.well-known/jwks.json".into(),
            PemError::NotBase64,
        ),
        (
            "a header alone",
            "-----BEGIN PUBLIC KEY-----".into(),
            PemError::NotRsa,
        ),
        (
            "half a key",
            pem.lines().take(4).collect::<Vec<_>>().join("\n"),
            PemError::NotRsa,
        ),
        ("other base64", "c2VjcmV0".into(), PemError::NotRsa),
        (
            "Ed25519",
            "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=".into(),
            PemError::NotRsa,
        ),
        (
            "a negative modulus",
            pkcs1(&[0xc5; 256], &[3]),
            PemError::NotRsa,
        ),
        (
            "a short modulus behind zeros",
            pkcs1(&hidden, &[3]),
            PemError::NotRsa,
        ),
        (
            "the exponent 1 behind a zero",
            pkcs1(&wide, &[0, 1]),
            PemError::NotRsa,
        ),
    ] {
        assert_eq!(parse_pem(&text).err(), Some(error), "{given}");
    }
    assert!(
        matches!(
            parse_pem(&pkcs1(&wide, &[1])).err(),
            Some(PemError::Weak(_))
        ),
        "the exponent 1"
    );
    let narrow = [&[0][..], &[0xc5; 128]].concat();
    assert!(
        matches!(
            parse_pem(&pkcs1(&narrow, &[3])).err(),
            Some(PemError::Weak(_))
        ),
        "1024 bits"
    );
    assert!(parse_pem(&pkcs1(&wide, &[3])).is_ok());
}

#[test]
fn a_key_does_not_print() {
    let set = KeySet::from_pem(&key().public_pem()).expect("a key");
    assert!(format!("{set:?}").contains("VerifyingKey(..)"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = KeySet::from_jwks(&bytes, None);
        let _ = parse_pem(&STANDARD.encode(&bytes));
        let _ = parse_pem(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_pem_with_any_one_byte_changed_is_read_without_a_panic(at in 0_usize..294, byte in any::<u8>()) {
        let pem = key().public_pem();
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let mut der = STANDARD.decode(&body).expect("base64");
        let length = der.len();
        der[at % length] = byte;
        let _ = parse_pem(&STANDARD.encode(&der));
    }
}
