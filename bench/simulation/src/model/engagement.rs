//! Engagement, naively: at every tick the events of the open window that are visible before it, and who is watching by
//! asking each session for its latest event; what was taken back and who was retained by going through all of them in order.

use std::collections::{BTreeMap, BTreeSet};

use processors::Output;
use processors::config::EngagementConfig;
use schemas::{
    ChatEvent, ChatKind, EngagementResult, Event, HistogramBucket, RetentionPoint, SketchRegister, ViewerKind,
};
use twox_hash::XxHash64;

use super::boards::reactions;
use super::{Arrived, at, ceil, tick_after};

/// Writes every record; returns how many events came too late.
pub(super) fn records(config: &EngagementConfig, arrived: &[Arrived<'_>], out: &mut Vec<Output>) -> u64 {
    let mut late = 0;
    let mut channels: BTreeMap<&str, Vec<&Arrived<'_>>> = BTreeMap::new();
    for arrived in arrived {
        let is_counted = match arrived.event {
            Event::Chat(chat) => chat.kind != ChatKind::Unknown,
            Event::Viewer(viewer) => viewer.kind != ViewerKind::Unknown,
            Event::Reaction(_) => true,
            Event::Trade(_) | Event::Partial(_) => false,
        };
        if !is_counted {
            continue;
        }
        let channel = Channel { config, name: "", events: Vec::new() };
        if channel.is_in_window(arrived) || channel.tells_presence(arrived) {
            channels.entry(arrived.event.header().channel_id).or_default().push(arrived);
        } else {
            late += 1;
        }
    }
    for (name, events) in channels {
        Channel { config, name, events }.write(out);
    }
    late
}

struct Channel<'a> {
    config: &'a EngagementConfig,
    name: &'a str,
    events: Vec<&'a Arrived<'a>>,
}

impl Channel<'_> {
    fn is_in_window(&self, event: &Arrived<'_>) -> bool {
        tick_after(event.time, self.config.window.micros()) > event.watermark
    }

    fn tells_presence(&self, event: &Arrived<'_>) -> bool {
        matches!(event.event, Event::Viewer(viewer) if viewer.kind != ViewerKind::Quality)
            && self.due(event) > event.watermark
    }

    /// When a session last heard of in `event` falls silent.
    fn due(&self, event: &Arrived<'_>) -> i64 {
        event.time + self.config.heartbeat_timeout.micros()
    }

    /// The sessions present at `instant` as far as events of which `is_visible` holds tell: each session's latest event.
    fn present(&self, instant: i64, is_visible: impl Fn(i64) -> bool) -> BTreeSet<&str> {
        let mut latest: BTreeMap<&str, &Arrived<'_>> = BTreeMap::new();
        for event in
            self.events.iter().filter(|event| self.tells_presence(event) && is_visible(event.visible()))
        {
            let Event::Viewer(viewer) = event.event else { continue };
            let known = latest.entry(&viewer.session_id).or_insert(event);
            if (event.time, event.offset) > (known.time, known.offset) {
                *known = event;
            }
        }
        let is_watching = |event: &Arrived<'_>| {
            self.due(event) > instant
                && matches!(event.event, Event::Viewer(viewer) if viewer.kind != ViewerKind::Leave)
        };
        latest.into_iter().filter(|(_, event)| is_watching(event)).map(|(session, _)| session).collect()
    }

    /// The instants at which a session falls silent.
    fn silences(&self) -> BTreeSet<i64> {
        let dues = self.events.iter().filter(|event| self.tells_presence(event)).map(|event| self.due(event));
        // Present just before, on what is known just before, and no more at the instant itself.
        dues.filter(|due| {
            let known = |visible: i64| visible < *due;
            self.present(*due - 1, known) != self.present(*due, known)
        })
        .collect()
    }

    /// Stays that began with a join: the tick that shows it, and the first tick that does not show the session any more.
    fn stays(&self) -> Vec<(i64, i64)> {
        let emit = self.config.emit_every.micros();
        let mut of_sessions: BTreeMap<&str, Vec<&Arrived<'_>>> = BTreeMap::new();
        for event in self.events.iter().filter(|event| self.tells_presence(event)) {
            if let Event::Viewer(viewer) = event.event {
                of_sessions.entry(&viewer.session_id).or_default().push(event);
            }
        }
        let mut stays = Vec::new();
        for events in of_sessions.values_mut() {
            events.sort_by_key(|event| event.order());
            let mut stay: Option<(i64, i64)> = None;
            let (mut last, mut is_watching) = (i64::MIN, false);
            for event in events {
                let Event::Viewer(viewer) = event.event else { continue };
                if last != i64::MIN && last + self.config.heartbeat_timeout.micros() <= event.visible() {
                    stays.extend(stay.take());
                    (last, is_watching) = (i64::MIN, false);
                }
                if event.time < last {
                    continue;
                }
                let tick = tick_after(event.visible(), emit);
                if viewer.kind == ViewerKind::Leave {
                    stays.extend(stay.take().map(|(joined, _)| (joined, tick)));
                } else if is_watching {
                    stay = stay.map(|(joined, _)| (joined, ceil(self.due(event), emit)));
                } else if viewer.kind == ViewerKind::Join {
                    stay = Some((tick, ceil(self.due(event), emit)));
                }
                (last, is_watching) = (event.time, viewer.kind != ViewerKind::Leave);
            }
            stays.extend(stay);
        }
        stays
    }

    /// The ticks at which a stay reaches an age.
    fn anniversaries(&self) -> BTreeSet<i64> {
        let ages = &self.config.retention_ages;
        let stays = self.stays();
        stays.iter().flat_map(|(joined, _)| ages.iter().map(move |age| joined + age.micros())).collect()
    }

    fn retention(&self, start: i64, tick: i64) -> Vec<RetentionPoint> {
        let stays = self.stays();
        let point = |age_us: i64| {
            let reached = stays.iter().filter(|(joined, _)| (start + 1..=tick).contains(&(joined + age_us)));
            let retained = reached.clone().filter(|(joined, gone)| joined + age_us < *gone).count() as i64;
            RetentionPoint { age_us, cohort: reached.count() as i64, retained }
        };
        self.config.retention_ages.iter().map(|age| point(age.micros())).collect()
    }

    fn write(&self, out: &mut Vec<Output>) {
        let (emit, window) = (self.config.emit_every.micros(), self.config.window.micros());
        let mut changes: BTreeSet<i64> =
            self.events.iter().map(|event| tick_after(event.visible(), emit)).collect();
        changes.extend(self.silences().iter().map(|instant| ceil(*instant, emit)));
        let anniversaries = self.anniversaries();
        let ends = changes.iter().chain(&anniversaries).map(|tick| ceil(*tick, window));
        let ticks: BTreeSet<i64> = ends.chain(changes.iter().copied()).collect();
        let mut revisions: BTreeMap<i64, i64> = BTreeMap::new();
        for tick in ticks {
            let end = ceil(tick, window);
            let revision = revisions.entry(end).or_default();
            *revision += 1;
            out.push(Output::Engagement(self.record(tick, end, *revision)));
        }
    }

    fn record(&self, tick: i64, end: i64, revision: i64) -> EngagementResult {
        let (emitted, start) = (tick, end - self.config.window.micros());
        let is_counted = |event: &&&Arrived<'_>| {
            self.is_in_window(event) && event.visible() < emitted && (start..end).contains(&event.time)
        };
        let mut counted: Vec<&Arrived<'_>> = self.events.iter().filter(is_counted).copied().collect();
        counted.sort_by_key(|event| event.order());
        let mut result = self.counts(&counted);
        self.write_presence(start, tick, &mut result);
        result.retention = self.retention(start, tick);
        result.channel_id = self.name.to_owned();
        result.window_start = Some(at(start));
        result.window_end = Some(at(end));
        result.is_final = tick == end;
        result.revision = revision;
        result.freshness.as_of = at(tick);
        if !result.is_final {
            (result.unique_chatters_sketch, result.unique_viewers_sketch) = (Vec::new(), Vec::new());
            (result.startup_histogram, result.live_latency_histogram) = (Vec::new(), Vec::new());
        }
        result
    }

    fn write_presence(&self, start: i64, tick: i64, result: &mut EngagementResult) {
        let visible = self.events.iter().map(|event| event.visible());
        let dues = self.events.iter().filter(|event| self.tells_presence(event)).map(|event| self.due(event));
        let instants: BTreeSet<i64> =
            visible.chain(dues).chain([start]).filter(|instant| (start..tick).contains(instant)).collect();
        let nexts = instants.iter().skip(1).copied().chain([tick]);
        for (instant, next) in instants.iter().zip(nexts) {
            let present = self.present(*instant, |visible| visible <= *instant).len() as i64;
            result.peak_concurrent_viewers = result.peak_concurrent_viewers.max(present);
            result.presence_us += present * (next - instant);
            result.audience_us += if present > 0 { next - instant } else { 0 };
        }
        result.concurrent_viewers = self.present(tick, |visible| visible < tick).len() as i64;
    }

    /// What the events of a window, in the order in which they become visible, add up to.
    fn counts(&self, events: &[&Arrived<'_>]) -> EngagementResult {
        let mut result = EngagementResult::default();
        self.write_chat(events, &mut result);
        let distinct_max = self.config.distinct_max as usize;
        let mut viewers = Names::default();
        let (mut startup, mut live_latency) = (Vec::new(), Vec::new());
        for event in events {
            match event.event {
                Event::Reaction(reaction) => {
                    *result.reactions.entry(reaction.kind.name().to_owned()).or_default() +=
                        reactions(reaction.kind, reaction.count);
                    if let (Some(amount), Some(currency)) = (reaction.amount_micros, &reaction.currency) {
                        *result.money_micros.entry(currency.to_string()).or_default() += amount;
                    }
                }
                Event::Viewer(viewer) => {
                    viewers.add(event.event.header().user_id.unwrap_or(&viewer.session_id), distinct_max);
                    result.joins += i64::from(viewer.kind == ViewerKind::Join);
                    result.leaves += i64::from(viewer.kind == ViewerKind::Leave);
                    result.watch_ms += viewer.watch_ms;
                    result.rebuffer_count += i64::from(viewer.rebuffer_count);
                    result.rebuffer_ms += viewer.rebuffer_ms;
                    if let Some(kbps) = viewer.bitrate_kbps {
                        result.bitrate_bits += i64::from(kbps) * viewer.watch_ms;
                        result.bitrate_ms += viewer.watch_ms;
                    }
                    startup.extend(viewer.startup_ms);
                    live_latency.extend(viewer.live_latency_ms);
                }
                Event::Chat(_) | Event::Trade(_) | Event::Partial(_) => {}
            }
        }
        result.unique_viewers = viewers.names.len() as i64;
        result.unique_viewers_is_estimated = viewers.is_estimated;
        result.unique_viewers_sketch = viewers.registers();
        result.startup_count = startup.len() as i64;
        result.startup_histogram = histogram(startup);
        let of_startup = |percent| percentile(&result.startup_histogram, percent);
        result.startup_p50_ms = of_startup(50);
        result.startup_p90_ms = of_startup(90);
        result.startup_p95_ms = of_startup(95);
        result.startup_p99_ms = of_startup(99);
        result.live_latency_count = live_latency.len() as i64;
        result.live_latency_histogram = histogram(live_latency);
        let of_latency = |percent| percentile(&result.live_latency_histogram, percent);
        result.live_latency_p50_ms = of_latency(50);
        result.live_latency_p90_ms = of_latency(90);
        result.live_latency_p95_ms = of_latency(95);
        result.live_latency_p99_ms = of_latency(99);
        result
    }

    fn write_chat(&self, events: &[&Arrived<'_>], result: &mut EngagementResult) {
        let (distinct_max, messages_max) =
            (self.config.distinct_max as usize, self.config.messages_max as usize);
        let mut chatters = Names::default();
        // What can be taken back, and what cannot.
        let (mut open, mut lasting): (Vec<(&ChatEvent<'_>, i64)>, Vec<&str>) = (Vec::new(), Vec::new());
        for event in events {
            let Event::Chat(chat) = event.event else { continue };
            if chat.kind == ChatKind::Message {
                let user = chat.user_id.as_deref();
                let is_known = open.iter().any(|(known, _)| known.event_id == chat.event_id);
                result.messages += 1;
                if open.len() < messages_max && !is_known {
                    open.push((chat, event.time));
                } else {
                    result.untracked_messages += 1;
                    lasting.extend(user);
                }
                user.into_iter().for_each(|user| chatters.add(user, distinct_max));
                continue;
            }
            let count = open.len();
            open.retain(|(message, time)| *time > event.time || !takes_back(chat, message));
            let gone = (count - open.len()) as i64;
            (result.messages, result.retracted_messages) =
                (result.messages - gone, result.retracted_messages + gone);
            if !chatters.is_estimated {
                let users = open.iter().filter_map(|(message, _)| message.user_id.as_deref());
                chatters.names = users.chain(lasting.iter().copied()).collect();
            }
        }
        result.unique_chatters = chatters.names.len() as i64;
        result.unique_chatters_is_estimated = chatters.is_estimated;
        result.unique_chatters_sketch = chatters.registers();
    }
}

fn takes_back(action: &ChatEvent<'_>, message: &ChatEvent<'_>) -> bool {
    match action.kind {
        ChatKind::MessageDeleted => action.target_message_id.as_ref() == Some(&message.event_id),
        ChatKind::ChatCleared => true,
        _ => message.user_id.is_some() && message.user_id == action.target_user_id,
    }
}

/// Distinct names; a handful is estimated without an error.
#[derive(Default)]
struct Names<'a> {
    names: BTreeSet<&'a str>,
    is_estimated: bool,
}

impl<'a> Names<'a> {
    fn add(&mut self, name: &'a str, limit: usize) {
        self.is_estimated |= !self.names.contains(name) && self.names.len() >= limit;
        self.names.insert(name);
    }

    fn registers(&self) -> Vec<SketchRegister> {
        let mut ranks: BTreeMap<i32, i32> = BTreeMap::new();
        for name in &self.names {
            let hash = XxHash64::oneshot(0, name.as_bytes());
            let zeros = (0..52).take_while(|bit| hash >> (12 + bit) & 1 == 0).count() as i32;
            let rank = ranks.entry((hash % 4096) as i32).or_default();
            *rank = (*rank).max(zeros + 1);
        }
        ranks.into_iter().map(|(register, rank)| SketchRegister { register, rank }).collect()
    }
}

/// How often samples share their seven leading binary digits, by the middle of what shares them.
fn histogram(samples: Vec<i64>) -> Vec<HistogramBucket> {
    let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
    for sample in samples {
        let mut width = 1;
        while sample / width >= 128 {
            width *= 2;
        }
        *counts.entry(sample.max(0) / width * width + width / 2).or_default() += 1;
    }
    counts.into_iter().map(|(value_ms, count)| HistogramBucket { value_ms, count }).collect()
}

fn percentile(histogram: &[HistogramBucket], percent: usize) -> Option<i64> {
    let repeated = histogram.iter().flat_map(|bucket| (0..bucket.count).map(|_| bucket.value_ms));
    let samples: Vec<i64> = repeated.collect();
    samples.get((samples.len() * percent).div_ceil(100).max(1) - 1).copied()
}
