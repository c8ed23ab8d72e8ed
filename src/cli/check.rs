//! `bailiff check`: every fault of config and membership at once. With `--online` it also tests the services that the gate uses.

mod hints;
mod secret_key;
mod source;

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpStream, UnixStream};

use super::ConfigArgs;
use super::exit::{CONFIG, CommandError, Exit, UNREACHABLE, block_on, print, print_json, talk};
use super::offline_gate::{self, KeyFetch, OfflineGate};
use crate::config::faults::{Code, Fault, Faults, Severity};
use crate::config::settings::{KeySource, Upstream, UpstreamAddress};
use crate::domain::issuer::IssuerKind;
use crate::domain::routes::{Access, Methods, Mode, Own, Route};
use crate::domain::service_token::ServiceToken;
use crate::domain::snapshot::Rules;
use crate::domain::static_user::StaticAuth;
use source::ProbeResult;

/// A larger difference of clocks causes a warning: half of Clerk's usual leeway.
const CLOCK_OFF: i64 = 5;
/// How long the upstream may take to accept a connection.
const UPSTREAM_WITHIN: Duration = Duration::from_secs(3);

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit status: 0 fine, 69 an issuer does not answer, or the source of the membership gives nothing good (--online), 78 wrong config, or a secret key of another instance \
(--online)."
)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Also ask the issuers for their keys, the source of the membership for members, compare clocks, try the secret key and the upstream
    #[arg(long)]
    online: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &CheckArgs) -> Exit {
    let offline_gate = match offline_gate::read(&args.config) {
        Ok(offline_gate) => offline_gate,
        Err(faults) => return wrong(args, &faults),
    };
    let (looks, found, more) = if args.online {
        block_on(ask(&offline_gate))??
    } else {
        (vec![], None, Faults::new())
    };
    let mut faults = offline_gate.warnings.clone();
    faults.merge(more);
    if args.json {
        print_json(&as_json(&offline_gate, &looks, found.as_ref(), &faults))?;
    } else {
        talk(&faults.to_string());
        print(&summary(&offline_gate, &looks, found.as_ref(), &faults))?;
    }
    Ok(match faults.has_errors() {
        true if secret_key::is_wrong(&faults) => CONFIG,
        true => UNREACHABLE,
        false => 0,
    })
}

fn wrong(args: &CheckArgs, faults: &Faults) -> Exit {
    if args.json {
        print_json(&json!({"ok": false, "faults": faults.to_json()}))?;
    } else {
        talk(&faults.to_string());
        let (errors, warnings) = (
            faults.count(Severity::Error),
            faults.count(Severity::Warning),
        );
        talk(&format!(
            "\n{} and {}: the config cannot be used\n",
            count(errors, "error"),
            count(warnings, "warning")
        ));
    }
    Ok(CONFIG)
}

/// Asks every service on which the gate depends.
async fn ask(
    offline_gate: &OfflineGate,
) -> Result<(Vec<KeyFetch>, Option<ProbeResult>, Faults), CommandError> {
    let looks = offline_gate::look_for_keys(&offline_gate.settings.reloadable, false).await?;
    let mut faults = Faults::new();
    for look in &looks {
        look_faults(look, &mut faults);
    }
    if let Some(settings) = &offline_gate.settings.reloadable.backend {
        secret_key::try_out(settings, &looks, &mut faults).await?;
    }
    let found = source::try_out(&offline_gate.settings.reloadable, &mut faults).await;
    let upstream = &offline_gate.settings.fixed.upstream;
    talk(&format!("trying the upstream {upstream} ...\n"));
    if let Err(why) = connect(upstream).await {
        let what = format!("the upstream {upstream} does not accept connections");
        let fix = "start the app, or correct `upstream`: until then every request that is let through gets 502";
        faults.push(Fault::warning(Code::UpstreamDown, what).saw(why).fix(fix));
    }
    Ok((looks, found, faults))
}

fn look_faults(look: &KeyFetch, faults: &mut Faults) {
    let name = &look.issuer;
    if let Err(why) = &look.keys {
        let what = format!("no keys of the issuer `{name}`: none of its tokens can be checked");
        let fix = "is the publishable key (or `issuer`, or `jwks_url`) right, without a typo in the domain, and may this machine reach that address? Without a network, set CLERK_JWT_KEY or `jwt_key`";
        faults.push(
            Fault::error(Code::KeysUnreachable, what)
                .saw(why.clone())
                .fix(fix),
        );
    }
    for why in &look.skipped {
        faults.push(
            Fault::warning(
                Code::KeysUnreachable,
                format!("a key of the issuer `{name}` is not used"),
            )
            .saw(why.clone()),
        );
    }
    if let Some(ahead) = look.clock_ahead.filter(|ahead| ahead.abs() > CLOCK_OFF) {
        let (word, effect) = if ahead > 0 {
            ("ahead of", "early")
        } else {
            ("behind", "late")
        };
        let what = format!(
            "this machine's clock is {} s {word} the issuer `{name}`",
            ahead.abs()
        );
        faults.push(
            Fault::warning(Code::Clock, what)
                .saw(format!("the `Date` of its answer; tokens count as expired {} s too {effect}", ahead.abs()))
                .fix(
                    "timedatectl set-ntp true      (a larger `leeway` would hide it, and lengthen every stolen token)",
                ),
        );
    }
}

async fn connect(upstream: &Upstream) -> Result<(), String> {
    let connected = async {
        match &upstream.address {
            UpstreamAddress::Tcp { host, port } => {
                TcpStream::connect((host.as_str(), *port)).await.map(drop)
            }
            UpstreamAddress::Unix(path) => UnixStream::connect(path).await.map(drop),
        }
    };
    match tokio::time::timeout(UPSTREAM_WITHIN, connected).await {
        Ok(connected) => connected.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", UPSTREAM_WITHIN.as_secs())),
    }
}

fn summary(
    offline_gate: &OfflineGate,
    looks: &[KeyFetch],
    found_members: Option<&ProbeResult>,
    faults: &Faults,
) -> String {
    let (boot, live) = (
        &offline_gate.settings.fixed,
        &offline_gate.settings.reloadable,
    );
    let name = offline_gate.path.as_ref().map_or_else(
        || "the environment".to_owned(),
        |path| path.display().to_string(),
    );
    let warnings = match faults.count(Severity::Warning) {
        0 => String::new(),
        some => format!(", with {}", count(some, "warning")),
    };
    let verdict = if faults.has_errors() {
        "is well-formed, but cannot work now"
    } else {
        "is fine"
    };
    let listen: Vec<_> = boot.listen.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "{name} {verdict}{warnings}\n  listen      {}\n  admin       {}\n  upstream    {}\n",
        listen.join(", "),
        boot.admin,
        boot.upstream
    );
    if let Some(mode) = &live.rules.static_user {
        let _ = writeln!(text, "  users       {}", static_user(mode));
    }
    text += &hints::surroundings(offline_gate);
    for (issuer, keys) in live.rules.issuers.iter().zip(&live.issuers) {
        let source = match &keys.source {
            KeySource::Url(url) => format!("keys from {url}"),
            KeySource::Discovery { url, .. } => format!("keys where {url} says"),
            KeySource::Pem(_) => "key from the config".to_owned(),
        };
        let _ = writeln!(
            text,
            "  issuer      {}  {}  {source}{}",
            issuer.name,
            issuer.iss,
            found(looks, &issuer.name)
        );
    }
    if let (Some(table), Some(source)) = (&offline_gate.table, &live.membership) {
        let _ = writeln!(
            text,
            "  membership  {}: {}",
            source.from,
            sizes(table.size())
        );
    } else if let Some(source) = &live.membership {
        let _ = writeln!(
            text,
            "  membership  {}: {}",
            source.from,
            source::told(source, found_members)
        );
    }
    if let Some(webhooks) = &live.rules.webhooks {
        let _ = writeln!(
            text,
            "  webhooks    {}",
            count(webhooks.secrets.len(), "secret")
        );
    }
    for service in &live.rules.services {
        let tokens = count(service.tokens(), "token");
        let (name, reach, networks) = (service.name(), service.reach(), service.networks());
        let _ = writeln!(
            text,
            "  service     {name}  {tokens}  for {reach}  from {networks}"
        );
    }
    text += "  routes      the most specific first; what none covers is refused\n";
    for route in live.rules.routes.iter() {
        let mode = if route.mode == Mode::Report {
            "  (report mode: never refuses)"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "    {:<44} {:<20} {}{mode}",
            route.pattern.text(),
            methods(route),
            access(route, &live.rules)
        );
    }
    hints::hints(offline_gate)
        .iter()
        .for_each(|hint| text += &format!("  hint        {hint}\n"));
    text
}

/// Users, workspaces and memberships, in words.
fn sizes((users, workspaces, members): (usize, usize, usize)) -> String {
    format!(
        "{}, {}, {}",
        count(users, "user"),
        count(workspaces, "workspace"),
        count(members, "membership")
    )
}

fn found(looks: &[KeyFetch], name: &str) -> String {
    let look = looks.iter().find(|look| *look.issuer == *name);
    let Some((look, keys)) = look.and_then(|look| Some((look, look.keys.as_ref().ok()?))) else {
        return String::new();
    };
    match (keys.kids().join(", "), &look.url) {
        (kids, _) if kids.is_empty() => String::new(),
        (kids, Some(url)) => format!("  found {kids} at {url}"),
        (kids, None) => format!("  found {kids}"),
    }
}

/// The value of `access:`.
fn access(route: &Route, rules: &Rules) -> String {
    let word = match route.access {
        Access::Public => "public",
        Access::Optional => "optional",
        Access::User => "user",
        Access::Active => "active",
        Access::Role(role) => rules.roles.as_ref().map_or("?", |roles| roles.name(role)),
        Access::Service => "service",
        Access::Webhook => "webhook",
        Access::Deny => "deny",
    };
    let conditions = if route.require.is_empty() {
        String::new()
    } else {
        format!(" and {} more", route.require.len())
    };
    let own = route
        .answer
        .map(|own| format!(", answered here: {}", own.name()))
        .unwrap_or_default();
    format!("{word}{conditions}{own}")
}

/// The user that needs no issuer.
fn static_user(mode: &StaticAuth) -> String {
    let user = mode.who().user();
    match mode {
        StaticAuth::Local { tokens, .. } => {
            format!("{user}, by {}", count(tokens.len(), "shared token"))
        }
        StaticAuth::Disabled(_) => {
            format!("{user}, whoever asks: authentication is switched off (AUTH_DISABLED)")
        }
    }
}

fn methods(route: &Route) -> String {
    match &route.methods {
        Methods::Usual => "all usual".to_owned(),
        Methods::These(list) => list
            .iter()
            .map(http::Method::as_str)
            .collect::<Vec<_>>()
            .join(" "),
    }
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

fn service(service: &ServiceToken) -> Value {
    json!({
        "name": service.name().as_str(),
        "tokens": service.tokens(),
        "routes": service.reach().to_string(),
        "networks": service.networks().to_string(),
    })
}

fn as_json(
    offline_gate: &OfflineGate,
    looks: &[KeyFetch],
    found: Option<&ProbeResult>,
    faults: &Faults,
) -> Value {
    let (boot, live) = (
        &offline_gate.settings.fixed,
        &offline_gate.settings.reloadable,
    );
    let issuers = live.rules.issuers.iter().zip(&live.issuers).map(|(issuer, keys)| {
        let look = looks.iter().find(|look| look.issuer == issuer.name);
        json!({
            "name": &*issuer.name,
            "issuer": &*issuer.iss,
            "kind": match issuer.kind { IssuerKind::Clerk => "clerk", IssuerKind::Oidc => "oidc" },
            "jwks_url": match &keys.source {
                KeySource::Url(url) => Some(url.as_str()),
                KeySource::Discovery { .. } => look.and_then(|look| look.url.as_deref()),
                KeySource::Pem(_) => None,
            },
            "metadata_url": match &keys.source { KeySource::Discovery { url, .. } => Some(url), _ => None },
            "kids": look.and_then(|look| look.keys.as_ref().ok()).map(|keys| keys.kids()),
            "clock_ahead_s": look.and_then(|look| look.clock_ahead),
        })
    });
    let routes = live.rules.routes.iter().map(|route| {
        json!({
            "path": &**route.pattern.text(),
            "methods": methods(route),
            "access": access(route, &live.rules),
            "report": route.mode == Mode::Report,
            "answer": route.answer.map(Own::name),
        })
    });
    let size = offline_gate
        .table
        .as_ref()
        .map(crate::domain::membership::Table::size)
        .or(found.and_then(|found| found.size));
    json!({
        "ok": !faults.has_errors(),
        "faults": faults.to_json(),
        "config": offline_gate.path.as_ref().map(|path| path.display().to_string()),
        "listen": boot.listen.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "admin": boot.admin.to_string(),
        "upstream": boot.upstream.to_string(),
        "auth_disabled": live.rules.auth_disabled(),
        "stand_in": live.rules.static_user.as_ref().map(|mode| mode.who().user().as_str()),
        "store": boot.store.as_ref().map(|store| store.display().to_string()),
        "shared": boot.shared.as_ref().map(hints::shared),
        "backend_api": hints::backend_json(offline_gate),
        "first_sight": live.membership.as_ref().is_some_and(|source| source.policy.first_sight),
        "hints": hints::hints(offline_gate),
        "issuers": issuers.collect::<Vec<_>>(),
        "membership": size.map(|(users, workspaces, members)| {
            json!({"users": users, "workspaces": workspaces, "memberships": members})
        }),
        "webhook_secrets": live.rules.webhooks.as_ref().map_or(0, |webhooks| webhooks.secrets.len()),
        "services": live.rules.services.iter().map(service).collect::<Vec<_>>(),
        "routes": routes.collect::<Vec<_>>(),
    })
}
