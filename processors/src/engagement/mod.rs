//! Engagement: one tumbling window after the other of every channel's chat, reactions and viewers.
//!
//! **What a record shows.** Ticks are the multiples of `emit_every`; the window open at a tick `T` is the one with the least
//! end `E >= T`. A channel gets a record at a tick if an event of it became visible, or a session fell silent, since
//! the tick before; and at the end of every window in which it got one or in which a session that joined reached an age of the
//! retention curve, finally. A channel that is merely watched, without an event, gets none. `concurrent_viewers`
//! counts the sessions at `as_of`, the peak those at every instant of the window before `as_of` (see [`sessions`]); sessions carry
//! over from window to window. What windows can be merged by (sketches, histograms) is in final records only. Events are taken in
//! as soon as they are visible, a slice of event time at a time, so that little is left to do at a tick.
//!
//! **Late.** An event counts in the window of its event time unless its own partition's watermark has passed that window's
//! end. A join, heartbeat or leave still tells who is watching while its event time plus the time-out is ahead of
//! that watermark; it is late only if it counts for neither.
//!
//! Always holds: state is bounded. A channel has `sessions_max` sessions at most, those heard of within the time-out; one cohort for
//! each tick of the largest age; and in its open window `distinct_max` chatters and viewers each (then a sketch of 4 KiB each),
//! `messages_max` messages, and 7,552 buckets of samples. What would exceed that is counted but not held: first come,
//! first kept. Silent sessions and empty channels are dropped. Does not know: what the numbers mean for a channel's size.

mod activity;
mod cohorts;
mod distinct;
mod due;
mod explained;
mod histogram;
mod record;
mod saved;
mod sessions;
mod spec;
mod waiting;
mod window;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use schemas::{EngagementResult, Event, Timestamp, ViewerKind};

use crate::maps::entry_of;
use crate::pending::{ONLY_LANE, Pending};
use crate::processor::{Arrival, Disposition, Output, Processor};
use crate::state::{Chunk, StateError, StateSize};
use crate::windows::{last_window_end, tick_at_or_after};
use activity::{Activity, ViewerActivity};
use cohorts::Cohorts;
use due::Due;
use saved::Saved;
use sessions::{Expiry, Heard, Report, Sessions};
pub(crate) use spec::EngagementSpec;
use waiting::Waiting;
use window::Counts;

/// About what a channel, a session, a cohort and a waiting event take in memory.
const CHANNEL_BYTES: usize = 1_000;
const SESSION_BYTES: usize = 110;
const COHORT_BYTES: usize = 70;
const WAITING_BYTES: usize = 200;

/// When to look, which channel, which session. The earliest first.
type TimeOut = (Timestamp, Arc<str>, u64);
/// When a cohort reaches its next age, of which channel, and when it joined.
type Anniversary = (Timestamp, Arc<str>, Timestamp);

#[derive(Default)]
struct Channel {
    sessions: Sessions,
    cohorts: Cohorts,
    counts: Counts,
    /// Records written for the open window.
    revision: i64,
    /// Whether it is among the changes that the next save writes.
    is_unsaved: bool,
    /// Whether it has a record in the open window, at the next tick, or at its end.
    is_active: bool,
    /// Whether it changed since the last tick; then it is active.
    is_changed: bool,
}

impl Channel {
    /// Nothing is left to be told of it once its window has ended.
    fn is_over(&self) -> bool {
        self.sessions.is_empty() && self.cohorts.is_empty()
    }

    fn held(&self) -> Held {
        Held {
            items: self.counts.len() + self.cohorts.len(),
            bytes: self.counts.bytes_estimate() + self.cohorts.len() * COHORT_BYTES,
        }
    }
}

/// What channels hold besides their sessions.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    items: usize,
    bytes: usize,
}

impl std::ops::AddAssign for Held {
    fn add_assign(&mut self, more: Held) {
        *self = Held { items: self.items + more.items, bytes: self.bytes + more.bytes };
    }
}

impl std::ops::SubAssign for Held {
    fn sub_assign(&mut self, less: Held) {
        *self = Held { items: self.items - less.items, bytes: self.bytes - less.bytes };
    }
}

/// Engagement of the channels of one shard.
pub(crate) struct Engagement {
    spec: EngagementSpec,
    pending: Pending,
    channels: HashMap<Arc<str>, Channel, FxBuildHasher>,
    /// When to look whether a session fell silent: one entry for each session, perhaps too early.
    time_outs: BinaryHeap<Reverse<TimeOut>>,
    /// One entry for each cohort.
    anniversaries: BinaryHeap<Reverse<Anniversary>>,
    window_end: Timestamp,
    due: Due,
    /// Everything before this was taken in.
    as_of: Timestamp,
    held: Held,
    saved: Saved,
}

impl Engagement {
    pub(crate) fn new(spec: EngagementSpec) -> Self {
        Engagement {
            pending: Pending::new(spec.slice_micros()),
            channels: HashMap::default(),
            time_outs: BinaryHeap::new(),
            anniversaries: BinaryHeap::new(),
            window_end: Timestamp::MIN,
            due: Due::default(),
            as_of: Timestamp::MIN,
            held: Held::default(),
            saved: Saved::default(),
            spec,
        }
    }

    /// The next instant at which events are to be taken in or records are due.
    fn next_instant(&self) -> Option<Timestamp> {
        let tick = |instant| tick_at_or_after(instant, self.spec.emit_every_micros);
        let silence = self.time_outs.peek().map(|Reverse((at, ..))| tick(*at));
        let anniversary = self.anniversaries.peek().map(|Reverse((at, ..))| *at);
        let changed = self.due.is_any_changed().then(|| tick(self.as_of));
        let end = self.due.is_any_active().then_some(self.window_end);
        let ticks = silence.into_iter().chain(anniversary).chain(changed).chain(end);
        ticks.chain(self.pending.first_tick()).min()
    }

    /// Takes in what becomes visible before `instant`, and who falls silent until then. No record is due before it.
    fn take_in(&mut self, instant: Timestamp) {
        let end = tick_at_or_after(instant, self.spec.window_micros);
        if end != self.window_end {
            self.window_end = end;
            let start = end.plus_micros(-self.spec.window_micros);
            self.channels.values_mut().for_each(|channel| channel.sessions.begin_window(start));
        }
        let tick = tick_at_or_after(instant, self.spec.emit_every_micros);
        let filed = self.pending.take(instant);
        for (visible_from, waiting) in filed.iter(Waiting::get) {
            self.time_out_until(visible_from);
            self.take_in_one(visible_from, &waiting, tick);
        }
        self.pending.reuse(filed);
        self.time_out_until(instant);
        self.as_of = instant;
    }

    /// Writes the records that are due at `tick`.
    fn write_tick(&mut self, tick: Timestamp, out: &mut Vec<Output>) {
        let end = self.window_end;
        self.reach_ages(tick);
        let is_final = tick == end;
        for channel_id in self.due.take(is_final) {
            let Some(channel) = self.channels.get_mut(&channel_id) else { continue };
            channel.is_changed = false;
            channel.revision += 1;
            self.saved.note_channel(&channel_id, &mut channel.is_unsaved);
            out.push(Output::Engagement(self.spec.record(&channel_id, channel, tick, end)));
            if is_final {
                self.held -= channel.held();
                channel.counts = Counts::default();
                channel.revision = 0;
                channel.is_active = false;
                self.held += channel.held();
                if channel.is_over() {
                    self.channels.remove(&channel_id);
                }
            }
        }
        if is_final {
            self.saved.clear_window();
        }
    }

    /// Takes in an event that becomes visible, for the records of `tick`.
    fn take_in_one(&mut self, visible_from: Timestamp, waiting: &Waiting<'_>, tick: Timestamp) {
        let (channel_id, channel) = entry_of(&mut self.channels, waiting.channel_id, Channel::default);
        if waiting.is_in_window {
            self.held -= channel.held();
            let note = |piece| self.saved.note_piece(channel_id, piece);
            channel.counts.add(&waiting.activity, waiting.event_time, &self.spec, note);
            self.held += channel.held();
        }
        self.saved.note_channel(channel_id, &mut channel.is_unsaved);
        self.due.at_tick(channel_id, channel);
        if let (true, Activity::Viewer(viewer)) = (waiting.tells_presence, &waiting.activity) {
            let report = Report {
                kind: viewer.kind,
                event_time: waiting.event_time,
                visible_from,
                due: waiting.event_time.plus_micros(self.spec.heartbeat_timeout_micros),
                cohort: tick,
            };
            let channel_id = &Arc::clone(channel_id);
            self.hear(channel_id, viewer, &report);
        }
    }

    /// Takes in that a session was heard of.
    fn hear(&mut self, channel_id: &Arc<str>, viewer: &ViewerActivity, report: &Report) {
        let Some(channel) = self.channels.get_mut(channel_id) else { return };
        let heard = channel.sessions.hear(viewer.session, report, self.spec.sessions_max);
        let (has_joined, left) = match heard {
            Heard::Same => return,
            Heard::Refused => {
                channel.counts.sums.untracked_sessions += i64::from(viewer.kind != ViewerKind::Leave);
                return;
            }
            Heard::New { joined } => {
                self.time_outs.push(Reverse((report.due, Arc::clone(channel_id), viewer.session)));
                (joined, None)
            }
            Heard::Changed { joined, left } => (joined, left),
        };
        self.saved.note_session(channel_id, viewer.session, &mut channel.sessions);
        if let Some(join) = left
            && channel.cohorts.leave(join)
        {
            self.saved.note_cohort(channel_id, join);
        }
        if let (true, Some(age)) = (has_joined, self.spec.retention_ages_micros.first()) {
            self.held -= channel.held();
            if channel.cohorts.join(report.cohort) {
                let due = report.cohort.plus_micros(*age);
                self.anniversaries.push(Reverse((due, Arc::clone(channel_id), report.cohort)));
            }
            self.held += channel.held();
            self.saved.note_cohort(channel_id, report.cohort);
        }
    }

    /// Lets every session whose time-out is at or before `instant` fall silent.
    fn time_out_until(&mut self, instant: Timestamp) {
        while let Some(Reverse((at, ..))) = self.time_outs.peek() {
            if *at > instant {
                break;
            }
            let Some(Reverse((at, channel_id, session_id))) = self.time_outs.pop() else { break };
            let Some(channel) = self.channels.get_mut(&channel_id) else { continue };
            let expiry = channel.sessions.time_out(at, session_id, self.spec.heartbeat_timeout_micros);
            self.saved.note_session(&channel_id, session_id, &mut channel.sessions);
            match expiry {
                Expiry::Later(due) => self.time_outs.push(Reverse((due, channel_id, session_id))),
                Expiry::Silent(cohort) => {
                    if let Some(join) = cohort
                        && channel.cohorts.leave(join)
                    {
                        self.saved.note_cohort(&channel_id, join);
                    }
                    self.saved.note_channel(&channel_id, &mut channel.is_unsaved);
                    self.due.at_tick(&channel_id, channel);
                }
                Expiry::Forgotten => {
                    if channel.is_over() && !channel.is_active {
                        self.saved.note_channel(&channel_id, &mut channel.is_unsaved);
                        self.channels.remove(&channel_id);
                    }
                }
            }
        }
    }

    /// Counts, at `tick`, the cohorts that reach an age.
    fn reach_ages(&mut self, tick: Timestamp) {
        while self.anniversaries.peek().is_some_and(|Reverse((at, ..))| *at <= tick) {
            let Some(Reverse((at, channel_id, join))) = self.anniversaries.pop() else { break };
            let Some(channel) = self.channels.get_mut(&channel_id) else { continue };
            let age = at.micros() - join.micros();
            if let Some(cohort) = channel.cohorts.get(join) {
                channel.counts.reach(age, cohort.joined, cohort.present);
            }
            self.saved.note_channel(&channel_id, &mut channel.is_unsaved);
            self.due.at_end(&channel_id, channel);
            match self.spec.retention_ages_micros.iter().find(|next| **next > age) {
                Some(next) => {
                    self.anniversaries.push(Reverse((join.plus_micros(*next), channel_id, join)));
                }
                None => {
                    self.held -= channel.held();
                    channel.cohorts.forget(join);
                    self.held += channel.held();
                    self.saved.note_cohort(&channel_id, join);
                }
            }
        }
    }

    fn file(&mut self, channel_id: &str, arrival: &Arrival, activity: Activity) -> Disposition {
        let (window_micros, watermark) = (self.spec.window_micros, arrival.partition_watermark);
        let is_in_window = last_window_end(arrival.event_time, window_micros, window_micros) > watermark;
        let is_presence = matches!(&activity, Activity::Viewer(viewer) if viewer.kind != ViewerKind::Quality);
        let silent_from = arrival.event_time.plus_micros(self.spec.heartbeat_timeout_micros);
        let tells_presence = is_presence && silent_from > watermark;
        if !is_in_window && !tells_presence {
            return Disposition::Late;
        }
        let event_time = arrival.event_time;
        let waiting = Waiting { channel_id, event_time, activity, is_in_window, tells_presence };
        // Sessions of all channels fall silent in the order of time.
        self.pending.file(arrival, ONLY_LANE, |out| waiting.put(out));
        Disposition::Taken
    }
}

impl Processor for Engagement {
    fn process(&mut self, event: &Event<'_>, arrival: &Arrival, _: &mut Vec<Output>) -> Disposition {
        match Activity::of(event) {
            Some(activity) => self.file(event.header().channel_id, arrival, activity),
            None => Disposition::Ignored,
        }
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Vec<Output>) {
        while let Some(instant) = self.next_instant().filter(|instant| *instant <= watermark) {
            self.take_in(instant);
            if instant.floor(self.spec.emit_every_micros) == instant {
                self.write_tick(instant, out);
            }
        }
    }

    fn name(&self) -> String {
        "engagement".to_owned()
    }

    fn save(&mut self, prefix: &str, is_known: &dyn Fn(&str, u64) -> bool, chunks: &mut Vec<Chunk>) {
        self.save_chunks(prefix, is_known, chunks);
    }

    fn restore(&mut self, prefix: &str, chunks: &BTreeMap<String, Chunk>) -> Result<(), StateError> {
        self.restore_chunks(prefix, chunks)
    }

    fn query_engagement(&self, channel_id: &str) -> Option<EngagementResult> {
        let channel = self.channels.get(channel_id)?;
        let is_over = self.as_of == self.window_end;
        let end =
            if is_over { self.window_end.plus_micros(self.spec.window_micros) } else { self.window_end };
        let mut record = self.spec.record(channel_id, channel, self.as_of, end);
        if is_over {
            // The next window has begun with those who are watching.
            record.peak_concurrent_viewers = record.concurrent_viewers;
            (record.presence_us, record.audience_us) = (0, 0);
        }
        Some(record)
    }

    fn size(&self) -> StateSize {
        let (groups, sessions, pending) = (self.channels.len(), self.time_outs.len(), self.pending.len());
        let bytes = groups * CHANNEL_BYTES + sessions * SESSION_BYTES + pending * WAITING_BYTES;
        StateSize {
            groups: groups as u64,
            items: (sessions + self.held.items) as u64,
            pending: pending as u64,
            bytes_estimate: (bytes + self.held.bytes) as u64,
            ..StateSize::default()
        }
    }
}
