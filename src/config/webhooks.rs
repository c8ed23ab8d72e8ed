//! Secrets of callers that are no people: signatures of webhooks, tokens of services.

use std::time::Duration;

use crate::domain::ids::ServiceName;
use crate::domain::service_token::{self, MIN_TOKEN, ServiceToken};
use crate::domain::snapshot::WebhookPolicy;
use crate::domain::token::bearer::MAX_TOKEN;
use crate::domain::webhook::WebhookSecret;

use super::faults::{Code, Fault, quoted};
use super::outside::Run;
use super::reader::{Field, Fields};
use super::secret::Secret;

const SECRET: &str = "whsec_… as the Clerk dashboard shows it under Webhooks, signing secret";
const ENV_SECRETS: [&str; 2] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];

/// Reads which webhooks are believed; `Some(None)` if none are.
pub(super) fn webhooks<'a>(root: &mut Fields<'a>, run: Run<'a>) -> Option<Option<WebhookPolicy>> {
    let section = root.opt("webhooks");
    let outer: Vec<_> = ENV_SECRETS.into_iter().map(|name| run.outside(name)).filter(|f| f.is_present()).collect();
    let (of, mut fields) = match section.is_present() {
        true => (section, section.fields("the webhooks")?),
        false => run.nothing("the webhooks")?,
    };
    let written = fields.opt("secrets");
    let secrets = match written.is_present() {
        true => written_secrets(written, &outer),
        false => outer_secrets(&outer),
    };
    let minute = Duration::from_secs(60);
    let tolerance = fields.opt("tolerance").duration_or(5 * minute, Duration::from_secs(1)..=60 * minute);
    let max_body = fields.opt("max_body").maybe(|field| usize::try_from(field.bytes(1 << 10..=16 << 20)?).ok());
    fields.finish();
    if section.is_present() && !written.is_present() && outer.is_empty() {
        let fault = Fault::error(Code::MissingKey, "`webhooks` without `secrets`: nobody could sign one");
        of.reject(fault.fix("`secrets: [\"${CLERK_WEBHOOK_SIGNING_SECRET}\"]`"));
        return None;
    }
    let (secrets, tolerance, max_body) = (secrets?, tolerance?, max_body?.unwrap_or(1 << 20));
    Some((!secrets.is_empty()).then_some(WebhookPolicy { secrets, tolerance, max_body }))
}

fn written_secrets(field: Field<'_>, outer: &[Field<'_>]) -> Option<Vec<WebhookSecret>> {
    let items = field.hidden().one_or_more()?;
    let good = items.len() <= 2;
    if !good {
        field.wrongly(
            Code::WrongValue,
            "has more than two secrets",
            "one, or two while rotating: the new and the old one",
        );
    }
    let secrets = distinct(Field::each(Some(items), webhook_secret)?, field);
    for outer in outer {
        let unknown = |secret: &Secret| secrets.iter().flatten().all(|(known, _)| known.expose() != secret.expose());
        if outer.secret().is_some_and(|secret| unknown(&secret)) {
            let what = format!("{} has no effect, because the config sets {}", outer.name, field.name);
            let fault = Fault::warning(Code::Contradiction, what);
            field.reject(fault.fix(format!("unset {}, or remove {} from the config", outer.name, field.name)));
        }
    }
    let secrets = secrets?.into_iter().map(|(_, secret)| secret).collect();
    good.then_some(secrets)
}

/// Both variables count, so that a rotation needs no file.
fn outer_secrets(outer: &[Field<'_>]) -> Option<Vec<WebhookSecret>> {
    let secrets = Field::each(Some(outer.to_vec()), webhook_secret)?;
    let mut different = secrets;
    different.dedup_by(|(a, _), (b, _)| a.expose() == b.expose());
    if let ([_, _], Some(first)) = (different.as_slice(), outer.first()) {
        let what = format!("`{}` and `{}` are two different secrets: both count", ENV_SECRETS[0], ENV_SECRETS[1]);
        first.reject(Fault::warning(Code::Contradiction, what).fix("unset the old one when the rotation is over"));
    }
    Some(different.into_iter().map(|(_, secret)| secret).collect())
}

fn webhook_secret(field: Field<'_>) -> Option<(Secret, WebhookSecret)> {
    field.hidden().told(Code::Secret, SECRET, |text| {
        WebhookSecret::parse(text).map(|secret| (Secret::from(text.to_owned()), secret))
    })
}

fn distinct(secrets: Vec<(Secret, WebhookSecret)>, field: Field<'_>) -> Option<Vec<(Secret, WebhookSecret)>> {
    if let [(a, _), (b, _)] = secrets.as_slice()
        && a.expose() == b.expose()
    {
        field.wrongly(Code::Contradiction, "names the same secret twice", "the new one and the old one");
        return None;
    }
    Some(secrets)
}

/// Reads the services and their tokens.
pub(super) fn services<'a>(root: &mut Fields<'a>, run: Run<'a>) -> Option<Vec<ServiceToken>> {
    let field = root.opt("service_tokens");
    let outer = run.outside("SERVICE_AUTH_TOKEN");
    if !field.is_present() {
        let Some(token) = outer.maybe(token)? else { return Some(vec![]) };
        return put_together(vec![(
            outer,
            Service { name: ServiceName::parse("service").ok()?, shown: Shown::Token(token) },
        )]);
    }
    let read = Field::each(field.nonempty_list(), |item| service(item).map(|service| (item, service)));
    let services = put_together(read?)?;
    if outer.hidden().str().is_some_and(|token| service_token::find(&services, &token).is_none()) {
        let what = format!("{} has no effect, because the config sets {}", outer.name, field.name);
        let fault = Fault::warning(Code::Contradiction, what);
        field.reject(fault.fix("add `{name: service, token: \"${SERVICE_AUTH_TOKEN}\"}`, or unset it"));
    }
    Some(services)
}

struct Service {
    name: ServiceName,
    shown: Shown,
}

enum Shown {
    Token(Secret),
    Hash([u8; 32]),
}

fn service(item: Field<'_>) -> Option<Service> {
    let mut fields = item.fields("a service")?;
    let name = fields.req("name").told(Code::WrongValue, "visible ASCII without , ; \" \\", ServiceName::parse);
    let (written, hash) = (fields.opt("token"), fields.opt("sha256"));
    let expected = "64 hexadecimal digits: printf %s \"$TOKEN\" | sha256sum";
    let shown = match (written.is_present(), hash.is_present()) {
        (true, false) => token(written).map(Shown::Token),
        (false, true) => hash.hidden().told(Code::Secret, expected, |text| sha256(text).map(Shown::Hash)),
        (both, _) => {
            let what = if both { "a service with both `token` and `sha256`" } else { "a service without a token" };
            let fault = Fault::error(Code::MissingKey, what).expected("one of `token` and `sha256`");
            fields.reject(fault);
            None
        }
    };
    fields.finish();
    Some(Service { name: name?, shown: shown? })
}

/// A static token in clear text.
pub(super) fn token(field: Field<'_>) -> Option<Secret> {
    let expected = format!("at least {MIN_TOKEN} characters of visible ASCII: openssl rand -hex 32");
    field.hidden().told(Code::Secret, &expected, |text| match text {
        text if text.starts_with(['"', '\'']) || text.trim() != text => Err("has quotes or white space around it"),
        text if text.len() < MIN_TOKEN => Err("is too short"),
        text if text.len() > MAX_TOKEN => Err("is too long"),
        // No request could show it.
        text if !text.bytes().all(|b| b.is_ascii_graphic() && b != b',') => {
            Err("has a character that a token cannot have")
        }
        text => Ok(Secret::from(text.to_owned())),
    })
}

/// The hash of a static token, as `sha256sum` prints it.
pub(super) fn sha256(text: &str) -> Result<[u8; 32], &'static str> {
    let mut bytes = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return Err("is not the SHA-256 of a token");
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
        *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or("is not hexadecimal")?;
    }
    Ok(bytes)
}

fn put_together(read: Vec<(Field<'_>, Service)>) -> Option<Vec<ServiceToken>> {
    let mut services: Vec<ServiceToken> = vec![];
    let mut good = true;
    // Hashes first, so that each token can be looked for among all that came before.
    let (hashes, tokens): (Vec<_>, Vec<_>) = read.into_iter().partition(|(_, s)| matches!(s.shown, Shown::Hash(_)));
    let mut seen_hashes: Vec<[u8; 32]> = vec![];
    for (field, Service { name, shown }) in hashes.into_iter().chain(tokens) {
        let mut refuse = |what: String, fix: &str| {
            field.reject(Fault::error(Code::Contradiction, what).fix(fix));
            good = false;
        };
        if services.iter().any(|other| *other.name() == name) {
            refuse(format!("two services have the name {}", quoted(name.as_str())), "give each its own name");
        }
        let same = match &shown {
            Shown::Hash(hash) => seen_hashes.contains(hash),
            Shown::Token(token) => {
                std::str::from_utf8(token.expose()).is_ok_and(|token| service_token::find(&services, token).is_some())
            }
        };
        if same {
            refuse(
                format!("the service {} has the token of another one", quoted(name.as_str())),
                "give each its own token",
            );
        }
        match shown {
            Shown::Hash(hash) => {
                seen_hashes.push(hash);
                services.push(ServiceToken::from_hash(name, hash));
            }
            Shown::Token(token) => services.extend(ServiceToken::from_token(name, token.expose())),
        }
    }
    good.then_some(services)
}
