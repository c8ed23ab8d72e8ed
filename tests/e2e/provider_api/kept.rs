//! What was added outlives restarts, kills and reloads.

use bailiff::dev::issuer::Behaviour;
use serde_json::json;
use tempfile::TempDir;

use super::{
    access, add, asked, clerk_is_unharmed, described, list, names, oidc, plan, provider, remove,
};
use crate::harness::{Gate, Plan, eventually};

/// A scene whose store stays where it is when the gate ends, so that the same plan can be started again.
fn lasting() -> (Plan, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let store = folder.path().join("bailiff.store").display().to_string();
    (
        plan()
            .config(|c| _ = c.as_object_mut().expect("a table").remove("store"))
            .env("BAILIFF_STORE", &store),
        folder,
    )
}

fn killed(gate: Gate) {
    // Dropping it sends SIGKILL and waits.
    drop(gate);
}

fn ended(gate: Gate) {
    gate.sigterm();
    gate.finish().exits(0);
}

#[test]
fn an_added_provider_survives_a_restart_and_a_kill_right_after_the_answer() {
    for (given, end) in [("ended", ended as fn(Gate)), ("killed", killed)] {
        let partner = provider();
        let (plan, _folder) = lasting();
        let gate = plan.launch().start();
        let mut description = described("partner", &partner);
        description["claim_mapping"] = json!({"email": "mail"});
        assert_eq!(add(&gate, &description).status, 201, "given: {given}");
        end(gate);

        let gate = plan.launch().start();
        assert_eq!(names(&gate), ["clerk", "partner"], "given: {given}");
        assert_eq!(
            list(&gate)[1]["claim_mapping"],
            json!({"email": "mail"}),
            "given: {given}"
        );
        // Its keys are not waited for at the start.
        eventually("its users came in", || {
            let status = asked(
                &gate,
                &partner,
                &access(&partner, "a").claim("mail", "a@p.test"),
            )
            .status;
            assert!([200, 503].contains(&status), "given: {given}, got {status}");
            (status == 200).then_some(())
        });
        assert_eq!(plan.upstream.head().values("x-user-id"), ["partner:a"]);
        assert_eq!(plan.upstream.head().values("x-user-email"), ["a@p.test"]);
    }
}

#[test]
fn a_removed_provider_stays_removed_over_a_restart_and_a_kill() {
    for (given, end) in [("ended", ended as fn(Gate)), ("killed", killed)] {
        let partner = provider();
        let (plan, _folder) = lasting();
        let gate = plan.launch().start();
        assert_eq!(add(&gate, &described("partner", &partner)).status, 201);
        remove(&gate, "partner").passed();
        end(gate);

        let gate = plan.launch().start();
        assert_eq!(names(&gate), ["clerk"], "given: {given}");
        asked(&gate, &partner, &access(&partner, "a")).not_authenticated();
    }
}

#[test]
fn one_kill_after_the_other_in_the_middle_of_adding_loses_nothing_that_was_acknowledged() {
    let partner = provider();
    let (plan, _folder) = lasting();
    let pem = partner.key().public_pem();
    let mut acknowledged = vec!["clerk".to_owned()];
    for round in 0..4 {
        let gate = plan.launch().start();
        for number in 0..5 {
            let name = format!("p-{round}-{number}");
            let provider = json!({"provider": name, "issuer": format!("https://{name}.test"), "client_id": "x", "jwt_key": pem});
            assert_eq!(add(&gate, &provider).status, 201);
            acknowledged.push(name);
        }
        killed(gate);
    }
    let gate = plan.launch().start();
    let mut kept = names(&gate);
    kept.sort();
    acknowledged.sort();
    assert_eq!(kept, acknowledged);
}

#[test]
fn an_added_provider_that_is_down_at_the_start_holds_up_nobody_and_never_decides_whether_the_gate_is_ready()
 {
    let partner = provider();
    let (plan, _folder) = lasting();
    let gate = plan.launch().start();
    assert_eq!(add(&gate, &described("partner", &partner)).status, 201);
    killed(gate);

    partner.behave(Behaviour::Status(503));
    let gate = plan.launch().start();
    assert_eq!(gate.admin("/readyz").status, 200);
    gate.request("GET", "/api/me")
        .bearer(&plan.token("user_a"))
        .send()
        .passed();
    asked(&gate, &partner, &access(&partner, "a")).refused(503);
    partner.behave(Behaviour::Normal);
    eventually("its users came in", || {
        (asked(&gate, &partner, &access(&partner, "a")).status == 200).then_some(())
    });
}

#[test]
fn without_clerk_and_with_all_issuers_added_the_gate_is_ready_when_its_own_first_one_is() {
    let (first, partner) = (provider(), provider());
    let (plan, _folder) = lasting();
    let plan = plan.config(|c| {
        _ = c.as_object_mut().expect("a table").remove("clerk");
        c["issuers"] = json!([oidc("first", &first.url())]);
    });
    let gate = plan.launch().start();
    assert_eq!(add(&gate, &described("partner", &partner)).status, 201);
    killed(gate);
    first.behave(Behaviour::Status(503));
    let gate = plan.launch().start_unready();
    eventually("the added one's users came in", || {
        (asked(&gate, &partner, &access(&partner, "a")).status == 200).then_some(())
    });
    assert_eq!(
        gate.admin("/readyz").status,
        503,
        "the first of the config has no keys"
    );
}

#[test]
fn a_reload_of_the_config_keeps_what_was_added() {
    let (partner, other) = (provider(), provider());
    let world = plan().start();
    assert_eq!(
        add(&world.gate, &described("partner", &partner)).status,
        201
    );
    // Once before it was added, and once since it is followed.
    eventually("its keys were fetched", || {
        (partner.hits() == 2).then_some(())
    });
    world.rewrite_config(|c| c["issuers"] = json!([oidc("other", &other.url())]));
    eventually("the new issuer was there", || {
        (names(&world.gate).len() == 3).then_some(())
    });
    assert_eq!(names(&world.gate), ["clerk", "other", "partner"]);
    asked(&world.gate, &partner, &access(&partner, "a")).passed();
    assert_eq!(partner.hits(), 2, "its keys stayed where they were");
    clerk_is_unharmed(&world);
}

#[test]
fn a_config_that_names_the_same_provider_counts_for_as_long_as_it_does() {
    let (partner, named) = (provider(), provider());
    let world = plan().start();
    assert_eq!(
        add(&world.gate, &described("partner", &partner)).status,
        201
    );
    asked(&world.gate, &partner, &access(&partner, "a")).passed();

    world.rewrite_config(|c| c["issuers"] = json!([oidc("partner", &named.url())]));
    eventually("the config's was in force", || {
        (list(&world.gate).len() == 3).then_some(())
    });
    let shown = list(&world.gate);
    let of = |source: &str| {
        shown
            .iter()
            .find(|one| one["provider"] == "partner" && one["source"] == source)
            .cloned()
    };
    assert_eq!(
        of("config").map(|one| one["in_force"].clone()),
        Some(json!(null))
    );
    assert_eq!(
        of("added").map(|one| one["in_force"].clone()),
        Some(json!(false))
    );
    asked(&world.gate, &partner, &access(&partner, "a")).not_authenticated();
    eventually("the config's users came in", || {
        (asked(&world.gate, &named, &access(&named, "a")).status == 200).then_some(())
    });

    world.rewrite_config(|_| ());
    eventually("the added one was back", || {
        let status = asked(&world.gate, &partner, &access(&partner, "a")).status;
        (status == 200).then_some(())
    });
    asked(&world.gate, &named, &access(&named, "a")).not_authenticated();
    assert_eq!(names(&world.gate), ["clerk", "partner"]);
}

#[test]
fn a_config_that_names_the_same_issuer_otherwise_counts_and_nobody_has_two_names() {
    let partner = provider();
    let world = plan().start();
    assert_eq!(
        add(&world.gate, &described("partner", &partner)).status,
        201
    );
    world.rewrite_config(|c| c["issuers"] = json!([oidc("renamed", &partner.url())]));
    eventually("the config's was in force", || {
        (list(&world.gate).len() == 3).then_some(())
    });
    eventually("its users came in", || {
        (asked(&world.gate, &partner, &access(&partner, "a")).status == 200).then_some(())
    });
    let seen = world.upstream.take(1).remove(0);
    assert_eq!(seen.values("x-user-id"), ["renamed:a"]);
    assert_eq!(
        remove(&world.gate, "renamed").status,
        409,
        "the config's cannot be removed here"
    );
}
