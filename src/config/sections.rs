//! The sections of the config, each by itself.

pub(crate) mod answers;
mod auth_disabled;
mod clerk_source;
mod conditions;
mod cors;
pub(crate) mod headers;
mod http_source;
pub(crate) mod issuers;
mod keys;
pub(crate) mod listeners;
pub(crate) mod local_answer;
mod local_mode;
pub(crate) mod membership;
pub(crate) mod paths;
mod postgres;
mod profile;
mod revocations;
pub(crate) mod routes;
pub(crate) mod service_tokens;
pub(crate) mod shared;
pub(crate) mod static_users;
pub(crate) mod store;
pub(crate) mod timeouts;
mod tokens;
mod trusted_proxies;
pub(crate) mod upstream;
mod webhooks;

use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use crate::domain::answer::Answers;
use crate::domain::cors::Cors;
use crate::domain::profile::Profile;
use crate::domain::snapshot::WebhookPolicy;

use self::headers::HeaderRules;
use self::issuers::Issuers;
use self::membership::Membership;
use self::paths::Paths;
use self::routes::RouteLines;
use self::service_tokens::Service;
use self::static_users::{AuthMode, Choice};
use super::reader::{Field, Fields, ReadContext, Reading};
use super::settings::KeyTimes;

/// Every section that can change while the gate runs, as far as it could be read.
pub(crate) struct Sections<'a> {
    pub(crate) users: Choice,
    pub(crate) issuers: Reading<Issuers>,
    /// Whether issuers can be added while the gate runs.
    pub(crate) may_add_issuers: bool,
    pub(crate) membership: Membership,
    pub(crate) keys: Reading<KeyTimes>,
    pub(crate) webhooks: Reading<Option<WebhookPolicy>>,
    pub(crate) services: Reading<Vec<Service<'a>>>,
    pub(crate) cors: Reading<Cors>,
    pub(crate) headers: Reading<HeaderRules<'a>>,
    pub(crate) answers: Reading<Answers>,
    pub(crate) trusted_proxies: Reading<Vec<IpNet>>,
    pub(crate) keep_revocations: Reading<Duration>,
    pub(crate) profile: Reading<Profile>,
    pub(crate) paths: Reading<Paths>,
    pub(crate) routes: Reading<RouteLines<'a>>,
    /// Where each comes from: what to point at when no route uses it.
    pub(crate) webhooks_at: Field<'a>,
    pub(crate) services_at: Field<'a>,
    pub(crate) local_token_at: Field<'a>,
    pub(crate) profile_at: Field<'a>,
}

impl<'a> Sections<'a> {
    /// Reads all of them. Paths are relative to `folder`, where the config is.
    pub(crate) fn read(
        root: &mut Fields<'a>,
        folder: &Path,
        users: Choice,
        may_add_issuers: bool,
        cx: ReadContext<'a>,
    ) -> Self {
        let issuers = match users.auth_mode {
            AuthMode::SharedToken => {
                static_users::no_issuers(root, cx).map(|()| Issuers::default())
            }
            AuthMode::Issuers | AuthMode::Nobody => issuers::issuers(root, cx),
        };
        let backend = match &issuers {
            Ok(issuers) => Ok(issuers.backend.as_ref()),
            Err(faulty) => Err(*faulty),
        };
        let membership = membership::membership(root, folder, backend);
        Self {
            users,
            may_add_issuers,
            keys: keys::times(root),
            webhooks: webhooks::webhooks(root, cx),
            services: service_tokens::services(root, cx),
            cors: cors::cors(root, cx),
            headers: headers::header_rules(root),
            answers: answers::answers(root),
            trusted_proxies: trusted_proxies::trusted_proxies(root),
            keep_revocations: revocations::keep_revocations(root),
            profile: profile::profile(root),
            paths: paths::paths(root),
            routes: routes::routes(root, &membership),
            webhooks_at: root.opt("webhooks"),
            services_at: cx.file_or(root.opt("service_tokens"), "SERVICE_AUTH_TOKEN"),
            local_token_at: cx.file_or(root.opt("local"), "LOCAL_AUTH_TOKEN"),
            profile_at: root.opt("profile"),
            issuers,
            membership,
        }
    }
}
