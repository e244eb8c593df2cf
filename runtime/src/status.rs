//! How a job is doing, from what the log alone tells: committed positions with their notes, and the ends of the partitions.
//!
//! Always holds: pure; no row is left out because something about it is unknown. Does not know: where the figures come from.

use std::collections::BTreeMap;

use kafka::Committed;
use schemas::{Timestamp, Topic};

use crate::horizon::{Horizon, Note};

/// One input partition as the log has it.
#[derive(Clone, Debug)]
pub struct PartitionState {
    /// The input.
    pub topic: Topic,
    /// The partition's number, which is its shard's.
    pub partition: i32,
    /// The group's committed position.
    pub committed: Option<Committed>,
    /// The first offset there is.
    pub start: i64,
    /// The offset after the last committed record.
    pub end: i64,
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStatus {
    /// The shard's number.
    pub shard: i32,
    /// The committed position of each input; none where there is none.
    pub positions: BTreeMap<Topic, Option<i64>>,
    /// Offsets between the committed positions and the ends of the partitions. In topics that are written in transactions some
    /// of them are markers, and no records; where one is left of what jobs write, it is one.
    pub lag_records: i64,
    /// The shard's watermark at its last commit.
    pub watermark: Option<Timestamp>,
    /// How far the watermark is behind the clock, in milliseconds.
    pub lag_ms: Option<i64>,
    /// How long ago the last commit was, in milliseconds.
    pub commit_age_ms: Option<i64>,
    /// How long ago the state was last stored, in milliseconds.
    pub snapshot_age_ms: Option<i64>,
    /// The offset of each input that the stored state reflects.
    pub snapshot_positions: BTreeMap<Topic, i64>,
    /// Records still to be read again, if the shard is being restored.
    pub restoring: Option<u64>,
    /// The address at which its owner answers, as of the last commit.
    pub owner: Option<String>,
    /// What is wrong with the committed text, if it cannot be read.
    pub problem: Option<String>,
}

/// A row for each shard, in order.
#[must_use]
pub fn shards(partitions: &[PartitionState], now: Timestamp) -> Vec<ShardStatus> {
    let mut rows: BTreeMap<i32, ShardStatus> = BTreeMap::new();
    for state in partitions {
        let row = rows.entry(state.partition).or_insert_with(|| empty(state.partition));
        let position = state.committed.as_ref().map(|committed| committed.offset);
        row.positions.insert(state.topic, position);
        let left = (state.end - position.unwrap_or(state.start).max(state.start)).max(0);
        let is_marker = left == 1 && state.topic == Topic::Partials;
        row.lag_records += if is_marker { 0 } else { left };
        let Some(committed) = &state.committed else { continue };
        match Horizon::from_metadata(&committed.metadata) {
            Ok(Some(horizon)) => add(row, state.topic, &horizon, now),
            Ok(None) => {}
            Err(error) => row.problem = Some(error.to_string()),
        }
    }
    rows.into_values().collect()
}

fn empty(shard: i32) -> ShardStatus {
    ShardStatus {
        shard,
        positions: BTreeMap::new(),
        lag_records: 0,
        watermark: None,
        lag_ms: None,
        commit_age_ms: None,
        snapshot_age_ms: None,
        snapshot_positions: BTreeMap::new(),
        restoring: None,
        owner: None,
        problem: None,
    }
}

fn add(row: &mut ShardStatus, topic: Topic, horizon: &Horizon, now: Timestamp) {
    let age_ms = |at: Timestamp| now.micros_since(at) / 1_000;
    let Note { owner, committed_at, snapshot_at, snapshot_offset, restoring } = &horizon.note;
    if horizon.watermark != Timestamp::MIN {
        row.watermark = row.watermark.max(Some(horizon.watermark));
        row.lag_ms = row.watermark.map(age_ms);
    }
    row.commit_age_ms = committed_at.map(age_ms).or(row.commit_age_ms);
    row.snapshot_age_ms = snapshot_at.map(age_ms).or(row.snapshot_age_ms);
    row.restoring = restoring.or(row.restoring);
    if let Some(offset) = snapshot_offset {
        row.snapshot_positions.insert(topic, *offset);
    }
    if owner.is_some() {
        row.owner.clone_from(owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raises::Raises;

    fn state(topic: Topic, partition: i32, committed: Option<(i64, &str)>, end: i64) -> PartitionState {
        let committed =
            committed.map(|(offset, metadata)| Committed { offset, metadata: metadata.to_owned() });
        PartitionState { topic, partition, committed, start: 2, end }
    }

    #[test]
    fn a_row_says_how_far_behind_a_shard_is_and_who_has_it() {
        let at = |secs: i64| Timestamp::from_micros(secs * 1_000_000);
        let note = Note {
            owner: Some("http://one:1".to_owned()),
            committed_at: Some(at(990)),
            snapshot_at: Some(at(940)),
            snapshot_offset: Some(5),
            restoring: None,
        };
        let horizon = Horizon { watermark: at(970), history: 1, from: 0, raises: Raises::default(), note };
        let text = horizon.to_metadata();
        let rows = shards(
            &[
                state(Topic::Chat, 1, Some((8, &text)), 10),
                state(Topic::Viewers, 1, Some((3, &text)), 10),
                state(Topic::Chat, 0, None, 10),
                state(Topic::Viewers, 0, Some((4, "who wrote this")), 4),
            ],
            at(1_000),
        );
        let partials =
            |end| shards(&[state(Topic::Partials, 0, Some((8, &text)), end)], at(1_000))[0].lag_records;
        assert_eq!((partials(9), partials(10)), (0, 2), "a transaction ends with a marker");
        assert_eq!(rows.len(), 2);
        let (none, some) = (&rows[0], &rows[1]);
        assert_eq!((some.shard, some.lag_records, some.lag_ms), (1, 9, Some(30_000)));
        assert_eq!((some.commit_age_ms, some.snapshot_age_ms), (Some(10_000), Some(60_000)));
        assert_eq!(some.owner.as_deref(), Some("http://one:1"));
        assert_eq!(some.snapshot_positions, BTreeMap::from([(Topic::Chat, 5), (Topic::Viewers, 5)]));
        assert_eq!((none.lag_records, none.lag_ms, none.positions[&Topic::Chat]), (8, None, None));
        assert!(none.problem.as_ref().is_some_and(|problem| problem.contains("not a horizon")));
    }
}
