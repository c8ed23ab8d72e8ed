//! Fetches of users from Clerk's Backend API.

use prometheus::{IntCounterVec, Opts, Registry};

use super::{VALID, keep};

/// Results of `bailiff_profile_fetches_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileResult {
    Ok,
    NotFound,
    Failed,
    /// Not asked, or asked without an answer, because of the rate limit.
    Limited,
}

impl ProfileResult {
    const ALL: [Self; 4] = [Self::Ok, Self::NotFound, Self::Failed, Self::Limited];

    fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Failed => "failed",
            Self::Limited => "limited",
        }
    }
}

/// `bailiff_profile_fetches_total`.
pub struct ProfileFetches(IntCounterVec);

impl ProfileFetches {
    pub(super) fn new(registry: &Registry) -> Self {
        let opts = Opts::new(
            "bailiff_profile_fetches_total",
            "Fetches of users from Clerk's Backend API.",
        );
        let fetches = keep(
            registry,
            IntCounterVec::new(opts, &["result"]).expect(VALID),
        );
        ProfileResult::ALL
            .iter()
            .for_each(|result| _ = fetches.with_label_values(&[result.label()]));
        Self(fetches)
    }

    pub fn count(&self, result: ProfileResult) {
        self.0.with_label_values(&[result.label()]).inc();
    }

    #[cfg(test)]
    pub(crate) fn counted(&self, result: ProfileResult) -> u64 {
        self.0.with_label_values(&[result.label()]).get()
    }
}
