//! Which webhooks the upstream has taken, so that a retry is acknowledged and not delivered again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;

use crate::domain::ids::SvixId;

/// Bound: ids remembered.
const MAX_TAKEN: u64 = 100_000;
/// Svix tries for 27.6 hours; after that an id does not come again, except by hand.
const REMEMBERED: Duration = Duration::from_secs(48 * 3600);

/// The ids of deliveries: taken, or on their way.
#[derive(Clone, Debug)]
pub struct Deliveries {
    taken: Cache<SvixId, ()>,
    under_way: Arc<Mutex<HashSet<SvixId>>>,
}

/// A delivery on its way to the upstream. While it lives, no second one with the same id starts.
#[derive(Debug)]
pub struct Delivery {
    id: SvixId,
    deliveries: Deliveries,
}

impl Default for Deliveries {
    fn default() -> Self {
        let taken = Cache::builder().max_capacity(MAX_TAKEN).time_to_live(REMEMBERED).build();
        Self { taken, under_way: Arc::default() }
    }
}

impl Deliveries {
    /// Whether the upstream has already taken this delivery.
    #[must_use]
    pub fn taken(&self, id: &SvixId) -> bool {
        self.taken.contains_key(id)
    }

    /// Starts a delivery, unless one with this id is under way: Svix gives up after 15 s and tries again, while a slow
    /// upstream may still be at work on the first.
    #[must_use]
    pub fn start(&self, id: &SvixId) -> Option<Delivery> {
        let fresh = self.under_way.lock().insert(id.clone());
        fresh.then(|| Delivery { id: id.clone(), deliveries: self.clone() })
    }
}

impl Delivery {
    /// The upstream answered 2xx: only now the id counts as taken, since a retry of a failed delivery has the same id.
    pub fn taken(&self) {
        self.deliveries.taken.insert(self.id.clone(), ());
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.deliveries.under_way.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_taken_only_when_the_upstream_said_so_and_never_twice_at_once() {
        let deliveries = Deliveries::default();
        let id = SvixId::parse("msg_1").unwrap();
        let first = deliveries.start(&id).expect("nothing is under way");
        assert!(deliveries.start(&id).is_none());
        drop(first);
        assert!(!deliveries.taken(&id), "the upstream did not take it");
        let second = deliveries.start(&id).expect("the first is over");
        second.taken();
        drop(second);
        assert!(deliveries.taken(&id));
    }
}
