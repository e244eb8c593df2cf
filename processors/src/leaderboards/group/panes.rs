//! The panes of a group: what each holds until it expires, and what is taken out of them before.
//!
//! Always holds: a message is remembered in the pane in which it counts, and what it brought is taken back once at most: with
//! the message, its user, or the chat. Does not know: how panes add up to scores, nor the order of places.

use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use rustc_hash::FxBuildHasher;
use schemas::Timestamp;
use smallvec::SmallVec;

use super::super::cell::{Cell, Held, Scoring};
use super::super::contributions::Retracted;
use super::{Gain, Group, Rules, touch};
use crate::maps::ByName;

/// A part of a pane that is saved under a key of its own.
#[derive(Clone, Debug)]
pub(in crate::leaderboards) enum PaneKey {
    Cell(Arc<str>),
    User { item: Arc<str>, user: Arc<str> },
    Message(Arc<str>),
}

/// A message that may be taken back.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    pub(super) user: Option<Arc<str>>,
    /// What it brought to which items.
    pub(super) parts: SmallVec<[(Arc<str>, i128); 1]>,
    /// Rises with every message of the board: the lowest is forgotten first.
    pub(super) number: u64,
    pub(super) is_unsaved: bool,
}

/// The scores of one pane.
#[derive(Clone, Debug, Default)]
pub(super) struct Pane {
    pub(super) cells: HashMap<Arc<str>, Cell, FxBuildHasher>,
    pub(super) messages: ByName<Message>,
    /// The messages of each user.
    pub(super) messages_by_user: ByName<SmallVec<[Arc<str>; 1]>>,
    pub(super) unsaved: Vec<PaneKey>,
    /// Cells, users in cells, and messages.
    pub(super) entries: usize,
}

impl Pane {
    /// Adds to a cell. Returns how much its score gained, and the user if that is a new one there.
    pub(super) fn add(&mut self, key: &Arc<str>, gain: &Gain<'_>, rules: Rules) -> (i128, Option<Arc<str>>) {
        let entries = &mut self.entries;
        let cell = self.cells.entry(Arc::clone(key)).or_insert_with(|| {
            *entries += 1;
            Cell::default()
        });
        let before = (cell.score, cell.reached);
        let mut new_user = None;
        // Where the largest is to be found again, what came anonymously is held under no name.
        let is_anonymous_held = rules.scoring == Scoring::Largest;
        let user = gain.user.map(|user| &**user).or(is_anonymous_held.then_some(""));
        let name = || gain.user.map_or_else(|| Arc::from(""), Arc::clone);
        if let Some(user) = user.filter(|_| rules.keeps_users) {
            let users = cell.users.get_or_insert_default();
            let held = match users.entry_ref(user) {
                EntryRef::Occupied(entry) => {
                    let held = entry.into_mut();
                    held.add(rules.scoring, gain.value, gain.event_time);
                    held
                }
                EntryRef::Vacant(entry) => {
                    let name = name();
                    new_user = Some(Arc::clone(&name));
                    self.entries += 1;
                    entry.insert_with_key(name, Held::new(gain.value, gain.event_time))
                }
            };
            if rules.is_tracked && !std::mem::replace(&mut held.is_unsaved, true) {
                self.unsaved.push(PaneKey::User { item: Arc::clone(key), user: name() });
            }
        }
        cell.add(rules.scoring, gain.value, gain.event_time);
        if matches!(rules.scoring, Scoring::Distinct | Scoring::Votes) {
            cell.score = cell.user_count() as i128;
        }
        let is_changed = (cell.score, cell.reached) != before;
        let gained = cell.score - before.0;
        if rules.is_tracked && is_changed && !std::mem::replace(&mut cell.is_unsaved, true) {
            self.unsaved.push(PaneKey::Cell(Arc::clone(key)));
        }
        (gained, new_user)
    }

    /// Forgets a message.
    fn forget(&mut self, id: &str, is_tracked: bool) -> Option<Message> {
        let (name, message) = self.messages.remove_entry(id)?;
        self.entries -= 1;
        if let Some(user) = &message.user {
            let is_without = self.messages_by_user.get_mut(user).is_some_and(|ids| {
                ids.retain(|one| &**one != id);
                ids.is_empty()
            });
            if is_without {
                self.messages_by_user.remove(user);
            }
        }
        if is_tracked {
            self.unsaved.push(PaneKey::Message(name));
        }
        Some(message)
    }

    /// All that is saved of it.
    pub(super) fn keys(&self) -> impl Iterator<Item = PaneKey> {
        let users = self.cells.iter().flat_map(|(item, cell)| {
            let names = cell.users.iter().flat_map(|users| users.keys());
            names.map(|user| PaneKey::User { item: Arc::clone(item), user: Arc::clone(user) })
        });
        let cells = self.cells.keys().map(|item| PaneKey::Cell(Arc::clone(item)));
        cells.chain(users).chain(self.messages.keys().map(|id| PaneKey::Message(Arc::clone(id))))
    }
}

impl Group {
    /// Remembers that a message brought `value` to an item, in the pane that starts at `start`. True if it was not known; then
    /// it has `number`.
    pub(in crate::leaderboards) fn remember(
        &mut self,
        id: &Arc<str>,
        number: u64,
        gain: &Gain<'_>,
        is_tracked: bool,
    ) -> bool {
        let Some(item) = self.items.get_key_value(gain.item).map(|(key, _)| Arc::clone(key)) else {
            return false;
        };
        let Some(pane) = self.panes.get_mut(&gain.pane) else { return false };
        let (message, is_new) = match pane.messages.entry_ref(&**id) {
            EntryRef::Occupied(entry) => (entry.into_mut(), false),
            EntryRef::Vacant(entry) => {
                // of one name there is one copy
                let user = gain.user.map(|user| Arc::clone(if **user == *item { &item } else { user }));
                if let Some(user) = &user {
                    pane.messages_by_user.entry(Arc::clone(user)).or_default().push(Arc::clone(id));
                }
                pane.entries += 1;
                self.entries += 1;
                let message = Message { user, number, ..Message::default() };
                (entry.insert_with_key(Arc::clone(id), message), true)
            }
        };
        message.parts.push((item, gain.value));
        if is_tracked && !std::mem::replace(&mut message.is_unsaved, true) {
            pane.unsaved.push(PaneKey::Message(Arc::clone(id)));
        }
        is_new
    }

    /// Forgets a message: it can no longer be taken back. False if it is gone already.
    pub(in crate::leaderboards) fn forget(
        &mut self,
        start: Timestamp,
        id: &str,
        number: u64,
        is_tracked: bool,
    ) -> bool {
        let Some(pane) = self.panes.get_mut(&start) else { return false };
        if pane.messages.get(id).is_none_or(|message| message.number != number) {
            return false;
        }
        self.entries -= usize::from(pane.forget(id, is_tracked).is_some());
        true
    }

    /// Whether a message with this number is remembered.
    pub(in crate::leaderboards) fn remembers(&self, start: Timestamp, id: &str, number: u64) -> bool {
        let message = self.panes.get(&start).and_then(|pane| pane.messages.get(id));
        message.is_some_and(|message| message.number == number)
    }

    /// Takes back what moderators did. True if there was anything.
    pub(in crate::leaderboards) fn take_back(&mut self, what: &Retracted, rules: Rules) -> bool {
        let starts: Vec<Timestamp> = self.panes.keys().copied().collect();
        let mut is_taken = false;
        for start in starts {
            is_taken |= match what {
                Retracted::Message(id) => self.take_message(start, id, rules),
                Retracted::User(user) => self.take_user(start, user, rules),
                Retracted::Chat => self.take_all(start, rules),
            };
        }
        is_taken
    }

    fn take_message(&mut self, start: Timestamp, id: &str, rules: Rules) -> bool {
        let Some(pane) = self.panes.get_mut(&start) else { return false };
        let Some(message) = pane.forget(id, rules.is_tracked) else { return false };
        self.entries -= 1;
        for (item, value) in &message.parts {
            self.take_from_cell(
                start,
                item,
                message.user.as_deref().unwrap_or_default(),
                Some(*value),
                rules,
            );
        }
        true
    }

    fn take_user(&mut self, start: Timestamp, user: &str, rules: Rules) -> bool {
        let Some(pane) = self.panes.get_mut(&start) else { return false };
        for id in pane.messages_by_user.remove(user).unwrap_or_default() {
            if pane.messages.get(&id).is_some_and(|message| message.user.as_deref() == Some(user)) {
                self.entries -= usize::from(pane.forget(&id, rules.is_tracked).is_some());
            }
        }
        if rules.is_by_user {
            return self.take_cell(start, user, rules);
        }
        let with_user = pane.cells.iter().filter(|(_, cell)| cell.has_user(user));
        let items: Vec<Arc<str>> = with_user.map(|(item, _)| Arc::clone(item)).collect();
        for item in &items {
            self.take_from_cell(start, item, user, None, rules);
        }
        !items.is_empty()
    }

    fn take_all(&mut self, start: Timestamp, rules: Rules) -> bool {
        let Some(pane) = self.panes.get_mut(&start) else { return false };
        let ids: Vec<Arc<str>> = pane.messages.keys().map(Arc::clone).collect();
        for id in ids {
            self.entries -= usize::from(pane.forget(&id, rules.is_tracked).is_some());
        }
        pane.messages_by_user.clear();
        let items: Vec<Arc<str>> = pane.cells.keys().map(Arc::clone).collect();
        for item in &items {
            self.take_cell(start, item, rules);
        }
        !items.is_empty()
    }

    /// Takes a cell out of its pane. False if there is none.
    fn take_cell(&mut self, start: Timestamp, item: &str, rules: Rules) -> bool {
        let Some(pane) = self.panes.get_mut(&start) else { return false };
        let Some((key, cell)) = pane.cells.remove_entry(item) else { return false };
        pane.entries -= 1 + cell.user_count();
        self.entries -= 1 + cell.user_count();
        let users = cell.users.iter().flat_map(|users| users.keys());
        if rules.is_tracked {
            let user_key = |user| PaneKey::User { item: Arc::clone(&key), user: Arc::clone(user) };
            pane.unsaved.extend(users.clone().map(user_key));
            pane.unsaved.push(PaneKey::Cell(Arc::clone(&key)));
        }
        users.clone().for_each(|user| {
            self.votes.remove(user);
        });
        self.note_loss(start, &key, cell.score, rules);
        self.lose(start, &key, cell.score, users, rules);
        true
    }

    fn note_loss(&mut self, start: Timestamp, key: &Arc<str>, lost: i128, rules: Rules) {
        if rules.keeps_losses && lost > 0 {
            self.losses.push((start, Arc::clone(key), lost));
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
        if self.panes.get(&start).is_none_or(|pane| !pane.cells.contains_key(item)) {
            return false;
        }
        self.take_from_cell(start, item, "", Some(value), rules);
        true
    }

    /// Takes `value` of a user out of a cell, everything if it is none.
    pub(super) fn take_from_cell(
        &mut self,
        start: Timestamp,
        item: &str,
        user: &str,
        value: Option<i128>,
        rules: Rules,
    ) {
        let Some(pane) = self.panes.get_mut(&start) else { return };
        let Some((key, cell)) = pane.cells.get_key_value_mut(item) else { return };
        let key = Arc::clone(key);
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
                pane.unsaved.push(PaneKey::User { item: Arc::clone(&key), user: Arc::from(user) });
            }
            cell.is_unsaved = true;
            pane.unsaved.push(PaneKey::Cell(Arc::clone(&key)));
        }
        if is_gone {
            pane.cells.remove(&key);
        }
        let fewer = usize::from(gone.is_some()) + usize::from(is_gone);
        pane.entries -= fewer;
        self.entries -= fewer;
        if let Some(gone) = &gone {
            self.votes.remove(gone);
        }
        self.note_loss(start, &key, lost, rules);
        self.lose(start, &key, lost, gone.iter(), rules);
    }

    /// Takes back the panes that start before `window_start`. True if they had scores.
    pub(in crate::leaderboards) fn expire(&mut self, window_start: Timestamp, rules: Rules) -> bool {
        let kept = self.panes.split_off(&window_start);
        let expired = std::mem::replace(&mut self.panes, kept);
        for (start, pane) in &expired {
            self.entries -= pane.entries;
            for (key, cell) in &pane.cells {
                let users = cell.users.iter().flat_map(|users| users.keys());
                if rules.scoring == Scoring::Votes {
                    users.clone().for_each(|user| {
                        self.votes.remove(user);
                    });
                }
                self.lose(*start, key, cell.score, users, rules);
            }
        }
        expired.values().any(|pane| !pane.cells.is_empty())
    }

    /// The window of a growth moves on to `window_start`. True if panes with scores are before it now.
    pub(in crate::leaderboards) fn age(&mut self, window_start: Timestamp, rules: Rules) -> bool {
        let Some(growth) = &rules.growth else { return false };
        let mut is_changed = false;
        for pane in self.panes.range(growth.window_start..window_start).map(|(_, pane)| pane) {
            for (key, cell) in &pane.cells {
                let Some(item) = self.items.get_mut(key) else { continue };
                let (before, placed) = (item.score, item.placing());
                item.age(cell.score, growth);
                touch(&self.front, &mut self.touched, key, item, placed);
                self.total += item.score - before;
                self.ranked -= usize::from(before > 0 && item.score == 0);
                is_changed = true;
            }
        }
        is_changed
    }

    /// What may have been saved of its panes: what they hold, and what they lost since; with the panes' starts.
    pub(in crate::leaderboards) fn saved_keys(&self) -> impl Iterator<Item = (Timestamp, PaneKey)> {
        let keys = |pane: &Pane| pane.keys().chain(pane.unsaved.iter().cloned()).collect::<Vec<_>>();
        self.panes.iter().flat_map(move |(start, pane)| keys(pane).into_iter().map(|key| (*start, key)))
    }
}
