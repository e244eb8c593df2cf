//! Engagement: one tumbling window after the other of every channel's chat, reactions and viewers.
//!
//! **What a record shows.** Ticks are the multiples of `emit_every`; the window open at a tick `T` is the one with the least
//! end `E >= T`. A channel gets a record at a tick if an event of it became visible, or a session fell silent, since
//! the tick before; and at the end of every window in which it got one, finally. A channel that is merely watched, without an
//! event, gets none. `concurrent_viewers` counts the sessions at `as_of`, the peak those at every instant of the
//! window before `as_of` (see [`sessions`]); sessions carry over from window to window.
//!
//! **Late.** An event counts in the window of its event time unless its own partition's watermark has passed that window's
//! end. A join, heartbeat or leave still tells who is watching while its event time plus the time-out is ahead of
//! that watermark; it is late only if it counts for neither.
//!
//! Always holds: state is bounded by the sessions heard of within the time-out and the distinct names of the open
//! window; silent sessions and empty channels are dropped. Does not know: what the numbers mean for a channel's size.

mod explained;
mod saved;
mod sessions;
mod window;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use schemas::{
    ChatEvent, ChatKind, EngagementResult, Event, Freshness, ReactionEvent, Timestamp, ViewerEvent,
    ViewerKind,
};

use crate::leaderboards::reaction_count;
use crate::pending::{Entry, Pending};
use crate::processor::{Arrival, Disposition, Output, Processor};
use crate::state::bytes::stored;
use crate::state::{Chunk, StateError, StateSize};
use crate::windows::{last_window_end, tick_at_or_after};
use saved::Saved;
use sessions::{Expiry, Heard, Sessions};
use window::{Activity, Counts, ViewerActivity};

/// About what a channel, a session (with its name among the window's) and a waiting event take in memory.
const CHANNEL_BYTES: usize = 800;
const SESSION_BYTES: usize = 300;
const WAITING_BYTES: usize = 250;

/// Engagement as configured, validated: `emit_every_micros` divides `window_micros`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EngagementSpec {
    pub(crate) window_micros: i64,
    pub(crate) emit_every_micros: i64,
    pub(crate) heartbeat_timeout_micros: i64,
}

/// An event that waits to become visible.
struct Waiting {
    channel_id: Arc<str>,
    event_time: Timestamp,
    activity: Activity,
    is_in_window: bool,
    tells_presence: bool,
}

stored!(Waiting { channel_id, event_time, activity, is_in_window, tells_presence });

/// When to look, which channel, which session. The earliest first.
type TimeOut = (Timestamp, Arc<str>, Arc<str>);

#[derive(Default)]
struct Channel {
    sessions: Sessions,
    counts: Counts,
    /// Records written for the open window.
    revision: i64,
    /// Whether it is among the changes that the next save writes.
    is_unsaved: bool,
}

/// Engagement of the channels of one shard.
pub(crate) struct Engagement {
    spec: EngagementSpec,
    pending: Pending<Waiting>,
    channels: HashMap<Arc<str>, Channel, FxBuildHasher>,
    /// When to look whether a session fell silent: one entry for each session, perhaps too early.
    time_outs: BinaryHeap<Reverse<TimeOut>>,
    window_end: Timestamp,
    /// Channels with a record in the open window.
    active: BTreeSet<Arc<str>>,
    /// Channels that changed since the last tick.
    changed: BTreeSet<Arc<str>>,
    last_tick: Timestamp,
    saved: Saved,
}

impl Engagement {
    pub(crate) fn new(spec: EngagementSpec) -> Self {
        Engagement {
            pending: Pending::new(spec.emit_every_micros),
            channels: HashMap::default(),
            time_outs: BinaryHeap::new(),
            window_end: Timestamp::MIN,
            active: BTreeSet::new(),
            changed: BTreeSet::new(),
            last_tick: Timestamp::MIN,
            saved: Saved::default(),
            spec,
        }
    }

    fn next_tick(&self) -> Option<Timestamp> {
        let silence = self.time_outs.peek();
        let silence = silence.map(|Reverse((at, ..))| tick_at_or_after(*at, self.spec.emit_every_micros));
        let end = (!self.active.is_empty()).then_some(self.window_end);
        self.pending.first_tick().into_iter().chain(silence).chain(end).min()
    }

    fn write_tick(&mut self, tick: Timestamp, out: &mut Vec<Output>) {
        let end = tick_at_or_after(tick, self.spec.window_micros);
        if end != self.window_end {
            self.window_end = end;
            let start = end.plus_micros(-self.spec.window_micros);
            self.channels.values_mut().for_each(|channel| channel.sessions.begin_window(start));
        }
        for entry in self.pending.take(tick) {
            self.time_out_until(entry.visible_from);
            self.take_in(entry);
        }
        self.time_out_until(tick);
        self.last_tick = tick;
        let changed = std::mem::take(&mut self.changed);
        self.active.extend(changed.iter().map(Arc::clone));
        let is_final = tick == end;
        for channel_id in if is_final { std::mem::take(&mut self.active) } else { changed } {
            if let Some(channel) = self.channels.get_mut(&channel_id) {
                channel.revision += 1;
                self.saved.note_channel(&channel_id, &mut channel.is_unsaved);
                out.push(Output::Engagement(self.spec.record(&channel_id, channel, tick, end)));
                if is_final {
                    channel.counts = Counts::default();
                    channel.revision = 0;
                    if channel.sessions.is_empty() {
                        self.channels.remove(&channel_id);
                    }
                }
            }
        }
        if is_final {
            self.saved.clear_window();
        }
    }

    /// Takes in an event that becomes visible.
    fn take_in(&mut self, entry: Entry<Waiting>) {
        let waiting = entry.value;
        let channel = self.channels.entry(Arc::clone(&waiting.channel_id)).or_default();
        let saved = &mut self.saved;
        if waiting.is_in_window {
            let channel_id = &waiting.channel_id;
            channel.counts.add(&waiting.activity, |kind, name| saved.note_name(channel_id, kind, name));
        }
        if let (true, Activity::Viewer(viewer)) = (waiting.tells_presence, &waiting.activity) {
            let is_watching = viewer.kind != ViewerKind::Leave;
            let (sessions, session_id) = (&mut channel.sessions, &viewer.session_id);
            let due = waiting.event_time.plus_micros(self.spec.heartbeat_timeout_micros);
            match sessions.hear(entry.visible_from, session_id, waiting.event_time, is_watching, due) {
                Heard::New(session_id) => {
                    saved.note_session(&waiting.channel_id, &session_id, sessions);
                    self.time_outs.push(Reverse((due, Arc::clone(&waiting.channel_id), session_id)));
                }
                Heard::Changed(session_id) => saved.note_session(&waiting.channel_id, &session_id, sessions),
                Heard::Same => {}
            }
        }
        self.changed.insert(waiting.channel_id);
    }

    /// Lets every session whose time-out is at or before `instant` fall silent.
    fn time_out_until(&mut self, instant: Timestamp) {
        while let Some(Reverse((at, ..))) = self.time_outs.peek() {
            if *at > instant {
                break;
            }
            let Some(Reverse((at, channel_id, session_id))) = self.time_outs.pop() else { break };
            let Some(channel) = self.channels.get_mut(&channel_id) else { continue };
            let expiry = channel.sessions.time_out(at, &session_id, self.spec.heartbeat_timeout_micros);
            self.saved.note_session(&channel_id, &session_id, &mut channel.sessions);
            match expiry {
                Expiry::Later(due) => self.time_outs.push(Reverse((due, channel_id, session_id))),
                Expiry::Silent => {
                    self.changed.insert(channel_id);
                }
                Expiry::Forgotten => {
                    let is_unused = channel.sessions.is_empty()
                        && !self.active.contains(&channel_id)
                        && !self.changed.contains(&channel_id);
                    if is_unused {
                        self.saved.note_channel(&channel_id, &mut channel.is_unsaved);
                        self.channels.remove(&channel_id);
                    }
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
        let channel_id = match self.channels.get_key_value(channel_id) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::from(channel_id),
        };
        let event_time = arrival.event_time;
        self.pending
            .file(arrival, Waiting { channel_id, event_time, activity, is_in_window, tells_presence });
        Disposition::Taken
    }
}

impl EngagementSpec {
    fn record(
        &self,
        channel_id: &str,
        channel: &Channel,
        tick: Timestamp,
        end: Timestamp,
    ) -> EngagementResult {
        let counts = &channel.counts;
        EngagementResult {
            channel_id: channel_id.to_owned(),
            window_start: Some(end.plus_micros(-self.window_micros)),
            window_end: Some(end),
            is_final: tick == end,
            revision: channel.revision,
            messages: counts.messages,
            unique_chatters: counts.unique_chatters(),
            reactions: counts.reactions.iter().map(|(kind, sum)| ((*kind).to_owned(), *sum)).collect(),
            money_micros: counts.money_micros.iter().map(|(code, sum)| (code.to_string(), *sum)).collect(),
            concurrent_viewers: channel.sessions.watching(),
            peak_concurrent_viewers: channel.sessions.peak_before(tick),
            unique_viewers: counts.unique_viewers(),
            joins: counts.joins,
            leaves: counts.leaves,
            watch_ms: counts.watch_ms,
            rebuffer_count: counts.rebuffer_count,
            rebuffer_ms: counts.rebuffer_ms,
            freshness: Freshness { as_of: tick, ..Freshness::default() },
        }
    }
}

fn message(event: &ChatEvent<'_>) -> Option<Activity> {
    let user = event.user_id.as_deref().map(Box::from);
    (event.kind == ChatKind::Message).then_some(Activity::Message { user })
}

fn reaction(event: &ReactionEvent<'_>) -> Activity {
    let currency = event.currency.as_deref().map(Box::from);
    Activity::Reaction {
        kind: event.kind,
        count: reaction_count(event),
        money: currency.zip(event.amount_micros),
    }
}

fn viewer(event: &ViewerEvent<'_>) -> Option<Activity> {
    let activity = || {
        Activity::Viewer(ViewerActivity {
            kind: event.kind,
            session_id: event.session_id.as_str().into(),
            user: event.user_id.as_deref().map(Box::from),
            watch_ms: event.watch_ms,
            rebuffer_count: i64::from(event.rebuffer_count),
            rebuffer_ms: event.rebuffer_ms,
        })
    };
    (event.kind != ViewerKind::Unknown).then(activity)
}

impl Processor for Engagement {
    fn process(&mut self, event: &Event<'_>, arrival: &Arrival, _: &mut Vec<Output>) -> Disposition {
        let activity = match event {
            Event::Chat(event) => message(event),
            Event::Reaction(event) => Some(reaction(event)),
            Event::Viewer(event) => viewer(event),
            Event::Trade(_) => None,
        };
        match activity {
            Some(activity) => self.file(event.header().channel_id, arrival, activity),
            None => Disposition::Ignored,
        }
    }

    fn advance(&mut self, watermark: Timestamp, out: &mut Vec<Output>) {
        while let Some(tick) = self.next_tick().filter(|tick| *tick <= watermark) {
            self.write_tick(tick, out);
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
        let is_over = self.last_tick == self.window_end;
        let end =
            if is_over { self.window_end.plus_micros(self.spec.window_micros) } else { self.window_end };
        let mut record = self.spec.record(channel_id, channel, self.last_tick, end);
        if is_over {
            // The next window has begun with those who are watching.
            record.peak_concurrent_viewers = record.concurrent_viewers;
        }
        Some(record)
    }

    fn size(&self) -> StateSize {
        let (groups, items, pending) = (self.channels.len(), self.time_outs.len(), self.pending.len());
        StateSize {
            groups: groups as u64,
            items: items as u64,
            pending: pending as u64,
            bytes_estimate: (groups * CHANNEL_BYTES + items * SESSION_BYTES + pending * WAITING_BYTES) as u64,
            ..StateSize::default()
        }
    }
}
