//! Which of many events count, and which of them a replica publishes.

use super::*;

proptest! {
    #[test]
    fn the_events_that_win_say_as_much_as_all_of_them(
        (events, shuffled) in proptest::collection::vec(any_event(), 0..14)
            .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
    ) {
        let mut winners: BTreeMap<String, MembershipEvent> = BTreeMap::new();
        for event in shuffled.iter().flat_map(MembershipEvent::shared) {
            let kept = winners.entry(event.key()).or_insert_with(|| event.clone());
            if event.rank() > kept.rank() {
                *kept = event;
            }
        }
        let winners: Vec<_> = winners.into_values().collect();
        let (all, won) = (after(&gate(NAMES), &events), after(&gate(NAMES), &winners));
        prop_assert_eq!(knows(&all), knows(&won));
        let (all_members, won_members) = (all.members.as_ref().unwrap(), won.members.as_ref().unwrap());
        for id in ["a", "b"] {
            let user_state = |members: &Members| format!("{:?}", members.user_state(&user(id)));
            // The time when a user first appeared differs from gate to gate.
            let timeless = |text: String| text.split("since").next().unwrap_or_default().to_owned();
            prop_assert_eq!(timeless(user_state(all_members)), timeless(user_state(won_members)));
            for workspace in ["ws_1", "org_7"] {
                let workspace = crate::domain::ids::WorkspaceId::parse(workspace).unwrap();
                prop_assert_eq!(
                    all_members.role(&workspace, &user(id), None),
                    won_members.role(&workspace, &user(id), None)
                );
            }
        }
    }

    #[test]
    fn what_is_news_changes_something_and_nothing_else_does(
        events in proptest::collection::vec(any_event(), 0..8), next in any_event()
    ) {
        let before = after(&gate(NAMES), &events);
        for event in next.shared() {
            let then = after(&before, std::slice::from_ref(&event));
            let of = |world: &Snapshot| knows(world).remove(&event.key());
            prop_assert_eq!(before.is_news(&event), of(&then) != of(&before), "{:?}", event);
        }
    }
}

#[test]
fn a_role_that_a_config_does_not_name_lets_nobody_in_and_is_not_taken_from_others() {
    let (old, new) = (gate(&["member"]), gate(NAMES));
    let owner = Change::Member(
        org("7"),
        user("b"),
        MemberChange::Role(roles(NAMES).highest()),
    );
    let owner = owner.at(EventTime(5));
    let stored = [owner.encode(new.rules.roles.as_ref()).unwrap()];
    let read = stored[0].decode(old.rules.roles.as_ref()).unwrap();
    assert_eq!(
        read.change,
        Change::Member(org("7"), user("b"), MemberChange::Removed)
    );
    let old = after(&old, &[read]);
    assert_eq!(
        unshared(&old, &stored),
        vec![],
        "it would end the membership where the role is known"
    );
}

#[test]
fn a_ban_that_was_lifted_still_ends_the_tokens_from_before_it() {
    let told = |banned| {
        Change::User(
            user("a"),
            UserChange::Described {
                banned,
                email: None,
                name: None,
            },
        )
    };
    let mut log = StoreLog::default();
    for (change, at) in [(told(true), 5), (told(false), 9)] {
        let events = change.at(EventTime(at)).shared();
        let offered: Vec<_> = events.iter().map(|event| for_ever(event, None)).collect();
        log.commit(&offered, Nonce(at), 1000, 10);
    }
    let stored = log.facts();
    let events: Vec<_> = stored.iter().map(|e| e.decode(None).unwrap()).collect();
    let late = after(&gate(NAMES), &events);
    assert_eq!(
        late.revocations.at(&Revoked::User(user("a"))),
        Some(EventTime(5))
    );
}

#[test]
fn whoever_was_away_for_longer_than_marks_last_is_silent() {
    let now = crate::domain::UnixTime(10_000_000);
    let before = |seconds| Some(crate::domain::UnixTime(now.0 - seconds));
    assert!(
        may_push(None, now),
        "a gate that has never shared brings what it has"
    );
    assert!(may_push(before(6 * 24 * 3600), now));
    assert!(!may_push(before(6 * 24 * 3600 + 1), now));
}

#[test]
fn whoever_was_away_for_long_holds_back_roles_of_before_and_nothing_else() {
    let last = crate::domain::UnixTime(1_000_000);
    let may = |change: Change, at: u64| {
        let events = change.at(EventTime(at * 1000)).shared();
        events.iter().all(|event| event.may_be_told_after(last))
    };
    let member = |change| Change::Member(org("1"), user("a"), change);
    let role = || member(MemberChange::Role(roles(NAMES).highest()));
    assert!(
        !may(role(), 1),
        "the source may have taken it away since, and the others have forgotten that it did"
    );
    assert!(
        may(role(), 1_000_000 - 28 * 3600),
        "it may have come when nobody else was there to hear it"
    );
    let banned = UserChange::Described {
        banned: true,
        email: None,
        name: None,
    };
    for change in [
        member(MemberChange::Removed),
        member(MemberChange::Superseded),
        Change::User(user("a"), banned),
    ] {
        assert!(may(change.clone(), 1), "{change}");
    }
}
