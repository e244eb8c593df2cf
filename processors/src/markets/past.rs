//! What a market's candle is compared with: the candles of its interval before it.
//!
//! Always holds: only closed candles with trades are in it, `spike_candles` of them at most, and none after a pause of
//! [`KEPT_MICROS`]. Comparisons are exact. Does not know: the open candle.

use schemas::{Amount, Timestamp};

use super::candle::{saturating_difference, saturating_sum};
use crate::state::bytes::stored;

/// A market without a trade for so long is forgotten: its next candle has no past. Seven days.
pub(super) const KEPT_MICROS: i64 = 7 * 86_400_000_000;

/// When a candle stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spikes {
    /// How many candles it is compared with.
    pub(crate) candles: usize,
    /// How many times their mean it must exceed.
    pub(crate) factor: u32,
}

/// What is known of a market's closed candles.
#[derive(Clone, Debug)]
pub(super) struct Past {
    /// The end of the last one.
    end: Timestamp,
    /// Its close.
    close: Amount,
    /// The highest trade id of all of them.
    highest_trade_id: Option<i64>,
    /// Base volume and true range of the last ones, the oldest first.
    recent: Vec<(Amount, Amount)>,
    /// Whether it is among the changes that the next save writes.
    pub(super) is_unsaved: bool,
}

stored!(Past { end, close, highest_trade_id, recent }..{ is_unsaved });

/// How a candle compares with its past.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Comparison {
    pub(super) true_range: Amount,
    pub(super) candle_count: i32,
    pub(super) base_volume: Amount,
    pub(super) range: Amount,
    pub(super) is_volume_spike: bool,
    pub(super) is_price_spike: bool,
}

/// What of a candle is compared and remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) high: Amount,
    pub(super) low: Amount,
    pub(super) close: Amount,
    pub(super) base_volume: Amount,
    pub(super) highest_trade_id: Option<i64>,
}

impl Past {
    /// Whether it is still remembered at the start of a candle or at a tick.
    pub(super) fn is_remembered(&self, at: Timestamp) -> bool {
        at < self.end.plus_micros(KEPT_MICROS)
    }

    /// The highest trade id of the candles before.
    pub(super) fn highest_trade_id(&self) -> Option<i64> {
        self.highest_trade_id
    }

    /// Compares a candle with `past`.
    pub(super) fn compare(past: Option<&Past>, candle: &Figures, spikes: Spikes) -> Comparison {
        let (mut top, mut bottom) = (candle.high, candle.low);
        let Some(past) = past else {
            return Comparison { true_range: saturating_difference(top, bottom), ..Comparison::default() };
        };
        (top, bottom) = (top.max(past.close), bottom.min(past.close));
        let sum = |of: fn(&(Amount, Amount)) -> Amount| {
            past.recent.iter().map(of).fold(Amount::ZERO, saturating_sum)
        };
        let true_range = saturating_difference(top, bottom);
        let (base_volume, range) = (sum(|one| one.0), sum(|one| one.1));
        let count = past.recent.len();
        let is_whole = count > 0 && count == spikes.candles;
        let stands_out = |value: Amount, sum: Amount| {
            is_whole && is_product_greater(value, count as u32, sum, spikes.factor)
        };
        Comparison {
            true_range,
            candle_count: count as i32,
            base_volume,
            range,
            is_volume_spike: stands_out(candle.base_volume, base_volume),
            is_price_spike: stands_out(true_range, range),
        }
    }

    /// The past with the candle that ended at `end`.
    pub(super) fn after(
        past: Option<Past>,
        end: Timestamp,
        candle: &Figures,
        true_range: Amount,
        spikes: Spikes,
    ) -> Past {
        let (highest_before, mut recent) =
            past.map(|past| (past.highest_trade_id, past.recent)).unwrap_or_default();
        recent.push((candle.base_volume, true_range));
        if recent.len() > spikes.candles {
            recent.remove(0);
        }
        let highest_trade_id = highest_before.max(candle.highest_trade_id);
        Past { end, close: candle.close, highest_trade_id, recent, is_unsaved: true }
    }
}

/// Whether `a * a_times > b * b_times`, exactly. Values below zero count as zero.
fn is_product_greater(a: Amount, a_times: u32, b: Amount, b_times: u32) -> bool {
    // The upper part and the lower 64 bits of the product.
    let product = |value: Amount, times: u32| {
        let (value, times) = (value.units().max(0) as u128, u128::from(times));
        let low = (value & u128::from(u64::MAX)) * times;
        ((value >> 64) * times + (low >> 64), low as u64)
    };
    product(a, a_times) > product(b, b_times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(units: i128) -> Amount {
        Amount::from_units(units).expect("fits")
    }

    fn figures(base_volume: i128, low: i128, high: i128, close: i128) -> Figures {
        Figures {
            high: units(high),
            low: units(low),
            close: units(close),
            base_volume: units(base_volume),
            highest_trade_id: None,
        }
    }

    #[test]
    fn products_are_compared_exactly_whatever_their_size() {
        let largest = 10i128.pow(38) - 1;
        assert!(is_product_greater(units(largest), 100, units(largest - 1), 100));
        assert!(!is_product_greater(units(largest), 100, units(largest), 100));
        assert!(!is_product_greater(units(largest - 1), u32::MAX, units(largest), u32::MAX));
        assert!(is_product_greater(units(1 << 64), 3, units((3 << 62) - 1), 4));
        assert!(!is_product_greater(units(-5), 3, units(0), 1));
    }

    #[test]
    fn a_spike_is_more_than_the_factor_times_the_mean_of_a_whole_past() {
        let spikes = Spikes { candles: 2, factor: 3 };
        let mut past = None;
        for (index, volume) in [5, 10, 20].into_iter().enumerate() {
            let (end, candle) = (Timestamp::from_micros(index as i64), figures(volume, 8, 12, 10));
            past = Some(Past::after(past, end, &candle, units(4), spikes));
        }
        // The mean volume of the last two is 15, the mean range 4.
        let compare =
            |volume, low, high| Past::compare(past.as_ref(), &figures(volume, low, high, high), spikes);
        let calm = compare(45, 10, 22);
        assert_eq!((calm.candle_count, calm.base_volume, calm.range), (2, units(30), units(8)));
        assert!(!calm.is_volume_spike && !calm.is_price_spike);
        assert!(compare(46, 10, 10).is_volume_spike && compare(0, 10, 23).is_price_spike);
        assert_eq!(compare(0, 15, 15).true_range, units(5), "the gap from the previous close counts");
        let short = Past::after(None, Timestamp::MIN, &figures(1, 1, 1, 1), units(0), spikes);
        assert!(!Past::compare(Some(&short), &figures(1_000, 1, 1_000, 1), spikes).is_volume_spike);
    }
}
