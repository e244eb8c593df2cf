-- A comment on every column of every view, as 005 began, and boards that a cluster can look up: GLOBAL IN asks every shard for the newest
-- records once, and is IN on a single node. Views of the newest records sort or look up by the
-- few columns that decide, instead of carrying all columns through an aggregation: they read only what a query asks for. Every record of a board
-- has one row of rank 1, or of rank 0 if it is empty.

CREATE OR REPLACE VIEW chat (
    `event_id` String COMMENT 'The platform\'s own id of this event, or a UUIDv7. Two events with one id are the same event, sent twice.',
    `event_time` DateTime64(6, 'UTC') COMMENT 'When it happened, by the platform\'s clock. Microseconds since 1970-01-01T00:00Z.',
    `ingest_time` DateTime64(6, 'UTC') COMMENT 'When the producer took it in, by the producer\'s clock. The Kafka record carries the same time.',
    `source` LowCardinality(String) COMMENT 'The platform it came from: twitch, youtube, binance-spot, coinbase, api, simulator, ...',
    `channel_id` LowCardinality(String) COMMENT 'The channel, with its source in front (twitch:1234). For a trade: venue and symbol. This is the Kafka key.',
    `user_id` Nullable(String) COMMENT 'Who did it, with the source in front (twitch:1234). Null for anonymous users.',
    `stream_id` Nullable(String) COMMENT 'The broadcast within the channel, where the platform tells.',
    `kind` LowCardinality(String) COMMENT 'message: somebody wrote; message_deleted: target_message_id was removed; user_banned and user_timed_out: target_user_id and what they wrote; chat_cleared: everything in the channel so far.',
    `user_name` Nullable(String) COMMENT 'The user\'s display name at that moment. A label, never a key.',
    `text` Nullable(String) COMMENT 'The message\'s text as sent. Null unless kind is message.',
    `emotes` Array(Tuple(id String, name String, count Int32)) COMMENT 'The emotes of the message, each once, in order of first use.',
    `roles` Array(LowCardinality(String)) COMMENT 'The user\'s roles in the channel: broadcaster, moderator, vip, subscriber, staff, artist, partner.',
    `badges` Array(LowCardinality(String)) COMMENT 'The badges shown beside the name, as set/version (subscriber/12).',
    `reply_to` Nullable(String) COMMENT 'The event_id of the message that this one answers.',
    `is_question` Bool COMMENT 'True for a question put to the host (Q and A), not for any text with a question mark.',
    `is_first_message` Bool COMMENT 'True if the platform says that the user never wrote in this channel before.',
    `target_message_id` Nullable(String) COMMENT 'message_deleted: the event_id of the removed message.',
    `target_user_id` Nullable(String) COMMENT 'user_banned, user_timed_out: the user, with the source in front.',
    `duration_ms` Nullable(Int64) COMMENT 'user_timed_out: for how long, in milliseconds.',
    `topic` LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition` Int32 COMMENT 'Its partition.',
    `offset` Int64 COMMENT 'Its offset: with topic and partition the identity of the row.'
) AS
SELECT
    event_id, event_time, ingest_time, source, channel_id, user_id, stream_id, kind, user_name, text,
    emotes, roles, badges, reply_to, is_question, is_first_message, target_message_id, target_user_id,
    duration_ms, topic, partition, offset
FROM chat_events
LIMIT 1 BY channel_id, event_time, event_id
COMMENT 'Chat events, each once.';

CREATE OR REPLACE VIEW reactions (
    `event_id` String COMMENT 'The platform\'s own id of this event, or a UUIDv7. Two events with one id are the same event, sent twice.',
    `event_time` DateTime64(6, 'UTC') COMMENT 'When it happened, by the platform\'s clock. Microseconds since 1970-01-01T00:00Z.',
    `ingest_time` DateTime64(6, 'UTC') COMMENT 'When the producer took it in, by the producer\'s clock. The Kafka record carries the same time.',
    `source` LowCardinality(String) COMMENT 'The platform it came from: twitch, youtube, binance-spot, coinbase, api, simulator, ...',
    `channel_id` LowCardinality(String) COMMENT 'The channel, with its source in front (twitch:1234). For a trade: venue and symbol. This is the Kafka key.',
    `user_id` Nullable(String) COMMENT 'Who did it, with the source in front (twitch:1234). Null for anonymous users.',
    `stream_id` Nullable(String) COMMENT 'The broadcast within the channel, where the platform tells.',
    `kind` LowCardinality(String) COMMENT 'cheer: bits or the like (count = bits); gift: a gifted subscription or item; super_chat: a paid message; raid: another channel sends its viewers (count = viewers); poll_vote: target_id is the poll, option the choice; question_upvote: target_id is the question\'s event_id.',
    `count` Int64 COMMENT 'How many at once, 1 or more: clients batch.',
    `user_name` Nullable(String) COMMENT 'The user\'s display name at that moment. A label, never a key.',
    `emoji` LowCardinality(Nullable(String)) COMMENT 'kind emoji: the emoji or the platform\'s name of it.',
    `amount_micros` Nullable(Int64) COMMENT 'Money: millionths of the currency\'s unit (1 USD = 1000000), for the whole event.',
    `currency` LowCardinality(Nullable(String)) COMMENT 'Money: ISO 4217 code, upper case. Set if and only if amount_micros is.',
    `target_id` Nullable(String) COMMENT 'What it is aimed at: a poll, a question, a receiving user or channel.',
    `option` LowCardinality(Nullable(String)) COMMENT 'poll_vote: the option voted for.',
    `topic` LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition` Int32 COMMENT 'Its partition.',
    `offset` Int64 COMMENT 'Its offset: with topic and partition the identity of the row.'
) AS
SELECT
    event_id, event_time, ingest_time, source, channel_id, user_id, stream_id, kind, count, user_name,
    emoji, amount_micros, currency, target_id, option, topic, partition, offset
FROM reaction_events
LIMIT 1 BY channel_id, event_time, event_id
COMMENT 'Reactions, each once.';

CREATE OR REPLACE VIEW viewers (
    `event_id` String COMMENT 'The platform\'s own id of this event, or a UUIDv7. Two events with one id are the same event, sent twice.',
    `event_time` DateTime64(6, 'UTC') COMMENT 'When it happened, by the platform\'s clock. Microseconds since 1970-01-01T00:00Z.',
    `ingest_time` DateTime64(6, 'UTC') COMMENT 'When the producer took it in, by the producer\'s clock. The Kafka record carries the same time.',
    `source` LowCardinality(String) COMMENT 'The platform it came from: twitch, youtube, binance-spot, coinbase, api, simulator, ...',
    `channel_id` LowCardinality(String) COMMENT 'The channel, with its source in front (twitch:1234). For a trade: venue and symbol. This is the Kafka key.',
    `user_id` Nullable(String) COMMENT 'Who did it, with the source in front (twitch:1234). Null for anonymous users.',
    `stream_id` Nullable(String) COMMENT 'The broadcast within the channel, where the platform tells.',
    `kind` LowCardinality(String) COMMENT 'join: the session starts; heartbeat: still watching, sent every few seconds; leave: the session ends; quality: measurements only, says nothing about presence.',
    `session_id` String COMMENT 'One player on one device, from join to leave.',
    `watch_ms` Int64 COMMENT 'Time played since the session\'s previous event, in milliseconds, without buffering.',
    `startup_ms` Nullable(Int64) COMMENT 'Time from asking to the first frame, in milliseconds; once a session. Not rebuffering.',
    `rebuffer_count` Int32 COMMENT 'Stalls since the session\'s previous event.',
    `rebuffer_ms` Int64 COMMENT 'Time stalled since the session\'s previous event, in milliseconds, without startup.',
    `bitrate_kbps` Nullable(Int32) COMMENT 'Video bit rate now, in kilobits a second.',
    `live_latency_ms` Nullable(Int64) COMMENT 'How far the player is behind the live edge, in milliseconds.',
    `device` LowCardinality(Nullable(String)) COMMENT 'mobile, desktop, tv, console, ...',
    `country` LowCardinality(Nullable(String)) COMMENT 'ISO 3166-1 alpha-2 code, upper case.',
    `topic` LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition` Int32 COMMENT 'Its partition.',
    `offset` Int64 COMMENT 'Its offset: with topic and partition the identity of the row.'
) AS
SELECT
    event_id, event_time, ingest_time, source, channel_id, user_id, stream_id, kind, session_id, watch_ms,
    startup_ms, rebuffer_count, rebuffer_ms, bitrate_kbps, live_latency_ms, device, country, topic,
    partition, offset
FROM viewer_events
LIMIT 1 BY channel_id, event_time, event_id
COMMENT 'Session events of viewers, each once.';

CREATE OR REPLACE VIEW trades (
    `event_id` String COMMENT 'The platform\'s own id of this event, or a UUIDv7. Two events with one id are the same event, sent twice.',
    `event_time` DateTime64(6, 'UTC') COMMENT 'When it happened, by the platform\'s clock. Microseconds since 1970-01-01T00:00Z.',
    `ingest_time` DateTime64(6, 'UTC') COMMENT 'When the producer took it in, by the producer\'s clock. The Kafka record carries the same time.',
    `source` LowCardinality(String) COMMENT 'The platform it came from: twitch, youtube, binance-spot, coinbase, api, simulator, ...',
    `channel_id` LowCardinality(String) COMMENT 'The channel, with its source in front (twitch:1234). For a trade: venue and symbol. This is the Kafka key.',
    `user_id` Nullable(String) COMMENT 'Who did it, with the source in front (twitch:1234). Null for anonymous users.',
    `stream_id` Nullable(String) COMMENT 'The broadcast within the channel, where the platform tells.',
    `trade_id` Nullable(Int64) COMMENT 'The venue\'s number of the trade, without gaps within a symbol. Null where the venue\'s ids are not numbers (event_id has them).',
    `price` Decimal(76, 10) COMMENT 'Price of one unit, in the quote currency.',
    `quantity` Decimal(76, 10) COMMENT 'Units traded, in the base currency (or contracts).',
    `quote_quantity` Decimal(76, 20) COMMENT 'price x quantity, exact.',
    `aggressor` LowCardinality(String) COMMENT 'buy: the buyer was the taker; sell: the seller was; unknown where the venue does not tell.',
    `venue` LowCardinality(String) COMMENT 'The market place: binance-spot, binance-usdm, coinbase, ...',
    `symbol` LowCardinality(String) COMMENT 'The instrument as the venue writes it: BTCUSDT, BTC-USD.',
    `topic` LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition` Int32 COMMENT 'Its partition.',
    `offset` Int64 COMMENT 'Its offset: with topic and partition the identity of the row.'
) AS
SELECT
    event_id, event_time, ingest_time, source, channel_id, user_id, stream_id, trade_id,
    toDecimal256(trade_events.price, 10) AS price, toDecimal256(trade_events.quantity, 10) AS quantity,
    toDecimal256(trade_events.price, 10) * trade_events.quantity AS quote_quantity, aggressor, venue,
    symbol, topic, partition, offset
FROM trade_events
LIMIT 1 BY venue, symbol, event_time, event_id
COMMENT 'Trades, each once. quote_quantity = price x quantity, exact.';

CREATE OR REPLACE VIEW chatters_by_minute (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `minute` DateTime64(0, 'UTC') COMMENT 'The minute, by its first instant, in UTC.',
    `user_id` Nullable(String) COMMENT 'Who wrote.',
    `user_name` Nullable(String) COMMENT 'The display name in the last of the messages.',
    `messages` UInt64 COMMENT 'Messages, each once.'
) AS
SELECT channel_id, date_trunc('minute', event_time) AS minute, user_id,
    argMax(user_name, event_time) AS user_name, uniqExact(event_id) AS messages
FROM chat_events
WHERE kind = 'message' AND user_id IS NOT NULL
GROUP BY channel_id, minute, user_id
COMMENT 'Messages of each user in each channel and minute. Sum messages over any range of minutes.';

CREATE OR REPLACE VIEW top_chatters (
    `user_id` Nullable(String) COMMENT 'Who wrote.',
    `user_name` Nullable(String) COMMENT 'The display name in the last of the messages.',
    `messages` UInt64 COMMENT 'Messages, each once.'
) AS
SELECT user_id, argMax(user_name, event_time) AS user_name, uniqExact(event_id) AS messages
FROM chat_events
WHERE kind = 'message' AND user_id IS NOT NULL AND channel_id = {channel:String}
    AND event_time >= now64(6, 'UTC') - toIntervalMinute({minutes:UInt32})
    AND event_time <= now64(6, 'UTC') + toIntervalMinute(1)
GROUP BY user_id
ORDER BY messages DESC, user_id
COMMENT 'top_chatters(channel = ..., minutes = 60): who wrote most in a channel until now.';

CREATE OR REPLACE VIEW current_leaderboards (
    `board` LowCardinality(String) COMMENT 'The board\'s name in the configuration.',
    `group` String COMMENT 'What the board is for: a channel_id, a symbol, ... or global.',
    `window` LowCardinality(String) COMMENT 'The kind of window: tumbling, rolling, session, fixed, calendar, all_time.',
    `window_start` Nullable(DateTime64(6, 'UTC')) COMMENT 'First instant of the window. Null for all time.',
    `window_end` Nullable(DateTime64(6, 'UTC')) COMMENT 'First instant after the window. Null for all time.',
    `is_final` Bool COMMENT 'True once, for the window\'s last record; false for those before it.',
    `revision` Int64 COMMENT 'Rises by one with every record of the same window and group, from 1.',
    `rank` Int32 COMMENT '1 for the first. Ties are broken (who reached the score first, then the item), so no rank is shared. 0 in the only row of a board without entries: its item is empty, its score 0.',
    `item` String COMMENT 'What is ranked: a user_id, an emote\'s name, an option, ...',
    `label` String COMMENT 'The item\'s name for people, as last seen.',
    `score` Decimal(38, 10) COMMENT 'The score in the unit of the board: messages, uses, units of a currency, ...',
    `previous_rank` Nullable(Int32) COMMENT 'The rank in the group\'s previous record of this board; null if the item was not on it.',
    `item_count` Int64 COMMENT 'How many distinct items have a score in this window, on the board or below it.',
    `total_score` Decimal(38, 10) COMMENT 'The sum of the scores of all items, on the board or below it.',
    `as_of` DateTime64(6, 'UTC') COMMENT 'The result reflects every event that became visible before this event time.',
    `watermark` DateTime64(6, 'UTC') COMMENT 'The shard\'s watermark when the result was computed; never before as_of.',
    `computed_at` DateTime64(6, 'UTC') COMMENT 'The clock\'s time when the result was computed.',
    `job` LowCardinality(String) COMMENT 'The job that computed it.',
    `shard` Int32 COMMENT 'The shard that computed it: the partition number of its inputs.',
    `input_offsets` Map(LowCardinality(String), Int64) COMMENT 'How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard.',
    `topic` LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition` Int32 COMMENT 'Its partition.',
    `offset` Int64 COMMENT 'Its offset: with topic and partition the identity of the row.'
) AS
SELECT
    board, `group`, window, window_start, window_end, is_final, revision, rank, item, label, score,
    previous_rank, item_count, total_score, as_of, watermark, computed_at, job, shard, input_offsets,
    topic, partition, offset
FROM leaderboards
WHERE rank > 0
    AND (board, `group`, ifNull(window_end, toDateTime64('2299-12-31 00:00:00', 6, 'UTC')), offset) GLOBAL IN (
        SELECT board, `group`,
            (max((ifNull(window_end, toDateTime64('2299-12-31 00:00:00', 6, 'UTC')), offset)) AS newest).1, newest.2
        FROM leaderboards
        WHERE rank <= 1
        GROUP BY board, `group`)
LIMIT 1 BY board, `group`, rank
COMMENT 'Every board of every group as it stands: the newest record of the newest window.';

CREATE OR REPLACE VIEW final_leaderboards (
    `board` LowCardinality(String) COMMENT 'The board\'s name in the configuration.',
    `group` String COMMENT 'What the board is for: a channel_id, a symbol, ... or global.',
    `window` LowCardinality(String) COMMENT 'The kind of window: tumbling, rolling, session, fixed, calendar, all_time.',
    `window_start` Nullable(DateTime64(6, 'UTC')) COMMENT 'First instant of the window. Null for all time.',
    `window_end` Nullable(DateTime64(6, 'UTC')) COMMENT 'First instant after the window. Null for all time.',
    `is_final` Bool COMMENT 'True once, for the window\'s last record; false for those before it.',
    `revision` Int64 COMMENT 'Rises by one with every record of the same window and group, from 1.',
    `rank` Int32 COMMENT '1 for the first. Ties are broken (who reached the score first, then the item), so no rank is shared. 0 in the only row of a board without entries: its item is empty, its score 0.',
    `item` String COMMENT 'What is ranked: a user_id, an emote\'s name, an option, ...',
    `label` String COMMENT 'The item\'s name for people, as last seen.',
    `score` Decimal(38, 10) COMMENT 'The score in the unit of the board: messages, uses, units of a currency, ...',
    `previous_rank` Nullable(Int32) COMMENT 'The rank in the group\'s previous record of this board; null if the item was not on it.',
    `item_count` Int64 COMMENT 'How many distinct items have a score in this window, on the board or below it.',
    `total_score` Decimal(38, 10) COMMENT 'The sum of the scores of all items, on the board or below it.',
    `as_of` DateTime64(6, 'UTC') COMMENT 'The result reflects every event that became visible before this event time.',
    `watermark` DateTime64(6, 'UTC') COMMENT 'The shard\'s watermark when the result was computed; never before as_of.',
    `computed_at` DateTime64(6, 'UTC') COMMENT 'The clock\'s time when the result was computed.',
    `job` LowCardinality(String) COMMENT 'The job that computed it.',
    `shard` Int32 COMMENT 'The shard that computed it: the partition number of its inputs.',
    `input_offsets` Map(LowCardinality(String), Int64) COMMENT 'How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard.',
    `topic` LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition` Int32 COMMENT 'Its partition.',
    `offset` Int64 COMMENT 'Its offset: with topic and partition the identity of the row.'
) AS
SELECT
    board, `group`, window, window_start, window_end, is_final, revision, rank, item, label, score,
    previous_rank, item_count, total_score, as_of, watermark, computed_at, job, shard, input_offsets,
    topic, partition, offset
FROM leaderboards
WHERE is_final AND rank > 0
    AND (board, `group`, ifNull(window_end, toDateTime64('2299-12-31 00:00:00', 6, 'UTC')), offset) GLOBAL IN (
        SELECT board, `group`,
            ifNull(window_end, toDateTime64('2299-12-31 00:00:00', 6, 'UTC')) AS closed, max(offset)
        FROM leaderboards
        WHERE is_final AND rank <= 1
        GROUP BY board, `group`, closed)
LIMIT 1 BY board, `group`, window_start, window_end, rank
COMMENT 'Every board of every closed window.';

CREATE OR REPLACE VIEW current_candles (
    `venue` LowCardinality(String) COMMENT 'The market place.',
    `symbol` LowCardinality(String) COMMENT 'The instrument as the venue writes it.',
    `interval_s` Int32 COMMENT 'The candle\'s length in seconds: 1, 60, ...',
    `window_start` DateTime64(6, 'UTC') COMMENT 'First instant of the candle.',
    `window_end` DateTime64(6, 'UTC') COMMENT 'First instant after the candle.',
    `is_final` Bool COMMENT 'True once, for the candle\'s last record; false for those before it.',
    `revision` Int64 COMMENT 'Rises by one with every record of the same candle, from 1.',
    `open` Decimal(38, 10) COMMENT 'Price of the first trade by (event_time, trade_id).',
    `high` Decimal(38, 10) COMMENT 'Highest price.',
    `low` Decimal(38, 10) COMMENT 'Lowest price.',
    `close` Decimal(38, 10) COMMENT 'Price of the last trade by (event_time, trade_id).',
    `trade_count` Int64 COMMENT 'Trades.',
    `base_volume` Decimal(76, 10) COMMENT 'Sum of quantity.',
    `quote_volume` Decimal(76, 20) COMMENT 'Sum of price x quantity, exact. VWAP = quote_volume / base_volume.',
    `taker_buy_count` Int64 COMMENT 'Trades whose aggressor bought.',
    `taker_sell_count` Int64 COMMENT 'Trades whose aggressor sold.',
    `taker_buy_volume` Decimal(76, 10) COMMENT 'Sum of quantity over trades whose aggressor bought.',
    `taker_sell_volume` Decimal(76, 10) COMMENT 'Sum of quantity over trades whose aggressor sold.',
    `first_trade_id` Nullable(Int64) COMMENT 'Lowest trade_id.',
    `last_trade_id` Nullable(Int64) COMMENT 'Highest trade_id.',
    `missing_trade_ids` Int64 COMMENT 'Numbers between first_trade_id and last_trade_id that no trade of this candle has. Where a candle has more than 256 runs of numbers, the lowest are joined: what comes there later changes neither this nor duplicate_trade_count.',
    `missing_before` Nullable(Int64) COMMENT 'Numbers between the highest trade_id of the market\'s earlier candles of this interval and first_trade_id: the gap between candles. Null where there is none to compare with.',
    `duplicate_trade_count` Int64 COMMENT 'Trades whose trade_id came before in this candle under another event_id. They count in every other field: events are told apart by event_id.',
    `duplicate_volume` Decimal(76, 10) COMMENT 'Sum of quantity over those trades: base_volume - duplicate_volume counts each trade_id once.',
    `largest_quantity` Decimal(38, 10) COMMENT 'Quantity of the largest trade; of equal ones the first by (event_time, trade_id).',
    `largest_price` Decimal(38, 10) COMMENT 'Its price.',
    `largest_trade_id` Nullable(Int64) COMMENT 'Its trade_id.',
    `taker_net_volume` Decimal(76, 10) COMMENT 'taker_buy_volume - taker_sell_volume: the numerator of the trade-flow imbalance. From trades only, not from the order book.',
    `taker_volume` Decimal(76, 10) COMMENT 'taker_buy_volume + taker_sell_volume: its denominator.',
    `realised_variance` Nullable(Float64) COMMENT 'Sum of squared log returns (Andersen and Bollerslev, 1998), from the open over the last price of every sampling step with a trade. Realised volatility is its square root. The step is the shortest of 100 ms, 1 s, 5 s, 15 s, 1 m, 5 m, 15 m, 1 h, 4 h, 1 d that cuts the candle into at most 100. Null if a sampled price is not above zero.',
    `true_range` Decimal(76, 10) COMMENT 'The larger of high and the previous close, less the smaller of low and the previous close (Wilder, 1978). Without a previous candle: high - low.',
    `past_candle_count` Int32 COMMENT 'How many earlier candles of this interval, counting those with trades, the sums below are of: spike_candles at most.',
    `past_base_volume` Decimal(76, 10) COMMENT 'Sum of base_volume over them.',
    `past_true_range` Decimal(76, 10) COMMENT 'Sum of true_range over them.',
    `is_volume_spike` Bool COMMENT 'base_volume x past_candle_count > spike_factor x past_base_volume, with all spike_candles there.',
    `is_price_spike` Bool COMMENT 'true_range x past_candle_count > spike_factor x past_true_range, with all spike_candles there.',
    `as_of` DateTime64(6, 'UTC') COMMENT 'The result reflects every event that became visible before this event time.',
    `watermark` DateTime64(6, 'UTC') COMMENT 'The shard\'s watermark when the result was computed; never before as_of.',
    `computed_at` DateTime64(6, 'UTC') COMMENT 'The clock\'s time when the result was computed.',
    `job` String COMMENT 'The job that computed it.',
    `shard` Int32 COMMENT 'The shard that computed it: the partition number of its inputs.',
    `input_offsets` Map(String, Int64) COMMENT 'How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard.',
    `topic` String COMMENT 'The Kafka topic that the row was read from.',
    `partition` Int32 COMMENT 'Its partition.',
    `offset` Int64 COMMENT 'Its offset: with topic and partition the identity of the row.'
) AS
SELECT
    c.venue AS venue, c.symbol AS symbol, c.interval_s AS interval_s, c.window_start AS window_start,
    c.window_end AS window_end, c.is_final AS is_final, c.revision AS revision, c.open AS open, c.high AS
    high, c.low AS low, c.close AS close, c.trade_count AS trade_count, toDecimal256(c.base_volume, 10) AS
    base_volume, toDecimal256(c.quote_volume, 20) AS quote_volume, c.taker_buy_count AS taker_buy_count,
    c.taker_sell_count AS taker_sell_count, toDecimal256(c.taker_buy_volume, 10) AS taker_buy_volume,
    toDecimal256(c.taker_sell_volume, 10) AS taker_sell_volume, c.first_trade_id AS first_trade_id,
    c.last_trade_id AS last_trade_id, c.missing_trade_ids AS missing_trade_ids, c.missing_before AS
    missing_before, c.duplicate_trade_count AS duplicate_trade_count, toDecimal256(c.duplicate_volume, 10) AS
    duplicate_volume, c.largest_quantity AS largest_quantity, c.largest_price AS largest_price,
    c.largest_trade_id AS largest_trade_id, toDecimal256(c.taker_net_volume, 10) AS taker_net_volume,
    toDecimal256(c.taker_volume, 10) AS taker_volume, c.realised_variance AS realised_variance,
    toDecimal256(c.true_range, 10) AS true_range, c.past_candle_count AS past_candle_count,
    toDecimal256(c.past_base_volume, 10) AS past_base_volume, toDecimal256(c.past_true_range, 10) AS
    past_true_range, c.is_volume_spike AS is_volume_spike, c.is_price_spike AS is_price_spike, c.as_of AS
    as_of, c.watermark AS watermark, c.computed_at AS computed_at, c.job AS job, c.shard AS shard,
    c.input_offsets AS input_offsets, c.topic AS topic, c.partition AS partition, c.offset AS offset
FROM candles AS c
ORDER BY c.offset DESC
LIMIT 1 BY venue, symbol, interval_s, window_start
COMMENT 'The newest record of every candle, closed or still open.';

CREATE OR REPLACE VIEW final_candles (
    `venue` LowCardinality(String) COMMENT 'The market place.',
    `symbol` LowCardinality(String) COMMENT 'The instrument as the venue writes it.',
    `interval_s` Int32 COMMENT 'The candle\'s length in seconds: 1, 60, ...',
    `window_start` DateTime64(6, 'UTC') COMMENT 'First instant of the candle.',
    `window_end` DateTime64(6, 'UTC') COMMENT 'First instant after the candle.',
    `is_final` Bool COMMENT 'True once, for the candle\'s last record; false for those before it.',
    `revision` Int64 COMMENT 'Rises by one with every record of the same candle, from 1.',
    `open` Decimal(38, 10) COMMENT 'Price of the first trade by (event_time, trade_id).',
    `high` Decimal(38, 10) COMMENT 'Highest price.',
    `low` Decimal(38, 10) COMMENT 'Lowest price.',
    `close` Decimal(38, 10) COMMENT 'Price of the last trade by (event_time, trade_id).',
    `trade_count` Int64 COMMENT 'Trades.',
    `base_volume` Decimal(76, 10) COMMENT 'Sum of quantity.',
    `quote_volume` Decimal(76, 20) COMMENT 'Sum of price x quantity, exact. VWAP = quote_volume / base_volume.',
    `taker_buy_count` Int64 COMMENT 'Trades whose aggressor bought.',
    `taker_sell_count` Int64 COMMENT 'Trades whose aggressor sold.',
    `taker_buy_volume` Decimal(76, 10) COMMENT 'Sum of quantity over trades whose aggressor bought.',
    `taker_sell_volume` Decimal(76, 10) COMMENT 'Sum of quantity over trades whose aggressor sold.',
    `first_trade_id` Nullable(Int64) COMMENT 'Lowest trade_id.',
    `last_trade_id` Nullable(Int64) COMMENT 'Highest trade_id.',
    `missing_trade_ids` Int64 COMMENT 'Numbers between first_trade_id and last_trade_id that no trade of this candle has. Where a candle has more than 256 runs of numbers, the lowest are joined: what comes there later changes neither this nor duplicate_trade_count.',
    `missing_before` Nullable(Int64) COMMENT 'Numbers between the highest trade_id of the market\'s earlier candles of this interval and first_trade_id: the gap between candles. Null where there is none to compare with.',
    `duplicate_trade_count` Int64 COMMENT 'Trades whose trade_id came before in this candle under another event_id. They count in every other field: events are told apart by event_id.',
    `duplicate_volume` Decimal(76, 10) COMMENT 'Sum of quantity over those trades: base_volume - duplicate_volume counts each trade_id once.',
    `largest_quantity` Decimal(38, 10) COMMENT 'Quantity of the largest trade; of equal ones the first by (event_time, trade_id).',
    `largest_price` Decimal(38, 10) COMMENT 'Its price.',
    `largest_trade_id` Nullable(Int64) COMMENT 'Its trade_id.',
    `taker_net_volume` Decimal(76, 10) COMMENT 'taker_buy_volume - taker_sell_volume: the numerator of the trade-flow imbalance. From trades only, not from the order book.',
    `taker_volume` Decimal(76, 10) COMMENT 'taker_buy_volume + taker_sell_volume: its denominator.',
    `realised_variance` Nullable(Float64) COMMENT 'Sum of squared log returns (Andersen and Bollerslev, 1998), from the open over the last price of every sampling step with a trade. Realised volatility is its square root. The step is the shortest of 100 ms, 1 s, 5 s, 15 s, 1 m, 5 m, 15 m, 1 h, 4 h, 1 d that cuts the candle into at most 100. Null if a sampled price is not above zero.',
    `true_range` Decimal(76, 10) COMMENT 'The larger of high and the previous close, less the smaller of low and the previous close (Wilder, 1978). Without a previous candle: high - low.',
    `past_candle_count` Int32 COMMENT 'How many earlier candles of this interval, counting those with trades, the sums below are of: spike_candles at most.',
    `past_base_volume` Decimal(76, 10) COMMENT 'Sum of base_volume over them.',
    `past_true_range` Decimal(76, 10) COMMENT 'Sum of true_range over them.',
    `is_volume_spike` Bool COMMENT 'base_volume x past_candle_count > spike_factor x past_base_volume, with all spike_candles there.',
    `is_price_spike` Bool COMMENT 'true_range x past_candle_count > spike_factor x past_true_range, with all spike_candles there.',
    `as_of` DateTime64(6, 'UTC') COMMENT 'The result reflects every event that became visible before this event time.',
    `watermark` DateTime64(6, 'UTC') COMMENT 'The shard\'s watermark when the result was computed; never before as_of.',
    `computed_at` DateTime64(6, 'UTC') COMMENT 'The clock\'s time when the result was computed.',
    `job` String COMMENT 'The job that computed it.',
    `shard` Int32 COMMENT 'The shard that computed it: the partition number of its inputs.',
    `input_offsets` Map(String, Int64) COMMENT 'How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard.',
    `topic` String COMMENT 'The Kafka topic that the row was read from.',
    `partition` Int32 COMMENT 'Its partition.',
    `offset` Int64 COMMENT 'Its offset: with topic and partition the identity of the row.'
) AS
SELECT
    c.venue AS venue, c.symbol AS symbol, c.interval_s AS interval_s, c.window_start AS window_start,
    c.window_end AS window_end, c.is_final AS is_final, c.revision AS revision, c.open AS open, c.high AS
    high, c.low AS low, c.close AS close, c.trade_count AS trade_count, toDecimal256(c.base_volume, 10) AS
    base_volume, toDecimal256(c.quote_volume, 20) AS quote_volume, c.taker_buy_count AS taker_buy_count,
    c.taker_sell_count AS taker_sell_count, toDecimal256(c.taker_buy_volume, 10) AS taker_buy_volume,
    toDecimal256(c.taker_sell_volume, 10) AS taker_sell_volume, c.first_trade_id AS first_trade_id,
    c.last_trade_id AS last_trade_id, c.missing_trade_ids AS missing_trade_ids, c.missing_before AS
    missing_before, c.duplicate_trade_count AS duplicate_trade_count, toDecimal256(c.duplicate_volume, 10) AS
    duplicate_volume, c.largest_quantity AS largest_quantity, c.largest_price AS largest_price,
    c.largest_trade_id AS largest_trade_id, toDecimal256(c.taker_net_volume, 10) AS taker_net_volume,
    toDecimal256(c.taker_volume, 10) AS taker_volume, c.realised_variance AS realised_variance,
    toDecimal256(c.true_range, 10) AS true_range, c.past_candle_count AS past_candle_count,
    toDecimal256(c.past_base_volume, 10) AS past_base_volume, toDecimal256(c.past_true_range, 10) AS
    past_true_range, c.is_volume_spike AS is_volume_spike, c.is_price_spike AS is_price_spike, c.as_of AS
    as_of, c.watermark AS watermark, c.computed_at AS computed_at, c.job AS job, c.shard AS shard,
    c.input_offsets AS input_offsets, c.topic AS topic, c.partition AS partition, c.offset AS offset
FROM candles AS c
WHERE c.is_final
ORDER BY c.offset DESC
LIMIT 1 BY venue, symbol, interval_s, window_start
COMMENT 'Every closed candle.';

CREATE OR REPLACE VIEW flags (
    `flag_id` String COMMENT 'message_id and rule: one rule flags one message once.',
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `message_id` String COMMENT 'The event_id of the message.',
    `event_time` DateTime64(6, 'UTC') COMMENT 'When the message was sent.',
    `user_id` Nullable(String) COMMENT 'Who wrote it.',
    `user_name` Nullable(String) COMMENT 'The user\'s display name at that moment.',
    `text` String COMMENT 'The message\'s text, cut at 500 characters.',
    `rule` LowCardinality(String) COMMENT 'The rule\'s name: terms, repeated_text, links, ...',
    `category` LowCardinality(String) COMMENT 'What kind of trouble: spam, profanity, hate, scam, ...',
    `severity` Int32 COMMENT '0 (note) to 4 (worst).',
    `score` Float64 COMMENT 'How sure the rule is, from 0 to 1.',
    `evidence` String COMMENT 'What the rule saw, in words or as the matched part.',
    `suggested_action` LowCardinality(String) COMMENT 'What a moderator might do about it.',
    `as_of` DateTime64(6, 'UTC') COMMENT 'The result reflects every event that became visible before this event time.',
    `watermark` DateTime64(6, 'UTC') COMMENT 'The shard\'s watermark when the result was computed; never before as_of.',
    `computed_at` DateTime64(6, 'UTC') COMMENT 'The clock\'s time when the result was computed.',
    `job` LowCardinality(String) COMMENT 'The job that computed it.',
    `shard` Int32 COMMENT 'The shard that computed it: the partition number of its inputs.',
    `input_offsets` Map(LowCardinality(String), Int64) COMMENT 'How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard.',
    `topic` LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition` Int32 COMMENT 'Its partition.',
    `offset` Int64 COMMENT 'Its offset: with topic and partition the identity of the row.'
) AS
SELECT
    flag_id, channel_id, message_id, event_time, user_id, user_name, text, rule, category, severity, score,
    evidence, suggested_action, as_of, watermark, computed_at, job, shard, input_offsets, topic, partition,
    offset
FROM moderation_flags
LIMIT 1 BY channel_id, event_time, flag_id
COMMENT 'Flagged messages, each flag once.';

CREATE OR REPLACE VIEW engagement_by_window (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `window_start` Nullable(DateTime64(6, 'UTC')) COMMENT 'First instant of the window. Null for all time.',
    `window_end` Nullable(DateTime64(6, 'UTC')) COMMENT 'First instant after the window. Null for all time.',
    `is_final` Bool COMMENT 'True once, for the window\'s last record; false for those before it.',
    `revision` Int64 COMMENT 'Rises by one with every record of the same window and group, from 1.',
    `messages` Int64 COMMENT 'Chat messages sent in the window, without those taken back (retracted_messages).',
    `unique_chatters` Int64 COMMENT 'Distinct users who sent a message in the window that was not taken back. Messages per chatter = messages / unique_chatters, where anonymous messages have no chatter.',
    `reactions` Map(LowCardinality(String), Int64) COMMENT 'Reactions in the window by kind: the sum of count (raid: the number of raids).',
    `money_micros` Map(LowCardinality(String), Int64) COMMENT 'Money given in the window by currency, in millionths of its unit.',
    `concurrent_viewers` Int64 COMMENT 'Sessions watching at as_of: joined or heard of within the heartbeat time-out (30 s by default), and not left.',
    `peak_concurrent_viewers` Int64 COMMENT 'The largest concurrent_viewers within the window so far.',
    `unique_viewers` Int64 COMMENT 'Distinct viewers with a session event in the window: by user_id, or by session_id for anonymous ones.',
    `joins` Int64 COMMENT 'Sessions that began in the window.',
    `leaves` Int64 COMMENT 'Sessions that ended in the window by leaving (not by silence).',
    `watch_ms` Int64 COMMENT 'Time played in the window by all sessions as the players report it, in milliseconds. Average minute audience (Nielsen) = watch_ms / the length of the programme in milliseconds, which is audience_us / 1000 or the whole window.',
    `rebuffer_count` Int64 COMMENT 'Stalls in the window.',
    `rebuffer_ms` Int64 COMMENT 'Time stalled in the window, in milliseconds, without startup. Rebuffering ratio (Mux, CTA-2066) = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `retracted_messages` Int64 COMMENT 'Messages of the window taken back in it by a deletion, a ban, a time-out or a clear.',
    `presence_us` Int64 COMMENT 'The sum of the times that sessions were present in the window before as_of, in microseconds. Average concurrent viewers = presence_us / (as_of - window_start).',
    `audience_us` Int64 COMMENT 'How long at least one session was present in the window before as_of, in microseconds.',
    `retention` Array(Tuple(age_us Int64, cohort Int64, retained Int64)) COMMENT 'The retention curve: a point for each age that the job is configured with. Share still watching = retained / cohort; add both up over windows.',
    `unique_chatters_is_estimated` Bool COMMENT 'True if there were more chatters than are counted exactly: unique_chatters is then an estimate with a standard error of 1.6 %.',
    `unique_chatters_sketch` Array(Tuple(register Int32, rank Int32)) COMMENT 'The chatters as a sketch, in final records only: registers that are not zero, by number. To merge windows take the largest rank of each register; standard error 1.6 % (1.04 / sqrt(4096), Flajolet et al. 2007).',
    `unique_viewers_is_estimated` Bool COMMENT 'True if there were more viewers than are counted exactly: unique_viewers is then an estimate with a standard error of 1.6 %.',
    `unique_viewers_sketch` Array(Tuple(register Int32, rank Int32)) COMMENT 'The viewers as a sketch, in final records only; see unique_chatters_sketch.',
    `startup_count` Int64 COMMENT 'Startup times reported in the window. Startup time (Mux: video startup time; Conviva: video start time): from asking to the first frame.',
    `startup_p50_ms` Nullable(Int64) COMMENT 'The startup time that 50 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `startup_p90_ms` Nullable(Int64) COMMENT 'The startup time that 90 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `startup_p95_ms` Nullable(Int64) COMMENT 'The startup time that 95 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `startup_p99_ms` Nullable(Int64) COMMENT 'The startup time that 99 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `startup_histogram` Array(Tuple(value_ms Int64, count Int64)) COMMENT 'The startup times, in final records only: buckets by value_ms. To merge windows add the counts of equal value_ms.',
    `live_latency_count` Int64 COMMENT 'Reports of live latency in the window: how far a player is behind the live edge. Each report is a sample.',
    `live_latency_p50_ms` Nullable(Int64) COMMENT 'The live latency that 50 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `live_latency_p90_ms` Nullable(Int64) COMMENT 'The live latency that 90 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `live_latency_p95_ms` Nullable(Int64) COMMENT 'The live latency that 95 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `live_latency_p99_ms` Nullable(Int64) COMMENT 'The live latency that 99 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `live_latency_histogram` Array(Tuple(value_ms Int64, count Int64)) COMMENT 'The reports of live latency, in final records only; see startup_histogram. A negative latency counts as 0.',
    `bitrate_bits` Int64 COMMENT 'Bits played by reports that have a bit rate: the sum of bitrate_kbps x watch_ms. Average bit rate in kilobits a second (weighted by time, CTA-2066) = bitrate_bits / bitrate_ms.',
    `bitrate_ms` Int64 COMMENT 'Time played by reports that have a bit rate, in milliseconds.',
    `untracked_sessions` Int64 COMMENT 'Joins and heartbeats of sessions beyond the job\'s sessions_max: they count everywhere but in concurrent, peak and average viewers and in retention.',
    `untracked_messages` Int64 COMMENT 'Messages beyond the job\'s messages_max: they count, and cannot be taken back.',
    `as_of` DateTime64(6, 'UTC') COMMENT 'The result reflects every event that became visible before this event time.',
    `watermark` DateTime64(6, 'UTC') COMMENT 'The shard\'s watermark when the result was computed; never before as_of.',
    `computed_at` DateTime64(6, 'UTC') COMMENT 'The clock\'s time when the result was computed.',
    `job` LowCardinality(String) COMMENT 'The job that computed it.',
    `shard` Int32 COMMENT 'The shard that computed it: the partition number of its inputs.',
    `input_offsets` Map(LowCardinality(String), Int64) COMMENT 'How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard.',
    `topic` LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition` Int32 COMMENT 'Its partition.',
    `offset` Int64 COMMENT 'Its offset: with topic and partition the identity of the row.'
) AS
SELECT
    channel_id, window_start, window_end, is_final, revision, messages, unique_chatters, reactions,
    money_micros, concurrent_viewers, peak_concurrent_viewers, unique_viewers, joins, leaves, watch_ms,
    rebuffer_count, rebuffer_ms, retracted_messages, presence_us, audience_us, retention,
    unique_chatters_is_estimated, unique_chatters_sketch, unique_viewers_is_estimated, unique_viewers_sketch,
    startup_count, startup_p50_ms, startup_p90_ms, startup_p95_ms, startup_p99_ms, startup_histogram,
    live_latency_count, live_latency_p50_ms, live_latency_p90_ms, live_latency_p95_ms, live_latency_p99_ms,
    live_latency_histogram, bitrate_bits, bitrate_ms, untracked_sessions, untracked_messages, as_of,
    watermark, computed_at, job, shard, input_offsets, topic, partition, offset
FROM engagement
ORDER BY offset DESC
LIMIT 1 BY channel_id, window_start, window_end
COMMENT 'The newest record of every channel and window.';

CREATE OR REPLACE VIEW current_engagement (
    `channel_id` LowCardinality(String) COMMENT 'The channel.',
    `window_start` Nullable(DateTime64(6, 'UTC')) COMMENT 'First instant of the window. Null for all time.',
    `window_end` Nullable(DateTime64(6, 'UTC')) COMMENT 'First instant after the window. Null for all time.',
    `is_final` Bool COMMENT 'True once, for the window\'s last record; false for those before it.',
    `revision` Int64 COMMENT 'Rises by one with every record of the same window and group, from 1.',
    `messages` Int64 COMMENT 'Chat messages sent in the window, without those taken back (retracted_messages).',
    `unique_chatters` Int64 COMMENT 'Distinct users who sent a message in the window that was not taken back. Messages per chatter = messages / unique_chatters, where anonymous messages have no chatter.',
    `reactions` Map(LowCardinality(String), Int64) COMMENT 'Reactions in the window by kind: the sum of count (raid: the number of raids).',
    `money_micros` Map(LowCardinality(String), Int64) COMMENT 'Money given in the window by currency, in millionths of its unit.',
    `concurrent_viewers` Int64 COMMENT 'Sessions watching at as_of: joined or heard of within the heartbeat time-out (30 s by default), and not left.',
    `peak_concurrent_viewers` Int64 COMMENT 'The largest concurrent_viewers within the window so far.',
    `unique_viewers` Int64 COMMENT 'Distinct viewers with a session event in the window: by user_id, or by session_id for anonymous ones.',
    `joins` Int64 COMMENT 'Sessions that began in the window.',
    `leaves` Int64 COMMENT 'Sessions that ended in the window by leaving (not by silence).',
    `watch_ms` Int64 COMMENT 'Time played in the window by all sessions as the players report it, in milliseconds. Average minute audience (Nielsen) = watch_ms / the length of the programme in milliseconds, which is audience_us / 1000 or the whole window.',
    `rebuffer_count` Int64 COMMENT 'Stalls in the window.',
    `rebuffer_ms` Int64 COMMENT 'Time stalled in the window, in milliseconds, without startup. Rebuffering ratio (Mux, CTA-2066) = rebuffer_ms / (watch_ms + rebuffer_ms).',
    `retracted_messages` Int64 COMMENT 'Messages of the window taken back in it by a deletion, a ban, a time-out or a clear.',
    `presence_us` Int64 COMMENT 'The sum of the times that sessions were present in the window before as_of, in microseconds. Average concurrent viewers = presence_us / (as_of - window_start).',
    `audience_us` Int64 COMMENT 'How long at least one session was present in the window before as_of, in microseconds.',
    `retention` Array(Tuple(age_us Int64, cohort Int64, retained Int64)) COMMENT 'The retention curve: a point for each age that the job is configured with. Share still watching = retained / cohort; add both up over windows.',
    `unique_chatters_is_estimated` Bool COMMENT 'True if there were more chatters than are counted exactly: unique_chatters is then an estimate with a standard error of 1.6 %.',
    `unique_chatters_sketch` Array(Tuple(register Int32, rank Int32)) COMMENT 'The chatters as a sketch, in final records only: registers that are not zero, by number. To merge windows take the largest rank of each register; standard error 1.6 % (1.04 / sqrt(4096), Flajolet et al. 2007).',
    `unique_viewers_is_estimated` Bool COMMENT 'True if there were more viewers than are counted exactly: unique_viewers is then an estimate with a standard error of 1.6 %.',
    `unique_viewers_sketch` Array(Tuple(register Int32, rank Int32)) COMMENT 'The viewers as a sketch, in final records only; see unique_chatters_sketch.',
    `startup_count` Int64 COMMENT 'Startup times reported in the window. Startup time (Mux: video startup time; Conviva: video start time): from asking to the first frame.',
    `startup_p50_ms` Nullable(Int64) COMMENT 'The startup time that 50 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `startup_p90_ms` Nullable(Int64) COMMENT 'The startup time that 90 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `startup_p95_ms` Nullable(Int64) COMMENT 'The startup time that 95 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `startup_p99_ms` Nullable(Int64) COMMENT 'The startup time that 99 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `startup_histogram` Array(Tuple(value_ms Int64, count Int64)) COMMENT 'The startup times, in final records only: buckets by value_ms. To merge windows add the counts of equal value_ms.',
    `live_latency_count` Int64 COMMENT 'Reports of live latency in the window: how far a player is behind the live edge. Each report is a sample.',
    `live_latency_p50_ms` Nullable(Int64) COMMENT 'The live latency that 50 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `live_latency_p90_ms` Nullable(Int64) COMMENT 'The live latency that 90 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `live_latency_p95_ms` Nullable(Int64) COMMENT 'The live latency that 95 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `live_latency_p99_ms` Nullable(Int64) COMMENT 'The live latency that 99 of 100 samples do not exceed, in milliseconds; within 0.8 %, exact below 128 ms. Null without samples.',
    `live_latency_histogram` Array(Tuple(value_ms Int64, count Int64)) COMMENT 'The reports of live latency, in final records only; see startup_histogram. A negative latency counts as 0.',
    `bitrate_bits` Int64 COMMENT 'Bits played by reports that have a bit rate: the sum of bitrate_kbps x watch_ms. Average bit rate in kilobits a second (weighted by time, CTA-2066) = bitrate_bits / bitrate_ms.',
    `bitrate_ms` Int64 COMMENT 'Time played by reports that have a bit rate, in milliseconds.',
    `untracked_sessions` Int64 COMMENT 'Joins and heartbeats of sessions beyond the job\'s sessions_max: they count everywhere but in concurrent, peak and average viewers and in retention.',
    `untracked_messages` Int64 COMMENT 'Messages beyond the job\'s messages_max: they count, and cannot be taken back.',
    `as_of` DateTime64(6, 'UTC') COMMENT 'The result reflects every event that became visible before this event time.',
    `watermark` DateTime64(6, 'UTC') COMMENT 'The shard\'s watermark when the result was computed; never before as_of.',
    `computed_at` DateTime64(6, 'UTC') COMMENT 'The clock\'s time when the result was computed.',
    `job` LowCardinality(String) COMMENT 'The job that computed it.',
    `shard` Int32 COMMENT 'The shard that computed it: the partition number of its inputs.',
    `input_offsets` Map(LowCardinality(String), Int64) COMMENT 'How far the job had read: for each input topic the offset after the last record taken in, in the partition numbered shard.',
    `topic` LowCardinality(String) COMMENT 'The Kafka topic that the row was read from.',
    `partition` Int32 COMMENT 'Its partition.',
    `offset` Int64 COMMENT 'Its offset: with topic and partition the identity of the row.'
) AS
SELECT
    channel_id, window_start, window_end, is_final, revision, messages, unique_chatters, reactions,
    money_micros, concurrent_viewers, peak_concurrent_viewers, unique_viewers, joins, leaves, watch_ms,
    rebuffer_count, rebuffer_ms, retracted_messages, presence_us, audience_us, retention,
    unique_chatters_is_estimated, unique_chatters_sketch, unique_viewers_is_estimated, unique_viewers_sketch,
    startup_count, startup_p50_ms, startup_p90_ms, startup_p95_ms, startup_p99_ms, startup_histogram,
    live_latency_count, live_latency_p50_ms, live_latency_p90_ms, live_latency_p95_ms, live_latency_p99_ms,
    live_latency_histogram, bitrate_bits, bitrate_ms, untracked_sessions, untracked_messages, as_of,
    watermark, computed_at, job, shard, input_offsets, topic, partition, offset
FROM engagement
WHERE (channel_id, ifNull(window_end, toDateTime64('2299-12-31 00:00:00', 6, 'UTC')), offset) GLOBAL IN (
    SELECT channel_id, (max((ifNull(window_end, toDateTime64('2299-12-31 00:00:00', 6, 'UTC')), offset)) AS newest).1, newest.2
    FROM engagement
    GROUP BY channel_id)
LIMIT 1 BY channel_id
COMMENT 'The newest window of every channel.';
