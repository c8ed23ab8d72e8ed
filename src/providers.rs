//! Identity providers that are added while the gate runs, in addition to those of the config.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use crate::clock;
use crate::config::faults::{Faults, quoted};
use crate::config::provider::{Provider, parse_provider};
use crate::config::settings::ReloadableSettings;
use crate::domain::Snapshot;
use crate::domain::keys::KeySet;
use crate::domain::membership::Members;
use crate::domain::snapshot::Rules;
use crate::fetch::Fetcher;
use crate::keys::KeyKeeper;
use crate::keys::discovery::{EndpointLookup, Finder, KeyEndpoint};
use crate::storage::{Op, OpError, Store, StoreTable, WriteError};

/// Bound: providers in addition to those of the config. The `iss` of a token is compared with that of each.
pub const MAX_ADDED: usize = 100;

/// Why a provider was not added or removed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("{0}")]
    Faults(Faults),
    #[error("the provider {} is there already; remove it first", quoted(.0))]
    SameName(Arc<str>),
    #[error("the provider {} has this `issuer` already: of two, whose users would they be?", quoted(.0))]
    SameIssuer(Arc<str>),
    #[error("there are {MAX_ADDED} providers already")]
    TooMany,
    #[error("{0}")]
    NoKeys(String),
    #[error("nobody knows a provider {}", quoted(.0))]
    Unknown(String),
    #[error("the provider {} stands in the config: remove it there", quoted(.0))]
    Configured(String),
    #[error("nothing would be kept over a restart, as the config has no `store`")]
    NoStore,
    #[error("the store did not take it: {0}")]
    Store(#[from] WriteError),
    #[error("the description does not fit into the store: {0}")]
    TooLarge(#[from] OpError),
}

/// The providers in force: those of the config, and those that were added.
pub struct Providers {
    keeper: Arc<KeyKeeper>,
    fetcher: Fetcher,
    store: Option<Arc<Store>>,
    state: Mutex<State>,
}

struct State {
    /// The config in force.
    live: ReloadableSettings,
    added: Vec<Provider>,
}

impl Providers {
    /// Starts with the providers in the local store. A row that cannot be decoded is left out and logged, so its tokens are
    /// refused.
    #[must_use]
    pub fn new(
        keeper: Arc<KeyKeeper>,
        fetcher: Fetcher,
        store: Option<Arc<Store>>,
        live: &ReloadableSettings,
        rows: Vec<(String, Vec<u8>)>,
    ) -> Arc<Self> {
        let read = |(name, row): (String, Vec<u8>)| match parse_provider(&row) {
            Ok((provider, _)) => Some(provider),
            Err(faults) => {
                tracing::error!(%name, %faults, "a provider in the store is not understood, so its tokens are refused: add it anew");
                None
            }
        };
        let added = rows.into_iter().filter_map(read).collect();
        let state = Mutex::new(State {
            live: live.clone(),
            added,
        });
        Arc::new(Self {
            keeper,
            fetcher,
            store,
            state,
        })
    }

    /// Puts a config in force, with the added providers; see [`KeyKeeper::apply`]. A provider stays out for as long as the config
    /// has its name or issuer.
    pub fn apply(
        &self,
        live: &ReloadableSettings,
        members: impl FnOnce(&Snapshot) -> Option<Members>,
    ) -> u64 {
        let mut state = self.state.lock();
        state.live = live.clone();
        self.keeper.apply(&state.together(), members)
    }

    /// Adds a provider permanently. Its keys are fetched first, so that a provider that does not work is refused.
    ///
    /// # Errors
    /// See [`Refused`]. Nothing has changed then, except with [`Refused::Store`]: the provider is in force, and a restart may
    /// forget it.
    pub async fn add(&self, body: &[u8]) -> Result<(Value, Faults), Refused> {
        let (provider, warnings) = parse_provider(body).map_err(Refused::Faults)?;
        let store = self.store.as_ref().ok_or(Refused::NoStore)?;
        self.state.lock().room_for(&provider)?;
        let keys = self.try_keys(&provider).await?;
        let name = provider.issuer.name.clone();
        let row = Op::put(
            StoreTable::Providers,
            &*name,
            provider.description.to_string(),
        )?;
        let (shown, written) = {
            let mut state = self.state.lock();
            // Another provider may have been added during the fetch.
            state.room_for(&provider)?;
            let shown = describe(&provider.issuer, Some(&provider.description));
            state.added.push(provider);
            self.keeper
                .apply(&state.together(), |snapshot| snapshot.members.clone());
            if let Some(keys) = keys {
                self.keeper.seed(&name, keys);
            }
            (shown, store.write(vec![row]))
        };
        tracing::warn!(provider = %name, "a provider was added: users with its tokens come in from now on");
        written.wait().await?;
        Ok((shown, warnings))
    }

    /// Removes an added provider. Its tokens are refused at once.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn remove(&self, name: &str) -> Result<(), Refused> {
        let store = self.store.as_ref().ok_or(Refused::NoStore)?;
        let row = Op::delete(StoreTable::Providers, name)?;
        let written = {
            let mut state = self.state.lock();
            let before = state.added.len();
            state
                .added
                .retain(|provider| *provider.issuer.name != *name);
            if state.added.len() == before {
                let configured = state
                    .live
                    .rules
                    .issuers
                    .iter()
                    .any(|issuer| *issuer.name == *name);
                let name = name.to_owned();
                return Err(if configured {
                    Refused::Configured(name)
                } else {
                    Refused::Unknown(name)
                });
            }
            self.keeper
                .apply(&state.together(), |snapshot| snapshot.members.clone());
            store.write(vec![row])
        };
        tracing::warn!(
            provider = name,
            "a provider was removed: its tokens are refused from now on"
        );
        written.wait().await?;
        Ok(())
    }

    /// All providers that may sign tokens, and with `in_force: false` the added ones that the config replaces.
    #[must_use]
    pub fn list(&self) -> Value {
        let state = self.state.lock();
        let configured = state
            .live
            .rules
            .issuers
            .iter()
            .map(|issuer| describe(issuer, None));
        let added = state.added.iter().map(|provider| {
            let mut shown = describe(&provider.issuer, Some(&provider.description));
            if let Some(shown) = shown.as_object_mut().filter(|_| state.is_taken(provider)) {
                shown.insert("in_force".to_owned(), false.into());
            }
            shown
        });
        Value::Array(configured.chain(added).collect())
    }

    /// Fetches the keys of a provider. A provider that does not answer, or answers with a web page or for another issuer, is
    /// refused before it is in force. `None` for a provider whose keys are in its description.
    async fn try_keys(&self, provider: &Provider) -> Result<Option<KeySet>, Refused> {
        let Some(place) = KeyEndpoint::of(&provider.keys.source) else {
            return Ok(None);
        };
        let found = Finder::new(place)
            .find(&self.fetcher, EndpointLookup::Again)
            .await;
        let found = found.map_err(|why| Refused::NoKeys(why.to_string()))?;
        let until = clock::now().plus(self.state.lock().live.keys.max_age);
        match KeySet::from_jwks(&found.document.body, Some(until)) {
            Ok((keys, _skipped)) => Ok(Some(keys)),
            Err(why) => Err(Refused::NoKeys(format!("{}: {why}", found.url))),
        }
    }
}

impl State {
    fn room_for(&self, provider: &Provider) -> Result<(), Refused> {
        let issuers = || {
            self.live
                .rules
                .issuers
                .iter()
                .chain(self.added.iter().map(|added| &added.issuer))
        };
        if let Some(same) = issuers().find(|issuer| issuer.name == provider.issuer.name) {
            return Err(Refused::SameName(same.name.clone()));
        }
        if let Some(same) = issuers().find(|issuer| issuer.iss == provider.issuer.iss) {
            return Err(Refused::SameIssuer(same.name.clone()));
        }
        if self.added.len() >= MAX_ADDED {
            Err(Refused::TooMany)
        } else {
            Ok(())
        }
    }

    /// Whether the config has the name or the issuer of a provider that was added.
    fn is_taken(&self, added: &Provider) -> bool {
        self.live
            .rules
            .issuers
            .iter()
            .any(|own| own.name == added.issuer.name || own.iss == added.issuer.iss)
    }

    /// The config, with the added providers behind its own.
    fn together(&self) -> ReloadableSettings {
        let configured = &self.live.rules.issuers;
        let free = |added: &&Provider| {
            let taken = self.is_taken(added);
            if taken {
                tracing::warn!(provider = %added.issuer.name, "the config names this provider too, and counts");
            }
            !taken
        };
        let added: Vec<&Provider> = self.added.iter().filter(free).collect();
        let issuers = configured
            .iter()
            .cloned()
            .chain(added.iter().map(|added| added.issuer.clone()))
            .collect();
        let rules = Arc::new(Rules {
            issuers,
            ..Rules::clone(&self.live.rules)
        });
        let keys = self
            .live
            .issuers
            .iter()
            .cloned()
            .chain(added.iter().map(|added| added.keys.clone()))
            .collect();
        ReloadableSettings {
            rules,
            issuers: keys,
            ..self.live.clone()
        }
    }
}

/// The description of a provider. Nothing in it is secret, so all of it may be shown.
fn describe(issuer: &crate::domain::issuer::Issuer, description: Option<&Value>) -> Value {
    let mut shown = description
        .cloned()
        .unwrap_or_else(|| serde_json::json!({}));
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("provider".to_owned(), (*issuer.name).into());
        shown.insert("issuer".to_owned(), (*issuer.iss).into());
        shown.insert(
            "source".to_owned(),
            if issuer.added { "added" } else { "config" }.into(),
        );
    }
    shown
}
