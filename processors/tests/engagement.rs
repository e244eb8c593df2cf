//! Engagement against a naive model: for every instant it asks every session anew whether it is watching.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Partition, Ran, Seen, at, chat, job, next_multiple, reaction, run, seen, ticks, viewer};
use processors::Output;
use proptest::prelude::*;
use schemas::{ChatKind, EngagementResult, Event, Freshness, ReactionKind, Topic, ViewerKind};

const WINDOW: i64 = 20;
const EMIT_EVERY: i64 = 5;

struct Model<'e> {
    all: Vec<Seen<'e>>,
    timeout: i64,
}

impl Model<'_> {
    fn is_in_window(seen: &Seen<'_>) -> bool {
        (seen.time.div_euclid(WINDOW) + 1) * WINDOW > seen.watermark
    }

    fn kind_of_presence(&self, seen: &Seen<'_>) -> Option<bool> {
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
            Event::Chat(chat) => chat.kind == ChatKind::Message,
            Event::Viewer(viewer) => viewer.kind != ViewerKind::Unknown,
            _ => true,
        }
    }

    fn is_taken(&self, seen: &Seen<'_>) -> bool {
        Self::is_wanted(seen) && (Self::is_in_window(seen) || self.kind_of_presence(seen).is_some())
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

    fn run(&self) -> Ran {
        let late = |seen: &&Seen<'_>| Self::is_wanted(seen) && !self.is_taken(seen);
        let late_count = self.all.iter().filter(late).count();
        let channels: BTreeSet<&str> = self.all.iter().map(|seen| seen.event.header().channel_id).collect();
        let mut outputs = Vec::new();
        let mut revisions: BTreeMap<(&str, i64), i64> = BTreeMap::new();
        for tick in ticks(&self.all, EMIT_EVERY, self.timeout + 2 * WINDOW) {
            let end = next_multiple(tick, WINDOW);
            for channel in &channels {
                let is_ours =
                    |seen: &&Seen<'_>| seen.event.header().channel_id == *channel && self.is_taken(seen);
                let is_new = |seen: &Seen<'_>| (tick - EMIT_EVERY..tick).contains(&seen.visible_from);
                let has_changed = self.all.iter().filter(is_ours).any(is_new)
                    || self.fell_silent(channel, tick - EMIT_EVERY, tick);
                let revision = revisions.entry((channel, end)).or_insert(0);
                if has_changed || (tick == end && *revision > 0) {
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
        let mut messages = 0;
        let mut chatters = BTreeSet::new();
        let mut viewers = BTreeSet::new();
        let [mut joins, mut leaves, mut watch_ms, mut rebuffer_count, mut rebuffer_ms] = [0; 5];
        for seen in inside {
            match seen.event {
                Event::Chat(chat) => {
                    messages += 1;
                    chatters.extend(chat.user_id.as_deref());
                }
                Event::Reaction(reaction) => {
                    let count = if reaction.kind == ReactionKind::Raid { 1 } else { reaction.count };
                    *reactions.entry(reaction.kind.name().to_owned()).or_insert(0) += count;
                    if let (Some(amount), Some(currency)) = (reaction.amount_micros, &reaction.currency) {
                        *money_micros.entry(currency.to_string()).or_insert(0) += amount;
                    }
                }
                Event::Viewer(viewer) => {
                    viewers.insert(match &viewer.user_id {
                        Some(user) => (true, user.to_string()),
                        None => (false, viewer.session_id.to_string()),
                    });
                    joins += i64::from(viewer.kind == ViewerKind::Join);
                    leaves += i64::from(viewer.kind == ViewerKind::Leave);
                    watch_ms += viewer.watch_ms;
                    rebuffer_count += i64::from(viewer.rebuffer_count);
                    rebuffer_ms += viewer.rebuffer_ms;
                }
                Event::Trade(_) => panic!("no trades"),
            }
        }
        let peak =
            (end - WINDOW..tick).map(|instant| self.watching(channel, instant, instant + 1).len()).max();
        EngagementResult {
            channel_id: channel.to_owned(),
            window_start: Some(at(end - WINDOW)),
            window_end: Some(at(end)),
            is_final: tick == end,
            revision,
            messages,
            unique_chatters: chatters.len() as i64,
            reactions,
            money_micros,
            concurrent_viewers: self.watching(channel, tick, tick).len() as i64,
            peak_concurrent_viewers: peak.unwrap_or(0) as i64,
            unique_viewers: viewers.len() as i64,
            joins,
            leaves,
            watch_ms,
            rebuffer_count,
            rebuffer_ms,
            freshness: Freshness { as_of: at(tick), ..Freshness::default() },
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
    let chats = with(12, (0..2usize, 0..4usize, 0..6u8)).prop_map(|all| {
        let event = |(index, (time, (channel, user, kind))): (usize, (i64, (usize, usize, u8)))| {
            let user = ["u0", "u1", "u2"].get(user).copied();
            let mut event = chat(&format!("c{index}"), at(time), CHANNELS[channel], user, "x");
            if kind == 0 {
                event.kind = ChatKind::ChatCleared;
            }
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
    let viewers = with(40, (0..2usize, 0..4usize, 0..9usize, 0..5i64)).prop_map(|all| {
        use ViewerKind::{Heartbeat, Join, Leave, Quality, Unknown};
        let event = |(index, (time, (channel, session, kind, ms))): Numbered<(usize, usize, usize, i64)>| {
            let kind = [Join, Join, Heartbeat, Heartbeat, Heartbeat, Leave, Leave, Quality, Unknown][kind];
            let mut event =
                viewer(&format!("v{index}"), at(time), CHANNELS[channel], kind, &format!("s{session}"));
            event.user_id = ["u0", "u1"].get(session).map(|user| (*user).into());
            (event.watch_ms, event.rebuffer_ms, event.rebuffer_count) = (ms * 100, ms, i32::from(ms > 3));
            Event::Viewer(event)
        };
        all.into_iter().enumerate().map(event).collect()
    });
    (chats, reactions, viewers).prop_map(|(chats, reactions, viewers)| {
        [(Topic::Chat, chats), (Topic::Reactions, reactions), (Topic::Viewers, viewers)]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn engagement_equals_the_model_in_every_interleaving(
        partitions in partitions(),
        lateness in 0..15i64,
        timeout in prop_oneof![Just(3i64), Just(7), Just(10), Just(30)],
        schedules in proptest::collection::vec(proptest::collection::vec(0..6u8, 0..80), 3),
    ) {
        let toml = format!(
            "lateness = '{lateness}us'\n[engagement]\nwindow = '{WINDOW}us'\nemit_every = '{EMIT_EVERY}us'\nheartbeat_timeout = '{timeout}us'\n"
        );
        let expected = Model { all: seen(&partitions, lateness), timeout }.run();
        for schedule in schedules {
            prop_assert_eq!(&run(&job(&toml), &partitions, &schedule), &expected);
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
