//! One [`Backend`] for all callers, so that they share the gate's part of the rate limit.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Backend;
use crate::config::settings::BackendSettings;
use crate::fetch::Fetcher;

/// The Backend API of the config in force.
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

    /// The backend with these settings. A backend with other settings is dropped here, and lives on for the callers that still use
    /// it.
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
