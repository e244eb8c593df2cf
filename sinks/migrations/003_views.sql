-- What analysts read: plain names, every event and every result once. docs/analysts.md shows how to use them.
-- Filters on the columns named in LIMIT 1 BY or GROUP BY reach the primary keys of the tables below.
-- A sum of Decimal(38, s) wraps silently when it overflows: quantities, prices and volumes are Decimal(76, s) here, so
-- that no sum of them can. Prices of candles are not summed and stay as they are.

CREATE OR REPLACE VIEW chat AS
SELECT
    event_id, event_time, ingest_time, source, channel_id, user_id, stream_id, kind, user_name, text,
    emotes, roles, badges, reply_to, is_question, is_first_message, target_message_id, target_user_id,
    duration_ms, topic, partition, offset
FROM chat_events
LIMIT 1 BY channel_id, event_time, event_id
COMMENT 'Chat events, each once.';

CREATE OR REPLACE VIEW reactions AS
SELECT
    event_id, event_time, ingest_time, source, channel_id, user_id, stream_id, kind, count, user_name,
    emoji, amount_micros, currency, target_id, option, topic, partition, offset
FROM reaction_events
LIMIT 1 BY channel_id, event_time, event_id
COMMENT 'Reactions, each once.';

CREATE OR REPLACE VIEW viewers AS
SELECT
    event_id, event_time, ingest_time, source, channel_id, user_id, stream_id, kind, session_id, watch_ms,
    startup_ms, rebuffer_count, rebuffer_ms, bitrate_kbps, live_latency_ms, device, country, topic,
    partition, offset
FROM viewer_events
LIMIT 1 BY channel_id, event_time, event_id
COMMENT 'Session events of viewers, each once.';

CREATE OR REPLACE VIEW trades AS
SELECT
    event_id, event_time, ingest_time, source, channel_id, user_id, stream_id, trade_id,
    toDecimal256(trade_events.price, 10) AS price, toDecimal256(trade_events.quantity, 10) AS quantity,
    toDecimal256(trade_events.price, 10) * trade_events.quantity AS quote_quantity, aggressor, venue,
    symbol, topic, partition, offset
FROM trade_events
LIMIT 1 BY venue, symbol, event_time, event_id
COMMENT 'Trades, each once. quote_quantity = price x quantity, exact.';

CREATE OR REPLACE VIEW chatters_by_minute AS
SELECT channel_id, date_trunc('minute', event_time) AS minute, user_id,
    argMax(user_name, event_time) AS user_name, uniqExact(event_id) AS messages
FROM chat_events
WHERE kind = 'message' AND user_id IS NOT NULL
GROUP BY channel_id, minute, user_id
COMMENT 'Messages of each user in each channel and minute. Sum messages over any range of minutes.';

CREATE OR REPLACE VIEW top_chatters AS
SELECT user_id, argMax(user_name, event_time) AS user_name, uniqExact(event_id) AS messages
FROM chat_events
WHERE kind = 'message' AND user_id IS NOT NULL AND channel_id = {channel:String}
    AND event_time >= now64(6, 'UTC') - toIntervalMinute({minutes:UInt32})
    AND event_time <= now64(6, 'UTC') + toIntervalMinute(1)
GROUP BY user_id
ORDER BY messages DESC, user_id
COMMENT 'top_chatters(channel = ..., minutes = 60): who wrote most in a channel until now.';

CREATE OR REPLACE VIEW current_leaderboards AS
SELECT
    board, `group`, window, window_start, window_end, is_final, revision, rank, item, label, score,
    previous_rank, item_count, total_score, as_of, watermark, computed_at, job, shard, input_offsets,
    topic, partition, offset
FROM leaderboards FINAL
WHERE rank > 0
    AND (board, `group`, ifNull(window_end, toDateTime64('2299-12-31 00:00:00', 6, 'UTC')), offset) IN (
        SELECT board, `group`,
            (max((ifNull(window_end, toDateTime64('2299-12-31 00:00:00', 6, 'UTC')), offset)) AS newest).1, newest.2
        FROM leaderboards
        GROUP BY board, `group`)
COMMENT 'Every board of every group as it stands: the newest record of the newest window.';

CREATE OR REPLACE VIEW final_leaderboards AS
SELECT
    board, `group`, window, window_start, window_end, is_final, revision, rank, item, label, score,
    previous_rank, item_count, total_score, as_of, watermark, computed_at, job, shard, input_offsets,
    topic, partition, offset
FROM leaderboards FINAL
WHERE is_final AND rank > 0
    AND (board, `group`, ifNull(window_end, toDateTime64('2299-12-31 00:00:00', 6, 'UTC')), offset) IN (
        SELECT board, `group`,
            ifNull(window_end, toDateTime64('2299-12-31 00:00:00', 6, 'UTC')) AS closed, max(offset)
        FROM leaderboards
        WHERE is_final
        GROUP BY board, `group`, closed)
COMMENT 'Every board of every closed window.';

CREATE OR REPLACE VIEW engagement_by_window AS
SELECT
    channel_id, window_start, window_end, newest.1 AS is_final, newest.2 AS revision, newest.3 AS messages,
    newest.4 AS unique_chatters, newest.5 AS reactions, newest.6 AS money_micros,
    newest.7 AS concurrent_viewers, newest.8 AS peak_concurrent_viewers, newest.9 AS unique_viewers,
    newest.10 AS joins, newest.11 AS leaves, newest.12 AS watch_ms, newest.13 AS rebuffer_count,
    newest.14 AS rebuffer_ms, newest.15 AS as_of, newest.16 AS watermark, newest.17 AS computed_at,
    newest.18 AS job, newest.19 AS shard, newest.20 AS input_offsets, newest.21 AS topic,
    newest.22 AS partition, newest.23 AS offset
FROM (
    SELECT channel_id, window_start, window_end, argMax(tuple(
        is_final, revision, messages, unique_chatters, reactions, money_micros, concurrent_viewers,
        peak_concurrent_viewers, unique_viewers, joins, leaves, watch_ms, rebuffer_count, rebuffer_ms,
        as_of, watermark, computed_at, job, shard, input_offsets, topic, partition, offset),
        offset) AS newest
    FROM engagement
    GROUP BY channel_id, window_start, window_end)
COMMENT 'The newest record of every channel and window.';

CREATE OR REPLACE VIEW current_engagement AS
SELECT
    channel_id, newest.1 AS window_start, newest.2 AS window_end, newest.3 AS is_final,
    newest.4 AS revision, newest.5 AS messages, newest.6 AS unique_chatters, newest.7 AS reactions,
    newest.8 AS money_micros, newest.9 AS concurrent_viewers, newest.10 AS peak_concurrent_viewers,
    newest.11 AS unique_viewers, newest.12 AS joins, newest.13 AS leaves, newest.14 AS watch_ms,
    newest.15 AS rebuffer_count, newest.16 AS rebuffer_ms, newest.17 AS as_of, newest.18 AS watermark,
    newest.19 AS computed_at, newest.20 AS job, newest.21 AS shard, newest.22 AS input_offsets,
    newest.23 AS topic, newest.24 AS partition, newest.25 AS offset
FROM (
    SELECT channel_id, argMax(tuple(
        window_start, window_end, is_final, revision, messages, unique_chatters, reactions, money_micros,
        concurrent_viewers, peak_concurrent_viewers, unique_viewers, joins, leaves, watch_ms,
        rebuffer_count, rebuffer_ms, as_of, watermark, computed_at, job, shard, input_offsets, topic,
        partition, offset),
        tuple(ifNull(window_end, toDateTime64('2299-12-31 00:00:00', 6, 'UTC')), offset)) AS newest
    FROM engagement
    GROUP BY channel_id)
COMMENT 'The newest window of every channel.';

CREATE OR REPLACE VIEW current_candles AS
SELECT
    venue, symbol, interval_s, window_start, newest.1 AS window_end, newest.2 AS is_final,
    newest.3 AS revision, newest.4 AS open, newest.5 AS high, newest.6 AS low, newest.7 AS close,
    newest.8 AS trade_count, toDecimal256(newest.9, 10) AS base_volume,
    toDecimal256(newest.10, 20) AS quote_volume, newest.11 AS taker_buy_count,
    newest.12 AS taker_sell_count, toDecimal256(newest.13, 10) AS taker_buy_volume,
    toDecimal256(newest.14, 10) AS taker_sell_volume, newest.15 AS first_trade_id,
    newest.16 AS last_trade_id, newest.17 AS as_of, newest.18 AS watermark, newest.19 AS computed_at,
    newest.20 AS job, newest.21 AS shard, newest.22 AS input_offsets, newest.23 AS topic,
    newest.24 AS partition, newest.25 AS offset
FROM (
    SELECT venue, symbol, interval_s, window_start, argMax(tuple(
        window_end, is_final, revision, open, high, low, close, trade_count, base_volume, quote_volume,
        taker_buy_count, taker_sell_count, taker_buy_volume, taker_sell_volume, first_trade_id,
        last_trade_id, as_of, watermark, computed_at, job, shard, input_offsets, topic, partition, offset),
        offset) AS newest
    FROM candles
    GROUP BY venue, symbol, interval_s, window_start)
COMMENT 'The newest record of every candle, closed or still open.';

CREATE OR REPLACE VIEW final_candles AS
SELECT
    venue, symbol, interval_s, window_start, newest.1 AS window_end, newest.2 AS is_final,
    newest.3 AS revision, newest.4 AS open, newest.5 AS high, newest.6 AS low, newest.7 AS close,
    newest.8 AS trade_count, toDecimal256(newest.9, 10) AS base_volume,
    toDecimal256(newest.10, 20) AS quote_volume, newest.11 AS taker_buy_count,
    newest.12 AS taker_sell_count, toDecimal256(newest.13, 10) AS taker_buy_volume,
    toDecimal256(newest.14, 10) AS taker_sell_volume, newest.15 AS first_trade_id,
    newest.16 AS last_trade_id, newest.17 AS as_of, newest.18 AS watermark, newest.19 AS computed_at,
    newest.20 AS job, newest.21 AS shard, newest.22 AS input_offsets, newest.23 AS topic,
    newest.24 AS partition, newest.25 AS offset
FROM (
    SELECT venue, symbol, interval_s, window_start, argMax(tuple(
        window_end, is_final, revision, open, high, low, close, trade_count, base_volume, quote_volume,
        taker_buy_count, taker_sell_count, taker_buy_volume, taker_sell_volume, first_trade_id,
        last_trade_id, as_of, watermark, computed_at, job, shard, input_offsets, topic, partition, offset),
        offset) AS newest
    FROM candles
    WHERE is_final
    GROUP BY venue, symbol, interval_s, window_start)
COMMENT 'Every closed candle.';

CREATE OR REPLACE VIEW flags AS
SELECT
    flag_id, channel_id, message_id, event_time, user_id, user_name, text, rule, category, severity, score,
    evidence, suggested_action, as_of, watermark, computed_at, job, shard, input_offsets, topic, partition,
    offset
FROM moderation_flags
LIMIT 1 BY channel_id, event_time, flag_id
COMMENT 'Flagged messages, each flag once.';
