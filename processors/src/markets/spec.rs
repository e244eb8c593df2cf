//! What of candles is configured.
//!
//! Always holds: it does not change while a job runs. Does not know: trades.

use super::Spikes;
use crate::pending::slice_micros;

/// Candles, validated: `emit_every_micros` divides every interval that is longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CandleSpec {
    /// Their lengths in seconds, from the shortest.
    pub(crate) intervals_s: Vec<i32>,
    pub(crate) emit_every_micros: i64,
    pub(crate) spikes: Spikes,
}

impl CandleSpec {
    /// Each interval with its step: it is shown at multiples of that, if something came.
    pub(super) fn steps_micros(&self) -> impl Iterator<Item = (i32, i64)> {
        let step = |interval_s: i32| (i64::from(interval_s) * 1_000_000).min(self.emit_every_micros);
        self.intervals_s.iter().map(move |interval_s| (*interval_s, step(*interval_s)))
    }

    /// Trades are taken in at multiples of this, which divides every step.
    pub(super) fn slice_micros(&self) -> i64 {
        slice_micros(self.steps_micros().map(|(_, step_micros)| step_micros))
    }
}
