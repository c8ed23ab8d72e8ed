//! An identity provider that is registered while the gate runs: JSON in the words of such interfaces, read by the same rules
//! as `issuers:`.

use serde_json::{Map, Value, json};

use crate::domain::ids::CLERK;
use crate::domain::issuer::Issuer;
use crate::domain::token::json as strict;

use super::document::faults::Faults;
use super::document::source::Source;
use super::document::yaml::Bounds;
use super::reader::environment::Environment;
use super::reader::{Code, Fault, Fields, ReadContext, ReaderContext, quoted};
use super::sections::issuers;
use super::settings::IssuerKeys;
use super::values::url::Url;

/// Bound on a provider's description in bytes.
pub const MAX_BYTES: usize = 16 << 10;
const BOUNDS: Bounds = Bounds {
    bytes: 2 * MAX_BYTES,
    depth: 4,
    nodes: 500,
};

/// A provider whose description is in order. It has not been asked for anything yet.
#[derive(Clone, Debug)]
pub struct Provider {
    pub issuer: Issuer,
    pub keys: IssuerKeys,
    /// The description, from which the provider can be read again.
    pub description: Value,
}

/// Reads a description:
///
/// ```json
/// {"provider": "partner", "issuer": "https://login.example", "client_id": "app", "jwks_uri": "https://login.example/jwks",
///  "claim_mapping": {"user_id": "sub", "email": "email", "tenant": "org_id"}}
/// ```
///
/// `domain` stands for an `issuer` of `https://` and itself. `kind` follows from `provider: clerk` or a publishable key as
/// `client_id`, and is `oidc` otherwise. Every other key of an entry of `issuers:` counts as it does there. Nothing in it is
/// replaced: `${…}` is refused.
///
/// # Errors
/// Every fault that was found.
pub fn parse_provider(body: &[u8]) -> Result<(Provider, Faults), Faults> {
    if body.len() > MAX_BYTES {
        return Err(
            Fault::error(Code::Bound, "a provider's description has more than 16 KiB").into(),
        );
    }
    let Some(mut given) = strict::object(body) else {
        let fault = Fault::error(
            Code::Syntax,
            "a provider is described by a JSON object, with no key twice",
        );
        return Err(fault.into());
    };
    let description = Value::Object(given.clone());
    translate(&mut given)?;
    let text = Value::Object(given).to_string();
    let ctx = ReaderContext::literal();
    let environment = Environment::nothing();
    let cx = ReadContext::new(&ctx, &environment);
    let root = ctx.parse(&Source::new("provider", &text), BOUNDS);
    let read = root.and_then(|root| {
        let fields = Fields::of(&root, "a provider", &ctx)?;
        issuers::added(fields, cx)
    });
    let ((issuer, keys), warnings) = ctx.into_faults().judge(read.ok())?;
    Ok((
        Provider {
            issuer,
            keys,
            description,
        },
        warnings,
    ))
}

/// Into the words of `issuers:`.
fn translate(given: &mut Map<String, Value>) -> Result<(), Faults> {
    for (theirs, ours) in [("provider", "name"), ("claim_mapping", "claims")] {
        if let Some(value) = given.remove(theirs)
            && given.insert(ours.to_owned(), value).is_some()
        {
            let what = format!(
                "{} and {} are two words for one thing",
                quoted(theirs),
                quoted(ours)
            );
            return Err(Fault::error(Code::Contradiction, what)
                .fix("write one of them")
                .into());
        }
    }
    let text = |given: &Map<String, Value>, key: &str| {
        given.get(key).and_then(Value::as_str).map(str::to_owned)
    };
    let clerks = text(given, "name").as_deref() == Some(CLERK)
        || text(given, "client_id").is_some_and(|client| client.starts_with("pk_"));
    let kind = given
        .entry("kind")
        .or_insert_with(|| json!(if clerks { "clerk" } else { "oidc" }))
        .clone();
    if let Some(domain) = given.remove("domain") {
        domain_is_the_issuers(given, &domain)?;
    }
    if kind == "clerk"
        && let Some(issuer) = text(given, "issuer")
        && !["jwks_uri", "jwks_url", "jwt_key", "publishable_key"]
            .iter()
            .any(|key| given.contains_key(*key))
    {
        given.insert(
            "jwks_uri".to_owned(),
            format!("{issuer}/.well-known/jwks.json").into(),
        );
    }
    Ok(())
}

fn domain_is_the_issuers(given: &mut Map<String, Value>, domain: &Value) -> Result<(), Faults> {
    let Some(domain) = domain.as_str() else {
        return Err(Fault::error(Code::WrongValue, "`domain` is no text").into());
    };
    let issuer = given
        .entry("issuer")
        .or_insert_with(|| format!("https://{domain}").into());
    let host = issuer
        .as_str()
        .and_then(|issuer| Url::outbound(issuer).ok())
        .map(|url| url.host.to_string());
    if host.as_deref().is_some_and(|host| host != domain) {
        let what = format!(
            "`domain` is {}, and `issuer` is at another host",
            quoted(domain)
        );
        return Err(Fault::error(Code::Contradiction, what)
            .fix("leave `domain` out, or correct one of them")
            .into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::KeySource;
    use crate::domain::issuer::IssuerKind;

    fn read(body: &Value) -> Result<Provider, String> {
        parse_provider(body.to_string().as_bytes())
            .map(|(provider, _)| provider)
            .map_err(|faults| faults.to_string())
    }

    #[test]
    fn the_documents_own_example_is_a_clerk_instance() {
        let provider = read(&json!({
            "provider": "clerk",
            "domain": "clever-otter-12.clerk.accounts.dev",
            "client_id": "pk_test_Y2xldmVyLW90dGVyLTEyLmNsZXJrLmFjY291bnRzLmRldiQ",
            "jwks_uri": "https://clever-otter-12.clerk.accounts.dev/.well-known/jwks.json",
            "issuer": "https://clever-otter-12.clerk.accounts.dev",
            "claim_mapping": {"user_id": "sub", "email": "email"},
        }));
        let provider = provider.unwrap();
        assert_eq!(
            (
                &*provider.issuer.name,
                provider.issuer.kind,
                provider.issuer.added
            ),
            ("clerk", IssuerKind::Clerk, true)
        );
        assert_eq!(
            &*provider.issuer.iss,
            "https://clever-otter-12.clerk.accounts.dev"
        );
        let again = read(&provider.description).unwrap();
        assert_eq!(
            again.issuer, provider.issuer,
            "what is kept can be read again"
        );
    }

    #[test]
    fn a_domain_alone_is_enough_and_another_one_than_the_issuers_is_a_slip() {
        let clerk = read(&json!({"provider": "clerk", "domain": "clerk.example.com"})).unwrap();
        assert!(
            matches!(&clerk.keys.source, KeySource::Url(url) if url == "https://clerk.example.com/.well-known/jwks.json")
        );
        let oidc =
            read(&json!({"provider": "partner", "domain": "login.example", "client_id": "app"}))
                .unwrap();
        assert_eq!(
            (oidc.issuer.kind, &*oidc.issuer.iss),
            (IssuerKind::Oidc, "https://login.example")
        );
        assert!(matches!(&oidc.keys.source, KeySource::Discovery { .. }));
        let two = read(
            &json!({"provider": "p", "domain": "a.example", "issuer": "https://b.example", "client_id": "x"}),
        );
        assert!(two.unwrap_err().contains("at another host"));
    }

    #[test]
    fn a_description_that_is_not_in_order_is_refused_with_the_reason() {
        for (body, expected) in [
            (json!([]), "JSON object"),
            (
                json!({"issuer": "https://a.example", "client_id": "x"}),
                "`name`",
            ),
            (
                json!({"provider": "a b", "issuer": "https://a.example", "client_id": "x"}),
                "is not a name",
            ),
            (
                json!({"provider": "p", "issuer": "http://a.example", "client_id": "x"}),
                "is not https",
            ),
            (
                json!({"provider": "p", "issuer": "https://a.example"}),
                "audience",
            ),
            (
                json!({"provider": "clerk", "kind": "oidc", "issuer": "https://a.example", "client_id": "x"}),
                "clerk",
            ),
            (
                json!({"provider": "p", "name": "q", "issuer": "https://a.example", "client_id": "x"}),
                "two words",
            ),
            (
                json!({"provider": "p", "issuer": "https://a.example", "client_id": "x", "secret": "s"}),
                "unknown key",
            ),
            (
                json!({"provider": "p", "issuer": "${HOME}", "client_id": "x"}),
                "nothing is replaced",
            ),
            (
                json!({"provider": "p", "issuer": {"a": 1}, "client_id": "x"}),
                "issuer",
            ),
            (
                json!({"provider": 7, "issuer": "https://a.example", "client_id": "x", "domain": 7}),
                "domain",
            ),
        ] {
            let error = read(&body).expect_err(&body.to_string());
            assert!(error.contains(expected), "given {body}: {error}");
        }
        assert!(
            parse_provider(br#"{"provider":"p","provider":"q"}"#).is_err(),
            "a key twice"
        );
        assert!(parse_provider(&vec![b' '; MAX_BYTES + 1]).is_err());
    }
}
