//! Whether an answer that goes on for long may go on.

use super::*;
use crate::domain::event::MemberChange;
use crate::domain::ids::{OrgId, SessionId};
use crate::domain::revocation::Revoked;
use crate::domain::routes::Streams;

fn live(streams: Streams) -> Snapshot {
    gate([
        Route {
            streams,
            workspace: vec![WorkspaceSource::Segment(1)],
            ..route("/ws/{workspace}", Access::Role(role("member")))
        },
        Route { streams, ..route("/user", Access::User) },
        route("/service", Access::Service),
    ])
}

/// What becomes of the grant for `request` after `changes`, at `now`.
fn after(snapshot: &Snapshot, request: &Request, changes: &[Change], now: u64) -> Result<(), Rejection> {
    let grant = request.grant(snapshot);
    let at = EventTime(NOW * 1000 + 1);
    let changed = changes.iter().fold(snapshot.clone(), |world, change| world.changed(change, at).expect("room"));
    still(&changed, &grant, UnixTime(now))
}

fn user(id: &str) -> UserId {
    UserId::parse(id).expect("a user id")
}

fn banned(id: &str) -> Change {
    Change::User(user(id), UserChange::Described { banned: true, email: None, name: None })
}

fn session(id: &str) -> Change {
    Change::Revoked(Revoked::Session(SessionId::parse(id).expect("a session id")))
}

fn member(change: MemberChange) -> Change {
    Change::Member(OrgId::parse("org_1").expect("an organization id"), user("user_member"), change)
}

#[test]
fn a_long_answer_ends_with_the_access_of_its_user_and_of_nobody_else() {
    let world = live(Streams::AtRevocation);
    let on = |path: &str| get(path).bearer(&token("user_member"));
    for (given, path, change, expected) in [
        ("their session", "/user", session("sess_member"), Err(Rejection::SessionRevoked)),
        ("another session", "/user", session("sess_other"), Ok(())),
        ("a ban", "/user", banned("user_member"), Err(Rejection::UserBanned)),
        ("a deletion", "/ws/ws_1", Change::User(user("user_member"), UserChange::Deleted), Err(Rejection::UserDeleted)),
        ("another's ban", "/ws/ws_1", banned("user_owner"), Ok(())),
        ("their tokens", "/user", Change::Revoked(Revoked::User(user("user_member"))), Err(Rejection::UserRevoked)),
        ("their membership", "/ws/ws_1", member(MemberChange::Removed), Err(Rejection::NotAMember)),
        ("their membership, elsewhere", "/user", member(MemberChange::Removed), Ok(())),
        ("a higher role", "/ws/ws_1", member(MemberChange::Role(role("owner"))), Ok(())),
    ] {
        assert_eq!(after(&world, &on(path), &[change], NOW), expected, "{given} on {path}");
    }
    let service = get("/service").bearer(SERVICE_TOKEN);
    assert_eq!(after(&world, &service, &[banned("user_member")], NOW), Ok(()));
}

#[test]
fn a_token_that_expires_ends_its_answer_only_where_the_route_says_so() {
    let request = get("/user").bearer(&token("user_member"));
    let late = NOW + 100_000;
    for (streams, expected) in
        [(Streams::AtRevocation, Ok(())), (Streams::AtExpiry, Err(Rejection::Expired)), (Streams::Never, Ok(()))]
    {
        assert_eq!(after(&live(streams), &request, &[], NOW), Ok(()), "{streams:?}");
        assert_eq!(after(&live(streams), &request, &[], late), expected, "{streams:?}");
    }
    assert_eq!(
        after(&live(Streams::Never), &request, &[banned("user_member")], late),
        Ok(()),
        "as the operator wants it"
    );
}

#[test]
fn without_the_issuer_or_the_membership_that_let_somebody_in_nothing_goes_on() {
    let world = live(Streams::AtRevocation);
    let grant = |path: &str| get(path).bearer(&token("user_member")).grant(&world);
    let nobody = ruled(world.clone(), |rules| rules.issuers.clear());
    assert_eq!(still(&nobody, &grant("/user"), UnixTime(NOW)), Err(Rejection::WrongIssuer));
    let mut unloaded = world.clone();
    unloaded.members = None;
    assert_eq!(still(&unloaded, &grant("/ws/ws_1"), UnixTime(NOW)), Err(Rejection::MembersUnavailable));
}
