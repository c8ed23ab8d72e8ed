//! The `membership:` section: which roles there are, and where the table of members comes from.

use std::path::Path;
use std::time::Duration;

use crate::domain::membership::{AccessStatus, Flags, MAX_FLAGS, MAX_ROLES, Policy, Role, Roles};

use crate::config::document::faults::{Code, Fault, quoted};
use crate::config::reader::{Field, Fields};
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

/// What `clerk:` says of the Backend API; the outer `None` when that has faults of its own.
type Backend<'b> = Option<Option<&'b BackendSettings>>;

/// Reads the section. The path of the table is relative to `folder`, where the config is.
pub(crate) fn membership(root: &mut Fields<'_>, folder: &Path, backend: Backend<'_>) -> Membership {
    let field = root.opt("membership");
    if !field.is_present() {
        return Membership::None;
    }
    match field.fields("the membership") {
        Some(fields) => section(fields, folder, backend),
        None => Membership::Broken(None),
    }
}

fn section(mut fields: Fields<'_>, folder: &Path, backend: Backend<'_>) -> Membership {
    let from = from(&mut fields, folder, backend);
    let roles = roles(fields.opt("roles"));
    let flags = flags(fields.opt("flags"));
    let access = fields.opt("new_users").maybe(|field| {
        field.choice(&[
            ("pending", AccessStatus::Pending),
            ("active", AccessStatus::Active),
        ])
    });
    let new_flags = fields
        .opt("new_user_flags")
        .maybe(|field| known_flags(field, flags.as_ref()?));
    let first_sight = fields.opt("first_sight").bool_or(false);
    let deactivate = fields
        .opt("deleted_users")
        .maybe(|field| field.choice(&[("delete", false), ("deactivate", true)]));
    let max_age = max_age(fields.opt("max_age"), from.as_ref());
    if from == Some(From::Nobody) && first_sight == Some(false) {
        let fault = Fault::error(
            Code::MissingKey,
            "`membership` without a source: nobody would be a member of anything",
        );
        fields.reject(
            fault.fix("`file: membership.yaml`, or `first_sight: true` if everybody who signs in shall be known"),
        );
        return Membership::Broken(roles);
    }
    fields.finish();
    let read = || {
        let from = from?;
        let by_token = from == From::Token;
        // Of somebody whom only a webhook has named nobody has decided anything yet. An organization that says who is a member of it
        // has decided, and so has Clerk where its users are the users.
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
            deactivate: deactivate?.unwrap_or(false),
            by_token,
            max_age: max_age?,
        };
        Some((flags?, MembershipSource { from, policy }))
    };
    match (roles, read()) {
        (Some(roles), Some((flags, source))) => Membership::Read {
            roles,
            flags,
            source,
        },
        (roles, _) => Membership::Broken(roles),
    }
}

/// The flags that users may have, so that a misspelt one is found.
fn flags(field: Field<'_>) -> Option<Flags> {
    let expected = "a word of letters, digits, `-` and `_`";
    let name = |field: Field<'_>| {
        field.told(Code::WrongValue, expected, |text| {
            if Flags::is_name(text) {
                Ok(text.to_owned())
            } else {
                Err("is not the name of a flag")
            }
        })
    };
    let names = field
        .maybe(|field| Field::each(field.nonempty_list(), name))?
        .unwrap_or_default();
    let flags = Flags::new(names.iter().map(String::as_str));
    if flags.is_none() {
        field.wrongly(
            Code::Bound,
            "has too many flags",
            &format!("at most {MAX_FLAGS}"),
        );
    }
    flags
}

/// A list of flags, each among the `known` ones.
pub(crate) fn known_flags(field: Field<'_>, known: &Flags) -> Option<Flags> {
    let names = Field::each(field.list(), |item| flag(item, known))?;
    Flags::new(names.iter().map(|name| &**name))
}

/// One flag, among the `known` ones.
pub(crate) fn flag(field: Field<'_>, known: &Flags) -> Option<Box<str>> {
    let name = field.str()?;
    if known.has(&name) {
        return Some(Box::from(&*name));
    }
    let fault = Fault::error(
        Code::WrongValue,
        format!("{} names the unknown flag {}", field.name, quoted(&name)),
    );
    field.reject(match nearest(&name, known.names()) {
        Some(near) => fault.near(near),
        None => fault.expected("one of `membership.flags`"),
    });
    None
}

/// The one source, of several that there can be.
fn from(fields: &mut Fields<'_>, folder: &Path, backend: Backend<'_>) -> Option<From> {
    let named = ["file", "token", "http", "clerk", "postgres"].map(|key| (fields.opt(key), key));
    let present: Vec<_> = named
        .iter()
        .filter(|(field, _)| field.is_present())
        .collect();
    if let [_, (second, name), ..] = present.as_slice() {
        let fault = Fault::error(
            Code::Contradiction,
            format!("`{name}` is a second source of one membership"),
        );
        second.reject(fault.fix("keep one of them"));
        return None;
    }
    match present.first() {
        None => Some(From::Nobody),
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

/// How long the word of a source counts that says nothing any more.
const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// `Some(None)` for a source that is never too old.
fn max_age(field: Field<'_>, from: Option<&From>) -> Option<Option<Duration>> {
    let range = Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 3600);
    let read = field.maybe(|field| field.duration(range))?;
    if from.is_none_or(From::is_remote) {
        let asked_every = from.and_then(From::asked_every).unwrap_or_default();
        if read.is_some_and(|read| read <= asked_every) {
            let what = "`max_age` is not longer than the time between two looks at the source: in between, everybody would be refused";
            field.reject(
                Fault::error(Code::Contradiction, what).fix("make it several times as long"),
            );
            return None;
        }
        // Long enough that a look or two may fail.
        return Some(Some(read.unwrap_or(MAX_AGE.max(asked_every * 4))));
    }
    if field.is_present() {
        let what =
            "`max_age` has no effect here: a file is never too old, and neither is what tokens say";
        field.reject(Fault::warning(Code::Contradiction, what).fix("remove it"));
    }
    Some(None)
}

fn roles(field: Field<'_>) -> Option<Roles> {
    let names = match field.maybe(|field| Field::each(field.nonempty_list(), role))? {
        Some(names) => names,
        None => ["member", "admin", "owner"].map(str::to_owned).to_vec(),
    };
    if let Some((_, twice)) = names
        .iter()
        .enumerate()
        .find(|(i, name)| names.iter().take(*i).any(|n| n == *name))
    {
        field.wrongly(
            Code::WrongValue,
            format_args!("names {} twice", quoted(twice)),
            "each role once, the lowest first",
        );
        return None;
    }
    let roles = Roles::new(&names);
    if roles.is_none() {
        field.wrongly(
            Code::Bound,
            "has too many roles",
            &format!("at most {MAX_ROLES}"),
        );
    }
    roles
}

fn role(field: Field<'_>) -> Option<String> {
    let expected = "a word of letters, digits, `-` and `_`";
    let name = field.told(Code::WrongValue, expected, |text| {
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
        field.reject(Fault::error(Code::Contradiction, what).fix("give the role another name"));
        return None;
    }
    Some(name)
}

/// The role with this name; `words` are what else could have been meant.
pub(super) fn known_role(
    field: Field<'_>,
    name: &str,
    words: &[&str],
    membership: &Membership,
) -> Option<Role> {
    let roles = membership.roles();
    if roles.is_none() && matches!(membership, Membership::Broken(_)) {
        // Its faults are told already; what the roles are nobody knows.
        return None;
    }
    if let Some(role) = roles.and_then(|roles| roles.find(name)) {
        return Some(role);
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
    field.reject(match nearest(name, all()) {
        Some(near) => fault.near(near),
        None if roles.is_none() => fault
            .expected(expected)
            .fix("roles need a `membership:` section"),
        None => fault.expected(expected),
    });
    None
}
