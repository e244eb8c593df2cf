-- A made-up week for the page of queries and the dashboards: events and results up to now, made by the engine itself.
-- Parameters: {rows:UInt64} raw events in all. Equal numbers give equal events; only the instants follow the clock.
-- Channels are twitch:1 ... twitch:40, the first the largest; every 50th minute of a channel is its busiest.

INSERT INTO chat_events (event_id, event_time, ingest_time, source, channel_id, user_id, kind, user_name, text, emotes, roles, badges,
    reply_to, is_question, is_first_message, target_message_id, target_user_id, duration_ms, topic, partition, offset)
WITH sipHash64(number, 'chat') AS h, 1 + intDiv(h % 1000 * (h % 1000), 25000) AS channel,
    1 + intDiv((intDiv(h, 1000) % 10000) * (intDiv(h, 1000) % 10000), 10000) AS user, intDiv(h, 10000000000) % 1000 AS dice
SELECT concat('twitch:m-', toString(number)), now64(6, 'UTC') - toIntervalMicrosecond(intDiv(number * 604800000000, {rows:UInt64} * 35 / 100) + h % 1000000) AS event_time,
    event_time + toIntervalMillisecond(h % 500), 'twitch', concat('twitch:', toString(channel)),
    if(dice = 0, NULL, concat('twitch:', toString(user))),
    multiIf(dice < 985, 'message', dice < 994, 'message_deleted', dice < 997, 'user_timed_out', dice < 999, 'user_banned', 'chat_cleared') AS kind,
    if(dice = 0, NULL, concat('user_', toString(user))),
    if(kind = 'message', concat(['hello', 'what a play', 'gg', 'how much is it', 'first time here'][1 + dice % 5], ' ', toString(dice)), NULL),
    if(kind = 'message' AND dice % 4 = 0, [(concat('e', toString(dice % 12)), concat('Emote', toString(dice % 12)), toInt32(1 + dice % 3))], []),
    if(dice % 20 = 1, ['moderator'], if(dice % 3 = 0, ['subscriber'], [])), if(dice % 3 = 0, ['subscriber/12'], []),
    if(kind = 'message' AND dice % 10 = 3, concat('twitch:m-', toString(number + 40)), NULL), kind = 'message' AND (dice % 25 = 7 OR number < 400),
    kind = 'message' AND dice % 60 = 9,
    if(kind = 'message_deleted', concat('twitch:m-', toString(number + 3)), NULL),
    if(kind IN ('user_timed_out', 'user_banned'), concat('twitch:', toString(user)), NULL), if(kind = 'user_timed_out', 600000, NULL),
    'events.chat', toInt32(channel % 4), toInt64(number)
FROM numbers(toUInt64({rows:UInt64} * 35 / 100));

INSERT INTO reaction_events (event_id, event_time, ingest_time, source, channel_id, user_id, kind, count, user_name, emoji, amount_micros,
    currency, target_id, option, topic, partition, offset)
WITH sipHash64(number, 'reactions') AS h, 1 + intDiv(h % 1000 * (h % 1000), 25000) AS channel,
    1 + intDiv((intDiv(h, 1000) % 10000) * (intDiv(h, 1000) % 10000), 10000) AS user, intDiv(h, 10000000000) % 1000 AS dice
SELECT concat('twitch:r-', toString(number)), now64(6, 'UTC') - toIntervalMicrosecond(intDiv(number * 604800000000, {rows:UInt64} * 15 / 100) + h % 1000000) AS event_time,
    event_time + toIntervalMillisecond(h % 500), 'twitch', concat('twitch:', toString(channel)), concat('twitch:', toString(user)),
    multiIf(dice < 600, 'emoji', dice < 750, 'like', dice < 800, 'cheer', dice < 830, 'gift', dice < 850, 'super_chat', dice < 870, 'subscription',
        dice < 871, 'raid', dice < 950, 'poll_vote', 'question_upvote') AS kind,
    if(kind IN ('emoji', 'cheer', 'raid'), toInt64(1 + h % 20), 1), concat('user_', toString(user)),
    if(kind = 'emoji', ['🎉', '❤️', '😂', '🔥'][1 + h % 4], NULL),
    if(kind IN ('gift', 'super_chat', 'subscription'), toInt64(1000000 + h % 20 * 490000), NULL) AS amount_micros,
    if(amount_micros IS NULL, NULL, ['EUR', 'USD', 'BRL'][1 + h % 3]),
    multiIf(kind = 'poll_vote', concat('poll-', toString(channel)), kind = 'question_upvote', concat('twitch:m-', toString(h % 400)),
        kind = 'raid', concat('twitch:', toString(1 + h % 40)), NULL),
    if(kind = 'poll_vote', ['yes', 'no', 'maybe'][1 + h % 3], NULL), 'events.reactions', toInt32(channel % 4), toInt64(number)
FROM numbers(toUInt64({rows:UInt64} * 15 / 100));

INSERT INTO viewer_events (event_id, event_time, ingest_time, source, channel_id, user_id, kind, session_id, watch_ms, startup_ms, rebuffer_count,
    rebuffer_ms, bitrate_kbps, live_latency_ms, device, country, topic, partition, offset)
WITH sipHash64(number, 'viewers') AS h, 1 + intDiv(h % 1000 * (h % 1000), 25000) AS channel,
    1 + intDiv((intDiv(h, 1000) % 30000) * (intDiv(h, 1000) % 30000), 30000) AS user, intDiv(h, 10000000000) % 1000 AS dice
SELECT concat('twitch:v-', toString(number)), now64(6, 'UTC') - toIntervalMicrosecond(intDiv(number * 604800000000, {rows:UInt64} * 35 / 100) + h % 1000000) AS event_time,
    event_time + toIntervalMillisecond(h % 500), 'twitch', concat('twitch:', toString(channel)),
    if(user % 5 = 0, NULL, concat('twitch:', toString(user))),
    multiIf(dice < 50, 'join', dice < 100, 'leave', dice < 900, 'heartbeat', 'quality') AS kind, concat('s-', toString(user), '-', toString(channel)),
    if(kind = 'join', 0, 10000), if(kind = 'join', toInt64(300 + h % 4000), NULL), if(dice % 40 = 0, 1, 0), if(dice % 40 = 0, toInt64(100 + h % 3000), 0),
    if(kind = 'join', NULL, [1500, 3000, 6000][1 + h % 3]), if(kind IN ('heartbeat', 'quality'), toInt64(1500 + h % 6000), NULL),
    ['mobile', 'desktop', 'tv', 'console'][1 + user % 4], ['DE', 'US', 'BR', 'FR', 'JP', 'IN', 'GB', 'PL'][1 + user % 8],
    'events.viewers', toInt32(channel % 4), toInt64(number)
FROM numbers(toUInt64({rows:UInt64} * 35 / 100));

INSERT INTO trade_events (event_id, event_time, ingest_time, source, channel_id, trade_id, price, quantity, aggressor, venue, symbol, topic,
    partition, offset)
WITH sipHash64(number, 'trades') AS h, ['BTCUSDT', 'ETHUSDT', 'SOLUSDT', 'XRPUSDT'][1 + number % 4] AS name,
    toUInt64({rows:UInt64} * 15 / 100) AS trades
SELECT concat('binance-spot:', name, '-', toString(number)),
    now64(6, 'UTC') - toIntervalMicrosecond(intDiv((trades - number) * 604800000000, trades) + h % 1000) AS event_time,
    event_time + toIntervalMillisecond(h % 300), 'binance-spot', concat('binance-spot:', name), toInt64(intDiv(number, 4) + intDiv(number, 40000)),
    toDecimal128(60000 + 500 * sin(number / 5000) + h % 100 / 10, 10) / (1 + number % 4), toDecimal128((1 + h % 5000) / 10000, 10),
    if(h % 100 < 52, 'buy', 'sell'), 'binance-spot', name, 'events.trades', toInt32(number % 4), toInt64(number)
FROM numbers(trades);

-- Results: a day of boards, windows and candles, in two revisions of which the second is final.

INSERT INTO leaderboards (board, `group`, `window`, window_start, window_end, is_final, revision, rank, item, label, score, previous_rank,
    item_count, total_score, as_of, watermark, computed_at, job, shard, input_offsets, topic, partition, offset)
WITH intDiv(number, 800) AS minute, 1 + intDiv(number, 20) % 40 AS channel, 1 + number % 20 AS place
SELECT ['top_chatters', 'top_emotes', 'top_givers'][1 + channel % 3], concat('twitch:', toString(channel)), 'rolling',
    window_end - INTERVAL 5 MINUTE, toDateTime64(date_trunc('minute', now64(6, 'UTC')) - toIntervalMinute(minute), 6, 'UTC') AS window_end, true, 2, toInt32(place),
    concat('twitch:', toString((place * 7 + minute) % 90)), concat('user_', toString((place * 7 + minute) % 90)), toDecimal128(1000 - place * 20 + minute % 15, 10),
    if(place % 4 = 0, NULL, toInt32(1 + (place + minute) % 20)), 300, toDecimal128(20000, 10), window_end, window_end,
    window_end + INTERVAL 2 SECOND, 'leaderboards', toInt32(channel % 4), map('events.chat', toInt64(minute)), 'results.leaderboards',
    toInt32(channel % 4), toInt64(10000000 - minute * 40 + channel)
FROM numbers(toUInt64(least(1440, {rows:UInt64} / 1000)) * 800);

INSERT INTO engagement (channel_id, window_start, window_end, is_final, revision, messages, unique_chatters, reactions, money_micros,
    concurrent_viewers, peak_concurrent_viewers, unique_viewers, joins, leaves, watch_ms, rebuffer_count, rebuffer_ms, retracted_messages,
    presence_us, audience_us, retention, unique_chatters_sketch, unique_viewers_sketch, startup_count, startup_p50_ms, startup_p90_ms,
    startup_p95_ms, startup_p99_ms, startup_histogram, live_latency_count, live_latency_p50_ms, live_latency_p90_ms, live_latency_p95_ms,
    live_latency_p99_ms, live_latency_histogram, bitrate_bits, bitrate_ms, as_of, watermark, computed_at, job, shard, input_offsets, topic,
    partition, offset)
WITH intDiv(number, 80) AS minute, 1 + intDiv(number, 2) % 40 AS channel, 1 + number % 2 AS turn, sipHash64(minute, channel) AS h
SELECT concat('twitch:', toString(channel)), toDateTime64(date_trunc('minute', now64(6, 'UTC')) - toIntervalMinute(minute), 6, 'UTC') AS window_start,
    window_start + INTERVAL 1 MINUTE AS window_end, turn = 2, turn, toInt64(h % 400 * turn + 1), toInt64(h % 90 + 1), map('emoji', toInt64(h % 70), 'like', 5),
    map('EUR', toInt64(h % 9) * 1000000, 'USD', 2500000), toInt64(2000 / channel + h % 30), toInt64(2000 / channel + 40), toInt64(2100 / channel + 50),
    toInt64(h % 40), toInt64(h % 35), toInt64(60000 * (2000 / channel)), toInt64(h % 5), toInt64(h % 900), toInt64(h % 3),
    toInt64(60000000 * (2000 / channel)), 60000000, [(60000000, toInt64(100), toInt64(80)), (300000000, toInt64(80), toInt64(50))],
    arrayMap(i -> (toInt32(i * 40 + h % 40), toInt32(1 + (h + i) % 9)), range(60)), arrayMap(i -> (toInt32(i * 20 + h % 20), toInt32(1 + (h + i) % 9)), range(200)),
    40, 600, 1500, 2500, 4000, [(toInt64(600), toInt64(20)), (toInt64(2500), toInt64(20))], 80, 2500, 4500, 5500, 7000,
    [(toInt64(2500), toInt64(60)), (toInt64(5500), toInt64(20))], toInt64(3000 * 60000), 60000, if(turn = 2, window_end, window_start + INTERVAL 30 SECOND) AS as_of, as_of,
    as_of + INTERVAL 2 SECOND, 'engagement', toInt32(channel % 4), map('events.chat', toInt64(minute)), 'results.engagement', toInt32(channel % 4),
    toInt64(10000000 - minute * 80 + channel * 2 + turn)
FROM numbers(toUInt64(least(1440, {rows:UInt64} / 1000)) * 80);

INSERT INTO candles (venue, symbol, interval_s, window_start, window_end, is_final, revision, open, high, low, close, trade_count, base_volume,
    quote_volume, taker_buy_count, taker_sell_count, taker_buy_volume, taker_sell_volume, first_trade_id, last_trade_id, missing_trade_ids,
    missing_before, duplicate_trade_count, largest_quantity, largest_price, taker_net_volume, taker_volume, realised_variance, true_range,
    past_candle_count, past_base_volume, past_true_range, is_volume_spike, is_price_spike, as_of, watermark, computed_at, job, shard,
    input_offsets, topic, partition, offset)
WITH intDiv(number, 8) AS minute, 1 + intDiv(number, 2) % 4 AS market, 1 + number % 2 AS turn, sipHash64(minute, market) AS h
SELECT 'binance-spot', ['BTCUSDT', 'ETHUSDT', 'SOLUSDT', 'XRPUSDT'][market], 60,
    toDateTime64(date_trunc('minute', now64(6, 'UTC')) - toIntervalMinute(minute), 6, 'UTC') AS window_start, window_start + INTERVAL 1 MINUTE AS window_end, turn = 2, turn,
    toDecimal128(60000 / market + h % 100, 10) AS open, open + 60, open - 60, open + toInt32(h % 100) - 50, toInt64(100 + h % 50), toDecimal128(5 + h % 10, 10),
    toDecimal128((5 + h % 10) * 60000 / market, 20), 50, 50, toDecimal128(3, 10), toDecimal128(2, 10), toInt64(10000000 - minute * 200),
    toInt64(10000000 - minute * 200 + 150), toInt64(h % 50 = 0), 0, toInt64(h % 40 = 0), toDecimal128(1, 10), toDecimal128(60000 / market, 10),
    toDecimal128(1, 10), toDecimal128(5, 10), 0.000001 * (1 + h % 9), toDecimal128(120, 10), 20, toDecimal128(160, 10), toDecimal128(2000, 10), h % 60 = 0,
    h % 70 = 0, if(turn = 2, window_end, window_start + INTERVAL 30 SECOND) AS as_of, as_of, as_of + INTERVAL 2 SECOND, 'markets', toInt32(market - 1), map('events.trades', toInt64(minute)),
    'results.markets', toInt32(market - 1), toInt64(10000000 - minute * 2 + turn)
FROM numbers(toUInt64(least(10080, {rows:UInt64} / 100)) * 8);

INSERT INTO moderation_flags (flag_id, channel_id, message_id, event_time, user_id, user_name, text, rule, category, severity, score, evidence,
    suggested_action, as_of, watermark, computed_at, job, shard, input_offsets, topic, partition, offset)
SELECT concat(event_id, '/terms'), channel_id, event_id, event_time, user_id, user_name, ifNull(text, ''), ['terms', 'links', 'repeated_text'][1 + offset % 3],
    ['scam', 'insult', 'spam'][1 + offset % 3], toInt32(intDiv(offset, 200) % 5), 0.9, 'the matched part', ['delete', 'none', 'time_out'][1 + offset % 3], event_time, event_time,
    event_time + INTERVAL 1 SECOND, 'moderation', partition, map('events.chat', offset), 'results.moderation', partition, offset
FROM chat_events
WHERE kind = 'message' AND offset % 200 = 0;

INSERT INTO dead_letters (original_topic, original_partition, original_offset, key, value, reason, detail, job, failed_at, topic, partition, offset)
SELECT ['events.chat', 'events.trades'][1 + number % 2], toInt32(number % 4), toInt64(number), 'key', 'value', ['undecodable', 'unknown_schema', 'late'][1 + number % 3], 'cut off',
    'ovation-clickhouse', now64(6, 'UTC') - toIntervalMinute(number * 10), 'ovation.dead-letter', 0, toInt64(number)
FROM numbers(200);
