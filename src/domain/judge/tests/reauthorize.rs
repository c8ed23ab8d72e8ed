//! Whether an answer that lasts long may go on.

use super::*;
use crate::domain::event::MemberChange;
use crate::domain::ids::{OrgId, SessionId};
use crate::domain::revocation::{Revocations, Revoked, TooManyRevocations};
use crate::domain::routes::Streams;
use crate::domain::snapshot::CannotChange;

fn live(streams: Streams) -> Snapshot {
    gate([
        Route {
            streams,
            workspace: vec![WorkspaceSource::Segment(1)],
            ..route("/ws/{workspace}", Access::Role(role("member")))
        },
        Route {
            streams,
            ..route("/user", Access::User)
        },
        route("/service", Access::Service),
    ])
}

/// The result for the grant of `request` after `changes`, at `now`.
fn after(
    snapshot: &Snapshot,
    request: &Request,
    changes: &[Change],
    now: u64,
) -> Result<(), Rejection> {
    let grant = request.grant(snapshot);
    let at = EventTime(NOW * 1000 + 1);
    let changed = changes.iter().fold(snapshot.clone(), |world, change| {
        world.changed(&change.clone().at(at)).expect("room")
    });
    let found = reauthorize(&changed, &grant, UnixTime(now));
    assert!(
        found.is_ok() || found.is_err_and(|reason| STREAM_END_REASONS.contains(&reason)),
        "{found:?} is counted from the start"
    );
    found
}

fn user(id: &str) -> UserId {
    UserId::parse(id).expect("a user id")
}

fn banned(id: &str) -> Change {
    Change::User(
        user(id),
        UserChange::Described {
            banned: true,
            email: None,
            name: None,
        },
    )
}

fn session(id: &str) -> Change {
    Change::Revoked(Revoked::Session(
        SessionId::parse(id).expect("a session id"),
    ))
}

fn member(change: MemberChange) -> Change {
    Change::Member(
        OrgId::parse("org_1").expect("an organization id"),
        user("user_member"),
        change,
    )
}

#[test]
fn a_stream_ends_with_the_patience_for_a_silent_source() {
    let policy = Policy {
        max_age: Some(Duration::from_secs(60)),
        ..Policy::default()
    };
    let snapshot = live(Streams::AtRevocation);
    let Some(members) = &snapshot.members else {
        panic!("a membership")
    };
    let aged = members.awaiting(policy, UnixTime(NOW));
    let aged = Snapshot {
        members: Some(aged),
        ..snapshot.clone()
    };
    let grant = get("/user").bearer(&token("user_member")).grant(&snapshot);
    assert_eq!(reauthorize(&aged, &grant, UnixTime(NOW + 60)), Ok(()));
    assert_eq!(
        reauthorize(&aged, &grant, UnixTime(NOW + 61)),
        Err(Rejection::MembersStale)
    );
}

#[test]
fn a_long_answer_ends_with_the_access_of_its_user_and_of_nobody_else() {
    let world = live(Streams::AtRevocation);
    let on = |path: &str| get(path).bearer(&token("user_member"));
    for (given, path, change, expected) in [
        (
            "their session",
            "/user",
            session("sess_member"),
            Err(Rejection::SessionRevoked),
        ),
        ("another session", "/user", session("sess_other"), Ok(())),
        (
            "a ban",
            "/user",
            banned("user_member"),
            Err(Rejection::UserBanned),
        ),
        (
            "a deletion",
            "/ws/ws_1",
            Change::User(user("user_member"), UserChange::Deleted),
            Err(Rejection::UserDeleted),
        ),
        ("another's ban", "/ws/ws_1", banned("user_owner"), Ok(())),
        (
            "their tokens",
            "/user",
            Change::Revoked(Revoked::User(user("user_member"))),
            Err(Rejection::UserRevoked),
        ),
        (
            "their membership",
            "/ws/ws_1",
            member(MemberChange::Removed),
            Err(Rejection::NotAMember),
        ),
        (
            "their membership, elsewhere",
            "/user",
            member(MemberChange::Removed),
            Ok(()),
        ),
        (
            "a higher role",
            "/ws/ws_1",
            member(MemberChange::Role(role("owner"))),
            Ok(()),
        ),
    ] {
        assert_eq!(
            after(&world, &on(path), &[change], NOW),
            expected,
            "{given} on {path}"
        );
    }
    let service = get("/service").bearer(SERVICE_TOKEN);
    assert_eq!(
        after(&world, &service, &[banned("user_member")], NOW),
        Ok(())
    );
}

#[test]
fn a_token_that_expires_ends_its_answer_only_where_the_route_says_so() {
    let request = get("/user").bearer(&token("user_member"));
    let late = NOW + 100_000;
    for (streams, expected) in [
        (Streams::AtRevocation, Ok(())),
        (
            Streams::AtExpiry {
                grace: Duration::ZERO,
            },
            Err(Rejection::Expired),
        ),
        (Streams::Never, Ok(())),
    ] {
        assert_eq!(
            after(&live(streams), &request, &[], NOW),
            Ok(()),
            "{streams:?}"
        );
        assert_eq!(
            after(&live(streams), &request, &[], late),
            expected,
            "{streams:?}"
        );
    }
    assert_eq!(
        after(
            &live(Streams::Never),
            &request,
            &[banned("user_member")],
            late
        ),
        Ok(()),
        "as the operator wants it"
    );
}

#[test]
fn a_stream_may_outlive_its_token_by_the_grace_of_its_route_and_no_revocation() {
    let graceful = live(Streams::AtExpiry {
        grace: Duration::from_secs(30),
    });
    let request = get("/user").bearer(&token("user_member"));
    let grant = request.grant(&graceful);
    let Caller::User(Principal::Verified(verified)) = grant.caller() else {
        panic!("no user")
    };
    let end = verified.claims().exp + graceful.rules.issuers[0].claims.leeway.secs() + 30;
    assert_eq!(after(&graceful, &request, &[], end - 1), Ok(()));
    assert_eq!(
        after(&graceful, &request, &[], end),
        Err(Rejection::Expired)
    );
    let ended = session("sess_member");
    assert_eq!(
        after(&graceful, &request, &[ended], end - 1),
        Err(Rejection::SessionRevoked)
    );
}

#[test]
fn without_the_issuer_or_the_membership_that_let_somebody_in_nothing_goes_on() {
    let world = live(Streams::AtRevocation);
    let grant = |path: &str| get(path).bearer(&token("user_member")).grant(&world);
    let nobody = ruled(world.clone(), |rules| rules.issuers.clear());
    assert_eq!(
        reauthorize(&nobody, &grant("/user"), UnixTime(NOW)),
        Err(Rejection::WrongIssuer)
    );
    let mut unloaded = world.clone();
    unloaded.members = None;
    assert_eq!(
        reauthorize(&unloaded, &grant("/ws/ws_1"), UnixTime(NOW)),
        Err(Rejection::MembersUnavailable)
    );
}

#[test]
fn a_long_answer_ends_with_a_flag_that_its_route_asks_for() {
    let flagged = |flags: Flags| {
        let admin = User {
            flags,
            ..User::new(None, None, None, AccessStatus::Active, false)
        };
        let table = Table::new(
            HashMap::from([(user("user_member"), admin)]),
            HashMap::new(),
        );
        let route = Route {
            require: vec![Condition::Flag("is_admin".into())],
            ..route("/admin", Access::User)
        };
        Snapshot {
            members: Some(Members::new(table.expect("a table"), Policy::default())),
            ..gate([route])
        }
    };
    let admin = flagged(Flags::new(["is_admin"]).expect("flags"));
    let grant = get("/admin").bearer(&token("user_member")).grant(&admin);
    assert_eq!(reauthorize(&admin, &grant, UnixTime(NOW)), Ok(()));
    assert_eq!(
        reauthorize(&flagged(Flags::NONE), &grant, UnixTime(NOW)),
        Err(Rejection::NoFlag)
    );
}

#[test]
fn a_long_answer_ends_when_the_list_of_roles_is_another() {
    let world = live(Streams::AtRevocation);
    let grant = |path: &str| get(path).bearer(&token("user_member")).grant(&world);
    let renumbered = ruled(world.clone(), |rules| {
        rules.roles = Roles::new(&["viewer".to_owned(), "member".to_owned()])
    });
    assert_eq!(
        reauthorize(&renumbered, &grant("/ws/ws_1"), UnixTime(NOW)),
        Err(Rejection::RoleTooLow)
    );
    assert_eq!(
        reauthorize(&renumbered, &grant("/user"), UnixTime(NOW)),
        Ok(())
    );
}

#[test]
fn a_ban_is_in_force_though_no_more_can_be_revoked() {
    let world = Snapshot {
        revocations: Revocations::full(),
        ..live(Streams::AtRevocation)
    };
    let request = get("/user").bearer(&token("user_member"));
    assert_eq!(
        after(&world, &request, &[banned("user_member")], NOW),
        Err(Rejection::UserBanned)
    );
    let nowhere = ruled(
        Snapshot {
            members: None,
            ..world
        },
        |rules| rules.roles = None,
    );
    let refused = nowhere
        .changed(&banned("user_member").at(EventTime(1)))
        .err();
    assert_eq!(
        refused,
        Some(CannotChange::Revocations(TooManyRevocations)),
        "the sender comes again"
    );
}

#[test]
fn where_refusals_are_only_reported_no_answer_is_cut_off() {
    let reporting = Route {
        mode: Mode::Report,
        ..route("/user", Access::User)
    };
    let request = get("/user").bearer(&token("user_member"));
    assert_eq!(
        after(&gate([reporting]), &request, &[banned("user_member")], NOW),
        Ok(())
    );
}
