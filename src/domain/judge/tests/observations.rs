//! The observations that a request makes about its user, whatever its decision is.

use super::*;
use crate::domain::membership::{TableTime, UserState};

/// `snapshot` with this access for unknown users.
fn meeting(mut snapshot: Snapshot, access: AccessStatus) -> Snapshot {
    let policy = Policy {
        access,
        first_sight: true,
        ..Policy::default()
    };
    snapshot.members = Some(
        members()
            .reloaded(Table::default(), policy, TableTime::WhenChanged)
            .members,
    );
    snapshot
}

fn observed(request: &Request, snapshot: &Snapshot) -> Option<Observation> {
    request.decision(snapshot).side_effects.observation
}

fn routes() -> Snapshot {
    gate([
        route("/user", Access::User),
        route("/active", Access::Active),
        route("/public", Access::Public),
    ])
}

#[test]
fn whoever_is_let_in_or_has_to_wait_is_seen_and_nobody_else() {
    use AccessStatus::{Active, Pending, Suspended};
    for (user, path, access, seen) in [
        ("user_new", "/user", Pending, true),
        ("user_new", "/active", Active, true),
        ("user_new", "/active", Pending, true),
        ("user_new", "/active", Suspended, false),
        ("user_new", "/public", Active, false),
        ("user_banned", "/user", Active, false),
        ("user_deleted", "/user", Active, false),
        ("user_deleted", "/active", Pending, false),
    ] {
        let observation = observed(&get(path).bearer(&token(user)), &meeting(routes(), access));
        let given = format!("{user} at {path} with {access:?}");
        assert_eq!(
            observation.map(|seen| seen.user.to_string()),
            seen.then(|| user.to_owned()),
            "{given}"
        );
    }
    let expired = mint("user_new").issued_at(NOW - 3600).sign(key());
    assert_eq!(
        observed(&get("/user").bearer(&expired), &meeting(routes(), Active)),
        None
    );
    assert_eq!(
        observed(&get("/user").bearer(&token("user_new")), &routes()),
        None,
        "without first sight"
    );
}

#[test]
fn a_user_who_had_to_wait_still_waits_when_newcomers_need_not() {
    let snapshot = meeting(routes(), AccessStatus::Pending);
    let request = get("/active").bearer(&token("user_new"));
    let Observation { user, seen } = observed(&request, &snapshot).expect("news");
    let at = seen.at;
    let members = snapshot
        .members
        .expect("members")
        .changed(&Change::Seen(user.clone(), seen).at(at))
        .expect("room");

    let generous = Policy {
        access: AccessStatus::Active,
        first_sight: true,
        ..Policy::default()
    };
    let members = members
        .reloaded(Table::default(), generous, TableTime::WhenChanged)
        .members;

    assert!(
        matches!(members.user_state(&user), UserState::Known(known) if known.access == AccessStatus::Pending)
    );
    let later = Snapshot {
        members: Some(members),
        ..routes()
    };
    assert_eq!(request.at(&later), "reject not_active");
    assert_eq!(observed(&request, &later), None, "once is enough");
}
