//! The results that processors compute, and the dead letter.
//!
//! Always holds: a struct has exactly the fields of its schema in `avro/`, in the same order; field docs live
//! there. Maps are ordered, so that equal results have equal bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::decimal::{Amount, Quote};
use crate::time::Timestamp;

/// How fresh a result is and where it comes from. Every result carries these fields; they describe the run,
/// not the content: two runs over the same input may differ in them and in nothing else.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // see the schemas
pub struct Freshness {
    pub as_of: Timestamp,
    pub watermark: Timestamp,
    pub computed_at: Timestamp,
    pub job: String,
    pub shard: i32,
    pub input_offsets: BTreeMap<String, i64>,
}

/// `results.leaderboards`: a leaderboard as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/leaderboard_result.avsc
pub struct LeaderboardResult {
    pub board: String,
    pub group: String,
    pub window: String,
    #[serde(default)]
    pub window_start: Option<Timestamp>,
    #[serde(default)]
    pub window_end: Option<Timestamp>,
    pub is_final: bool,
    pub revision: i64,
    pub entries: Vec<LeaderboardEntry>,
    pub item_count: i64,
    pub total_score: Amount,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// One place of a leaderboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/leaderboard_result.avsc
pub struct LeaderboardEntry {
    pub rank: i32,
    pub item: Arc<str>,
    pub label: Arc<str>,
    pub score: Amount,
    #[serde(default)]
    pub previous_rank: Option<i32>,
}

/// `results.engagement`: one window of a channel's audience.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/engagement_result.avsc
pub struct EngagementResult {
    pub channel_id: String,
    #[serde(default)]
    pub window_start: Option<Timestamp>,
    #[serde(default)]
    pub window_end: Option<Timestamp>,
    pub is_final: bool,
    pub revision: i64,
    pub messages: i64,
    pub unique_chatters: i64,
    pub reactions: BTreeMap<String, i64>,
    pub money_micros: BTreeMap<String, i64>,
    pub concurrent_viewers: i64,
    pub peak_concurrent_viewers: i64,
    pub unique_viewers: i64,
    pub joins: i64,
    pub leaves: i64,
    pub watch_ms: i64,
    pub rebuffer_count: i64,
    pub rebuffer_ms: i64,
    #[serde(default)]
    pub retracted_messages: i64,
    #[serde(default)]
    pub presence_us: i64,
    #[serde(default)]
    pub audience_us: i64,
    #[serde(default)]
    pub retention: Vec<RetentionPoint>,
    #[serde(default)]
    pub unique_chatters_is_estimated: bool,
    #[serde(default)]
    pub unique_chatters_sketch: Vec<SketchRegister>,
    #[serde(default)]
    pub unique_viewers_is_estimated: bool,
    #[serde(default)]
    pub unique_viewers_sketch: Vec<SketchRegister>,
    #[serde(default)]
    pub startup_count: i64,
    #[serde(default)]
    pub startup_p50_ms: Option<i64>,
    #[serde(default)]
    pub startup_p90_ms: Option<i64>,
    #[serde(default)]
    pub startup_p95_ms: Option<i64>,
    #[serde(default)]
    pub startup_p99_ms: Option<i64>,
    #[serde(default)]
    pub startup_histogram: Vec<HistogramBucket>,
    #[serde(default)]
    pub live_latency_count: i64,
    #[serde(default)]
    pub live_latency_p50_ms: Option<i64>,
    #[serde(default)]
    pub live_latency_p90_ms: Option<i64>,
    #[serde(default)]
    pub live_latency_p95_ms: Option<i64>,
    #[serde(default)]
    pub live_latency_p99_ms: Option<i64>,
    #[serde(default)]
    pub live_latency_histogram: Vec<HistogramBucket>,
    #[serde(default)]
    pub bitrate_bits: i64,
    #[serde(default)]
    pub bitrate_ms: i64,
    #[serde(default)]
    pub untracked_sessions: i64,
    #[serde(default)]
    pub untracked_messages: i64,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// Of the sessions that reached an age in the window, how many were still watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/engagement_result.avsc
pub struct RetentionPoint {
    pub age_us: i64,
    pub cohort: i64,
    pub retained: i64,
}

/// A register of a sketch of distinct names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/engagement_result.avsc
pub struct SketchRegister {
    pub register: i32,
    pub rank: i32,
}

/// Samples that share their leading digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/engagement_result.avsc
pub struct HistogramBucket {
    pub value_ms: i64,
    pub count: i64,
}

/// `results.markets`: one candle of a market.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/candle_result.avsc
pub struct CandleResult {
    pub venue: String,
    pub symbol: String,
    pub interval_s: i32,
    pub window_start: Timestamp,
    pub window_end: Timestamp,
    pub is_final: bool,
    pub revision: i64,
    pub open: Amount,
    pub high: Amount,
    pub low: Amount,
    pub close: Amount,
    pub trade_count: i64,
    pub base_volume: Amount,
    pub quote_volume: Quote,
    pub taker_buy_count: i64,
    pub taker_sell_count: i64,
    pub taker_buy_volume: Amount,
    pub taker_sell_volume: Amount,
    #[serde(default)]
    pub first_trade_id: Option<i64>,
    #[serde(default)]
    pub last_trade_id: Option<i64>,
    #[serde(default)]
    pub missing_trade_ids: i64,
    #[serde(default)]
    pub missing_before: Option<i64>,
    #[serde(default)]
    pub duplicate_trade_count: i64,
    #[serde(default)]
    pub duplicate_volume: Amount,
    #[serde(default)]
    pub largest_quantity: Amount,
    #[serde(default)]
    pub largest_price: Amount,
    #[serde(default)]
    pub largest_trade_id: Option<i64>,
    #[serde(default)]
    pub taker_net_volume: Amount,
    #[serde(default)]
    pub taker_volume: Amount,
    #[serde(default)]
    pub realised_variance: Option<f64>,
    #[serde(default)]
    pub true_range: Amount,
    #[serde(default)]
    pub past_candle_count: i32,
    #[serde(default)]
    pub past_base_volume: Amount,
    #[serde(default)]
    pub past_true_range: Amount,
    #[serde(default)]
    pub is_volume_spike: bool,
    #[serde(default)]
    pub is_price_spike: bool,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// `results.moderation`: a message that a moderation rule found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/moderation_flag.avsc
pub struct ModerationFlag {
    pub flag_id: String,
    pub channel_id: String,
    pub message_id: String,
    pub event_time: Timestamp,
    #[serde(default)]
    pub user_id: Option<String>,
    #[serde(default)]
    pub user_name: Option<String>,
    pub text: String,
    pub rule: String,
    pub category: String,
    pub severity: i32,
    pub score: f64,
    pub evidence: String,
    pub suggested_action: SuggestedAction,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// What a moderator might do about a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuggestedAction {
    /// Nothing.
    None,
    /// Look at it.
    Review,
    /// Remove the message.
    Delete,
    /// Silence the user for a while.
    TimeOut,
    /// Remove the user.
    Ban,
    /// An action that this version does not know.
    #[serde(other)]
    Unknown,
}

/// `ovation.dead-letter`: a record that could not be used, kept as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/dead_letter.avsc
pub struct DeadLetter {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    #[serde(default, with = "optional_bytes")]
    pub key: Option<Vec<u8>>,
    #[serde(default, with = "optional_bytes")]
    pub value: Option<Vec<u8>>,
    pub reason: String,
    pub detail: String,
    pub job: String,
    pub failed_at: Timestamp,
}

/// serde takes `Vec<u8>` for a sequence of numbers; Avro wants bytes.
mod optional_bytes {
    use serde::de::{Deserializer, Error, Visitor};
    use serde::{Deserialize, Serialize, Serializer};

    struct Bytes<'a>(&'a [u8]);

    impl Serialize for Bytes<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self.0)
        }
    }

    struct OwnedBytes(Vec<u8>);

    impl<'de> Deserialize<'de> for OwnedBytes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct BytesVisitor;
            impl Visitor<'_> for BytesVisitor {
                type Value = OwnedBytes;

                fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    formatter.write_str("bytes")
                }

                fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<OwnedBytes, E> {
                    Ok(OwnedBytes(bytes.to_vec()))
                }
            }
            deserializer.deserialize_bytes(BytesVisitor)
        }
    }

    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_deref().map(Bytes).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<OwnedBytes>::deserialize(deserializer)?.map(|bytes| bytes.0))
    }
}
