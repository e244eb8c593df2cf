//! What a reader of committed records sees, beside what the model says.
//!
//! Always holds: every record is compared, field for field but those that describe the run (watermark, computed_at, input
//! offsets); a record too many or twice is a difference, and so is a window that the quiet end did not close.
//! Does not know: how either came about.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use kafka::memory::MemoryLog;
use kafka::{Assignment, Consumer, ConsumerOptions, Log, TopicPartition, murmur2_partition};
use processors::{Job, Output};
use runtime::worker::group_id;
use schemas::{DeadLetter, DecodeError, Decoder, Freshness, SchemaIds, Timestamp, Topic};

use crate::counts::Counts;
use crate::input::Meaning;
use crate::model::{self, Stored};
use crate::plan::{JobPlan, Plan};
use crate::world::World;

/// A record that may come out.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "nearly all are results")]
enum Shown {
    Result(Output),
    Dead(DeadLetter),
}

/// A job's board, channel, market or rule, and the window: what revisions count within.
type Series = String;
/// Records by series and revision. One that is in there twice is shown twice.
type Records = BTreeMap<(Series, i64), Vec<Shown>>;

/// Compares everything.
///
/// # Errors
/// The first difference.
pub(crate) fn compare(
    plan: &Plan,
    world: &World<'_>,
    meanings: &HashMap<(Topic, Vec<u8>), Meaning>,
    counts: &mut Counts,
) -> Result<(), String> {
    let found = found(plan, &world.log)?;
    let mut expected = Records::new();
    for job in plan.jobs.iter().filter(|job| job.job.first.is_none()) {
        expect_across(plan, world, job, meanings, &mut expected)?;
        for shard in 0..plan.partitions {
            let read = |topic: &Topic| Ok((*topic, stored(&world.log, *topic, shard)?));
            let partitions: Vec<_> = job.job.inputs.iter().map(read).collect::<Result<_, String>>()?;
            let shard_of_model = model::expected(job, shard, &partitions, meanings)?;
            let horizon = horizon(&world.log, &job.job, shard)?;
            counts.add("late event", shard_of_model.late);
            for output in shard_of_model.ticks {
                expect_tick(plan, &job.job, shard, horizon, output, &mut expected)?;
            }
            shard_of_model.flags.into_iter().for_each(|flag| file(&mut expected, plan, Shown::Result(flag)));
            shard_of_model.dead.into_iter().for_each(|letter| file(&mut expected, plan, Shown::Dead(letter)));
        }
    }
    if let Some(key) = expected.keys().chain(found.keys()).find(|key| expected.get(*key) != found.get(*key)) {
        return Err(difference(key, &expected, &found));
    }
    expected.values().flatten().for_each(|shown| counts.add(kind(shown), 1));
    Ok(())
}

/// A record of a tick, which the quiet end must have closed.
fn expect_tick(
    plan: &Plan,
    job: &Job,
    shard: i32,
    horizon: i64,
    output: Output,
    expected: &mut Records,
) -> Result<(), String> {
    let output = Shown::Result(output);
    if as_of(&output).is_some_and(|as_of| as_of > horizon) {
        return Err(format!(
            "shard {shard} of {} never got beyond {horizon}: at the quiet end it lacks {output:#?}",
            job.name
        ));
    }
    file(expected, plan, output);
    Ok(())
}

/// What the second stage of a job must show.
fn expect_across(
    plan: &Plan,
    world: &World<'_>,
    job: &JobPlan,
    meanings: &HashMap<(Topic, Vec<u8>), Meaning>,
    expected: &mut Records,
) -> Result<(), String> {
    let Some(second) = &job.job.second else { return Ok(()) };
    let read = |topic: &Topic, shard| Ok((*topic, stored(&world.log, *topic, shard)?));
    let of_shard =
        |shard| job.job.inputs.iter().map(|topic| read(topic, shard)).collect::<Result<_, String>>();
    let shards: Vec<_> = (0..plan.partitions).map(of_shard).collect::<Result<_, String>>()?;
    for mut output in model::across(job, &shards, meanings)? {
        let shard = murmur2_partition(output.key().as_bytes(), plan.partitions);
        let freshness = output.freshness_mut();
        (freshness.job, freshness.shard) = (second.name.clone(), shard);
        let horizon = horizon(&world.log, second, shard)?;
        expect_tick(plan, second, shard, horizon, output, expected)?;
    }
    Ok(())
}

fn kind(shown: &Shown) -> &'static str {
    match shown {
        Shown::Result(Output::Leaderboard(_)) => "leaderboard compared",
        Shown::Result(Output::Engagement(_)) => "engagement compared",
        Shown::Result(Output::Candle(_)) => "candle compared",
        Shown::Result(Output::Flag(_)) => "flag compared",
        Shown::Result(Output::Partial(_)) => "partial compared",
        Shown::Dead(_) => "dead letter compared",
    }
}

fn as_of(shown: &Shown) -> Option<i64> {
    match shown {
        Shown::Result(Output::Leaderboard(result)) => Some(result.freshness.as_of.micros()),
        Shown::Result(Output::Engagement(result)) => Some(result.freshness.as_of.micros()),
        Shown::Result(Output::Candle(result)) => Some(result.freshness.as_of.micros()),
        Shown::Result(Output::Flag(_) | Output::Partial(_)) | Shown::Dead(_) => None,
    }
}

/// Files a record under what identifies it, without what describes the run.
fn file(records: &mut Records, plan: &Plan, mut shown: Shown) {
    let key = match &mut shown {
        Shown::Dead(letter) => {
            letter.failed_at = Timestamp::default();
            letter.detail.clear();
            (format!("dead letter of {} {}/{}", letter.job, letter.topic, letter.partition), letter.offset)
        }
        Shown::Result(output) => {
            let Freshness { as_of, job, shard, .. } = std::mem::take(output.freshness_mut());
            // A partition that was idle takes over the shard's watermark, which the clock has moved.
            let is_run_dependent = plan.has_pauses && matches!(output, Output::Flag(_));
            let key = match &output {
                Output::Leaderboard(result) => (
                    format!("{job} {} {} {:?}", result.board, result.group, result.window_start),
                    result.revision,
                ),
                Output::Engagement(result) => {
                    (format!("{job} {} {:?}", result.channel_id, result.window_start), result.revision)
                }
                Output::Candle(result) => (
                    format!(
                        "{job} {}:{} {} {:?}",
                        result.venue, result.symbol, result.interval_s, result.window_start
                    ),
                    result.revision,
                ),
                Output::Flag(flag) => (format!("{job} flag {}", flag.flag_id), 1),
                Output::Partial(partial) => (format!("partial {}", partial.event_id), 1),
            };
            let as_of = if is_run_dependent { Timestamp::default() } else { as_of };
            *output.freshness_mut() = Freshness { as_of, job, shard, ..Freshness::default() };
            key
        }
    };
    records.entry(key).or_default().push(shown);
}

fn difference(key: &(Series, i64), expected: &Records, found: &Records) -> String {
    let show = |records: Option<&Vec<Shown>>| {
        records.map_or("nothing".to_owned(), |records| {
            records.iter().map(|record| format!("{record:#?}")).collect::<Vec<_>>().join("\n")
        })
    };
    let differing =
        expected.keys().chain(found.keys()).filter(|key| expected.get(*key) != found.get(*key)).count();
    format!(
        "{} {}: records differ\n--- before it, found\n{}\n--- expected\n{}\n--- found\n{}\n{} records expected, {} found, \
         {differing} differ",
        key.0,
        key.1,
        show(found.get(&(key.0.clone(), key.1 - 1))),
        show(expected.get(key)),
        show(found.get(key)),
        expected.len(),
        found.len(),
    )
}

/// Every committed record of the topics that jobs write.
fn found(plan: &Plan, log: &MemoryLog) -> Result<Records, String> {
    let decoder = Decoder::new(SchemaIds::local());
    let mut records = Records::new();
    for topic in Topic::RESULTS.into_iter().chain([Topic::DeadLetter]) {
        for partition in 0..plan.partitions {
            let mut latest: BTreeMap<Series, i64> = BTreeMap::new();
            for stored in stored(log, topic, partition)? {
                let value = stored.value.unwrap_or_default();
                let shown = decode(&decoder, topic, &value).map_err(|error| format!("{topic}: {error}"))?;
                check_watermark(shown.clone())?;
                let as_of = as_of(&shown);
                let mut one = Records::new();
                file(&mut one, plan, shown);
                for ((series, revision), shown) in one {
                    if let Some(as_of) = as_of
                        && latest.insert(series.clone(), as_of).is_some_and(|before| before >= as_of)
                    {
                        return Err(format!("{series} {revision} comes out of order or twice: {shown:#?}"));
                    }
                    records.entry((series, revision)).or_default().extend(shown);
                }
            }
        }
    }
    Ok(records)
}

/// A record is never ahead of the watermark that it names.
fn check_watermark(shown: Shown) -> Result<(), String> {
    let is_tick = as_of(&shown).is_some();
    let Shown::Result(mut output) = shown else { return Ok(()) };
    let freshness = output.freshness_mut();
    if is_tick && freshness.watermark < freshness.as_of {
        return Err(format!("a record is ahead of its watermark: {output:#?}"));
    }
    Ok(())
}

fn decode(decoder: &Decoder, topic: Topic, value: &[u8]) -> Result<Shown, DecodeError> {
    Ok(match topic {
        Topic::Leaderboards => Shown::Result(Output::Leaderboard(decoder.decode(value)?)),
        Topic::Engagement => Shown::Result(Output::Engagement(decoder.decode(value)?)),
        Topic::Markets => Shown::Result(Output::Candle(decoder.decode(value)?)),
        Topic::Moderation => Shown::Result(Output::Flag(decoder.decode(value)?)),
        _ => Shown::Dead(decoder.decode(value)?),
    })
}

/// The committed records of a partition.
fn stored(log: &MemoryLog, topic: Topic, partition: i32) -> Result<Vec<Stored>, String> {
    let failed = |error: kafka::LogError| format!("cannot read {topic}/{partition}: {error}");
    let from = Assignment { partition: TopicPartition::new(topic.name(), partition), offset: 0 };
    let mut reader = log.reader(&[from]).map_err(failed)?;
    let mut records = Vec::new();
    reader
        .poll(usize::MAX, Duration::ZERO, &mut |record| {
            records.push(Stored {
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
            });
        })
        .map_err(failed)?;
    Ok(records)
}

/// The watermark up to which a shard's ticks were committed.
fn horizon(log: &MemoryLog, job: &Job, shard: i32) -> Result<i64, String> {
    let failed = |error: kafka::LogError| format!("cannot look up positions: {error}");
    let topics: Vec<String> = job.inputs.iter().map(|topic| topic.name().to_owned()).collect();
    let partitions: Vec<_> = topics.iter().map(|topic| TopicPartition::new(topic.as_str(), shard)).collect();
    let mut member = log
        .join(&ConsumerOptions {
            group: group_id("", &job.name),
            topics,
            instance_id: None,
            session_timeout: Duration::from_secs(10),
        })
        .map_err(failed)?;
    let committed = member.committed(&partitions).map_err(failed)?;
    let mut horizon = i64::MIN;
    for committed in committed.into_iter().flatten() {
        let metadata: serde_json::Value = serde_json::from_str(&committed.metadata)
            .map_err(|error| format!("metadata `{}`: {error}", committed.metadata))?;
        let watermark = metadata["watermark"].as_i64().ok_or("the metadata has no watermark")?;
        horizon = horizon.max(watermark);
    }
    Ok(horizon)
}
