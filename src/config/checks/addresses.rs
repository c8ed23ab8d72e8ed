//! Addresses that clash: two listeners at one place, or an upstream that is the gate itself.

use std::net::IpAddr;

use crate::config::reader::{Code, Fault, Fields, ReadContext, Reading};
use crate::config::settings::{Address, Upstream, UpstreamAddress};

/// All ends of connections, each right by itself.
pub(crate) struct Ends<'b> {
    pub(crate) listen: &'b [Address],
    pub(crate) admin: &'b Address,
    pub(crate) upstream: &'b Upstream,
}

/// Checks that no two of the addresses are the same.
pub(crate) fn agree<'a>(
    ends: &Ends<'_>,
    root: &mut Fields<'a>,
    cx: ReadContext<'a>,
) -> Reading<()> {
    let Ends {
        listen,
        admin,
        upstream,
    } = *ends;
    let mut agreed = Ok(());
    let mut clash = |key: &'static str, what: String, fix: &str| {
        let fault = Fault::error(Code::Contradiction, what).fix(fix);
        agreed = Err(cx.reject(key, root.opt(key), fault));
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
    agreed
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
