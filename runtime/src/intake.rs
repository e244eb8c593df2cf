//! From a record's bytes to an event, or to a dead letter.
//!
//! Always holds: a record is decoded, or counted and kept with its bytes and the reason; none stops its partition. A schema
//! id that we do not know is asked for a bounded number of times, then left alone for a while.

use std::collections::HashMap;
use std::sync::Arc;

use kafka::Record;
use processors::Output;
use schemas::{DeadLetter, DecodeError, Decoder, Event, SchemaIds, Timestamp, Topic};
use tracing::{info, warn};

use crate::live::LiveShard;
use crate::metrics::{JobMetrics, add};
use crate::worker::Now;

/// Asks a schema registry for the schema with an id: the schema, none if there is no such id, or why it cannot tell.
pub type SchemaLookup = Arc<dyn Fn(u32) -> Result<Option<String>, String> + Send + Sync>;

/// How often one id is asked for before its records become dead letters.
const LOOKUPS_MAX: u32 = 3;
/// How long an id that nobody knew is left alone.
const LEFT_ALONE_MICROS: i64 = 30_000_000;
/// The reason of events that came too late.
const LATE: &str = "late";
const LATE_DETAIL: &str = "every window it belongs to was closed before it came";

/// Turns records into events.
pub struct Intake {
    decoder: Decoder,
    lookup: SchemaLookup,
    /// Ids that nobody knew, and when they may be asked for again (elapsed time).
    unknown: HashMap<u32, i64>,
}

impl Intake {
    /// Knows our own schemas under `ids` and asks `lookup` for others.
    #[must_use]
    pub fn new(ids: SchemaIds, lookup: SchemaLookup) -> Self {
        Intake { decoder: Decoder::new(ids), lookup, unknown: HashMap::new() }
    }

    /// Decodes an event of `topic` from `value`, asking for its schema if need be.
    ///
    /// # Errors
    /// Why the value is not an event.
    pub fn event<'a>(&mut self, topic: Topic, value: &'a [u8], now: Now) -> Result<Event<'a>, DecodeError> {
        if let Ok((id, _)) = schemas::codec::split_wire_format(value)
            && !self.decoder.knows(topic, id)
        {
            self.ask_for(id, now);
        }
        self.decoder.decode_event(topic, value)
    }

    fn ask_for(&mut self, id: u32, now: Now) {
        if self.unknown.get(&id).is_some_and(|until| now.elapsed_micros < *until) {
            return;
        }
        for attempt in 1..=LOOKUPS_MAX {
            match (self.lookup)(id) {
                Ok(Some(schema)) => match self.decoder.add_writer_schema(id, &schema) {
                    Ok(()) => {
                        info!(id, "learnt a writer's schema");
                        self.unknown.remove(&id);
                        return;
                    }
                    Err(error) => {
                        warn!(id, %error, "the registry's schema cannot be used");
                        break;
                    }
                },
                Ok(None) => break,
                Err(error) => warn!(id, attempt, error, "cannot ask for a schema"),
            }
        }
        self.unknown.insert(id, now.elapsed_micros + LEFT_ALONE_MICROS);
    }
}

/// What surrounds a record that is taken in.
pub(crate) struct Context<'a> {
    pub(crate) now: Now,
    pub(crate) metrics: &'a JobMetrics,
    pub(crate) job: &'a str,
    pub(crate) late_to_dead_letter: bool,
}

/// Takes one record into its shard; what cannot be read becomes a dead letter, and what is late if that is asked for.
pub(crate) fn take_record(
    intake: &mut Intake,
    shard: &mut LiveShard,
    topic: Topic,
    record: &Record<'_>,
    context: &Context<'_>,
    out: &mut Vec<Output>,
    dead: &mut Vec<DeadLetter>,
) {
    let Context { now, metrics, job, late_to_dead_letter } = *context;
    let decoded = record.value.map(|value| intake.event(topic, value, now));
    let event = decoded.as_ref().and_then(|decoded| decoded.as_ref().ok());
    let ingest_time = match event {
        Some(event) if record.timestamp_ms < 0 => event.header().ingest_time,
        _ => Timestamp::from_millis(record.timestamp_ms),
    };
    let Some(progress) = shard.take(topic, record.offset, ingest_time, event, now, out) else { return };
    if progress.is_replay {
        add(&metrics.replayed, 1);
        return;
    }
    add(&metrics.raises_forgotten, u64::from(progress.has_forgotten_raise));
    match decoded {
        None => add(&metrics.tombstones, 1),
        Some(Ok(_)) => {
            let taken = progress.taken;
            add(&metrics.events, 1);
            if taken.is_duplicate {
                add(&metrics.duplicates, 1);
                return;
            }
            add(&metrics.late, u64::from(taken.is_late));
            add(&metrics.clamped, u64::from(taken.is_clamped));
            if taken.is_late && late_to_dead_letter {
                metrics.count_dead(LATE);
                dead.push(dead_letter(record, job, LATE, LATE_DETAIL.to_owned(), now.wall));
            }
        }
        Some(Err(error)) => {
            metrics.count_dead(error.reason());
            dead.push(dead_letter(record, job, error.reason(), detail_of(&error), now.wall));
        }
    }
}

fn detail_of(error: &DecodeError) -> String {
    error.to_string().chars().take(500).collect()
}

/// The dead letter for a record.
fn dead_letter(
    record: &Record<'_>,
    job: &str,
    reason: &'static str,
    detail: String,
    now: Timestamp,
) -> DeadLetter {
    DeadLetter {
        topic: record.topic.to_owned(),
        partition: record.partition,
        offset: record.offset,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        reason: reason.to_owned(),
        detail,
        job: job.to_owned(),
        failed_at: now,
    }
}
