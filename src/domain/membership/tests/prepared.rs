//! A reload that was worked out beforehand is the one that would have been worked out in the lock.

use super::*;
use crate::domain::UnixTime;
use crate::domain::membership::Prepared;

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

/// What happens between the moment at which it is worked out and the moment at which it counts.
#[derive(Clone, Debug)]
enum Meanwhile {
    Told(Change, u64),
    Reloaded(Table),
    Forgotten,
    Confirmed,
}

fn any_meanwhile() -> impl Strategy<Value = Meanwhile> {
    prop_oneof![
        8 => (any_change(), 0_u64..4).prop_map(|(change, at)| Meanwhile::Told(change, at)),
        1 => any_table().prop_map(Meanwhile::Reloaded),
        2 => Just(Meanwhile::Forgotten),
        1 => Just(Meanwhile::Confirmed),
    ]
}

fn then(now: Members, what: Meanwhile) -> Members {
    match what {
        Meanwhile::Told(change, at) => now.changed(&change.at(EventTime(at))).expect("room"),
        Meanwhile::Reloaded(table) => {
            now.reloaded(table, Policy::default(), Said::WhenChanged)
                .members
        }
        Meanwhile::Forgotten => now.without_marks(&now.old_marks(UnixTime(u64::MAX), &now)),
        Meanwhile::Confirmed => now.confirmed(UnixTime(7)),
    }
}

proptest! {
    #[test]
    fn whatever_is_learned_meanwhile(
        events in proptest::collection::vec((any_change(), 0_u64..4), 0..8),
        new in any_table(),
        said in prop_oneof![Just(Said::WhenChanged), Just(Said::At(EventTime(60_002)))],
        meanwhile in proptest::collection::vec(any_meanwhile(), 0..5),
    ) {
        let before = after(members(acme()), &events);
        let prepared = Prepared::new(&before, new.clone(), Policy::default(), said);
        let now = meanwhile.into_iter().fold(before, then);
        let expected = now.reloaded(new, Policy::default(), said);
        let finished = prepared.finished(&now);

        let told = |of: &Reloaded| {
            let mut all: Vec<String> = of.overruled.iter().map(|told| format!("{told:?}")).collect();
            all.sort();
            all
        };
        prop_assert_eq!(told(&finished), told(&expected));
        prop_assert_eq!(&finished.members.users, &expected.members.users);
        prop_assert_eq!(&finished.members.orgs, &expected.members.orgs);
        prop_assert_eq!(finished.members.changes, expected.members.changes);
        prop_assert_eq!(finished.members.confirmed, expected.members.confirmed);
        prop_assert_eq!(finished.members.since, expected.members.since);
        prop_assert_eq!(finished.members.size(), expected.members.size());
    }
}
