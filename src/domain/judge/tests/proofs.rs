//! The cache of signatures: it saves arithmetic and decides nothing (attack A-75).

use std::cell::{Cell, RefCell};

use super::*;

#[derive(Default)]
struct Kept {
    proofs: RefCell<HashMap<String, Arc<SignedClaims>>>,
    kept: Cell<usize>,
}

impl Proofs for Kept {
    fn find(&self, token: &str) -> Option<Arc<SignedClaims>> {
        self.proofs.borrow().get(token).cloned()
    }

    fn keep(&self, token: &str, signed: &Arc<SignedClaims>) {
        self.kept.set(self.kept.get() + 1);
        self.proofs
            .borrow_mut()
            .insert(token.into(), signed.clone());
    }
}

fn users() -> Snapshot {
    gate([
        route("/x", Access::User),
        route("/ws/{workspace}", Access::Role(role("owner"))),
    ])
}

/// A cache that has seen the token of `user_owner`.
fn warm() -> (Kept, Request) {
    let (kept, request) = (Kept::default(), get("/x").bearer(&token("user_owner")));
    assert_eq!(
        told(&request.judged_at(&users(), NOW, &kept)),
        "forward user_owner"
    );
    (kept, request)
}

#[test]
fn a_good_signature_is_computed_once_and_a_bad_one_is_not_kept() {
    let (kept, request) = warm();
    assert_eq!(
        told(&request.judged_at(&users(), NOW, &kept)),
        "forward user_owner"
    );
    assert_eq!(kept.kept.get(), 1);
    let forged = get("/x").bearer(&mint("user_owner").header("kid", "ins_1").sign(other_key()));
    assert_eq!(
        told(&forged.judged_at(&users(), NOW, &kept)),
        "reject bad_signature"
    );
    assert_eq!(kept.kept.get(), 1);
    let expired = get("/x").bearer(&mint("user_owner").issued_at(1).sign(key()));
    assert_eq!(
        told(&expired.judged_at(&users(), NOW, &kept)),
        "reject expired"
    );
    assert_eq!(
        kept.kept.get(),
        2,
        "what is kept is a signature, not a verdict"
    );
    assert_eq!(
        told(&expired.judged_at(&users(), NOW, &kept)),
        "reject expired"
    );
}

#[test]
fn a_proof_outlives_neither_its_token_nor_its_key_nor_a_policy_nor_a_member() {
    let (kept, request) = warm();
    for (now, verdict) in [
        (NOW + 69, "forward user_owner"),
        (NOW + 70, "reject expired"),
        (0, "reject not_yet_valid"),
    ] {
        assert_eq!(
            told(&request.judged_at(&users(), now, &kept)),
            verdict,
            "at {now}"
        );
    }
    let mut rotated = users();
    rotated.keys.insert("clerk".into(), key_set(other_key()));
    let mut keyless = users();
    keyless.keys.clear();
    let mut moved = users();
    moved.keys = HashMap::from([("other".into(), key_set(key()))]);
    let moved = ruled(moved, |rules| {
        (rules.issuers[0].name, rules.issuers[0].iss) = ("other".into(), ISS_2.into())
    });
    let renamed = ruled(users(), |rules| rules.issuers[0].iss = ISS_2.into());
    let gone = ruled(users(), |rules| rules.issuers.clear());
    let mut deleted = users();
    let user = UserId::parse("user_owner").expect("a user id");
    deleted.members = Some(
        members()
            .changed(&Change::User(user, UserChange::Deleted).at(EventTime(9)))
            .expect("room for a change"),
    );
    for (given, snapshot, verdict) in [
        (
            "its key was removed",
            rotated,
            "need key clerk, else reject unknown_key",
        ),
        ("the keys are gone", keyless, "reject keys_unavailable"),
        (
            "its key belongs to another issuer now",
            moved,
            "reject wrong_issuer",
        ),
        (
            "its issuer has another name now",
            renamed,
            "reject wrong_issuer",
        ),
        (
            "its issuer is configured no more",
            gone,
            "reject wrong_issuer",
        ),
        (
            "azp is asked for",
            claiming(users(), |p| p.authorized_parties = Some(vec![])),
            "reject wrong_party",
        ),
        (
            "aud is asked for",
            claiming(users(), |p| p.audience = Some(vec!["a".into()])),
            "reject wrong_audience",
        ),
        ("the user was deleted", deleted, "reject user_deleted"),
    ] {
        assert_eq!(
            told(&request.judged_at(&snapshot, NOW, &kept)),
            verdict,
            "{given}"
        );
    }
    let late = get("/x").bearer(&mint("user_owner").lifetime(7200).sign(key()));
    assert_eq!(
        told(&late.judged_at(&users(), NOW, &kept)),
        "forward user_owner"
    );
    assert_eq!(
        told(&late.judged_at(&users(), NOW + 3600, &kept)),
        "reject keys_unavailable",
        "the keys are too old"
    );
}

#[test]
fn one_token_has_its_own_verdict_on_every_route() {
    let (kept, request) = warm();
    let there = Request {
        target: "/ws/ws_2".into(),
        ..request
    };
    assert_eq!(
        told(&there.judged_at(&users(), NOW, &kept)),
        "reject not_a_member"
    );
    let template = get("/x").bearer(&mint("user_owner").template().sign(key()));
    let lax = claiming(users(), |p| p.allow_jwt_templates = true);
    assert_eq!(
        told(&template.judged_at(&lax, NOW, &kept)),
        "forward user_owner"
    );
    assert_eq!(
        told(&template.judged_at(&users(), NOW, &kept)),
        "reject wrong_token_type",
        "its kind is kept with it"
    );
}
