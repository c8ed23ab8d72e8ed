//! What is fixed while the process runs: addresses, threads, connections, times.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::domain::authority;

use crate::config::document::faults::{Code, Fault};
use crate::config::reader::environment::ReadContext;
use crate::config::reader::{Field, Shape};
use crate::config::settings::{Address, AdminToken};

use super::tokens;

const LISTEN: &str = "an IP address and a port such as 0.0.0.0:8484, or unix:/path/of/socket";

pub(crate) fn listen<'a>(file: Field<'a>, cx: ReadContext<'a>) -> Option<Vec<Address>> {
    let places = cx.places("listen", file);
    if places.iter().any(|field| field.is_present()) {
        return ReadContext::first(&places, |field| Field::each(field.one_or_more(), listener));
    }
    let port = cx.variable("PORT");
    let number = if port.is_present() {
        port.told(Code::WrongValue, "a number from 1 to 65535", |text| {
            authority::parse_port(text).map_err(|_| "is not a port")
        })?
    } else {
        8484
    };
    Some(vec![Address::Tcp(SocketAddr::from((
        Ipv4Addr::UNSPECIFIED,
        number,
    )))])
}

fn listener(field: Field<'_>) -> Option<Address> {
    if field.shape() == Some(Shape::Map) {
        let fault = Fault::error(
            Code::WrongValue,
            "TLS listeners are not part of this version",
        );
        field.reject(
            fault
                .expected(LISTEN)
                .fix("terminate TLS in front of bailiff: at the load balancer, ingress or mesh"),
        );
        return None;
    }
    field.told(Code::WrongValue, LISTEN, address)
}

/// Why a text is no local address. Completes "`listen` …".
#[derive(Debug, Error)]
pub(super) enum AddressError {
    #[error("is not an address")]
    Form,
    #[error("has no IP address before its port")]
    NoAddress,
    #[error(
        "has a name before its port; a listener needs an IP address (127.0.0.1 for `localhost`)"
    )]
    Name,
    #[error("has no port")]
    NoPort,
    #[error("is not an absolute path after `unix:`")]
    Relative,
    #[error("is a path longer than the 107 bytes that a Unix socket can have")]
    TooLong,
}

fn address(text: &str) -> Result<Address, AddressError> {
    if let Some(path) = text.strip_prefix("unix:") {
        return socket(path).map(Address::Unix);
    }
    if let Ok(address) = text.parse() {
        return Ok(Address::Tcp(address));
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err(AddressError::NoPort);
    }
    match text.rsplit_once(':') {
        Some(("" | "*", _)) => Err(AddressError::NoAddress),
        Some((host, _)) if authority::is_dns_name(host) => Err(AddressError::Name),
        None if text.bytes().all(|b| b.is_ascii_digit()) => Err(AddressError::NoAddress),
        _ => Err(AddressError::Form),
    }
}

pub(super) fn socket(path: &str) -> Result<PathBuf, AddressError> {
    match path {
        path if !Path::new(path).is_absolute() => Err(AddressError::Relative),
        path if path.len() > 107 => Err(AddressError::TooLong),
        path => Ok(PathBuf::from(path)),
    }
}

/// The admin listener, the names under which it may be addressed, and the tokens of those who may change things there.
pub(crate) struct AdminListener {
    pub(crate) address: Address,
    pub(crate) hosts: Vec<String>,
    pub(crate) tokens: Vec<AdminToken>,
}

pub(crate) fn admin<'a>(file: Field<'a>, cx: ReadContext<'a>) -> Option<AdminListener> {
    let (mut written, mut hosts, mut token) =
        (file, Some(vec![]), cx.variable("BAILIFF_ADMIN_TOKEN"));
    if file.shape() == Some(Shape::Map) {
        let mut fields = file.fields("the admin listener")?;
        written = fields.opt("address");
        let names = fields.opt("hosts");
        let own = fields.opt("token");
        token = if token.is_present() { token } else { own };
        hosts = if names.is_present() {
            Field::each(names.one_or_more(), host)
        } else {
            hosts
        };
        fields.finish();
    }
    let places = cx.places("admin", written);
    let address = if places.iter().any(|field| field.is_present()) {
        ReadContext::first(&places, listener)
    } else {
        Some(Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 8485))))
    };
    let tokens = token.maybe(|field| tokens::several(field, admin_token));
    Some(AdminListener {
        address: address?,
        hosts: hosts?,
        tokens: tokens?.unwrap_or_default(),
    })
}

fn admin_token(field: Field<'_>) -> Option<AdminToken> {
    Some(AdminToken {
        hash: tokens::token(field)?,
        shown: Arc::new(field.secret()?),
    })
}

fn host(field: Field<'_>) -> Option<String> {
    let name = |text: &str| {
        if authority::is_dns_name(text) {
            Ok(text.to_owned())
        } else {
            Err("is not a host name")
        }
    };
    field.told(
        Code::WrongValue,
        "a name in lower case without scheme and port, such as bailiff.monitoring",
        name,
    )
}
