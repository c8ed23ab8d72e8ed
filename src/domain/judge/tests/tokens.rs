//! The checks on a token before its claims are read: form, algorithm, kind, signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::domain::token::UnverifiedToken;

fn users() -> Snapshot {
    gate([route("/x", Access::User)])
}

fn verdict(token: &str) -> String {
    get("/x").bearer(token).at(&users())
}

fn segment(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn the_header_decides_by_exact_words() {
    let header = |name: &str, value: Value| mint("user_owner").header(name, value).sign(key());
    for (given, token, expected) in [
        (
            "as Clerk makes it",
            token("user_owner"),
            "forward user_owner",
        ),
        (
            "A-50",
            header("alg", json!("none")),
            "reject wrong_algorithm",
        ),
        (
            "A-50",
            header("alg", json!("NoNe")),
            "reject wrong_algorithm",
        ),
        (
            "A-51",
            header("alg", json!("HS256")),
            "reject wrong_algorithm",
        ),
        (
            "another RSA",
            header("alg", json!("RS512")),
            "reject wrong_algorithm",
        ),
        (
            "letter case",
            header("alg", json!("rs256")),
            "reject wrong_algorithm",
        ),
        (
            "a list",
            header("alg", json!(["RS256"])),
            "reject wrong_algorithm",
        ),
        (
            "no alg",
            mint("user_owner").without_header("alg").sign(key()),
            "reject wrong_algorithm",
        ),
        (
            "no typ",
            mint("user_owner").without_header("typ").sign(key()),
            "forward user_owner",
        ),
        (
            "typ in lower case",
            header("typ", json!("jwt")),
            "reject wrong_token_type",
        ),
        (
            "A-56 OAuth",
            header("typ", json!("at+jwt")),
            "reject wrong_token_type",
        ),
        (
            "A-56 OAuth",
            header("typ", json!("application/at+jwt")),
            "reject wrong_token_type",
        ),
        (
            "typ of a wrong type",
            header("typ", Value::Null),
            "reject wrong_token_type",
        ),
        (
            "no cat",
            mint("user_owner").without_header("cat").sign(key()),
            "forward user_owner",
        ),
        (
            "cat that says nothing",
            header("cat", json!("cl_I7d4PD111III")),
            "forward user_owner",
        ),
        (
            "A-56 machine",
            header("cat", json!("cl_B7d4PD333AAA")),
            "reject wrong_token_type",
        ),
        (
            "a cat that nobody knows",
            header("cat", json!("cl_B7d4PD444AAA")),
            "reject wrong_token_type",
        ),
        (
            "cat of a wrong type",
            header("cat", Value::Null),
            "reject wrong_token_type",
        ),
        (
            "crit",
            header("crit", json!(["exp"])),
            "reject malformed_token",
        ),
        (
            "crit, empty",
            header("crit", json!([])),
            "reject malformed_token",
        ),
        (
            "crit, null",
            header("crit", Value::Null),
            "reject malformed_token",
        ),
        ("b64", header("b64", json!(false)), "reject malformed_token"),
        (
            "b64 of a wrong type",
            header("b64", json!("true")),
            "reject malformed_token",
        ),
        (
            "kid of a wrong type",
            header("kid", json!(["ins_1"])),
            "reject malformed_token",
        ),
        (
            "a huge kid",
            header("kid", json!("k".repeat(256))),
            "reject malformed_token",
        ),
        (
            "no kid",
            mint("user_owner").without_header("kid").sign(key()),
            "reject unknown_key",
        ),
        (
            "unknown members are ignored",
            header("oiat", json!(NOW)),
            "forward user_owner",
        ),
    ] {
        assert_eq!(verdict(&token), expected, "{given}");
    }
}

// Attacks A-51 and A-74, CVE-2018-0114.
#[test]
fn a_token_never_chooses_the_key_that_verifies_it() {
    let forged = |name: &str, value: Value| {
        mint("user_owner")
            .header("kid", "ins_1")
            .header(name, value)
            .sign(other_key())
    };
    for (given, token) in [
        ("its own key inside", forged("jwk", other_key().jwk())),
        (
            "a URL to its own keys",
            forged("jku", json!("https://evil.test/jwks.json")),
        ),
        ("a certificate chain", forged("x5c", json!(["MIIB"]))),
        (
            "a URL to a certificate",
            forged("x5u", json!("http://169.254.169.254/")),
        ),
        ("another key under our name", forged("oiat", json!(1))),
    ] {
        assert_eq!(verdict(&token), "reject bad_signature", "{given}");
    }
    let header = segment(br#"{"alg":"HS256","kid":"ins_1","typ":"JWT"}"#);
    let message = format!(
        "{header}.{}",
        segment(mint("user_owner").claims().to_string())
    );
    let pem =
        aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key().public_pem().as_bytes());
    let mac = aws_lc_rs::hmac::sign(&pem, message.as_bytes());
    assert_eq!(
        verdict(&format!("{message}.{}", segment(mac))),
        "reject wrong_algorithm",
        "our public key as a secret"
    );
}

#[test]
fn a_token_has_one_spelling() {
    let token = token("user_owner");
    let parts: Vec<&str> = token.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let signed = |header: &[u8], payload: &[u8]| key().sign_raw(header, payload);
    let plain = mint("user_owner").header_json("ins_1").to_string();
    let claims = mint("user_owner").claims().to_string();
    let twice = |object: &str, member: &str| format!("{{{member},{}", &object[1..]);
    for (given, token) in [
        ("no signature", format!("{header}.{payload}.")),
        ("two segments", format!("{header}.{payload}")),
        ("four segments", format!("{token}.{signature}")),
        ("an empty header", format!(".{payload}.{signature}")),
        ("an empty payload", format!("{header}..{signature}")),
        ("padding", format!("{header}.{payload}.{signature}==")),
        (
            "the standard alphabet",
            format!("{header}.{payload}.{}+/", &signature[..340]),
        ),
        (
            "loose bits at the end",
            format!("{header}.{payload}.{}B", &signature[..341]),
        ),
        ("only dots", ".".repeat(10_000)),
        ("an array as header", signed(b"[]", claims.as_bytes())),
        ("an array as payload", signed(plain.as_bytes(), b"[]")),
        (
            "two alg",
            signed(
                twice(&plain, r#""alg":"RS256""#).as_bytes(),
                claims.as_bytes(),
            ),
        ),
        (
            "two sub",
            signed(
                plain.as_bytes(),
                twice(&claims, r#""sub":"user_admin""#).as_bytes(),
            ),
        ),
        (
            "two sub, one escaped",
            signed(
                plain.as_bytes(),
                twice(&claims, r#""s\u0075b":"user_admin""#).as_bytes(),
            ),
        ),
        (
            "a byte order mark",
            signed(
                plain.as_bytes(),
                &[b"\xef\xbb\xbf", claims.as_bytes()].concat(),
            ),
        ),
        ("no UTF-8", signed(plain.as_bytes(), b"{\"iss\":\"\xff\"}")),
        (
            "something behind",
            signed(plain.as_bytes(), format!("{claims} {{}}").as_bytes()),
        ),
        (
            "deep",
            signed(
                plain.as_bytes(),
                format!("{{\"a\":{}{}}}", "[".repeat(2000), "]".repeat(2000)).as_bytes(),
            ),
        ),
    ] {
        assert_eq!(verdict(&token), "reject malformed_token", "{given}");
    }
    let huge = mint("user_owner")
        .claim("x", "y".repeat(16 * 1024))
        .sign(key());
    assert_eq!(verdict(&huge), "reject malformed_token", "A-60");
    let large = mint("user_owner")
        .claim("x", "y".repeat(11 * 1024))
        .sign(key());
    assert_eq!(
        verdict(&large),
        "forward user_owner",
        "a template may be larger than a cookie"
    );
}

#[test]
fn a_signature_covers_every_byte_before_it() {
    let (good, foreign) = (token("user_owner"), token("user_admin"));
    let of = |token: &str, i: usize| token.split('.').nth(i).expect("three segments").to_owned();
    let mixed = format!("{}.{}.{}", of(&good, 0), of(&foreign, 1), of(&good, 2));
    assert_eq!(verdict(&mixed), "reject bad_signature");
    let short = format!("{}.{}.{}", of(&good, 0), of(&good, 1), segment([1; 128]));
    assert_eq!(verdict(&short), "reject bad_signature");
    let zero = format!("{}.{}.{}", of(&good, 0), of(&good, 1), segment([0; 256]));
    assert_eq!(verdict(&zero), "reject bad_signature");
}

#[test]
fn claims_tell_nothing_to_somebody_who_cannot_sign() {
    for (given, token) in [
        ("expired", mint("user_owner").issued_at(1)),
        ("no user", mint("user_owner").without("sub")),
        ("pending", mint("user_owner").claim("sts", "pending")),
        ("nonsense", mint("user_owner").claim("exp", "soon")),
        ("a banned user", mint("user_banned")),
    ] {
        assert_eq!(
            verdict(&token.header("kid", "ins_1").sign(other_key())),
            "reject bad_signature",
            "{given}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "[ -~]{0,120}") {
        let _ = UnverifiedToken::parse(&text);
    }

    #[test]
    fn any_bytes_in_the_segments_are_read_without_a_panic(
        header in proptest::collection::vec(any::<u8>(), 0..60),
        payload in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let _ = UnverifiedToken::parse(&format!("{}.{}.AAAA", segment(&header), segment(&payload)));
        let good = segment(br#"{"alg":"RS256"}"#);
        let _ = UnverifiedToken::parse(&format!("{good}.{}.AAAA", segment(&payload)));
    }

    #[test]
    fn a_token_with_any_one_character_changed_lets_nobody_in(at in 0_usize..2000, to in "[A-Za-z0-9_.-]") {
        static TOKEN: OnceLock<String> = OnceLock::new();
        let good = TOKEN.get_or_init(|| token("user_owner"));
        let at = at % good.len();
        let mut bent = good.clone();
        bent.replace_range(at..=at, &to);
        prop_assume!(bent != *good);
        let verdict = verdict(&bent);
        prop_assert!(verdict.starts_with("reject ") || verdict.ends_with("else reject unknown_key"), "{}", verdict);
    }
}
