-- Every final candle, computed again from the raw trades: one row for each that differs, none if all agree.
--
-- Parameters: {job:String}, and as that job is configured {lateness_us:Int64}, {future_skew_us:Int64}, {spike_candles:UInt32} and
-- {spike_factor:UInt32}. Trades must be there from the first that the job read, and event ids remembered for as long as they repeat.
--
-- Trades that the job found late are left out as the job left them out: those whose candle had ended by the watermark of their
-- partition (the largest event time before them, less the lateness), and those that were read after the final record was written.
-- A candle without a final record differs if a later one of the same interval has one. Realised variance is compared to nine digits,
-- since logarithms come from two implementations, and everything else exactly; sums beyond 38 digits, which a job cuts off, differ.
WITH
    published AS (
        SELECT *, toUnixTimestamp64Micro(window_start) AS start_us
        FROM (SELECT * FROM candles FINAL)
        WHERE is_final AND job = {job:String}
        ORDER BY offset DESC
        LIMIT 1 BY venue, symbol, interval_s, window_start
    ),
    -- Up to where each interval is closed, by shard.
    closed AS (
        SELECT interval_s, shard, max(start_us) AS closed_us FROM published GROUP BY interval_s, shard
    ),
    -- Each event once, as its partition brought it, cut off where it lies too far in the future.
    events AS (
        SELECT venue, symbol, trade_id, event_id, price, quantity, aggressor, topic, partition, offset,
            toUnixTimestamp64Micro(least(event_time, addMicroseconds(ingest_time, {future_skew_us:Int64}))) AS time_us,
            max(time_us) OVER (
                PARTITION BY topic, partition ORDER BY offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS newest_us,
            if(row_number() OVER (PARTITION BY topic, partition ORDER BY offset) = 1, toInt64('-9000000000000000000'),
                newest_us - {lateness_us:Int64}) AS watermark_us
        FROM (SELECT * FROM trade_events FINAL)
        ORDER BY offset
        LIMIT 1 BY topic, partition, event_id
    ),
    -- Each with every candle that was open to it.
    counted AS (
        SELECT e.venue AS venue, e.symbol AS symbol, e.trade_id AS trade_id, e.price AS price, e.quantity AS quantity,
            e.aggressor AS aggressor, c.interval_s AS interval_s, toInt64(c.interval_s) * 1000000 AS interval_us,
            e.time_us - positiveModulo(e.time_us, interval_us) AS start_us,
            tuple(e.time_us, ifNull(e.trade_id, toInt64('-9223372036854775808')), e.event_id) AS position,
            arrayFirst(step -> interval_us <= step * 100, [100000, 1000000, 5000000, 15000000, 60000000, 300000000, 900000000,
                3600000000, 14400000000, 86400000000, (intDiv(interval_us, 8640000000000) + 1) * 86400000000]) AS sampling_us,
            intDiv(e.time_us - start_us, sampling_us) AS step,
            isNotNull(e.trade_id) AND row_number() OVER (
                PARTITION BY e.venue, e.symbol, c.interval_s, start_us, e.trade_id
                ORDER BY greatest(e.time_us, e.watermark_us), e.offset) > 1 AS is_duplicate
        FROM events AS e
        INNER JOIN closed AS c ON e.partition = c.shard
        LEFT JOIN published AS p
            ON e.venue = p.venue AND e.symbol = p.symbol AND c.interval_s = p.interval_s
                AND e.time_us - positiveModulo(e.time_us, toInt64(c.interval_s) * 1000000) = p.start_us
        WHERE start_us <= c.closed_us AND start_us + interval_us > e.watermark_us
            AND (p.job = '' OR e.offset < arrayMax(mapValues(p.input_offsets)))
    ),
    variances AS (
        SELECT venue, symbol, interval_s, start_us,
            arrayConcat([argMin(first, first_position)], arrayMap(last -> last.2, arraySort(groupArray(tuple(step, last))))) AS path,
            if(arrayMin(path) <= 0, NULL, arraySum(arrayMap(
                (to, from) -> pow(log1p(toFloat64(to - from) / toFloat64(from)), 2),
                arrayPopFront(path), arrayPopBack(path)))) AS realised_variance
        FROM (
            SELECT venue, symbol, interval_s, start_us, step, argMin(price, position) AS first, min(position) AS first_position,
                argMax(price, position) AS last
            FROM counted
            GROUP BY venue, symbol, interval_s, start_us, step)
        GROUP BY venue, symbol, interval_s, start_us
    ),
    sums AS (
        SELECT venue, symbol, interval_s, start_us, any(interval_us) AS length_us,
            argMin(price, position) AS open, max(price) AS high, min(price) AS low, argMax(price, position) AS close,
            count() AS trade_count, sum(toDecimal256(quantity, 10)) AS base_volume,
            sum(toDecimal256(price, 10) * quantity) AS quote_volume,
            countIf(aggressor = 'buy') AS taker_buy_count, countIf(aggressor = 'sell') AS taker_sell_count,
            sumIf(toDecimal256(quantity, 10), aggressor = 'buy') AS taker_buy_volume,
            sumIf(toDecimal256(quantity, 10), aggressor = 'sell') AS taker_sell_volume,
            min(trade_id) AS first_trade_id, max(trade_id) AS last_trade_id, uniqExact(trade_id) AS distinct_ids,
            countIf(is_duplicate) AS duplicate_trade_count,
            sumIf(toDecimal256(quantity, 10), is_duplicate) AS duplicate_volume,
            argMin(tuple(quantity, price, trade_id), tuple(-quantity, position)) AS largest
        FROM counted
        GROUP BY venue, symbol, interval_s, start_us
    ),
    -- A market that paused for seven days begins anew.
    chained AS (
        SELECT *, sum(is_anew) OVER (PARTITION BY venue, symbol, interval_s ORDER BY start_us) AS chain
        FROM (
            SELECT *, start_us - lagInFrame(start_us + length_us, 1, start_us) OVER (
                PARTITION BY venue, symbol, interval_s ORDER BY start_us
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) >= 604800000000 AS is_anew
            FROM sums)
    ),
    ranged AS (
        SELECT *, row_number() OVER chain_until_now AS place,
            max(last_trade_id) OVER chain_before AS highest_before,
            toDecimal256(greatest(high, if(place = 1, high, lagInFrame(close) OVER chain_until_now)), 10)
                - least(low, if(place = 1, low, lagInFrame(close) OVER chain_until_now)) AS true_range
        FROM chained
        WINDOW
            chain_until_now AS (PARTITION BY venue, symbol, interval_s, chain ORDER BY start_us
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
            chain_before AS (PARTITION BY venue, symbol, interval_s, chain ORDER BY start_us
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ),
    computed AS (
        SELECT *,
            if(isNull(first_trade_id), 0, last_trade_id - first_trade_id + 1 - distinct_ids) AS missing_trade_ids,
            if(isNull(first_trade_id) OR isNull(highest_before), NULL,
                greatest(assumeNotNull(first_trade_id) - assumeNotNull(highest_before) - 1, 0)) AS missing_before,
            least(place - 1, {spike_candles:UInt32}) AS past_candle_count,
            if({spike_candles:UInt32} = 0, toDecimal256(0, 10), sum(base_volume) OVER past) AS past_base_volume,
            if({spike_candles:UInt32} = 0, toDecimal256(0, 10), sum(true_range) OVER past) AS past_true_range,
            {spike_candles:UInt32} > 0 AND past_candle_count = {spike_candles:UInt32} AS is_whole
        FROM ranged
        WINDOW past AS (PARTITION BY venue, symbol, interval_s, chain ORDER BY start_us
            ROWS BETWEEN greatest({spike_candles:UInt32}, 1) PRECEDING AND 1 PRECEDING)
    )
SELECT venue, symbol, interval_s, fromUnixTimestamp64Micro(start_us, 'UTC') AS window_start,
    multiIf(p.job = '', 'no final record', c.trade_count = 0, 'no trades', 'differs') AS problem,
    -- Name, as published, as computed.
    arrayFilter(field -> field.2 != field.3, [
        tuple('open', ifNull(toString(p.open), 'null'), ifNull(toString(c.open), 'null')),
        tuple('high', ifNull(toString(p.high), 'null'), ifNull(toString(c.high), 'null')),
        tuple('low', ifNull(toString(p.low), 'null'), ifNull(toString(c.low), 'null')),
        tuple('close', ifNull(toString(p.close), 'null'), ifNull(toString(c.close), 'null')),
        tuple('trade_count', ifNull(toString(p.trade_count), 'null'), ifNull(toString(c.trade_count), 'null')),
        tuple('base_volume', ifNull(toString(p.base_volume), 'null'), ifNull(toString(c.base_volume), 'null')),
        tuple('quote_volume', ifNull(toString(p.quote_volume), 'null'), ifNull(toString(c.quote_volume), 'null')),
        tuple('taker_buy_count', ifNull(toString(p.taker_buy_count), 'null'), ifNull(toString(c.taker_buy_count), 'null')),
        tuple('taker_sell_count', ifNull(toString(p.taker_sell_count), 'null'), ifNull(toString(c.taker_sell_count), 'null')),
        tuple('taker_buy_volume', ifNull(toString(p.taker_buy_volume), 'null'), ifNull(toString(c.taker_buy_volume), 'null')),
        tuple('taker_sell_volume', ifNull(toString(p.taker_sell_volume), 'null'), ifNull(toString(c.taker_sell_volume), 'null')),
        tuple('first_trade_id', ifNull(toString(p.first_trade_id), 'null'), ifNull(toString(c.first_trade_id), 'null')),
        tuple('last_trade_id', ifNull(toString(p.last_trade_id), 'null'), ifNull(toString(c.last_trade_id), 'null')),
        tuple('missing_trade_ids', ifNull(toString(p.missing_trade_ids), 'null'), ifNull(toString(c.missing_trade_ids), 'null')),
        tuple('missing_before', ifNull(toString(p.missing_before), 'null'), ifNull(toString(c.missing_before), 'null')),
        tuple('duplicate_trade_count', ifNull(toString(p.duplicate_trade_count), 'null'), ifNull(toString(c.duplicate_trade_count), 'null')),
        tuple('duplicate_volume', ifNull(toString(p.duplicate_volume), 'null'), ifNull(toString(c.duplicate_volume), 'null')),
        tuple('largest_quantity', ifNull(toString(p.largest_quantity), 'null'), ifNull(toString(c.largest.1), 'null')),
        tuple('largest_price', ifNull(toString(p.largest_price), 'null'), ifNull(toString(c.largest.2), 'null')),
        tuple('largest_trade_id', ifNull(toString(p.largest_trade_id), 'null'), ifNull(toString(c.largest.3), 'null')),
        tuple('taker_net_volume', ifNull(toString(p.taker_net_volume), 'null'), ifNull(toString(c.taker_buy_volume - c.taker_sell_volume), 'null')),
        tuple('taker_volume', ifNull(toString(p.taker_volume), 'null'), ifNull(toString(c.taker_buy_volume + c.taker_sell_volume), 'null')),
        tuple('realised_variance', ifNull(toString(p.realised_variance), 'null'), ifNull(toString(if(
            abs(p.realised_variance - v.realised_variance) <= 1e-9 * p.realised_variance, p.realised_variance, v.realised_variance)), 'null')),
        tuple('true_range', ifNull(toString(p.true_range), 'null'), ifNull(toString(c.true_range), 'null')),
        tuple('past_candle_count', ifNull(toString(p.past_candle_count), 'null'), ifNull(toString(c.past_candle_count), 'null')),
        tuple('past_base_volume', ifNull(toString(p.past_base_volume), 'null'), ifNull(toString(c.past_base_volume), 'null')),
        tuple('past_true_range', ifNull(toString(p.past_true_range), 'null'), ifNull(toString(c.past_true_range), 'null')),
        tuple('is_volume_spike', toString(p.is_volume_spike),
            toString(toBool(c.is_whole AND c.base_volume * c.past_candle_count > c.past_base_volume * {spike_factor:UInt32}))),
        tuple('is_price_spike', toString(p.is_price_spike),
            toString(toBool(c.is_whole AND c.true_range * c.past_candle_count > c.past_true_range * {spike_factor:UInt32})))
    ]) AS fields
FROM computed AS c
FULL OUTER JOIN published AS p USING (venue, symbol, interval_s, start_us)
LEFT JOIN variances AS v USING (venue, symbol, interval_s, start_us)
WHERE notEmpty(fields) OR problem != 'differs'
ORDER BY venue, symbol, interval_s, start_us
