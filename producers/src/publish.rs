//! From events to the log: encoding, topics with the deployment's prefix, keys, timestamps, dead letters, counts.
//!
//! Always holds: a record's key is the event's `channel_id`, its timestamp the event's ingest time; what was counted was
//! handed to the log, and delivered once [`Publisher::flush`] has returned. Does not know: the clock, where events come from.

use std::time::Duration;

use kafka::{Log, LogError, Outgoing, Partitioned, Producer};
use schemas::codec::EncodeError;
use schemas::{DeadLetter, Encoder, Event, SchemaIds, Timestamp, Topic};

use crate::recording::ReadError;

/// How events are published.
#[derive(Clone, Debug)]
pub struct PublisherOptions {
    /// In front of every topic's name.
    pub topic_prefix: String,
    /// The registry's ids of our schemas.
    pub schema_ids: SchemaIds,
    /// Who gives up on a line, in its dead letter.
    pub job: String,
}

impl Default for PublisherOptions {
    /// Without prefix, with local schema ids, as `produce`.
    fn default() -> Self {
        PublisherOptions {
            topic_prefix: String::new(),
            schema_ids: SchemaIds::local(),
            job: "produce".to_owned(),
        }
    }
}

/// What keeps an event from being published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The log does not take it.
    #[error("log refuses a record of {topic}: {error}")]
    Log {
        /// The topic's full name.
        topic: String,
        /// Why.
        error: LogError,
    },
    /// Not everything was delivered by the deadline.
    #[error("not everything was delivered: {0}")]
    Flush(LogError),
    /// The value has no place in its schema: a bug.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// How many records went to each topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishCounts([u64; Topic::ALL.len()]);

impl PublishCounts {
    /// Records of one topic.
    #[must_use]
    pub fn of(&self, topic: Topic) -> u64 {
        self.0[topic as usize]
    }

    /// Events: records of all topics but the dead letter.
    #[must_use]
    pub fn events(&self) -> u64 {
        Topic::EVENTS.into_iter().map(|topic| self.of(topic)).sum()
    }

    /// Each topic that has records, with its count, in the order of the table of topics.
    pub fn by_topic(&self) -> impl Iterator<Item = (Topic, u64)> {
        Topic::ALL.into_iter().map(|topic| (topic, self.of(topic))).filter(|(_, count)| *count > 0)
    }
}

/// Writes events to the log.
pub struct Publisher<L: Log> {
    producer: L::Producer,
    encoder: Encoder,
    topics: [String; Topic::ALL.len()],
    job: String,
    buffer: Vec<u8>,
    counts: PublishCounts,
}

impl<L: Log> Publisher<L> {
    /// Opens a producer on the log.
    ///
    /// # Errors
    /// If the log's client cannot be made.
    pub fn new(log: &L, options: &PublisherOptions) -> Result<Self, LogError> {
        Ok(Publisher {
            producer: log.producer()?,
            encoder: Encoder::new(options.schema_ids),
            topics: Topic::ALL.map(|topic| format!("{}{topic}", options.topic_prefix)),
            job: options.job.clone(),
            buffer: Vec::new(),
            counts: PublishCounts::default(),
        })
    }

    /// Hands an event to the log.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn publish(&mut self, event: &Event<'_>) -> Result<(), PublishError> {
        self.buffer.clear();
        self.encoder.encode_event(event, &mut self.buffer)?;
        let header = event.header();
        self.send(event.topic(), header.channel_id.as_bytes(), header.ingest_time)
    }

    /// Hands a malformed line to the log as a dead letter: `unreadable_input`, never in a partition. Errors that
    /// are not about one line have no dead letter and are left alone.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn dead_letter(&mut self, error: &ReadError, failed_at: Timestamp) -> Result<(), PublishError> {
        let ReadError::Malformed { format, raw, .. } = error else { return Ok(()) };
        let topic = format.topic().map_or_else(|| "unknown".to_owned(), |topic| self.name(topic).to_owned());
        let letter = DeadLetter {
            topic: topic.clone(),
            partition: -1,
            offset: -1,
            key: None,
            value: Some(raw.clone()),
            reason: "unreadable_input".to_owned(),
            detail: error.to_string(),
            job: self.job.clone(),
            failed_at,
        };
        self.buffer.clear();
        self.encoder.encode(&letter, &mut self.buffer)?;
        self.send(Topic::DeadLetter, topic.as_bytes(), failed_at)
    }

    fn name(&self, topic: Topic) -> &str {
        &self.topics[topic as usize]
    }

    /// Sends what is in the buffer.
    fn send(&mut self, topic: Topic, key: &[u8], ingest_time: Timestamp) -> Result<(), PublishError> {
        let record = Outgoing {
            topic: &self.topics[topic as usize],
            partition: Partitioned::ByKey,
            timestamp_ms: ingest_time.millis(),
            key: Some(key),
            value: Some(&self.buffer),
        };
        let sent = self.producer.send(&record);
        sent.map_err(|error| PublishError::Log { topic: self.name(topic).to_owned(), error })?;
        self.counts.0[topic as usize] += 1;
        Ok(())
    }

    /// Waits until the log has everything.
    ///
    /// # Errors
    /// [`PublishError::Flush`].
    pub fn flush(&mut self, timeout: Duration) -> Result<(), PublishError> {
        self.producer.flush(timeout).map_err(PublishError::Flush)
    }

    /// What was handed to the log.
    #[must_use]
    pub fn counts(&self) -> PublishCounts {
        self.counts
    }
}
