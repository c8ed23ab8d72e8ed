//! Tokens of other providers than Clerk: whom they were issued for and whom they name. None of them passes for another
//! provider's.

mod claims;

use serde_json::Value;

use super::*;
use crate::domain::issuer::ClaimNames;

const PARTNER: &str = "https://login.partner.test/";
const API: &str = "https://api.test";
const CLIENT: &str = "app-1";

/// The key of the issuer `partner`, under the same name as that of `clerk`.
fn partner_key() -> SigningKey {
    other_key().renamed("ins_1")
}

fn routes() -> [Route; 3] {
    let of = |path, issuer: &str| {
        let require = vec![Condition::Issuer(vec![issuer.into()])];
        Route {
            require,
            ..route(path, Access::User)
        }
    };
    [
        route("/x", Access::User),
        of("/clerk", "clerk"),
        of("/partner", "partner"),
    ]
}

/// `clerk` and beside it `partner`, whose tokens must be for [`API`].
fn gate_with(change: impl FnOnce(&mut Issuer)) -> Snapshot {
    let mut snapshot = ruled(gate(routes()), |rules| {
        let mut partner = Issuer::new("partner", PARTNER, IssuerKind::Oidc);
        partner.claims.audience = Some(vec![API.into()]);
        change(&mut partner);
        rules.issuers.push(partner);
    });
    snapshot
        .keys
        .insert("partner".into(), key_set(&partner_key()));
    snapshot
}

fn beside() -> Snapshot {
    gate_with(|_| {})
}

fn mapped(change: impl FnOnce(&mut ClaimNames)) -> Snapshot {
    gate_with(|partner| change(Arc::make_mut(&mut partner.claim_names)))
}

/// A good access token of `partner` for the subject.
fn access(sub: &str) -> Mint {
    Mint::new(PARTNER, sub, NOW).oidc(API).access_token(CLIENT)
}

fn verdict(gate: &Snapshot, token: &Mint) -> String {
    get("/x").bearer(&token.sign(&partner_key())).at(gate)
}

fn upstream(gate: &Snapshot, token: &Mint) -> HeaderMap {
    get("/x").bearer(&token.sign(&partner_key())).upstream(gate)
}

#[test]
fn the_same_subject_at_two_issuers_is_two_users() {
    let gate = beside();
    let theirs = access("user_owner").sign(&partner_key());
    assert_eq!(
        get("/x").bearer(&token("user_owner")).at(&gate),
        "forward user_owner"
    );
    assert_eq!(
        get("/x").bearer(&theirs).at(&gate),
        "forward partner:user_owner"
    );
    assert_eq!(
        get("/clerk").bearer(&theirs).at(&gate),
        "reject issuer_not_allowed"
    );
    assert_eq!(
        get("/partner").bearer(&token("user_owner")).at(&gate),
        "reject issuer_not_allowed"
    );
    let headers = get("/x").bearer(&theirs).upstream(&gate);
    assert_eq!(values(&headers, "x-user-id"), ["partner:user_owner"]);
    assert_eq!(values(&headers, "x-auth-issuer"), ["partner"]);
    for absent in [
        "x-clerk-user-id",
        "x-session-id",
        "x-access-status",
        "x-org-id",
    ] {
        assert_eq!(values(&headers, absent), [""; 0], "{absent}");
    }
}

// RFC 8725, 3.9 and 3.10: a key is valid only for its own issuer, whatever name the key has.
#[test]
fn a_token_of_one_issuer_never_passes_for_one_of_another() {
    let gate = beside();
    for (given, token, expected) in [
        (
            "the partner's key under Clerk's name",
            mint("user_owner").sign(&partner_key()),
            "reject bad_signature",
        ),
        (
            "Clerk's key under the partner's name",
            access("user_owner").sign(key()),
            "reject bad_signature",
        ),
        (
            "an OIDC token in Clerk's name",
            access("user_owner").claim("iss", ISS).sign(&partner_key()),
            "reject wrong_token_type",
        ),
        (
            "a session token in the partner's name",
            mint("user_owner")
                .claim("iss", PARTNER)
                .sign(&partner_key()),
            "reject wrong_audience",
        ),
        (
            "the partner without its slash",
            access("a")
                .claim("iss", PARTNER.trim_end_matches('/'))
                .sign(&partner_key()),
            "reject wrong_issuer",
        ),
        (
            "a name that only one has",
            access("a").sign(&partner_key().renamed("k2")),
            "need key partner, else reject unknown_key",
        ),
        (
            "a subject that is qualified already",
            access("partner:a").sign(&partner_key()),
            "forward partner:partner:a",
        ),
        (
            "a subject with Clerk's name",
            access("clerk:user_owner").sign(&partner_key()),
            "forward partner:clerk:user_owner",
        ),
    ] {
        assert_eq!(get("/x").bearer(&token).at(&gate), expected, "{given}");
    }
    let named_clerk = gate_with(|partner| partner.name = "clerk".into());
    let named_clerk = ruled(named_clerk, |rules| _ = rules.issuers.remove(0));
    let mut named_clerk = named_clerk;
    named_clerk
        .keys
        .insert("clerk".into(), key_set(&partner_key()));
    assert_eq!(
        verdict(&named_clerk, &access("user_owner")),
        "reject wrong_issuer",
        "nobody else is `clerk`"
    );
}

#[test]
fn a_token_for_another_audience_is_refused_and_an_id_token_is_for_its_client() {
    let id_token = Mint::new(PARTNER, "a", NOW).oidc(CLIENT);
    for (given, token, expected) in [
        ("an access token", access("a"), "forward partner:a"),
        (
            "one of several",
            access("a").claim("aud", json!(["https://else.test", API])),
            "forward partner:a",
        ),
        ("an ID token", id_token, "reject wrong_audience"),
        (
            "another API",
            access("a").claim("aud", "https://else.test"),
            "reject wrong_audience",
        ),
        (
            "almost",
            access("a").claim("aud", "https://api.test/"),
            "reject wrong_audience",
        ),
        ("none", access("a").without("aud"), "reject wrong_audience"),
        (
            "no text",
            access("a").claim("aud", json!([API, 1])),
            "reject malformed_token",
        ),
    ] {
        assert_eq!(verdict(&beside(), &token), expected, "{given}");
    }
    let unbound = gate_with(|partner| partner.claims.audience = None);
    assert_eq!(
        verdict(&unbound, &access("a")),
        "reject wrong_audience",
        "nothing says for whom: fail closed"
    );
}

#[test]
fn the_client_is_named_by_azp_then_client_id_then_aud() {
    let client = gate_with(|partner| {
        partner.claims.audience = None;
        partner.claims.client_id = Some(CLIENT.into());
    });
    let bare = || Mint::new(PARTNER, "a", NOW).oidc("https://else.test");
    for (given, token, expected) in [
        ("azp", bare().azp(CLIENT), "forward"),
        ("client_id", bare().access_token(CLIENT), "forward"),
        ("aud of an ID token", bare().claim("aud", CLIENT), "forward"),
        (
            "one of several aud",
            bare().claim("aud", json!(["x", CLIENT])),
            "forward",
        ),
        (
            "azp counts before client_id",
            bare().azp("app-2").access_token(CLIENT),
            "reject wrong_party",
        ),
        (
            "azp counts before aud",
            bare().azp("app-2").claim("aud", CLIENT),
            "reject wrong_party",
        ),
        (
            "client_id counts before aud",
            bare().access_token("app-2").claim("aud", CLIENT),
            "reject wrong_party",
        ),
        (
            "an empty azp is an azp",
            bare().azp("").claim("aud", CLIENT),
            "reject wrong_party",
        ),
        ("nothing names it", bare(), "reject wrong_party"),
        ("letter case", bare().azp("APP-1"), "reject wrong_party"),
        (
            "azp of a wrong type",
            bare().claim("azp", json!([CLIENT])),
            "reject malformed_token",
        ),
        (
            "client_id of a wrong type",
            bare().claim("client_id", json!([CLIENT])),
            "reject malformed_token",
        ),
    ] {
        assert_eq!(
            verdict(&client, &token).replace(" partner:a", ""),
            expected,
            "{given}"
        );
    }
    let both = gate_with(|partner| partner.claims.client_id = Some(CLIENT.into()));
    assert_eq!(verdict(&both, &access("a")), "forward partner:a");
    assert_eq!(
        verdict(&both, &access("a").claim("aud", "https://else.test")),
        "reject wrong_audience"
    );
    assert_eq!(
        verdict(&both, &access("a").claim("client_id", "app-2")),
        "reject wrong_party"
    );
}

#[test]
fn a_subject_is_a_text_that_a_header_can_carry() {
    let long = "x".repeat(256);
    for (sub, expected) in [
        (json!("auth0|5f7c"), "forward partner:auth0|5f7c"),
        (
            json!("00000000-0000-0000-0000-000000000001"),
            "forward partner:00000000-0000-0000-0000-000000000001",
        ),
        (json!("mch_1"), "forward partner:mch_1"),
        (json!(1000), "reject missing_subject"),
        (json!(""), "reject missing_subject"),
        (json!("a b"), "reject missing_subject"),
        (json!("a,b"), "reject missing_subject"),
        (json!("a\r\nx-user-id: root"), "reject missing_subject"),
        (json!(["a"]), "reject missing_subject"),
        (json!(null), "reject missing_subject"),
        (json!(long), "reject missing_subject"),
    ] {
        assert_eq!(
            verdict(&beside(), &access("a").claim("sub", sub.clone())),
            expected,
            "{sub}"
        );
    }
    let by_oid = mapped(|names| names.user_id = "https://partner.test/oid".into());
    assert_eq!(
        verdict(
            &by_oid,
            &access("a").claim("https://partner.test/oid", "o-1")
        ),
        "forward partner:o-1"
    );
    assert_eq!(
        verdict(&by_oid, &access("a")),
        "reject missing_subject",
        "another claim does not stand in"
    );
    let nested = mapped(|names| names.user_id = "profile.id".into());
    assert_eq!(
        verdict(&nested, &access("a").claim("profile", json!({"id": "x"}))),
        "reject missing_subject"
    );
    assert_eq!(
        verdict(&nested, &access("a").claim("profile.id", "x")),
        "forward partner:x",
        "a dot is a dot"
    );
}

#[test]
fn a_user_who_is_known_by_an_address_has_proven_it() {
    let gate = mapped(|names| names.user_id = "email".into());
    let with = |verified: Value| {
        access("a")
            .claim("email", "a@x.test")
            .claim("email_verified", verified)
    };
    for proven in [json!(true), json!("true")] {
        assert_eq!(verdict(&gate, &with(proven)), "forward partner:a@x.test");
    }
    for unproven in [json!(false), json!("false"), json!(null), json!(1)] {
        assert_eq!(
            verdict(&gate, &with(unproven.clone())),
            "reject missing_subject",
            "{unproven}"
        );
    }
    let silent = access("a").claim("email", "a@x.test");
    assert_eq!(
        verdict(&gate, &silent),
        "reject missing_subject",
        "the provider does not say whose it is"
    );
}

// RFC 9068, 2.2; RFC 8417, 2.2.
#[test]
fn what_speaks_of_no_user_lets_nobody_in() {
    let event = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    for (given, token, expected) in [
        (
            "a client by itself",
            access(CLIENT),
            "reject missing_subject",
        ),
        (
            "a client that azp names",
            access("app-2").azp("app-2"),
            "reject missing_subject",
        ),
        (
            "a client of Okta",
            access("app-2").claim("cid", "app-2"),
            "reject missing_subject",
        ),
        (
            "a client of Auth0",
            access("app-2@clients").azp("app-2"),
            "reject missing_subject",
        ),
        (
            "a client of Auth0 by its grant",
            access("a").claim("gty", "client-credentials"),
            "reject missing_subject",
        ),
        (
            "a client of Entra ID",
            access("a").claim("idtyp", "app"),
            "reject missing_subject",
        ),
        (
            "a user of Entra ID",
            access("a").claim("idtyp", "user"),
            "forward partner:a",
        ),
        (
            "a user with a password",
            access("a").claim("gty", "password"),
            "forward partner:a",
        ),
        (
            "a logout token",
            access("a")
                .claim("events", event.clone())
                .header("typ", "JWT"),
            "reject wrong_token_type",
        ),
        (
            "a logout token that says so",
            access("a").header("typ", "logout+jwt"),
            "reject wrong_token_type",
        ),
        (
            "a proof of possession",
            access("a").header("typ", "dpop+jwt"),
            "reject wrong_token_type",
        ),
        (
            "a Clerk machine",
            access("a").header("cat", "cl_B7d4PD333AAA"),
            "reject wrong_token_type",
        ),
    ] {
        assert_eq!(verdict(&beside(), &token), expected, "{given}");
    }
    let by_oid = mapped(|names| names.user_id = "oid".into());
    let of_a_client = access("app-2").azp("app-2").claim("oid", "o-1");
    assert_eq!(
        verdict(&by_oid, &of_a_client),
        "reject missing_subject",
        "it has an id as users have"
    );
}

#[test]
fn the_kinds_of_token_are_told_apart_by_issuer() {
    for typ in ["JWT", "at+jwt", "application/at+jwt"] {
        assert_eq!(
            verdict(&beside(), &access("a").header("typ", typ)),
            "forward partner:a",
            "{typ}"
        );
    }
    assert_eq!(
        verdict(&beside(), &access("a").without_header("typ")),
        "forward partner:a"
    );
    assert_eq!(
        verdict(&beside(), &access("a").header("cat", "whatever")),
        "forward partner:a",
        "not Clerk's `cat`"
    );
    for (name, value) in [
        ("typ", json!("at+jwt")),
        ("typ", json!("application/at+jwt")),
        ("cat", json!("whatever")),
    ] {
        let token = mint("user_owner").header(name, value.clone());
        let refused = get("/x").bearer(&token.clone().sign(key())).at(&beside());
        assert_eq!(refused, "reject wrong_token_type", "{name}: {value}");
        let unknown = get("/x")
            .bearer(&token.header("kid", "ins_9").sign(key()))
            .at(&beside());
        assert_eq!(
            unknown, "reject wrong_token_type",
            "{name}: {value}: no fetch for a token that could not pass"
        );
    }
}

#[test]
fn times_count_as_they_do_for_clerk() {
    for (given, token, expected) in [
        (
            "expired",
            access("a").claim("exp", NOW - 10),
            "reject expired",
        ),
        (
            "no exp",
            access("a").without("exp"),
            "reject malformed_token",
        ),
        (
            "a text",
            access("a").claim("exp", "9999999999"),
            "reject malformed_token",
        ),
        (
            "not yet",
            access("a").claim("nbf", NOW + 11),
            "reject not_yet_valid",
        ),
        (
            "no iat",
            access("a").without("iat"),
            "reject issued_in_future",
        ),
    ] {
        assert_eq!(verdict(&beside(), &token), expected, "{given}");
    }
    let lax = gate_with(|partner| partner.claims.verify_iat = false);
    assert_eq!(
        verdict(&lax, &access("a").without("iat")),
        "forward partner:a"
    );
}

/// A cache of one proof.
#[derive(Default)]
struct One(std::cell::RefCell<Option<Arc<SignedClaims>>>);

impl Proofs for One {
    fn find(&self, _: &str) -> Option<Arc<SignedClaims>> {
        self.0.borrow().clone()
    }

    fn keep(&self, _: &str, signed: &Arc<SignedClaims>) {
        *self.0.borrow_mut() = Some(signed.clone());
    }
}

#[test]
fn a_proof_that_was_read_by_other_rules_is_read_anew() {
    let (kept, request) = (
        One::default(),
        get("/x").bearer(&access("a").claim("oid", "o-1").sign(&partner_key())),
    );
    let at = |gate: &Snapshot| told(&request.judged_at(gate, NOW, &kept));
    assert_eq!(at(&beside()), "forward partner:a");
    assert_eq!(
        at(&mapped(|names| names.user_id = "oid".into())),
        "forward partner:o-1",
        "the config maps another claim"
    );
    assert_eq!(at(&beside()), "forward partner:a", "and back");
    assert_eq!(
        at(&gate_with(|partner| partner.kind = IssuerKind::Clerk)),
        "reject wrong_token_type"
    );
}

#[test]
fn a_clerk_cookie_of_somebody_beside_a_partners_token_is_two_users() {
    let request = |cookie: String| {
        get("/x")
            .bearer(&access("a").sign(&partner_key()))
            .field("cookie", cookie)
    };
    let gate = beside();
    assert_eq!(
        request(format!("__session={}", token("user_owner"))).at(&gate),
        "reject several_tokens"
    );
    let own = access("a").issued_at(NOW - 60).sign(&partner_key());
    assert_eq!(
        request(format!("__session={own}")).at(&gate),
        "forward partner:a"
    );
    let others = access("b").sign(&partner_key());
    assert_eq!(
        request(format!("__session={others}")).at(&gate),
        "reject several_tokens"
    );
}
