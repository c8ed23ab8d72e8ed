//! What routes must have in common with each other and with the rest of the config.

use std::sync::Arc;

use crate::domain::path::CleanPath;
use crate::domain::routes::{Access, Condition, Methods, Own, Route, RouteTable};
use crate::domain::service_token::ServiceToken;
use crate::domain::static_user::LOCAL;

use crate::config::reader::{Code, Fault, Faulty, Field, ReadContext, Reading, quoted};
use crate::config::sections::Sections;
use crate::config::sections::membership::Membership;
use crate::config::sections::paths::Paths;
use crate::config::sections::routes::{RouteLine, RouteLines};
use crate::config::sections::static_users::AuthMode;
use crate::config::values::suggest::nearest;

use super::path_variants;

/// A service with the field that it was read from.
pub(super) type BoundService<'a> = (Field<'a>, ServiceToken);

/// What a route may ask for.
struct Rest<'r> {
    sections: &'r Sections<'r>,
    /// `None` where reading them failed: then nothing is said about them here.
    services: Option<&'r [BoundService<'r>]>,
}

/// Checks every route against the rest and against each other, and sorts them.
pub(super) fn table(
    read: &RouteLines<'_>,
    sections: &Sections<'_>,
    services: Option<&[BoundService<'_>]>,
    cx: ReadContext<'_>,
) -> Reading<RouteTable> {
    let RouteLines { lines, all } = read;
    let rest = &Rest { sections, services };
    let mut good = *all && sections.paths.is_ok();
    let paths = sections.paths.unwrap_or_default();
    for line in lines {
        good &= has_what_it_asks(line, rest);
    }
    good &= has_issuer(lines, sections, cx);
    if *all {
        unused(lines, rest);
        unused_profile(lines, sections.profile_at);
        let routes = lines.iter().map(|line| line.route.clone()).collect();
        if let Ok(table) = RouteTable::new(routes, paths.rules()) {
            fallen_through(&table, lines);
            path_variants::warn_of_open_variants(paths, &table, lines);
        }
    }
    let table = distinct(lines, paths)?;
    good.then_some(table).ok_or(Faulty)
}

/// Warns about secrets that no route asks for: either a route is missing, or the secret is not needed any more.
fn unused(lines: &[RouteLine<'_>], rest: &Rest<'_>) {
    let warn = |field: Field<'_>, what: String, fix: String| {
        field.warn(Code::Route, what, fix);
    };
    let has_no_effect = |field: Field<'_>, word: &str| {
        let what = format!(
            "{} has no effect, because no route has `access: {word}`",
            field.name
        );
        warn(
            field,
            what,
            format!("add such a route, or remove {}", field.name),
        );
    };
    if rest.sections.webhooks_at.is_present()
        && !lines
            .iter()
            .any(|line| line.route.access == Access::Webhook)
    {
        has_no_effect(rest.sections.webhooks_at, "webhook");
    }
    let services = rest.services.unwrap_or_default();
    let idle = |service: &ServiceToken| !lines.iter().any(|line| service.reaches(&line.route));
    if services.iter().all(|(_, service)| idle(service)) {
        if rest.services.is_some() && rest.sections.services_at.is_present() {
            has_no_effect(rest.sections.services_at, "service");
        }
        return;
    }
    for (field, service) in services.iter().filter(|(_, service)| idle(service)) {
        let name = quoted(service.name().as_str());
        let what = format!(
            "the service {name} has no effect: no route has `access: service`, and it lists no `routes`"
        );
        warn(
            *field,
            what,
            "list the routes that it may use, or remove it".to_owned(),
        );
    }
}

/// Warns about a guarded route whose other methods meet an open route: a config that guards `POST /a/admin` rarely means
/// `GET /a/admin` to be public.
fn fallen_through(table: &RouteTable, lines: &[RouteLine<'_>]) {
    for line in lines {
        let route = &line.route;
        if matches!(route.methods, Methods::Usual)
            || route.access.is_open()
            || route.access == Access::Webhook
        {
            continue;
        }
        let example = route.pattern.example();
        let Ok(path) = CleanPath::parse(&example) else {
            continue;
        };
        let mut by_route: Vec<(Arc<str>, Vec<&str>)> = Vec::new();
        for method in &Methods::USUAL {
            let Some(found) = table
                .readings(method, &path, &[])
                .map(|readings| readings.first().route)
            else {
                continue;
            };
            if !found.access.is_open() || found.pattern.same_paths(&route.pattern, table.rules()) {
                continue;
            }
            match by_route
                .iter_mut()
                .find(|(text, _)| text == found.pattern.text())
            {
                Some((_, methods)) => methods.push(method.as_str()),
                None => by_route.push((found.pattern.text().clone(), vec![method.as_str()])),
            }
        }
        for (text, methods) in by_route {
            let what = format!(
                "a request with {} goes on to {}, which is open to everybody",
                methods.join(", "),
                quoted(&text)
            );
            let fix = format!(
                "if that is not meant: `- {{path: {}, access: deny}}` beside it",
                route.pattern.text()
            );
            line.access.warn(Code::Route, what, fix);
        }
    }
}

fn has_what_it_asks(line: &RouteLine<'_>, rest: &Rest<'_>) -> bool {
    let mut good = true;
    let mut refuse = |field: Field<'_>, what: String, fix: &str| {
        field.refuse(Code::Route, what, fix);
        good = false;
    };
    let route = &line.route;
    let access = quoted(&line.access.str().unwrap_or_default());
    let absent = matches!(rest.sections.membership, Membership::None);
    let named = !route.workspace.is_empty();
    match route.access {
        Access::Role(_) if !named => refuse(
            line.access,
            format!(
                "access {access} is a role in a workspace, and the route does not say in which"
            ),
            "write `{workspace}` into the path, or add `workspace: {header: x-workspace-id}` or `workspace: {claim: org}`",
        ),
        // The operator lets in every holder of the shared token.
        Access::Active if absent && rest.sections.users.auth_mode != AuthMode::SharedToken => {
            refuse(
                line.access,
                format!("access {access} needs to know who is active"),
                "add a `membership:` section",
            );
        }
        Access::User if absent && named => refuse(
            line.item,
            "a route with a workspace needs to know its members".to_owned(),
            "add a `membership:` section, or call the segment something else than `{workspace}`",
        ),
        Access::Webhook if matches!(rest.sections.webhooks, Ok(None)) => refuse(
            line.access,
            format!("access {access} without a secret: no webhook could be verified"),
            "add `webhooks: {secrets: [\"${CLERK_WEBHOOK_SIGNING_SECRET}\"]}`",
        ),
        Access::Service if rest.services.is_some_and(<[_]>::is_empty) => refuse(
            line.access,
            format!("access {access} without a service token: nobody could pass"),
            "add `service_tokens: [{name: engine, token: \"${ENGINE_TOKEN}\"}]`",
        ),
        Access::Service
            if rest
                .services
                .is_some_and(|all| !all.iter().any(|(_, s)| s.reaches(route))) =>
        {
            refuse(
                line.access,
                format!("access {access} on a route that no service lists: nobody could pass"),
                "add its path to the `routes` of a service, or remove that key from a service that may use every such route",
            )
        }
        _ => {}
    }
    if !named
        && route
            .require
            .iter()
            .any(|condition| matches!(condition, Condition::Role(_)))
    {
        let what = "`require.role` is a role in a workspace, and the route does not say in which"
            .to_owned();
        refuse(
            line.require,
            what,
            "write `{workspace}` into the path, or add `workspace:`",
        );
    }
    good & knows_issuers(line, rest.sections)
}

fn knows_issuers(line: &RouteLine<'_>, sections: &Sections<'_>) -> bool {
    let Ok(issuers) = &sections.issuers else {
        return true;
    };
    // With authentication switched off no issuer needs to be there, and no condition is looked at.
    if issuers.list.is_empty() && sections.users.auth_mode == AuthMode::Nobody {
        return true;
    }
    let local = (sections.users.auth_mode == AuthMode::SharedToken).then_some(LOCAL);
    let names = || {
        issuers
            .list
            .iter()
            .map(|(issuer, _)| &*issuer.name)
            .chain(local)
    };
    let mut good = true;
    for field in &line.issuers {
        let Ok(name) = field.str() else { continue };
        if names().any(|known| known == name) {
            continue;
        }
        let fault = Fault::error(
            Code::Route,
            format!("no issuer is called {}", quoted(&name)),
        );
        field.reject(match nearest(&name, names()) {
            Some(near) => fault.near(near),
            None => fault.expected(format!(
                "one of {}",
                names().map(quoted).collect::<Vec<_>>().join(", ")
            )),
        });
        good = false;
    }
    good
}

/// Somebody must be able to sign what the routes ask for.
fn has_issuer(lines: &[RouteLine<'_>], sections: &Sections<'_>, cx: ReadContext<'_>) -> bool {
    let asks = |route: &Route| {
        matches!(
            route.access,
            Access::Optional | Access::User | Access::Active | Access::Role(_)
        )
    };
    let Some(line) = lines.iter().find(|line| asks(&line.route)) else {
        return true;
    };
    if sections.may_add_issuers
        || sections.users.auth_mode != AuthMode::Issuers
        || !matches!(&sections.issuers, Ok(issuers) if issuers.list.is_empty())
    {
        return true;
    }
    let what = format!(
        "the route {} asks for a token, and there is no issuer whose tokens count",
        quoted(line.route.pattern.text())
    );
    let fault = Fault::error(Code::MissingKey, what);
    let fault =
        fault.fix("export CLERK_PUBLISHABLE_KEY=pk_…, or add `clerk: {publishable_key: pk_…}`");
    let fault = match twin(cx) {
        Some(twin) => fault.saw(format!(
            "`{twin}`, which is for the build of a web page and is not read"
        )),
        None => fault,
    };
    line.item.reject(fault);
    false
}

/// The name under which frameworks want the publishable key, if it is set.
fn twin(cx: ReadContext<'_>) -> Option<String> {
    const PREFIXES: [&str; 6] = [
        "NEXT_PUBLIC_",
        "VITE_",
        "PUBLIC_",
        "EXPO_PUBLIC_",
        "NUXT_PUBLIC_",
        "REACT_APP_",
    ];
    let names = PREFIXES
        .into_iter()
        .map(|prefix| format!("{prefix}CLERK_PUBLISHABLE_KEY"));
    names
        .into_iter()
        .find(|name| cx.ctx.env.is_some_and(|env| env.var(name).is_some()))
}

/// Finds every pair of routes for the same requests.
fn distinct(lines: &[RouteLine<'_>], paths: Paths) -> Reading<RouteTable> {
    // Bound: each round takes one route out.
    const MOST: usize = 20;
    let mut distinct = Ok(());
    let mut lines: Vec<_> = lines.iter().collect();
    for _ in 0..MOST {
        match RouteTable::new(
            lines.iter().map(|line| line.route.clone()).collect(),
            paths.rules(),
        ) {
            Ok(table) => return distinct.map(|()| table),
            Err((earlier, later)) => {
                let [earlier_line, later_line] = [earlier, later].map(|index| lines.get(index));
                distinct = Err(report_pair(
                    earlier_line.ok_or(Faulty)?,
                    later_line.ok_or(Faulty)?,
                ));
                lines.remove(later);
            }
        }
    }
    Err(Faulty)
}

fn report_pair(earlier: &RouteLine<'_>, later: &RouteLine<'_>) -> Faulty {
    let what = format!(
        "the route {} is for requests that another one is for",
        quoted(later.route.pattern.text())
    );
    let fault =
        Fault::error(Code::Route, what).fix("remove one of them, or give them different `methods`");
    later.item.reject(match earlier.place() {
        Some(place) => fault.saw(format!(
            "{} at {place}",
            quoted(earlier.route.pattern.text())
        )),
        None => fault,
    })
}

/// Warns about a shape that no route gives.
fn unused_profile(lines: &[RouteLine<'_>], profile: Field<'_>) {
    if profile.is_present()
        && !lines
            .iter()
            .any(|line| line.route.answer == Some(Own::Profile))
    {
        let what = format!(
            "{} has no effect, because no route has `answer: profile`",
            profile.name
        );
        let fix = "add `- {path: /api/auth/me, access: user, answer: profile}`, or remove it";
        profile.warn(Code::Route, what, fix);
    }
}
