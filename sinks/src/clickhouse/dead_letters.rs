//! The way to the dead-letter topic.
//!
//! Always holds: a dead letter has the record's own bytes, unless they do not fit. Dead letters are sent, not yet acknowledged:
//! [`DeadLetters::flush`] is due before a position behind them is committed. So after a crash one may be there twice; topic,
//! partition and offset tell.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka::{LogError, Outgoing, Partitioned, Producer, Record};
use schemas::{DeadLetter, Encoder, SchemaIds, Timestamp};

/// How long the log may take to have them.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
/// The log's client takes no record above 1,000,000 bytes, and a dead letter needs room for what surrounds the original.
const ORIGINAL_BYTES_MAX: usize = 950_000;
/// An error's words are cut at this many characters.
const DETAIL_CHARACTERS_MAX: usize = 1_000;
/// The reason of a record whose rows the server does not take.
const REFUSED: &str = "refused_by_sink";

pub(super) struct DeadLetters<P> {
    /// None for who reads again what was read before: nothing is sent a second time.
    producer: Option<P>,
    encoder: Encoder,
    topic: String,
    job: String,
    is_unflushed: bool,
}

impl<P: Producer> DeadLetters<P> {
    pub fn new(producer: Option<P>, ids: SchemaIds, topic: String, job: String) -> Self {
        DeadLetters { producer, encoder: Encoder::new(ids), topic, job, is_unflushed: false }
    }

    /// Sends a record whose rows the server does not take.
    ///
    /// # Errors
    /// If it could not be handed to the log.
    pub fn send_refused(&mut self, record: &Record<'_>, detail: &str) -> Result<(), LogError> {
        self.send(record, REFUSED, detail)
    }

    /// Sends a record that cannot be used.
    ///
    /// # Errors
    /// If it could not be handed to the log.
    pub fn send(&mut self, record: &Record<'_>, reason: &str, detail: &str) -> Result<(), LogError> {
        let Some(producer) = &mut self.producer else { return Ok(()) };
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp_ms = since_1970.as_millis() as i64;
        let mut letter = DeadLetter {
            topic: record.topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            reason: reason.to_owned(),
            detail: detail.chars().take(DETAIL_CHARACTERS_MAX).collect(),
            job: self.job.clone(),
            failed_at: Timestamp::from_millis(timestamp_ms),
        };
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let bytes = length(record.key) + length(record.value);
        if bytes > ORIGINAL_BYTES_MAX {
            letter.detail = format!("{}; {bytes} bytes are too many to be kept here", letter.detail);
            (letter.key, letter.value) = (None, None);
        }
        let mut value = Vec::with_capacity(bytes + 256);
        self.encoder.encode(&letter, &mut value).map_err(|error| LogError {
            class: kafka::ErrorClass::Fatal,
            message: format!("dead letter cannot be encoded: {error}"),
        })?;
        self.is_unflushed = true;
        producer.send(&Outgoing {
            topic: &self.topic,
            partition: Partitioned::ByKey,
            timestamp_ms,
            key: Some(record.topic.as_bytes()),
            value: Some(&value),
        })
    }

    /// Waits until the log has everything that was sent.
    ///
    /// # Errors
    /// If something was not delivered by then.
    pub fn flush(&mut self) -> Result<(), LogError> {
        if let Some(producer) = self.producer.as_mut().filter(|_| self.is_unflushed) {
            producer.flush(TIMEOUT)?;
            self.is_unflushed = false;
        }
        Ok(())
    }
}
