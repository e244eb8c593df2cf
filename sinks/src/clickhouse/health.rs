//! What the sink says about itself while it runs.
//!
//! Always holds: reading it never waits for the network; counters only grow.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

/// The state of a running sink, shared between the sink and whoever watches it.
#[derive(Debug, Default)]
pub struct SinkHealth {
    status: Mutex<SinkStatus>,
}

/// One look at the state of a sink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SinkStatus {
    /// Since when inserts have been failing; none while they succeed.
    pub failing_since: Option<SystemTime>,
    /// The newest error, even if it is over.
    pub last_error: Option<String>,
    /// When rows were last acknowledged.
    pub last_flush: Option<SystemTime>,
    /// Partitions that are ours.
    pub partitions: usize,
    /// True while reading waits because too much is buffered.
    pub is_paused: bool,
    /// Rows that wait to be written or acknowledged.
    pub rows_buffered: u64,
    /// Their bytes, uncompressed.
    pub bytes_buffered: u64,
    /// Records read.
    pub records: u64,
    /// Rows acknowledged.
    pub rows_written: u64,
    /// Inserts acknowledged.
    pub inserts: u64,
    /// Attempts of inserts that failed, for now or for good.
    pub inserts_failed: u64,
    /// Inserts whose token the server knew although it had lost the rows; these were moved in.
    pub inserts_moved_in: u64,
    /// Records that went to the dead-letter topic because they cannot be decoded.
    pub dead_letters: u64,
    /// Records that went to the dead-letter topic because the server refuses their rows.
    pub records_refused: u64,
    /// Records that were not written because the table had them from before.
    pub records_known: u64,
    /// Records of the dead-letter topic itself that could not be decoded, and were skipped.
    pub undecodable_dead_letters: u64,
    /// Records without a value, which are skipped.
    pub tombstones: u64,
    /// Events with a time that the table cannot hold: stored with the nearest that it can.
    pub clamped_times: u64,
}

impl SinkStatus {
    /// What can be counted, by name.
    #[must_use]
    pub fn counters(&self) -> [(&'static str, u64); 15] {
        [
            ("failing", u64::from(self.failing_since.is_some())),
            ("paused", u64::from(self.is_paused)),
            ("partitions", self.partitions as u64),
            ("rows_buffered", self.rows_buffered),
            ("bytes_buffered", self.bytes_buffered),
            ("records", self.records),
            ("records_known", self.records_known),
            ("records_refused", self.records_refused),
            ("rows_written", self.rows_written),
            ("inserts", self.inserts),
            ("inserts_failed", self.inserts_failed),
            ("inserts_moved_in", self.inserts_moved_in),
            ("dead_letters", self.dead_letters + self.undecodable_dead_letters),
            ("tombstones", self.tombstones),
            ("clamped_times", self.clamped_times),
        ]
    }
}

impl SinkHealth {
    /// The state now.
    #[must_use]
    pub fn status(&self) -> SinkStatus {
        self.lock().clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, SinkStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server cannot be reached.
    pub fn note_away(&self, error: &str) {
        let mut status = self.lock();
        status.failing_since.get_or_insert_with(SystemTime::now);
        status.last_error = Some(error.to_owned());
    }

    /// It was reached.
    pub fn note_reached(&self) {
        self.lock().failing_since = None;
    }

    pub(super) fn insert_failed(&self, error: &str) {
        self.note_away(error);
        self.lock().inserts_failed += 1;
    }

    pub(super) fn insert_moved_in(&self) {
        self.lock().inserts_moved_in += 1;
    }

    pub(super) fn insert_succeeded(&self, rows: usize) {
        let mut status = self.lock();
        status.failing_since = None;
        status.last_flush = Some(SystemTime::now());
        status.inserts += 1;
        status.rows_written += rows as u64;
    }
}
