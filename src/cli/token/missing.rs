//! What to say when nobody has told the e-mail address or the name of a user.

use serde_json::{Map, Value};

const EMAIL: [&str; 3] = ["email", "email_address", "primary_email_address"];
const NAME: [&str; 4] = ["name", "full_name", "first_name", "last_name"];

/// Where both can come from, when the token does not have them.
pub(crate) const SOURCES: &str = "Clerk's session tokens have neither by themselves: add the claims `email` and `name` to the session \
token in the Clerk dashboard (Sessions), or to a JWT template (with `allow_jwt_templates: true`); or write them into the membership; \
or set `clerk.secret_key` (CLERK_SECRET_KEY) and `membership: {first_sight: true}`, so that Clerk is asked. And does the Clerk \
application collect them at sign-up?";

/// What is not there, in words; `None` if both are.
pub(crate) fn missing(email: bool, name: bool) -> Option<&'static str> {
    match (email, name) {
        (true, true) => None,
        (false, true) => Some("no e-mail address"),
        (true, false) => Some("no name"),
        (false, false) => Some("no e-mail address and no name"),
    }
}

/// What a user's token lacks, and where it comes from then. Nothing is said of the token of something else.
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
