//! Messages for users without an e-mail address or a name.

use serde_json::{Map, Value};

const EMAIL: [&str; 3] = ["email", "email_address", "primary_email_address"];
const NAME: [&str; 4] = ["name", "full_name", "first_name", "last_name"];

/// Where both can come from when the token does not contain them.
pub(crate) const SOURCES: &str = "Clerk's session tokens have neither by themselves: add the claims `email` and `name` to the session \
token in the Clerk dashboard (Sessions), or to a JWT template (with `allow_jwt_templates: true`); or write them into the membership; \
or set `clerk.secret_key` (CLERK_SECRET_KEY) and `membership: {first_sight: true}`, so that Clerk is asked. And does the Clerk \
application collect them at sign-up?";

/// The missing data in words. `None` if both are there.
pub(crate) fn missing(email: bool, name: bool) -> Option<&'static str> {
    match (email, name) {
        (true, true) => None,
        (false, true) => Some("no e-mail address"),
        (true, false) => Some("no name"),
        (false, false) => Some("no e-mail address and no name"),
    }
}

/// What the token of a user lacks, and where the gate gets it instead. `None` for tokens of anything else than a user.
pub(super) fn in_claims(claims: &Map<String, Value>) -> Option<String> {
    let text = |name: &&str| {
        claims
            .get(*name)
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
    };
    claims
        .get("sub")
        .and_then(Value::as_str)
        .filter(|sub| sub.starts_with("user_"))?;
    let what = missing(EMAIL.iter().any(text), NAME.iter().any(text))?;
    Some(format!("the token has {what}. {SOURCES}"))
}
