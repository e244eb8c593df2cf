//! The pipeline's own health, as far as it shows in the topics that the gateway reads.
//!
//! Always holds: counts are of what was read since the gateway started reading, and only rise. Memory is bounded: at
//! most `SHARDS_MAX` shards and `WORDS_MAX` reasons; beyond that shards are not listed and reasons are `other`.
//! Does not know: processes, groups, the lag of the jobs; it sees what they wrote.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::row::{Row, Slot};
use super::selector::{Kind, SeriesKey};

const SHARDS_MAX: usize = 4_096;
const WORDS_MAX: usize = 32;

#[derive(Clone, Copy)]
struct Shard {
    as_of: i64,
    watermark: i64,
    computed_at: i64,
}

/// What has been seen.
#[derive(Default)]
pub struct Pipeline {
    shards: BTreeMap<String, BTreeMap<i64, Shard>>,
    shard_count: usize,
    records: u64,
    tombstones: u64,
    refused: BTreeMap<String, u64>,
    dead_letters: BTreeMap<String, u64>,
    /// What keeps the gateway from the log; none while it reads.
    trouble: Option<String>,
}

fn count(words: &mut BTreeMap<String, u64>, word: &str) -> u64 {
    let word = if words.contains_key(word) || words.len() < WORDS_MAX { word } else { "other" };
    let count = words.entry(word.to_owned()).or_default();
    *count += 1;
    *count
}

impl Pipeline {
    /// A result was taken in.
    pub fn saw_result(&mut self, row: &Row) {
        self.records += 1;
        let field = |name: &str| row.value.get(name).and_then(Json::as_i64);
        let job = row.value.get("job").and_then(Json::as_str);
        let (Some(job), Some(number), Some(computed_at), Some(watermark)) =
            (job, field("shard"), field("computed_at"), row.watermark)
        else {
            return;
        };
        let is_known = self.shards.get(job).is_some_and(|shards| shards.contains_key(&number));
        if !is_known {
            if self.shard_count == SHARDS_MAX {
                return;
            }
            self.shard_count += 1;
        }
        let new = Shard { as_of: row.as_of, watermark, computed_at };
        let shard = self.shards.entry(job.to_owned()).or_default().entry(number).or_insert(new);
        shard.as_of = shard.as_of.max(new.as_of);
        shard.watermark = shard.watermark.max(new.watermark);
        shard.computed_at = shard.computed_at.max(new.computed_at);
    }

    /// A dead letter with this reason was read.
    pub fn saw_dead_letter(&mut self, reason: &str) {
        count(&mut self.dead_letters, reason);
    }

    /// A record could not be shown, for this reason. Returns how many so far.
    pub fn refused(&mut self, reason: &str) -> u64 {
        count(&mut self.refused, reason)
    }

    /// A record without a value was read.
    pub fn saw_tombstone(&mut self) {
        self.tombstones += 1;
    }

    /// The log could not be read, or (`None`) it can again.
    pub fn set_trouble(&mut self, trouble: Option<String>) {
        self.trouble = trouble;
    }

    /// The newest instant at which any job computed a result, in microseconds.
    #[must_use]
    pub fn newest_computed_at(&self) -> Option<i64> {
        self.shards.values().flat_map(BTreeMap::values).map(|shard| shard.computed_at).max()
    }

    /// As shown: the one row of the kind `health`.
    #[must_use]
    pub fn to_row(&self, is_caught_up: bool) -> Row {
        let over = |pick: fn(&Shard) -> i64, shards: &BTreeMap<i64, Shard>| {
            (shards.values().map(pick).min(), shards.values().map(pick).max())
        };
        let jobs = self.shards.iter().map(|(job, shards)| {
            let (watermark_min, watermark) = over(|shard| shard.watermark, shards);
            json!({
                "job": job,
                "shards": shards.len(),
                "as_of": over(|shard| shard.as_of, shards).1,
                "watermark": watermark,
                "watermark_min": watermark_min,
                "computed_at": over(|shard| shard.computed_at, shards).1,
            })
        });
        let state = match (&self.trouble, is_caught_up) {
            (Some(_), _) => "log_unreachable",
            (None, false) => "catching_up",
            (None, true) => "live",
        };
        let value = json!({
            "state": state,
            "trouble": self.trouble,
            "results": self.records,
            "tombstones": self.tombstones,
            "refused": self.refused,
            "dead_letters": { "total": self.dead_letters.values().sum::<u64>(), "by_reason": self.dead_letters },
            "jobs": jobs.collect::<Json>(),
        });
        let all = || self.shards.values().flat_map(BTreeMap::values);
        Row {
            key: SeriesKey { kind: Kind::Health, parts: Vec::new() },
            slot: Slot { time: 0, id: "".into() },
            order: 0,
            as_of: all().map(|shard| shard.as_of).max().unwrap_or_default(),
            watermark: Some(all().map(|shard| shard.watermark).max().unwrap_or_default()),
            value,
        }
    }
}
