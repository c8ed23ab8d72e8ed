//! The recipe for row-level security, as its readers get it: PostgreSQL with the recipe's file, an app whose queries never
//! ask whose row it is, and the gate with the recipe's routes.

mod database;
mod streams;

use serde_json::{Value, json};

use crate::harness::{App, Plan, Postgres, Request, Response, World};

const RECIPE: &str = include_str!("../../docs/recipes/postgres-row-level-security.md");
const SQL: &str = include_str!("../../docs/recipes/postgres-rls.sql");
const APP: [&str; 2] = [
    include_str!("../apps/rls_app.py"),
    include_str!("../apps/trusted_headers.py"),
];

const MEMORIES: &str = "/api/v1/public/memory/v2/memories";
const VECTORS: &str = "/api/v1/zerodb/vectors";

/// What the recipe quotes in this language.
fn quoted(language: &str) -> Vec<&'static str> {
    let blocks = RECIPE.split("```").skip(1).step_by(2);
    let blocks: Vec<_> = blocks
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .collect();
    assert!(!blocks.is_empty(), "the recipe quotes no {language}");
    blocks
}

fn start_app() -> App {
    let database = Postgres::of_the_recipe().url_of("app");
    App::start("rls_app", &[("DATABASE_URL", &database)])
}

/// The recipe's routes before this app, for users of whom only the token speaks.
fn plan(app: &App) -> Plan {
    let config: Value =
        serde_saphyr::from_str(quoted("yaml")[0]).expect("the recipe's routes are YAML");
    World::plan()
        .in_front_of(app)
        .routes(config["routes"].clone())
        .membership("users: {}\nworkspaces: {}\n")
}

/// Somebody at the gate. Tests share the database, so each brings users and tenants of its own.
struct Someone<'a> {
    world: &'a World,
    token: String,
}

impl<'a> Someone<'a> {
    fn new(world: &'a World, user: &str) -> Self {
        Self {
            world,
            token: world.token(user),
        }
    }

    fn of(world: &'a World, user: &str, org: &str) -> Self {
        let mint = world.mint(user).org(org, "slug", "member", &[]);
        Self {
            world,
            token: world.sign(&mint),
        }
    }

    fn asks(&self, method: &str, target: &str) -> Request {
        self.world.request(method, target).bearer(&self.token)
    }

    fn posts(&self, target: &str, body: &Value) -> Request {
        let request = self
            .asks("POST", target)
            .header("Content-Type", "application/json");
        request.body(body.to_string())
    }

    fn remembers(&self, content: &str) -> Value {
        let memory = json!({"content": content, "entity_name": "user_events"});
        self.posts("/api/v1/public/memory/v2/remember", &memory)
            .send()
            .passed()
            .json()
    }

    fn stores(&self, document: &str) {
        self.posts(VECTORS, &json!({"document": document}))
            .send()
            .passed();
    }

    fn finds(&self) -> Vec<String> {
        let found = self.posts(
            &format!("{VECTORS}/search"),
            &json!({"query": "plan", "top_k": 100}),
        );
        column(&found.send().passed(), "document")
    }

    fn recalls(&self) -> Vec<String> {
        column(&self.asks("GET", MEMORIES).send().passed(), "content")
    }
}

fn column(answer: &Response, name: &str) -> Vec<String> {
    let rows = answer.json();
    let rows = rows.as_array().expect("a list of rows").iter();
    rows.map(|row| row[name].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn everything_that_the_recipe_quotes_is_what_the_tests_run() {
    for block in quoted("sql") {
        assert!(SQL.contains(block), "not in postgres-rls.sql:\n{block}");
    }
    for block in quoted("python") {
        assert!(
            APP.iter().any(|file| file.contains(block)),
            "not in the app:\n{block}"
        );
    }
}

#[test]
fn two_users_see_change_and_delete_their_own_rows_and_none_of_the_other() {
    let app = start_app();
    let world = plan(&app).start();
    let (ann, ben) = (
        Someone::new(&world, "user_own_ann"),
        Someone::new(&world, "user_own_ben"),
    );

    let row = ann.remembers("ann's first");
    ann.remembers("ann's second");
    ben.remembers("ben's only");

    assert_eq!(row["user_id"], "user_own_ann");
    assert_eq!(ann.recalls(), ["ann's first", "ann's second"]);
    assert_eq!(ben.recalls(), ["ben's only"]);
    // Nor by the row's very name.
    let target = format!(
        "{MEMORIES}/{}",
        row["id"].as_str().expect("a row has an id")
    );
    ann.asks("GET", &target).send().passed();
    assert_eq!(ben.asks("GET", &target).send().status, 404);
    let take = |who: &Someone| {
        who.asks("POST", &format!("{target}/give?to=user_own_ben"))
            .send()
    };
    assert_eq!(take(&ben).passed().json()["changed"], 0);
    assert_eq!(take(&ann).status, 403, "no row can be given away");
    // `DELETE` without a `WHERE`.
    assert_eq!(
        ben.asks("DELETE", MEMORIES).send().passed().json()["deleted"],
        1
    );
    assert_eq!(ann.recalls(), ["ann's first", "ann's second"]);
}

#[test]
fn no_spelling_of_the_header_makes_a_client_another_user() {
    let app = start_app();
    let world = plan(&app).start();
    let (victim, thief) = (
        Someone::new(&world, "user_spelt_victim"),
        Someone::new(&world, "user_spelt_thief"),
    );
    victim.remembers("the victim's");
    thief.remembers("the thief's");

    for name in [
        "x-user-id",
        "X-USER-ID",
        "X_User_Id",
        "x_user_id",
        "x.user.id",
        "x-user_id",
        "x!user!id",
    ] {
        let forged = |request: Request| {
            request.headers([(name, "user_spelt_victim"), (name, "user_spelt_victim")])
        };
        let read = forged(thief.asks("GET", MEMORIES))
            .header("Connection", name)
            .send()
            .passed();
        assert_eq!(column(&read, "content"), ["the thief's"], "given: {name}");
        // Without a token it is nobody.
        forged(world.get(MEMORIES)).send().not_authenticated();
    }
}

#[test]
fn a_row_under_another_name_is_refused_by_the_database_whatever_the_app_lets_through() {
    let app = start_app();
    let world = plan(&app).start();
    let who = Someone::of(&world, "user_planted_by", "org_planted_by");
    let memory = json!({"content": "planted", "entity_name": "x", "user_id": "user_planted_on"});
    let vector = json!({"document": "planted", "org_id": "org_planted_on"});

    for (target, body) in [
        ("/api/v1/public/memory/v2/remember", memory),
        (VECTORS, vector),
    ] {
        let answer = who.posts(target, &body).send();
        assert_eq!(
            (answer.status, answer.json()["sqlstate"].as_str()),
            (403, Some("42501")),
            "given: {target}"
        );
    }
    // The connection is whole afterwards.
    who.remembers("my own");
    assert_eq!(who.recalls(), ["my own"]);
}

#[test]
fn a_tenants_rows_are_for_its_users_and_follow_the_organization_of_the_token() {
    let app = start_app();
    let world = plan(&app).start();
    let ann = Someone::of(&world, "user_tenant_ann", "org_tenant_a");
    let abe = Someone::of(&world, "user_tenant_abe", "org_tenant_a");
    let ben = Someone::of(&world, "user_tenant_ben", "org_tenant_b");
    ann.stores("plan of a");
    ben.stores("plan of b");

    assert_eq!(ann.finds(), ["plan of a"]);
    assert_eq!(abe.finds(), ["plan of a"]);
    assert_eq!(ben.finds(), ["plan of b"]);
    // The same user on behalf of the other tenant, and of none.
    assert_eq!(
        Someone::of(&world, "user_tenant_ann", "org_tenant_b").finds(),
        ["plan of b"]
    );
    let alone = Someone::new(&world, "user_tenant_ann");
    assert_eq!(alone.finds(), [""; 0]);
    assert_eq!(
        alone
            .posts(VECTORS, &json!({"document": "of no tenant"}))
            .send()
            .status,
        403
    );

    let search = ben.posts(&format!("{VECTORS}/search"), &json!({"query": "plan"}));
    let forged = search
        .headers([("x-org-id", "org_tenant_a"), ("X_Org_Id", "org_tenant_a")])
        .send()
        .passed();
    assert_eq!(column(&forged, "document"), ["plan of b"]);
    // Shared to read, each one's own to delete.
    assert_eq!(
        abe.asks("DELETE", VECTORS).send().passed().json()["deleted"],
        0
    );
    assert_eq!(
        ann.asks("DELETE", VECTORS).send().passed().json()["deleted"],
        1
    );
}

#[test]
fn a_request_that_comes_without_the_headers_gets_nothing() {
    let app = start_app();
    let world = plan(&app).start();
    Someone::new(&world, "user_bare").remembers("not for strangers");

    for headers in [
        vec![],
        vec![("x-user-id", "")],
        vec![("x-user-id", "user_bare")],
        vec![("x-auth-kind", "user")],
        vec![("x-auth-kind", "none"), ("x-user-id", "user_bare")],
    ] {
        let answer = app.request("GET", MEMORIES).headers(headers.clone()).send();
        assert_eq!(answer.status, 401, "given: {headers:?}");
        assert_eq!(answer.json(), json!({"detail": "Not authenticated"}));
    }
    // What tests use to speak to the app is not to be had through the gate.
    Someone::new(&world, "user_bare")
        .posts("/control/streams/m/release", &json!({}))
        .send()
        .refused(404);
}
