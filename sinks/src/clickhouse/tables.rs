//! The tables: where the records of each topic go, and in which columns.
//!
//! Always holds: the columns are in the order in which `rows` writes them; the tables themselves are made by `migrations/`, with
//! dictionaries (`LowCardinality`) where a column has few values, which the server makes of what we send.

use schemas::Topic;

/// Where the records of a topic go.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The table's name.
    pub name: &'static str,
    /// Its columns in the order in which rows are written: names and types, separated by commas.
    definitions: &'static [&'static str],
}

/// What every event has first.
const EVENT: &str = "event_id String, event_time DateTime64(6, 'UTC'), ingest_time DateTime64(6, 'UTC'), source String, \
     channel_id String, user_id Nullable(String), stream_id Nullable(String)";
/// What every result has after its own.
const FRESHNESS: &str = "as_of DateTime64(6, 'UTC'), watermark DateTime64(6, 'UTC'), computed_at DateTime64(6, 'UTC'), job String, \
     shard Int32, input_offsets Map(String, Int64)";
/// What every row has last: where its record was read.
const PLACE: &str = "topic String, partition Int32, offset Int64";

const CHAT_EVENTS: Table = Table {
    name: "chat_events",
    definitions: &[
        EVENT,
        "kind String, user_name Nullable(String), text Nullable(String), \
         emotes Array(Tuple(id String, name String, count Int32)), roles Array(String), \
         badges Array(String), reply_to Nullable(String), is_question Bool, is_first_message Bool, \
         target_message_id Nullable(String), target_user_id Nullable(String), duration_ms Nullable(Int64)",
        PLACE,
    ],
};
const REACTION_EVENTS: Table = Table {
    name: "reaction_events",
    definitions: &[
        EVENT,
        "kind String, count Int64, user_name Nullable(String), emoji Nullable(String), \
         amount_micros Nullable(Int64), currency Nullable(String), target_id Nullable(String), \
         option Nullable(String)",
        PLACE,
    ],
};
const VIEWER_EVENTS: Table = Table {
    name: "viewer_events",
    definitions: &[
        EVENT,
        "kind String, session_id String, watch_ms Int64, startup_ms Nullable(Int64), \
         rebuffer_count Int32, rebuffer_ms Int64, bitrate_kbps Nullable(Int32), \
         live_latency_ms Nullable(Int64), device Nullable(String), country Nullable(String)",
        PLACE,
    ],
};
const TRADE_EVENTS: Table = Table {
    name: "trade_events",
    definitions: &[
        EVENT,
        "trade_id Nullable(Int64), price Decimal(38, 10), quantity Decimal(38, 10), aggressor String, \
         venue String, symbol String",
        PLACE,
    ],
};
const LEADERBOARDS: Table = Table {
    name: "leaderboards",
    definitions: &[
        "board String, group String, window String, window_start Nullable(DateTime64(6, 'UTC')), \
         window_end Nullable(DateTime64(6, 'UTC')), is_final Bool, \
         revision Int64, rank Int32, item String, label String, score Decimal(38, 10), \
         previous_rank Nullable(Int32), item_count Int64, total_score Decimal(38, 10)",
        FRESHNESS,
        PLACE,
    ],
};
const ENGAGEMENT: Table = Table {
    name: "engagement",
    definitions: &[
        "channel_id String, window_start Nullable(DateTime64(6, 'UTC')), \
         window_end Nullable(DateTime64(6, 'UTC')), is_final Bool, \
         revision Int64, messages Int64, unique_chatters Int64, reactions Map(String, Int64), \
         money_micros Map(String, Int64), \
         concurrent_viewers Int64, peak_concurrent_viewers Int64, unique_viewers Int64, joins Int64, leaves Int64, watch_ms Int64, rebuffer_count Int64, rebuffer_ms Int64, retracted_messages Int64, presence_us Int64, audience_us Int64, retention Array(Tuple(age_us Int64, cohort Int64, retained Int64)), \
         unique_chatters_is_estimated Bool, \
         unique_chatters_sketch Array(Tuple(register Int32, rank Int32)), \
         unique_viewers_is_estimated Bool, \
         unique_viewers_sketch Array(Tuple(register Int32, rank Int32)), \
         startup_count Int64, startup_p50_ms Nullable(Int64), startup_p90_ms Nullable(Int64), \
         startup_p95_ms Nullable(Int64), startup_p99_ms Nullable(Int64), \
         startup_histogram Array(Tuple(value_ms Int64, count Int64)), \
         live_latency_count Int64, live_latency_p50_ms Nullable(Int64), \
         live_latency_p90_ms Nullable(Int64), live_latency_p95_ms Nullable(Int64), \
         live_latency_p99_ms Nullable(Int64), \
         live_latency_histogram Array(Tuple(value_ms Int64, count Int64)), \
         bitrate_bits Int64, bitrate_ms Int64, untracked_sessions Int64, untracked_messages Int64",
        FRESHNESS,
        PLACE,
    ],
};
const CANDLES: Table = Table {
    name: "candles",
    definitions: &[
        "venue String, symbol String, interval_s Int32, window_start DateTime64(6, 'UTC'), \
         window_end DateTime64(6, 'UTC'), is_final Bool, revision Int64, open Decimal(38, 10), \
         high Decimal(38, 10), low Decimal(38, 10), close Decimal(38, 10), \
         trade_count Int64, base_volume Decimal(38, 10), quote_volume Decimal(38, 20), \
         taker_buy_count Int64, taker_sell_count Int64, taker_buy_volume Decimal(38, 10), \
         taker_sell_volume Decimal(38, 10), first_trade_id Nullable(Int64), \
         last_trade_id Nullable(Int64), missing_trade_ids Int64, missing_before Nullable(Int64), \
         duplicate_trade_count Int64, duplicate_volume Decimal(38, 10), largest_quantity Decimal(38, 10), \
         largest_price Decimal(38, 10), largest_trade_id Nullable(Int64), \
         taker_net_volume Decimal(38, 10), taker_volume Decimal(38, 10), \
         realised_variance Nullable(Float64), true_range Decimal(38, 10), \
         past_candle_count Int32, past_base_volume Decimal(38, 10), past_true_range Decimal(38, 10), \
         is_volume_spike Bool, is_price_spike Bool",
        FRESHNESS,
        PLACE,
    ],
};
const MODERATION_FLAGS: Table = Table {
    name: "moderation_flags",
    definitions: &[
        "flag_id String, channel_id String, message_id String, event_time DateTime64(6, 'UTC'), \
         user_id Nullable(String), user_name Nullable(String), text String, rule String, category String, \
         severity Int32, score Float64, evidence String, suggested_action String",
        FRESHNESS,
        PLACE,
    ],
};
const DEAD_LETTERS: Table = Table {
    name: "dead_letters",
    definitions: &[
        "original_topic String, original_partition Int32, original_offset Int64, key Nullable(String), \
         value Nullable(String), reason String, detail String, job String, failed_at DateTime64(6, 'UTC')",
        PLACE,
    ],
};

impl Table {
    /// The table for a topic.
    ///
    /// # Panics
    /// If the topic is none of [`Topic::STORED`]: only the program chooses it.
    #[must_use]
    pub const fn of(topic: Topic) -> Table {
        match topic {
            Topic::Chat => CHAT_EVENTS,
            Topic::Reactions => REACTION_EVENTS,
            Topic::Viewers => VIEWER_EVENTS,
            Topic::Trades => TRADE_EVENTS,
            Topic::Leaderboards => LEADERBOARDS,
            Topic::Engagement => ENGAGEMENT,
            Topic::Markets => CANDLES,
            Topic::Moderation => MODERATION_FLAGS,
            Topic::DeadLetter => DEAD_LETTERS,
            Topic::Partials => unreachable!(),
        }
    }

    /// The names and types of its columns in the order in which rows are written, the place last.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.definitions.iter().flat_map(|definitions| split_outside_brackets(definitions)).map(name_and_type)
    }

    /// The names alone, quoted, separated by commas.
    #[must_use]
    pub fn column_names(&self) -> String {
        self.columns().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }

    /// The statement whose body is a block in the Native format.
    #[must_use]
    pub fn insert_statement(&self) -> String {
        self.insert_statement_into(self.name)
    }

    /// The same for another table with these columns.
    #[must_use]
    pub fn insert_statement_into(&self, name: &str) -> String {
        format!("INSERT INTO {name} ({}) FORMAT Native", self.column_names())
    }
}

/// The items of a list; commas inside brackets separate nothing.
pub(super) fn split_outside_brackets(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let is_separator = move |letter: char| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    };
    list.split(is_separator).map(str::trim)
}

/// `name Type` in its parts.
pub(super) fn name_and_type(definition: &str) -> (&str, &str) {
    definition.split_once(' ').expect("a name and a type")
}
