//! An issuer of `kind: clerk`: what its `iss` is, and where its keys come from.

use std::sync::Arc;

use crate::domain::issuer::IssuerKind;
use crate::domain::keys::KeySet;

use crate::config::reader::{Code, Fault, Faulty, Field, Fields, ReadContext, Reading, quoted};
use crate::config::settings::{BackendSettings, KeySource};
use crate::config::values::clerk_keys::{PUBLISHABLE, Publishable};
use crate::config::values::endpoint_url::{iss, jwks};
use crate::config::values::url::Url;

use super::backend::BackendKeys;
use super::key_source::{JWKS, jwks_field, pem};

const ISSUER: &str = "the Frontend API's URL, such as https://clerk.example.com";

/// The keys of an issuer that depend on each other, each right by itself.
struct Parts<'a> {
    publishable: Part<'a, Publishable>,
    issuer: Part<'a, String>,
    jwks_url: Part<'a, (Url, String)>,
    jwt_key: Part<'a, Arc<KeySet>>,
    client: Part<'a, Publishable>,
    backend: Part<'a, BackendSettings>,
}

/// A value that may be absent, and the field to point at.
struct Part<'a, T> {
    at: Field<'a>,
    value: Option<T>,
}

/// The `iss` of the issuer's tokens, where its keys come from, and the Backend API of its instance.
pub(super) fn keys<'a>(
    fields: &mut Fields<'a>,
    outer: Option<ReadContext<'a>>,
) -> Reading<(String, KeySource, Option<BackendSettings>)> {
    let (issuer, jwks_url, client) = (
        fields.opt("issuer"),
        jwks_field(fields),
        fields.opt("client_id"),
    );
    let publishable = unless(
        issuer,
        fields,
        "publishable_key",
        "CLERK_PUBLISHABLE_KEY",
        outer,
    );
    let jwt_key = unless(jwks_url, fields, "jwt_key", "CLERK_JWT_KEY", outer).hidden();
    let backend = BackendKeys::of(fields, outer);
    if outer.is_none() {
        backend.unused();
    }
    let clerk_key = |field: Field<'a>| field.parse(Code::Secret, PUBLISHABLE, str::parse);
    let clerk_iss = |text: &str| iss(text, IssuerKind::Clerk);
    let publishable = part(publishable, publishable.maybe(clerk_key));
    let client = part(client, client.maybe(clerk_key));
    let issuer = part(
        issuer,
        issuer.maybe(|field| field.parse(Code::WrongValue, ISSUER, clerk_iss)),
    );
    let jwks_url = part(
        jwks_url,
        jwks_url.maybe(|field| field.parse(Code::WrongValue, JWKS, jwks)),
    );
    let jwt_key = part(jwt_key, jwt_key.maybe(pem));
    let backend = part(backend.secret, backend.read());
    let parts = Parts {
        publishable: publishable?,
        issuer: issuer?,
        jwks_url: jwks_url?,
        jwt_key: jwt_key?,
        client: client?,
        backend: backend?,
    };
    let checked = parts.check(fields);
    let backend = parts.backend.value.clone().filter(|_| outer.is_some());
    let (iss, source) = parts.combine(fields)?;
    checked.map(|()| (iss, source, backend))
}

fn part<T>(at: Field<'_>, value: Reading<Option<T>>) -> Reading<Part<'_, T>> {
    value.map(|value| Part { at, value })
}

/// The key of the file; else the variable, unless `other` in the file has already answered the question.
fn unless<'a>(
    other: Field<'a>,
    fields: &mut Fields<'a>,
    key: &'static str,
    variable: &'static str,
    outer: Option<ReadContext<'a>>,
) -> Field<'a> {
    let Some(cx) = outer else {
        return fields.opt(key);
    };
    let file = fields.opt(key);
    if file.is_present() || !other.is_present() {
        return cx.fill(fields, key, variable);
    }
    cx.overruled(other, cx.variable(variable));
    file
}

impl Parts<'_> {
    /// What is right by itself and wrong together.
    fn check(&self, fields: &Fields<'_>) -> Reading<()> {
        let mut checked = Ok(());
        let mut refuse = |field: Field<'_>, what: &str, fix: &str| {
            checked = Err(field.refuse(Code::Contradiction, what, fix));
        };
        let key = self.publishable.value.as_ref();
        if let (Some(key), Some(backend)) = (key, &self.backend.value)
            && key.live != backend.live
        {
            let what = "the publishable key and the secret key are of a development and a production instance";
            refuse(self.backend.at, what, "take both from one instance");
        }
        let (url, pem) = (self.jwks_url.at, self.jwt_key.at);
        if key.is_some_and(|key| key.live)
            && let Some((jwks_url, _)) = &self.jwks_url.value
            && is_development(&jwks_url.host.to_string())
        {
            let what = format!(
                "{} is of a development instance, and the publishable key is a live one",
                url.name
            );
            refuse(url, &what, "take both from one instance");
        }
        if url.is_present() && pem.is_present() {
            let what = format!("{} and {} are both given", url.name, pem.name);
            refuse(pem, &what, "remove one: keys come from one place");
        }
        if !self.publishable.at.is_present() && !self.issuer.at.is_present() {
            let fault = Fault::error(
                Code::MissingKey,
                "an issuer without `publishable_key` or `issuer`: which `iss` should its tokens have?",
            );
            checked = Err(fields.reject(fault.fix("set CLERK_PUBLISHABLE_KEY, or write `publishable_key: pk_…`, or `issuer:` with `jwks_url:` or `jwt_key:`")));
        }
        checked
    }

    fn combine(self, fields: &Fields<'_>) -> Reading<(String, KeySource)> {
        let from_key = self
            .publishable
            .value
            .map(|key| (format!("https://{}", key.host), key.live));
        let iss = match (&from_key, self.issuer.value) {
            (Some((from_key, live)), Some(written)) if *from_key != written => {
                let what = if *live && is_development(&written) {
                    "`issuer` is of a development instance, and the publishable key is a live one"
                        .to_owned()
                } else {
                    format!(
                        "the publishable key is of {}, and `issuer` says {}",
                        quoted(from_key),
                        quoted(&written)
                    )
                };
                let fix = "remove one of them; behind a proxied Frontend API write `issuer` and `jwks_url` without the key";
                return Err(self.issuer.at.refuse(Code::Contradiction, what, fix));
            }
            (_, Some(written)) => written,
            (Some((from_key, _)), None) => from_key.clone(),
            (None, None) => return Err(Faulty),
        };
        // Other systems call the publishable key a client id. It names the host of the issuer, and no client that tokens could name.
        let of_client = self
            .client
            .value
            .map(|client| format!("https://{}", client.host));
        if let Some(host) = of_client.filter(|host| *host != iss) {
            let what = format!(
                "`client_id` is a key of {}, and the issuer is {}",
                quoted(&host),
                quoted(&iss)
            );
            let fix = "take the publishable key of this instance (a typo in the domain?), or remove `client_id`";
            return Err(self.client.at.refuse(Code::Contradiction, what, fix));
        }
        let source = match (self.jwks_url.value, self.jwt_key.value, from_key) {
            (Some((_, url)), _, _) => KeySource::Url(url),
            (None, Some(keys), _) => KeySource::Pem(keys),
            (None, None, Some(_)) => KeySource::Url(format!("{iss}/.well-known/jwks.json")),
            (None, None, None) => {
                let what = format!("no keys for the issuer {}", quoted(&iss));
                return Err(fields.reject(Fault::error(Code::MissingKey, what).fix(format!(
                    "`jwks_url: {iss}/.well-known/jwks.json`, or `jwt_key:` with a PEM; `kind: oidc` looks them up"
                ))));
            }
        };
        Ok((iss, source))
    }
}

fn is_development(host: &str) -> bool {
    [".accounts.dev", ".lcl.dev"]
        .iter()
        .any(|end| host.ends_with(end))
}
