//! Files that change while the gate runs: taken whole or not at all, however they are replaced.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use bailiff::dev::issuer::Behaviour;
use serde_json::json;

use crate::harness::{Launch, MEMBERSHIP, World, eventually};

fn status(world: &World, user: &str) -> u16 {
    world
        .get("/api/ws/ws_1/x")
        .bearer(&world.token(user))
        .send()
        .status
}

#[track_caller]
fn becomes(world: &World, user: &str, expected: u16) {
    eventually(&format!("{user} got {expected}"), || {
        (status(world, user) == expected).then_some(())
    });
}

/// The standard membership without one line.
fn without(line: &str) -> String {
    assert!(MEMBERSHIP.contains(line), "nothing to take away");
    MEMBERSHIP.replace(line, "")
}

const A_IN_WS_1: &str = "      user_a: member\n";

/// How often a part was reloaded with any result but `ok`.
fn failures(world: &World, part: &str) -> f64 {
    let scrape = world.gate.metrics();
    let all = scrape.sum("bailiff_reloads_total", &[("part", part)]);
    all - scrape.sum("bailiff_reloads_total", &[("part", part), ("result", "ok")])
}

/// Waits until the metrics tell of one more failure than before.
#[track_caller]
fn fails(world: &World, part: &str, change: impl FnOnce()) {
    let before = failures(world, part);
    change();
    eventually(
        &format!("a failed reload of the {part} was counted"),
        || (failures(world, part) > before).then_some(()),
    );
}

#[test]
fn a_member_who_is_taken_out_of_the_file_is_out() {
    let world = World::start();
    assert_eq!(status(&world, "user_a"), 200);
    let before = world.gate.metrics().sum("bailiff_snapshot_generation", &[]);

    world.gate.write_membership(&without(A_IN_WS_1));
    becomes(&world, "user_a", 403);

    world.gate.write_membership(MEMBERSHIP);
    becomes(&world, "user_a", 200);
    assert!(world.gate.metrics().sum("bailiff_snapshot_generation", &[]) >= before + 2.0);
}

#[test]
fn a_change_that_comes_while_the_gate_waits_for_its_first_keys_is_not_lost() {
    let plan = World::plan();
    plan.clerk.behave(Behaviour::Status(503));
    let config = plan.text().replacen("\"/healthz\"", "\"/healthy\"", 1);

    let gate = plan.launch().start_meanwhile(|dir| {
        fs::write(dir.join("membership.yaml"), without(A_IN_WS_1)).expect("can be written");
        fs::write(dir.join("bailiff.yaml"), config).expect("can be written");
        plan.clerk.behave(Behaviour::Normal);
    });
    let world = plan.with(gate);

    becomes(&world, "user_a", 403);
    eventually("the new route counted", || {
        (world.get("/healthy").send().status == 200).then_some(())
    });
}

#[test]
fn a_file_that_is_written_in_place_counts_once_it_is_whole() {
    let world = World::start();
    let path = world.gate.path("membership.yaml");
    let next = MEMBERSHIP.replace("user_a: member", "user_a: admin");
    let (begin, _) = next.split_at(next.len() / 2);

    fs::write(&path, begin).expect("can be written");
    assert!([200, 403].contains(&status(&world, "user_admin")));
    fs::write(&path, &next).expect("can be written");

    let settings = || {
        world
            .get("/api/ws/ws_1/settings/x")
            .bearer(&world.token("user_a"))
            .send()
    };
    eventually("the new role counted", || {
        (settings().status == 200).then_some(())
    });
}

/// Files as a mounted ConfigMap has them: `name -> ..data/name`, `..data -> ..version`.
fn mount(folder: &Path, version: &str, files: &[(&str, &str)]) {
    let real = folder.join(version);
    fs::create_dir_all(&real).expect("a folder");
    for (name, content) in files {
        fs::write(real.join(name), content).expect("a file");
        let link = folder.join(name);
        if link.symlink_metadata().is_err() {
            symlink(Path::new("..data").join(name), link).expect("a link");
        }
    }
    let (next, data) = (folder.join("..data_tmp"), folder.join("..data"));
    symlink(version, &next).expect("a link");
    fs::rename(next, &data).expect("the swap");
}

#[test]
fn a_config_map_is_followed_through_the_swap_of_its_link() {
    let plan = World::plan().config(|c| c["membership"]["file"] = json!("mounted/membership.yaml"));
    let config = plan.text();
    let launch = Launch::with_args(&["serve", "--config", "mounted/bailiff.yaml"]);
    // Relative paths in the config are looked up beside the config.
    let config = config.replace("mounted/membership.yaml", "membership.yaml");
    let files = [
        ("bailiff.yaml", config.as_str()),
        ("membership.yaml", MEMBERSHIP),
    ];
    let gate = launch
        .prepare(|dir| mount(&dir.join("mounted"), "..1", &files))
        .start();
    let world = plan.with(gate);
    assert_eq!(status(&world, "user_a"), 200);
    let mounted = world.gate.path("mounted");

    let less = without(A_IN_WS_1);
    mount(
        &mounted,
        "..2",
        &[("bailiff.yaml", &config), ("membership.yaml", &less)],
    );
    fs::remove_dir_all(mounted.join("..1")).expect("the old version goes");
    becomes(&world, "user_a", 403);

    let open = config.replacen("\"/healthz\"", "\"/healthy\"", 1);
    mount(
        &mounted,
        "..3",
        &[("bailiff.yaml", &open), ("membership.yaml", MEMBERSHIP)],
    );
    becomes(&world, "user_a", 200);
    eventually("the new route counted", || {
        (world.get("/healthy").send().status == 200).then_some(())
    });
    assert_eq!(world.get("/healthz").send().status, 404);
}

#[test]
fn a_file_that_is_deleted_changes_nothing_and_counts_again_when_it_returns() {
    let world = World::start();
    for (part, name) in [
        ("membership", "membership.yaml"),
        ("config", "bailiff.yaml"),
    ] {
        let path = world.gate.path(name);
        let content = fs::read_to_string(&path).expect("it is there");

        fails(&world, part, || {
            fs::remove_file(&path).expect("can be deleted")
        });
        assert_eq!(status(&world, "user_a"), 200, "without {name}");
        fs::write(&path, content).expect("can be written");
    }

    world.gate.write_membership(&without(A_IN_WS_1));
    becomes(&world, "user_a", 403);
    assert_eq!(status(&world, "user_admin"), 200);
}

#[test]
fn a_broken_membership_leaves_the_last_good_one_and_says_where_it_is_broken() {
    let world = World::start();
    for (given, content, place) in [
        ("no YAML", "users: {\n", "membership.yaml:"),
        ("empty", "", "membership.yaml"),
        (
            "unknown status",
            "users:\n  user_a: {access: actve}\n",
            "membership.yaml:2:20",
        ),
        (
            "unknown key",
            "users: {}\nworkspace: {}\n",
            "membership.yaml:2:1",
        ),
        (
            "unknown role",
            "users: {}\nworkspaces:\n  ws_1: {members: {user_a: king}}\n",
            "membership.yaml:3:28",
        ),
        (
            "a user twice",
            "users:\n  user_a: {}\n  user_a: {}\n",
            "membership.yaml:3:3",
        ),
        (
            "no Clerk id",
            "users:\n  alice: {access: active}\n",
            "membership.yaml:2:3",
        ),
    ] {
        fails(&world, "membership", || {
            world.gate.write_membership(content)
        });
        world
            .gate
            .log_line(&format!("about {place} ({given})"), |line| {
                line["level"] != "INFO" && line.to_string().contains(place)
            });
        assert_eq!(status(&world, "user_a"), 200, "given: {given}");
    }

    world.gate.write_membership(&without(A_IN_WS_1));
    becomes(&world, "user_a", 403);
}

#[test]
fn the_live_part_of_the_config_is_followed() {
    let world = World::start();
    assert_eq!(world.get("/new/x").send().status, 404);

    world.rewrite_config(|c| {
        let routes = c["routes"].as_array_mut().expect("a list");
        routes.push(json!({"path": "/new/**", "access": "public"}));
    });

    eventually("the new route counted", || {
        (world.get("/new/x").send().status == 200).then_some(())
    });
    let route = [("route", "/new/**"), ("verdict", "forward")];
    eventually("it has a metric of its own", || {
        (world.gate.metrics().sum("bailiff_requests_total", &route) >= 1.0).then_some(())
    });
}

#[test]
fn a_broken_config_leaves_the_old_one_serving_and_says_where_it_is_broken() {
    let world = World::start();
    let good = fs::read_to_string(world.gate.path("bailiff.yaml")).expect("it is there");
    let routes = good.find("\"routes\"").expect("it has routes");
    let line = good[..routes].lines().count();
    let misspelt = good.replacen("\"routes\"", "\"ruotes\"", 1);

    fails(&world, "config", || world.gate.write_config(&misspelt));

    let place = format!("bailiff.yaml:{line}:3");
    world.gate.log_line(&format!("about {place}"), |line| {
        line.to_string().contains(&place)
    });
    assert_eq!(status(&world, "user_a"), 200);
    for broken in [
        "",
        "listen: [",
        "upstream: http://127.0.0.1:1\n",
        &good.replacen("public", "pubic", 1),
    ] {
        fails(&world, "config", || world.gate.write_config(broken));
        assert_eq!(status(&world, "user_a"), 200);
        world.get("/api/x").send().not_authenticated();
    }
}

#[test]
fn a_config_whose_secret_comes_a_moment_later_counts_once_the_secret_is_there() {
    let world = World::start();
    let secret = world.gate.path("secret");

    fails(&world, "config", || {
        world.rewrite_config(|c| {
            let services = c["service_tokens"].as_array_mut().expect("a list");
            services
                .push(json!({"name": "late", "token": format!("${{file:{}}}", secret.display())}));
        });
    });
    let token = "token-of-a-late-service-0123456789";
    let late = || world.get("/internal/x").bearer(token).send().status;
    assert_eq!(late(), 401);

    world.gate.replace("secret", token);
    eventually("the config counted", || (late() == 200).then_some(()));
    assert_eq!(
        failures(&world, "config").to_bits(),
        1_f64.to_bits(),
        "told once, however often it is tried"
    );
}

#[test]
fn what_needs_a_restart_is_refused_by_name_and_not_half_applied() {
    let world = World::start();
    let elsewhere = json!("http://127.0.0.1:9");

    fails(&world, "config", || {
        world.rewrite_config(|c| {
            c["upstream"] = elsewhere;
            let routes = c["routes"].as_array_mut().expect("a list");
            routes.push(json!({"path": "/half/**", "access": "public"}));
        });
    });

    world.gate.log_line("a word about `upstream`", |line| {
        line["level"] != "INFO" && line.to_string().contains("upstream")
    });
    assert_eq!(world.get("/half/x").send().status, 404);
    assert_eq!(status(&world, "user_a"), 200);
}

#[test]
fn each_request_sees_one_whole_version_while_files_change() {
    const ROUNDS: usize = 40;
    let version = |n: usize| {
        format!(
            "users: {{user_a: {{id: id-{n}, name: name-{n}, access: active}}}}\nworkspaces: {{}}\n"
        )
    };
    let world = World::plan().membership(&version(0)).start();
    let token = world.token("user_a");
    let mut connection = world.connect();
    for round in 1..=ROUNDS {
        world.gate.write_membership(&version(round));
        for _ in 0..10 {
            world
                .get("/api/x")
                .bearer(&token)
                .send_on(&mut connection)
                .passed();
            let seen = world.upstream.only();
            let id = seen.header("x-user-id").unwrap_or_default();
            let name = seen.header("x-user-name").unwrap_or_default();
            assert_eq!(
                id.replace("id", "name"),
                name,
                "two versions in one request"
            );
        }
    }
    let last = format!("id-{ROUNDS}");
    eventually("the last version counted", || {
        world.get("/api/x").bearer(&token).send().passed();
        (world.upstream.only().header("x-user-id") == Some(last.clone())).then_some(())
    });
}
