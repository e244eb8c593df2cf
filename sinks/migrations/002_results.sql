-- The results, as the jobs published them: every revision of every window. The views show the latest.
-- A table partition is the day on which the result was computed; absurd clocks (outside 2000 to 2099) share 1970-01-01.

CREATE TABLE IF NOT EXISTS leaderboards (
    `board`         LowCardinality(String) COMMENT 'The board\'s name in the configuration.',
    `group`         String COMMENT 'What the board is for: a channel_id, a symbol, ... or global.',
    `window`        LowCardinality(String) COMMENT 'The kind of window: tumbling, rolling, session, fixed, calendar, all_time.',
    `window_start`  Nullable(DateTime64(6, 'UTC')) COMMENT 'First instant of the window. Null for all time.' CODEC(Delta, ZSTD),
    `window_end`    Nullable(DateTime64(6, 'UTC')) COMMENT 'First instant after the window. Null for all time.' CODEC(Delta, ZSTD),
    `is_final`      Bool COMMENT 'True once, for the window\'s last record; false for those before it.',
    `revision`      Int64 COMMENT 'Rises by one with every record of the same window and group, from 1.',
    `rank`          Int32 COMMENT '1 for the first. Ties are broken (who reached the score first, then the item), so no rank is shared. 0 in the only row of a board without entries: its item is empty, its score 0.',
    `item`          String COMMENT 'What is ranked: a user_id, an emote\'s name, an option, ...',
    `label`         String COMMENT 'The item\'s name for people, as last seen.',
    `score`         Decimal(38, 10) COMMENT 'The score in the unit of the board: messages, uses, units of a currency, ...',
    `previous_rank` Nullable(Int32) COMMENT 'The rank in the group\'s previous record of this board; null if the item was not on it.',
    `item_count`    Int64 COMMENT 'How many distinct items have a score in this window, on the board or below it.',
    `total_score`   Decimal(38, 10) COMMENT 'The sum of the scores of all items, on the board or below it.',
    `as_of`         DateTime64(6, 'UTC') COMMENT 'The result reflects every event that became visible before this event time.' CODEC(Delta, ZSTD),
    `watermark`     DateTime64(6, 'UTC') COMMENT 'The shard\'s watermark when the result was computed; never before as_of.' CODEC(Delta, ZSTD),
    `computed_at`   DateTime64(6, 'UTC') COMMENT 'The clock\'s time when the result was computed.' CODEC(Delta, ZSTD),
    `job`           LowCardinality(String) COMMENT 'The job that computed it.',
    `shard`         Int32 COMMENT 'The shard that computed it: the partition number of its inputs.',
    `input_offsets` Map(LowCardinality(String), Int64) COMMENT 'How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard.' CODEC(ZSTD),
    `topic`         LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition`     Int32 COMMENT 'Its partition.',
    `offset`        Int64 COMMENT 'Its offset: with topic and partition the identity of the row.' CODEC(Delta, ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY if(computed_at >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND computed_at < toDateTime64('2100-01-01 00:00:00', 6, 'UTC'),
   toDate(computed_at), toDate(0))
PRIMARY KEY (`board`, `group`, `as_of`)
ORDER BY (`board`, `group`, `as_of`, `topic`, `partition`, `offset`, `rank`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Leaderboards: one row an entry; a record of results.leaderboards makes several rows with one offset.';

CREATE TABLE IF NOT EXISTS engagement (
    `channel_id`              LowCardinality(String) COMMENT 'The channel.',
    `window_start`            Nullable(DateTime64(6, 'UTC')) COMMENT 'First instant of the window. Null for all time.' CODEC(Delta, ZSTD),
    `window_end`              Nullable(DateTime64(6, 'UTC')) COMMENT 'First instant after the window. Null for all time.' CODEC(Delta, ZSTD),
    `is_final`                Bool COMMENT 'True once, for the window\'s last record; false for those before it.',
    `revision`                Int64 COMMENT 'Rises by one with every record of the same window and group, from 1.',
    `messages`                Int64 COMMENT 'Chat messages sent in the window.',
    `unique_chatters`         Int64 COMMENT 'Distinct users who sent a message in the window.',
    `reactions`               Map(LowCardinality(String), Int64) COMMENT 'Reactions in the window by kind: the sum of count (raid: the number of raids).',
    `money_micros`            Map(LowCardinality(String), Int64) COMMENT 'Money given in the window by currency, in millionths of its unit.',
    `concurrent_viewers`      Int64 COMMENT 'Sessions watching at as_of (or at the window\'s end): joined or heard of in the last 30 s, and not left.',
    `peak_concurrent_viewers` Int64 COMMENT 'The largest concurrent_viewers within the window so far.',
    `unique_viewers`          Int64 COMMENT 'Distinct viewers with a session event in the window: by user, or by session for anonymous ones.',
    `joins`                   Int64 COMMENT 'Sessions that began in the window.',
    `leaves`                  Int64 COMMENT 'Sessions that ended in the window by leaving (not by silence).',
    `watch_ms`                Int64 COMMENT 'Time played in the window by all sessions, in milliseconds.',
    `rebuffer_count`          Int64 COMMENT 'Stalls in the window.',
    `rebuffer_ms`             Int64 COMMENT 'Time stalled in the window, in milliseconds. Rebuffering ratio = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `as_of`                   DateTime64(6, 'UTC') COMMENT 'The result reflects every event that became visible before this event time.' CODEC(Delta, ZSTD),
    `watermark`               DateTime64(6, 'UTC') COMMENT 'The shard\'s watermark when the result was computed; never before as_of.' CODEC(Delta, ZSTD),
    `computed_at`             DateTime64(6, 'UTC') COMMENT 'The clock\'s time when the result was computed.' CODEC(Delta, ZSTD),
    `job`                     LowCardinality(String) COMMENT 'The job that computed it.',
    `shard`                   Int32 COMMENT 'The shard that computed it: the partition number of its inputs.',
    `input_offsets`           Map(LowCardinality(String), Int64) COMMENT 'How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard.' CODEC(ZSTD),
    `topic`                   LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition`               Int32 COMMENT 'Its partition.',
    `offset`                  Int64 COMMENT 'Its offset: with topic and partition the identity of the row.' CODEC(Delta, ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY if(computed_at >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND computed_at < toDateTime64('2100-01-01 00:00:00', 6, 'UTC'),
   toDate(computed_at), toDate(0))
PRIMARY KEY (`channel_id`, `as_of`)
ORDER BY (`channel_id`, `as_of`, `topic`, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Audience metrics of a channel and window. One row a record of results.engagement.';

CREATE TABLE IF NOT EXISTS candles (
    `venue`             LowCardinality(String) COMMENT 'The market place.',
    `symbol`            LowCardinality(String) COMMENT 'The instrument as the venue writes it.',
    `interval_s`        Int32 COMMENT 'The candle\'s length in seconds: 1, 60, ...',
    `window_start`      DateTime64(6, 'UTC') COMMENT 'First instant of the candle.' CODEC(Delta, ZSTD),
    `window_end`        DateTime64(6, 'UTC') COMMENT 'First instant after the candle.' CODEC(Delta, ZSTD),
    `is_final`          Bool COMMENT 'True once, for the candle\'s last record; false for those before it.',
    `revision`          Int64 COMMENT 'Rises by one with every record of the same candle, from 1.',
    `open`              Decimal(38, 10) COMMENT 'Price of the first trade by (event_time, trade_id).',
    `high`              Decimal(38, 10) COMMENT 'Highest price.',
    `low`               Decimal(38, 10) COMMENT 'Lowest price.',
    `close`             Decimal(38, 10) COMMENT 'Price of the last trade by (event_time, trade_id).',
    `trade_count`       Int64 COMMENT 'Trades.',
    `base_volume`       Decimal(38, 10) COMMENT 'Sum of quantity.',
    `quote_volume`      Decimal(38, 20) COMMENT 'Sum of price x quantity, exact. VWAP = quote_volume / base_volume.',
    `taker_buy_count`   Int64 COMMENT 'Trades whose aggressor bought.',
    `taker_sell_count`  Int64 COMMENT 'Trades whose aggressor sold.',
    `taker_buy_volume`  Decimal(38, 10) COMMENT 'Sum of quantity over trades whose aggressor bought.',
    `taker_sell_volume` Decimal(38, 10) COMMENT 'Sum of quantity over trades whose aggressor sold.',
    `first_trade_id`    Nullable(Int64) COMMENT 'Lowest trade_id.' CODEC(Delta, ZSTD),
    `last_trade_id`     Nullable(Int64) COMMENT 'Highest trade_id.' CODEC(Delta, ZSTD),
    `as_of`             DateTime64(6, 'UTC') COMMENT 'The result reflects every event that became visible before this event time.' CODEC(Delta, ZSTD),
    `watermark`         DateTime64(6, 'UTC') COMMENT 'The shard\'s watermark when the result was computed; never before as_of.' CODEC(Delta, ZSTD),
    `computed_at`       DateTime64(6, 'UTC') COMMENT 'The clock\'s time when the result was computed.' CODEC(Delta, ZSTD),
    `job`               LowCardinality(String) COMMENT 'The job that computed it.',
    `shard`             Int32 COMMENT 'The shard that computed it: the partition number of its inputs.',
    `input_offsets`     Map(LowCardinality(String), Int64) COMMENT 'How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard.' CODEC(ZSTD),
    `topic`             LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition`         Int32 COMMENT 'Its partition.',
    `offset`            Int64 COMMENT 'Its offset: with topic and partition the identity of the row.' CODEC(Delta, ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY if(computed_at >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND computed_at < toDateTime64('2100-01-01 00:00:00', 6, 'UTC'),
   toDate(computed_at), toDate(0))
PRIMARY KEY (`venue`, `symbol`, `interval_s`, `window_start`)
ORDER BY (`venue`, `symbol`, `interval_s`, `window_start`, `topic`, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Candles. One row a record of results.markets.';

CREATE TABLE IF NOT EXISTS moderation_flags (
    `flag_id`          String COMMENT 'message_id and rule: one rule flags one message once.',
    `channel_id`       LowCardinality(String) COMMENT 'The channel.',
    `message_id`       String COMMENT 'The event_id of the message.',
    `event_time`       DateTime64(6, 'UTC') COMMENT 'When the message was sent.' CODEC(Delta, ZSTD),
    `user_id`          Nullable(String) COMMENT 'Who wrote it.',
    `user_name`        Nullable(String) COMMENT 'The user\'s display name at that moment.',
    `text`             String COMMENT 'The message\'s text, cut at 500 characters.' CODEC(ZSTD),
    `rule`             LowCardinality(String) COMMENT 'The rule\'s name: terms, repeated_text, links, ...',
    `category`         LowCardinality(String) COMMENT 'What kind of trouble: spam, profanity, hate, scam, ...',
    `severity`         Int32 COMMENT '0 (note) to 4 (worst).',
    `score`            Float64 COMMENT 'How sure the rule is, from 0 to 1.',
    `evidence`         String COMMENT 'What the rule saw, in words or as the matched part.' CODEC(ZSTD),
    `suggested_action` LowCardinality(String) COMMENT 'What a moderator might do about it.',
    `as_of`            DateTime64(6, 'UTC') COMMENT 'The result reflects every event that became visible before this event time.' CODEC(Delta, ZSTD),
    `watermark`        DateTime64(6, 'UTC') COMMENT 'The shard\'s watermark when the result was computed; never before as_of.' CODEC(Delta, ZSTD),
    `computed_at`      DateTime64(6, 'UTC') COMMENT 'The clock\'s time when the result was computed.' CODEC(Delta, ZSTD),
    `job`              LowCardinality(String) COMMENT 'The job that computed it.',
    `shard`            Int32 COMMENT 'The shard that computed it: the partition number of its inputs.',
    `input_offsets`    Map(LowCardinality(String), Int64) COMMENT 'How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard.' CODEC(ZSTD),
    `topic`            LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition`        Int32 COMMENT 'Its partition.',
    `offset`           Int64 COMMENT 'Its offset: with topic and partition the identity of the row.' CODEC(Delta, ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY if(computed_at >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND computed_at < toDateTime64('2100-01-01 00:00:00', 6, 'UTC'),
   toDate(computed_at), toDate(0))
PRIMARY KEY (`channel_id`, `event_time`)
ORDER BY (`channel_id`, `event_time`, `flag_id`, `topic`, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Flagged messages. One row a record of results.moderation.';

CREATE TABLE IF NOT EXISTS dead_letters (
    `original_topic`     LowCardinality(String) COMMENT 'The topic it was read from (or meant for).',
    `original_partition` Int32 COMMENT 'Its partition; -1 if it never reached one.',
    `original_offset`    Int64 COMMENT 'Its offset; -1 if it never reached one.',
    `key`                Nullable(String) COMMENT 'The original key.' CODEC(ZSTD),
    `value`              Nullable(String) COMMENT 'The original value.' CODEC(ZSTD),
    `reason`             LowCardinality(String) COMMENT 'Why, as a fixed word: not_wire_format, unknown_schema, undecodable, invalid_value, late, refused_by_sink, unreadable_input.',
    `detail`             String COMMENT 'Why, in words.' CODEC(ZSTD),
    `job`                LowCardinality(String) COMMENT 'Who gave up on it: a job, a sink or a producer.',
    `failed_at`          DateTime64(6, 'UTC') COMMENT 'The clock\'s time when it was given up.' CODEC(Delta, ZSTD),
    `topic`              LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition`          Int32 COMMENT 'Its partition.',
    `offset`             Int64 COMMENT 'Its offset: with topic and partition the identity of the row.' CODEC(Delta, ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY if(failed_at >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND failed_at < toDateTime64('2100-01-01 00:00:00', 6, 'UTC'),
   toDate(failed_at), toDate(0))
PRIMARY KEY (`original_topic`, `failed_at`)
ORDER BY (`original_topic`, `failed_at`, `topic`, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Records that could not be used, with their original bytes. One row a record of ovation.dead-letter.';
