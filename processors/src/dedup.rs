//! The ids of the events that a shard has seen: what comes twice counts once.
//!
//! Every input topic has a memory and a clock of its own: the largest event time that it brought. An id is remembered until that
//! clock has moved on by `dedup_for` (and up to a sixteenth of it longer). A shard remembers at most `dedup_ids_max` ids, each topic
//! an equal share; beyond, the oldest slice of the topic's memory is dropped, which has a sixteenth of the share or 8,192 ids,
//! whichever is less. So an event that is repeated later than that, in time or in number of events, counts twice.
//!
//! Always holds: what is a duplicate depends on the order within one topic's partition and on nothing else. A duplicate changes
//! nothing: no clock, no memory. Ids are kept as [`Id`]. Does not know: what becomes of an event.

mod places;

use std::collections::{BTreeMap, VecDeque};

use schemas::{Timestamp, Topic};

use crate::ids::Id;
use crate::state::bytes::{Stored, stored};
use crate::state::{Chunk, Head, StateError, bytes_of, chunk_name};
use places::Places;

/// Ids in one slice at most: what a save writes again at most for the ids that came since the last one.
const SLICE_IDS_MAX: usize = 8_192;
/// Slices that a memory consists of at least when it is full.
const SLICES: usize = 16;
/// About what an id takes in memory, at most: the table is between three eighths and three quarters full.
pub(crate) const ID_BYTES: usize = 32;

/// Ids that came one after the other; they are forgotten together.
#[derive(Default)]
struct Slice {
    number: u64,
    count: u64,
    /// The clock when it was begun.
    begun: Timestamp,
    /// The clock when its last id came.
    last: Timestamp,
}

stored!(Slice { number, count, begun, last });

/// The ids that came on one topic.
pub(crate) struct Memory {
    for_micros: i64,
    ids_max: usize,
    clock: Timestamp,
    next_number: u64,
    slices: VecDeque<Slice>,
    /// The slices' ids, one after the other.
    ids: VecDeque<Id>,
    /// How many ids were dropped from the front so far, around 2^32.
    dropped: u32,
    places: Places,
    head: Head,
}

impl Memory {
    /// A memory of at most `ids_max` ids, each for `for_micros`, which is above zero.
    pub(crate) fn new(for_micros: i64, ids_max: usize) -> Self {
        Memory {
            for_micros,
            ids_max: ids_max.max(1),
            clock: Timestamp::MIN,
            next_number: 0,
            slices: VecDeque::new(),
            ids: VecDeque::new(),
            dropped: 0,
            places: Places::new(0),
            head: Head::default(),
        }
    }

    /// Remembers an event. True if it was remembered before: then nothing changes.
    pub(crate) fn is_duplicate(&mut self, event_id: &str, event_time: Timestamp) -> bool {
        let id = Id::of(event_id);
        if self
            .places
            .of(id)
            .any(|place| self.ids.get(place.wrapping_sub(self.dropped) as usize) == Some(&id))
        {
            return true;
        }
        self.clock = self.clock.max(event_time);
        while self.slices.front().is_some_and(|slice| self.clock >= slice.last.plus_micros(self.for_micros)) {
            self.drop_slice();
        }
        if self.ids.len() >= self.ids_max {
            self.drop_slice();
        }
        let ids_max = SLICE_IDS_MAX.min(self.ids_max.div_ceil(SLICES)) as u64;
        let step_micros = self.for_micros.div_euclid(SLICES as i64).max(1);
        let open = self
            .slices
            .back()
            .filter(|slice| slice.count < ids_max && self.clock < slice.begun.plus_micros(step_micros));
        if open.is_none() {
            let slice = Slice { number: self.next_number, count: 0, begun: self.clock, last: self.clock };
            self.slices.push_back(slice);
            self.next_number += 1;
        }
        if let Some(slice) = self.slices.back_mut() {
            slice.count += 1;
            slice.last = self.clock;
        }
        self.push(id);
        false
    }

    /// How many ids are remembered.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    fn push(&mut self, id: Id) {
        self.ids.push_back(id);
        self.places.add(&self.ids, self.dropped);
    }

    fn drop_slice(&mut self) {
        let Some(slice) = self.slices.pop_front() else { return };
        let count = self.ids.len().min(slice.count as usize);
        self.ids.drain(..count);
        self.dropped = self.dropped.wrapping_add(count as u32);
    }

    /// Adds the chunks: a head, and the ids of each slice. The version of a slice is how many ids it has.
    pub(crate) fn save(
        &mut self,
        prefix: &str,
        is_known: &dyn Fn(&str, u64) -> bool,
        chunks: &mut Vec<Chunk>,
    ) {
        let mut start = 0;
        for slice in &self.slices {
            let name = slice_name(prefix, slice.number);
            let end = start + slice.count as usize;
            let bytes = || {
                let mut bytes = Vec::with_capacity(16 * slice.count as usize);
                self.ids.range(start..end).for_each(|id| bytes.extend_from_slice(&id.to_bytes()));
                bytes
            };
            let bytes = (!is_known(&name, slice.count)).then(bytes);
            chunks.push(Chunk { name, version: slice.count, bytes });
            start = end;
        }
        let (clock, next_number, slices) = (self.clock, self.next_number, &self.slices);
        self.head.save(format!("{prefix}/head"), is_known, chunks, |out| {
            clock.put(out);
            next_number.put(out);
            (slices.len() as u64).put(out);
            slices.iter().for_each(|slice| slice.put(out));
        });
    }

    /// Takes over what was saved.
    ///
    /// # Errors
    /// A chunk is missing or unreadable.
    pub(crate) fn restore(
        &mut self,
        prefix: &str,
        chunks: &BTreeMap<String, Chunk>,
    ) -> Result<(), StateError> {
        (self.clock, self.next_number, self.slices) =
            self.head.restore(&format!("{prefix}/head"), chunks, |head| {
                Ok((head.get()?, head.get()?, head.get::<Vec<Slice>>()?.into()))
            })?;
        for index in 0..self.slices.len() {
            let slice = &self.slices[index];
            let (name, count) = (slice_name(prefix, slice.number), slice.count);
            let (ids, rest) = bytes_of(chunks, &name, count)?.as_chunks::<16>();
            if ids.len() as u64 != count || !rest.is_empty() {
                return Err(StateError::new(&name, "has more or fewer ids than it should"));
            }
            ids.iter().for_each(|id| self.push(Id::from_bytes(*id)));
        }
        Ok(())
    }
}

/// The prefix of a topic's chunks.
pub(crate) fn prefix(topic: Topic) -> String {
    format!("dedup/{}", chunk_name(topic.name()))
}

fn slice_name(prefix: &str, number: u64) -> String {
    format!("{prefix}/slice.{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn an_id_is_remembered_for_the_time_and_forgotten_a_sixteenth_later() {
        let mut memory = Memory::new(160, 1_000);
        assert!(!memory.is_duplicate("a", at(1_000)));
        assert!(!memory.is_duplicate("b", at(1_009)), "in the same slice");
        assert!(!memory.is_duplicate("c", at(1_010)), "in the next");
        assert!(memory.is_duplicate("a", at(5_000)), "a duplicate does not move the clock");
        assert!(!memory.is_duplicate("d", at(1_168)));
        assert!(["a", "b", "c"].iter().all(|id| memory.is_duplicate(id, at(0))), "their time is not over");
        assert!(!memory.is_duplicate("e", at(1_169)));
        assert_eq!(memory.len(), 3, "a and b are forgotten");
        assert!(!memory.is_duplicate("a", at(900)), "and count again");
        assert!(memory.is_duplicate("c", at(0)));
        assert!(!memory.is_duplicate("f", at(i64::MAX / 4)));
        assert_eq!(memory.len(), 1);
    }

    #[test]
    fn no_more_than_so_many_ids_are_remembered_and_the_oldest_go_first() {
        let mut memory = Memory::new(1_000_000, 64);
        for number in 0..1_000 {
            assert!(!memory.is_duplicate(&number.to_string(), at(0)));
            assert!(memory.len() <= 64);
            let oldest = (number - 60).max(0);
            assert!((oldest..=number).all(|number| memory.is_duplicate(&number.to_string(), at(0))));
        }
        let mut memory = Memory::new(1_000_000, 1);
        assert!(!memory.is_duplicate("a", at(0)) && memory.is_duplicate("a", at(0)));
        assert!(!memory.is_duplicate("b", at(0)) && !memory.is_duplicate("a", at(0)));
    }

    #[test]
    fn places_go_around() {
        let mut memory = Memory { dropped: u32::MAX - 5, ..Memory::new(1_000_000, 16) };
        for number in 0..100 {
            assert!(!memory.is_duplicate(&number.to_string(), at(0)));
            assert!(memory.is_duplicate(&number.to_string(), at(0)));
        }
        assert!(!memory.is_duplicate("80", at(0)) && memory.is_duplicate("99", at(0)));
    }
}
