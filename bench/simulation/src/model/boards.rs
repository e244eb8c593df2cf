//! Leaderboards, naively: at every tick the events inside the window that are visible before it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use processors::Output;
use processors::config::{BoardConfig, BoardItem, BoardSource, WindowConfig};
use schemas::{Amount, ChatKind, Event, Freshness, LeaderboardEntry, LeaderboardResult, ReactionKind};

use super::{Arrived, at, ceil, floor, tick_after};

/// What one event adds to one item.
struct Gain<'a> {
    group: &'a str,
    item: &'a str,
    label: Option<&'a str>,
    score: i64,
    time: i64,
    visible: i64,
}

/// How many reactions an event stands for.
pub(super) fn reactions(kind: ReactionKind, count: i64) -> i64 {
    if kind == ReactionKind::Raid { 1 } else { count }
}

/// Item, label and score of what an event adds; none if such events are not counted.
fn scores<'a>(
    board: &BoardConfig,
    event: &'a Event<'static>,
) -> Option<Vec<(&'a str, Option<&'a str>, i64)>> {
    let user = event.header().user_id;
    match (board.source, event) {
        (BoardSource::Chat, Event::Chat(chat)) if chat.kind == ChatKind::Message => Some(match board.item {
            BoardItem::Emote => {
                chat.emotes.iter().map(|emote| (emote.name.as_str(), None, i64::from(emote.count))).collect()
            }
            _ => user.map(|user| (user, chat.user_name.as_deref(), 1)).into_iter().collect(),
        }),
        (BoardSource::Reactions, Event::Reaction(reaction)) => Some(match board.item {
            BoardItem::Emoji if reaction.kind == ReactionKind::Emoji => {
                reaction.emoji.as_deref().map(|emoji| (emoji, None, reaction.count)).into_iter().collect()
            }
            BoardItem::Emoji => Vec::new(),
            _ => {
                let score = reactions(reaction.kind, reaction.count);
                user.map(|user| (user, reaction.user_name.as_deref(), score)).into_iter().collect()
            }
        }),
        (BoardSource::Trades, Event::Trade(_)) => {
            Some(user.map(|user| (user, None, 1)).into_iter().collect())
        }
        _ => None,
    }
}

/// Length and slide; none for all time.
fn span(window: &WindowConfig) -> (Option<(i64, i64)>, &'static str) {
    match window {
        WindowConfig::AllTime => (None, "all_time"),
        WindowConfig::Tumbling { length } => (Some((length.micros(), length.micros())), "tumbling"),
        WindowConfig::Rolling { length, slide } => (Some((length.micros(), slide.micros())), "rolling"),
    }
}

/// Writes every record of a board; returns how many events came too late.
pub(super) fn records(board: &BoardConfig, arrived: &[Arrived<'_>], out: &mut Vec<Output>) -> u64 {
    let (window, kind) = span(&board.window);
    let mut in_order: Vec<&Arrived<'_>> = arrived.iter().collect();
    in_order.sort_by_key(|arrived| arrived.order());
    let (mut gains, mut late) = (Vec::new(), 0);
    for arrived in in_order {
        let Some(scores) = scores(board, arrived.event) else { continue };
        if window.is_some_and(|(length, slide)| floor(arrived.time, slide) + length <= arrived.watermark) {
            late += 1;
            continue;
        }
        for (item, label, score) in scores {
            let group = arrived.event.header().channel_id;
            gains.push(Gain { group, item, label, score, time: arrived.time, visible: arrived.visible() });
        }
    }
    let groups: BTreeSet<&str> = gains.iter().map(|gain| gain.group).collect();
    for group in groups {
        let of_group: Vec<&Gain<'_>> = gains.iter().filter(|gain| gain.group == group).collect();
        Series::new(board, window, kind, group).write(&of_group, out);
    }
    late
}

/// The records of one group.
struct Series<'a> {
    board: &'a BoardConfig,
    window: Option<(i64, i64)>,
    kind: &'static str,
    group: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    /// The ranks in the previous record.
    ranks: BTreeMap<&'a str, i32>,
    revisions: BTreeMap<Option<i64>, i64>,
}

impl<'a> Series<'a> {
    fn new(board: &'a BoardConfig, window: Option<(i64, i64)>, kind: &'static str, group: &'a str) -> Self {
        let (labels, ranks, revisions) = Default::default();
        Series { board, window, kind, group, labels, ranks, revisions }
    }

    /// Every tick at which something may differ from the tick before.
    fn ticks(&self, gains: &[&Gain<'_>]) -> BTreeSet<i64> {
        let emit = self.board.emit_every.micros();
        let mut ticks: BTreeSet<i64> = gains.iter().map(|gain| tick_after(gain.visible, emit)).collect();
        if let Some((length, slide)) = self.window {
            for gain in gains {
                let first = floor(gain.time, slide) + slide;
                for end in (0..length / slide).map(|index| first + index * slide) {
                    ticks.extend([end, end + emit]);
                }
            }
        }
        ticks
    }

    fn end(&self, tick: i64) -> Option<i64> {
        self.window.map(|(_, slide)| ceil(tick, slide))
    }

    /// Which of the gains count at a tick.
    fn counted(&self, gains: &[&Gain<'_>], tick: i64) -> Vec<usize> {
        let bounds = self.window.zip(self.end(tick)).map(|((length, _), end)| end - length..end);
        let counts = |gain: &Gain<'_>| {
            gain.visible < tick && bounds.as_ref().is_none_or(|bounds| bounds.contains(&gain.time))
        };
        (0..gains.len()).filter(|index| counts(gains[*index])).collect()
    }

    fn write(mut self, gains: &[&'a Gain<'a>], out: &mut Vec<Output>) {
        let emit = self.board.emit_every.micros();
        for tick in self.ticks(gains) {
            for gain in gains.iter().filter(|gain| tick_after(gain.visible, emit) == tick) {
                gain.label.map(|label| self.labels.insert(gain.item, label));
            }
            let counted = self.counted(gains, tick);
            self.labels.retain(|item, _| counted.iter().any(|index| gains[*index].item == *item));
            let end = self.end(tick);
            let is_final = end == Some(tick);
            if counted != self.counted(gains, tick - emit) || (is_final && !counted.is_empty()) {
                let counted: Vec<&Gain<'_>> = counted.into_iter().map(|index| gains[index]).collect();
                out.push(Output::Leaderboard(self.record(&counted, tick, end)));
            }
        }
    }

    fn record(&mut self, counted: &[&'a Gain<'a>], tick: i64, end: Option<i64>) -> LeaderboardResult {
        let mut items: BTreeMap<&'a str, (i64, i64)> = BTreeMap::new();
        for gain in counted {
            let (score, reached) = items.entry(gain.item).or_insert((0, gain.time));
            *score += gain.score;
            *reached = gain.time.max(*reached);
        }
        let mut places: Vec<_> =
            items.iter().map(|(item, (score, reached))| (Reverse(*score), *reached, *item)).collect();
        places.sort_unstable();
        places.truncate(self.board.k as usize);
        let amount = |score: i64| Amount::from_integer(score).unwrap_or(Amount::ZERO);
        let entry =
            |((Reverse(score), _, item), rank): (&(Reverse<i64>, i64, &'a str), i32)| LeaderboardEntry {
                rank,
                item: (*item).to_owned(),
                label: (*self.labels.get(item).unwrap_or(item)).to_owned(),
                score: amount(*score),
                previous_rank: self.ranks.get(item).copied(),
            };
        let entries = places.iter().zip(1..).map(entry).collect();
        self.ranks = places.iter().zip(1..).map(|((_, _, item), rank)| (*item, rank)).collect();
        let revision = self.revisions.entry(end).or_default();
        *revision += 1;
        LeaderboardResult {
            board: self.board.name.clone(),
            group: self.group.to_owned(),
            window: self.kind.to_owned(),
            window_start: self.window.zip(end).map(|((length, _), end)| at(end - length)),
            window_end: end.map(at),
            is_final: end == Some(tick),
            revision: *revision,
            entries,
            item_count: items.len() as i64,
            total_score: amount(items.values().map(|(score, _)| score).sum()),
            freshness: Freshness { as_of: at(tick), ..Freshness::default() },
        }
    }
}
