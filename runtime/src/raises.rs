//! Raises: where something that is not in the log raised a partition's watermark.
//!
//! Idleness and the clock raise watermarks, and a raise decides whether the next event is late. So each is kept, with the offset
//! of the record before which it took effect, and travels with the committed position: whoever reads the log again from a
//! snapshot repeats it before the same record.
//!
//! Always holds: the list is complete from [`Raises::complete_from`] on, and bounded; snapshots shorten it. Does not know: shards.

use std::collections::VecDeque;

use schemas::Timestamp;

/// How many are kept; at half of it a snapshot is called for.
const RAISES_MAX: usize = 160;

/// One partition's raises, by offset.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Raises {
    list: VecDeque<(i64, Timestamp)>,
    complete_from: i64,
}

impl Raises {
    /// From what [`Raises::deltas`] gave; none if that is not what it gave.
    #[must_use]
    pub fn from_deltas(complete_from: i64, deltas: &[i64]) -> Option<Self> {
        let (pairs, rest) = deltas.as_chunks::<2>();
        let mut raises = Raises { list: VecDeque::new(), complete_from };
        let (mut offset, mut micros) = (0_i64, 0_i64);
        for [offset_delta, micros_delta] in pairs {
            offset = offset.wrapping_add(*offset_delta);
            micros = micros.wrapping_add(*micros_delta);
            raises.list.push_back((offset, Timestamp::from_micros(micros)));
        }
        rest.is_empty().then_some(raises)
    }

    /// Offset and watermark (in microseconds) of each, as differences to the one before: short to write.
    #[must_use]
    pub fn deltas(&self) -> Vec<i64> {
        let mut before = (0, 0);
        let mut deltas = Vec::with_capacity(self.list.len() * 2);
        for (offset, watermark) in &self.list {
            deltas.extend([offset.wrapping_sub(before.0), watermark.micros().wrapping_sub(before.1)]);
            before = (*offset, watermark.micros());
        }
        deltas
    }

    /// The first offset from which no raise is missing.
    #[must_use]
    pub fn complete_from(&self) -> i64 {
        self.complete_from
    }

    /// The watermark that was raised before the record at `offset`.
    #[must_use]
    pub fn at(&self, offset: i64) -> Option<Timestamp> {
        let found = self.list.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
        self.list.get(found).map(|(_, watermark)| *watermark)
    }

    /// Adds the raise before the record at `offset`, which is after all others. Forgets the oldest if there are too
    /// many; tells whether it did.
    pub fn push(&mut self, offset: i64, watermark: Timestamp) -> bool {
        self.list.push_back((offset, watermark));
        self.list.len() > RAISES_MAX && self.forget_oldest()
    }

    /// Whether a snapshot is called for, so that the list can be cut.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.list.len() > RAISES_MAX / 2
    }

    /// Forgets those before `offset`: nobody will read from before it.
    pub fn prune(&mut self, offset: i64) {
        while self.list.front().is_some_and(|(first, _)| *first < offset) {
            self.list.pop_front();
        }
        self.complete_from = self.complete_from.max(offset);
    }

    /// Forgets the oldest; false if there is none.
    pub(crate) fn forget_oldest(&mut self) -> bool {
        let Some((offset, _)) = self.list.pop_front() else { return false };
        self.complete_from = offset + 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raises_come_back_from_their_deltas_and_are_pruned() {
        let mut raises = Raises::default();
        for number in 1..=5 {
            assert!(!raises.push(number * 10, Timestamp::from_micros(number * 1_000)));
        }
        assert_eq!(raises.deltas()[..4], [10, 1_000, 10, 1_000]);
        assert_eq!(Raises::from_deltas(0, &raises.deltas()).as_ref(), Some(&raises));
        assert_eq!(Raises::from_deltas(0, &[1]), None);
        assert_eq!((raises.at(30), raises.at(31)), (Some(Timestamp::from_micros(3_000)), None));
        raises.prune(30);
        assert_eq!((raises.at(20), raises.at(30).is_some(), raises.complete_from()), (None, true, 30));
    }

    #[test]
    fn too_many_raises_lose_the_oldest_and_say_so() {
        let mut raises = Raises::default();
        let dropped = (0..1_000).filter(|offset| raises.push(*offset, Timestamp::from_micros(0))).count();
        assert_eq!((dropped, raises.complete_from()), (1_000 - RAISES_MAX, 840));
        assert!(raises.is_long());
    }
}
