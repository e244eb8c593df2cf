//! A table of where ids stand in a queue, for a queue that is long: looking one up and adding it costs one wait for memory.
//!
//! An id may stand in two buckets, each of one cache line, and is put into the one with more room, which keeps all about equally
//! full (Azar, Broder, Karlin, Upfal, "Balanced allocations", 1999). Nothing is removed: a place that has left the queue is room.
//!
//! Always holds: the place of an id that was added and is in the queue is among those that [`Places::of`] gives. These may be places of
//! other ids too, or of none any more: who asks compares. Does not know: the ids.

use std::collections::VecDeque;

use crate::ids::Id;

/// The places that are in the queue: from the first on so many, around 2^32.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    pub(super) first: u32,
    pub(super) len: u32,
}

impl Queue {
    /// Where a place is in the queue, if it is.
    fn has(self, place: u32) -> bool {
        place.wrapping_sub(self.first) < self.len
    }

    /// The place after the last one.
    pub(super) fn end(self) -> u32 {
        self.first.wrapping_add(self.len)
    }
}

/// Room for so many places in one cache line.
const ROOM: usize = 10;

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

    /// Adds the id that stands at the end of the queue. False if there is no room for it: the table is to be rebuilt.
    #[must_use]
    pub(super) fn add(&mut self, id: Id, queue: Queue) -> bool {
        let [first, second] = self.buckets_of(id);
        let room = |number: usize| self.buckets[number].room(queue);
        let number = if room(first) < room(second) { second } else { first };
        let Bucket { tags, places } = &mut self.buckets[number];
        let Some(free) = places.iter().position(|place| !queue.has(*place)) else { return false };
        (tags[free], places[free]) = (id.tag(), queue.end());
        true
    }

    /// Makes the table twice as large or more, for all these ids, of which the first stands at `first`.
    pub(super) fn rebuild(&mut self, first: u32, ids: &VecDeque<Id>) {
        loop {
            self.buckets = vec![Bucket::empty(first); 2 * self.buckets.len()];
            let mut numbered = (0..).zip(ids);
            if numbered.all(|(len, id)| self.add(*id, Queue { first, len })) {
                return;
            }
        }
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
            let queue = Queue { first, len: ids.len() as u32 };
            ids.push_back(id(number));
            if !places.add(id(number), queue) {
                let room = ROOM * places.buckets.len();
                assert!(4 * ids.len() > 3 * room, "three quarters full: {} of {room}", ids.len());
                places.rebuild(first, &ids);
            }
            let oldest = number + 1 - ids.len() as u64;
            for found in [oldest, oldest.midpoint(number), number] {
                let place = first.wrapping_add((found - oldest) as u32);
                assert!(places.of(id(found)).any(|at| at == place), "{found} of {oldest} to {number}");
            }
        }
        assert_eq!(places.buckets.len(), 4_096, "what left the queue is room");
    }
}
