//! The claims of a token, parsed into types. The source for Clerk is its page "Session tokens", with both token versions; for
//! other providers OpenID Connect Core and RFC 9068.

use http::HeaderValue;
use serde_json::{Map, Value};

use crate::domain::Rejection;
use crate::domain::ids::{ClerkUserId, SessionId, Subject, text_header};
use crate::domain::issuer::{Issuer, IssuerKind};

use super::organization::{self, Organization};
use super::person;

/// Claims with their types. A claim of a wrong type makes the whole token malformed.
#[derive(Debug)]
pub struct Claims {
    pub iss: Box<str>,
    /// `None` when it is missing or does not name a user: see [`Claims::subject_fault`].
    pub sub: Option<Subject>,
    pub subject_fault: Rejection,
    pub sid: Option<SessionId>,
    pub azp: Option<Box<str>>,
    /// The OAuth client that the token was issued to (RFC 9068, 2.2). Not read from Clerk's tokens.
    pub client_id: Option<Box<str>>,
    pub aud: Vec<Box<str>>,
    pub exp: u64,
    pub nbf: Option<u64>,
    pub iat: Option<u64>,
    /// `sts` is there and is not `active`.
    pub pending: bool,
    /// Minutes since the first and the second factor at the time of `iat`; -1 means never.
    pub factor_age: Option<(i64, i64)>,
    pub plans: Vec<Box<str>>,
    pub features: Vec<Box<str>>,
    /// The actor who impersonates the user in this session.
    pub actor: Option<Box<str>>,
    pub org: Option<Organization>,
    /// E-mail address and name as header values, where the token has them.
    pub email: Option<HeaderValue>,
    pub name: Option<HeaderValue>,
    /// All claims unchanged, for headers that the config fills from claims.
    pub all: Map<String, Value>,
}

/// 9999-12-31T23:59:59Z. A later time is refused, because it could cause an overflow.
const END_OF_TIME: u64 = 253_402_300_799;

pub(super) type Read<T> = Result<T, Rejection>;

impl Claims {
    /// Reads the payload of a token with a valid signature, by the rules of the issuer that signed it.
    pub(super) fn read(all: Map<String, Value>, issuer: &Issuer) -> Read<Self> {
        let names = &*issuer.claim_names;
        let clerk = issuer.kind == IssuerKind::Clerk;
        let text = |name| optional_text(&all, name);
        // Claims with a meaning only in Clerk's tokens. Another provider may use the same name for something else.
        let of_clerk = |name| if clerk { text(name) } else { Ok(None) };
        let (sub, subject_fault) = subject(&all, issuer);
        Ok(Self {
            iss: text("iss")?.ok_or(Rejection::WrongIssuer)?.into(),
            sub,
            subject_fault,
            sid: session(&all, issuer.kind)?,
            azp: text("azp")?.map(Into::into),
            client_id: if clerk {
                None
            } else {
                text("client_id")?.map(Into::into)
            },
            aud: audience(&all)?,
            exp: seconds(&all, "exp")?.ok_or(Rejection::MalformedToken)?,
            nbf: seconds(&all, "nbf")?,
            iat: seconds(&all, "iat")?,
            // Absent or `active` passes (attack A-57). A value that Clerk may add later is not `active`.
            pending: of_clerk("sts")?.is_some_and(|sts| sts != "active"),
            factor_age: if clerk { factor_age(&all)? } else { None },
            plans: list(of_clerk("pla")?),
            features: list(of_clerk("fea")?),
            actor: actor(&all)?,
            org: organization::read(&all, issuer)?,
            email: person::email(&all, issuer).and_then(text_header),
            name: person::name(&all, names).as_deref().and_then(text_header),
            all,
        })
    }
}

pub(super) fn optional_text<'a>(all: &'a Map<String, Value>, name: &str) -> Read<Option<&'a str>> {
    match all.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Rejection::MalformedToken),
    }
}

/// A NumericDate (RFC 7519, 2) as whole seconds. A text, a fraction, a negative or a huge number is refused: such values tricked
/// libraries that accepted them (jsonwebtoken CVE-2026-25537; attack A-52).
fn seconds(all: &Map<String, Value>, name: &str) -> Read<Option<u64>> {
    match all.get(name) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(secs) if secs <= END_OF_TIME => Ok(Some(secs)),
            _ => Err(Rejection::MalformedToken),
        },
    }
}

/// The claim that names the user.
pub(super) fn subject_name(issuer: &Issuer) -> &str {
    match issuer.kind {
        IssuerKind::Clerk => "sub",
        IssuerKind::Oidc => &issuer.claim_names.user_id,
    }
}

/// The user of the token. In Clerk's tokens, a machine (`mch_`) means another kind of token and not a broken one.
fn subject(all: &Map<String, Value>, issuer: &Issuer) -> (Option<Subject>, Rejection) {
    let name = subject_name(issuer);
    // A number is refused: some parsers read `1e3` and `1000` as one user and others as two.
    let sub = all.get(name).and_then(Value::as_str).unwrap_or_default();
    match issuer.kind {
        IssuerKind::Clerk => {
            let fault = if sub.starts_with("mch_") {
                Rejection::WrongTokenType
            } else {
                Rejection::MissingSubject
            };
            let user = ClerkUserId::parse(sub)
                .ok()
                .and_then(|id| Subject::parse(id.as_str()).ok());
            (user, fault)
        }
        IssuerKind::Oidc => {
            // A user who can write any address into a profile could take any user's identity. A provider that is silent about
            // verification (Entra ID) leaves the addresses to the operator of a tenant there. Any person can be that operator, so
            // silence is no proof.
            let proven = name != "email" || person::is_proven(all);
            (
                Subject::parse(sub).ok().filter(|_| proven),
                Rejection::MissingSubject,
            )
        }
    }
}

/// The session. Clerk's must be well-formed. Other providers need not have one, and their `sid` may be any text.
fn session(all: &Map<String, Value>, kind: IssuerKind) -> Read<Option<SessionId>> {
    match kind {
        IssuerKind::Clerk => optional_text(all, "sid")?
            .map(SessionId::parse)
            .transpose()
            .map_err(|_| Rejection::MalformedToken),
        IssuerKind::Oidc => Ok(all
            .get("sid")
            .and_then(Value::as_str)
            .and_then(|sid| SessionId::parse(sid).ok())),
    }
}

fn audience(all: &Map<String, Value>) -> Read<Vec<Box<str>>> {
    match all.get("aud") {
        None | Some(Value::Null) => Ok(vec![]),
        Some(Value::String(one)) => Ok(vec![one.as_str().into()]),
        Some(Value::Array(many)) => many
            .iter()
            .map(|v| v.as_str().map(Into::into).ok_or(Rejection::MalformedToken))
            .collect(),
        Some(_) => Err(Rejection::MalformedToken),
    }
}

fn factor_age(all: &Map<String, Value>) -> Read<Option<(i64, i64)>> {
    match all.get("fva") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(pair)) => match pair.iter().map(Value::as_i64).collect::<Vec<_>>()[..] {
            [Some(first), Some(second)] => Ok(Some((first, second))),
            _ => Err(Rejection::MalformedToken),
        },
        Some(_) => Err(Rejection::MalformedToken),
    }
}

/// Fail closed: a session that is impersonated but does not name its actor is refused. It must not pass as the user's own.
fn actor(all: &Map<String, Value>) -> Read<Option<Box<str>>> {
    match all.get("act") {
        None | Some(Value::Null) => Ok(None),
        Some(act) => {
            let sub = act
                .get("sub")
                .and_then(Value::as_str)
                .ok_or(Rejection::MalformedToken)?;
            crate::domain::ids::AppUserId::parse(sub).map_err(|_| Rejection::MalformedToken)?;
            Ok(Some(sub.into()))
        }
    }
}

fn list(text: Option<&str>) -> Vec<Box<str>> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(Into::into)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ids::OrgId;

    fn clerk() -> Issuer {
        Issuer::new("clerk", "https://clerk.test", IssuerKind::Clerk)
    }

    fn read(extra: Value) -> Read<Claims> {
        let mut all = json!({"iss": "https://clerk.test", "sub": "user_a", "exp": 100});
        all.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        Claims::read(all.as_object().unwrap().clone(), &clerk())
    }

    #[test]
    fn a_time_of_a_wrong_type_makes_the_token_malformed() {
        for name in ["exp", "nbf", "iat"] {
            for bad in [
                json!("9999999999"),
                json!(-1),
                json!(1.5),
                json!(null),
                json!([1]),
                json!(1e300),
                json!(253_402_300_800_u64),
                json!(true),
            ] {
                assert_eq!(
                    read(json!({name: bad})).err(),
                    Some(Rejection::MalformedToken),
                    "{name}: {bad}"
                );
            }
        }
        assert_eq!(
            Claims::read(
                json!({"iss": "i", "sub": "user_a"})
                    .as_object()
                    .unwrap()
                    .clone(),
                &clerk()
            )
            .err(),
            Some(Rejection::MalformedToken)
        );
    }

    #[test]
    fn only_a_user_is_a_subject() {
        for (sub, fault) in [
            (json!("mch_1"), Rejection::WrongTokenType),
            (json!(""), Rejection::MissingSubject),
            (json!("user_"), Rejection::MissingSubject),
            (json!("user_a\r\nx: y"), Rejection::MissingSubject),
            (json!(["user_a"]), Rejection::MissingSubject),
            (json!(null), Rejection::MissingSubject),
        ] {
            let claims = read(json!({"sub": sub})).expect("other claims are good");
            assert_eq!((claims.sub, claims.subject_fault), (None, fault), "{sub}");
        }
    }

    #[test]
    fn both_token_versions_give_the_same_organization() {
        let v1 = json!({"org_id": "org_1", "org_role": "org:admin", "org_permissions": ["org:teams:read"]});
        let v2 = json!({"v": 2, "fea": "o:teams", "o": {"id": "org_1", "rol": "admin", "per": "read", "fpm": "1"}});
        let expected = Organization {
            id: OrgId::parse("org_1").unwrap(),
            role: Some("org:admin".into()),
            permissions: vec!["org:teams:read".into()],
        };
        assert_eq!(read(v1.clone()).unwrap().org.as_ref(), Some(&expected));
        assert_eq!(read(v2).unwrap().org, Some(expected));
        let mut unknown = v1;
        unknown["v"] = json!(3);
        assert_eq!(
            read(unknown).unwrap().org,
            None,
            "an unknown version speaks of no organization"
        );
    }

    #[test]
    fn an_impersonated_session_without_an_impersonator_is_malformed() {
        assert_eq!(
            read(json!({"act": {"sub": "user_admin"}}))
                .unwrap()
                .actor
                .as_deref(),
            Some("user_admin")
        );
        for bad in [
            json!({}),
            json!("user_x"),
            json!({"sub": ""}),
            json!({"sub": "a\nb"}),
        ] {
            assert_eq!(
                read(json!({"act": bad})).err(),
                Some(Rejection::MalformedToken),
                "{bad}"
            );
        }
    }
}
