//! Candles, as written under `[jobs.NAME.candles]`, and what is refused there.
//!
//! Always holds: an unknown key is refused; a message says what would be right. Does not know: the file, or what the keys make of the events.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::duration::Duration;
use super::one_second;
use super::validate::Problems;
use crate::markets::CandleSpec;

/// Candles of every market.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandlesConfig {
    /// The candles' lengths, in whole seconds.
    pub intervals: Vec<Duration>,
    /// How often, in event time, a changed candle is shown before it ends; intervals up to this show only the end.
    #[serde(default = "one_second")]
    pub emit_every: Duration,
}

pub(super) fn validate_candles(config: &CandlesConfig, problems: &mut Problems) -> Vec<CandleSpec> {
    problems.require(!config.intervals.is_empty(), "candles.intervals", || {
        "is empty: name at least one, such as \"1m\"".to_owned()
    });
    let is_positive = problems.require_positive(config.emit_every, "candles.emit_every".to_owned());
    let mut seen = BTreeSet::new();
    let mut specs = Vec::new();
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
        specs.push(CandleSpec { interval_s: secs, emit_every_micros: config.emit_every.micros() });
    }
    specs
}
