//! `shared:`: the store through which replicas tell each other what they learn.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::reader::{Code, Field, Fields, Reading};
use crate::config::settings::SharedSettings;
use crate::config::values::secret::Secret;
use crate::config::values::url::{Url, UrlError};

const REDIS: &str = "rediss://host:6379, or redis:// for loopback and private addresses; redis://user:password@host:6379/0";
const NAMESPACE: &str = "1 to 64 letters, digits, `-`, `_`, `.` and `:`";
/// Where Redis and Valkey listen.
const PORT: u16 = 6379;

/// Reads this part of the config; `None` when nothing is shared. The path of `ca` is relative to `folder`.
pub(crate) fn shared(root: &mut Fields<'_>, folder: &Path) -> Reading<Option<SharedSettings>> {
    let section = root.opt("shared");
    if !section.is_present() {
        return Ok(None);
    }
    let mut fields = section.fields("the shared store")?;
    // It may have a password in it, so no message repeats it.
    let redis = fields
        .req("redis")
        .hidden()
        .parse(Code::WrongValue, REDIS, store_url);
    let username = fields.maybe("username", |field| {
        field.parse(Code::WrongValue, "a name", name_of_user)
    });
    let password = fields.opt("password").hidden().maybe(Field::secret);
    let ca_at = fields.opt("ca");
    let ca = ca_at.maybe(|field| field.parse(Code::WrongValue, "the path of a PEM file", path));
    let namespace = fields.maybe("namespace", |field| {
        field.parse(Code::WrongValue, NAMESPACE, namespace)
    });
    let log = fields.read_or("log", SharedSettings::LOG, |field| {
        field.u64(100..=10_000_000)
    });
    let spread = fields.duration_or(
        "spread",
        SharedSettings::SPREAD,
        Duration::ZERO..=Duration::from_secs(300),
    );
    let write = fields.bool_or("write", true);
    fields.finish();
    let (place, ca) = (redis?, ca?);
    if ca.is_some() && !place.tls {
        let what = "`ca` has no effect without TLS";
        return Err(ca_at.refuse(
            Code::Contradiction,
            what,
            "`redis: rediss://…`, or remove `ca`",
        ));
    }
    let password = password?.map(Arc::new);
    if password.is_some() && place.password.is_some() {
        let what = "`shared` has two passwords: one in `redis`, one in `password`";
        return Err(section.refuse(Code::Contradiction, what, "remove one of them"));
    }
    Ok(Some(SharedSettings {
        host: place.host,
        port: place.port,
        tls: place.tls,
        database: place.database,
        username: username?.or(place.username),
        password: password.or(place.password),
        ca: ca.map(|ca| folder.join(ca)),
        namespace: namespace?.unwrap_or_else(|| SharedSettings::NAMESPACE.to_owned()),
        log: log?,
        spread: spread?,
        write: write?,
    }))
}

/// The parts of the URL.
struct StoreUrl {
    host: String,
    port: u16,
    tls: bool,
    database: u16,
    username: Option<String>,
    password: Option<Arc<Secret>>,
}

/// Why a text is no place of a store. Completes "`redis` …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum StoreUrlError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("has another scheme than redis and rediss")]
    Scheme,
    #[error(
        "is without TLS; redis:// is for loopback and private addresses only, as whoever listens could let themselves in"
    )]
    Plain,
    #[error("has a path that is no number of a database")]
    Database,
    #[error("has a query")]
    Query,
    #[error("has a user name or password that cannot be decoded")]
    Credentials,
}

fn store_url(text: &str) -> Result<StoreUrl, StoreUrlError> {
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::NoScheme)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (credentials, host) = authority
        .rsplit_once('@')
        .map_or((None, authority), |(own, host)| (Some(own), host));
    let url = Url::outbound(&format!("{scheme}://{host}{tail}"))?;
    let tls = match url.scheme.as_str() {
        "rediss" => true,
        "redis" if url.host.is_internal() => false,
        "redis" => return Err(StoreUrlError::Plain),
        _ => return Err(StoreUrlError::Scheme),
    };
    if !url.query.is_empty() {
        return Err(StoreUrlError::Query);
    }
    let database = match url.path.trim_start_matches('/') {
        "" => 0,
        number => number.parse().map_err(|_| StoreUrlError::Database)?,
    };
    let decoded = |text: &str| {
        let text = percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .map_err(|_| StoreUrlError::Credentials)?;
        Ok::<_, StoreUrlError>((!text.is_empty()).then(|| text.into_owned()))
    };
    let (username, password) = match credentials.map(|own| own.split_once(':').unwrap_or((own, "")))
    {
        Some((user, password)) => (decoded(user)?, decoded(password)?),
        None => (None, None),
    };
    let password = password.map(|password| Arc::new(Secret::from(password)));
    Ok(StoreUrl {
        host: url.host.to_string(),
        port: url.port.unwrap_or(PORT),
        tls,
        database,
        username,
        password,
    })
}

fn name_of_user(text: &str) -> Result<String, &'static str> {
    if text.len() <= 255 {
        Ok(text.to_owned())
    } else {
        Err("is longer than 255 bytes")
    }
}

fn path(text: &str) -> Result<PathBuf, &'static str> {
    if text.contains('\0') {
        Err("has a NUL in it")
    } else {
        Ok(PathBuf::from(text))
    }
}

/// Braces would move the keys to different places of a cluster.
fn namespace(text: &str) -> Result<String, &'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    match text {
        text if text.len() <= 64 && text.bytes().all(plain) => Ok(text.to_owned()),
        _ => Err("is no name of keys"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_store_is_and_with_which_credentials() {
        let all = store_url("rediss://bailiff:p%40ss:w@cache.example:6380/3").unwrap();
        assert_eq!(
            (all.host.as_str(), all.port, all.tls, all.database),
            ("cache.example", 6380, true, 3)
        );
        assert_eq!(all.username.as_deref(), Some("bailiff"));
        assert_eq!(all.password.unwrap().expose(), b"p@ss:w");
        let bare = store_url("redis://127.0.0.1").unwrap();
        assert_eq!(
            (bare.host.as_str(), bare.port, bare.tls, bare.database),
            ("127.0.0.1", PORT, false, 0)
        );
        assert!(bare.username.is_none() && bare.password.is_none());
        let password_alone = store_url("redis://:secret@[::1]:7000").unwrap();
        assert!(password_alone.username.is_none() && password_alone.password.is_some());
    }

    #[test]
    fn nobody_on_the_way_may_read_along_or_write_along() {
        for (text, expected) in [
            ("redis://cache.example:6379", StoreUrlError::Plain),
            ("redis://8.8.8.8", StoreUrlError::Plain),
            ("redis://127.0.0.1@cache.example", StoreUrlError::Plain),
            ("http://127.0.0.1", StoreUrlError::Scheme),
            ("127.0.0.1:6379", StoreUrlError::Url(UrlError::NoScheme)),
            ("rediss://cache.example/zero", StoreUrlError::Database),
            (
                "rediss://cache.example/0?protocol=resp3",
                StoreUrlError::Query,
            ),
            ("rediss://%ff:x@cache.example", StoreUrlError::Credentials),
            (
                "rediss://169.254.169.254",
                StoreUrlError::Url(UrlError::Metadata),
            ),
        ] {
            assert_eq!(
                store_url(text).map(|place| place.host),
                Err(expected),
                "{text}"
            );
        }
    }
}
