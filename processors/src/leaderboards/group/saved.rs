//! A group's part of the chunks: its items and its panes.
//!
//! Always holds: it is saved between ticks, when every item has a score and its place, nothing waits for a record, and the
//! ranks are those of the last record; so scores, totals, places, votes and ranks are not written but found again from the cells. An
//! item whose score is gone needs no mark: without a cell it is dropped when it is read.
//! Does not know: which chunk is which.

use std::sync::Arc;

use schemas::Timestamp;

use super::super::cell::{Cell, Held, Scoring, is_before};
use super::panes::{Message, PaneKey};
use super::{Group, Item, Rules, Vote};
use crate::maps::value_of;
use crate::state::bytes::{Reader, Stored, Unreadable, put_str, text};
use crate::state::journal::Entries;

/// What the keys begin with, before their group.
pub(in crate::leaderboards) const ITEM_KEY: u8 = b'i';
const CELL_KEY: u8 = b'c';
const USER_KEY: u8 = b'u';
const MESSAGE_KEY: u8 = b'm';

impl Message {
    fn put(&self, out: &mut Vec<u8>) {
        self.user.put(out);
        self.parts.put(out);
        self.number.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(Message { user: reader.get()?, parts: reader.get()?, number: reader.get()?, is_unsaved: false })
    }
}

impl Held {
    fn put(&self, out: &mut Vec<u8>) {
        self.value.put(out);
        self.time.put(out);
    }
}

impl PaneKey {
    pub(in crate::leaderboards) fn put(&self, group: &str, out: &mut Vec<u8>) {
        let (mark, text) = match self {
            PaneKey::Cell(item) => (CELL_KEY, item),
            PaneKey::User { item, .. } => (USER_KEY, item),
            PaneKey::Message(id) => (MESSAGE_KEY, id),
        };
        out.push(mark);
        put_str(out, group);
        match self {
            PaneKey::User { user, .. } => {
                put_str(out, text);
                out.extend_from_slice(user.as_bytes());
            }
            _ => out.extend_from_slice(text.as_bytes()),
        }
    }
}

impl Group {
    /// Adds the items that changed since the last save.
    pub(in crate::leaderboards) fn put_unsaved_items(&mut self, name: &str, out: &mut Entries) {
        for key in self.unsaved.drain(..) {
            if let Some(item) = self.items.get_mut(&key) {
                item.is_unsaved = false;
                put_item(name, &key, item, out);
            }
        }
    }

    /// Adds all items.
    pub(in crate::leaderboards) fn put_items(&self, name: &str, out: &mut Entries) {
        self.items.iter().for_each(|(key, item)| put_item(name, key, item, out));
    }

    /// Adds what changed since the last save in the pane that starts at `start`.
    pub(in crate::leaderboards) fn put_unsaved_pane(
        &mut self,
        name: &str,
        start: Timestamp,
        scoring: Scoring,
        out: &mut Entries,
    ) {
        let unsaved = self.panes.get_mut(&start).map(|pane| std::mem::take(&mut pane.unsaved));
        for key in unsaved.into_iter().flatten() {
            self.put_pane_key(name, start, &key, scoring, out);
            let Some(pane) = self.panes.get_mut(&start) else { continue };
            match &key {
                PaneKey::Cell(item) => {
                    if let Some(cell) = pane.cells.get_mut(item) {
                        cell.is_unsaved = false;
                    }
                }
                PaneKey::User { item, user } => {
                    let users = pane.cells.get_mut(item).and_then(|cell| cell.users.as_mut());
                    if let Some(held) = users.and_then(|users| users.get_mut(user)) {
                        held.is_unsaved = false;
                    }
                }
                PaneKey::Message(id) => {
                    if let Some(message) = pane.messages.get_mut(id) {
                        message.is_unsaved = false;
                    }
                }
            }
        }
    }

    /// Adds one part of a pane, or that it is gone.
    fn put_pane_key(&self, name: &str, start: Timestamp, key: &PaneKey, scoring: Scoring, out: &mut Entries) {
        let write_key = |bytes: &mut Vec<u8>| key.put(name, bytes);
        let pane = self.panes.get(&start);
        let cell = |item| pane.and_then(|pane| pane.cells.get(item));
        match key {
            PaneKey::Cell(item) => match cell(item) {
                Some(cell) => out.put(write_key, |bytes| cell.put(scoring, bytes)),
                None => out.remove(write_key),
            },
            PaneKey::User { item, user } => {
                match cell(item).and_then(|cell| cell.users.as_ref()?.get(user)) {
                    Some(held) => out.put(write_key, |bytes| held.put(bytes)),
                    None => out.remove(write_key),
                }
            }
            PaneKey::Message(id) => match pane.and_then(|pane| pane.messages.get(id)) {
                Some(message) => out.put(write_key, |bytes| message.put(bytes)),
                None => out.remove(write_key),
            },
        }
    }

    /// Adds all of the pane that starts at `start`.
    pub(in crate::leaderboards) fn put_pane(
        &self,
        name: &str,
        start: Timestamp,
        scoring: Scoring,
        out: &mut Entries,
    ) {
        for key in self.panes.get(&start).iter().flat_map(|pane| pane.keys()) {
            self.put_pane_key(name, start, &key, scoring, out);
        }
    }

    /// The starts of the panes that changed since the last save.
    pub(in crate::leaderboards) fn unsaved_panes(&self) -> impl Iterator<Item = Timestamp> {
        self.panes.iter().filter(|(_, pane)| !pane.unsaved.is_empty()).map(|(start, _)| *start)
    }

    /// Takes over an item.
    pub(in crate::leaderboards) fn restore_item(
        &mut self,
        name: &str,
        value: &mut Reader<'_>,
    ) -> Result<(), Unreadable> {
        let (reached, label) = (value.get()?, value.get()?);
        let item = Item::new(reached, label);
        match self.items.get_mut(name) {
            Some(known) => *known = item,
            None => {
                self.items.insert(Arc::from(name), item);
            }
        }
        Ok(())
    }

    /// Takes over a part of a pane, or that it is gone. `key` and `mark` are what [`PaneKey::put`] wrote, without the group.
    pub(in crate::leaderboards) fn restore_pane(
        &mut self,
        start: Timestamp,
        mark: u8,
        key: &mut Reader<'_>,
        value: Option<&mut Reader<'_>>,
        scoring: Scoring,
    ) -> Result<(), Unreadable> {
        let pane = self.panes.entry(start).or_default();
        match mark {
            CELL_KEY => {
                let item = text(key.rest())?;
                match value {
                    Some(value) => {
                        let users = pane.cells.get_mut(item).and_then(|cell| cell.users.take());
                        let cell = Cell { users, ..Cell::get(scoring, value)? };
                        pane.cells.insert(Arc::from(item), cell);
                    }
                    None => {
                        if let Some(cell) = pane.cells.get_mut(item) {
                            cell.score = 0;
                        }
                    }
                }
            }
            USER_KEY => {
                let item = key.str()?;
                let user = text(key.rest())?;
                let cell = value_of(&mut pane.cells, item);
                let users = cell.users.get_or_insert_default();
                match value {
                    Some(value) => {
                        users.insert(Arc::from(user), Held::new(value.get()?, value.get()?));
                    }
                    None => {
                        users.remove(user);
                    }
                }
            }
            MESSAGE_KEY => {
                let id = text(key.rest())?;
                match value {
                    Some(value) => *value_of(&mut pane.messages, id) = Message::get(value)?,
                    None => {
                        pane.messages.remove(id);
                    }
                }
            }
            _ => return Err(Unreadable("holds a key that is none")),
        }
        Ok(())
    }

    /// Finds again what follows from items and panes. Returns the messages that are remembered, as (pane, id, number).
    pub(in crate::leaderboards) fn restored(
        &mut self,
        k: usize,
        rules: Rules,
    ) -> Result<Vec<(Timestamp, Arc<str>, u64)>, Unreadable> {
        let mut messages = Vec::new();
        self.entries = 0;
        for (start, pane) in &mut self.panes {
            pane.cells.retain(|_, cell| cell.score > 0);
            pane.entries = pane.messages.len();
            for (key, cell) in &mut pane.cells {
                pane.entries += 1 + cell.user_count();
                let Some((key, item)) = self.items.get_key_value_mut(key) else {
                    return Err(Unreadable("scores an item that is not on the board"));
                };
                item.add_restored(*start, cell, rules);
                if rules.scoring == Scoring::Votes {
                    for (user, held) in cell.users.iter().flat_map(|users| users.iter()) {
                        let vote = Vote { pane: *start, item: Arc::clone(key), time: held.time };
                        self.votes.insert(Arc::clone(user), vote);
                    }
                }
            }
            self.entries += pane.entries;
            for (id, message) in &pane.messages {
                messages.push((*start, Arc::clone(id), message.number));
                if let Some(user) = &message.user {
                    value_of(&mut pane.messages_by_user, user).push(Arc::clone(id));
                }
            }
        }
        self.items.retain(|_, item| !item.is_gone());
        self.entries += self.items.len();
        self.total = self.items.values().fold(0, |total, item| total.saturating_add(item.score));
        self.ranked = self.items.values().filter(|item| item.score > 0).count();
        self.resize_front(k);
        self.remember_ranks(k);
        Ok(messages)
    }
}

impl Item {
    fn add_restored(&mut self, pane: Timestamp, cell: &Cell, rules: Rules) {
        match rules.scoring {
            Scoring::Largest => {
                if self.score == 0 || is_before((cell.score, cell.reached), (self.score, self.reached)) {
                    (self.score, self.reached) = (cell.score, cell.reached);
                }
            }
            Scoring::Distinct if rules.has_panes => {
                let users = self.users.get_or_insert_default();
                for user in cell.users.iter().flat_map(|users| users.keys()) {
                    *users.entry(Arc::clone(user)).or_default() += 1;
                }
                self.score = users.len() as i128;
            }
            _ => self.gain(cell.score, pane, rules),
        }
    }
}

fn put_item(group: &str, key: &str, item: &Item, out: &mut Entries) {
    out.put(
        |bytes| {
            bytes.push(ITEM_KEY);
            put_str(bytes, group);
            bytes.extend_from_slice(key.as_bytes());
        },
        |bytes| {
            item.reached.put(bytes);
            item.label.put(bytes);
        },
    );
}
