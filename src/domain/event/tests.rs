//! Of several events about the same thing exactly one counts, in whatever order they are combined.

use proptest::prelude::*;

use super::*;
use crate::domain::ids::{SessionId, text_header};
use crate::domain::membership::Roles;

pub const NAMES: &[&str] = &["member", "admin", "owner"];

pub fn user(id: &str) -> UserId {
    UserId::parse(&format!("user_{id}")).expect("a user id")
}

pub fn org(id: &str) -> OrgId {
    OrgId::parse(&format!("org_{id}")).expect("an organization id")
}

pub fn roles(names: &[&str]) -> Roles {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    Roles::new(&names).expect("roles")
}

fn any_change() -> impl Strategy<Value = Change> {
    let who = || prop_oneof![Just("a"), Just("b")].prop_map(user);
    let of = || prop_oneof![Just("1"), Just("7")].prop_map(org);
    let role =
        prop::sample::select(NAMES).prop_map(|name| roles(NAMES).find(name).expect("a role"));
    let text = || prop_oneof![Just(None), "[ab]{0,2}".prop_map(|text| text_header(&text))];
    prop_oneof![
        4 => (who(), any::<bool>(), text(), text())
            .prop_map(|(who, banned, email, name)| Change::User(who, UserChange::Described { banned, email, name })),
        1 => who().prop_map(|who| Change::User(who, UserChange::Deleted)),
        1 => (who(), any::<bool>()).prop_map(|(who, deleted)| Change::User(who, UserChange::Superseded { deleted })),
        4 => (of(), who(), role).prop_map(|(of, who, role)| Change::Member(of, who, MemberChange::Role(role))),
        2 => (of(), who()).prop_map(|(of, who)| Change::Member(of, who, MemberChange::Removed)),
        1 => (of(), who()).prop_map(|(of, who)| Change::Member(of, who, MemberChange::Superseded)),
        2 => (of(), prop::sample::select(&[OrgChange::Exists, OrgChange::Deleted, OrgChange::Superseded][..]))
            .prop_map(|(of, change)| Change::Organization(of, change)),
        1 => who().prop_map(|who| Change::Revoked(Revoked::User(who))),
        1 => Just(Change::Revoked(Revoked::Session(SessionId::parse("sess_1").expect("a session id")))),
    ]
}

/// Events that replicas share. There are few times, users and texts, so that many events are about the same thing.
pub fn any_event() -> impl Strategy<Value = MembershipEvent> {
    (any_change(), 0_u64..4).prop_map(|(change, at)| change.at(EventTime(at)))
}

/// Three events about the same thing.
fn three_of_one() -> impl Strategy<Value = [MembershipEvent; 3]> {
    let same = |events: Vec<MembershipEvent>| {
        let key = events.first()?.key();
        let same: Vec<_> = events
            .into_iter()
            .filter(|e| e.key() == key)
            .take(3)
            .collect();
        same.try_into().ok()
    };
    proptest::collection::vec(any_event(), 24).prop_filter_map("three of one", same)
}

/// The event that counts after both.
fn join(a: &MembershipEvent, b: &MembershipEvent) -> MembershipEvent {
    if a.rank() < b.rank() { b } else { a }.clone()
}

proptest! {
    #[test]
    fn the_order_is_total_and_no_two_events_share_a_rank([a, b, c] in three_of_one()) {
        prop_assert_eq!(a.rank() == b.rank(), a == b);
        prop_assert_eq!(a.rank().cmp(&b.rank()), b.rank().cmp(&a.rank()).reverse());
        if a.rank() <= b.rank() && b.rank() <= c.rank() {
            prop_assert!(a.rank() <= c.rank());
        }
    }

    #[test]
    fn what_is_known_is_a_join_of_events([a, b, c] in three_of_one()) {
        prop_assert_eq!(join(&a, &a), a.clone());
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
    }

    #[test]
    fn a_store_that_compares_bytes_says_the_same_as_the_order([a, b, _] in three_of_one()) {
        let (x, y) = (a.rank().to_string(), b.rank().to_string());
        prop_assert_eq!(x.as_bytes().cmp(y.as_bytes()), a.rank().cmp(&b.rank()));
        let roles = roles(NAMES);
        let (x, y) = (a.encode(Some(&roles)).unwrap(), b.encode(Some(&roles)).unwrap());
        prop_assert_eq!(x.supersedes(Some(&y)), a.rank() > b.rank());
        prop_assert!(x.supersedes(None), "over what nobody wrote");
    }
}

#[test]
fn at_one_time_the_event_counts_that_takes_more_access() {
    let at = EventTime(5);
    let described = |banned| UserChange::Described {
        banned,
        email: None,
        name: None,
    };
    assert!(described(false).rank(at) < described(true).rank(at));
    assert!(described(true).rank(EventTime(9)) < UserChange::Deleted.rank(at));
    let [low, high] = ["member", "owner"].map(|name| roles(NAMES).find(name).expect("a role"));
    let of = |role| MemberChange::Role(role).rank(at);
    assert!(of(high) < of(low) && of(low) < MemberChange::Removed.rank(at));
    assert!(OrgChange::Exists.rank(at) < OrgChange::Deleted.rank(at));
    assert!(described(true).rank(at) < described(false).rank(EventTime(6)));
}
