//! Samples of a duration by magnitude: percentiles with a stated error, mergeable.
//!
//! A bucket holds the samples that share their seven leading binary digits, as in an HDR histogram (G. Tene), and is named by
//! its middle: samples below 128 ms are exact, others within 1/128 = 0.8 % of it. There are 3,776 buckets at most.
//!
//! Whole numbers only, where a DDSketch takes logarithms: every machine, and SQL over the raw events, finds the same buckets.
//! Always holds: a histogram depends on the samples and not on their order; histograms merge by adding counts. A percentile is
//! that of the nearest rank: the least bucket that so many of 100 samples do not exceed. Does not know: what is measured.

use std::collections::BTreeMap;

use schemas::HistogramBucket;

use crate::state::bytes::{Reader, Stored, Unreadable};

/// Leading binary digits that the samples of a bucket share.
const DIGITS: u32 = 7;

/// Counts by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Histogram {
    count: i64,
    buckets: BTreeMap<i64, i64>,
}

/// The middle of the bucket of a sample. A negative sample counts as zero.
fn bucket(sample_ms: i64) -> i64 {
    let sample = sample_ms.max(0) as u64;
    let shift = (u64::BITS - sample.leading_zeros()).saturating_sub(DIGITS);
    let middle = ((sample >> shift) << shift) + ((1 << shift) >> 1);
    middle as i64
}

impl Histogram {
    pub(super) fn add(&mut self, sample_ms: i64) {
        self.count += 1;
        *self.buckets.entry(bucket(sample_ms)).or_insert(0) += 1;
    }

    pub(super) fn count(&self) -> i64 {
        self.count
    }

    /// How many buckets are held.
    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// The values that `percents` of 100 samples do not exceed, given in rising order; none without samples.
    pub(super) fn percentiles<const N: usize>(&self, percents: [i64; N]) -> [Option<i64>; N] {
        let mut found = [None; N];
        let mut next = 0;
        let mut passed = 0;
        for (value, count) in &self.buckets {
            passed += count;
            while next < N && i128::from(passed) * 100 >= i128::from(self.count) * i128::from(percents[next])
            {
                found[next] = Some(*value);
                next += 1;
            }
        }
        found
    }

    /// The buckets, by value.
    pub(super) fn buckets(&self) -> Vec<HistogramBucket> {
        self.buckets
            .iter()
            .map(|(value_ms, count)| HistogramBucket { value_ms: *value_ms, count: *count })
            .collect()
    }
}

impl Stored for Histogram {
    fn put(&self, out: &mut Vec<u8>) {
        (self.buckets.len() as u64).put(out);
        for (value, count) in &self.buckets {
            value.put(out);
            count.put(out);
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let buckets: BTreeMap<i64, i64> = reader.get::<Vec<_>>()?.into_iter().collect();
        let count = buckets.values().try_fold(0i64, |sum, count| sum.checked_add(*count));
        Ok(Histogram { count: count.ok_or(Unreadable("holds a number that does not fit"))?, buckets })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_samples_are_exact_and_buckets_double_their_width() {
        assert!((0..128).all(|sample| bucket(sample) == sample));
        assert_eq!([128, 129, 130, 255, 256, 259, 260].map(bucket), [129, 129, 131, 255, 258, 258, 262]);
        assert_eq!([-1, i64::MIN].map(bucket), [0, 0]);
        assert_eq!(bucket(i64::MAX), i64::MAX - (1 << 55) + 1);
    }

    proptest! {
        #[test]
        fn percentiles_are_within_the_stated_error(
            mut samples in proptest::collection::vec(prop_oneof![0..200i64, 0..100_000i64, 0..i64::MAX], 1..200),
            percent in 1..=100i64,
        ) {
            let mut histogram = Histogram::default();
            samples.iter().for_each(|sample| histogram.add(*sample));
            samples.sort_unstable();
            let rank = (samples.len() as i64 * percent + 99) / 100;
            let exact = samples[rank as usize - 1];
            let [found] = histogram.percentiles([percent]);
            let found = found.expect("there are samples");
            prop_assert!((found - exact).abs() <= exact / 128, "{found} for {exact}");
            prop_assert_eq!(bucket(found), found, "the middle of a bucket is in it");
        }
    }

    #[test]
    fn nothing_has_no_percentiles() {
        assert_eq!(Histogram::default().percentiles([50, 99]), [None, None]);
    }
}
