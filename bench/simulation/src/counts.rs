//! What happened in a run, by name.
//!
//! Always holds: counts only rise. Does not know: what the names mean; see [`MUST_HAPPEN`] for those that a batch needs.

use std::collections::BTreeMap;
use std::fmt;

/// What must have happened at least once in a batch of runs, or the batch has not tested what it claims.
pub(crate) const MUST_HAPPEN: &[&str] = &[
    "crash between steps",
    "crash at poll",
    "crash at send",
    "crash at begin",
    "crash before commit",
    "crash after commit",
    "crash at start",
    "crash at release",
    "crash at seek",
    "crash at committed",
    "crash at offsets",
    "crash at abort",
    "commit refused, abort",
    "commit refused, fatal",
    "commit applied, outcome unknown",
    "commit lost, outcome unknown",
    "expelled at commit",
    "expelled at poll",
    "send refused",
    "poll failed",
    "look-up failed",
    "transaction aborted",
    "partitions assigned",
    "partitions revoked",
    "partitions lost",
    "worker joined",
    "worker left",
    "zombie",
    "records sent again",
    "input aborted",
    "late event",
    "out of order",
    "far future",
    "far past",
    "tombstone",
    "no key",
    "not_wire_format",
    "unknown_schema",
    "undecodable",
    "invalid_value",
    "paused partition",
    "idle run",
    "record replayed",
    "leaderboard compared",
    "engagement compared",
    "candle compared",
    "flag compared",
    "dead letter compared",
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

    /// What a batch must have met and did not.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        MUST_HAPPEN.iter().copied().filter(|what| self.get(what) == 0).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, count)| writeln!(formatter, "  {what:<34} {count:>12}"))
    }
}
