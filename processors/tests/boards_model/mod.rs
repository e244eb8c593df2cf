//! The naive model of a leaderboard.
//!
//! Always holds: all that counts is one list; a score is found by looking through it. Does not know: cells, panes, journals.

use std::collections::{BTreeMap, BTreeSet};

use processors::Output;
use schemas::{Amount, ChatKind, Event, Freshness, LeaderboardEntry, LeaderboardResult, ReactionKind, Topic};

use crate::common::{Partition, Ran, Seen, at, next_multiple, seen};

/// 2026-03-28T12:00Z: the day after, Berlin's clocks go forward at 01:00Z.
const BEGINNING: i64 = 1_774_699_200_000_000;
const CHANGE: i64 = 1_774_746_000_000_000;
const HOUR: i64 = 3_600_000_000;

/// A board, with times in units.
#[derive(Clone, Debug)]
pub struct Shape {
    pub window: &'static str,
    pub unit: i64,
    /// Rolling: length and slide. Session: gap. Fixed: from and to.
    pub bounds: (i64, i64),
    pub emit_every: i64,
    pub lateness: i64,
    pub k: usize,
    pub source: &'static str,
    pub item: &'static str,
    pub score: &'static str,
    pub groups: &'static str,
    pub retract: Option<bool>,
}

impl Shape {
    pub fn instant(&self, units: i64) -> i64 {
        units * self.unit + if self.window == "calendar" { BEGINNING } else { 0 }
    }

    pub fn retracts(&self) -> bool {
        self.retract.unwrap_or(!["trades", "viewers"].contains(&self.source) && self.window != "all_time")
    }

    pub fn toml(&self) -> String {
        let (a, b) = self.bounds;
        let micros = |units: i64| units * self.unit;
        let window = match self.window {
            "rolling" => format!("length = '{}us', slide = '{}us'", micros(a), micros(b)),
            "tumbling" => format!("length = '{}us'", micros(a)),
            "session" => format!("gap = '{}us'", micros(a)),
            "fixed" => format!("from = '{}', to = '{}'", rfc_3339(micros(a)), rfc_3339(micros(b))),
            "calendar" => "unit = 'day', time_zone = 'Europe/Berlin'".to_owned(),
            _ => String::new(),
        };
        let comma = if window.is_empty() { "" } else { ", " };
        let retract = self.retract.map_or_else(String::new, |retract| format!("retract = {retract}\n"));
        format!(
            "lateness = '{}us'\ndedup_for = '0s'\nfuture_skew = '1000s'\n[[boards]]\nname = 'b'\nsource = '{}'\nitem = '{}'\nscore = {}\ngroup = {}\n{retract}window = {{ kind = '{}'{comma}{window} }}\nk = {}\nemit_every = '{}us'\n",
            micros(self.lateness),
            self.source,
            self.item,
            self.score.replace("60us", &format!("{}us", self.before())),
            self.groups,
            self.window,
            self.k,
            micros(self.emit_every),
        )
    }

    /// Of calendars and fixed windows, where records are due besides the ticks.
    fn ends(&self) -> Vec<i64> {
        match self.window {
            "fixed" => vec![self.bounds.1 * self.unit],
            "calendar" => (-800..2_000)
                .map(|hour| BEGINNING + hour * HOUR)
                .filter(|end| day(*end) != day(end - 1))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A growth compares with so long before the window.
    fn before(&self) -> i64 {
        if self.is_growth() { 60 * self.unit } else { 0 }
    }

    fn is_growth(&self) -> bool {
        self.score.contains("growth")
    }

    /// The window open before `tick`: the one with the least end at or after it.
    fn open(&self, tick: i64) -> Option<(i64, i64)> {
        let (a, b) = (self.bounds.0 * self.unit, self.bounds.1 * self.unit);
        match self.window {
            "rolling" | "tumbling" => {
                let end = next_multiple(tick, if self.window == "rolling" { b } else { a });
                Some((end - a, end))
            }
            "fixed" => (tick <= b).then_some((a, b)),
            "calendar" => {
                let ends = self.ends();
                let end = ends.iter().position(|end| *end >= tick).expect("far enough");
                Some((ends[end - 1], ends[end]))
            }
            _ => None,
        }
    }

    /// Whether it belongs to no window at all, or to none that its partition's watermark has not passed.
    fn standing(&self, seen: &Seen<'_>) -> Standing {
        let (a, b) = (self.bounds.0 * self.unit, self.bounds.1 * self.unit);
        // The last multiple of the slide up to then.
        let last_of = |slide: i64| (seen.time + a + self.before()).div_euclid(slide) * slide;
        let last_end = match self.window {
            "rolling" => Some(last_of(b)),
            "tumbling" => Some(last_of(a)),
            "session" => Some(seen.time + a),
            "fixed" if seen.time < a || seen.time >= b => return Standing::Outside,
            "fixed" => Some(b),
            "calendar" => self.ends().into_iter().find(|end| *end > seen.time),
            _ => None,
        };
        if last_end.is_some_and(|end| end <= seen.watermark) { Standing::Late } else { Standing::Counts }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Standing {
    Outside,
    Late,
    Counts,
}

/// The number of the local day in Berlin, around the change.
fn day(instant: i64) -> i64 {
    let offset = if instant >= CHANGE { 2 * HOUR } else { HOUR };
    (instant + offset).div_euclid(24 * HOUR)
}

/// An instant of the first or last minute of 1970 or 1969, as RFC 3339 writes it.
fn rfc_3339(micros: i64) -> String {
    let (second, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    match second {
        0 => format!("1970-01-01T00:00:00.{fraction:06}Z"),
        _ => format!("1969-12-31T23:59:59.{fraction:06}Z"),
    }
}

/// What counts.
#[derive(Clone, Debug)]
struct Live {
    group: String,
    item: String,
    value: i128,
    user: Option<String>,
    channel: String,
    event_id: String,
    is_chat: bool,
    time: i64,
}

type Item = (String, String);

/// The board.
pub struct Model<'s> {
    shape: &'s Shape,
    live: Vec<Live>,
    reached: BTreeMap<Item, i64>,
    labels: BTreeMap<Item, String>,
    ranks: BTreeMap<String, BTreeMap<String, i32>>,
    revisions: BTreeMap<(String, Option<i64>), i64>,
    sessions: BTreeMap<String, (i64, i64)>,
    changed: BTreeSet<String>,
    /// Where the open window begins.
    start: i64,
    /// Of the tick.
    records: Vec<LeaderboardResult>,
    outputs: Vec<Output>,
}

impl<'s> Model<'s> {
    pub fn new(shape: &'s Shape) -> Self {
        Model {
            shape,
            live: Vec::new(),
            reached: BTreeMap::new(),
            labels: BTreeMap::new(),
            ranks: BTreeMap::new(),
            revisions: BTreeMap::new(),
            sessions: BTreeMap::new(),
            changed: BTreeSet::new(),
            start: i64::MIN,
            records: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// What a board that reads these partitions must write.
    pub fn ran(mut self, partitions: &[Partition]) -> Ran {
        let all = seen(partitions, self.shape.lateness * self.shape.unit);
        let source = match self.shape.source {
            "chat" => Topic::Chat,
            "trades" => Topic::Trades,
            "viewers" => Topic::Viewers,
            _ => Topic::Reactions,
        };
        let is_counted = |seen: &Seen<'_>| seen.topic == source && self.is_counted(seen.event);
        let late = |seen: &&Seen<'_>| is_counted(seen) && self.shape.standing(seen) == Standing::Late;
        let late_count = all.iter().filter(late).count();
        let mut next = 0;
        for tick in self.ticks(&all) {
            self.expire(tick);
            while let Some(seen) = all.get(next).filter(|seen| seen.visible_from < tick) {
                next += 1;
                self.take_in(seen, tick);
            }
            self.write(tick);
        }
        assert_eq!(next, all.len());
        Ran { outputs: self.outputs, late_count }
    }

    fn ticks(&self, all: &[Seen<'_>]) -> BTreeSet<i64> {
        let step = self.shape.emit_every * self.shape.unit;
        let (Some(first), Some(last)) = (all.first(), all.last()) else { return BTreeSet::new() };
        let beyond = 320 * self.shape.unit;
        let multiples = first.visible_from.div_euclid(step)..=(last.visible_from + beyond).div_euclid(step);
        let mut ticks: BTreeSet<i64> = multiples.map(|multiple| multiple * step).collect();
        ticks.extend(
            self.shape
                .ends()
                .into_iter()
                .filter(|end| *end > first.visible_from && *end < last.visible_from + beyond),
        );
        ticks
    }

    /// What is outside the window leaves.
    fn expire(&mut self, tick: i64) {
        let Some((start, _)) = self.shape.open(tick) else { return };
        let placed = self.placed();
        let was = std::mem::replace(&mut self.start, start);
        let (changed, first) = (&mut self.changed, start - self.shape.before());
        self.live.retain(|live| {
            let stays = live.time >= first;
            let is_before_now = live.time >= was && live.time < start;
            if (!stays || is_before_now) && placed.contains(&live.group) {
                changed.insert(live.group.clone());
            }
            stays
        });
    }

    /// The groups with something in the window.
    fn placed(&self) -> BTreeSet<String> {
        self.live.iter().filter(|live| live.time >= self.start).map(|live| live.group.clone()).collect()
    }

    fn is_counted(&self, event: &Event<'_>) -> bool {
        match event {
            Event::Chat(chat) => chat.kind == ChatKind::Message,
            _ => self.group(event).is_some(),
        }
    }

    fn group(&self, event: &Event<'_>) -> Option<String> {
        let channel = event.header().channel_id;
        let second = match (self.shape.groups, event) {
            ("['channel', 'currency']", Event::Reaction(reaction)) => reaction.currency.as_deref()?,
            ("['channel', 'poll']", Event::Reaction(reaction)) => reaction.target_id.as_deref()?,
            ("['channel', 'country']", Event::Viewer(viewer)) => viewer.country.as_deref()?,
            _ => return Some(channel.to_owned()),
        };
        Some(format!("{}/{}", channel.replace('/', "%2F"), second.replace('/', "%2F")))
    }

    /// Items with label and value.
    fn gains(&self, event: &Event<'_>) -> Vec<(String, Option<String>, i128)> {
        let owned = |text: &Option<schemas::Text<'_>>| text.as_deref().map(str::to_owned);
        let user = event.header().user_id.map(str::to_owned);
        if self.shape.score.contains("users") && user.is_none()
            || self.shape.score == "'votes'" && user.is_none()
        {
            return Vec::new();
        }
        let is_count =
            ["'count'", "{ largest = 'count' }"].contains(&self.shape.score) || self.shape.is_growth();
        let mut gains = Vec::new();
        match event {
            Event::Chat(chat) if self.shape.item == "emote" => {
                for emote in &chat.emotes {
                    gains.push((
                        emote.name.to_string(),
                        None,
                        if is_count { i128::from(emote.count) } else { 1 },
                    ));
                }
            }
            Event::Chat(chat) => gains.extend(user.map(|user| (user, owned(&chat.user_name), 1))),
            Event::Reaction(reaction) => {
                let count = if reaction.kind == ReactionKind::Raid { 1 } else { reaction.count };
                let value = match self.shape.score {
                    score if score.contains("money") => i128::from(reaction.amount_micros.unwrap_or(0)),
                    _ if is_count => i128::from(count),
                    _ => 1,
                };
                let (item, label) = match self.shape.item {
                    "user" => (user, owned(&reaction.user_name)),
                    "emoji" => (owned(&reaction.emoji), None),
                    "poll_option" => (owned(&reaction.option), None),
                    _ => (Some(reaction.kind.name().to_owned()), None),
                };
                gains.extend(item.map(|item| (item, label, value)));
            }
            Event::Trade(trade) => {
                let value = match self.shape.score {
                    score if score.contains("notional") => trade.price.units() * trade.quantity.units(),
                    score if score.contains("price") => trade.price.units(),
                    _ => 1,
                };
                let (item, label) = match self.shape.item {
                    "trade" => {
                        let label = format!("{} at {}", trade.quantity, trade.price);
                        (Some(trade.event_id.to_string()), Some(label))
                    }
                    "user" => (user, None),
                    _ => (Some(format!("{:?}", trade.aggressor).to_lowercase()), None),
                };
                gains.extend(item.map(|item| (item, label, value)));
            }
            Event::Viewer(viewer) => {
                let value =
                    if self.shape.score.contains("watch_ms") { i128::from(viewer.watch_ms) } else { 1 };
                let item = match self.shape.item {
                    "user" => user,
                    "device" => owned(&viewer.device),
                    _ => owned(&viewer.country),
                };
                gains.extend(item.map(|item| (item, None, value)));
            }
            Event::Partial(_) => {}
        }
        gains.retain(|(_, _, value)| *value > 0);
        gains
    }

    fn take_in(&mut self, seen: &Seen<'_>, tick: i64) {
        let header = seen.event.header();
        if let Event::Chat(chat) = seen.event
            && chat.kind != ChatKind::Message
        {
            if self.shape.retracts() {
                self.take_back(chat, seen.visible_from, tick);
            }
            return;
        }
        let is_of_source = (seen.topic == Topic::Chat) == (self.shape.source == "chat");
        let Some(group) = self.group(seen.event).filter(|_| is_of_source) else { return };
        if self.shape.standing(seen) != Standing::Counts {
            return;
        }
        for (item, label, value) in self.gains(seen.event) {
            self.close_if_over(&group, seen.visible_from, tick);
            if self.shape.score == "'votes'" {
                let same = |live: &Live| live.group == group && live.user.as_deref() == header.user_id;
                if self.live.iter().any(|live| same(live) && live.time > seen.time) {
                    continue;
                }
                self.live.retain(|live| !same(live));
            }
            let before = self.score(&group, &item);
            self.live.push(Live {
                group: group.clone(),
                item: item.clone(),
                value,
                user: header.user_id.map(str::to_owned),
                channel: header.channel_id.to_owned(),
                event_id: header.event_id.to_owned(),
                is_chat: seen.topic == Topic::Chat,
                time: seen.time,
            });
            let key = (group.clone(), item.clone());
            if self.score(&group, &item) > before {
                let reached = self.reached.entry(key.clone()).or_insert(seen.time);
                *reached = seen.time.max(*reached);
            }
            if let Some(label) = label {
                self.labels.insert(key, label);
            }
            if self.shape.window == "session" {
                let end = seen.time + self.shape.bounds.0;
                let session = self.sessions.entry(group.clone()).or_insert((seen.time, end));
                *session = (session.0.min(seen.time), session.1.max(end));
            }
            self.changed.insert(group.clone());
        }
    }

    fn take_back(&mut self, chat: &schemas::ChatEvent<'_>, visible_from: i64, tick: i64) {
        let groups: BTreeSet<String> = self.live.iter().map(|live| live.group.clone()).collect();
        let of_channel = |group: &String| {
            let prefix = format!("{}/", chat.channel_id.replace('/', "%2F"));
            if self.shape.groups.contains(',') {
                group.starts_with(&prefix)
            } else {
                **group == *chat.channel_id
            }
        };
        let groups: Vec<String> = groups.into_iter().filter(of_channel).collect();
        for group in groups {
            self.close_if_over(&group, visible_from, tick);
        }
        let changed = &mut self.changed;
        self.live.retain(|live| {
            let is_taken = live.channel == *chat.channel_id
                && match chat.kind {
                    ChatKind::MessageDeleted => {
                        live.is_chat && chat.target_message_id.as_deref() == Some(&live.event_id)
                    }
                    ChatKind::UserBanned | ChatKind::UserTimedOut => {
                        live.user.is_some() && live.user.as_deref() == chat.target_user_id.as_deref()
                    }
                    _ => live.is_chat,
                };
            if is_taken {
                changed.insert(live.group.clone());
            }
            !is_taken
        });
    }

    fn of_item<'m>(&'m self, group: &'m str, item: &'m str) -> impl Iterator<Item = &'m Live> {
        self.live.iter().filter(move |live| live.group == group && live.item == item)
    }

    fn score(&self, group: &str, item: &str) -> i128 {
        let of_item = self.of_item(group, item);
        match self.shape.score {
            "'distinct_users'" => of_item.map(|live| &live.user).collect::<BTreeSet<_>>().len() as i128,
            score if score.contains("largest") => of_item.map(|live| live.value).max().unwrap_or(0),
            _ if self.shape.is_growth() => {
                let (in_window, before): (Vec<_>, Vec<_>) = of_item.partition(|live| live.time >= self.start);
                let sum = |of: Vec<&Live>| of.iter().map(|live| live.value).sum::<i128>();
                let (has, before) = (sum(in_window), sum(before));
                // What the time before has in as long as the window is, as a fraction of 60.
                let expected = (before * i128::from(self.shape.bounds.0)).max(2 * 60);
                (has * 60 * 10i128.pow(10) / expected).max(i128::from(has > 0))
            }
            _ => of_item.map(|live| live.value).sum(),
        }
    }

    fn reached(&self, group: &str, item: &str) -> i64 {
        if self.shape.score.contains("largest") {
            let best = self.of_item(group, item).map(|live| (-live.value, live.time)).min();
            return best.expect("an item with a score").1;
        }
        self.reached[&(group.to_owned(), item.to_owned())]
    }

    /// Ends a session that is over.
    fn close_if_over(&mut self, group: &str, instant: i64, tick: i64) {
        if self.sessions.get(group).is_none_or(|(_, end)| *end > instant) {
            return;
        }
        let has_items = self.live.iter().any(|live| live.group == group);
        if self.changed.remove(group) || has_items {
            let record = self.record(group, tick, true);
            self.records.push(record);
        }
        self.sessions.remove(group);
        self.live.retain(|live| live.group != group);
        self.reached.retain(|(known, _), _| known != group);
        self.labels.retain(|(known, _), _| known != group);
        self.ranks.remove(group);
        self.revisions.retain(|(known, _), _| known != group);
    }

    fn write(&mut self, tick: i64) {
        let sessions: Vec<String> = self.sessions.keys().cloned().collect();
        for group in sessions {
            self.close_if_over(&group, tick, tick);
        }
        let is_final = self.shape.open(tick).is_some_and(|(_, end)| end == tick);
        let mut groups = std::mem::take(&mut self.changed);
        if is_final {
            groups.extend(self.placed());
        }
        for group in groups {
            let record = self.record(&group, tick, is_final);
            self.records.push(record);
        }
        self.records.sort_by_key(|record| record.group.clone());
        self.outputs.extend(self.records.drain(..).map(Output::Leaderboard));
        if is_final && self.shape.window == "fixed" {
            self.live.clear();
        }
        let has_score =
            |(group, item): &Item| self.live.iter().any(|live| live.group == *group && live.item == *item);
        self.reached.retain(|key, _| has_score(key));
        self.labels.retain(|key, _| has_score(key));
    }

    fn record(&mut self, group: &str, tick: i64, is_final: bool) -> LeaderboardResult {
        let mut items: BTreeSet<String> =
            self.live.iter().filter(|live| live.group == group).map(|live| live.item.clone()).collect();
        items.retain(|item| self.score(group, item) > 0);
        let place = |item: &String| (-self.score(group, item), self.reached(group, item), item.clone());
        let mut places: Vec<_> = items.iter().map(place).collect();
        places.sort();
        let total: i128 = places.iter().map(|(score, _, _)| -score).sum();
        places.truncate(self.shape.k);
        let previous = self.ranks.remove(group).unwrap_or_default();
        let entry = |(rank, (score, _, item)): (i32, &(i128, i64, String))| LeaderboardEntry {
            rank,
            item: item.as_str().into(),
            label: self.labels.get(&(group.to_owned(), item.clone())).unwrap_or(item).as_str().into(),
            score: self.amount(-score),
            previous_rank: previous.get(item).copied(),
        };
        let entries: Vec<_> = (1..).zip(&places).map(entry).collect();
        let ranks = entries.iter().map(|entry| (entry.item.to_string(), entry.rank)).collect();
        self.ranks.insert(group.to_owned(), ranks);
        let window = self.sessions.get(group).copied().or(self.shape.open(tick));
        let end = if self.shape.window == "session" { None } else { window.map(|(_, end)| end) };
        let revision = self.revisions.entry((group.to_owned(), end)).or_insert(0);
        *revision += 1;
        LeaderboardResult {
            board: "b".into(),
            group: group.to_owned(),
            window: self.shape.window.into(),
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

    /// In units of the tenth digit after the point.
    fn amount(&self, score: i128) -> Amount {
        let units = match self.shape.score {
            score_of if score_of.contains("money") => score * 10_000,
            score_of if score_of.contains("price") || score_of.contains("growth") => score,
            score_of if score_of.contains("notional") => score / 10i128.pow(10),
            _ => score * 10i128.pow(10),
        };
        Amount::from_units(units).expect("small")
    }
}
