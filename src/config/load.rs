//! From flags, environment and file to [`Settings`], with every fault of all of them in one run.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::identity::TrustedNames;
use crate::domain::routes::{RouteTable, WorkspaceSource};
use crate::domain::snapshot::Rules;

use super::checks::{self, Checked, addresses};
use super::document::env::Recorder;
use super::document::faults::Faults;
use super::document::interpolate::Env;
use super::document::source::Source;
use super::document::yaml::{Bounds, Node};
use super::reader::environment::{Environment, ReadContext};
use super::reader::{Faulty, Fields, Keys, ReaderContext, Reading, secrets};
use super::sections::headers::HeaderRules;
use super::sections::issuers::Issuers;
use super::sections::membership::Membership;
use super::sections::{Sections, listeners, shared, static_users, store, timeouts, upstream};
use super::settings::{ReloadableSettings, Settings, StaticSettings};

pub use super::reader::environment::Overrides;

/// A configuration without errors.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// What should be looked at.
    pub warnings: Faults,
    /// Every file that was read: the config, and each that a `${file:…}` or a `NAME_FILE` names. When one of them changes,
    /// the settings may. The membership file is not among them: it is a source of its own.
    pub files: Vec<PathBuf>,
}

/// Reads the whole configuration: the file at `path` if there is one, `overrides`, and the environment.
///
/// # Errors
/// Every fault that was found, warnings included, if one of them is an error.
pub fn load(path: Option<&Path>, overrides: &Overrides, env: &dyn Env) -> Result<Loaded, Faults> {
    let recorder = Recorder {
        env,
        files: RefCell::default(),
    };
    let ctx = ReaderContext::new(&recorder);
    let environment = Environment::read(overrides, &recorder, &ctx);
    let root = match path {
        Some(path) => ctx.load(path, Bounds::default()),
        None => Ok(Node::nothing()),
    };
    let folder = path.and_then(Path::parent).unwrap_or(Path::new(""));
    let settings =
        root.and_then(|root| settings(&root, folder, ReadContext::new(&ctx, &environment)));
    let (settings, warnings) = ctx.into_faults().judge(settings.ok())?;
    Ok(Loaded {
        settings,
        warnings,
        files: recorder.files.into_inner(),
    })
}

/// All keys that a config may have, and whether `source` uses them.
#[must_use]
pub fn known_keys(source: &Source, env: &dyn Env) -> Keys {
    let ctx = ReaderContext::new(env);
    let environment = Environment::read(&Overrides::default(), env, &ctx);
    if let Ok(root) = ctx.parse(source, Bounds::default()) {
        let _ = settings(&root, Path::new(""), ReadContext::new(&ctx, &environment));
    }
    ctx.keys()
}

fn settings<'a>(root: &'a Node, folder: &Path, cx: ReadContext<'a>) -> Reading<Settings> {
    secrets::hide(root, cx.ctx);
    let file = root;
    let mut root = Fields::of(file, "the config", cx.ctx)?;
    let fixed = fixed(&mut root, folder, cx);
    let listen = fixed.as_ref().ok().map(|fixed| fixed.listen.as_slice());
    let users = static_users::choice(&mut root, file, listen, cx);
    let may_add_issuers = fixed
        .as_ref()
        .is_ok_and(|fixed| !fixed.admin_tokens.is_empty());
    let sections = Sections::read(&mut root, folder, users, may_add_issuers, cx);
    root.finish();
    let checked = checks::check(&sections, cx);
    Ok(Settings {
        fixed: fixed?,
        reloadable: reloadable(sections, checked?)?,
    })
}

/// What cannot change while the process runs.
fn fixed<'a>(root: &mut Fields<'a>, folder: &Path, cx: ReadContext<'a>) -> Reading<StaticSettings> {
    let listen = listeners::listen(root.opt("listen"), cx);
    let admin = listeners::admin(root.opt("admin"), cx);
    let upstream = upstream::upstream(root.opt("upstream"), cx);
    let threads = root.maybe("threads", |field| field.usize(1..=1024));
    let connections = root.read_or(
        "max_connections",
        StaticSettings::MAX_CONNECTIONS,
        |field| field.usize(1..=1_000_000),
    );
    let timeouts = timeouts::timeouts(root.opt("timeouts"));
    let shutdown = timeouts::shutdown(root.opt("shutdown"));
    let store = store::store(root.opt("store"), cx);
    let shared = shared::shared(root, folder);
    if let (Ok(listen), Ok(admin), Ok(upstream)) = (&listen, &admin, &upstream) {
        let ends = addresses::Ends {
            listen,
            admin: &admin.address,
            upstream,
        };
        addresses::agree(&ends, root, cx)?;
    }
    let admin = admin?;
    Ok(StaticSettings {
        listen: listen?,
        admin: admin.address,
        admin_hosts: admin.hosts,
        admin_tokens: admin.tokens,
        upstream: upstream?,
        threads: threads?,
        max_connections: connections?,
        timeouts: timeouts?,
        shutdown: shutdown?,
        store: store?.map(|path| folder.join(path)),
        shared: shared?,
    })
}

/// What can change while the process runs.
fn reloadable(sections: Sections<'_>, checked: Checked) -> Reading<ReloadableSettings> {
    let headers = sections.headers?;
    let names = trusted_names(&headers, &checked.routes);
    let Issuers { list, backend } = sections.issuers?;
    let (issuers, keys) = list.into_iter().unzip();
    let rules = Rules {
        routes: checked.routes,
        issuers,
        static_user: sections.users.mode?,
        profile: sections.profile?,
        roles: sections.membership.roles().cloned(),
        flags: sections.membership.flags().clone(),
        services: checked.services,
        webhooks: sections.webhooks?,
        cors: sections.cors?,
        names: Arc::new(names),
        claim_headers: headers.claims,
        answers: sections.answers?,
        keep_revocations: sections.keep_revocations?,
        trusted_proxies: sections.trusted_proxies?,
    };
    let membership = match sections.membership {
        Membership::None => None,
        Membership::Broken(_) => return Err(Faulty),
        Membership::Read { source, .. } => Some(source),
    };
    Ok(ReloadableSettings {
        rules: Arc::new(rules),
        issuers: keys,
        keys: sections.keys?,
        membership,
        backend,
    })
}

/// The headers whose values only the gate may write.
fn trusted_names(headers: &HeaderRules<'_>, routes: &RouteTable) -> TrustedNames {
    let read = routes
        .iter()
        .flat_map(|route| &route.workspace)
        .filter_map(|source| match source {
            WorkspaceSource::Header(name) => Some(name.clone()),
            WorkspaceSource::Segment(_) | WorkspaceSource::TokenOrg => None,
        });
    let names = TrustedNames::new(headers.claims.iter().map(|(name, _)| name.as_str()));
    let names = names.with_route_headers(read);
    headers.passed.iter().fold(names, |names, (name, sender)| {
        names.with_passed(name.clone(), *sender)
    })
}
