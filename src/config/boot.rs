//! What is fixed while the process runs: addresses, threads, connections, times.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::faults::{Code, Fault};
use super::outside::Run;
use super::reader::{Field, Fields, Shape};
use super::services;
use super::settings::{Address, AdminToken, Boot, Shutdown, Timeouts, Upstream, UpstreamAddress};
use super::shared;
use super::url::{self, Host, Url, UrlError};

const LISTEN: &str = "an IP address and a port such as 0.0.0.0:8484, or unix:/path/of/socket";
const UPSTREAM: &str = "http://host:port, h2c://host:port or unix:/path/of/socket";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads this part of the config. The path of the store is relative to `folder`, where the config is.
pub(super) fn boot<'a>(root: &mut Fields<'a>, folder: &Path, run: Run<'a>) -> Option<Boot> {
    let listen = listen(root.opt("listen"), run);
    let admin = admin(root.opt("admin"), run);
    let upstream = upstream(root.opt("upstream"), run);
    let threads = root
        .opt("threads")
        .maybe(|threads| usize::try_from(threads.u64(1..=1024)?).ok());
    let connections = root
        .opt("max_connections")
        .maybe(|most| usize::try_from(most.u64(1..=1_000_000)?).ok());
    let timeouts = timeouts(root.opt("timeouts"));
    let shutdown = shutdown(root.opt("shutdown"));
    let store = store(root.opt("store"), run);
    let shared = shared::shared(root, folder);
    if let (Some(listen), Some(admin), Some(upstream)) = (&listen, &admin, &upstream) {
        agree(
            &Ends {
                listen,
                admin: &admin.address,
                upstream,
            },
            root,
            run,
        )?;
    }
    let admin = admin?;
    Some(Boot {
        listen: listen?,
        admin: admin.address,
        admin_hosts: admin.hosts,
        admin_tokens: admin.tokens,
        upstream: upstream?,
        threads: threads?,
        max_connections: connections?.unwrap_or(Boot::MAX_CONNECTIONS),
        timeouts: timeouts?,
        shutdown: shutdown?,
        store: store?.map(|path| folder.join(path)),
        shared: shared?,
    })
}

/// All ends of connections, each right by itself.
struct Ends<'b> {
    listen: &'b [Address],
    admin: &'b Address,
    upstream: &'b Upstream,
}

/// Checks that no two of the addresses are the same.
fn agree<'a>(ends: &Ends<'_>, root: &mut Fields<'a>, run: Run<'a>) -> Option<()> {
    let Ends {
        listen,
        admin,
        upstream,
    } = *ends;
    let mut good = true;
    let mut clash = |key: &'static str, what: String, fix: &str| {
        let fault = Fault::error(Code::Contradiction, what).fix(fix);
        match run
            .places(key, root.opt(key))
            .into_iter()
            .find(|field| field.is_present())
        {
            Some(field) => field.reject(fault),
            None => run.push(fault),
        }
        good = false;
    };
    if let Some(own) = listen
        .iter()
        .chain([admin])
        .find(|own| reaches(upstream, own))
    {
        let what = format!(
            "`upstream` {upstream} is bailiff's own address {own}: requests would go in circles"
        );
        clash(
            "upstream",
            what,
            "let the app listen on another port, and name that one",
        );
    }
    if listen.iter().any(|listen| same_listener(listen, admin)) {
        clash(
            "admin",
            format!("`admin` and `listen` are both {admin}"),
            "give them two ports",
        );
    }
    let twice = |(i, a): &(usize, &Address)| listen.iter().take(*i).any(|b| same_listener(a, b));
    if let Some((_, twice)) = listen.iter().enumerate().find(twice) {
        let what =
            format!("`listen` names {twice} twice, or once by itself and once among all addresses");
        clash("listen", what, "remove one of them");
    }
    good.then_some(())
}

/// Whether a connection to `upstream` ends at the listener `own`.
fn reaches(upstream: &Upstream, own: &Address) -> bool {
    match (&upstream.address, own) {
        (UpstreamAddress::Unix(a), Address::Unix(b)) => a == b,
        (UpstreamAddress::Tcp { host, port }, Address::Tcp(own)) if *port == own.port() => {
            let address: Option<IpAddr> = host.parse().ok();
            let local = host == "localhost" || address.is_some_and(|ip| ip.is_loopback());
            address == Some(own.ip())
                || (local
                    && (own.ip().is_unspecified() || host == "localhost" && own.ip().is_loopback()))
        }
        _ => false,
    }
}

fn same_listener(a: &Address, b: &Address) -> bool {
    match (a, b) {
        (Address::Tcp(a), Address::Tcp(b)) => {
            let all =
                a.is_ipv4() == b.is_ipv4() && (a.ip().is_unspecified() || b.ip().is_unspecified());
            // Port 0 is another free port each time.
            a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || all)
        }
        (a, b) => a == b,
    }
}

fn listen<'a>(file: Field<'a>, run: Run<'a>) -> Option<Vec<Address>> {
    let places = run.places("listen", file);
    if places.iter().any(|field| field.is_present()) {
        return Run::first(&places, |field| Field::each(field.one_or_more(), listener));
    }
    let port = run.outside("PORT");
    let number = if port.is_present() {
        port.told(Code::WrongValue, "a number from 1 to 65535", |text| {
            url::parse_port(text).map_err(|_| "is not a port")
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
enum AddressError {
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
        Some((host, _)) if url::is_name(host) => Err(AddressError::Name),
        None if text.bytes().all(|b| b.is_ascii_digit()) => Err(AddressError::NoAddress),
        _ => Err(AddressError::Form),
    }
}

fn socket(path: &str) -> Result<PathBuf, AddressError> {
    match path {
        path if !Path::new(path).is_absolute() => Err(AddressError::Relative),
        path if path.len() > 107 => Err(AddressError::TooLong),
        path => Ok(PathBuf::from(path)),
    }
}

/// The admin listener, the names under which it may be addressed, and the tokens of those who may change things there.
struct AdminListener {
    address: Address,
    hosts: Vec<String>,
    tokens: Vec<AdminToken>,
}

fn admin<'a>(file: Field<'a>, run: Run<'a>) -> Option<AdminListener> {
    let (mut written, mut hosts, mut token) =
        (file, Some(vec![]), run.outside("BAILIFF_ADMIN_TOKEN"));
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
    let places = run.places("admin", written);
    let address = if places.iter().any(|field| field.is_present()) {
        Run::first(&places, listener)
    } else {
        Some(Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 8485))))
    };
    let tokens = token.maybe(|field| services::several(field, admin_token));
    Some(AdminListener {
        address: address?,
        hosts: hosts?,
        tokens: tokens?.unwrap_or_default(),
    })
}

fn admin_token(field: Field<'_>) -> Option<AdminToken> {
    Some(AdminToken {
        hash: services::token(field)?,
        shown: Arc::new(field.secret()?),
    })
}

fn host(field: Field<'_>) -> Option<String> {
    let name = |text: &str| {
        if url::is_name(text) {
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

fn upstream<'a>(file: Field<'a>, run: Run<'a>) -> Option<Upstream> {
    let places = run.places("upstream", file);
    if !places.iter().any(|field| field.is_present()) {
        let fault = Fault::error(
            Code::MissingKey,
            "no upstream: nobody said where the app is",
        );
        run.push(fault.fix(
            "`upstream: http://127.0.0.1:3000` in the config, BAILIFF_UPSTREAM, or --upstream",
        ));
        return None;
    }
    Run::first(&places, |field| {
        field.told(Code::WrongValue, UPSTREAM, parse_upstream)
    })
}

/// Why a text is no upstream. Completes "`upstream` …".
#[derive(Debug, Error)]
enum UpstreamError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error(transparent)]
    Socket(#[from] AddressError),
    #[error("has the scheme `https`, and TLS to the upstream is not part of this version")]
    Tls,
    #[error("has an unknown scheme")]
    Scheme,
    #[error("has a path or query; the path of each request is passed on as it is")]
    Path,
}

fn parse_upstream(text: &str) -> Result<Upstream, UpstreamError> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Upstream {
            address: UpstreamAddress::Unix(socket(path)?),
            h2c: false,
        });
    }
    let url = Url::outbound(text)?;
    let h2c = match url.scheme.as_str() {
        "http" => false,
        "h2c" => true,
        "https" => return Err(UpstreamError::Tls),
        _ => return Err(UpstreamError::Scheme),
    };
    // A lone slash at the end says nothing, and people paste it.
    if !matches!(url.path.as_str(), "" | "/") || !url.query.is_empty() {
        return Err(UpstreamError::Path);
    }
    let host = match &url.host {
        Host::Name(name) => name.clone(),
        Host::Address(address) => address.to_string(),
    };
    Ok(Upstream {
        address: UpstreamAddress::Tcp {
            host,
            port: url.port.unwrap_or(80),
        },
        h2c,
    })
}

fn timeouts(field: Field<'_>) -> Option<Timeouts> {
    let default = Timeouts::default();
    if !field.is_present() {
        return Some(default);
    }
    let mut fields = field.fields("the timeouts")?;
    let (tenth, second, minute) = (
        Duration::from_millis(100),
        Duration::from_secs(1),
        Duration::from_secs(60),
    );
    let connect = fields
        .opt("connect")
        .duration_or(default.connect, tenth..=minute);
    let read = fields.opt("read").duration_or(default.read, second..=DAY);
    let write = fields.opt("write").duration_or(default.write, second..=DAY);
    let upstream_idle = fields
        .opt("upstream_idle")
        .duration_or(default.upstream_idle, Duration::ZERO..=60 * minute);
    let client = fields
        .opt("client")
        .duration_or(default.client, second..=60 * minute);
    let webhook_body = fields
        .opt("webhook_body")
        .duration_or(default.webhook_body, second..=minute);
    fields.finish();
    Some(Timeouts {
        connect: connect?,
        read: read?,
        write: write?,
        upstream_idle: upstream_idle?,
        client: client?,
        webhook_body: webhook_body?,
    })
}

fn shutdown(field: Field<'_>) -> Option<Shutdown> {
    let default = Shutdown::default();
    if !field.is_present() {
        return Some(default);
    }
    let mut fields = field.fields("the shutdown")?;
    let longest = Duration::from_secs(600);
    let delay = fields
        .opt("delay")
        .duration_or(default.delay, Duration::ZERO..=longest);
    let drain = fields
        .opt("drain")
        .duration_or(default.drain, Duration::ZERO..=longest);
    fields.finish();
    Some(Shutdown {
        delay: delay?,
        drain: drain?,
    })
}

/// Where the store is, if there is one.
fn store<'a>(file: Field<'a>, run: Run<'a>) -> Option<Option<PathBuf>> {
    let places = [run.outside("BAILIFF_STORE"), file];
    if !places.iter().any(|field| field.is_present()) {
        return Some(None);
    }
    Run::first(&places, |field| {
        field.told(Code::WrongValue, "the path of a file", path_of_store)
    })
    .map(Some)
}

/// The errors complete "`store` …". Whether the file is there, and is a store, is for who opens it.
fn path_of_store(text: &str) -> Result<PathBuf, &'static str> {
    match text {
        text if text.contains('\0') => Err("has a NUL in it"),
        text if text.ends_with('/') => Err("is the path of a folder"),
        text if text.len() > 4095 => Err("is a path longer than the 4095 bytes that one can have"),
        text => Ok(PathBuf::from(text)),
    }
}
