//! Realised variance: the prices of a candle at the ends of equal steps, and the sum of the squared log returns between them.
//!
//! With p0 the open and p1, p2, ... the last price of every step in which there was a trade, it is the sum of ln(p[i] / p[i-1])²
//! (T. G. Andersen and T. Bollerslev, "Answering the skeptics: yes, standard volatility models do provide accurate forecasts",
//! International Economic Review 39, 1998). Prices are sampled rather than taken trade by trade because between neighbouring
//! trades the bounce from bid to ask outweighs what there is to measure.
//!
//! Always holds: the last price of a step is that of its last trade by position, not by arrival. A logarithm is taken of exact
//! differences, by an implementation in software, and summed from the first step to the last: equal trades give equal bits on
//! every machine. Does not know: the candle.

use schemas::Amount;

use super::candle::Position;
use crate::state::bytes::stored;

const SECOND: i64 = 1_000_000;
/// Lengths that a step may have, in microseconds, from the shortest.
const STEPS_MICROS: [i64; 10] = [
    SECOND / 10,
    SECOND,
    5 * SECOND,
    15 * SECOND,
    60 * SECOND,
    300 * SECOND,
    900 * SECOND,
    3_600 * SECOND,
    14_400 * SECOND,
    86_400 * SECOND,
];
/// Steps that a candle is cut into at most: so many prices are kept of it.
pub(super) const STEPS_MAX: i64 = 100;

/// The step for candles of an interval: the shortest that gives at most [`STEPS_MAX`]; beyond, as many whole days as needed.
pub(super) fn step_micros(interval_micros: i64) -> i64 {
    let day = STEPS_MICROS[STEPS_MICROS.len() - 1];
    let fits = |step: &&i64| interval_micros <= **step * STEPS_MAX;
    STEPS_MICROS.iter().find(fits).copied().unwrap_or_else(|| (interval_micros / STEPS_MAX / day + 1) * day)
}

/// The last trade of a step.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// The step's number, from 0.
    pub(super) step: u64,
    position: Position,
    price: Amount,
    /// Whether it is among the changes that the next save writes.
    pub(super) is_unsaved: bool,
}

stored!(Sample { step, position, price }..{ is_unsaved });

/// The last trade of every step with one, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(Vec<Sample>);

impl Samples {
    /// Takes a trade of the step numbered `step`.
    pub(super) fn add(&mut self, step: u64, position: &Position, price: Amount) {
        let at = match self.0.last() {
            Some(last) if last.step <= step => self.0.len() - usize::from(last.step == step),
            _ => self.0.partition_point(|sample| sample.step < step),
        };
        match self.0.get_mut(at).filter(|sample| sample.step == step) {
            Some(sample) if sample.position >= *position => {}
            Some(sample) => *sample = Sample { step, position: position.clone(), price, is_unsaved: true },
            None => self.0.insert(at, Sample { step, position: position.clone(), price, is_unsaved: true }),
        }
    }

    /// Takes over one that was saved; the later of two of one step counts.
    pub(super) fn restore(&mut self, sample: Sample) {
        let at = self.0.partition_point(|other| other.step < sample.step);
        match self.0.get_mut(at).filter(|other| other.step == sample.step) {
            Some(other) => *other = sample,
            None => self.0.insert(at, sample),
        }
    }

    /// Those that there are.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Sample> {
        self.0.iter()
    }

    /// The same, to note what was saved.
    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Sample> {
        self.0.iter_mut()
    }

    /// The sum of the squared log returns, from `open` on; none if a price is not above zero.
    pub(super) fn realised_variance(&self, open: Amount) -> Option<f64> {
        let mut from = open.units();
        let mut sum = 0.0;
        for sample in &self.0 {
            let to = sample.price.units();
            if from <= 0 || to <= 0 {
                return None;
            }
            let log_return = libm::log1p((to - from) as f64 / from as f64);
            sum += log_return * log_return;
            from = to;
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use schemas::Timestamp;

    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().expect("a number")
    }

    fn samples(trades: &[(u64, i64, &str)]) -> Samples {
        let mut samples = Samples::default();
        for (step, micros, price) in trades {
            let event_time = Timestamp::from_micros(*micros);
            samples.add(*step, &Position { event_time, trade_id: None, event_id: "e".into() }, amount(price));
        }
        samples
    }

    #[test]
    fn a_day_is_sampled_every_quarter_of_an_hour_and_no_candle_more_than_a_hundred_times() {
        let seconds = [1, 7, 60, 300, 3_600, 86_400, 7 * 86_400, 400 * 86_400];
        let steps = seconds.map(|interval_s| step_micros(interval_s * SECOND) as f64 / SECOND as f64);
        assert_eq!(steps, [0.1, 0.1, 1.0, 5.0, 60.0, 900.0, 14_400.0, 432_000.0]);
        for interval_s in (1..5_000_000).step_by(9_973) {
            let step = step_micros(interval_s * SECOND);
            assert!((interval_s * SECOND + step - 1) / step <= STEPS_MAX, "{interval_s}");
        }
    }

    #[test]
    fn only_the_last_trade_of_a_step_counts_whatever_the_order() {
        let in_order = [(0, 1, "100"), (0, 2, "110"), (1, 12, "99"), (5, 50, "121"), (5, 51, "110")];
        let mut backwards = in_order;
        backwards.reverse();
        let expected = (1.1f64).ln().powi(2) * 2.0;
        for trades in [in_order, backwards] {
            let variance = samples(&trades).realised_variance(amount("100")).expect("above zero");
            // 100 → 110 → 99 → 110
            let by_hand = expected / 2.0 + (0.9f64).ln().powi(2) + (110.0f64 / 99.0).ln().powi(2);
            assert!((variance - by_hand).abs() < 1e-15, "{variance} {by_hand}");
        }
        assert_eq!(samples(&[(0, 1, "5")]).realised_variance(amount("5")), Some(0.0));
        assert_eq!(samples(&[(0, 1, "5"), (1, 2, "0")]).realised_variance(amount("5")), None);
        assert_eq!(samples(&[(0, 1, "5")]).realised_variance(amount("-5")), None);
    }
}
