//! Candles, naively: at every tick the trades of the open interval that are visible before it.

use std::collections::{BTreeMap, BTreeSet};

use processors::Output;
use schemas::{Aggressor, Amount, CandleResult, Event, Freshness, Quote, TradeEvent};

use super::{Arrived, at, ceil, tick_after};

/// A trade that counts: the instant from which it is visible, its (cut) time, and itself.
type Counted<'a> = (i64, i64, &'a TradeEvent<'static>);

/// Writes every record of one interval; returns how many trades came too late.
pub(super) fn records(interval: i64, emit_every: i64, arrived: &[Arrived<'_>], out: &mut Vec<Output>) -> u64 {
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
    let emit = emit_every.min(interval);
    for trades in markets.into_values() {
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
                out.extend(candle(&counted).map(|candle| {
                    Output::Candle(CandleResult {
                        interval_s: (interval / 1_000_000) as i32,
                        window_start: at(end - interval),
                        window_end: at(end),
                        is_final: tick == end,
                        revision,
                        freshness: Freshness { as_of: at(tick), ..Freshness::default() },
                        ..candle
                    })
                }));
            }
        }
    }
    late
}

/// The trades of one candle; none of none.
fn candle(trades: &[Counted<'_>]) -> Option<CandleResult> {
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
    let ids = || trades.iter().filter_map(|(.., trade)| trade.trade_id);
    let ((trade_count, base_volume), buys, sells) =
        (side(None), side(Some(Aggressor::Buy)), side(Some(Aggressor::Sell)));
    Some(CandleResult {
        venue: first.venue.to_string(),
        symbol: first.symbol.to_string(),
        interval_s: 0,
        window_start: at(0),
        window_end: at(0),
        is_final: false,
        revision: 0,
        open: first.price,
        high: prices().max()?,
        low: prices().min()?,
        close: last.price,
        trade_count,
        base_volume,
        quote_volume: Quote::from_units(quote).unwrap_or(Quote::ZERO),
        taker_buy_count: buys.0,
        taker_sell_count: sells.0,
        taker_buy_volume: buys.1,
        taker_sell_volume: sells.1,
        first_trade_id: ids().min(),
        last_trade_id: ids().max(),
        freshness: Freshness::default(),
    })
}
