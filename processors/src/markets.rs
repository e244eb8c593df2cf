//! Candles: open, high, low, close, volumes, gaps and spikes of every market, in tumbling windows of several intervals.
//!
//! Always holds: a trade belongs to the candle that starts at its event time rounded down to the interval, and is late for it if
//! that candle's end is at or before its own partition's watermark. Open and close are the first and last trade by
//! (event_time, trade_id, event_id), whatever order they came in. Sums are exact. A sum that would leave the 38 digits of
//! its field stays at the largest number that fits (all nines): it neither wraps nor stops the job.
//! A changed candle is shown at every multiple of `emit_every`, corrected by what came since, and once more, finally, at its
//! end; a candle no longer than `emit_every` is shown only at its end. Trades are taken in as soon as they are visible, a slice of event
//! time at a time, so that little is left to do when a candle is to be shown. Of a market's closed candles the last `spike_candles` of each
//! interval are kept, until it has had no trade for seven days.
//! Does not know: which venues exist.

mod candle;
mod explained;
mod ids;
mod past;
mod returns;
mod saved;
mod spec;

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::hash_map::EntryRef;
use hashbrown::{Equivalent, HashMap};
use rustc_hash::FxBuildHasher;
use schemas::{Event, Timestamp};

use crate::pending::{Lane, Pending, lane_of};
use crate::processor::{Arrival, Disposition, Output, Processor};
use crate::state::bytes::{Reader, Stored, Unreadable, put_str, stored};
use crate::state::journal::Journal;
use crate::state::{Chunk, Head, StateError, StateSize};
use crate::windows::{last_window_end, tick_at_or_after};
use candle::{Candle, Trade};
pub(crate) use past::Spikes;
use past::{KEPT_MICROS, Past};
pub(crate) use spec::CandleSpec;

/// About what a market's candle of one interval, with its past, and a waiting trade take in memory.
const CANDLE_BYTES: usize = 1_400;
const TRADE_BYTES: usize = 200;

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

impl From<&MarketKey<'_>> for Market {
    fn from(key: &MarketKey<'_>) -> Self {
        Market { venue: key.venue.into(), symbol: key.symbol.into() }
    }
}

/// A trade that waits to become visible.
struct Waiting<'a> {
    market: MarketKey<'a>,
    trade: Trade,
}

impl<'a> Waiting<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        put_str(out, self.market.venue);
        put_str(out, self.market.symbol);
        self.trade.put(out);
    }

    fn get(reader: &mut Reader<'a>) -> Result<Self, Unreadable> {
        let market = MarketKey { venue: reader.str()?, symbol: reader.str()? };
        Ok(Waiting { market, trade: reader.get()? })
    }

    /// The lane in which it waits.
    fn lane(&self) -> Lane {
        lane_of(self.market.symbol)
    }
}

impl Equivalent<Arc<Market>> for MarketKey<'_> {
    fn equivalent(&self, market: &Arc<Market>) -> bool {
        *self.venue == *market.venue && *self.symbol == *market.symbol
    }
}

/// One interval, and what is saved of it.
struct Series {
    interval_s: i32,
    interval_micros: i64,
    /// Changed candles are shown at its multiples. It divides the interval.
    step_micros: i64,
    sampling_micros: i64,
    /// The end of the window that is open.
    window_end: Timestamp,
    /// The markets with a candle in it.
    open: Vec<Arc<Market>>,
    /// Those of them with a trade since the last records.
    changed: Vec<Arc<Market>>,
    /// The candles of the open window as they were saved.
    window: Journal,
    /// The pasts as they were saved.
    past: Journal,
    /// The day on which pasts were last looked through for those to forget.
    swept: Timestamp,
    /// Markets whose past was forgotten since the last save.
    forgotten: Vec<Arc<Market>>,
}

impl Series {
    fn new((interval_s, step_micros): (i32, i64)) -> Self {
        let interval_micros = i64::from(interval_s) * 1_000_000;
        Series {
            interval_s,
            interval_micros,
            step_micros,
            sampling_micros: returns::step_micros(interval_micros),
            window_end: Timestamp::MIN,
            open: Vec::new(),
            changed: Vec::new(),
            window: Journal::default(),
            past: Journal::default(),
            swept: Timestamp::MIN,
            forgotten: Vec::new(),
        }
    }

    fn window_start(&self) -> Timestamp {
        self.window_end.plus_micros(-self.interval_micros)
    }

    /// When records are due, if no further trade comes; everything before `taken_until` was taken in.
    fn next_tick(&self, taken_until: Timestamp) -> Option<Timestamp> {
        let is_changed = !self.changed.is_empty();
        let changed = is_changed.then(|| tick_at_or_after(taken_until, self.step_micros));
        changed.or_else(|| (!self.open.is_empty()).then_some(self.window_end))
    }
}

/// A market in one series.
#[derive(Default)]
struct Slot {
    open: Option<Box<Candle>>,
    past: Option<Past>,
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.open.is_none() && self.past.is_none()
    }
}

/// A market that has a candle or a past.
struct MarketState {
    /// One for each series.
    slots: Box<[Slot]>,
    /// Whether it is among the changes that the next save writes.
    is_unsaved: bool,
}

type Markets = HashMap<Arc<Market>, MarketState, FxBuildHasher>;

/// The candles of all intervals.
pub(crate) struct Candles {
    spikes: Spikes,
    pending: Pending,
    markets: Markets,
    series: Vec<Series>,
    head: Head,
    /// Whether it was saved or restored before: until then no change is remembered, since all would be written.
    is_tracked: bool,
    unsaved: Vec<Arc<Market>>,
}

impl Candles {
    pub(crate) fn new(spec: &CandleSpec) -> Self {
        Candles {
            spikes: spec.spikes,
            pending: Pending::new(spec.slice_micros()),
            markets: HashMap::default(),
            series: spec.steps_micros().map(Series::new).collect(),
            head: Head::default(),
            is_tracked: false,
            unsaved: Vec::new(),
        }
    }

    /// The next instant at which trades are to be taken in or records are due.
    fn next_instant(&self) -> Option<Timestamp> {
        let taken_until = self.pending.taken_until();
        let ticks = self.series.iter().filter_map(|series| series.next_tick(taken_until));
        ticks.chain(self.pending.first_tick()).min()
    }

    /// Adds a trade to the open candle of every series for which it is not late: the windows before the open one are closed.
    fn absorb(&mut self, key: &MarketKey<'_>, trade: &Trade) {
        let (market, state) = match self.markets.entry_ref(key) {
            EntryRef::Occupied(entry) => entry.into_entry(),
            EntryRef::Vacant(entry) => {
                let slots = std::iter::repeat_with(Slot::default).take(self.series.len()).collect();
                let state = MarketState { slots, is_unsaved: false };
                entry.insert_entry_with_key(Arc::new(key.into()), state).into_entry()
            }
        };
        let quote = trade.quote();
        for (series, slot) in self.series.iter_mut().zip(&mut state.slots) {
            let into_window = trade.position.event_time.micros_since(series.window_start());
            if into_window < 0 {
                continue;
            }
            let step = (into_window / series.sampling_micros) as u64;
            if let Some(candle) = &mut slot.open {
                candle.add(trade, quote, step);
                if !std::mem::replace(&mut candle.is_changed, true) {
                    series.changed.push(Arc::clone(market));
                }
            } else {
                let start = series.window_start();
                if slot.past.take_if(|past| !past.is_remembered(start)).is_some() && self.is_tracked {
                    series.forgotten.push(Arc::clone(market));
                }
                slot.open = Some(Box::new(Candle::new(trade, quote, step)));
                series.open.push(Arc::clone(market));
                series.changed.push(Arc::clone(market));
            }
        }
        if self.is_tracked && !std::mem::replace(&mut state.is_unsaved, true) {
            self.unsaved.push(Arc::clone(market));
        }
    }

    /// Takes in the trades that become visible before `instant`. No window ends before it that has a candle.
    fn take_in(&mut self, instant: Timestamp) {
        for series in &mut self.series {
            series.window_end = tick_at_or_after(instant, series.interval_micros);
        }
        let filed = self.pending.take(instant);
        for (_, Waiting { market, trade }) in filed.iter(Waiting::get) {
            self.absorb(&market, &trade);
        }
        self.pending.reuse(filed);
    }

    /// Writes the records that are due at `tick`.
    fn write_tick(&mut self, tick: Timestamp, out: &mut Vec<Output>) {
        let mut shown = Vec::new();
        let is_due = |series: &&mut Series| tick.floor(series.step_micros) == tick;
        for series in self.series.iter_mut().filter(is_due) {
            shown.append(&mut series.changed);
            if series.window_end == tick {
                shown.append(&mut series.open);
                series.window.clear();
            }
        }
        shown.sort_unstable();
        shown.dedup();
        for market in shown {
            self.show(&market, tick, out);
        }
        self.forget(tick);
    }

    /// Writes the records of a market's candles that changed or end, and makes those that end its past.
    fn show(&mut self, market: &Arc<Market>, tick: Timestamp, out: &mut Vec<Output>) {
        let Some(state) = self.markets.get_mut(market) else { return };
        if self.is_tracked && !std::mem::replace(&mut state.is_unsaved, true) {
            self.unsaved.push(Arc::clone(market));
        }
        for (series, slot) in self.series.iter().zip(&mut state.slots) {
            let is_final = series.window_end == tick;
            let is_due = |candle: &&mut Box<Candle>| is_final || candle.is_changed;
            let is_step = tick.floor(series.step_micros) == tick;
            let Some(candle) = slot.open.as_mut().filter(|candle| is_step && is_due(candle)) else {
                continue;
            };
            candle.is_changed = false;
            candle.revision += 1;
            let figures = candle.figures();
            let compared = Past::compare(slot.past.as_ref(), &figures, self.spikes);
            let mut record = candle.record(&compared, slot.past.as_ref().and_then(Past::highest_trade_id));
            record.venue = market.venue.to_string();
            record.symbol = market.symbol.to_string();
            record.interval_s = series.interval_s;
            record.window_start = series.window_start();
            record.window_end = series.window_end;
            record.is_final = is_final;
            record.freshness.as_of = tick;
            out.push(Output::Candle(record));
            if is_final {
                slot.open = None;
                slot.past =
                    Some(Past::after(slot.past.take(), tick, &figures, compared.true_range, self.spikes));
            }
        }
    }

    /// Once a day, and at the end of a candle: forgets the pasts whose time is over. They would not be used any more.
    fn forget(&mut self, tick: Timestamp) {
        let mut is_any = false;
        for (index, series) in self.series.iter_mut().enumerate() {
            let day = tick.floor(KEPT_MICROS / 7);
            if series.window_end != tick || std::mem::replace(&mut series.swept, day) == day {
                continue;
            }
            for (market, state) in &mut self.markets {
                let slot = &mut state.slots[index];
                if slot.past.take_if(|past| !past.is_remembered(tick)).is_some() {
                    is_any = true;
                    if self.is_tracked {
                        series.forgotten.push(Arc::clone(market));
                    }
                }
            }
        }
        if is_any {
            self.markets.retain(|_, state| !state.slots.iter().all(Slot::is_empty));
        }
    }
}

impl Processor for Candles {
    fn process(&mut self, event: &Event<'_>, arrival: &Arrival, _: &mut Vec<Output>) -> Disposition {
        let Event::Trade(trade) = event else { return Disposition::Ignored };
        let end = |series: &Series| {
            last_window_end(arrival.event_time, series.interval_micros, series.interval_micros)
        };
        if self.series.iter().all(|series| end(series) <= arrival.partition_watermark) {
            return Disposition::Late;
        }
        let market = MarketKey { venue: &trade.venue, symbol: &trade.symbol };
        let waiting = Waiting { market, trade: Trade::of(trade, arrival.event_time) };
        self.pending.file(arrival, waiting.lane(), |out| waiting.put(out));
        Disposition::Taken
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Vec<Output>) {
        while let Some(instant) = self.next_instant().filter(|instant| *instant <= watermark) {
            self.take_in(instant);
            self.write_tick(instant, out);
        }
    }

    fn name(&self) -> String {
        "candles".to_owned()
    }

    fn save(&mut self, prefix: &str, is_known: &dyn Fn(&str, u64) -> bool, chunks: &mut Vec<Chunk>) {
        self.save_chunks(prefix, is_known, chunks);
    }

    fn restore(&mut self, prefix: &str, chunks: &BTreeMap<String, Chunk>) -> Result<(), StateError> {
        self.restore_chunks(prefix, chunks)
    }

    fn size(&self) -> StateSize {
        let (groups, pending) = (self.markets.len(), self.pending.len());
        StateSize {
            groups: groups as u64,
            pending: pending as u64,
            bytes_estimate: (groups * self.series.len() * CANDLE_BYTES + pending * TRADE_BYTES) as u64,
            ..StateSize::default()
        }
    }
}
