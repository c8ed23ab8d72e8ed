//! Signatures that were verified before, so that the RSA arithmetic is done once per token and not once per request.
//!
//! The cache keeps the fact that a key signed these claims. Time, policy, membership and whether the key is still trusted are
//! judged on every request.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use moka::sync::Cache;
use prometheus::IntCounter;

use crate::domain::judge::Proofs;
use crate::domain::token::SignedClaims;

/// Bound on memory for cached claims, in bytes of the tokens that they came from.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Clerk's tokens live for a minute. A proof that no request used for this long is of no use.
const IDLE: Duration = Duration::from_secs(120);

/// The cache. Its key is the SHA-256 of the whole token: collision-free, and no bearer secret stays in memory.
#[derive(Clone, Debug)]
pub struct ProofCache {
    cache: Cache<[u8; 32], (Arc<SignedClaims>, u32)>,
    hits: IntCounter,
    misses: IntCounter,
}

impl ProofCache {
    #[must_use]
    pub fn new(hits: IntCounter, misses: IntCounter) -> Self {
        let cache = Cache::builder()
            .max_capacity(MAX_BYTES)
            .weigher(|_, (_, bytes): &(Arc<SignedClaims>, u32)| bytes.saturating_add(512))
            .time_to_idle(IDLE)
            .build();
        Self {
            cache,
            hits,
            misses,
        }
    }
}

fn key(token: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    key
}

impl Proofs for ProofCache {
    fn find(&self, token: &str) -> Option<Arc<SignedClaims>> {
        let found = self.cache.get(&key(token)).map(|(signed, _)| signed);
        if found.is_some() {
            self.hits.inc()
        } else {
            self.misses.inc()
        }
        found
    }

    fn keep(&self, token: &str, signed: &Arc<SignedClaims>) {
        let bytes = u32::try_from(token.len()).unwrap_or(u32::MAX);
        self.cache.insert(key(token), (signed.clone(), bytes));
    }
}
