//! Growth: how many times as much an item has in a window as it had before.
//!
//! `growth = in the window / max(expected, minimum)`, where `expected` is what the item had, on average, in as long as the window is
//! during the time right before it. So 1 is "as ever", and an item that was hardly there needs `minimum` to reach 1. (A bare ratio would
//! put whoever comes from nothing first, however little it has.) Written with ten digits after the point, further ones cut off; one that has
//! anything has at least the last digit, and at most 10^20.
//!
//! Always holds: the growth follows from two counts that add up; it is above zero if and only if there is something in the window.
//! Does not know: what is counted.

use schemas::Timestamp;

use crate::config::GrowthConfig;

/// Digits after the point.
pub(super) const DIGITS: u32 = 10;
/// The largest growth, in units of the last digit.
const UNITS_MAX: i128 = 10i128.pow(20 + DIGITS);

/// What a growth compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    /// How long the window is, and the time before.
    pub(crate) window_micros: i64,
    pub(crate) before_micros: i64,
    /// Least that is expected in a window.
    minimum: i128,
    /// The window that is open begins here: panes before are the time before.
    pub(super) window_start: Timestamp,
}

/// What an item has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) window: i128,
    pub(super) before: i128,
}

impl Growth {
    pub(crate) fn new(window_micros: i64, config: GrowthConfig) -> Self {
        Growth {
            window_micros,
            before_micros: config.before.micros(),
            minimum: i128::from(config.minimum),
            window_start: Timestamp::MIN,
        }
    }

    /// In units of ten to the minus [`DIGITS`].
    pub(super) fn units(&self, counts: Counts) -> i128 {
        if counts.window <= 0 {
            return 0;
        }
        let divisor = greatest_common_divisor(self.window_micros, self.before_micros);
        let window_micros = i128::from(self.window_micros / divisor);
        let before_micros = i128::from(self.before_micros / divisor);
        let has = counts.window.saturating_mul(before_micros).saturating_mul(10i128.pow(DIGITS));
        let expected = counts.before.saturating_mul(window_micros);
        let at_least = self.minimum.saturating_mul(before_micros);
        (has / expected.max(at_least)).clamp(1, UNITS_MAX)
    }
}

impl Counts {
    /// What there is of panes that start at `pane`.
    pub(super) fn of(&mut self, pane: Timestamp, growth: &Growth) -> &mut i128 {
        if pane < growth.window_start { &mut self.before } else { &mut self.window }
    }

    pub(super) fn is_nothing(self) -> bool {
        self.window == 0 && self.before == 0
    }
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(window: i128, before: i128) -> i128 {
        let config = "before = '1h'\nminimum = 10";
        let growth = Growth::new(300_000_000, toml::from_str(config).expect("a configuration"));
        growth.units(Counts { window, before })
    }

    #[test]
    fn it_is_the_multiple_of_what_was_usual() {
        assert_eq!(units(240, 1_200), 2_400_000_000 * 10, "100 in five minutes were usual");
        assert_eq!(units(50, 1_200), 5_000_000_000);
        assert_eq!(units(1, 360), 333_333_333, "a thirtieth, further digits cut off");
    }

    #[test]
    fn little_is_no_trend() {
        assert_eq!(units(5, 0), 5_000_000_000, "half of the minimum");
        assert_eq!(units(5, 12), 5_000_000_000, "one was usual");
        assert_eq!(units(5, 240), 2_500_000_000, "twenty were usual");
    }

    #[test]
    fn it_is_zero_without_events_and_never_with_some() {
        assert_eq!(units(0, 100), 0);
        assert_eq!(units(1, i128::from(i64::MAX)), 1);
        assert_eq!(units(i128::MAX, 0), UNITS_MAX);
        assert_eq!(units(i128::MAX, i128::MAX), 1, "sums that no log can hold do not panic");
    }
}
