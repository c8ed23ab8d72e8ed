//! One [`Backend`] for all who ask: they share what is ours of the rate limit.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Backend;
use crate::config::settings::BackendSettings;
use crate::fetch::Fetcher;

/// The Backend API as the config wants it right now.
#[derive(Debug)]
pub struct Backends {
    fetcher: Fetcher,
    current: Mutex<Option<(BackendSettings, Arc<Backend>)>>,
}

impl Backends {
    #[must_use]
    pub fn new(fetcher: Fetcher) -> Self {
        Self {
            fetcher,
            current: Mutex::default(),
        }
    }

    /// The one with these settings. One with other settings is forgotten, and lives on with whoever still asks it.
    #[must_use]
    pub fn of(&self, settings: &BackendSettings) -> Arc<Backend> {
        let mut current = self.current.lock();
        if let Some((known, backend)) = &*current
            && known == settings
        {
            return backend.clone();
        }
        let backend = Arc::new(Backend::new(settings.clone(), self.fetcher.clone()));
        *current = Some((settings.clone(), backend.clone()));
        backend
    }
}
