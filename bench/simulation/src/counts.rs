//! What happened in a run, by name.
//!
//! Always holds: counts only rise. Does not know: what the names mean; see [`MUST_HAPPEN`] for those that a batch needs.

use std::collections::BTreeMap;
use std::fmt;

/// What must have happened, and how often in 1000 runs, or a batch has not tested what it claims.
pub(crate) const MUST_HAPPEN: &[(&str, u64)] = &[
    ("crash between steps", 600),
    ("crash at poll", 1000),
    ("crash at send", 100),
    ("crash at begin", 80),
    ("crash before commit", 70),
    ("crash after commit", 70),
    ("crash at start", 50),
    ("crash at release", 20),
    ("crash at seek", 50),
    ("crash at committed", 60),
    ("crash at offsets", 100),
    ("crash at abort", 1),
    ("commit refused, abort", 200),
    ("commit refused, fatal", 200),
    ("commit applied, outcome unknown", 200),
    ("commit lost, outcome unknown", 200),
    ("expelled at commit", 200),
    ("expelled at poll", 1000),
    ("send refused", 100),
    ("poll failed", 800),
    ("look-up failed", 100),
    ("transaction aborted", 700),
    ("partitions assigned", 10000),
    ("partitions revoked", 5000),
    ("partitions lost", 1000),
    ("worker joined", 7000),
    ("worker left", 600),
    ("zombie", 600),
    ("records sent again", 3000),
    ("duplicate left out", 3000),
    ("input aborted", 900),
    ("late event", 7000),
    ("out of order", 4000),
    ("far future", 200),
    ("far past", 200),
    ("tombstone", 500),
    ("no key", 900),
    ("not_wire_format", 600),
    ("unknown_schema", 100),
    ("undecodable", 300),
    ("invalid_value", 1000),
    ("paused partition", 800),
    ("idle run", 80),
    ("record replayed", 100000),
    ("crash while a snapshot is read", 200),
    ("crash while a snapshot is written", 100),
    ("rebalance while a snapshot is written", 400),
    ("snapshot by a former owner", 100),
    ("snapshot stored", 7000),
    ("snapshot failed", 1000),
    ("snapshot skipped", 5000),
    ("slow call to the store", 4000),
    ("chunk put failed", 400),
    ("chunk put failed but happened", 400),
    ("chunk half-written", 400),
    ("chunk corrupted", 400),
    ("chunk lost", 1000),
    ("manifest put failed", 30),
    ("manifest put failed but happened", 20),
    ("manifest half-written", 20),
    ("manifest corrupted", 20),
    ("manifest lost", 70),
    ("get failed", 1000),
    ("list failed", 200),
    ("delete failed", 200),
    ("log set back", 60),
    ("restored from a snapshot", 2000),
    ("restored from an older snapshot", 200),
    ("restored from the log", 4000),
    ("shard unparked", 3000),
    ("leaderboard compared", 20000),
    ("engagement compared", 5000),
    ("candle compared", 10000),
    ("flag compared", 3000),
    ("dead letter compared", 2000),
];

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// Counts `by` more of `what`.
    pub(crate) fn add(&mut self, what: &'static str, by: u64) {
        *self.0.entry(what).or_default() += by;
    }

    /// Adds another run's.
    pub(crate) fn merge(&mut self, other: &Counts) {
        other.0.iter().for_each(|(what, count)| self.add(what, *count));
    }

    /// How often `what` happened.
    #[must_use]
    pub fn get(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// How many records were compared, of all topics.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.0.iter().filter(|(what, _)| what.ends_with(" compared")).map(|(_, count)| count).sum()
    }

    /// What a batch of so many runs must have met and did not, or too seldom.
    #[must_use]
    pub fn missing(&self, runs: u64) -> Vec<&'static str> {
        let is_missing = |(what, least): &&(&str, u64)| self.get(what) * 1_000 < least * runs;
        MUST_HAPPEN.iter().filter(is_missing).map(|(what, _)| *what).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, count)| writeln!(formatter, "  {what:<34} {count:>12}"))
    }
}
