-- The raw events: one row for each record of the topics events.*.
-- A row is identified by topic, partition and offset; a row that is written again replaces itself. Until the engine
-- has merged the two, FINAL (or the views, which show every event once) hides the second.
-- An event time before 1900 or after 2299 is stored as the nearest instant that DateTime64(6) can hold.
-- A table partition is the day of the event time. Event times outside 2000 to 2099, more than 31 days before their
-- ingest time (recordings) or more than one day after it (wrong clocks) share the partition 1970-01-01, so that they
-- never open partitions of their own. sinks/src/clickhouse/rows.rs computes the same day.

CREATE TABLE IF NOT EXISTS chat_events (
    `event_id`          String COMMENT 'The platform\'s own id of this event, or a UUIDv7. Two events with one id are the same event, sent twice.' CODEC(ZSTD),
    `event_time`        DateTime64(6, 'UTC') COMMENT 'When it happened, by the platform\'s clock. Microseconds since 1970-01-01T00:00Z.' CODEC(Delta, ZSTD),
    `ingest_time`       DateTime64(6, 'UTC') COMMENT 'When the producer took it in, by the producer\'s clock. The Kafka record carries the same time.' CODEC(Delta, ZSTD),
    `source`            LowCardinality(String) COMMENT 'The platform it came from: twitch, youtube, binance-spot, coinbase, api, simulator, ...',
    `channel_id`        LowCardinality(String) COMMENT 'The channel, with its source in front (twitch:1234). For a trade: venue and symbol. This is the Kafka key.',
    `user_id`           Nullable(String) COMMENT 'Who did it, with the source in front (twitch:1234). Null for anonymous users.',
    `stream_id`         Nullable(String) COMMENT 'The broadcast within the channel, where the platform tells.',
    `kind`              LowCardinality(String) COMMENT 'message: somebody wrote; message_deleted: target_message_id was removed; user_banned and user_timed_out: target_user_id and what they wrote; chat_cleared: everything in the channel so far.',
    `user_name`         Nullable(String) COMMENT 'The user\'s display name at that moment. A label, never a key.',
    `text`              Nullable(String) COMMENT 'The message\'s text as sent. Null unless kind is message.' CODEC(ZSTD),
    `emotes`            Array(Tuple(id String, name String, count Int32)) COMMENT 'The emotes of the message, each once, in order of first use.',
    `roles`             Array(LowCardinality(String)) COMMENT 'The user\'s roles in the channel: broadcaster, moderator, vip, subscriber, staff, artist, partner.',
    `badges`            Array(LowCardinality(String)) COMMENT 'The badges shown beside the name, as set/version (subscriber/12).',
    `reply_to`          Nullable(String) COMMENT 'The event_id of the message that this one answers.',
    `is_question`       Bool COMMENT 'True for a question put to the host (Q and A), not for any text with a question mark.',
    `is_first_message`  Bool COMMENT 'True if the platform says that the user never wrote in this channel before.',
    `target_message_id` Nullable(String) COMMENT 'message_deleted: the event_id of the removed message.',
    `target_user_id`    Nullable(String) COMMENT 'user_banned, user_timed_out: the user, with the source in front.',
    `duration_ms`       Nullable(Int64) COMMENT 'user_timed_out: for how long, in milliseconds.',
    `topic`             LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition`         Int32 COMMENT 'Its partition.',
    `offset`            Int64 COMMENT 'Its offset: with topic and partition the identity of the row.' CODEC(Delta, ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY if(event_time >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND event_time < toDateTime64('2100-01-01 00:00:00', 6, 'UTC')
   AND event_time >= ingest_time - INTERVAL 31 DAY AND event_time <= ingest_time + INTERVAL 1 DAY,
   toDate(event_time), toDate(0))
PRIMARY KEY (`channel_id`, `event_time`)
ORDER BY (`channel_id`, `event_time`, `event_id`, `topic`, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Chat: messages, and deletions, bans, time-outs and clears. One row a record of events.chat.';

CREATE TABLE IF NOT EXISTS reaction_events (
    `event_id`      String COMMENT 'The platform\'s own id of this event, or a UUIDv7. Two events with one id are the same event, sent twice.' CODEC(ZSTD),
    `event_time`    DateTime64(6, 'UTC') COMMENT 'When it happened, by the platform\'s clock. Microseconds since 1970-01-01T00:00Z.' CODEC(Delta, ZSTD),
    `ingest_time`   DateTime64(6, 'UTC') COMMENT 'When the producer took it in, by the producer\'s clock. The Kafka record carries the same time.' CODEC(Delta, ZSTD),
    `source`        LowCardinality(String) COMMENT 'The platform it came from: twitch, youtube, binance-spot, coinbase, api, simulator, ...',
    `channel_id`    LowCardinality(String) COMMENT 'The channel, with its source in front (twitch:1234). For a trade: venue and symbol. This is the Kafka key.',
    `user_id`       Nullable(String) COMMENT 'Who did it, with the source in front (twitch:1234). Null for anonymous users.',
    `stream_id`     Nullable(String) COMMENT 'The broadcast within the channel, where the platform tells.',
    `kind`          LowCardinality(String) COMMENT 'cheer: bits or the like (count = bits); gift: a gifted subscription or item; super_chat: a paid message; raid: another channel sends its viewers (count = viewers); poll_vote: target_id is the poll, option the choice; question_upvote: target_id is the question\'s event_id.',
    `count`         Int64 COMMENT 'How many at once, 1 or more: clients batch.',
    `user_name`     Nullable(String) COMMENT 'The user\'s display name at that moment. A label, never a key.',
    `emoji`         LowCardinality(Nullable(String)) COMMENT 'kind emoji: the emoji or the platform\'s name of it.',
    `amount_micros` Nullable(Int64) COMMENT 'Money: millionths of the currency\'s unit (1 USD = 1000000), for the whole event.',
    `currency`      LowCardinality(Nullable(String)) COMMENT 'Money: ISO 4217 code, upper case. Set if and only if amount_micros is.',
    `target_id`     Nullable(String) COMMENT 'What it is aimed at: a poll, a question, a receiving user or channel.',
    `option`        LowCardinality(Nullable(String)) COMMENT 'poll_vote: the option voted for.',
    `topic`         LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition`     Int32 COMMENT 'Its partition.',
    `offset`        Int64 COMMENT 'Its offset: with topic and partition the identity of the row.' CODEC(Delta, ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY if(event_time >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND event_time < toDateTime64('2100-01-01 00:00:00', 6, 'UTC')
   AND event_time >= ingest_time - INTERVAL 31 DAY AND event_time <= ingest_time + INTERVAL 1 DAY,
   toDate(event_time), toDate(0))
PRIMARY KEY (`channel_id`, `event_time`)
ORDER BY (`channel_id`, `event_time`, `event_id`, `topic`, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Reactions: emoji, likes, money, votes, raids. One row a record of events.reactions.';

CREATE TABLE IF NOT EXISTS viewer_events (
    `event_id`        String COMMENT 'The platform\'s own id of this event, or a UUIDv7. Two events with one id are the same event, sent twice.' CODEC(ZSTD),
    `event_time`      DateTime64(6, 'UTC') COMMENT 'When it happened, by the platform\'s clock. Microseconds since 1970-01-01T00:00Z.' CODEC(Delta, ZSTD),
    `ingest_time`     DateTime64(6, 'UTC') COMMENT 'When the producer took it in, by the producer\'s clock. The Kafka record carries the same time.' CODEC(Delta, ZSTD),
    `source`          LowCardinality(String) COMMENT 'The platform it came from: twitch, youtube, binance-spot, coinbase, api, simulator, ...',
    `channel_id`      LowCardinality(String) COMMENT 'The channel, with its source in front (twitch:1234). For a trade: venue and symbol. This is the Kafka key.',
    `user_id`         Nullable(String) COMMENT 'Who did it, with the source in front (twitch:1234). Null for anonymous users.',
    `stream_id`       Nullable(String) COMMENT 'The broadcast within the channel, where the platform tells.',
    `kind`            LowCardinality(String) COMMENT 'join: the session starts; heartbeat: still watching, sent every few seconds; leave: the session ends; quality: measurements only, says nothing about presence.',
    `session_id`      String COMMENT 'One player on one device, from join to leave.' CODEC(ZSTD),
    `watch_ms`        Int64 COMMENT 'Time played since the session\'s previous event, in milliseconds, without buffering.',
    `startup_ms`      Nullable(Int64) COMMENT 'Time from asking to the first frame, in milliseconds; once a session. Not rebuffering.',
    `rebuffer_count`  Int32 COMMENT 'Stalls since the session\'s previous event.',
    `rebuffer_ms`     Int64 COMMENT 'Time stalled since the session\'s previous event, in milliseconds, without startup.',
    `bitrate_kbps`    Nullable(Int32) COMMENT 'Video bit rate now, in kilobits a second.',
    `live_latency_ms` Nullable(Int64) COMMENT 'How far the player is behind the live edge, in milliseconds.',
    `device`          LowCardinality(Nullable(String)) COMMENT 'mobile, desktop, tv, console, ...',
    `country`         LowCardinality(Nullable(String)) COMMENT 'ISO 3166-1 alpha-2 code, upper case.',
    `topic`           LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition`       Int32 COMMENT 'Its partition.',
    `offset`          Int64 COMMENT 'Its offset: with topic and partition the identity of the row.' CODEC(Delta, ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY if(event_time >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND event_time < toDateTime64('2100-01-01 00:00:00', 6, 'UTC')
   AND event_time >= ingest_time - INTERVAL 31 DAY AND event_time <= ingest_time + INTERVAL 1 DAY,
   toDate(event_time), toDate(0))
PRIMARY KEY (`channel_id`, `event_time`)
ORDER BY (`channel_id`, `event_time`, `event_id`, `topic`, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Sessions of viewers. One row a record of events.viewers.';

CREATE TABLE IF NOT EXISTS trade_events (
    `event_id`    String COMMENT 'The platform\'s own id of this event, or a UUIDv7. Two events with one id are the same event, sent twice.' CODEC(ZSTD),
    `event_time`  DateTime64(6, 'UTC') COMMENT 'When it happened, by the platform\'s clock. Microseconds since 1970-01-01T00:00Z.' CODEC(Delta, ZSTD),
    `ingest_time` DateTime64(6, 'UTC') COMMENT 'When the producer took it in, by the producer\'s clock. The Kafka record carries the same time.' CODEC(Delta, ZSTD),
    `source`      LowCardinality(String) COMMENT 'The platform it came from: twitch, youtube, binance-spot, coinbase, api, simulator, ...',
    `channel_id`  LowCardinality(String) COMMENT 'The channel, with its source in front (twitch:1234). For a trade: venue and symbol. This is the Kafka key.',
    `user_id`     Nullable(String) COMMENT 'Who did it, with the source in front (twitch:1234). Null for anonymous users.',
    `stream_id`   Nullable(String) COMMENT 'The broadcast within the channel, where the platform tells.',
    `trade_id`    Nullable(Int64) COMMENT 'The venue\'s number of the trade, without gaps within a symbol. Null where the venue\'s ids are not numbers (event_id has them).' CODEC(Delta, ZSTD),
    `price`       Decimal(38, 10) COMMENT 'Price of one unit, in the quote currency.' CODEC(ZSTD),
    `quantity`    Decimal(38, 10) COMMENT 'Units traded, in the base currency (or contracts).' CODEC(ZSTD),
    `aggressor`   LowCardinality(String) COMMENT 'buy: the buyer was the taker; sell: the seller was; unknown where the venue does not tell.',
    `venue`       LowCardinality(String) COMMENT 'The market place: binance-spot, binance-usdm, coinbase, ...',
    `symbol`      LowCardinality(String) COMMENT 'The instrument as the venue writes it: BTCUSDT, BTC-USD.',
    `topic`       LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition`   Int32 COMMENT 'Its partition.',
    `offset`      Int64 COMMENT 'Its offset: with topic and partition the identity of the row.' CODEC(Delta, ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY if(event_time >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND event_time < toDateTime64('2100-01-01 00:00:00', 6, 'UTC')
   AND event_time >= ingest_time - INTERVAL 31 DAY AND event_time <= ingest_time + INTERVAL 1 DAY,
   toDate(event_time), toDate(0))
PRIMARY KEY (`venue`, `symbol`, `event_time`)
ORDER BY (`venue`, `symbol`, `event_time`, `event_id`, `topic`, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Trades. One row a record of events.trades.';
