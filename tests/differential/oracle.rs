//! Whether what an app saw of a request is what the gate and its sender agreed on.

use bailiff::domain::identity::name;
use serde_json::Value;

use crate::generate::Case;
use crate::harness::{Response, fold, trusted_names};
use crate::judged::judged;
use crate::scene::{Demand, Sender, UNDECLARED, Variant};
use crate::servers::App;

/// What a handler said of the request that it was run for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub handler: String,
    pub method: String,
    pub path: String,
    pub root: String,
    pub scheme: String,
    pub host: String,
    pub user: String,
    pub client: String,
    /// Headers and variables by the names that the app has for them.
    pub fields: Vec<(String, String)>,
}

impl Seen {
    /// From an answer; `None` for one that no handler has given. Answers to HEAD have the same in a field.
    pub fn of(answer: &Response) -> Option<Self> {
        let said = answer.head.values("seen").pop()?;
        let said: Value =
            serde_json::from_str(&said).unwrap_or_else(|e| panic!("not JSON ({e}): {answer:?}"));
        let text = |member: &str| said[member].as_str().unwrap_or_default().to_owned();
        let pair =
            |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()));
        Some(Self {
            handler: text("handler"),
            method: text("method"),
            path: text("path"),
            root: text("root"),
            scheme: text("scheme"),
            host: text("host"),
            user: text("user"),
            client: text("client"),
            fields: said["fields"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(pair)
                .collect(),
        })
    }

    /// Everything that the app could read as the gate's word: `name: value`, sorted.
    pub fn trusted(&self) -> Vec<String> {
        let line = |(name, value): &(String, String)| {
            let folded = fold(name.strip_prefix("HTTP_").unwrap_or(name));
            is_trusted(&folded).then(|| format!("{}: {value}", folded.replace('_', "-")))
        };
        // nginx has no word for a header that is not there.
        let mut lines: Vec<_> = self
            .fields
            .iter()
            .filter_map(line)
            .filter(|line| !line.ends_with(": "))
            .collect();
        lines.sort();
        lines
    }
}

fn is_trusted(folded: &str) -> bool {
    let ours = ["x_clerk_", "x_bailiff_", "x_forwarded_"];
    trusted_names().contains(&folded) || ours.iter().any(|prefix| folded.starts_with(prefix))
}

/// What is wrong with an observation. The kind is for counting, the text for reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: &'static str,
    pub text: String,
}

/// Every fault of what a handler of this app has seen of the case.
pub fn judge(app: App, case: &Case, seen: &Seen) -> Vec<Fault> {
    let judged = judged(app, case);
    if is_the_apps_own_slash(case, seen, &judged) {
        return identity(case, seen)
            .into_iter()
            .chain(request(case, seen))
            .collect();
    }
    // Whoever runs for the wrong people has the wrong identity too.
    let reach = reach(case, seen).or_else(|| identity(case, seen));
    reach
        .into_iter()
        .chain(route(&judged, seen))
        .chain(request(case, seen))
        .collect()
}

/// A route covers its path with a slash at the end as well, by contract. An app that has another handler there, which no route
/// declares, has put it under that route: its sender was judged by it.
fn is_the_apps_own_slash(case: &Case, seen: &Seen, judged: &[String]) -> bool {
    let path = case.target.split('?').next().unwrap_or_default();
    let undeclared = case.variant == Variant::Closed && seen.handler.starts_with(UNDECLARED);
    let satisfied = |pattern: &String| case.sender.satisfies(case.variant.demand(pattern));
    undeclared && path.ends_with('/') && !judged.is_empty() && judged.iter().all(satisfied)
}

/// The sender's credentials are what the handler's own route demands.
fn reach(case: &Case, seen: &Seen) -> Option<Fault> {
    let demand = case.variant.demand(&seen.handler);
    let kind = match demand {
        Demand::Nobody => "a handler ran that is closed or that no route declares",
        _ => "a handler ran whose route its sender does not satisfy",
    };
    let text = || {
        format!(
            "{} was run for {:?} and demands {demand:?}",
            seen.handler, case.sender
        )
    };
    (!case.sender.satisfies(demand)).then(|| Fault { kind, text: text() })
}

/// The handler is that of a route which the gate judged by.
fn route(judged: &[String], seen: &Seen) -> Option<Fault> {
    let name = if seen.handler.starts_with(UNDECLARED) {
        "/**"
    } else {
        &seen.handler
    };
    let among = judged.iter().any(|pattern| pattern == name);
    let text = || {
        format!(
            "{} was run, and the gate judged by {judged:?}",
            seen.handler
        )
    };
    (!among).then(|| Fault {
        kind: "a handler ran whose route the gate did not judge by",
        text: text(),
    })
}

/// What the app may read as the gate's word is the gate's word, and all of it.
fn identity(case: &Case, seen: &Seen) -> Option<Fault> {
    let found = seen.trusted();
    let silent = found == expected(case, Sender::Nobody);
    if silent && case.variant.demand(&seen.handler) != Demand::Anybody {
        let text = format!(
            "{} was run for {:?} and is not told so",
            seen.handler, case.sender
        );
        return Some(Fault {
            kind: "a handler of users ran without the gate's word",
            text,
        });
    }
    let expected = expected(case, case.sender);
    if silent || found == expected {
        return None;
    }
    let text = format!("{found:?} in the place of {expected:?}");
    Some(Fault {
        kind: "the app read something else than the gate's word",
        text,
    })
}

/// The gate's word about this sender, or about nobody on open routes.
fn expected(case: &Case, sender: Sender) -> Vec<String> {
    let mut lines = vec![
        format!("{}: 127.0.0.1", name::FORWARDED_FOR),
        format!("{}: {}", name::FORWARDED_HOST, case.host),
        format!("{}: http", name::FORWARDED_PROTO),
    ];
    match sender.name() {
        None => lines.push(format!("{}: none", name::AUTH_KIND)),
        Some(user) => {
            lines.extend([
                format!("{}: user", name::AUTH_KIND),
                format!("{}: clerk", name::AUTH_ISSUER),
                format!("{}: active", name::ACCESS_STATUS),
                format!("{}: {user}", name::CLERK_USER_ID),
                format!("{}: {user}", name::USER_ID),
                format!("{}: {}", name::SESSION_ID, user.replace("user_", "sess_")),
            ]);
        }
    }
    if sender == Sender::Admin {
        lines.push(format!("{}: is_admin", name::USER_FLAGS));
    }
    lines.sort();
    lines
}

/// The app takes the request for what was sent.
fn request(case: &Case, seen: &Seen) -> impl Iterator<Item = Fault> {
    let same = |kind, found: &str, sent: &str| {
        (found != sent).then(|| Fault {
            kind,
            text: format!("{found:?} in the place of {sent:?}"),
        })
    };
    [
        same("the app read another method", &seen.method, &case.method),
        same("the app read another host", &seen.host, &case.host),
        same("the app read another scheme", &seen.scheme, "http"),
        same(
            "the app believes to be mounted under a path",
            &seen.root,
            "",
        ),
        same("the app read a user of its server", &seen.user, ""),
        same(
            "the app read another address of its client",
            &seen.client,
            "127.0.0.1",
        ),
    ]
    .into_iter()
    .flatten()
}
