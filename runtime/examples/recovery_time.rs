//! Measures snapshots and recovery of one worker: `cargo run -p runtime --example recovery_time -- KEYS`.
//!
//! KEYS chat messages of as many users on 100 channels are taken in and stored; then a tenth more; then the worker is dropped, and a
//! new one restores and reads the rest again. State is kept in a folder that is deleted at the end. Prints one line for each part.

#![allow(clippy::print_stdout, reason = "a program that measures prints its figures")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kafka::memory::MemoryLog;
use kafka::{Log, Outgoing, Partitioned, Producer};
use processors::{Job, JobConfig};
use runtime::{Guarantee, JobMetrics, Now, SnapshotOptions, SnapshotStore, Worker, WorkerOptions};
use schemas::{ChatEvent, ChatKind, Encoder, SchemaIds, Timestamp, Topic};

const START_MS: i64 = 1_700_000_040_000;

fn main() -> Result<()> {
    let keys: i64 =
        std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse()).context("KEYS is a number")?;
    let folder = tempfile::tempdir()?;
    let (store, root) = runtime::snapshot::location::open(&folder.path().display().to_string(), [])?;
    let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let snapshots = SnapshotOptions {
        store: SnapshotStore { store, root, keep: 3, grace: Duration::from_secs(600) },
        every: Duration::from_secs(1),
        fingerprint: String::new(),
        driver: Some(Arc::new(move |work| waiting.block_on(work))),
    };
    let log = MemoryLog::new();
    for topic in Topic::ALL {
        log.create_topic(topic.name(), 1);
    }
    let job = job()?;
    let (metrics, started) = (Arc::<JobMetrics>::default(), Instant::now());
    produce(&log, 0..keys)?;
    let mut worker = Worker::new(log.clone(), Arc::clone(&job), options(&snapshots), Arc::clone(&metrics))?;
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    while get(&metrics.events) < keys as u64 || get(&metrics.snapshots) == 0 {
        worker.step(now(started))?;
    }
    show("first snapshots: count, bytes written, state bytes", &metrics);
    let written = get(&metrics.snapshot_bytes);
    let more = keys / 10;
    produce(&log, keys..keys + more)?;
    let before = get(&metrics.snapshots);
    while get(&metrics.events) < (keys + more) as u64 || get(&metrics.snapshots) == before {
        worker.step(now(started))?;
    }
    show("after a tenth more", &metrics);
    println!("bytes written for the tenth: {}", get(&metrics.snapshot_bytes) - written);
    produce(&log, keys + more..keys + 2 * more)?;
    while get(&metrics.events) < (keys + 2 * more) as u64 {
        worker.step(now(started))?;
    }
    drop(worker);
    log.expel_absent("ovation-measured");
    let (metrics, restart) = (Arc::<JobMetrics>::default(), Instant::now());
    let mut worker = Worker::new(log, job, options(&snapshots), Arc::clone(&metrics))?;
    while get(&metrics.restores) == 0 {
        worker.step(now(started))?;
    }
    println!("restored {} bytes after {:?}", get(&metrics.restore_bytes), restart.elapsed());
    while get(&metrics.restore_records_to_go) > 0 {
        worker.step(now(started))?;
    }
    println!("read {} records again, done after {:?}", get(&metrics.replayed), restart.elapsed());
    Ok(())
}

fn show(what: &str, metrics: &JobMetrics) {
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{what}: {}, {}, {}",
        get(&metrics.snapshots),
        get(&metrics.snapshot_bytes),
        get(&metrics.state_bytes)
    );
}

fn now(started: Instant) -> Now {
    let elapsed_micros = i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX);
    Now { wall: Timestamp::from_millis(START_MS).plus_micros(elapsed_micros), elapsed_micros }
}

fn job() -> Result<Arc<Job>> {
    let config: JobConfig = serde_json::from_value(serde_json::json!({
        "lateness": "2s",
        "boards": [
            {"name": "rolling", "source": "chat", "item": "user", "k": 10,
             "window": {"kind": "rolling", "length": "10m", "slide": "1m"}},
            {"name": "all", "source": "chat", "item": "user", "k": 10, "window": {"kind": "all_time"}},
        ],
    }))?;
    Ok(Arc::new(config.validate("measured").map_err(|error| anyhow::anyhow!("{error:?}"))?))
}

fn produce(log: &MemoryLog, numbers: std::ops::Range<i64>) -> Result<()> {
    let (mut producer, mut encoder) = (log.producer()?, Encoder::new(SchemaIds::local()));
    for number in numbers {
        let time = Timestamp::from_millis(START_MS + number / 1_000);
        let (channel, user) = (format!("test:channel-{}", number % 100), format!("test:user-{number}"));
        let event = ChatEvent {
            event_id: format!("test:{number}").into(),
            event_time: time,
            ingest_time: time,
            source: "test".into(),
            channel_id: channel.as_str().into(),
            user_id: Some(user.as_str().into()),
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
        };
        let mut value = Vec::new();
        encoder.encode_event(&schemas::Event::Chat(event), &mut value)?;
        producer.send(&Outgoing {
            topic: Topic::Chat.name(),
            partition: Partitioned::ByKey,
            timestamp_ms: time.millis(),
            key: Some(channel.as_bytes()),
            value: Some(&value),
        })?;
    }
    Ok(())
}

fn options(snapshots: &SnapshotOptions) -> WorkerOptions {
    WorkerOptions {
        topic_prefix: String::new(),
        instance_id: None,
        transactional_id: "measured".to_owned(),
        guarantee: Guarantee::ExactlyOnce,
        commit_every: Duration::from_millis(100),
        idle_after: Duration::from_secs(3600),
        session_timeout: Duration::from_secs(10),
        split_timeout: Duration::ZERO,
        poll_timeout: Duration::ZERO,
        late_to_dead_letter: false,
        owner: None,
        snapshots: Some(snapshots.clone()),
        schema_ids: SchemaIds::local(),
        schema_lookup: Arc::new(|_| Ok(None)),
    }
}
