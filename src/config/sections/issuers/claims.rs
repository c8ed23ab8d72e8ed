//! What the claims of Clerk's tokens must say. For other providers see [`super::oidc`].

use std::time::Duration;

use crate::domain::issuer::{ClaimsPolicy, Leeway};

use crate::config::reader::{Code, Fault, Faulty, Field, Fields, ReadContext, Reading};
use crate::config::values::url::{ORIGIN, origin};

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// Reads the checks of one issuer. With `outer`, variables fill what the file leaves out.
pub(crate) fn policy<'a>(
    fields: &mut Fields<'a>,
    outer: Option<ReadContext<'a>>,
) -> Reading<ClaimsPolicy> {
    let default = ClaimsPolicy::default();
    let mut filled = |key, variable| match outer {
        Some(cx) => cx.fill(fields, key, variable),
        None => fields.opt(key),
    };
    let leeway = filled("leeway", "CLERK_LEEWAY").read_or(default.leeway, leeway);
    let verify_iat = filled("verify_iat", "CLERK_VERIFY_IAT").bool_or(default.verify_iat);
    let authorized_parties = authorized_parties(fields);
    let azp_optional = azp(fields);
    let audience = audience(fields);
    let allow_pending = fields.bool_or("allow_pending", false);
    let allow_jwt_templates = fields.bool_or("allow_jwt_templates", false);
    let max_token_age = max_token_age(fields);
    Ok(ClaimsPolicy {
        leeway: leeway?,
        verify_iat: verify_iat?,
        authorized_parties: authorized_parties?,
        azp_optional: azp_optional?,
        audience: audience?,
        // For Clerk it is a publishable key, which no token names.
        client_id: None,
        allow_pending: allow_pending?,
        allow_jwt_templates: allow_jwt_templates?,
        max_token_age: max_token_age?,
    })
}

/// How far the clocks of issuer and gate may differ.
pub(crate) fn leeway(field: Field<'_>) -> Reading<Leeway> {
    Leeway::new(field.duration(Duration::ZERO..=Leeway::MAX)?).map_err(|_| Faulty)
}

/// The accepted `aud`.
pub(crate) fn audience(fields: &mut Fields<'_>) -> Reading<Option<Vec<Box<str>>>> {
    fields.maybe("audience", |field| {
        Field::each(field.one_or_more(), Field::str)
            .map(|list| list.into_iter().map(Into::into).collect())
    })
}

/// Longest time between `iat` and the request.
pub(crate) fn max_token_age(fields: &mut Fields<'_>) -> Reading<Option<Duration>> {
    fields.maybe("max_token_age", |field| {
        field.duration(Duration::from_secs(1)..=MONTH)
    })
}

fn authorized_parties(fields: &mut Fields<'_>) -> Reading<Option<Vec<Box<str>>>> {
    let field = fields.opt("authorized_parties");
    if !field.is_present() {
        let what = "no `authorized_parties`: a token passes whatever website asked for it";
        let fault = Fault::warning(Code::MissingKey, what);
        fields.reject(
            fault.fix(
                "`authorized_parties: [https://app.example.com]`, the origins of your own pages",
            ),
        );
    }
    field.maybe(|field| {
        Field::each(field.one_or_more(), |item| {
            item.parse(Code::WrongValue, ORIGIN, origin)
        })
    })
}

/// Whether a token without `azp` passes.
fn azp(fields: &mut Fields<'_>) -> Reading<bool> {
    let (field, parties) = (fields.opt("azp"), fields.opt("authorized_parties"));
    let choices = [("required", false), ("optional", true)];
    let optional = field.read_or(false, |field| field.choice(&choices))?;
    if field.is_present() && !parties.is_present() {
        let what = "`azp` without `authorized_parties`: there is nothing to compare it with";
        let fix = "add `authorized_parties: [https://app.example.com]`, or remove `azp`";
        return Err(field.refuse(Code::Contradiction, what, fix));
    }
    Ok(optional)
}
