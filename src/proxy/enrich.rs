//! Work that a request does besides its own answer: it records its user and fetches a missing profile.

use std::time::Duration;

use super::ctx::Ctx;
use super::gate::Gate;
use crate::clerk_api::profiles::ProfileOutcome as Fetch;
use crate::domain::event::Change;
use crate::domain::judge::{Observation, Settled};
use crate::domain::{Decision, Outcome, Rejection, RequestHead};
use crate::records::NotKept;

/// The longest wait of a request until the observation of its user is stored.
const RECORD_WAIT: Duration = Duration::from_secs(1);
/// The longest wait of a request for a profile from Clerk. A profile that comes later serves later requests.
const PROFILE_WAIT: Duration = Duration::from_secs(2);

impl Gate {
    /// Records the observation of the user, and asks Clerk for a missing profile. Neither can refuse the request: a valid token
    /// stays valid when the store or Clerk is down.
    pub(super) async fn record_and_enrich(
        &self,
        head: &RequestHead<'_>,
        ctx: &mut Ctx,
        mut decision: Decision,
    ) -> Decision {
        if let Some(observation) = &decision.side_effects.observation {
            self.store_observation(observation, ctx).await;
            if matches!(
                decision.outcome,
                Outcome::Forward(_) | Outcome::Answer { .. }
            ) {
                // The app gets the newest data, for example an address that this same token has changed.
                decision = self.decide_anew(head, ctx).await;
            }
        }
        let Some(user) = &decision.side_effects.missing_profile else {
            return decision;
        };
        let fetch = self.profiles.fetch(user, PROFILE_WAIT).await;
        // Another request may have fetched the profile just before. It is then in force already, and Clerk is not asked again.
        if fetch != Fetch::Fetched && self.snapshots.load().generation == ctx.snapshot.generation {
            return decision;
        }
        // A refusal counts too: Clerk may have answered that the user is banned.
        self.decide_anew(head, ctx).await
    }

    async fn store_observation(&self, observation: &Observation, ctx: &Ctx) {
        let Observation { user, seen } = observation;
        let event = Change::Seen(user.clone(), seen.clone()).at(seen.at);
        let recorded = self.records.apply(&event, &ctx.snapshot.rules);
        match tokio::time::timeout(RECORD_WAIT, recorded).await {
            Ok(Ok(_) | Err(NotKept::OtherRules)) => {}
            Ok(Err(why)) => {
                tracing::warn!(%why, %user, "a user was seen and may not be known after a restart")
            }
            Err(_) => {
                tracing::warn!(%user, "a user was seen, and the store is slow to keep it")
            }
        }
    }

    /// The decision by the snapshot that is in force now.
    async fn decide_anew(&self, head: &RequestHead<'_>, ctx: &mut Ctx) -> Decision {
        ctx.snapshot = self.snapshots.load();
        let step = self.judge(head, ctx);
        match self.look_up_member(head, ctx, step).await.settled() {
            Settled::Decided(decision) => decision,
            Settled::Webhook(_) => Decision::refuse(Rejection::Internal),
        }
    }
}
