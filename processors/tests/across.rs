//! Boards across shards: the same over any number of shards, in any interleaving, with restarts and repeated records, as a board of
//! one shard that has everything.
//!
//! Always holds: users and messages belong to one channel each, so that a board of one channel called `global` to which all events are moved
//! must show the same. Events are out of order by less than the lateness.

mod common;

use std::collections::BTreeMap;

use common::{at, chat, emote, job, reaction};
use processors::{Job, Output, Shard, Stamp, stamp};
use proptest::prelude::*;
use schemas::{
    BoardPartial, ChatKind, Decoder, Encoder, Event, Freshness, LeaderboardResult, PartialKind, ReactionKind,
    SchemaIds, Timestamp, Topic,
};

/// Boards that may be across shards or, where `GLOBAL` and `CHANNEL` name the channel, within one.
const BOARDS: &str = r#"
    lateness = "40us"

    [[boards]]
    name = "users"
    source = "chat"
    group = [GLOBAL]
    item = "user"
    window = { kind = "rolling", length = "300us", slide = "100us" }
    k = 3
    emit_every = "50us"

    [[boards]]
    name = "emotes"
    source = "chat"
    group = [GLOBAL]
    item = "emote"
    window = { kind = "fixed", from = "1970-01-01T00:00:00.000130Z", to = "1970-01-01T00:00:00.000777Z" }
    k = 5
    emit_every = "100us"

    [[boards]]
    name = "emote_users"
    source = "chat"
    group = [GLOBAL]
    item = "emote"
    score = "distinct_users"
    retract = false
    window = { kind = "rolling", length = "400us", slide = "100us" }
    k = 5
    emit_every = "100us"

    [[boards]]
    name = "givers"
    source = "reactions"
    group = [CHANNEL "currency"]
    item = "user"
    score = { sum = "money" }
    window = { kind = "tumbling", length = "200us" }
    k = 3
    emit_every = "50us"

    [[boards]]
    name = "trending_emotes"
    source = "chat"
    group = [GLOBAL]
    item = "emote"
    score = { growth = { before = "300us", minimum = 3 } }
    window = { kind = "rolling", length = "200us", slide = "100us" }
    k = 3
    emit_every = "50us"

    [[boards]]
    name = "largest_gifts"
    source = "reactions"
    group = [CHANNEL "currency"]
    item = "user"
    score = { largest = "money" }
    retract = false
    window = { kind = "all_time" }
    k = 3
    emit_every = "100us"
"#;

/// Boards that one shard cannot have.
const ONLY_ACROSS: &str = r#"
    [[boards]]
    name = "channels"
    source = "chat"
    item = "channel"
    window = { kind = "rolling", length = "300us", slide = "100us" }
    k = 3
    emit_every = "50us"
"#;

fn across() -> Job {
    let boards = BOARDS.replace("GLOBAL", "'global'").replace("CHANNEL", "");
    job(&format!("{boards}{ONLY_ACROSS}"))
}

fn within() -> Job {
    job(&BOARDS.replace("GLOBAL", "'channel'").replace("CHANNEL", "'channel',"))
}

/// What a run shows, without what tells of the run.
fn shown(outputs: Vec<Output>) -> Vec<LeaderboardResult> {
    let mut shown: Vec<LeaderboardResult> = outputs
        .into_iter()
        .map(|output| match output {
            Output::Leaderboard(mut result) => {
                let as_of = result.freshness.as_of;
                result.freshness = Freshness { as_of, ..Freshness::default() };
                result.group = result.group.replace("global/", "");
                result
            }
            other => panic!("no board: {other:?}"),
        })
        .collect();
    let key = |result: &LeaderboardResult| {
        (result.board.clone(), result.group.clone(), result.freshness.as_of, result.revision)
    };
    shown.sort_by_key(key);
    shown
}

fn restarted(job: &Job, mut shard: Shard) -> Shard {
    let chunks = shard.save(&|_, _| false);
    let mut fresh = job.shard();
    fresh.restore(chunks).expect("restores");
    fresh
}

/// A shard of the first stage and what it has still to read.
struct Source {
    shard: Shard,
    number: i32,
    events: std::vec::IntoIter<Event<'static>>,
    offsets: BTreeMap<Topic, i64>,
}

impl Source {
    fn new(job: &Job, number: usize, events: Vec<Event<'static>>) -> Self {
        let number = i32::try_from(number).expect("small");
        Source { shard: job.shard(), number, events: events.into_iter(), offsets: BTreeMap::new() }
    }

    fn read_one(&mut self, out: &mut Vec<Output>) {
        let Some(event) = self.events.next() else { return };
        let offset = self.offsets.entry(event.topic()).or_default();
        let taken = self.shard.process(event.topic(), *offset, event.header().ingest_time, &event, out);
        assert!(!taken.is_late && !taken.is_duplicate);
        *offset += 1;
    }

    /// As they stand in the log.
    fn partials(&self, shard_count: usize, out: Vec<Output>) -> impl Iterator<Item = BoardPartial> {
        let (number, watermark) = (self.number, self.shard.watermark());
        out.into_iter().map(move |mut output| {
            let known = Stamp {
                job: "test",
                shard: number,
                shard_count: i32::try_from(shard_count).expect("small"),
                watermark,
                computed_at: at(0),
                input_offsets: &BTreeMap::new(),
            };
            stamp(&mut output, &known);
            match output {
                Output::Partial(partial) => partial,
                other => panic!("no partial: {other:?}"),
            }
        })
    }
}

/// Which shard is next, whether its watermark is looked at, whether it is restarted, and which record is repeated.
type Step = (usize, bool, bool, Option<usize>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let repeated = proptest::option::weighted(0.2, 0..200usize);
    proptest::collection::vec((0..4usize, any::<bool>(), proptest::bool::weighted(0.1), repeated), 1..150)
}

/// The log of partials of `shards`, one source each.
fn first_stage(job: &Job, shards: Vec<Vec<Event<'static>>>, steps: &[Step]) -> Vec<BoardPartial> {
    let count = shards.len();
    let mut sources: Vec<Source> =
        shards.into_iter().enumerate().map(|(number, events)| Source::new(job, number, events)).collect();
    let mut log = Vec::new();
    for (pick, is_looked_at, is_restarted, repeated) in steps {
        let source = &mut sources[pick % count];
        let mut out = Vec::new();
        source.read_one(&mut out);
        if *is_looked_at {
            source.shard.advance(&mut out);
        }
        log.extend(source.partials(count, out));
        if *is_restarted {
            let shard = std::mem::replace(&mut source.shard, job.shard());
            source.shard = restarted(job, shard);
        }
        if let Some(repeated) = repeated.and_then(|index| log.get(index)).cloned() {
            log.push(repeated);
        }
    }
    for source in &mut sources {
        let mut out = Vec::new();
        while source.events.len() > 0 {
            source.read_one(&mut out);
        }
        source.shard.advance_to(Timestamp::MAX, &mut out);
        log.extend(source.partials(count, out));
    }
    log
}

/// What the second stage shows that reads the log in so many partitions.
fn second_stage(job: &Job, log: &[BoardPartial], partitions: usize, steps: &[Step]) -> Vec<Output> {
    let mut encoder = Encoder::new(SchemaIds::local());
    let decoder = Decoder::new(SchemaIds::local());
    let mut out = Vec::new();
    for partition in 0..partitions {
        let mut shard = job.shard();
        let is_here = |partial: &&BoardPartial| {
            let board = partial.board.as_ref().filter(|_| partial.kind == PartialKind::Scores);
            board.is_none_or(|board| board.len() % partitions == partition)
        };
        for (offset, partial) in log.iter().filter(is_here).enumerate() {
            let mut bytes = Vec::new();
            encoder.encode(partial, &mut bytes).expect("fits");
            let event = decoder.decode_event(Topic::Partials, &bytes).expect("reads");
            let taken = shard.process(Topic::Partials, offset as i64, at(0), &event, &mut out);
            // The end of the input is after every time that there is.
            let is_end = partial.freshness.as_of == Timestamp::MAX;
            assert!(!taken.is_late && taken.is_clamped <= is_end, "{partial:?}");
            let (_, is_looked_at, is_restarted, _) = steps[offset % steps.len()];
            if is_looked_at {
                shard.advance(&mut out);
            }
            if is_restarted {
                shard = restarted(job, shard);
            }
        }
        shard.advance(&mut out);
    }
    out
}

fn run(
    job: &Job,
    shards: Vec<Vec<Event<'static>>>,
    partitions: usize,
    steps: &[Step],
) -> Vec<LeaderboardResult> {
    let log = first_stage(job, shards, steps);
    shown(second_stage(job.second.as_ref().expect("a second stage"), &log, partitions, steps))
}

/// What is said of an event: channel, user, what happens, and another small number.
type Seed = (u8, u8, u8, u8);

fn events(seeds: &[Seed]) -> Vec<Event<'static>> {
    let mut events: Vec<Event<'static>> = Vec::new();
    for (index, (channel, user, what, other)) in seeds.iter().copied().enumerate() {
        // Each at an instant of its own, some before others that came earlier, by less than the lateness.
        let time = at(index as i64 * 10 + i64::from(other) * 9 + 30);
        let channel = format!("c{channel}");
        let user = format!("{channel}-u{user}");
        let id = format!("{channel}-m{index}");
        if what >= 7 {
            let kind = ReactionKind::SuperChat;
            let mut event = reaction(&id, time, &channel, Some(&user), kind, 1);
            event.amount_micros = Some(i64::from(other) * 1_250_001 + 7);
            event.currency = Some(if what == 8 { "EUR" } else { "USD" }.into());
            events.push(Event::Reaction(event));
            continue;
        }
        let mut event = chat(&id, time, &channel, Some(&user), "x");
        event.user_name = (other > 1).then(|| format!("Name{other}").into());
        event.emotes = vec![emote("LUL", 1), emote(&format!("E{other}"), i32::from(what) + 1)];
        match what {
            5 => {
                event.kind = ChatKind::MessageDeleted;
                let back = index.saturating_sub(1 + usize::from(other) * 4);
                event.target_message_id = Some(format!("{channel}-m{back}").into());
            }
            6 => {
                event.kind = ChatKind::UserBanned;
                event.target_user_id = Some(format!("{channel}-u{other}").into());
            }
            _ => {}
        }
        events.push(Event::Chat(event));
    }
    events
}

fn on_one_channel(event: &Event<'static>) -> Event<'static> {
    let mut event = event.clone();
    match &mut event {
        Event::Chat(event) => event.channel_id = "global".into(),
        Event::Reaction(event) => event.channel_id = "global".into(),
        _ => panic!("no other"),
    }
    event
}

/// The shard of each channel.
fn spread(events: &[Event<'static>], of: &[usize]) -> Vec<Vec<Event<'static>>> {
    let count = of.iter().max().expect("channels") + 1;
    let mut shards = vec![Vec::new(); count];
    for event in events {
        let channel: usize = event.header().channel_id[1..].parse().expect("a number");
        shards[of[channel]].push(event.clone());
    }
    shards
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_board_across_shards_is_that_of_one_shard_with_everything(
        seeds in proptest::collection::vec((0..5u8, 0..4u8, 0..9u8, 0..4u8), 1..120),
        of in proptest::collection::vec(0..4usize, 5),
        partitions in 1..4usize,
        steps in steps(),
    ) {
        let events = events(&seeds);
        let job = across();
        let found = run(&job, spread(&events, &of), partitions, &steps);
        let in_one = run(&job, vec![events.clone()], 1, &[(0, true, false, None)]);
        prop_assert_eq!(&found, &in_one);

        let single = within();
        let mut source = Source::new(&single, 0, events.iter().map(on_one_channel).collect());
        let mut out = Vec::new();
        while source.events.len() > 0 {
            source.read_one(&mut out);
        }
        source.shard.advance_to(Timestamp::MAX, &mut out);
        let expected = shown(out);
        let found: Vec<_> = found.into_iter().filter(|result| result.board != "channels").collect();
        prop_assert_eq!(found, expected);
    }
}

fn message(id: &str, micros: i64, channel: &str) -> Event<'static> {
    Event::Chat(chat(id, at(micros), channel, Some("u"), "x"))
}

fn partials(source: &Source, out: Vec<Output>) -> Vec<BoardPartial> {
    source.partials(2, out).collect()
}

/// The second stage of a board over channels, of two shards.
struct Second {
    shard: Shard,
    offset: i64,
    out: Vec<Output>,
}

impl Second {
    fn hear(&mut self, partials: Vec<BoardPartial>) -> Vec<(i64, String)> {
        for partial in partials {
            self.shard.process(
                Topic::Partials,
                self.offset,
                at(0),
                &Event::Partial(Box::new(partial)),
                &mut self.out,
            );
            self.offset += 1;
        }
        self.shard.advance(&mut self.out);
        let line = |result: LeaderboardResult| {
            let entries = result.entries.iter().map(|entry| format!("{} {}", entry.item, entry.score));
            (result.freshness.as_of.micros(), entries.collect::<Vec<_>>().join(", "))
        };
        shown(std::mem::take(&mut self.out)).into_iter().map(line).collect()
    }
}

fn two_shards() -> (Source, Source, Second) {
    let job = job(&format!("lateness = \"0s\"\n{}", ONLY_ACROSS.replace("50us", "100us")));
    let second = job.second.as_ref().expect("a second stage").shard();
    let sources = (Source::new(&job, 0, Vec::new()), Source::new(&job, 1, Vec::new()));
    (sources.0, sources.1, Second { shard: second, offset: 0, out: Vec::new() })
}

fn read(source: &mut Source, events: Vec<Event<'static>>) -> Vec<BoardPartial> {
    source.events = events.into_iter();
    let mut out = Vec::new();
    while source.events.len() > 0 {
        source.read_one(&mut out);
    }
    source.shard.advance(&mut out);
    partials(source, out)
}

#[test]
fn a_shard_that_is_behind_is_waited_for() {
    let (mut ahead, mut behind, mut second) = two_shards();
    assert!(second.hear(read(&mut ahead, vec![message("a", 10, "x"), message("b", 990, "x")])).is_empty());
    // Of the other shard nothing is known yet.
    assert_eq!(second.shard.watermark(), Timestamp::MIN);
    let caught_up =
        read(&mut behind, vec![message("c", 20, "y"), message("d", 30, "y"), message("e", 130, "y")]);
    assert_eq!(second.hear(caught_up), [(100, "y 2, x 1".to_owned())]);
    assert_eq!(second.shard.watermark(), at(130));
    let caught_up = read(&mut behind, vec![message("f", 460, "y")]);
    let expected = [(200, "y 3, x 1"), (300, "y 3, x 1"), (400, "y 1")];
    assert_eq!(second.hear(caught_up), expected.map(|(tick, line)| (tick, line.to_owned())));
}

#[test]
fn a_shard_without_events_says_so_and_holds_nothing_back_until_it_speaks() {
    let (mut busy, mut quiet, mut second) = two_shards();
    assert!(second.hear(read(&mut busy, vec![message("a", 10, "x"), message("b", 110, "x")])).is_empty());
    quiet.shard.mark_idle(Topic::Chat);
    let mut out = Vec::new();
    quiet.shard.advance(&mut out);
    quiet.shard.advance(&mut out);
    let told = partials(&quiet, out);
    assert_eq!(told.iter().map(|partial| partial.kind).collect::<Vec<_>>(), [PartialKind::Idle]);
    assert_eq!(second.hear(told), [(100, "x 1".to_owned())]);
    // It speaks: its past is late where windows have closed, and from now on it is waited for.
    let spoken = read(&mut quiet, vec![message("c", 50, "y"), message("d", 150, "y")]);
    assert!(second.hear(spoken).is_empty());
    assert!(second.hear(read(&mut busy, vec![message("e", 350, "x")])).is_empty());
    let spoken = read(&mut quiet, vec![message("f", 320, "y")]);
    let expected = [(200, "x 2, y 2"), (300, "x 2, y 2")];
    assert_eq!(second.hear(spoken), expected.map(|(tick, line)| (tick, line.to_owned())));
}

/// Each shard's channels say something in every tick; one shard stops.
#[test]
fn a_shard_is_waited_for_as_long_as_what_waits_for_it_fits() {
    let job = job(&format!(
        "lateness = \"0s\"\n{}retract = false\nentries_max = 1000\n",
        ONLY_ACROSS.replace("50us", "100us")
    ));
    let said = |channels: usize, ticks: std::ops::Range<i64>, prefix: &str| -> Vec<Event<'static>> {
        let mut events = Vec::new();
        for tick in ticks {
            for channel in 0..channels {
                let id = format!("{prefix}{tick}/{channel}");
                events.push(message(&id, tick * 100 + 10, &format!("{prefix}{channel}")));
            }
        }
        events
    };
    let (mut ahead, mut behind) = (Source::new(&job, 0, Vec::new()), Source::new(&job, 1, Vec::new()));
    let mut log = read(&mut behind, said(1, 0..2, "b"));
    log.extend(read(&mut ahead, said(200, 0..12, "a")));
    log.extend(read(&mut behind, said(1, 2..12, "b")));
    let run = |is_looked_at: &dyn Fn(usize) -> bool| {
        let mut shard = job.second.as_ref().expect("a second stage").shard();
        let (mut out, mut most, mut watermarks) = (Vec::new(), 0, Vec::new());
        for (offset, partial) in log.iter().cloned().enumerate() {
            let event = Event::Partial(Box::new(partial));
            shard.process(Topic::Partials, offset as i64, at(0), &event, &mut out);
            if is_looked_at(offset) {
                shard.advance(&mut out);
                most = most.max(shard.size().pending);
                watermarks.push(shard.watermark().micros());
            }
        }
        shard.advance(&mut out);
        (shown(out), most, watermarks, shard.size().forgotten)
    };
    let (shown, most, watermarks, forgotten) = run(&|_| true);
    // The other's clock stands at 100. Five ticks fit; each further one sends time on by one.
    assert_eq!(most, 1_000);
    assert_eq!(watermarks.iter().filter(|micros| **micros < 700).max(), Some(&600));
    // What it then tells of the panes from 100, 200 and 300 on was in windows that ended at 600 or before.
    assert_eq!(forgotten, 3);
    let counts: Vec<(i64, i64)> =
        shown.iter().map(|result| (result.freshness.as_of.micros(), result.item_count)).collect();
    let of_both = [100, 200, 300].into_iter().chain((700..1_200).step_by(100));
    let mut expected: Vec<(i64, i64)> = of_both.map(|tick| (tick, 201)).collect();
    expected.extend([(400, 200), (500, 200), (600, 200)]);
    expected.sort_unstable();
    assert_eq!(counts, expected);
    for every in [3, 7, 1_000] {
        let (again, ..) = run(&|offset| offset % every == 0);
        assert_eq!(again, shown, "however often time is looked at");
    }
}

#[test]
fn the_label_that_became_visible_last_is_shown_whoever_is_read_first() {
    let job = job(&format!(
        "lateness = \"0s\"\n{}",
        ONLY_ACROSS.replace("item = \"channel\"", "item = \"user\"\n    group = \"global\"")
    ));
    let named = |id: &str, micros: i64, channel: &str, name: &str| {
        let mut event = chat(id, at(micros), channel, Some("u"), "x");
        event.user_name = Some(name.to_owned().into());
        Event::Chat(event)
    };
    let mut first = Source::new(&job, 0, Vec::new());
    let mut second = Source::new(&job, 1, Vec::new());
    let last = [named("a", 10, "x", "Early"), named("b", 30, "x", "Last"), named("c", 60, "x", "Later")];
    let first = read(&mut first, last.to_vec());
    let second = read(&mut second, vec![named("d", 20, "y", "Middle"), named("e", 60, "y", "Later")]);
    for log in [[first.clone(), second.clone()].concat(), [second, first].concat()] {
        let shown = shown(second_stage(
            job.second.as_ref().expect("a second stage"),
            &log,
            1,
            &[(0, true, false, None)],
        ));
        assert_eq!(shown.len(), 1);
        assert_eq!((&*shown[0].entries[0].label, shown[0].item_count), ("Last", 1));
    }
}

#[test]
fn what_another_job_tells_is_none_of_its_business() {
    let (mut one, mut other, mut second) = two_shards();
    second.hear(read(&mut one, vec![message("a", 10, "x"), message("b", 110, "x")]));
    let mut foreign = read(&mut other, vec![message("c", 20, "y"), message("d", 210, "y")]);
    foreign.iter_mut().for_each(|partial| partial.freshness.job = "another".to_owned());
    assert!(second.hear(foreign).is_empty());
    assert_eq!(second.shard.watermark(), Timestamp::MIN);
}

#[test]
fn a_tick_with_many_items_is_told_in_parts() {
    let job =
        job(&ONLY_ACROSS.replace("[[boards]]", "lateness = \"0s\"\n[[boards]]").replace("k = 3", "k = 1"));
    let name = "n".repeat(1_000);
    let mut events: Vec<Event<'static>> =
        (0..2_000).map(|index| message(&format!("m{index}"), 10, &format!("{name}{index}"))).collect();
    events.push(message("last", 100, "z"));
    let log = first_stage(&job, vec![events], &[(0, false, false, None)]);
    let parts: Vec<&BoardPartial> = log
        .iter()
        .filter(|partial| partial.kind == PartialKind::Scores && partial.freshness.as_of == at(50))
        .collect();
    assert_eq!(parts.iter().map(|partial| partial.scores.len()).sum::<usize>(), 2_000);
    assert!(parts.len() >= 4);
    for part in parts {
        let mut bytes = Vec::new();
        Encoder::new(SchemaIds::local()).encode(part, &mut bytes).expect("fits");
        assert!(bytes.len() < 700_000, "{}", bytes.len());
    }
    let shown =
        shown(second_stage(job.second.as_ref().expect("a second stage"), &log, 1, &[(0, true, false, None)]));
    assert_eq!(shown[0].item_count, 2_000);
}
