//! The pipeline's own health, as far as it shows in the topics that the gateway reads, and how far behind the jobs are, as far
//! as somebody tells.
//!
//! Always holds: counts are of what was read since the gateway started reading, and only rise. Memory is bounded: at
//! most `SHARDS_MAX` shards and `WORDS_MAX` reasons; beyond that shards are not listed and reasons are `other`.
//! Does not know: processes, groups; it sees what jobs wrote, and is given their lags.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value as Json, json};

use super::row::{Row, Slot};
use super::selector::{Kind, SeriesKey};

const SHARDS_MAX: usize = 4_096;
const WORDS_MAX: usize = 32;
/// Shards of a job that are listed because they are behind.
const BEHIND_MAX: usize = 8;

/// How far behind its inputs a job is, as its committed positions tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobLag {
    /// The job.
    pub job: String,
    /// Members of its group: nobody runs it if there is none.
    pub members: usize,
    /// Offsets between the committed position and the end, and the committed watermark in microseconds, by shard.
    pub shards: BTreeMap<i32, (i64, Option<i64>)>,
}

impl JobLag {
    fn to_json(&self) -> Json {
        let mut behind: Vec<(i32, i64)> =
            self.shards.iter().map(|(shard, (records, _))| (*shard, *records)).collect();
        behind.retain(|(_, records)| *records > 0);
        behind.sort_by_key(|(shard, records)| (-records, *shard));
        behind.truncate(BEHIND_MAX);
        let behind = behind.iter().map(|(shard, records)| json!({ "shard": shard, "records": records }));
        json!({
            "members": self.members,
            "records": self.shards.values().map(|(records, _)| records).sum::<i64>(),
            "watermark_min": self.shards.values().filter_map(|(_, watermark)| *watermark).min(),
            "behind": behind.collect::<Json>(),
        })
    }
}

/// Where somebody who can look at the groups writes the jobs' lags: none while they are not known.
#[derive(Clone, Debug, Default)]
pub struct Lags(Arc<Mutex<Option<Vec<JobLag>>>>);

impl Lags {
    /// Replaces what is known.
    pub fn set(&self, lags: Option<Vec<JobLag>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lags;
    }

    fn get(&self) -> Option<Vec<JobLag>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

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
    lags: Lags,
}

fn count(words: &mut BTreeMap<String, u64>, word: &str) -> u64 {
    let word = if words.contains_key(word) || words.len() < WORDS_MAX { word } else { "other" };
    let count = words.entry(word.to_owned()).or_default();
    *count += 1;
    *count
}

impl Pipeline {
    /// One that has seen nothing and looks there for the jobs' lags.
    #[must_use]
    pub fn new(lags: Lags) -> Self {
        Pipeline { lags, ..Pipeline::default() }
    }

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
        let lags: BTreeMap<String, JobLag> =
            self.lags.get().into_iter().flatten().map(|lag| (lag.job.clone(), lag)).collect();
        let mut names: Vec<&String> = self.shards.keys().chain(lags.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let none = BTreeMap::new();
        let jobs = names.into_iter().map(|job| {
            let shards = self.shards.get(job).unwrap_or(&none);
            let newest = |pick: fn(&Shard) -> i64| shards.values().map(pick).max();
            json!({
                "job": job,
                "shards": shards.len(),
                "as_of": newest(|shard| shard.as_of),
                "watermark": newest(|shard| shard.watermark),
                "watermark_min": shards.values().map(|shard| shard.watermark).min(),
                "computed_at": newest(|shard| shard.computed_at),
                "lag": lags.get(job).map(JobLag::to_json),
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
