//! The membership file: who the users are, and which roles they have in which workspaces.
//!
//! Nothing in it is replaced: `${…}` would make it depend on the machine, and the app that writes it has the values.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::domain::ids::{AppUserId, OrgId, UserId, WorkspaceId, text_header};
use crate::domain::membership::{AccessStatus, Details, Flags, Role, Roles, Table, User, Workspace};

use super::faults::{Code, Fault, Faults, quoted};
use super::near::nearest;
use super::reader::{Ctx, Field, Fields, Member};
use super::roles::known_flags;
use super::source::{Place, Source};
use super::yaml::{Bounds, Node};

/// Bound on the file: 64 MiB and 8 million values, which is enough for some 500,000 users.
pub const BOUNDS: Bounds = Bounds { bytes: 64 << 20, depth: 8, nodes: 8_000_000 };

const USER: &str = "the Clerk id of a user, `user_…`, or `name:id` for a user of the issuer `name`";
/// Bounds on what only the profile tells.
const MAX_ATTRIBUTES: usize = 32;
const MAX_DETAIL: usize = 1024;

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
pub fn parse_membership(source: &Source, roles: &Roles, flags: &Flags) -> Result<(Table, Faults), Faults> {
    let ctx = Ctx::literal();
    let root = ctx.parse(source, BOUNDS);
    let table = root.and_then(|root| table(&root, roles, flags, &ctx));
    ctx.into_faults().judge(table)
}

fn table(root: &Node, roles: &Roles, flags: &Flags, ctx: &Ctx<'_>) -> Option<Table> {
    let mut fields = Fields::of(root, "the membership file", ctx)?;
    let users = users(fields.req("users"), flags);
    let workspaces = fields.opt("workspaces").maybe(|field| workspaces(field, roles));
    fields.finish();
    let (users, workspaces) = (users?, workspaces?.unwrap_or_default());
    strangers(&users, &workspaces, ctx);
    let workspaces = workspaces.into_iter().map(|(id, workspace, _)| (id, workspace)).collect();
    match Table::new(users, workspaces) {
        Ok(table) => Some(table),
        // Reported with its place before; this is the second wall.
        Err((a, b)) => {
            let what =
                format!("the workspaces {} and {} have one organization", quoted(a.as_str()), quoted(b.as_str()));
            ctx.push(Fault::error(Code::Contradiction, what));
            None
        }
    }
}

fn users(field: Field<'_>, flags: &Flags) -> Option<HashMap<UserId, User>> {
    let members = field.members()?;
    let mut users = HashMap::with_capacity(members.len());
    let mut ids: HashMap<AppUserId, UserId> = HashMap::new();
    let mut good = true;
    for member in &members {
        let (id, user) = (key(member, USER, UserId::parse), user(member.value, flags));
        let (Some(id), Some((user, place))) = (id, user) else {
            good = false;
            continue;
        };
        if let Some(own) = &user.id
            && let Some(other) = ids.insert(own.clone(), id.clone())
        {
            let what = format!("the users {} and {} have one `id`", quoted(other.as_str()), quoted(id.as_str()));
            let fault = Fault::error(Code::Contradiction, what).fix("give each its own, or leave `id` out");
            member.value.reject(match place {
                Some(place) => fault.at(place),
                None => fault,
            });
            good = false;
        }
        users.insert(id, user);
    }
    good.then_some(users)
}

/// A user, and where its id stands.
fn user(field: Field<'_>, flags: &Flags) -> Option<(User, Option<Place>)> {
    let mut fields = field.fields("a user")?;
    let own = fields.opt("id");
    let id = own.maybe(|field| field.told(Code::WrongValue, "visible ASCII without , ; \" \\", AppUserId::parse));
    let email = fields.opt("email").maybe(text);
    let name = fields.opt("name").maybe(text);
    let access = fields.opt("access").maybe(|field| field.one_of(AccessStatus::NAMES).and_then(AccessStatus::find));
    let founder = fields.opt("founder").bool_or(false);
    let set = fields.opt("flags").maybe(|field| known_flags(field, flags));
    let activated_at = fields.opt("activated_at").maybe(detail);
    let attributes = fields.opt("attributes").maybe(attributes);
    fields.finish();
    let (email, name, activated_at, attributes) = (email?, name?, activated_at?, attributes?.unwrap_or_default());
    let access = access?.unwrap_or(AccessStatus::Active);
    let user = User::new(id?, email.as_deref(), name.as_deref(), access, founder?);
    let details = (activated_at.is_some() || !attributes.is_empty()).then_some(Details { activated_at, attributes });
    Some((User { flags: set?.unwrap_or_default(), details: details.map(Box::new), ..user }, own.place()))
}

/// A text for a header. One that is too long for it is left out, with a warning: for one long name nobody else is kept from
/// working.
fn text(field: Field<'_>) -> Option<String> {
    let text = field.str()?;
    if let (None, Some(place)) = (text_header(&text), field.place()) {
        let what = format!("a text of {} bytes is too long for a header and is left out", text.len());
        field.reject(Fault::warning(Code::Bound, what).at(place).expected("at most 1024 bytes, percent-encoded"));
    }
    Some(text)
}

fn attributes(field: Field<'_>) -> Option<BTreeMap<Box<str>, Box<str>>> {
    let members = field.members()?;
    if members.len() > MAX_ATTRIBUTES {
        field.wrongly(Code::Bound, "has too many entries", &format!("at most {MAX_ATTRIBUTES}"));
        return None;
    }
    let read: Vec<_> = members.iter().map(|member| Some((member.key.into(), detail(member.value)?))).collect();
    read.into_iter().collect()
}

/// A text for the profile.
fn detail(field: Field<'_>) -> Option<Box<str>> {
    field.told(Code::Bound, &format!("at most {MAX_DETAIL} bytes"), |text| {
        if text.len() <= MAX_DETAIL { Ok(Box::from(text)) } else { Err("is too long for a profile") }
    })
}

type Workspaces<'a> = Vec<(WorkspaceId, Workspace, Vec<Member<'a>>)>;

fn workspaces<'a>(field: Field<'a>, roles: &Roles) -> Option<Workspaces<'a>> {
    let listed = field.members()?;
    let mut workspaces = Vec::with_capacity(listed.len());
    let mut orgs: HashMap<OrgId, WorkspaceId> = HashMap::new();
    let mut good = true;
    for member in &listed {
        let id = key(member, "an id of visible ASCII without , ; \" \\", WorkspaceId::parse);
        let (Some(id), Some((workspace, org, members))) = (id, workspace(member.value, roles)) else {
            good = false;
            continue;
        };
        if let Some(own) = &workspace.org
            && let Some(other) = orgs.insert(own.clone(), id.clone())
        {
            let names = format!("{} and {}", quoted(other.as_str()), quoted(id.as_str()));
            let fault = Fault::error(Code::Contradiction, format!("the workspaces {names} have one `org`"));
            org.reject(fault.fix("an organization is one workspace: remove `org` from the other"));
            good = false;
        }
        workspaces.push((id, workspace, members));
    }
    good.then_some(workspaces)
}

fn workspace<'a>(field: Field<'a>, roles: &Roles) -> Option<(Workspace, Field<'a>, Vec<Member<'a>>)> {
    let mut fields = field.fields("a workspace")?;
    let own = fields.opt("org");
    let expected = "the id of a Clerk organization, `org_…`";
    let org = own.maybe(|field| field.told(Code::WrongValue, expected, org));
    let listed = fields.opt("members").maybe(Field::members);
    fields.finish();
    let listed = listed?.unwrap_or_default();
    let mut members = HashMap::with_capacity(listed.len());
    let mut good = true;
    for member in &listed {
        let id = key(member, USER, UserId::parse);
        match (id, role(member.value, roles)) {
            (Some(id), Some(role)) => _ = members.insert(id, role),
            _ => good = false,
        }
    }
    let workspace = Workspace { org: org?, members };
    good.then_some((workspace, own, listed))
}

fn org(text: &str) -> Result<OrgId, String> {
    let id = OrgId::parse(text).map_err(|error| error.to_string())?;
    if text.starts_with("org_") { Ok(id) } else { Err("does not start with `org_`".to_owned()) }
}

fn role(field: Field<'_>, roles: &Roles) -> Option<Role> {
    let name = field.str()?;
    let role = roles.find(&name);
    if role.is_none() {
        let fault = Fault::error(Code::WrongValue, format!("{} has the unknown role {}", field.name, quoted(&name)));
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
fn strangers(users: &HashMap<UserId, User>, workspaces: &Workspaces<'_>, ctx: &Ctx<'_>) {
    let mut told = HashSet::new();
    let mut more = 0_usize;
    let strangers =
        workspaces.iter().flat_map(|(_, _, members)| members).filter(|member| !users.contains_key(member.key));
    for member in strangers {
        if told.len() >= MOST_STRANGERS {
            more += 1;
        } else if told.insert(member.key) {
            let what = format!("{} is a member and not among `users`", quoted(member.key));
            let fault = Fault::warning(Code::Contradiction, what);
            member.reject(
                fault.fix(format!("add `{}: {{access: active}}` to `users`, or remove the member", member.key)),
            );
        }
    }
    if more > 0 {
        ctx.push(Fault::warning(Code::Contradiction, format!("{more} more members are not among `users`")));
    }
}
