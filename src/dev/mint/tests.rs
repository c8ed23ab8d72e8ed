use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};

use super::super::key::tests::key;
use super::*;

const ISSUER: &str = "https://clerk.example.com";
const NOW: u64 = 4_000_000_000;

fn mint() -> Mint {
    Mint::new(ISSUER, "user_alice", NOW)
}

#[test]
fn a_minted_token_passes_the_checks_of_a_jwt_library() {
    let token = mint().azp("https://app.example.com").sign(&key());

    let jwk: Jwk = serde_json::from_value(key().jwk()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "sub"]);
    let decoded =
        decode::<Value>(&token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap();
    assert_eq!(decoded.header.kid.as_deref(), Some("ins_test"));
    assert_eq!(decoded.claims["sid"], "sess_alice");
    assert_eq!(decoded.claims["azp"], "https://app.example.com");
}

#[test]
fn a_session_token_has_the_claims_of_version_2_and_lives_60_seconds() {
    let claims = mint().claims();

    assert_eq!(claims["iat"], NOW);
    assert_eq!(claims["nbf"], NOW - 10);
    assert_eq!(claims["exp"], NOW + 60);
    assert_eq!(claims["v"], 2);
    assert_eq!(claims["sts"], "active");
    assert_eq!(claims["fva"], json!([0, -1]));
    assert!(claims["jti"].is_string());
    assert_eq!(claims.get("azp"), None);
    assert_eq!(mint().header_json("k")["cat"], CATEGORY_SESSION);
}

#[test]
fn permissions_are_packed_as_in_the_documented_example() {
    let claims = mint()
        .org(
            "org_1",
            "acme",
            "admin",
            &[
                "org:dashboard:manage",
                "org:dashboard:read",
                "teams:read",
                "nonsense",
            ],
        )
        .claims();

    assert_eq!(claims["fea"], "o:dashboard,o:teams");
    assert_eq!(
        claims["o"],
        json!({"id": "org_1", "slg": "acme", "rol": "admin", "per": "manage,read", "fpm": "3,2"})
    );
}

#[test]
fn an_organization_without_permissions_carries_no_lists() {
    let claims = mint().org("org_1", "acme", "member", &[]).claims();

    assert_eq!(
        claims["o"],
        json!({"id": "org_1", "slg": "acme", "rol": "member"})
    );
    assert_eq!(claims.get("fea"), None);
}

#[test]
fn more_permission_names_than_bits_do_not_overflow() {
    let many: Vec<String> = (0..200).map(|i| format!("f:p{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();

    let claims = mint().org("org_1", "acme", "admin", &many).claims();
    assert_eq!(claims["o"]["fpm"], u128::MAX.to_string());
}

#[test]
fn version_1_is_flat_and_says_no_version() {
    let claims = mint()
        .v1_org("org_1", "acme", "org:admin", &["org:a:b"])
        .claims();

    assert_eq!(claims["org_role"], "org:admin");
    assert_eq!(claims["org_permissions"], json!(["org:a:b"]));
    for absent in ["v", "o", "jti", "sts"] {
        assert_eq!(claims.get(absent), None, "given: {absent}");
    }
}

#[test]
fn a_template_token_belongs_to_no_session() {
    let claims = mint()
        .org("org_1", "acme", "admin", &[])
        .template()
        .claims();

    for absent in ["sid", "v", "sts", "fva", "o"] {
        assert_eq!(claims.get(absent), None, "given: {absent}");
    }
    assert_eq!(mint().template().header_json("k")["cat"], CATEGORY_TEMPLATE);
}

#[test]
fn an_oidc_token_has_nothing_of_clerks() {
    let token = mint()
        .oidc("https://api.example.com")
        .access_token("app-1")
        .azp("app-1");

    let (claims, header) = (token.claims(), token.header_json("k"));
    for absent in ["sid", "v", "sts", "fva", "o"] {
        assert_eq!(claims.get(absent), None, "given: {absent}");
    }
    assert_eq!(
        (&claims["aud"], &claims["client_id"]),
        (&json!("https://api.example.com"), &json!("app-1"))
    );
    assert_eq!(
        (header.get("cat"), &header["typ"]),
        (None, &json!("at+jwt"))
    );
}

#[test]
fn an_impersonated_session_names_the_actor() {
    let claims = mint().actor("user_root").claims();

    assert_eq!(
        claims["act"],
        json!({"iss": ISSUER, "sid": "sess_root", "sub": "user_root"})
    );
}

#[test]
fn changes_are_applied_last() {
    let mint = mint()
        .claim("exp", "soon")
        .without("sub")
        .lifetime(5)
        .issued_at(100)
        .header("alg", "none")
        .without_header("kid");

    assert_eq!(mint.claims()["exp"], "soon");
    assert_eq!(mint.claims()["iat"], 100);
    assert_eq!(mint.claims().get("sub"), None);
    assert_eq!(mint.header_json("k")["alg"], "none");
    assert_eq!(mint.header_json("k").get("kid"), None);
}
