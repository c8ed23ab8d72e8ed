//! `require:` of a route: what one word of `access` cannot say.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::routes::Condition;

use crate::config::reader::{Code, Field, Reading};

use super::membership::{Membership, flag, known_role};

/// The conditions, and the fields that name issuers, which are checked when those are known.
pub(crate) fn require<'a>(
    field: Field<'a>,
    membership: &Membership,
) -> Reading<(Vec<Condition>, Vec<Field<'a>>)> {
    let mut fields = field.fields("the conditions of a route")?;
    let all = |field: Field<'a>, read: &dyn Fn(Field<'a>) -> Reading<Condition>| {
        field.read_or(vec![], |field| Field::each(field.one_or_more(), read))
    };
    let roles = all(fields.opt("role"), &|item| {
        known_role(item, &item.str()?, &[], membership).map(Condition::Role)
    });
    let permission = |item: Field<'a>| {
        let expected = "org:feature:permission, as Clerk writes it";
        let read = item.parse(Code::Route, expected, permission);
        read.map(Condition::Permission)
    };
    let permissions = all(fields.opt("permission"), &permission);
    let feature = |item: Field<'a>| {
        let expected = "a feature such as dashboard, or o:dashboard of the organization only";
        let read = item.parse(Code::Route, expected, scoped);
        read.map(Condition::Feature)
    };
    let features = all(fields.opt("feature"), &feature);
    let flags = all(fields.opt("flag"), &|item| {
        flag(item, membership.flags()).map(Condition::Flag)
    });
    let plan = |item: Field<'a>| {
        let expected = "a plan such as pro, or o:pro of the organization only";
        item.parse(Code::Route, expected, scoped)
            .map(Condition::Plan)
    };
    let plans = all(fields.opt("plan"), &plan);
    let within = Duration::from_secs(60)..=Duration::from_secs(30 * 24 * 3600);
    let second_factor = fields.maybe("second_factor_within", |field| field.duration(within));
    let issuer = fields.opt("issuer");
    let issuers = issuer.read_or(vec![], Field::one_or_more);
    let names: Reading<Vec<Arc<str>>> =
        Field::each(issuers.clone(), |item| item.str().map(Arc::from));
    let impersonation = fields.maybe("impersonation", |field| field.one_of(&["deny"]));
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
        return Err(field.wrongly(Code::Route, "demands nothing", "at least one condition"));
    }
    Ok((conditions, issuers?))
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
