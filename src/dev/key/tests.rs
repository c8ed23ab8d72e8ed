use std::sync::OnceLock;

use jsonwebtoken::{Validation, decode};

use super::*;

/// One key for all tests of `dev`: making one takes a noticeable time.
pub(in crate::dev) fn key() -> SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate("ins_test").unwrap())
        .clone()
}

fn decodes(token: &str, key: &DecodingKey) -> bool {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    decode::<Value>(token, key, &validation).is_ok()
}

#[test]
fn a_signed_token_verifies_against_the_jwk_and_against_the_pem() {
    let key = key();
    let token = key.sign(&json!({"alg": "RS256"}), &json!({"sub": "user_1"}));

    let jwk: Jwk = serde_json::from_value(key.jwk()).unwrap();
    assert!(decodes(&token, &DecodingKey::from_jwk(&jwk).unwrap()));
    let pem = key.public_pem();
    assert!(decodes(
        &token,
        &DecodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
    ));
}

#[test]
fn a_token_of_another_key_does_not_verify() {
    let other = SigningKey::generate("ins_test").unwrap();
    let token = other.sign(&json!({"alg": "RS256"}), &json!({}));

    let jwk: Jwk = serde_json::from_value(key().jwk()).unwrap();
    assert!(!decodes(&token, &DecodingKey::from_jwk(&jwk).unwrap()));
}

#[test]
fn exactly_the_given_bytes_are_signed() {
    let token = key().sign_raw(b"{\"alg\":\"none\"}", b"not json");

    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(
        URL_SAFE_NO_PAD.decode(parts[0]).unwrap(),
        b"{\"alg\":\"none\"}"
    );
    assert_eq!(URL_SAFE_NO_PAD.decode(parts[1]).unwrap(), b"not json");
    assert_eq!(parts[2].len(), 342);
}

#[test]
fn a_key_survives_the_way_through_its_pem() {
    let again = SigningKey::from_pem("ins_again", &key().private_pem()).unwrap();

    assert_eq!(again.jwk()["n"], key().jwk()["n"]);
    assert_eq!(again.kid(), "ins_again");
    assert!(jsonwebtoken::EncodingKey::from_rsa_pem(key().private_pem().as_bytes()).is_ok());
}

#[test]
fn what_is_no_private_key_is_refused_without_quoting_it() {
    let cut = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n";
    let hollow = format!("{cut}-----END PRIVATE KEY-----\n");
    for (given, pem) in [
        ("public", key().public_pem()),
        ("cut off", cut.to_owned()),
        ("no DER", hollow),
        ("too long", " ".repeat(PEM_BYTES_MAX + 1)),
    ] {
        let error = SigningKey::from_pem("k", &pem).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("c2VjcmV0"),
            "given: {given}"
        );
    }
}

#[test]
fn nothing_private_prints() {
    assert_eq!(
        format!("{:?}", key()),
        "SigningKey { kid: \"ins_test\", .. }"
    );
}

#[test]
fn sizes_that_the_library_cannot_make_are_refused() {
    assert!(matches!(
        SigningKey::generate_with_bits("k", 1024),
        Err(DevError::KeySize(1024))
    ));
    assert_eq!(
        SigningKey::generate_with_bits("k", 3072)
            .unwrap()
            .signature(b"m")
            .len(),
        384
    );
}

#[test]
fn the_weak_key_has_1024_bits() {
    let modulus = weak_jwk("k")["n"].as_str().unwrap().to_owned();
    assert_eq!(URL_SAFE_NO_PAD.decode(modulus).unwrap().len(), 128);
}
