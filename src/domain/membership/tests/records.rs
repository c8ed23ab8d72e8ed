//! The records that are stored about users beside the table.

use super::*;

fn seen(email: Option<&str>, name: Option<&str>, at: u64) -> Seen {
    Seen {
        at: EventTime(at),
        email: email.and_then(text_header),
        name: name.and_then(text_header),
    }
}

pub(super) fn sighting(
    id: &str,
    email: Option<&str>,
    name: Option<&str>,
    at: u64,
) -> (Change, u64) {
    (Change::Seen(user(id), seen(email, name, at)), at)
}

pub(super) fn welcoming(access: AccessStatus) -> Members {
    let flags = Flags::new(["is_active"]).expect("flags");
    Members::new(
        acme(),
        Policy {
            access,
            flags,
            first_sight: true,
            ..Policy::default()
        },
    )
}

fn known<'m>(members: &'m Members, id: &str) -> UserView<'m> {
    match members.user_state(&user(id)) {
        UserState::Known(known) => known,
        other => panic!("{id} is {other:?}"),
    }
}

#[test]
fn somebody_who_is_seen_for_the_first_time_is_known_from_that_request_on() {
    let unseen = welcoming(ACTIVE);
    assert_eq!(
        known(&unseen, "n").access,
        ACTIVE,
        "the request that shows the token is judged as the next one"
    );
    assert!(unseen.is_news(&user("n"), &seen(None, None, 5)));
    let now = after(unseen, &[sighting("n", Some("n@x.test"), None, 5)]);
    assert_eq!(known(&now, "n").since, Some(EventTime(5)));
    assert!(known(&now, "n").flags.has("is_active"));
    assert!(
        !now.is_news(&user("n"), &seen(Some("n@x.test"), None, 6)),
        "nothing new"
    );
    // The entry is given once: another config does not change who was let in.
    let stricter = now
        .reloaded(
            acme(),
            Policy {
                access: SUSPENDED,
                first_sight: true,
                ..Policy::default()
            },
            TableTime::WhenChanged,
        )
        .members;
    assert_eq!(known(&stricter, "n").access, ACTIVE);
    assert_eq!(
        user_state(&members(acme()), "n"),
        "unknown",
        "without first sight"
    );
    assert!(!members(acme()).is_news(&user("n"), &seen(None, None, 5)));
}

#[test]
fn an_address_follows_later_tokens_and_a_name_is_filled_once() {
    let now = after(
        welcoming(ACTIVE),
        &[sighting("n", Some("old@x.test"), None, 5)],
    );
    assert!(now.is_news(&user("n"), &seen(Some("new@x.test"), None, 6)));
    let now = after(
        now,
        &[
            sighting("n", Some("new@x.test"), Some("Nim"), 6),
            sighting("n", Some("old@x.test"), Some("Other"), 4),
        ],
    );
    assert_eq!(
        known(&now, "n").email().unwrap(),
        "new@x.test",
        "an older token does not bring back the old address"
    );
    assert_eq!(known(&now, "n").name().unwrap(), "Nim");
    assert!(!now.is_news(&user("n"), &seen(Some("old@x.test"), Some("Other"), 4)));
}

#[test]
fn a_token_never_lifts_what_clerk_has_said_since() {
    let banned = after(
        welcoming(ACTIVE),
        &[
            (user_change("n", described(true, "N")), 5),
            sighting("n", Some("n@x.test"), None, 9),
        ],
    );
    assert_eq!(user_state(&banned, "n"), "banned");
    let deleted = after(
        welcoming(ACTIVE),
        &[
            (user_change("n", UserChange::Deleted), 5),
            sighting("n", Some("n@x.test"), None, 9),
        ],
    );
    assert_eq!(user_state(&deleted, "n"), "deleted");
    assert!(
        !deleted.is_news(&user("n"), &seen(Some("n@x.test"), None, 9)),
        "nothing is written for a deleted user"
    );
}

#[test]
fn a_deletion_is_final_and_takes_everything_of_the_user_along() {
    let gone = after(
        welcoming(ACTIVE),
        &[
            (user_change("n", described(false, "Nim")), 20),
            (joined("1", "n", "owner"), 20),
            (user_change("n", UserChange::Deleted), 10),
            (joined("1", "n", "owner"), 30),
            (user_change("n", described(false, "Nim")), 30),
        ],
    );
    assert_eq!(
        user_state(&gone, "n"),
        "deleted",
        "whenever the deletion was sent"
    );
    assert_eq!(role_in(&gone, "ws_1", "n"), None);
    let kept = gone.kept(&user_change("n", UserChange::Deleted));
    let Some(Kept::User(_, record)) = kept else {
        panic!("a tombstone is kept, so that a restart refuses too")
    };
    let orgs = vec![OrgEntry {
        org: org("1"),
        at: EventTime(30),
        change: MemberChange::Role(role("owner")),
    }];
    let expected = Record {
        from_clerk: Some((EventTime(10), UserChange::Deleted)),
        orgs,
        ..Record::default()
    };
    assert_eq!(
        *record, expected,
        "what is said later counts if a row brings them back"
    );
}

#[test]
fn a_deletion_can_deactivate_instead() {
    let policy = Policy {
        deactivate: true,
        access: ACTIVE,
        ..Policy::default()
    };
    let flagged = User {
        flags: Flags::new(["is_admin"]).unwrap(),
        founder: true,
        ..row(ACTIVE, "Alex")
    };
    let table = Table::new(HashMap::from([(user("a"), flagged)]), HashMap::new()).unwrap();
    let now = after(
        Members::new(table, policy),
        &[
            (user_change("a", UserChange::Deleted), 5),
            (user_change("n", UserChange::Deleted), 5),
        ],
    );
    for id in ["a", "n"] {
        let known = known(&now, id);
        assert_eq!(
            (known.access, known.founder, known.flags),
            (SUSPENDED, false, &Flags::NONE),
            "{id}"
        );
    }
    assert_eq!(
        known(&now, "a").name().unwrap(),
        "Alex",
        "who it was is kept"
    );
}

#[test]
fn what_is_kept_comes_back_after_a_restart() {
    let changes = [
        sighting("n", Some("n@x.test"), Some("Nim"), 5),
        (user_change("b", described(true, "Bo")), 6),
        (joined("1", "n", "admin"), 7),
        (Change::Organization(org("9"), OrgChange::Deleted), 8),
    ];
    let now = after(welcoming(ACTIVE), &changes);
    let (mut users, mut orgs) = (vec![], vec![]);
    for (change, _) in &changes {
        match now.kept(change) {
            Some(Kept::User(user, record)) => users.push((user.clone(), record.clone())),
            Some(Kept::Organization(org, at, exists)) => orgs.push((org.clone(), at, exists)),
            None => panic!("nothing kept of {change}"),
        }
    }
    let again = welcoming(ACTIVE).remembering(users, orgs);
    for id in ["a", "b", "n"] {
        assert_eq!(again.user_state(&user(id)), now.user_state(&user(id)));
        assert_eq!(role_in(&again, "ws_1", id), role_in(&now, "ws_1", id));
    }
    assert_eq!(again.size(), now.size());
}
