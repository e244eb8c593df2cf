//! The panes of a group: what each holds until it expires, and what is taken out of them before.
//!
//! Always holds: a message is remembered in the pane in which it counts, and what it brought is taken back once at most: with
//! the message, its user, or the chat. A user whom a ban finds in a pane is remembered there with the ban. Does not know: how panes add up to scores, nor the order of places.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use rustc_hash::FxBuildHasher;
use schemas::Timestamp;

use super::super::cell::{Cell, Held, Scoring};
use super::super::contributions::Retracted;
use super::items::{Items, Number};
use super::messages::{MessageId, Messages, Part, PartKey, Remembered};
use super::{Gain, Group, Rules, touch};
use crate::ids::Id;
use crate::maps::ByName;

/// A part of a pane that is saved under a key of its own.
#[derive(Clone, Debug)]
pub(in crate::leaderboards) enum PaneKey {
    Cell(Arc<str>),
    User {
        item: Arc<str>,
        user: Arc<str>,
    },
    /// A part of a message.
    Message(PartKey),
    Ban(Arc<str>),
}

/// What a cell has gained.
pub(super) struct Gained {
    pub(super) score: i128,
    /// Who it is from, as the cell knows them; of cells that do.
    pub(super) user: Option<Arc<str>>,
    pub(super) is_new_user: bool,
}

/// The scores of one pane.
#[derive(Clone, Debug, Default)]
pub(super) struct Pane {
    /// By item.
    pub(super) cells: HashMap<Number, Cell, FxBuildHasher>,
    pub(super) messages: Messages,
    /// What changed since the last save, besides messages that came.
    pub(super) unsaved: Vec<PaneKey>,
    /// What was read and waits for the rest.
    pub(super) restored: Restored,
    /// Cells, users in cells, messages and bans.
    pub(super) entries: usize,
}

/// Parts of a pane that were read; items have no numbers yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Restored {
    pub(super) cells: ByName<Cell>,
    pub(super) parts: BTreeMap<PartKey, Part>,
}

impl Pane {
    /// Adds to the cell of the item with this number and name.
    pub(super) fn add(&mut self, number: Number, name: &Arc<str>, gain: &Gain<'_>, rules: Rules) -> Gained {
        let entries = &mut self.entries;
        let cell = self.cells.entry(number).or_insert_with(|| {
            *entries += 1;
            Cell::default()
        });
        let before = (cell.score, cell.reached);
        let mut gained = Gained { score: 0, user: None, is_new_user: false };
        // Where the largest is to be found again, what came anonymously is held under no name.
        let is_anonymous_held = rules.scoring == Scoring::Largest;
        let user = gain.user.or(is_anonymous_held.then_some(""));
        if let Some(user) = user.filter(|_| rules.keeps_users) {
            let users = cell.users.get_or_insert_default();
            let (user, held) = match users.entry_ref(user) {
                EntryRef::Occupied(entry) => {
                    let (user, held) = entry.into_entry();
                    held.add(rules.scoring, gain.value, gain.event_time);
                    (user, held)
                }
                EntryRef::Vacant(entry) => {
                    gained.is_new_user = true;
                    *entries += 1;
                    let held = Held::new(gain.value, gain.event_time);
                    entry.insert_entry_with_key(Arc::from(user), held).into_entry()
                }
            };
            if gain.is_pane_tracked && !std::mem::replace(&mut held.is_unsaved, true) {
                self.unsaved.push(PaneKey::User { item: Arc::clone(name), user: Arc::clone(user) });
            }
            gained.user = Some(Arc::clone(user));
        }
        cell.add(rules.scoring, gain.value, gain.event_time);
        if matches!(rules.scoring, Scoring::Distinct | Scoring::Votes) {
            cell.score = cell.user_count() as i128;
        }
        gained.score = cell.score - before.0;
        let is_changed = (cell.score, cell.reached) != before;
        if gain.is_pane_tracked && is_changed && !std::mem::replace(&mut cell.is_unsaved, true) {
            self.unsaved.push(PaneKey::Cell(Arc::clone(name)));
        }
        gained
    }

    /// Remembers that a message brought the gain of the item `key`.
    pub(super) fn remember(
        &mut self,
        of: &MessageId,
        key: &Arc<str>,
        gain: &Gain<'_>,
        gained: &Gained,
        rules: Rules,
    ) -> Remembered {
        let user = gain.user.filter(|_| !rules.is_by_user);
        let user = user.map(|user| gained.user.clone().unwrap_or_else(|| Arc::from(user)));
        let remembered = self.messages.add(of, Arc::clone(key), user, gain.value);
        self.entries += usize::from(remembered != Remembered::Known);
        remembered
    }

    /// Does something to the messages that gives the keys of parts that are gone. How many entries fewer there are.
    fn without_messages<T>(
        &mut self,
        is_tracked: bool,
        act: impl FnOnce(&mut Messages, &mut Vec<PartKey>) -> T,
    ) -> (T, usize) {
        let (before, mut gone) = (self.messages.len(), Vec::new());
        let done = act(&mut self.messages, &mut gone);
        if is_tracked {
            self.unsaved.extend(gone.into_iter().map(PaneKey::Message));
        }
        let fewer = before - self.messages.len();
        self.entries -= fewer;
        (done, fewer)
    }

    /// Its cells with the names of their items.
    pub(super) fn named_cells<'p>(
        &'p self,
        items: &'p Items,
    ) -> impl Iterator<Item = (&'p Arc<str>, &'p Cell)> {
        self.cells.iter().filter_map(|(number, cell)| Some((&items.get(*number)?.name, cell)))
    }

    /// The cell of the item with this name.
    pub(super) fn cell_of(&mut self, name: &str, items: &Items) -> Option<&mut Cell> {
        self.cells.get_mut(&items.number_of(name)?)
    }

    /// All that is saved of it.
    pub(super) fn keys<'p>(&'p self, items: &'p Items) -> impl Iterator<Item = PaneKey> {
        let users = self.named_cells(items).flat_map(|(item, cell)| {
            let names = cell.users.iter().flat_map(|users| users.keys());
            names.map(|user| PaneKey::User { item: Arc::clone(item), user: Arc::clone(user) })
        });
        let cells = self.named_cells(items).map(|(item, _)| PaneKey::Cell(Arc::clone(item)));
        cells.chain(users).chain(message_keys(&self.messages))
    }
}

/// All that is saved of messages and bans.
fn message_keys(messages: &Messages) -> impl Iterator<Item = PaneKey> {
    let parts = messages.parts_from(0).map(|part| PaneKey::Message(part.key));
    parts.chain(messages.bans().map(|(user, _)| PaneKey::Ban(Arc::clone(user))))
}

impl Group {
    /// The number of the first message that is remembered in the pane that starts at `start`.
    pub(in crate::leaderboards) fn first_message(&self, start: Timestamp) -> Option<u64> {
        self.panes.get(&start)?.messages.first()
    }

    /// The same of all panes, with their starts.
    pub(in crate::leaderboards) fn first_messages(&self) -> impl Iterator<Item = (Timestamp, u64)> {
        self.panes.iter().filter_map(|(start, pane)| Some((*start, pane.messages.first()?)))
    }

    /// Forgets the message with this number if it is the first of its pane: it can no longer be taken back. False if it is not.
    pub(in crate::leaderboards) fn forget(
        &mut self,
        start: Timestamp,
        number: u64,
        is_tracked: bool,
    ) -> bool {
        let Some(pane) = self.panes.get_mut(&start) else { return false };
        let forget = |messages: &mut Messages, gone: &mut _| messages.forget_first(number, gone);
        let (is_forgotten, fewer) = pane.without_messages(is_tracked, forget);
        self.entries -= fewer;
        is_forgotten
    }

    /// Takes back what moderators did. True if there was anything.
    pub(in crate::leaderboards) fn take_back(&mut self, what: &Retracted<'_>, rules: Rules) -> bool {
        let starts: Vec<Timestamp> = self.panes.keys().copied().collect();
        let mut is_taken = false;
        for start in starts {
            is_taken |= match what {
                Retracted::Message(id) => self.take_message(start, *id, rules),
                Retracted::User(user) => self.take_user(start, user, rules),
                Retracted::Chat => self.take_all(start, rules),
            };
        }
        is_taken
    }

    fn take_message(&mut self, start: Timestamp, id: Id, rules: Rules) -> bool {
        let Some(pane) = self.panes.get_mut(&start) else { return false };
        let take = |messages: &mut Messages, gone: &mut _| messages.take(id, rules.is_by_user, gone);
        let (parts, fewer) = pane.without_messages(rules.is_tracked, take);
        self.entries -= fewer;
        for part in &parts {
            let Some(item) = self.items.number_of(&part.item) else { continue };
            let user = part.author(rules.is_by_user).map_or("", |user| user);
            self.take_from_cell(start, item, user, Some(part.value), rules);
        }
        !parts.is_empty()
    }

    fn take_user(&mut self, start: Timestamp, user: &str, rules: Rules) -> bool {
        let Some(pane) = self.panes.get_mut(&start) else { return false };
        let items: Vec<Number> = if rules.is_by_user {
            let item = self.items.number_of(user).filter(|item| pane.cells.contains_key(item));
            item.into_iter().collect()
        } else {
            let with_user = pane.cells.iter().filter(|(_, cell)| cell.has_user(user));
            with_user.map(|(item, _)| *item).collect()
        };
        if items.is_empty() {
            return false;
        }
        let before = pane.messages.len();
        if pane.messages.ban(user) && rules.is_tracked {
            pane.unsaved.push(PaneKey::Ban(Arc::from(user)));
        }
        let further = pane.messages.len() - before;
        pane.entries += further;
        self.entries += further;
        for item in &items {
            if rules.is_by_user {
                self.take_cell(start, *item, rules);
            } else {
                self.take_from_cell(start, *item, user, None, rules);
            }
        }
        true
    }

    fn take_all(&mut self, start: Timestamp, rules: Rules) -> bool {
        let Some(pane) = self.panes.get_mut(&start) else { return false };
        if rules.is_tracked {
            pane.unsaved.extend(message_keys(&pane.messages));
        }
        let fewer = std::mem::take(&mut pane.messages).len();
        pane.entries -= fewer;
        self.entries -= fewer;
        let items: Vec<Number> = pane.cells.keys().copied().collect();
        for item in &items {
            self.take_cell(start, *item, rules);
        }
        !items.is_empty()
    }

    /// Takes a cell out of its pane. False if there is none.
    fn take_cell(&mut self, start: Timestamp, number: Number, rules: Rules) -> bool {
        let Some(pane) = self.panes.get_mut(&start) else { return false };
        let Some(cell) = pane.cells.remove(&number) else { return false };
        let Some(name) = self.items.get(number).map(|item| Arc::clone(&item.name)) else { return false };
        pane.entries -= 1 + cell.user_count();
        self.entries -= 1 + cell.user_count();
        let users = cell.users.iter().flat_map(|users| users.keys());
        if rules.is_tracked {
            let user_key = |user| PaneKey::User { item: Arc::clone(&name), user: Arc::clone(user) };
            pane.unsaved.extend(users.clone().map(user_key));
            pane.unsaved.push(PaneKey::Cell(Arc::clone(&name)));
        }
        users.clone().for_each(|user| {
            self.votes.remove(user);
        });
        self.note_loss(start, &name, cell.score, rules);
        self.lose(start, number, cell.score, users, rules);
        true
    }

    fn note_loss(&mut self, start: Timestamp, name: &Arc<str>, lost: i128, rules: Rules) {
        if rules.keeps_losses && lost > 0 {
            self.losses.push((start, Arc::clone(name), lost));
        }
    }

    /// Takes `value` back of an item's score in a pane, which somebody else found to be lost. False if there is none.
    pub(in crate::leaderboards) fn lose_part(
        &mut self,
        start: Timestamp,
        item: &str,
        value: i128,
        rules: Rules,
    ) -> bool {
        let Some(number) = self.items.number_of(item) else { return false };
        if self.panes.get(&start).is_none_or(|pane| !pane.cells.contains_key(&number)) {
            return false;
        }
        self.take_from_cell(start, number, "", Some(value), rules);
        true
    }

    /// Takes `value` of a user out of a cell, everything if it is none.
    pub(super) fn take_from_cell(
        &mut self,
        start: Timestamp,
        number: Number,
        user: &str,
        value: Option<i128>,
        rules: Rules,
    ) {
        let Some(pane) = self.panes.get_mut(&start) else { return };
        let Some(cell) = pane.cells.get_mut(&number) else { return };
        let Some(name) = self.items.get(number).map(|item| Arc::clone(&item.name)) else { return };
        let (gone, lost) = if rules.keeps_users && !(user.is_empty() && rules.scoring == Scoring::Sum) {
            cell.take_back(rules.scoring, user, value)
        } else {
            let lost = value.unwrap_or(cell.score).min(cell.score);
            cell.score -= lost;
            (None, lost)
        };
        let is_gone = cell.score == 0;
        if rules.is_tracked {
            let is_held = cell.has_user(user) || gone.is_some();
            if let Some(held) = cell.users.as_mut().and_then(|users| users.get_mut(user)) {
                held.is_unsaved = true;
            }
            if is_held {
                pane.unsaved.push(PaneKey::User { item: Arc::clone(&name), user: Arc::from(user) });
            }
            cell.is_unsaved = true;
            pane.unsaved.push(PaneKey::Cell(Arc::clone(&name)));
        }
        if is_gone {
            pane.cells.remove(&number);
        }
        let fewer = usize::from(gone.is_some()) + usize::from(is_gone);
        pane.entries -= fewer;
        self.entries -= fewer;
        if let Some(gone) = &gone {
            self.votes.remove(gone);
        }
        self.note_loss(start, &name, lost, rules);
        self.lose(start, number, lost, gone.iter(), rules);
    }

    /// Takes back the panes that start before `window_start`. True if they had scores.
    pub(in crate::leaderboards) fn expire(&mut self, window_start: Timestamp, rules: Rules) -> bool {
        let kept = self.panes.split_off(&window_start);
        let expired = std::mem::replace(&mut self.panes, kept);
        for (start, pane) in &expired {
            self.entries -= pane.entries;
            for (number, cell) in &pane.cells {
                let users = cell.users.iter().flat_map(|users| users.keys());
                if rules.scoring == Scoring::Votes {
                    users.clone().for_each(|user| {
                        self.votes.remove(user);
                    });
                }
                self.lose(*start, *number, cell.score, users, rules);
            }
        }
        expired.values().any(|pane| !pane.cells.is_empty())
    }

    /// The window of a growth moves on to `window_start`. True if panes with scores are before it now.
    pub(in crate::leaderboards) fn age(&mut self, window_start: Timestamp, rules: Rules) -> bool {
        let Some(growth) = &rules.growth else { return false };
        let mut is_changed = false;
        for pane in self.panes.range(growth.window_start..window_start).map(|(_, pane)| pane) {
            for (number, cell) in &pane.cells {
                let Some(item) = self.items.get_mut(*number) else { continue };
                let (before, placed) = (item.score, item.placing());
                item.age(cell.score, growth);
                touch(&self.front, &mut self.touched, *number, item, placed);
                self.total += item.score - before;
                self.ranked -= usize::from(before > 0 && item.score == 0);
                is_changed = true;
            }
        }
        is_changed
    }

    /// What may have been saved of its panes: what they hold, and what they lost since; with the panes' starts.
    pub(in crate::leaderboards) fn saved_keys(&self) -> impl Iterator<Item = (Timestamp, PaneKey)> {
        let keys =
            |pane: &Pane| pane.keys(&self.items).chain(pane.unsaved.iter().cloned()).collect::<Vec<_>>();
        self.panes.iter().flat_map(move |(start, pane)| keys(pane).into_iter().map(|key| (*start, key)))
    }
}
