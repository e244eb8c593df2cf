//! Leaderboards against a naive model: at every tick it looks at all that counts.
//!
//! Always holds: the model keeps what counts in one list and knows panes, orders, expiry and what is taken back only by
//! their definitions.

mod boards_model;
mod common;

use boards_model::{Model, Shape};
use common::{Partition, at, chat, emote, job, reaction, run, trade, viewer};
use processors::Output;
use proptest::prelude::*;
use schemas::{Aggressor, ChatKind, Event, ReactionKind, Topic, ViewerKind};

/// In this unit a tick is several slices of event time, each of which is taken in for itself.
const SECOND: i64 = 1_000_000;

/// Windows, each with how long the unit of time is, and how often records are due, in units.
fn windows() -> impl Strategy<Value = (&'static str, i64, i64, i64, i64)> {
    prop_oneof![
        Just(("rolling", 1, 30, 10, 5)),
        Just(("rolling", 1, 20, 20, 10)),
        Just(("rolling", 1, 40, 10, 10)),
        Just(("rolling", SECOND, 30, 10, 5)),
        Just(("rolling", SECOND, 40, 10, 10)),
        Just(("tumbling", SECOND, 20, 20, 10)),
        Just(("all_time", SECOND, 0, 0, 10)),
        Just(("tumbling", 1, 20, 20, 5)),
        Just(("session", 1, 17, 0, 5)),
        Just(("session", 1, 4, 0, 10)),
        Just(("fixed", 1, -13, 58, 5)),
        Just(("calendar", 600_000_000, 0, 0, 3)),
        Just(("calendar", 420_000_000, 0, 0, 7)),
        Just(("all_time", 1, 0, 0, 10)),
    ]
}

/// The time before is a multiple of every slide.
const GROWTH: &str = "{ growth = { before = '60us', minimum = 2 } }";

/// Sources with items, scores and groups that go together.
fn counted() -> impl Strategy<Value = (&'static str, &'static str, &'static str, &'static str)> {
    proptest::sample::select(vec![
        ("chat", "user", "'count'", "['channel']"),
        ("chat", "emote", "'count'", "['channel']"),
        ("chat", "emote", "'distinct_users'", "['channel']"),
        ("chat", "user", GROWTH, "['channel']"),
        ("chat", "emote", GROWTH, "['channel']"),
        ("reactions", "reaction", GROWTH, "['channel']"),
        ("reactions", "user", "'count'", "['channel']"),
        ("reactions", "user", "{ sum = 'money' }", "['channel', 'currency']"),
        ("reactions", "user", "{ largest = 'money' }", "['channel', 'currency']"),
        ("reactions", "emoji", "'count'", "['channel']"),
        ("reactions", "reaction", "{ largest = 'count' }", "['channel']"),
        ("reactions", "reaction", "'distinct_users'", "['channel']"),
        ("reactions", "poll_option", "'votes'", "['channel', 'poll']"),
        ("trades", "user", "{ sum = 'notional' }", "['symbol']"),
        ("trades", "trade", "{ largest = 'notional' }", "['symbol']"),
        ("trades", "aggressor", "{ largest = 'price' }", "['symbol']"),
        ("trades", "aggressor", "'distinct_users'", "['symbol']"),
        ("viewers", "user", "{ sum = 'watch_ms' }", "['channel']"),
        ("viewers", "user", "'count'", "['channel', 'country']"),
        ("viewers", "country", "'distinct_users'", "['channel']"),
        ("viewers", "device", "{ largest = 'watch_ms' }", "['channel']"),
        ("viewers", "country", GROWTH, "['channel']"),
    ])
}

fn shapes() -> impl Strategy<Value = Shape> {
    (windows(), counted(), 0..15i64, 1..4usize, proptest::option::of(any::<bool>())).prop_map(
        |(window, (source, item, score, groups), lateness, k, retract)| {
            // Of other windows there is no time before that is as long as they are.
            let is_rolling = matches!(window.0, "rolling" | "tumbling");
            let window =
                if score == GROWTH && !is_rolling { ("rolling", window.1, 30, 10, 5) } else { window };
            let (window, unit, a, b, emit_every) = window;
            let retract = retract.filter(|_| !["trades", "viewers"].contains(&source));
            let bounds = (a, b);
            Shape { window, unit, bounds, emit_every, lateness, k, source, item, score, groups, retract }
        },
    )
}

/// A step of time, and four small numbers that say what happens.
type Seed = (i64, u8, u8, u8, u8);

/// Steps of time between events, mostly forward, with jumps in both directions.
fn seeds() -> impl Strategy<Value = (Vec<Seed>, i64)> {
    let steps = prop_oneof![4 => 0..4i64, 2 => -25..0i64, 1 => 10..90i64];
    (proptest::collection::vec((steps, 0..3u8, 0..5u8, 0..12u8, 0..4u8), 0..50), -60..60i64)
}

fn chat_event(id: &str, time: i64, (_, channel, user, what, other): Seed) -> Event<'static> {
    let users = ["u0", "u1", "u2", "u3"];
    let user = users.get(usize::from(user)).copied();
    let mut event = chat(id, at(time), ["a", "b/b", "c"][usize::from(channel)], user, "x");
    event.user_name = (other > 0).then(|| format!("Name{other}").into());
    event.emotes =
        user.map(|user| emote(user, i32::from(other) + 1)).into_iter().chain([emote("LUL", 1)]).collect();
    match what {
        8 => {
            event.kind = ChatKind::MessageDeleted;
            // One of the messages before, perhaps.
            let number: usize = id[1..].parse().expect("a number");
            event.target_message_id =
                Some(format!("m{}", number.saturating_sub(1 + usize::from(other) * 3)).into());
        }
        9 => event.kind = ChatKind::UserBanned,
        10 => event.kind = ChatKind::UserTimedOut,
        11 if other == 0 => event.kind = ChatKind::ChatCleared,
        _ => {}
    }
    if matches!(what, 9 | 10) {
        event.target_user_id = Some(users[usize::from(other)].into());
    }
    Event::Chat(event)
}

fn reaction_event(id: &str, time: i64, (_, channel, user, what, other): Seed) -> Event<'static> {
    use ReactionKind::{Emoji, Gift, Like, PollVote, Raid, SuperChat};
    let user = ["u0", "u1", "u2", "u3"].get(usize::from(user)).copied();
    let kind = [
        Emoji, Emoji, PollVote, PollVote, PollVote, SuperChat, SuperChat, Gift, Like, Raid, PollVote,
        SuperChat,
    ];
    let kind = kind[usize::from(what)];
    let mut event =
        reaction(id, at(time), ["a", "b/b", "c"][usize::from(channel)], user, kind, i64::from(other) + 1);
    event.user_name = (other > 1).then(|| format!("Name{other}").into());
    event.emoji = (kind == Emoji).then(|| ["🔥", "👏", "😀", "👍"][usize::from(other)].into());
    event.option = (kind == PollVote).then(|| ["yes", "no", "maybe", "yes"][usize::from(other)].into());
    event.target_id = (kind == PollVote).then(|| if what == 2 { "p/1".into() } else { "p2".into() });
    if kind == SuperChat {
        event.amount_micros = Some(i64::from(other) * 1_250_000);
        event.currency = Some(if what == 5 { "EUR".into() } else { "USD".into() });
    }
    Event::Reaction(event)
}

fn trade_event(id: &str, time: i64, (_, market, user, what, other): Seed) -> Event<'static> {
    let market = ("v", ["x", "y", "z"][usize::from(market)]);
    let side = [Aggressor::Buy, Aggressor::Sell, Aggressor::Unknown][usize::from(what % 3)];
    let (price, quantity) = (format!("{}.000000000{other}", what), format!("0.000000000{}", other + 1));
    let mut event = trade(id, at(time), market, None, &price, &quantity, side);
    event.user_id = (user < 4).then(|| format!("u{user}").into());
    Event::Trade(event)
}

fn viewer_event(id: &str, time: i64, (_, channel, user, what, other): Seed) -> Event<'static> {
    use ViewerKind::{Heartbeat, Join, Leave, Quality};
    let kind = [Join, Heartbeat, Heartbeat, Quality, Leave, Heartbeat][usize::from(what % 6)];
    let mut event = viewer(id, at(time), ["a", "b/b", "c"][usize::from(channel)], kind, &format!("s{user}"));
    event.user_id = (user < 4).then(|| format!("u{user}").into());
    event.watch_ms = i64::from(what) * 100;
    event.country = ["DE", "FR", "P/L"].get(usize::from(other)).map(|country| (*country).into());
    event.device = (user > 0).then(|| ["phone", "tv"][usize::from(other % 2)].into());
    Event::Viewer(event)
}

/// The partitions that a board reads.
fn partitions(shape: &Shape, seeds: &[(Vec<Seed>, i64)]) -> Vec<Partition> {
    type Make = fn(&str, i64, Seed) -> Event<'static>;
    let partition = |topic: Topic, prefix: &str, make: Make, (seeds, start): &(Vec<Seed>, i64)| {
        let mut time = *start;
        let events = seeds.iter().enumerate().map(|(index, seed)| {
            time += seed.0;
            make(&format!("{prefix}{index}"), shape.instant(time), *seed)
        });
        (topic, events.collect())
    };
    match shape.source {
        "chat" => vec![partition(Topic::Chat, "m", chat_event, &seeds[0])],
        "viewers" => vec![partition(Topic::Viewers, "v", viewer_event, &seeds[0])],
        "trades" => vec![partition(Topic::Trades, "t", trade_event, &seeds[0])],
        _ if !shape.retracts() => vec![partition(Topic::Reactions, "r", reaction_event, &seeds[1])],
        _ => vec![
            partition(Topic::Chat, "m", chat_event, &seeds[0]),
            partition(Topic::Reactions, "r", reaction_event, &seeds[1]),
        ],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_board_equals_the_model_however_partitions_are_interleaved(
        shape in shapes(),
        seeds in proptest::collection::vec(seeds(), 2),
        schedules in proptest::collection::vec(proptest::collection::vec(0..4u8, 0..100), 2),
    ) {
        let partitions = partitions(&shape, &seeds);
        let expected = Model::new(&shape).ran(&partitions);
        for schedule in schedules {
            prop_assert_eq!(&run(&job(&shape.toml()), &partitions, &schedule), &expected, "{}", shape.toml());
        }
    }
}

fn shape(window: &'static str, bounds: (i64, i64)) -> Shape {
    Shape {
        window,
        unit: 1,
        bounds,
        emit_every: 5,
        lateness: 5,
        k: 2,
        source: "chat",
        item: "user",
        score: "'count'",
        groups: "['channel']",
        retract: None,
    }
}

fn messages(messages: &[(i64, &str)]) -> Vec<Partition> {
    let message = |(index, (time, user)): (usize, &(i64, &str))| {
        Event::Chat(chat(&format!("m{index}"), at(*time), "a", Some(user), "x"))
    };
    vec![(Topic::Chat, messages.iter().enumerate().map(message).collect())]
}

fn boards(outputs: &[Output]) -> Vec<&schemas::LeaderboardResult> {
    let mut boards = Vec::new();
    for output in outputs {
        let Output::Leaderboard(board) = output else { panic!("only boards") };
        boards.push(board);
    }
    boards
}

/// The model itself must have met what it is for.
#[test]
fn the_streams_hold_late_events_ties_and_expiry() {
    let shape = shape("rolling", (30, 10));
    let partitions = messages(&[
        (-3, "u1"),
        (4, "u0"),
        (4, "u2"),
        (17, "u0"),
        (3, "u1"),
        (60, "u1"),
        (20, "u0"),
        (33, "u2"),
    ]);
    let ran = run(&job(&shape.toml()), &partitions, &[1; 8]);
    assert_eq!(ran, Model::new(&shape).ran(&partitions));
    assert_eq!(ran.late_count, 1, "the event at 20 comes at watermark 55 and its last window ends at 50");
    let boards = boards(&ran.outputs);
    assert!(boards.iter().any(|board| board.entries.is_empty() && !board.is_final), "cleared");
    assert!(
        boards
            .iter()
            .any(|board| board.entries.iter().any(|entry| entry.previous_rank == Some(2) && entry.rank == 1))
    );
    let finals = boards.iter().filter(|board| board.is_final);
    let finals: Vec<i64> = finals.map(|board| board.window_end.expect("rolling").micros()).collect();
    assert_eq!(finals, [0, 10, 20, 30, 40, 60, 70, 80, 90]);
}

/// More users than are kept in order, most with little; scores fall by expiry, deletions and bans, so that others come to the front.
#[test]
fn a_board_of_many_users_equals_the_model() {
    let mut state = 7u64;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for (window, bounds) in [("rolling", (40, 10)), ("all_time", (0, 0))] {
        let shape = Shape { k: 5, retract: Some(true), ..shape(window, bounds) };
        let mut events = Vec::new();
        for index in 0..4_000u64 {
            // For a while each of a few users writes much, and then the next few.
            let user = if next(3) == 0 { (index / 400) * 7 + next(7) } else { 100 + next(600) };
            let id = format!("m{index}");
            let mut event = chat(&id, at((index / 25) as i64), "a", Some(&format!("u{user}")), "x");
            match next(60) {
                0 => {
                    event.kind = ChatKind::UserBanned;
                    event.target_user_id = Some(format!("u{}", (index / 400) * 7 + next(7)).into());
                }
                1 => {
                    event.kind = ChatKind::MessageDeleted;
                    event.target_message_id = Some(format!("m{}", index.saturating_sub(next(50))).into());
                }
                _ => {}
            }
            events.push(Event::Chat(event));
        }
        let partitions = vec![(Topic::Chat, events)];
        let ran = run(&job(&shape.toml()), &partitions, &[]);
        assert!(ran.outputs.len() > 30);
        assert!(boards(&ran.outputs).iter().any(|board| board.item_count > 300));
        assert_eq!(ran, Model::new(&shape).ran(&partitions), "{window}");
    }
}

/// Who has nothing left is forgotten, near the front or not.
#[test]
fn nothing_is_left_of_users_whose_messages_expired() {
    let mut shard = job(&shape("rolling", (30, 10)).toml()).shard();
    let mut out = Vec::new();
    let users = (0..1_000).map(|index| (index / 40, format!("u{}", index % 500)));
    for (offset, (time, user)) in users.chain([(99, "u".to_owned())]).enumerate() {
        let event = chat(&format!("m{offset}"), at(time), "a", Some(&user), "x");
        shard.process(Topic::Chat, offset as i64, at(time), &Event::Chat(event), &mut out);
        shard.advance(&mut out);
    }
    assert!(boards(&out).iter().any(|board| board.item_count == 500));
    shard.advance_to(at(100), &mut out);
    // The user, its score, and its message.
    let size = shard.size();
    assert_eq!((size.items, size.entries), (1, 3), "{size:?}");
}

/// A late event inside the lateness joins what would have been two sessions; behind the lateness it begins one of its own or is late.
#[test]
fn a_session_is_joined_by_what_comes_late() {
    let shape = Shape { lateness: 12, ..shape("session", (10, 0)) };
    // Without the message at 8 there would be [0, 10) and [16, 26).
    let ran = run(&job(&shape.toml()), &messages(&[(0, "u0"), (16, "u1"), (8, "u2"), (60, "u0")]), &[1; 4]);
    let finals = |ran: &common::Ran| -> Vec<(i64, i64, i64)> {
        let finals = boards(&ran.outputs).into_iter().filter(|board| board.is_final);
        let micros = |time: Option<schemas::Timestamp>| time.expect("a session").micros();
        finals.map(|board| (micros(board.window_start), micros(board.window_end), board.item_count)).collect()
    };
    assert_eq!(finals(&ran), [(0, 26, 3), (60, 70, 1)]);
    let apart = run(&job(&shape.toml()), &messages(&[(0, "u0"), (16, "u1"), (60, "u0")]), &[1; 3]);
    assert_eq!(finals(&apart), [(0, 10, 1), (16, 26, 1), (60, 70, 1)]);
    // At watermark 48 a session with an event at 40 is open until 50; one with an event at 38 would have ended.
    let late = run(&job(&shape.toml()), &messages(&[(0, "u0"), (60, "u0"), (40, "u1"), (38, "u2")]), &[1; 4]);
    assert_eq!(finals(&late), [(0, 10, 1), (40, 50, 1), (60, 70, 1)]);
    assert_eq!(late.late_count, 1);
    assert_eq!(late, Model::new(&shape).ran(&messages(&[(0, "u0"), (60, "u0"), (40, "u1"), (38, "u2")])));
}

/// A ban took what somebody wrote before; deleting one of those messages takes nothing from what they wrote since.
#[test]
fn what_a_ban_took_is_not_taken_again() {
    let toml = "lateness = '0s'\n[[boards]]\nname = 'b'\nsource = 'chat'\nitem = 'user'\nwindow = { kind = 'all_time' }\nretract = true\nk = 3\nemit_every = '1us'\n";
    let mut shard = job(toml).shard();
    let (mut out, mut offset) = (Vec::new(), 0);
    let mut push = |kind, message: Option<&str>, user: Option<&str>| {
        let mut event = chat(&format!("m{offset}"), at(offset), "a", Some("u"), "x");
        event.kind = kind;
        event.target_message_id = message.map(|id| id.to_owned().into());
        event.target_user_id = user.map(|id| id.to_owned().into());
        shard.process(Topic::Chat, offset, at(offset), &Event::Chat(event), &mut out);
        shard.advance(&mut out);
        offset += 1;
    };
    push(ChatKind::Message, None, None);
    push(ChatKind::UserBanned, None, Some("u"));
    push(ChatKind::Message, None, None);
    push(ChatKind::MessageDeleted, Some("m0"), None);
    shard.advance_to(at(100), &mut out);
    let boards = boards(&out);
    let entries = &boards.last().expect("a board").entries;
    let scores: Vec<_> = entries.iter().map(|entry| entry.score.to_string()).collect();
    assert_eq!(scores, ["1"]);
}

/// At the bound the oldest messages are forgotten first, then new users are refused; who is there goes on counting.
#[test]
fn what_a_board_keeps_is_bounded() {
    let toml = "lateness = '0s'\n[[boards]]\nname = 'b'\nsource = 'chat'\nitem = 'user'\nwindow = { kind = 'all_time' }\nretract = true\nk = 3\nemit_every = '1us'\nentries_max = 1000\n";
    let mut shard = job(toml).shard();
    let (mut out, mut offset) = (Vec::new(), 0);
    let mut push = |shard: &mut processors::Shard, user: &str, deleted: Option<&str>| {
        let mut event = chat(&format!("m{offset}"), at(offset), "a", Some(user), "x");
        if let Some(message) = deleted {
            event.kind = ChatKind::MessageDeleted;
            event.target_message_id = Some(message.to_owned().into());
        }
        shard.process(Topic::Chat, offset, at(offset), &Event::Chat(event), &mut out);
        shard.advance(&mut out);
        offset += 1;
    };
    // A new user is an item, its score, and a message: 300 of them fit, so all can be taken back.
    for number in 0..300 {
        push(&mut shard, &format!("u{number}"), None);
    }
    push(&mut shard, "u0", Some("m0"));
    push(&mut shard, "u299", None);
    let size = shard.size();
    assert_eq!((size.items, size.entries, size.forgotten), (299, 897, 0), "{size:?}");
    // Users and scores of 500 fit if no message does.
    for number in 300..700 {
        push(&mut shard, &format!("u{number}"), None);
    }
    push(&mut shard, "u1", None);
    push(&mut shard, "u1", None);
    let size = shard.size();
    assert_eq!((size.items, size.entries), (500, 1001), "{size:?}");
    let board = shard.query("b", "a").expect("the board");
    let places = board.entries.iter().map(|entry| (&*entry.item, entry.score.to_string()));
    let places: Vec<_> = places.collect();
    assert_eq!(places[..2], [("u299", "2".to_owned()), ("u1", "2".to_owned())]);
    assert!(size.forgotten > 600, "{size:?}");
    push(&mut shard, "u1", Some("m2"));
    push(&mut shard, "u1", None);
    assert_eq!(shard.size().items, 500, "the message of u2 can no longer be taken back");
}
