//! A reload that is prepared beside the membership in force counts from that moment. Events that arrive meanwhile are applied
//! after it.

use super::*;
use crate::domain::UnixTime;

/// Tables that differ from [`acme`] in a user, in a role, in an organization.
fn any_table() -> impl Strategy<Value = Table> {
    let access = prop_oneof![Just(None), Just(Some(ACTIVE)), Just(Some(SUSPENDED))];
    let role = prop_oneof![Just(None), Just(Some("member")), Just(Some("owner"))];
    let org = prop_oneof![Just(None), Just(Some("1")), Just(Some("7"))];
    (access, role, org).prop_map(|(access, role, org)| {
        let mut users = vec![("a", ACTIVE, "Alex")];
        users.extend(access.map(|access| ("b", access, "Bo")));
        let mut members = vec![("a", "owner")];
        members.extend(role.map(|role| ("b", role)));
        table(
            &users,
            &[("ws_1", org, &members), ("ws_2", None, &[("a", "admin")])],
        )
    })
}

fn any_events() -> impl Strategy<Value = Vec<(Change, u64)>> {
    proptest::collection::vec((any_change(), 0_u64..4), 0..8)
}

proptest! {
    #[test]
    fn what_is_learned_while_a_table_is_worked_out_stands_above_it(
        events in any_events(),
        new in any_table(),
        said in prop_oneof![Just(TableTime::WhenChanged), Just(TableTime::At(EventTime(60_002)))],
        meanwhile in any_events(),
        confirmed in proptest::option::of(Just(UnixTime(7))),
    ) {
        let before = after(members(acme()), &events);
        let reloaded = before.reloaded(new, Policy::default(), said).members;
        let now = after(before, &meanwhile);
        let now = confirmed.map_or(now.clone(), |at| now.confirmed(at));
        let learned = meanwhile.iter().map(|(change, at)| change.clone().at(EventTime(*at)));
        let caught_up = reloaded.clone().caught_up(&now, learned.collect()).expect("room");

        let expected = after(reloaded, &meanwhile);
        prop_assert_eq!(&caught_up.users, &expected.users);
        prop_assert_eq!(&caught_up.orgs, &expected.orgs);
        prop_assert_eq!(caught_up.size(), expected.size());
        prop_assert_eq!(caught_up.since, expected.since);
        prop_assert_eq!(caught_up.changes, caught_up.load());
        prop_assert_eq!(caught_up.confirmed, now.confirmed);
    }

    /// Fail closed: the reload takes back nothing that took access away while it was worked out.
    #[test]
    fn nobody_who_is_banned_or_deleted_meanwhile_has_access_after_the_reload(
        events in any_events(),
        new in any_table(),
        deleted in any::<bool>(),
        who in prop_oneof![Just("a"), Just("b"), Just("c")],
    ) {
        let before = after(members(acme()), &events);
        // After a deletion nothing but another deletion counts.
        let told = before.users.get(&user(who)).and_then(|record| record.from_clerk.as_ref());
        prop_assume!(deleted || !told.is_some_and(|(_, told)| told.is_final()));
        let reloaded = before.reloaded(new, Policy::default(), TableTime::WhenChanged).members;
        let banned = UserChange::Described { banned: true, email: None, name: None };
        let change = if deleted { UserChange::Deleted } else { banned };
        let change = Change::User(user(who), change);
        let now = after(before, &[(change.clone(), 9)]);
        let learned = vec![change.at(EventTime(9))];
        let caught_up = reloaded.caught_up(&now, learned).expect("room");
        let stands = caught_up.user_state(&user(who));
        prop_assert!(matches!(stands, UserState::Banned | UserState::Deleted), "{stands:?}");
    }
}
