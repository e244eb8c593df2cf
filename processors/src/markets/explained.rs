//! Candles in words: see [`crate::explain`].
//!
//! Always holds: bounds are those that the candles keep to. Does not know: any trade.

use schemas::Topic;

use super::{CANDLE_BYTES, CandleSpec, TRADE_BYTES, ids, past, returns};
use crate::explain::{Explained, Memory, names, rate, span, waiting};

impl CandleSpec {
    pub(crate) fn explain(&self, lateness_micros: i64) -> Explained {
        let lengths_micros = || self.intervals_s.iter().map(|interval_s| i64::from(*interval_s) * 1_000_000);
        let intervals: Vec<String> = lengths_micros().map(span).collect();
        let mut records = Vec::new();
        if lengths_micros().any(|length_micros| length_micros > self.emit_every_micros) {
            records.push(rate(self.emit_every_micros, "market and interval"));
        }
        records.push("one at the end of each candle".to_owned());
        let open = format!(
            "the open candle of each market and interval, with at most {} runs of trade ids and {} sampled prices",
            ids::RUNS_MAX,
            returns::STEPS_MAX
        );
        let closed = format!(
            "of its closed candles the last {}, until it has had no trade for {}",
            self.spikes.candles,
            span(past::KEPT_MICROS)
        );
        Explained {
            processor: format!("candles of {}", intervals.join(", ")),
            reads: names(&[Topic::Trades]),
            writes: Topic::Markets.name().to_owned(),
            key: "VENUE:SYMBOL/SECONDS",
            keeps: vec![open, closed],
            memory: vec![
                Memory::new(CANDLE_BYTES * self.intervals_s.len(), "market"),
                waiting(TRADE_BYTES, "trade", lateness_micros, self.slice_micros()),
            ],
            records,
        }
    }
}
