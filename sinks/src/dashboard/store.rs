//! What is shown, as a compacted log in memory: the newest change of every slot, in the order of its offset.
//!
//! Always holds: a slot is in the log once, at its newest offset; offsets rise by one with every change. So whoever
//! has seen everything up to an offset gets, from there on, exactly the newest state of what changed since, oldest
//! change first: that is the snapshot (from offset 0), the live stream, the resumption and the slow client's
//! conflation in one. Frames are encoded once, when a change is made, and shared.
//!
//! What moderators take back of the chat leaves the log, and is not taken in again while the action that took it back is
//! kept: the action itself, at its later offset, tells those who have seen it.
//!
//! Memory is bounded three ways, and what goes first is what has not changed for longest: each series keeps its
//! newest slots (`StoreLimits::history`), and the log as a whole a number of entries and of bytes. What has been
//! dropped is remembered as an offset, so that a reader that missed it is told to start over.
//!
//! Does not know: clients, sockets, Kafka.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::frame::{self, Text};
use super::row::{Row, Slot};
use super::selector::{Filter, Kind, SeriesKey};
use super::taken_back::Said;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Windows of each channel's engagement.
    pub engagement_windows_max: usize,
    /// Candles of each market and interval.
    pub candles_max: usize,
    /// Flagged messages of each channel.
    pub flags_max: usize,
    /// Messages of each channel's chat, and as many questions and moderators' actions.
    pub chat_max: usize,
    /// Slots of all series.
    pub entries_max: usize,
    /// Encoded bytes of all slots.
    pub bytes_max: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        StoreLimits {
            engagement_windows_max: 120,
            candles_max: 300,
            flags_max: 200,
            chat_max: 100,
            entries_max: 500_000,
            bytes_max: 256 << 20,
        }
    }
}

impl StoreLimits {
    fn history(&self, kind: Kind) -> usize {
        match kind {
            Kind::Leaderboards | Kind::Health => 1,
            Kind::Engagement => self.engagement_windows_max,
            Kind::Markets => self.candles_max,
            Kind::Moderation => self.flags_max,
            Kind::Chat => self.chat_max,
        }
    }
}

struct Entry {
    key: Arc<SeriesKey>,
    slot: Slot,
    order: i64,
    frame: Text,
    /// What it means for the rest of the chat; none if it is not of it.
    said: Option<Said>,
}

#[derive(Default)]
struct Series {
    slots: BTreeMap<Slot, u64>,
    /// The newest offset that was dropped from this series.
    dropped_offset: u64,
}

impl Series {
    fn newest(&self) -> Option<u64> {
        self.slots.last_key_value().map(|(_, offset)| *offset)
    }
}

/// A stretch of the log.
pub struct Batch {
    /// The wanted frames and their offsets, oldest change first.
    pub frames: Vec<(u64, Text)>,
    /// Everything up to this offset has been seen.
    pub offset: u64,
}

/// The compacted log.
pub struct Store {
    epoch: Arc<str>,
    limits: StoreLimits,
    head: u64,
    log: BTreeMap<u64, Entry>,
    series: HashMap<Arc<SeriesKey>, Series>,
    bytes: usize,
    /// The newest offset dropped from any series, and from series that are gone altogether.
    dropped_offset: u64,
    forgotten_offset: u64,
    taken_back: u64,
    newest_as_of: Option<i64>,
    newest_watermark: Option<i64>,
}

impl Store {
    /// An empty log whose frames carry this epoch.
    #[must_use]
    pub fn new(epoch: Arc<str>, limits: StoreLimits) -> Self {
        Store {
            epoch,
            limits,
            head: 0,
            log: BTreeMap::new(),
            series: HashMap::new(),
            bytes: 0,
            dropped_offset: 0,
            forgotten_offset: 0,
            taken_back: 0,
            newest_as_of: None,
            newest_watermark: None,
        }
    }

    /// The newest offset.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// How many changes were taken out because moderators took them back.
    #[must_use]
    pub fn taken_back(&self) -> u64 {
        self.taken_back
    }

    /// The newest as_of and watermark of any result seen, in microseconds; none before the first.
    #[must_use]
    pub fn freshness(&self) -> (Option<i64>, Option<i64>) {
        (self.newest_as_of, self.newest_watermark)
    }

    /// Slots and encoded bytes held.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.log.len(), self.bytes)
    }

    /// Takes a change in. False if it changes nothing that is kept: it is older than what is shown or than all of
    /// a full history, or was taken back.
    pub fn put(&mut self, row: &Row) -> bool {
        if row.key.kind.is_result() {
            self.newest_as_of = self.newest_as_of.max(Some(row.as_of));
            self.newest_watermark = self.newest_watermark.max(row.watermark);
        }
        let said = Said::of(row);
        match &said {
            Some(message @ Said::Message(_)) if self.is_taken_back(row, message) => return false,
            Some(action) => self.take_back(row, action),
            None => {}
        }
        let key = match self.series.get_key_value(&row.key) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::new(row.key.clone()),
        };
        let history_max = self.limits.history(row.key.kind);
        let series = self.series.entry(Arc::clone(&key)).or_default();
        let replaced = series.slots.get(&row.slot).copied();
        let is_outdated = match replaced {
            Some(offset) => self.log.get(&offset).is_some_and(|entry| row.order < entry.order),
            None => {
                series.slots.len() >= history_max
                    && series.slots.first_key_value().is_some_and(|(first, _)| row.slot < *first)
            }
        };
        if is_outdated {
            return false;
        }
        self.head += 1;
        series.slots.insert(row.slot.clone(), self.head);
        let surplus = if series.slots.len() > history_max { series.slots.pop_first() } else { None };
        if let Some((_, offset)) = surplus {
            series.dropped_offset = series.dropped_offset.max(offset);
            self.dropped_offset = self.dropped_offset.max(offset);
        }
        for offset in replaced.into_iter().chain(surplus.map(|(_, offset)| offset)) {
            if let Some(entry) = self.log.remove(&offset) {
                self.bytes -= entry.frame.text_len();
            }
        }
        let frame = frame::change(&self.epoch, self.head, row);
        self.bytes += frame.text_len();
        self.log.insert(self.head, Entry { key, slot: row.slot.clone(), order: row.order, frame, said });
        self.forget_the_longest_unchanged();
        true
    }

    /// What is kept of one part of the channel's chat that `row` is of.
    fn chat_beside(&self, row: &Row, what: &str) -> impl Iterator<Item = (u64, &Slot, &Said)> {
        let parts = vec![row.key.parts[0].clone(), what.into()];
        let slots = self.series.get(&SeriesKey { kind: Kind::Chat, parts }).map(|series| &series.slots);
        slots.into_iter().flatten().filter_map(|(slot, offset)| {
            let said = self.log.get(offset)?.said.as_ref()?;
            Some((*offset, slot, said))
        })
    }

    fn is_taken_back(&self, row: &Row, message: &Said) -> bool {
        self.chat_beside(row, "action").any(|(_, at, action)| action.takes_back(at, message, &row.slot))
    }

    /// Leaves out what the action takes back. Nobody who has not seen it misses anything, so it does not count as dropped.
    fn take_back(&mut self, row: &Row, action: &Said) {
        let all = ["message", "question"].into_iter().flat_map(|what| self.chat_beside(row, what));
        let over = all.filter(|(_, at, message)| action.takes_back(&row.slot, message, at));
        for offset in over.map(|(offset, _, _)| offset).collect::<Vec<_>>() {
            self.taken_back += 1;
            self.remove(offset, false);
        }
    }

    fn forget_the_longest_unchanged(&mut self) {
        while self.log.len() > 1
            && (self.log.len() > self.limits.entries_max || self.bytes > self.limits.bytes_max)
        {
            let Some((offset, _)) = self.log.first_key_value() else { return };
            self.remove(*offset, true);
        }
    }

    /// Takes an entry out of the log and out of its series. `is_dropped`: whoever has not seen it misses something.
    fn remove(&mut self, offset: u64, is_dropped: bool) {
        let Some(entry) = self.log.remove(&offset) else { return };
        self.bytes -= entry.frame.text_len();
        let dropped = if is_dropped { offset } else { 0 };
        self.dropped_offset = self.dropped_offset.max(dropped);
        if let Some(series) = self.series.get_mut(&entry.key) {
            series.slots.remove(&entry.slot);
            series.dropped_offset = series.dropped_offset.max(dropped);
            if series.slots.is_empty() {
                self.forgotten_offset = self.forgotten_offset.max(series.dropped_offset);
                self.series.remove(&entry.key);
            }
        }
    }

    /// True if a reader that has seen everything up to `offset` can go on without missing anything it wants.
    #[must_use]
    pub fn can_continue(&self, offset: u64, filter: &Filter) -> bool {
        offset <= self.head
            && (offset >= self.dropped_offset
                || (offset >= self.forgotten_offset
                    && !self
                        .series
                        .iter()
                        .any(|(key, series)| offset < series.dropped_offset && filter.wants(key, true))))
    }

    /// The wanted changes after `offset`, up to about `bytes_max` and `entries_max` entries looked at.
    #[must_use]
    pub fn read(&self, offset: u64, filter: &Filter, bytes_max: usize, entries_max: usize) -> Batch {
        let mut batch = Batch { frames: Vec::new(), offset };
        let mut bytes = 0;
        let after = (Bound::Excluded(offset), Bound::Unbounded);
        for (seen, (offset, entry)) in self.log.range(after).enumerate() {
            if bytes >= bytes_max || seen >= entries_max {
                return batch;
            }
            batch.offset = *offset;
            let is_newest =
                self.series.get(&entry.key).is_some_and(|series| series.newest() == Some(*offset));
            if filter.wants(&entry.key, is_newest) {
                bytes += entry.frame.text_len();
                batch.frames.push((*offset, entry.frame.clone()));
            }
        }
        batch.offset = self.head.max(offset);
        batch
    }
}
