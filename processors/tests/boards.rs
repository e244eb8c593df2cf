//! Leaderboards against a naive model: for every tick it counts all events anew.
//!
//! Always holds: the model knows panes, orders and expiry only by the definition of a window.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Partition, Ran, Seen, at, chat, emote, job, next_multiple, run, seen, ticks};
use processors::Output;
use proptest::prelude::*;
use schemas::{Amount, ChatKind, Event, Freshness, LeaderboardEntry, LeaderboardResult, Topic};

#[derive(Clone, Debug)]
struct Shape {
    kind: &'static str,
    length: i64,
    slide: i64,
    emit_every: i64,
    lateness: i64,
    k: usize,
    item: &'static str,
}

impl Shape {
    fn toml(&self) -> String {
        let window = match self.kind {
            "rolling" => {
                format!("{{ kind = 'rolling', length = '{}us', slide = '{}us' }}", self.length, self.slide)
            }
            "tumbling" => format!("{{ kind = 'tumbling', length = '{}us' }}", self.length),
            _ => "{ kind = 'all_time' }".to_owned(),
        };
        format!(
            "lateness = '{}us'\n[[boards]]\nname = 'b'\nsource = 'chat'\nitem = '{}'\nwindow = {window}\nk = {}\nemit_every = '{}us'\n",
            self.lateness, self.item, self.k, self.emit_every
        )
    }

    fn window_end(&self, tick: i64) -> Option<i64> {
        (self.kind != "all_time").then(|| next_multiple(tick, self.slide))
    }

    fn is_late(&self, seen: &Seen<'_>) -> bool {
        let last_end =
            (seen.time + 1..=seen.time + self.length).rev().find(|end| end.rem_euclid(self.slide) == 0);
        self.kind != "all_time" && last_end.expect("every event is in a window") <= seen.watermark
    }
}

/// (group, item, label, score)
fn gains(event: &Event<'_>, item: &str) -> Vec<(String, String, Option<String>, i64)> {
    let Event::Chat(chat) = event else { panic!("only chat") };
    if chat.kind != ChatKind::Message {
        return Vec::new();
    }
    let group = chat.channel_id.to_string();
    if item == "emote" {
        let uses = |emote: &schemas::Emote<'_>| {
            (group.clone(), emote.name.to_string(), None, i64::from(emote.count))
        };
        return chat.emotes.iter().map(uses).collect();
    }
    let label = chat.user_name.as_deref().map(str::to_owned);
    chat.user_id.iter().map(|user| (group.clone(), user.to_string(), label.clone(), 1)).collect()
}

fn model(shape: &Shape, partitions: &[Partition]) -> Ran {
    let all = seen(partitions, shape.lateness);
    let is_relevant = |seen: &&Seen<'_>| !gains(seen.event, shape.item).is_empty() && !shape.is_late(seen);
    let counted: Vec<&Seen<'_>> = all.iter().filter(is_relevant).collect();
    let is_message =
        |seen: &&Seen<'_>| matches!(seen.event, Event::Chat(chat) if chat.kind == ChatKind::Message);
    let late_count = all.iter().filter(is_message).filter(|seen| shape.is_late(seen)).count();
    let mut outputs = Vec::new();
    let mut revisions: BTreeMap<(String, Option<i64>), i64> = BTreeMap::new();
    let mut ranks: BTreeMap<String, BTreeMap<String, i32>> = BTreeMap::new();
    let mut labels: BTreeMap<(String, String), String> = BTreeMap::new();
    for tick in ticks(&all, shape.emit_every, shape.length + 2 * shape.slide) {
        let end = shape.window_end(tick);
        let is_inside = |seen: &Seen<'_>, tick: i64| {
            shape.window_end(tick).is_none_or(|end| (end - shape.length..end).contains(&seen.time))
        };
        // group -> item -> (score, reached)
        let mut scores: BTreeMap<String, BTreeMap<String, (i64, i64)>> = BTreeMap::new();
        let mut changed: BTreeSet<String> = BTreeSet::new();
        for seen in counted.iter().filter(|seen| seen.visible_from < tick) {
            let is_new = seen.visible_from >= tick - shape.emit_every;
            for (group, item, label, score) in gains(seen.event, shape.item) {
                let was_inside = !is_new && is_inside(seen, tick - shape.emit_every);
                if is_inside(seen, tick) {
                    let entry =
                        scores.entry(group.clone()).or_default().entry(item.clone()).or_insert((0, i64::MIN));
                    *entry = (entry.0 + score, entry.1.max(seen.time));
                }
                if is_new || (was_inside && !is_inside(seen, tick)) {
                    changed.insert(group.clone());
                }
                if let (true, Some(label)) = (is_new, label) {
                    labels.insert((group, item), label);
                }
            }
        }
        labels.retain(|(group, item), _| scores.get(group).is_some_and(|items| items.contains_key(item)));
        let is_final = end == Some(tick);
        let mut groups = changed;
        if is_final {
            groups.extend(scores.keys().cloned());
        }
        for group in groups {
            let items = scores.remove(&group).unwrap_or_default();
            let mut order: Vec<_> =
                items.iter().map(|(item, (score, reached))| (-score, *reached, item.clone())).collect();
            order.sort();
            order.truncate(shape.k);
            let previous = ranks.remove(&group).unwrap_or_default();
            let entry = |(rank, (score, _, item)): (i32, &(i64, i64, String))| LeaderboardEntry {
                rank,
                item: item.clone(),
                label: labels.get(&(group.clone(), item.clone())).unwrap_or(item).clone(),
                score: Amount::from_integer(-score).expect("small"),
                previous_rank: previous.get(item).copied(),
            };
            let entries: Vec<_> = (1..).zip(&order).map(entry).collect();
            ranks.insert(
                group.clone(),
                entries.iter().map(|entry| (entry.item.clone(), entry.rank)).collect(),
            );
            let revision = revisions.entry((group.clone(), end)).or_insert(0);
            *revision += 1;
            outputs.push(Output::Leaderboard(LeaderboardResult {
                board: "b".into(),
                group,
                window: shape.kind.into(),
                window_start: end.map(|end| at(end - shape.length)),
                window_end: end.map(at),
                is_final,
                revision: *revision,
                entries,
                item_count: items.len() as i64,
                total_score: Amount::from_integer(items.values().map(|(score, _)| score).sum())
                    .expect("small"),
                freshness: Freshness { as_of: at(tick), ..Freshness::default() },
            }));
        }
    }
    Ran { outputs, late_count }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let windows = prop_oneof![
        Just(("rolling", 30, 10)),
        Just(("rolling", 20, 20)),
        Just(("rolling", 40, 10)),
        Just(("tumbling", 20, 20)),
        Just(("all_time", 1, 1)),
    ];
    (windows, prop_oneof![Just(5), Just(10)], 0..15i64, 1..4usize, prop_oneof![Just("user"), Just("emote")])
        .prop_map(|((kind, length, slide), emit_every, lateness, k, item)| Shape {
            kind,
            length,
            slide,
            emit_every,
            lateness,
            k,
            item,
        })
}

/// Steps of time between messages, mostly forward, with jumps in both directions; who writes where.
fn partition() -> impl Strategy<Value = Partition> {
    let steps = prop_oneof![4 => 0..4i64, 2 => -25..0i64, 1 => 10..90i64];
    let message = (steps, 0..3usize, 0..5usize, proptest::option::of(0..3u8), 1..3i32);
    (proptest::collection::vec(message, 0..60), -60..60i64).prop_map(|(messages, start)| {
        let mut time = start;
        let event =
            |(index, (step, channel, user, name, uses)): (usize, (i64, usize, usize, Option<u8>, i32))| {
                time += step;
                let user = ["u0", "u1", "u2", "u3"].get(user).copied();
                let mut event = chat(&format!("m{index}"), at(time), ["a", "b", "c"][channel], user, "x");
                if channel + index % 7 == 6 {
                    event.kind = ChatKind::UserTimedOut;
                }
                event.user_name = name.map(|name| format!("Name{name}").into());
                event.emotes =
                    user.map(|user| emote(user, uses)).into_iter().chain([emote("LUL", 1)]).collect();
                Event::Chat(event)
            };
        (Topic::Chat, messages.into_iter().enumerate().map(event).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_board_equals_the_model_however_often_the_watermark_is_looked_at(
        shape in shapes(),
        partition in partition(),
        schedules in proptest::collection::vec(proptest::collection::vec(0..2u8, 0..60), 2),
    ) {
        let partitions = [partition];
        let expected = model(&shape, &partitions);
        for schedule in schedules {
            prop_assert_eq!(&run(&job(&shape.toml()), &partitions, &schedule), &expected);
        }
    }
}

/// The model itself must have met what it is for.
#[test]
fn the_streams_hold_late_events_ties_and_expiry() {
    let shape =
        Shape { kind: "rolling", length: 30, slide: 10, emit_every: 5, lateness: 5, k: 2, item: "user" };
    let message = |(index, (time, user)): (usize, &(i64, &str))| {
        Event::Chat(chat(&format!("m{index}"), at(*time), "a", Some(user), "x"))
    };
    let messages =
        [(-3, "u1"), (4, "u0"), (4, "u2"), (17, "u0"), (3, "u1"), (60, "u1"), (20, "u0"), (33, "u2")];
    let partitions = [(Topic::Chat, messages.iter().enumerate().map(message).collect())];
    let ran = run(&job(&shape.toml()), &partitions, &[1; 8]);
    assert_eq!(ran, model(&shape, &partitions));
    assert_eq!(ran.late_count, 1, "the event at 20 comes at watermark 55 and its last window ends at 50");
    let boards = ran.outputs.iter().map(|output| {
        let Output::Leaderboard(board) = output else { panic!("only boards") };
        board
    });
    let boards: Vec<_> = boards.collect();
    assert!(boards.iter().any(|board| board.entries.is_empty() && !board.is_final), "cleared");
    assert!(
        boards
            .iter()
            .any(|board| board.entries.iter().any(|entry| entry.previous_rank == Some(2) && entry.rank == 1))
    );
    let finals: Vec<i64> = boards
        .iter()
        .filter(|board| board.is_final)
        .map(|board| board.window_end.expect("rolling").micros())
        .collect();
    assert_eq!(finals, [0, 10, 20, 30, 40, 60, 70, 80, 90]);
}
