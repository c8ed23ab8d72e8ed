//! What is said under our own name: headers from claims, bodies of refusals, CORS; and whose word is passed on.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use ipnet::IpNet;
use serde_json::Value as Json;

use crate::domain::answer::{Answers, Kind};
use crate::domain::client;
use crate::domain::cors::Cors;
use crate::domain::identity::{Override, PassedFrom, TrustedNames};

use super::faults::{Code, Fault, quoted};
use super::outside::Run;
use super::reader::{Field, Fields, Member, Shape};
use super::url::{ORIGIN, origin};

/// Longest name of a header in the config.
const MAX_NAME: usize = 64;
const MAX_HEADERS: usize = 32;
/// Bound on the body of a refusal.
const MAX_ANSWER: usize = 16 << 10;

/// The section `headers`.
#[derive(Default)]
pub(super) struct HeaderRules<'a> {
    /// Headers that are made from claims.
    pub(super) claims: Vec<(HeaderName, Box<str>)>,
    /// Headers that are let through although apps take something from them that was judged, or that the gate vouches for.
    pub(super) passed: Vec<(HeaderName, PassedFrom)>,
    /// What to point at when nobody can send the ones from proxies.
    pub(super) from_proxies: Option<Field<'a>>,
}

/// Reads the section.
pub(super) fn header_rules<'a>(root: &mut Fields<'a>) -> Option<HeaderRules<'a>> {
    let section = root.opt("headers");
    if !section.is_present() {
        return Some(HeaderRules::default());
    }
    let mut fields = section.fields("the headers")?;
    let claims = fields.opt("claims");
    let (from_anybody, from_proxies) = (fields.opt("pass"), fields.opt("pass_from_proxies"));
    fields.finish();
    let claims = claims.maybe(claim_headers);
    let anybodys = from_anybody.maybe(|list| {
        Field::each(list.one_or_more(), |item| {
            passed(item, PassedFrom::AnyClient)
        })
    });
    let proxies = from_proxies.maybe(|list| {
        Field::each(list.one_or_more(), |item| {
            passed(item, PassedFrom::TrustedProxies)
        })
    });
    let (anybodys, proxies) = (anybodys?.unwrap_or_default(), proxies?.unwrap_or_default());
    if let Some((name, _)) = proxies
        .iter()
        .find(|(name, _)| anybodys.iter().any(|(other, _)| other == name))
    {
        let what = format!("{} stands under `pass`, too", quoted(name.as_str()));
        from_proxies
            .reject(Fault::error(Code::Contradiction, what).fix("keep it in one of the two"));
        return None;
    }
    Some(HeaderRules {
        claims: claims?.unwrap_or_default(),
        passed: anybodys.into_iter().chain(proxies).collect(),
        from_proxies: from_proxies.is_present().then_some(from_proxies),
    })
}

impl HeaderRules<'_> {
    /// Warns about headers of proxies where there are none.
    pub(super) fn check_proxies(&self, trusted: &[IpNet]) {
        if let Some(field) = self.from_proxies.filter(|_| trusted.is_empty()) {
            let what = format!("{} has no effect without `trusted_proxies`", field.name);
            field.reject(
                Fault::warning(Code::Contradiction, what)
                    .fix("add `trusted_proxies`, or remove it"),
            );
        }
    }
}

/// A header that is let through. What a client may send is worth a warning: the app then runs what was not judged.
fn passed(field: Field<'_>, from: PassedFrom) -> Option<(HeaderName, PassedFrom)> {
    let expected = "a header that is stripped by default, such as x-http-method-override: docs/known-attacks.md has them all";
    let (name, what) = field.told(Code::WrongValue, expected, passed_name)?;
    if from == PassedFrom::AnyClient {
        let name = quoted(name.as_str());
        let what = format!(
            "every client may send {name}, and an app that takes {what} from it does what was not judged"
        );
        let fix = "list it under `headers.pass_from_proxies` if a proxy in front writes it; else be sure that the app does not act on it";
        field.reject(Fault::warning(Code::WrongValue, what).fix(fix));
    }
    Some((name, from))
}

fn passed_name(text: &str) -> Result<(HeaderName, Override), &'static str> {
    let spelt_out = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if text.len() > MAX_NAME || !text.bytes().all(spelt_out) {
        return Err("is not one name in full: no `*`, and each name by itself");
    }
    // The tables of the page show folded names. In this spelling the field of honest clients would stay stripped.
    if text.contains('_')
        && text
            .get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("x_"))
    {
        return Err("is written with `-`");
    }
    let name = HeaderName::try_from(text).map_err(|_| "is not the name of a header")?;
    match TrustedNames::overridden(name.as_str()) {
        Some(what) => Ok((name, what)),
        None if TrustedNames::reserves(name.as_str()) => {
            Err("is a header that bailiff writes, or believes from proxies")
        }
        None => Err("is not stripped, so there is nothing to let through"),
    }
}

/// Reads the headers that are made from claims.
fn claim_headers(field: Field<'_>) -> Option<Vec<(HeaderName, Box<str>)>> {
    let claims = field.members()?;
    if claims.len() > MAX_HEADERS {
        field.wrongly(
            Code::Bound,
            "has too many headers",
            &format!("at most {MAX_HEADERS}"),
        );
        return None;
    }
    let mut found: Vec<(HeaderName, Box<str>)> = vec![];
    for member in &claims {
        let claim = member.value.told(
            Code::WrongValue,
            "the name of a claim at the top of the token",
            claim,
        );
        match header_name(member.key, &found) {
            Ok(name) => found.extend(claim.map(|claim| (name, claim))),
            Err(why) => {
                let fault = Fault::error(Code::WrongValue, format!("{} {why}", quoted(member.key)));
                member.reject(fault.expected("a header of your own such as x-plan"));
            }
        }
    }
    (found.len() == claims.len()).then_some(found)
}

fn claim(text: &str) -> Result<Box<str>, &'static str> {
    if text.len() <= 255 {
        Ok(text.into())
    } else {
        Err("is too long for the name of a claim")
    }
}

fn header_name(text: &str, others: &[(HeaderName, Box<str>)]) -> Result<HeaderName, &'static str> {
    if text.len() > MAX_NAME {
        return Err("is longer than 64 bytes");
    }
    // `_` and `.` would be folded by app servers into a name that another header may have as well.
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err("is not made of letters, digits and `-`");
    }
    let name = HeaderName::try_from(text).map_err(|_| "is not the name of a header")?;
    match name.as_str() {
        text if TrustedNames::reserves(text) => {
            Err("is a header that bailiff writes or strips itself")
        }
        text if has_meaning(text) => Err("is a header with a meaning of its own"),
        _ if others.iter().any(|(other, _)| *other == name) => {
            Err("stands twice, as letters of both cases are the same")
        }
        _ => Ok(name),
    }
}

/// Headers that steer HTTP itself, carry credentials, or belong to whoever sends the request.
pub(super) fn has_meaning(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "accept",
        "authorization",
        "connection",
        "cookie",
        "date",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "max-forwards",
        "origin",
        "range",
        "referer",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
    ];
    const BEGINNINGS: &[&str] = &[
        "accept-",
        "access-control-",
        "content-",
        "if-",
        "proxy-",
        "sec-",
        "svix-",
        "trace",
        "webhook-",
    ];
    NAMES.contains(&name) || BEGINNINGS.iter().any(|start| name.starts_with(start))
}

/// Reads the bodies that replace ours.
pub(super) fn answers(root: &mut Fields<'_>) -> Option<Answers> {
    let Some(members) = root.opt("answers").maybe(Field::members)? else {
        return Some(Answers::default());
    };
    let read: Vec<_> = members.iter().map(answer).collect();
    let bodies: Option<BTreeMap<u16, Bytes>> = read.into_iter().collect();
    bodies.map(Answers::new)
}

fn answer(member: &Member<'_>) -> Option<(u16, Bytes)> {
    let status = member
        .key
        .parse()
        .ok()
        .filter(|status| Kind::STATUSES.contains(status));
    if status.is_none() {
        let known = Kind::STATUSES
            .iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let fault = Fault::error(
            Code::WrongValue,
            format!("bailiff never answers {}", quoted(member.key)),
        );
        member.reject(fault.expected(format!("one of {known}")));
    }
    if member.value.shape()? != Shape::Map {
        member.value.wrongly(
            Code::WrongValue,
            "must be a mapping",
            "keys and values, which become JSON: {detail: \"…\"}",
        );
        return None;
    }
    let body = json(member.value)?.to_string();
    if body.len() > MAX_ANSWER {
        member
            .value
            .wrongly(Code::Bound, "is too long for a refusal", "at most 16 KiB");
        return None;
    }
    Some((status?, Bytes::from(body)))
}

/// YAML as JSON: plain numbers, truth values and nothing keep their type, everything else is text.
fn json(field: Field<'_>) -> Option<Json> {
    match field.shape()? {
        Shape::Map => {
            let read: Vec<_> = field
                .members()?
                .iter()
                .map(|m| Some((m.key.to_owned(), json(m.value)?)))
                .collect();
            read.into_iter()
                .collect::<Option<serde_json::Map<_, _>>>()
                .map(Json::Object)
        }
        Shape::List => Field::each(field.list(), json).map(Json::Array),
        Shape::Scalar => {
            let text = field.text()?;
            let typed = text
                .plain
                .then(|| serde_json::from_str(&text.text).ok())
                .flatten();
            let typed = typed.filter(|json| matches!(json, Json::Bool(_) | Json::Number(_)));
            Some(typed.unwrap_or_else(|| Json::String(text.text.into_owned())))
        }
    }
}

/// Reads the origins whose pages may read our refusals.
pub(super) fn cors<'a>(root: &mut Fields<'a>, run: Run<'a>) -> Option<Cors> {
    let (section, outer) = (root.opt("cors"), run.outside("CORS_ORIGINS"));
    if !section.is_present() {
        let Some(origins) = outer.maybe(comma_list)? else {
            return Some(Cors::default());
        };
        return Some(Cors {
            origins,
            credentials: true,
            max_age: 600,
        });
    }
    let mut fields = section.fields("the CORS settings")?;
    let written = fields.opt("origins");
    let origins = match (written.shape(), outer.is_present()) {
        // `origins: ${CORS_ORIGINS}`
        (Some(Shape::Scalar), _) => {
            run.overruled(written, outer);
            comma_list(written)
        }
        (None, true) if !written.is_present() => comma_list(outer),
        (None, false) if !written.is_present() => {
            section.wrongly(
                Code::MissingKey,
                "has no `origins`",
                "`origins: [https://app.example.com]`",
            );
            None
        }
        _ => {
            let items = written.nonempty_list();
            let origins = Field::each(items, |field| field.told(Code::WrongValue, ORIGIN, origin));
            origins.inspect(|origins| unlisted(written, origins, outer))
        }
    };
    let credentials = fields.opt("credentials").bool_or(true);
    let max_age = fields.opt("max_age").duration_or(
        Duration::from_secs(600),
        Duration::ZERO..=Duration::from_secs(86_400),
    );
    fields.finish();
    Some(Cors {
        origins: origins?,
        credentials: credentials?,
        max_age: max_age?.as_secs(),
    })
}

/// Warns about origins that only the variable names.
fn unlisted(written: Field<'_>, origins: &[Box<str>], outer: Field<'_>) {
    let Some(text) = outer.str() else { return };
    if text
        .split(',')
        .map(str::trim)
        .any(|item| !item.is_empty() && !origins.iter().any(|origin| **origin == *item))
    {
        let what = format!(
            "{} names an origin that the config does not, and the config counts",
            outer.name
        );
        let fault = Fault::warning(Code::Contradiction, what);
        written.reject(fault.fix(format!(
            "unset {}, or write `origins: ${{CORS_ORIGINS}}`",
            outer.name
        )));
    }
}

fn comma_list(field: Field<'_>) -> Option<Vec<Box<str>>> {
    let expected = format!("a comma list of origins, each {ORIGIN}");
    field.told(Code::WrongValue, &expected, |text| {
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(origin)
            .collect::<Result<Vec<_>, _>>()
    })
}

/// Reads the proxies in front.
pub(super) fn trusted_proxies(root: &mut Fields<'_>) -> Option<Vec<IpNet>> {
    let expected = "an address or a network such as 10.0.0.0/8";
    let proxy = |field: Field<'_>| {
        field.told(Code::WrongValue, expected, |text| match network(text)? {
            net if net.prefix_len() == 0 => {
                Err("is everybody: anybody could say where a request came from")
            }
            net => Ok(net),
        })
    };
    root.opt("trusted_proxies")
        .maybe(|field| Field::each(field.one_or_more(), proxy))
        .map(Option::unwrap_or_default)
}

/// An address or a network, as its requests show it.
pub(super) fn network(text: &str) -> Result<IpNet, &'static str> {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let network: IpNet = text.parse().map_err(|_| "is not a network")?;
    match network {
        network if network.trunc() != network => {
            Err("has bits behind its prefix; does it mean one address or its whole network?")
        }
        network => Ok(client::canonical(network)),
    }
}
