//! The results of the two queries: their columns, found by name, and rows as users and members.

use std::fmt;

use tokio_postgres::types::Type;

use super::cell::{self, CellError, Cells, Form};
use crate::config::faults::quoted;
use crate::domain::ids::{OrgId, UserId, WorkspaceId};
use crate::domain::membership::{
    AccessStatus, Flags, MAX_DETAIL, Role, Roles, User, UserRow, UserRowError,
};

/// The roles and flags that rows may use.
#[derive(Clone, Debug)]
pub(in crate::membership_sources) struct Words {
    pub roles: Roles,
    pub flags: Flags,
}

/// Which query, as messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::membership_sources) enum QueryName {
    Users,
    Members,
}

impl fmt::Display for QueryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Users => "users",
            Self::Members => "members",
        })
    }
}

/// The position of a column, and how it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Column {
    at: usize,
    form: Form,
}

/// The purpose of a column, and the types it may have.
struct Wanted {
    name: &'static str,
    needed: bool,
    fits: fn(Form) -> bool,
    types: &'static str,
}

const fn wanted(
    name: &'static str,
    needed: bool,
    fits: fn(Form) -> bool,
    types: &'static str,
) -> Wanted {
    Wanted {
        name,
        needed,
        fits,
        types,
    }
}

const IDS: &str = "text, uuid or a whole number";
const TEXT: &str = "text or an enumeration: write it as `…::text`";

fn is_text(form: Form) -> bool {
    form == Form::Text
}

const USERS: [Wanted; 9] = [
    wanted("user", true, Form::is_id, IDS),
    wanted("id", false, Form::is_id, IDS),
    wanted("email", false, is_text, TEXT),
    wanted("name", false, is_text, TEXT),
    wanted("access", false, is_text, TEXT),
    wanted("founder", false, |form| form == Form::Bool, "boolean"),
    wanted(
        "flags",
        false,
        |form| matches!(form, Form::Text | Form::Texts),
        "text[], or text with commas",
    ),
    wanted("activated_at", false, is_text, TEXT),
    wanted(
        "attributes",
        false,
        |form| matches!(form, Form::Json | Form::Jsonb),
        "json or jsonb",
    ),
];

const MEMBERS: [Wanted; 4] = [
    wanted("workspace", true, Form::is_id, IDS),
    wanted("org", false, is_text, TEXT),
    wanted("user", true, Form::is_id, IDS),
    wanted("role", true, is_text, TEXT),
];

/// The columns of a query that gives users.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct UserColumns([Option<Column>; USERS.len()]);

/// The columns of a query that gives members.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MemberColumns([Option<Column>; MEMBERS.len()]);

impl UserColumns {
    /// # Errors
    /// Everything that is wrong with the columns.
    pub(super) fn of<'c>(
        columns: impl Iterator<Item = (&'c str, &'c Type)>,
    ) -> Result<Self, Vec<String>> {
        found(&USERS, columns).map(Self)
    }
}

impl MemberColumns {
    /// # Errors
    /// Everything that is wrong with the columns.
    pub(super) fn of<'c>(
        columns: impl Iterator<Item = (&'c str, &'c Type)>,
    ) -> Result<Self, Vec<String>> {
        found(&MEMBERS, columns).map(Self)
    }
}

fn found<'c, const N: usize>(
    wanted: &[Wanted; N],
    columns: impl Iterator<Item = (&'c str, &'c Type)>,
) -> Result<[Option<Column>; N], Vec<String>> {
    let (mut found, mut named) = ([None; N], [false; N]);
    let mut faults = Vec::new();
    for (at, (name, kind)) in columns.enumerate() {
        let places = wanted.iter().zip(found.iter_mut().zip(named.iter_mut()));
        let Some((known, (place, named))) =
            places.into_iter().find(|(known, _)| known.name == name)
        else {
            let names: Vec<_> = wanted
                .iter()
                .map(|known| format!("`{}`", known.name))
                .collect();
            // A selected column that the gate does not read is mostly a misspelt name, and then another column is missing.
            faults.push(format!(
                "unknown column {}; there are {}",
                quoted(name),
                names.join(", ")
            ));
            continue;
        };
        if std::mem::replace(named, true) {
            faults.push(format!("the column `{name}` comes twice"));
        }
        *place = Form::of(kind)
            .filter(|form| (known.fits)(*form))
            .map(|form| Column { at, form });
        if place.is_none() {
            faults.push(format!(
                "the column `{name}` is of the type {}, and should be {}",
                kind.name(),
                known.types
            ));
        }
    }
    let missing = wanted
        .iter()
        .zip(named)
        .filter(|(known, named)| known.needed && !named);
    faults.extend(missing.map(|(known, _)| format!("the column `{}` is missing", known.name)));
    if faults.is_empty() {
        Ok(found)
    } else {
        Err(faults)
    }
}

/// The fault of a row, and its user, if the row contains it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRow {
    pub(super) user: Option<UserId>,
    pub(super) why: String,
}

/// A member of a workspace. The outer `None` of `org` means that the query has no column for organizations.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MemberRow {
    pub(super) workspace: WorkspaceId,
    pub(super) org: Option<Option<OrgId>>,
    pub(super) user: UserId,
    pub(super) role: Role,
}

/// The value of a column, if it is there and not NULL.
fn value(row: &impl Cells, column: Option<Column>) -> Option<(Form, &[u8])> {
    let column = column?;
    row.cell(column.at).map(|raw| (column.form, raw))
}

fn wrong(column: &str, why: impl fmt::Display) -> String {
    format!("`{column}` {why}")
}

fn read<T>(column: &str, read: Result<T, CellError>) -> Result<T, String> {
    read.map_err(|why| wrong(column, why))
}

/// An id, which must not be missing. NULL is no id.
fn id<T, E: fmt::Display>(
    name: &str,
    value: Option<(Form, &[u8])>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, String> {
    let (form, raw) = value.ok_or_else(|| wrong(name, "is NULL"))?;
    let text = read(name, cell::id(form, raw))?;
    parse(&text).map_err(|why| format!("`{name}` is {}, which {why}", quoted(&text)))
}

/// One of some words, which must not be missing.
fn word<'w, T, W: Iterator<Item = &'w str>>(
    name: &str,
    raw: &[u8],
    known: impl FnOnce() -> W,
    find: impl FnOnce(&str) -> Option<T>,
) -> Result<T, String> {
    let text = read(name, cell::text(raw))?;
    find(text).ok_or_else(|| {
        let known: Vec<_> = known().collect();
        format!(
            "`{name}` is {}, and none of {}",
            quoted(text),
            known.join(", ")
        )
    })
}

impl UserColumns {
    /// The user whom a row describes.
    ///
    /// # Errors
    /// The first thing that is wrong with the row.
    pub(super) fn user(&self, row: &impl Cells, words: &Words) -> Result<(UserId, User), BadRow> {
        let [user, rest @ ..] = &self.0;
        let user = id("user", value(row, *user), UserId::parse)
            .map_err(|why| BadRow { user: None, why })?;
        match described(rest, row, words) {
            Ok(described) => Ok((user, described)),
            Err(why) => Err(BadRow {
                user: Some(user),
                why,
            }),
        }
    }
}

fn described(
    columns: &[Option<Column>; USERS.len() - 1],
    row: &impl Cells,
    words: &Words,
) -> Result<User, String> {
    let [
        own,
        email,
        name,
        access,
        founder,
        flags,
        activated_at,
        attributes,
    ] = *columns;
    let mut user = UserRow::new(&words.flags);
    if let some @ Some(_) = value(row, own) {
        id("id", some, |text| user.id(text))?;
    }
    if let Some((_, raw)) = value(row, email) {
        user.email(read("email", cell::text(raw))?);
    }
    if let Some((_, raw)) = value(row, name) {
        user.name(read("name", cell::text(raw))?);
    }
    match (access, value(row, access)) {
        (None, _) => {}
        // Fail closed: the query has a column for access, and NULL for this user does not permit access.
        (Some(_), None) => return Err(wrong("access", "is NULL")),
        (Some(_), Some((_, raw))) => word(
            "access",
            raw,
            || AccessStatus::NAMES.iter().copied(),
            |text| user.access(text).ok(),
        )?,
    }
    if let Some((_, raw)) = value(row, founder) {
        user.founder(read("founder", cell::boolean(raw))?);
    }
    if let Some((form, raw)) = value(row, flags) {
        let names = read("flags", cell::list(form, raw))?;
        user.flags(names).map_err(|why| match why {
            UserRowError::UnknownFlag(name) => format!(
                "`flags` has {}, which is none of `membership.flags`",
                quoted(&name)
            ),
            why => wrong("flags", why),
        })?;
    }
    let profile = |why| match why {
        UserRowError::TooLong => {
            format!("`activated_at` or one of `attributes` is longer than {MAX_DETAIL} bytes")
        }
        why => wrong("attributes", why),
    };
    if let Some((_, raw)) = value(row, activated_at) {
        let text = read("activated_at", cell::text(raw))?;
        user.activated_at(text).map_err(profile)?;
    }
    if let Some((form, raw)) = value(row, attributes) {
        for (name, text) in read("attributes", cell::texts(form, raw))? {
            user.attribute(&name, &text).map_err(profile)?;
        }
    }
    Ok(user.user())
}

impl MemberColumns {
    /// The member whom a row describes.
    ///
    /// # Errors
    /// The first thing that is wrong with the row.
    pub(super) fn member(&self, row: &impl Cells, words: &Words) -> Result<MemberRow, BadRow> {
        let [workspace, org, user, role] = self.0;
        let user = id("user", value(row, user), UserId::parse)
            .map_err(|why| BadRow { user: None, why })?;
        let rest = || {
            let workspace = id("workspace", value(row, workspace), WorkspaceId::parse)?;
            let org = match (org, value(row, org)) {
                (None, _) => None,
                (Some(_), None) => Some(None),
                (Some(_), some) => Some(Some(id("org", some, OrgId::parse_clerk)?)),
            };
            let (_, raw) = value(row, role).ok_or_else(|| wrong("role", "is NULL"))?;
            let role = word(
                "role",
                raw,
                || words.roles.names(),
                |name| words.roles.find(name),
            )?;
            Ok((workspace, org, role))
        };
        match rest() {
            Ok((workspace, org, role)) => Ok(MemberRow {
                workspace,
                org,
                user,
                role,
            }),
            Err(why) => Err(BadRow {
                user: Some(user),
                why,
            }),
        }
    }
}
