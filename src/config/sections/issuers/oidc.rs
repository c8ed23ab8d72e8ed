//! An issuer of `kind: oidc`: where its keys come from, and for whom its tokens must be made.

use crate::domain::issuer::{ClaimsPolicy, IssuerKind};

use crate::config::reader::{Code, Fault, Faulty, Field, Fields, Reading, quoted};
use crate::config::settings::KeySource;
use crate::config::values::endpoint_url::{iss, jwks, metadata};

use super::claims::{audience, leeway, max_token_age};
use super::key_source::{JWKS, jwks_field, pem};

const ISSUER: &str = "the provider's URL to the letter, such as https://login.example.com/";
const CLIENT: &str = "the client id as the provider shows it: 1 to 255 bytes of visible ASCII";

/// Every key that an issuer may have, whatever its kind.
pub(crate) const EVERY_KEY: &[&str] = &[
    "issuer",
    "jwks_url",
    "jwks_uri",
    "jwt_key",
    "client_id",
    "audience",
    "claims",
    "leeway",
    "verify_iat",
    "max_token_age",
    "publishable_key",
    "secret_key",
    "instance_id",
    "authorized_parties",
    "azp",
    "allow_pending",
    "allow_jwt_templates",
];

/// Keys that mean something for Clerk only, and what to write instead.
const OF_CLERK: &[(&str, &str)] = &[
    (
        "publishable_key",
        "write `issuer:` with the provider's URL, or `kind: clerk`",
    ),
    ("secret_key", "remove it, or write `kind: clerk`"),
    ("instance_id", "remove it, or write `kind: clerk`"),
    (
        "authorized_parties",
        "name the client for which tokens must be made: `client_id: …`",
    ),
    (
        "azp",
        "name the client for which tokens must be made: `client_id: …`",
    ),
    (
        "allow_pending",
        "remove it: only Clerk's sessions can be pending",
    ),
    (
        "allow_jwt_templates",
        "remove it: only Clerk makes tokens from templates, and an OIDC token needs no session",
    ),
];

/// The `iss` of the issuer's tokens, and where its keys come from.
pub(crate) fn keys(fields: &mut Fields<'_>) -> Reading<(String, KeySource)> {
    let (issuer, jwks_url, jwt_key) = (
        fields.opt("issuer"),
        jwks_field(fields),
        fields.opt("jwt_key").hidden(),
    );
    let read = issuer
        .maybe(|field| field.parse(Code::WrongValue, ISSUER, |text| iss(text, IssuerKind::Oidc)));
    let url = jwks_url.maybe(|field| field.parse(Code::WrongValue, JWKS, jwks));
    let set = jwt_key.maybe(pem);
    if !issuer.is_present() {
        let fault = Fault::error(
            Code::MissingKey,
            "an OIDC issuer without `issuer`: which `iss` should its tokens have?",
        );
        fields.reject(
            fault.fix("`issuer: https://login.example.com/`, to the letter as its tokens and its metadata have it"),
        );
    }
    if jwks_url.is_present() && jwt_key.is_present() {
        let what = format!("{} and `jwt_key` are both given", jwks_url.name);
        let fix = "remove one: keys come from one place";
        return Err(jwt_key.refuse(Code::Contradiction, what, fix));
    }
    let iss = read?.ok_or(Faulty)?;
    let source = match (url?, set?) {
        (Some((_, url)), _) => KeySource::Url(url),
        (None, Some(keys)) => KeySource::Pem(keys),
        (None, None) => KeySource::Discovery {
            issuer: iss.as_str().into(),
            url: metadata(&iss),
        },
    };
    Ok((iss, source))
}

/// What the tokens of the issuer must say.
pub(crate) fn policy(fields: &mut Fields<'_>) -> Reading<ClaimsPolicy> {
    let default = ClaimsPolicy::default();
    let leeway = fields.read_or("leeway", default.leeway, leeway);
    let verify_iat = fields.bool_or("verify_iat", default.verify_iat);
    let max_age = max_token_age(fields);
    let (audience_field, client_field) = (fields.opt("audience"), fields.opt("client_id"));
    let audience = audience(fields);
    let client_id = client_field.maybe(|field| field.parse(Code::WrongValue, CLIENT, client));
    let clerks = OF_CLERK
        .iter()
        .filter(|(key, fix)| is_clerks(fields, key, fix))
        .count();
    if !audience_field.is_present() && !client_field.is_present() {
        let what = "an OIDC issuer without `audience` or `client_id`: a token that it made for any other app would pass";
        return Err(fields.reject(Fault::error(Code::MissingKey, what).fix(
            "`audience:` with what access tokens for your API have in `aud`, or `client_id:` with the id of your client (RFC 8725, 3.9)",
        )));
    }
    let policy = ClaimsPolicy {
        leeway: leeway?,
        verify_iat: verify_iat?,
        audience: audience?,
        client_id: client_id?,
        max_token_age: max_age?,
        ..default
    };
    (clerks == 0).then_some(policy).ok_or(Faulty)
}

/// Refuses a key that has no effect: its author believes that it guards something.
fn is_clerks(fields: &mut Fields<'_>, key: &'static str, fix: &str) -> bool {
    let field: Field<'_> = fields.opt(key);
    if field.is_present() {
        let field = if key == "secret_key" {
            field.hidden()
        } else {
            field
        };
        let what = format!(
            "{} is for issuers of `kind: clerk`, and this one is `kind: oidc`",
            field.name
        );
        field.refuse(Code::Contradiction, what, fix);
    }
    field.is_present()
}

fn client(text: &str) -> Result<Box<str>, String> {
    match text {
        text if text.len() > 255 => Err("is too long for a client id".to_owned()),
        text if text.starts_with("pk_test_") || text.starts_with("pk_live_") => Err(format!(
            "is a publishable key of Clerk: write {}",
            quoted("kind: clerk")
        )),
        text if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) => Ok(text.into()),
        _ => Err("is no client id".to_owned()),
    }
}
