//! What readers must see, computed naively: for every tick by looking at all events.
//!
//! Always holds: nothing is kept from tick to tick but what a definition itself refers to (a revision, the previous record's
//! ranks, a label as last seen). Written from the schemas and the processors' documentation; shares no code with them.
//! Times are microseconds. Does not know: the run; only the records in the partitions.

mod boards;
mod candles;
mod engagement;
mod moderation;

use std::collections::{HashMap, HashSet};

use processors::Output;
use schemas::{DeadLetter, Event, Timestamp, Topic};

use crate::input::Meaning;
use crate::plan::JobPlan;

/// No event time is taken for earlier or later.
const EARLIEST: i64 = i64::MIN / 4;
const LATEST: i64 = i64::MAX / 4;

/// A record as it lies in an input partition.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
}

/// An event as it came to a shard.
struct Arrived<'a> {
    event: &'a Event<'static>,
    topic: Topic,
    offset: i64,
    /// Its event time, with what is too far off cut.
    time: i64,
    /// Its own partition's watermark when it came.
    watermark: i64,
}

impl Arrived<'_> {
    /// The instant from which records may reflect it.
    fn visible(&self) -> i64 {
        self.time.max(self.watermark)
    }

    /// Its place in the order in which events become visible.
    fn order(&self) -> (i64, Topic, i64) {
        (self.visible(), self.topic, self.offset)
    }
}

/// What must come out of one shard.
#[derive(Default)]
pub(crate) struct Expected {
    /// Results of ticks, whenever: as_of is the tick.
    pub(crate) ticks: Vec<Output>,
    /// Flags, in the order of the chat partition.
    pub(crate) flags: Vec<Output>,
    pub(crate) dead: Vec<DeadLetter>,
    /// Events that some processor found too late.
    pub(crate) late: u64,
}

/// Computes a shard from the records in its input partitions.
///
/// # Errors
/// A value in the log that nobody made.
pub(crate) fn expected(
    plan: &JobPlan,
    shard: i32,
    partitions: &[(Topic, Vec<Stored>)],
    meanings: &HashMap<(Topic, Vec<u8>), Meaning>,
) -> Result<Expected, String> {
    let mut expected = Expected::default();
    let mut arrived = Vec::new();
    for (topic, records) in partitions {
        take_in(plan, shard, *topic, records, meanings, &mut arrived, &mut expected)?;
    }
    let (config, ticks) = (&plan.config, &mut expected.ticks);
    for board in config.boards.iter().filter(|board| !boards::is_across(board)) {
        expected.late += boards::records(board, &arrived, ticks);
    }
    if let Some(engagement) = &config.engagement {
        expected.late += engagement::records(engagement, &arrived, ticks);
    }
    if let Some(candles) = &config.candles {
        for interval in &candles.intervals {
            expected.late += candles::records(candles, interval.micros(), &arrived, ticks);
        }
    }
    if let Some(moderation) = &config.moderation {
        moderation::flags(moderation, &arrived, &mut expected.flags);
    }
    for output in expected.ticks.iter_mut().chain(&mut expected.flags) {
        let freshness = output.freshness_mut();
        freshness.job.clone_from(&plan.job.name);
        freshness.shard = shard;
    }
    Ok(expected)
}

/// Computes the boards across shards from the records in the input partitions of all.
///
/// # Errors
/// A value in the log that nobody made.
pub(crate) fn across(
    plan: &JobPlan,
    shards: &[Vec<(Topic, Vec<Stored>)>],
    meanings: &HashMap<(Topic, Vec<u8>), Meaning>,
) -> Result<Vec<Output>, String> {
    let mut arrived = Vec::new();
    for (shard, partitions) in (0..).zip(shards) {
        for (topic, records) in partitions {
            take_in(plan, shard, *topic, records, meanings, &mut arrived, &mut Expected::default())?;
        }
    }
    let mut ticks = Vec::new();
    for board in plan.config.boards.iter().filter(|board| boards::is_across(board)) {
        boards::records(board, &arrived, &mut ticks);
    }
    Ok(ticks)
}

/// One partition: what came when, and what was no event.
fn take_in<'a>(
    plan: &JobPlan,
    shard: i32,
    topic: Topic,
    records: &[Stored],
    meanings: &'a HashMap<(Topic, Vec<u8>), Meaning>,
    arrived: &mut Vec<Arrived<'a>>,
    expected: &mut Expected,
) -> Result<(), String> {
    let (lateness, skew) = (plan.config.lateness.micros(), plan.config.future_skew.micros());
    let mut watermark = i64::MIN;
    let mut seen = HashSet::new();
    for record in records {
        let Some(value) = &record.value else { continue };
        match meanings.get(&(topic, value.clone())) {
            None => return Err(format!("{topic}/{shard}@{} was never made", record.offset)),
            Some(Meaning::Dead(reason)) => expected.dead.push(DeadLetter {
                topic: topic.name().to_owned(),
                partition: shard,
                offset: record.offset,
                key: record.key.clone(),
                value: Some(value.clone()),
                reason: (*reason).to_owned(),
                detail: String::new(),
                job: plan.job.name.clone(),
                failed_at: Timestamp::default(),
            }),
            Some(Meaning::Event(event)) => {
                // No run is as long as ids are remembered.
                if plan.config.dedup_for.micros() > 0 && !seen.insert(event.header().event_id) {
                    continue;
                }
                let ingest = match record.timestamp_ms {
                    ..0 => event.header().ingest_time.micros(),
                    millis => millis * 1_000,
                };
                let latest = ingest.saturating_add(skew).min(LATEST);
                let time = event.header().event_time.micros().min(latest).max(EARLIEST);
                arrived.push(Arrived { event, topic, offset: record.offset, time, watermark });
                watermark = watermark.max(time - lateness);
            }
        }
    }
    Ok(())
}

/// The last multiple of `step` at or before `instant`.
fn floor(instant: i64, step: i64) -> i64 {
    instant - instant.rem_euclid(step)
}

/// The first multiple of `step` at or after `instant`: the end of the window that is open just before it.
fn ceil(instant: i64, step: i64) -> i64 {
    floor(instant + step - 1, step)
}

/// The first tick that shows what becomes visible at `instant`.
fn tick_after(instant: i64, step: i64) -> i64 {
    floor(instant, step) + step
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}
