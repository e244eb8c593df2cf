//! What a job reads, writes, keeps and costs, for people: what `ovation check` shows.
//!
//! Always holds: it comes from the same specifications as the processors, and its bytes are those of their own estimates.
//! Does not know: how many channels, users and markets there are. A bound is a sum of bytes for each of something.

use schemas::Topic;
use serde::Serialize;

use crate::config::Duration;
use crate::dedup::ID_BYTES;
use crate::job::Job;

/// What one processor of a job does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Which it is: `board top_chatters`, `candles of 1s, 1m`.
    pub processor: String,
    /// The topics that it counts.
    pub reads: Vec<String>,
    /// The topic that it writes to.
    pub writes: String,
    /// The keys of its records.
    pub key: &'static str,
    /// What it keeps, and until when.
    pub keeps: Vec<String>,
    /// How much memory that takes in a shard, about: the sum of these.
    pub memory: Vec<Memory>,
    /// The records that it writes, at most.
    pub records: Vec<String>,
}

/// So many bytes for each of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// How many, about.
    pub bytes: u64,
    /// Of what.
    pub for_each: String,
    /// How many there are at most, where there is a bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
}

impl Memory {
    pub(crate) fn new(bytes: usize, for_each: impl Into<String>) -> Self {
        Memory { bytes: bytes as u64, for_each: for_each.into(), at_most: None }
    }

    pub(crate) fn at_most(self, count: usize) -> Self {
        Memory { at_most: Some(count as u64), ..self }
    }
}

impl Job {
    /// What each of its processors does, in the order in which they are built.
    #[must_use]
    pub fn explain(&self) -> Vec<Explained> {
        let lateness_micros = self.settings.lateness_micros;
        let boards = self.boards.iter().map(|board| board.explain(lateness_micros));
        let engagement = self.engagement.iter().map(|engagement| engagement.explain(lateness_micros));
        let candles = self.candles.iter().map(|candles| candles.explain(lateness_micros));
        let moderation = self.moderation.iter().map(|moderation| moderation.explain());
        boards.chain(engagement).chain(candles).chain(moderation).collect()
    }

    /// What the ids of events take that are remembered so that an event counts once; none if they are not.
    #[must_use]
    pub fn explain_ids(&self) -> Option<Memory> {
        let is_remembered = self.settings.dedup_for_micros > 0;
        is_remembered
            .then(|| Memory::new(ID_BYTES, "remembered event id").at_most(self.settings.dedup_ids_max))
    }
}

/// A span of time as it is written in the configuration.
pub(crate) fn span(micros: i64) -> String {
    Duration::from_micros(micros).to_string()
}

/// What waits in a processor that takes events in every `step_micros`.
pub(crate) fn waiting(bytes: usize, what: &str, lateness_micros: i64, step_micros: i64) -> Memory {
    Memory::new(bytes, format!("{what} of the last {} of event time", span(lateness_micros + step_micros)))
}

/// At most so often, for each group.
pub(crate) fn rate(step_micros: i64, group: &str) -> String {
    format!("one every {} of event time for each {group} that changed", span(step_micros))
}

/// The names of topics.
pub(crate) fn names(topics: &[Topic]) -> Vec<String> {
    topics.iter().map(|topic| topic.name().to_owned()).collect()
}
