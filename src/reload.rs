//! Follows the config and the membership file. A new version comes in force whole or not at all.

mod print;
pub mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::background::background;
use crate::clock;
use crate::config::faults::Faults;
use crate::config::interpolate::ProcessEnv;
use crate::config::load::{Loaded, Overrides, load};
use crate::config::membership_file::{BOUNDS, parse_membership};
use crate::config::settings::{MembershipSource, ReloadableSettings, Settings};
use crate::config::source::Source;
use crate::domain::membership::{Table, TableTime};
use crate::log_once::LogOnce;
use crate::metrics::{Metrics, Part};
use crate::providers::Providers;
use crate::records::Records;
use print::{FilesDigest, Prints};
use watch::Watch;

/// A file that is being written in place is read again after this pause, and used only if it has not changed meanwhile.
const STEADY: Duration = Duration::from_millis(50);
/// After so many checks in which the file has changed, it is used as it is: a process that writes all the time must not delay a
/// removal for ever. A half-written file is mostly no valid YAML, and is then refused whole.
const UNSTEADY_LOOKS: u8 = 3;

/// Applies what changes in the files.
pub struct Reloader {
    records: Arc<Records>,
    providers: Arc<Providers>,
    metrics: Arc<Metrics>,
    path: Option<PathBuf>,
    overrides: Overrides,
    settings: Settings,
    files: Vec<PathBuf>,
    prints: Prints,
    /// The digests of config and membership when they were last read.
    config_print: FilesDigest,
    members_print: FilesDigest,
    /// Consecutive checks in which a file was still being written.
    unsteady: u8,
    /// The faults of a refused config. What it lacks may be outside of the followed files, such as a secret that is mounted a
    /// moment later, so the config is tried again.
    lacking: LogOnce<String>,
    /// Called with each config that comes in force.
    telling: Box<dyn Fn(&ReloadableSettings) + Send>,
}

/// The result of reading a config.
enum Taken {
    Yes,
    No,
    /// The config has faults that were logged already.
    StillNot,
}

/// The digests of the files at the start. They are computed before the membership is read: waiting for the first keys can take
/// minutes, and a change in that time must not be lost.
pub struct StartupFiles {
    prints: Prints,
    config: FilesDigest,
    members: FilesDigest,
}

impl StartupFiles {
    #[must_use]
    pub fn now(loaded: &Loaded) -> Self {
        let mut prints = Prints::default();
        let config = prints.of(loaded.files.iter().map(PathBuf::as_path));
        let members = prints.of(loaded
            .settings
            .reloadable
            .membership
            .iter()
            .filter_map(|source| source.from.file()));
        Self {
            prints,
            config,
            members,
        }
    }
}

/// Reads the membership of the config where its source is a file or nothing. Other sources deliver it later: see
/// [`crate::membership_sources`].
pub fn read_membership(live: &ReloadableSettings) -> Result<Option<(Table, Faults)>, Faults> {
    let (Some(source), Some(roles)) = (&live.membership, &live.rules.roles) else {
        return Ok(None);
    };
    if source.from.is_remote() {
        return Ok(None);
    }
    let Some(file) = source.from.file() else {
        return Ok(Some((Table::default(), Faults::new())));
    };
    let read = Source::read(file, BOUNDS.bytes)?;
    parse_membership(&read, roles, &live.rules.flags).map(Some)
}

impl Reloader {
    /// Continues from `loaded`, which is in force already, and from the digests of the files in `seen`.
    #[must_use]
    pub fn new(
        records: Arc<Records>,
        providers: Arc<Providers>,
        metrics: Arc<Metrics>,
        path: Option<PathBuf>,
        overrides: Overrides,
        (loaded, seen): (Loaded, StartupFiles),
    ) -> Self {
        let Loaded {
            settings, files, ..
        } = loaded;
        let StartupFiles {
            prints,
            config: config_print,
            members: members_print,
        } = seen;
        let (unsteady, lacking) = (0, LogOnce::default());
        Self {
            records,
            providers,
            metrics,
            path,
            overrides,
            settings,
            files,
            prints,
            config_print,
            members_print,
            unsteady,
            lacking,
            telling: Box::new(|_| {}),
        }
    }

    /// Calls `follow` with each config that comes in force.
    #[must_use]
    pub fn telling(self, follow: impl Fn(&ReloadableSettings) + Send + 'static) -> Self {
        Self {
            telling: Box::new(follow),
            ..self
        }
    }

    /// Follows the files until the task is dropped. `told` makes it check them at once, for SIGHUP.
    pub async fn run(mut self, told: Arc<tokio::sync::Notify>) {
        let mut watch = Watch::new();
        loop {
            let members = self.membership_file();
            watch.follow(
                self.files
                    .iter()
                    .map(PathBuf::as_path)
                    .chain(members.as_deref()),
            );
            tokio::select! {
                () = watch.changed() => {}
                () = told.notified() => {}
            }
            self.look().await;
        }
    }

    fn membership(&self) -> Option<&MembershipSource> {
        self.settings.reloadable.membership.as_ref()
    }

    fn membership_file(&self) -> Option<PathBuf> {
        self.membership()?.from.file().map(Path::to_owned)
    }

    async fn look(&mut self) {
        let print = self.changed(&self.files.clone(), self.config_print).await;
        if print.is_some() || self.lacking.lasts() {
            self.config_print = print.unwrap_or(self.config_print);
            match self.reload_config() {
                Taken::Yes => self.metrics.reloaded(Part::Config, true),
                Taken::No => self.metrics.reloaded(Part::Config, false),
                Taken::StillNot => {}
            }
        }
        let Some(file) = self.membership_file() else {
            return;
        };
        if let Some(print) = self.changed(&[file], self.members_print).await {
            self.members_print = print;
            let (records, live) = (self.records.clone(), self.settings.reloadable.clone());
            let good = reload_membership(records, live).await;
            self.metrics.reloaded(Part::Membership, good);
        }
    }

    /// The digest of `files`, if it differs from `last` and stays the same for a moment.
    async fn changed(&mut self, files: &[PathBuf], last: FilesDigest) -> Option<FilesDigest> {
        let paths = || files.iter().map(PathBuf::as_path);
        let first = self.prints.of(paths());
        if first == last {
            return None;
        }
        tokio::time::sleep(STEADY).await;
        let second = self.prints.of(paths());
        if first != second && self.unsteady < UNSTEADY_LOOKS {
            // The file is still being written; the next check finds it complete.
            self.unsteady += 1;
            return None;
        }
        self.unsteady = 0;
        Some(second)
    }

    fn reload_config(&mut self) -> Taken {
        let loaded = match load(self.path.as_deref(), &self.overrides, &ProcessEnv) {
            Ok(loaded) => loaded,
            Err(faults) => return self.lacks(&faults),
        };
        if loaded.settings.fixed != self.settings.fixed {
            let why = "listen, admin, upstream, threads, max_connections, timeouts, shutdown, store or shared differ, and these need a restart";
            tracing::error!(
                part = "config",
                why,
                "the new config is not taken; the last good one stays"
            );
            self.lacking.ends();
            return Taken::No;
        }
        tell(&loaded.warnings);
        // The rules determine what a membership row means, so roles and file come in force together or not at all.
        let (old, live) = (&self.settings.reloadable, &loaded.settings.reloadable);
        let other_members = live.membership != old.membership
            || live.rules.roles != old.rules.roles
            || live.rules.flags != old.rules.flags;
        let members = if other_members {
            read_membership(live)
        } else {
            Ok(None)
        };
        let members = match members {
            Ok(members) => members,
            Err(faults) => return self.lacks(&faults),
        };
        self.lacking.ends();
        self.metrics.prepare_routes(&live.rules);
        let table = members.map(|(table, warnings)| {
            tell(&warnings);
            table
        });
        let generation = self.providers.apply(live, |snapshot| {
            self.records.carried_over(snapshot, live, table)
        });
        tracing::info!(part = "config", generation, "the new config is in force");
        (self.telling)(live);
        self.settings = loaded.settings;
        self.files = loaded.files;
        if other_members {
            let file = self.membership_file();
            self.members_print = self.prints.of(file.as_deref());
            self.metrics.membership_applied(clock::now());
        }
        Taken::Yes
    }

    /// Logs the faults of a config, once.
    fn lacks(&mut self, faults: &Faults) -> Taken {
        if !self.lacking.changes(faults.to_string()) {
            return Taken::StillNot;
        }
        refused("config", faults);
        Taken::No
    }
}

/// Reads the membership and puts it in force. Returns whether it was good. Reading a large file takes a while, and so does
/// comparing it with what was learned about many users.
async fn reload_membership(records: Arc<Records>, live: ReloadableSettings) -> bool {
    let reload = move || {
        let (Some((table, warnings)), Some(source)) = (read_membership(&live)?, &live.membership)
        else {
            return Ok(false);
        };
        tell(&warnings);
        let generation = records.reload(table, source, TableTime::WhenChanged);
        tracing::info!(
            part = "membership",
            generation,
            "the new membership is in force"
        );
        Ok::<_, Faults>(true)
    };
    match background(reload).await {
        Ok(Ok(good)) => good,
        Ok(Err(faults)) => {
            refused("membership", &faults);
            false
        }
        Err(error) => {
            tracing::error!(%error, "reading the membership ended abnormally; the last good one stays");
            false
        }
    }
}

/// Logs every fault of a version that is refused.
fn refused(part: &str, faults: &Faults) {
    tracing::error!(part, faults = %faults, "the new version is not taken; the last good one stays");
}

/// Logs the warnings of a version that comes in force.
pub fn tell(warnings: &Faults) {
    if !warnings.is_empty() {
        tracing::warn!(warnings = %warnings, "the config works, but look at this");
    }
}
