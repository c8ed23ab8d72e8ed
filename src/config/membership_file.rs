//! The membership file: who the users are, and which roles they have in which workspaces.
//!
//! Nothing in it is replaced: `${…}` would make it depend on the machine, and the app that writes it has the values.

use std::collections::HashSet;

use crate::domain::ids::{OrgId, UserId, WorkspaceId, text_header};
use crate::domain::membership::{
    AccessStatus, Flags, MAX_ATTRIBUTES, MAX_DETAIL, Role, Roles, RowFault, Table, TableBuilder,
    User, UserRow, UserRowError,
};

use super::document::faults::{Code, Fault, Faults, quoted};
use super::document::source::{Place, Source};
use super::document::yaml::{Bounds, Node};
use super::reader::{Ctx, Field, Fields, Member};
use super::sections::membership::known_flags;
use super::values::suggest::nearest;

/// Bound on the file: 64 MiB and 8 million values, which is enough for some 500,000 users.
pub const BOUNDS: Bounds = Bounds {
    bytes: 64 << 20,
    depth: 8,
    nodes: 8_000_000,
};

const USER: &str = "the Clerk id of a user, `user_…`, or `name:id` for a user of the issuer `name`";

/// Bound: more members without a user are counted, not listed.
const MOST_STRANGERS: usize = 20;

/// Reads a membership file.
///
/// ```yaml
/// users:
///   user_2abc: {id: 4f6c0a51, email: alex@example.com, name: Alex Chen, access: active, founder: true}
///   user_2ghi: {flags: [is_admin], activated_at: 2026-01-31T10:00:00Z, attributes: {referral_code: ALEX42}}
///   user_2def: {}                     # access is `active` if it is not said: who lists a user means to let them in
/// workspaces:
///   ws_1: {org: org_2xyz, members: {user_2abc: owner, user_2def: member}}
/// ```
///
/// # Errors
/// Every fault that was found, warnings included, if one of them is an error.
pub fn parse_membership(
    source: &Source,
    roles: &Roles,
    flags: &Flags,
) -> Result<(Table, Faults), Faults> {
    let ctx = Ctx::literal();
    let root = ctx.parse(source, BOUNDS);
    let table = root.and_then(|root| table(&root, roles, flags, &ctx));
    ctx.into_faults().judge(table)
}

fn table(root: &Node, roles: &Roles, flags: &Flags, ctx: &Ctx<'_>) -> Option<Table> {
    let mut fields = Fields::of(root, "the membership file", ctx)?;
    let mut table = TableBuilder::new();
    let users = users(fields.req("users"), flags, &mut table);
    let members = fields
        .opt("workspaces")
        .maybe(|field| workspaces(field, roles, &mut table));
    fields.finish();
    let (users, members) = (users?, members?.unwrap_or_default());
    strangers(&users, &members, ctx);
    Some(table.build())
}

/// Adds all users; gives their ids.
fn users<'a>(
    field: Field<'a>,
    flags: &Flags,
    table: &mut TableBuilder,
) -> Option<HashSet<&'a str>> {
    let members = field.members()?;
    let mut good = true;
    for member in &members {
        let (id, user) = (key(member, USER, UserId::parse), user(member.value, flags));
        let (Some(id), Some((user, place))) = (id, user) else {
            good = false;
            continue;
        };
        if let Err(why) = table.user(&id, &user) {
            let fault = misfit(&why);
            member.value.reject(match place {
                Some(place) => fault.at(place),
                None => fault,
            });
            good = false;
        }
    }
    good.then(|| members.iter().map(|member| member.key).collect())
}

/// What is wrong with a row that does not fit to those before it.
fn misfit(why: &RowFault) -> Fault {
    let both = |a: &str, b: &str| format!("{} and {}", quoted(a), quoted(b));
    match why {
        RowFault::SameId(a, b) => {
            let what = format!("the users {} have one `id`", both(a.as_str(), b.as_str()));
            Fault::error(Code::Contradiction, what).fix("give each its own, or leave `id` out")
        }
        RowFault::SameOrg(a, b) => {
            let what = format!(
                "the workspaces {} have one `org`",
                both(a.as_str(), b.as_str())
            );
            Fault::error(Code::Contradiction, what)
                .fix("an organization is one workspace: remove `org` from the other")
        }
        RowFault::TooMany => Fault::error(Code::Bound, why.to_string()),
        // The file itself has each key once.
        RowFault::SameUser(_) | RowFault::SameWorkspace(_) | RowFault::SameMember(..) => {
            Fault::error(Code::Contradiction, why.to_string())
        }
    }
}

/// A user, and where its id stands.
fn user(field: Field<'_>, flags: &Flags) -> Option<(User, Option<Place>)> {
    let mut fields = field.fields("a user")?;
    let mut row = UserRow::new(flags);
    let own = fields.opt("id");
    let expected = "visible ASCII without , ; \" \\";
    let read = [
        own.maybe(|field| field.told(Code::WrongValue, expected, |text| row.id(text))),
        fields
            .opt("email")
            .maybe(|field| text(field).map(|text| row.email(&text))),
        fields
            .opt("name")
            .maybe(|field| text(field).map(|text| row.name(&text))),
        fields
            .opt("access")
            .maybe(|field| row.access(field.one_of(AccessStatus::NAMES)?).ok()),
        fields
            .opt("founder")
            .maybe(|field| field.bool().map(|founder| row.founder(founder))),
        fields.opt("flags").maybe(|field| {
            let names = Field::each(field.list(), |item| flag(item, flags))?;
            row.flags(names.iter().map(|name| &**name)).ok()
        }),
        fields
            .opt("activated_at")
            .maybe(|field| detail(field, |text| row.activated_at(text))),
        fields
            .opt("attributes")
            .maybe(|field| attributes(field, &mut row)),
    ];
    fields.finish();
    let good = read.iter().all(Option::is_some);
    good.then(|| (row.user(), own.place()))
}

/// A text for a header. One that is too long for it is left out, with a warning: for one long name nobody else is kept from
/// working.
fn text(field: Field<'_>) -> Option<String> {
    let text = field.str()?;
    if let (None, Some(place)) = (text_header(&text), field.place()) {
        let what = format!(
            "a text of {} bytes is too long for a header and is left out",
            text.len()
        );
        field.reject(
            Fault::warning(Code::Bound, what)
                .at(place)
                .expected("at most 1024 bytes, percent-encoded"),
        );
    }
    Some(text)
}

fn attributes(field: Field<'_>, row: &mut UserRow<'_>) -> Option<()> {
    let members = field.members()?;
    if members.len() > MAX_ATTRIBUTES {
        field.wrongly(
            Code::Bound,
            "has too many entries",
            &format!("at most {MAX_ATTRIBUTES}"),
        );
        return None;
    }
    let read: Vec<_> = members
        .iter()
        .map(|member| detail(member.value, |text| row.attribute(member.key, text)))
        .collect();
    read.into_iter().collect()
}

/// A text for the profile.
fn detail(field: Field<'_>, read: impl FnOnce(&str) -> Result<(), UserRowError>) -> Option<()> {
    field.told(Code::Bound, &format!("at most {MAX_DETAIL} bytes"), read)
}

/// Adds all workspaces; gives the members of all of them.
fn workspaces<'a>(
    field: Field<'a>,
    roles: &Roles,
    table: &mut TableBuilder,
) -> Option<Vec<Member<'a>>> {
    let mut all = Vec::new();
    let mut good = true;
    for member in &field.members()? {
        let id = key(
            member,
            "an id of visible ASCII without , ; \" \\",
            WorkspaceId::parse,
        );
        let (Some(id), Some(workspace)) = (id, workspace(member.value, roles)) else {
            good = false;
            continue;
        };
        if let Err((place, why)) = workspace.add_to(table, &id) {
            place.reject(misfit(&why));
            good = false;
        }
        all.extend(workspace.listed);
    }
    good.then_some(all)
}

struct Workspace<'a> {
    org: Option<OrgId>,
    org_field: Field<'a>,
    members: Vec<(UserId, Role)>,
    listed: Vec<Member<'a>>,
}

impl<'a> Workspace<'a> {
    /// Adds it with its members, or says where it does not fit.
    fn add_to(
        &self,
        table: &mut TableBuilder,
        id: &WorkspaceId,
    ) -> Result<(), (Field<'a>, RowFault)> {
        table
            .workspace(id, self.org.as_ref())
            .map_err(|why| (self.org_field, why))?;
        for ((user, role), listed) in self.members.iter().zip(&self.listed) {
            table
                .member(id, user, *role)
                .map_err(|why| (listed.value, why))?;
        }
        Ok(())
    }
}

fn workspace<'a>(field: Field<'a>, roles: &Roles) -> Option<Workspace<'a>> {
    let mut fields = field.fields("a workspace")?;
    let org_field = fields.opt("org");
    let expected = "the id of a Clerk organization, `org_…`";
    let org = org_field.maybe(|field| field.told(Code::WrongValue, expected, OrgId::parse_clerk));
    let listed = fields.opt("members").maybe(Field::members);
    fields.finish();
    let listed = listed?.unwrap_or_default();
    // Every member is looked at, so that all that is wrong is said at once.
    let members: Vec<_> = listed
        .iter()
        .map(|member| (key(member, USER, UserId::parse), role(member.value, roles)))
        .collect();
    let members = members
        .into_iter()
        .map(|(id, role)| id.zip(role))
        .collect::<Option<_>>();
    Some(Workspace {
        org: org?,
        org_field,
        members: members?,
        listed,
    })
}

fn role(field: Field<'_>, roles: &Roles) -> Option<Role> {
    let name = field.str()?;
    let role = roles.find(&name);
    if role.is_none() {
        let fault = Fault::error(
            Code::WrongValue,
            format!("{} has the unknown role {}", field.name, quoted(&name)),
        );
        field.reject(match nearest(&name, roles.names()) {
            Some(near) => fault.near(near),
            None => {
                let names: Vec<_> = roles.names().map(quoted).collect();
                fault.expected(format!("one of `membership.roles`: {}", names.join(", ")))
            }
        });
    }
    role
}

fn key<T, E: std::fmt::Display>(
    member: &Member<'_>,
    expected: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<T> {
    match parse(member.key) {
        Ok(id) => Some(id),
        Err(error) => {
            let fault = Fault::error(Code::WrongValue, format!("{} {error}", quoted(member.key)));
            member.reject(fault.expected(expected));
            None
        }
    }
}

/// Members of whom `users` says nothing: they pass routes that ask for a token only, which may be a slip of the pen.
fn strangers(users: &HashSet<&str>, members: &[Member<'_>], ctx: &Ctx<'_>) {
    let mut told = HashSet::new();
    let mut more = 0_usize;
    for member in members.iter().filter(|member| !users.contains(member.key)) {
        if told.len() >= MOST_STRANGERS {
            more += 1;
        } else if told.insert(member.key) {
            let what = format!("{} is a member and not among `users`", quoted(member.key));
            let fault = Fault::warning(Code::Contradiction, what);
            member.reject(fault.fix(format!(
                "add `{}: {{access: active}}` to `users`, or remove the member",
                member.key
            )));
        }
    }
    if more > 0 {
        ctx.push(Fault::warning(
            Code::Contradiction,
            format!("{more} more members are not among `users`"),
        ));
    }
}
