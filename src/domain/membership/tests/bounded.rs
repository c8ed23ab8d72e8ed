//! Stored changes are bounded, and no user can use the bounds to escape a ban.

use super::records::{sighting, welcoming};
use super::*;

fn at_most(rows: usize) -> bounds::Load {
    bounds::Load {
        rows,
        ..bounds::Load::MAX
    }
}

#[test]
fn the_changes_are_bounded_and_what_is_kept_can_still_change() {
    let mut now = members(acme());
    for i in 0..3 {
        now = now
            .changed_within(
                at_most(3),
                &joined("1", &format!("n{i}"), "owner").at(EventTime(1)),
            )
            .expect("room");
    }
    assert_eq!(
        now.changed_within(at_most(3), &joined("1", "n3", "owner").at(EventTime(1)))
            .err(),
        Some(TooManyChanges::InAll)
    );
    let removed = now
        .changed_within(at_most(3), &left("1", "n0").at(EventTime(2)))
        .expect("its row is there already");
    assert_eq!(role_in(&removed, "ws_1", "n0"), None);
}

#[test]
fn whoever_makes_many_users_known_leaves_room_for_the_ban_of_somebody_else() {
    let mut now = welcoming(ACTIVE);
    let mut refused = None;
    for i in 0..20 {
        let (change, at) = sighting(&format!("n{i}"), None, None, 5);
        match now.changed_within(at_most(10), &change.at(EventTime(at))) {
            Ok(next) => now = next,
            Err(why) => refused = Some((i, why)),
        }
    }
    assert_eq!(refused, Some((19, TooManyChanges::InAll)));
    let banned = now
        .changed_within(
            at_most(10),
            &user_change("b", described(true, "Bo")).at(EventTime(6)),
        )
        .expect("room for a ban");
    assert_eq!(user_state(&banned, "b"), "banned");
}

#[test]
fn long_names_of_many_users_leave_room_for_a_ban_too() {
    let max = bounds::Load {
        bytes: 100_000,
        ..bounds::Load::MAX
    };
    let (mut now, mut refused, name) = (welcoming(ACTIVE), 0, "x".repeat(1000));
    for i in 0..100 {
        let (change, at) = sighting(&format!("n{i}"), Some(&name), Some(&name), 5);
        match now.changed_within(max, &change.at(EventTime(at))) {
            Ok(next) => now = next,
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 70, "{refused}");
    let (change, at) = sighting("n0", Some("other"), None, 6);
    now = now
        .changed_within(max, &change.at(EventTime(at)))
        .expect("less than before");
    let ban = UserChange::Described {
        banned: true,
        email: text_header(&name),
        name: text_header(&name),
    };
    for id in ["b", "n0"] {
        let banned = now
            .changed_within(max, &user_change(id, ban.clone()).at(EventTime(7)))
            .expect("room for a ban");
        assert_eq!(user_state(&banned, id), "banned");
    }
}

/// An organization with a long name.
fn long(n: usize) -> String {
    format!("{n:0>240}")
}

#[test]
fn somebody_who_founds_and_leaves_organizations_for_ever_has_a_record_that_can_be_written() {
    let mut now = after(members(acme()), &[(left("1", "b"), 1)]);
    for n in 0..1000 {
        let at = 10 + 3 * n as u64;
        now = after(now, &[(joined(&long(n), "b", "owner"), at)]);
        let ends = if n % 2 == 0 {
            left(&long(n), "b")
        } else {
            Change::Organization(org(&long(n)), OrgChange::Deleted)
        };
        now = after(now, &[(ends, at + 1)]);
    }
    now = after(
        now,
        &[
            (joined("7", "b", "admin"), 9000),
            (user_change("b", described(true, "Bo")), 9000),
        ],
    );
    let Some(Kept::User(_, record)) = now.kept(&user_change("b", UserChange::Deleted)) else {
        panic!("a record")
    };
    assert!(
        record
            .orgs
            .iter()
            .map(|entry| entry.org.as_str().len() + 128)
            .sum::<usize>()
            <= record::MAX_ORG_BYTES
    );
    assert_eq!(user_state(&now, "b"), "banned");
    assert_eq!(
        role_in(&now, "org_7", "b").as_deref(),
        Some("admin"),
        "what is in force is kept"
    );
    assert_eq!(
        role_in(&now, "ws_1", "b"),
        None,
        "the oldest of all, which the table would undo"
    );
    assert_eq!(role_in(&now, &format!("org_{}", long(998)), "b"), None);
}

#[test]
fn a_member_of_too_many_organizations_joins_no_more_and_can_still_be_removed() {
    let mut now = members(acme());
    let mut refused = None;
    for n in 0..1000 {
        match now.changed(&joined(&long(n), "b", "owner").at(EventTime(5))) {
            Ok(next) => now = next,
            Err(why) => refused = Some(why),
        }
    }
    assert_eq!(refused, Some(TooManyChanges::OfOneUser));
    let now = after(
        now,
        &[
            (left("1", "b"), 6),
            (left(&long(0), "b"), 6),
            (joined(&long(1), "b", "member"), 6),
        ],
    );
    assert_eq!(role_in(&now, "ws_1", "b"), None);
    assert_eq!(role_in(&now, &format!("org_{}", long(0)), "b"), None);
    assert_eq!(
        role_in(&now, &format!("org_{}", long(1)), "b").as_deref(),
        Some("member")
    );
}
