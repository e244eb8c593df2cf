//! The production loop on the in-memory log: crashes, lost partitions, aborted and unknown commits must change nothing.
//!
//! What a reader of committed records sees after a disturbed run equals, record for record, what it sees after an
//! undisturbed one with a single worker; freshness apart, which describes the run. Every run is drawn from a seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka::memory::{Faults, MemoryLog};
use kafka::{Assignment, Consumer, Log, Outgoing, Partitioned, Producer, TopicPartition};
use processors::{Job, JobConfig};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use runtime::{Guarantee, JobMetrics, Now, Worker, WorkerOptions};
use schemas::json::JsonReader;
use schemas::{
    ChatEvent, ChatKind, Encoder, Event, ReactionEvent, ReactionKind, SchemaIds, Timestamp, Topic,
    ViewerEvent, ViewerKind,
};
use serde_json::{Value, json};

const PARTITIONS: u32 = 2;
/// 2023-11-14T22:14:00Z, a whole minute.
const START_MS: i64 = 1_700_000_040_000;
const FRESHNESS: [&str; 5] = ["watermark", "computed_at", "job", "shard", "input_offsets"];

fn job() -> Arc<Job> {
    let config = json!({
        "lateness": "2s",
        "boards": [
            {"name": "rolling", "source": "chat", "item": "user", "k": 5, "emit_every": "5s",
             "window": {"kind": "rolling", "length": "30s", "slide": "10s"}},
            {"name": "all", "source": "chat", "item": "user", "k": 5, "emit_every": "5s", "window": {"kind": "all_time"}},
        ],
        "engagement": {"window": "1m", "emit_every": "5s", "heartbeat_timeout": "30s"},
        "moderation": {"terms": [{"term": "spam", "category": "spam", "severity": 2}]},
    });
    let config: JobConfig = serde_json::from_value(config).expect("a configuration");
    Arc::new(config.validate("all").expect("a job"))
}

/// A record to be produced.
struct Made {
    topic: Topic,
    key: String,
    value: Vec<u8>,
    timestamp_ms: i64,
}

/// Two minutes of events, mildly out of order, with a damaged record now and then.
fn make_records(seed: u64) -> Vec<Made> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut encoder = Encoder::new(SchemaIds::local());
    let mut make = |number: i64| {
        let time_ms = START_MS + number * 300 + random.random_range(-1_500..1_500);
        let channel = format!("test:channel-{}", random.random_range(0..3));
        let user = format!("test:user-{}", random.random_range(0..6));
        let event = event(number, time_ms, &channel, &user, &mut random);
        let mut value = Vec::new();
        encoder.encode_event(&event, &mut value).expect("fits");
        if random.random_range(0..50) == 0 {
            value.truncate(value.len() - 1);
        }
        Made { topic: event.topic(), key: channel.clone(), value, timestamp_ms: time_ms + 100 }
    };
    (0..400).map(&mut make).collect()
}

fn produce(log: &MemoryLog, records: &[Made]) {
    let mut producer = log.producer().expect("a producer");
    for record in records {
        let outgoing = Outgoing {
            topic: record.topic.name(),
            partition: Partitioned::ByKey,
            timestamp_ms: record.timestamp_ms,
            key: Some(record.key.as_bytes()),
            value: Some(&record.value),
        };
        producer.send(&outgoing).expect("sent");
    }
}

fn event<'a>(number: i64, time_ms: i64, channel: &'a str, user: &'a str, random: &mut impl Rng) -> Event<'a> {
    let id = format!("test:{number}");
    let (event_time, ingest_time) = (Timestamp::from_millis(time_ms), Timestamp::from_millis(time_ms + 100));
    match random.random_range(0..4) {
        0 | 1 => Event::Chat(ChatEvent {
            event_id: id.into(),
            event_time,
            ingest_time,
            source: "test".into(),
            channel_id: channel.into(),
            user_id: Some(user.into()),
            stream_id: None,
            kind: ChatKind::Message,
            user_name: Some(user.into()),
            text: Some(if random.random_range(0..10) == 0 { "this is s p a m" } else { "hello" }.into()),
            emotes: Vec::new(),
            roles: Vec::new(),
            badges: Vec::new(),
            reply_to: None,
            is_question: false,
            is_first_message: false,
            target_message_id: None,
            target_user_id: None,
            duration_ms: None,
        }),
        2 => Event::Reaction(ReactionEvent {
            event_id: id.into(),
            event_time,
            ingest_time,
            source: "test".into(),
            channel_id: channel.into(),
            user_id: Some(user.into()),
            stream_id: None,
            kind: ReactionKind::Like,
            count: random.random_range(1..5),
            user_name: None,
            emoji: None,
            amount_micros: None,
            currency: None,
            target_id: None,
            option: None,
        }),
        _ => Event::Viewer(ViewerEvent {
            event_id: id.into(),
            event_time,
            ingest_time,
            source: "test".into(),
            channel_id: channel.into(),
            user_id: Some(user.into()),
            stream_id: None,
            kind: [ViewerKind::Join, ViewerKind::Heartbeat, ViewerKind::Leave][random.random_range(0..3)],
            session_id: user.into(),
            watch_ms: random.random_range(0..10_000),
            startup_ms: None,
            rebuffer_count: 0,
            rebuffer_ms: 0,
            bitrate_kbps: None,
            live_latency_ms: None,
            device: None,
            country: None,
        }),
    }
}

fn options(number: usize, commit_every: Duration) -> WorkerOptions {
    WorkerOptions {
        topic_prefix: String::new(),
        instance_id: None,
        // Kept over restarts: the next one aborts what a crash left open.
        transactional_id: format!("worker-{number}"),
        guarantee: Guarantee::ExactlyOnce,
        commit_every,
        // Longer than the disturbed part of a run lasts: idleness would depend on the run.
        idle_after: Duration::from_secs(3600),
        session_timeout: Duration::from_secs(10),
        split_timeout: Duration::ZERO,
        poll_timeout: Duration::ZERO,
        late_to_dead_letter: false,
        owner: None,
        snapshots: None,
        schema_ids: SchemaIds::local(),
        schema_lookup: Arc::new(|_| Ok(None)),
    }
}

/// The workers, and the hand-moved clock.
struct World {
    log: MemoryLog,
    job: Arc<Job>,
    metrics: Arc<JobMetrics>,
    workers: Vec<Option<Worker<MemoryLog>>>,
    commit_every: Duration,
    elapsed_micros: i64,
}

impl World {
    fn new(log: &MemoryLog, workers: usize) -> Self {
        World {
            log: log.clone(),
            job: job(),
            metrics: Arc::default(),
            workers: (0..workers).map(|_| None).collect(),
            commit_every: Duration::from_millis(100),
            elapsed_micros: 0,
        }
    }

    fn now(&self) -> Now {
        Now {
            wall: Timestamp::from_millis(START_MS).plus_micros(self.elapsed_micros),
            elapsed_micros: self.elapsed_micros,
        }
    }

    /// Steps a worker, which is made anew if there is none; one that fails is thrown away, as its thread would.
    fn step(&mut self, number: usize) {
        self.elapsed_micros += 20_000;
        let now = self.now();
        if self.workers[number].is_none() {
            let options = options(number, self.commit_every);
            self.workers[number] =
                Worker::new(self.log.clone(), Arc::clone(&self.job), options, Arc::clone(&self.metrics)).ok();
        }
        if let Some(worker) = &mut self.workers[number]
            && let Err(error) = worker.step(now)
        {
            assert!(error.is_worth_retrying(), "{error}");
            self.crash(number);
        }
    }

    /// Undisturbed: everything is read, then all is idle, then the clock closes the windows, then the workers stop.
    fn finish(&mut self) {
        for round in 0..120 {
            (0..self.workers.len()).for_each(|number| self.step(number));
            match round {
                0..60 => {}
                60 => self.elapsed_micros += 3_700_000_000,
                _ => self.elapsed_micros += 10_000_000,
            }
        }
        let now = self.now();
        for worker in self.workers.iter_mut().filter_map(Option::take) {
            worker.stop(now).expect("a clean stop");
        }
    }

    fn crash(&mut self, number: usize) {
        self.workers[number] = None;
        self.log.expel_absent("ovation-all");
    }
}

/// Runs until everything is read and every window has closed.
fn run(seed: u64, is_disturbed: bool) -> (MemoryLog, Arc<JobMetrics>) {
    let log = MemoryLog::new();
    Topic::ALL.iter().for_each(|topic| assert!(log.create_topic(topic.name(), PARTITIONS)));
    let records = make_records(seed);
    let workers = if is_disturbed { 2 } else { 1 };
    let mut world = World::new(&log, workers);
    // With every step, or with every fifth: then a crash or a revocation finds work undone.
    world.commit_every = Duration::from_millis(if seed.is_multiple_of(2) { 20 } else { 100 });
    let mut made = records.as_slice();
    if is_disturbed {
        // What goes wrong does not move what is produced: it is drawn from a stream of its own.
        let mut random = ChaCha8Rng::seed_from_u64(!seed);
        log.draw_faults(Faults { seed, commits_per_mille: 150, polls_per_mille: 10 });
        while !made.is_empty() {
            let (next, rest) = made.split_at(random.random_range(0..=made.len().min(6)));
            produce(&log, next);
            made = rest;
            world.step(random.random_range(0..workers));
            if random.random_range(0..25) == 0 {
                world.crash(random.random_range(0..workers));
            }
        }
        log.draw_faults(Faults::default());
    }
    produce(&log, made);
    world.finish();
    (log, world.metrics)
}

/// Every committed record of a topic, without the fields that describe the run.
fn committed(log: &MemoryLog, topic: Topic) -> Vec<Value> {
    let from: Vec<Assignment> = (0..PARTITIONS as i32)
        .map(|number| Assignment { partition: TopicPartition::new(topic.name(), number), offset: 0 })
        .collect();
    let mut reader = log.reader(&from).expect("a reader");
    let decoder = JsonReader::new(topic.spec().schema).expect("a schema");
    let mut records = Vec::new();
    loop {
        let before = records.len();
        let polled = reader.poll(1_000, Duration::ZERO, &mut |record| {
            let mut shown = decoder.read(record.value.expect("a value")).expect("decodes");
            let fields = shown.as_object_mut().expect("a record");
            FRESHNESS.iter().for_each(|field| drop(fields.remove(*field)));
            fields.remove("failed_at");
            records.push(shown);
        });
        polled.expect("records");
        if records.len() == before {
            return records;
        }
    }
}

/// What identifies a record, so that two of the same are a repetition.
fn identity(record: &Value) -> String {
    let names = [
        "board",
        "group",
        "channel_id",
        "window_start",
        "revision",
        "flag_id",
        "topic",
        "partition",
        "offset",
    ];
    names.map(|name| record.get(name).map(Value::to_string).unwrap_or_default()).join(" ")
}

fn by_identity(log: &MemoryLog, topic: Topic, context: &str) -> BTreeMap<String, Value> {
    let mut records = BTreeMap::new();
    for record in committed(log, topic) {
        let id = identity(&record);
        let before = records.insert(id.clone(), record);
        assert!(before.is_none(), "{context}: {topic} repeats {id}");
    }
    records
}

#[test]
fn crashes_and_failed_commits_change_nothing() {
    let mut compared = 0;
    let mut aborts = 0;
    for seed in 0..60 {
        let (calm, _) = run(seed, false);
        let (rough, metrics) = run(seed, true);
        aborts += metrics.aborts.load(std::sync::atomic::Ordering::Relaxed);
        for topic in [Topic::Leaderboards, Topic::Engagement, Topic::Moderation, Topic::DeadLetter] {
            let expected = by_identity(&calm, topic, &format!("undisturbed run of seed {seed}"));
            let found = by_identity(&rough, topic, &format!("seed {seed}"));
            for (id, record) in &expected {
                assert_eq!(found.get(id), Some(record), "seed {seed}: {topic} {id}");
            }
            assert_eq!(found.len(), expected.len(), "seed {seed}: {topic} has records that should not be");
            compared += expected.len();
        }
    }
    assert!(compared > 10_000, "only {compared} records were compared");
    assert!(aborts > 100, "only {aborts} transactions were aborted: too little went wrong");
}

#[test]
fn every_window_is_final_once() {
    let (log, _) = run(1, false);
    let mut finals: BTreeMap<String, usize> = BTreeMap::new();
    for record in committed(&log, Topic::Engagement) {
        let window = format!("{} {}", record["channel_id"], record["window_start"]);
        *finals.entry(window).or_default() += usize::from(record["is_final"] == true);
    }
    assert!(finals.len() >= 6, "{finals:?}");
    assert!(finals.values().all(|count| *count == 1), "{finals:?}");
}

#[test]
fn a_restart_keeps_closed_what_the_clock_has_closed() {
    let (log, _) = run(1, false);
    let before: Vec<_> = Topic::RESULTS.map(|topic| committed(&log, topic)).into();
    // One more event for a minute that the clock closed while nothing came.
    let made = make_records(1).into_iter().next_back().expect("a record");
    produce(&log, &[made]);
    let mut world = World::new(&log, 1);
    world.finish();
    let after: Vec<_> = Topic::RESULTS.map(|topic| committed(&log, topic)).into();
    let lates = world.metrics.late.load(std::sync::atomic::Ordering::Relaxed);
    let windowed = |records: &[Vec<Value>]| {
        let all = records.iter().flatten().filter(|record| !record["window_end"].is_null());
        all.cloned().collect::<Vec<_>>()
    };
    assert_eq!(windowed(&after), windowed(&before), "{lates} late events");
}
