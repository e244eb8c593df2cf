-- Candles: gaps and duplicates by trade id, the largest trade, trade flow, realised variance, and how a candle compares with those before
-- it. Rows from before have none of it: zeros and nulls.

ALTER TABLE candles
    ADD COLUMN IF NOT EXISTS `missing_trade_ids` Int64 COMMENT 'Numbers between first_trade_id and last_trade_id that no trade of this candle has. Where a candle has more than 256 runs of numbers, the lowest are joined: what comes there later changes neither this nor duplicate_trade_count.' AFTER `last_trade_id`,
    ADD COLUMN IF NOT EXISTS `missing_before` Nullable(Int64) COMMENT 'Numbers between the highest trade_id of the market\'s earlier candles of this interval and first_trade_id: the gap between candles. Null where there is none to compare with.' AFTER `missing_trade_ids`,
    ADD COLUMN IF NOT EXISTS `duplicate_trade_count` Int64 COMMENT 'Trades whose trade_id came before in this candle under another event_id. They count in every other field: events are told apart by event_id.' AFTER `missing_before`,
    ADD COLUMN IF NOT EXISTS `duplicate_volume` Decimal(38, 10) COMMENT 'Sum of quantity over those trades: base_volume - duplicate_volume counts each trade_id once.' AFTER `duplicate_trade_count`,
    ADD COLUMN IF NOT EXISTS `largest_quantity` Decimal(38, 10) COMMENT 'Quantity of the largest trade; of equal ones the first by (event_time, trade_id).' AFTER `duplicate_volume`,
    ADD COLUMN IF NOT EXISTS `largest_price` Decimal(38, 10) COMMENT 'Its price.' AFTER `largest_quantity`,
    ADD COLUMN IF NOT EXISTS `largest_trade_id` Nullable(Int64) COMMENT 'Its trade_id.' AFTER `largest_price`,
    ADD COLUMN IF NOT EXISTS `taker_net_volume` Decimal(38, 10) COMMENT 'taker_buy_volume - taker_sell_volume: the numerator of the trade-flow imbalance. From trades only, not from the order book.' AFTER `largest_trade_id`,
    ADD COLUMN IF NOT EXISTS `taker_volume` Decimal(38, 10) COMMENT 'taker_buy_volume + taker_sell_volume: its denominator.' AFTER `taker_net_volume`,
    ADD COLUMN IF NOT EXISTS `realised_variance` Nullable(Float64) COMMENT 'Sum of squared log returns (Andersen and Bollerslev, 1998), from the open over the last price of every sampling step with a trade. Realised volatility is its square root. The step is the shortest of 100 ms, 1 s, 5 s, 15 s, 1 m, 5 m, 15 m, 1 h, 4 h, 1 d that cuts the candle into at most 100. Null if a sampled price is not above zero.' AFTER `taker_volume`,
    ADD COLUMN IF NOT EXISTS `true_range` Decimal(38, 10) COMMENT 'The larger of high and the previous close, less the smaller of low and the previous close (Wilder, 1978). Without a previous candle: high - low.' AFTER `realised_variance`,
    ADD COLUMN IF NOT EXISTS `past_candle_count` Int32 COMMENT 'How many earlier candles of this interval, counting those with trades, the sums below are of: spike_candles at most.' AFTER `true_range`,
    ADD COLUMN IF NOT EXISTS `past_base_volume` Decimal(38, 10) COMMENT 'Sum of base_volume over them.' AFTER `past_candle_count`,
    ADD COLUMN IF NOT EXISTS `past_true_range` Decimal(38, 10) COMMENT 'Sum of true_range over them.' AFTER `past_base_volume`,
    ADD COLUMN IF NOT EXISTS `is_volume_spike` Bool COMMENT 'base_volume x past_candle_count > spike_factor x past_base_volume, with all spike_candles there.' AFTER `past_true_range`,
    ADD COLUMN IF NOT EXISTS `is_price_spike` Bool COMMENT 'true_range x past_candle_count > spike_factor x past_true_range, with all spike_candles there.' AFTER `is_volume_spike`;

CREATE OR REPLACE VIEW current_candles AS
SELECT
    venue, symbol, interval_s, window_start, newest.1 AS window_end, newest.2 AS is_final,
    newest.3 AS revision, newest.4 AS open, newest.5 AS high, newest.6 AS low, newest.7 AS close,
    newest.8 AS trade_count, toDecimal256(newest.9, 10) AS base_volume,
    toDecimal256(newest.10, 20) AS quote_volume, newest.11 AS taker_buy_count,
    newest.12 AS taker_sell_count, toDecimal256(newest.13, 10) AS taker_buy_volume,
    toDecimal256(newest.14, 10) AS taker_sell_volume, newest.15 AS first_trade_id,
    newest.16 AS last_trade_id, newest.17 AS missing_trade_ids, newest.18 AS missing_before,
    newest.19 AS duplicate_trade_count, toDecimal256(newest.20, 10) AS duplicate_volume,
    newest.21 AS largest_quantity, newest.22 AS largest_price, newest.23 AS largest_trade_id,
    toDecimal256(newest.24, 10) AS taker_net_volume, toDecimal256(newest.25, 10) AS taker_volume,
    newest.26 AS realised_variance, toDecimal256(newest.27, 10) AS true_range,
    newest.28 AS past_candle_count, toDecimal256(newest.29, 10) AS past_base_volume,
    toDecimal256(newest.30, 10) AS past_true_range, newest.31 AS is_volume_spike,
    newest.32 AS is_price_spike, newest.33 AS as_of, newest.34 AS watermark,
    newest.35 AS computed_at, newest.36 AS job, newest.37 AS shard, newest.38 AS input_offsets,
    newest.39 AS topic, newest.40 AS partition, newest.41 AS offset
FROM (
    SELECT venue, symbol, interval_s, window_start, argMax(tuple(
        window_end, is_final, revision, open, high, low, close, trade_count, base_volume,
        quote_volume, taker_buy_count, taker_sell_count, taker_buy_volume, taker_sell_volume,
        first_trade_id, last_trade_id, missing_trade_ids, missing_before, duplicate_trade_count,
        duplicate_volume, largest_quantity, largest_price, largest_trade_id, taker_net_volume,
        taker_volume, realised_variance, true_range, past_candle_count, past_base_volume,
        past_true_range, is_volume_spike, is_price_spike, as_of, watermark, computed_at, job,
        shard, input_offsets, topic, partition, offset),
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
    newest.16 AS last_trade_id, newest.17 AS missing_trade_ids, newest.18 AS missing_before,
    newest.19 AS duplicate_trade_count, toDecimal256(newest.20, 10) AS duplicate_volume,
    newest.21 AS largest_quantity, newest.22 AS largest_price, newest.23 AS largest_trade_id,
    toDecimal256(newest.24, 10) AS taker_net_volume, toDecimal256(newest.25, 10) AS taker_volume,
    newest.26 AS realised_variance, toDecimal256(newest.27, 10) AS true_range,
    newest.28 AS past_candle_count, toDecimal256(newest.29, 10) AS past_base_volume,
    toDecimal256(newest.30, 10) AS past_true_range, newest.31 AS is_volume_spike,
    newest.32 AS is_price_spike, newest.33 AS as_of, newest.34 AS watermark,
    newest.35 AS computed_at, newest.36 AS job, newest.37 AS shard, newest.38 AS input_offsets,
    newest.39 AS topic, newest.40 AS partition, newest.41 AS offset
FROM (
    SELECT venue, symbol, interval_s, window_start, argMax(tuple(
        window_end, is_final, revision, open, high, low, close, trade_count, base_volume,
        quote_volume, taker_buy_count, taker_sell_count, taker_buy_volume, taker_sell_volume,
        first_trade_id, last_trade_id, missing_trade_ids, missing_before, duplicate_trade_count,
        duplicate_volume, largest_quantity, largest_price, largest_trade_id, taker_net_volume,
        taker_volume, realised_variance, true_range, past_candle_count, past_base_volume,
        past_true_range, is_volume_spike, is_price_spike, as_of, watermark, computed_at, job,
        shard, input_offsets, topic, partition, offset),
        offset) AS newest
    FROM candles
    WHERE is_final
    GROUP BY venue, symbol, interval_s, window_start)
COMMENT 'Every closed candle.';
