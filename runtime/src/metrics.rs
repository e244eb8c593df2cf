//! A job's counters, shared between its workers and whoever shows them.
//!
//! Always holds: counters only rise, and are exact once the workers have stopped. Gauges are the last known value.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use processors::StateSize;

/// What the shards of one worker hold, by operator.
pub(crate) type Held = Mutex<BTreeMap<String, StateSize>>;

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
    /// Events that were ignored because one with their id came before.
    pub duplicates: AtomicU64,
    /// Snapshots stored.
    pub snapshots: AtomicU64,
    /// Bytes written for them.
    pub snapshot_bytes: AtomicU64,
    /// Snapshots that could not be stored.
    pub snapshots_failed: AtomicU64,
    /// Snapshots that were left out because the one before was still being written.
    pub snapshots_skipped: AtomicU64,
    /// Snapshots that were passed over because they were damaged or could not be read.
    pub snapshots_damaged: AtomicU64,
    /// The size of the shard's state of which a snapshot was stored last, in bytes.
    pub state_bytes: AtomicU64,
    /// Shards restored from a snapshot.
    pub restores: AtomicU64,
    /// Those of them for which newer snapshots were passed over because they were damaged or could not be read.
    pub restores_from_older: AtomicU64,
    /// Shards with committed positions for which no snapshot would do: the log is read from where their history began.
    pub restores_from_log: AtomicU64,
    /// Bytes of state restored.
    pub restore_bytes: AtomicU64,
    /// From asking for the last restored shard's snapshot until it was there, in microseconds.
    pub restore_micros: AtomicU64,
    /// Records that the shards here have still to read again.
    pub restore_records_to_go: AtomicU64,
    /// Shards that came back and went on at once.
    pub unparked: AtomicU64,
    /// Raises of watermarks that were forgotten before a snapshot made them needless: an event that was late only for them
    /// may count when the state is computed again.
    pub raises_forgotten: AtomicU64,
    /// The lowest watermark of the shards here, in microseconds since 1970; [`i64::MIN`] before the first event.
    pub watermark_micros: AtomicI64,
    dead: Mutex<BTreeMap<&'static str, u64>>,
    /// Of the workers that there are.
    held: Mutex<Vec<Weak<Held>>>,
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

    /// Where a worker is to tell what its shards hold, until it ends.
    pub(crate) fn new_held(&self) -> Arc<Held> {
        let held = Arc::default();
        if let Ok(mut all) = self.held.lock() {
            all.retain(|one| one.strong_count() > 0);
            all.push(Arc::downgrade(&held));
        }
        held
    }

    /// How much state the shards here hold, by operator, as of the last commits.
    #[must_use]
    pub fn state(&self) -> BTreeMap<String, StateSize> {
        let mut state: BTreeMap<String, StateSize> = BTreeMap::new();
        let all = self.held.lock().map(|all| all.clone()).unwrap_or_default();
        for held in all.iter().filter_map(Weak::upgrade) {
            let Ok(held) = held.lock() else { continue };
            held.iter().for_each(|(operator, size)| *state.entry(operator.clone()).or_default() += *size);
        }
        state
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
