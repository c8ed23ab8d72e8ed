//! Compares the table with a model of plain maps: for any rows in any order, both give the same answers about every user.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;

use super::super::{AccessStatus, Details};
use super::*;
use crate::domain::ids::AppUserId;

/// Rows as they come, by plain maps.
#[derive(Debug, Default)]
struct Model {
    users: Vec<(UserId, User)>,
    workspaces: BTreeMap<WorkspaceId, Option<OrgId>>,
    members: BTreeMap<(WorkspaceId, UserId), Role>,
}

#[derive(Clone, Debug)]
enum Given {
    User(UserId, User),
    Workspace(WorkspaceId, Option<OrgId>),
    Member(WorkspaceId, UserId, Role),
}

impl Model {
    fn take(&mut self, row: &Given) -> Result<(), RowFault> {
        match row {
            Given::User(id, user) => {
                if self.user(id).is_some() {
                    return Err(RowFault::SameUser(id.clone()));
                }
                let holder = self
                    .users
                    .iter()
                    .find(|(_, other)| user.id.is_some() && other.id == user.id);
                if let Some((other, _)) = holder {
                    return Err(RowFault::SameId(other.clone(), id.clone()));
                }
                self.users.push((id.clone(), user.clone()));
            }
            Given::Workspace(id, org) => {
                if let Some(said) = self.workspaces.get(id) {
                    return if said == org {
                        Ok(())
                    } else {
                        Err(RowFault::SameWorkspace(id.clone()))
                    };
                }
                if let Some(other) = org.as_ref().and_then(|org| self.workspace_of(org)) {
                    return Err(RowFault::SameOrg(other, id.clone()));
                }
                self.workspaces.insert(id.clone(), org.clone());
            }
            Given::Member(workspace, user, role) => {
                let key = (workspace.clone(), user.clone());
                if self.members.contains_key(&key) {
                    return Err(RowFault::SameMember(workspace.clone(), user.clone()));
                }
                self.members.insert(key, *role);
            }
        }
        Ok(())
    }

    fn user(&self, id: &UserId) -> Option<&User> {
        self.users
            .iter()
            .find(|(other, _)| other == id)
            .map(|(_, user)| user)
    }

    fn workspace_of(&self, org: &OrgId) -> Option<WorkspaceId> {
        self.workspaces
            .iter()
            .find(|(_, other)| other.as_ref() == Some(org))
            .map(|(id, _)| id.clone())
    }

    fn size(&self) -> (usize, usize, usize) {
        let named = self
            .members
            .keys()
            .map(|(workspace, _)| workspace)
            .filter(|w| !self.workspaces.contains_key(*w));
        let named: BTreeSet<_> = named.collect();
        (
            self.users.len(),
            self.workspaces.len() + named.len(),
            self.members.len(),
        )
    }
}

/// Ids of all forms, and such as differ from one of those in one place.
const TAILS: [&str; 8] = [
    "1",
    "4f6c0a51-6a0e-4c1f-9b1e-0123456789ab",
    "4F6C0A51-6A0E-4C1F-9B1E-0123456789AB",
    "4f6c0a51-6a0e-4c1f-9b1e-0123456789ag",
    "4f6c0a516-a0e-4c1f-9b1e-0123456789ab",
    "user_1",
    "org_1",
    "2abcdefghijklmnopqrstuvwxyz01234567890123456789012345678901234567890123456789",
];

fn users() -> Vec<UserId> {
    let prefixes = ["user_", "partner:", "user_:"];
    let all = prefixes
        .iter()
        .flat_map(|prefix| TAILS.map(|tail| format!("{prefix}{tail}")));
    all.filter_map(|id| UserId::parse(&id).ok()).collect()
}

fn workspaces() -> Vec<WorkspaceId> {
    TAILS
        .iter()
        .map(|id| WorkspaceId::parse(id).expect("an id"))
        .collect()
}

fn orgs() -> Vec<OrgId> {
    let all = TAILS.map(|tail| format!("org_{tail}"));
    all.iter()
        .map(String::as_str)
        .chain(TAILS)
        .map(|id| OrgId::parse(id).expect("an id"))
        .collect()
}

fn role(rank: u8) -> Role {
    Role(rank)
}

fn text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(prop_oneof![
        select(TAILS.to_vec()).prop_map(str::to_owned),
        ".{0,30}"
    ])
}

fn details() -> impl Strategy<Value = Option<Box<Details>>> {
    let attributes = proptest::collection::btree_map(".{0,5}", ".{0,20}", 0..4);
    proptest::option::of((text(), attributes).prop_map(|(activated_at, attributes)| {
        let attributes = attributes
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Box::new(Details {
            activated_at: activated_at.map(Into::into),
            attributes,
        })
    }))
}

fn user() -> impl Strategy<Value = User> {
    let access = select(vec![
        AccessStatus::Pending,
        AccessStatus::Active,
        AccessStatus::Suspended,
    ]);
    let own = proptest::option::of(select(TAILS.to_vec()));
    let flags = proptest::collection::vec(select(vec!["is_admin", "is_active", "beta"]), 0..3);
    (own, text(), text(), access, any::<bool>(), flags, details()).prop_map(
        |(own, email, name, access, founder, flags, details)| {
            let own = own.map(|own| AppUserId::parse(own).expect("an id"));
            let flags = Flags::new(flags).expect("flags");
            User {
                flags,
                details,
                ..User::new(own, email.as_deref(), name.as_deref(), access, founder)
            }
        },
    )
}

fn given() -> impl Strategy<Value = Given> {
    // Two of them are members of much.
    let member = || prop_oneof![select(users()), select(users()[..2].to_vec())];
    prop_oneof![
        (select(users()), user()).prop_map(|(id, user)| Given::User(id, user)),
        (select(workspaces()), proptest::option::of(select(orgs())))
            .prop_map(|(id, org)| Given::Workspace(id, org)),
        (select(workspaces()), member(), 0..32_u8).prop_map(|(id, who, at)| Given::Member(
            id,
            who,
            role(at)
        )),
    ]
}

fn take(table: &mut TableBuilder, row: &Given) -> Result<(), RowFault> {
    match row {
        Given::User(id, user) => table.user(id, user),
        Given::Workspace(id, org) => table.workspace(id, org.as_ref()),
        Given::Member(workspace, user, role) => table.member(workspace, user, *role),
    }
}

fn assert_same(table: &Table, model: &Model) {
    assert_eq!(table.size(), model.size());
    for id in users() {
        let row = table.user(&id);
        assert_eq!(row.map(Row::unpacked).as_ref(), model.user(&id), "{id}");
        for workspace in workspaces() {
            let role = model.members.get(&(workspace.clone(), id.clone())).copied();
            assert_eq!(table.role(&workspace, &id), role, "{id} in {workspace}");
        }
    }
    for org in orgs() {
        let workspace = model.workspace_of(&org);
        assert_eq!(
            (table.workspace_of(&org), table.has_org(&org)),
            (workspace.clone(), workspace.is_some()),
            "{org}"
        );
        // A workspace with the id of an organization is that organization, unless the source assigns another one to it.
        let of_its_id = WorkspaceId::parse(org.as_str())
            .ok()
            .filter(|id| id.as_str().starts_with("org_"));
        let of_its_id =
            of_its_id.filter(|id| !model.workspaces.get(id).is_some_and(Option::is_some));
        let of_first = workspace.or(of_its_id);
        let of_first = of_first.and_then(|w| model.members.get(&(w, users()[0].clone())).copied());
        assert_eq!(table.role_in_org(&org, &users()[0]), of_first, "{org}");
    }
    let pairs = |members: Vec<(WorkspaceId, UserId)>| members.into_iter().collect::<BTreeSet<_>>();
    let members: BTreeMap<_, _> = table
        .members()
        .map(|(workspace, user, role)| ((workspace, user), role))
        .collect();
    assert_eq!(members, model.members);
    assert_eq!(
        pairs(table.unlisted_members().collect()),
        pairs(
            model
                .members
                .keys()
                .filter(|(_, user)| model.user(user).is_none())
                .cloned()
                .collect()
        )
    );
    assert!(
        table.user_ids().collect::<BTreeSet<_>>().iter().eq(&model
            .users
            .iter()
            .map(|(id, _)| id.clone())
            .collect::<BTreeSet<_>>())
    );
    for id in workspaces() {
        let named = model.members.keys().any(|(workspace, _)| *workspace == id);
        let known = model.workspaces.get(&id).cloned();
        assert_eq!(table.org_of(&id), known.or(named.then_some(None)), "{id}");
    }
}

proptest! {
    #[test]
    fn the_table_says_what_the_rows_say(rows in proptest::collection::vec(given(), 0..60)) {
        let (mut table, mut model) = (TableBuilder::new(), Model::default());
        for row in &rows {
            prop_assert_eq!(take(&mut table, row), model.take(row), "{:?}", row);
        }
        let table = table.build();
        assert_same(&table, &model);

        // Every second role is gone, and the others have moved.
        let renamed = |role: Role| role.0.is_multiple_of(2).then_some(Role(31 - role.0));
        let members = std::mem::take(&mut model.members).into_iter();
        model.members = members.filter_map(|(key, role)| Some((key, renamed(role)?))).collect();
        for (workspace, org) in rows.iter().filter_map(|row| match row {
            Given::Member(workspace, ..) => Some((workspace.clone(), None)),
            _ => None,
        }) {
            // A workspace that has lost its last member is still one.
            model.workspaces.entry(workspace).or_insert(org);
        }
        assert_same(&table.with_roles(renamed), &model);
    }
}

#[test]
fn many_rows_are_found_among_many_and_others_are_not() {
    let id = |i: usize| UserId::parse(&format!("user_{i:027}")).expect("an id");
    let ws = |i: usize| WorkspaceId::parse(&format!("ws_{i}")).expect("an id");
    let mut table = TableBuilder::new();
    for i in 0..30_000 {
        // Members first: the row of a user comes when their name is known already.
        table
            .member(&ws(i / 10), &id(i), role((i % 32) as u8))
            .expect("a member");
        table
            .member(&ws(i / 10 + 1), &id(i), role(0))
            .expect("a member");
    }
    for i in 0..30_000 {
        let user = User::new(
            None,
            Some(&format!("u{i}@app.test")),
            None,
            AccessStatus::Active,
            false,
        );
        table.user(&id(i), &user).expect("a user");
    }
    let table = table.build();
    assert_eq!(table.size(), (30_000, 3001, 60_000));
    for i in 0..30_000 {
        let row = table.user(&id(i)).expect("a row");
        assert_eq!(
            row.email().expect("an address"),
            format!("u{i}@app.test").as_str()
        );
        assert_eq!(table.role(&ws(i / 10), &id(i)), Some(role((i % 32) as u8)));
        assert_eq!(table.role(&ws(i / 10 + 2), &id(i)), None);
        assert!(table.user(&id(i + 30_000)).is_none());
    }
    assert_eq!(
        format!("{table:?}"),
        "Table(30000 users, 3001 workspaces, 60000 members)"
    );
}

#[test]
fn somebody_may_be_a_member_of_more_than_fits_into_a_piece() {
    let who = ["user_a", "user_b", "user_c"].map(|id| UserId::parse(id).expect("an id"));
    let ws = |i: usize| WorkspaceId::parse(&format!("{i}")).expect("an id");
    let mut table = TableBuilder::new();
    for i in 0..220_000 {
        table
            .member(&ws(i), &who[i % 2], role((i % 32) as u8))
            .expect("a member");
        table.member(&ws(i), &who[2], role(1)).expect("a member");
    }
    let table = table.build();
    for i in (0..220_000).step_by(777) {
        assert_eq!(table.role(&ws(i), &who[i % 2]), Some(role((i % 32) as u8)));
        assert_eq!(table.role(&ws(i), &who[(i + 1) % 2]), None);
        assert_eq!(table.role(&ws(i), &who[2]), Some(role(1)));
    }
}

#[test]
fn a_row_that_no_table_holds_is_refused_and_the_others_stay() {
    let mut table = TableBuilder::new();
    let id = |name: &str| UserId::parse(name).expect("an id");
    let attributes = BTreeMap::from([("note".into(), "x".repeat(2 << 20).into())]);
    let details = Some(Box::new(Details {
        activated_at: None,
        attributes,
    }));
    let plain = User::new(None, None, None, AccessStatus::Active, false);
    assert_eq!(
        table.user(
            &id("user_a"),
            &User {
                details,
                ..plain.clone()
            }
        ),
        Err(RowFault::TooMany)
    );
    assert_eq!(table.user(&id("user_b"), &plain), Ok(()));
    let table = table.build();
    assert!(table.user(&id("user_a")).is_none() && table.user(&id("user_b")).is_some());
}
