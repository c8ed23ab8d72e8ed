//! The address of a database. It has a password in it, so no message repeats it, and the server has to prove who it is.

use std::time::Duration;

use thiserror::Error;
use tokio_postgres::Config;
use tokio_postgres::config::{Host as Place, SslMode};

use crate::domain::authority::Host;

pub(crate) const EXPECTED: &str = "postgres://user:password@host:5432/database, with `?sslmode=require` or `?sslmode=disable`; \
                                   what is no letter or digit in the password is written as %XX";

/// For the server to accept a connection and to greet.
const CONNECT: Duration = Duration::from_secs(5);
/// A peer that is gone without a word is noticed after a minute: 30 s, then three times 10 s.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);
/// So long may sent bytes stay without an answer of the peer's kernel.
const UNANSWERED: Duration = Duration::from_secs(30);

/// Why a text is no address of a database. Completes "`url` …" and never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum DatabaseError {
    #[error("does not begin with postgres:// or postgresql://")]
    Scheme,
    #[error("is no address of a database, or has a parameter that is not known here")]
    Form,
    #[error("has no valid host")]
    Host,
    #[error("names no user")]
    User,
    #[error("names no database")]
    Database,
    #[error("points to an address at which clouds hand out credentials")]
    Metadata,
    #[error("has `hostaddr`: write the address as the host")]
    Address,
    #[error(
        "has an `sslmode` that is neither require, verify-full nor disable: whoever stands in between chooses with the others"
    )]
    Sslmode,
}

/// Reads the address, and decides about TLS: without a word of the address there is none on this machine and in private networks,
/// by address, and everywhere else there is. With TLS the certificate must be good for the host, as with libpq's `verify-full`.
pub(crate) fn database(text: &str) -> Result<Config, DatabaseError> {
    use DatabaseError as E;
    if !["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
    {
        return Err(E::Scheme);
    }
    let (rest, sslmode) = without_sslmode(text)?;
    let mut config: Config = rest.parse().map_err(|_| E::Form)?;
    if config.get_ssl_mode() != SslMode::Prefer {
        // Some other spelling of the parameter: fail closed.
        return Err(E::Sslmode);
    }
    if !config.get_hostaddrs().is_empty() {
        return Err(E::Address);
    }
    if config.get_user().is_none_or(str::is_empty) {
        return Err(E::User);
    }
    if config.get_dbname().is_none_or(str::is_empty) {
        return Err(E::Database);
    }
    if config.get_hosts().is_empty() {
        return Err(E::Host);
    }
    let mut near = true;
    for place in config.get_hosts() {
        let Place::Tcp(name) = place else { continue };
        // It is printed, so it must not be a part of a password with an `@` in it.
        let host = Host::parse(name).map_err(|_| E::Host)?;
        if !host.is_unambiguous() {
            return Err(E::Host);
        }
        if host.is_metadata() {
            return Err(E::Metadata);
        }
        near &= host.is_internal();
    }
    let tls = sslmode.unwrap_or(!near)
        && config
            .get_hosts()
            .iter()
            .any(|place| matches!(place, Place::Tcp(_)));
    config.ssl_mode(if tls {
        SslMode::Require
    } else {
        SslMode::Disable
    });
    if config.get_application_name().is_none() {
        config.application_name("bailiff");
    }
    let (idle, between, times) = KEEPALIVE;
    config.connect_timeout(CONNECT).tcp_user_timeout(UNANSWERED);
    config
        .keepalives(true)
        .keepalives_idle(idle)
        .keepalives_interval(between)
        .keepalives_retries(times);
    Ok(config)
}

/// Takes `sslmode` out, as the driver has other words for it. `Some(true)` for TLS.
fn without_sslmode(text: &str) -> Result<(String, Option<bool>), DatabaseError> {
    let host = text.find('@').unwrap_or(0);
    let Some(at) = text
        .get(host..)
        .and_then(|rest| rest.find('?'))
        .map(|at| host + at)
    else {
        return Ok((text.to_owned(), None));
    };
    let (before, query) = text.split_at(at);
    let mut tls = None;
    let mut others = Vec::new();
    for one in query
        .trim_start_matches('?')
        .split('&')
        .filter(|one| !one.is_empty())
    {
        let wanted = match one.strip_prefix("sslmode=") {
            None => {
                others.push(one);
                continue;
            }
            Some("require" | "verify-full") => true,
            Some("disable") => false,
            Some(_) => return Err(DatabaseError::Sslmode),
        };
        if tls.replace(wanted).is_some_and(|before| before != wanted) {
            return Err(DatabaseError::Sslmode);
        }
    }
    let others = others.join("&");
    let mark = if others.is_empty() { "" } else { "?" };
    Ok((format!("{before}{mark}{others}"), tls))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::postgres::{PostgresMode, PostgresSource};

    fn source(text: &str) -> PostgresSource {
        PostgresSource {
            connect: database(text).unwrap_or_else(|why| panic!("{text}: {why}")),
            authorities: None,
            users: String::new(),
            members: None,
            mode: PostgresMode::Lookup {
                ttl: Duration::ZERO,
                negative_ttl: Duration::ZERO,
            },
        }
    }

    #[test]
    fn without_tls_nothing_is_sent_to_a_place_that_is_not_near_unless_it_is_said() {
        for (given, expected) in [
            ("postgres://u:p@db.example.com/app", true),
            ("postgresql://u:p@db/app", true),
            ("postgres://u:p@8.8.8.8/app", true),
            ("postgres://u:p@db.example.com/app?sslmode=disable", false),
            (
                "postgres://u:p@db.example.com/app?sslmode=verify-full&application_name=x",
                true,
            ),
            ("postgres://u:p@127.0.0.1/app", false),
            ("postgres://u:p@localhost:5433/app", false),
            ("postgres://u:p@[::1]/app", false),
            ("postgres://u:p@10.1.2.3/app", false),
            ("postgres://u:p@10.1.2.3/app?sslmode=require", true),
            ("postgres://u@%2Frun%2Fpostgresql/app", false),
            ("postgres://u@/app?host=/run/postgresql", false),
            (
                "postgres://u@/app?host=/run/postgresql&sslmode=require",
                false,
            ),
            ("postgres://u:p@10.1.2.3,db.example.com/app", true),
            ("postgres://u:p@127.0.0.1/app?host=db.example.com", true),
        ] {
            assert_eq!(source(given).has_tls(), expected, "given: {given}");
        }
    }

    #[test]
    fn a_wrong_address_is_refused_by_what_is_wrong_and_not_repeated() {
        use DatabaseError as E;
        for (given, expected) in [
            ("host=/run user=u dbname=d", E::Scheme),
            ("postgresql+asyncpg://u:p@h/d", E::Scheme),
            ("", E::Scheme),
            ("postgres://u:p@h/d?sslmode=prefer", E::Sslmode),
            ("postgres://u:p@h/d?sslmode=allow", E::Sslmode),
            ("postgres://u:p@h/d?sslmode=", E::Sslmode),
            (
                "postgres://u:p@h/d?sslmode=require&sslmode=disable",
                E::Sslmode,
            ),
            ("postgres://u:p@h/d?%73slmode=disable", E::Sslmode),
            ("postgres://u:p@h/d?sslrootcert=x", E::Form),
            ("postgres://u:p@h:no/d", E::Form),
            ("postgres://u:p@ss@h/d", E::Host),
            ("postgres://u:p@0x7f.1/d", E::Host),
            ("postgres://u:p@/d", E::Host),
            ("postgres://h/d", E::User),
            ("postgres://u:p@h", E::Database),
            ("postgres://u:p@169.254.169.254/d", E::Metadata),
            ("postgres://u:p@10.0.0.1/d?hostaddr=8.8.8.8", E::Address),
        ] {
            assert_eq!(database(given), Err(expected), "given: {given}");
        }
    }

    #[test]
    fn people_see_where_the_database_is_and_never_who_opens_it_with_what() {
        for (given, expected) in [
            (
                "postgres://me:hunter2@db.example.com/app",
                "PostgreSQL at db.example.com:5432/app",
            ),
            (
                "postgres://me:hunter2@[::1]:5433/app",
                "PostgreSQL at [::1]:5433/app",
            ),
            (
                "postgres://me:hunter2@a:1,b:2/app",
                "PostgreSQL at a:1,b:2/app",
            ),
            (
                "postgres://me@%2Frun%2Fpostgresql/app",
                "PostgreSQL at /run/postgresql/app",
            ),
        ] {
            assert_eq!(source(given).to_string(), expected);
        }
        let config =
            database("postgres://me:hunter2@db.example.com/app?options=-c%20x%3Dy").unwrap();
        assert_eq!(config.get_password(), Some(&b"hunter2"[..]));
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    }
}
