//! A board as chunks.
//!
//! `head` is small and has the clock of the board and the list of its chunks; `pending/` has the scores that wait; `items/` a record
//! for every group (`g`) and item (`i`); `pane.START/` the scores of one pane of a window.
//!
//! Always holds: groups and items that are gone leave stale records behind; what tells is the window to which a group's last record
//! belongs, and whether an item has a score in a pane. Does not know: how a group keeps its items.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::Timestamp;

use super::Board;
use super::group::Group;
use super::group::saved::{ITEM_KEY, item_of};
use crate::maps::value_of;
use crate::state::bytes::{Stored, Unreadable, put_str};
use crate::state::journal::{Entries, Journal};
use crate::state::{Chunk, Head, StateError};

/// What was saved of a board, and what changed since.
#[derive(Default)]
pub(super) struct Saved {
    /// Whether it was saved or restored before: until then no change is remembered, since all would be written.
    is_tracked: bool,
    head: Head,
    items: Journal,
    panes: BTreeMap<Timestamp, Journal>,
    groups: Vec<Arc<str>>,
}

impl Saved {
    /// A score goes into a pane. Returns whether the change must be remembered.
    pub(super) fn note(&mut self, pane: Option<Timestamp>) -> bool {
        if let Some(start) = pane {
            self.panes.entry(start).or_default();
        }
        self.is_tracked
    }

    /// A group got a record.
    pub(super) fn note_group(&mut self, name: &Arc<str>, group: &mut Group) {
        if self.is_tracked && !std::mem::replace(&mut group.is_unsaved, true) {
            self.groups.push(Arc::clone(name));
        }
    }

    /// Panes that start before `window_start` are gone.
    pub(super) fn expire(&mut self, window_start: Timestamp) {
        self.panes = self.panes.split_off(&window_start);
    }
}

type Known<'a> = &'a dyn Fn(&str, u64) -> bool;

impl Board {
    pub(super) fn save_chunks(&mut self, prefix: &str, is_known: Known<'_>, chunks: &mut Vec<Chunk>) {
        self.pending.save(prefix, is_known, chunks);
        let is_windowed = self.spec.window.is_some();
        let (mut items, mut panes) = (Entries::default(), BTreeMap::<_, Entries>::new());
        for name in std::mem::take(&mut self.saved.groups) {
            let Some(group) = self.groups.get_mut(&name) else { continue };
            group.is_unsaved = false;
            put_group(&name, group, &mut items);
            group.put_unsaved_items(&name, is_windowed, &mut items);
            for start in group.unsaved_panes().collect::<Vec<_>>() {
                group.put_unsaved_pane(&name, start, panes.entry(start).or_default());
            }
        }
        let (saved, groups) = (&mut self.saved, &self.groups);
        let is_tracked = std::mem::replace(&mut saved.is_tracked, true);
        let prefix_of_items = format!("{prefix}/items");
        saved.items.save(&prefix_of_items, is_known, chunks, is_tracked.then_some(items), |all| {
            for (name, group) in groups {
                put_group(name, group, all);
                group.put_items(name, is_windowed, all);
            }
        });
        for (start, journal) in &mut saved.panes {
            let changed = is_tracked.then(|| panes.remove(start).unwrap_or_default());
            journal.save(&pane_prefix(prefix, *start), is_known, chunks, changed, |all| {
                groups.iter().for_each(|(name, group)| group.put_pane(name, *start, all));
            });
        }
        saved.head.save(format!("{prefix}/head"), is_known, chunks, |out| {
            self.last_tick.put(out);
            self.window_end.put(out);
            self.pending.put_head(out);
            saved.items.put_head(out);
            (saved.panes.len() as u64).put(out);
            for (start, journal) in &saved.panes {
                start.put(out);
                journal.put_head(out);
            }
        });
    }

    pub(super) fn restore_chunks(
        &mut self,
        prefix: &str,
        chunks: &BTreeMap<String, Chunk>,
    ) -> Result<(), StateError> {
        let mut saved = Saved { is_tracked: true, ..Saved::default() };
        (saved.items, saved.panes) = saved.head.restore(&format!("{prefix}/head"), chunks, |head| {
            (self.last_tick, self.window_end) = (head.get()?, head.get()?);
            self.pending.get_head(head)?;
            let items = Journal::get_head(head)?;
            let panes = (0..head.len()?).map(|_| Ok((head.get()?, Journal::get_head(head)?)));
            Ok((items, panes.collect::<Result<_, Unreadable>>()?))
        })?;
        self.pending.restore(prefix, chunks)?;
        let is_windowed = self.spec.window.is_some();
        saved.items.restore(&format!("{prefix}/items"), chunks, |key, value| {
            let value = value.ok_or(Unreadable("lacks a value"))?;
            match key.take(1)?[0] {
                b'g' => {
                    let group = self.group(key.str()?);
                    (group.revision, group.recorded_end) = (value.get()?, value.get()?);
                    Ok(())
                }
                ITEM_KEY => self.group(key.str()?).restore_item(item_of(key)?, is_windowed, value),
                _ => Err(Unreadable("holds a key that is none")),
            }
        })?;
        for (start, journal) in &mut saved.panes {
            journal.restore(&pane_prefix(prefix, *start), chunks, |key, value| {
                let score = value.ok_or(Unreadable("lacks a score"))?.get()?;
                key.take(1)?;
                self.group(key.str()?).restore_pane(item_of(key)?, *start, score)
            })?;
        }
        self.saved = saved;
        self.restored();
        Ok(())
    }

    fn group(&mut self, name: &str) -> &mut Group {
        value_of(&mut self.groups, name)
    }

    /// Finds again what follows from what was read.
    fn restored(&mut self) {
        let is_open = self.window_end.is_some_and(|end| self.last_tick < end);
        for group in self.groups.values_mut() {
            group.restored(self.spec.k);
            group.counted_items = group.len();
            if group.recorded_end != self.window_end {
                group.revision = 0;
            }
        }
        let window_end = self.window_end;
        self.groups.retain(|_, group| !group.is_empty() || (is_open && group.recorded_end == window_end));
        self.item_count = self.groups.values().map(Group::len).sum();
    }
}

fn pane_prefix(prefix: &str, start: Timestamp) -> String {
    format!("{prefix}/pane.{}", start.micros())
}

fn put_group(name: &str, group: &Group, out: &mut Entries) {
    out.put(
        |key| {
            key.push(b'g');
            put_str(key, name);
        },
        |value| {
            group.revision.put(value);
            group.recorded_end.put(value);
        },
    );
}
