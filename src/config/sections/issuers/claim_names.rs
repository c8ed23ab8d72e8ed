//! `claims:` of an issuer: which claims of its tokens say who the user is.

use crate::domain::issuer::{ClaimNames, Kind};

use crate::config::document::faults::{Code, Fault, quoted};
use crate::config::reader::{Field, Fields};

/// Most claims that may be looked at for one thing.
const MAX_NAMES: usize = 8;
const CLAIM: &str =
    "the name of a claim at the top of the token: 1 to 255 bytes, a dot in it has no meaning";

/// Claims that are the same in every token of a user's app, or another one in each: as a user id they would make all users one,
/// or each token a new user.
const NO_USER: &[&str] = &[
    "iss",
    "aud",
    "azp",
    "client_id",
    "exp",
    "nbf",
    "iat",
    "auth_time",
    "jti",
    "sid",
    "nonce",
    "act",
    "scope",
    "typ",
];
/// Claims that can be changed, or pass to somebody else.
const NOT_FOR_EVER: &[&str] = &[
    "email",
    "name",
    "nickname",
    "preferred_username",
    "unique_name",
    "upn",
    "phone_number",
];

/// Reads the names, each in the place of the default.
pub(crate) fn claim_names(fields: &mut Fields<'_>, kind: Kind) -> Option<ClaimNames> {
    let default = ClaimNames::of(kind);
    let field = fields.opt("claims");
    if !field.is_present() {
        return Some(default);
    }
    let mut fields = field.fields("the claim names")?;
    let user_field = fields.opt("user_id");
    let user_id = user_field
        .maybe(one)
        .map(|name| name.unwrap_or(default.user_id));
    let email = fields.opt("email").maybe(several);
    let name = fields.opt("name").maybe(several);
    let tenant = fields.opt("tenant").maybe(one);
    fields.finish();
    let user_id = user_id.filter(|user_id| names_a_user(user_field, user_id, kind));
    let (name, name_parts) = match name? {
        Some(names) => (names, vec![]),
        None => (default.name, default.name_parts),
    };
    Some(ClaimNames {
        user_id: user_id?,
        email: email?.unwrap_or(default.email),
        name,
        name_parts,
        tenant: tenant?,
    })
}

fn one(field: Field<'_>) -> Option<Box<str>> {
    field.told(Code::WrongValue, CLAIM, |text| match text {
        "" => Err("is empty"),
        text if text.len() > 255 => Err("is too long for the name of a claim"),
        text if text.chars().any(char::is_control) => Err("has a character that no claim has"),
        text => Ok(text.into()),
    })
}

fn several(field: Field<'_>) -> Option<Vec<Box<str>>> {
    let items = field.one_or_more()?;
    if items.len() > MAX_NAMES {
        field.wrongly(
            Code::Bound,
            "names too many claims",
            &format!("at most {MAX_NAMES}"),
        );
        return None;
    }
    Field::each(Some(items), one)
}

fn names_a_user(field: Field<'_>, claim: &str, kind: Kind) -> bool {
    match kind {
        Kind::Clerk if claim != "sub" => {
            let what =
                "`user_id` cannot be another claim than `sub` for an issuer of `kind: clerk`";
            let fix = "remove it: Clerk's users are `sub`, and a custom claim can hold what the user has written";
            field.reject(Fault::error(Code::Contradiction, what).fix(fix));
            false
        }
        Kind::Oidc if NO_USER.contains(&claim) => {
            field.wrongly(
                Code::WrongValue,
                format!("is {}, which names no user", quoted(claim)),
                "`sub`, `oid` or the like",
            );
            false
        }
        Kind::Oidc if NOT_FOR_EVER.contains(&claim) => {
            let what = format!(
                "users are told apart by {}, which can be changed or pass to somebody else",
                quoted(claim)
            );
            field.reject(
                Fault::warning(Code::Contradiction, what).fix("`user_id: sub`, the default"),
            );
            true
        }
        Kind::Clerk | Kind::Oidc => true,
    }
}
