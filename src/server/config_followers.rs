//! The parts that follow a new config, in addition to the rules themselves.

use std::sync::Arc;

use crate::clerk_api::Backends;
use crate::clerk_api::profiles::{ProfileSource, Profiles};
use crate::config::settings::{BackendSettings, ReloadableSettings};
use crate::domain::event::MembershipEvent;
use crate::membership_sources::Sources;
use crate::metrics::Metrics;
use crate::records::Records;

#[derive(Clone)]
pub(super) struct ConfigFollowers {
    pub sources: Arc<Sources>,
    pub profiles: Arc<ProfileSource>,
    pub backends: Arc<Backends>,
    pub records: Arc<Records>,
    pub metrics: Arc<Metrics>,
}

impl ConfigFollowers {
    /// Uses the sources and services of the new config from now on. Needs a runtime.
    pub(super) fn follow(&self, live: &ReloadableSettings) {
        let make = |settings: BackendSettings| self.profiles_by(&settings);
        self.profiles.follow(live.backend.as_ref(), make);
        self.sources.follow(live);
    }

    /// The profiles that ask Clerk for names. Each answer is kept as a record.
    fn profiles_by(&self, settings: &BackendSettings) -> Profiles {
        let records = self.records.clone();
        let apply = move |event: MembershipEvent| {
            if let Err(why) = records.apply_detached(&event.as_profile()) {
                tracing::warn!(%why, change = %event.change, "what Clerk said of a user is not kept");
            }
        };
        let directory = self.backends.of(settings);
        Profiles::new(directory, Box::new(apply), self.metrics.clone())
    }
}
