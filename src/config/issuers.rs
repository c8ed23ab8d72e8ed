//! Who may sign tokens: `clerk:`, `issuers:` and the variables of Clerk's own libraries.

use std::sync::Arc;

use crate::domain::ids::{CLERK, is_issuer_name};
use crate::domain::issuer::{Issuer, Kind};
use crate::domain::keys::KeySet;
use crate::domain::static_user::RESERVED;

use super::backend::Backend;
use super::faults::{Code, Fault, quoted};
use super::outside::Run;
use super::place::{iss, jwks};
use super::publishable::{self, Publishable};
use super::reader::{Field, Fields};
use super::settings::{BackendSettings, IssuerKeys, KeySource};
use super::url::Url;
use super::{claims, mapping, oidc};

const ISSUER: &str = "the Frontend API's URL, such as https://clerk.example.com";
pub(super) const JWKS: &str = "a URL such as https://clerk.example.com/.well-known/jwks.json";

/// Everybody who may sign tokens.
#[derive(Default)]
pub(super) struct Issuers {
    pub(super) list: Vec<(Issuer, IssuerKeys)>,
    /// The Backend API of the instance under `clerk:`, where its secret key is given.
    pub(super) backend: Option<BackendSettings>,
}

/// One of them.
struct One {
    issuer: Issuer,
    keys: IssuerKeys,
    backend: Option<BackendSettings>,
}

/// Reads all issuers; there may be none.
pub(super) fn issuers<'a>(root: &mut Fields<'a>, run: Run<'a>) -> Option<Issuers> {
    let (clerk, others) = (root.opt(CLERK), root.opt("issuers"));
    let clerks =
        |(field, fields)| one(fields, Some(CLERK.into()), run).map(|issuer| (field, issuer));
    let mut found = vec![];
    if clerk.is_present() {
        found.push(
            clerk
                .fields("an issuer")
                .map(|fields| (clerk, fields))
                .and_then(clerks),
        );
    } else if others.is_present() {
        unused(run);
    } else if ["CLERK_PUBLISHABLE_KEY", "CLERK_JWT_KEY"]
        .iter()
        .any(|name| run.outside(name).is_present())
    {
        found.push(run.nothing("an issuer").and_then(clerks));
    }
    // The variables are checked even where nobody reads them.
    let alone = if found.is_empty() {
        Backend::outside(run).read()
    } else {
        Some(None)
    };
    let alone = alone.map(|backend| backend.filter(|_| !others.is_present()));
    let listed = |item: Field<'a>| Some((item, one(item.fields("an issuer")?, None, run)?));
    match others.maybe(Field::nonempty_list) {
        Some(items) => found.extend(items.into_iter().flatten().map(listed)),
        None => found.push(None),
    }
    let good = distinct(&found.iter().flatten().collect::<Vec<_>>());
    let found: Option<Vec<One>> = found
        .into_iter()
        .map(|found| found.map(|(_, one)| one))
        .collect();
    let (mut backend, mut list) = (alone?, Vec::new());
    for One {
        issuer,
        keys,
        backend: its,
    } in found.filter(|_| good)?
    {
        list.push((issuer, keys));
        backend = backend.or(its);
    }
    Some(Issuers { list, backend })
}

/// Variables speak for `clerk:` only: which of several issuers could they mean?
fn unused(run: Run<'_>) {
    for name in [
        "CLERK_PUBLISHABLE_KEY",
        "CLERK_JWT_KEY",
        "CLERK_LEEWAY",
        "CLERK_VERIFY_IAT",
        "CLERK_SECRET_KEY",
        "CLERK_API_URL",
    ] {
        if run.outside(name).is_present() {
            let what =
                format!("`{name}` has no effect, because the config has `issuers` and no `clerk`");
            let fault = Fault::warning(Code::Contradiction, what);
            run.push(fault.fix(
                "add `clerk: {publishable_key: \"${CLERK_PUBLISHABLE_KEY}\"}` if that instance may sign tokens too",
            ));
        }
    }
}

fn distinct(found: &[&(Field<'_>, One)]) -> bool {
    let mut good = true;
    for (index, (field, One { issuer, .. })) in found.iter().enumerate() {
        let before = || found.iter().take(index).map(|(_, one)| &one.issuer);
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

/// Reads an issuer that is no part of a config.
pub(super) fn added(fields: Fields<'_>, run: Run<'_>) -> Option<(Issuer, IssuerKeys)> {
    let One { issuer, keys, .. } = one(fields, None, run)?;
    Some((
        Issuer {
            added: true,
            ..issuer
        },
        keys,
    ))
}

/// Reads one issuer. The variables fill only the one whose name is `given`, as the others have names of their own.
fn one<'a>(mut fields: Fields<'a>, given: Option<Arc<str>>, run: Run<'a>) -> Option<One> {
    let outer = given.is_some().then_some(run);
    let (name, kind) = match given {
        Some(name) => (Some(name), Kind::Clerk),
        None => {
            let field = fields.req("name");
            let kind = fields.opt("kind");
            let known = [("clerk", Kind::Clerk), ("oidc", Kind::Oidc)];
            let Some(kind) = kind.maybe(|kind| kind.choice(&known)) else {
                // By whose rules should the rest be read? One fault is enough.
                oidc::EVERY_KEY
                    .iter()
                    .for_each(|key| _ = fields.opt(key).is_present());
                fields.finish();
                return None;
            };
            let kind = kind.unwrap_or(Kind::Clerk);
            (
                field
                    .told(Code::WrongValue, "letters, digits, `-` and `_`", name)
                    .filter(|_| not_clerks(field, kind)),
                kind,
            )
        }
    };
    let keys = match kind {
        Kind::Clerk => keys(&mut fields, outer),
        Kind::Oidc => oidc::keys(&mut fields).map(|(iss, source)| (iss, source, None)),
    };
    let policy = match kind {
        Kind::Clerk => claims::policy(&mut fields, outer),
        Kind::Oidc => oidc::policy(&mut fields),
    };
    let claim_names = mapping::claim_names(&mut fields, kind);
    let instance_id = match kind {
        Kind::Clerk => fields
            .opt("instance_id")
            .maybe(|f| f.told(Code::WrongValue, INSTANCE, instance)),
        Kind::Oidc => Some(None),
    };
    fields.finish();
    let (iss, source, backend) = keys?;
    let (name, claim_names) = (name?, Arc::new(claim_names?));
    let issuer = Issuer {
        name: name.clone(),
        iss: iss.into(),
        kind,
        claim_names,
        claims: policy?,
        instance_id: instance_id?,
        added: false,
    };
    Some(One {
        issuer,
        keys: IssuerKeys { name, source },
        backend,
    })
}

fn name(text: &str) -> Result<Arc<str>, &'static str> {
    match text {
        text if RESERVED.contains(&text) => Err("is a name that bailiff gives out itself"),
        text if is_issuer_name(text) => Ok(text.into()),
        _ => Err("is not a name"),
    }
}

/// Users of `clerk` go by their bare Clerk id: under that name another provider could call its users what Clerk calls its own.
fn not_clerks(field: Field<'_>, kind: Kind) -> bool {
    let taken = kind == Kind::Oidc && field.str().is_some_and(|name| name == CLERK);
    if taken {
        let what =
            "the name `clerk` is for an issuer of `kind: clerk`, whose users go by their bare id";
        field.reject(
            Fault::error(Code::Contradiction, what)
                .fix("give it another name; its users are then `name:id`"),
        );
    }
    !taken
}

const INSTANCE: &str = "ins_… as the Clerk dashboard shows it";

fn instance(text: &str) -> Result<Box<str>, &'static str> {
    match text.strip_prefix("ins_") {
        Some(rest)
            if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
        {
            Ok(text.into())
        }
        _ => Err("is not the id of a Clerk instance"),
    }
}

/// The address of the keys, under either of its names.
pub(super) fn jwks_field<'a>(fields: &mut Fields<'a>) -> Field<'a> {
    let (url, uri) = (fields.opt("jwks_url"), fields.opt("jwks_uri"));
    if url.is_present() && uri.is_present() {
        let fault = Fault::error(
            Code::Contradiction,
            "`jwks_url` and `jwks_uri` are both given",
        );
        uri.reject(fault.fix("remove one: they are two names of one key"));
    }
    if uri.is_present() && !url.is_present() {
        uri
    } else {
        url
    }
}

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
fn keys<'a>(
    fields: &mut Fields<'a>,
    outer: Option<Run<'a>>,
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
        publishable.maybe(|field| field.told(Code::Secret, publishable::PUBLISHABLE, str::parse));
    let of_client =
        client.maybe(|field| field.told(Code::Secret, publishable::PUBLISHABLE, str::parse));
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
    outer: Option<Run<'a>>,
) -> Field<'a> {
    let Some(run) = outer else {
        return fields.opt(key);
    };
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

/// A public key in the config.
pub(super) fn pem(field: Field<'_>) -> Option<Arc<KeySet>> {
    let parse = |text: &str| {
        KeySet::from_pem(text)
            .map(Arc::new)
            .map_err(|error| format!("does not serve: {error}"))
    };
    field.told(
        Code::Secret,
        "an RSA public key in PEM (Clerk dashboard, API keys, JWKS public key)",
        parse,
    )
}
