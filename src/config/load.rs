//! From flags, environment and file to [`Settings`], with every fault of all of them in one run.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::identity::TrustedNames;
use crate::domain::issuer::Issuer;
use crate::domain::routes::WorkspaceSource;
use crate::domain::snapshot::Rules;

use super::coverage::{self, Rest};
use super::faults::{Code, Fault, Faults};
use super::interpolate::{Env, FileContent};
use super::issuers::Issuers;
use super::near::nearest;
use super::outside::{Outside, Run};
use super::reader::{Ctx, Field, Fields, Keys};
use super::roles::{self, Membership};
use super::settings::{IssuerKeys, Live, Settings};
use super::source::Source;
use super::stand_in::{self, AuthMode, Choice};
use super::yaml::{Bounds, Kind, Node};
use super::{
    boot, headers, issuers, keys, own, paths, postgres, routes, service_routes, services, webhooks,
};

/// What the command line says. It counts more than the environment and the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--upstream`
    pub upstream: Option<String>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--admin`
    pub admin: Option<String>,
}

/// A configuration without errors.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// What somebody should look at.
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
    let ctx = Ctx::new(&recorder);
    let outside = Outside::look(overrides, &recorder, &ctx);
    let run = Run {
        ctx: &ctx,
        outside: &outside,
    };
    let root = match path {
        Some(path) => read(path, &recorder, &ctx),
        None => Some(Node::nothing()),
    };
    let folder = path.and_then(Path::parent).unwrap_or(Path::new(""));
    let settings = root.and_then(|root| settings(&root, folder, run));
    let (settings, warnings) = ctx.into_faults().judge(settings)?;
    Ok(Loaded {
        settings,
        warnings,
        files: recorder.files.into_inner(),
    })
}

/// All keys that a config may have, and whether `source` uses them.
#[must_use]
pub fn known_keys(source: &Source, env: &dyn Env) -> Keys {
    let ctx = Ctx::new(env);
    let outside = Outside::look(&Overrides::default(), env, &ctx);
    let run = Run {
        ctx: &ctx,
        outside: &outside,
    };
    if let Some(root) = ctx.parse(source, Bounds::default()) {
        let _ = settings(&root, Path::new(""), run);
    }
    ctx.keys()
}

fn read(path: &Path, env: &dyn Env, ctx: &Ctx<'_>) -> Option<Node> {
    let (name, bounds) = (path.display().to_string(), Bounds::default());
    let source = match env.read_file(path, bounds.bytes) {
        Ok(content) if content.bytes.len() > bounds.bytes => Err(Fault::error(
            Code::Bound,
            format!("{name} is larger than {} bytes", bounds.bytes),
        )
        .into()),
        Ok(content) => Source::from_bytes(&name, &content.bytes),
        Err(error) => Err(
            Fault::error(Code::Unreadable, format!("cannot read {name}"))
                .saw(error.to_string())
                .into(),
        ),
    };
    match source {
        Ok(source) => ctx.parse(&source, bounds),
        Err(faults) => {
            ctx.merge(faults);
            None
        }
    }
}

/// Keys whose values are nobody's business.
const SECRETS: &[&str] = &[
    "jwt_key",
    "password",
    "redis",
    "secret_key",
    "secrets",
    "sha256",
    "token",
];

/// Keys of mappings with little else than secrets. Who leaves the mapping out has written the secret itself.
const HOLDERS: &[&str] = &["webhooks", "service_tokens", "local", "shared"];

/// Mappings whose `url` has a password in it.
const ADDRESSES: &[&str] = postgres::HIDDEN;

/// Hides a value, or the values of a list, that stand where a mapping belongs.
fn hide_bare(node: &Node, ctx: &Ctx<'_>) {
    match node.kind() {
        Kind::List(items) => items.iter().for_each(|item| hide_bare(item, ctx)),
        Kind::Scalar { .. } => ctx.hide(node),
        Kind::Map(_) | Kind::Broken => {}
    }
}

/// Hides the address in such a mapping, or what stands in its place.
fn hide_address(node: &Node, ctx: &Ctx<'_>) {
    hide_bare(node, ctx);
    if let Kind::Map(entries) = node.kind() {
        entries
            .iter()
            .filter(|entry| nearest(&entry.key, ["url"]).is_some())
            .for_each(|entry| ctx.hide(&entry.value));
    }
}

/// Hides what stands under such a key, or under a misspelling of one, wherever that is: a fault can keep a part of the config
/// from being read, and its line is printed all the same.
fn hide_secrets(node: &Node, ctx: &Ctx<'_>) {
    match node.kind() {
        Kind::List(items) => items.iter().for_each(|item| hide_secrets(item, ctx)),
        Kind::Map(entries) => {
            for entry in entries.iter() {
                match nearest(&entry.key, SECRETS.iter().copied()) {
                    Some(_) => ctx.hide(&entry.value),
                    None => hide_secrets(&entry.value, ctx),
                }
                if nearest(&entry.key, ADDRESSES.iter().copied()).is_some() {
                    hide_address(&entry.value, ctx);
                }
                if nearest(&entry.key, HOLDERS.iter().copied()).is_some() {
                    hide_bare(&entry.value, ctx);
                }
            }
        }
        Kind::Scalar { .. } | Kind::Broken => {}
    }
}

fn settings<'a>(root: &'a Node, folder: &Path, run: Run<'a>) -> Option<Settings> {
    hide_secrets(root, run.ctx);
    let file = root;
    let mut root = Fields::of(file, "the config", run.ctx)?;
    let boot = boot::boot(&mut root, folder, run);
    let choice = stand_in::choice(
        &mut root,
        file,
        boot.as_ref().map(|boot| boot.listen.as_slice()),
        run,
    );
    let may_add_issuers = boot
        .as_ref()
        .is_some_and(|boot| !boot.admin_tokens.is_empty());
    let live = live(&mut root, folder, &choice, may_add_issuers, run);
    root.finish();
    Some(Settings {
        boot: boot?,
        live: live?,
    })
}

fn live<'a>(
    root: &mut Fields<'a>,
    folder: &Path,
    choice: &Choice,
    may_add_issuers: bool,
    run: Run<'a>,
) -> Option<Live> {
    let issuers = match choice.auth_mode {
        AuthMode::SharedToken => stand_in::no_issuers(root, run).then(Issuers::default),
        AuthMode::Issuers | AuthMode::Nobody => issuers::issuers(root, run),
    };
    let backend = issuers.as_ref().map(|found| found.backend.as_ref());
    let membership = roles::membership(root, folder, backend);
    let times = keys::times(root);
    let webhooks = webhooks::webhooks(root, run);
    let services = services::services(root, run);
    let cors = headers::cors(root, run);
    let header_rules = headers::header_rules(root);
    let answers = headers::answers(root);
    let trusted_proxies = headers::trusted_proxies(root);
    let keep_revocations = keys::keep_revocations(root);
    let profile = own::profile(root);
    let paths = paths::paths(root);
    let lines = routes::routes(root, &membership);

    let mut backend = None;
    let (issuers, keys): (Option<Vec<Issuer>>, Vec<IssuerKeys>) = match issuers {
        Some(found) => {
            let (issuers, keys) = found.list.into_iter().unzip();
            backend = found.backend;
            (Some(issuers), keys)
        }
        None => (None, vec![]),
    };
    let services = services
        .and_then(|read| service_routes::bind(read, lines.as_ref()?, trusted_proxies.as_deref()));
    let token_at = local_token_at(root, run);
    let distinct =
        stand_in::is_of_no_service(choice, services.as_deref().unwrap_or_default(), token_at);
    let rest = Rest {
        membership: &membership,
        issuers: issuers.as_deref(),
        may_add_issuers,
        auth_mode: choice.auth_mode,
        webhooks: webhooks.as_ref().map(Option::is_some),
        services: services.as_deref(),
        webhooks_at: root.opt("webhooks"),
        services_at: services_at(root, run),
        profile_at: root.opt("profile"),
        paths,
    };
    let routes = lines.and_then(|lines| coverage::table(lines, &rest, run));
    if let (Some(rules), Some(proxies)) = (&header_rules, &trusted_proxies) {
        rules.check_proxies(proxies);
    }
    let (routes, header_rules) = (routes?, header_rules?);
    let claim_headers = header_rules.claims;
    let names = TrustedNames::new(claim_headers.iter().map(|(name, _)| name.as_str()));
    let read = routes
        .iter()
        .flat_map(|route| &route.workspace)
        .filter_map(|source| match source {
            WorkspaceSource::Header(name) => Some(name.clone()),
            WorkspaceSource::Segment(_) | WorkspaceSource::TokenOrg => None,
        });
    let names = names.with_route_headers(read);
    let names = header_rules
        .passed
        .into_iter()
        .fold(names, |names, (name, sender)| {
            names.with_passed(name, sender)
        });
    let rules = Rules {
        routes,
        issuers: issuers?,
        static_user: choice.mode.clone().filter(|_| distinct)?,
        profile: profile?,
        roles: membership.roles().cloned(),
        flags: membership.flags().clone(),
        services: services?.into_iter().map(|(_, service)| service).collect(),
        webhooks: webhooks?,
        cors: cors?,
        names: Arc::new(names),
        claim_headers,
        answers: answers?,
        keep_revocations: keep_revocations?,
        trusted_proxies: trusted_proxies?,
    };
    let membership = match membership {
        Membership::None => None,
        Membership::Broken(_) => return None,
        Membership::Read { source, .. } => Some(source),
    };
    Some(Live {
        rules: Arc::new(rules),
        issuers: keys,
        keys: times?,
        membership,
        backend,
    })
}

/// The shared token of local mode, wherever it comes from.
fn local_token_at<'a>(root: &mut Fields<'a>, run: Run<'a>) -> Field<'a> {
    let file = root.opt("local");
    if file.is_present() {
        file
    } else {
        run.outside("LOCAL_AUTH_TOKEN")
    }
}

/// The tokens of services, wherever they come from.
fn services_at<'a>(root: &mut Fields<'a>, run: Run<'a>) -> Field<'a> {
    let file = root.opt("service_tokens");
    if file.is_present() {
        file
    } else {
        run.outside("SERVICE_AUTH_TOKEN")
    }
}

/// An environment that remembers which files were asked for.
struct Recorder<'e> {
    env: &'e dyn Env,
    files: RefCell<Vec<PathBuf>>,
}

impl Env for Recorder<'_> {
    fn var(&self, name: &str) -> Option<String> {
        self.env.var(name)
    }

    fn read_file(&self, path: &Path, max: usize) -> io::Result<FileContent> {
        let mut files = self.files.borrow_mut();
        if !files.iter().any(|known| known == path) {
            files.push(path.to_owned());
        }
        drop(files);
        self.env.read_file(path, max)
    }
}
