//! What a running gate would judge by: config and membership from their files, keys from their issuers.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::ConfigArgs;
use super::ending::{Stop, talk};
use crate::clock;
use crate::config::faults::Faults;
use crate::config::interpolate::ProcessEnv;
use crate::config::load::{Overrides, load};
use crate::config::settings::{KeySource, Live, Settings};
use crate::domain::Snapshot;
use crate::domain::keys::{KeySet, MAX_JWKS_BYTES};
use crate::domain::membership::{Members, Table};
use crate::state::fetch::Fetcher;
use crate::state::reload::read_membership;

/// Config and membership, both without errors.
pub(crate) struct Scene {
    pub path: Option<PathBuf>,
    pub settings: Settings,
    pub table: Option<Table>,
    pub warnings: Faults,
}

/// What asking for the keys of one issuer gave.
pub(crate) struct Look {
    pub issuer: Arc<str>,
    /// The keys, or why there are none.
    pub keys: Result<Arc<KeySet>, String>,
    /// Keys of the set that cannot be used, and why.
    pub skipped: Vec<String>,
    /// Seconds by which our clock is ahead of the issuer's.
    pub clock_ahead: Option<i64>,
}

/// Reads config and membership.
///
/// # Errors
/// All faults of both, as far as the second can be read at all.
pub(crate) fn read(args: &ConfigArgs) -> Result<Scene, Faults> {
    read_with(args, &args.overrides())
}

/// As [`read`], with other overrides than those of the arguments.
pub(crate) fn read_with(args: &ConfigArgs, overrides: &Overrides) -> Result<Scene, Faults> {
    let path = args.path();
    let loaded = load(path.as_deref(), overrides, &ProcessEnv)?;
    let mut warnings = loaded.warnings;
    match read_membership(&loaded.settings.live) {
        Ok(read) => {
            let table = read.map(|(table, more)| {
                warnings.merge(more);
                table
            });
            Ok(Scene { path, settings: loaded.settings, table, warnings })
        }
        Err(faults) => {
            warnings.merge(faults);
            Err(warnings)
        }
    }
}

/// Asks every issuer for its keys, and says so: it can take seconds. `offline`: only those that need no network.
pub(crate) async fn look_for_keys(live: &Live, offline: bool) -> Result<Vec<Look>, Stop> {
    let fetcher = Fetcher::new().map_err(|why| Stop::failed("no HTTP client could be made").saw(why))?;
    let mut looks = Vec::new();
    for issuer in &live.issuers {
        let name = issuer.name.clone();
        looks.push(match &issuer.source {
            KeySource::Pem(keys) => Look { issuer: name, keys: Ok(keys.clone()), skipped: vec![], clock_ahead: None },
            KeySource::Url(url) if offline => {
                let why = "not fetched, because of --offline".to_owned();
                Look { issuer: name, keys: Err(why), skipped: vec![], clock_ahead: None }
            }
            KeySource::Url(url) => {
                talk(&format!("asking {url} for the keys of `{name}` ...\n"));
                fetch(&fetcher, name, url).await
            }
        });
    }
    Ok(looks)
}

async fn fetch(fetcher: &Fetcher, issuer: Arc<str>, url: &str) -> Look {
    let fetched = fetcher.get_dated(url, MAX_JWKS_BYTES).await;
    let now = clock::now();
    let mut look = Look { issuer, keys: Err(String::new()), skipped: vec![], clock_ahead: None };
    match fetched {
        Ok(fetched) => {
            look.clock_ahead = fetched.date.map(|date| now.0.cast_signed().saturating_sub(date.0.cast_signed()));
            look.keys = match KeySet::from_jwks(&fetched.body, None) {
                Ok((keys, skipped)) => {
                    look.skipped = skipped;
                    Ok(Arc::new(keys))
                }
                Err(why) => Err(format!("{url}: {why}")),
            };
        }
        Err(why) => look.keys = Err(why.to_string()),
    }
    look
}

impl Scene {
    /// The snapshot that a gate would have with these keys, before any webhook.
    pub(crate) fn snapshot(&self, looks: &[Look]) -> Snapshot {
        let live = &self.settings.live;
        let keys: HashMap<_, _> = looks
            .iter()
            .filter_map(|look| look.keys.as_ref().ok().map(|keys| (look.issuer.clone(), keys.clone())))
            .collect();
        let members = match (&self.table, &live.membership) {
            (Some(table), Some(source)) => Some(Members::new(table.clone(), source.policy.clone())),
            _ => None,
        };
        Snapshot { generation: 1, rules: live.rules.clone(), keys, members }
    }
}
