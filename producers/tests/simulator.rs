//! The simulator: the same again from the same seed, and a world that holds together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use producers::{InvalidOptions, Shares, Simulator, SimulatorOptions};
use schemas::{ChatKind, Encoder, Event, ReactionKind, SchemaIds, Timestamp, Topic, ViewerKind};

fn options() -> SimulatorOptions {
    SimulatorOptions {
        start: Timestamp::from_millis(1_700_000_000_000),
        events_per_second: 1_000,
        duration: Some(Duration::from_secs(120)),
        ..SimulatorOptions::default()
    }
}

fn run(options: SimulatorOptions) -> Vec<Event<'static>> {
    Simulator::new(options).expect("the options hold").collect()
}

fn bytes(events: &[Event<'static>]) -> Vec<u8> {
    let (mut encoder, mut bytes) = (Encoder::new(SchemaIds::local()), Vec::new());
    for event in events {
        encoder.encode_event(event, &mut bytes).expect("it fits its schema");
    }
    bytes
}

fn of(events: &[Event<'static>], topic: Topic) -> Vec<Event<'static>> {
    events.iter().filter(|event| event.topic() == topic).cloned().collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    for disorder_max_ms in [0, 1_000] {
        let options = SimulatorOptions { disorder_max_ms, count: Some(20_000), ..options() };
        let first = run(options);
        assert!(bytes(&first) == bytes(&run(options)));
        let other = run(SimulatorOptions { seed: 2, ..options });
        let ids = |events: &[Event<'_>]| -> BTreeSet<String> {
            let without_trades = events.iter().filter(|event| event.topic() != Topic::Trades);
            without_trades.map(|event| event.header().event_id.to_owned()).collect()
        };
        assert!(ids(&first).is_disjoint(&ids(&other)), "two runs are never taken for one another");
        let count = |count| run(SimulatorOptions { count: Some(count), disorder_max_ms: 0, ..options });
        assert!(count(20_000).starts_with(&count(5_000)), "a longer run begins like a shorter one");
    }
}

#[test]
fn every_event_is_valid_unique_and_at_its_exact_time() {
    let events = run(options());
    assert_eq!(events.len(), 120_000, "120 s of 1,000 a second");
    let mut ids = BTreeSet::new();
    for (number, event) in events.iter().enumerate() {
        event.check().expect("it makes sense");
        let header = event.header();
        assert_eq!(header.event_time, options().start.plus_micros(number as i64 * 1_000));
        assert!(ids.insert(header.event_id.to_owned()), "{} comes twice", header.event_id);
    }
}

#[test]
fn the_rate_need_not_divide_a_second_and_count_or_duration_ends_it_first() {
    let third =
        SimulatorOptions { events_per_second: 3, duration: Some(Duration::from_secs(10)), ..options() };
    let times: Vec<_> = run(third).iter().map(|event| event.header().event_time).collect();
    assert_eq!(times.len(), 30);
    assert_eq!(times[1], third.start.plus_micros(333_333));
    assert_eq!(times[29], third.start.plus_micros(9_666_666));
    assert_eq!(run(SimulatorOptions { count: Some(7), ..third }).len(), 7);
    let brief = SimulatorOptions { duration: Some(Duration::from_millis(100)), ..third };
    assert_eq!(run(brief).len(), 1, "the first event happens at the start");
}

#[test]
fn shares_divide_the_rate() {
    let events = run(SimulatorOptions { shares: "chat=1,trades=3".parse().expect("shares"), ..options() });
    let (chat, trades) = (of(&events, Topic::Chat).len(), of(&events, Topic::Trades).len());
    assert_eq!(chat + trades, events.len());
    assert!((29_000..31_000).contains(&chat), "{chat}");
    for text in ["", "chat", "chat=x", "talk=1", "chat=-1"] {
        assert!(text.parse::<Shares>().is_err(), "{text}");
    }
}

#[test]
fn so_many_write_in_a_channel() {
    let options = SimulatorOptions { channels: 2, regulars: 3, ..options() };
    let mut messages: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
    for event in &of(&run(options), Topic::Chat) {
        let header = event.header();
        *messages.entry((header.channel_id.to_owned(), header.user_id.map(str::to_owned))).or_default() += 1;
    }
    let regulars = messages.values().filter(|count| **count > 100).count();
    let spam: usize = messages.values().filter(|count| **count <= 100).sum();
    assert_eq!(regulars, 2 * 3);
    assert!(spam * 20 < messages.values().sum(), "{spam} messages are of others");
}

#[test]
fn channels_have_a_zipf_popularity() {
    let events = run(options());
    let mut by_channel: BTreeMap<&str, f64> = BTreeMap::new();
    for event in events.iter().filter(|event| event.topic() == Topic::Viewers) {
        *by_channel.entry(event.header().channel_id).or_default() += 1.0;
    }
    let of_place = |place: u32| by_channel[format!("simulator:channel-{place}").as_str()];
    // slope of log(count) over log(place), by least squares over the first twenty places; -1 is Zipf's law
    let points: Vec<(f64, f64)> =
        (1..=20).map(|place| (f64::from(place).ln(), of_place(place).ln())).collect();
    let count = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let slope = covariance / variance;
    assert!((-1.3..=-0.7).contains(&slope), "slope {slope}");
    assert_eq!(by_channel.len(), 50);
}

#[test]
fn sessions_begin_once_end_at_most_once_and_beat_every_ten_seconds() {
    struct Session {
        last: Timestamp,
        last_beat: Timestamp,
        is_over: bool,
    }
    let mut simulator = Simulator::new(options()).expect("the options hold");
    let events: Vec<_> = simulator.by_ref().collect();
    let mut sessions: BTreeMap<String, Session> = BTreeMap::new();
    let (mut stalls, mut qualities) = (0, 0);
    for event in &events {
        let Event::Viewer(event) = event else { continue };
        let now = event.event_time;
        if event.kind == ViewerKind::Join {
            assert!(event.startup_ms.is_some());
            let session = Session { last: now, last_beat: now, is_over: false };
            assert!(sessions.insert(event.session_id.to_string(), session).is_none());
            continue;
        }
        let session = sessions.get_mut(event.session_id.as_str()).expect("it began");
        assert!(!session.is_over, "something after its end");
        let elapsed_ms = now.millis() - session.last.millis();
        assert_eq!(event.watch_ms + event.rebuffer_ms, elapsed_ms, "all time is played or stalled");
        assert_eq!(event.rebuffer_ms > 0, event.rebuffer_count > 0);
        stalls += event.rebuffer_count;
        session.last = now;
        match event.kind {
            ViewerKind::Quality => qualities += 1,
            ViewerKind::Leave => session.is_over = true,
            _ => {
                let beat_ms = now.millis() - session.last_beat.millis();
                assert!((9_000..11_500).contains(&beat_ms), "{beat_ms} ms between heartbeats");
                session.last_beat = now;
            }
        }
    }
    let open = sessions.values().filter(|session| !session.is_over).count();
    assert_eq!(open, simulator.open_sessions());
    assert!(
        (3_000..4_500).contains(&open),
        "400 viewer events a second carry about 4,000 sessions, not {open}"
    );
    assert!(sessions.len() > open + 500, "viewers come and go");
    assert!(stalls > 100 && qualities > 100);
}

#[test]
fn trades_have_no_gap_and_prices_walk_in_ticks() {
    let events = run(SimulatorOptions { symbols: 10, ..options() });
    let mut last: BTreeMap<String, (i64, i128)> = BTreeMap::new();
    let (mut buys, mut moved, mut trades) = (0, 0, 0);
    for event in of(&events, Topic::Trades) {
        let Event::Trade(trade) = event else { panic!("a trade") };
        let (id, price) = (trade.trade_id.expect("an id"), trade.price.units());
        assert!(price > 0 && price % 10_000 == 0);
        assert_eq!(trade.event_id, format!("{}:{id}", trade.channel_id).as_str());
        if let Some((before, price_before)) = last.insert(trade.symbol.to_string(), (id, price)) {
            assert_eq!(id, before + 1);
            moved += i32::from(price != price_before);
            assert!((price - price_before).abs() * 2 < price_before, "a jump");
        }
        buys += i32::from(trade.aggressor == schemas::Aggressor::Buy);
        trades += 1;
    }
    assert_eq!(last.len(), 10);
    assert!(buys * 10 > trades * 4 && buys * 10 < trades * 6, "{buys} of {trades}");
    assert!(moved * 10 > trades, "{moved} of {trades}");
}

#[test]
fn moderators_take_back_what_was_said_and_the_banned_are_silent() {
    let mut said = BTreeSet::new();
    let mut silenced = BTreeSet::new();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut repeated, mut last_of): (u32, BTreeMap<String, String>) = (0, BTreeMap::new());
    let events = run(SimulatorOptions { duration: Some(Duration::from_secs(600)), ..options() });
    for event in &events {
        let Event::Chat(event) = event else { continue };
        match event.kind {
            ChatKind::Message => {
                let user = event.user_id.as_deref().expect("an author");
                assert!(!silenced.contains(user), "{user} was silenced");
                let text = event.text.as_deref().expect("a text").to_owned();
                repeated += u32::from(last_of.insert(user.to_owned(), text.clone()).as_ref() == Some(&text));
                for emote in &event.emotes {
                    assert_eq!(
                        text.split(' ').filter(|word| *word == &*emote.name).count(),
                        emote.count as usize
                    );
                }
                *seen.entry("question").or_default() += u32::from(event.is_question);
                if let Some(parent) = &event.reply_to {
                    assert!(said.contains(parent.as_str()));
                    *seen.entry("reply").or_default() += 1;
                }
                said.insert(event.event_id.to_string());
            }
            ChatKind::MessageDeleted => {
                *seen.entry("deleted").or_default() += 1;
                assert!(said.contains(event.target_message_id.as_deref().expect("a target")));
            }
            ChatKind::UserBanned | ChatKind::UserTimedOut => {
                let kind = if event.duration_ms.is_some() { "timed_out" } else { "banned" };
                *seen.entry(kind).or_default() += 1;
                silenced.insert(event.target_user_id.as_deref().expect("a target").to_owned());
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(repeated > 500, "spammers repeat themselves");
    for what in ["question", "reply", "deleted", "banned", "timed_out"] {
        assert!(seen.get(what).is_some_and(|count| *count > 50), "{what}: {seen:?}");
    }
}

#[test]
fn without_moderators_nothing_is_taken_back() {
    let events =
        run(SimulatorOptions { duration: Some(Duration::from_secs(600)), is_moderated: false, ..options() });
    let chat =
        events.iter().filter_map(|event| if let Event::Chat(event) = event { Some(event) } else { None });
    assert!(chat.clone().count() > 1_000);
    for event in chat {
        assert_eq!(event.kind, ChatKind::Message);
    }
}

#[test]
fn there_are_storms_raids_and_every_kind_of_reaction() {
    let events = run(SimulatorOptions { duration: Some(Duration::from_secs(600)), ..options() });
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut currencies, mut questions) = (BTreeSet::new(), BTreeSet::new());
    let mut storm: BTreeMap<(i64, String, String), u32> = BTreeMap::new();
    for event in &events {
        match event {
            Event::Reaction(event) => {
                *kinds.entry(event.kind.name()).or_default() += 1;
                currencies.extend(event.currency.as_deref());
                match event.kind {
                    ReactionKind::QuestionUpvote => {
                        assert!(questions.contains(event.target_id.as_deref().expect("a target")));
                    }
                    ReactionKind::PollVote => assert!(event.target_id.is_some() && event.option.is_some()),
                    ReactionKind::SuperChat => assert!(event.amount_micros.is_some_and(|amount| amount > 0)),
                    _ => {}
                }
            }
            Event::Chat(event) => {
                if event.is_question {
                    questions.insert(&*event.event_id);
                }
                for emote in &event.emotes {
                    let second = event.event_time.floor(1_000_000).micros();
                    let place = (second, event.channel_id.to_string(), emote.name.to_string());
                    *storm.entry(place).or_default() += emote.count as u32;
                }
            }
            _ => {}
        }
    }
    assert_eq!(kinds.len(), 9, "{kinds:?}");
    assert!(kinds["raid"] >= 2, "{kinds:?}");
    assert_eq!(currencies.len(), 6);
    assert!(storm.values().max().is_some_and(|most| *most > 200), "one emote, one channel, one second");
}

#[test]
fn disorder_delays_events_and_loses_none() {
    let ordered = run(options());
    let disordered = run(SimulatorOptions { disorder_max_ms: 2_000, ..options() });
    assert_ne!(ordered, disordered);
    let mut arrival = Timestamp::MIN;
    let mut delays_ms = Vec::new();
    for event in &disordered {
        let header = event.header();
        assert!(header.ingest_time >= arrival, "they come by time of arrival");
        arrival = header.ingest_time;
        delays_ms.push(header.ingest_time.micros_since(header.event_time) / 1_000);
    }
    delays_ms.sort_unstable();
    assert!(delays_ms[0] >= 0 && delays_ms[delays_ms.len() - 1] <= 2_000);
    assert!(delays_ms[delays_ms.len() / 2] <= 20, "most are hardly late");
    let mut sorted = disordered;
    sorted.sort_by_key(|event| event.header().event_time);
    for (event, expected) in sorted.iter_mut().zip(&ordered) {
        event.set_ingest_time(expected.header().ingest_time);
    }
    assert!(sorted == ordered);
}

#[test]
fn one_concern_does_not_move_another() {
    let all = run(options());
    let other_symbols = run(SimulatorOptions { symbols: 7, ..options() });
    for topic in [Topic::Chat, Topic::Reactions, Topic::Viewers] {
        assert!(of(&all, topic) == of(&other_symbols, topic), "{topic}");
    }
    assert!(of(&all, Topic::Trades) != of(&other_symbols, Topic::Trades));
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let refused = |options: SimulatorOptions| Simulator::new(options).err().expect("it is refused");
    assert_eq!(refused(SimulatorOptions { channels: 0, ..options() }), InvalidOptions::Zero("channels"));
    assert_eq!(refused(SimulatorOptions { users: 0, ..options() }), InvalidOptions::Zero("users"));
    assert_eq!(refused(SimulatorOptions { regulars: 0, ..options() }), InvalidOptions::Zero("regulars"));
    assert_eq!(refused(SimulatorOptions { symbols: 0, ..options() }), InvalidOptions::Zero("symbols"));
    let no_rate = SimulatorOptions { events_per_second: 0, ..options() };
    assert_eq!(refused(no_rate), InvalidOptions::Zero("events_per_second"));
    let only_trades = "trades=1".parse().expect("shares");
    let markets =
        SimulatorOptions { channels: 0, users: 0, shares: only_trades, count: Some(10), ..options() };
    assert_eq!(run(markets).len(), 10, "markets need no channels");
    assert!(
        refused(SimulatorOptions { disorder_max_ms: u32::MAX, ..options() }).to_string().contains("at most")
    );
}
