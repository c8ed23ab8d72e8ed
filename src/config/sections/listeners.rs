//! `listen:` and `admin:`: where requests come in, and where the gate itself is asked.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::domain::authority;

use crate::config::reader::{Code, Fault, Field, ReadContext, Reading, Shape};
use crate::config::settings::{Address, AdminToken};

use super::tokens;

const LISTEN: &str = "an IP address and a port such as 0.0.0.0:8484, or unix:/path/of/socket";

/// Reads where requests come in.
pub(crate) fn listen<'a>(file: Field<'a>, cx: ReadContext<'a>) -> Reading<Vec<Address>> {
    let places = cx.places("listen", file);
    if places.iter().any(|field| field.is_present()) {
        return ReadContext::first(&places, |field| Field::each(field.one_or_more(), listener));
    }
    let port = cx.variable("PORT").read_or(8484, |port| {
        port.parse(Code::WrongValue, "a number from 1 to 65535", |text| {
            authority::parse_port(text).map_err(|_| "is not a port")
        })
    })?;
    Ok(vec![Address::Tcp((Ipv4Addr::UNSPECIFIED, port).into())])
}

fn listener(field: Field<'_>) -> Reading<Address> {
    if field.shape() == Some(Shape::Map) {
        let fault = Fault::error(
            Code::WrongValue,
            "TLS listeners are not part of this version",
        );
        let fix = "terminate TLS in front of bailiff: at the load balancer, ingress or mesh";
        return Err(field.reject(fault.expected(LISTEN).fix(fix)));
    }
    field.parse(Code::WrongValue, LISTEN, address)
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

/// The path of a Unix socket.
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

/// Reads `admin:`.
pub(crate) fn admin<'a>(file: Field<'a>, cx: ReadContext<'a>) -> Reading<AdminListener> {
    let (mut written, mut hosts) = (file, Ok(vec![]));
    let mut token = cx.variable("BAILIFF_ADMIN_TOKEN");
    if file.shape() == Some(Shape::Map) {
        let mut fields = file.fields("the admin listener")?;
        written = fields.opt("address");
        let names = fields.opt("hosts");
        let own = fields.opt("token");
        token = if token.is_present() { token } else { own };
        hosts = names.read_or(vec![], |names| Field::each(names.one_or_more(), host));
        fields.finish();
    }
    let places = cx.places("admin", written);
    let address = if places.iter().any(|field| field.is_present()) {
        ReadContext::first(&places, listener)
    } else {
        Ok(Address::Tcp((Ipv4Addr::LOCALHOST, 8485).into()))
    };
    let tokens = token.read_or(vec![], |field| tokens::several(field, admin_token));
    Ok(AdminListener {
        address: address?,
        hosts: hosts?,
        tokens: tokens?,
    })
}

fn admin_token(field: Field<'_>) -> Reading<AdminToken> {
    Ok(AdminToken {
        hash: tokens::token(field)?,
        shown: Arc::new(field.secret()?),
    })
}

fn host(field: Field<'_>) -> Reading<String> {
    let name = |text: &str| {
        if authority::is_dns_name(text) {
            Ok(text.to_owned())
        } else {
            Err("is not a host name")
        }
    };
    field.parse(
        Code::WrongValue,
        "a name in lower case without scheme and port, such as bailiff.monitoring",
        name,
    )
}
