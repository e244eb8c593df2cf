//! A table of where ids stand in a queue, for a queue that is long: looking one up and adding it costs one wait for memory.
//!
//! An id may stand in two buckets, each of one cache line, and is put into the one with more room, which keeps all about equally
//! full (Azar, Broder, Karlin, Upfal, "Balanced allocations", 1999). Nothing is removed: a place that has left the queue is room.
//!
//! Always holds: the place of an id that was added and is in the queue is among those that [`Places::of`] gives. These may be places of
//! other ids too, or of none any more: who asks compares. Memory is bounded by the number of ids: of more than twenty that somebody made
//! to have the same two buckets in any table, the others are not found. Does not know: whose ids they are.

use std::collections::VecDeque;

use crate::ids::Id;

/// The places that are in the queue: from the first on so many, around 2^32.
#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u32,
    len: u32,
}

impl Queue {
    /// Where a place is in the queue, if it is.
    fn has(self, place: u32) -> bool {
        place.wrapping_sub(self.first) < self.len
    }

    /// The place after the last one.
    fn end(self) -> u32 {
        self.first.wrapping_add(self.len)
    }
}

/// Room for so many places in one cache line.
const ROOM: usize = 10;
/// Room for so many places is made for each id at most. Of a hash's buckets, some are full when a quarter is still room.
const ROOM_MAX: usize = 16;

/// Places, each with a part of its id's hash.
#[derive(Clone)]
#[repr(align(64))]
struct Bucket {
    tags: [u16; ROOM],
    places: [u32; ROOM],
}

/// The table.
pub(super) struct Places {
    /// A power of two of them.
    buckets: Vec<Bucket>,
}

impl Places {
    /// An empty table for a queue that begins there.
    pub(super) fn new(first: u32) -> Self {
        Places { buckets: vec![Bucket::empty(first)] }
    }

    /// The places at which the id may be.
    pub(super) fn of(&self, id: Id) -> impl Iterator<Item = u32> {
        let buckets = self.buckets_of(id).map(|number| &self.buckets[number]);
        buckets.into_iter().flat_map(move |bucket| bucket.of(id.tag()))
    }

    /// Adds the last of the ids in the queue, of which the first stands at `first`.
    pub(super) fn add(&mut self, ids: &VecDeque<Id>, first: u32) {
        let Some(last) = ids.back() else { return };
        let mut is_in = self.put(*last, Queue { first, len: ids.len() as u32 - 1 });
        while !is_in && ROOM * self.buckets.len() < ROOM_MAX * ids.len() {
            self.buckets = vec![Bucket::empty(first); 2 * self.buckets.len()];
            is_in = (0..).zip(ids).fold(true, |all, (len, id)| self.put(*id, Queue { first, len }) && all);
        }
    }

    /// Puts the id that comes at the end of the queue into a bucket. False if there is no room.
    fn put(&mut self, id: Id, queue: Queue) -> bool {
        let [first, second] = self.buckets_of(id);
        let room = |number: usize| self.buckets[number].room(queue);
        let number = if room(first) < room(second) { second } else { first };
        let Bucket { tags, places } = &mut self.buckets[number];
        let Some(free) = places.iter().position(|place| !queue.has(*place)) else { return false };
        (tags[free], places[free]) = (id.tag(), queue.end());
        true
    }

    fn buckets_of(&self, id: Id) -> [usize; 2] {
        let mask = self.buckets.len() - 1;
        [id.hash() as u32, (id.hash() >> 32) as u32].map(|half| half as usize & mask)
    }
}

impl Bucket {
    /// All room, for a queue that begins there.
    fn empty(first: u32) -> Self {
        Bucket { tags: [0; ROOM], places: [first.wrapping_sub(1); ROOM] }
    }

    fn of(&self, tag: u16) -> impl Iterator<Item = u32> {
        let tagged = self.tags.iter().zip(&self.places).filter(move |(one, _)| **one == tag);
        tagged.map(|(_, place)| *place)
    }

    /// How many places may be added.
    fn room(&self, queue: Queue) -> usize {
        self.places.iter().filter(|place| !queue.has(**place)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> Id {
        Id::of(&number.to_string())
    }

    #[test]
    fn ids_in_the_queue_are_found_and_the_table_grows_when_it_is_full() {
        const LEN: u32 = 20_000;
        let (mut ids, mut first) = (VecDeque::new(), u32::MAX - 50_000);
        let mut places = Places::new(first);
        for number in 0..200_000 {
            if ids.len() == LEN as usize {
                ids.pop_front();
                first = first.wrapping_add(1);
            }
            let room = ROOM * places.buckets.len();
            ids.push_back(id(number));
            places.add(&ids, first);
            let has_grown = ROOM * places.buckets.len() > room;
            assert!(!has_grown || 4 * ids.len() > 3 * room, "three quarters full: {} of {room}", ids.len());
            let oldest = number + 1 - ids.len() as u64;
            for found in [oldest, oldest.midpoint(number), number] {
                let place = first.wrapping_add((found - oldest) as u32);
                assert!(places.of(id(found)).any(|at| at == place), "{found} of {oldest} to {number}");
            }
        }
        assert_eq!(places.buckets.len(), 4_096, "what left the queue is room");
    }

    #[test]
    fn ids_that_all_have_the_same_buckets_do_not_take_all_memory() {
        let (mut ids, mut places) = (VecDeque::new(), Places::new(0));
        for number in 0..100_u64 {
            let bytes = (u128::from(number) << 64 | 0x0123_4567_89ab_cdef).to_le_bytes();
            ids.push_back(Id::from_bytes(bytes));
            places.add(&ids, 0);
        }
        assert!(ROOM * places.buckets.len() <= 2 * ROOM_MAX * ids.len());
        let is_found = |number: &u32| places.of(ids[*number as usize]).any(|place| place == *number);
        assert_eq!((0..100).filter(is_found).count(), 2 * ROOM);
    }
}
