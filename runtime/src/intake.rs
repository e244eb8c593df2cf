//! From a record's bytes to an event, or to a dead letter.
//!
//! Always holds: a record is decoded, or counted and kept with its bytes and the reason; none stops its partition. A schema
//! id that we do not know is asked for a bounded number of times, then left alone for a while.

use std::collections::HashMap;
use std::sync::Arc;

use kafka::Record;
use schemas::{DeadLetter, DecodeError, Decoder, Event, SchemaIds, Timestamp, Topic};
use tracing::{info, warn};

use crate::worker::Now;

/// Asks a schema registry for the schema with an id: the schema, none if there is no such id, or why it cannot tell.
pub type SchemaLookup = Arc<dyn Fn(u32) -> Result<Option<String>, String> + Send + Sync>;

/// How often one id is asked for before its records become dead letters.
const LOOKUPS_MAX: u32 = 3;
/// How long an id that nobody knew is left alone.
const LEFT_ALONE_MICROS: i64 = 30_000_000;

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

/// The dead letter for a record.
#[must_use]
pub fn dead_letter(
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
