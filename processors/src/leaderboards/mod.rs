//! Leaderboards: the top k items of every group in a window, exact.
//!
//! **What a record shows.** Ticks are the multiples of `emit_every`. At a tick `T` the open window is the one with the
//! least end `E >= T`; the record counts the events inside `[E - length, E)` that were visible before `T`, and is final
//! if and only if `T = E`. A group gets a record at a tick if its scores changed since its last record, by new events
//! or because the window moved on; and, where it has a score, at every window's end. A group whose last score
//! expired gets one record with no entries, so that readers clear it, and is forgotten when that window ends.
//! All-time boards have no end: a record for every changed group and tick, none final.
//!
//! **Late.** An event counts in every window containing it that its own partition's watermark has not passed, and is late
//! if there is none.
//!
//! Always holds: a revision counts the records of one window and group from 1; the order of places is exact and total
//! (see [`group`]). Memory: for each group the items with a score and, for each pane of `slide`, those it counted; for
//! all-time boards every item ever seen.
//! Does not know: where the events come from.

mod explained;
mod group;
mod saved;
mod scores;

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use schemas::{Event, Freshness, LeaderboardResult, Timestamp};

use saved::Saved;

use crate::config::{BoardItem, BoardSource};
use crate::pending::Pending;
use crate::processor::{Arrival, Disposition, Output, Processor};
use crate::state::bytes::stored;
use crate::state::{Chunk, StateError, StateSize, chunk_name};
use crate::windows::{last_window_end, tick_at_or_after};
use group::{Gain, Group};
pub(crate) use scores::reaction_count;

/// About what a group, an item and a waiting score take in memory, texts of some twelve bytes included.
const GROUP_BYTES: usize = 400;
const ITEM_BYTES: usize = 400;
const WAITING_BYTES: usize = 150;

/// A leaderboard as configured, validated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BoardSpec {
    pub(crate) name: String,
    pub(crate) source: BoardSource,
    pub(crate) item: BoardItem,
    /// The word in the results: tumbling, rolling, all_time.
    pub(crate) window_kind: &'static str,
    /// None for all time.
    pub(crate) window: Option<RollingWindow>,
    pub(crate) k: usize,
    pub(crate) emit_every_micros: i64,
}

/// A window that moves on by `slide_micros`, which divides `length_micros`; tumbling where the two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RollingWindow {
    pub(crate) length_micros: i64,
    pub(crate) slide_micros: i64,
}

/// A score that waits to become visible.
struct Waiting {
    group: Arc<str>,
    item: Box<str>,
    label: Option<Box<str>>,
    score: i64,
    event_time: Timestamp,
}

stored!(Waiting { group, item, label, score, event_time });

/// One leaderboard for every group of a shard.
pub(crate) struct Board {
    spec: BoardSpec,
    pending: Pending<Waiting>,
    groups: HashMap<Arc<str>, Group, FxBuildHasher>,
    last_tick: Timestamp,
    window_end: Option<Timestamp>,
    /// Items on all boards.
    item_count: usize,
    saved: Saved,
}

impl Board {
    pub(crate) fn new(spec: BoardSpec) -> Self {
        Board {
            pending: Pending::new(spec.emit_every_micros),
            groups: HashMap::default(),
            last_tick: Timestamp::MIN,
            window_end: None,
            item_count: 0,
            saved: Saved::default(),
            spec,
        }
    }

    /// The next tick at which there may be something to write: something becomes visible, the open window ends, or a
    /// new one begins.
    fn next_tick(&self) -> Option<Timestamp> {
        let boundary = match self.window_end {
            Some(end) if !self.groups.is_empty() => Some(if self.last_tick < end {
                end
            } else {
                self.last_tick.plus_micros(self.spec.emit_every_micros)
            }),
            _ => None,
        };
        self.pending.first_tick().into_iter().chain(boundary).min()
    }

    /// Moves on to the window that is open at `tick`. Returns the groups that lose something by it.
    fn roll(&mut self, tick: Timestamp, window: RollingWindow) -> Vec<Arc<str>> {
        let end = tick_at_or_after(tick, window.slide_micros);
        let mut changed = Vec::new();
        if self.window_end != Some(end) {
            self.window_end = Some(end);
            let start = end.plus_micros(-window.length_micros);
            self.saved.expire(start);
            for (name, group) in &mut self.groups {
                group.revision = 0;
                if group.expire(start) {
                    group.is_changed = true;
                    changed.push(Arc::clone(name));
                }
            }
        }
        changed
    }

    /// Takes in what becomes visible before `tick`. Adds the groups that it changes to `changed`.
    fn take_in(&mut self, tick: Timestamp, changed: &mut Vec<Arc<str>>) {
        for entry in self.pending.take(tick) {
            let waiting = entry.value;
            let group = self.groups.entry(Arc::clone(&waiting.group)).or_default();
            let pane = self.spec.window.map(|window| waiting.event_time.floor(window.slide_micros));
            group.add(&Gain {
                item: &waiting.item,
                label: waiting.label.as_deref(),
                score: i128::from(waiting.score),
                event_time: waiting.event_time,
                pane,
                is_tracked: self.saved.note(pane),
            });
            if !std::mem::replace(&mut group.is_changed, true) {
                changed.push(waiting.group);
            }
        }
    }

    fn write_tick(&mut self, tick: Timestamp, out: &mut Vec<Output>) {
        let mut names = self.spec.window.map(|window| self.roll(tick, window)).unwrap_or_default();
        self.take_in(tick, &mut names);
        self.last_tick = tick;
        let is_final = self.window_end == Some(tick);
        if is_final {
            names = self.groups.keys().map(Arc::clone).collect();
        }
        names.sort_unstable();
        for name in names {
            if let Some(group) = self.groups.get_mut(&name) {
                group.settle();
                if group.is_changed || (is_final && !group.is_empty()) {
                    group.is_changed = false;
                    group.revision += 1;
                    group.recorded_end = self.window_end;
                    let mut record = record(&self.spec, self.window_end, tick, &name, group);
                    record.is_final = is_final;
                    out.push(Output::Leaderboard(record));
                    group.remember_ranks(self.spec.k);
                    self.item_count = self.item_count - group.counted_items + group.len();
                    group.counted_items = group.len();
                    self.saved.note_group(&name, group);
                }
            }
        }
        if is_final {
            self.groups.retain(|_, group| !group.is_empty());
        }
    }
}

fn record(
    spec: &BoardSpec,
    window_end: Option<Timestamp>,
    tick: Timestamp,
    name: &str,
    group: &Group,
) -> LeaderboardResult {
    let length_micros = spec.window.map_or(0, |window| window.length_micros);
    LeaderboardResult {
        board: spec.name.clone(),
        group: name.to_owned(),
        window: spec.window_kind.to_owned(),
        window_start: window_end.map(|end| end.plus_micros(-length_micros)),
        window_end,
        is_final: false,
        revision: group.revision,
        entries: group.top(spec.k),
        item_count: group.len() as i64,
        total_score: group.total(),
        freshness: Freshness { as_of: tick, ..Freshness::default() },
    }
}

impl Processor for Board {
    fn process(&mut self, event: &Event<'_>, arrival: &Arrival, _: &mut Vec<Output>) -> Disposition {
        let is_late = match self.spec.window {
            Some(window) => {
                let last_end = last_window_end(arrival.event_time, window.length_micros, window.slide_micros);
                last_end <= arrival.partition_watermark
            }
            None => arrival.partition_watermark == Timestamp::MAX,
        };
        let mut group: Option<Arc<str>> = None;
        let (groups, pending) = (&self.groups, &mut self.pending);
        let is_counted = scores::scores(self.spec.source, self.spec.item, event, |score| {
            if is_late || score.score <= 0 {
                return;
            }
            let group = group.get_or_insert_with(|| {
                let name = event.header().channel_id;
                groups.get_key_value(name).map_or_else(|| Arc::from(name), |(known, _)| Arc::clone(known))
            });
            let waiting = Waiting {
                group: Arc::clone(group),
                item: score.item.into(),
                label: score.label.map(Box::from),
                score: score.score,
                event_time: arrival.event_time,
            };
            pending.file(arrival, waiting);
        });
        match (is_counted, is_late) {
            (false, _) => Disposition::Ignored,
            (true, true) => Disposition::Late,
            (true, false) => Disposition::Taken,
        }
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Vec<Output>) {
        while let Some(tick) = self.next_tick().filter(|tick| *tick <= watermark) {
            self.write_tick(tick, out);
        }
    }

    fn name(&self) -> String {
        format!("board.{}", chunk_name(&self.spec.name))
    }

    fn save(&mut self, prefix: &str, is_known: &dyn Fn(&str, u64) -> bool, chunks: &mut Vec<Chunk>) {
        self.save_chunks(prefix, is_known, chunks);
    }

    fn restore(&mut self, prefix: &str, chunks: &BTreeMap<String, Chunk>) -> Result<(), StateError> {
        self.restore_chunks(prefix, chunks)
    }

    fn query_board(&self, board: &str, group: &str) -> Option<LeaderboardResult> {
        let found = self.groups.get(group).filter(|_| self.spec.name == board)?;
        Some(record(&self.spec, self.window_end, self.last_tick, group, found))
    }

    fn size(&self) -> StateSize {
        let (groups, items, pending) = (self.groups.len(), self.item_count, self.pending.len());
        StateSize {
            groups: groups as u64,
            items: items as u64,
            pending: pending as u64,
            bytes_estimate: (groups * GROUP_BYTES + items * ITEM_BYTES + pending * WAITING_BYTES) as u64,
            ..StateSize::default()
        }
    }
}
