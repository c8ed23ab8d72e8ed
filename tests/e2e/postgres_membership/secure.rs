//! Who the server is, and what nobody may read.

use std::sync::atomic::{AtomicU8, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::{ROWS, becomes, plan_at, reason};
use crate::harness::{Plan, Postgres, World, eventually};

const PASSWORD: &str = "hunter2hunter2";

/// A loopback address that no other server of the tests has: each process and each server its own.
fn address() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    format!(
        "127.{}.{low}.{}",
        1 + high % 250,
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key can be made");
    CertifiedIssuer::self_signed(params, key).expect("an authority can be made")
}

/// SQL that writes a file into the folder of the server's data, for nobody else to read.
fn file(name: &str, text: &str) -> String {
    format!(
        "COPY (SELECT unnest(string_to_array('{}', E'\\n'))) TO PROGRAM 'umask 077; cat > {name}';\n",
        text.trim()
    )
}

/// A server on `address` that asks for the password, and by whom its certificate is signed.
fn server(address: &str, authority: &CertifiedIssuer<'static, KeyPair>) -> Postgres {
    let key = KeyPair::generate().expect("a key can be made");
    let params =
        CertificateParams::new(vec![address.to_owned()]).expect("an address is a good name");
    let certificate = params
        .signed_by(&key, authority)
        .expect("a certificate can be signed");
    let server = Postgres::with_members(&[format!("listen_addresses={address}")], ROWS);
    let hba = "local all postgres trust\nhost all all 127.0.0.0/8 scram-sha-256";
    let sql = [
        format!("ALTER ROLE bailiff PASSWORD '{PASSWORD}';\n"),
        file("server.crt", &certificate.pem()),
        file("server.key", &key.serialize_pem()),
        file("pg_hba.conf", hba),
        "ALTER SYSTEM SET ssl = on;\n".to_owned(),
        "SELECT pg_reload_conf();\n".to_owned(),
    ];
    server.psql("postgres", &sql.concat()).succeeded();
    let on = || server.psql("postgres", "SHOW ssl").succeeded();
    eventually("TLS was switched on", || (on() == "on").then_some(()));
    server
}

fn plan(address: &str, password: &str, query: &str) -> Plan {
    plan_at(
        &format!("postgres://bailiff:{password}@{address}/postgres{query}"),
        0,
    )
}

fn with_ca(plan: Plan, pem: &str) -> World {
    let plan = plan.config(|c| c["membership"]["postgres"]["ca"] = "ca.pem".into());
    let gate = plan.launch().file("ca.pem", pem).start_unready();
    plan.with(gate)
}

/// Waits for a failed connection, and asserts that nobody gets in and nothing tells the password.
#[track_caller]
fn refused(world: &World, expected: &str) {
    let line = world.gate.log_line("about the connection", |line| {
        line["why"]
            .as_str()
            .is_some_and(|why| why.starts_with("no connection to PostgreSQL at 127."))
    });
    assert!(
        line["why"]
            .as_str()
            .is_some_and(|why| why.contains(expected)),
        "{line}"
    );
    assert_eq!(reason(world, "user_a"), "members_unavailable");
    silent(world);
}

#[track_caller]
fn silent(world: &World) {
    let told = world
        .gate
        .logs()
        .into_iter()
        .find(|line| line.contains("hunter"));
    assert_eq!(told, None, "the password was told");
}

#[test]
fn a_server_must_prove_who_it_is_and_the_password_is_told_to_nobody_else() {
    let (ours, address) = (authority("ours"), address());
    let server = server(&address, &ours);

    let world = with_ca(plan(&address, PASSWORD, "?sslmode=require"), &ours.pem());
    becomes(&world, "user_a", 200);
    let tls = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'bailiff'";
    assert_eq!(server.psql("postgres", tls).succeeded(), "t");
    silent(&world);
    drop(world);

    let stranger = with_ca(
        plan(&address, PASSWORD, "?sslmode=verify-full"),
        &authority("another").pem(),
    );
    refused(&stranger, "certificate");
    drop(stranger);
    refused(
        &plan(&address, PASSWORD, "?sslmode=require").start_unready(),
        "certificate",
    );
    refused(
        &with_ca(plan(&address, "hunter3", "?sslmode=require"), &ours.pem()),
        "password authentication failed",
    );

    // A certificate for another address, by the right authority; and a server that cannot do TLS at all.
    server
        .psql("postgres", &file_for("127.0.0.1", &ours))
        .succeeded();
    eventually("another certificate was there", || {
        let world = with_ca(plan(&address, PASSWORD, "?sslmode=require"), &ours.pem());
        let failed = world.gate.metrics().sum(
            "bailiff_reloads_total",
            &[("part", "membership"), ("result", "failed")],
        );
        (failed > 0.0).then(|| refused(&world, "certificate"))
    });
    server
        .psql("postgres", "ALTER SYSTEM SET ssl = off")
        .succeeded();
    server
        .psql("postgres", "SELECT pg_reload_conf()")
        .succeeded();
    eventually("TLS was off", || {
        (server.psql("postgres", "SHOW ssl").succeeded() == "off").then_some(())
    });
    refused(
        &with_ca(plan(&address, PASSWORD, "?sslmode=require"), &ours.pem()),
        "server does not support TLS",
    );
}

/// SQL that gives the server a certificate for another name.
fn file_for(name: &str, authority: &CertifiedIssuer<'static, KeyPair>) -> String {
    let key = KeyPair::generate().expect("a key can be made");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("an address is a good name");
    let certificate = params
        .signed_by(&key, authority)
        .expect("a certificate can be signed");
    let files = [
        file("server.crt", &certificate.pem()),
        file("server.key", &key.serialize_pem()),
    ];
    format!("{}SELECT pg_reload_conf();", files.concat())
}
