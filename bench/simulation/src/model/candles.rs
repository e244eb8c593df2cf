//! Candles, naively: at every tick the trades of the open interval that are visible before it, and for what came before it the
//! final records so far.

use std::collections::{BTreeMap, BTreeSet};

use processors::Output;
use processors::config::CandlesConfig;
use schemas::{Aggressor, Amount, CandleResult, Event, Freshness, Quote, TradeEvent};

use super::{Arrived, at, ceil, tick_after};

/// A trade that counts: the instant from which it is visible, its (cut) time, and itself.
type Counted<'a> = (i64, i64, &'a TradeEvent<'static>);

/// Writes every record of one interval; returns how many trades came too late.
pub(super) fn records(
    config: &CandlesConfig,
    interval: i64,
    arrived: &[Arrived<'_>],
    out: &mut Vec<Output>,
) -> u64 {
    let mut late = 0;
    let mut markets: BTreeMap<(&str, &str), Vec<Counted<'_>>> = BTreeMap::new();
    for arrived in arrived {
        let Event::Trade(trade) = arrived.event else { continue };
        if tick_after(arrived.time, interval) <= arrived.watermark {
            late += 1;
            continue;
        }
        let counted = (arrived.visible(), arrived.time, trade);
        markets.entry((&trade.venue, &trade.symbol)).or_default().push(counted);
    }
    let emit = config.emit_every.micros().min(interval);
    for trades in markets.into_values() {
        let mut closed: Vec<CandleResult> = Vec::new();
        let changes: BTreeSet<i64> = trades.iter().map(|(visible, ..)| tick_after(*visible, emit)).collect();
        let ends: BTreeSet<i64> = changes.iter().map(|tick| ceil(*tick, interval)).collect();
        for end in ends {
            let of_candle = |tick: &&i64| ceil(**tick, interval) == end;
            let ticks: BTreeSet<i64> = changes.iter().filter(of_candle).copied().chain([end]).collect();
            for (tick, revision) in ticks.into_iter().zip(1..) {
                let is_counted = |(visible, time, _): &&Counted<'_>| {
                    *visible < tick && (end - interval..end).contains(time)
                };
                let counted: Vec<_> = trades.iter().filter(is_counted).copied().collect();
                let Some(candle) = candle(&counted, end - interval, interval) else { continue };
                let mut candle = CandleResult {
                    interval_s: (interval / 1_000_000) as i32,
                    window_end: at(end),
                    is_final: tick == end,
                    revision,
                    freshness: Freshness { as_of: at(tick), ..Freshness::default() },
                    ..candle
                };
                compare(&mut candle, &closed, config);
                if candle.is_final {
                    closed.push(candle.clone());
                }
                out.push(Output::Candle(candle));
            }
        }
    }
    late
}

/// Fills in what refers to the candles before it. No run is as long as markets are remembered.
fn compare(candle: &mut CandleResult, closed: &[CandleResult], config: &CandlesConfig) {
    let before = closed.iter().filter_map(|closed| closed.last_trade_id).max();
    let missing = |(first, before): (i64, i64)| (first - before - 1).max(0);
    candle.missing_before = candle.first_trade_id.zip(before).map(missing);
    if let Some(last) = closed.last() {
        let (high, low) = (candle.high.max(last.close), candle.low.min(last.close));
        candle.true_range = high.checked_sub(low).unwrap_or(Amount::ZERO);
    }
    let past: Vec<&CandleResult> = closed.iter().rev().take(config.spike_candles as usize).collect();
    let sum = |of: fn(&CandleResult) -> Amount| past.iter().map(|candle| of(candle).units()).sum::<i128>();
    let (volume, range) = (sum(|candle| candle.base_volume), sum(|candle| candle.true_range));
    let is_whole = config.spike_candles > 0 && past.len() == config.spike_candles as usize;
    let is_spike = |units: i128, past_units: i128| {
        is_whole && units * past.len() as i128 > past_units * i128::from(config.spike_factor)
    };
    candle.is_volume_spike = is_spike(candle.base_volume.units(), volume);
    candle.is_price_spike = is_spike(candle.true_range.units(), range);
    candle.past_candle_count = past.len() as i32;
    candle.past_base_volume = Amount::from_units(volume).unwrap_or(Amount::ZERO);
    candle.past_true_range = Amount::from_units(range).unwrap_or(Amount::ZERO);
}

/// Sum of the squared log returns between the last prices of equal steps.
fn realised_variance(sorted: &[Counted<'_>], start: i64, interval: i64) -> Option<f64> {
    let seconds = [0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];
    let step =
        seconds.into_iter().map(|seconds: f64| (seconds * 1e6) as i64).find(|step| interval <= step * 100)?;
    let mut from = sorted.first()?.2.price.units();
    let mut sum = 0.0;
    for (index, (_, time, trade)) in sorted.iter().enumerate() {
        let step_of = |time: i64| (time - start) / step;
        if sorted.get(index + 1).is_some_and(|(_, next, _)| step_of(*next) == step_of(*time)) {
            continue;
        }
        let to = trade.price.units();
        if from <= 0 || to <= 0 {
            return None;
        }
        let log_return = libm::log1p((to - from) as f64 / from as f64);
        sum += log_return * log_return;
        from = to;
    }
    Some(sum)
}

/// How many trades repeat a number, and how much they are. The first that becomes visible does not; of one instant, the first read.
fn duplicates(trades: &[Counted<'_>]) -> (i64, Amount) {
    let mut by_visibility = trades.to_vec();
    by_visibility.sort_by_key(|(visible, ..)| *visible);
    let mut known = BTreeSet::new();
    let mut is_repeated = |(.., trade): &&Counted<'_>| trade.trade_id.is_some_and(|id| !known.insert(id));
    let repeated: Vec<i128> = by_visibility
        .iter()
        .filter(|counted| is_repeated(counted))
        .map(|(.., trade)| trade.quantity.units())
        .collect();
    (repeated.len() as i64, Amount::from_units(repeated.iter().sum()).unwrap_or(Amount::ZERO))
}

/// The trades of one candle, without what refers to others; none of none.
fn candle(trades: &[Counted<'_>], start: i64, interval: i64) -> Option<CandleResult> {
    let mut sorted = trades.to_vec();
    sorted.sort_by_key(|(_, time, trade)| (*time, trade.trade_id, trade.event_id.as_str()));
    let (first, last) = (sorted.first()?.2, sorted.last()?.2);
    let prices = || trades.iter().map(|(.., trade)| trade.price);
    let side = |side: Option<Aggressor>| {
        let of_side = trades.iter().filter(|(.., trade)| side.is_none_or(|side| trade.aggressor == side));
        let quantities: Vec<i128> = of_side.map(|(.., trade)| trade.quantity.units()).collect();
        (quantities.len() as i64, Amount::from_units(quantities.iter().sum()).unwrap_or(Amount::ZERO))
    };
    let quote: i128 = trades.iter().map(|(.., trade)| trade.price.units() * trade.quantity.units()).sum();
    let ids: BTreeSet<i64> = trades.iter().filter_map(|(.., trade)| trade.trade_id).collect();
    let missing = ids.first().zip(ids.last()).map_or(0, |(first, last)| last - first + 1 - ids.len() as i64);
    let ((trade_count, base_volume), buys, sells) =
        (side(None), side(Some(Aggressor::Buy)), side(Some(Aggressor::Sell)));
    let largest = trades.iter().map(|(.., trade)| trade.quantity).max()?;
    let largest = sorted.iter().find(|(.., trade)| trade.quantity == largest)?.2;
    let (duplicate_trade_count, duplicate_volume) = duplicates(trades);
    let units = |units: i128| Amount::from_units(units).unwrap_or(Amount::ZERO);
    let (high, low) = (prices().max()?, prices().min()?);
    Some(CandleResult {
        venue: first.venue.to_string(),
        symbol: first.symbol.to_string(),
        interval_s: 0,
        window_start: at(start),
        window_end: at(0),
        is_final: false,
        revision: 0,
        open: first.price,
        high,
        low,
        close: last.price,
        trade_count,
        base_volume,
        quote_volume: Quote::from_units(quote).unwrap_or(Quote::ZERO),
        taker_buy_count: buys.0,
        taker_sell_count: sells.0,
        taker_buy_volume: buys.1,
        taker_sell_volume: sells.1,
        first_trade_id: ids.first().copied(),
        last_trade_id: ids.last().copied(),
        missing_trade_ids: missing,
        missing_before: None,
        duplicate_trade_count,
        duplicate_volume,
        largest_quantity: largest.quantity,
        largest_price: largest.price,
        largest_trade_id: largest.trade_id,
        taker_net_volume: units(buys.1.units() - sells.1.units()),
        taker_volume: units(buys.1.units() + sells.1.units()),
        realised_variance: realised_variance(&sorted, start, interval),
        true_range: units(high.units() - low.units()),
        past_candle_count: 0,
        past_base_volume: Amount::ZERO,
        past_true_range: Amount::ZERO,
        is_volume_spike: false,
        is_price_spike: false,
        freshness: Freshness::default(),
    })
}
