//! The webhooks that the upstream has taken, so that a retry is acknowledged and not delivered again. With a shared store this
//! includes a retry that another replica gets.

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

/// Rows handed to the local store in one call.
const BATCH: usize = 1000;

/// The ids of deliveries that are taken or on their way.
#[derive(Clone, Debug)]
pub struct Deliveries {
    taken: Cache<SvixId, ()>,
    under_way: Arc<Mutex<HashSet<SvixId>>>,
    store: Option<Arc<Store>>,
    /// Claims among all replicas.
    claims: Option<DeliveryClaims>,
}

/// Evicts the oldest id first. The cache's default policy would rather refuse a new id than evict an old one, but retries are of
/// new ids.
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
    /// The claim among all replicas. `None` where the shared store gave no answer in time.
    claimed: Option<DeliveryClaim>,
}

/// The result of starting a delivery.
#[derive(Debug)]
pub enum Start {
    Begun(Delivery),
    /// A delivery with this id is on its way.
    UnderWay,
    /// A delivery with this id has arrived in the meantime.
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

    /// As the default, with ids that survive a restart. `rows` is the content of the local store; rows that are too old at `now`
    /// are deleted there.
    #[must_use]
    pub fn kept_in(store: Arc<Store>, rows: Vec<(String, Vec<u8>)>, now: UnixTime) -> Self {
        let forgets = store.clone();
        // An id that is forgotten here is deleted in the store, which would fill up otherwise.
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

    /// Shares these deliveries with other replicas.
    #[must_use]
    pub fn shared_by(self, claims: Option<DeliveryClaims>) -> Self {
        Self { claims, ..self }
    }

    fn keep(&self, op: Result<Op, OpError>) {
        // Not awaited: if the row is lost, the upstream gets a delivery twice, which it must tolerate anyway.
        if let (Some(store), Ok(op)) = (&self.store, op) {
            drop(store.write(vec![op]));
        }
    }

    /// Whether the upstream has already taken this delivery.
    #[must_use]
    pub fn taken(&self, id: &SvixId) -> bool {
        self.taken.contains_key(id)
    }

    /// Starts a delivery, unless one with this id is under way. Svix gives up after 15 s and tries again, while a slow upstream may
    /// still be at work on the first.
    ///
    /// With a shared store, no other replica starts one either. If the shared store does not answer in time, the delivery starts
    /// all the same: an app must tolerate a second delivery, but cannot tolerate none.
    pub async fn start(&self, id: &SvixId) -> Start {
        if !self.under_way.lock().insert(id.clone()) {
            return Start::UnderWay;
        }
        let mut delivery = Delivery {
            id: id.clone(),
            deliveries: self.clone(),
            claimed: None,
        };
        // Checked again now that no other delivery can start: one may have ended since the first check.
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
    /// The upstream answered 2xx. Only now the id counts as taken, because a retry of a failed delivery has the same id.
    pub fn taken(&mut self) -> Taken {
        self.deliveries.taken.insert(self.id.clone(), ());
        self.deliveries.keep(Op::put(
            StoreTable::Deliveries,
            self.id.as_str(),
            clock::now().0.to_string(),
        ));
        // The claim is not released, because another replica would then deliver a retry.
        Taken {
            id: self.id.clone(),
            deliveries: self.deliveries.clone(),
            claimed: self.claimed.take(),
            counts: true,
        }
    }
}

/// A delivery that counts as taken. Other replicas learn it only when this is dropped. Until then the delivery is claimed, so
/// taking it back cannot get lost.
#[derive(Debug)]
pub struct Taken {
    id: SvixId,
    deliveries: Deliveries,
    claimed: Option<DeliveryClaim>,
    counts: bool,
}

impl Taken {
    /// Makes it count as not taken: the next delivery with this id goes to the upstream.
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
