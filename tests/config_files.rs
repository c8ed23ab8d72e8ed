//! The files under `config/` are the first that people copy: each is loaded by the code that will load it for them.

#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use std::path::Path;

use bailiff::config::interpolate::FakeEnv;
use bailiff::config::load::{Loaded, Overrides, known_keys, load};
use bailiff::config::membership_file::parse_membership;
use bailiff::config::settings::{
    Address, From, HttpMode, KeyTimes, Shutdown, Timeouts, UpstreamAddress,
};
use bailiff::config::source::Source;
use bailiff::domain::keys::KeySet;
use bailiff::domain::membership::{Flags, Roles, Table};
use bailiff::domain::profile::Profile;
use bailiff::domain::routes::{Access, Mode};
use bailiff::domain::static_user::StaticAuth;
use serde_json::Value;

#[path = "shared/head.rs"]
mod head;

const MINIMAL: &str = include_str!("../config/minimal.yaml");
const FULL: &str = include_str!("../config/full.yaml");
const LOCAL: &str = include_str!("../config/local.yaml");
const HTTP: &str = include_str!("../config/http.yaml");
const CLERK: &str = include_str!("../config/clerk.yaml");
const TOKEN: &str = include_str!("../config/token.yaml");
const POSTGRES: &str = include_str!("../config/postgres.yaml");
const MEMBERSHIP: &str = include_str!("../config/membership.yaml");
const SIDECAR: &str = include_str!("../config/kubernetes/sidecar.yaml");

const KEY: &str = "pk_test_YW11c2VkLWNhdC03LmNsZXJrLmFjY291bnRzLmRldiQ";
const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// A key that nobody has the private half of any more.
const PEM: &str = "\
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr+fwG08nK1HyIDkBaQ8RXkvXauJvqOZkMzwdHrx53/xlqjuWwU/P\
    vYfSO8j5C+iMq6XoerekKckFaoxJPbCegwducGdTNsGrEJOfpFzCrDuNRRGhCErn5capmko7USnvjQOU/y093h5i8PMmEC8T\
    EL9rUkDfifnqUg0HO/OJzZjjiKPiXh5qB6yTdUp7OXf7fxujq54UmoDJRB2pnwo6UOkxy07Ap2w/3d5jE6Z65EhPwCH+9tPt\
    5Xkqo3jk6x2PY3ZC/siYMHtdTH3eH/uBMZ3FcNzFUcC7gh7rnnzFXUoQQSvyHEaGitRTBulZnpHmB29p9My6Y6xa+uDYYENZ\
    gwIDAQAB";

fn env() -> FakeEnv {
    FakeEnv::new()
        .with_var("CLERK_PUBLISHABLE_KEY", KEY)
        .with_var("CLERK_SECRET_KEY", "sk_test_abcdefghijklmnopqrst")
        .with_var("CLERK_WEBHOOK_SIGNING_SECRET", WEBHOOK_SECRET)
        .with_var("OFFLINE_JWT_KEY", PEM)
        .with_var("MEMBERSHIP_TOKEN", "0123456789abcdef")
        .with_var("ENGINE_TOKEN", "0123456789abcdef0123456789abcdef")
        .with_var("REDIS_PASSWORD", "a password")
        .with_var("BAILIFF_ADMIN_TOKEN", "admin-0123456789abcdef")
        .with_file(
            "/run/secrets/clerk/webhook-signing-secret",
            WEBHOOK_SECRET.as_bytes(),
            0o440,
        )
}

fn loaded(path: &str, text: &str) -> Loaded {
    let env = env().with_file(path, text.as_bytes(), 0o644);
    load(Some(Path::new(path)), &Overrides::default(), &env)
        .unwrap_or_else(|faults| panic!("{path}:\n{faults}"))
}

fn local_env() -> FakeEnv {
    FakeEnv::new().with_var("LOCAL_AUTH_TOKEN", "0123456789abcdef0123456789abcdef")
}

#[test]
fn the_local_config_loads_without_a_warning_and_lets_in_one_user() {
    let env = local_env().with_file("/etc/local.yaml", LOCAL.as_bytes(), 0o644);
    let loaded = load(
        Some(Path::new("/etc/local.yaml")),
        &Overrides::default(),
        &env,
    );
    let loaded = loaded.unwrap_or_else(|faults| panic!("{faults}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let rules = loaded.settings.reloadable.rules;
    let Some(StaticAuth::Local { tokens, who }) = &rules.static_user else {
        panic!("{:?}", rules.static_user)
    };
    assert_eq!((tokens.len(), who.user().as_str()), (2, "local:local"));
    assert!(rules.issuers.is_empty());
}

fn members(text: &str, roles: &Roles) -> Table {
    let read = parse_membership(&Source::new("membership.yaml", text), roles, &flags());
    let (table, warnings) = read.unwrap_or_else(|faults| panic!("{faults}"));
    assert!(warnings.is_empty(), "{warnings}");
    table
}

fn flags() -> Flags {
    Flags::new(["is_admin", "is_active", "is_approved"]).expect("flags")
}

fn roles() -> Roles {
    Roles::new(&["member", "admin", "owner"].map(str::to_owned)).expect("roles")
}

#[test]
fn the_minimal_config_loads_without_a_warning() {
    let loaded = loaded("/etc/bailiff.yaml", MINIMAL);
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.settings.reloadable.rules.routes.iter().count(), 2);
}

#[test]
fn the_full_config_loads_and_its_only_warnings_are_those_that_it_announces() {
    let loaded = loaded("/etc/bailiff.yaml", FULL);
    let warnings = loaded.warnings.to_string();
    assert_eq!(warnings.matches("warning[").count(), 2, "{warnings}");
    assert!(
        warnings.contains("`max_age` has no effect here"),
        "{warnings}"
    );
    assert!(
        warnings.contains("every client may send `x-http-method-override`"),
        "{warnings}"
    );
    let live = &loaded.settings.reloadable;
    assert_eq!(live.rules.issuers.len(), 5);
    assert_eq!(live.rules.services.len(), 2);
    assert!(KeySet::from_pem(PEM).is_ok());
}

#[test]
fn the_full_config_names_every_key_that_there_is() {
    let known = known_keys(&Source::new("full.yaml", FULL), &env());
    // What excludes the rest has a file of its own, and full.yaml says so.
    let local = known_keys(&Source::new("local.yaml", LOCAL), &local_env());
    let alone = [HTTP, CLERK, TOKEN, POSTGRES]
        .map(|text| known_keys(&Source::new("source.yaml", text), &env()));
    let in_local = |what: &str, key: &str| {
        alone
            .iter()
            .chain([&local])
            .any(|known| known.get(what).and_then(|keys| keys.get(key)) == Some(&true))
    };
    let unused =
        |(what, keys): (&String, &std::collections::BTreeMap<&'static str, bool>)| -> Vec<String> {
            let unused = keys
                .iter()
                .filter(|(key, used)| !**used && !in_local(what, key));
            unused.map(|(key, _)| format!("{what}: {key}")).collect()
        };
    let missing: Vec<String> = known.iter().flat_map(unused).collect();
    assert!(
        missing.is_empty(),
        "config/full.yaml does not use {missing:?}"
    );
    assert!(
        local["the local mode"].values().all(|used| *used),
        "{:?}",
        local["the local mode"]
    );
    for (source, what) in [
        (&alone[0], "the HTTP source"),
        (&alone[1], "the Clerk source"),
    ] {
        assert!(
            source[what].values().all(|used| *used),
            "{:?}",
            source[what]
        );
    }
    assert!(
        [
            "local.yaml",
            "config/http.yaml",
            "config/clerk.yaml",
            "config/token.yaml",
            "config/postgres.yaml"
        ]
        .iter()
        .all(|name| FULL.contains(name))
    );
    assert!(known.len() > 10, "{known:?}");
}

/// The comments say "default" of these; a default that changes in the code must change there too.
#[test]
fn the_full_config_shows_the_defaults_as_they_are() {
    let settings = loaded("/etc/bailiff.yaml", FULL).settings;
    let bare = load(
        None,
        &Overrides {
            upstream: Some("http://127.0.0.1:3000".into()),
            ..Overrides::default()
        },
        &FakeEnv::new().with_var("CLERK_PUBLISHABLE_KEY", KEY),
    )
    .expect("the defaults")
    .settings;
    assert_eq!(settings.fixed.listen, bare.fixed.listen);
    assert_eq!(settings.fixed.admin, bare.fixed.admin);
    assert_eq!(settings.fixed.timeouts, Timeouts::default());
    assert_eq!(settings.fixed.shutdown, Shutdown::default());
    assert_eq!(settings.reloadable.keys, KeyTimes::default());
    let [shown, default] =
        [&settings, &bare].map(|settings| settings.reloadable.rules.issuers[0].claims.clone());
    assert_eq!(
        (shown.leeway, shown.verify_iat),
        (default.leeway, default.verify_iat)
    );
    assert_eq!(
        (shown.azp_optional, shown.allow_pending),
        (default.azp_optional, default.allow_pending)
    );
    assert_eq!(shown.allow_jwt_templates, default.allow_jwt_templates);
    let [shown, default] =
        [&settings, &bare].map(|settings| settings.reloadable.rules.issuers[0].claim_names.clone());
    assert_eq!(
        (&shown.email, &shown.name, &shown.tenant),
        (&default.email, &default.name, &default.tenant)
    );

    let sections = "membership: {file: m.yaml}\nwebhooks: {secrets: [\"${CLERK_WEBHOOK_SIGNING_SECRET}\"]}\n\
                    cors: {origins: [https://app.example.com]}\nupstream: http://127.0.0.1:3000\n";
    let sparse = loaded("/etc/bailiff.yaml", sections).settings;
    assert_eq!(
        settings.reloadable.rules.roles,
        sparse.reloadable.rules.roles
    );
    let [shown, default] = [&settings, &sparse].map(|s| {
        s.reloadable
            .membership
            .clone()
            .expect("a membership")
            .policy
    });
    assert_eq!(
        (shown.access, shown.first_sight, shown.deactivate),
        (default.access, default.first_sight, default.deactivate)
    );
    let [shown, default] = [&settings.reloadable.rules, &sparse.reloadable.rules]
        .map(|r| r.webhooks.clone().expect("webhooks"));
    assert_eq!(
        (shown.tolerance, shown.max_body),
        (default.tolerance, default.max_body)
    );
    assert_eq!(settings.reloadable.rules.cors, sparse.reloadable.rules.cors);
    assert_eq!(settings.reloadable.rules.profile, Profile::default());
    assert_eq!(sparse.reloadable.rules.profile, Profile::default());
}

#[test]
fn every_config_of_a_product_loads_with_its_membership_and_without_a_warning() {
    for path in head::systems() {
        let text = std::fs::read_to_string(&path).expect("a config");
        let env = FakeEnv::new().with_file(
            path.to_str().expect("a path in Unicode"),
            text.as_bytes(),
            0o644,
        );
        let env = head::variables(&text)
            .iter()
            .fold(env, |env, (name, value)| env.with_var(name, value));
        let loaded = load(Some(&path), &Overrides::default(), &env);
        let loaded = loaded.unwrap_or_else(|faults| panic!("{}:\n{faults}", path.display()));
        assert!(
            loaded.warnings.is_empty(),
            "{}: {}",
            path.display(),
            loaded.warnings
        );
        let rules = &loaded.settings.reloadable.rules;
        let Some(file) = loaded
            .settings
            .reloadable
            .membership
            .and_then(|membership| membership.from.file().map(Path::to_owned))
        else {
            continue;
        };
        let source =
            std::fs::read_to_string(&file).expect("the membership stands beside its config");
        let roles = rules.roles.as_ref().expect("a membership has roles");
        let read = parse_membership(
            &Source::new("membership.yaml", &source),
            roles,
            &rules.flags,
        );
        let (_, warnings) = read.unwrap_or_else(|faults| panic!("{}:\n{faults}", file.display()));
        assert!(warnings.is_empty(), "{}: {warnings}", file.display());
    }
}

/// Each source with what its file shows, and with nothing said.
#[test]
fn the_configs_of_other_sources_load_and_show_the_defaults_as_they_are() {
    let membership = |text: &str| {
        loaded("/etc/bailiff.yaml", text)
            .settings
            .reloadable
            .membership
            .expect("a membership")
    };
    let bare = |source: &str| {
        membership(&format!(
            "membership: {{{source}}}\nupstream: http://127.0.0.1:3000\n"
        ))
    };

    let warnings = loaded("/etc/bailiff.yaml", HTTP).warnings.to_string();
    assert_eq!(warnings.matches("warning[").count(), 2, "{warnings}");
    assert_eq!(
        warnings
            .matches("has no effect without `mode: lookup`")
            .count(),
        2,
        "{warnings}"
    );
    let (shown, default) = (
        membership(HTTP),
        bare("http: {url: \"https://app.test/m\"}"),
    );
    let (From::Http(source), From::Http(other)) = (&shown.from, &default.from) else {
        panic!("{shown:?}")
    };
    assert_eq!(
        (source.mode, source.max_bytes, shown.policy),
        (other.mode, other.max_bytes, default.policy)
    );
    assert!(
        !format!("{:?}", loaded("/etc/bailiff.yaml", HTTP)).contains("0123456789abcdef"),
        "the token was printed"
    );
    let lookup = bare("http: {url: \"https://app.test/{user}\", mode: lookup}");
    let From::Http(source) = &lookup.from else {
        panic!("{lookup:?}")
    };
    let HttpMode::Lookup { ttl, negative_ttl } = source.mode else {
        panic!("{source:?}")
    };
    assert_eq!(
        (ttl.as_secs(), negative_ttl.as_secs(), source.max_bytes),
        (30, 5, 1 << 20)
    );

    assert!(loaded("/etc/bailiff.yaml", CLERK).warnings.is_empty());
    let (shown, default) = (membership(CLERK), bare("clerk: {}"));
    assert_eq!((shown.from, shown.policy), (default.from, default.policy));

    assert!(loaded("/etc/bailiff.yaml", TOKEN).warnings.is_empty());
    let (shown, default) = (membership(TOKEN), bare("token: true"));
    assert_eq!((shown.from, shown.policy), (default.from, default.policy));
}

#[test]
fn the_config_with_a_database_names_every_key_of_it_and_shows_the_defaults_as_they_are() {
    let authority = rcgen::CertificateParams::new(vec![])
        .expect("no names")
        .self_signed(&rcgen::KeyPair::generate().expect("a key"));
    let authority = authority.expect("a certificate").pem();
    let env = env().with_var("DATABASE_URL", "postgres://u:p@db.example.com/app");
    let env = env.with_file("/etc/database-ca.pem", authority.as_bytes(), 0o644);
    let load = |text: &str| {
        let env = env.clone().with_file("/etc/b.yaml", text.as_bytes(), 0o644);
        load(Some(Path::new("/etc/b.yaml")), &Overrides::default(), &env)
            .unwrap_or_else(|faults| panic!("{faults}"))
    };
    let known = known_keys(&Source::new("postgres.yaml", POSTGRES), &env);
    assert!(
        known["the PostgreSQL source"].values().all(|used| *used),
        "{:?}",
        known["the PostgreSQL source"]
    );
    assert!(FULL.contains("config/postgres.yaml"));

    let shown = load(POSTGRES);
    let warnings = shown.warnings.to_string();
    assert_eq!(warnings.matches("warning[").count(), 2, "{warnings}");
    assert_eq!(
        warnings
            .matches("has no effect without `mode: lookup`")
            .count(),
        2,
        "{warnings}"
    );
    let bare = "membership: {postgres: {url: \"${DATABASE_URL}\", users: SELECT}}\nupstream: http://127.0.0.1:3000\n";
    let [shown, bare] = [shown, load(bare)]
        .map(|loaded| loaded.settings.reloadable.membership.expect("a membership"));
    let (From::Postgres(shown_source), From::Postgres(bare_source)) = (&shown.from, &bare.from)
    else {
        panic!("{bare:?}")
    };
    assert_eq!(
        (&shown_source.mode, shown.policy.max_age),
        (&bare_source.mode, bare.policy.max_age)
    );
    assert_eq!(shown_source.authorities.as_ref().map(Vec::len), Some(1));
}

#[test]
fn the_membership_file_loads_with_the_roles_of_the_full_config() {
    assert_eq!(members(MEMBERSHIP, &roles()).size(), (4, 2, 3));
}

// ---- Two systems ----

fn system(name: &str) -> (Loaded, Option<Table>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/systems");
    let read = |name: String| std::fs::read_to_string(folder.join(name)).ok();
    let env = env()
        .with_var("CLERK_WEBHOOK_SECRET", WEBHOOK_SECRET)
        .with_var("CLERK_WEBHOOK_SIGNING_SECRET", "");
    let env = env.with_file(
        "/etc/system.yaml",
        read(format!("{name}.yaml")).expect("a config").as_bytes(),
        0o644,
    );
    let loaded = load(
        Some(Path::new("/etc/system.yaml")),
        &Overrides::default(),
        &env,
    );
    let loaded = loaded.unwrap_or_else(|faults| panic!("{name}:\n{faults}"));
    assert!(loaded.warnings.is_empty(), "{name}:\n{}", loaded.warnings);
    let table = read(format!("{name}.membership.yaml")).map(|text| {
        members(
            &text,
            loaded
                .settings
                .reloadable
                .rules
                .roles
                .as_ref()
                .expect("roles"),
        )
    });
    (loaded, table)
}

#[test]
fn finance_agent_loads_with_its_users_and_keeps_keys_for_3600_s() {
    let (loaded, table) = system("finance-agent");
    let live = &loaded.settings.reloadable;
    assert_eq!(live.keys.refresh.as_secs(), 3600);
    assert_eq!(table.expect("a membership").size().0, 4);
    let policy = live
        .membership
        .as_ref()
        .expect("a membership")
        .policy
        .clone();
    assert!(policy.deactivate && !policy.first_sight);
    assert!(live.rules.webhooks.is_some() && live.backend.is_some());
}

#[test]
fn ainative_loads_with_a_provider_beside_clerk_and_a_token_that_opens_its_admin_listener() {
    let (loaded, table) = system("ainative");
    let live = &loaded.settings.reloadable;
    let names: Vec<_> = live
        .rules
        .issuers
        .iter()
        .map(|issuer| &*issuer.name)
        .collect();
    assert_eq!(names, ["clerk", "enterprise"]);
    assert_eq!(
        (loaded.settings.fixed.admin_tokens.len(), table.is_none()),
        (1, true)
    );
    assert!(loaded.settings.fixed.store.is_some());
    assert!(
        !format!("{loaded:?}").contains("admin-0123456789abcdef"),
        "the token was printed"
    );
}

// ---- The sidecar ----

fn documents() -> Vec<Value> {
    SIDECAR
        .split("\n---\n")
        .map(|text| serde_saphyr::from_str(text).expect("YAML"))
        .collect()
}

fn document(kind: &str, name: &str) -> Value {
    let fits = |document: &Value| document["kind"] == kind && document["metadata"]["name"] == name;
    documents()
        .into_iter()
        .find(fits)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn pod() -> Value {
    document("Deployment", "board")["spec"]["template"]["spec"].clone()
}

fn gate() -> Value {
    pod()["initContainers"][0].clone()
}

fn app() -> Value {
    pod()["containers"][0].clone()
}

fn sidecar_config() -> Loaded {
    let map = document("ConfigMap", "bailiff-config");
    loaded(
        "/etc/bailiff/config/bailiff.yaml",
        map["data"]["bailiff.yaml"].as_str().expect("a text"),
    )
}

fn port_of(address: &Address) -> u64 {
    match address {
        Address::Tcp(address) => address.port().into(),
        Address::Unix(_) => panic!("a port is needed"),
    }
}

#[test]
fn the_config_and_the_membership_of_the_sidecar_load_without_a_warning() {
    let loaded = sidecar_config();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let map = document("ConfigMap", "bailiff-membership");
    let roles = loaded
        .settings
        .reloadable
        .rules
        .roles
        .clone()
        .expect("roles");
    assert_eq!(
        members(
            map["data"]["membership.yaml"].as_str().expect("a text"),
            &roles
        )
        .size(),
        (2, 1, 2)
    );
}

#[test]
fn the_sidecar_starts_before_the_app_and_ends_after_it() {
    let (pod, gate, app) = (pod(), gate(), app());
    assert_eq!(gate["restartPolicy"], "Always");
    assert_eq!(gate["startupProbe"]["httpGet"]["path"], "/livez");
    assert_eq!(app["lifecycle"]["preStop"]["sleep"]["seconds"], 8);
    assert_eq!(pod["terminationGracePeriodSeconds"], 40);
    let Shutdown { delay, drain } = sidecar_config().settings.fixed.shutdown;
    assert!(
        8 + delay.as_secs() + drain.as_secs() < 40 - 10,
        "at least 10 s are left for the app's own end"
    );
}

#[test]
fn the_probes_of_the_sidecar_and_the_service_ask_where_somebody_listens() {
    let (gate, boot) = (gate(), sidecar_config().settings.fixed);
    let ports = gate["ports"].as_array().expect("ports").clone();
    let named = |name: &str| {
        ports
            .iter()
            .find(|port| port["name"] == name)
            .and_then(|port| port["containerPort"].as_u64())
            .expect("a port")
    };
    assert_eq!(named("http"), port_of(&boot.listen[0]));
    assert_eq!(named("admin"), port_of(&boot.admin));
    for (probe, path) in [
        ("startupProbe", "/livez"),
        ("readinessProbe", "/readyz"),
        ("livenessProbe", "/livez"),
    ] {
        assert_eq!(gate[probe]["httpGet"]["port"], "admin", "{probe}");
        assert_eq!(gate[probe]["httpGet"]["path"], path, "{probe}");
    }
    let Address::Tcp(admin) = boot.admin else {
        panic!("probes need TCP")
    };
    assert!(
        !admin.ip().is_loopback(),
        "the kubelet comes to the address of the Pod"
    );
    let service = document("Service", "board");
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "http");
    assert_eq!(
        service["spec"]["selector"],
        document("Deployment", "board")["spec"]["template"]["metadata"]["labels"]
    );
    let policy = document("NetworkPolicy", "board");
    assert_eq!(
        policy["spec"]["ingress"][0]["ports"][0]["port"],
        named("http")
    );
    assert_eq!(
        policy["spec"]["ingress"][1]["ports"][0]["port"],
        named("admin")
    );
}

#[test]
fn the_app_of_the_sidecar_is_reached_through_the_gate_only() {
    let (app, settings) = (app(), sidecar_config().settings);
    let command: Vec<_> = app["command"]
        .as_array()
        .expect("a command")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        command
            .windows(2)
            .any(|pair| pair == ["--host", "127.0.0.1"]),
        "{command:?}"
    );
    assert!(app.get("ports").is_none());
    let UpstreamAddress::Tcp { host, port } = settings.fixed.upstream.address else {
        panic!("TCP")
    };
    assert_eq!(host, "127.0.0.1");
    assert!(
        command
            .windows(2)
            .any(|pair| pair == ["--port", &port.to_string()]),
        "{command:?}"
    );
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(
            app[probe]["httpGet"]["port"],
            port_of(&settings.fixed.listen[0]),
            "{probe}"
        );
        let path = app[probe]["httpGet"]["path"]
            .as_str()
            .expect("a path")
            .to_owned();
        let route = settings
            .reloadable
            .rules
            .routes
            .iter()
            .find(|route| **route.pattern.text() == *path)
            .expect("a route");
        assert_eq!((route.access, route.mode), (Access::Public, Mode::Enforce));
    }
}

#[test]
fn the_sidecar_mounts_what_its_config_names_as_directories() {
    let (gate, loaded) = (gate(), sidecar_config());
    assert!(!SIDECAR.contains("subPath:"));
    let mounts: Vec<_> = gate["volumeMounts"].as_array().expect("mounts").clone();
    let volumes = pod()["volumes"].as_array().expect("volumes").clone();
    let mounted = |path: &Path| {
        let mount = mounts.iter().find(|m| {
            m["mountPath"]
                .as_str()
                .is_some_and(|at| path.parent() == Some(Path::new(at)))
        });
        let name = &mount.unwrap_or_else(|| panic!("{} is not mounted", path.display()))["name"];
        volumes
            .iter()
            .find(|volume| volume["name"] == *name)
            .expect("a volume")
            .clone()
    };
    let config = Path::new(gate["args"][2].as_str().expect("a path"));
    assert_eq!(mounted(config)["configMap"]["name"], "bailiff-config");
    let membership = loaded
        .settings
        .reloadable
        .membership
        .expect("a membership")
        .from
        .file()
        .map(Path::to_owned);
    assert_eq!(
        mounted(membership.as_deref().expect("a file"))["configMap"]["name"],
        "bailiff-membership"
    );
    assert_eq!(loaded.files[0], config);
    assert_eq!(mounted(&loaded.files[1])["secret"]["secretName"], "clerk");
    let store = loaded.settings.fixed.store.expect("a store");
    assert!(
        mounted(&store)["emptyDir"].is_object(),
        "each Pod has its own"
    );
    let writable = mounts
        .iter()
        .filter(|mount| mount["readOnly"] != true)
        .map(|mount| mount["mountPath"].as_str());
    assert_eq!(
        writable.collect::<Vec<_>>(),
        [store.parent().and_then(Path::to_str)]
    );
}

#[test]
fn the_pod_of_the_sidecar_passes_the_restricted_standard() {
    let pod = pod();
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["runAsUser"], 65_532);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    for container in [gate(), app()] {
        let security = &container["securityContext"];
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["capabilities"]["drop"][0], "ALL");
        assert_eq!(
            container["resources"]["requests"]["memory"],
            container["resources"]["limits"]["memory"]
        );
        assert!(container["resources"]["limits"].get("cpu").is_none());
    }
}
