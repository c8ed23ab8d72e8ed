//! What is said under our own name: headers from claims, bodies of refusals, CORS; and whose word is passed on.

use http::HeaderName;
use ipnet::IpNet;

use crate::domain::identity::{Override, PassedFrom, TrustedNames};

use crate::config::reader::{Code, Fault, Faulty, Field, Fields, Reading, quoted};

/// Longest name of a header in the config.
const MAX_NAME: usize = 64;
const MAX_HEADERS: usize = 32;

/// The section `headers`.
#[derive(Default)]
pub(crate) struct HeaderRules<'a> {
    /// Headers that are made from claims.
    pub(crate) claims: Vec<(HeaderName, Box<str>)>,
    /// Headers that are let through although apps take something from them that was judged, or that the gate vouches for.
    pub(crate) passed: Vec<(HeaderName, PassedFrom)>,
    /// What to point at when there are no proxies that could send them.
    pub(crate) from_proxies: Option<Field<'a>>,
}

/// Reads the section.
pub(crate) fn header_rules<'a>(root: &mut Fields<'a>) -> Reading<HeaderRules<'a>> {
    let Some(mut fields) = root.section("headers", "the headers")? else {
        return Ok(HeaderRules::default());
    };
    let claims = fields.opt("claims");
    let (from_anybody, from_proxies) = (fields.opt("pass"), fields.opt("pass_from_proxies"));
    fields.finish();
    let claims = claims.read_or(vec![], claim_headers);
    let names = |list: Field<'a>, from| {
        let name = |item| passed(item, from);
        list.read_or(vec![], |list| Field::each(list.one_or_more(), name))
    };
    let anybodys = names(from_anybody, PassedFrom::AnyClient);
    let proxies = names(from_proxies, PassedFrom::TrustedProxies);
    let (anybodys, proxies) = (anybodys?, proxies?);
    if let Some((name, _)) = proxies
        .iter()
        .find(|(name, _)| anybodys.iter().any(|(other, _)| other == name))
    {
        let what = format!("{} stands under `pass`, too", quoted(name.as_str()));
        let fault = Fault::error(Code::Contradiction, what).fix("keep it in one of the two");
        return Err(from_proxies.reject(fault));
    }
    Ok(HeaderRules {
        claims: claims?,
        passed: anybodys.into_iter().chain(proxies).collect(),
        from_proxies: from_proxies.is_present().then_some(from_proxies),
    })
}

impl HeaderRules<'_> {
    /// Warns about headers of proxies where there are none.
    pub(crate) fn check_proxies(&self, trusted: &[IpNet]) {
        if let Some(field) = self.from_proxies.filter(|_| trusted.is_empty()) {
            let what = format!("{} has no effect without `trusted_proxies`", field.name);
            field.warn(
                Code::Contradiction,
                what,
                "add `trusted_proxies`, or remove it",
            );
        }
    }
}

/// A header that is let through. What a client may send is worth a warning: the app then runs what was not judged.
fn passed(field: Field<'_>, from: PassedFrom) -> Reading<(HeaderName, PassedFrom)> {
    let expected = "a header that is stripped by default, such as x-http-method-override: docs/known-attacks.md has them all";
    let (name, what) = field.parse(Code::WrongValue, expected, passed_name)?;
    if from == PassedFrom::AnyClient {
        let name = quoted(name.as_str());
        let what = format!(
            "every client may send {name}, and an app that takes {what} from it does what was not judged"
        );
        let fix = "list it under `headers.pass_from_proxies` if a proxy in front writes it; else be sure that the app does not act on it";
        field.warn(Code::WrongValue, what, fix);
    }
    Ok((name, from))
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
fn claim_headers(field: Field<'_>) -> Reading<Vec<(HeaderName, Box<str>)>> {
    let claims = field.members()?;
    if claims.len() > MAX_HEADERS {
        let most = format!("at most {MAX_HEADERS}");
        return Err(field.wrongly(Code::Bound, "has too many headers", &most));
    }
    let mut found: Vec<(HeaderName, Box<str>)> = vec![];
    for member in &claims {
        let claim = member.value.parse(
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
    (found.len() == claims.len()).then_some(found).ok_or(Faulty)
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

/// Headers that steer HTTP itself, carry credentials, or belong to the client.
pub(crate) fn has_meaning(name: &str) -> bool {
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
