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

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::{Equivalent, HashMap, HashSet};
use rustc_hash::FxBuildHasher;
use schemas::{Event, Timestamp};

use crate::pending::Pending;
use crate::processor::{Arrival, Disposition, Output, Processor};
use crate::state::bytes::{Reader, Stored, Unreadable, stored};
use crate::state::journal::{Entries, Journal};
use crate::state::{Chunk, Head, StateError, StateSize};
use crate::windows::{last_window_end, tick_at_or_after};
use candle::{Candle, Trade};

/// About what an open candle and a waiting trade take in memory.
const CANDLE_BYTES: usize = 600;
const TRADE_BYTES: usize = 160;

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

stored!(Market { venue, symbol });

impl Stored for Arc<Market> {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.get().map(Arc::new)
    }
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
    head: Head,
    /// The candles of the open window as they were saved.
    journal: Journal,
    /// Whether it was saved or restored before: until then no change is remembered, since all would be written.
    is_tracked: bool,
    unsaved: Vec<Arc<Market>>,
}

impl Candles {
    pub(crate) fn new(spec: CandleSpec) -> Self {
        Candles {
            pending: Pending::new(spec.emit_every_micros.min(spec.interval_micros())),
            markets: HashSet::default(),
            open: HashMap::default(),
            window_end: Timestamp::MIN,
            head: Head::default(),
            journal: Journal::default(),
            is_tracked: false,
            unsaved: Vec::new(),
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
                if self.is_tracked && !std::mem::replace(&mut candle.is_unsaved, true) {
                    self.unsaved.push(Arc::clone(&market));
                }
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
            self.journal.clear();
            self.unsaved.clear();
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

    fn name(&self) -> String {
        format!("candles.{}", self.spec.interval_s)
    }

    fn save(&mut self, prefix: &str, is_known: &dyn Fn(&str, u64) -> bool, chunks: &mut Vec<Chunk>) {
        self.pending.save(prefix, is_known, chunks);
        let mut changed = Entries::default();
        for market in self.unsaved.drain(..) {
            if let Some(candle) = self.open.get_mut(&market) {
                candle.is_unsaved = false;
                changed.put(|key| market.put(key), |value| candle.put(value));
            }
        }
        let changed = std::mem::replace(&mut self.is_tracked, true).then_some(changed);
        let open = &self.open;
        self.journal.save(&format!("{prefix}/window"), is_known, chunks, changed, |all| {
            open.iter()
                .for_each(|(market, candle)| all.put(|key| market.put(key), |value| candle.put(value)));
        });
        self.head.save(format!("{prefix}/head"), is_known, chunks, |out| {
            self.window_end.put(out);
            self.pending.put_head(out);
            self.journal.put_head(out);
        });
    }

    fn restore(&mut self, prefix: &str, chunks: &BTreeMap<String, Chunk>) -> Result<(), StateError> {
        self.journal = self.head.restore(&format!("{prefix}/head"), chunks, |head| {
            self.window_end = head.get()?;
            self.pending.get_head(head)?;
            Journal::get_head(head)
        })?;
        self.is_tracked = true;
        self.pending.restore(prefix, chunks)?;
        self.journal.restore(&format!("{prefix}/window"), chunks, |key, value| {
            let candle = value.ok_or(Unreadable("lacks a value"))?.get()?;
            self.open.insert(key.get()?, candle);
            Ok(())
        })?;
        self.markets = self.open.keys().map(Arc::clone).collect();
        Ok(())
    }

    fn size(&self) -> StateSize {
        let (groups, pending) = (self.open.len(), self.pending.len());
        StateSize {
            groups: groups as u64,
            pending: pending as u64,
            bytes_estimate: (groups * CANDLE_BYTES + pending * TRADE_BYTES) as u64,
            ..StateSize::default()
        }
    }
}
