//! One procedure authorizes requests and streams. Whatever changes, a stream goes on exactly while its request would be admitted
//! again.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::domain::event::MemberChange;
use crate::domain::ids::{OrgId, SessionId};
use crate::domain::revocation::Revoked;

const PEOPLE: &[&str] = &["member", "admin", "founder", "pending"];

fn principal(name: &str) -> UserId {
    UserId::parse(&format!("user_{name}")).expect("a user")
}

/// All of them are members of `ws_1`. Each has the role of their name if it is one, and the flag if `flagged`.
fn table(flagged: bool) -> Members {
    let flags = if flagged {
        Flags::new(["is_admin"]).expect("flags")
    } else {
        Flags::NONE
    };
    let user = |name: &&str| {
        let access = if matches!(*name, "pending" | "founder") {
            AccessStatus::Pending
        } else {
            AccessStatus::Active
        };
        (
            principal(name),
            User {
                flags: flags.clone(),
                ..User::new(None, None, None, access, *name == "founder")
            },
        )
    };
    let member = |name: &&str| (principal(name), roles().find(name).unwrap_or(role("owner")));
    let workspace = Workspace {
        org: OrgId::parse("org_1").ok(),
        members: PEOPLE.iter().map(member).collect(),
    };
    let workspaces = HashMap::from([(WorkspaceId::parse("ws_1").expect("an id"), workspace)]);
    Members::new(
        Table::new(PEOPLE.iter().map(user).collect(), workspaces).expect("a table"),
        Policy::default(),
    )
}

/// A change that can happen while a stream goes on.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Banned,
    Deleted,
    LeavesWorkspace,
    Becomes(&'static str),
    SessionEnds,
    TokensRevoked,
    LosesFlag,
    MembershipReplaced,
    SourceSilent,
    IssuerGone,
    SharedStoreUnread,
}

fn after(world: Snapshot, name: &str, what: Happens) -> Snapshot {
    let org = || OrgId::parse("org_1").expect("an organization");
    let change = match what {
        Happens::Banned => Change::User(
            principal(name),
            UserChange::Described {
                banned: true,
                email: None,
                name: None,
            },
        ),
        Happens::Deleted => Change::User(principal(name), UserChange::Deleted),
        Happens::LeavesWorkspace => Change::Member(org(), principal(name), MemberChange::Removed),
        Happens::Becomes(new) => {
            Change::Member(org(), principal(name), MemberChange::Role(role(new)))
        }
        Happens::SessionEnds => Change::Revoked(Revoked::Session(
            SessionId::parse(&format!("sess_{name}")).expect("a session"),
        )),
        Happens::TokensRevoked => Change::Revoked(Revoked::User(principal(name))),
        Happens::LosesFlag => {
            return Snapshot {
                members: Some(table(false)),
                ..world
            };
        }
        Happens::MembershipReplaced => {
            return Snapshot {
                members: None,
                ..world
            };
        }
        Happens::SourceSilent => {
            let policy = Policy {
                max_age: Some(Duration::from_secs(60)),
                ..Policy::default()
            };
            let aged = world
                .members
                .as_ref()
                .map(|members| members.awaiting(policy, UnixTime(NOW - 61)));
            return Snapshot {
                members: aged,
                ..world
            };
        }
        Happens::IssuerGone => return ruled(world, |rules| rules.issuers.clear()),
        Happens::SharedStoreUnread => {
            return Snapshot {
                awaits_shared: true,
                ..world
            };
        }
    };
    world
        .changed(&change.at(EventTime(NOW * 1000 + 1)))
        .unwrap_or(world)
}

fn happens() -> impl Strategy<Value = Happens> {
    select(
        &[
            Happens::Banned,
            Happens::Deleted,
            Happens::LeavesWorkspace,
            Happens::Becomes("member"),
            Happens::Becomes("owner"),
            Happens::SessionEnds,
            Happens::TokensRevoked,
            Happens::LosesFlag,
            Happens::MembershipReplaced,
            Happens::SourceSilent,
            Happens::IssuerGone,
            Happens::SharedStoreUnread,
        ][..],
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_stream_goes_on_exactly_while_its_request_would_come_in_again(
        word in select(&["user", "active", "member", "admin", "owner"][..]),
        in_workspace in any::<bool>(),
        require in subsequence(vec![
            Condition::Flag("is_admin".into()),
            Condition::Role(role("member")),
            Condition::NoImpersonation,
            Condition::Issuer(vec!["clerk".into()]),
        ], 0..4),
        name in select(PEOPLE),
        all in proptest::collection::vec(happens(), 0..4),
    ) {
        let access = match word {
            "user" => Access::User,
            "active" => Access::Active,
            name => Access::Role(role(name)),
        };
        let in_workspace = in_workspace || matches!(access, Access::Role(_));
        let asked_of_members = require.iter().any(|c| matches!(c, Condition::Flag(_) | Condition::Role(_)));
        let path = if in_workspace { "/ws/{workspace}" } else { "/ws/{other}" };
        let world = Snapshot { members: Some(table(true)), ..gate([Route { require, ..route(path, access) }]) };
        let request = get("/ws/ws_1").bearer(&token(&format!("user_{name}")));
        let Step::Decided(Decision { outcome: Outcome::Forward(grant), .. }) = request.judged_at(&world, NOW, &()) else { return Ok(()) };

        let then = all.iter().fold(world, |world, what| after(world, name, *what));
        let again = match request.judged_at(&then, NOW, &()) {
            Step::Decided(Decision { outcome: Outcome::Forward(_), .. }) => Ok(()),
            Step::Decided(Decision { outcome: Outcome::Refuse(reason), .. }) => Err(reason),
            other => panic!("{}", told(&other)),
        };
        let goes_on = reauthorize(&then, &grant, UnixTime(NOW));
        prop_assert!(goes_on.is_ok() || goes_on.is_err_and(|reason| STREAM_END_REASONS.contains(&reason)), "{goes_on:?}");
        match again {
            // While one membership is replaced by another, a stream that does not depend on it goes on. This is the one intended
            // difference.
            Err(Rejection::MembersUnavailable) => {
                let never_asked = access == Access::User && !in_workspace && !asked_of_members;
                prop_assert!(goes_on.is_err() || never_asked, "{word}");
            }
            // For a token of an unknown issuer, the request's check of the issuer comes first.
            Err(Rejection::WrongIssuer) => prop_assert!(goes_on.is_err()),
            again => prop_assert_eq!(goes_on, again),
        }
    }
}
