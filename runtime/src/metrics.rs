//! A job's counters, shared between its workers and whoever shows them.
//!
//! Always holds: counters only rise, and are exact once the workers have stopped. Gauges are the last known value.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// One job's counters.
#[derive(Debug, Default)]
pub struct JobMetrics {
    /// Events taken in.
    pub events: AtomicU64,
    /// Events that were too late for everything.
    pub late: AtomicU64,
    /// Events whose time was too far in the future and was cut off.
    pub clamped: AtomicU64,
    /// Records without a value.
    pub tombstones: AtomicU64,
    /// Result records committed.
    pub results: AtomicU64,
    /// Transactions committed.
    pub commits: AtomicU64,
    /// Transactions aborted.
    pub aborts: AtomicU64,
    /// Records read again, without showing anything, to rebuild a shard's state.
    pub replayed: AtomicU64,
    /// The lowest watermark of the shards here, in microseconds since 1970; [`i64::MIN`] before the first event.
    pub watermark_micros: AtomicI64,
    dead: Mutex<BTreeMap<&'static str, u64>>,
}

impl JobMetrics {
    pub(crate) fn count_dead(&self, reason: &'static str) {
        if let Ok(mut dead) = self.dead.lock() {
            *dead.entry(reason).or_default() += 1;
        }
    }

    /// Dead letters by reason.
    #[must_use]
    pub fn dead(&self) -> BTreeMap<&'static str, u64> {
        self.dead.lock().map(|dead| dead.clone()).unwrap_or_default()
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
