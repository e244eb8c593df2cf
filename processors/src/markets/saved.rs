//! Candles as chunks.
//!
//! `head` is small and has the clock of every series and the list of its chunks; `pending/` has the trades that wait; `INTERVAL/window/`
//! the open candles, and under the same market every sampled price of its own, so that a long candle is not written again for each
//! new one; `INTERVAL/past/` what is known of closed candles.
//!
//! Does not know: what the figures mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::candle::Candle;
use super::past::Past;
use super::returns::{Sample, Samples};
use super::{Candles, Market, MarketState, Series, Slot, Waiting};
use crate::state::bytes::{Stored, Unreadable};
use crate::state::journal::{Entries, Journal};
use crate::state::{Chunk, StateError};

/// What stands behind the market in the key of a candle; behind it, that of a sampled price is its step.
const CANDLE_KEY: u64 = 0;

impl Slot {
    /// Adds the open candle and those of its sampled prices that `is_wanted`.
    fn put_window(&self, market: &Market, is_wanted: impl Fn(&Sample) -> bool, out: &mut Entries) {
        let Some(candle) = &self.open else { return };
        let put_key = |key: &mut Vec<u8>, number: u64| {
            market.put(key);
            number.put(key);
        };
        out.put(|key| put_key(key, CANDLE_KEY), |value| candle.put(value));
        for sample in candle.samples.iter().filter(|sample| is_wanted(sample)) {
            out.put(|key| put_key(key, sample.step + 1), |value| sample.put(value));
        }
    }

    fn put_past(&self, market: &Market, out: &mut Entries) {
        if let Some(past) = &self.past {
            out.put(|key| market.put(key), |value| past.put(value));
        }
    }

    /// Notes that everything was saved.
    fn mark_saved(&mut self) {
        if let Some(candle) = &mut self.open {
            candle.samples.iter_mut().for_each(|sample| sample.is_unsaved = false);
        }
        if let Some(past) = &mut self.past {
            past.is_unsaved = false;
        }
    }
}

impl Candles {
    pub(super) fn save_chunks(
        &mut self,
        prefix: &str,
        is_known: &dyn Fn(&str, u64) -> bool,
        chunks: &mut Vec<Chunk>,
    ) {
        self.pending.save(prefix, is_known, chunks);
        let unsaved = std::mem::take(&mut self.unsaved);
        let (markets, is_tracked) = (&self.markets, std::mem::replace(&mut self.is_tracked, true));
        for (index, series) in self.series.iter_mut().enumerate() {
            let (mut window, mut past) = (Entries::default(), Entries::default());
            series.forgotten.drain(..).for_each(|market| past.remove(|key| market.put(key)));
            for (market, state) in unsaved.iter().filter_map(|market| Some((market, markets.get(market)?))) {
                let slot = &state.slots[index];
                slot.put_window(market, |sample| sample.is_unsaved, &mut window);
                if slot.past.as_ref().is_some_and(|past| past.is_unsaved) {
                    slot.put_past(market, &mut past);
                }
            }
            let name = format!("{prefix}/{}", series.interval_s);
            let slots = || markets.iter().map(|(market, state)| (market, &state.slots[index]));
            series.window.save(
                &format!("{name}/window"),
                is_known,
                chunks,
                is_tracked.then_some(window),
                |all| {
                    slots().for_each(|(market, slot)| slot.put_window(market, |_| true, all));
                },
            );
            series.past.save(&format!("{name}/past"), is_known, chunks, is_tracked.then_some(past), |all| {
                slots().for_each(|(market, slot)| slot.put_past(market, all));
            });
        }
        if is_tracked {
            unsaved.iter().for_each(|market| {
                if let Some(state) = self.markets.get_mut(market) {
                    state.mark_saved();
                }
            });
        } else {
            self.markets.values_mut().for_each(MarketState::mark_saved);
        }
        let (pending, series) = (&self.pending, &self.series);
        self.head.save(format!("{prefix}/head"), is_known, chunks, |out| {
            pending.put_head(out);
            for series in series {
                series.window_end.put(out);
                series.swept.put(out);
                series.window.put_head(out);
                series.past.put_head(out);
            }
        });
    }

    pub(super) fn restore_chunks(
        &mut self,
        prefix: &str,
        chunks: &BTreeMap<String, Chunk>,
    ) -> Result<(), StateError> {
        let (pending, series) = (&mut self.pending, &mut self.series);
        self.head.restore(&format!("{prefix}/head"), chunks, |head| {
            pending.get_head(head)?;
            for series in series.iter_mut() {
                series.window_end = head.get()?;
                series.swept = head.get()?;
                series.window = Journal::get_head(head)?;
                series.past = Journal::get_head(head)?;
            }
            Ok(())
        })?;
        self.is_tracked = true;
        self.pending.restore(prefix, chunks, |reader| Ok(Waiting::get(reader)?.lane()))?;
        let mut markets: BTreeMap<Arc<Market>, Box<[Slot]>> = BTreeMap::new();
        let count = self.series.len();
        for (index, series) in self.series.iter_mut().enumerate() {
            for (market, slot) in series.restore(&format!("{prefix}/{}", series.interval_s), chunks)? {
                let of_market = markets
                    .entry(market)
                    .or_insert_with(|| std::iter::repeat_with(Slot::default).take(count).collect());
                of_market[index] = slot;
            }
        }
        for (market, slots) in markets {
            for (series, slot) in self.series.iter_mut().zip(&slots) {
                let Some(candle) = &slot.open else { continue };
                series.open.push(Arc::clone(&market));
                if candle.is_changed {
                    series.changed.push(Arc::clone(&market));
                }
            }
            self.markets.insert(market, MarketState { slots, is_unsaved: false });
        }
        Ok(())
    }
}

impl MarketState {
    fn mark_saved(&mut self) {
        self.is_unsaved = false;
        self.slots.iter_mut().for_each(Slot::mark_saved);
    }
}

impl Series {
    /// The markets with a candle or a past.
    fn restore(
        &mut self,
        name: &str,
        chunks: &BTreeMap<String, Chunk>,
    ) -> Result<BTreeMap<Arc<Market>, Slot>, StateError> {
        let mut slots: BTreeMap<Arc<Market>, (Slot, Samples)> = BTreeMap::new();
        self.window.restore(&format!("{name}/window"), chunks, |key, value| {
            let (slot, samples) = slots.entry(key.get()?).or_default();
            let (number, value): (u64, _) = (key.get()?, value.ok_or(Unreadable("lacks a value"))?);
            if number == CANDLE_KEY {
                slot.open = Some(Box::new(value.get::<Candle>()?));
            } else {
                samples.restore(value.get()?);
            }
            Ok(())
        })?;
        self.past.restore(&format!("{name}/past"), chunks, |key, value| {
            let (slot, _) = slots.entry(key.get()?).or_default();
            slot.past = value.map(|value| value.get::<Past>()).transpose()?;
            Ok(())
        })?;
        let mut restored = BTreeMap::new();
        for (market, (mut slot, samples)) in slots {
            if let Some(candle) = &mut slot.open {
                candle.samples = samples;
            }
            if !slot.is_empty() {
                restored.insert(market, slot);
            }
        }
        Ok(restored)
    }
}
