//! Leaderboards, naively: one list of what counts, gone through at every tick at which something may differ.
//!
//! Always holds: a score is found by looking at all that counts for the item. Does not know: panes, cells, places.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use processors::Output;
use processors::config::{BoardConfig, BoardGroup, BoardItem, BoardScore, BoardSource, WindowConfig};
use schemas::{
    Amount, ChatEvent, ChatKind, Event, Freshness, LeaderboardEntry, LeaderboardResult, ReactionKind,
};

use super::{Arrived, at, ceil, floor, tick_after};

/// How many reactions an event stands for.
pub(super) fn reactions(kind: ReactionKind, count: i64) -> i64 {
    if kind == ReactionKind::Raid { 1 } else { count }
}

/// Item, label and value.
type Gain<'a> = (&'a str, Option<&'a str>, i128);

/// What an event adds; none if such events are not counted.
fn gains<'a>(board: &BoardConfig, event: &'a Event<'static>) -> Option<Vec<Gain<'a>>> {
    let user = event.header().user_id;
    let is_count = board.score == BoardScore::Count;
    let mut gains: Vec<Gain<'a>> = match (board.source, event) {
        (BoardSource::Chat, Event::Chat(chat)) if chat.kind == ChatKind::Message => match board.item {
            BoardItem::Channel => vec![(&*chat.channel_id, None, 1)],
            BoardItem::Emote => {
                let uses = |count: i32| if is_count { i128::from(count) } else { 1 };
                chat.emotes.iter().map(|emote| (&*emote.name, None, uses(emote.count))).collect()
            }
            _ => user.map(|user| (user, chat.user_name.as_deref(), 1)).into_iter().collect(),
        },
        (BoardSource::Reactions, Event::Reaction(reaction)) => {
            let value = match board.score {
                BoardScore::Count => i128::from(reactions(reaction.kind, reaction.count)),
                BoardScore::DistinctUsers => 1,
                _ => i128::from(reaction.amount_micros.unwrap_or(0)),
            };
            let (item, label) = match board.item {
                BoardItem::Emoji if reaction.kind == ReactionKind::Emoji => (reaction.emoji.as_deref(), None),
                BoardItem::Emoji => (None, None),
                BoardItem::Reaction => (Some(reaction.kind.name()), None),
                _ => (user, reaction.user_name.as_deref()),
            };
            item.map(|item| (item, label, value)).into_iter().collect()
        }
        (BoardSource::Trades, Event::Trade(_)) => user.map(|user| (user, None, 1)).into_iter().collect(),
        _ => return None,
    };
    gains.retain(|(_, _, value)| *value > 0 && (board.score != BoardScore::DistinctUsers || user.is_some()));
    Some(gains)
}

/// Whether several shards have parts of a group: it does not name the channel.
pub(super) fn is_across(board: &BoardConfig) -> bool {
    let is_of_channels = board.item == BoardItem::Channel;
    board.group.as_ref().map_or(is_of_channels, |groups| !groups.0.contains(&BoardGroup::Channel))
}

/// The group of an event; none if it has no currency where that is asked for.
fn group(board: &BoardConfig, event: &Event<'static>) -> Option<String> {
    let channel = event.header().channel_id;
    let keys = board.group.as_ref().map_or(&[][..], |groups| &groups.0);
    match event {
        Event::Reaction(reaction) if keys == [BoardGroup::Currency] => {
            reaction.currency.as_deref().map(str::to_owned)
        }
        _ if is_across(board) => Some("global".to_owned()),
        Event::Reaction(reaction) if keys.contains(&BoardGroup::Currency) => {
            Some(format!("{channel}/{}", reaction.currency.as_deref()?))
        }
        _ => Some(channel.to_owned()),
    }
}

/// Something that counts.
struct Live<'a> {
    group: String,
    item: &'a str,
    value: i128,
    user: Option<&'a str>,
    channel: &'a str,
    event_id: &'a str,
    time: i64,
}

/// A board on its way through the ticks.
struct Run<'a> {
    board: &'a BoardConfig,
    live: Vec<Live<'a>>,
    reached: BTreeMap<(String, &'a str), i64>,
    labels: BTreeMap<(String, &'a str), &'a str>,
    ranks: BTreeMap<String, BTreeMap<String, i32>>,
    revisions: BTreeMap<(String, Option<i64>), i64>,
    /// The open session of each group.
    sessions: BTreeMap<String, (i64, i64)>,
    changed: BTreeSet<String>,
    /// Of the tick.
    records: Vec<LeaderboardResult>,
}

/// Writes every record of a board; returns how many events came too late.
pub(super) fn records(board: &BoardConfig, arrived: &[Arrived<'_>], out: &mut Vec<Output>) -> u64 {
    let mut in_order: Vec<&Arrived<'_>> = arrived.iter().collect();
    in_order.sort_by_key(|arrived| arrived.order());
    let is_counted = |arrived: &Arrived<'_>| {
        gains(board, arrived.event).is_some() && group(board, arrived.event).is_some()
    };
    let is_late =
        |arrived: &&&Arrived<'_>| is_counted(arrived) && last_end(board, arrived.time) <= arrived.watermark;
    let late = in_order.iter().filter(is_late).count();
    let mut run = Run {
        board,
        live: Vec::new(),
        reached: BTreeMap::new(),
        labels: BTreeMap::new(),
        ranks: BTreeMap::new(),
        revisions: BTreeMap::new(),
        sessions: BTreeMap::new(),
        changed: BTreeSet::new(),
        records: Vec::new(),
    };
    let mut next = 0;
    for tick in ticks(board, &in_order) {
        run.expire(tick);
        while let Some(arrived) = in_order.get(next).filter(|arrived| arrived.visible() < tick) {
            next += 1;
            run.take_in(arrived, tick);
        }
        run.write(tick, out);
    }
    late as u64
}

/// Every tick at which something may differ from the tick before.
fn ticks(board: &BoardConfig, arrived: &[&Arrived<'_>]) -> BTreeSet<i64> {
    let emit = board.emit_every.micros();
    let mut ticks: BTreeSet<i64> =
        arrived.iter().map(|arrived| tick_after(arrived.visible(), emit)).collect();
    for arrived in arrived {
        match &board.window {
            WindowConfig::AllTime => {}
            WindowConfig::Session { gap } => {
                ticks.insert(ceil(arrived.time + gap.micros(), emit));
            }
            window => {
                let (length, slide) = span(window);
                let first = floor(arrived.time, slide) + slide;
                for end in (0..length / slide).map(|index| first + index * slide) {
                    ticks.extend([end, tick_after(end, emit)]);
                }
            }
        }
    }
    ticks
}

/// Length and slide of windows that follow each other.
fn span(window: &WindowConfig) -> (i64, i64) {
    match window {
        WindowConfig::Tumbling { length } => (length.micros(), length.micros()),
        WindowConfig::Rolling { length, slide } => (length.micros(), slide.micros()),
        other => unreachable!("no plan has {other:?}"),
    }
}

/// The end of the last window that an event is in.
fn last_end(board: &BoardConfig, time: i64) -> i64 {
    match &board.window {
        WindowConfig::AllTime => i64::MAX,
        WindowConfig::Session { gap } => time + gap.micros(),
        window => {
            let (length, slide) = span(window);
            floor(time, slide) + length
        }
    }
}

impl<'a> Run<'a> {
    /// The window open before a tick, if it is one of all groups.
    fn open(&self, tick: i64) -> Option<(i64, i64)> {
        if matches!(self.board.window, WindowConfig::AllTime | WindowConfig::Session { .. }) {
            return None;
        }
        let (length, slide) = span(&self.board.window);
        let end = ceil(tick, slide);
        Some((end - length, end))
    }

    fn expire(&mut self, tick: i64) {
        let Some((start, _)) = self.open(tick) else { return };
        let gone = self.live.extract_if(.., |live| live.time < start);
        self.changed.extend(gone.map(|live| live.group));
    }

    fn take_in(&mut self, arrived: &Arrived<'a>, tick: i64) {
        if let Event::Chat(chat) = arrived.event
            && chat.kind != ChatKind::Message
        {
            let is_asked = self.board.retract.unwrap_or(self.board.window != WindowConfig::AllTime);
            if is_asked && self.board.source != BoardSource::Trades {
                self.take_back(chat, arrived.visible(), tick);
            }
            return;
        }
        let Some(gains) = gains(self.board, arrived.event) else { return };
        let Some(group) = group(self.board, arrived.event) else { return };
        if last_end(self.board, arrived.time) <= arrived.watermark {
            return;
        }
        let header = arrived.event.header();
        for (item, label, value) in gains {
            self.close_if_over(&group, arrived.visible(), tick);
            let before = self.score(&group, item);
            self.live.push(Live {
                group: group.clone(),
                item,
                value,
                user: header.user_id,
                channel: header.channel_id,
                event_id: header.event_id,
                time: arrived.time,
            });
            if self.score(&group, item) > before {
                let reached = self.reached.entry((group.clone(), item)).or_insert(arrived.time);
                *reached = arrived.time.max(*reached);
            }
            if let Some(label) = label {
                self.labels.insert((group.clone(), item), label);
            }
            if let WindowConfig::Session { gap } = self.board.window {
                let end = arrived.time + gap.micros();
                let session = self.sessions.entry(group.clone()).or_insert((arrived.time, end));
                *session = (session.0.min(arrived.time), session.1.max(end));
            }
            self.changed.insert(group.clone());
        }
    }

    fn take_back(&mut self, chat: &ChatEvent<'_>, visible: i64, tick: i64) {
        let of_channel = self.live.iter().filter(|live| live.channel == &*chat.channel_id);
        let groups: BTreeSet<String> = of_channel.map(|live| live.group.clone()).collect();
        for group in groups {
            self.close_if_over(&group, visible, tick);
        }
        let of_messages = self.board.source == BoardSource::Chat;
        let is_taken = |live: &Live<'_>| {
            live.channel == &*chat.channel_id
                && match chat.kind {
                    ChatKind::MessageDeleted => {
                        of_messages && chat.target_message_id.as_deref() == Some(live.event_id)
                    }
                    ChatKind::UserBanned | ChatKind::UserTimedOut => {
                        live.user.is_some() && live.user == chat.target_user_id.as_deref()
                    }
                    ChatKind::ChatCleared => of_messages,
                    ChatKind::Message | ChatKind::Unknown => false,
                }
        };
        let gone = self.live.extract_if(.., |live| is_taken(live));
        self.changed.extend(gone.map(|live| live.group));
    }

    fn of_item<'r>(&'r self, group: &'r str, item: &'r str) -> impl Iterator<Item = &'r Live<'a>> {
        self.live.iter().filter(move |live| live.group == group && live.item == item)
    }

    fn score(&self, group: &str, item: &str) -> i128 {
        let of_item = self.of_item(group, item);
        match self.board.score {
            BoardScore::DistinctUsers => of_item.map(|live| live.user).collect::<BTreeSet<_>>().len() as i128,
            BoardScore::Largest(_) => of_item.map(|live| live.value).max().unwrap_or(0),
            _ => of_item.map(|live| live.value).sum(),
        }
    }

    fn reached(&self, group: &str, item: &'a str) -> i64 {
        if matches!(self.board.score, BoardScore::Largest(_)) {
            let first = self.of_item(group, item).map(|live| (Reverse(live.value), live.time)).min();
            return first.map_or(0, |(_, time)| time);
        }
        self.reached.get(&(group.to_owned(), item)).copied().unwrap_or(0)
    }

    /// Ends a session that is over at an instant.
    fn close_if_over(&mut self, group: &str, instant: i64, tick: i64) {
        if self.sessions.get(group).is_none_or(|(_, end)| *end > instant) {
            return;
        }
        if self.changed.remove(group) || self.live.iter().any(|live| live.group == group) {
            let record = self.record(group, tick, true);
            self.records.push(record);
        }
        self.sessions.remove(group);
        self.live.retain(|live| live.group != group);
        self.reached.retain(|(known, _), _| known != group);
        self.labels.retain(|(known, _), _| known != group);
        self.revisions.retain(|(known, _), _| known != group);
        self.ranks.remove(group);
    }

    fn write(&mut self, tick: i64, out: &mut Vec<Output>) {
        for group in self.sessions.keys().cloned().collect::<Vec<_>>() {
            self.close_if_over(&group, tick, tick);
        }
        let is_final = self.open(tick).is_some_and(|(_, end)| end == tick);
        let mut groups = std::mem::take(&mut self.changed);
        if is_final {
            groups.extend(self.live.iter().map(|live| live.group.clone()));
        }
        for group in groups {
            let record = self.record(&group, tick, is_final);
            self.records.push(record);
        }
        self.records.sort_by(|a, b| a.group.cmp(&b.group));
        out.extend(self.records.drain(..).map(Output::Leaderboard));
        let live: BTreeSet<(String, &str)> =
            self.live.iter().map(|live| (live.group.clone(), live.item)).collect();
        self.reached.retain(|key, _| live.contains(key));
        self.labels.retain(|key, _| live.contains(key));
    }

    fn amount(&self, score: i128) -> Amount {
        let is_money = matches!(self.board.score, BoardScore::Sum(_) | BoardScore::Largest(_));
        Amount::from_units(score * if is_money { 10_000 } else { 10_000_000_000 }).unwrap_or(Amount::ZERO)
    }

    fn record(&mut self, group: &str, tick: i64, is_final: bool) -> LeaderboardResult {
        let of_group = self.live.iter().filter(|live| live.group == group);
        let items: BTreeSet<&'a str> = of_group.map(|live| live.item).collect();
        let place = |item: &&'a str| (Reverse(self.score(group, item)), self.reached(group, item), *item);
        let mut places: Vec<_> = items.iter().map(place).collect();
        places.sort_unstable();
        let total: i128 = places.iter().map(|(Reverse(score), _, _)| score).sum();
        places.truncate(self.board.k as usize);
        let previous = self.ranks.remove(group).unwrap_or_default();
        let entry =
            |((Reverse(score), _, item), rank): (&(Reverse<i128>, i64, &'a str), i32)| LeaderboardEntry {
                rank,
                item: (*item).into(),
                label: (*self.labels.get(&(group.to_owned(), *item)).unwrap_or(item)).into(),
                score: self.amount(*score),
                previous_rank: previous.get(*item).copied(),
            };
        let entries: Vec<_> = places.iter().zip(1..).map(entry).collect();
        let ranks = entries.iter().map(|entry| (entry.item.to_string(), entry.rank)).collect();
        self.ranks.insert(group.to_owned(), ranks);
        let end = self.open(tick).map(|(_, end)| end);
        let window = self.open(tick).or(self.sessions.get(group).copied());
        let revision = self.revisions.entry((group.to_owned(), end)).or_default();
        *revision += 1;
        LeaderboardResult {
            board: self.board.name.clone(),
            group: group.to_owned(),
            window: kind(&self.board.window).to_owned(),
            window_start: window.map(|(start, _)| at(start)),
            window_end: window.map(|(_, end)| at(end)),
            is_final,
            revision: *revision,
            entries,
            item_count: items.len() as i64,
            total_score: self.amount(total),
            freshness: Freshness { as_of: at(tick), ..Freshness::default() },
        }
    }
}

fn kind(window: &WindowConfig) -> &'static str {
    match window {
        WindowConfig::Rolling { .. } => "rolling",
        WindowConfig::Tumbling { .. } => "tumbling",
        WindowConfig::Session { .. } => "session",
        WindowConfig::Fixed { .. } => "fixed",
        WindowConfig::Calendar { .. } => "calendar",
        WindowConfig::AllTime => "all_time",
    }
}
