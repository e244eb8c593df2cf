//! A small world for the production loop: records, a hand-moved clock, workers that crash, and what readers see of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kafka::memory::{Faults, MemoryLog};
use kafka::{
    Assignment, Committed, Consumer, ConsumerOptions, Log, Outgoing, Partitioned, Producer, TopicPartition,
};
use processors::{Job, JobConfig};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use runtime::horizon::Horizon;
use runtime::{Guarantee, JobMetrics, Now, SnapshotOptions, Worker, WorkerOptions};
use schemas::json::JsonReader;
use schemas::{
    ChatEvent, ChatKind, Encoder, Event, ReactionEvent, ReactionKind, SchemaIds, Timestamp, Topic,
    ViewerEvent, ViewerKind,
};
use serde_json::{Value, json};

pub const PARTITIONS: u32 = 2;
/// 2023-11-14T22:14:00Z, a whole minute.
pub const START_MS: i64 = 1_700_000_040_000;
const FRESHNESS: [&str; 5] = ["watermark", "computed_at", "job", "shard", "input_offsets"];

pub fn job() -> Arc<Job> {
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
pub struct Made {
    pub topic: Topic,
    pub key: String,
    pub value: Vec<u8>,
    pub timestamp_ms: i64,
}

/// Two minutes of events, mildly out of order, with a damaged record now and then.
pub fn make_records(seed: u64) -> Vec<Made> {
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

pub fn produce(log: &MemoryLog, records: &[Made]) {
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

pub fn event<'a>(
    number: i64,
    time_ms: i64,
    channel: &'a str,
    user: &'a str,
    random: &mut impl Rng,
) -> Event<'a> {
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

/// How the workers of a world run.
#[derive(Clone)]
pub struct Settings {
    pub workers: usize,
    pub commit_every: Duration,
    pub idle_after: Duration,
    pub guarantee: Guarantee,
    pub late_to_dead_letter: bool,
    pub snapshots: Option<SnapshotOptions>,
}

impl Settings {
    pub fn new(workers: usize) -> Self {
        Settings {
            workers,
            commit_every: Duration::from_millis(100),
            // Longer than the disturbed part of a run lasts: idleness would depend on the run.
            idle_after: Duration::from_secs(3600),
            guarantee: Guarantee::ExactlyOnce,
            late_to_dead_letter: false,
            snapshots: None,
        }
    }

    pub fn options(&self, number: usize) -> WorkerOptions {
        WorkerOptions {
            topic_prefix: String::new(),
            instance_id: None,
            // Kept over restarts: the next one aborts what a crash left open.
            transactional_id: format!("worker-{number}"),
            guarantee: self.guarantee,
            commit_every: self.commit_every,
            idle_after: self.idle_after,
            session_timeout: Duration::from_secs(10),
            split_timeout: Duration::ZERO,
            poll_timeout: Duration::ZERO,
            late_to_dead_letter: self.late_to_dead_letter,
            owner: Some(format!("http://worker-{number}")),
            snapshots: self.snapshots.clone(),
            schema_ids: SchemaIds::local(),
            schema_lookup: Arc::new(|_| Ok(None)),
        }
    }
}

/// A log with the topics.
pub fn new_log() -> MemoryLog {
    let log = MemoryLog::new();
    Topic::ALL.iter().for_each(|topic| assert!(log.create_topic(topic.name(), PARTITIONS)));
    log
}

/// The workers, and the hand-moved clock.
pub struct World {
    pub log: MemoryLog,
    pub job: Arc<Job>,
    pub metrics: Arc<JobMetrics>,
    pub workers: Vec<Option<Worker<MemoryLog>>>,
    pub settings: Settings,
    pub elapsed_micros: i64,
}

impl World {
    pub fn new(log: &MemoryLog, settings: Settings) -> Self {
        World {
            log: log.clone(),
            job: job(),
            metrics: Arc::default(),
            workers: (0..settings.workers).map(|_| None).collect(),
            settings,
            elapsed_micros: 0,
        }
    }

    pub fn now(&self) -> Now {
        Now {
            wall: Timestamp::from_millis(START_MS).plus_micros(self.elapsed_micros),
            elapsed_micros: self.elapsed_micros,
        }
    }

    /// Steps a worker, which is made anew if there is none; one that fails is thrown away, as its thread would.
    pub fn step(&mut self, number: usize) {
        self.elapsed_micros += 20_000;
        let now = self.now();
        if self.workers[number].is_none() {
            let options = self.settings.options(number);
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

    pub fn steps(&mut self, count: usize) {
        for _ in 0..count {
            (0..self.workers.len()).for_each(|number| self.step(number));
        }
    }

    /// Undisturbed: everything is read, then all is idle, then the clock closes the windows, then the workers stop.
    pub fn finish(&mut self) {
        for round in 0..120 {
            self.steps(1);
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

    pub fn crash(&mut self, number: usize) {
        self.workers[number] = None;
        self.log.expel_absent("ovation-all");
    }
}

/// Runs until everything is read and every window has closed.
pub fn run(seed: u64, is_disturbed: bool, mut settings: Settings) -> (MemoryLog, Arc<JobMetrics>) {
    let log = new_log();
    let records = make_records(seed);
    let workers = settings.workers;
    // With every step, or with every fifth: then a crash or a revocation finds work undone.
    settings.commit_every = Duration::from_millis(if seed.is_multiple_of(2) { 20 } else { 100 });
    let mut world = World::new(&log, settings);
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

/// A counter's value.
pub fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Every committed record of a topic, without the fields that describe the run.
pub fn committed(log: &MemoryLog, topic: Topic) -> Vec<Value> {
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

/// What is committed for each partition of the job's chat.
pub fn horizons(log: &MemoryLog) -> Vec<(i64, Horizon)> {
    let options = ConsumerOptions {
        group: "ovation-all".to_owned(),
        topics: Vec::new(),
        instance_id: None,
        session_timeout: Duration::from_secs(10),
    };
    let partitions: Vec<TopicPartition> =
        (0..PARTITIONS as i32).map(|number| TopicPartition::new(Topic::Chat.name(), number)).collect();
    let positions = log.join(&options).expect("a member").committed(&partitions).expect("positions");
    let readable = |position: Option<Committed>| {
        let position = position.expect("a position");
        let horizon = Horizon::from_metadata(&position.metadata).expect("readable").expect("a horizon");
        (position.offset, horizon)
    };
    positions.into_iter().map(readable).collect()
}

/// What identifies a record, so that two of the same are a repetition.
pub fn identity(record: &Value) -> String {
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

pub fn by_identity(log: &MemoryLog, topic: Topic, context: &str) -> BTreeMap<String, Value> {
    let mut records = BTreeMap::new();
    for record in committed(log, topic) {
        let id = identity(&record);
        let before = records.insert(id.clone(), record);
        assert!(before.is_none(), "{context}: {topic} repeats {id}");
    }
    records
}
