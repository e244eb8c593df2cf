//! Engagement against a naive model: for every instant it asks every session anew whether it is watching.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Partition, Ran, Seen, at, chat, job, next_multiple, reaction, run, seen, ticks, viewer};
use processors::Output;
use proptest::prelude::*;
use schemas::{
    ChatKind, EngagementResult, Event, Freshness, HistogramBucket, ReactionKind, RetentionPoint,
    SketchRegister, Topic, ViewerKind,
};

const WINDOW: i64 = 20;
const EMIT_EVERY: i64 = 5;
const AGES: [i64; 3] = [5, 15, 40];

struct Model<'e> {
    all: Vec<Seen<'e>>,
    timeout: i64,
    distinct_max: usize,
    messages_max: usize,
    /// The ids of viewers' events that came when there were too many sessions.
    refused: BTreeSet<String>,
}

/// A message of a window, as the model goes through it.
struct Line<'e> {
    id: &'e str,
    user: Option<&'e str>,
    time: i64,
    is_remembered: bool,
    is_gone: bool,
}

/// A session's presence without a break, begun by a join shown at the tick `joined`.
struct Stint {
    joined: i64,
    /// The first tick at which it is not shown any more.
    gone: i64,
}

/// Names that are counted one by one until there are too many.
#[derive(Default)]
struct NameCount<'e> {
    names: BTreeSet<&'e str>,
    is_estimated: bool,
}

impl<'e> NameCount<'e> {
    fn add(&mut self, name: &'e str, limit: usize) {
        self.is_estimated |= !self.names.contains(name) && self.names.len() >= limit;
        self.names.insert(name);
    }

    fn registers(&self) -> Vec<SketchRegister> {
        let mut ranks = BTreeMap::new();
        for name in &self.names {
            let digits = format!("{:064b}", twox_hash::XxHash64::oneshot(0, name.as_bytes()));
            let (rest, index) = digits.split_at(52);
            let rank = 1 + rest.chars().rev().take_while(|digit| *digit == '0').count() as i32;
            let register = i32::from_str_radix(index, 2).expect("binary");
            let known = ranks.entry(register).or_insert(rank);
            *known = rank.max(*known);
        }
        ranks.into_iter().map(|(register, rank)| SketchRegister { register, rank }).collect()
    }
}

/// Percentiles, and buckets, of samples: by sorting.
fn measured(samples: &[i64]) -> ([Option<i64>; 4], Vec<HistogramBucket>) {
    let middle = |sample: &i64| {
        let mut width = 1;
        while sample / width > 127 {
            width *= 2;
        }
        sample / width * width + width / 2
    };
    let mut sorted: Vec<i64> = samples.iter().map(middle).collect();
    sorted.sort_unstable();
    let rank = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied();
    let mut buckets: Vec<HistogramBucket> = Vec::new();
    for value_ms in &sorted {
        match buckets.last_mut() {
            Some(last) if last.value_ms == *value_ms => last.count += 1,
            _ => buckets.push(HistogramBucket { value_ms: *value_ms, count: 1 }),
        }
    }
    ([50, 90, 95, 99].map(rank), buckets)
}

impl Model<'_> {
    fn is_in_window(seen: &Seen<'_>) -> bool {
        (seen.time.div_euclid(WINDOW) + 1) * WINDOW > seen.watermark
    }

    /// Goes through the events of every channel with the sessions that are known then: those heard of within the time-out.
    fn with_sessions_max(mut self, sessions_max: usize) -> Self {
        let mut known: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for seen in &self.all {
            let (Some(_), Event::Viewer(viewer)) = (self.kind_of_presence(seen), seen.event) else {
                continue;
            };
            known.retain(|_, last| *last + self.timeout > seen.visible_from);
            let of_channel = known.keys().filter(|(channel, _)| *channel == &*viewer.channel_id).count();
            let key = (&*viewer.channel_id, &*viewer.session_id);
            if known.contains_key(&key) || of_channel < sessions_max {
                let last = known.entry(key).or_insert(seen.time);
                *last = seen.time.max(*last);
            } else {
                self.refused.insert(viewer.event_id.to_string());
            }
        }
        self
    }

    /// Whether it says that a session is there (or not), and is heard.
    fn kind_of_presence(&self, seen: &Seen<'_>) -> Option<bool> {
        self.says_presence(seen).filter(|_| !self.refused.contains(seen.event.header().event_id))
    }

    fn says_presence(&self, seen: &Seen<'_>) -> Option<bool> {
        let Event::Viewer(viewer) = seen.event else { return None };
        let is_current = seen.time + self.timeout > seen.watermark;
        match viewer.kind {
            ViewerKind::Join | ViewerKind::Heartbeat => is_current.then_some(true),
            ViewerKind::Leave => is_current.then_some(false),
            ViewerKind::Quality | ViewerKind::Unknown => None,
        }
    }

    fn is_wanted(seen: &Seen<'_>) -> bool {
        match seen.event {
            Event::Chat(chat) => chat.kind != ChatKind::Unknown,
            Event::Viewer(viewer) => viewer.kind != ViewerKind::Unknown,
            _ => true,
        }
    }

    fn is_taken(&self, seen: &Seen<'_>) -> bool {
        Self::is_wanted(seen) && (Self::is_in_window(seen) || self.says_presence(seen).is_some())
    }

    /// The sessions of a channel watching at `instant`, by the events visible before `before`.
    fn watching(&self, channel: &str, instant: i64, before: i64) -> BTreeSet<String> {
        let mut sessions: BTreeMap<String, (i64, bool)> = BTreeMap::new();
        for seen in self.all.iter().filter(|seen| seen.visible_from < before) {
            if let (Some(is_watching), Event::Viewer(viewer)) = (self.kind_of_presence(seen), seen.event)
                && *viewer.channel_id == *channel
            {
                let latest = sessions.entry(viewer.session_id.to_string()).or_insert((i64::MIN, false));
                if seen.time >= latest.0 {
                    *latest = (seen.time, is_watching);
                }
            }
        }
        let is_there =
            |(_, (time, is_watching)): &(String, (i64, bool))| *is_watching && instant < time + self.timeout;
        sessions.into_iter().filter(is_there).map(|(session, _)| session).collect()
    }

    /// Whether a session fell silent at an instant after `from` and not after `to`.
    fn fell_silent(&self, channel: &str, from: i64, to: i64) -> bool {
        (from + 1..=to).any(|instant| {
            let before = self.watching(channel, instant - 1, instant);
            let after = self.watching(channel, instant, instant);
            before.difference(&after).next().is_some()
        })
    }

    /// Every stint of a channel that began with a join, by going through each session's events.
    fn stints(&self, channel: &str) -> Vec<Stint> {
        let mut stints: Vec<Stint> = Vec::new();
        // Of each session: its last time, whether it is watching, and its stint.
        let mut sessions: BTreeMap<&str, (i64, bool, Option<usize>)> = BTreeMap::new();
        for seen in &self.all {
            let (Some(is_watching), Event::Viewer(viewer)) = (self.kind_of_presence(seen), seen.event) else {
                continue;
            };
            if *viewer.channel_id != *channel {
                continue;
            }
            let tick = (seen.visible_from.div_euclid(EMIT_EVERY) + 1) * EMIT_EVERY;
            let session = sessions.entry(&viewer.session_id).or_insert((i64::MIN, false, None));
            let is_silent = session.0 != i64::MIN && session.0 + self.timeout <= seen.visible_from;
            if is_silent {
                *session = (i64::MIN, false, None);
            }
            if seen.time < session.0 {
                continue;
            }
            if is_watching && !session.1 {
                session.2 = (viewer.kind == ViewerKind::Join).then(|| {
                    stints.push(Stint { joined: tick, gone: i64::MAX });
                    stints.len() - 1
                });
            }
            if let Some(stint) = session.2 {
                let silent = next_multiple(seen.time + self.timeout, EMIT_EVERY);
                stints[stint].gone = if is_watching { silent } else { tick };
            }
            *session = (seen.time, is_watching, session.2.filter(|_| is_watching));
        }
        stints
    }

    /// Whether a session reaches an age at a tick after `from` and not after `to`.
    fn reaches_age(&self, channel: &str, from: i64, to: i64) -> bool {
        let stints = self.stints(channel);
        AGES.iter().any(|age| stints.iter().any(|stint| (from + 1..=to).contains(&(stint.joined + age))))
    }

    fn retention(&self, channel: &str, start: i64, tick: i64) -> Vec<RetentionPoint> {
        let stints = self.stints(channel);
        let point = |age_us: i64| {
            let reached: Vec<_> =
                stints.iter().filter(|stint| (start + 1..=tick).contains(&(stint.joined + age_us))).collect();
            let retained = reached.iter().filter(|stint| stint.gone > stint.joined + age_us).count();
            RetentionPoint { age_us, cohort: reached.len() as i64, retained: retained as i64 }
        };
        AGES.map(point).into()
    }

    fn run(&self) -> Ran {
        let late = |seen: &&Seen<'_>| Self::is_wanted(seen) && !self.is_taken(seen);
        let late_count = self.all.iter().filter(late).count();
        let channels: BTreeSet<&str> = self.all.iter().map(|seen| seen.event.header().channel_id).collect();
        let mut outputs = Vec::new();
        let mut revisions: BTreeMap<(&str, i64), i64> = BTreeMap::new();
        for tick in ticks(&self.all, EMIT_EVERY, self.timeout + 2 * WINDOW + AGES[2]) {
            let end = next_multiple(tick, WINDOW);
            for channel in &channels {
                let is_ours =
                    |seen: &&Seen<'_>| seen.event.header().channel_id == *channel && self.is_taken(seen);
                let is_new = |seen: &Seen<'_>| (tick - EMIT_EVERY..tick).contains(&seen.visible_from);
                let has_changed = self.all.iter().filter(is_ours).any(is_new)
                    || self.fell_silent(channel, tick - EMIT_EVERY, tick);
                let revision = revisions.entry((channel, end)).or_insert(0);
                let has_final = *revision > 0 || self.reaches_age(channel, end - WINDOW, end);
                if has_changed || (tick == end && has_final) {
                    *revision += 1;
                    outputs.push(Output::Engagement(self.record(channel, tick, end, *revision)));
                }
            }
        }
        Ran { outputs, late_count }
    }

    fn record(&self, channel: &str, tick: i64, end: i64, revision: i64) -> EngagementResult {
        let is_inside = |seen: &&Seen<'_>| {
            seen.event.header().channel_id == channel
                && seen.visible_from < tick
                && Self::is_wanted(seen)
                && Self::is_in_window(seen)
                && (end - WINDOW..end).contains(&seen.time)
        };
        let inside: Vec<&Seen<'_>> = self.all.iter().filter(is_inside).collect();
        let (mut reactions, mut money_micros) = (BTreeMap::new(), BTreeMap::new());
        let (mut lines, mut chatters): (Vec<Line<'_>>, NameCount<'_>) = (Vec::new(), NameCount::default());
        let mut viewers = NameCount::default();
        let (mut startup, mut latency) = (Vec::new(), Vec::new());
        let mut result = EngagementResult::default();
        for seen in inside {
            match seen.event {
                Event::Chat(chat) if chat.kind == ChatKind::Message => {
                    let open = lines.iter().filter(|line| line.is_remembered && !line.is_gone);
                    let is_known = open.clone().any(|line| *line.id == *chat.event_id);
                    let is_remembered = open.count() < self.messages_max && !is_known;
                    let (id, user) = (&*chat.event_id, chat.user_id.as_deref());
                    lines.push(Line { id, user, time: seen.time, is_remembered, is_gone: false });
                    user.into_iter().for_each(|user| chatters.add(user, self.distinct_max));
                }
                Event::Chat(chat) => {
                    for line in &mut lines {
                        let is_meant = match chat.kind {
                            ChatKind::MessageDeleted => Some(line.id) == chat.target_message_id.as_deref(),
                            ChatKind::ChatCleared => true,
                            _ => line.user.is_some() && line.user == chat.target_user_id.as_deref(),
                        };
                        line.is_gone |= is_meant && line.is_remembered && line.time <= seen.time;
                    }
                    if !chatters.is_estimated {
                        chatters.names =
                            lines.iter().filter(|line| !line.is_gone).filter_map(|line| line.user).collect();
                    }
                }
                Event::Reaction(reaction) => {
                    let count = if reaction.kind == ReactionKind::Raid { 1 } else { reaction.count };
                    *reactions.entry(reaction.kind.name().to_owned()).or_insert(0) += count;
                    if let (Some(amount), Some(currency)) = (reaction.amount_micros, &reaction.currency) {
                        *money_micros.entry(currency.to_string()).or_insert(0) += amount;
                    }
                }
                Event::Viewer(viewer) => {
                    viewers.add(viewer.user_id.as_deref().unwrap_or(&viewer.session_id), self.distinct_max);
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
                    latency.extend(viewer.live_latency_ms);
                }
                Event::Trade(_) | Event::Partial(_) => panic!("no trades"),
            }
        }
        let is_untracked = |seen: &&Seen<'_>| {
            seen.event.header().channel_id == channel
                && (end - WINDOW..tick).contains(&seen.visible_from)
                && self.says_presence(seen) == Some(true)
                && self.kind_of_presence(seen).is_none()
        };
        let is_final = tick == end;
        let ([startup_p50_ms, startup_p90_ms, startup_p95_ms, startup_p99_ms], startup_histogram) =
            measured(&startup);
        let (live, live_latency_histogram) = measured(&latency);
        let present: Vec<i64> = (end - WINDOW..tick)
            .map(|instant| self.watching(channel, instant, instant + 1).len() as i64)
            .collect();
        EngagementResult {
            channel_id: channel.to_owned(),
            window_start: Some(at(end - WINDOW)),
            window_end: Some(at(end)),
            is_final,
            revision,
            messages: lines.iter().filter(|line| !line.is_gone).count() as i64,
            retracted_messages: lines.iter().filter(|line| line.is_gone).count() as i64,
            untracked_sessions: self.all.iter().filter(is_untracked).count() as i64,
            untracked_messages: lines.iter().filter(|line| !line.is_remembered).count() as i64,
            unique_chatters: chatters.names.len() as i64,
            unique_chatters_is_estimated: chatters.is_estimated,
            unique_chatters_sketch: if is_final { chatters.registers() } else { Vec::new() },
            reactions,
            money_micros,
            concurrent_viewers: self.watching(channel, tick, tick).len() as i64,
            peak_concurrent_viewers: present.iter().copied().max().unwrap_or(0),
            presence_us: present.iter().sum(),
            audience_us: present.iter().filter(|present| **present > 0).count() as i64,
            retention: self.retention(channel, end - WINDOW, tick),
            unique_viewers: viewers.names.len() as i64,
            unique_viewers_is_estimated: viewers.is_estimated,
            unique_viewers_sketch: if is_final { viewers.registers() } else { Vec::new() },
            startup_count: startup.len() as i64,
            startup_p50_ms,
            startup_p90_ms,
            startup_p95_ms,
            startup_p99_ms,
            startup_histogram: if is_final { startup_histogram } else { Vec::new() },
            live_latency_count: latency.len() as i64,
            live_latency_p50_ms: live[0],
            live_latency_p90_ms: live[1],
            live_latency_p95_ms: live[2],
            live_latency_p99_ms: live[3],
            live_latency_histogram: if is_final { live_latency_histogram } else { Vec::new() },
            freshness: Freshness { as_of: at(tick), ..Freshness::default() },
            ..result
        }
    }
}

/// Times of a partition: mostly forward, with jumps in both directions.
fn times(len: usize) -> impl Strategy<Value = Vec<i64>> {
    let steps = prop_oneof![5 => 0..4i64, 2 => -20..0i64, 1 => 8..50i64];
    (proptest::collection::vec(steps, 0..len), -30..30i64).prop_map(|(steps, mut time)| {
        steps
            .into_iter()
            .map(|step| {
                time += step;
                time
            })
            .collect()
    })
}

fn with<T: std::fmt::Debug>(
    len: usize,
    what: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = Vec<(i64, T)>> {
    times(len).prop_flat_map(move |times| {
        let count = times.len();
        (Just(times), proptest::collection::vec(what.clone(), count))
            .prop_map(|(times, what)| times.into_iter().zip(what).collect())
    })
}

/// Which event of a partition, at what time, and what it is.
type Numbered<T> = (usize, (i64, T));

const CHANNELS: [&str; 2] = ["a", "b"];

fn partitions() -> impl Strategy<Value = [Partition; 3]> {
    let chats = with(24, (0..2usize, 0..4usize, 0..14usize, 0..24usize)).prop_map(|all| {
        use ChatKind::{ChatCleared, Message, MessageDeleted, Unknown, UserBanned, UserTimedOut};
        let event =
            |(index, (time, (channel, user, kind, target))): Numbered<(usize, usize, usize, usize)>| {
                let user = ["u0", "u1", "u2"].get(user).copied();
                // Some ids come again.
                let id = format!("c{}", if target == 23 { index / 2 } else { index });
                let mut event = chat(&id, at(time), CHANNELS[channel], user, "x");
                let kinds = [ChatCleared, MessageDeleted, MessageDeleted, UserBanned, UserTimedOut, Unknown];
                event.kind = kinds.get(kind).copied().unwrap_or(Message);
                event.target_message_id = Some(format!("c{target}").into());
                event.target_user_id = Some(["u0", "u1"][target % 2].into());
                Event::Chat(event)
            };
        all.into_iter().enumerate().map(event).collect()
    });
    let reactions = with(12, (0..2usize, 0..4usize, 1..5i64)).prop_map(|all| {
        let event = |(index, (time, (channel, kind, count))): (usize, (i64, (usize, usize, i64)))| {
            let kind =
                [ReactionKind::Like, ReactionKind::Raid, ReactionKind::SuperChat, ReactionKind::Cheer][kind];
            let mut event = reaction(&format!("r{index}"), at(time), CHANNELS[channel], None, kind, count);
            if kind == ReactionKind::SuperChat {
                event.amount_micros = Some(count * 1_000_000);
                event.currency = Some(if count > 2 { "USD" } else { "EUR" }.into());
            }
            Event::Reaction(event)
        };
        all.into_iter().enumerate().map(event).collect()
    });
    let viewers = with(40, (0..2usize, 0..4usize, 0..9usize, 0..5i64, 0..400i64)).prop_map(|all| {
        use ViewerKind::{Heartbeat, Join, Leave, Quality, Unknown};
        let event = |(index, (time, seed)): Numbered<(usize, usize, usize, i64, i64)>| {
            let (channel, session, kind, ms, sample) = seed;
            let kind = [Join, Join, Heartbeat, Heartbeat, Heartbeat, Leave, Leave, Quality, Unknown][kind];
            let mut event =
                viewer(&format!("v{index}"), at(time), CHANNELS[channel], kind, &format!("s{session}"));
            event.user_id = ["u0", "u1"].get(session).map(|user| (*user).into());
            (event.watch_ms, event.rebuffer_ms, event.rebuffer_count) = (ms * 100, ms, i32::from(ms > 3));
            event.startup_ms = (ms == 1).then_some(sample);
            event.live_latency_ms = (ms > 2).then_some(sample);
            event.bitrate_kbps = (ms > 1).then_some(sample as i32);
            Event::Viewer(event)
        };
        all.into_iter().enumerate().map(event).collect()
    });
    (chats, reactions, viewers).prop_map(|(chats, reactions, viewers)| {
        [(Topic::Chat, chats), (Topic::Reactions, reactions), (Topic::Viewers, viewers)]
    })
}

const SECOND: i64 = 1_000_000;

/// Everything a million times as slow.
fn slowly(partitions: &[Partition]) -> Vec<Partition> {
    let mut partitions = partitions.to_vec();
    for event in partitions.iter_mut().flat_map(|(_, events)| events) {
        let time = at(event.header().event_time.micros() * SECOND);
        let (event_time, ingest_time) = match event {
            Event::Chat(event) => (&mut event.event_time, &mut event.ingest_time),
            Event::Reaction(event) => (&mut event.event_time, &mut event.ingest_time),
            Event::Viewer(event) => (&mut event.event_time, &mut event.ingest_time),
            Event::Trade(_) | Event::Partial(_) => panic!("none is here"),
        };
        (*event_time, *ingest_time) = (time, time);
    }
    partitions
}

/// And what came of it as fast as before.
fn fast_again(mut ran: Ran) -> Ran {
    let fast = |time: schemas::Timestamp| at(time.micros() / SECOND);
    for output in &mut ran.outputs {
        let Output::Engagement(record) = output else { panic!("only engagement") };
        record.window_start = record.window_start.map(fast);
        record.window_end = record.window_end.map(fast);
        record.freshness.as_of = fast(record.freshness.as_of);
        record.presence_us /= SECOND;
        record.audience_us /= SECOND;
        record.retention.iter_mut().for_each(|point| point.age_us /= SECOND);
    }
    ran
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn engagement_equals_the_model_in_every_interleaving(
        partitions in partitions(),
        lateness in 0..15i64,
        timeout in prop_oneof![Just(3i64), Just(7), Just(10), Just(30)],
        limits in prop_oneof![3 => Just((10_000usize, 100_000usize)), 1 => (0..3usize, 0..3usize)],
        sessions_max in prop_oneof![Just(1_000_000usize), 1..4usize],
        schedules in proptest::collection::vec(proptest::collection::vec(0..6u8, 0..80), 3),
    ) {
        let (distinct_max, messages_max) = limits;
        let toml = format!(
            "lateness = '{lateness}us'\ndedup_for = '0s'\n[engagement]\nwindow = '{WINDOW}us'\nemit_every = '{EMIT_EVERY}us'\n\
             heartbeat_timeout = '{timeout}us'\nretention_ages = ['5us', '15us', '40us']\n\
             distinct_max = {distinct_max}\nmessages_max = {messages_max}\nsessions_max = {sessions_max}\n"
        );
        let all = seen(&partitions, lateness);
        let model = Model { all, timeout, distinct_max, messages_max, refused: BTreeSet::new() };
        let expected = model.with_sessions_max(sessions_max).run();
        for schedule in schedules {
            prop_assert_eq!(&run(&job(&toml), &partitions, &schedule), &expected);
            // In seconds a tick is several slices of event time, each of which is taken in for itself.
            let slow = run(&job(&toml.replace("us'", "s'")), &slowly(&partitions), &schedule);
            prop_assert_eq!(&fast_again(slow), &expected);
        }
    }
}

#[test]
fn a_session_carries_over_and_stops_counting_exactly_at_its_time_out() {
    let toml =
        "lateness = '0s'\n[engagement]\nwindow = '20us'\nemit_every = '5us'\nheartbeat_timeout = '30us'\n";
    let event = |time: i64, kind: ViewerKind, session: &str| {
        Event::Viewer(viewer(&format!("{session}{time}"), at(time), "a", kind, session))
    };
    use ViewerKind::{Heartbeat, Join, Leave, Quality};
    let viewers = vec![
        event(1, Join, "s"),
        event(2, Join, "t"),
        event(3, Leave, "t"),
        event(15, Heartbeat, "s"),
        event(44, Quality, "s"),
    ];
    let ran = run(&job(toml), &[(Topic::Viewers, viewers)], &[1; 5]);
    let shown: Vec<(i64, i64, i64)> = ran
        .outputs
        .iter()
        .map(|output| {
            let Output::Engagement(record) = output else { panic!("only engagement") };
            (record.freshness.as_of.micros(), record.concurrent_viewers, record.peak_concurrent_viewers)
        })
        .collect();
    // Nothing happens in the window from 20 to 40; the quality event at 44 does not keep the session, which is heard of
    // last at 15 and gone at 45.
    assert_eq!(shown, [(5, 1, 2), (20, 1, 2), (45, 0, 1), (60, 0, 1)]);
}
