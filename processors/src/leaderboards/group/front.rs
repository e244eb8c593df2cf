//! The front of a group's order: the best places, with some more of them than are shown.
//!
//! An ordered set of all places would be right and simple. But most users never come near the first k, and moving each of them in
//! the set at every tick costs more memory accesses than all else that a message does. So the set ends at a bound, beyond which nobody is kept
//! in order: who is there before and after a change costs a comparison. When the set has grown to twice its size it is cut; when what
//! expires or is taken back leaves fewer than k in it, all items are looked through for the best again. The size grows with the
//! number of items, so that such a search is paid by the many falls that lead to it.
//!
//! Always holds: the set has exactly the items whose place is not worse than the bound. Does not know: how scores come about.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use schemas::Timestamp;

use super::items::Number;

/// A score above zero, and when it was reached.
pub(super) type Standing = (i128, Timestamp);

/// The set has at least so many places.
const SIZE_MIN: usize = 64;
/// And at least one of so many items.
const SHARE: usize = 128;

/// A place on the board; the smallest is the best.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) score: Reverse<i128>,
    reached: Timestamp,
    pub(super) item: Arc<str>,
    /// Of the item; it orders nothing, since an item has one.
    pub(super) number: Number,
}

impl Place {
    fn new((score, reached): Standing, item: &Arc<str>, number: Number) -> Self {
        Place { score: Reverse(score), reached, item: Arc::clone(item), number }
    }
}

/// The best places.
#[derive(Clone, Debug, Default)]
pub(super) struct Front {
    places: BTreeSet<Place>,
    /// The worst place that is kept; none: all are.
    bound: Option<Place>,
}

impl Front {
    /// Whether a place is kept.
    pub(super) fn has(&self, standing: Option<Standing>, item: &Arc<str>) -> bool {
        match (standing, &self.bound) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some((score, _)), Some(bound)) if score != bound.score.0 => score > bound.score.0,
            (Some(standing), Some(bound)) => (standing.1, &**item) <= (bound.reached, &*bound.item),
        }
    }

    /// An item moves from one standing to another.
    pub(super) fn move_item(
        &mut self,
        item: &Arc<str>,
        number: Number,
        from: Option<Standing>,
        to: Option<Standing>,
    ) {
        if from == to {
            return;
        }
        if let Some(from) = from.filter(|_| self.has(from, item)) {
            self.places.remove(&Place::new(from, item, number));
        }
        if let Some(to) = to.filter(|_| self.has(to, item)) {
            self.places.insert(Place::new(to, item, number));
        }
    }

    /// Brings the set to its size for a board of `k` places and these items; `ranked` of them have a place.
    pub(super) fn resize<'i>(
        &mut self,
        k: usize,
        ranked: usize,
        items: impl Iterator<Item = (&'i Arc<str>, Number, Option<Standing>)>,
    ) {
        let size = SIZE_MIN.max(2 * k).max(ranked / SHARE);
        if self.places.len() < k.min(ranked) {
            let mut all: Vec<Place> = items
                .filter_map(|(item, number, standing)| Some(Place::new(standing?, item, number)))
                .collect();
            if all.len() > size {
                all.select_nth_unstable(size);
                all.truncate(size);
                self.places = BTreeSet::from_iter(all);
                self.bound = self.places.last().cloned();
            } else {
                self.places = BTreeSet::from_iter(all);
                self.bound = None;
            }
        } else if self.places.len() > 2 * size {
            while self.places.len() > size {
                self.places.pop_last();
            }
            self.bound = self.places.last().cloned();
        }
    }

    /// The places from the best on, as far as they are kept.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Place> {
        self.places.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Scores rise and fall, a few at a time and sometimes nearly all at once.
        #[test]
        fn its_first_places_are_those_of_all_items_in_order(
            rounds in proptest::collection::vec(
                proptest::collection::vec((0..700usize, -3..40i128, 0..9i64), 1..300),
                1..30,
            ),
            falls in proptest::collection::vec(0..10u8, 30),
            k in 1..50usize,
        ) {
            let names: Vec<Arc<str>> = (0..700).map(|item| Arc::from(format!("user{item}"))).collect();
            let mut standings: Vec<Option<Standing>> = vec![None; names.len()];
            let mut front = Front::default();
            for (round, falls) in rounds.into_iter().zip(falls) {
                let mut changes: BTreeMap<usize, Option<Standing>> = BTreeMap::new();
                if falls == 0 {
                    changes.extend((100..names.len()).map(|item| (item, None)));
                }
                for (item, score, reached) in round {
                    let standing = (score > 0).then_some((score, Timestamp::from_micros(reached)));
                    changes.insert(item, standing);
                }
                for (item, standing) in changes {
                    front.move_item(&names[item], Number(item as u32), standings[item], standing);
                    standings[item] = standing;
                }
                let ranked = standings.iter().flatten().count();
                let items = || (0..).map(Number).zip(&names).zip(&standings);
                front.resize(k, ranked, items().map(|((number, name), standing)| (name, number, *standing)));
                let mut all: Vec<Place> = items()
                    .filter_map(|((number, name), standing)| Some(Place::new((*standing)?, name, number)))
                    .collect();
                all.sort();
                all.truncate(k);
                prop_assert_eq!(front.iter().take(k).cloned().collect::<Vec<_>>(), all);
                prop_assert!(front.iter().len() <= 2 * SIZE_MIN.max(2 * k), "it is cut");
            }
        }
    }

    #[test]
    fn who_is_far_behind_is_not_kept_and_is_found_again_when_the_others_fall() {
        let names: Vec<Arc<str>> = (0..1_000).map(|item| Arc::from(format!("{item:04}"))).collect();
        let standing = |score: usize| Some((score as i128 + 1, Timestamp::from_micros(0)));
        let mut front = Front::default();
        let number = |score: usize| Number(score as u32);
        for (score, name) in names.iter().enumerate() {
            front.move_item(name, number(score), None, standing(score));
        }
        let all = || names.iter().enumerate().map(|(score, name)| (name, number(score), standing(score)));
        front.resize(3, 1_000, all());
        assert_eq!(front.iter().len(), SIZE_MIN);
        assert!(!front.has(standing(0), &names[0]) && front.has(standing(999), &names[999]));
        for (score, name) in names.iter().enumerate().skip(500) {
            front.move_item(name, number(score), standing(score), None);
        }
        front.resize(3, 500, all().take(500));
        let best: Vec<&str> = front.iter().take(3).map(|place| &*place.item).collect();
        assert_eq!(best, ["0499", "0498", "0497"]);
    }
}
