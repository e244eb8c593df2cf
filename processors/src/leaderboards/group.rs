//! One group's scores in the window that is open: who stands where.
//!
//! Always holds: an item is ranked if and only if its score is above zero, and of growths kept while anything counts; what has lost all is
//! kept until the next record; after [`Group::settle`] the places are in order; the total is the sum of all scores; `entries` counts items, cells, users in cells, messages and bans.
//!
//! **The order.** By score, the highest first. Among equals, by who reached that score first: of sums, the event time of the
//! latest event that counted for the item since it has been on the board; of distinct users, that of the latest event that
//! brought a new one; of growths, that of the latest event by which it grew; of largest values, that of the first event with the value. (Scores only grow by events, so that is the event that
//! brought the item to its present score. When a pane expires or something is taken back the score falls, but that instant
//! stays, unless nothing is left of the item.) Among equals again, the smaller item, byte by byte. This depends on the order of visibility and on
//! nothing else: not on the order in which partitions were read.
//!
//! **The structure.** An ordered set of the best places ([`front`]), in which an item moves once a tick if it comes near it: a tick costs
//! those items times a logarithm plus the k places that it shows, however many users a channel has. (Selecting the top k
//! by a scan would cost every item of a channel at every tick in which one of them changed.)
//!
//! Does not know: windows, beyond the panes it is told to drop.

mod front;
mod item;
mod items;
mod messages;
mod panes;
pub(super) mod saved;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::{Amount, LeaderboardEntry, Timestamp};

use super::cell::{Scoring, is_before};
use super::growth::Growth;
use crate::maps::ByName;
use crate::windows::Span;
use front::{Front, Standing};
use item::Item;
use items::{Items, Number};
pub(super) use messages::{MessageId, Remembered};
use panes::Pane;
pub(super) use panes::PaneKey;

/// How a board counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) scoring: Scoring,
    /// Whether a window has several panes.
    pub(super) has_panes: bool,
    /// Whether items are users.
    pub(super) is_by_user: bool,
    /// Whether cells know who their score is from.
    pub(super) keeps_users: bool,
    /// Whether what is taken back is noted for the second stage.
    pub(super) keeps_losses: bool,
    /// Whether the score is what the sum became, rather than the sum.
    pub(super) growth: Option<Growth>,
    /// Whether to remember changes for the next save.
    pub(super) is_tracked: bool,
}

/// An item that changed, and under what it still stands in the order.
#[derive(Clone, Debug)]
struct Touched {
    item: Number,
    placed: Option<Standing>,
}

/// Where a user's vote is.
#[derive(Clone, Debug)]
struct Vote {
    pane: Timestamp,
    item: Number,
    time: Timestamp,
}

/// The scores of one group.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    items: Items,
    front: Front,
    /// How many items have a place.
    ranked: usize,
    panes: BTreeMap<Timestamp, Pane>,
    votes: ByName<Vote>,
    /// Items that are to be moved in the front.
    touched: Vec<Touched>,
    /// Items that had lost all at some time since the last record.
    gone: Vec<Number>,
    /// Items that the next save writes.
    unsaved: Vec<Number>,
    total: i128,
    /// What was taken back since somebody looked: of which pane and item, and how much of the score.
    pub(super) losses: Vec<(Timestamp, Arc<str>, i128)>,
    /// The tick of the last record.
    ranked_at: Option<Timestamp>,
    /// The open session.
    pub(super) session: Option<Span>,
    /// Records written for the open window.
    pub(super) revision: i64,
    /// The end of the window to which the last record belongs.
    pub(super) recorded_end: Option<Timestamp>,
    /// Whether something changed since the last record.
    pub(super) is_changed: bool,
    /// Whether its places are to be put in order.
    pub(super) is_touched: bool,
    /// Whether it is among the changes that the next save writes.
    pub(super) is_unsaved: bool,
    /// Items, cells, users in cells, messages and bans.
    pub(super) entries: usize,
    /// Items and entries when the board last counted its own.
    pub(super) counted: (usize, usize),
}

/// A score on its way into a group.
#[derive(Clone, Debug)]
pub(super) struct Gain<'a> {
    pub(super) item: &'a str,
    pub(super) label: Option<&'a str>,
    pub(super) value: i128,
    pub(super) event_time: Timestamp,
    /// The start of the pane that remembers it until it expires.
    pub(super) pane: Timestamp,
    /// Whether to remember the pane's changes for the next save.
    pub(super) is_pane_tracked: bool,
    /// Who it is from; of those that must be known.
    pub(super) user: Option<&'a str>,
    /// The message that brought it, where it can be taken back with that.
    pub(super) message: Option<MessageId>,
}

/// What became of a gain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// And, if a message brought it, whether that was known.
    Counted(Option<Remembered>),
    /// A later vote of the same user counts.
    Outvoted,
    /// There is no room for it, or the sum would not fit.
    Refused,
}

impl Group {
    /// Whether nothing is left of any item.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many items have a place.
    pub(super) fn places(&self) -> usize {
        self.ranked
    }

    /// Whether nothing ever counted.
    pub(super) fn is_new(&self) -> bool {
        self.entries == 0 && self.revision == 0 && self.session.is_none() && !self.is_changed
    }

    /// Items, those included of which a growth knows only the time before.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The sum of all scores, of units of ten to the minus `scale`.
    pub(super) fn total(&self, scale: u32) -> Amount {
        to_amount(self.total, scale)
    }

    /// Adds a positive score. `is_full`: only to what is there already.
    pub(super) fn add(&mut self, gain: &Gain<'_>, rules: Rules, is_full: bool) -> Added {
        let Some(total) = self.total.checked_add(gain.value) else { return Added::Refused };
        debug_assert!(total > self.total, "a gain is above zero");
        let voter = gain.user.filter(|_| rules.scoring == Scoring::Votes);
        if let Some(vote) = voter.and_then(|user| self.votes.get(user)) {
            if vote.time > gain.event_time {
                return Added::Outvoted;
            }
            let (pane, item) = (vote.pane, vote.item);
            self.take_from_cell(pane, item, gain.user.unwrap_or_default(), None, rules);
        } else if is_full && !self.has_entries_for(gain, rules) {
            return Added::Refused;
        }
        let entries = &mut self.entries;
        let (number, item) = self.items.entry_of(gain.item, |name| {
            *entries += 1;
            Item::new(name, gain.event_time, None)
        });
        let pane = self.panes.entry(gain.pane).or_default();
        let entries_before = pane.entries;
        let gained = pane.add(number, &item.name, gain, rules);
        let remembered = gain.message.as_ref().map(|of| pane.remember(of, &item.name, gain, &gained, rules));
        self.entries += pane.entries - entries_before;
        if rules.scoring == Scoring::Votes {
            let user = gained.user.clone().unwrap_or_default();
            self.votes.insert(user, Vote { pane: gain.pane, item: number, time: gain.event_time });
        }
        let (before, placed) = (item.score, item.placing());
        item.add(gain, gained, rules);
        item.note_unsaved(number, &mut self.unsaved, rules);
        let score = item.score;
        touch(&self.front, &mut self.touched, number, item, placed);
        self.count_score(before, score);
        Added::Counted(remembered)
    }

    /// Whether a gain needs nothing new.
    fn has_entries_for(&self, gain: &Gain<'_>, rules: Rules) -> bool {
        let number = self.items.number_of(gain.item);
        let cell = number.and_then(|number| self.panes.get(&gain.pane)?.cells.get(&number));
        let has_user = |user: &str| cell.is_some_and(|cell| cell.has_user(user));
        cell.is_some() && (!rules.keeps_users || gain.user.is_none_or(has_user))
    }

    /// Follows the total and the places.
    fn count_score(&mut self, before: i128, after: i128) {
        self.total += after - before;
        self.ranked += usize::from(after > 0);
        self.ranked -= usize::from(before > 0);
    }

    /// Takes from an item what the pane that starts at `start` lost: `lost` of its score, and these users.
    fn lose<'u>(
        &mut self,
        start: Timestamp,
        number: Number,
        lost: i128,
        gone: impl Iterator<Item = &'u Arc<str>>,
        rules: Rules,
    ) {
        let Some(item) = self.items.get_mut(number) else { return };
        let (before, placed) = (item.score, item.placing());
        match rules.scoring {
            Scoring::Largest => {
                let cells = self.panes.values().filter_map(|pane| pane.cells.get(&number));
                let best = cells
                    .map(|cell| (cell.score, cell.reached))
                    .reduce(|best, next| if is_before(next, best) { next } else { best });
                (item.score, item.reached) = best.unwrap_or((0, item.reached));
            }
            Scoring::Distinct if rules.has_panes => {
                let users = item.users.get_or_insert_default();
                for user in gone {
                    if let Some(panes) = users.get_mut(user) {
                        *panes -= 1;
                        if *panes == 0 {
                            users.remove(user);
                        }
                    }
                }
                item.score = users.len() as i128;
            }
            _ => item.gain(-lost, start, rules),
        }
        let score = item.score;
        touch(&self.front, &mut self.touched, number, item, placed);
        self.count_score(before, score);
    }

    /// The tick of the last record; [`Timestamp::MIN`] before the first.
    fn last_record(&self) -> Timestamp {
        self.ranked_at.unwrap_or(Timestamp::MIN)
    }

    /// Brings the order up to date with the scores, for a board of `k` places.
    pub(super) fn settle(&mut self, k: usize, rules: Rules) {
        let last_record = self.last_record();
        for Touched { item: number, placed } in self.touched.drain(..) {
            let Some(item) = self.items.get_mut(number) else { continue };
            item.is_touched = false;
            self.front.move_item(&item.name, number, placed, item.placing());
            if item.is_gone() {
                item.note_unsaved(number, &mut self.unsaved, rules);
                if std::mem::replace(&mut item.gone_since, last_record) != last_record {
                    self.gone.push(number);
                }
            }
        }
        self.resize_front(k);
    }

    /// Forgets the items of which nothing is left when a record is due.
    pub(super) fn drop_gone(&mut self) {
        for number in self.gone.drain(..) {
            let Some(item) = self.items.get_mut(number) else { continue };
            if item.is_gone() {
                let has_cell = |pane: &Pane| pane.cells.contains_key(&number);
                debug_assert!(!self.panes.values().any(has_cell), "its number would be another's there");
                self.items.remove(number);
                self.entries -= 1;
            } else {
                item.gone_since = Timestamp::MAX;
            }
        }
    }

    fn resize_front(&mut self, k: usize) {
        let items = self.items.iter().map(|(number, item)| (&item.name, number, item.placing()));
        self.front.resize(k, self.ranked, items);
    }

    /// The first `k` places, with the ranks that were last remembered.
    pub(super) fn top(&self, k: usize, scale: u32) -> Vec<LeaderboardEntry> {
        let last_record = self.last_record();
        let mut entries = Vec::with_capacity(k.min(self.ranked));
        for (place, rank) in self.front.iter().take(k).zip(1..) {
            let item = self.items.get(place.number);
            let label = item.and_then(|item| item.label.as_ref());
            let ranked = item.filter(|item| item.rank > 0 && item.ranked_at == last_record);
            entries.push(LeaderboardEntry {
                rank,
                item: Arc::clone(&place.item),
                label: Arc::clone(label.unwrap_or(&place.item)),
                score: to_amount(place.score.0, scale),
                previous_rank: ranked.map(|item| item.rank),
            });
        }
        entries
    }

    /// The first `k` ranks, of the record at `tick`, are the previous ones of the next record.
    pub(super) fn remember_ranks(&mut self, k: usize, tick: Timestamp, rules: Rules) {
        self.ranked_at = Some(tick);
        for (place, rank) in self.front.iter().take(k).zip(1..) {
            if let Some(item) = self.items.get_mut(place.number) {
                (item.ranked_at, item.rank) = (tick, rank);
                item.note_unsaved(place.number, &mut self.unsaved, rules);
            }
        }
    }
}

/// Notes that an item stood there before it changed, if it is to be moved or removed.
fn touch(
    front: &Front,
    touched: &mut Vec<Touched>,
    number: Number,
    item: &mut Item,
    placed: Option<Standing>,
) {
    let is_concerned =
        front.has(placed, &item.name) || front.has(item.placing(), &item.name) || item.is_gone();
    if is_concerned && !std::mem::replace(&mut item.is_touched, true) {
        touched.push(Touched { item: number, placed });
    }
}

/// As the schema writes scores, with ten digits after the point; further ones are cut off. What has more than 28 before it
/// is shown as the largest number that fits: it takes a thousand million events of the largest count to get there.
fn to_amount(score: i128, scale: u32) -> Amount {
    let largest = Amount::from_units(10i128.pow(38) - 1).unwrap_or(Amount::ZERO);
    let units = match 10u32.checked_sub(scale) {
        Some(missing) => score.checked_mul(10i128.pow(missing)),
        None => Some(score / 10i128.pow(scale - 10)),
    };
    units.and_then(Amount::from_units).unwrap_or(largest)
}
