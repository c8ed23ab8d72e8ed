//! Which webhooks the upstream has taken, so that a retry is acknowledged and not delivered again: also one that another replica
//! gets, where they share a store.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::{Cache, CacheBuilder};
use parking_lot::Mutex;

use crate::clock;
use crate::domain::UnixTime;
use crate::domain::ids::SvixId;
use crate::replication::{Claim, DeliveryClaim, DeliveryClaims};
use crate::storage::{Op, OpError, Store, StoreTable};

/// Bound: ids remembered.
const MAX_TAKEN: u64 = 100_000;
/// Svix tries for 27.6 hours; after that an id does not come again, except by hand.
const REMEMBERED: Duration = Duration::from_secs(48 * 3600);

/// Rows handed to the store in one call.
const BATCH: usize = 1000;

/// The ids of deliveries: taken, or on their way.
#[derive(Clone, Debug)]
pub struct Deliveries {
    taken: Cache<SvixId, ()>,
    under_way: Arc<Mutex<HashSet<SvixId>>>,
    store: Option<Arc<Store>>,
    /// What other replicas know of them.
    claims: Option<DeliveryClaims>,
}

/// The oldest goes first. The usual policy would rather turn away a new id than forget an old one, and retries are of new ones.
fn taken(max: u64) -> CacheBuilder<SvixId, (), Cache<SvixId, ()>> {
    Cache::builder()
        .max_capacity(max)
        .eviction_policy(EvictionPolicy::lru())
        .time_to_live(REMEMBERED)
}

/// A delivery on its way to the upstream. While it lives, no second one with the same id starts.
#[derive(Debug)]
pub struct Delivery {
    id: SvixId,
    deliveries: Deliveries,
    /// For all replicas, where the shared store could say so in time.
    claimed: Option<DeliveryClaim>,
}

/// What became of the wish to start a delivery.
#[derive(Debug)]
pub enum Start {
    Begun(Delivery),
    /// Another one with this id is on its way.
    UnderWay,
    /// Another one with this id has arrived in the meantime.
    Taken,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self::remembering(MAX_TAKEN)
    }
}

impl Deliveries {
    fn remembering(max: u64) -> Self {
        Self {
            taken: taken(max).build(),
            under_way: Arc::default(),
            store: None,
            claims: None,
        }
    }

    /// As the default, and remembers beyond a restart. `rows` is what the store has; what is too old at `now` is taken out of it.
    #[must_use]
    pub fn kept_in(store: Arc<Store>, rows: Vec<(String, Vec<u8>)>, now: UnixTime) -> Self {
        let forgets = store.clone();
        // What is forgotten here goes out of the store, or it would fill up.
        let forget = move |id: Arc<SvixId>, (), cause| {
            if let (RemovalCause::Expired | RemovalCause::Size, Ok(op)) =
                (cause, Op::delete(StoreTable::Deliveries, id.as_str()))
            {
                drop(forgets.write(vec![op]));
            }
        };
        let taken = taken(MAX_TAKEN).eviction_listener(forget).build();
        let mut old = vec![];
        for (id, at) in rows {
            let at = std::str::from_utf8(&at)
                .ok()
                .and_then(|at| at.parse().ok())
                .unwrap_or(0);
            match SvixId::parse(&id) {
                Ok(id) if now.since(UnixTime(at)) < REMEMBERED.as_secs() => taken.insert(id, ()),
                _ => old.extend(Op::delete(StoreTable::Deliveries, id)),
            }
        }
        old.chunks(BATCH)
            .for_each(|batch| drop(store.write(batch.to_vec())));
        Self {
            taken,
            under_way: Arc::default(),
            store: Some(store),
            claims: None,
        }
    }

    /// These, and what other replicas know of them.
    #[must_use]
    pub fn shared_by(self, claims: Option<DeliveryClaims>) -> Self {
        Self { claims, ..self }
    }

    fn keep(&self, op: Result<Op, OpError>) {
        // Not waited for either: if it is lost, the upstream gets a delivery twice, which it must bear anyway.
        if let (Some(store), Ok(op)) = (&self.store, op) {
            drop(store.write(vec![op]));
        }
    }

    /// Whether the upstream has already taken this delivery.
    #[must_use]
    pub fn taken(&self, id: &SvixId) -> bool {
        self.taken.contains_key(id)
    }

    /// Starts a delivery, unless one with this id is under way: Svix gives up after 15 s and tries again, while a slow
    /// upstream may still be at work on the first.
    ///
    /// With a shared store no other replica starts one either. Where that does not answer in time the delivery begins all the same:
    /// once too often is what an app must bear, and never is what it cannot.
    pub async fn start(&self, id: &SvixId) -> Start {
        if !self.under_way.lock().insert(id.clone()) {
            return Start::UnderWay;
        }
        let mut delivery = Delivery {
            id: id.clone(),
            deliveries: self.clone(),
            claimed: None,
        };
        // Looked at once more now that nobody else can start: another one may have ended since the first look.
        if self.taken(id) {
            return Start::Taken;
        }
        if let Some(claims) = &self.claims {
            match claims.claim(id).await {
                Some(Ok(claimed)) => delivery.claimed = Some(claimed),
                Some(Err(Claim::Done)) => return Start::Taken,
                Some(Err(Claim::Made | Claim::Foreign)) => return Start::UnderWay,
                None => {}
            }
        }
        Start::Begun(delivery)
    }
}

impl Delivery {
    /// The upstream answered 2xx: only now the id counts as taken, since a retry of a failed delivery has the same id.
    pub fn taken(&mut self) -> Taken {
        self.deliveries.taken.insert(self.id.clone(), ());
        self.deliveries.keep(Op::put(
            StoreTable::Deliveries,
            self.id.as_str(),
            clock::now().0.to_string(),
        ));
        // Not released any more, or a retry at another replica would be delivered.
        Taken {
            id: self.id.clone(),
            deliveries: self.deliveries.clone(),
            claimed: self.claimed.take(),
            counts: true,
        }
    }
}

/// A delivery that counts as taken. For other replicas only from when this is dropped: until then it is claimed, and nothing that could be
/// lost has to take it back.
#[derive(Debug)]
pub struct Taken {
    id: SvixId,
    deliveries: Deliveries,
    claimed: Option<DeliveryClaim>,
    counts: bool,
}

impl Taken {
    /// It does not count any more: the next one with this id is delivered.
    pub fn take_back(mut self) {
        self.counts = false;
        self.deliveries.taken.invalidate(&self.id);
        self.deliveries
            .keep(Op::delete(StoreTable::Deliveries, self.id.as_str()));
        if let Some(claimed) = self.claimed.take() {
            claimed.release();
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(claims) = self.deliveries.claims.as_ref().filter(|_| self.counts) {
            claims.done(&self.id);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(claimed) = self.claimed.take() {
            claimed.release();
        }
        self.deliveries.under_way.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_delivery_is_taken_only_when_the_upstream_said_so_and_never_twice_at_once() {
        let deliveries = Deliveries::default();
        let id = SvixId::parse("msg_1").unwrap();
        let first = deliveries.start(&id).await;
        assert!(matches!(first, Start::Begun(_)), "nothing is under way");
        assert!(matches!(deliveries.start(&id).await, Start::UnderWay));
        drop(first);
        assert!(!deliveries.taken(&id), "the upstream did not take it");
        let Start::Begun(mut second) = deliveries.start(&id).await else {
            panic!("the first is over")
        };
        second.taken();
        drop(second);
        assert!(deliveries.taken(&id));
    }

    #[tokio::test]
    async fn a_delivery_that_is_taken_back_starts_again() {
        let deliveries = Deliveries::default();
        let id = SvixId::parse("msg_1").unwrap();
        let Start::Begun(mut first) = deliveries.start(&id).await else {
            panic!("nothing is under way")
        };
        let taken = first.taken();
        drop(first);
        taken.take_back();
        assert!(matches!(deliveries.start(&id).await, Start::Begun(_)));
    }

    #[tokio::test]
    async fn a_delivery_that_was_taken_since_somebody_looked_does_not_start_again() {
        let deliveries = Deliveries::default();
        let id = SvixId::parse("msg_1").unwrap();
        assert!(
            !deliveries.taken(&id),
            "what the second request saw, a moment before it starts"
        );
        let Start::Begun(mut first) = deliveries.start(&id).await else {
            panic!("nothing is under way")
        };
        first.taken();
        drop(first);
        assert!(matches!(deliveries.start(&id).await, Start::Taken));
        assert!(
            matches!(deliveries.start(&id).await, Start::Taken),
            "nothing is left under way"
        );
    }

    #[tokio::test]
    async fn when_there_are_too_many_the_oldest_is_forgotten_and_never_the_newest() {
        let deliveries = Deliveries::remembering(100);
        let id = |n: usize| SvixId::parse(&format!("msg_{n}")).unwrap();
        for n in 0..1000 {
            let Start::Begun(mut delivery) = deliveries.start(&id(n)).await else {
                panic!("msg_{n} is new")
            };
            delivery.taken();
            drop(delivery);
            deliveries.taken.run_pending_tasks();
            assert!(deliveries.taken(&id(n)), "msg_{n} was forgotten at once");
        }
        assert!(!deliveries.taken(&id(0)));
    }
}
