//! Who may import whom. An invariant that is an absence is invisible unless something looks for it, so this reads every
//! source file and compares its imports with the table below (see "Floors" in ARCHITECTURE.md).

#[path = "layering/circles.rs"]
mod circles;
#[path = "layering/names.rs"]
mod names;
#[path = "layering/parts.rs"]
mod parts;
#[path = "layering/scan.rs"]
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use scan::{Import, imports};

/// One module right under `src/`, and what it may name. A module that does not exist (yet) is no fault.
struct Floor {
    module: &'static str,
    /// Modules of ours that it may import, itself aside.
    ours: &'static [&'static str],
    /// External crates; `None` for any that the rules below allow.
    crates: Option<&'static [&'static str]>,
}

const fn floor(module: &'static str, ours: &'static [&'static str]) -> Floor {
    Floor {
        module,
        ours,
        crates: None,
    }
}

const FLOORS: &[Floor] = &[
    Floor {
        module: "domain",
        ours: &[],
        crates: Some(&[
            "http",
            "bytes",
            "jsonwebtoken",
            "aws_lc_rs",
            "base64",
            "serde",
            "serde_json",
            "percent_encoding",
            "ipnet",
            "imbl",
            "hashbrown",
            "thiserror",
            "time",
        ]),
    },
    floor("clock", &["domain"]),
    floor("config", &["domain"]),
    floor("random", &["domain"]),
    floor("log_once", &[]),
    floor("advice", &["domain", "config"]),
    floor("metrics", &["domain", "clock", "config"]),
    floor("background", &["domain", "clock"]),
    floor("fetch", &["domain", "clock", "config"]),
    floor("storage", &["metrics"]),
    floor("hints", &["domain", "clock", "config"]),
    floor("snapshot_store", &["domain", "background"]),
    floor(
        "clerk_api",
        &[
            "domain",
            "clock",
            "config",
            "metrics",
            "background",
            "fetch",
        ],
    ),
    floor(
        "keys",
        &[
            "domain",
            "clock",
            "config",
            "metrics",
            "fetch",
            "hints",
            "snapshot_store",
        ],
    ),
    floor(
        "providers",
        &["domain", "clock", "config", "fetch", "storage", "keys"],
    ),
    floor("replication", &["domain", "clock", "config", "metrics"]),
    floor("deliveries", &["domain", "clock", "storage", "replication"]),
    floor(
        "records",
        &[
            "domain",
            "clock",
            "config",
            "metrics",
            "storage",
            "snapshot_store",
            "replication",
        ],
    ),
    floor(
        "membership_sources",
        &[
            "domain",
            "clock",
            "config",
            "metrics",
            "background",
            "fetch",
            "snapshot_store",
            "clerk_api",
            "records",
        ],
    ),
    floor(
        "reload",
        &[
            "domain",
            "clock",
            "config",
            "metrics",
            "background",
            "providers",
            "records",
            "membership_sources",
        ],
    ),
    floor("listen", &[]),
    floor("dev", &["domain", "clock", "listen"]),
    floor(
        "proxy",
        &[
            "domain",
            "clock",
            "config",
            "metrics",
            "hints",
            "snapshot_store",
            "clerk_api",
            "keys",
            "deliveries",
            "records",
            "membership_sources",
            "listen",
        ],
    ),
    floor(
        "admin",
        &[
            "domain",
            "clock",
            "config",
            "metrics",
            "snapshot_store",
            "keys",
            "providers",
            "replication",
            "records",
            "membership_sources",
            "listen",
        ],
    ),
    floor(
        "server",
        &[
            "domain",
            "clock",
            "config",
            "metrics",
            "background",
            "fetch",
            "storage",
            "hints",
            "snapshot_store",
            "clerk_api",
            "keys",
            "providers",
            "replication",
            "deliveries",
            "records",
            "membership_sources",
            "reload",
            "listen",
            "dev",
            "proxy",
            "admin",
        ],
    ),
    floor(
        "cli",
        &[
            "domain",
            "clock",
            "config",
            "metrics",
            "background",
            "fetch",
            "storage",
            "hints",
            "snapshot_store",
            "clerk_api",
            "keys",
            "providers",
            "replication",
            "deliveries",
            "records",
            "membership_sources",
            "reload",
            "listen",
            "dev",
            "proxy",
            "admin",
            "server",
        ],
    ),
    floor("main", &["cli"]),
    // Declares the modules and may say again what they export.
    floor(
        "lib",
        &[
            "domain",
            "clock",
            "config",
            "metrics",
            "background",
            "fetch",
            "storage",
            "hints",
            "snapshot_store",
            "clerk_api",
            "keys",
            "providers",
            "replication",
            "deliveries",
            "records",
            "membership_sources",
            "reload",
            "listen",
            "dev",
            "proxy",
            "admin",
            "server",
            "cli",
        ],
    ),
];

/// What the floor must not even name: whatever could ask the world, or wait for it.
const NOT_IN_DOMAIN: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::path",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
    "std::sync::Barrier",
    "std::sync::Condvar",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::mpsc",
];
/// Addresses are values; sockets are not.
const STILL_IN_DOMAIN: &[&str] = &[
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
    "std::net::AddrParseError",
];

/// Modules whose parts import each other in circles today. The list may only get shorter. In `proxy`, the phases of one type stand in
/// several files: `gate` calls `webhook` and `enrich`, which are methods of its `Gate`.
const STILL_CIRCULAR: &[&str] = &["domain", "proxy"];

/// The rule that `import` in `file` (below `src/`) breaks, if it breaks one.
fn broken_rule(file: &str, import: &Import) -> Option<String> {
    let module = top_module(file);
    let path = import.path.join("::");
    let first = import.path.first().map_or("", String::as_str);
    let Some(floor) = FLOORS.iter().find(|floor| floor.module == module) else {
        return Some(format!(
            "the module `{module}` has no row in the table of tests/layering.rs: give it one"
        ));
    };
    if first == "crate" {
        let target = import.path.get(1)?;
        let known = FLOORS.iter().any(|floor| floor.module == target);
        // Small machinery, for which any module above the floor may have a use.
        let shared =
            ["random", "log_once", "advice"].contains(&target.as_str()) && module != "domain";
        let upward = known && target != module && !shared && !floor.ours.contains(&target.as_str());
        let everything = target == "*" && module != "lib";
        let may = if floor.ours.is_empty() {
            "nothing of ours".to_owned()
        } else {
            format!("only {}", floor.ours.join(", "))
        };
        return (upward || everything).then(|| format!("`{module}` may import {may}"));
    }
    if first.starts_with("pingora")
        && !["proxy", "admin", "listen", "server", "dev"].contains(&module)
    {
        return Some("only proxy, admin, listen, server and dev may write `pingora`".into());
    }
    let fetches = ["fetch", "dev", "cli"].contains(&module);
    if first == "reqwest" && !fetches {
        return Some("only fetch, dev and cli may write `reqwest`".into());
    }
    if first == "redb" && module != "storage" {
        return Some("only storage may write `redb`".into());
    }
    if first == "redis" && module != "replication" {
        return Some("only replication may write `redis`".into());
    }
    let database = ["tokio_postgres", "tokio_postgres_rustls"].contains(&first);
    if database
        && ![
            "config/settings/postgres",
            "config/sections/postgres",
            "membership_sources/postgres",
        ]
        .iter()
        .any(|place| file.starts_with(place))
    {
        return Some(
            "only the postgres files of config and membership_sources may write `tokio_postgres`"
                .into(),
        );
    }
    let asks = path.ends_with("SystemTime::now") || path.ends_with("Instant::now");
    if asks && !["clock", "dev"].contains(&module) {
        return Some("only clock.rs and dev ask the time; take it as an argument".into());
    }
    if ["std", "core", "alloc"].contains(&first) {
        return (module == "domain" && !is_pure(&path, import.in_use))
            .then(|| "`domain` opens nothing, waits for nothing and asks nobody".into());
    }
    let allowed = floor.crates.is_none_or(|crates| crates.contains(&first));
    (!allowed).then(|| {
        format!(
            "`{module}` may use only {} and std",
            floor.crates.unwrap_or_default().join(", ")
        )
    })
}

/// Whether the floor may write this path of the standard library. An import of a whole module brings in what is in it.
fn is_pure(path: &str, in_use: bool) -> bool {
    let path = path.replacen("core::", "std::", 1);
    let whole = path.strip_suffix("::*");
    let within = |path: &str, outer: &str| path == outer || path.starts_with(&format!("{outer}::"));
    if STILL_IN_DOMAIN.iter().any(|fine| within(&path, fine)) {
        return true;
    }
    let named = NOT_IN_DOMAIN.iter().any(|bad| within(&path, bad));
    let brought = (in_use || whole.is_some())
        && NOT_IN_DOMAIN
            .iter()
            .any(|bad| within(bad, whole.unwrap_or(&path)));
    !named && !brought
}

fn top_module(file: &str) -> &str {
    file.split('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".rs")
}

/// Test code may use what it likes.
fn exempt(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

/// Every broken rule in a source text, as a sentence.
fn faults(file: &str, source: &str, crates: &[String]) -> Vec<String> {
    if exempt(file) {
        return vec![];
    }
    let imports = imports(file, source, crates);
    let told = |import: &Import| {
        let rule = broken_rule(file, import)?;
        Some(format!(
            "src/{file}:{}: `{}` is not allowed here: {rule}",
            import.line,
            import.path.join("::")
        ))
    };
    imports.iter().filter_map(told).collect()
}

/// Names of all crates in Cargo.toml, as code writes them.
fn crates() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml is readable");
    let mut within = false;
    let mut names = vec![
        "pingora_core".to_owned(),
        "pingora_proxy".to_owned(),
        "pingora_http".to_owned(),
    ];
    for line in manifest.lines() {
        if line.starts_with('[') {
            within = line.contains("dependencies");
        } else if within && let Some((name, _)) = line.split_once('=') {
            names.push(name.trim().trim_matches('"').replace('-', "_"));
        }
    }
    names
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Every source file: its path below `src/`, and its text.
fn tree() -> Vec<(String, String)> {
    let src = root().join("src");
    let mut files = vec![];
    sources(&src, &mut files);
    files.sort();
    let read = |path: PathBuf| {
        let file = path.strip_prefix(&src).expect("below src");
        let text = fs::read_to_string(&path).expect("a readable file");
        (file.to_string_lossy().replace('\\', "/"), text)
    };
    files.into_iter().map(read).collect()
}

/// Which module imports which, by name.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The modules right under `src/`; `lib`, which declares them, is none.
fn top_graph(tree: &[(String, String)], crates: &[String]) -> Graph {
    let mut graph = Graph::new();
    for (file, text) in tree.iter().filter(|(file, _)| !exempt(file)) {
        let from = top_module(file);
        for import in imports(file, text, crates) {
            if let [first, to, ..] = import.path.as_slice()
                && first == "crate"
                && to != from
                && from != "lib"
            {
                graph.entry(from.to_owned()).or_default().insert(to.clone());
            }
        }
    }
    graph
}

/// The modules right under `module`. The module's own file is none of them: it declares them, and they may use what it has.
fn inner_graph(module: &str, tree: &[(String, String)], crates: &[String]) -> Graph {
    let child = |file: &str| {
        let below = file.strip_prefix(module)?.strip_prefix('/')?;
        let name = below.split('/').next()?.trim_end_matches(".rs");
        (name != "mod").then(|| name.to_owned())
    };
    let children: BTreeSet<String> = tree.iter().filter_map(|(file, _)| child(file)).collect();
    let mut graph = Graph::new();
    for (file, text) in tree.iter().filter(|(file, _)| !exempt(file)) {
        let Some(from) = child(file) else { continue };
        for import in imports(file, text, crates) {
            if let [first, top, to, ..] = import.path.as_slice()
                && first == "crate"
                && top == module
                && *to != from
                && children.contains(to)
            {
                graph.entry(from.clone()).or_default().insert(to.clone());
            }
        }
    }
    graph
}

/// The modules of which each can be reached from itself.
fn in_circles(graph: &Graph) -> Vec<&str> {
    let reaches_itself = |start: &&String| {
        let mut seen = BTreeSet::new();
        let mut next = vec![*start];
        while let Some(module) = next.pop() {
            for to in graph.get(module).into_iter().flatten() {
                if to == *start {
                    return true;
                }
                if seen.insert(to) {
                    next.push(to);
                }
            }
        }
        false
    };
    let circular = graph.keys().filter(reaches_itself);
    circular.map(String::as_str).collect()
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let graph = top_graph(&tree(), &crates());
    assert!(graph.len() > 15, "modules are found: {graph:?}");
    assert_eq!(in_circles(&graph), [""; 0], "{graph:#?}");
}

#[test]
fn the_parts_of_a_module_import_each_other_in_no_circle() {
    let (tree, crates) = (tree(), crates());
    let modules: BTreeSet<&str> = tree.iter().map(|(file, _)| top_module(file)).collect();
    for module in modules {
        if STILL_CIRCULAR.contains(&module) {
            continue;
        }
        let graph = inner_graph(module, &tree, &crates);
        assert_eq!(in_circles(&graph), [""; 0], "{module}: {graph:#?}");
    }
}

#[test]
fn a_circle_is_found_however_long_it_is() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let tree = [
        file("keys.rs", "use crate::records::Records;"),
        file(
            "records/replicated.rs",
            "use crate::{domain, replication::Told};",
        ),
        file(
            "replication/follow.rs",
            "use super::super::keys::KeyKeeper;",
        ),
        file("reload.rs", "use crate::keys::KeyKeeper;"),
        file("hints/tests.rs", "use crate::reload::Reloader;"),
        file("listen/a.rs", "use super::b::B; use super::Listen;"),
        file("listen/b.rs", "use crate::listen::c::deep::C;"),
        file("listen/c/deep.rs", "use super::super::a::A;"),
        file("listen/d.rs", "use super::a::A;"),
    ];
    let top = top_graph(&tree, &crates());
    assert_eq!(in_circles(&top), ["keys", "records", "replication"]);
    let inner = inner_graph("listen", &tree, &crates());
    assert_eq!(in_circles(&inner), ["a", "b", "c"]);
}

#[test]
fn no_floor_reaches_upward() {
    let crates = crates();
    let mut all = vec![];
    for (file, text) in tree() {
        all.extend(faults(&file, &text, &crates));
    }
    assert!(
        all.is_empty(),
        "{} imports reach where they must not:\n{}",
        all.len(),
        all.join("\n")
    );
}

fn found(file: &str, source: &str) -> Vec<String> {
    faults(file, source, &crates())
}

#[test]
fn a_forbidden_import_is_found_however_it_is_written() {
    for (file, source, name) in [
        (
            "domain/judge.rs",
            "use crate::proxy::Gate;",
            "crate::proxy::Gate",
        ),
        (
            "domain/judge.rs",
            "use crate::{domain::ids, records};",
            "crate::records",
        ),
        (
            "domain/judge.rs",
            "use super::super::keys::KeyKeeper;",
            "crate::keys::KeyKeeper",
        ),
        (
            "domain/judge/access.rs",
            "fn f() { super::super::super::metrics::count() }",
            "crate::metrics::count",
        ),
        (
            "domain/mod.rs",
            "mod inner { use super::super::config; }",
            "crate::config",
        ),
        ("domain/mod.rs", "use crate::*;", "crate::*"),
        (
            "domain/x.rs",
            "use tokio::sync::Mutex;",
            "tokio::sync::Mutex",
        ),
        ("domain/x.rs", "use ::tokio::spawn;", "tokio::spawn"),
        (
            "domain/x.rs",
            "fn f() { tracing::info!(\"x\") }",
            "tracing::info",
        ),
        (
            "domain/x.rs",
            "use parking_lot::RwLock as Lock;",
            "parking_lot::RwLock",
        ),
        ("domain/x.rs", "use std::{fmt, fs};", "std::fs"),
        ("domain/x.rs", "use std::fs::{self};", "std::fs"),
        (
            "domain/x.rs",
            "use std::net::{IpAddr, TcpStream};",
            "std::net::TcpStream",
        ),
        ("domain/x.rs", "use std::time::*;", "std::time::*"),
        ("domain/x.rs", "use std::time;", "std::time"),
        (
            "domain/x.rs",
            "use std::sync::{Arc, Mutex};",
            "std::sync::Mutex",
        ),
        (
            "domain/x.rs",
            "fn f() -> u64 { std::time::Instant::now() }",
            "std::time::Instant::now",
        ),
        (
            "domain/x.rs",
            "fn f() { std::env::var(\"X\") }",
            "std::env::var",
        ),
        (
            "domain/x.rs",
            "#[cfg(test)]\nmod tests {}\nuse reqwest::Client;",
            "reqwest::Client",
        ),
        (
            "config/mod.rs",
            "use crate::keys::KeyKeeper;",
            "crate::keys::KeyKeeper",
        ),
        (
            "config/mod.rs",
            "use pingora::prelude::*;",
            "pingora::prelude::*",
        ),
        (
            "config/mod.rs",
            "use pingora_core::server::Server;",
            "pingora_core::server::Server",
        ),
        ("keys.rs", "use reqwest::Client;", "reqwest::Client"),
        ("keys.rs", "use redb::Database;", "redb::Database"),
        (
            "keys.rs",
            "use tokio_postgres::Client;",
            "tokio_postgres::Client",
        ),
        ("keys.rs", "use crate::proxy::Gate;", "crate::proxy::Gate"),
        ("keys.rs", "fn f() { Instant::now() }", "Instant::now"),
        (
            "clock.rs",
            "use super::keys::KeyKeeper;",
            "crate::keys::KeyKeeper",
        ),
        (
            "proxy/mod.rs",
            "use std::time::SystemTime;\nfn f() { SystemTime::now() }",
            "SystemTime::now",
        ),
        (
            "proxy/mod.rs",
            "use crate::admin::Status;",
            "crate::admin::Status",
        ),
        (
            "main.rs",
            "use bailiff::keys::KeyKeeper;",
            "crate::keys::KeyKeeper",
        ),
        (
            "gadgets.rs",
            "use crate::domain::judge;",
            "crate::domain::judge",
        ),
    ] {
        let found = found(file, source);
        assert_eq!(found.len(), 1, "{file}: {source}: {found:#?}");
        assert!(
            found[0].contains(&format!("`{name}`")),
            "{source}: {}",
            found[0]
        );
    }
    assert_eq!(
        found("domain/x.rs", "\n\nuse tokio::spawn;"),
        [
            "src/domain/x.rs:3: `tokio::spawn` is not allowed here: `domain` may use only http, bytes, jsonwebtoken, \
          aws_lc_rs, base64, serde, serde_json, percent_encoding, ipnet, imbl, hashbrown, thiserror, time and std"
        ]
    );
}

#[test]
fn what_is_allowed_is_not_found() {
    for (file, source) in [
        (
            "domain/judge.rs",
            "use super::ids; use crate::domain::cors; use std::net::{IpAddr, Ipv6Addr};",
        ),
        (
            "domain/x.rs",
            "use std::{fmt, sync::Arc, time::Duration, collections::HashMap}; use http::HeaderMap;",
        ),
        (
            "domain/x.rs",
            "// use tokio::spawn;\n/* use reqwest::Client; /* nested */ */ fn f() {}",
        ),
        (
            "domain/x.rs",
            "fn f() -> &'static str { \"use tokio::spawn; \\\" std::fs\" }",
        ),
        (
            "domain/x.rs",
            "const X: &str = r#\"std::fs::read \" reqwest::get\"#; const Y: char = '\"'; fn g<'a>(x: &'a str) {}",
        ),
        (
            "domain/x.rs",
            "#[cfg(test)]\nmod tests { use tokio::spawn; mod inner { use std::fs; } }\nfn f() {}",
        ),
        (
            "domain/x.rs",
            "#[cfg(test)]\npub(crate) mod tests {\n use crate::dev::Mint; }",
        ),
        ("domain/x/tests.rs", "use tokio::spawn;"),
        ("domain/judge/tests/grant.rs", "use crate::dev::Mint;"),
        ("domain/keys.rs", "mod der { use super::Fingerprint; }"),
        (
            "domain/x.rs",
            "fn f(tokio: u8) -> u8 { self.reqwest.len(); tokio }",
        ),
        (
            "fetch.rs",
            "use reqwest::Client; use crate::config::Settings; use tokio::time::sleep;",
        ),
        (
            "storage/writer.rs",
            "use redb::Database; use crate::metrics::StoreWrites; use std::thread;",
        ),
        (
            "clock.rs",
            "use std::time::SystemTime; fn f() { SystemTime::now() } use crate::domain::UnixTime;",
        ),
        (
            "dev/issuer.rs",
            "use pingora::apps::http_app::ServeHttp; fn f() { std::time::Instant::now() }",
        ),
        (
            "proxy/mod.rs",
            "use pingora::prelude::*; use crate::domain::judge; use crate::{metrics, keys::KeyKeeper};",
        ),
        ("main.rs", "fn main() { bailiff::cli::run() }"),
        ("lib.rs", "pub mod domain; pub use crate::domain::judge;"),
    ] {
        assert_eq!(found(file, source), [""; 0], "{file}: {source}");
    }
}
