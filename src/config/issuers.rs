//! Who may sign tokens: `clerk:`, `issuers:` and the variables of Clerk's own libraries.

use std::sync::Arc;

use thiserror::Error;

use crate::domain::issuer::Issuer;
use crate::domain::keys::KeySet;
use crate::domain::stand_in::RESERVED;

use super::claims;
use super::faults::{Code, Fault, quoted};
use super::outside::Run;
use super::publishable::{self, Publishable, secret_key};
use super::reader::{Field, Fields};
use super::settings::{IssuerKeys, KeySource};
use super::url::{Url, UrlError};

/// The name of the issuer under `clerk:`.
const CLERK: &str = "clerk";
const ISSUER: &str = "the Frontend API's URL, such as https://clerk.example.com";
const JWKS: &str = "a URL such as https://clerk.example.com/.well-known/jwks.json";

/// Reads all issuers; there may be none.
pub(super) fn issuers<'a>(root: &mut Fields<'a>, run: Run<'a>) -> Option<Vec<(Issuer, IssuerKeys)>> {
    let (clerk, others) = (root.opt(CLERK), root.opt("issuers"));
    let clerks = |(field, fields)| one(fields, Some(CLERK.into()), run).map(|issuer| (field, issuer));
    let mut found = vec![];
    if clerk.is_present() {
        found.push(clerk.fields("an issuer").map(|fields| (clerk, fields)).and_then(clerks));
    } else if others.is_present() {
        unused(run);
    } else if ["CLERK_PUBLISHABLE_KEY", "CLERK_JWT_KEY"].iter().any(|name| run.outside(name).is_present()) {
        found.push(run.nothing("an issuer").and_then(clerks));
    }
    check_api_url(run.outside("CLERK_API_URL"));
    if found.is_empty() {
        let _ = secret(run.outside("CLERK_SECRET_KEY"));
    }
    let listed = |item: Field<'a>| Some((item, one(item.fields("an issuer")?, None, run)?));
    match others.maybe(Field::nonempty_list) {
        Some(items) => found.extend(items.into_iter().flatten().map(listed)),
        None => found.push(None),
    }
    let good = distinct(&found.iter().flatten().collect::<Vec<_>>());
    let found = found.into_iter().map(|found| found.map(|(_, issuer)| issuer)).collect::<Option<_>>();
    found.filter(|_| good)
}

/// Variables speak for `clerk:` only: which of several issuers could they mean?
fn unused(run: Run<'_>) {
    for name in ["CLERK_PUBLISHABLE_KEY", "CLERK_JWT_KEY", "CLERK_LEEWAY", "CLERK_VERIFY_IAT"] {
        if run.outside(name).is_present() {
            let what = format!("`{name}` has no effect, because the config has `issuers` and no `clerk`");
            let fault = Fault::warning(Code::Contradiction, what);
            run.push(fault.fix(
                "add `clerk: {publishable_key: \"${CLERK_PUBLISHABLE_KEY}\"}` if that instance may sign tokens too",
            ));
        }
    }
}

/// Nothing is sent there by this version; a wrong one would be found out late.
fn check_api_url(field: Field<'_>) {
    let expected = "an https URL such as https://api.clerk.com";
    let _ = field.maybe(|field| field.told(Code::WrongValue, expected, |text| fetchable(text, Near::Loopback)));
}

fn distinct(found: &[&(Field<'_>, (Issuer, IssuerKeys))]) -> bool {
    let mut good = true;
    for (index, (field, (issuer, _))) in found.iter().enumerate() {
        let before = || found.iter().take(index).map(|(_, (issuer, _))| issuer);
        if before().any(|other| other.name == issuer.name) {
            let what = format!("two issuers have the name {}", quoted(&issuer.name));
            field.reject(Fault::error(Code::Contradiction, what).fix("give each its own name"));
            good = false;
        }
        if let Some(other) = before().find(|other| other.iss == issuer.iss) {
            let names = format!("{} and {}", quoted(&other.name), quoted(&issuer.name));
            let what = format!("the issuers {names} are both {}", quoted(&issuer.iss));
            field.reject(Fault::error(Code::Contradiction, what).fix("remove one of them"));
            good = false;
        }
    }
    good
}

/// Reads one issuer. The variables fill only the one whose name is `given`, as the others have names of their own.
fn one<'a>(mut fields: Fields<'a>, given: Option<Arc<str>>, run: Run<'a>) -> Option<(Issuer, IssuerKeys)> {
    let outer = given.is_some().then_some(run);
    let name = match given {
        Some(name) => Some(name),
        None => fields.req("name").told(Code::WrongValue, "letters, digits, `-` and `_`", name),
    };
    let keys = keys(&mut fields, outer);
    let policy = claims::policy(&mut fields, outer);
    let instance_id = fields.opt("instance_id").maybe(|field| {
        let plain = |text: &str| match text.strip_prefix("ins_") {
            Some(rest) if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                Ok(text.into())
            }
            _ => Err("is not the id of a Clerk instance"),
        };
        field.told(Code::WrongValue, "ins_… as the Clerk dashboard shows it", plain)
    });
    fields.finish();
    let (iss, source) = keys?;
    let name = name?;
    let issuer = Issuer { name: name.clone(), iss: iss.into(), claims: policy?, instance_id: instance_id? };
    Some((issuer, IssuerKeys { name, source }))
}

fn name(text: &str) -> Result<Arc<str>, &'static str> {
    let plain = text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    match text {
        text if RESERVED.contains(&text) => Err("is a name that bailiff gives out itself"),
        text if plain => Ok(text.into()),
        _ => Err("is not a name"),
    }
}

/// What an issuer says about itself, each part checked by itself.
struct Parts<'a> {
    publishable: (Field<'a>, Option<Publishable>),
    issuer: (Field<'a>, Option<String>),
    jwks_url: (Field<'a>, Option<(Url, String)>),
    jwt_key: (Field<'a>, Option<Arc<KeySet>>),
    secret_is_live: (Field<'a>, Option<bool>),
}

/// The `iss` of the issuer's tokens, and where its keys come from.
fn keys<'a>(fields: &mut Fields<'a>, outer: Option<Run<'a>>) -> Option<(String, KeySource)> {
    let (issuer, jwks_url) = (fields.opt("issuer"), fields.opt("jwks_url"));
    let publishable = unless(issuer, fields, "publishable_key", "CLERK_PUBLISHABLE_KEY", outer);
    let jwt_key = unless(jwks_url, fields, "jwt_key", "CLERK_JWT_KEY", outer).hidden();
    let secret = match outer {
        Some(run) => run.fill(fields, "secret_key", "CLERK_SECRET_KEY"),
        None => fields.opt("secret_key"),
    };
    let key = publishable.maybe(|field| field.told(Code::Secret, publishable::PUBLISHABLE, str::parse));
    let iss = issuer.maybe(|field| field.told(Code::WrongValue, ISSUER, iss));
    let url = jwks_url.maybe(|field| field.told(Code::WrongValue, JWKS, jwks));
    let set = jwt_key.maybe(pem);
    let live = self::secret(secret);
    let parts = Parts {
        publishable: (publishable, key?),
        issuer: (issuer, iss?),
        jwks_url: (jwks_url, url?),
        jwt_key: (jwt_key, set?),
        secret_is_live: (secret, live?),
    };
    let good = parts.check(fields);
    let found = parts.combine(fields);
    found.filter(|_| good)
}

/// Nothing uses the secret key yet; whether it is one is checked, and whether it is of a production instance.
fn secret(field: Field<'_>) -> Option<Option<bool>> {
    field.hidden().maybe(|field| field.told(Code::Secret, publishable::SECRET, secret_key))
}

/// The key of the file; else the variable, unless `other` in the file has already answered the question.
fn unless<'a>(
    other: Field<'a>,
    fields: &mut Fields<'a>,
    key: &'static str,
    variable: &'static str,
    outer: Option<Run<'a>>,
) -> Field<'a> {
    let Some(run) = outer else { return fields.opt(key) };
    let file = fields.opt(key);
    if file.is_present() || !other.is_present() {
        return run.fill(fields, key, variable);
    }
    run.overruled(other, run.outside(variable));
    file
}

impl Parts<'_> {
    /// What is right by itself and wrong together.
    fn check(&self, fields: &Fields<'_>) -> bool {
        let mut good = true;
        let mut refuse = |field: Field<'_>, fault: Fault| {
            field.reject(fault);
            good = false;
        };
        let key = self.publishable.1.as_ref();
        if let (Some(key), Some(live)) = (key, self.secret_is_live.1)
            && key.live != live
        {
            let what = "the publishable key and the secret key are of a development and a production instance";
            refuse(self.secret_is_live.0, Fault::error(Code::Contradiction, what).fix("take both from one instance"));
        }
        if let (Some(Publishable { live: true, .. }), Some(url)) = (key, self.jwks_url.1.as_ref().map(|(url, _)| url))
            && is_development(&url.host.to_string())
        {
            let what = "`jwks_url` is of a development instance, and the publishable key is a live one";
            refuse(self.jwks_url.0, Fault::error(Code::Contradiction, what).fix("take both from one instance"));
        }
        if self.jwks_url.0.is_present() && self.jwt_key.0.is_present() {
            let what = format!("{} and {} are both given", self.jwks_url.0.name, self.jwt_key.0.name);
            refuse(self.jwt_key.0, Fault::error(Code::Contradiction, what).fix("remove one: keys come from one place"));
        }
        if !self.publishable.0.is_present() && !self.issuer.0.is_present() {
            let fault = Fault::error(
                Code::MissingKey,
                "an issuer without `publishable_key` or `issuer`: which `iss` should its tokens have?",
            );
            fields.reject(fault.fix("set CLERK_PUBLISHABLE_KEY, or write `publishable_key: pk_…`, or `issuer:` with `jwks_url:` or `jwt_key:`"));
            good = false;
        }
        good
    }

    fn combine(self, fields: &Fields<'_>) -> Option<(String, KeySource)> {
        let from_key = self.publishable.1.map(|key| (format!("https://{}", key.host), key.live));
        let iss = match (&from_key, self.issuer.1) {
            (Some((from_key, live)), Some(written)) if *from_key != written => {
                let what = if *live && is_development(&written) {
                    "`issuer` is of a development instance, and the publishable key is a live one".to_owned()
                } else {
                    format!("the publishable key is of {}, and `issuer` says {}", quoted(from_key), quoted(&written))
                };
                let fix =
                    "remove one of them; behind a proxied Frontend API write `issuer` and `jwks_url` without the key";
                self.issuer.0.reject(Fault::error(Code::Contradiction, what).fix(fix));
                return None;
            }
            (_, Some(written)) => written,
            (Some((from_key, _)), None) => from_key.clone(),
            (None, None) => return None,
        };
        let source = match (self.jwks_url.1, self.jwt_key.1, from_key) {
            (Some((_, url)), _, _) => KeySource::Url(url),
            (None, Some(keys), _) => KeySource::Pem(keys),
            (None, None, Some(_)) => KeySource::Url(format!("{iss}/.well-known/jwks.json")),
            (None, None, None) => {
                let fault = Fault::error(Code::MissingKey, format!("no keys for the issuer {}", quoted(&iss)));
                fields.reject(fault.fix(format!("`jwks_url: {iss}/.well-known/jwks.json`, or `jwt_key:` with a PEM")));
                return None;
            }
        };
        Some((iss, source))
    }
}

fn is_development(host: &str) -> bool {
    [".accounts.dev", ".lcl.dev"].iter().any(|end| host.ends_with(end))
}

fn pem(field: Field<'_>) -> Option<Arc<KeySet>> {
    let parse = |text: &str| KeySet::from_pem(text).map(Arc::new).map_err(|error| format!("does not serve: {error}"));
    field.told(Code::Secret, "an RSA public key in PEM (Clerk dashboard, API keys, JWKS public key)", parse)
}

/// Why a text is no issuer or key set. Completes "`issuer` …".
#[derive(Clone, Copy, Debug, Error)]
enum PlaceError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("is not https; plain http is for loopback and private addresses only")]
    Plain,
    #[error("ends with a slash, which no `iss` of Clerk does: they are compared byte for byte")]
    Slash,
    #[error("has a query")]
    Query,
    #[error("has no path")]
    NoPath,
    #[error("has a host with upper-case letters, which no `iss` has")]
    Case,
}

/// Which hosts may be spoken to without TLS.
#[derive(Clone, Copy)]
enum Near {
    Loopback,
    Private,
}

fn fetchable(text: &str, near: Near) -> Result<Url, PlaceError> {
    let url = Url::outbound(text)?;
    let plain = match near {
        Near::Loopback => url.host.is_loopback(),
        Near::Private => url.host.is_near(),
    };
    match url.scheme.as_str() {
        "https" => Ok(url),
        "http" if plain => Ok(url),
        _ => Err(PlaceError::Plain),
    }
}

fn iss(text: &str) -> Result<String, PlaceError> {
    let url = fetchable(text, Near::Private)?;
    match url {
        _ if text.ends_with('/') => Err(PlaceError::Slash),
        Url { query, .. } if !query.is_empty() => Err(PlaceError::Query),
        Url { path, .. } if text.trim_end_matches(path.as_str()).bytes().any(|b| b.is_ascii_uppercase()) => {
            Err(PlaceError::Case)
        }
        _ => Ok(text.to_owned()),
    }
}

fn jwks(text: &str) -> Result<(Url, String), PlaceError> {
    let url = fetchable(text, Near::Private)?;
    if url.path.len() < 2 { Err(PlaceError::NoPath) } else { Ok((url, text.to_owned())) }
}
