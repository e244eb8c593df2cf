//! The visible-from buffer: events that were read and wait for the tick that shows them.
//!
//! Always holds: what a tick gets is in the order (visible from, topic, offset), whatever order the partitions were
//! read in. Memory is what arrives within the lateness and one tick. Does not know: what it holds.

use std::collections::BTreeMap;

use schemas::{Timestamp, Topic};

use crate::processor::Arrival;
use crate::windows::tick_after;

/// A value and where it stands in the order of visibility.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// The instant from which records may show it.
    pub visible_from: Timestamp,
    topic: Topic,
    offset: i64,
    /// The value.
    pub value: T,
}

/// Values by the tick that shows them.
#[derive(Clone, Debug)]
pub struct Pending<T> {
    step_micros: i64,
    by_tick: BTreeMap<Timestamp, Vec<Entry<T>>>,
}

impl<T> Pending<T> {
    /// For ticks at multiples of `step_micros`.
    #[must_use]
    pub fn new(step_micros: i64) -> Self {
        Pending { step_micros, by_tick: BTreeMap::new() }
    }

    /// Files a value. Values of one event keep their order.
    pub fn file(&mut self, arrival: &Arrival, value: T) {
        let visible_from = arrival.visible_from();
        let entry = Entry { visible_from, topic: arrival.topic, offset: arrival.offset, value };
        self.by_tick.entry(tick_after(visible_from, self.step_micros)).or_default().push(entry);
    }

    /// The next tick that has something to show.
    #[must_use]
    pub fn first_tick(&self) -> Option<Timestamp> {
        self.by_tick.first_key_value().map(|(tick, _)| *tick)
    }

    /// Takes out what becomes visible in the records of `tick`, in order.
    pub fn take(&mut self, tick: Timestamp) -> Vec<Entry<T>> {
        let mut entries = self.by_tick.remove(&tick).unwrap_or_default();
        entries.sort_by_key(|entry| (entry.visible_from, entry.topic, entry.offset));
        entries
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
        let shown: Vec<_> = pending.take(tick).into_iter().map(|entry| entry.value).collect();
        assert_eq!(shown, ["chat at 2", "chat 7 at 5", "chat 8 at 5", "viewer at 5", "late, visible from 6"]);
        assert_eq!(pending.first_tick(), Some(Timestamp::from_micros(20)));
    }
}
