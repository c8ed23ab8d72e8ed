//! The `membership.postgres:` section: the app's own tables, read by two queries.

mod url;

use std::path::Path;
use std::time::Duration;

use tokio_postgres::config::SslMode;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::config::reader::{Code, Fault, Faulty, Field, Fields, Reading};
use crate::config::settings::postgres::{PostgresMode, PostgresSource};

/// Bound on the file with certificates: those of large clouds have some 200 KiB.
const CA_MAX: usize = 1 << 20;
/// Bound on a query.
const QUERY_MAX: usize = 16 << 10;

/// Reads the section. Paths are relative to `folder`, where the config is.
pub(crate) fn postgres(field: Field<'_>, folder: &Path) -> Reading<PostgresSource> {
    let mut fields = field.fields("the PostgreSQL source")?;
    let connect = fields
        .req("url")
        .hidden()
        .parse(Code::WrongValue, url::EXPECTED, url::database);
    let ca = fields.opt("ca");
    let authorities = ca.maybe(|field| authorities(field, folder));
    let modes = [("snapshot", false), ("lookup", true)];
    let lookup = fields.read_or("mode", false, |field| field.choice(&modes));
    // Without knowing the mode nothing can be said of the keys that belong to one of them.
    let query = |field: Field<'_>| query(field, lookup == Ok(true));
    let (users, members) = (fields.req("users"), fields.opt("members"));
    let (users, members) = (query(users), members.maybe(query));
    let mode = match lookup {
        Ok(true) => lookup_mode(&mut fields),
        Ok(false) => snapshot_mode(&mut fields),
        Err(Faulty) => {
            for key in ["channel", "interval", "allow_empty", "ttl", "negative_ttl"] {
                let _ = fields.opt(key);
            }
            Err(Faulty)
        }
    };
    fields.finish();
    if connect
        .as_ref()
        .is_ok_and(|connect| connect.get_ssl_mode() == SslMode::Disable)
        && ca.is_present()
    {
        ca.warn(
            Code::Contradiction,
            "`ca` has no effect: the connection is without TLS",
            "add `?sslmode=require` to `url`, or remove `ca`",
        );
    }
    let (connect, authorities) = (connect?, authorities?);
    Ok(PostgresSource {
        connect,
        authorities,
        users: users?,
        members: members?,
        mode: mode?,
    })
}

fn snapshot_mode(fields: &mut Fields<'_>) -> Reading<PostgresMode> {
    useless(fields, ["ttl", "negative_ttl"], "`mode: lookup`");
    let expected = "a name of small letters, digits and `_`, which `NOTIFY` finds without quotes";
    let channel = fields.maybe("channel", |field| {
        field.parse(Code::WrongValue, expected, channel)
    });
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    let interval = fields.duration_or("interval", Duration::from_secs(60), range);
    let allow_empty = fields.bool_or("allow_empty", false);
    let channel = channel?.unwrap_or_else(|| PostgresSource::CHANNEL.to_owned());
    Ok(PostgresMode::Snapshot {
        channel,
        interval: interval?,
        allow_empty: allow_empty?,
    })
}

fn lookup_mode(fields: &mut Fields<'_>) -> Reading<PostgresMode> {
    useless(
        fields,
        ["channel", "interval", "allow_empty"],
        "`mode: snapshot`",
    );
    let (ttl, negative_ttl) = lookup_times(fields.opt("ttl"), fields.opt("negative_ttl"))?;
    Ok(PostgresMode::Lookup { ttl, negative_ttl })
}

/// How long the answer for one user counts, and how long that they are not known.
pub(crate) fn lookup_times(ttl: Field<'_>, negative: Field<'_>) -> Reading<(Duration, Duration)> {
    let range = Duration::from_secs(1)..=Duration::from_secs(3600);
    let ttl = ttl.duration_or(Duration::from_secs(30), range.clone());
    let negative_ttl = negative.maybe(|field| field.duration(range));
    let (ttl, negative_ttl) = (ttl?, negative_ttl?);
    if negative_ttl.is_some_and(|negative| negative > ttl) {
        let fault = Fault::error(Code::Contradiction, "`negative_ttl` is longer than `ttl`");
        let expected = "that somebody new waits for less than a change of somebody known";
        return Err(negative.reject(fault.expected(expected)));
    }
    Ok((ttl, negative_ttl.unwrap_or(Duration::from_secs(5).min(ttl))))
}

/// Says of each of `keys` that it does nothing without `mode`.
fn useless<const N: usize>(fields: &mut Fields<'_>, keys: [&'static str; N], mode: &str) {
    for key in keys {
        let field = fields.opt(key);
        if field.is_present() {
            let what = format!("`{key}` has no effect without {mode}");
            field.warn(Code::Contradiction, what, format!("remove `{key}`"));
        }
    }
}

/// A query. Only the database can check the rest, as it alone knows its tables.
fn query(field: Field<'_>, lookup: bool) -> Reading<String> {
    field.parse(
        Code::WrongValue,
        "one SELECT; with `mode: lookup` it takes the user's id as `$1`",
        |text| {
            match text.trim() {
                "" => Err("is empty"),
                long if long.len() > QUERY_MAX => Err("is longer than 16 KiB"),
                // The server would count it as the end of a text.
                text if text.contains('\0') => Err("has a NUL byte"),
                text if lookup && !text.contains("$1") => {
                    Err("has no `$1`, so it would not ask for one user")
                }
                text => Ok(text.to_owned()),
            }
        },
    )
}

/// A channel that needs no quotes: one in capital letters would never hear a `NOTIFY` that is written without them.
fn channel(text: &str) -> Result<String, &'static str> {
    let first = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    match text.len() {
        1..=63 if first && plain => Ok(text.to_owned()),
        1..=63 => Err("is no name of a channel"),
        _ => Err("is longer than 63 bytes"),
    }
}

/// The certificates of a file, each of which can be an authority.
fn authorities(field: Field<'_>, folder: &Path) -> Reading<Vec<CertificateDer<'static>>> {
    let path = folder.join(field.str()?);
    let env = field.ctx.env.ok_or(Faulty)?;
    let content = env.read_file(&path, CA_MAX).map_err(|error| {
        let what = format!("cannot read {}", path.display());
        field.reject(Fault::error(Code::Unreadable, what).saw(error.to_string()))
    })?;
    if content.bytes.len() > CA_MAX {
        let what = "names a file of more than 1 MiB";
        return Err(field.wrongly(Code::Bound, what, "the certificates of a few authorities"));
    }
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content.bytes).collect();
    let usable = |found: &Vec<CertificateDer<'static>>| {
        let mut store = RootCertStore::empty();
        !found.is_empty() && found.iter().all(|one| store.add(one.clone()).is_ok())
    };
    found.ok().filter(usable).ok_or_else(|| {
        let what = "names a file without good certificates";
        let expected =
            "certificates of authorities in PEM, `-----BEGIN CERTIFICATE-----` and so on";
        field.wrongly(Code::WrongValue, what, expected)
    })
}
