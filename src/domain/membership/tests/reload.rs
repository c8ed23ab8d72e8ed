//! Which statement counts when several are about the same access: one row per pair of origins, and what an attacker could try in
//! between.

use super::*;
use crate::domain::UnixTime;
use crate::domain::membership::{MARKS_LAST, TokenMembership, drift};

/// Milliseconds. A load of Clerk's Backend API that starts now counts from a minute before.
const BEGAN: u64 = 1_000_000;
const HOLDS: u64 = BEGAN - 60_000;

/// One statement about the membership.
#[derive(Clone)]
enum Word {
    /// An event from a webhook, with this time.
    Told(Change, u64),
    /// A snapshot source: a file, a database, an endpoint.
    Table(Table),
    /// Clerk's Backend API, in a load that started at this time.
    Api(Table, u64),
}

use Word::{Api, Table as Rows, Told};

fn hear(members: &Members, word: &Word) -> Members {
    let policy = Policy::default();
    match word.clone() {
        Told(change, at) => members.changed(&change.at(EventTime(at))).expect("room"),
        Rows(table) => {
            members
                .reloaded(table, policy, TableTime::WhenChanged)
                .members
        }
        Api(table, began) => {
            members
                .reloaded(table, policy, TableTime::At(EventTime(began)))
                .members
        }
    }
}

fn heard(words: &[Word]) -> Members {
    words
        .iter()
        .fold(members(acme()), |members, word| hear(&members, word))
}

/// `acme` with this role of `b` in `ws_1`.
fn with_b(role: Option<&str>) -> Table {
    let mut in_1 = vec![("a", "owner")];
    in_1.extend(role.map(|role| ("b", role)));
    table(
        &[("a", ACTIVE, "Alex"), ("b", ACTIVE, "Bo")],
        &[
            ("ws_1", Some("1"), &in_1),
            ("ws_2", None, &[("a", "admin")]),
        ],
    )
}

fn b_is(access: AccessStatus) -> Table {
    table(
        &[("a", ACTIVE, "Alex"), ("b", access, "Bo")],
        &[("ws_1", Some("1"), &[("a", "owner"), ("b", "member")])],
    )
}

fn without_b() -> Table {
    table(
        &[("a", ACTIVE, "Alex")],
        &[("ws_1", Some("1"), &[("a", "owner")])],
    )
}

fn ban(banned: bool) -> Change {
    user_change("b", described(banned, "Bo"))
}

fn deleted() -> Change {
    user_change("b", UserChange::Deleted)
}

/// `b` starts as a member.
#[test]
fn the_role_of_a_member_is_what_the_last_to_speak_said() {
    let (out, admin) = (left("1", "b"), joined("1", "b", "admin"));
    let told = |change: &Change, at| Told(change.clone(), at);
    let cases: &[(&str, &[Word], Option<&str>)] = &[
        (
            "webhook, then an older one",
            &[told(&out, 20), told(&admin, 10)],
            None,
        ),
        (
            "webhook, then a newer one",
            &[told(&out, 20), told(&admin, 30)],
            Some("admin"),
        ),
        ("two of one time", &[told(&admin, 20), told(&out, 20)], None),
        (
            "webhook, then the same row",
            &[told(&out, 20), Rows(with_b(Some("member")))],
            None,
        ),
        (
            "webhook, then another row",
            &[told(&out, 20), Rows(with_b(Some("owner")))],
            Some("owner"),
        ),
        (
            "webhook, then no row",
            &[told(&admin, 20), Rows(with_b(None))],
            None,
        ),
        (
            "row, then webhook",
            &[Rows(with_b(None)), told(&admin, 20)],
            Some("admin"),
        ),
        (
            "row over webhook, then an older event",
            &[
                told(&out, 20),
                Rows(with_b(Some("owner"))),
                told(&admin, 10),
            ],
            Some("owner"),
        ),
        (
            "row over webhook, then a newer event",
            &[told(&out, 20), Rows(with_b(Some("owner"))), told(&out, 30)],
            None,
        ),
        (
            "old webhook, then the API",
            &[told(&out, HOLDS), Api(with_b(Some("member")), BEGAN)],
            Some("member"),
        ),
        (
            "new webhook, then the API",
            &[told(&out, HOLDS + 1), Api(with_b(Some("member")), BEGAN)],
            None,
        ),
        (
            "old webhook that gave, then the API that has not",
            &[told(&admin, HOLDS), Api(with_b(None), BEGAN)],
            None,
        ),
        (
            "new webhook that gave, then the API",
            &[told(&admin, BEGAN), Api(with_b(None), BEGAN)],
            Some("admin"),
        ),
        (
            "the API, then a newer event",
            &[Api(with_b(Some("owner")), BEGAN), told(&out, HOLDS + 1)],
            None,
        ),
        (
            "the API, then an event that comes late",
            &[Api(with_b(None), BEGAN), told(&admin, HOLDS)],
            None,
        ),
        (
            "the API, then an older removal",
            &[Api(with_b(Some("owner")), BEGAN), told(&out, 20)],
            Some("owner"),
        ),
        (
            "the API over a webhook, then an older event",
            &[
                told(&out, 20),
                Api(with_b(Some("member")), BEGAN),
                told(&admin, 10),
            ],
            Some("member"),
        ),
        (
            "the API, then the API again",
            &[
                Api(with_b(Some("owner")), BEGAN),
                Api(with_b(Some("member")), 2 * BEGAN),
            ],
            Some("member"),
        ),
        (
            "a new webhook between two loads of the API",
            &[
                Api(with_b(Some("member")), BEGAN),
                told(&admin, BEGAN + 1),
                Api(with_b(Some("member")), BEGAN + 30_000),
            ],
            Some("admin"),
        ),
    ];
    for (given, words, expected) in cases {
        assert_eq!(
            role_in(&heard(words), "ws_1", "b").as_deref(),
            *expected,
            "{given}"
        );
    }
}

#[test]
fn the_access_of_a_user_is_what_the_last_to_speak_said_and_is_not_given_back_by_chance() {
    let told = |change: Change, at| Told(change, at);
    let cases: &[(&str, &[Word], &str)] = &[
        (
            "a ban, then the same row",
            &[told(ban(true), 20), Rows(acme())],
            "banned",
        ),
        (
            "a ban, then a row that gives no more",
            &[told(ban(true), 20), Rows(b_is(SUSPENDED))],
            "banned",
        ),
        (
            "a ban, then a row that gives more",
            &[
                told(ban(true), 20),
                Rows(b_is(SUSPENDED)),
                Rows(b_is(ACTIVE)),
            ],
            "active Bo",
        ),
        (
            "a ban, then the API that has none",
            &[told(ban(true), HOLDS), Api(acme(), BEGAN)],
            "active Bo",
        ),
        (
            "a newer ban than the API",
            &[told(ban(true), HOLDS + 1), Api(acme(), BEGAN)],
            "banned",
        ),
        (
            "a ban that was missed",
            &[Api(b_is(SUSPENDED), BEGAN)],
            "suspended Bo",
        ),
        (
            "that is lifted later",
            &[Api(b_is(SUSPENDED), BEGAN), told(ban(false), BEGAN + 1)],
            "active Bo",
        ),
        (
            "that was lifted before",
            &[Api(b_is(SUSPENDED), BEGAN), told(ban(false), HOLDS)],
            "suspended Bo",
        ),
        (
            "a ban that comes late",
            &[Api(acme(), BEGAN), told(ban(true), 20)],
            "active Bo",
        ),
        (
            "a deletion, then the API that lags behind",
            &[told(deleted(), 20), Api(acme(), BEGAN)],
            "deleted",
        ),
        (
            "a deletion that comes late",
            &[Api(acme(), BEGAN), told(deleted(), 20)],
            "deleted",
        ),
        (
            "a deletion that was missed",
            &[told(ban(false), 20), Api(without_b(), BEGAN)],
            "banned",
        ),
        (
            "a user whom one load did not have, and the next one has",
            &[
                told(ban(false), 20),
                Api(without_b(), BEGAN),
                Api(acme(), 2 * BEGAN),
            ],
            "active Bo",
        ),
        (
            "then the user, described late",
            &[
                told(ban(false), 20),
                Api(without_b(), BEGAN),
                told(ban(false), 30),
            ],
            "banned",
        ),
        (
            "somebody who is gone, described late",
            &[Api(without_b(), BEGAN), told(ban(false), 30)],
            "banned",
        ),
        (
            "somebody who came after the load began",
            &[told(ban(false), BEGAN), Api(without_b(), BEGAN)],
            "pending Bo",
        ),
        (
            "a deletion, then a row",
            &[told(deleted(), 20), Rows(without_b()), Rows(acme())],
            "active Bo",
        ),
    ];
    for (given, words, expected) in cases {
        assert_eq!(user_state(&heard(words), "b"), *expected, "{given}");
    }
}

#[test]
fn a_load_and_older_events_give_the_same_whichever_comes_first() {
    let late = [
        Told(joined("1", "b", "owner"), 10),
        Told(left("1", "a"), 20),
        Told(ban(true), 30),
        Told(user_change("c", described(false, "Cem")), 40),
        Told(joined("1", "c", "owner"), 50),
        Told(Change::Organization(org("1"), OrgChange::Exists), 60),
        Told(Change::Organization(org("1"), OrgChange::Deleted), 70),
    ];
    let api = Api(acme(), BEGAN);
    for split in 0..=late.len() {
        let (before, after) = late.split_at(split);
        let words: Vec<Word> = before.iter().chain([&api]).chain(after).cloned().collect();
        let members = heard(&words);
        for (id, expected, role) in [
            ("a", "active Alex", Some("owner")),
            ("b", "active Bo", Some("member")),
            ("c", "banned", None),
        ] {
            assert_eq!(
                user_state(&members, id),
                expected,
                "{id}, {split} before the load"
            );
            assert_eq!(
                role_in(&members, "ws_1", id).as_deref(),
                role,
                "{id}, {split} before the load"
            );
        }
    }
}

#[test]
fn whom_an_operator_dropped_and_a_row_brought_back_can_still_be_removed_by_clerk() {
    let back = [Told(deleted(), 20), Rows(without_b()), Rows(acme())];
    assert_eq!(
        role_in(&heard(&back), "ws_1", "b").as_deref(),
        Some("member")
    );
    let later = [&back[..], &[Told(left("1", "b"), 30)]].concat();
    assert_eq!(role_in(&heard(&later), "ws_1", "b"), None);
    let earlier = [&back[..], &[Told(left("1", "b"), 10)]].concat();
    assert_eq!(
        role_in(&heard(&earlier), "ws_1", "b").as_deref(),
        Some("member"),
        "of before the drop"
    );
}

#[test]
fn another_source_lifts_no_ban_and_brings_nobody_back() {
    let policy = Policy::default();
    let said = [
        (ban(true), 20),
        (left("1", "a"), 20),
        (Change::Organization(org("9"), OrgChange::Deleted), 20),
    ];
    let asked = after(Members::by_lookup(policy.clone()), &said);
    let table = members(acme()).of_another_source();
    for (given, members) in [
        (
            "asked user by user before",
            asked.awaiting(policy.clone(), UnixTime(5)),
        ),
        (
            "another table before",
            after(members(without_b()).of_another_source(), &said),
        ),
        ("the same table", after(table, &said)),
    ] {
        let now = members
            .reloaded(acme(), policy.clone(), TableTime::WhenChanged)
            .members;
        assert_eq!(user_state(&now, "b"), "banned", "{given}");
        assert_eq!(role_in(&now, "ws_1", "a"), None, "{given}");
        let lifted = now
            .reloaded(b_is(SUSPENDED), policy.clone(), TableTime::WhenChanged)
            .members;
        let lifted = lifted
            .reloaded(b_is(ACTIVE), policy.clone(), TableTime::WhenChanged)
            .members;
        assert_eq!(
            user_state(&lifted, "b"),
            "active Bo",
            "{given}: a row of its own that changes"
        );
    }
}

#[test]
fn nobody_pushes_their_own_removal_out_where_users_are_asked_for_one_by_one() {
    let mut members = after(
        Members::by_lookup(Policy::default()),
        &[(left("victim", "b"), 20)],
    );
    for n in 0..400 {
        let other = format!("{n:0>200}");
        members = members
            .changed(&joined(&other, "b", "owner").at(EventTime(30)))
            .unwrap_or(members);
        members = members
            .changed(&left(&other, "b").at(EventTime(40)))
            .unwrap_or(members);
    }
    let mut rows = TableBuilder::new();
    rows.member(&ws("org_victim"), &user("b"), role("owner"))
        .unwrap();
    let asked = members.answered(user("b"), std::sync::Arc::new(rows.build()), UnixTime(50));
    assert_eq!(role_in(&asked, "org_victim", "b"), None);
}

#[test]
fn clerk_knows_nothing_of_other_issuers_users() {
    let partner = UserId::parse("partner:7").expect("a user id");
    let told = Change::Member(org("1"), partner.clone(), MemberChange::Role(role("admin")));
    let members = heard(&[Told(told, 20), Api(acme(), BEGAN)]);
    assert_eq!(
        members.role(&ws("ws_1"), &partner, None),
        Some(role("admin"))
    );
}

#[test]
fn a_webhook_stands_above_every_answer_of_a_source_that_is_asked_user_by_user() {
    let asking = Members::by_lookup(Policy::default());
    let banned = after(asking.clone(), &[(ban(true), 20), (left("1", "b"), 20)]);
    for members in [&asking, &banned] {
        assert!(members.must_ask(&user("b")));
    }
    let answered = |members: &Members| {
        members.answered(user("b"), std::sync::Arc::new(acme()), UnixTime(BEGAN))
    };
    assert_eq!(
        (
            user_state(&answered(&asking), "b"),
            user_state(&answered(&banned), "b")
        ),
        ("active Bo".into(), "banned".into())
    );
    assert_eq!(role_in(&answered(&banned), "ws_1", "b"), None);
    assert!(
        answered(&banned).must_ask(&user("a")),
        "of nobody else was asked"
    );
}

/// The role that results when a token, issued at this second, contains this role.
fn claimed(members: &Members, role_name: Option<&str>, issued: u64) -> Option<String> {
    let (of, claimed) = (org("1"), role_name.map(role));
    let claim = TokenMembership {
        org: &of,
        role: claimed,
        issued: Some(UnixTime(issued)),
    };
    members
        .role(&ws("org_1"), &user("b"), Some(claim))
        .map(|role| roles().name(role).to_owned())
}

#[test]
fn a_token_is_believed_only_when_it_was_issued_in_a_later_second_than_the_webhook() {
    let by_token = Members::new(
        Table::default(),
        Policy {
            by_token: true,
            ..Policy::default()
        },
    );
    assert_eq!(
        claimed(&by_token, Some("admin"), 5).as_deref(),
        Some("admin"),
        "nobody says otherwise"
    );
    assert_eq!(
        claimed(&by_token, None, 5),
        None,
        "a role that the config does not name"
    );
    let out = after(by_token.clone(), &[(left("1", "b"), 10_500)]);
    for (issued, expected) in [(9, None), (10, None), (11, Some("admin"))] {
        assert_eq!(
            claimed(&out, Some("admin"), issued).as_deref(),
            expected,
            "issued at {issued}"
        );
    }
    let lower = after(by_token.clone(), &[(joined("1", "b", "member"), 10_500)]);
    assert_eq!(
        claimed(&lower, Some("admin"), 10).as_deref(),
        Some("member")
    );
    assert_eq!(claimed(&lower, Some("admin"), 11).as_deref(), Some("admin"));
    let gone = after(
        by_token,
        &[(Change::Organization(org("1"), OrgChange::Deleted), 10_500)],
    );
    assert_eq!(
        claimed(&gone, Some("admin"), 99),
        None,
        "a deleted organization has no members"
    );
    // Where tokens are not the source, the role in a token does not count.
    assert_eq!(claimed(&members(Table::default()), Some("admin"), 99), None);
}

#[test]
fn another_source_counts_from_when_it_speaks_and_what_was_before_not_for_ever() {
    let policy = Policy {
        max_age: Some(std::time::Duration::from_secs(60)),
        ..Policy::default()
    };
    let file = members(acme()).confirmed(UnixTime(5));
    let waiting = file.awaiting(policy.clone(), UnixTime(1000));
    assert_eq!(role_in(&waiting, "ws_1", "b").as_deref(), Some("member"));
    assert!(!waiting.too_old(UnixTime(1060)) && waiting.too_old(UnixTime(1061)));
    assert!(
        waiting
            .awaiting(policy, UnixTime(5000))
            .too_old(UnixTime(5000)),
        "another reload is no word of the source"
    );
}

#[test]
fn drift_counts_everybody_whose_access_or_role_is_another_once() {
    let before = after(
        members(table(
            &[
                ("a", ACTIVE, "Alex"),
                ("b", ACTIVE, "Bo"),
                ("d", ACTIVE, "Dee"),
            ],
            &[(
                "ws_1",
                Some("1"),
                &[("a", "owner"), ("b", "member"), ("d", "member")],
            )],
        )),
        &[
            (joined("1", "c", "admin"), 20),
            (user_change("c", described(false, "Cem")), 20),
            (left("1", "d"), 20),
        ],
    );
    assert_eq!(drift(&before, &before), Default::default());
    let api = table(
        &[
            ("a", ACTIVE, "Alexandra"),
            ("b", SUSPENDED, "Bo"),
            ("d", ACTIVE, "Dee"),
            ("e", ACTIVE, "Eve"),
        ],
        &[(
            "ws_1",
            Some("1"),
            &[
                ("a", "admin"),
                ("b", "member"),
                ("d", "member"),
                ("e", "member"),
            ],
        )],
    );
    let now = hear(&before, &Api(api, BEGAN));
    let drift = drift(&before, &now);
    // b is suspended, c is gone, e is new; a has another role, c has none, d and e have one again.
    assert_eq!((drift.users, drift.members), (3, 4), "{:?}", drift.first);
    let told = drift.first.join("; ");
    for part in [
        "user_b was active and is suspended",
        "user_c was pending and is suspended",
        "user_e was unknown",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert!(
        told.contains("user_c is no member of ws_1") && !told.contains("Alexandra"),
        "{told}"
    );
}

#[test]
fn a_mark_is_kept_for_a_week_from_when_it_was_made_and_not_from_what_it_overrules() {
    let week = MARKS_LAST.as_secs();
    let heard = heard(&[
        Told(left("1", "b"), 1_000),
        Rows(with_b(None)),
        Rows(with_b(Some("admin"))),
    ]);
    let (before, now) = (members(acme()).learned(), UnixTime(1 + week));
    assert_eq!(
        heard.old_marks(now, &heard.learned()),
        vec![],
        "a week has not passed"
    );
    let later = UnixTime(now.0 + 1);
    assert_eq!(
        heard.old_marks(later, &before),
        vec![],
        "what it overrules is old; the mark was not there a week ago"
    );
    let marks = heard.old_marks(later, &heard.learned());
    assert_eq!(
        marks,
        vec![Change::Member(
            OrgId::parse("org_1").unwrap(),
            user("b"),
            MemberChange::Superseded
        )]
    );
    let forgotten = heard.without_marks(&marks);
    assert_eq!(role_in(&forgotten, "ws_1", "b").as_deref(), Some("admin"));
    assert_eq!(forgotten.old_marks(later, &heard.learned()), vec![]);
}
