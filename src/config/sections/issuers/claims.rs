//! What the claims of Clerk's tokens must say. For other providers see [`super::oidc`].

use std::time::Duration;

use crate::domain::issuer::{ClaimsPolicy, Leeway};

use crate::config::document::faults::{Code, Fault};
use crate::config::reader::environment::ReadContext;
use crate::config::reader::{Field, Fields};
use crate::config::values::url::{ORIGIN, origin};

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// Reads the checks of one issuer. With `outer`, variables fill what the file leaves out.
pub(crate) fn policy<'a>(
    fields: &mut Fields<'a>,
    outer: Option<ReadContext<'a>>,
) -> Option<ClaimsPolicy> {
    let default = ClaimsPolicy::default();
    let mut filled = |key, variable| match outer {
        Some(cx) => cx.fill(fields, key, variable),
        None => fields.opt(key),
    };
    let leeway = filled("leeway", "CLERK_LEEWAY")
        .maybe(|f| Leeway::new(f.duration(Duration::ZERO..=Leeway::MAX)?).ok());
    let verify_iat = filled("verify_iat", "CLERK_VERIFY_IAT").bool_or(default.verify_iat);
    let authorized_parties = authorized_parties(fields);
    let azp_optional = azp(fields);
    let audience = audience(fields);
    let allow_pending = fields.opt("allow_pending").bool_or(false);
    let allow_jwt_templates = fields.opt("allow_jwt_templates").bool_or(false);
    let max_token_age = max_token_age(fields);
    Some(ClaimsPolicy {
        leeway: leeway?.unwrap_or(default.leeway),
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

/// The accepted `aud`.
pub(crate) fn audience(fields: &mut Fields<'_>) -> Option<Option<Vec<Box<str>>>> {
    fields.opt("audience").maybe(|field| {
        Field::each(field.one_or_more(), Field::str)
            .map(|list| list.into_iter().map(Into::into).collect())
    })
}

pub(crate) fn max_token_age(fields: &mut Fields<'_>) -> Option<Option<Duration>> {
    fields
        .opt("max_token_age")
        .maybe(|field| field.duration(Duration::from_secs(1)..=MONTH))
}

fn authorized_parties(fields: &mut Fields<'_>) -> Option<Option<Vec<Box<str>>>> {
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
            item.told(Code::WrongValue, ORIGIN, origin)
        })
    })
}

/// Whether a token without `azp` passes.
fn azp(fields: &mut Fields<'_>) -> Option<bool> {
    let (field, parties) = (fields.opt("azp"), fields.opt("authorized_parties"));
    let optional = field.maybe(|field| field.choice(&[("required", false), ("optional", true)]))?;
    if optional.is_some() && !parties.is_present() {
        let fault = Fault::error(
            Code::Contradiction,
            "`azp` without `authorized_parties`: there is nothing to compare it with",
        );
        field.reject(
            fault.fix("add `authorized_parties: [https://app.example.com]`, or remove `azp`"),
        );
        return None;
    }
    Some(optional.unwrap_or(false))
}
