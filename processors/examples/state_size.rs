//! How much memory a live (channel, user) key of an all-time board takes, and what saving and restoring it costs.
//!
//! Run by hand: `cargo run --release -p processors --example state_size -- 1000000`. Always holds: figures are of one run on this
//! machine; memory is what the process holds resident (Linux). Does not know: where chunks are stored.
#![allow(clippy::print_stdout)] // printing is what it is for

use std::time::Instant;

use processors::{Chunk, JobConfig, Shard};
use schemas::{ChatEvent, ChatKind, Event, Timestamp, Topic};

const JOB: &str = "
lateness = '0s'
dedup_for = '0s'
[[boards]]
name = 'chatters'
source = 'chat'
item = 'user'
window = { kind = 'all_time' }
k = 10
entries_max = 20000000
";
/// Users of one channel.
const USERS: usize = 1_000;
const SECOND: i64 = 1_000_000;

fn message(event_id: String, micros: i64, channel: usize, user: usize) -> Event<'static> {
    let time = Timestamp::from_micros(micros);
    Event::Chat(ChatEvent {
        event_id: event_id.into(),
        event_time: time,
        ingest_time: time,
        source: "twitch".into(),
        channel_id: format!("twitch:{}", 10_000_000 + channel).into(),
        user_id: Some(format!("twitch:{}", 100_000_000 + channel * USERS + user).into()),
        stream_id: None,
        kind: ChatKind::Message,
        user_name: Some(format!("viewer_{user}").into()),
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

/// Bytes that the process holds resident.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0) * 1024
}

/// Feeds a message of every `each`th key, then shows them.
fn feed(shard: &mut Shard, keys: usize, each: usize, second: i64, offset: &mut i64) {
    let mut out = Vec::new();
    for key in (0..keys).step_by(each) {
        let event = message(format!("m{offset}"), second * SECOND, key / USERS, key % USERS);
        shard.process(Topic::Chat, *offset, Timestamp::from_micros(second * SECOND), &event, &mut out);
        *offset += 1;
        if key % 10_000 == 0 {
            out.clear();
        }
    }
    shard.advance_to(Timestamp::from_micros((second + 1) * SECOND), &mut out);
}

fn timed<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let value = act();
    println!("{what:<34} {:>10.1} ms", start.elapsed().as_secs_f64() * 1e3);
    value
}

fn written(what: &str, chunks: &[Chunk]) {
    let bytes: usize = chunks.iter().filter_map(|chunk| chunk.bytes.as_ref()).map(Vec::len).sum();
    println!("{what:<34} {bytes:>10} bytes in {} chunks", chunks.len());
}

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let keys = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let job = toml::from_str::<JobConfig>(JOB).expect("well formed").validate("size").expect("valid");
    let mut shard = job.shard();
    let (before, mut offset) = (resident_bytes(), 0);
    timed("every key once", || feed(&mut shard, keys, 1, 1, &mut offset));
    let after = resident_bytes();
    println!("{keys} keys, {} bytes of memory for each", (after - before) / keys as u64);
    println!("estimated: {} for each", shard.size().bytes_estimate / keys as u64);
    let mut whole = timed("full save", || shard.save(&|_, _| false));
    written("written", &whole);
    let knows = |whole: &[Chunk], name: &str, version: u64| {
        whole.iter().any(|chunk| chunk.name == name && chunk.version == version)
    };
    for (round, each) in [1_000, 1_000, 1_000, 100, 10].into_iter().enumerate() {
        feed(&mut shard, keys, each, 2 + 2 * round as i64, &mut offset);
        let what = format!("save after {} keys changed", keys.div_ceil(each));
        let mut chunks = timed(&what, || shard.save(&|name, version| knows(&whole, name, version)));
        written("written", &chunks);
        for chunk in chunks.iter_mut().filter(|chunk| chunk.bytes.is_none()) {
            let known = whole.iter().find(|known| known.name == chunk.name);
            chunk.bytes = known.and_then(|known| known.bytes.clone());
        }
        whole = chunks;
    }
    let mut again = job.shard();
    timed("restore", || again.restore(whole)).expect("what was saved can be restored");
    assert_eq!(again.size(), shard.size());
}
