//! Three gates over one app that share a Redis: what one learns all know, whatever happens to the Redis in between.

mod outage;
mod poison;
mod script;

use serde_json::{Value, json};

use crate::harness::{
    Delivery, Gate, Launch, Plan, Redis, Relay, Request, Response, World, event, eventually, now,
};

/// Gates that share a store, each with a way of its own to it.
pub struct Fleet {
    pub gates: Vec<Gate>,
    pub relays: Vec<Relay>,
    pub redis: Redis,
    pub plan: Plan,
}

const TOKEN: &str = "admin-token-of-the-operator";

/// The scene of one gate, and a Redis for several.
fn plan() -> Plan {
    World::plan().config(|c| c["admin"] = json!({"address": "127.0.0.1:0", "token": TOKEN}))
}

impl Fleet {
    #[track_caller]
    pub fn start(count: usize) -> Self {
        Self::of(count, plan(), Redis::start())
    }

    #[track_caller]
    pub fn of(count: usize, plan: Plan, redis: Redis) -> Self {
        let mut fleet = Self {
            gates: vec![],
            relays: vec![],
            redis,
            plan,
        };
        for _ in 0..count {
            fleet.join(|_| ());
        }
        fleet
    }

    /// What would start one more gate, and its way to the store.
    pub fn launch(&self, change: impl FnOnce(&mut Value)) -> (Launch, Relay) {
        let relay = self.redis.relay();
        let mut config = self.plan.config.clone();
        config["shared"] = json!({"redis": relay.url(), "spread": "100ms"});
        change(&mut config);
        let launch = self
            .plan
            .launch()
            .file("bailiff.yaml", &format!("{config:#}\n"));
        (launch, relay)
    }

    /// Starts one more gate, and waits until it is ready.
    #[track_caller]
    pub fn join(&mut self, change: impl FnOnce(&mut Value)) {
        let (launch, relay) = self.launch(change);
        self.gates.push(launch.start());
        self.relays.push(relay);
    }

    pub fn token(&self, user: &str) -> String {
        self.plan.token(user)
    }

    pub fn of_session(&self, user: &str, session: &str) -> String {
        self.plan.sign(&self.plan.mint(user).claim("sid", session))
    }

    pub fn ask(&self, gate: usize, token: &str, path: &str) -> Response {
        let answer = self.gates[gate].request("GET", path).bearer(token).send();
        self.plan.upstream.forget();
        answer
    }

    /// Waits until this gate refuses the token for this reason.
    #[track_caller]
    pub fn refuses(&self, gate: usize, token: &str, path: &str, reason: &str) {
        eventually(
            &format!("gate {gate} refused {path} because of {reason}"),
            || {
                let answer = self.ask(gate, token, path);
                (answer.status >= 400 && self.gates[gate].reason(&answer) == reason).then_some(())
            },
        );
    }

    #[track_caller]
    pub fn all_refuse(&self, token: &str, path: &str, reason: &str) {
        (0..self.gates.len()).for_each(|gate| self.refuses(gate, token, path, reason));
    }

    /// Waits until this gate lets the token in.
    #[track_caller]
    pub fn admits(&self, gate: usize, token: &str, path: &str) {
        eventually(&format!("gate {gate} let somebody in at {path}"), || {
            (self.ask(gate, token, path).status == 200).then_some(())
        });
    }

    #[track_caller]
    pub fn all_admit(&self, token: &str, path: &str) {
        (0..self.gates.len()).for_each(|gate| self.admits(gate, token, path));
    }

    pub fn deliver(&self, gate: usize, delivery: &Delivery) -> Response {
        delivery
            .sent_as(self.gates[gate].request("POST", "/webhooks/clerk"))
            .send()
    }

    /// Delivers an event to this gate, of which the app is told.
    #[track_caller]
    pub fn tell(&self, gate: usize, kind: &str, data: Value) {
        self.deliver(gate, &Delivery::event(&event(kind, data, now() * 1000)))
            .passed();
        self.plan.upstream.forget();
    }

    #[track_caller]
    pub fn ban(&self, gate: usize, user: &str) {
        self.tell(
            gate,
            "user.updated",
            json!({"id": user, "banned": true, "updated_at": now() * 1000}),
        );
    }

    /// Says that this session has ended.
    #[track_caller]
    pub fn ends(&self, gate: usize, session: &str) {
        let data = json!({"id": session, "object": "session", "status": "ended", "updated_at": now() * 1000});
        self.tell(gate, "session.ended", data);
    }

    /// A number of this gate's metrics.
    #[track_caller]
    pub fn metric(&self, gate: usize, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.gates[gate].metrics().sum(name, labels)
    }

    /// Waits until a number of this gate's metrics is at least this.
    #[track_caller]
    pub fn reaches(&self, gate: usize, name: &str, labels: &[(&str, &str)], least: f64) {
        eventually(
            &format!("{name}{labels:?} of gate {gate} was {least}"),
            || (self.metric(gate, name, labels) >= least).then_some(()),
        );
    }
}

fn membership(org: &str, user: &str, role: &str) -> Value {
    let at = now() * 1000;
    json!({"organization": {"id": org}, "public_user_data": {"user_id": user}, "role": role, "updated_at": at})
}

fn admin_delete(gate: &Gate, path: &str) -> Response {
    let request = Request::new(gate.admin_address(), "DELETE", path)
        .header("Host", gate.admin_address().to_string());
    request.bearer(TOKEN).header("Connection", "close").send()
}

#[test]
fn what_one_gate_refuses_all_refuse() {
    let fleet = Fleet::start(3);
    let (a, b, owner) = (
        fleet.token("user_a"),
        fleet.token("user_b"),
        fleet.token("user_owner"),
    );
    let (ended, other) = (
        fleet.of_session("user_a", "sess_1"),
        fleet.of_session("user_a", "sess_2"),
    );
    fleet.all_admit(&ended, "/api/ws/ws_1/x");
    fleet.all_admit(&owner, "/api/ws/ws_1/settings/x");

    fleet.ends(0, "sess_1");
    fleet.all_refuse(&ended, "/api/x", "session_revoked");
    fleet.all_admit(&other, "/api/x");

    fleet.tell(
        1,
        "organizationMembership.updated",
        membership("org_one", "user_owner", "org:member"),
    );
    fleet.all_refuse(&owner, "/api/ws/ws_1/settings/x", "role_too_low");
    fleet.all_admit(&owner, "/api/ws/ws_1/x");
    fleet.tell(
        2,
        "organizationMembership.deleted",
        membership("org_one", "user_owner", "org:member"),
    );
    fleet.all_refuse(&owner, "/api/ws/ws_1/x", "not_a_member");

    fleet.ban(2, "user_b");
    fleet.all_refuse(&b, "/api/x", "user_banned");

    admin_delete(&fleet.gates[1], "/sessions/sess_2").passed();
    fleet.all_refuse(&other, "/api/x", "session_revoked");
    admin_delete(&fleet.gates[0], "/users/user_a/tokens").passed();
    fleet.all_refuse(&a, "/api/x", "user_revoked");
    for gate in 0..3 {
        assert!(
            fleet.metric(gate, "bailiff_shared_gaps_total", &[]) < 0.5,
            "nothing went amiss"
        );
        fleet.reaches(gate, "bailiff_shared_contact_timestamp_seconds", &[], 1.0);
        assert!(fleet.metric(gate, "bailiff_shared_snapshots_total", &[]) < 1.5);
    }
}

#[test]
fn a_file_that_overrules_a_ban_overrules_it_everywhere() {
    let fleet = Fleet::start(2);
    let suspended = fleet.token("user_suspended");
    fleet.ban(0, "user_suspended");
    fleet.all_refuse(&suspended, "/api/me", "user_banned");
    // One operator gives access; the other gate has the old file still.
    let file = crate::harness::MEMBERSHIP.replace(
        "user_suspended: {access: suspended}",
        "user_suspended: {access: active}",
    );
    fleet.gates[0].write_membership(&file);
    fleet.refuses(1, &suspended, "/api/me", "suspended");
    // Where the ban is lifted, the tokens from before it are still none.
    fleet.refuses(0, &suspended, "/api/me", "user_revoked");
}

#[test]
fn a_webhook_that_comes_to_two_gates_reaches_the_app_once() {
    let fleet = Fleet::start(3);
    let delivery = Delivery::event(&event(
        "user.updated",
        json!({"id": "user_a", "updated_at": 5}),
        now() * 1000,
    ));
    fleet.deliver(0, &delivery).passed();
    eventually("the claim was done", || {
        let keys: Vec<String> = fleet.redis.run(&["KEYS", "{bailiff}:hook:*"]);
        let done = keys
            .iter()
            .all(|key| fleet.redis.run::<String>(&["GET", key]) == "done");
        (!keys.is_empty() && done).then_some(())
    });
    for gate in [1, 2, 0] {
        fleet.deliver(gate, &delivery).passed();
    }
    fleet.plan.upstream.only();
    fleet.gates[1].metric_becomes("bailiff_webhooks_total", &[("result", "duplicate")], 1.0);

    // What the app refuses it gets again, at whichever gate the retry arrives.
    let delivery = Delivery::event(&event(
        "user.updated",
        json!({"id": "user_a", "updated_at": 6}),
        now() * 1000,
    ));
    fleet
        .plan
        .upstream
        .once(crate::harness::Script::Status(500));
    assert_eq!(fleet.deliver(0, &delivery).status, 500);
    eventually("the retry was delivered", || {
        (fleet.deliver(1, &delivery).status == 200).then_some(())
    });
    let seen = fleet.plan.upstream.recorded().len();
    assert_eq!(seen, 2, "refused once, taken once");
}

#[test]
fn a_webhook_that_one_gate_is_delivering_is_for_no_other() {
    let fleet = Fleet::start(2);
    let delivery = Delivery::event(&event(
        "user.updated",
        json!({"id": "user_a", "updated_at": 5}),
        now() * 1000,
    ));
    fleet.plan.upstream.once(crate::harness::Script::Hold);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| fleet.deliver(0, &delivery));
        fleet.plan.upstream.head();
        let second = fleet.deliver(1, &delivery).refused(503);
        assert_eq!(fleet.gates[1].reason(&second), "webhook_in_flight");
        fleet.plan.upstream.release();
        first.join().expect("the first delivery ends").passed();
    });
    fleet.plan.upstream.only();
}

#[test]
fn a_gate_that_starts_late_or_again_has_everything() {
    let mut fleet = Fleet::start(1);
    let ended = fleet.of_session("user_owner", "sess_1");
    fleet.ban(0, "user_b");
    fleet.ends(0, "sess_1");
    for n in 0..300 {
        fleet.tell(
            0,
            "user.created",
            json!({"id": format!("user_n{n}"), "updated_at": 5}),
        );
    }
    fleet.join(|_| ());
    // Not eventually: it must not be ready before it knows.
    assert_eq!(
        fleet.gates[1].reason(&fleet.ask(1, &fleet.token("user_b"), "/api/x")),
        "user_banned"
    );
    assert_eq!(
        fleet.gates[1].reason(&fleet.ask(1, &ended, "/api/x")),
        "session_revoked"
    );
    let again = fleet.gates.remove(0).killed().start();
    fleet.gates.insert(0, again);
    assert_eq!(
        fleet.gates[0].reason(&fleet.ask(0, &fleet.token("user_b"), "/api/x")),
        "user_banned"
    );
}
