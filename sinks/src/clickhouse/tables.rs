//! The tables: where the records of each topic go, and in which columns.
//!
//! Always holds: the columns are in the order in which `rows` writes them; the tables themselves are made by `migrations/`.

use schemas::Topic;

/// Where the records of a topic go.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The table's name.
    pub name: &'static str,
    /// Its columns in the order in which rows are written, without the place.
    pub columns: &'static str,
}

impl Table {
    /// The table for a topic.
    ///
    /// # Panics
    /// If the topic is none of [`Topic::STORED`]: only the program chooses it.
    #[must_use]
    pub const fn of(topic: Topic) -> Table {
        let (name, columns) = match topic {
            Topic::Chat => (
                "chat_events",
                "event_id, event_time, ingest_time, source, channel_id, user_id, stream_id, kind, user_name, text, \
                 emotes, roles, badges, reply_to, is_question, is_first_message, target_message_id, target_user_id, \
                 duration_ms",
            ),
            Topic::Reactions => (
                "reaction_events",
                "event_id, event_time, ingest_time, source, channel_id, user_id, stream_id, kind, `count`, user_name, \
                 emoji, amount_micros, currency, target_id, `option`",
            ),
            Topic::Viewers => (
                "viewer_events",
                "event_id, event_time, ingest_time, source, channel_id, user_id, stream_id, kind, session_id, watch_ms, \
                 startup_ms, rebuffer_count, rebuffer_ms, bitrate_kbps, live_latency_ms, device, country",
            ),
            Topic::Trades => (
                "trade_events",
                "event_id, event_time, ingest_time, source, channel_id, user_id, stream_id, trade_id, price, quantity, \
                 aggressor, venue, symbol",
            ),
            Topic::Leaderboards => (
                "leaderboards",
                "board, `group`, `window`, window_start, window_end, is_final, revision, rank, item, label, score, \
                 previous_rank, item_count, total_score, as_of, watermark, computed_at, job, shard, input_offsets",
            ),
            Topic::Engagement => (
                "engagement",
                "channel_id, window_start, window_end, is_final, revision, messages, unique_chatters, reactions, \
                 money_micros, concurrent_viewers, peak_concurrent_viewers, unique_viewers, joins, leaves, watch_ms, \
                 rebuffer_count, rebuffer_ms, retracted_messages, presence_us, audience_us, retention, \
                 unique_chatters_is_estimated, unique_chatters_sketch, unique_viewers_is_estimated, \
                 unique_viewers_sketch, startup_count, startup_p50_ms, startup_p90_ms, startup_p95_ms, \
                 startup_p99_ms, startup_histogram, live_latency_count, live_latency_p50_ms, \
                 live_latency_p90_ms, live_latency_p95_ms, live_latency_p99_ms, live_latency_histogram, \
                 bitrate_bits, bitrate_ms, untracked_sessions, untracked_messages, as_of, watermark, \
                 computed_at, job, shard, input_offsets",
            ),
            Topic::Markets => (
                "candles",
                "venue, symbol, interval_s, window_start, window_end, is_final, revision, open, high, low, close, \
                 trade_count, base_volume, quote_volume, taker_buy_count, taker_sell_count, taker_buy_volume, \
                 taker_sell_volume, first_trade_id, last_trade_id, missing_trade_ids, missing_before, \
                 duplicate_trade_count, duplicate_volume, largest_quantity, largest_price, largest_trade_id, \
                 taker_net_volume, taker_volume, realised_variance, true_range, past_candle_count, \
                 past_base_volume, past_true_range, is_volume_spike, is_price_spike, as_of, watermark, \
                 computed_at, job, shard, input_offsets",
            ),
            Topic::Moderation => (
                "moderation_flags",
                "flag_id, channel_id, message_id, event_time, user_id, user_name, `text`, rule, category, severity, \
                 score, evidence, suggested_action, as_of, watermark, computed_at, job, shard, input_offsets",
            ),
            Topic::DeadLetter => (
                "dead_letters",
                "original_topic, original_partition, original_offset, `key`, `value`, reason, detail, job, failed_at",
            ),
            Topic::Partials => unreachable!(),
        };
        Table { name, columns }
    }

    /// The statement whose body is rows in RowBinary.
    #[must_use]
    pub fn insert_statement(&self) -> String {
        self.insert_statement_into(self.name)
    }

    /// The same for another table with these columns.
    #[must_use]
    pub fn insert_statement_into(&self, name: &str) -> String {
        format!("INSERT INTO {name} ({}, topic, `partition`, `offset`) FORMAT RowBinary", self.columns)
    }
}
