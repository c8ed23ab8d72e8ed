//! What a request is good for beside its own answer: its user is known from then on.

use std::time::Duration;

use pingora::proxy::Session;

use super::Gate;
use crate::clerk_api::profiles::Outcome as Asked;
use crate::domain::event::Change;
use crate::domain::judge::Sighting;
use crate::domain::{Refusal, Rejection, Step, Verdict};
use crate::proxy::ctx::Ctx;
use crate::records::NotKept;

/// How long a request waits until what it taught is kept.
const KEEP_WAIT: Duration = Duration::from_secs(1);
/// How long a request waits for a name from Clerk. Later requests find what came after.
const PROFILE_WAIT: Duration = Duration::from_secs(2);

impl Gate {
    /// Keeps what the request teaches about its user, and asks Clerk for a name that nobody has told yet. Neither can refuse
    /// anybody: a good token stays good when the store or Clerk is down.
    pub(super) async fn meet(
        &self,
        session: &Session,
        ctx: &mut Ctx,
        mut verdict: Verdict,
    ) -> Verdict {
        if let Some(sighting) = verdict.sighting() {
            self.keep(sighting, ctx).await;
            if matches!(verdict, Verdict::Forward(_) | Verdict::Answer(_)) {
                // The app is told what is known now: an address that this very token has changed.
                verdict = self.judge_anew(session, ctx).await;
            }
        }
        let Some(user) = verdict.nameless() else {
            return verdict;
        };
        let asked = self.profiles.fetch(user, PROFILE_WAIT).await;
        // Another request may have fetched it just before this one asked: then it is in force already, and nobody asks again.
        if asked != Asked::Fetched && self.snapshots.load().generation == ctx.snapshot.generation {
            return verdict;
        }
        // Also a refusal counts: Clerk may have said that the user is banned.
        self.judge_anew(session, ctx).await
    }

    async fn keep(&self, sighting: &Sighting, ctx: &Ctx) {
        let (user, seen) = (sighting.user.clone(), sighting.seen.clone());
        let event = Change::Seen(user, seen).at(sighting.seen.at);
        let kept = self.records.apply(&event, &ctx.snapshot.rules);
        match tokio::time::timeout(KEEP_WAIT, kept).await {
            Ok(Ok(_) | Err(NotKept::OtherRules)) => {}
            Ok(Err(why)) => {
                tracing::warn!(%why, user = %sighting.user, "a user was seen and may not be known after a restart")
            }
            Err(_) => {
                tracing::warn!(user = %sighting.user, "a user was seen, and the store is slow to keep it")
            }
        }
    }

    /// The verdict by what is in force by now.
    async fn judge_anew(&self, session: &Session, ctx: &mut Ctx) -> Verdict {
        ctx.snapshot = self.snapshots.load();
        let step = self.judge_again(session, ctx);
        match self.ask_for(session, ctx, step).await {
            Step::Judged(verdict)
            | Step::NeedKey {
                otherwise: verdict, ..
            }
            | Step::NeedMember {
                otherwise: verdict, ..
            } => verdict,
            Step::NeedBody { .. } => Verdict::Reject(Refusal::bare(Rejection::Internal)),
        }
    }
}
