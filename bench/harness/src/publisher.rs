//! The results of the hot channel, for our gateway as its jobs write them and for the peer as it wants them.
//!
//! Always holds: both are given the same values. Does not know: who receives them.

use std::time::Duration;

use anyhow::{Context, Result};
use kafka::{Log as _, Outgoing, Partitioned, Producer};
use schemas::json::JsonReader;
use schemas::{Encoder, EngagementResult, Freshness, Timestamp, Topic};
use serde_json::{Value as Json, json};

use crate::fanout::CHANNEL;
use crate::ovation::Bench;

/// The topic that the peer reads.
pub const PEER_TOPIC: &str = "peer.engagement";
const DEADLINE: Duration = Duration::from_secs(60);

/// Publishes the engagement of the hot channel.
pub struct Publisher {
    producer: Box<dyn Producer>,
    encoder: Encoder,
    reader: JsonReader,
    is_for_peer: bool,
    /// What was published, by its number.
    pub values: Vec<Json>,
}

impl Publisher {
    /// # Errors
    /// If the servers cannot be reached.
    pub fn new(bench: &Bench, is_for_peer: bool) -> Result<Self> {
        let registry = kafka::registry::Registry::new(bench.registry(), None);
        let encoder = Encoder::new(registry.resolve_ids("", false)?);
        let reader = JsonReader::new(Topic::Engagement.spec().schema).context("our own schema")?;
        let producer = Box::new(bench.log().producer()?);
        Ok(Publisher { producer, encoder, reader, is_for_peer, values: Vec::new() })
    }

    /// Publishes the next one, of this number.
    ///
    /// # Errors
    /// If it is not taken in time.
    pub fn publish(&mut self, number: usize, now: i64) -> Result<()> {
        let at = Timestamp::from_micros(now);
        let minute = Timestamp::from_micros(1_767_571_200_000_000);
        let result = EngagementResult {
            channel_id: CHANNEL.to_owned(),
            window_start: Some(minute),
            window_end: Some(minute.plus_micros(60_000_000)),
            revision: number as i64,
            messages: number as i64,
            reactions: ["emoji", "like", "cheer", "gift"].map(|kind| (kind.to_owned(), number as i64)).into(),
            freshness: Freshness { as_of: at, watermark: at, computed_at: at, ..Freshness::default() },
            ..EngagementResult::default()
        };
        let mut value = Vec::new();
        self.encoder.encode(&result, &mut value)?;
        let mut json = self.reader.read(&value)?;
        if let Some(fields) = json.as_object_mut() {
            // as our gateway shows it
            fields.retain(|name, _| !name.ends_with("_sketch") && !name.ends_with("_histogram"));
        }
        let mut topic = Topic::Engagement.name();
        if self.is_for_peer {
            topic = PEER_TOPIC;
            value = json!({"method": "publish", "payload": {"channel": CHANNEL, "data": json}})
                .to_string()
                .into();
        }
        self.values.push(json);
        self.producer.send(&Outgoing {
            topic,
            partition: Partitioned::ByKey,
            timestamp_ms: now / 1_000,
            key: Some(CHANNEL.as_bytes()),
            value: Some(&value),
        })?;
        Ok(self.producer.flush(DEADLINE)?)
    }
}
