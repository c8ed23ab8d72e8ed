//! `claims:` of an issuer: which claims of its tokens say who the user is.

use crate::domain::issuer::{ClaimNames, IssuerKind};

use crate::config::reader::{Code, Field, Fields, Reading, quoted};

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
/// Claims that can be changed, or pass to another user.
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
pub(crate) fn claim_names(fields: &mut Fields<'_>, kind: IssuerKind) -> Reading<ClaimNames> {
    let default = ClaimNames::of(kind);
    let Some(mut fields) = fields.section("claims", "the claim names")? else {
        return Ok(default);
    };
    let user_field = fields.opt("user_id");
    let user_id = user_field.read_or(default.user_id, one);
    let email = fields.maybe("email", several);
    let name = fields.maybe("name", several);
    let tenant = fields.maybe("tenant", one);
    fields.finish();
    let user_id = user_id.and_then(|user_id| names_a_user(user_field, user_id, kind));
    let (name, name_parts) = match name? {
        Some(names) => (names, vec![]),
        None => (default.name, default.name_parts),
    };
    Ok(ClaimNames {
        user_id: user_id?,
        email: email?.unwrap_or(default.email),
        name,
        name_parts,
        tenant: tenant?,
    })
}

fn one(field: Field<'_>) -> Reading<Box<str>> {
    field.parse(Code::WrongValue, CLAIM, |text| match text {
        "" => Err("is empty"),
        text if text.len() > 255 => Err("is too long for the name of a claim"),
        text if text.chars().any(char::is_control) => Err("has a character that no claim has"),
        text => Ok(text.into()),
    })
}

fn several(field: Field<'_>) -> Reading<Vec<Box<str>>> {
    let items = field.one_or_more()?;
    if items.len() > MAX_NAMES {
        let most = format!("at most {MAX_NAMES}");
        return Err(field.wrongly(Code::Bound, "names too many claims", &most));
    }
    Field::each(Ok(items), one)
}

/// The claim, if it tells users apart.
fn names_a_user(field: Field<'_>, claim: Box<str>, kind: IssuerKind) -> Reading<Box<str>> {
    match kind {
        IssuerKind::Clerk if *claim != *"sub" => {
            let what =
                "`user_id` cannot be another claim than `sub` for an issuer of `kind: clerk`";
            let fix = "remove it: Clerk's users are `sub`, and a custom claim can hold what the user has written";
            return Err(field.refuse(Code::Contradiction, what, fix));
        }
        IssuerKind::Oidc if NO_USER.contains(&&*claim) => {
            let what = format!("is {}, which names no user", quoted(&claim));
            return Err(field.wrongly(Code::WrongValue, what, "`sub`, `oid` or the like"));
        }
        IssuerKind::Oidc if NOT_FOR_EVER.contains(&&*claim) => {
            let what = format!(
                "users are told apart by {}, which can be changed or pass to somebody else",
                quoted(&claim)
            );
            field.warn(Code::Contradiction, what, "`user_id: sub`, the default");
        }
        IssuerKind::Clerk | IssuerKind::Oidc => {}
    }
    Ok(claim)
}
