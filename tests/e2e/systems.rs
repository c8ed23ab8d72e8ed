//! The sample apps of `tests/apps` behind the gate, each with the routes that its product's document describes. None has
//! auth code beyond reading headers, so what they answer is what the gate told them.

use bailiff::dev::webhook::data::{self, User};
use serde_json::{Value, json};

use crate::harness::{
    A_ID, App, Delivery, MEMBERSHIP, Request, SERVICE_TOKEN, WEBHOOK_SECRET, World, event, eventually, now,
};

fn as_user(world: &World, user: &str, method: &str, target: &str) -> Request {
    world.request(method, target).bearer(&world.token(user))
}

fn with_body(request: Request, body: &Value) -> Request {
    request.header("Content-Type", "application/json").body(body.to_string())
}

/// A `user.…` event about somebody of this first name.
fn user_event(kind: &str, id: &str, first_name: &str, at_ms: u64) -> Delivery {
    let email = format!("{}@example.com", first_name.to_lowercase());
    let user = User { id, email: Some(&email), first_name: Some(first_name), updated_at_ms: at_ms, ..User::default() };
    Delivery::event(&event(kind, data::user(&user), at_ms))
}

fn deletion(id: &str) -> Delivery {
    Delivery::event(&event("user.deleted", data::deleted("user", id), now() * 1000))
}

/// What the app keeps, asked past the gate.
fn kept(app: &App) -> Value {
    app.request("GET", "/control").send().passed().json()
}

/// No webhook reaches these apps but through the gate, and each checks the signature again.
#[track_caller]
fn a_forged_webhook_is_taken_neither_by_the_gate_nor_by_the_app(world: &World, app: &App, path: &str) {
    let forged = user_event("user.created", "user_forged", "Mallory", now() * 1000).body(b"{}");
    forged.sent_to(world, "POST", path).send().not_authenticated();
    let past_the_gate = app.request("POST", path).headers([
        ("svix-id", forged.id.as_str()),
        ("svix-timestamp", &forged.timestamp),
        ("svix-signature", &forged.signature),
    ]);
    assert_eq!(past_the_gate.body("{}").send().status, 400);
}

const SECRET: [(&str, &str); 1] = [("CLERK_WEBHOOK_SECRET", WEBHOOK_SECRET)];

#[test]
fn praxiom_learns_profile_and_workspace_role_from_the_headers() {
    let app = App::start("praxiom_app", &SECRET);
    let membership = MEMBERSHIP.replace("name: Alex Chen", "name: \"Zoë 100% Chen\"");
    let plan = World::plan().in_front_of(&app).membership(&membership).routes(json!([
        {"path": "/api/webhooks/clerk", "access": "webhook"},
        {"path": "/api/auth/me", "access": "user", "allow_suspended": true},
        {"path": "/api/**", "access": "active"},
        {"path": "/api/workspaces/{workspace}/**", "access": "member"},
        {"path": "/api/workspaces/{workspace}", "methods": ["PATCH"], "access": "admin"},
        {"path": "/api/workspaces/{workspace}", "methods": ["DELETE"], "access": "owner"},
    ]));
    let world = plan.start();

    let me = as_user(&world, "user_a", "GET", "/api/auth/me").send().passed().json();
    assert_eq!(me["id"], A_ID);
    assert_eq!((&me["clerkUserId"], &me["name"]), (&json!("user_a"), &json!("Zoë 100% Chen")));
    assert_eq!((&me["accessStatus"], &me["hasProductAccess"]), (&json!("active"), &json!(true)));
    for (user, status) in [("user_pending", "pending"), ("user_suspended", "suspended")] {
        let me = as_user(&world, user, "GET", "/api/auth/me").send().passed().json();
        assert_eq!((&me["accessStatus"], &me["hasProductAccess"]), (&json!(status), &json!(false)), "given: {user}");
        with_body(as_user(&world, user, "POST", "/api/workspaces"), &json!({"name": "x"})).send().forbidden();
    }

    let documents = "/api/workspaces/ws_1/documents";
    let written = with_body(as_user(&world, "user_a", "POST", documents), &json!({"title": "Findings"})).send();
    assert_eq!((written.status, &written.json()["role"]), (201, &json!("member")));
    as_user(&world, "user_b", "GET", documents).send().forbidden();
    let told = json!({"workspace": "ws_1", "role": "admin", "user": "user_admin", "name": "Ours"});
    let rename = |user| with_body(as_user(&world, user, "PATCH", "/api/workspaces/ws_1"), &json!({"name": "Ours"}));
    rename("user_a").send().forbidden();
    assert_eq!(rename("user_admin").send().passed().json(), told);
    as_user(&world, "user_admin", "DELETE", "/api/workspaces/ws_1").send().forbidden();
    let members = as_user(&world, "user_owner", "GET", "/api/workspaces/ws_1/members").send().passed().json();
    assert_eq!((&members["role"], &members["members"]), (&json!("owner"), &json!([A_ID, "user_owner"])));
}

#[test]
fn praxiom_makes_and_deletes_users_as_verified_webhooks_say() {
    let app = App::start("praxiom_app", &SECRET);
    let webhook = "/api/webhooks/clerk";
    let routes = json!([
        {"path": webhook, "access": "webhook"},
        {"path": "/api/workspaces/{workspace}/**", "access": "member"},
    ]);
    let world = World::plan().in_front_of(&app).routes(routes).start();
    a_forged_webhook_is_taken_neither_by_the_gate_nor_by_the_app(&world, &app, webhook);
    let document = json!({"title": "Findings"});
    let write = || with_body(as_user(&world, "user_a", "POST", "/api/workspaces/ws_1/documents"), &document).send();
    assert_eq!(write().status, 201);

    user_event("user.created", "user_new", "Nora", now() * 1000).sent_to(&world, "POST", webhook).send().passed();
    deletion("user_a").sent_to(&world, "POST", webhook).send().passed();

    let kept = kept(&app);
    assert_eq!(kept["users"]["user_new"]["email"], "nora@example.com");
    assert_eq!(kept["users"]["user_new"]["accessStatus"], "pending");
    assert_eq!(kept["documents"]["ws_1"], json!([]), "what a deleted user owned goes too");
    assert_eq!(kept["events"], json!(["user.created", "user.deleted"]));
    assert_ne!(write().status, 201);
}

#[test]
fn mission_control_boots_users_from_headers_and_tells_agents_apart() {
    let app = App::start("mission_control_app", &[]);
    let world = World::plan().in_front_of(&app).routes(json!([
        {"path": "/api/v1/**", "access": "user"},
        {"path": "/api/v1/agent/**", "access": "service"},
        {"path": "/api/v1/boards", "access": "member", "workspace": {"header": "x-workspace-id"}},
    ]));
    let world = world.start();
    let bootstrap = |user| as_user(&world, user, "POST", "/api/v1/auth/bootstrap").send();

    let expected = json!({
        "id": A_ID, "clerk_user_id": "user_a", "email": "alex@example.com", "name": "Alex Chen", "preferred_name": null,
        "pronouns": null, "timezone": null, "notes": null, "context": null, "is_super_admin": false,
    });
    assert_eq!(bootstrap("user_a").passed().json(), expected);
    // A name of one's own stays; the address follows Clerk.
    let renamed = json!({"name": "Alexandra", "pronouns": "they/them"});
    with_body(as_user(&world, "user_a", "PATCH", "/api/v1/users/me"), &renamed).send().passed();
    world.gate.write_membership(&MEMBERSHIP.replace("alex@", "alexandra@"));
    let me = || as_user(&world, "user_a", "GET", "/api/v1/users/me").send().passed().json();
    eventually("the address was the new one", || (me()["email"] == "alexandra@example.com").then_some(()));
    assert_eq!((&me()["name"], &me()["pronouns"]), (&json!("Alexandra"), &json!("they/them")));

    let board = |user, workspace| as_user(&world, user, "POST", "/api/v1/boards").header("x-workspace-id", workspace);
    assert_eq!(with_body(board("user_a", "ws_1"), &json!({"title": "Triage"})).send().json()["scope"], "ws_1");
    with_body(board("user_b", "ws_1"), &json!({"title": "x"})).send().forbidden();
    let boards = as_user(&world, "user_b", "GET", "/api/v1/boards").header("x-workspace-id", "ws_2").send();
    assert_eq!(boards.passed().json()["boards"], json!([]));

    let tasks = world.get("/api/v1/agent/tasks").bearer(SERVICE_TOKEN).header("x-user-id", "user_a").send();
    assert_eq!(tasks.passed().json(), json!({"agent": "engine", "user": null, "reports": []}));
    as_user(&world, "user_a", "GET", "/api/v1/agent/tasks").send().not_authenticated();
    world.get("/api/v1/users/me").bearer(SERVICE_TOKEN).send().not_authenticated();
}

#[test]
fn wordloop_tells_users_and_services_apart_and_upserts_users_in_any_order() {
    let app = App::start("wordloop_app", &SECRET);
    let webhook = "/webhooks/clerk";
    let world = World::plan().in_front_of(&app).routes(json!([
        {"path": webhook, "access": "webhook"},
        {"path": "/users/me", "access": "user"},
        {"path": "/meetings", "access": "user"},
        {"path": "/audio/{meeting}", "access": "user"},
        {"path": "/audio/{meeting}/transcript", "access": "service"},
    ]));
    let world = world.start();
    let meeting = with_body(as_user(&world, "user_a", "POST", "/meetings"), &json!({"title": "Standup"})).send().json();
    let audio = format!("/audio/{}", meeting["id"].as_str().expect("a meeting has an id"));

    assert_eq!(as_user(&world, "user_a", "GET", &audio).send().passed().json()["audio"], "audio of Standup");
    assert_eq!(as_user(&world, "user_b", "GET", &audio).send().status, 404);
    let forged = [("x-auth-kind", "service"), ("X_Auth_Kind", "service"), ("x-service-name", "engine")];
    assert_eq!(as_user(&world, "user_b", "GET", &audio).headers(forged).send().status, 404);
    let transcript = format!("{audio}/transcript");
    let put = with_body(world.request("PUT", &transcript), &json!({"text": "Hello."})).bearer(SERVICE_TOKEN);
    let told = put.send().passed().json();
    assert_eq!((&told["kind"], &told["service"], &told["user"]), (&json!("service"), &json!("engine"), &Value::Null));
    let mine = as_user(&world, "user_a", "GET", "/meetings").send().passed().json();
    assert_eq!(mine["meetings"][0]["transcript"], "Hello.");
    assert_eq!(as_user(&world, "user_b", "GET", "/meetings").send().passed().json()["meetings"], json!([]));

    a_forged_webhook_is_taken_neither_by_the_gate_nor_by_the_app(&world, &app, webhook);
    let newer = user_event("user.updated", "user_new", "Nora", now() * 1000);
    let older = user_event("user.created", "user_new", "Eleonora", now() * 1000 - 9_000);
    // The gate takes one id once; the sender may send the same event anew.
    for delivery in [&newer, &older, &newer.clone().id("msg_newer_again")] {
        delivery.sent_to(&world, "POST", webhook).send().passed();
    }
    assert_eq!(kept(&app)["users"]["user_new"]["name"], "Nora");
    deletion("user_new").sent_to(&world, "POST", webhook).send().passed();
    older.id("msg_older_again").sent_to(&world, "POST", webhook).send().passed();
    assert_eq!(kept(&app)["users"], json!({}));
}
