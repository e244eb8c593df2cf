//! Candles, as written under `[jobs.NAME.candles]`, and what is refused there.
//!
//! Always holds: an unknown key is refused; a message says what would be right. Does not know: the file, or what the keys make of the events.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::duration::Duration;
use super::one_second;
use super::validate::Problems;
use crate::markets::{CandleSpec, Spikes};

/// Earlier candles that one may be compared with: so many are kept of every market and interval.
const SPIKE_CANDLES_MAX: u32 = 100;
const SPIKE_FACTOR_MAX: u32 = 1_000;

/// Candles of every market.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandlesConfig {
    /// The candles' lengths, in whole seconds.
    pub intervals: Vec<Duration>,
    /// How often, in event time, a changed candle is shown before it ends; intervals up to this show only the end.
    #[serde(default = "one_second")]
    pub emit_every: Duration,
    /// How many of a market's earlier candles of the same interval, counting those with trades, a candle is compared with.
    #[serde(default = "twenty")]
    pub spike_candles: u32,
    /// A candle is a spike if its volume, or its true range, is more than so many times the mean of theirs.
    #[serde(default = "five")]
    pub spike_factor: u32,
}

pub(super) fn validate_candles(config: &CandlesConfig, problems: &mut Problems) -> CandleSpec {
    problems.require(!config.intervals.is_empty(), "candles.intervals", || {
        "is empty: name at least one, such as \"1m\"".to_owned()
    });
    let is_positive = problems.require_positive(config.emit_every, "candles.emit_every".to_owned());
    let mut seen = BTreeSet::new();
    let mut intervals_s = Vec::new();
    for (index, interval) in config.intervals.iter().enumerate() {
        let key = format!("candles.intervals[{index}]");
        let secs = i32::try_from(interval.micros() / 1_000_000).unwrap_or(i32::MAX);
        let is_sound = problems.require_positive(*interval, key.clone())
            && problems.require(i64::from(secs) * 1_000_000 == interval.micros(), key.clone(), || {
                format!("\"{interval}\" is not a whole number of seconds that fits in 31 bits")
            })
            && problems.require(seen.insert(*interval), key.clone(), || {
                format!("\"{interval}\" is given twice: once is enough")
            });
        if is_sound && is_positive && *interval > config.emit_every {
            problems.require_divides(
                config.emit_every,
                *interval,
                "candles.emit_every".to_owned(),
                "the interval",
            );
        }
        intervals_s.push(secs);
    }
    problems.require(config.spike_candles <= SPIKE_CANDLES_MAX, "candles.spike_candles", || {
        format!("is {}: it goes from 0 (no comparison) to {SPIKE_CANDLES_MAX}", config.spike_candles)
    });
    problems.require((1..=SPIKE_FACTOR_MAX).contains(&config.spike_factor), "candles.spike_factor", || {
        format!("is {}: it goes from 1 to {SPIKE_FACTOR_MAX}", config.spike_factor)
    });
    let spikes = Spikes { candles: config.spike_candles as usize, factor: config.spike_factor };
    intervals_s.sort_unstable();
    CandleSpec { intervals_s, emit_every_micros: config.emit_every.micros(), spikes }
}

fn twenty() -> u32 {
    20
}

fn five() -> u32 {
    5
}
