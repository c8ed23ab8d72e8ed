//! The `membership:` section: which roles there are, and where the table of members comes from.

use std::path::Path;
use std::time::Duration;

use crate::domain::membership::{AccessStatus, Flags, MAX_FLAGS, MAX_ROLES, Policy, Role, Roles};

use crate::config::reader::{Code, Fault, Faulty, Field, Fields, Reading, first_repeated, quoted};
use crate::config::settings::{BackendSettings, From, MembershipSource};
use crate::config::values::suggest::nearest;

use super::clerk_source::clerk_source;
use super::http_source::http_source;
use super::postgres;

/// The words of `access:` that are no roles.
pub(crate) const ACCESS_WORDS: &[&str] = &[
    "public", "optional", "user", "active", "service", "webhook", "deny",
];

/// The section, as far as it could be read.
pub(crate) enum Membership {
    /// There is no such section.
    None,
    /// It has faults, which are reported. The roles may be known all the same, so that routes can be checked against them.
    Broken(Option<Roles>),
    Read {
        roles: Roles,
        flags: Flags,
        source: MembershipSource,
    },
}

impl Membership {
    /// The roles, if they are known.
    pub(crate) fn roles(&self) -> Option<&Roles> {
        match self {
            Self::Read { roles, .. } => Some(roles),
            Self::Broken(roles) => roles.as_ref(),
            Self::None => None,
        }
    }

    /// The flags that users may have.
    pub(crate) fn flags(&self) -> &Flags {
        match self {
            Self::Read { flags, .. } => flags,
            Self::Broken(_) | Self::None => &Flags::NONE,
        }
    }
}

/// The Backend API as `clerk:` configures it.
type BackendKeys<'b> = Reading<Option<&'b BackendSettings>>;

/// Reads the section. The path of the table is relative to `folder`, where the config is.
pub(crate) fn membership(
    root: &mut Fields<'_>,
    folder: &Path,
    backend: BackendKeys<'_>,
) -> Membership {
    let field = root.opt("membership");
    if !field.is_present() {
        return Membership::None;
    }
    match field.fields("the membership") {
        Ok(fields) => section(fields, folder, backend),
        Err(Faulty) => Membership::Broken(None),
    }
}

fn section(mut fields: Fields<'_>, folder: &Path, backend: BackendKeys<'_>) -> Membership {
    let from = from(&mut fields, folder, backend);
    let roles = roles(fields.opt("roles"));
    let flags = flags(fields.opt("flags"));
    let access = fields.maybe("new_users", |field| {
        field.choice(&[
            ("pending", AccessStatus::Pending),
            ("active", AccessStatus::Active),
        ])
    });
    let new_flags = fields.maybe("new_user_flags", |field| {
        known_flags(field, flags.as_ref().map_err(|faulty| *faulty)?)
    });
    let first_sight = fields.bool_or("first_sight", false);
    let deactivate = fields.read_or("deleted_users", false, |field| {
        field.choice(&[("delete", false), ("deactivate", true)])
    });
    let max_age = max_age(fields.opt("max_age"), from.as_ref().ok());
    if from == Ok(From::Nobody) && first_sight == Ok(false) {
        let fault = Fault::error(
            Code::MissingKey,
            "`membership` without a source: nobody would be a member of anything",
        );
        fields.reject(
            fault.fix("`file: membership.yaml`, or `first_sight: true` if everybody who signs in shall be known"),
        );
        return Membership::Broken(roles.ok());
    }
    fields.finish();
    let read = || {
        let from = from?;
        let by_token = from == From::Token;
        // A user known from a webhook alone awaits a decision. A token's organization decides who is a member of it, and so does
        // Clerk where its users are the users.
        let decided = by_token || matches!(from, From::Clerk(_));
        let newcomer = if decided {
            AccessStatus::Active
        } else {
            AccessStatus::Pending
        };
        let policy = Policy {
            access: access?.unwrap_or(newcomer),
            flags: new_flags?.unwrap_or_default(),
            first_sight: first_sight?,
            deactivate: deactivate?,
            by_token,
            max_age: max_age?,
        };
        Ok((flags?, MembershipSource { from, policy }))
    };
    let read: Reading<_> = read();
    match (roles, read) {
        (Ok(roles), Ok((flags, source))) => Membership::Read {
            roles,
            flags,
            source,
        },
        (roles, _) => Membership::Broken(roles.ok()),
    }
}

/// The flags that users may have, so that a misspelt one is found.
fn flags(field: Field<'_>) -> Reading<Flags> {
    let expected = "a word of letters, digits, `-` and `_`";
    let name = |field: Field<'_>| {
        field.parse(Code::WrongValue, expected, |text| {
            if Flags::is_name(text) {
                Ok(text.to_owned())
            } else {
                Err("is not the name of a flag")
            }
        })
    };
    let names = field.read_or(vec![], |field| Field::each(field.nonempty_list(), name))?;
    let most = format!("at most {MAX_FLAGS}");
    Flags::new(names.iter().map(String::as_str))
        .ok_or_else(|| field.wrongly(Code::Bound, "has too many flags", &most))
}

/// A list of flags, each among the `known` ones.
pub(crate) fn known_flags(field: Field<'_>, known: &Flags) -> Reading<Flags> {
    let names = Field::each(field.list(), |item| flag(item, known))?;
    Flags::new(names.iter().map(|name| &**name)).ok_or(Faulty)
}

/// One flag, among the `known` ones.
pub(crate) fn flag(field: Field<'_>, known: &Flags) -> Reading<Box<str>> {
    let name = field.str()?;
    if known.has(&name) {
        return Ok(Box::from(&*name));
    }
    let what = format!("{} names the unknown flag {}", field.name, quoted(&name));
    let fault = Fault::error(Code::WrongValue, what);
    Err(field.unknown_word(fault, &name, known.names(), "one of `membership.flags`"))
}

/// The one source, of several that there can be.
fn from(fields: &mut Fields<'_>, folder: &Path, backend: BackendKeys<'_>) -> Reading<From> {
    let named = ["file", "token", "http", "clerk", "postgres"].map(|key| (fields.opt(key), key));
    let present: Vec<_> = named
        .iter()
        .filter(|(field, _)| field.is_present())
        .collect();
    if let [_, (second, name), ..] = present.as_slice() {
        let what = format!("`{name}` is a second source of one membership");
        return Err(second.refuse(Code::Contradiction, what, "keep one of them"));
    }
    match present.first() {
        None => Ok(From::Nobody),
        Some((field, "file")) => field.str().map(|file| From::File(folder.join(file))),
        Some((field, "http")) => http_source(*field).map(From::Http),
        Some((field, "clerk")) => clerk_source(*field, backend).map(From::Clerk),
        Some((field, "postgres")) => {
            postgres::postgres(*field, folder).map(|source| From::Postgres(source.into()))
        }
        // `false` is what it is without the key.
        Some((field, _)) => field
            .bool()
            .map(|by_token| if by_token { From::Token } else { From::Nobody }),
    }
}

/// How long the last answer of a source counts when it does not answer any more.
const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// `None` for a source that is never too old.
fn max_age(field: Field<'_>, from: Option<&From>) -> Reading<Option<Duration>> {
    let range = Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 3600);
    let read = field.maybe(|field| field.duration(range))?;
    if from.is_none_or(From::is_remote) {
        let asked_every = from.and_then(From::asked_every).unwrap_or_default();
        if read.is_some_and(|read| read <= asked_every) {
            let what = "`max_age` is not longer than the time between two looks at the source: in between, everybody would be refused";
            return Err(field.refuse(Code::Contradiction, what, "make it several times as long"));
        }
        // Long enough that a look or two may fail.
        return Ok(Some(read.unwrap_or(MAX_AGE.max(asked_every * 4))));
    }
    if field.is_present() {
        let what =
            "`max_age` has no effect here: a file is never too old, and neither is what tokens say";
        field.warn(Code::Contradiction, what, "remove it");
    }
    Ok(None)
}

fn roles(field: Field<'_>) -> Reading<Roles> {
    let default = ["member", "admin", "owner"].map(str::to_owned).to_vec();
    let names = field.read_or(default, |field| Field::each(field.nonempty_list(), role))?;
    if let Some(twice) = first_repeated(&names) {
        let what = format_args!("names {} twice", quoted(twice));
        return Err(field.wrongly(Code::WrongValue, what, "each role once, the lowest first"));
    }
    let most = format!("at most {MAX_ROLES}");
    Roles::new(&names).ok_or_else(|| field.wrongly(Code::Bound, "has too many roles", &most))
}

fn role(field: Field<'_>) -> Reading<String> {
    let expected = "a word of letters, digits, `-` and `_`";
    let name = field.parse(Code::WrongValue, expected, |text| {
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        match text.strip_prefix("org:") {
            Some(_) => {
                Err("has the prefix `org:`, which bailiff takes off the roles of Clerk by itself")
            }
            None if plain && text.len() <= 64 => Ok(text.to_owned()),
            None => Err("is not a role"),
        }
    })?;
    if ACCESS_WORDS.contains(&name.as_str()) {
        let what = format!(
            "the role {} has the name of a word that `access` knows already",
            quoted(&name)
        );
        return Err(field.refuse(Code::Contradiction, what, "give the role another name"));
    }
    Ok(name)
}

/// The role with this name; `words` are what else could have been meant.
pub(super) fn known_role(
    field: Field<'_>,
    name: &str,
    words: &[&str],
    membership: &Membership,
) -> Reading<Role> {
    let roles = membership.roles();
    if roles.is_none() && matches!(membership, Membership::Broken(_)) {
        // Its faults are reported already, and the roles are unknown.
        return Err(Faulty);
    }
    if let Some(role) = roles.and_then(|roles| roles.find(name)) {
        return Ok(role);
    }
    let names: Vec<&str> = roles.into_iter().flat_map(|roles| roles.names()).collect();
    let all = || words.iter().chain(&names).copied();
    let listed = all()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let what = if words.is_empty() {
        "names an unknown role"
    } else {
        "is neither an access word nor a role"
    };
    let fault = Fault::error(Code::Route, format!("{} {what}", field.name));
    let expected = if listed.is_empty() {
        "a role, which needs `membership:`".to_owned()
    } else {
        format!("one of {listed}")
    };
    Err(field.reject(match nearest(name, all()) {
        Some(near) => fault.near(near),
        None if roles.is_none() => fault
            .expected(expected)
            .fix("roles need a `membership:` section"),
        None => fault.expected(expected),
    }))
}
