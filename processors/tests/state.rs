//! State: saved at any step, restored into a new shard, and continued, a shard behaves and is saved as if nothing had been.
//!
//! Always holds: increments are really used: a chunk that the store has is not written again.

mod common;

use std::collections::BTreeMap;

use common::{Partition, at, chat, emote, job, reaction, run, trade, viewer};
use processors::{Chunk, Job, Output, Shard, Taken};
use proptest::prelude::*;
use schemas::{Aggressor, ChatKind, Event, ReactionKind, Timestamp, Topic, ViewerKind};

const CHANNELS: &str = "
lateness = '7us'
dedup_for = '160us'
[[boards]]
name = 'rolling board'
source = 'chat'
item = 'user'
window = { kind = 'rolling', length = '40us', slide = '10us' }
k = 2
emit_every = '5us'
[[boards]]
name = 'tumbling'
source = 'chat'
item = 'emote'
window = { kind = 'tumbling', length = '30us' }
k = 3
emit_every = '10us'
[[boards]]
name = 'all'
source = 'reactions'
item = 'user'
window = { kind = 'all_time' }
k = 3
emit_every = '4us'
[[boards]]
name = 'session'
source = 'chat'
item = 'emote'
score = 'distinct_users'
window = { kind = 'session', gap = '13us' }
k = 2
emit_every = '5us'
[[boards]]
name = 'growing'
source = 'chat'
item = 'emote'
score = { growth = { before = '40us', minimum = 1 } }
window = { kind = 'rolling', length = '20us', slide = '10us' }
k = 2
emit_every = '5us'
[[boards]]
name = 'kept messages'
source = 'chat'
item = 'emote'
window = { kind = 'all_time' }
retract = true
k = 2
emit_every = '5us'
[[boards]]
name = 'rolling users'
source = 'reactions'
item = 'reaction'
score = 'distinct_users'
window = { kind = 'rolling', length = '40us', slide = '10us' }
k = 2
emit_every = '5us'
[[boards]]
name = 'polls'
source = 'reactions'
item = 'poll_option'
score = 'votes'
window = { kind = 'rolling', length = '60us', slide = '20us' }
k = 2
emit_every = '5us'
[[boards]]
name = 'largest'
source = 'reactions'
item = 'reaction'
score = { largest = 'count' }
window = { kind = 'rolling', length = '30us', slide = '10us' }
k = 2
emit_every = '10us'
[[boards]]
name = 'money'
source = 'reactions'
item = 'user'
group = ['channel', 'currency']
score = { sum = 'money' }
window = { kind = 'session', gap = '3us' }
k = 2
emit_every = '5us'
[[boards]]
name = 'fixed'
source = 'chat'
item = 'user'
window = { kind = 'fixed', from = '1970-01-01T00:00:00.000004Z', to = '1970-01-01T00:00:00.000083Z' }
k = 2
emit_every = '5us'
[[boards]]
name = 'calendar'
source = 'chat'
item = 'user'
window = { kind = 'calendar', unit = 'day', time_zone = 'Europe/London' }
k = 2
emit_every = '20us'
[engagement]
window = '30us'
emit_every = '5us'
heartbeat_timeout = '25us'
retention_ages = ['10us', '45us']
distinct_max = 3
messages_max = 6
sessions_max = 4
[moderation.repeated_text]
within = '40us'
count = 2
min_length = 3
";

const MARKETS: &str = "
lateness = '300ms'
dedup_for = '2s'
[candles]
intervals = ['1s', '2s', '5s']
emit_every = '1s'
spike_candles = 2
spike_factor = 2
[[boards]]
name = 'traders'
source = 'trades'
item = 'user'
window = { kind = 'rolling', length = '4s', slide = '1s' }
k = 3
[[boards]]
name = 'trades'
source = 'trades'
item = 'trade'
score = { largest = 'notional' }
window = { kind = 'rolling', length = '4s', slide = '1s' }
k = 3
[[boards]]
name = 'sides'
source = 'trades'
item = 'aggressor'
score = { sum = 'quantity' }
window = { kind = 'session', gap = '700ms' }
k = 3
";

/// A store of one shard's snapshot.
#[derive(Clone, Default)]
struct Store {
    chunks: BTreeMap<String, (u64, Vec<u8>)>,
    written_bytes: usize,
}

impl Store {
    fn knows(&self, name: &str, version: u64) -> bool {
        self.chunks.get(name).is_some_and(|(known, _)| *known == version)
    }

    fn save(&mut self, shard: &mut Shard) -> Vec<Chunk> {
        let chunks = shard.save(&|name, version| self.knows(name, version));
        let mut next = BTreeMap::new();
        self.written_bytes = 0;
        for chunk in &chunks {
            assert!(
                chunk.name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c)),
                "{}",
                chunk.name
            );
            let bytes = match &chunk.bytes {
                Some(bytes) => {
                    assert!(!self.knows(&chunk.name, chunk.version), "{} is written again", chunk.name);
                    self.written_bytes += bytes.len();
                    bytes.clone()
                }
                None => {
                    let (version, bytes) = &self.chunks[&chunk.name];
                    assert_eq!(*version, chunk.version, "{}", chunk.name);
                    bytes.clone()
                }
            };
            assert!(
                next.insert(chunk.name.clone(), (chunk.version, bytes)).is_none(),
                "{} twice",
                chunk.name
            );
        }
        self.chunks = next;
        chunks
    }

    fn all(&self) -> Vec<Chunk> {
        let chunk = |(name, (version, bytes)): (&String, &(u64, Vec<u8>))| Chunk {
            name: name.clone(),
            version: *version,
            bytes: Some(bytes.clone()),
        };
        self.chunks.iter().map(chunk).collect()
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Feed(usize),
    Advance,
    MarkIdle(usize),
    Clock(i64),
    Save,
    /// The store loses what it is given.
    SaveInVain,
    Restore,
}

/// What a run shows at one step.
#[derive(Debug, PartialEq)]
enum Shown {
    Taken(Taken),
    Saved(Vec<Chunk>),
    Nothing,
}

#[derive(Debug, PartialEq)]
struct Ran {
    steps: Vec<(Shown, Vec<Output>)>,
    last: Vec<Output>,
    full_save: Vec<Chunk>,
    size: processors::StateSize,
}

/// `saves`: whether to save at all; `restores`: whether to go on in a new shard.
fn play(job: &Job, partitions: &[Partition], steps: &[Step], saves: bool, restores: bool) -> Ran {
    let mut shard = job.shard();
    let mut store = Store::default();
    let mut next = vec![0; partitions.len()];
    let mut shown = Vec::new();
    for step in steps {
        let mut out = Vec::new();
        let what = match *step {
            Step::Feed(index) => {
                let index = index % partitions.len();
                let (topic, events) = &partitions[index];
                let offset = next[index];
                next[index] += 1;
                events.get(offset).map_or(Shown::Nothing, |event| {
                    let ingest_time = event.header().ingest_time;
                    Shown::Taken(shard.process(*topic, offset as i64, ingest_time, event, &mut out))
                })
            }
            Step::Advance => {
                shard.advance(&mut out);
                Shown::Nothing
            }
            Step::MarkIdle(index) => {
                shard.mark_idle(partitions[index % partitions.len()].0);
                Shown::Nothing
            }
            Step::Clock(micros) => {
                if shard.is_idle() {
                    shard.advance_to(shard.watermark().plus_micros(micros), &mut out);
                }
                Shown::Nothing
            }
            Step::Save if saves => Shown::Saved(in_order(store.save(&mut shard))),
            Step::SaveInVain if saves => Shown::Saved(in_order(store.clone().save(&mut shard))),
            Step::Restore if saves => {
                let chunks = store.save(&mut shard);
                if restores {
                    shard = job.shard();
                    shard.restore(store.all()).expect("what was saved can be restored");
                }
                Shown::Saved(in_order(chunks))
            }
            _ => Shown::Nothing,
        };
        shown.push((what, out));
    }
    let size = shard.size();
    let full_save = if saves { in_order(shard.save(&|_, _| false)) } else { Vec::new() };
    let mut last = Vec::new();
    shard.advance_to(Timestamp::MAX, &mut last);
    Ran { steps: shown, last, full_save, size }
}

/// The chunks, with the entries of bases in the order of their keys: they are written as they come.
fn in_order(mut chunks: Vec<Chunk>) -> Vec<Chunk> {
    for chunk in chunks.iter_mut().filter(|chunk| chunk.name.contains("/base.")) {
        let Some(bytes) = &chunk.bytes else { continue };
        let mut entries = entries(bytes);
        entries.sort();
        let bytes =
            entries.into_iter().flat_map(|(key, value)| [key, vec![0xff], value, vec![0xff]].concat());
        chunk.bytes = Some(bytes.collect());
    }
    chunks
}

/// Keys and values: of a key how much it shares with the one before, the length of the rest and that; the length of the value and one, and that.
fn entries(mut bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    fn take<'b>(bytes: &mut &'b [u8], len: usize) -> &'b [u8] {
        let (taken, rest) = bytes.split_at(len);
        *bytes = rest;
        taken
    }
    let number = |bytes: &mut &[u8]| {
        let len = bytes.iter().take_while(|byte| **byte >= 0x80).count() + 1;
        let digits = take(bytes, len).iter().rev();
        digits.fold(0, |number, digit| (number << 7) | usize::from(digit & 0x7f))
    };
    let (mut entries, mut key) = (Vec::new(), Vec::new());
    while !bytes.is_empty() {
        key.truncate(number(&mut bytes));
        let len = number(&mut bytes);
        key.extend_from_slice(take(&mut bytes, len));
        let len = number(&mut bytes) - 1;
        entries.push((key.clone(), take(&mut bytes, len).to_vec()));
    }
    entries
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        30 => (0..4usize).prop_map(Step::Feed),
        8 => Just(Step::Advance),
        2 => (0..4usize).prop_map(Step::MarkIdle),
        2 => (1..60i64).prop_map(Step::Clock),
        4 => Just(Step::Save),
        1 => Just(Step::SaveInVain),
        3 => Just(Step::Restore),
    ];
    proptest::collection::vec(step, 0..250)
}

/// Steps of time, mostly forward; some events come again.
fn times(unit: i64) -> impl Strategy<Value = Vec<(i64, u8, u8, u8)>> {
    let step = prop_oneof![5 => 0..4i64, 2 => -15..0i64, 1 => 5..60i64];
    let step = step.prop_map(move |step| step * unit);
    proptest::collection::vec((step, 0..4u8, 0..6u8, 0..12u8), 0..80)
}

fn events<'a>(
    seeds: &'a [(i64, u8, u8, u8)],
    make: impl Fn(&str, Timestamp, u8, u8, u8) -> Event<'static> + 'a,
) -> Vec<Event<'static>> {
    let mut time = 0;
    let mut events: Vec<Event<'static>> = Vec::new();
    for (index, (step, a, b, c)) in seeds.iter().enumerate() {
        time += step;
        // Some repeat what came before.
        let again = (*c == 11 && index > 2).then(|| events[index - 1 - usize::from(*b) % 2].clone());
        events.push(again.unwrap_or_else(|| make(&format!("e{index}"), at(time), *a, *b, *c)));
    }
    events
}

fn channel_partitions(unit: i64) -> impl Strategy<Value = Vec<Partition>> {
    (times(unit), times(unit), times(unit)).prop_map(|(chats, reactions, viewers)| {
        let channel = |a: u8| ["a", "b", "channel c", "d\0d"][usize::from(a)];
        let user = |b: u8| ["u0", "u1", "ü2", "u3\0", "u4"].get(usize::from(b)).copied();
        let chats = events(&chats, |id, time, a, b, c| {
            let mut event =
                chat(id, time, channel(a), user(b), ["hello you", "what else"][usize::from(c % 2)]);
            event.kind = match c {
                7 => ChatKind::MessageDeleted,
                8 => {
                    [ChatKind::UserBanned, ChatKind::ChatCleared, ChatKind::UserTimedOut][usize::from(b % 3)]
                }
                _ => ChatKind::Message,
            };
            event.target_message_id = Some(format!("e{}", time.micros() % 40).into());
            event.target_user_id = Some(["u0", "u1", "ü2"][usize::from(b % 3)].into());
            event.user_name = (c % 3 == 0).then(|| format!("Name{c}").into());
            event.emotes =
                vec![emote("LUL", 1), emote(["Kappa", "Pog"][usize::from(b % 2)], i32::from(c) + 1)];
            let number: usize = id[1..].parse().expect("a number");
            match c {
                7 => {
                    event.kind = ChatKind::MessageDeleted;
                    event.target_message_id =
                        Some(format!("e{}", number.saturating_sub(1 + usize::from(b))).into());
                }
                8 => {
                    event.kind = ChatKind::UserBanned;
                    event.target_user_id = user(b % 5).map(Into::into);
                }
                9 if b == 0 => event.kind = ChatKind::ChatCleared,
                _ => {}
            }
            Event::Chat(event)
        });
        let reactions = events(&reactions, |id, time, a, b, c| {
            use ReactionKind::{Cheer, Emoji, PollVote, Raid};
            let kind = [Emoji, Cheer, Raid, PollVote, PollVote][usize::from(c % 5)];
            let mut event = reaction(id, time, channel(a), user(b), kind, i64::from(c) + 1);
            event.amount_micros = (c % 4 == 0).then_some(5);
            event.currency = (c % 4 == 0).then(|| if c == 8 { "USD".into() } else { "EUR".into() });
            event.target_id = Some("poll/1".into());
            event.option = Some(["yes", "no"][usize::from(c % 2)].into());
            Event::Reaction(event)
        });
        let viewers = events(&viewers, |id, time, a, b, c| {
            let kind = [ViewerKind::Join, ViewerKind::Heartbeat, ViewerKind::Leave, ViewerKind::Quality];
            let kind = kind[usize::from(c % 4)];
            let mut event = viewer(id, time, channel(a), kind, &format!("s{b}"));
            event.user_id = (b % 2 == 0).then(|| format!("u{b}").into());
            event.watch_ms = 3;
            event.startup_ms = (c % 3 == 0).then(|| i64::from(b) * 100);
            event.live_latency_ms = (c % 3 == 1).then(|| i64::from(c) * 50);
            event.bitrate_kbps = (c % 2 == 0).then_some(5);
            Event::Viewer(event)
        });
        vec![(Topic::Chat, chats), (Topic::Reactions, reactions), (Topic::Viewers, viewers)]
    })
}

/// Seconds apart, or half days, so that markets are forgotten.
fn market_partitions(unit: i64) -> impl Strategy<Value = Vec<Partition>> {
    prop_oneof![3 => times(unit), 1 => times(43_200_000_000)].prop_map(|trades| {
        let trades = events(&trades, |id, time, a, b, c| {
            let market = ("v", ["x", "y", "z", "w"][usize::from(a)]);
            let side = [Aggressor::Buy, Aggressor::Sell, Aggressor::Unknown][usize::from(c % 3)];
            let trade_id = (b < 5).then(|| i64::from(b) * 7);
            let mut event = trade(id, time, market, trade_id, &format!("{}.5", b + 1), &format!("{c}"), side);
            event.user_id = Some(format!("u{b}").into());
            Event::Trade(event)
        });
        vec![(Topic::Trades, trades)]
    })
}

/// Where two steps part, in a few words.
fn difference(left: &(Shown, Vec<Output>), right: &(Shown, Vec<Output>)) -> String {
    let text = match (&left.0, &right.0) {
        (Shown::Saved(left), Shown::Saved(right)) => {
            let names = |chunks: &[Chunk]| -> Vec<_> {
                chunks
                    .iter()
                    .map(|chunk| (chunk.name.clone(), chunk.version, chunk.bytes.is_some()))
                    .collect()
            };
            let parted = left.iter().zip(right).find(|(left, right)| left != right);
            let rest = |chunk: &Chunk, other: &Chunk| -> Option<Vec<u8>> {
                let (bytes, others) = (chunk.bytes.as_ref()?, other.bytes.as_ref()?);
                let same = bytes.iter().zip(others).take_while(|(byte, other)| byte == other).count();
                Some(bytes[same..].to_vec())
            };
            let parted = parted.map(|(left, right)| (&left.name, rest(left, right), rest(right, left)));
            format!("{parted:?} among {:?} and {:?}", names(left), names(right))
        }
        (left_shown, right_shown) if left_shown == right_shown => {
            let parted = left.1.iter().zip(&right.1).find(|(left, right)| left != right);
            format!("{parted:?} among {} and {}", left.1.len(), right.1.len())
        }
        (left_shown, right_shown) => format!("{left_shown:?} and {right_shown:?}"),
    };
    text.chars().take(4_000).collect()
}

fn check(toml: &str, partitions: &[Partition], steps: &[Step]) -> Result<(), TestCaseError> {
    let job = job(toml);
    let undisturbed = play(&job, partitions, steps, true, false);
    let restored = play(&job, partitions, steps, true, true);
    for (step, (left, right)) in undisturbed.steps.iter().zip(&restored.steps).enumerate() {
        prop_assert!(left == right, "step {}: {:?}: {}", step, steps[step], difference(left, right));
    }
    let saves = [&undisturbed, &restored].map(|played| (Shown::Saved(played.full_save.clone()), Vec::new()));
    prop_assert!(saves[0] == saves[1], "the full saves differ: {}", difference(&saves[0], &saves[1]));
    prop_assert!(undisturbed.last == restored.last, "the last records differ");
    prop_assert_eq!(undisturbed.size, restored.size);
    let unsaved = play(&job, partitions, steps, false, false);
    for (step, (left, right)) in undisturbed.steps.iter().zip(&unsaved.steps).enumerate() {
        prop_assert!(left.1 == right.1, "saving changed the records of step {}", step);
    }
    prop_assert!(undisturbed.last == unsaved.last, "saving changed the last records");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn channels_go_on_as_if_nothing_had_been(partitions in channel_partitions(1), steps in steps()) {
        check(CHANNELS, &partitions, &steps)?;
    }

    /// In seconds a tick is several slices of event time, and what was saved between two of them goes on too.
    #[test]
    fn channels_go_on_between_two_slices(partitions in channel_partitions(1_000_000), steps in steps()) {
        check(&CHANNELS.replace("us'", "s'"), &partitions, &steps)?;
    }

    #[test]
    fn markets_go_on_between_two_slices(partitions in market_partitions(1_000_000), steps in steps()) {
        let toml = MARKETS.replace("emit_every = '1s'", "emit_every = '5s'").replace("k = 3", "k = 3\nemit_every = '4s'");
        check(&toml.replace("'1s', '2s', '5s'", "'1s', '5s', '10s'").replace("slide = '1s'", "slide = '4s'"), &partitions, &steps)?;
    }

    #[test]
    fn markets_go_on_as_if_nothing_had_been(partitions in market_partitions(100_000), steps in steps()) {
        check(MARKETS, &partitions, &steps)?;
    }

    #[test]
    fn duplicates_change_nothing(
        partitions in channel_partitions(1),
        repeats in proptest::collection::vec((any::<prop::sample::Index>(), 0..20usize), 0..40),
        schedules in proptest::collection::vec(proptest::collection::vec(0..6u8, 0..120), 2),
    ) {
        let job = job(&CHANNELS.replace("dedup_for = '160us'", ""));
        let expected = run(&job, &partitions, &[]).outputs;
        let mut repeated = partitions;
        for (place, later) in repeats {
            let events = &mut repeated[later % 3].1;
            if !events.is_empty() {
                let index = place.index(events.len());
                let event = events[index].clone();
                let to = (index + 1 + later).min(events.len());
                events.insert(to, event);
            }
        }
        for schedule in schedules {
            // Flags go out when they are read, so that their order is that of the interleaving.
            let sorted = |outputs: &[Output]| {
                let mut flags = Vec::new();
                let mut others = Vec::new();
                for output in outputs {
                    match output {
                        Output::Flag(flag) => flags.push(flag.clone()),
                        other => others.push(other.clone()),
                    }
                }
                others.sort_by_key(|output| (output.clone().freshness_mut().as_of, output.topic(), output.key()));
                (flags, others)
            };
            let ran = run(&job, &repeated, &schedule);
            prop_assert_eq!(sorted(&ran.outputs), sorted(&expected));
        }
    }
}

/// A shard that has heard every user once, `step` microseconds apart.
fn filled(toml: &str, users: usize, step: i64) -> (Job, Shard) {
    let job = job(toml);
    let mut shard = job.shard();
    let mut out = Vec::new();
    for index in 0..users {
        let user = format!("user{index}");
        let event =
            Event::Chat(chat(&format!("m{index}"), at(index as i64 * step), "a", Some(&user), "hello you"));
        shard.process(Topic::Chat, index as i64, at(index as i64 * step), &event, &mut out);
    }
    let end = at(users as i64 * step + 2);
    let anonymous = Event::Chat(chat("last", end, "a", None, "hello you"));
    shard.process(Topic::Chat, users as i64, end, &anonymous, &mut out);
    shard.advance(&mut out);
    (job, shard)
}

const ONE_BOARD: &str = "lateness = '0s'\ndedup_for = '0s'\n[[boards]]\nname = 'b'\nsource = 'chat'\nitem = 'user'\nk = 3\nemit_every = '1us'\n";

#[test]
fn a_save_writes_what_changed_and_not_the_whole() {
    for window in ["{ kind = 'all_time' }", "{ kind = 'tumbling', length = '1s' }"] {
        let (job, mut shard) = filled(&format!("{ONE_BOARD}window = {window}"), 20_000, 1);
        let mut store = Store::default();
        store.save(&mut shard);
        assert!(store.written_bytes > 150_000, "{}", store.written_bytes);
        let mut most = 0;
        let mut total = 0;
        for round in 0..200i64 {
            let mut out = Vec::new();
            for index in 0..10 {
                let (offset, time) = (20_001 + round * 10 + index, at(20_003 + round));
                let user = format!("user{}", (round * 7 + index * 13) % 20_000);
                let event = Event::Chat(chat(&format!("n{offset}"), time, "a", Some(&user), "hello you"));
                shard.process(Topic::Chat, offset, time, &event, &mut out);
            }
            shard.advance(&mut out);
            store.save(&mut shard);
            assert!(store.chunks.len() < 60, "{} chunks", store.chunks.len());
            most = most.max(store.written_bytes);
            total += store.written_bytes;
        }
        assert!(
            most < 100_000 && total / 200 < 6_000,
            "{window}: at most {most}, on average {}",
            total / 200
        );
        store.save(&mut shard);
        assert_eq!(store.written_bytes, 0, "nothing changed, nothing is written");
        let mut again = job.shard();
        again.restore(store.all()).expect("restored");
        assert_eq!(again.query("b", "a"), shard.query("b", "a"));
        assert_eq!(again.size(), shard.size());
    }
}

#[test]
fn a_large_base_is_cut_and_a_lost_one_is_written_again() {
    let (_, mut shard) = filled(&format!("{ONE_BOARD}window = {{ kind = 'all_time' }}"), 400_000, 0);
    let mut store = Store::default();
    store.save(&mut shard);
    assert!(store.chunks.keys().filter(|name| name.contains("items/base")).count() > 1);
    assert!(store.chunks.values().all(|(_, bytes)| bytes.len() < 3 << 20));
    store.chunks.remove("board.b/items/base.1");
    store.save(&mut shard);
    assert!(store.written_bytes > 2 << 20);
}

#[test]
fn what_is_missing_foreign_or_broken_is_refused() {
    let toml = CHANNELS.replace("160us", "1s");
    let (job, mut shard) = filled(&toml, 200, 1);
    shard.mark_idle(Topic::Reactions);
    shard.mark_idle(Topic::Viewers);
    shard.advance(&mut Vec::new());
    let mut store = Store::default();
    store.save(&mut shard);
    let whole = store.all();
    assert!(job.shard().restore(whole.clone()).is_ok());
    for index in 0..whole.len() {
        let name = whole[index].name.clone();
        let mut chunks = whole.clone();
        chunks.remove(index);
        assert_eq!(job.shard().restore(chunks).expect_err("it is missing").chunk, name);
        let mut chunks = whole.clone();
        chunks[index].bytes = None;
        assert_eq!(job.shard().restore(chunks).expect_err("it has no bytes").chunk, name);
        let bytes = whole[index].bytes.clone().expect("bytes");
        for len in (0..bytes.len()).step_by(1 + bytes.len() / 50) {
            let mut chunks = whole.clone();
            chunks[index].bytes = Some(bytes[..len].to_vec());
            // A run that is cut between two of its entries is a run; the store's checksums tell.
            if !name.contains("/base.") && !name.contains("/run.") {
                assert!(job.shard().restore(chunks).is_err(), "{name} cut at {len}");
            } else {
                let _either = job.shard().restore(chunks);
            }
            let mut chunks = whole.clone();
            let mut broken = bytes.clone();
            broken[len] ^= 0x55;
            chunks[index].bytes = Some(broken);
            let _either = job.shard().restore(chunks);
        }
    }
    let mut chunks = whole.clone();
    chunks.push(Chunk { name: "board.other/head".into(), version: 1, bytes: Some(Vec::new()) });
    assert_eq!(job.shard().restore(chunks).expect_err("it is foreign").chunk, "board.other/head");
    assert!(common::job(ONE_BOARD_ALL).shard().restore(whole).is_err());
}

const ONE_BOARD_ALL: &str = "lateness = '0s'\n[[boards]]\nname = 'b'\nsource = 'chat'\nitem = 'user'\nk = 3\nwindow = { kind = 'all_time' }\n";

#[test]
fn an_external_raise_is_told_and_can_be_repeated() {
    let job = job(CHANNELS);
    let message = |id: &str, micros: i64| Event::Chat(chat(id, at(micros), "a", Some("u"), "hello you"));
    let mut shard = job.shard();
    let mut out = Vec::new();
    for topic in [Topic::Chat, Topic::Reactions, Topic::Viewers] {
        shard.mark_idle(topic);
    }
    let first = shard.process(Topic::Chat, 0, at(10), &message("m0", 10), &mut out);
    assert_eq!(first.raised_to, None);
    shard.mark_idle(Topic::Chat);
    shard.advance_to(at(500), &mut out);
    assert!(shard.process(Topic::Chat, 1, at(10), &message("m0", 10), &mut out).is_duplicate);
    let second = shard.process(Topic::Chat, 2, at(20), &message("m1", 20), &mut out);
    assert_eq!(
        (second.raised_to, second.is_late),
        (Some(at(500)), false),
        "moderation looks at it all the same"
    );
    let third = shard.process(Topic::Chat, 3, at(20), &message("m2", 20), &mut out);
    assert_eq!(third.raised_to, None);
    // Again, from the log: without a clock.
    let mut again = job.shard();
    again.process(Topic::Chat, 0, at(10), &message("m0", 10), &mut out);
    again.process(Topic::Chat, 1, at(10), &message("m0", 10), &mut out);
    again.raise(Topic::Chat, at(500));
    assert_eq!(again.process(Topic::Chat, 2, at(20), &message("m1", 20), &mut out), second);
    assert_eq!(again.process(Topic::Chat, 3, at(20), &message("m2", 20), &mut out), third);
}

#[test]
fn live_state_can_be_asked_for() {
    let (_, mut shard) = filled(CHANNELS, 104, 1);
    for topic in [Topic::Reactions, Topic::Viewers] {
        shard.mark_idle(topic);
    }
    let mut out = Vec::new();
    shard.advance(&mut out);
    let shown = out.iter().rev().find_map(|output| match output {
        Output::Leaderboard(board) if board.board == "rolling board" => Some(board.clone()),
        _ => None,
    });
    let shown = shown.expect("a board");
    let asked = shard.query("rolling board", "a").expect("a board");
    assert_eq!(asked.freshness.as_of, shown.freshness.as_of);
    assert_eq!(
        (asked.revision, asked.item_count, asked.window_end),
        (shown.revision, shown.item_count, shown.window_end)
    );
    let places = |board: &schemas::LeaderboardResult| -> Vec<_> {
        board.entries.iter().map(|entry| (entry.rank, entry.item.clone(), entry.score)).collect()
    };
    assert_eq!(places(&asked), places(&shown));
    assert!(!asked.is_final);
    assert_eq!(shard.query("rolling board", "b"), None);
    assert_eq!(shard.query("no such board", "a"), None);
    assert!(!shard.query_engagement("a").expect("a channel").is_final);
    assert_eq!(shard.query_engagement("b"), None);
    let size = shard.size();
    assert!(
        size.groups >= 2 && size.items > 0 && size.pending > 0 && size.bytes_estimate > 10_000,
        "{size:?}"
    );
}

/// A candle that changed since its last record is shown at the next tick, though nothing more comes of its market.
#[test]
fn a_candle_that_is_due_is_due_after_a_restart() {
    let job = job("lateness = '0s'\n[candles]\nintervals = ['10s']\nemit_every = '5s'\n");
    let mut shard = job.shard();
    let mut out = Vec::new();
    for (offset, micros) in [1_000_000, 2_500_000].into_iter().enumerate() {
        let event = trade(&format!("e{offset}"), at(micros), ("v", "x"), None, "1", "1", Aggressor::Buy);
        shard.process(Topic::Trades, offset as i64, at(micros), &Event::Trade(event), &mut out);
        shard.advance(&mut out);
    }
    let mut restored = job.shard();
    let mut store = Store::default();
    store.save(&mut shard);
    restored.restore(store.all()).expect("what was saved can be restored");
    restored.advance_to(at(6_000_000), &mut out);
    let [Output::Candle(candle)] = &out[..] else { panic!("one record, not {out:?}") };
    assert_eq!((candle.freshness.as_of, candle.trade_count), (at(5_000_000), 2));
}
