//! Further properties of a config, and hints about what its author may have overlooked. A hint is a guess: it is no fault, and
//! nothing fails because of it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::offline_gate::OfflineGate;
use crate::config::faults::quoted;
use crate::config::settings::{Address, BackendSettings, SharedSettings};
use crate::domain::authority;
use crate::domain::routes::Access;

/// The domain of Clerk's development instances.
const DEVELOPMENT: &str = "clerk.accounts.dev";
/// So many wrong letters count as a typing error.
const SLIP: usize = 2;

const NAMELESS: &str = "users are recorded on first sight with the e-mail address and the name that the token has, and Clerk's session \
                        tokens have none by themselves: set `clerk.secret_key` (CLERK_SECRET_KEY), or add both claims to the session \
                        token in the Clerk dashboard (Sessions)";
const NO_WEBHOOK_ROUTE: &str = "there is a signing secret for webhooks and no route for them, so Clerk's are refused and users are not \
                                created: add `{path: /api/webhooks/clerk, methods: [POST], access: webhook}`, or unset \
                                CLERK_WEBHOOK_SIGNING_SECRET and CLERK_WEBHOOK_SECRET";

/// The lines of the summary about the services that the gate asks, and the data that it keeps.
pub(super) fn surroundings(offline_gate: &OfflineGate) -> String {
    let (boot, live) = (
        &offline_gate.settings.fixed,
        &offline_gate.settings.reloadable,
    );
    let backend = match &live.backend {
        Some(BackendSettings { api_url, live, .. }) => {
            format!(
                "{api_url}, with a secret key ({})",
                if *live { "live" } else { "test" }
            )
        }
        None => "not asked, as there is no secret key".to_owned(),
    };
    let store = match &boot.store {
        Some(path) => path.display().to_string(),
        None => "none: what is learned while running is lost at a restart".to_owned(),
    };
    let shared = boot
        .shared
        .as_ref()
        .map_or_else(|| "nothing: this is the only gate".to_owned(), shared);
    let mut text =
        format!("  backend api {backend}\n  store       {store}\n  shared      {shared}\n");
    if let Some(policy) = live
        .membership
        .as_ref()
        .map(|source| &source.policy)
        .filter(|policy| policy.first_sight)
    {
        let _ = writeln!(
            text,
            "  first sight whoever comes with a good token is recorded as {}",
            policy.access.name()
        );
    }
    text
}

/// The shared store. Never its password.
pub(super) fn shared(settings: &SharedSettings) -> String {
    let scheme = if settings.tls { "rediss" } else { "redis" };
    let SharedSettings {
        host,
        port,
        database,
        namespace,
        ..
    } = settings;
    let tells = if settings.write {
        ""
    } else {
        ", listening only"
    };
    let authority = authority::join(host, *port);
    format!("{scheme}://{authority}/{database}, {namespace}{tells}")
}

/// The Backend API as JSON. Never the secret key.
pub(super) fn backend_json(offline_gate: &OfflineGate) -> Value {
    let backend = offline_gate.settings.reloadable.backend.as_ref();
    json!({
        "url": backend.map_or(BackendSettings::API_URL, |backend| &backend.api_url),
        "secret_key": backend.is_some(),
        "live": backend.map(|backend| backend.live),
    })
}

/// Properties of the config that may surprise the operator later.
pub(super) fn hints(offline_gate: &OfflineGate) -> Vec<String> {
    let live = &offline_gate.settings.reloadable;
    let first_sight = live
        .membership
        .as_ref()
        .is_some_and(|source| source.policy.first_sight);
    let nameless = (first_sight && live.backend.is_none()).then(|| NAMELESS.to_owned());
    let slips = live
        .rules
        .issuers
        .iter()
        .filter(|issuer| is_slip(&issuer.iss))
        .map(|issuer| {
            format!(
                "the issuer {} is spelt almost like {DEVELOPMENT}: is that a typo?",
                quoted(&issuer.iss)
            )
        });
    nameless
        .into_iter()
        .chain(webhook(offline_gate))
        .chain(slips)
        .collect()
}

/// Warns when the gate does not learn of new users at Clerk: no route takes webhooks, or none can arrive.
fn webhook(offline_gate: &OfflineGate) -> Option<String> {
    let rules = &offline_gate.settings.reloadable.rules;
    let Some(route) = rules
        .routes
        .iter()
        .find(|route| route.access == Access::Webhook)
    else {
        return rules
            .webhooks
            .is_some()
            .then(|| NO_WEBHOOK_ROUTE.to_owned());
    };
    let near = |address: &Address| match address {
        Address::Tcp(socket) => socket.ip().is_loopback(),
        Address::Unix(_) => true,
    };
    offline_gate.settings.fixed.listen.iter().all(near).then(|| {
        format!(
            "webhooks to {} come from the internet, and bailiff listens on this machine only: users are not created until a proxy or \
             a tunnel (ngrok) makes it publicly accessible; `bailiff webhook send user.created --to URL` does without",
            route.pattern.text()
        )
    })
}

/// Whether the host ends almost like Clerk's own domain. The owner of such a domain could sign tokens.
fn is_slip(iss: &str) -> bool {
    let host = iss
        .split("://")
        .nth(1)
        .unwrap_or_default()
        .split(['/', ':'])
        .next()
        .unwrap_or_default();
    let labels: Vec<_> = host.rsplit('.').take(3).collect();
    let end = labels.into_iter().rev().collect::<Vec<_>>().join(".");
    // Bound: a host may have any length, so only its end is compared with the short domain.
    let short = end.len() <= DEVELOPMENT.len() + SLIP;
    short && end != DEVELOPMENT && strsim::osa_distance(&end, DEVELOPMENT) <= SLIP
}

#[cfg(test)]
mod tests {
    use super::is_slip;

    #[test]
    fn a_typo_in_clerks_domain_is_found_and_another_domain_is_none() {
        for (iss, expected) in [
            ("https://amused-cat-7.clerk.accounts.dev", false),
            ("https://amused-cat-7.clerk.acounts.dev", true),
            ("https://amused-cat-7.clerk.account.dev", true),
            ("https://amused-cat-7.clrek.accounts.dev:443", true),
            ("https://amused-cat-7.clerk.accounts.dve", true),
            ("https://clerk.example.com", false),
            ("https://clerk.example.dev", false),
            ("http://127.0.0.1:8486", false),
            ("", false),
        ] {
            assert_eq!(is_slip(iss), expected, "{iss}");
        }
    }
}
