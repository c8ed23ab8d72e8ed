//! The `membership:` section: which roles there are, and where the table of members comes from.

use std::path::Path;
use std::time::Duration;

use crate::domain::membership::{AccessStatus, MAX_ROLES, Roles};

use super::faults::{Code, Fault, quoted};
use super::reader::{Field, Fields};
use super::settings::MembershipSource;

/// The words of `access:` that are no roles.
pub(super) const ACCESS_WORDS: &[&str] = &["public", "optional", "user", "active", "service", "webhook", "deny"];

/// The section, as far as it could be read.
pub(super) enum Membership {
    /// There is no such section.
    None,
    /// It has faults, which are reported. The roles may be known all the same, so that routes can be checked against them.
    Broken(Option<Roles>),
    Read(Roles, MembershipSource),
}

impl Membership {
    pub(super) fn roles(&self) -> Option<&Roles> {
        match self {
            Self::Read(roles, _) => Some(roles),
            Self::Broken(roles) => roles.as_ref(),
            Self::None => None,
        }
    }
}

/// Reads the section. The path of the table is relative to `folder`, where the config is.
pub(super) fn membership(root: &mut Fields<'_>, folder: &Path) -> Membership {
    let field = root.opt("membership");
    if !field.is_present() {
        return Membership::None;
    }
    match field.fields("the membership") {
        Some(fields) => section(fields, folder),
        None => Membership::Broken(None),
    }
}

fn section(mut fields: Fields<'_>, folder: &Path) -> Membership {
    let file = fields.req("file").str();
    let roles = roles(fields.opt("roles"));
    let new_users = fields
        .opt("new_users")
        .maybe(|field| field.choice(&[("pending", AccessStatus::Pending), ("active", AccessStatus::Active)]));
    max_age(fields.opt("max_age"));
    fields.finish();
    match (file, roles, new_users) {
        (Some(file), Some(roles), Some(new_users)) => {
            // Of somebody whom only a webhook has named nobody has decided anything yet.
            let new_users = new_users.unwrap_or(AccessStatus::Pending);
            Membership::Read(roles, MembershipSource { file: folder.join(file), new_users })
        }
        (_, roles, _) => Membership::Broken(roles),
    }
}

/// Accepted, so that a config serves for every kind of source.
fn max_age(field: Field<'_>) {
    let range = Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 3600);
    if field.is_present() && field.duration(range).is_some() {
        let what = "`max_age` has no effect on a file, which is never too old";
        field.reject(Fault::warning(Code::Contradiction, what).fix("remove it"));
    }
}

fn roles(field: Field<'_>) -> Option<Roles> {
    let names = match field.maybe(|field| Field::each(field.nonempty_list(), role))? {
        Some(names) => names,
        None => ["member", "admin", "owner"].map(str::to_owned).to_vec(),
    };
    if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names.iter().take(*i).any(|n| n == *name)) {
        field.wrongly(
            Code::WrongValue,
            format_args!("names {} twice", quoted(twice)),
            "each role once, the lowest first",
        );
        return None;
    }
    let roles = Roles::new(&names);
    if roles.is_none() {
        field.wrongly(Code::Bound, "has too many roles", &format!("at most {MAX_ROLES}"));
    }
    roles
}

fn role(field: Field<'_>) -> Option<String> {
    let expected = "a word of letters, digits, `-` and `_`";
    let name = field.told(Code::WrongValue, expected, |text| {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        match text.strip_prefix("org:") {
            Some(_) => Err("has the prefix `org:`, which bailiff takes off the roles of Clerk by itself"),
            None if plain && text.len() <= 64 => Ok(text.to_owned()),
            None => Err("is not a role"),
        }
    })?;
    if ACCESS_WORDS.contains(&name.as_str()) {
        let what = format!("the role {} has the name of a word that `access` knows already", quoted(&name));
        field.reject(Fault::error(Code::Contradiction, what).fix("give the role another name"));
        return None;
    }
    Some(name)
}
