//! The membership file: who the users are, and which roles they have in which workspaces.
//!
//! Nothing in it is replaced: `${…}` would make it depend on the machine, and the app that writes it has the values.

use std::collections::HashSet;

use crate::domain::ids::{OrgId, UserId, WorkspaceId, text_header};
use crate::domain::membership::{
    AccessStatus, Flags, MAX_ATTRIBUTES, MAX_DETAIL, Role, Roles, RowFault, Table, TableBuilder,
    UserRow, UserRowError,
};

use super::document::faults::Faults;
use super::document::source::Source;
use super::document::yaml::{Bounds, Node};
use super::reader::{
    Code, Fault, Faulty, Field, Fields, Member, ReaderContext, Reading, all, quoted,
};
use super::sections::membership::flag;

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
    let ctx = ReaderContext::literal();
    let root = ctx.parse(source, BOUNDS);
    let table = root.and_then(|root| table(&root, roles, flags, &ctx));
    ctx.into_faults().judge(table.ok())
}

fn table(root: &Node, roles: &Roles, flags: &Flags, ctx: &ReaderContext<'_>) -> Reading<Table> {
    let mut fields = Fields::of(root, "the membership file", ctx)?;
    let mut table = TableBuilder::new();
    let users = users(fields.req("users"), flags, &mut table);
    let members = fields.read_or("workspaces", vec![], |field| {
        workspaces(field, roles, &mut table)
    });
    fields.finish();
    let (users, members) = (users?, members?);
    unlisted_members(&users, &members, ctx);
    Ok(table.build())
}

/// Adds all users; gives their ids.
fn users<'a>(
    field: Field<'a>,
    flags: &Flags,
    table: &mut TableBuilder,
) -> Reading<HashSet<&'a str>> {
    let members = field.members()?;
    let add = |member: &Member<'a>| {
        add_user(member, flags, table)?;
        Ok(member.key)
    };
    all(members.iter().map(add))
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

fn add_user(member: &Member<'_>, flags: &Flags, table: &mut TableBuilder) -> Reading<()> {
    let clerk_id = key(member, USER, UserId::parse);
    let mut fields = member.value.fields("a user")?;
    let mut row = UserRow::new(flags);
    let own = fields.opt("id");
    let expected = "visible ASCII without , ; \" \\";
    let read = [
        own.maybe(|field| field.parse(Code::WrongValue, expected, |text| row.id(text))),
        fields.maybe("email", |field| text(field).map(|text| row.email(&text))),
        fields.maybe("name", |field| text(field).map(|text| row.name(&text))),
        fields.maybe("access", |field| {
            let access = row.access(field.one_of(AccessStatus::NAMES)?);
            access.map_err(|_| Faulty)
        }),
        fields.maybe("founder", |field| {
            field.bool().map(|founder| row.founder(founder))
        }),
        fields.maybe("flags", |field| {
            let names = Field::each(field.list(), |item| flag(item, flags))?;
            row.flags(names.iter().map(|name| &**name))
                .map_err(|_| Faulty)
        }),
        fields.maybe("activated_at", |field| {
            detail(field, |text| row.activated_at(text))
        }),
        fields.maybe("attributes", |field| attributes(field, &mut row)),
    ];
    fields.finish();
    read.into_iter().collect::<Reading<Vec<_>>>()?;
    let at = if own.is_present() { own } else { member.value };
    let added = table.user(&clerk_id?, &row.user());
    added.map_err(|why| at.reject(misfit(&why)))
}

/// A text for a header. One that is too long for it is left out, with a warning: one long name must not keep all other users
/// out.
fn text(field: Field<'_>) -> Reading<String> {
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
    Ok(text)
}

fn attributes(field: Field<'_>, row: &mut UserRow<'_>) -> Reading<()> {
    let members = field.members()?;
    if members.len() > MAX_ATTRIBUTES {
        let most = format!("at most {MAX_ATTRIBUTES}");
        return Err(field.wrongly(Code::Bound, "has too many entries", &most));
    }
    let read = members
        .iter()
        .map(|member| detail(member.value, |text| row.attribute(member.key, text)));
    all::<(), ()>(read)
}

/// A text for the profile.
fn detail(field: Field<'_>, read: impl FnOnce(&str) -> Result<(), UserRowError>) -> Reading<()> {
    field.parse(Code::Bound, &format!("at most {MAX_DETAIL} bytes"), read)
}

/// Adds all workspaces; gives the members of all of them.
fn workspaces<'a>(
    field: Field<'a>,
    roles: &Roles,
    table: &mut TableBuilder,
) -> Reading<Vec<Member<'a>>> {
    let members = field.members()?;
    let add = |member: &Member<'a>| add_workspace(member, roles, table);
    let listed: Vec<Vec<_>> = all(members.iter().map(add))?;
    Ok(listed.concat())
}

/// Adds a workspace with its members, and gives these.
fn add_workspace<'a>(
    member: &Member<'a>,
    roles: &Roles,
    table: &mut TableBuilder,
) -> Reading<Vec<Member<'a>>> {
    let expected = "an id of visible ASCII without , ; \" \\";
    let id = key(member, expected, WorkspaceId::parse);
    let mut fields = member.value.fields("a workspace")?;
    let org_field = fields.opt("org");
    let expected = "the id of a Clerk organization, `org_…`";
    let org = org_field.maybe(|field| field.parse(Code::WrongValue, expected, OrgId::parse_clerk));
    let listed = fields.read_or("members", vec![], Field::members);
    fields.finish();
    let listed = listed?;
    // Every member is read, so that all faults are found at once.
    let read = |member: &Member<'a>| {
        let id = key(member, USER, UserId::parse);
        let role = role(member.value, roles);
        Ok((id?, role?))
    };
    let members: Reading<Vec<_>> = all(listed.iter().map(read));
    let (id, org, members) = (id?, org?, members?);
    let added = table.workspace(&id, org.as_ref());
    added.map_err(|why| org_field.reject(misfit(&why)))?;
    for ((user, role), member) in members.iter().zip(&listed) {
        let added = table.member(&id, user, *role);
        added.map_err(|why| member.value.reject(misfit(&why)))?;
    }
    Ok(listed)
}

fn role(field: Field<'_>, roles: &Roles) -> Reading<Role> {
    let name = field.str()?;
    roles.find(&name).ok_or_else(|| {
        let what = format!("{} has the unknown role {}", field.name, quoted(&name));
        let names: Vec<_> = roles.names().map(quoted).collect();
        let expected = format!("one of `membership.roles`: {}", names.join(", "));
        field.unknown_word(
            Fault::error(Code::WrongValue, what),
            &name,
            roles.names(),
            expected,
        )
    })
}

fn key<T, E: std::fmt::Display>(
    member: &Member<'_>,
    expected: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Reading<T> {
    parse(member.key).map_err(|error| {
        let fault = Fault::error(Code::WrongValue, format!("{} {error}", quoted(member.key)));
        member.reject(fault.expected(expected))
    })
}

/// Members who are not among `users`: they pass routes that ask for a token only, which may be a mistake.
fn unlisted_members(users: &HashSet<&str>, members: &[Member<'_>], ctx: &ReaderContext<'_>) {
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
