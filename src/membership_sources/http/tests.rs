use proptest::prelude::*;

use super::document::{read_all, read_one};
use super::*;
use crate::domain::ids::WorkspaceId;
use crate::domain::membership::{AccessStatus, Members, Policy, UserState};

fn roles() -> Roles {
    Roles::new(&["member", "admin"].map(str::to_owned)).unwrap()
}

fn flags() -> Flags {
    Flags::new(["beta"]).unwrap()
}

fn read(text: &str) -> Result<Table, String> {
    read_all(text.as_bytes(), &roles(), &flags()).map_err(|why| why.to_string())
}

fn read_user(text: &str) -> Result<Table, String> {
    read_one(text.as_bytes(), &user("user_1"), &roles(), &flags()).map_err(|why| why.to_string())
}

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

fn members(table: Table) -> Members {
    Members::new(table, Policy::default())
}

#[test]
fn a_document_says_what_a_file_says() {
    let table = read(
        r#"{
        "workspaces": {"ws_1": {"members": {"user_1": "admin", "partner:7": "org:member"}, "org": "org_1"}, "ws_2": {}},
        "users": {
            "user_1": {"id": 17, "email": "alex@example.com", "name": "Alex", "access": "pending", "founder": true,
                       "flags": ["beta"], "activated_at": "2026-01-31", "attributes": {"code": "X", "level": 3}},
            "partner:7": {}
        }}"#,
    )
    .unwrap();
    assert_eq!(table.size(), (2, 2, 2));
    let members = members(table);
    let UserState::Known(known) = members.user_state(&user("user_1")) else {
        panic!("a user")
    };
    assert_eq!(known.id().unwrap(), "17");
    assert_eq!((known.access, known.founder), (AccessStatus::Pending, true));
    assert_eq!(known.email().unwrap(), "alex@example.com");
    assert_eq!(known.name().unwrap(), "Alex");
    assert!(known.flags.has("beta"));
    assert_eq!(&*known.details().unwrap().attributes["level"], "3");
    let UserState::Known(known) = members.user_state(&user("partner:7")) else {
        panic!("a user")
    };
    assert_eq!(
        known.access,
        AccessStatus::Active,
        "who lists a user means to let them in"
    );
    let workspace = WorkspaceId::parse("ws_1").unwrap();
    let role = |id: &str| {
        members
            .role(&workspace, &user(id), None)
            .map(|role| roles().name(role).to_owned())
    };
    assert_eq!(
        (role("user_1").as_deref(), role("partner:7").as_deref()),
        (Some("admin"), Some("member"))
    );
}

/// Every fault is said, each with its path.
#[test]
fn bad_rows_are_all_said_with_their_place_and_nothing_is_taken() {
    for (given, parts) in [
        (r#"{}"#, &["users: is missing"][..]),
        (r#"[]"#, &["the document: is a list"]),
        (
            r#"{"users": []}"#,
            &["users: is a list, and must be an object"],
        ),
        (
            r#"{"users": {"user_1": 5, "user_2": null}}"#,
            &["users.user_1: is a number", "users.user_2: is null"],
        ),
        (
            r#"{"users": {"user_1": {}, "user_1": {}}}"#,
            &["users.user_1: the user user_1 comes twice"],
        ),
        (
            r#"{"users": {"bob": {}, "": {}}}"#,
            &["users.bob: is neither `user_…`", "users.``: is empty"],
        ),
        (
            r#"{"users": {"user_1": {"id": null}}}"#,
            &["users.user_1.id: is null"],
        ),
        (
            r#"{"users": {"user_1": {"id": 1.5}}}"#,
            &["users.user_1.id: is a number, and must be a text"],
        ),
        (
            r#"{"users": {"user_1": {"id": "1"}, "user_2": {"id": "1"}}}"#,
            &["users.user_2: the users user_1 and user_2 have one `id`"],
        ),
        (
            r#"{"users": {"user_1": {"access": "actve"}}}"#,
            &[
                "users.user_1.access: is `actve`",
                "pending, active, suspended",
            ],
        ),
        (
            r#"{"users": {"user_1": {"access": "active", "access": "active"}}}"#,
            &["users.user_1.access: comes twice"],
        ),
        (
            r#"{"users": {"user_1": {"founder": "true"}}}"#,
            &["users.user_1.founder: is a text, and must be true or false"],
        ),
        (
            r#"{"users": {"user_1": {"flags": ["root"]}}}"#,
            &["users.user_1.flags: names the flag `root`"],
        ),
        (
            r#"{"users": {"user_1": {"admin": true}}}"#,
            &["users.user_1.admin: is not known here"],
        ),
        (
            r#"{"users": {"user_1": {"attributes": {"a": {"b": 1}}}}}"#,
            &["users.user_1.attributes: has `a`, which is an object"],
        ),
        (
            r#"{"users": {}, "user": {}}"#,
            &["user: is not known here; there are users and workspaces"],
        ),
        (r#"{"users": {}, "users": {}}"#, &["users: comes twice"]),
        (
            r#"{"users": {}, "workspaces": {"ws 1": {}}}"#,
            &["workspaces.`ws 1`: has a character"],
        ),
        (
            r#"{"users": {}, "workspaces": {"ws_1": {"org": "acme"}}}"#,
            &["workspaces.ws_1.org: is `acme`"],
        ),
        (
            r#"{"users": {}, "workspaces": {"ws_1": {}, "ws_1": {}}}"#,
            &["workspaces.ws_1: comes twice"],
        ),
        (
            r#"{"users": {}, "workspaces": {"a": {"org": "org_1"}, "b": {"org": "org_1"}}}"#,
            &["workspaces.b: the workspaces a and b have one `org`"],
        ),
        (
            r#"{"users": {}, "workspaces": {"ws_1": {"member": {}}}}"#,
            &["workspaces.ws_1.member: is not known here; there are org and members"],
        ),
        (
            r#"{"users": {}, "workspaces": {"ws_1": {"members": {"user_1": "root", "user_2": null, "x": "member", "user_3": "admin", "user_3": "admin"}}}}"#,
            &[
                "workspaces.ws_1.members.user_1: is the unknown role `root`; `membership.roles` has `member`, `admin`",
                "workspaces.ws_1.members.user_2: is null",
                "workspaces.ws_1.members.x: is neither",
                "workspaces.ws_1.members.user_3: user_3 is a member of ws_1 twice",
            ],
        ),
    ] {
        let told = read(given).expect_err(given);
        for part in parts {
            assert!(told.contains(part), "given {given}: {told}");
        }
    }
}

#[test]
fn what_is_no_json_is_refused_without_a_word_of_what_it_was() {
    let whole = r#"{"users": {"user_1": {"name": "hunter2"}}, "workspaces": {"ws_1": {"members": {"user_1": "admin"}}}}"#;
    for end in 1..whole.len() {
        let told = read(&whole[..end]).expect_err("half a document is none");
        assert!(
            told.contains("ends in the middle") && !told.contains("hunter2"),
            "{told}"
        );
    }
    for bad in [
        format!("{whole}x"),
        format!("{whole}{whole}"),
        whole.replace(':', "="),
        whole.replace('"', "'"),
    ] {
        let told = read(&bad).expect_err(&bad);
        assert!(
            told.contains("a syntax error, line 1") && !told.contains("hunter2"),
            "{told}"
        );
    }
    assert!(
        read(&format!(
            "{{\"users\": {}1{}}}",
            "[".repeat(500),
            "]".repeat(500)
        ))
        .is_err()
    );
}

#[test]
fn a_hundred_thousand_faults_are_counted_and_a_huge_value_is_not_kept() {
    let rows: Vec<String> = (0..100_000).map(|n| format!(r#""user_{n}":0"#)).collect();
    let told = read(&format!(r#"{{"users":{{{}}}}}"#, rows.join(","))).unwrap_err();
    assert!(
        told.ends_with("; and 99980 more"),
        "{}",
        &told[told.len() - 40..]
    );
    let long = vec!["1"; 100_000].join(",");
    let told = read(&format!(r#"{{"users":{{"user_1":{{"flags":[{long}]}}}}}}"#)).unwrap_err();
    assert!(told.contains("users.user_1.flags: is too much"), "{told}");
}

#[test]
fn one_user_has_their_own_workspaces_and_nobody_elses() {
    let table =
        read_user(r#"{"user": {"access": "active"}, "workspaces": {"ws_1": {"org": "org_1", "role": "admin"}, "ws_2": {"role": "member"}}}"#)
            .unwrap();
    assert_eq!(table.size(), (1, 2, 2));
    assert_eq!(read_user(r#"{"user": {}}"#).unwrap().size(), (1, 0, 0));
    for (given, part) in [
        (r#"{}"#, "user: is missing"),
        (r#"{"user": null}"#, "user: is null"),
        (
            r#"{"user": {}, "workspaces": {"ws_1": "admin"}}"#,
            "workspaces.ws_1: is a text, and must be an object",
        ),
        (
            r#"{"user": {}, "workspaces": {"ws_1": {}}}"#,
            "workspaces.ws_1.role: is missing",
        ),
        (
            r#"{"user": {}, "workspaces": {"ws_1": {"role": "root"}}}"#,
            "workspaces.ws_1.role: is the unknown role `root`",
        ),
        (
            r#"{"user": {}, "workspaces": {"ws_1": {"role": "admin", "role": "admin"}}}"#,
            "workspaces.ws_1.role: comes twice",
        ),
        (
            r#"{"user": {}, "workspaces": {"a": {"role": "admin"}, "a": {"role": "member"}}}"#,
            "workspaces.a: comes twice",
        ),
        (r#"{"user": {}, "user": {}}"#, "user: comes twice"),
        (r#"{"user": {}, "users": {}}"#, "users: is not known here"),
    ] {
        let told = read_user(given).expect_err(given);
        assert!(told.contains(part), "given {given}: {told}");
    }
}

#[test]
fn members_without_a_user_are_taken_and_told() {
    let table = read(
        r#"{"users": {"user_1": {}}, "workspaces": {"ws_1": {"members": {"user_1": "admin", "user_2": "member"}}}}"#,
    )
    .unwrap();
    let unlisted_members: Vec<_> = table
        .unlisted_members()
        .map(|(workspace, user)| format!("{user} in {workspace}"))
        .collect();
    assert_eq!(unlisted_members, ["user_2 in ws_1"]);
}

/// Something of the kind of a document.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let word = prop_oneof![
        Just("users"),
        Just("workspaces"),
        Just("members"),
        Just("org"),
        Just("user_1"),
        Just("ws_1"),
        Just("org_1"),
        Just("access"),
        Just("active"),
        Just("admin"),
        Just("flags"),
        Just("beta"),
        Just("attributes"),
        Just("id"),
        Just(""),
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        word.clone().prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::vec((word.clone(), inner), 0..6).prop_map(|members| {
                members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_is_read_half(document in any_json(), cut in any::<prop::sample::Index>()) {
        let text = document.to_string();
        let _ = read_user(&text);
        if read(&text).is_ok() {
            let end = cut.index(text.len());
            prop_assert!(read(&text[..end]).is_err(), "{}", &text[..end]);
        }
    }

    #[test]
    fn no_bytes_at_all_are_more_than_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(table) = read_all(bytes.as_slice(), &roles(), &flags()) {
            prop_assert_eq!(table.size(), (0, 0, 0));
        }
        let _ = read_one(&bytes, &user("user_1"), &roles(), &flags());
    }
}
