//! One group's scores in the window that is open: who stands where.
//!
//! Always holds: an item is ranked if and only if its score is above zero; after [`Group::settle`] the places are in
//! order; the total is the sum of all scores.
//!
//! **The order.** By score, the highest first. Among equals, by who reached that score first: the event time of the
//! latest event that the window counts for the item. (Scores only grow by events, so that is the event that brought
//! the item to its present score, counted over the events inside the window. When a pane expires the score falls, but the
//! remaining events still add up to it only with their last, so that instant stays.) Among equals again, the smaller
//! item, byte by byte. This depends on the set of events in the window and on nothing else: not on the order in which
//! partitions were read, nor on when panes expired.
//!
//! **The structure.** An ordered set of places, moved once per touched item and tick: a tick costs the items that it
//! touches times a logarithm plus the k places that it shows, however many users a channel has. (Selecting the top k
//! by a scan would cost every item of a channel at every tick in which one of them changed.)
//!
//! Does not know: windows, beyond the panes it is told to drop.

pub(super) mod saved;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use schemas::{Amount, LeaderboardEntry, Timestamp};

/// A place on the board; the smallest is the best.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    score: Reverse<i128>,
    reached: Timestamp,
    item: Arc<str>,
}

#[derive(Clone, Debug)]
struct Item {
    score: i128,
    reached: Timestamp,
    label: Option<Box<str>>,
    is_touched: bool,
    /// Whether it is among the changes that the next save writes.
    is_unsaved: bool,
}

impl Item {
    /// An item without a score.
    fn new(reached: Timestamp, label: Option<Box<str>>) -> Self {
        Item { score: 0, reached, label, is_touched: false, is_unsaved: false }
    }

    /// Score and instant under which it stands in the order, if it does, once it is settled.
    fn placing(&self) -> Option<(i128, Timestamp)> {
        (self.score > 0).then_some((self.score, self.reached))
    }

    /// Notes where it stands before it changes for the first time since it was settled.
    fn touch(&mut self, key: &Arc<str>, touched: &mut Vec<Touched>) {
        if !std::mem::replace(&mut self.is_touched, true) {
            touched.push(Touched { item: Arc::clone(key), placed: self.placing() });
        }
    }
}

/// An item that changed, and under what it still stands in the order.
#[derive(Clone, Debug)]
struct Touched {
    item: Arc<str>,
    placed: Option<(i128, Timestamp)>,
}

/// What an item has in one pane.
#[derive(Clone, Copy, Debug, Default)]
struct PaneScore {
    score: i128,
    is_unsaved: bool,
}

/// The scores of one pane.
#[derive(Clone, Debug, Default)]
struct Pane {
    scores: HashMap<Arc<str>, PaneScore, FxBuildHasher>,
    unsaved: Vec<Arc<str>>,
}

/// The scores of one group.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    items: HashMap<Arc<str>, Item, FxBuildHasher>,
    order: BTreeSet<Place>,
    panes: BTreeMap<Timestamp, Pane>,
    touched: Vec<Touched>,
    unsaved: Vec<Arc<str>>,
    total: i128,
    previous_ranks: HashMap<Arc<str>, i32, FxBuildHasher>,
    /// Records written for the open window.
    pub(super) revision: i64,
    /// The end of the window to which the last record belongs.
    pub(super) recorded_end: Option<Timestamp>,
    /// Whether something changed since the last record.
    pub(super) is_changed: bool,
    /// Whether it is among the changes that the next save writes.
    pub(super) is_unsaved: bool,
    /// Items when the board last counted its own.
    pub(super) counted_items: usize,
}

/// A score on its way into a group.
#[derive(Clone, Debug)]
pub(super) struct Gain<'a> {
    pub(super) item: &'a str,
    pub(super) label: Option<&'a str>,
    pub(super) score: i128,
    pub(super) event_time: Timestamp,
    /// The start of the pane that remembers it until it expires; none if it never does.
    pub(super) pane: Option<Timestamp>,
    /// Whether to remember the change for the next save.
    pub(super) is_tracked: bool,
}

impl Group {
    /// Whether no item has a score.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Items with a score.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The sum of all scores.
    pub(super) fn total(&self) -> Amount {
        to_amount(self.total)
    }

    /// Adds a positive score.
    pub(super) fn add(&mut self, gain: &Gain<'_>) {
        let key = match self.items.get_key_value(gain.item) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::from(gain.item),
        };
        let item = self.items.entry(Arc::clone(&key)).or_insert_with(|| Item::new(gain.event_time, None));
        item.touch(&key, &mut self.touched);
        item.score += gain.score;
        item.reached = item.reached.max(gain.event_time);
        if gain.label.is_some() && item.label.as_deref() != gain.label {
            item.label = gain.label.map(Box::from);
        }
        if gain.is_tracked && !std::mem::replace(&mut item.is_unsaved, true) {
            self.unsaved.push(Arc::clone(&key));
        }
        if let Some(pane) = gain.pane {
            let pane = self.panes.entry(pane).or_default();
            let held = pane.scores.entry(Arc::clone(&key)).or_default();
            held.score += gain.score;
            if gain.is_tracked && !std::mem::replace(&mut held.is_unsaved, true) {
                pane.unsaved.push(key);
            }
        }
        self.total += gain.score;
    }

    /// Takes back the panes that start before `window_start`. True if there were any.
    pub(super) fn expire(&mut self, window_start: Timestamp) -> bool {
        let kept = self.panes.split_off(&window_start);
        let expired = std::mem::replace(&mut self.panes, kept);
        for (key, held) in expired.values().flat_map(|pane| &pane.scores) {
            if let Some(item) = self.items.get_mut(key) {
                item.touch(key, &mut self.touched);
                item.score -= held.score;
            }
            self.total -= held.score;
        }
        !expired.is_empty()
    }

    /// Brings the order up to date with the scores.
    pub(super) fn settle(&mut self) {
        for Touched { item: key, placed } in self.touched.drain(..) {
            let Some(item) = self.items.get_mut(&key) else { continue };
            item.is_touched = false;
            let target = item.placing();
            if target.is_some() && placed == target {
                continue;
            }
            let place = |(score, reached)| Place { score: Reverse(score), reached, item: Arc::clone(&key) };
            if let Some(placed) = placed {
                self.order.remove(&place(placed));
            }
            match target {
                Some(target) => {
                    self.order.insert(place(target));
                }
                None => {
                    self.items.remove(&key);
                }
            }
        }
    }

    /// The first `k` places, with the ranks that were last remembered.
    pub(super) fn top(&self, k: usize) -> Vec<LeaderboardEntry> {
        let mut entries = Vec::with_capacity(k.min(self.order.len()));
        for (place, rank) in self.order.iter().take(k).zip(1..) {
            let label = self.items.get(&place.item).and_then(|item| item.label.as_deref());
            entries.push(LeaderboardEntry {
                rank,
                item: place.item.to_string(),
                label: label.unwrap_or(&place.item).to_owned(),
                score: to_amount(place.score.0),
                previous_rank: self.previous_ranks.get(&place.item).copied(),
            });
        }
        entries
    }

    /// The first `k` ranks are the previous ones of the next record.
    pub(super) fn remember_ranks(&mut self, k: usize) {
        self.previous_ranks.clear();
        let ranks = self.order.iter().take(k).zip(1..).map(|(place, rank)| (Arc::clone(&place.item), rank));
        self.previous_ranks.extend(ranks);
    }
}

/// As the schema writes scores. What has more than 28 digits is shown as the largest number that fits: it takes a
/// thousand million events of the largest count to get there.
fn to_amount(score: i128) -> Amount {
    let largest = Amount::from_units(10i128.pow(38) - 1).unwrap_or(Amount::ZERO);
    score.checked_mul(10i128.pow(10)).and_then(Amount::from_units).unwrap_or(largest)
}
