//! The visible-from buffer: events that were read and wait for the tick that shows them.
//!
//! What waits is kept as the bytes that a save writes, one after the other, and read again when its tick comes: so an event that waits
//! costs no allocation, little memory and next to nothing to save, and ordering a tick moves a few words for each.
//!
//! Values that do not concern each other may be filed in lanes of their own. A tick gets lane after lane: then what belongs to one channel
//! is met in one go, while its part of the state is near the processor, instead of going back and forth between thousands.
//!
//! Always holds: what a tick gets of a lane is in the order (visible from, topic, offset), and so are the lanes themselves, whatever order
//! the partitions were read in. Memory is what arrives within the lateness and one tick. A save writes what was filed since the last one; what was
//! shown since is known by the tick up to which everything was taken. Does not know: what it holds.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{Timestamp, Topic};

use crate::ids::Id;
use crate::processor::Arrival;
use crate::state::bytes::{Reader, Stored, Unreadable};
use crate::state::journal::{Entries, Journal};
use crate::state::{Chunk, StateError};
use crate::windows::tick_after;

/// Room for so many values is kept, and for as many bytes times sixteen.
const SPARE_MIN: usize = 1_024;

/// Where a value stands in the order of visibility, and among the bytes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The instant from which records may show it.
    visible_from: Timestamp,
    offset: i64,
    start: usize,
    len: u32,
    lane: Lane,
    topic: Topic,
}

/// What must be shown in order of position; lanes follow one another in the order of their numbers.
pub(crate) type Lane = u32;

/// Where all that waits concerns each other.
pub(crate) const ONLY_LANE: Lane = 0;

/// The lane of a text, a channel's or a market's: the same on every machine. Texts may share one.
pub(crate) fn lane_of(text: &str) -> Lane {
    Id::of(text).hash() as Lane
}

/// The longest slice up to a second that divides all these steps: where a tick comes once a minute, what has become visible need not wait for it.
pub(crate) fn slice_micros(steps_micros: impl Iterator<Item = i64>) -> i64 {
    let divisor = |mut a: i64, mut b: i64| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    steps_micros.fold(1_000_000, divisor)
}

impl Entry {
    fn position(&self) -> (Timestamp, Topic, i64) {
        (self.visible_from, self.topic, self.offset)
    }
}

/// Values of one tick.
#[derive(Debug, Default)]
pub(crate) struct Filed {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

impl Filed {
    /// What becomes visible, in order: from when, and what `get` reads of it.
    pub(crate) fn iter<'f, T>(
        &'f self,
        get: impl Fn(&mut Reader<'f>) -> Result<T, Unreadable>,
    ) -> impl Iterator<Item = (Timestamp, T)> {
        self.entries.iter().map(move |entry| {
            let Ok(value) = get(&mut Reader::new(self.value(entry))) else {
                unreachable!("what was written here, or read once when it was restored, can be read")
            };
            (entry.visible_from, value)
        })
    }

    fn value(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.start..entry.start + entry.len as usize]
    }

    /// Adds a value. The place of `entry` among the bytes follows.
    fn push(&mut self, entry: Entry, put: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        put(&mut self.bytes);
        self.entries.push(Entry { start, len: (self.bytes.len() - start) as u32, ..entry });
    }

    /// Takes over the values of another one, of other events. What is left is room.
    fn append(&mut self, mut other: Filed) -> Filed {
        if self.bytes.capacity() < other.bytes.capacity() {
            std::mem::swap(self, &mut other);
        }
        let shift = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.entries.extend(other.entries.iter().map(|entry| Entry { start: entry.start + shift, ..*entry }));
        other
    }

    /// Orders the values; those of one event as they were filed.
    fn sort(&mut self) {
        self.entries.sort_unstable_by_key(|entry| (entry.lane, entry.position(), entry.start));
    }

    /// Empties it, to be filled again: a tick is about as large as those before. Room that was not used is given back.
    fn clear(&mut self) {
        let (used, used_bytes) = (self.entries.len().max(SPARE_MIN), self.bytes.len().max(16 * SPARE_MIN));
        self.entries.clear();
        self.bytes.clear();
        self.entries.shrink_to(4 * used);
        self.bytes.shrink_to(4 * used_bytes);
    }
}

/// What one tick shows.
struct Tick {
    filed: Filed,
    /// So many of the entries, from the first, were saved.
    saved_len: usize,
}

/// Values by the tick that shows them.
pub(crate) struct Pending {
    step_micros: i64,
    by_tick: BTreeMap<Timestamp, Tick>,
    len: usize,
    /// Ticks up to this one were taken, and nothing can be filed for them any more.
    taken_until: Timestamp,
    /// Room that a tick no longer needs, for the next one.
    spare: Filed,
    /// Ticks with entries that were not saved.
    changed: BTreeSet<Timestamp>,
    journal: Journal,
}

impl Pending {
    /// For ticks at multiples of `step_micros`.
    pub(crate) fn new(step_micros: i64) -> Self {
        Pending {
            step_micros,
            by_tick: BTreeMap::new(),
            len: 0,
            taken_until: Timestamp::MIN,
            spare: Filed::default(),
            changed: BTreeSet::new(),
            journal: Journal::default(),
        }
    }

    /// Files the value that `put` writes, which has less than 4 GiB. Values of one event keep their order within a lane.
    pub(crate) fn file(&mut self, arrival: &Arrival, lane: Lane, put: impl FnOnce(&mut Vec<u8>)) {
        let visible_from = arrival.visible_from();
        let Arrival { topic, offset, .. } = *arrival;
        self.insert(Entry { visible_from, topic, offset, start: 0, len: 0, lane }, put);
    }

    fn insert(&mut self, entry: Entry, put: impl FnOnce(&mut Vec<u8>)) -> &mut Tick {
        let tick = tick_after(entry.visible_from, self.step_micros);
        let slot = self.by_tick.entry(tick).or_insert_with(|| {
            self.changed.insert(tick);
            Tick { filed: std::mem::take(&mut self.spare), saved_len: 0 }
        });
        if slot.saved_len == slot.filed.entries.len() && slot.saved_len > 0 {
            self.changed.insert(tick);
        }
        slot.filed.push(entry, put);
        self.len += 1;
        slot
    }

    /// The next tick that has something to show.
    pub(crate) fn first_tick(&self) -> Option<Timestamp> {
        self.by_tick.first_key_value().map(|(tick, _)| *tick)
    }

    /// Everything that becomes visible before this was taken.
    pub(crate) fn taken_until(&self) -> Timestamp {
        self.taken_until
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
            len += slot.filed.entries.len();
            len > len_max
        })?;
        Some(*tick)
    }

    /// The first tick by which at least so many values become visible.
    pub(crate) fn tick_with(&self, len: usize) -> Option<Timestamp> {
        let mut sum = 0;
        let mut slots = self.by_tick.iter();
        let found = slots.find(|(_, slot)| {
            sum += slot.filed.entries.len();
            sum >= len
        });
        found.map(|(tick, _)| *tick)
    }

    /// Takes out what becomes visible before `instant`, in order.
    pub(crate) fn take(&mut self, instant: Timestamp) -> Filed {
        self.taken_until = self.taken_until.max(instant);
        let mut filed = Filed::default();
        while let Some(slot) = self.by_tick.first_entry().filter(|slot| *slot.key() <= instant) {
            let (tick, slot) = slot.remove_entry();
            self.changed.remove(&tick);
            let room = filed.append(slot.filed);
            self.reuse(room);
        }
        if instant.floor(self.step_micros) != instant {
            let part = self.take_part(instant);
            self.reuse(filed.append(part));
        }
        self.len -= filed.entries.len();
        filed.sort();
        filed
    }

    /// Takes back what [`Pending::take`] gave, to use its room again.
    pub(crate) fn reuse(&mut self, mut filed: Filed) {
        filed.clear();
        if self.spare.entries.capacity() < filed.entries.capacity() {
            self.spare = filed;
        }
    }

    /// Takes out what becomes visible before `instant`, which is none of the ticks.
    fn take_part(&mut self, instant: Timestamp) -> Filed {
        let mut taken = Filed::default();
        let tick = tick_after(instant, self.step_micros);
        let Some(slot) = self.by_tick.get_mut(&tick) else { return taken };
        let is_kept = |entry: &Entry| entry.visible_from >= instant;
        let Tick { filed, saved_len } = slot;
        *saved_len = filed.entries[..*saved_len].iter().filter(|entry| is_kept(entry)).count();
        let (kept, due): (Vec<Entry>, Vec<Entry>) = filed.entries.iter().partition(|entry| is_kept(entry));
        due.into_iter().for_each(|entry| taken.push(entry, |out| out.extend_from_slice(filed.value(&entry))));
        filed.entries = kept;
        if *saved_len == filed.entries.len() {
            self.changed.remove(&tick);
        }
        if filed.entries.is_empty() {
            self.by_tick.remove(&tick);
        }
        taken
    }

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
                slot.filed.save_from(slot.saved_len, &mut changed);
                slot.saved_len = slot.filed.entries.len();
            }
        }
        let by_tick = &self.by_tick;
        self.journal.save(&format!("{prefix}/pending"), is_known, chunks, Some(changed), |all| {
            by_tick.values().for_each(|slot| slot.filed.save_from(0, all));
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

    /// Takes over what was saved, after [`Pending::get_head`]. `lane` reads a value as [`Filed::iter`] will, and says in which lane it was.
    ///
    /// # Errors
    /// A chunk is missing or unreadable.
    pub(crate) fn restore(
        &mut self,
        prefix: &str,
        chunks: &BTreeMap<String, Chunk>,
        lane: impl Fn(&mut Reader<'_>) -> Result<Lane, Unreadable>,
    ) -> Result<(), StateError> {
        let mut journal = std::mem::take(&mut self.journal);
        let (mut read, mut indexes) = (Filed::default(), Vec::new());
        journal.restore(&format!("{prefix}/pending"), chunks, |key, value| {
            let (visible_from, topic, offset) = (key.get()?, key.get()?, key.get()?);
            let value = value.ok_or(Unreadable("lacks a value"))?.rest();
            let lane = lane(&mut Reader::new(value))?;
            indexes.push(key.get::<u64>()?);
            let entry = Entry { visible_from, topic, offset, start: 0, len: 0, lane };
            read.push(entry, |out| out.extend_from_slice(value));
            Ok(())
        })?;
        self.journal = journal;
        let mut entries: Vec<(&Entry, u64)> = read.entries.iter().zip(indexes).collect();
        entries.retain(|(entry, _)| entry.visible_from >= self.taken_until);
        entries.sort_unstable_by_key(|(entry, index)| (entry.position(), *index));
        for (entry, _) in entries {
            let slot = self.insert(*entry, |out| out.extend_from_slice(read.value(entry)));
            slot.saved_len = slot.filed.entries.len();
        }
        self.changed.clear();
        Ok(())
    }
}

impl Filed {
    /// Adds the entries from the one with number `from` on, under their position and, for values of one event, their place among them.
    fn save_from(&self, from: usize, out: &mut Entries) {
        let (mut index, mut last) = (0u64, None);
        for entry in &self.entries[from..] {
            let is_of_one_event = last.replace(entry.position()) == Some(entry.position());
            index = if is_of_one_event { index + 1 } else { 0 };
            out.put(
                |key| {
                    entry.visible_from.put(key);
                    entry.topic.put(key);
                    entry.offset.put(key);
                    index.put(key);
                },
                |value| value.extend_from_slice(self.value(entry)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::bytes::put_str;

    fn arrival(topic: Topic, offset: i64, event_micros: i64, watermark_micros: i64) -> Arrival {
        let at = Timestamp::from_micros;
        Arrival { topic, offset, event_time: at(event_micros), partition_watermark: at(watermark_micros) }
    }

    fn file(pending: &mut Pending, arrival: &Arrival, text: &str) {
        pending.file(arrival, ONLY_LANE, |out| put_str(out, text));
    }

    fn texts(filed: &Filed) -> Vec<&str> {
        filed.iter(Reader::str).map(|(_, text)| text).collect()
    }

    #[test]
    fn lane_comes_after_lane_and_each_is_in_order() {
        let lane = |text: &str| text.len() as Lane;
        let filed = |pending: &mut Pending| {
            for (offset, at, text) in [(0, 3, "bb"), (1, 2, "a"), (2, 1, "cc"), (3, 1, "d"), (4, 1, "eee")] {
                pending
                    .file(&arrival(Topic::Chat, offset, at, i64::MIN), lane(text), |out| put_str(out, text));
            }
        };
        let mut pending = Pending::new(10);
        filed(&mut pending);
        let (mut chunks, mut head) = (Vec::new(), Vec::new());
        pending.save("p", &|_, _| false, &mut chunks);
        pending.put_head(&mut head);
        let mut restored = Pending::new(10);
        restored.get_head(&mut Reader::new(&head)).unwrap();
        let chunks = chunks.into_iter().map(|chunk| (chunk.name.clone(), chunk)).collect();
        restored.restore("p", &chunks, |reader| reader.str().map(lane)).unwrap();
        for pending in [&mut pending, &mut restored] {
            assert_eq!(texts(&pending.take(Timestamp::from_micros(10))), ["d", "a", "cc", "bb", "eee"]);
        }
    }

    #[test]
    fn order_is_by_visibility_then_topic_then_offset() {
        let mut pending = Pending::new(10);
        file(&mut pending, &arrival(Topic::Viewers, 0, 5, i64::MIN), "viewer at 5");
        file(&mut pending, &arrival(Topic::Chat, 8, 5, i64::MIN), "chat 8 at 5");
        file(&mut pending, &arrival(Topic::Chat, 7, 5, i64::MIN), "chat 7 at 5");
        file(&mut pending, &arrival(Topic::Chat, 7, 5, i64::MIN), "the same event again");
        file(&mut pending, &arrival(Topic::Chat, 9, 1, 6), "late, visible from 6");
        file(&mut pending, &arrival(Topic::Chat, 6, 2, i64::MIN), "chat at 2");
        file(&mut pending, &arrival(Topic::Chat, 10, 10, i64::MIN), "at the tick: shown by the next");
        let tick = Timestamp::from_micros(10);
        assert_eq!(pending.first_tick(), Some(tick));
        assert_eq!(pending.len(), 7);
        let part = pending.take(Timestamp::from_micros(5));
        assert_eq!(texts(&part), ["chat at 2"]);
        let filed = pending.take(tick);
        assert_eq!(
            texts(&filed),
            ["chat 7 at 5", "the same event again", "chat 8 at 5", "viewer at 5", "late, visible from 6"]
        );
        assert_eq!((pending.len(), pending.first_tick()), (1, Some(Timestamp::from_micros(20))));
        pending.reuse(filed);
        file(&mut pending, &arrival(Topic::Chat, 11, 30, i64::MIN), "in room that was used");
        assert_eq!(texts(&pending.take(Timestamp::from_micros(20))), ["at the tick: shown by the next"]);
        assert_eq!(texts(&pending.take(Timestamp::from_micros(40))), ["in room that was used"]);
    }
}
