//! What one item has in one pane: its score there and, where users matter, who it is from.
//!
//! Always holds: where users are kept, the score follows from them and from what came anonymously. A cell is empty if and only
//! if its score is zero. Does not know: the other panes, or how they add up.

use std::sync::Arc;

use schemas::Timestamp;

use crate::maps::ByName;
use crate::state::bytes::{Reader, Stored, Unreadable};

/// How contributions make a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scoring {
    /// Their sum.
    Sum,
    /// The largest.
    Largest,
    /// How many users they are from.
    Distinct,
    /// How many users' last one it is.
    Votes,
}

/// What is remembered of a user in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Of [`Scoring::Largest`] the largest, of others the sum.
    pub(super) value: i128,
    /// Of [`Scoring::Largest`] the event time of the first with that value, of others that of the last.
    pub(super) time: Timestamp,
    /// Whether it is among the changes that the next save writes.
    pub(super) is_unsaved: bool,
}

/// An item's part in a pane.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    pub(super) score: i128,
    /// Of [`Scoring::Largest`], when the score was reached.
    pub(super) reached: Timestamp,
    pub(super) users: Option<Box<ByName<Held>>>,
    pub(super) is_unsaved: bool,
}

/// Whether `a` (value, time) goes before `b`: it is larger, or as large and earlier.
pub(super) fn is_before(a: (i128, Timestamp), b: (i128, Timestamp)) -> bool {
    a.0 > b.0 || (a.0 == b.0 && a.1 < b.1)
}

impl Held {
    pub(super) fn new(value: i128, time: Timestamp) -> Self {
        Held { value, time, is_unsaved: false }
    }

    pub(super) fn add(&mut self, scoring: Scoring, value: i128, time: Timestamp) {
        if scoring == Scoring::Largest {
            if is_before((value, time), (self.value, self.time)) {
                (self.value, self.time) = (value, time);
            }
        } else {
            self.value += value;
            self.time = self.time.max(time);
        }
    }
}

impl Cell {
    /// Adds to the score what does not depend on users. For [`Scoring::Distinct`] and [`Scoring::Votes`] that is nothing.
    pub(super) fn add(&mut self, scoring: Scoring, value: i128, time: Timestamp) {
        match scoring {
            Scoring::Sum => self.score += value,
            Scoring::Largest => {
                if self.score == 0 || is_before((value, time), (self.score, self.reached)) {
                    (self.score, self.reached) = (value, time);
                }
            }
            Scoring::Distinct | Scoring::Votes => {}
        }
    }

    pub(super) fn has_user(&self, user: &str) -> bool {
        self.users.as_ref().is_some_and(|users| users.contains_key(user))
    }

    pub(super) fn user_count(&self) -> usize {
        self.users.as_ref().map_or(0, |users| users.len())
    }

    /// Takes `value` of a user back, everything if it is none. Returns the user's name if nothing is left of them, and how much of the
    /// score went.
    pub(super) fn take_back(
        &mut self,
        scoring: Scoring,
        user: &str,
        value: Option<i128>,
    ) -> (Option<Arc<str>>, i128) {
        let before = self.score;
        let Some(users) = &mut self.users else { return (None, 0) };
        let Some(held) = users.get_mut(user) else { return (None, 0) };
        let taken = value.unwrap_or(held.value).min(held.value);
        held.value -= taken;
        let gone = if held.value == 0 { users.remove_entry(user).map(|(name, _)| name) } else { None };
        match scoring {
            Scoring::Sum => self.score -= taken,
            Scoring::Largest => {
                (self.score, self.reached) = (0, Timestamp::MIN);
                for held in users.values() {
                    if self.score == 0 || is_before((held.value, held.time), (self.score, self.reached)) {
                        (self.score, self.reached) = (held.value, held.time);
                    }
                }
            }
            Scoring::Distinct | Scoring::Votes => self.score = users.len() as i128,
        }
        (gone, before - self.score)
    }

    /// Of its users.
    pub(super) fn put(&self, scoring: Scoring, out: &mut Vec<u8>) {
        self.score.put(out);
        if scoring == Scoring::Largest {
            self.reached.put(out);
        }
    }

    /// Reads what [`Cell::put`] wrote.
    pub(super) fn get(scoring: Scoring, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let score = reader.get()?;
        let reached = if scoring == Scoring::Largest { reader.get()? } else { Timestamp::default() };
        Ok(Cell { score, reached, ..Cell::default() })
    }
}
