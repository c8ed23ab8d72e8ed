//! `service_tokens:`: callers that are no people, each with its tokens. Where they count is put together in
//! [`super::service_routes`], once the routes are known.

use http::Method;
use ipnet::IpNet;

use crate::domain::ids::ServiceName;
use crate::domain::service_token::{MAX_SERVICES, MAX_TOKENS, MIN_TOKEN, TokenHash};
use crate::domain::token::bearer::MAX_TOKEN;

use super::faults::{Code, Fault, quoted};
use super::headers::network;
use super::near::nearest;
use super::outside::Run;
use super::reader::{Field, Fields};
use super::routes::KNOWN_METHODS;

/// Most items of `routes` and of `networks`.
const MAX_ITEMS: usize = 256;

/// A service as it is written.
pub(super) struct Service<'a> {
    pub(super) item: Field<'a>,
    pub(super) name: ServiceName,
    pub(super) tokens: Vec<TokenHash>,
    /// `None`: every route with `access: service`.
    pub(super) routes: Option<Vec<Wanted<'a>>>,
    /// `None`: private networks.
    pub(super) networks: Option<Vec<(Field<'a>, Place)>>,
}

/// An item of `routes`.
pub(super) struct Wanted<'a> {
    pub(super) item: Field<'a>,
    pub(super) path: String,
    pub(super) method: Option<Method>,
}

/// An item of `networks`.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Net(IpNet),
    Unix,
}

/// Reads the services and their tokens.
pub(super) fn services<'a>(root: &mut Fields<'a>, run: Run<'a>) -> Option<Vec<Service<'a>>> {
    let field = root.opt("service_tokens");
    let outer = run.outside("SERVICE_AUTH_TOKEN");
    if !field.is_present() {
        let Some(token) = outer.maybe(token)? else {
            return Some(vec![]);
        };
        let name = ServiceName::parse("service").ok()?;
        return Some(vec![Service {
            item: outer,
            name,
            tokens: vec![token],
            routes: None,
            networks: None,
        }]);
    }
    let items = field.nonempty_list()?;
    if items.len() > MAX_SERVICES {
        field.wrongly(
            Code::Bound,
            "names too many services",
            &format!("at most {MAX_SERVICES}"),
        );
        return None;
    }
    let services = distinct(Field::each(Some(items), service)?)?;
    if outer
        .hidden()
        .str()
        .is_some_and(|text| !known(&services, &text))
    {
        let what = format!(
            "{} has no effect, because the config sets {}",
            outer.name, field.name
        );
        let fault = Fault::warning(Code::Contradiction, what);
        field.reject(
            fault.fix("add `{name: service, token: \"${SERVICE_AUTH_TOKEN}\"}`, or unset it"),
        );
    }
    Some(services)
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

fn service(item: Field<'_>) -> Option<Service<'_>> {
    let mut fields = item.fields("a service")?;
    let name = fields.req("name").told(
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
            let fault =
                Fault::error(Code::MissingKey, what).expected("one of `token` and `sha256`");
            fields.reject(fault);
            None
        }
    };
    let routes = fields
        .opt("routes")
        .maybe(|field| Field::each(bounded(field), wanted));
    let networks = fields
        .opt("networks")
        .maybe(|field| Field::each(bounded(field), place));
    fields.finish();
    Some(Service {
        item,
        name: name?,
        tokens: tokens?,
        routes: routes?,
        networks: networks?,
    })
}

/// One token, or several while rotating.
pub(super) fn several<'a, T: PartialEq>(
    field: Field<'a>,
    read: fn(Field<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let items = field.hidden().one_or_more()?;
    let good = items.len() <= MAX_TOKENS;
    if !good {
        let expected = format!("one, or up to {MAX_TOKENS} while rotating");
        field.wrongly(
            Code::WrongValue,
            format_args!("has more than {MAX_TOKENS} tokens"),
            &expected,
        );
    }
    let tokens = Field::each(Some(items), read)?;
    let twice = tokens
        .iter()
        .enumerate()
        .any(|(i, token)| tokens.iter().take(i).any(|other| other == token));
    if twice {
        field.wrongly(
            Code::Contradiction,
            "names the same token twice",
            "different tokens: the new one and the old one",
        );
    }
    (good && !twice).then_some(tokens)
}

pub(super) fn token(field: Field<'_>) -> Option<TokenHash> {
    let expected =
        format!("at least {MIN_TOKEN} characters of visible ASCII: openssl rand -hex 32");
    field
        .hidden()
        .told(Code::Secret, &expected, |text| match text {
            text if text.starts_with(['"', '\'']) || text.trim() != text => {
                Err("has quotes or white space around it")
            }
            text if text.len() > MAX_TOKEN => Err("is too long"),
            // No request could show it.
            text if !text.bytes().all(|b| b.is_ascii_graphic() && b != b',') => {
                Err("has a character that a token cannot have")
            }
            text => TokenHash::of(text.as_bytes()).ok_or("is too short"),
        })
}

pub(super) fn sha256(field: Field<'_>) -> Option<TokenHash> {
    let expected = "64 hexadecimal digits: printf %s \"$TOKEN\" | sha256sum";
    field.hidden().told(Code::Secret, expected, |text| {
        hexadecimal(text).map(TokenHash::from_bytes)
    })
}

fn hexadecimal(text: &str) -> Result<[u8; 32], &'static str> {
    let mut bytes = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return Err("is not the SHA-256 of a token");
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
        *byte = pair
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            .ok_or("is not hexadecimal")?;
    }
    Ok(bytes)
}

fn bounded(field: Field<'_>) -> Option<Vec<Field<'_>>> {
    let items = field.one_or_more()?;
    if items.len() > MAX_ITEMS {
        field.wrongly(
            Code::Bound,
            "has too many items",
            &format!("at most {MAX_ITEMS}"),
        );
        return None;
    }
    Some(items)
}

/// `PATH` or `METHOD PATH`.
fn wanted(item: Field<'_>) -> Option<Wanted<'_>> {
    let text = item.str()?;
    let (method, path) = match text.split_once(' ') {
        Some((method, path)) => (Some(method), path.trim_start()),
        None => (None, text.as_str()),
    };
    let expected = "the `path` of a route, or a method and the path: GET /api/things/{thing}";
    if !path.starts_with('/') {
        item.wrongly(Code::Route, "is not a route", expected);
        return None;
    }
    let method = match method {
        None => None,
        Some(name) if KNOWN_METHODS.contains(&name) => {
            Some(Method::from_bytes(name.as_bytes()).ok()?)
        }
        Some(name) => {
            let fault = Fault::error(
                Code::Route,
                format!("{} names an unknown method", item.name),
            );
            item.reject(match nearest(name, KNOWN_METHODS.iter().copied()) {
                Some(near) => fault.near(near),
                None => fault.expected(expected),
            });
            return None;
        }
    };
    Some(Wanted {
        item,
        path: path.to_owned(),
        method,
    })
}

fn place(item: Field<'_>) -> Option<(Field<'_>, Place)> {
    let expected = "an address, a network such as 10.0.0.0/8, or `unix`";
    let place = item.told(Code::WrongValue, expected, |text| match text {
        "unix" => Ok(Place::Unix),
        text => network(text).map(Place::Net),
    })?;
    if let Place::Net(net) = place
        && net.prefix_len() == 0
    {
        let what = format!(
            "{} is everybody: whoever gets hold of the token can use it from anywhere",
            item.name
        );
        item.reject(
            Fault::warning(Code::WrongValue, what).fix("name the networks where the service runs"),
        );
    }
    Some((item, place))
}

/// Services that the log and the app can tell apart.
fn distinct(services: Vec<Service<'_>>) -> Option<Vec<Service<'_>>> {
    let mut good = true;
    for (i, service) in services.iter().enumerate() {
        let name = quoted(service.name.as_str());
        let mut refuse = |what: String, fix: &str| {
            service
                .item
                .reject(Fault::error(Code::Contradiction, what).fix(fix));
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
    good.then_some(services)
}
