//! A group's part of the chunks: its items and its panes.
//!
//! Always holds: it is saved between ticks, when every item has a score and its place, nothing waits for a record, and the
//! ranks are those of the last record; so scores (of windows), totals, places and ranks are not written but found again. An item
//! whose score is gone needs no mark: without a score in a pane it is dropped when it is read.
//! Does not know: which chunk is which.

use std::sync::Arc;

use schemas::Timestamp;

use super::{Group, Item, Touched};
use crate::state::bytes::{Reader, Stored, Unreadable, put_str, text};
use crate::state::journal::Entries;

/// What the key of an item begins with, before its group.
pub(in crate::leaderboards) const ITEM_KEY: u8 = b'i';

impl Item {
    /// Of a windowed board the score is the sum of the panes'.
    fn put(&self, is_windowed: bool, out: &mut Vec<u8>) {
        self.reached.put(out);
        self.label.put(out);
        if !is_windowed {
            self.score.put(out);
        }
    }
}

impl Group {
    /// Adds the items that changed since the last save.
    pub(in crate::leaderboards) fn put_unsaved_items(
        &mut self,
        name: &str,
        is_windowed: bool,
        out: &mut Entries,
    ) {
        for key in self.unsaved.drain(..) {
            if let Some(item) = self.items.get_mut(&key) {
                item.is_unsaved = false;
                out.put(|bytes| item_key(name, &key, bytes), |bytes| item.put(is_windowed, bytes));
            }
        }
    }

    /// Adds all items.
    pub(in crate::leaderboards) fn put_items(&self, name: &str, is_windowed: bool, out: &mut Entries) {
        for (key, item) in &self.items {
            out.put(|bytes| item_key(name, key, bytes), |bytes| item.put(is_windowed, bytes));
        }
    }

    /// Adds the scores of the pane that starts at `start` and changed since the last save.
    pub(in crate::leaderboards) fn put_unsaved_pane(
        &mut self,
        name: &str,
        start: Timestamp,
        out: &mut Entries,
    ) {
        let Some(pane) = self.panes.get_mut(&start) else { return };
        for key in pane.unsaved.drain(..) {
            if let Some(held) = pane.scores.get_mut(&key) {
                held.is_unsaved = false;
                out.put(|bytes| item_key(name, &key, bytes), |bytes| held.score.put(bytes));
            }
        }
    }

    /// Adds all scores of the pane that starts at `start`.
    pub(in crate::leaderboards) fn put_pane(&self, name: &str, start: Timestamp, out: &mut Entries) {
        for (key, held) in self.panes.get(&start).iter().flat_map(|pane| &pane.scores) {
            out.put(|bytes| item_key(name, key, bytes), |bytes| held.score.put(bytes));
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
        is_windowed: bool,
        value: &mut Reader<'_>,
    ) -> Result<(), Unreadable> {
        let (reached, label) = (value.get()?, value.get()?);
        let score = if is_windowed { 0 } else { value.get()? };
        let item = Item { score, ..Item::new(reached, label) };
        match self.items.get_mut(name) {
            Some(known) => *known = item,
            None => {
                self.items.insert(Arc::from(name), item);
            }
        }
        Ok(())
    }

    /// Takes over an item's score in a pane.
    pub(in crate::leaderboards) fn restore_pane(
        &mut self,
        name: &str,
        start: Timestamp,
        score: i128,
    ) -> Result<(), Unreadable> {
        let Some((key, _)) = self.items.get_key_value(name) else {
            return Err(Unreadable("scores an item that is not on the board"));
        };
        let key = Arc::clone(key);
        self.panes.entry(start).or_default().scores.entry(key).or_default().score = score;
        Ok(())
    }

    /// Finds again what follows from items and panes.
    pub(in crate::leaderboards) fn restored(&mut self, k: usize) {
        for (key, held) in self.panes.values().flat_map(|pane| &pane.scores) {
            if let Some(item) = self.items.get_mut(key) {
                item.score += held.score;
            }
        }
        self.total = self.items.values().map(|item| item.score).sum();
        self.touched = self.items.keys().map(|key| Touched { item: Arc::clone(key), placed: None }).collect();
        self.settle();
        self.remember_ranks(k);
    }
}

fn item_key(group: &str, item: &str, out: &mut Vec<u8>) {
    out.push(ITEM_KEY);
    put_str(out, group);
    out.extend_from_slice(item.as_bytes());
}

/// The item at the end of a key, after the group.
pub(in crate::leaderboards) fn item_of<'a>(key: &mut Reader<'a>) -> Result<&'a str, Unreadable> {
    text(key.rest())
}
