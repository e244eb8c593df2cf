//! A group's part of the chunks: its items and its panes.
//!
//! Always holds: it is saved when every item has its place; so scores, totals, places and votes are not written but found again from the
//! cells. An item that is gone needs no mark: without a cell it is dropped when it is read, unless it has lost all since the last record.
//! Does not know: which chunk is which.

use std::sync::Arc;

use schemas::Timestamp;

use super::super::cell::{Cell, Held, Scoring, is_before};
use super::items::Number;
use super::messages::{Part, PartKey};
use super::panes::{Pane, PaneKey, Restored};
use super::{Group, Item, Rules, Vote};
use crate::maps::value_of;
use crate::state::bytes::{Reader, Stored, Unreadable, put_str, text};
use crate::state::journal::Entries;

/// What the keys begin with, before their group.
pub(in crate::leaderboards) const ITEM_KEY: u8 = b'i';
const CELL_KEY: u8 = b'c';
const USER_KEY: u8 = b'u';
const MESSAGE_KEY: u8 = b'm';
const BAN_KEY: u8 = b'b';

impl Part {
    /// All but its key, which is that of the record.
    fn put(&self, out: &mut Vec<u8>) {
        self.id.put(out);
        self.item.put(out);
        self.user.put(out);
        self.value.put(out);
    }

    fn get(key: PartKey, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(Part { id: reader.get()?, item: reader.get()?, user: reader.get()?, value: reader.get()?, key })
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
        match self {
            PaneKey::Cell(item) => put_key(CELL_KEY, group, item, out),
            PaneKey::User { item, user } => put_user_key(group, item, user, out),
            PaneKey::Message(key) => put_part_key(*key, group, out),
            PaneKey::Ban(user) => put_key(BAN_KEY, group, user, out),
        }
    }
}

fn put_key(mark: u8, group: &str, name: &str, out: &mut Vec<u8>) {
    out.push(mark);
    put_str(out, group);
    out.extend_from_slice(name.as_bytes());
}

fn put_user_key(group: &str, item: &str, user: &str, out: &mut Vec<u8>) {
    out.push(USER_KEY);
    put_str(out, group);
    put_str(out, item);
    out.extend_from_slice(user.as_bytes());
}

/// In the order of the bytes the parts of a group are in the order in which they came.
fn put_part_key(key: PartKey, group: &str, out: &mut Vec<u8>) {
    out.push(MESSAGE_KEY);
    put_str(out, group);
    out.extend_from_slice(&key.number.to_be_bytes());
    out.extend_from_slice(&key.index.to_be_bytes());
}

fn get_part_key(key: &mut Reader<'_>) -> Result<PartKey, Unreadable> {
    let cut_off = |_| Unreadable("is cut off");
    let number = u64::from_be_bytes(key.take(8)?.try_into().map_err(cut_off)?);
    Ok(PartKey { number, index: u32::from_be_bytes(key.take(4)?.try_into().map_err(cut_off)?) })
}

impl Group {
    /// What is to be known of it as a whole.
    pub(in crate::leaderboards) fn put(&self, out: &mut Vec<u8>) {
        self.revision.put(out);
        self.recorded_end.put(out);
        self.session.put(out);
        self.ranked_at.put(out);
        self.is_changed.put(out);
    }

    /// Takes that over.
    pub(in crate::leaderboards) fn restore(&mut self, reader: &mut Reader<'_>) -> Result<(), Unreadable> {
        (self.revision, self.recorded_end) = (reader.get()?, reader.get()?);
        (self.session, self.ranked_at, self.is_changed) = (reader.get()?, reader.get()?, reader.get()?);
        Ok(())
    }

    /// Adds the items that changed since the last save.
    pub(in crate::leaderboards) fn put_unsaved_items(&mut self, name: &str, out: &mut Entries) {
        for number in self.unsaved.drain(..) {
            // A number may stand there twice: first for an item that is gone.
            if let Some(item) = self.items.get_mut(number).filter(|item| item.is_unsaved) {
                item.is_unsaved = false;
                put_item(name, item, out);
            }
        }
    }

    /// Adds all items.
    pub(in crate::leaderboards) fn put_items(&self, name: &str, out: &mut Entries) {
        self.items.iter().for_each(|(_, item)| put_item(name, item, out));
    }

    /// Adds what changed since the last save in the pane that starts at `start`, messages from the number `open_from` on among it.
    pub(in crate::leaderboards) fn put_unsaved_pane(
        &mut self,
        name: &str,
        start: Timestamp,
        scoring: Scoring,
        open_from: u64,
        out: &mut Entries,
    ) {
        let Some(pane) = self.panes.get_mut(&start) else { return };
        pane.put_parts(name, open_from, out);
        for key in std::mem::take(&mut pane.unsaved) {
            let write_key = |bytes: &mut Vec<u8>| key.put(name, bytes);
            match &key {
                PaneKey::Cell(item) => match pane.cell_of(item, &self.items) {
                    Some(cell) => {
                        cell.is_unsaved = false;
                        out.put(write_key, |bytes| cell.put(scoring, bytes));
                    }
                    None => out.remove(write_key),
                },
                PaneKey::User { item, user } => {
                    let users = pane.cell_of(item, &self.items).and_then(|cell| cell.users.as_mut());
                    match users.and_then(|users| users.get_mut(user)) {
                        Some(held) => {
                            held.is_unsaved = false;
                            out.put(write_key, |bytes| held.put(bytes));
                        }
                        None => out.remove(write_key),
                    }
                }
                PaneKey::Message(_) => out.remove(write_key),
                PaneKey::Ban(user) => match pane.messages.banned_until(user) {
                    Some(until) => out.put(write_key, |bytes| until.put(bytes)),
                    None => out.remove(write_key),
                },
            }
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
        let Some(pane) = self.panes.get(&start) else { return };
        for (item, cell) in pane.named_cells(&self.items) {
            out.put(|key| put_key(CELL_KEY, name, item, key), |value| cell.put(scoring, value));
            for (user, held) in cell.users.iter().flat_map(|users| users.iter()) {
                out.put(|key| put_user_key(name, item, user, key), |value| held.put(value));
            }
        }
        pane.put_parts(name, 0, out);
        for (user, until) in pane.messages.bans() {
            out.put(|key| put_key(BAN_KEY, name, user, key), |value| until.put(value));
        }
    }

    /// The starts of the panes that changed since the last save, or have messages from the number `open_from` on.
    pub(in crate::leaderboards) fn unsaved_panes(&self, open_from: u64) -> impl Iterator<Item = Timestamp> {
        let is_unsaved =
            move |pane: &Pane| !pane.unsaved.is_empty() || pane.messages.last() >= Some(open_from);
        self.panes.iter().filter(move |(_, pane)| is_unsaved(pane)).map(|(start, _)| *start)
    }

    /// Takes over an item.
    pub(in crate::leaderboards) fn restore_item(
        &mut self,
        name: &str,
        value: &mut Reader<'_>,
    ) -> Result<(), Unreadable> {
        let (reached, label) = (value.get()?, value.get()?);
        let (_, item) = self.items.entry_of(name, |name| Item::new(name, reached, None));
        *item = Item::new(Arc::clone(&item.name), reached, label);
        if let Some((ranked_at, rank)) = value.get()? {
            (item.ranked_at, item.rank) = (ranked_at, rank);
        }
        item.gone_since = value.get::<Option<Timestamp>>()?.unwrap_or(item.gone_since);
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
        let restored = &mut pane.restored;
        match mark {
            CELL_KEY => {
                let item = text(key.rest())?;
                match value {
                    Some(value) => {
                        let users = restored.cells.get_mut(item).and_then(|cell| cell.users.take());
                        let cell = Cell { users, ..Cell::get(scoring, value)? };
                        restored.cells.insert(Arc::from(item), cell);
                    }
                    None => {
                        if let Some(cell) = restored.cells.get_mut(item) {
                            cell.score = 0;
                        }
                    }
                }
            }
            USER_KEY => {
                let item = key.str()?;
                let user = text(key.rest())?;
                let cell = value_of(&mut restored.cells, item);
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
                let key = get_part_key(key)?;
                match value {
                    Some(value) => restored.parts.insert(key, Part::get(key, value)?),
                    None => restored.parts.remove(&key),
                };
            }
            BAN_KEY => {
                let user = text(key.rest())?;
                match value {
                    Some(value) => pane.messages.restore_ban(user, Some(value.get()?)),
                    None => pane.messages.restore_ban(user, None),
                }
            }
            _ => return Err(Unreadable("holds a key that is none")),
        }
        Ok(())
    }

    /// Finds again what follows from items and panes.
    pub(in crate::leaderboards) fn restored(&mut self, k: usize, rules: Rules) -> Result<(), Unreadable> {
        self.entries = 0;
        for (start, pane) in &mut self.panes {
            let Restored { cells, parts } = std::mem::take(&mut pane.restored);
            for part in parts.into_values() {
                let item = self.items.number_of(&part.item).and_then(|number| self.items.get(number));
                let item = Arc::clone(item.map_or(&part.item, |item| &item.name));
                pane.messages.restore(Part { item, ..part });
            }
            pane.entries = pane.messages.len();
            for (name, cell) in cells.into_iter().filter(|(_, cell)| cell.score > 0) {
                pane.entries += 1 + cell.user_count();
                let number = self.items.number_of(&name);
                let Some((number, item)) =
                    number.and_then(|number| Some((number, self.items.get_mut(number)?)))
                else {
                    return Err(Unreadable("scores an item that is not on the board"));
                };
                item.add_restored(*start, &cell, rules);
                if rules.scoring == Scoring::Votes {
                    for (user, held) in cell.users.iter().flat_map(|users| users.iter()) {
                        self.votes
                            .insert(Arc::clone(user), Vote { pane: *start, item: number, time: held.time });
                    }
                }
                pane.cells.insert(number, cell);
            }
            self.entries += pane.entries;
        }
        let last_record = self.last_record();
        let gone = self.items.iter().filter(|(_, item)| item.is_gone());
        let (kept, dropped) = gone.partition::<Vec<_>, _>(|(_, item)| item.gone_since == last_record);
        let numbers = |of: Vec<(Number, &Item)>| of.into_iter().map(|(number, _)| number).collect::<Vec<_>>();
        self.gone = numbers(kept);
        for number in numbers(dropped) {
            self.items.remove(number);
        }
        self.entries += self.items.len();
        self.total = self.items.iter().fold(0, |total, (_, item)| total.saturating_add(item.score));
        self.ranked = self.items.iter().filter(|(_, item)| item.score > 0).count();
        self.resize_front(k);
        Ok(())
    }
}

impl Pane {
    /// Adds the parts of messages with numbers from `from` on.
    fn put_parts(&self, group: &str, from: u64, out: &mut Entries) {
        for part in self.messages.parts_from(from) {
            out.put(|key| put_part_key(part.key, group, key), |value| part.put(value));
        }
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

fn put_item(group: &str, item: &Item, out: &mut Entries) {
    out.put(
        |bytes| {
            bytes.push(ITEM_KEY);
            put_str(bytes, group);
            bytes.extend_from_slice(item.name.as_bytes());
        },
        |bytes| {
            item.reached.put(bytes);
            item.label.put(bytes);
            (item.rank > 0).then_some((item.ranked_at, item.rank)).put(bytes);
            item.is_gone().then_some(item.gone_since).put(bytes);
        },
    );
}
