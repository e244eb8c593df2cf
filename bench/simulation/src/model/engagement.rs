//! Engagement, naively: at every tick the events of the open window that are visible before it, and who is watching by
//! asking each session for its latest event.

use std::collections::{BTreeMap, BTreeSet};

use processors::Output;
use processors::config::EngagementConfig;
use schemas::{ChatKind, EngagementResult, Event, Freshness, ViewerKind};

use super::boards::reactions;
use super::{Arrived, at, ceil, tick_after};

/// Writes every record; returns how many events came too late.
pub(super) fn records(config: &EngagementConfig, arrived: &[Arrived<'_>], out: &mut Vec<Output>) -> u64 {
    let mut late = 0;
    let mut channels: BTreeMap<&str, Vec<&Arrived<'_>>> = BTreeMap::new();
    for arrived in arrived {
        let is_counted = match arrived.event {
            Event::Chat(chat) => chat.kind == ChatKind::Message,
            Event::Viewer(viewer) => viewer.kind != ViewerKind::Unknown,
            Event::Reaction(_) => true,
            Event::Trade(_) => false,
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

    fn write(&self, out: &mut Vec<Output>) {
        let (emit, window) = (self.config.emit_every.micros(), self.config.window.micros());
        let mut changes: BTreeSet<i64> =
            self.events.iter().map(|event| tick_after(event.visible(), emit)).collect();
        changes.extend(self.silences().iter().map(|instant| ceil(*instant, emit)));
        let ends = changes.iter().map(|tick| ceil(*tick, window));
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
        let counted: Vec<&Arrived<'_>> = self.events.iter().filter(is_counted).copied().collect();
        let visible = self.events.iter().map(|event| event.visible());
        let dues = self.events.iter().filter(|event| self.tells_presence(event)).map(|event| self.due(event));
        let instants: BTreeSet<i64> =
            visible.chain(dues).chain([start]).filter(|instant| (start..tick).contains(instant)).collect();
        let peak =
            instants.iter().map(|instant| self.present(*instant, |visible| visible <= *instant).len()).max();
        let mut result = counts(&counted);
        result.channel_id = self.name.to_owned();
        result.window_start = Some(at(start));
        result.window_end = Some(at(end));
        result.is_final = tick == end;
        result.revision = revision;
        result.concurrent_viewers = self.present(tick, |visible| visible < tick).len() as i64;
        result.peak_concurrent_viewers = peak.unwrap_or(0) as i64;
        result.freshness.as_of = at(tick);
        result
    }
}

/// What the events of a window add up to.
fn counts(events: &[&Arrived<'_>]) -> EngagementResult {
    let mut result = EngagementResult {
        channel_id: String::new(),
        window_start: None,
        window_end: None,
        is_final: false,
        revision: 0,
        messages: 0,
        unique_chatters: 0,
        reactions: BTreeMap::new(),
        money_micros: BTreeMap::new(),
        concurrent_viewers: 0,
        peak_concurrent_viewers: 0,
        unique_viewers: 0,
        joins: 0,
        leaves: 0,
        watch_ms: 0,
        rebuffer_count: 0,
        rebuffer_ms: 0,
        freshness: Freshness::default(),
    };
    let (mut chatters, mut viewers) = (BTreeSet::new(), BTreeSet::new());
    for event in events {
        let user = event.event.header().user_id;
        match event.event {
            Event::Chat(_) => {
                result.messages += 1;
                chatters.extend(user);
            }
            Event::Reaction(reaction) => {
                *result.reactions.entry(reaction.kind.name().to_owned()).or_default() +=
                    reactions(reaction.kind, reaction.count);
                if let (Some(amount), Some(currency)) = (reaction.amount_micros, &reaction.currency) {
                    *result.money_micros.entry(currency.to_string()).or_default() += amount;
                }
            }
            Event::Viewer(viewer) => {
                viewers.insert((user.is_some(), user.unwrap_or(&viewer.session_id)));
                result.joins += i64::from(viewer.kind == ViewerKind::Join);
                result.leaves += i64::from(viewer.kind == ViewerKind::Leave);
                result.watch_ms += viewer.watch_ms;
                result.rebuffer_count += i64::from(viewer.rebuffer_count);
                result.rebuffer_ms += viewer.rebuffer_ms;
            }
            Event::Trade(_) => {}
        }
    }
    result.unique_chatters = chatters.len() as i64;
    result.unique_viewers = viewers.len() as i64;
    result
}
