//! A board as chunks.
//!
//! `head` is small and has the clock of the board and the list of its chunks; `pending/` has the changes that wait; `items/` a record
//! for every group (`g`) and item (`i`); `pane.START/` what one pane holds: cells, their users, messages.
//!
//! Always holds: what is gone leaves stale records behind: items without a cell, items and panes of a group without a record.
//! Does not know: how a group keeps its items.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::Timestamp;

use super::contributions::Change;
use super::group::saved::ITEM_KEY;
use super::group::{Group, PaneKey};
use super::{Board, OldestMessage};
use crate::maps::value_of;
use crate::state::bytes::{Reader, Stored, Unreadable, put_str, text};
use crate::state::journal::{Entries, Journal};
use crate::state::{Chunk, Head, StateError};
use crate::windows::{Span, tick_at_or_after};

const GROUP_KEY: u8 = b'g';

/// What was saved of a board, and what changed since.
#[derive(Default)]
pub(super) struct Saved {
    /// Whether it was saved or restored before: until then no change is remembered, since all would be written.
    is_tracked: bool,
    head: Head,
    items: Journal,
    panes: BTreeMap<Timestamp, Journal>,
    groups: Vec<Arc<str>>,
    /// The last message of the board that was saved.
    last_message: u64,
    /// What groups held that are gone, though their panes are not.
    dropped: Vec<(Arc<str>, Timestamp, PaneKey)>,
}

impl Saved {
    /// Whether changes must be remembered.
    pub(super) fn is_tracked(&self) -> bool {
        self.is_tracked
    }

    /// The first message number that no save has written: lower ones get no further parts.
    pub(super) fn first_open_message(&self) -> u64 {
        self.last_message + 1
    }

    /// Something goes into a pane. Whether the pane's changes must be remembered: not before it was written for the first time.
    pub(super) fn note(&mut self, pane: Timestamp) -> bool {
        self.panes.entry(pane).or_default().has_base()
    }

    /// A group got a record.
    pub(super) fn note_group(&mut self, name: &Arc<str>, group: &mut Group) {
        if self.is_tracked && !std::mem::replace(&mut group.is_unsaved, true) {
            self.groups.push(Arc::clone(name));
        }
    }

    /// A group is gone.
    pub(super) fn note_dropped(&mut self, name: &Arc<str>, group: &Group) {
        if self.is_tracked {
            self.groups.push(Arc::clone(name));
            self.dropped.extend(group.saved_keys().map(|(start, key)| (Arc::clone(name), start, key)));
        }
    }

    /// Panes that start before `window_start` are gone.
    pub(super) fn expire(&mut self, window_start: Timestamp) {
        self.panes = self.panes.split_off(&window_start);
    }
}

type Known<'a> = &'a dyn Fn(&str, u64) -> bool;

impl Stored for Span {
    fn put(&self, out: &mut Vec<u8>) {
        self.start.put(out);
        self.end.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(Span { start: reader.get()?, end: reader.get()? })
    }
}

impl Board {
    pub(super) fn save_chunks(&mut self, prefix: &str, is_known: Known<'_>, chunks: &mut Vec<Chunk>) {
        self.pending.save(prefix, is_known, chunks);
        let scoring = self.rules.scoring;
        let (mut items, mut panes) = self.unsaved();
        let (saved, groups) = (&mut self.saved, &self.groups);
        saved.last_message = self.last_message;
        let is_tracked = std::mem::replace(&mut saved.is_tracked, true);
        let changed = is_tracked.then_some(std::mem::take(&mut items));
        saved.items.save(&format!("{prefix}/items"), is_known, chunks, changed, |all| {
            for (name, group) in groups {
                put_group(name, group, all);
                group.put_items(name, all);
            }
        });
        for (start, journal) in &mut saved.panes {
            let is_written = is_tracked && journal.has_base();
            let changed = is_written.then(|| panes.remove(start).unwrap_or_default());
            journal.save(&pane_prefix(prefix, *start), is_known, chunks, changed, |all| {
                groups.iter().for_each(|(name, group)| group.put_pane(name, *start, scoring, all));
            });
        }
        saved.head.save(format!("{prefix}/head"), is_known, chunks, |out| {
            self.as_of.put(out);
            self.window.put(out);
            self.last_message.put(out);
            self.forgotten.put(out);
            self.pending.put_head(out);
            saved.items.put_head(out);
            (saved.panes.len() as u64).put(out);
            for (start, journal) in &saved.panes {
                start.put(out);
                journal.put_head(out);
            }
        });
    }

    /// What changed since the last save: of groups and items, and of each pane.
    fn unsaved(&mut self) -> (Entries, BTreeMap<Timestamp, Entries>) {
        let (scoring, open_from) = (self.rules.scoring, self.saved.first_open_message());
        let (mut items, mut panes) = (Entries::default(), BTreeMap::<_, Entries>::new());
        for (name, start, key) in self.saved.dropped.drain(..) {
            panes.entry(start).or_default().remove(|bytes| key.put(&name, bytes));
        }
        for name in std::mem::take(&mut self.saved.groups) {
            let Some(group) = self.groups.get_mut(&name) else {
                items.remove(|key| put_group_key(&name, key));
                continue;
            };
            group.is_unsaved = false;
            put_group(&name, group, &mut items);
            group.put_unsaved_items(&name, &mut items);
            for start in group.unsaved_panes(open_from).collect::<Vec<_>>() {
                let is_written = self.saved.panes.get(&start).is_some_and(Journal::has_base);
                let open_from = if is_written { open_from } else { u64::MAX };
                let entries = panes.entry(start).or_default();
                group.put_unsaved_pane(&name, start, scoring, open_from, entries);
            }
        }
        (items, panes)
    }

    pub(super) fn restore_chunks(
        &mut self,
        prefix: &str,
        chunks: &BTreeMap<String, Chunk>,
    ) -> Result<(), StateError> {
        let mut saved = Saved { is_tracked: true, ..Saved::default() };
        let head_name = format!("{prefix}/head");
        (saved.items, saved.panes) = saved.head.restore(&head_name, chunks, |head| {
            (self.as_of, self.window) = (head.get()?, head.get()?);
            (self.last_message, self.forgotten) = (head.get()?, head.get()?);
            self.pending.get_head(head)?;
            let items = Journal::get_head(head)?;
            let panes = (0..head.len()?).map(|_| Ok((head.get()?, Journal::get_head(head)?)));
            Ok((items, panes.collect::<Result<_, Unreadable>>()?))
        })?;
        let groups = &self.spec.groups;
        let lane = |reader: &mut Reader<'_>| Change::get(reader).map(|change| change.lane(groups));
        self.pending.restore(prefix, chunks, lane)?;
        let mut known = BTreeSet::new();
        saved.items.restore(&format!("{prefix}/items"), chunks, |key, value| {
            match (key.take(1)?[0], key.str()?, value) {
                (GROUP_KEY, name, Some(value)) => {
                    known.insert(name.to_owned());
                    self.group(name).restore(value)
                }
                (GROUP_KEY, name, None) => {
                    known.remove(name);
                    self.groups.remove(name);
                    Ok(())
                }
                (ITEM_KEY, name, Some(value)) => self.group(name).restore_item(text(key.rest())?, value),
                _ => Err(Unreadable("holds a key that is none, or lacks a value")),
            }
        })?;
        let scoring = self.rules.scoring;
        for (start, journal) in &mut saved.panes {
            journal.restore(&pane_prefix(prefix, *start), chunks, |key, value| {
                let mark = key.take(1)?[0];
                self.group(key.str()?).restore_pane(*start, mark, key, value, scoring)
            })?;
        }
        self.groups.retain(|name, _| known.contains(&**name));
        saved.last_message = self.last_message;
        self.saved = saved;
        self.restored().map_err(|problem| StateError::unreadable(&head_name, &problem))
    }

    fn group(&mut self, name: &str) -> &mut Group {
        value_of(&mut self.groups, name)
    }

    /// Finds again what follows from what was read.
    fn restored(&mut self) -> Result<(), Unreadable> {
        let window_end = self.window.map(|window| window.end);
        self.note_window_start();
        for (name, group) in &mut self.groups {
            group.restored(self.spec.k, self.rules)?;
            let first = group.first_messages();
            let oldest = |(pane, number)| Reverse(OldestMessage { number, pane, group: Arc::clone(name) });
            self.oldest.extend(first.map(oldest));
            group.counted = (group.len(), group.entries);
            if group.recorded_end != window_end {
                group.revision = 0;
            }
            if group.is_changed {
                self.changed.push(Arc::clone(name));
            }
        }
        let closing_tick = |end| tick_at_or_after(end, self.spec.emit_every_micros);
        let closing = self
            .groups
            .iter()
            .filter_map(|(name, group)| Some((closing_tick(group.session?.end), Arc::clone(name))));
        self.closing = closing.collect();
        self.item_count = self.groups.values().map(|group| group.counted.0).sum();
        self.entry_count = self.groups.values().map(|group| group.counted.1).sum();
        Ok(())
    }
}

fn pane_prefix(prefix: &str, start: Timestamp) -> String {
    format!("{prefix}/pane.{}", start.micros())
}

fn put_group_key(name: &str, key: &mut Vec<u8>) {
    key.push(GROUP_KEY);
    put_str(key, name);
}

fn put_group(name: &str, group: &Group, out: &mut Entries) {
    out.put(|key| put_group_key(name, key), |value| group.put(value));
}
