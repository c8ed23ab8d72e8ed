//! Where the tokens of services count: their `routes` among the routes, their `networks` beside the trusted proxies.

use http::Method;
use ipnet::IpNet;

use crate::domain::client::Networks;
use crate::domain::routes::{Methods, Route};
use crate::domain::service_token::{NotForServices, Reach, ServiceRoute, ServiceToken};

use crate::config::reader::{Code, Fault, Faulty, Field, Reading, all, quoted};
use crate::config::sections::routes::{RouteLine, RouteLines};
use crate::config::sections::service_tokens::{NetworkItem, Service, Wanted};

/// Puts every service together with the field that it was read from. `proxies` are the trusted ones.
pub(crate) fn bind<'a>(
    read: &[Service<'a>],
    lines: &RouteLines<'_>,
    proxies: &[IpNet],
) -> Reading<Vec<(Field<'a>, ServiceToken)>> {
    all(read.iter().map(|service| bind_one(service, lines, proxies)))
}

fn bind_one<'a>(
    service: &Service<'a>,
    lines: &RouteLines<'_>,
    proxies: &[IpNet],
) -> Reading<(Field<'a>, ServiceToken)> {
    let Service {
        item,
        name,
        tokens,
        routes,
        networks,
    } = service;
    let reach = match routes {
        Some(wanted) => reach(wanted, lines),
        None => Ok(Reach::ServiceRoutes),
    };
    let networks = match networks {
        Some(places) => self::networks(places, proxies),
        None => Ok(Networks::private()),
    };
    let service = ServiceToken::new(name.clone(), tokens.clone(), reach?, networks?);
    Ok((*item, service.ok_or(Faulty)?))
}

fn reach(wanted: &[Wanted<'_>], lines: &RouteLines<'_>) -> Reading<Reach> {
    let found: Reading<Vec<_>> = all(wanted.iter().map(|wanted| listed(wanted, lines)));
    let mut distinct = Ok(());
    for (i, one) in wanted.iter().enumerate() {
        if wanted
            .iter()
            .take(i)
            .any(|other| (&other.path, &other.method) == (&one.path, &one.method))
        {
            let fault = one
                .item
                .wrongly(Code::Contradiction, "stands twice", "each route once");
            distinct = Err(fault);
        }
    }
    distinct?;
    Ok(Reach::These(found?.into_iter().flatten().collect()))
}

/// The routes that one item means: every one with this path, or the one that covers the method.
fn listed(wanted: &Wanted<'_>, lines: &RouteLines<'_>) -> Reading<Vec<ServiceRoute>> {
    let with_path: Vec<_> = lines
        .lines
        .iter()
        .filter(|line| **line.route.pattern.text() == *wanted.path)
        .collect();
    if with_path.is_empty() {
        // Where a route could not be read, it may have been that one.
        if lines.all {
            unknown_path(wanted, lines);
        }
        return Err(Faulty);
    }
    let meant = match &wanted.method {
        None => with_path,
        Some(method) => match covering(&with_path, method) {
            Some(line) => vec![line],
            None => return uncovered(wanted, method, &with_path, lines.all),
        },
    };
    all(meant.iter().map(|line| for_services(wanted, line)))
}

/// Of several routes with one path, the one that names the method goes before the one that names none.
fn covering<'l, 'a>(with_path: &[&'l RouteLine<'a>], method: &Method) -> Option<&'l RouteLine<'a>> {
    let covers = |line: &&&'l RouteLine<'a>| line.route.methods.cover(method);
    let unnamed = |line: &&&'l RouteLine<'a>| matches!(line.route.methods, Methods::Usual);
    with_path.iter().filter(covers).min_by_key(unnamed).copied()
}

fn for_services(wanted: &Wanted<'_>, line: &RouteLine<'_>) -> Reading<ServiceRoute> {
    let error = match ServiceRoute::new(&line.route, wanted.method.clone()) {
        Ok(listed) => return Ok(listed),
        Err(error) => error,
    };
    let name = wanted.item.name;
    let access = quoted(&line.access.str().unwrap_or_default());
    let (what, fix) = match error {
        NotForServices::NoToken => (
            format!("{name} names a route with access {access}, which {error}"),
            "remove it; where other methods of the path are meant, write them: `POST /the/path`",
        ),
        NotForServices::Conditions => (
            format!("{name} names a route that {error}"),
            "give the service a route of its own, or list a method that a route without `require` covers",
        ),
        NotForServices::Answered => (
            format!("{name} names a route that {error}"),
            "remove it, or remove `answer` from the route",
        ),
        NotForServices::Method => (
            format!("{name} names a route that {error}"),
            "name another method",
        ),
    };
    let fault = Fault::error(Code::Route, what).fix(fix);
    Err(wanted.item.reject(match line.place() {
        Some(place) => fault.saw(format!("the route at {place}")),
        None => fault,
    }))
}

fn unknown_path(wanted: &Wanted<'_>, lines: &RouteLines<'_>) {
    let paths = lines.lines.iter().map(|line| &**line.route.pattern.text());
    let what = format!("{} is the `path` of no route", wanted.item.name);
    let (fault, expected) = (
        Fault::error(Code::Route, what),
        "the `path` of a route, to the letter",
    );
    wanted
        .item
        .unknown_word(fault, &wanted.path, paths, expected);
}

fn uncovered<T>(
    wanted: &Wanted<'_>,
    method: &Method,
    with_path: &[&RouteLine<'_>],
    all: bool,
) -> Reading<T> {
    if all {
        let covered = with_path
            .iter()
            .map(|line| methods(&line.route))
            .collect::<Vec<_>>()
            .join(", ");
        let what = format!(
            "no route with the path {} covers {method}",
            quoted(&wanted.path)
        );
        wanted
            .item
            .reject(Fault::error(Code::Route, what).expected(format!("one of {covered}")));
    }
    Err(Faulty)
}

fn methods(route: &Route) -> String {
    let named = match &route.methods {
        Methods::Usual => &Methods::USUAL[..],
        Methods::These(list) => list,
    };
    named
        .iter()
        .map(Method::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

fn networks(places: &[(Field<'_>, NetworkItem)], proxies: &[IpNet]) -> Reading<Networks> {
    let (mut nets, mut unix, mut good) = (vec![], false, Ok(()));
    for (item, place) in places {
        match place {
            NetworkItem::Unix => unix = true,
            // A rule that can never hold: what a trusted proxy sends is not from that proxy.
            NetworkItem::Net(net) if proxies.iter().any(|proxy| proxy.contains(net)) => {
                let what = format!(
                    "{} lies within `trusted_proxies`, so no service can call from there",
                    item.name
                );
                let fix = "let `trusted_proxies` name the proxies alone, and `networks` where the service runs";
                good = Err(item.refuse(Code::Contradiction, what, fix));
            }
            NetworkItem::Net(net) => nets.push(*net),
        }
    }
    good.map(|()| Networks::new(nets, unix))
}
