//! What a group knows of an item, besides what its panes have of it.
//!
//! Always holds: the score is what the cells of all panes add up to. Does not know: places.

use std::sync::Arc;

use schemas::Timestamp;

use super::front::Standing;
use super::items::Number;
use super::panes::Gained;
use super::{Gain, Rules};
use crate::leaderboards::cell::{Scoring, is_before};
use crate::leaderboards::growth::{Counts, Growth};
use crate::maps::ByName;

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) name: Arc<str>,
    pub(super) score: i128,
    pub(super) reached: Timestamp,
    pub(super) label: Option<Arc<str>>,
    /// The tick of the last record on which it was, and its rank there; zero if it never was.
    pub(super) ranked_at: Timestamp,
    pub(super) rank: i32,
    /// While it is among those that had lost all since the last record, the tick of that; otherwise [`Timestamp::MAX`].
    pub(super) gone_since: Timestamp,
    /// Of distinct users in a window of several panes: in how many of them each is.
    pub(super) users: Option<Box<ByName<u32>>>,
    /// Of a growth: what it compares.
    pub(super) counts: Option<Box<Counts>>,
    pub(super) is_touched: bool,
    /// Whether it is among the changes that the next save writes.
    pub(super) is_unsaved: bool,
}

impl Item {
    /// An item without a score.
    pub(super) fn new(name: Arc<str>, reached: Timestamp, label: Option<Arc<str>>) -> Self {
        Item {
            name,
            score: 0,
            reached,
            label,
            ranked_at: Timestamp::MIN,
            rank: 0,
            gone_since: Timestamp::MAX,
            users: None,
            counts: None,
            is_touched: false,
            is_unsaved: false,
        }
    }

    /// Under what it stands in the order, if it has a place.
    pub(super) fn placing(&self) -> Option<Standing> {
        (self.score > 0).then_some((self.score, self.reached))
    }

    /// Takes in what its cell has gained.
    pub(super) fn add(&mut self, gain: &Gain<'_>, gained: Gained, rules: Rules) {
        let before = self.score;
        match rules.scoring {
            Scoring::Largest => {
                if self.score == 0 || is_before((gain.value, gain.event_time), (self.score, self.reached)) {
                    (self.score, self.reached) = (gain.value, gain.event_time);
                }
            }
            Scoring::Distinct if rules.has_panes => {
                let users = self.users.get_or_insert_default();
                if let Some(user) = gained.user.filter(|_| gained.is_new_user) {
                    *users.entry(user).or_default() += 1;
                }
                self.score = users.len() as i128;
            }
            _ => self.gain(gained.score, gain.pane, rules),
        }
        if rules.scoring != Scoring::Largest && self.score > before {
            self.reached = self.reached.max(gain.event_time);
        }
        if gain.label.is_some() && self.label.as_deref() != gain.label {
            self.label = gain.label.map(Arc::from);
        }
    }

    /// Adds to the sum what the pane that starts at `pane` gained.
    pub(super) fn gain(&mut self, gained: i128, pane: Timestamp, rules: Rules) {
        let Some(growth) = &rules.growth else {
            self.score += gained;
            return;
        };
        let counts = self.counts.get_or_insert_default();
        *counts.of(pane, growth) += gained;
        self.score = growth.units(**counts);
    }

    /// So much of a growth is before the window now.
    pub(super) fn age(&mut self, aged: i128, growth: &Growth) {
        let counts = self.counts.get_or_insert_default();
        counts.window -= aged;
        counts.before += aged;
        self.score = growth.units(**counts);
    }

    /// The next save is to write it.
    pub(super) fn note_unsaved(&mut self, number: Number, unsaved: &mut Vec<Number>, rules: Rules) {
        if rules.is_tracked && !std::mem::replace(&mut self.is_unsaved, true) {
            unsaved.push(number);
        }
    }

    /// Whether nothing of it is left.
    pub(super) fn is_gone(&self) -> bool {
        self.score <= 0 && self.counts.as_ref().is_none_or(|counts| counts.is_nothing())
    }
}
