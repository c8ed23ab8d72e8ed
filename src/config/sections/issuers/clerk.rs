//! An issuer of `kind: clerk`: what its `iss` is, and where its keys come from.

use std::sync::Arc;

use crate::domain::issuer::Kind;
use crate::domain::keys::KeySet;

use crate::config::document::faults::{Code, Fault, quoted};
use crate::config::reader::environment::ReadContext;
use crate::config::reader::{Field, Fields};
use crate::config::settings::{BackendSettings, KeySource};
use crate::config::values::clerk_keys::{self, Publishable};
use crate::config::values::endpoint_url::{iss, jwks};
use crate::config::values::url::Url;

use super::backend::Backend;
use super::key_source::{JWKS, jwks_field, pem};

const ISSUER: &str = "the Frontend API's URL, such as https://clerk.example.com";

/// What an issuer says about itself, each part checked by itself.
struct Parts<'a> {
    publishable: (Field<'a>, Option<Publishable>),
    issuer: (Field<'a>, Option<String>),
    jwks_url: (Field<'a>, Option<(Url, String)>),
    jwt_key: (Field<'a>, Option<Arc<KeySet>>),
    client: (Field<'a>, Option<Publishable>),
    backend: (Field<'a>, Option<BackendSettings>),
}

/// The `iss` of the issuer's tokens, where its keys come from, and the Backend API of its instance.
pub(super) fn keys<'a>(
    fields: &mut Fields<'a>,
    outer: Option<ReadContext<'a>>,
) -> Option<(String, KeySource, Option<BackendSettings>)> {
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
    let backend = Backend::of(fields, outer);
    if outer.is_none() {
        backend.unused();
    }
    let key =
        publishable.maybe(|field| field.told(Code::Secret, clerk_keys::PUBLISHABLE, str::parse));
    let of_client =
        client.maybe(|field| field.told(Code::Secret, clerk_keys::PUBLISHABLE, str::parse));
    let iss =
        issuer.maybe(|field| field.told(Code::WrongValue, ISSUER, |text| iss(text, Kind::Clerk)));
    let url = jwks_url.maybe(|field| field.told(Code::WrongValue, JWKS, jwks));
    let set = jwt_key.maybe(pem);
    let settings = backend.read();
    let parts = Parts {
        publishable: (publishable, key?),
        issuer: (issuer, iss?),
        jwks_url: (jwks_url, url?),
        jwt_key: (jwt_key, set?),
        client: (client, of_client?),
        backend: (backend.secret, settings?),
    };
    let good = parts.check(fields);
    let backend = parts.backend.1.clone().filter(|_| outer.is_some());
    let (iss, source) = parts.combine(fields)?;
    good.then_some((iss, source, backend))
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
    fn check(&self, fields: &Fields<'_>) -> bool {
        let mut good = true;
        let mut refuse = |field: Field<'_>, fault: Fault| {
            field.reject(fault);
            good = false;
        };
        let key = self.publishable.1.as_ref();
        if let (Some(key), Some(backend)) = (key, &self.backend.1)
            && key.live != backend.live
        {
            let what = "the publishable key and the secret key are of a development and a production instance";
            refuse(
                self.backend.0,
                Fault::error(Code::Contradiction, what).fix("take both from one instance"),
            );
        }
        if let (Some(Publishable { live: true, .. }), Some(url)) =
            (key, self.jwks_url.1.as_ref().map(|(url, _)| url))
            && is_development(&url.host.to_string())
        {
            let what = format!(
                "{} is of a development instance, and the publishable key is a live one",
                self.jwks_url.0.name
            );
            refuse(
                self.jwks_url.0,
                Fault::error(Code::Contradiction, what).fix("take both from one instance"),
            );
        }
        if self.jwks_url.0.is_present() && self.jwt_key.0.is_present() {
            let what = format!(
                "{} and {} are both given",
                self.jwks_url.0.name, self.jwt_key.0.name
            );
            refuse(
                self.jwt_key.0,
                Fault::error(Code::Contradiction, what).fix("remove one: keys come from one place"),
            );
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
        let from_key = self
            .publishable
            .1
            .map(|key| (format!("https://{}", key.host), key.live));
        let iss = match (&from_key, self.issuer.1) {
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
                self.issuer
                    .0
                    .reject(Fault::error(Code::Contradiction, what).fix(fix));
                return None;
            }
            (_, Some(written)) => written,
            (Some((from_key, _)), None) => from_key.clone(),
            (None, None) => return None,
        };
        // Other systems call the publishable key a client id. What it says is where the issuer is, and nothing of its tokens.
        if let Some(host) = self
            .client
            .1
            .map(|client| format!("https://{}", client.host))
            .filter(|host| *host != iss)
        {
            let what = format!(
                "`client_id` is a key of {}, and the issuer is {}",
                quoted(&host),
                quoted(&iss)
            );
            let fix = "take the publishable key of this instance (a typo in the domain?), or remove `client_id`";
            self.client
                .0
                .reject(Fault::error(Code::Contradiction, what).fix(fix));
            return None;
        }
        let source = match (self.jwks_url.1, self.jwt_key.1, from_key) {
            (Some((_, url)), _, _) => KeySource::Url(url),
            (None, Some(keys), _) => KeySource::Pem(keys),
            (None, None, Some(_)) => KeySource::Url(format!("{iss}/.well-known/jwks.json")),
            (None, None, None) => {
                let fault = Fault::error(
                    Code::MissingKey,
                    format!("no keys for the issuer {}", quoted(&iss)),
                );
                fields.reject(fault.fix(format!(
                    "`jwks_url: {iss}/.well-known/jwks.json`, or `jwt_key:` with a PEM; `kind: oidc` looks them up"
                )));
                return None;
            }
        };
        Some((iss, source))
    }
}

fn is_development(host: &str) -> bool {
    [".accounts.dev", ".lcl.dev"]
        .iter()
        .any(|end| host.ends_with(end))
}
