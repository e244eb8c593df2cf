//! Candles: open, high, low, close, volumes and trade counts of every market, in tumbling windows of one interval.
//!
//! Always holds: a trade belongs to the candle that starts at its event time rounded down to the interval, and is late if
//! that candle's end is at or before its own partition's watermark. Open and close are the first and last trade by
//! (event_time, trade_id, event_id), whatever order they came in. Sums are exact. A sum that would leave the 38 digits of
//! its field stays at the largest number that fits (all nines): it neither wraps nor stops the job.
//! A changed candle is shown at every multiple of `emit_every` and once more, finally, at its end; a candle no longer than
//! `emit_every` is shown only at its end.
//! Does not know: gaps and duplicates of trade ids, and which venues exist.

mod candle;

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::{Equivalent, HashMap, HashSet};
use rustc_hash::FxBuildHasher;
use schemas::{Event, Timestamp};

use crate::pending::Pending;
use crate::processor::{Arrival, Disposition, Output, Processor};
use crate::windows::{last_window_end, tick_at_or_after};
use candle::{Candle, Trade};

/// Candles of one interval, validated: whole seconds, a multiple of `emit_every` or no longer than it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CandleSpec {
    pub(crate) interval_s: i32,
    pub(crate) emit_every_micros: i64,
}

impl CandleSpec {
    fn interval_micros(self) -> i64 {
        i64::from(self.interval_s) * 1_000_000
    }
}

/// A venue and a symbol. The order is that of records within a tick.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Market {
    venue: Box<str>,
    symbol: Box<str>,
}

#[derive(Hash)]
struct MarketKey<'e> {
    venue: &'e str,
    symbol: &'e str,
}

impl Equivalent<Arc<Market>> for MarketKey<'_> {
    fn equivalent(&self, market: &Arc<Market>) -> bool {
        *self.venue == *market.venue && *self.symbol == *market.symbol
    }
}

/// The candles of one interval.
pub(crate) struct Candles {
    spec: CandleSpec,
    pending: Pending<(Arc<Market>, Trade)>,
    markets: HashSet<Arc<Market>, FxBuildHasher>,
    open: HashMap<Arc<Market>, Candle, FxBuildHasher>,
    window_end: Timestamp,
}

impl Candles {
    pub(crate) fn new(spec: CandleSpec) -> Self {
        Candles {
            pending: Pending::new(spec.emit_every_micros.min(spec.interval_micros())),
            markets: HashSet::default(),
            open: HashMap::default(),
            window_end: Timestamp::MIN,
            spec,
        }
    }

    fn market(&mut self, venue: &str, symbol: &str) -> Arc<Market> {
        if let Some(known) = self.markets.get(&MarketKey { venue, symbol }) {
            return Arc::clone(known);
        }
        let market = Arc::new(Market { venue: venue.into(), symbol: symbol.into() });
        self.markets.insert(Arc::clone(&market));
        market
    }

    fn next_tick(&self) -> Option<Timestamp> {
        let end = (!self.open.is_empty()).then_some(self.window_end);
        self.pending.first_tick().into_iter().chain(end).min()
    }

    fn write_tick(&mut self, tick: Timestamp, out: &mut Vec<Output>) {
        self.window_end = tick_at_or_after(tick, self.spec.interval_micros());
        let mut changed = Vec::new();
        for entry in self.pending.take(tick) {
            let (market, trade) = entry.value;
            match self.open.get_mut(&market) {
                Some(candle) => {
                    candle.add(trade);
                    if !std::mem::replace(&mut candle.is_changed, true) {
                        changed.push(market);
                    }
                }
                None => {
                    self.open.insert(Arc::clone(&market), Candle::new(trade));
                    changed.push(market);
                }
            }
        }
        let is_final = tick == self.window_end;
        if is_final {
            changed = self.open.keys().map(Arc::clone).collect();
        }
        changed.sort_unstable();
        for market in changed {
            if let Some(candle) = self.open.get_mut(&market) {
                candle.is_changed = false;
                candle.revision += 1;
                let mut record = candle.record(&market.venue, &market.symbol);
                record.interval_s = self.spec.interval_s;
                record.window_start = self.window_end.plus_micros(-self.spec.interval_micros());
                record.window_end = self.window_end;
                record.is_final = is_final;
                record.freshness.as_of = tick;
                out.push(Output::Candle(record));
            }
        }
        if is_final {
            self.open.clear();
            // Markets that have nothing waiting are forgotten: only the set itself holds them.
            self.markets.retain(|market| Arc::strong_count(market) > 1);
        }
    }
}

impl Processor for Candles {
    fn process(&mut self, event: &Event<'_>, arrival: &Arrival, _: &mut Vec<Output>) -> Disposition {
        let Event::Trade(trade) = event else { return Disposition::Ignored };
        let interval_micros = self.spec.interval_micros();
        let end = last_window_end(arrival.event_time, interval_micros, interval_micros);
        if end <= arrival.partition_watermark {
            return Disposition::Late;
        }
        let market = self.market(&trade.venue, &trade.symbol);
        self.pending.file(arrival, (market, Trade::of(trade, arrival.event_time)));
        Disposition::Taken
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Vec<Output>) {
        while let Some(tick) = self.next_tick().filter(|tick| *tick <= watermark) {
            self.write_tick(tick, out);
        }
    }
}
