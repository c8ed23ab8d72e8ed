//! `require:` of a route: what one word of `access` cannot say.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::routes::Condition;

use crate::config::document::faults::Code;
use crate::config::reader::Field;

use super::membership::{Membership, flag, known_role};

/// The conditions, and the fields that name issuers, which are checked when those are known.
pub(crate) fn require<'a>(
    field: Field<'a>,
    membership: &Membership,
) -> Option<(Vec<Condition>, Vec<Field<'a>>)> {
    let mut fields = field.fields("the conditions of a route")?;
    let all = |field: Field<'a>, read: &dyn Fn(Field<'a>) -> Option<Condition>| {
        field
            .maybe(|field| Field::each(field.one_or_more(), read))
            .map(Option::unwrap_or_default)
    };
    let roles = all(fields.opt("role"), &|item| {
        known_role(item, &item.str()?, &[], membership).map(Condition::Role)
    });
    let permissions = all(fields.opt("permission"), &|item| {
        item.told(
            Code::Route,
            "org:feature:permission, as Clerk writes it",
            permission,
        )
        .map(Condition::Permission)
    });
    let features = all(fields.opt("feature"), &|item| {
        item.told(
            Code::Route,
            "a feature such as dashboard, or o:dashboard of the organization only",
            scoped,
        )
        .map(Condition::Feature)
    });
    let flags = all(fields.opt("flag"), &|item| {
        flag(item, membership.flags()).map(Condition::Flag)
    });
    let plans = all(fields.opt("plan"), &|item| {
        item.told(
            Code::Route,
            "a plan such as pro, or o:pro of the organization only",
            scoped,
        )
        .map(Condition::Plan)
    });
    let within = Duration::from_secs(60)..=Duration::from_secs(30 * 24 * 3600);
    let second_factor = fields
        .opt("second_factor_within")
        .maybe(|field| field.duration(within));
    let issuer = fields.opt("issuer");
    let issuers = issuer
        .maybe(Field::one_or_more)
        .map(Option::unwrap_or_default);
    let names: Option<Vec<Arc<str>>> = issuers
        .clone()
        .and_then(|items| Field::each(Some(items), |item| item.str().map(Arc::from)));
    let impersonation = fields
        .opt("impersonation")
        .maybe(|field| field.one_of(&["deny"]));
    fields.finish();

    let mut conditions = [roles?, permissions?, features?, flags?, plans?].concat();
    conditions.extend(second_factor?.map(Condition::SecondFactorWithin));
    conditions.extend(
        Some(names?)
            .filter(|names| !names.is_empty())
            .map(Condition::Issuer),
    );
    conditions.extend(impersonation?.map(|_| Condition::NoImpersonation));
    if conditions.is_empty() {
        field.wrongly(Code::Route, "demands nothing", "at least one condition");
        return None;
    }
    Some((conditions, issuers?))
}

fn permission(text: &str) -> Result<String, &'static str> {
    let plain = text.strip_prefix("org:").unwrap_or(text);
    match plain.split_once(':') {
        Some((feature, _)) if feature.starts_with("sys_") => {
            Err("is a system permission, which no token carries")
        }
        Some((feature, permission)) if word(feature) && word(permission) => Ok(text.to_owned()),
        _ => Err("is not a permission"),
    }
}

fn scoped(text: &str) -> Result<String, &'static str> {
    match text.split_once(':') {
        None if word(text) => Ok(text.to_owned()),
        Some(("o" | "u", name)) if word(name) => Ok(text.to_owned()),
        Some((_, name)) if word(name) => Err("has an unknown scope before its colon"),
        _ => Err("is not a name as Clerk gives them"),
    }
}

fn word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}
