//! Clerk as it is: who has signed in, who is banned, who is a member of what; and the webhooks that say so, as Clerk writes them.

use bailiff::domain::event::{Meaning, MembershipEvent, meaning};
use bailiff::domain::membership::Roles;
use serde_json::{Value, json};

/// 2027-01-15, where simulated time begins; milliseconds since 1970. Times of the simulation are milliseconds since then.
pub const EPOCH: u64 = 1_800_000_000_000;
pub const ORGS: usize = 2;

/// Something that happens at Clerk. Users, organizations and roles go by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    SignIn(usize),
    SignOut(usize),
    Ban(usize),
    Unban(usize),
    Rename(usize),
    Delete(usize),
    /// Joins, or has another role.
    Join(usize, usize, usize),
    Leave(usize, usize),
    DeleteOrg(usize),
}

/// Whom an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    User(usize),
    Member(usize, usize),
    Org(usize),
}

#[derive(Clone, Debug, Default)]
pub struct User {
    pub banned: bool,
    pub deleted: bool,
    named: usize,
}

/// A session, from when until when it got tokens.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    pub user: usize,
    pub began: u64,
    pub ended: Option<u64>,
}

/// An event that Clerk sends.
#[derive(Clone, Debug)]
pub struct Event {
    pub subject: Subject,
    pub at: u64,
    body: Value,
}

pub struct Clerk {
    pub users: Vec<User>,
    pub sessions: Vec<Session>,
    /// The role of each user in each organization.
    pub members: Vec<[Option<usize>; ORGS]>,
    pub orgs: [bool; ORGS],
}

pub const ROLES: [&str; 2] = ["member", "admin"];

pub fn roles() -> Roles {
    Roles::new(&ROLES.map(str::to_owned)).expect("two words are roles")
}

impl Clerk {
    /// Everybody has signed in once, and is a member of the organization that the source says: see [`super::gate::table`].
    pub fn new(users: usize) -> Self {
        let member = |user: usize| std::array::from_fn(|org| (org == user % ORGS).then_some(0));
        Self {
            users: vec![User::default(); users],
            sessions: (0..users)
                .map(|user| Session {
                    user,
                    began: 0,
                    ended: None,
                })
                .collect(),
            members: (0..users).map(member).collect(),
            orgs: [true; ORGS],
        }
    }

    /// Whether the user may have what they ask for at this moment: to come in at all, or into an organization.
    pub fn admits(&self, user: usize, org: Option<usize>) -> bool {
        let known = self
            .users
            .get(user)
            .is_some_and(|user| !user.banned && !user.deleted);
        let member = |org: usize| {
            let role = self
                .members
                .get(user)
                .and_then(|roles| roles.get(org))
                .copied()
                .flatten();
            role.is_some() && self.orgs.get(org) == Some(&true)
        };
        known && org.is_none_or(member)
    }

    /// What happens at `now`, and what Clerk sends of it: nothing where nothing changes.
    pub fn happen(&mut self, op: Op, now: u64) -> Vec<Event> {
        let at = EPOCH + now;
        let event = |subject, kind: &str, mut data: Value| {
            let deleted = kind.ends_with(".deleted");
            if !deleted && let Some(data) = data.as_object_mut() {
                data.insert("updated_at".into(), json!(at));
            }
            let body = json!({"type": kind, "timestamp": at, "data": data, "object": "event"});
            vec![Event {
                subject,
                at: now,
                body,
            }]
        };
        match op {
            Op::SignIn(user) => {
                if self.admits(user, None) {
                    self.sessions.push(Session {
                        user,
                        began: now,
                        ended: None,
                    });
                }
                vec![]
            }
            Op::SignOut(user) => {
                let open = self
                    .sessions
                    .iter()
                    .rposition(|s| s.user == user && s.ended.is_none() && s.began < now);
                let Some(session) = open else { return vec![] };
                self.sessions.get_mut(session).expect("it was found").ended = Some(now);
                event(
                    Subject::User(user),
                    "session.revoked",
                    json!({"id": session_id(session), "user_id": user_id(user)}),
                )
            }
            Op::Ban(user) | Op::Unban(user) | Op::Rename(user) | Op::Delete(user) => {
                let Some(known) = self.users.get_mut(user).filter(|user| !user.deleted) else {
                    return vec![];
                };
                match op {
                    Op::Ban(_) => known.banned = true,
                    Op::Unban(_) => known.banned = false,
                    Op::Delete(_) => known.deleted = true,
                    _ => known.named += 1,
                }
                if known.banned || known.deleted {
                    let open = self
                        .sessions
                        .iter_mut()
                        .filter(|s| s.user == user && s.ended.is_none());
                    open.for_each(|session| session.ended = Some(now));
                }
                let kind = if known.deleted {
                    "user.deleted"
                } else {
                    "user.updated"
                };
                let name = format!("Name {}", known.named);
                let data = json!({"id": user_id(user), "banned": known.banned, "first_name": name});
                event(Subject::User(user), kind, data)
            }
            Op::Join(user, org, _) | Op::Leave(user, org) => {
                let role = if let Op::Join(.., role) = op {
                    Some(role)
                } else {
                    None
                };
                let gone = self.users.get(user).is_none_or(|user| user.deleted)
                    || self.orgs.get(org) != Some(&true);
                let member = self
                    .members
                    .get_mut(user)
                    .and_then(|roles| roles.get_mut(org));
                let Some(member) = member.filter(|member| !gone && **member != role) else {
                    return vec![];
                };
                *member = role;
                let kind = if role.is_some() {
                    "organizationMembership.updated"
                } else {
                    "organizationMembership.deleted"
                };
                let name = role
                    .and_then(|role| ROLES.get(role))
                    .map_or("org:member".to_owned(), |name| format!("org:{name}"));
                let data = json!({
                    "organization": {"id": org_id(org)}, "public_user_data": {"user_id": user_id(user)}, "role": name,
                });
                event(Subject::Member(org, user), kind, data)
            }
            Op::DeleteOrg(org) => {
                let Some(there) = self.orgs.get_mut(org).filter(|there| **there) else {
                    return vec![];
                };
                *there = false;
                event(
                    Subject::Org(org),
                    "organization.deleted",
                    json!({"id": org_id(org)}),
                )
            }
        }
    }
}

impl Event {
    /// What a gate reads of it.
    pub fn change(&self) -> MembershipEvent {
        let body = serde_json::to_vec(&self.body).expect("JSON");
        match meaning(&body, None, Some(&roles())) {
            Meaning::Change(event) => event,
            other => panic!("an event that Clerk sends is understood: {other:?}"),
        }
    }
}

pub fn user_id(user: usize) -> String {
    format!("user_{user}")
}

pub fn session_id(session: usize) -> String {
    format!("sess_{session}")
}

pub fn org_id(org: usize) -> String {
    format!("org_{org}")
}
