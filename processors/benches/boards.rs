//! Leaderboards through the driver: how many events a second one core takes in, by how many keys there are.
//!
//! `cargo bench -p processors --bench boards`. `keys` counts messages of so many users of a thousand channels in a
//! rolling window that has them all; `kinds` runs boards of each kind over the same reactions. `one_channel` fills one channel with so many users and
//! then measures what a tick costs in which a hundred of them change: it follows the users that change and the k places that are
//! shown, and the number of users only by its logarithm. Every record that a job would publish is made, and dropped.
//!
//! Does not know: Kafka, and what decoding and encoding cost.

use divan::Bencher;
use divan::counter::ItemsCount;
use processors::{Driver, Job, JobConfig};
use schemas::{ChatEvent, ChatKind, Event, ReactionEvent, ReactionKind, Timestamp, Topic};

const EVENTS: usize = 1_000_000;
const EVENTS_PER_SECOND: i64 = 50_000;
const START: i64 = 1_700_000_000_000_000;
/// Users that change in a tick of `one_channel`.
const CHANGED: usize = 100;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

fn job(board: &str) -> Job {
    let toml = format!("lateness = '2s'\ndedup_for = '0s'\n[[boards]]\nname = 'board'\n{board}\n");
    let config: JobConfig = toml::from_str(&toml).expect("well formed");
    config.validate("boards").expect("valid")
}

/// Numbers below what is asked for, the same in every run.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % below
    }
}

fn message(number: usize, time: i64, channel: usize, user: usize) -> Event<'static> {
    Event::Chat(ChatEvent {
        event_id: format!("twitch:{number}").into(),
        event_time: Timestamp::from_micros(time),
        ingest_time: Timestamp::from_micros(time),
        source: "twitch".into(),
        channel_id: format!("twitch:{channel}").into(),
        user_id: Some(format!("twitch:{user}").into()),
        stream_id: None,
        kind: ChatKind::Message,
        user_name: None,
        text: Some("hello".into()),
        emotes: Vec::new(),
        roles: Vec::new(),
        badges: Vec::new(),
        reply_to: None,
        is_question: false,
        is_first_message: false,
        target_message_id: None,
        target_user_id: None,
        duration_ms: None,
    })
}

fn reaction(number: usize, time: i64, channel: usize, user: usize, what: usize) -> Event<'static> {
    Event::Reaction(ReactionEvent {
        event_id: format!("twitch:{number}").into(),
        event_time: Timestamp::from_micros(time),
        ingest_time: Timestamp::from_micros(time),
        source: "twitch".into(),
        channel_id: format!("twitch:{channel}").into(),
        user_id: Some(format!("twitch:{user}").into()),
        stream_id: None,
        kind: ReactionKind::PollVote,
        count: 1,
        user_name: None,
        emoji: None,
        amount_micros: Some(1_000_000 + what as i64),
        currency: Some("EUR".into()),
        target_id: Some("poll".into()),
        option: Some(["yes", "no", "maybe"][what % 3].into()),
    })
}

fn time(index: usize) -> i64 {
    START + index as i64 * 1_000_000 / EVENTS_PER_SECOND
}

fn run(job: &Job, events: &[Event<'static>]) -> usize {
    let mut driver = Driver::new(job);
    let topic = events[0].topic();
    job.inputs.iter().filter(|input| **input != topic).for_each(|input| driver.mark_idle(*input));
    let mut records = 0;
    for event in events {
        driver.push(topic, event.header().ingest_time, event);
        records += driver.take().len();
    }
    records + driver.finish().len()
}

fn bench(bencher: Bencher<'_, '_>, job: &Job, events: &[Event<'static>]) {
    bencher.counter(ItemsCount::new(events.len())).bench_local(|| run(job, events));
}

/// Every key is in the window before the measuring begins, and the measured events fall on keys at random.
#[divan::bench(args = [10_000, 100_000, 1_000_000, 10_000_000], sample_count = 3, sample_size = 1)]
fn keys(bencher: Bencher<'_, '_>, keys: usize) {
    let job = job(
        "source = 'chat'\nitem = 'user'\nk = 10\nretract = false\nwindow = { kind = 'rolling', length = '1h', slide = '1m' }\nemit_every = '10s'\nentries_max = 100000000",
    );
    let mut driver = Driver::new(&job);
    let mut push = |index: usize, user: usize| {
        let message = message(index, time(index), user % 1_000, user);
        driver.push(Topic::Chat, message.header().ingest_time, &message);
        driver.take().len()
    };
    let filled: usize = (0..keys).map(|user| push(user, user)).sum();
    divan::black_box(filled);
    let mut next = numbers();
    let mut index = keys;
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        index += EVENTS;
        (index - EVENTS..index).map(|index| push(index, next(keys))).sum::<usize>()
    });
}

#[divan::bench(
    args = ["count", "count that retracts", "sum", "largest", "distinct users", "votes", "session", "day"],
    sample_count = 3,
    sample_size = 1
)]
fn kinds(bencher: Bencher<'_, '_>, kind: &str) {
    let rolling = "window = { kind = 'rolling', length = '5m', slide = '10s' }";
    let (what, window) = match kind {
        "count" => ("item = 'user'\nretract = false", rolling),
        "count that retracts" => ("item = 'user'", rolling),
        "sum" => ("item = 'user'\ngroup = ['channel', 'currency']\nscore = { sum = 'money' }", rolling),
        "largest" => {
            ("item = 'user'\ngroup = ['channel', 'currency']\nscore = { largest = 'money' }", rolling)
        }
        "distinct users" => ("item = 'reaction'\nscore = 'distinct_users'", rolling),
        "votes" => ("item = 'poll_option'\nscore = 'votes'", rolling),
        "session" => ("item = 'user'", "window = { kind = 'session', gap = '30s' }"),
        _ => ("item = 'user'", "window = { kind = 'calendar', unit = 'day', time_zone = 'Europe/Berlin' }"),
    };
    let job = job(&format!(
        "source = 'reactions'\n{what}\nk = 100\n{window}\nemit_every = '10s'\nentries_max = 100000000"
    ));
    let mut next = numbers();
    let events: Vec<_> = (0..EVENTS / 2)
        .map(|index| {
            let user = next(100_000);
            reaction(index, time(index), user % 1_000, user, next(1_000))
        })
        .collect();
    bench(bencher, &job, &events);
}

/// (users in the channel, k)
#[divan::bench(
    args = [(10_000, 10), (10_000, 100), (100_000, 100), (1_000_000, 10), (1_000_000, 100), (1_000_000, 1_000)],
    sample_count = 200,
    sample_size = 1
)]
fn one_channel(bencher: Bencher<'_, '_>, (users, k): (usize, usize)) {
    let job = job(&format!(
        "source = 'chat'\nitem = 'user'\nk = {k}\nwindow = {{ kind = 'all_time' }}\nemit_every = '1s'\nentries_max = 100000000"
    ));
    let mut driver = Driver::new(&job);
    let mut next = numbers();
    let mut number = 0;
    let mut now = START;
    let mut push = |driver: &mut Driver, time: i64, user: usize| {
        number += 1;
        driver.push(Topic::Chat, Timestamp::from_micros(time), &message(number, time, 1, user));
    };
    for user in 0..users {
        push(&mut driver, now, user);
        if next(3) == 0 {
            push(&mut driver, now, user);
        }
    }
    now += 10_000_000;
    push(&mut driver, now, 0);
    driver.take();
    bencher.bench_local(|| {
        for _ in 0..CHANGED {
            push(&mut driver, now, next(users));
        }
        now += 1_000_000;
        push(&mut driver, now, next(users));
        driver.take().len()
    });
}
