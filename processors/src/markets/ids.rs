//! The trade ids of a candle: which are missing between the lowest and the highest, and which came twice.
//!
//! Ids that follow one another are kept as one run, so a feed without gaps takes no more memory for a million trades than for
//! one. At most [`RUNS_MAX`] runs are kept. Beyond, the two lowest are joined: what is missing between them stays counted, and
//! an id that comes there later changes nothing, since nobody can say any more whether it fills a gap or repeats.
//!
//! Always holds: runs are in ascending order with a missing id between two; only the lowest may be a joined one. Up to the bound,
//! what is missing and what is repeated depends on the set of ids and how often each came, not on their order.
//! Does not know: whether the venue numbers its trades without gaps.

use crate::state::bytes::stored;

/// Runs of ids that a candle keeps: 4 KiB at most.
pub(super) const RUNS_MAX: usize = 256;

/// The ids of one candle.
#[derive(Clone, Debug, Default)]
pub(super) struct TradeIds {
    /// First and last id of each run.
    runs: Vec<(i64, i64)>,
    /// Ids that are missing within the lowest run, if it was joined of others.
    missing_within: Option<u64>,
}

stored!(TradeIds { runs, missing_within });

impl TradeIds {
    /// Adds an id. Returns whether it came before.
    pub(super) fn add(&mut self, id: i64) -> bool {
        self.add_within(id, RUNS_MAX)
    }

    fn add_within(&mut self, id: i64, runs_max: usize) -> bool {
        let at = self.runs.partition_point(|run| run.1 < id);
        let is_next = |before: i64, after: i64| before.checked_add(1) == Some(after);
        if self.runs.get(at).is_some_and(|run| run.0 <= id) {
            return at > 0 || self.missing_within.is_none();
        }
        let follows = at > 0 && is_next(self.runs[at - 1].1, id);
        let precedes = self.runs.get(at).is_some_and(|run| is_next(id, run.0));
        match (follows, precedes) {
            (true, true) => self.runs[at - 1].1 = self.runs.remove(at).1,
            (true, false) => self.runs[at - 1].1 = id,
            (false, true) => self.runs[at].0 = id,
            (false, false) => {
                self.runs.insert(at, (id, id));
                let is_below_joined = at == 0 && self.missing_within.is_some();
                if is_below_joined || self.runs.len() > runs_max {
                    self.join_lowest();
                }
            }
        }
        false
    }

    fn join_lowest(&mut self) {
        if let [lowest, next, ..] = self.runs[..] {
            let missing = self.missing_within.unwrap_or(0).saturating_add(between(lowest.1, next.0));
            self.missing_within = Some(missing);
            self.runs[1].0 = lowest.0;
            self.runs.remove(0);
        }
    }

    /// The lowest and the highest id.
    pub(super) fn ends(&self) -> Option<(i64, i64)> {
        Some((self.runs.first()?.0, self.runs.last()?.1))
    }

    /// How many ids between the lowest and the highest did not come.
    pub(super) fn missing(&self) -> i64 {
        let gaps = self.runs.windows(2).map(|pair| between(pair[0].1, pair[1].0));
        let missing = gaps.fold(self.missing_within.unwrap_or(0), u64::saturating_add);
        i64::try_from(missing).unwrap_or(i64::MAX)
    }
}

/// How many numbers there are between two; none if the second is not above the first.
pub(super) fn between(before: i64, after: i64) -> u64 {
    if after > before { after.abs_diff(before) - 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Some order of `len` numbers.
    fn shuffled(len: i64, step: i64) -> impl Iterator<Item = i64> {
        (0..len).map(move |index| (index * step) % len)
    }

    #[test]
    fn runs_grow_meet_and_repeat_as_a_set_of_ids_would() {
        for step in [1, 7, 41, 97] {
            let (mut ids, mut set) = (TradeIds::default(), BTreeSet::new());
            for id in shuffled(101, step).filter(|id| id % 5 != 0).chain([3, 7, -4, 7]) {
                assert_eq!(ids.add(id), !set.insert(id), "{id}");
                let (first, last) = (*set.first().expect("one"), *set.last().expect("one"));
                assert_eq!(ids.ends(), Some((first, last)));
                assert_eq!(ids.missing(), last - first + 1 - set.len() as i64);
            }
        }
    }

    #[test]
    fn beyond_the_bound_the_lowest_runs_are_joined_and_their_gaps_stay_counted() {
        let mut ids = TradeIds::default();
        for id in (0..100).map(|index| index * 10) {
            assert!(!ids.add_within(id, 4));
            assert!(ids.runs.len() <= 4);
            assert_eq!(ids.missing(), id / 10 * 9);
        }
        assert!(
            !ids.add_within(15, 4) && !ids.add_within(20, 4),
            "unknown by now: neither fills nor repeats"
        );
        assert_eq!((ids.missing(), ids.ends()), (99 * 9, Some((0, 990))));
        assert!(ids.add_within(990, 4), "the highest are still known");
        assert!(!ids.add_within(-10, 4));
        assert_eq!((ids.missing(), ids.ends(), ids.runs.len()), (99 * 9 + 9, Some((-10, 990)), 4));
        let mut ends = TradeIds::default();
        assert!(!ends.add(i64::MAX) && !ends.add(i64::MIN) && ends.add(i64::MAX));
        assert_eq!(ends.missing(), i64::MAX);
    }
}
