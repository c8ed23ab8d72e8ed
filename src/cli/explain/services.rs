//! Advice on tokens of services: the routes and the networks in which they count.

use super::advice::Evidence;
use super::facts::Facts;
use crate::config::faults::quoted;
use crate::domain::Rejection;
use crate::domain::client::{Client, forwarding_header};
use crate::domain::routes::Access;
use crate::domain::service_token::ServiceToken;

/// Cause and cure, where the reason is about a service.
pub(super) fn evidence(reason: Rejection, facts: &Facts<'_>) -> Option<Evidence> {
    match reason {
        Rejection::UnknownService => Some((unknown(facts), None)),
        Rejection::ServiceRoute => Some(route(facts, service(facts)?)),
        Rejection::ServiceNetwork => Some(network(facts, service(facts)?)),
        Rejection::UndeclaredProxy => Some((proxy(facts), None)),
        _ => None,
    }
}

fn service<'f>(facts: &Facts<'f>) -> Option<&'f ServiceToken> {
    let name = facts.who.service.as_ref()?;
    facts
        .snapshot
        .rules
        .services
        .iter()
        .find(|service| service.name() == name)
}

fn unknown(facts: &Facts<'_>) -> String {
    let names: Vec<_> = facts
        .snapshot
        .rules
        .services
        .iter()
        .map(|service| quoted(service.name().as_str()))
        .collect();
    match names.as_slice() {
        [] => "there are no services, so no token can be one's".to_owned(),
        _ => format!("the token is none of those of {}", names.join(", ")),
    }
}

fn route(facts: &Facts<'_>, service: &ServiceToken) -> Evidence {
    let name = quoted(service.name().as_str());
    let cause = format!("the service {name} may use {}", service.reach());
    let fix = match facts.route {
        Some(route) if !route.require.is_empty() => {
            "`require` is about users, so this route can be no service's: give the service a route of its own"
                .to_owned()
        }
        Some(route) => {
            let also = match route.access {
                Access::Service => "",
                _ => "; without that key a service may use the routes with `access: service`, and no other",
            };
            format!("add `{}` to the `routes` of {name}{also}", route.pattern.text())
        }
        None => format!("add the route to the `routes` of {name}"),
    };
    (cause, Some(fix))
}

fn network(facts: &Facts<'_>, service: &ServiceToken) -> Evidence {
    let name = quoted(service.name().as_str());
    let rules = &facts.snapshot.rules;
    let from = |from: String| {
        format!(
            "{from}, and the service {name} may call from {}",
            service.networks()
        )
    };
    let (cause, fix) = match (Client::of(facts.peer, facts.headers, &rules.trusted_proxies), facts.peer) {
        (Client::Untold, Some(peer)) => (
            format!("{peer} is in `trusted_proxies`, and its X-Forwarded-For does not say whose request it forwards"),
            "let the proxy set X-Forwarded-For; if no proxy has this address, narrow `trusted_proxies`".to_owned(),
        ),
        (Client::At(address), _) => (
            from(format!("the request comes from {address}")),
            format!("say with --from where the service runs; if it runs at {address}, add that to its `networks`"),
        ),
        _ => (
            from("the request comes over a Unix socket, which has no address".to_owned()),
            format!("add `unix` to the `networks` of {name}, if nobody but services can open the socket"),
        ),
    };
    (cause, Some(fix))
}

fn proxy(facts: &Facts<'_>) -> String {
    let header = forwarding_header(facts.headers)
        .map_or_else(|| "a forwarding header".to_owned(), ToString::to_string);
    let trusted = facts.snapshot.rules.trusts(facts.peer);
    let peer = facts.peer.map_or_else(
        || "the Unix socket".to_owned(),
        |peer| peer.to_canonical().to_string(),
    );
    if trusted {
        format!(
            "{peer} is in `trusted_proxies`, and the last other address in its X-Forwarded-For forwarded the request too"
        )
    } else {
        format!(
            "{peer} is not in `trusted_proxies`, and {header} says that the request was forwarded: for whom, nobody can tell"
        )
    }
}
