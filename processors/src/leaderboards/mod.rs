//! Leaderboards: the top k items of every group in a window, exact.
//!
//! What becomes visible is taken in before the tick if it is much, so that little is left to do then. By how many there are in which
//! slice of event time, which does not depend on how the partitions are read.
//!
//! **What a record shows.** Ticks are the multiples of `emit_every` and, of calendar and fixed windows, also the ends. At a tick `T`
//! the open window is the one with the least end `E >= T`; the record counts the events inside it that were visible before `T`,
//! and is final if and only if `T = E`. A group gets a record at a tick if something counted for it or was taken back since
//! its last record, or left because the window moved on; and, where it has a score, at every window's end. A group whose last
//! score expired gets one record with no entries, so that readers clear it, and is forgotten when that window ends. After
//! its end a fixed window is gone. All-time boards have no end: a record for every changed group and tick, none final.
//!
//! **Sessions.** Each group has its own window: it begins with an event, and every event that becomes visible before the end moves the
//! end to `gap` after its event time, if that is later, and the beginning to its event time, if that is earlier. What becomes visible at the end or after it
//! begins the next session. The final record is written at the first tick at or after the end, and may come with one of the next session.
//!
//! **Late.** An event counts in every window containing it that its own partition's watermark has not passed, and is late
//! if there is none. To a session board it is late if its event time lies `gap` or more behind.
//!
//! **What is taken back.** An event of the channel's chat that deletes a message, bans or times out a user, or clears the chat takes
//! back what became visible before it, in the order (visible from, topic, offset), in every window that is open then. Within the
//! lateness that is the order of event times. Deletions and clears take messages' contributions; a ban takes all of the user's, from boards
//! of reactions too. What becomes visible afterwards counts again. A session's bounds stay as they were.
//!
//! Always holds: a revision counts the records of one window and group from 1; the order of places is exact and total
//! (see [`group`]). Memory: for each group its items, their scores in each pane, the users of these where a score or a ban may
//! concern them, and messages that may be deleted; of all that `entries_max` together. At the bound the oldest messages
//! are forgotten first (a deletion then takes nothing back), and then what would need a new entry is refused; both are counted
//! in [`StateSize::forgotten`]. What waits to become visible is bounded by the lateness; in a second stage by `entries_max` too (see [`partials`]).
//! Does not know: where the events come from.

mod cell;
mod changes;
mod contributions;
mod explained;
mod filter;
mod group;
mod growth;
mod partials;
mod saved;
mod scores;
mod spec;
mod window;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use schemas::{Event, Freshness, LeaderboardResult, Timestamp};

use crate::pending::Pending;
use crate::processor::{Arrival, Disposition, Output, Processor};
use crate::state::{Chunk, StateError, StateSize, chunk_name};
use crate::windows::{Span, tick_after, tick_at_or_after};
use changes::{count, note_change, note_touch};
pub(crate) use contributions::first_part;
use contributions::{Change, Contribution, Contributor};
use group::{Group, Rules};
pub(crate) use growth::Growth;
use partials::Deltas;
use saved::Saved;
pub(crate) use scores::reaction_count;
pub(crate) use spec::{BoardSpec, Stage};
use window::Standing;
pub(crate) use window::Window;

/// About what a group, an item, another entry and a waiting change take in memory, texts of some twelve bytes included.
const GROUP_BYTES: usize = 400;
const ITEM_BYTES: usize = 300;
const ENTRY_BYTES: usize = 100;
const WAITING_BYTES: usize = 200;

/// So many changes are taken in before their tick. It takes a hundredth of a second, by which results wait less; with fewer at a time a
/// channel's part of the state is fetched more often. Without optimisation, as tests run, it is met all the time.
const TAKEN_MIN: usize = if cfg!(debug_assertions) { 3 } else { 10_000 };

/// The pane of windows that have but one.
const ONLY_PANE: Timestamp = Timestamp::MIN;

/// The first message of a group's pane; it may be gone, then the first one there is a later one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct OldestMessage {
    number: u64,
    pane: Timestamp,
    group: Arc<str>,
}

/// One leaderboard for every group of a shard.
pub(crate) struct Board {
    spec: BoardSpec,
    rules: Rules,
    /// Digits after the point of scores.
    scale: u32,
    pending: Pending,
    groups: HashMap<Arc<str>, Group, FxBuildHasher>,
    /// Everything before this was taken in.
    as_of: Timestamp,
    /// The open window, of those that all groups have in common.
    window: Option<Span>,
    /// The tick that closes each group's session.
    closing: BTreeSet<(Timestamp, Arc<str>)>,
    /// Groups that changed since the last tick: the next one shows them.
    changed: Vec<Arc<str>>,
    /// Groups whose places are to be put in order.
    touched: Vec<Arc<str>>,
    /// Of each group's panes with messages the first, from the oldest; some are gone.
    oldest: BinaryHeap<Reverse<OldestMessage>>,
    last_message: u64,
    item_count: usize,
    entry_count: usize,
    forgotten: u64,
    saved: Saved,
    contributor: Contributor,
    /// In the first of two stages: what happened since the last tick.
    deltas: Deltas,
}

impl Board {
    pub(crate) fn new(spec: BoardSpec) -> Self {
        Board {
            rules: spec.rules(),
            scale: scores::shown_scale(spec.score),
            pending: Pending::new(spec.slice_micros()),
            groups: HashMap::default(),
            as_of: Timestamp::MIN,
            window: None,
            closing: BTreeSet::new(),
            changed: Vec::new(),
            touched: Vec::new(),
            oldest: BinaryHeap::new(),
            last_message: 0,
            item_count: 0,
            entry_count: 0,
            forgotten: 0,
            saved: Saved::default(),
            contributor: Contributor::new(&spec),
            deltas: Deltas::default(),
            spec,
        }
    }

    /// The next instant up to `watermark` at which something is to be taken in or records are due: something becomes visible, changed
    /// since the last tick, the open window ends, or a new one begins.
    fn next_instant(&self, watermark: Timestamp) -> Option<Timestamp> {
        let (as_of, emit_every_micros) = (self.as_of, self.spec.emit_every_micros);
        let due = |instant: Timestamp, step_micros: i64| {
            let before = instant.plus_micros(-step_micros).max(as_of);
            (before < watermark).then(|| self.spec.window.first_due(before, instant, self.window))
        };
        let first = self.pending.first_tick();
        let first =
            first.and_then(|slice| due(tick_at_or_after(slice, emit_every_micros), emit_every_micros));
        let slice = self.pending.tick_with(TAKEN_MIN);
        let slice = slice.and_then(|slice| due(slice, self.spec.slice_micros()));
        let tick = match self.window {
            _ if !self.changed.is_empty() => {
                due(tick_at_or_after(as_of, emit_every_micros), emit_every_micros)
            }
            Some(window) if self.groups.is_empty() || as_of > window.end => None,
            Some(window) if as_of < window.end => Some(window.end),
            Some(_) => due(tick_after(as_of, emit_every_micros), emit_every_micros),
            None => self.closing.first().map(|(tick, _)| *tick),
        };
        first.into_iter().chain(slice).chain(tick).min().filter(|instant| *instant <= watermark)
    }

    /// Whether records are due at `instant`, before which everything was taken in.
    fn is_tick(&self, instant: Timestamp) -> bool {
        let is_end = self.window.is_some_and(|window| window.end == instant);
        is_end || instant.floor(self.spec.emit_every_micros) == instant
    }

    /// Moves on to the window that is open before `instant`.
    fn roll(&mut self, instant: Timestamp) {
        let window = self.spec.window.open_before(instant, self.window);
        let Some(span) = window.filter(|_| window != self.window) else { return };
        self.window = window;
        self.saved.expire(span.start);
        let shown_start = self.shown(span).start;
        for (name, group) in &mut self.groups {
            group.revision = 0;
            let has_places = group.places() > 0;
            let is_moved = group.expire(span.start, self.rules) | group.age(shown_start, self.rules);
            if is_moved && has_places {
                note_change(&mut self.changed, &mut self.touched, name, group);
            } else if is_moved {
                // Of the time before a growth's window nothing is shown.
                note_touch(&mut self.touched, name, group);
            }
            count(&mut self.item_count, &mut self.entry_count, group);
        }
        self.note_window_start();
    }

    /// What the records say of a window: of a growth, without the time before.
    fn shown(&self, window: Span) -> Span {
        let before_micros = self.spec.growth.map_or(0, |growth| growth.before_micros);
        Span { start: window.start.plus_micros(before_micros), end: window.end }
    }

    /// Tells the rules which window is open.
    fn note_window_start(&mut self) {
        let window_start = self.window.map(|window| self.shown(window).start);
        if let (Some(growth), Some(window_start)) = (&mut self.rules.growth, window_start) {
            growth.window_start = window_start;
        }
    }

    fn record(&self, tick: Timestamp, name: &str, group: &Group) -> LeaderboardResult {
        let window = group.session.or(self.window).map(|window| self.shown(window));
        LeaderboardResult {
            board: self.spec.name.clone(),
            group: name.to_owned(),
            window: self.spec.window_kind.to_owned(),
            window_start: window.map(|window| window.start),
            window_end: window.map(|window| window.end),
            is_final: false,
            revision: group.revision,
            entries: group.top(self.spec.k, self.scale),
            item_count: group.places() as i64,
            total_score: group.total(self.scale),
            freshness: Freshness { as_of: tick, ..Freshness::default() },
        }
    }

    /// Writes the records that are due at `tick`; those of sessions that have ended are there.
    fn write_tick(&mut self, tick: Timestamp, mut records: Vec<LeaderboardResult>, out: &mut Vec<Output>) {
        while let Some((_, name)) = self.closing.first().filter(|(closing, _)| *closing <= tick).cloned() {
            self.close_if_over(&name, tick, tick, &mut records);
        }
        let is_final = self.window.is_some_and(|window| window.end == tick);
        let mut names = std::mem::take(&mut self.changed);
        if is_final {
            names = self.groups.keys().map(Arc::clone).collect();
        }
        for name in &names {
            records.extend(self.write_group(tick, name, is_final));
        }
        if self.spec.stage == Stage::First {
            self.write_partials(tick, out);
        } else {
            records.sort_by(|a, b| a.group.cmp(&b.group));
            out.extend(records.into_iter().map(Output::Leaderboard));
        }
        if is_final {
            self.end_window();
        }
    }

    /// The record of a group that changed, or whose window ends.
    fn write_group(&mut self, tick: Timestamp, name: &Arc<str>, is_final: bool) -> Option<LeaderboardResult> {
        let group = self.groups.get_mut(name)?;
        group.drop_gone();
        count(&mut self.item_count, &mut self.entry_count, group);
        if !group.is_changed && (!is_final || group.places() == 0) {
            return None;
        }
        group.is_changed = false;
        group.revision += 1;
        group.recorded_end = self.window.map(|window| window.end);
        if self.spec.stage == Stage::First {
            // The second stage ranks.
            self.saved.note_group(name, group);
            return None;
        }
        let group = self.groups.get(name)?;
        let record = LeaderboardResult { is_final, ..self.record(tick, name, group) };
        let group = self.groups.get_mut(name)?;
        group.remember_ranks(self.spec.k, tick, self.rules);
        self.saved.note_group(name, group);
        Some(record)
    }

    /// Drops what the window that has ended leaves behind: groups without scores or, where no window follows, all.
    fn end_window(&mut self) {
        let is_over = matches!(self.spec.window, Window::Fixed(_));
        self.drop_groups(|group| is_over || group.is_empty());
        if is_over {
            self.saved.expire(Timestamp::MAX);
            self.oldest.clear();
        }
    }

    fn drop_groups(&mut self, is_over: impl Fn(&Group) -> bool) {
        let (items, entries, saved) = (&mut self.item_count, &mut self.entry_count, &mut self.saved);
        self.groups.retain(|name, group| {
            let is_kept = !is_over(group);
            if !is_kept {
                (*items, *entries) = (*items - group.counted.0, *entries - group.counted.1);
                saved.note_dropped(name, group);
            }
            is_kept
        });
    }
}

impl Processor for Board {
    fn process(&mut self, event: &Event<'_>, arrival: &Arrival, _: &mut Vec<Output>) -> Disposition {
        if self.spec.stage == Stage::Second {
            return self.file_partial(event, arrival);
        }
        if let Some(retraction) = contributions::retraction(&self.spec, event) {
            let change = Change::TakeBack(retraction);
            self.pending.file(arrival, change.lane(&self.spec.groups), |out| change.put(out));
            return Disposition::Taken;
        }
        let standing = self.spec.window.standing(arrival.event_time, arrival.partition_watermark);
        let (pending, groups) = (&mut self.pending, &self.spec.groups);
        let file = &mut |contribution: Contribution<'_>| {
            if standing == Standing::Counts {
                let change = Change::Add(contribution);
                pending.file(arrival, change.lane(groups), |out| change.put(out));
            }
        };
        let is_counted = self.contributor.contributions(&self.spec, event, arrival.event_time, file);
        match standing {
            _ if !is_counted => Disposition::Ignored,
            Standing::Outside => Disposition::Ignored,
            Standing::Late => Disposition::Late,
            Standing::Counts => Disposition::Taken,
        }
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Vec<Output>) {
        while let Some(instant) = self.next_instant(watermark) {
            let mut ended = Vec::new();
            self.take_in(instant, &mut ended);
            if self.is_tick(instant) {
                self.write_tick(instant, ended, out);
            }
        }
    }

    fn must_reach(&self) -> Option<Timestamp> {
        let is_second = self.spec.stage == Stage::Second;
        is_second.then(|| self.pending.tick_to_keep(self.spec.entries_max)).flatten()
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
        let is_asked = self.spec.name == board && self.spec.stage != Stage::First;
        let found = self.groups.get(group).filter(|_| is_asked)?;
        Some(self.record(self.as_of, group, found))
    }

    fn size(&self) -> StateSize {
        let (groups, items, pending) = (self.groups.len(), self.item_count, self.pending.len());
        let others = self.entry_count - items;
        let bytes =
            groups * GROUP_BYTES + items * ITEM_BYTES + others * ENTRY_BYTES + pending * WAITING_BYTES;
        StateSize {
            groups: groups as u64,
            items: items as u64,
            pending: pending as u64,
            entries: self.entry_count as u64,
            forgotten: self.forgotten,
            bytes_estimate: bytes as u64,
            ..StateSize::default()
        }
    }
}
