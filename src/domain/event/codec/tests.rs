//! What is written comes back, and nothing else is read.

use proptest::prelude::*;

use super::entry::{EncodedEvent, MAX_VALUE};
use super::row::*;
use super::*;
use crate::domain::event::tests::{NAMES, any_event, org, roles, user};
use crate::domain::event::{Change, EventTime, MembershipEvent};
use crate::domain::ids::text_header;
use crate::domain::membership::{
    AccessStatus, Flags, InitialAccess, Kept, Members, OrgEntry, Policy, Record, Table,
};
use crate::domain::revocation::Revoked;

fn encoded(key: &str, value: &str) -> EncodedEvent {
    EncodedEvent {
        key: key.into(),
        value: value.into(),
    }
}

proptest! {
    #[test]
    fn an_event_comes_back_as_it_was_written(event in any_event(), at in any::<u64>()) {
        let names = roles(NAMES);
        let late = event.change.clone().at(EventTime(at));
        for event in [event, late].iter().flat_map(MembershipEvent::shared) {
            let encoded = event.encode(Some(&names)).expect("it is shared");
            prop_assert!(encoded.key.is_ascii() && encoded.value.len() <= MAX_VALUE);
            prop_assert_eq!(encoded.decode(Some(&names)).unwrap(), event);
        }
    }

    #[test]
    fn what_is_known_comes_back_as_it_was_kept(events in proptest::collection::vec(any_event(), 0..20)) {
        let names = roles(NAMES);
        let members = Members::new(Table::default(), Policy::default());
        let members = events
            .iter()
            .fold(members, |members, event| members.changed(event).expect("room"));
        for kept in members.all_kept() {
            match kept {
                Kept::User(user, record) => {
                    let row = encode_user(record, &names);
                    let back = decode_user(user.as_str(), &row, &names).unwrap();
                    prop_assert_eq!(back, (user.clone(), record.clone()));
                }
                Kept::Organization(org, at, change) => {
                    let row = encode_organization(at, change);
                    let back = decode_organization(org.as_str(), &row).unwrap();
                    prop_assert_eq!(back, (org.clone(), at, change));
                }
            }
        }
    }

    #[test]
    fn a_revocation_comes_back_as_it_was_kept(event in any_event()) {
        if let Change::Revoked(revoked) = event.change {
            let (key, value) = encode_revocation(&revoked, event.at);
            prop_assert_eq!(decode_revocation(&key, &value).unwrap(), (revoked, event.at));
        }
    }

    #[test]
    fn whatever_is_in_a_store_is_read_without_a_panic(
        key in ".{0,40}", value in ".{0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..80)
    ) {
        let names = roles(NAMES);
        let _ = encoded(&key, &value).decode(None);
        let _ = encoded("user user_a", &format!("1{value}")).decode(None);
        for key in [key.as_str(), "user_a", "org_1", "session sess_1"] {
            let _ = decode_user(key, &bytes, &names);
            let _ = decode_organization(key, &bytes);
            let _ = decode_revocation(key, &bytes);
        }
    }

    #[test]
    fn what_is_damaged_is_read_without_a_panic(event in any_event(), at in any::<usize>(), byte in 0_u8..128) {
        let names = roles(NAMES);
        let good = event.encode(Some(&names)).expect("it is shared");
        let damaged = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            let place = at % bytes.len().max(1);
            bytes.iter_mut().skip(place).take(1).for_each(|there| *there = byte);
            String::from_utf8(bytes).unwrap_or_default()
        };
        let _ = encoded(&damaged(&good.key), &good.value).decode(Some(&names));
        let _ = encoded(&good.key, &damaged(&good.value)).decode(Some(&names));
        let body = good.value.split_once('\n').map_or("", |(_, body)| body);
        let row = damaged(&format!("{{\"told\":{body}}}"));
        let _ = decode_user("user_a", row.as_bytes(), &names);
        let _ = decode_organization("org_1", damaged(body).as_bytes());
    }
}

fn ban() -> EncodedEvent {
    let ban = UserChange::Described {
        banned: true,
        email: None,
        name: None,
    };
    let event = Change::User(user("a"), ban).at(EventTime(7));
    event.encode(None).expect("it is shared")
}

#[test]
fn what_no_version_of_ours_wrote_is_no_event() {
    let good = ban();
    assert!(good.decode(None).is_ok());
    let (rank, body) = good.value[1..].split_once('\n').unwrap();
    let later = rank.replace("07", "09");
    for (what, key, value) in [
        ("another version", "user user_a", format!("2{rank}\n{body}")),
        ("no version", "user user_a", String::new()),
        ("no body", "user user_a", format!("1{rank}")),
        ("garbage", "user user_a", format!("1{rank}\n{{\"at\":")),
        (
            "a word that we do not know",
            "user user_a",
            format!("1{rank}\n{{\"at\":7,\"admin\":true}}"),
        ),
        (
            "somebody else's rank",
            "user user_a",
            format!("1{later}\n{body}"),
        ),
        ("a longer rank", "user user_a", format!("1{rank}f\n{body}")),
        (
            "a role of a user",
            "user user_a",
            format!("1{rank}\n{{\"at\":7,\"role\":\"owner\"}}"),
        ),
        (
            "a word of rows only",
            "organization org_1",
            "1000000000000000000071\n{\"at\":7,\"exists\":false}".to_owned(),
        ),
        (
            "a text that would end a header",
            "user user_a",
            format!("1{rank}\n{{\"at\":7,\"name\":\"a\\r\\nb\"}}"),
        ),
        ("nobody", "user ", good.value.to_string()),
        ("no user", "user alice", good.value.to_string()),
        ("no kind", "users user_a", good.value.to_string()),
        ("what tokens say", "seen user_a", good.value.to_string()),
        ("another kind", "organization org_1", good.value.to_string()),
        (
            "a key with more",
            "member org_1 user_a x",
            good.value.to_string(),
        ),
        (
            "a long text",
            "user user_a",
            format!("1{rank}\n{body}{}", " ".repeat(MAX_VALUE)),
        ),
    ] {
        assert!(
            encoded(key, &value).decode(Some(&roles(NAMES))).is_err(),
            "{what}"
        );
    }
    let garbage = encoded("user user_a", "garbage");
    assert!(good.supersedes(Some(&garbage)) && !garbage.supersedes(None));
}

#[test]
fn another_version_is_refused_as_such() {
    let later = encoded("user user_a", &ban().value.replacen('1', "2", 1));
    let refused = later.decode(None).unwrap_err();
    assert!(matches!(refused, DecodeError::Version), "{refused}");
    assert_eq!(refused.to_string(), "it is of another version");
}

#[test]
fn what_a_token_says_is_written_for_nobody_else() {
    let seen = Seen {
        at: EventTime(5),
        email: text_header("a@x.test"),
        name: None,
    };
    let event = Change::Seen(user("a"), seen).at(EventTime(5));
    assert_eq!((event.shared(), event.encode(None)), (vec![], None));
}

fn full(names: &Roles) -> Record {
    let member = |id, change| OrgEntry {
        org: org(id),
        at: EventTime(3),
        change,
    };
    Record {
        from_clerk: Some((
            EventTime(1),
            UserChange::Described {
                banned: true,
                email: text_header("a@x.test"),
                name: text_header("Zoë"),
            },
        )),
        from_token: Some(Seen {
            at: EventTime(2),
            email: text_header("b@x.test"),
            name: None,
        }),
        initial_access: Some(InitialAccess {
            at: EventTime(1),
            access: AccessStatus::Pending,
            flags: Flags::new(["is_active"]).unwrap(),
        }),
        orgs: vec![
            member("1", MemberChange::Role(names.find("admin").unwrap())),
            member("2", MemberChange::Removed),
            member("3", MemberChange::Superseded),
        ],
    }
}

#[test]
fn a_record_comes_back_as_it_was_written() {
    let names = roles(&["member", "admin"]);
    let told = |change| Record {
        from_clerk: Some((EventTime(9), change)),
        ..Record::default()
    };
    let deleted = told(UserChange::Deleted);
    let back = told(UserChange::Superseded { deleted: true });
    let described = told(UserChange::Superseded { deleted: false });
    for record in [full(&names), deleted, back, described, Record::default()] {
        let (user, back) = decode_user("user_a", &encode_user(&record, &names), &names).unwrap();
        assert_eq!((user.as_str(), back), ("user_a", record));
    }
}

#[test]
fn a_role_keeps_its_name_when_the_config_numbers_it_anew_and_is_none_when_it_is_gone() {
    let old = roles(&["member", "admin"]);
    let bytes = encode_user(&full(&old), &old);
    let change_under = |names: &Roles| {
        let (_, record) = decode_user("user_a", &bytes, names).unwrap();
        record.entry_of(&org("1")).map(|entry| entry.change)
    };
    let more = roles(&["guest", "member", "admin"]);
    assert_eq!(
        change_under(&more),
        more.find("admin").map(MemberChange::Role)
    );
    assert_eq!(
        change_under(&roles(&["member"])),
        Some(MemberChange::Removed)
    );
}

#[test]
fn a_row_that_is_not_understood_is_never_taken_for_an_empty_one() {
    let names = roles(&["member"]);
    let long = format!("{{}}{}", " ".repeat(MAX_ROW));
    for (key, value) in [
        ("user_a", &b""[..]),
        ("user_a", b"{}x"),
        ("user_a", br#"{"later": true}"#),
        ("user_a", br#"{"entry": {"at": 1, "access": "root"}}"#),
        ("user_a", br#"{"told": {"at": 1, "name": "a\nb"}}"#),
        ("user_a", br#"{"told": {"at": 1, "later": true}}"#),
        ("user_a", br#"{"told": {"at": 1, "role": "member"}}"#),
        ("user_a", br#"{"told": {"deleted": true}}"#),
        ("user_a", br#"{"seen": {"at": 1, "banned": true}}"#),
        ("user_a", br#"{"orgs": {"a,b": {"at": 1}}}"#),
        (
            "user_a",
            br#"{"orgs": {"org_1": {"at": 1, "role": "member", "deleted": true}}}"#,
        ),
        (
            "user_a",
            br#"{"orgs": {"org_1": {"at": 1, "banned": true}}}"#,
        ),
        ("user_a", long.as_bytes()),
        ("somebody", b"{}"),
    ] {
        assert!(decode_user(key, value, &names).is_err(), "{key} {value:?}");
    }
    for (key, value) in [
        ("org_1", &br#"{"at": 1}"#[..]),
        ("org_1", br#"{"at": 1, "exists": true, "later": true}"#),
        ("org_1", br#"{"at": 1, "exists": true, "name": "a"}"#),
        ("org,1", br#"{"at": 1, "exists": true}"#),
    ] {
        assert!(decode_organization(key, value).is_err(), "{value:?}");
    }
    for (key, value) in [
        ("session", &b"5"[..]),
        ("session sess_1", b""),
        ("session sess_1", b"-5"),
        ("tokens user_a", b"5"),
        ("user somebody", b"5"),
    ] {
        assert!(decode_revocation(key, value).is_err(), "{key}");
    }
}

#[test]
fn a_revocation_has_a_key_of_its_own() {
    let revoked = Revoked::User(user("a"));
    let (key, value) = encode_revocation(&revoked, EventTime(5));
    assert_eq!((key.as_str(), &value[..]), ("user user_a", &b"5"[..]));
}
