mod bounded;
mod caught_up;
mod records;
mod reload;

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::domain::event::{Change, EventTime, MemberChange, OrgChange, UserChange};
use crate::domain::ids::{OrgId, UserId, WorkspaceId};

fn user(id: &str) -> UserId {
    UserId::parse(&format!("user_{id}")).expect("a user id")
}

fn org(id: &str) -> OrgId {
    OrgId::parse(&format!("org_{id}")).expect("an organization id")
}

fn ws(id: &str) -> WorkspaceId {
    WorkspaceId::parse(id).expect("a workspace id")
}

fn roles() -> Roles {
    Roles::new(&["member", "admin", "owner"].map(str::to_owned)).expect("roles")
}

fn role(name: &str) -> Role {
    roles().find(name).expect("a role")
}

fn row(access: AccessStatus, name: &str) -> User {
    User::new(None, None, Some(name), access, false)
}

/// Users with their status and name; workspaces with their organization and members.
type Users<'t> = &'t [(&'t str, AccessStatus, &'t str)];
type Workspaces<'t> = &'t [(&'t str, Option<&'t str>, &'t [(&'t str, &'t str)])];

fn table(users: Users, workspaces: Workspaces) -> Table {
    let users = users
        .iter()
        .map(|(id, access, name)| (user(id), row(*access, name)))
        .collect();
    let workspace = |of: Option<&str>, members: &[(&str, &str)]| Workspace {
        org: of.map(org),
        members: members
            .iter()
            .map(|(id, name)| (user(id), role(name)))
            .collect(),
    };
    let workspaces = workspaces
        .iter()
        .map(|(id, of, members)| (ws(id), workspace(*of, members)))
        .collect();
    Table::new(users, workspaces).expect("no organization twice")
}

const ACTIVE: AccessStatus = AccessStatus::Active;
const SUSPENDED: AccessStatus = AccessStatus::Suspended;

fn acme() -> Table {
    table(
        &[("a", ACTIVE, "Alex"), ("b", ACTIVE, "Bo")],
        &[
            ("ws_1", Some("1"), &[("a", "owner"), ("b", "member")]),
            ("ws_2", None, &[("a", "admin")]),
        ],
    )
}

fn members(table: Table) -> Members {
    Members::new(table, Policy::default())
}

fn described(banned: bool, name: &str) -> UserChange {
    UserChange::Described {
        banned,
        email: None,
        name: text_header(name),
    }
}

fn user_change(id: &str, change: UserChange) -> Change {
    Change::User(user(id), change)
}

fn joined(of: &str, id: &str, name: &str) -> Change {
    Change::Member(org(of), user(id), MemberChange::Role(role(name)))
}

fn left(of: &str, id: &str) -> Change {
    Change::Member(org(of), user(id), MemberChange::Removed)
}

fn after(mut members: Members, changes: &[(Change, u64)]) -> Members {
    for (change, at) in changes {
        members = members
            .changed(&change.clone().at(EventTime(*at)))
            .expect("room for a change");
    }
    members
}

fn role_in(members: &Members, workspace: &str, id: &str) -> Option<String> {
    members
        .role(&ws(workspace), &user(id), None)
        .map(|role| roles().name(role).to_owned())
}

fn user_state(members: &Members, id: &str) -> String {
    match members.user_state(&user(id)) {
        UserState::Unknown => "unknown".into(),
        UserState::Deleted => "deleted".into(),
        UserState::Banned => "banned".into(),
        UserState::Known(known) => {
            let name = known.name().map_or(String::new(), |name| {
                name.to_str().expect("ASCII").to_owned()
            });
            format!("{} {name}", known.access.name())
        }
    }
}

#[test]
fn a_webhook_stands_above_the_table_that_was_loaded_before_it() {
    let now = after(
        members(acme()),
        &[
            (left("1", "a"), 10),
            (joined("1", "c", "admin"), 10),
            (user_change("b", described(true, "Bo")), 10),
            (user_change("c", described(false, "Cem")), 10),
        ],
    );
    assert_eq!(role_in(&now, "ws_1", "a"), None);
    assert_eq!(role_in(&now, "ws_1", "b").as_deref(), Some("member"));
    assert_eq!(role_in(&now, "ws_1", "c").as_deref(), Some("admin"));
    assert_eq!(
        role_in(&now, "ws_2", "a").as_deref(),
        Some("admin"),
        "a workspace that is no organization"
    );
    assert_eq!(user_state(&now, "a"), "active Alex");
    assert_eq!(user_state(&now, "b"), "banned");
    assert_eq!(
        user_state(&now, "c"),
        "pending Cem",
        "the status of new users"
    );
    assert_eq!(user_state(&now, "x"), "unknown");
    assert_eq!(now.size(), (2, 2, 3, 4));
}

#[test]
fn an_older_event_never_undoes_a_newer_one() {
    let now = after(
        members(acme()),
        &[
            (left("1", "a"), 20),
            (joined("1", "a", "owner"), 19),
            (user_change("b", UserChange::Deleted), 20),
            (user_change("b", described(false, "Bo")), 19),
            (Change::Organization(org("9"), OrgChange::Deleted), 20),
            (Change::Organization(org("9"), OrgChange::Exists), 19),
            (joined("9", "a", "owner"), 30),
        ],
    );
    assert_eq!(role_in(&now, "ws_1", "a"), None);
    assert_eq!(user_state(&now, "b"), "deleted");
    assert_eq!(role_in(&now, "org_9", "a"), None);
    let lifted = after(
        members(acme()),
        &[(left("1", "a"), 20), (joined("1", "a", "admin"), 21)],
    );
    assert_eq!(
        role_in(&lifted, "ws_1", "a").as_deref(),
        Some("admin"),
        "a newer one counts"
    );
}

#[test]
fn of_two_events_at_one_time_the_one_that_takes_more_access_wins() {
    for changes in [
        [joined("1", "a", "owner"), left("1", "a")],
        [left("1", "a"), joined("1", "a", "owner")],
    ] {
        let now = after(members(acme()), &changes.map(|change| (change, 5)));
        assert_eq!(role_in(&now, "ws_1", "a"), None);
    }
    for names in [["member", "owner"], ["owner", "member"]] {
        let now = after(
            members(acme()),
            &names.map(|name| (joined("1", "a", name), 5)),
        );
        assert_eq!(role_in(&now, "ws_1", "a").as_deref(), Some("member"));
    }
}

#[test]
fn a_deleted_organization_has_no_members_whatever_the_table_and_late_events_say() {
    let gone = after(
        members(acme()),
        &[
            (Change::Organization(org("1"), OrgChange::Deleted), 10),
            (joined("1", "c", "owner"), 11),
        ],
    );
    for id in ["a", "b", "c"] {
        assert_eq!(role_in(&gone, "ws_1", id), None, "{id}");
    }
    assert_eq!(
        role_in(&gone, "ws_2", "a").as_deref(),
        Some("admin"),
        "others are not concerned"
    );
    // The app follows and removes the workspace from its own table.
    let reloaded = gone
        .reloaded(
            table(&[("a", ACTIVE, "Alex")], &[]),
            Policy::default(),
            TableTime::WhenChanged,
        )
        .members;
    assert_eq!(
        role_in(&reloaded, "org_1", "c"),
        None,
        "not as its own workspace either"
    );
}

#[test]
fn an_organization_of_which_only_webhooks_have_spoken_is_its_own_workspace() {
    let now = after(
        members(acme()),
        &[
            (joined("7", "c", "admin"), 10),
            (joined("1", "c", "admin"), 10),
        ],
    );
    assert_eq!(role_in(&now, "org_7", "c").as_deref(), Some("admin"));
    assert_eq!(now.workspace_of(&org("7")), Some(ws("org_7")));
    assert_eq!(now.workspace_of(&org("1")), Some(ws("ws_1")));
    assert_eq!(
        role_in(&now, "org_1", "c"),
        None,
        "one that has a workspace goes by that name alone"
    );
}

#[test]
fn a_reload_takes_back_only_what_it_says_anew() {
    let events = [
        (left("1", "b"), 10),
        (joined("1", "a", "member"), 10),
        (user_change("a", described(false, "Alexandra")), 10),
        (user_change("b", described(true, "Bo")), 10),
    ];
    let before = after(members(acme()), &events);
    let same = before
        .reloaded(acme(), Policy::default(), TableTime::WhenChanged)
        .members;
    assert_eq!(role_in(&same, "ws_1", "a").as_deref(), Some("member"));
    assert_eq!(role_in(&same, "ws_1", "b"), None);
    assert_eq!(
        (user_state(&same, "a"), user_state(&same, "b")),
        ("active Alexandra".into(), "banned".into())
    );

    let written = |b| {
        let workspaces: Workspaces = &[("ws_1", Some("1"), &[("a", "admin"), ("b", "admin")])];
        table(&[("a", SUSPENDED, "Alex"), ("b", b, "Bo")], workspaces)
    };
    let overruled = before
        .reloaded(
            written(SUSPENDED),
            Policy::default(),
            TableTime::WhenChanged,
        )
        .members;
    assert_eq!(role_in(&overruled, "ws_1", "a").as_deref(), Some("admin"));
    assert_eq!(role_in(&overruled, "ws_1", "b").as_deref(), Some("admin"));
    assert_eq!(
        (user_state(&overruled, "a"), user_state(&overruled, "b")),
        ("suspended Alex".into(), "banned".into())
    );
    let given_anew = overruled
        .reloaded(written(ACTIVE), Policy::default(), TableTime::WhenChanged)
        .members;
    assert_eq!(
        user_state(&given_anew, "b"),
        "active Bo",
        "the operator has the last word"
    );
}

#[test]
fn an_app_that_follows_a_ban_or_deletion_in_its_own_table_does_not_undo_it() {
    let taken = after(
        members(acme()),
        &[
            (user_change("a", UserChange::Deleted), 10),
            (user_change("b", described(true, "Bo")), 10),
            (left("1", "b"), 10),
        ],
    );
    let rows: &[(&str, Users, &str)] = &[
        ("the rows are removed", &[], "banned"),
        (
            "the name is written down",
            &[("a", ACTIVE, "gone"), ("b", ACTIVE, "Bodo")],
            "banned",
        ),
        (
            "they are suspended too",
            &[("a", SUSPENDED, "Alex"), ("b", SUSPENDED, "Bo")],
            "banned",
        ),
        (
            "one has to wait again",
            &[("a", ACTIVE, "Alex"), ("b", AccessStatus::Pending, "Bo")],
            "banned",
        ),
    ];
    for (given, users, b) in rows {
        let reloaded = taken
            .reloaded(
                table(users, &[("ws_1", Some("1"), &[])]),
                Policy::default(),
                TableTime::WhenChanged,
            )
            .members;
        assert_eq!(
            (
                user_state(&reloaded, "a").as_str(),
                user_state(&reloaded, "b").as_str()
            ),
            ("deleted", *b),
            "{given}"
        );
        let late = after(reloaded, &[(joined("1", "b", "owner"), 9)]);
        assert_eq!(
            role_in(&late, "ws_1", "b"),
            None,
            "{given}: an older event comes late"
        );
    }
}

#[test]
fn two_workspaces_cannot_be_one_organization() {
    let one = Workspace {
        org: Some(org("1")),
        members: HashMap::new(),
    };
    let error = Table::new(
        HashMap::new(),
        HashMap::from([(ws("a"), one.clone()), (ws("b"), one)]),
    );
    let Err(RowFault::SameOrg(a, b)) = error else {
        panic!("no contradiction: {error:?}")
    };
    assert_ne!(a, b);
}

#[test]
fn a_role_is_found_by_its_exact_name_after_the_org_prefix() {
    for (name, found) in [
        ("admin", Some("admin")),
        ("org:admin", Some("admin")),
        ("ADMIN", None),
        ("administrator", None),
        ("adm", None),
        ("org:org:admin", None),
        ("org:", None),
        ("", None),
    ] {
        assert_eq!(
            roles()
                .find(name)
                .map(|role| roles().name(role).to_owned())
                .as_deref(),
            found,
            "{name}"
        );
    }
    for bad in [&[][..], &["a", "a"], &["a b"], &[""], &["org:admin"]] {
        assert!(
            Roles::new(&bad.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).is_none(),
            "{bad:?}"
        );
    }
    assert!(Roles::new(&(0..33).map(|i| format!("r{i}")).collect::<Vec<_>>()).is_none());
    assert!(role("member") < role("admin") && role("admin") < role("owner"));
}

fn any_change() -> impl Strategy<Value = Change> {
    let id = prop_oneof![Just("a"), Just("b"), Just("c")];
    let of = prop_oneof![Just("1"), Just("7")];
    prop_oneof![
        (id.clone(), any::<bool>(), "[xy]")
            .prop_map(|(id, banned, name)| user_change(id, described(banned, &name))),
        id.clone()
            .prop_map(|id| user_change(id, UserChange::Deleted)),
        (
            of.clone(),
            id.clone(),
            prop_oneof![Just("member"), Just("owner")]
        )
            .prop_map(|(of, id, r)| joined(of, id, r)),
        (of.clone(), id.clone()).prop_map(|(of, id)| left(of, id)),
        (
            of.clone(),
            prop_oneof![
                Just(OrgChange::Exists),
                Just(OrgChange::Deleted),
                Just(OrgChange::Superseded)
            ]
        )
            .prop_map(|(of, change)| Change::Organization(org(of), change)),
        (id.clone(), any::<bool>())
            .prop_map(|(id, deleted)| user_change(id, UserChange::Superseded { deleted })),
        (of, id).prop_map(|(of, id)| Change::Member(org(of), user(id), MemberChange::Superseded)),
    ]
}

proptest! {
    #[test]
    fn any_order_of_the_same_events_gives_the_same_membership(
        (events, shuffled) in proptest::collection::vec((any_change(), 0_u64..4), 0..12)
            .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
    ) {
        let (one, other) = (after(members(acme()), &events), after(members(acme()), &shuffled));
        for id in ["a", "b", "c"] {
            prop_assert_eq!(user_state(&one, id), user_state(&other, id));
            for workspace in ["ws_1", "ws_2", "org_7"] {
                prop_assert_eq!(role_in(&one, workspace, id), role_in(&other, workspace, id));
            }
        }
        // Delivered twice is delivered once.
        prop_assert_eq!(after(one.clone(), &events).size(), one.size());
    }
}
