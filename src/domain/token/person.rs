//! The person's e-mail address and name in a token. They are only for display: the gate decides nothing by them.

use serde_json::{Map, Value};

use crate::domain::issuer::{ClaimNames, Issuer, IssuerKind};

type Members = Map<String, Value>;

/// The e-mail address, from the first mapped claim that holds one.
#[must_use]
pub fn email<'a>(all: &'a Members, issuer: &Issuer) -> Option<&'a str> {
    // OpenID Connect Core, 5.1. Clerk's tokens have no such claim, and Clerk verifies its addresses.
    if issuer.kind == IssuerKind::Oidc && !is_verified(all) {
        return None;
    }
    issuer
        .claim_names
        .email
        .iter()
        .find_map(|name| match all.get(&**name)? {
            Value::Array(listed) => primary(all, listed),
            one => text(one),
        })
}

/// The name: one of the mapped claims, otherwise joined from its parts.
#[must_use]
pub fn name(all: &Members, names: &ClaimNames) -> Option<String> {
    let said = |name: &str| all.get(name).and_then(text);
    if let Some(whole) = names.name.iter().find_map(|name| said(name)) {
        return Some(whole.to_owned());
    }
    let parts: Vec<_> = names
        .name_parts
        .iter()
        .filter_map(|name| said(name))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Whether no claim marks the address as unverified. Some providers write the truth value as text. Fail closed: any other value
/// counts as unverified.
fn is_verified(all: &Members) -> bool {
    match all.get("email_verified") {
        None | Some(Value::Null) => true,
        Some(said) => *said == true || *said == "true",
    }
}

/// Whether the provider marks the address as verified. A missing claim is no proof.
#[must_use]
pub fn is_proven(all: &Members) -> bool {
    all.get("email_verified")
        .is_some_and(|said| !said.is_null())
        && is_verified(all)
}

/// The primary address of a list in the form of Clerk's API. If no claim gives the primary one, it is the first. An address that
/// is not verified does not count.
fn primary<'a>(all: &Members, listed: &'a [Value]) -> Option<&'a str> {
    let verified = |entry: &&Value| match entry.get("verification").and_then(|v| v.get("status")) {
        None | Some(Value::Null) => true,
        Some(status) => status == "verified",
    };
    let mut good = listed.iter().filter(verified);
    let wanted = all.get("primary_email_address_id").and_then(text);
    match wanted.filter(|_| listed.iter().any(Value::is_object)) {
        Some(id) => good
            .find(|entry| entry.get("id").is_some_and(|own| own == id))
            .and_then(address),
        None => good.find_map(address),
    }
}

fn address(entry: &Value) -> Option<&str> {
    text(entry).or_else(|| entry.get("email_address").and_then(text))
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: IssuerKind, all: Value) -> (Option<String>, Option<String>) {
        let (all, issuer) = (
            all.as_object().expect("claims").clone(),
            Issuer::new("i", "https://i.test", kind),
        );
        (
            email(&all, &issuer).map(str::to_owned),
            name(&all, &issuer.claim_names),
        )
    }

    fn address_of(kind: IssuerKind, all: Value) -> Option<String> {
        read(kind, all).0
    }

    #[test]
    fn a_name_is_put_together_from_what_is_there() {
        for (kind, all, expected) in [
            (
                IssuerKind::Clerk,
                json!({"first_name": "Alex", "last_name": "Chen"}),
                Some("Alex Chen"),
            ),
            (
                IssuerKind::Clerk,
                json!({"last_name": "Chen"}),
                Some("Chen"),
            ),
            (
                IssuerKind::Clerk,
                json!({"name": "", "full_name": "Alex"}),
                Some("Alex"),
            ),
            (IssuerKind::Clerk, json!({"given_name": "Alex"}), None),
            (
                IssuerKind::Oidc,
                json!({"given_name": "Alex", "family_name": "Chen"}),
                Some("Alex Chen"),
            ),
            (
                IssuerKind::Oidc,
                json!({"name": "Alex C.", "given_name": "Alex"}),
                Some("Alex C."),
            ),
            (
                IssuerKind::Oidc,
                json!({"full_name": "Alex", "name": ["Alex"]}),
                None,
            ),
            (IssuerKind::Oidc, json!({}), None),
        ] {
            assert_eq!(
                read(kind, all.clone()).1.as_deref(),
                expected,
                "{kind:?} {all}"
            );
        }
    }

    #[test]
    fn clerk_has_four_claims_for_an_address_and_the_first_with_a_text_counts() {
        for name in ["email", "email_address", "primary_email_address"] {
            assert_eq!(
                address_of(IssuerKind::Clerk, json!({name: "a@x.test"})).as_deref(),
                Some("a@x.test"),
                "{name}"
            );
        }
        let several = json!({"email": "", "email_address": null, "primary_email_address": "a@x.test", "email_addresses": ["b@x.test"]});
        assert_eq!(
            address_of(IssuerKind::Clerk, several).as_deref(),
            Some("a@x.test")
        );
    }

    #[test]
    fn of_a_list_of_addresses_the_primary_and_verified_one_counts() {
        let object = |id: &str, status: &str| json!({"id": id, "email_address": format!("{id}@x.test"), "verification": {"status": status}});
        let (a, b) = (object("a", "verified"), object("b", "verified"));
        let bare = json!({"id": "c", "email_address": "c@x.test"});
        for (given, list, primary, expected) in [
            (
                "texts",
                json!(["a@x.test", "b@x.test"]),
                json!("b"),
                Some("a@x.test"),
            ),
            (
                "the primary one",
                json!([a, b]),
                json!("b"),
                Some("b@x.test"),
            ),
            (
                "nobody says which is primary",
                json!([a, b]),
                json!(null),
                Some("a@x.test"),
            ),
            (
                "the primary one is another's",
                json!([a, b]),
                json!("x"),
                None,
            ),
            (
                "the first is not verified",
                json!([object("n", "unverified"), b]),
                json!(null),
                Some("b@x.test"),
            ),
            (
                "the primary one is not verified",
                json!([a, object("n", "unverified")]),
                json!("n"),
                None,
            ),
            (
                "a status that is no word",
                json!([{"email_address": "x@x.test", "verification": {"status": 1}}]),
                json!(null),
                None,
            ),
            (
                "no verification",
                json!([bare]),
                json!("c"),
                Some("c@x.test"),
            ),
            ("nothing in it", json!([]), json!(null), None),
            (
                "no addresses",
                json!([1, null, {}, [], ""]),
                json!(null),
                None,
            ),
        ] {
            let all = json!({"email_addresses": list, "primary_email_address_id": primary});
            assert_eq!(
                address_of(IssuerKind::Clerk, all).as_deref(),
                expected,
                "{given}"
            );
        }
    }

    #[test]
    fn an_address_that_the_provider_has_not_verified_is_none() {
        for (verified, expected) in [
            (json!(true), true),
            (json!("true"), true),
            (json!(null), true),
            (json!(false), false),
            (json!("false"), false),
            (json!(0), false),
            (json!([]), false),
        ] {
            let all = json!({"email": "a@x.test", "email_verified": verified});
            assert_eq!(
                address_of(IssuerKind::Oidc, all.clone()).is_some(),
                expected,
                "{all}"
            );
            assert!(address_of(IssuerKind::Clerk, all).is_some());
        }
        assert!(address_of(IssuerKind::Oidc, json!({"email": "a@x.test"})).is_some());
        assert!(address_of(IssuerKind::Oidc, json!({"email_address": "a@x.test"})).is_none());
    }
}
