use super::*;
use crate::config::membership_file::parse_membership;
use crate::config::source::Source;
use crate::domain::ids::{UserId, WorkspaceId};
use crate::domain::membership::{AccessStatus, Flags, Members, Policy, Roles, Table, UserState};

fn roles() -> Roles {
    Roles::new(&["member", "admin", "owner"].map(str::to_owned)).expect("roles")
}

fn parse(text: &str) -> Result<(Table, Faults), Faults> {
    parse_membership(
        &Source::new("m.yaml", text),
        &roles(),
        &Flags::new(["is_admin", "is_active"]).unwrap(),
    )
}

fn complaint(text: &str) -> String {
    match parse(text) {
        Ok((_, warnings)) => warnings.to_string(),
        Err(faults) => faults.to_string(),
    }
}

#[track_caller]
fn assert_text(got: &str, expected: &str) {
    assert!(got == expected, "got:\n{got}\nexpected:\n{expected}");
}

#[test]
fn a_user_is_active_unless_the_file_says_otherwise() {
    let text = "\
users:
  user_1: {id: 4f6c, email: zoë@example.com, name: Zoë Chen, founder: true, access: suspended}
  user_2: {}
  user_3: {access: pending}
workspaces:
  ws_1: {org: org_1, members: {user_1: owner, user_2: \"org:admin\"}}
";
    let (table, warnings) = parse(text).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(warnings.is_empty(), "{warnings}");
    assert_eq!(table.size(), (3, 1, 2));
    let members = Members::new(table, Policy::default());
    let known = |id: &str| match members.user_state(&UserId::parse(id).expect("an id")) {
        UserState::Known(known) => (
            known.access,
            known.founder,
            known.name().map(|name| name.to_str().unwrap().to_owned()),
        ),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        known("user_1"),
        (
            AccessStatus::Suspended,
            true,
            Some("Zo%C3%AB Chen".to_owned())
        )
    );
    assert_eq!(known("user_2"), (AccessStatus::Active, false, None));
    assert_eq!(known("user_3"), (AccessStatus::Pending, false, None));
    let role = members.role(
        &WorkspaceId::parse("ws_1").unwrap(),
        &UserId::parse("user_2").unwrap(),
        None,
    );
    assert_eq!(role, roles().find("admin"));
}

#[test]
fn a_130_a_file_that_is_empty_or_cut_off_is_no_membership() {
    assert_text(
        &complaint(""),
        "error[B006]: m.yaml is empty\n  expect a mapping with at least one key\n",
    );
    for (given, expected) in [
        ("# nothing\n", "error[B006]: m.yaml is empty"),
        ("---\n", "error[B006]: m.yaml is empty"),
        ("{}\n", "error[B004]: missing key `users`"),
        ("workspaces: {}\n", "error[B004]: missing key `users`"),
        ("users:\n", "error[B002]: empty value for `users`"),
        (
            "users:\n  user_1:\n",
            "error[B002]: empty value for `user_1`",
        ),
        ("users: {user_1: {access: act", "error[B007]"),
        (
            "users: [user_1]\n",
            "error[B002]: `users` must be a mapping",
        ),
    ] {
        assert!(
            complaint(given).starts_with(expected),
            "{given}\n{}",
            complaint(given)
        );
    }
    assert!(parse("users: {}\n").is_ok(), "nobody, and said so");
}

#[test]
fn every_fault_of_a_membership_file_has_its_place() {
    let text = "\
users:
  usr_1: {access: activ}
  user_2: {id: a b}
  user_3: {id: x, admin: true}
  user_4: {id: x}
workspaces:
  w 1: {members: {user_2: ownr}}
  ws_2: {org: o_1, members: {user_3: boss, bob: member}}
  ws_3: {org: org_1}
  ws_4: {org: org_1}
people: {}
";
    let expected = "\
error[B002]: `usr_1` is neither `user_…` of Clerk nor `name:id` with the name of another issuer
 --> m.yaml:2:3
2 |   usr_1: {access: activ}
  |   ^^^^^ expected the Clerk id of a user, `user_…`, or `name:id` for a user of the issuer `name`

error[B002]: `access` has an unknown value
 --> m.yaml:2:19
2 |   usr_1: {access: activ}
  |                   ^^^^^ did you mean `active`?
  expect `pending`, `active` or `suspended`

error[B002]: `id` has a character other than visible ASCII, or one of , ; \" \\
 --> m.yaml:3:16
3 |   user_2: {id: a b}
  |                ^^^ expected visible ASCII without , ; \" \\

error[B001]: unknown key `admin`
 --> m.yaml:4:19
4 |   user_3: {id: x, admin: true}
  |                   ^^^^^ expected one of `id`, `email`, `name`, `access`, `founder`, `flags`, `activated_at`, `attributes`

error[B011]: the users `user_3` and `user_4` have one `id`
 --> m.yaml:5:16
5 |   user_4: {id: x}
  |                ^
  fix    give each its own, or leave `id` out

error[B002]: `w 1` has a character other than visible ASCII, or one of , ; \" \\
 --> m.yaml:7:3
7 |   w 1: {members: {user_2: ownr}}
  |   ^^^ expected an id of visible ASCII without , ; \" \\

error[B002]: `user_2` has the unknown role `ownr`
 --> m.yaml:7:27
7 |   w 1: {members: {user_2: ownr}}
  |                           ^^^^ did you mean `owner`?

error[B002]: `org` does not start with `org_`
 --> m.yaml:8:15
8 |   ws_2: {org: o_1, members: {user_3: boss, bob: member}}
  |               ^^^ expected the id of a Clerk organization, `org_…`

error[B002]: `user_3` has the unknown role `boss`
 --> m.yaml:8:38
8 |   ws_2: {org: o_1, members: {user_3: boss, bob: member}}
  |                                      ^^^^ expected one of `membership.roles`: `member`, `admin`, `owner`

error[B002]: `bob` is neither `user_…` of Clerk nor `name:id` with the name of another issuer
 --> m.yaml:8:44
8 |   ws_2: {org: o_1, members: {user_3: boss, bob: member}}
  |                                            ^^^ expected the Clerk id of a user, `user_…`, or `name:id` for a user of the issuer `name`

error[B011]: the workspaces `ws_3` and `ws_4` have one `org`
 --> m.yaml:10:15
10 |   ws_4: {org: org_1}
   |               ^^^^^
  fix    an organization is one workspace: remove `org` from the other

error[B001]: unknown key `people`
 --> m.yaml:11:1
11 | people: {}
   | ^^^^^^ expected one of `users`, `workspaces`
";
    assert_text(&complaint(text), expected);
}

#[test]
fn members_of_whom_users_says_nothing_are_a_warning() {
    let text = "users: {}\nworkspaces: {ws_1: {members: {user_1: member}}}\n";
    let expected = "\
warning[B011]: `user_1` is a member and not among `users`
 --> m.yaml:2:31
2 | workspaces: {ws_1: {members: {user_1: member}}}
  |                               ^^^^^^
  fix    add `user_1: {access: active}` to `users`, or remove the member
";
    assert_text(&complaint(text), expected);
    let many: String = (0..300).map(|i| format!("user_{i}: member, ")).collect();
    let got = complaint(&format!(
        "users: {{}}\nworkspaces: {{ws_1: {{members: {{{many}}}}}}}\n"
    ));
    assert_eq!(got.matches("warning[").count(), 21);
    assert!(
        got.contains("280 more members are not among `users`"),
        "{got}"
    );
}

#[test]
fn nothing_is_replaced_in_a_membership_file() {
    let got = complaint("users: {user_1: {id: \"${HOME}\"}}\n");
    let expected = "\
error[B014]: `id`: nothing is replaced in this file
 --> m.yaml:1:22
1 | users: {user_1: {id: \"${HOME}\"}}
  |                      ^^^^^^^^^
  fix    write the value itself
";
    assert_text(&got, expected);
    assert!(complaint("users: {\"${X}\": {}}\n").contains("cannot be a key"));
}

#[test]
fn a_hundred_thousand_users_are_read() {
    use std::fmt::Write as _;
    let mut text = String::from("users:\n");
    for i in 0..100_000 {
        writeln!(text, "  user_{i:06}: {{id: 4f6c0a51-{i}, email: u{i}@example.com, name: User {i}, access: active}}")
            .unwrap();
    }
    text.push_str("workspaces:\n");
    for w in 0..1000 {
        let members: Vec<String> = (0..100)
            .map(|m| format!("user_{:06}: member", w * 100 + m))
            .collect();
        writeln!(
            text,
            "  ws_{w}: {{org: org_{w}, members: {{{}}}}}",
            members.join(", ")
        )
        .unwrap();
    }
    let (table, warnings) = parse(&text).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(warnings.is_empty());
    assert_eq!(table.size(), (100_000, 1000, 100_000));
}
