//! The data by which a running gate decides: config and membership from their files, keys from their issuers.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::ConfigArgs;
use super::exit::{CommandError, talk};
use crate::clock;
use crate::config::faults::Faults;
use crate::config::interpolate::ProcessEnv;
use crate::config::load::{Overrides, load};
use crate::config::settings::{KeySource, ReloadableSettings, Settings};
use crate::domain::Snapshot;
use crate::domain::keys::KeySet;
use crate::domain::membership::{Members, Table};
use crate::domain::revocation::Revocations;
use crate::fetch::Fetcher;
use crate::keys::discovery::{EndpointLookup, Finder, KeyEndpoint};
use crate::reload::read_membership;

/// Config and membership, both without errors.
pub(crate) struct OfflineGate {
    pub path: Option<PathBuf>,
    pub settings: Settings,
    pub table: Option<Table>,
    pub warnings: Faults,
}

/// The result of fetching the keys of one issuer.
pub(crate) struct KeyFetch {
    pub issuer: Arc<str>,
    /// The keys, or why there are none.
    pub keys: Result<Arc<KeySet>, String>,
    /// The address of the keys in the issuer's metadata, if the metadata were read.
    pub url: Option<Arc<str>>,
    /// Keys of the set that cannot be used, and why.
    pub skipped: Vec<String>,
    /// Seconds by which this machine's clock is ahead of the issuer's.
    pub clock_ahead: Option<i64>,
}

/// Reads config and membership.
///
/// # Errors
/// All faults of both, as far as the membership can be read at all.
pub(crate) fn read(args: &ConfigArgs) -> Result<OfflineGate, Faults> {
    read_with(args, &args.overrides())
}

/// As [`read`], with other overrides than those of the arguments.
pub(crate) fn read_with(args: &ConfigArgs, overrides: &Overrides) -> Result<OfflineGate, Faults> {
    let path = args.path();
    let loaded = load(path.as_deref(), overrides, &ProcessEnv)?;
    let mut warnings = loaded.warnings;
    match read_membership(&loaded.settings.reloadable) {
        Ok(read) => {
            let table = read.map(|(table, more)| {
                warnings.merge(more);
                table
            });
            Ok(OfflineGate {
                path,
                settings: loaded.settings,
                table,
                warnings,
            })
        }
        Err(faults) => {
            warnings.merge(faults);
            Err(warnings)
        }
    }
}

/// Asks every issuer for its keys. Prints that first, because it can take seconds. With `offline`, only keys that need no network.
pub(crate) async fn look_for_keys(
    live: &ReloadableSettings,
    offline: bool,
) -> Result<Vec<KeyFetch>, CommandError> {
    let fetcher = Fetcher::new()
        .map_err(|why| CommandError::failed("no HTTP client could be made").saw(why))?;
    let mut looks = Vec::new();
    for issuer in &live.issuers {
        let mut look = KeyFetch {
            issuer: issuer.name.clone(),
            keys: Err("not fetched, because of --offline".to_owned()),
            url: None,
            skipped: vec![],
            clock_ahead: None,
        };
        match (&issuer.source, KeyEndpoint::of(&issuer.source)) {
            (KeySource::Pem(keys), _) => look.keys = Ok(keys.clone()),
            (_, Some(place)) if !offline => {
                let what = if matches!(place, KeyEndpoint::Metadata { .. }) {
                    "metadata and keys"
                } else {
                    "keys"
                };
                talk(&format!(
                    "asking {} for the {what} of `{}` ...\n",
                    place.url(),
                    issuer.name
                ));
                fetch(&fetcher, place, &mut look).await;
            }
            _ => {}
        }
        looks.push(look);
    }
    Ok(looks)
}

async fn fetch(fetcher: &Fetcher, place: KeyEndpoint, look: &mut KeyFetch) {
    let looked_up = matches!(place, KeyEndpoint::Metadata { .. });
    let found = Finder::new(place)
        .find(fetcher, EndpointLookup::Again)
        .await;
    let now = clock::now();
    look.keys = match found {
        Err(why) => Err(why.to_string()),
        Ok(found) => {
            let date = found.document.date;
            look.clock_ahead =
                date.map(|date| now.0.cast_signed().saturating_sub(date.0.cast_signed()));
            look.url = looked_up.then(|| found.url.clone());
            match KeySet::from_jwks(&found.document.body, None) {
                Ok((keys, skipped)) => {
                    look.skipped = skipped;
                    Ok(Arc::new(keys))
                }
                Err(why) => Err(format!("{}: {why}", found.url)),
            }
        }
    };
}

impl OfflineGate {
    /// The snapshot of a gate with these keys, before any webhook.
    pub(crate) fn snapshot(&self, looks: &[KeyFetch]) -> Snapshot {
        let live = &self.settings.reloadable;
        let keys: HashMap<_, _> = looks
            .iter()
            .filter_map(|look| {
                look.keys
                    .as_ref()
                    .ok()
                    .map(|keys| (look.issuer.clone(), keys.clone()))
            })
            .collect();
        let members = match (&self.table, &live.membership) {
            (Some(table), Some(source)) => Some(Members::new(table.clone(), source.policy.clone())),
            _ => None,
        };
        Snapshot {
            generation: 1,
            rules: live.rules.clone(),
            keys,
            members,
            revocations: Revocations::default(),
            awaits_shared: false,
        }
    }
}
