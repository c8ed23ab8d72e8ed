//! What a request is good for beside its own answer: its user is known from then on.

use std::time::Duration;

use super::ctx::Ctx;
use super::gate::Gate;
use crate::clerk_api::profiles::ProfileOutcome as Fetch;
use crate::domain::event::Change;
use crate::domain::judge::{Observation, Settled};
use crate::domain::{Decision, Outcome, Rejection, RequestHead};
use crate::records::NotKept;

/// How long a request waits until what was observed of its user is stored.
const RECORD_WAIT: Duration = Duration::from_secs(1);
/// How long a request waits for a profile from Clerk. Later requests find one that comes after that.
const PROFILE_WAIT: Duration = Duration::from_secs(2);

impl Gate {
    /// Records what was observed of the user, and asks Clerk for a profile that is missing. Neither can refuse a request: a good
    /// token stays good when the store or Clerk is down.
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
                // The app gets what is known now: an address that this very token has changed.
                decision = self.decide_anew(head, ctx).await;
            }
        }
        let Some(user) = &decision.side_effects.missing_profile else {
            return decision;
        };
        let fetch = self.profiles.fetch(user, PROFILE_WAIT).await;
        // Another request may have fetched it just before this one asked: then it is in force already, and Clerk is not asked again.
        if fetch != Fetch::Fetched && self.snapshots.load().generation == ctx.snapshot.generation {
            return decision;
        }
        // Also a refusal counts: Clerk may have said that the user is banned.
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

    /// The decision by what is in force by now.
    async fn decide_anew(&self, head: &RequestHead<'_>, ctx: &mut Ctx) -> Decision {
        ctx.snapshot = self.snapshots.load();
        let step = self.judge(head, ctx);
        match self.look_up_member(head, ctx, step).await.settled() {
            Settled::Decided(decision) => decision,
            Settled::Webhook(_) => Decision::refuse(Rejection::Internal),
        }
    }
}
