//! `service_tokens:`: callers that are no people, each with its tokens. Where they count is put together in
//! `checks`, once the routes are known.

use http::Method;
use ipnet::IpNet;

use crate::domain::ids::ServiceName;
use crate::domain::service_token::{MAX_SERVICES, TokenHash};

use crate::config::reader::{Code, Fault, Faulty, Field, Fields, ReadContext, Reading, quoted};

use super::routes::KNOWN_METHODS;
use super::tokens::{several, sha256, token};
use super::trusted_proxies::network;

/// Most items of `routes` and of `networks`.
const MAX_ITEMS: usize = 256;

/// A service as it is written.
pub(crate) struct Service<'a> {
    pub(crate) item: Field<'a>,
    pub(crate) name: ServiceName,
    pub(crate) tokens: Vec<TokenHash>,
    /// `None`: every route with `access: service`.
    pub(crate) routes: Option<Vec<Wanted<'a>>>,
    /// `None`: private networks.
    pub(crate) networks: Option<Vec<(Field<'a>, NetworkItem)>>,
}

/// An item of `routes`.
pub(crate) struct Wanted<'a> {
    pub(crate) item: Field<'a>,
    pub(crate) path: String,
    pub(crate) method: Option<Method>,
}

/// An item of `networks`.
#[derive(Clone, Copy)]
pub(crate) enum NetworkItem {
    Net(IpNet),
    Unix,
}

/// Reads the services and their tokens.
pub(crate) fn services<'a>(
    root: &mut Fields<'a>,
    cx: ReadContext<'a>,
) -> Reading<Vec<Service<'a>>> {
    let field = root.opt("service_tokens");
    let outer = cx.variable("SERVICE_AUTH_TOKEN");
    if !field.is_present() {
        let Some(token) = outer.maybe(token)? else {
            return Ok(vec![]);
        };
        let name = ServiceName::parse("service").map_err(|_| Faulty)?;
        return Ok(vec![Service {
            item: outer,
            name,
            tokens: vec![token],
            routes: None,
            networks: None,
        }]);
    }
    let items = field.nonempty_list()?;
    if items.len() > MAX_SERVICES {
        let most = format!("at most {MAX_SERVICES}");
        return Err(field.wrongly(Code::Bound, "names too many services", &most));
    }
    let services = distinct(Field::each(Ok(items), service)?)?;
    if outer
        .hidden()
        .str()
        .is_ok_and(|text| !known(&services, &text))
    {
        let what = format!(
            "{} has no effect, because the config sets {}",
            outer.name, field.name
        );
        let fix = "add `{name: service, token: \"${SERVICE_AUTH_TOKEN}\"}`, or unset it";
        field.warn(Code::Contradiction, what, fix);
    }
    Ok(services)
}

fn known(services: &[Service<'_>], token: &str) -> bool {
    let hash = TokenHash::of(token.as_bytes());
    hash.is_some_and(|hash| {
        services
            .iter()
            .flat_map(|service| &service.tokens)
            .any(|other| other.same(&hash))
    })
}

fn service(item: Field<'_>) -> Reading<Service<'_>> {
    let mut fields = item.fields("a service")?;
    let name = fields.req("name").parse(
        Code::WrongValue,
        "visible ASCII without , ; \" \\",
        ServiceName::parse,
    );
    let (written, hash) = (fields.opt("token"), fields.opt("sha256"));
    let tokens = match (written.is_present(), hash.is_present()) {
        (true, false) => several(written, token),
        (false, true) => several(hash, sha256),
        (both, _) => {
            let what = if both {
                "a service with both `token` and `sha256`"
            } else {
                "a service without a token"
            };
            let fault = Fault::error(Code::MissingKey, what);
            Err(fields.reject(fault.expected("one of `token` and `sha256`")))
        }
    };
    let routes = fields.maybe("routes", |field| Field::each(bounded(field), wanted));
    let networks = fields.maybe("networks", |field| Field::each(bounded(field), place));
    fields.finish();
    Ok(Service {
        item,
        name: name?,
        tokens: tokens?,
        routes: routes?,
        networks: networks?,
    })
}

fn bounded(field: Field<'_>) -> Reading<Vec<Field<'_>>> {
    let items = field.one_or_more()?;
    if items.len() > MAX_ITEMS {
        let most = format!("at most {MAX_ITEMS}");
        return Err(field.wrongly(Code::Bound, "has too many items", &most));
    }
    Ok(items)
}

/// `PATH` or `METHOD PATH`.
fn wanted(item: Field<'_>) -> Reading<Wanted<'_>> {
    let text = item.str()?;
    let (method, path) = match text.split_once(' ') {
        Some((method, path)) => (Some(method), path.trim_start()),
        None => (None, text.as_str()),
    };
    let expected = "the `path` of a route, or a method and the path: GET /api/things/{thing}";
    if !path.starts_with('/') {
        return Err(item.wrongly(Code::Route, "is not a route", expected));
    }
    let method = match method {
        None => None,
        Some(name) if KNOWN_METHODS.contains(&name) => {
            Some(Method::from_bytes(name.as_bytes()).map_err(|_| Faulty)?)
        }
        Some(name) => {
            let what = format!("{} names an unknown method", item.name);
            let fault = Fault::error(Code::Route, what);
            let known = KNOWN_METHODS.iter().copied();
            return Err(item.unknown_word(fault, name, known, expected));
        }
    };
    Ok(Wanted {
        item,
        path: path.to_owned(),
        method,
    })
}

fn place(item: Field<'_>) -> Reading<(Field<'_>, NetworkItem)> {
    let expected = "an address, a network such as 10.0.0.0/8, or `unix`";
    let place = item.parse(Code::WrongValue, expected, |text| match text {
        "unix" => Ok(NetworkItem::Unix),
        text => network(text).map(NetworkItem::Net),
    })?;
    if let NetworkItem::Net(net) = place
        && net.prefix_len() == 0
    {
        let what = format!(
            "{} is everybody: whoever gets hold of the token can use it from anywhere",
            item.name
        );
        item.warn(
            Code::WrongValue,
            what,
            "name the networks where the service runs",
        );
    }
    Ok((item, place))
}

/// Services that the log and the app can tell apart.
fn distinct(services: Vec<Service<'_>>) -> Reading<Vec<Service<'_>>> {
    let mut good = true;
    for (i, service) in services.iter().enumerate() {
        let name = quoted(service.name.as_str());
        let mut refuse = |what: String, fix: &str| {
            service.item.refuse(Code::Contradiction, what, fix);
            good = false;
        };
        if services
            .iter()
            .take(i)
            .any(|other| other.name == service.name)
        {
            refuse(
                format!("two services have the name {name}"),
                "give each its own name",
            );
        }
        let has = |token: &TokenHash| {
            services
                .iter()
                .take(i)
                .flat_map(|other| &other.tokens)
                .any(|t| t.same(token))
        };
        if service.tokens.iter().any(has) {
            refuse(
                format!("the service {name} has the token of another one"),
                "give each its own token",
            );
        }
    }
    good.then_some(services).ok_or(Faulty)
}
