//! Records to rows: decodes, learns unknown schemas from the registry, and sends what cannot be decoded to the
//! dead-letter topic.
//!
//! Always holds: every record is either rows, or a dead letter with its original bytes, or counted as skipped by rule (a
//! tombstone; an undecodable record of the dead-letter topic, which must not come back as another dead letter).
//! Dead letters are sent, not yet acknowledged: [`DeadLetters::flush`] is due before a position is committed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kafka::{LogError, Producer, Record};
use schemas::{DeadLetter, DecodeError, Decoder, SchemaIds, Topic};

use super::chunk::OpenChunk;
use super::dead_letters::DeadLetters;
use super::rows::{Place, is_clamped};

/// Looks up a schema by its id: the schema's text, or none if the registry has no such id, or why it could not be asked.
pub type FindSchema<'a> = dyn FnMut(u32) -> Result<Option<String>, String> + 'a;

/// How often an unknown id is asked for before its record becomes a dead letter.
const LOOKUPS_MAX: u32 = 3;
const LOOKUP_PAUSE: Duration = Duration::from_millis(100);
/// For how long an id that was not found is not asked for again.
const MISSING_FOR: Duration = Duration::from_secs(30);
/// With more missing ids than this, somebody writes garbage: each is asked for once only.
const MISSING_MAX: usize = 100;
/// What the reader counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub records: u64,
    pub dead_letters: u64,
    pub undecodable_dead_letters: u64,
    pub tombstones: u64,
    pub clamped_times: u64,
    /// Records whose rows the table had from before.
    pub known: u64,
}

pub(super) struct Reader<'a, P> {
    decoder: Decoder,
    find_schema: &'a mut FindSchema<'a>,
    missing: HashMap<u32, Instant>,
    pub dead_letters: DeadLetters<P>,
    pub counts: Counts,
}

impl<'a, P: Producer> Reader<'a, P> {
    pub fn new(ids: SchemaIds, find_schema: &'a mut FindSchema<'a>, dead_letters: DeadLetters<P>) -> Self {
        let decoder = Decoder::new(ids);
        Reader { decoder, find_schema, missing: HashMap::new(), dead_letters, counts: Counts::default() }
    }

    /// Takes a record into the chunk.
    ///
    /// # Errors
    /// If a dead letter could not be handed to the log: the record is then not in the chunk.
    pub fn read(&mut self, topic: Topic, record: &Record<'_>, chunk: &mut OpenChunk) -> Result<(), LogError> {
        self.counts.records += 1;
        let Some(payload) = record.value else {
            self.counts.tombstones += 1;
            chunk.take_offset(record.offset);
            return Ok(());
        };
        if let Err(error) = self.append_or_learn(topic, record, payload, chunk) {
            self.give_up(topic, record, &error)?;
        }
        chunk.take_offset(record.offset);
        Ok(())
    }

    /// Takes in the offset of a record whose rows the table has from before.
    pub fn skip(&mut self, record: &Record<'_>, chunk: &mut OpenChunk) {
        self.counts.records += 1;
        self.counts.known += 1;
        chunk.take_offset(record.offset);
    }

    /// The rows of a record in RowBinary, empty if it has none; nothing is counted.
    pub fn rows_of(&mut self, topic: Topic, record: &Record<'_>) -> Vec<u8> {
        let mut chunk = OpenChunk::new(record.offset);
        let payload = record.value.unwrap_or_default();
        match self.append_or_learn(topic, record, payload, &mut chunk) {
            Ok(()) => chunk.into_bytes(),
            Err(_) => Vec::new(),
        }
    }

    fn append_or_learn(
        &mut self,
        topic: Topic,
        record: &Record<'_>,
        payload: &[u8],
        chunk: &mut OpenChunk,
    ) -> Result<(), DecodeError> {
        match self.append(topic, record, payload, chunk) {
            Err(DecodeError::UnknownSchema(id)) if self.learn(id) => {
                self.append(topic, record, payload, chunk)
            }
            outcome => outcome,
        }
    }

    fn append(
        &mut self,
        topic: Topic,
        record: &Record<'_>,
        payload: &[u8],
        chunk: &mut OpenChunk,
    ) -> Result<(), DecodeError> {
        let place = Place { topic: record.topic, partition: record.partition, offset: record.offset };
        match topic {
            Topic::Chat | Topic::Reactions | Topic::Viewers | Topic::Trades => {
                let event = self.decoder.decode_event(topic, payload)?;
                self.counts.clamped_times += u64::from(is_clamped(&event));
                chunk.append(&event, &place);
            }
            Topic::Leaderboards => {
                chunk.append(&self.decoder.decode::<schemas::LeaderboardResult>(payload)?, &place);
            }
            Topic::Engagement => {
                chunk.append(&self.decoder.decode::<schemas::EngagementResult>(payload)?, &place);
            }
            Topic::Markets => chunk.append(&self.decoder.decode::<schemas::CandleResult>(payload)?, &place),
            Topic::Moderation => {
                chunk.append(&self.decoder.decode::<schemas::ModerationFlag>(payload)?, &place);
            }
            Topic::DeadLetter => chunk.append(&self.decoder.decode::<DeadLetter>(payload)?, &place),
            Topic::Partials => unreachable!("the sink does not read partials"),
        }
        Ok(())
    }

    /// Asks the registry for a schema. Blocks for less than a second.
    fn learn(&mut self, id: u32) -> bool {
        let now = Instant::now();
        self.missing.retain(|_, since| now.duration_since(*since) < MISSING_FOR);
        if self.missing.contains_key(&id) {
            return false;
        }
        let lookups = if self.missing.len() < MISSING_MAX { LOOKUPS_MAX } else { 1 };
        for lookup in 1..=lookups {
            match (self.find_schema)(id) {
                Ok(Some(schema)) => match self.decoder.add_writer_schema(id, &schema) {
                    Ok(()) => return true,
                    Err(error) => {
                        tracing::warn!(id, %error, "the registry's schema cannot be used");
                        break;
                    }
                },
                Ok(None) => tracing::warn!(id, lookup, "the registry does not know the schema id"),
                Err(error) => tracing::warn!(id, lookup, error, "the registry could not be asked"),
            }
            if lookup < lookups {
                std::thread::sleep(LOOKUP_PAUSE);
            }
        }
        self.missing.insert(id, now);
        false
    }

    fn give_up(&mut self, topic: Topic, record: &Record<'_>, error: &DecodeError) -> Result<(), LogError> {
        let (offset, partition) = (record.offset, record.partition);
        if topic == Topic::DeadLetter {
            self.counts.undecodable_dead_letters += 1;
            tracing::warn!(partition, offset, %error, "undecodable record in the dead-letter topic skipped");
            return Ok(());
        }
        tracing::warn!(topic = record.topic, partition, offset, %error, "record goes to the dead-letter topic");
        self.counts.dead_letters += 1;
        self.dead_letters.send(record, error.reason(), &error.to_string())
    }
}
