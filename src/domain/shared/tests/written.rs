//! How facts are written, which of two counts, and what is no fact.

use super::*;

proptest! {
    #[test]
    fn the_larger_rank_is_what_the_domain_says_counts(events in proptest::collection::vec(any_event(), 20)) {
        let facts: Vec<_> = events.into_iter().filter_map(|(change, at)| Fact::alone(change, at)).collect();
        let pairs = facts.iter().flat_map(|a| facts.iter().map(move |b| (a, b)));
        for (a, b) in pairs.filter(|(a, b)| a.key() == b.key()) {
        let expected = match (a.change(), b.change()) {
            (Change::User(_, x), Change::User(_, y)) => x.order(a.at()).partial_cmp(&y.order(b.at())),
            (Change::Member(_, _, x), Change::Member(_, _, y)) => {
                (a.at(), x.weight()).partial_cmp(&(b.at(), y.weight()))
            }
            (Change::Organization(_, x), Change::Organization(_, y)) => (a.at(), x).partial_cmp(&(b.at(), y)),
            _ => a.at().partial_cmp(&b.at()),
        };
        let bytes = a.rank().as_bytes().cmp(b.rank().as_bytes());
        prop_assert_eq!(Some(bytes), expected, "{:?} {:?}", a, b);
        }
    }

    #[test]
    fn the_facts_that_win_say_as_much_as_all_of_them(
        (events, shuffled) in proptest::collection::vec(any_event(), 0..14)
            .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
    ) {
        let mut winners: BTreeMap<String, Fact> = BTreeMap::new();
        for fact in shuffled.iter().flat_map(|(change, at)| Fact::of(change, *at)) {
            let kept = winners.entry(fact.key()).or_insert_with(|| fact.clone());
            if fact.rank() > kept.rank() {
                *kept = fact;
            }
        }
        let winners: Vec<_> = winners.into_values().map(|fact| (fact.change().clone(), fact.at())).collect();
        let (all, won) = (after(&gate(NAMES), &events), after(&gate(NAMES), &winners));
        prop_assert_eq!(knows(&all), knows(&won));
        let (all_members, won_members) = (all.members.as_ref().unwrap(), won.members.as_ref().unwrap());
        for id in ["a", "b"] {
            let standing = |members: &Members| format!("{:?}", members.standing(&user(id)));
            // When somebody was heard of first is each gate's own.
            let timeless = |text: String| text.split("since").next().unwrap_or_default().to_owned();
            prop_assert_eq!(timeless(standing(all_members)), timeless(standing(won_members)));
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
        for fact in Fact::of(&next.0, next.1) {
            let then = after(&before, &[(fact.change().clone(), fact.at())]);
            let of = |world: &Snapshot| knows(world).remove(&fact.key());
            prop_assert_eq!(is_news(&before, &fact), of(&then) != of(&before), "{:?}", fact);
        }
    }

    #[test]
    fn a_fact_comes_back_as_it_was_written((change, at) in any_event(), at_ms in any::<u64>()) {
        for at in [at, EventTime(at_ms)] {
            for fact in Fact::of(&change, at) {
                let written = fact.write(Some(&roles(NAMES)));
                let rank = fact.rank();
                prop_assert_eq!(written.rank(), Some(rank.as_str()));
                prop_assert_eq!(written.read(Some(&roles(NAMES))).unwrap(), fact);
            }
        }
    }

    #[test]
    fn any_text_in_the_store_is_read_without_a_panic(key in ".{0,40}", value in ".{0,80}") {
        let _ = Written { key: key.into(), value: value.clone().into() }.read(None);
        let _ = Written { key: "user user_a".into(), value: format!("1{value}").into() }.read(None);
    }
}

fn written(key: &str, value: &str) -> Written {
    Written {
        key: key.into(),
        value: value.into(),
    }
}

#[test]
fn what_no_version_of_ours_wrote_is_no_fact() {
    let ban = Change::User(
        user("a"),
        UserChange::Described {
            banned: true,
            email: None,
            name: None,
        },
    );
    let good = Fact::of(&ban, EventTime(7)).pop().unwrap().write(None);
    assert!(good.read(None).is_ok());
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
            "a text that would end a header",
            "user user_a",
            format!("1{rank}\n{{\"at\":7,\"name\":\"a\\r\\nb\"}}"),
        ),
        ("nobody", "user ", good.value.to_string()),
        ("no user", "user alice", good.value.to_string()),
        ("no kind", "users user_a", good.value.to_string()),
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
            written(key, &value).read(Some(&roles(NAMES))).is_err(),
            "{what}"
        );
    }
    assert_eq!(
        written("user user_a", "garbage").rank(),
        None,
        "everything wins over it"
    );
}

#[test]
fn a_role_that_a_config_does_not_name_lets_nobody_in_and_is_not_taken_from_others() {
    let (old, new) = (gate(&["member"]), gate(NAMES));
    let owner = Change::Member(
        org("7"),
        user("b"),
        MemberChange::Role(roles(NAMES).highest()),
    );
    let stored: Vec<_> = Fact::of(&owner, EventTime(5))
        .iter()
        .map(|fact| fact.write(new.rules.roles.as_ref()))
        .collect();
    let read = stored[0].read(old.rules.roles.as_ref()).unwrap();
    assert_eq!(
        *read.change(),
        Change::Member(org("7"), user("b"), MemberChange::Removed)
    );
    let old = after(&old, &[(read.change().clone(), read.at())]);
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
    let mut log = Log::default();
    for (change, at) in [(told(true), 5), (told(false), 9)] {
        let facts = Fact::of(&change, EventTime(at));
        let offered: Vec<_> = facts
            .iter()
            .map(|f| Offered {
                written: f.write(None),
                lasts: None,
            })
            .collect();
        log.commit(&offered, Nonce(at), 1000, 10);
    }
    let facts: Vec<_> = log
        .facts()
        .iter()
        .map(|written| written.read(None).unwrap())
        .collect();
    let late = after(
        &gate(NAMES),
        &facts
            .iter()
            .map(|f| (f.change().clone(), f.at()))
            .collect::<Vec<_>>(),
    );
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
        Fact::of(&change, EventTime(at * 1000))
            .iter()
            .all(|fact| fact.may_be_told_after(last))
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
        member(MemberChange::Overruled),
        Change::User(user("a"), banned),
    ] {
        assert!(may(change.clone(), 1), "{change}");
    }
}
