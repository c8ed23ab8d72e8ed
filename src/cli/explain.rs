//! `bailiff explain`: shows step by step what the gate would do with one request. It runs the gate's own code.

mod advice;
mod browser;
mod facts;
mod hints;
mod report;
mod services;

use std::net::IpAddr;
use std::str::FromStr;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use uuid::Uuid;

use super::ConfigArgs;
use super::exit::{CommandError, Exit, FAILED, block_on, print, print_json, talk};
use super::input::{self, MAX_BODY};
use super::offline_gate::{self, KeyFetch, OfflineGate};
use super::token::parts::TokenParts;
use crate::clock;
use crate::domain::event::{Meaning, meaning};
use crate::domain::head::Incoming;
use crate::domain::ids::RequestId;
use crate::domain::judge::{Identified, Trace, VerifiedWebhook, judge_traced};
use crate::domain::{Decision, Rejection, RequestHead, Snapshot, Step, UnixTime};
use facts::Facts;
use report::{Explained, Report};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit status: 0 the request would be let through, 1 it would be refused, 2 wrong use, 78 wrong config.
Changes that webhooks made to the membership of a running gate are not seen here, and a membership in a database is not asked for."
)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The method of the request
    #[arg(long, default_value = "GET")]
    method: String,
    /// The request target as it stands in the request line, for example /api/workspaces/ws_1?x=1
    #[arg(long)]
    path: String,
    /// The bearer token: `-` for stdin, `@FILE` for a file. Never the token itself
    #[arg(long, value_name = "-|@FILE")]
    token: Option<String>,
    /// A header of the request, `name: value`; `@FILE` reads one per line. May be given several times
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// The address that the request comes from, or `unix`: it decides whether the token of a service counts
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    from: Peer,
    /// The body, for webhook routes: a file, or `-` for stdin
    #[arg(long, value_name = "FILE|-")]
    body: Option<String>,
    /// Fetch no keys: only those that stand in the config are there
    #[arg(long)]
    offline: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Where a request comes from: an address, or a Unix socket, which has none.
#[derive(Clone, Copy, Debug)]
struct Peer(Option<IpAddr>);

impl FromStr for Peer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "unix" => Ok(Self(None)),
            address => address
                .parse()
                .map(|address| Self(Some(address)))
                .map_err(|_| "expected an IP address, or `unix`"),
        }
    }
}

/// The request, as it would come over the wire.
struct Request {
    method: Method,
    target: String,
    headers: HeaderMap,
    /// `None` for a Unix socket.
    peer: Option<IpAddr>,
    body: Option<Vec<u8>>,
}

/// The verdict on the request.
#[expect(clippy::large_enum_variant, reason = "there is one per run")]
enum Judged {
    Decided(Decision),
    Webhook(VerifiedWebhook),
}

/// The steps of the judgement.
#[derive(Default)]
struct Steps(Vec<String>);

impl Trace for Steps {
    fn step(&mut self, text: impl FnOnce() -> String) {
        self.0.push(text());
    }
}

pub(crate) fn run(args: &ExplainArgs) -> Exit {
    let request = request(args)?;
    let offline_gate = offline_gate::read(&args.config)?;
    talk(&offline_gate.warnings.to_string());
    // Without a token, no key is needed.
    let offline = args.offline || !request.headers.contains_key(AUTHORIZATION);
    let looks = block_on(offline_gate::look_for_keys(
        &offline_gate.settings.reloadable,
        offline,
    ))??;
    let report = judge(&request, &offline_gate, &looks)?;
    if args.json {
        print_json(&report.json())?;
    } else {
        print(&report.text())?;
    }
    Ok(if report.refused() { FAILED } else { 0 })
}

fn request(args: &ExplainArgs) -> Result<Request, CommandError> {
    if [args.token.as_deref(), args.body.as_deref()] == [Some("-"), Some("-")] {
        return Err(
            CommandError::usage("token and body cannot both come from stdin")
                .fix("put one into a file"),
        );
    }
    let method = Method::from_bytes(args.method.as_bytes());
    let method =
        method.map_err(|_| CommandError::usage("--method is not a method").fix("--method GET"))?;
    let mut headers = HeaderMap::new();
    for given in &args.headers {
        match given.strip_prefix('@') {
            Some(file) => {
                let text = String::from_utf8(input::bytes(file, "headers", MAX_BODY)?);
                let text = text.map_err(|_| {
                    CommandError::usage(format!("the headers in {file} are not UTF-8"))
                })?;
                text.lines()
                    .filter(|line| !line.trim().is_empty())
                    .try_for_each(|line| add(&mut headers, line))?;
            }
            None => {
                add(&mut headers, given)?;
                let secret = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];
                if secret.iter().any(|name| headers.contains_key(name)) {
                    return Err(CommandError::usage(
                        "credentials do not belong on a command line, where every user of this machine sees them",
                    )
                    .fix(
                        "--token - or --token @FILE; other credentials in a file with one header per line: -H @FILE",
                    ));
                }
            }
        }
    }
    if let Some(source) = &args.token {
        let token = input::token(source)?;
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let value = value.map_err(|_| {
            CommandError::failed("the token has characters that no header can carry")
        })?;
        headers.append(AUTHORIZATION, value);
    }
    if !headers.contains_key(HOST) {
        headers.insert(HOST, HeaderValue::from_static("localhost"));
    }
    let body = args
        .body
        .as_deref()
        .map(|source| input::bytes(source, "body", MAX_BODY))
        .transpose()?;
    if let Some(body) = &body
        && !headers.contains_key(CONTENT_LENGTH)
    {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Ok(Request {
        method,
        target: args.path.clone(),
        headers,
        peer: args.from.0,
        body,
    })
}

fn add(headers: &mut HeaderMap, line: &str) -> Result<(), CommandError> {
    let wrong = || {
        CommandError::usage("a header is written `name: value`").fix("-H 'x-workspace-id: ws_1'")
    };
    let (name, value) = line.split_once(':').ok_or_else(wrong)?;
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
    headers.append(name, value);
    Ok(())
}

/// Judges as the gate does, except that the keys were fetched just now.
fn judge(
    request: &Request,
    offline_gate: &OfflineGate,
    looks: &[KeyFetch],
) -> Result<Report, CommandError> {
    let (snapshot, now) = (offline_gate.snapshot(looks), clock::now());
    let mut steps = Steps::default();
    let id = Uuid::now_v7().simple().to_string();
    let fresh_id =
        RequestId::parse(&id).map_err(|_| CommandError::failed("no request id could be made"))?;
    let parsed = RequestHead::parse(Incoming {
        method: &request.method,
        target: request.target.as_bytes(),
        version: Version::HTTP_11,
        headers: &request.headers,
        peer: request.peer,
        fresh_id,
    });
    let judged = match &parsed {
        Err(reason) => Judged::Decided(Decision::refuse(*reason)),
        Ok(head) => decide(request, &snapshot, head, now, &mut steps)?,
    };
    let token = request
        .headers
        .get(AUTHORIZATION)
        .and_then(|field| field.to_str().ok()?.split_once(' '));
    let parts = token.and_then(|(_, token)| TokenParts::read(token).ok());
    let (who, route) = match &judged {
        Judged::Decided(decision) => (decision.subject.clone(), decision.route.clone()),
        Judged::Webhook(webhook) => (
            Identified::default(),
            Some(webhook.permit().route().clone()),
        ),
    };
    let facts = Facts {
        parts: parts.as_ref(),
        snapshot: &snapshot,
        looks,
        now,
        headers: &request.headers,
        who: &who,
        route: route.as_deref(),
        peer: request.peer,
    };
    let hints = hints::hints(&judged, request, offline_gate, &facts);
    let outcome = Explained::of(judged, request, offline_gate, &facts);
    let asked = format!("{} {}", request.method, request.target);
    Ok(Report {
        asked,
        steps: steps.0,
        outcome,
        hints,
    })
}

fn decide(
    request: &Request,
    snapshot: &Snapshot,
    head: &RequestHead<'_>,
    now: UnixTime,
    steps: &mut Steps,
) -> Result<Judged, CommandError> {
    match judge_traced(snapshot, head, now, &(), steps) {
        Step::Decided(decision) => Ok(Judged::Decided(decision)),
        Step::NeedKey { issuer, otherwise } => {
            steps.step(|| {
                format!(
                    "the issuer `{issuer}` has no key of the token's name, and was asked just now"
                )
            });
            Ok(Judged::Decided(otherwise))
        }
        Step::NeedMember { user, otherwise } => {
            steps.step(|| {
                format!(
                    "the source of the membership is asked for one user at a time, and not by this command ({user})"
                )
            });
            Ok(Judged::Decided(otherwise))
        }
        Step::NeedBody(webhook) => {
            let (route, max_body) = (webhook.route().clone(), webhook.max_body());
            let Some(body) = &request.body else {
                return Err(CommandError::usage(format!(
                    "{} takes signed webhooks, and the signature covers the body",
                    route.pattern.text()
                ))
                .fix("--body FILE, or --body - for stdin"));
            };
            let verified = if body.len() > max_body {
                steps
                    .step(|| format!("the body has {} bytes, {max_body} are the most", body.len()));
                Err(Rejection::WebhookTooLarge)
            } else {
                webhook.verify(snapshot, body, now)
            };
            match verified {
                Ok(webhook) => {
                    steps.step(|| {
                        "signature good: made with a configured secret, within the tolerance".into()
                    });
                    steps.step(|| effect(snapshot, body));
                    Ok(Judged::Webhook(webhook))
                }
                Err(reason) => Ok(Judged::Decided(Decision {
                    route: Some(route),
                    ..Decision::refuse(reason)
                })),
            }
        }
    }
}

/// What a verified webhook would change.
fn effect(snapshot: &Snapshot, body: &[u8]) -> String {
    match meaning(
        body,
        snapshot.rules.instance(),
        snapshot.rules.roles.as_ref(),
    ) {
        Meaning::Change(event) if snapshot.members.is_some() => {
            format!("would change the membership: {}", event.change)
        }
        Meaning::Change(..) => "there is no membership that it could change".to_owned(),
        Meaning::Nothing => {
            "an event that does not concern access: changes nothing here".to_owned()
        }
        Meaning::OtherInstance => {
            "an event of another Clerk instance: changes nothing here (clerk.instance_id)"
                .to_owned()
        }
        Meaning::Unreadable(why) => format!("not understood, so it changes nothing here: {why}"),
    }
}
