//! The visible-from buffer: events that were read and wait for the tick that shows them.
//!
//! Always holds: what a tick gets is in the order (visible from, topic, offset), whatever order the partitions were
//! read in. Memory is what arrives within the lateness and one tick. A save writes what was filed since the last one; what was
//! shown since is known by the tick up to which everything was taken. Does not know: what it holds.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{Timestamp, Topic};

use crate::processor::Arrival;
use crate::state::bytes::{Reader, Stored, Unreadable};
use crate::state::journal::{Entries, Journal};
use crate::state::{Chunk, StateError};
use crate::windows::tick_after;

/// A value and where it stands in the order of visibility.
#[derive(Clone, Debug)]
pub(crate) struct Entry<T> {
    /// The instant from which records may show it.
    pub(crate) visible_from: Timestamp,
    topic: Topic,
    offset: i64,
    /// The value.
    pub(crate) value: T,
}

impl<T> Entry<T> {
    fn position(&self) -> (Timestamp, Topic, i64) {
        (self.visible_from, self.topic, self.offset)
    }
}

/// What one tick shows.
struct Tick<T> {
    entries: Vec<Entry<T>>,
    /// So many of them, from the first, were saved.
    saved_len: usize,
}

/// Values by the tick that shows them.
pub(crate) struct Pending<T> {
    step_micros: i64,
    by_tick: BTreeMap<Timestamp, Tick<T>>,
    len: usize,
    /// Ticks up to this one were taken, and nothing can be filed for them any more.
    taken_until: Timestamp,
    /// Room that a tick no longer needs, for the next one.
    spare: Vec<Entry<T>>,
    /// Ticks with entries that were not saved.
    changed: BTreeSet<Timestamp>,
    journal: Journal,
}

impl<T> Pending<T> {
    /// For ticks at multiples of `step_micros`.
    pub(crate) fn new(step_micros: i64) -> Self {
        Pending {
            step_micros,
            by_tick: BTreeMap::new(),
            len: 0,
            taken_until: Timestamp::MIN,
            spare: Vec::new(),
            changed: BTreeSet::new(),
            journal: Journal::default(),
        }
    }

    /// Files a value. Values of one event keep their order.
    pub(crate) fn file(&mut self, arrival: &Arrival, value: T) {
        let visible_from = arrival.visible_from();
        self.insert(Entry { visible_from, topic: arrival.topic, offset: arrival.offset, value });
    }

    fn insert(&mut self, entry: Entry<T>) -> &mut Tick<T> {
        let tick = tick_after(entry.visible_from, self.step_micros);
        let slot = self.by_tick.entry(tick).or_insert_with(|| {
            self.changed.insert(tick);
            Tick { entries: std::mem::take(&mut self.spare), saved_len: 0 }
        });
        if slot.saved_len == slot.entries.len() && slot.saved_len > 0 {
            self.changed.insert(tick);
        }
        slot.entries.push(entry);
        self.len += 1;
        slot
    }

    /// The next tick that has something to show.
    pub(crate) fn first_tick(&self) -> Option<Timestamp> {
        self.by_tick.first_key_value().map(|(tick, _)| *tick)
    }

    /// How many values wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first tick beyond which no more than `len_max` values wait, if more do.
    pub(crate) fn tick_to_keep(&self, len_max: usize) -> Option<Timestamp> {
        if self.len <= len_max {
            return None;
        }
        let mut len = 0;
        let mut latest_first = self.by_tick.iter().rev();
        let (tick, _) = latest_first.find(|(_, slot)| {
            len += slot.entries.len();
            len > len_max
        })?;
        Some(*tick)
    }

    /// Takes out what becomes visible before `tick`, in order. It is the first tick or, where a record is due within a step, an
    /// instant before that.
    pub(crate) fn take(&mut self, tick: Timestamp) -> Vec<Entry<T>> {
        self.taken_until = self.taken_until.max(tick);
        let mut entries = if tick.floor(self.step_micros) == tick {
            self.changed.remove(&tick);
            self.by_tick.remove(&tick).map(|tick| tick.entries).unwrap_or_default()
        } else {
            self.take_part(tick)
        };
        self.len -= entries.len();
        if entries.capacity() > 4 * entries.len().max(1_024) {
            entries.shrink_to_fit();
        }
        entries.sort_by_key(Entry::position);
        entries
    }

    /// Takes back what [`Pending::take`] gave, once it is empty, to fill it again: a tick is about as large as those before.
    pub(crate) fn reuse(&mut self, entries: Vec<Entry<T>>) {
        debug_assert!(entries.is_empty(), "nothing is filed twice");
        if self.spare.capacity() < entries.capacity() {
            self.spare = entries;
        }
    }
}

impl<T> Pending<T> {
    /// Takes out what becomes visible before `instant`, which is none of the ticks.
    fn take_part(&mut self, instant: Timestamp) -> Vec<Entry<T>> {
        let tick = tick_after(instant, self.step_micros);
        let Some(slot) = self.by_tick.get_mut(&tick) else { return Vec::new() };
        let is_kept = |entry: &Entry<T>| entry.visible_from >= instant;
        slot.saved_len = slot.entries[..slot.saved_len].iter().filter(|entry| is_kept(entry)).count();
        let taken = slot.entries.extract_if(.., |entry| !is_kept(entry)).collect();
        if slot.saved_len == slot.entries.len() {
            self.changed.remove(&tick);
        }
        if slot.entries.is_empty() {
            self.by_tick.remove(&tick);
        }
        taken
    }
}

impl<T: Stored> Pending<T> {
    /// Adds the chunks.
    pub(crate) fn save(
        &mut self,
        prefix: &str,
        is_known: &dyn Fn(&str, u64) -> bool,
        chunks: &mut Vec<Chunk>,
    ) {
        if self.by_tick.is_empty() {
            self.journal.clear();
        }
        let mut changed = Entries::default();
        for tick in std::mem::take(&mut self.changed) {
            if let Some(slot) = self.by_tick.get_mut(&tick) {
                put(&slot.entries[slot.saved_len..], &mut changed);
                slot.saved_len = slot.entries.len();
            }
        }
        let by_tick = &self.by_tick;
        self.journal.save(&format!("{prefix}/pending"), is_known, chunks, Some(changed), |all| {
            by_tick.values().for_each(|slot| put(&slot.entries, all));
        });
    }

    /// Adds to the processor's head what [`Pending::get_head`] reads; after [`Pending::save`].
    pub(crate) fn put_head(&self, out: &mut Vec<u8>) {
        self.taken_until.put(out);
        self.journal.put_head(out);
    }

    /// Reads the processor's head.
    pub(crate) fn get_head(&mut self, reader: &mut Reader<'_>) -> Result<(), Unreadable> {
        self.taken_until = reader.get()?;
        self.journal = Journal::get_head(reader)?;
        Ok(())
    }

    /// Takes over what was saved, after [`Pending::get_head`].
    ///
    /// # Errors
    /// A chunk is missing or unreadable.
    pub(crate) fn restore(
        &mut self,
        prefix: &str,
        chunks: &BTreeMap<String, Chunk>,
    ) -> Result<(), StateError> {
        let mut journal = std::mem::take(&mut self.journal);
        let mut entries = Vec::new();
        journal.restore(&format!("{prefix}/pending"), chunks, |key, value| {
            let (visible_from, topic, offset) = (key.get()?, key.get()?, key.get()?);
            let index: u64 = key.get()?;
            let value: T = value.ok_or(Unreadable("lacks a value"))?.get()?;
            entries.push((index, Entry { visible_from, topic, offset, value }));
            Ok(())
        })?;
        self.journal = journal;
        entries.retain(|(_, entry)| entry.visible_from >= self.taken_until);
        entries.sort_by_key(|(index, entry)| (entry.position(), *index));
        for (_, entry) in entries {
            let slot = self.insert(entry);
            slot.saved_len = slot.entries.len();
        }
        self.changed.clear();
        Ok(())
    }
}

/// Adds entries under their position and, for values of one event, their place among them.
fn put<T: Stored>(entries: &[Entry<T>], out: &mut Entries) {
    let mut index = 0u64;
    for (at, entry) in entries.iter().enumerate() {
        let is_of_one_event = at > 0 && entries[at - 1].position() == entry.position();
        index = if is_of_one_event { index + 1 } else { 0 };
        out.put(
            |key| {
                entry.visible_from.put(key);
                entry.topic.put(key);
                entry.offset.put(key);
                index.put(key);
            },
            |value| entry.value.put(value),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(topic: Topic, offset: i64, event_micros: i64, watermark_micros: i64) -> Arrival {
        let at = Timestamp::from_micros;
        Arrival { topic, offset, event_time: at(event_micros), partition_watermark: at(watermark_micros) }
    }

    #[test]
    fn order_is_by_visibility_then_topic_then_offset() {
        let mut pending = Pending::new(10);
        pending.file(&arrival(Topic::Viewers, 0, 5, i64::MIN), "viewer at 5");
        pending.file(&arrival(Topic::Chat, 8, 5, i64::MIN), "chat 8 at 5");
        pending.file(&arrival(Topic::Chat, 7, 5, i64::MIN), "chat 7 at 5");
        pending.file(&arrival(Topic::Chat, 9, 1, 6), "late, visible from 6");
        pending.file(&arrival(Topic::Chat, 6, 2, i64::MIN), "chat at 2");
        pending.file(&arrival(Topic::Chat, 10, 10, i64::MIN), "at the tick: shown by the next");
        let tick = Timestamp::from_micros(10);
        assert_eq!(pending.first_tick(), Some(tick));
        assert_eq!(pending.len(), 6);
        let shown: Vec<_> = pending.take(tick).into_iter().map(|entry| entry.value).collect();
        assert_eq!(shown, ["chat at 2", "chat 7 at 5", "chat 8 at 5", "viewer at 5", "late, visible from 6"]);
        assert_eq!(pending.first_tick(), Some(Timestamp::from_micros(20)));
    }
}
