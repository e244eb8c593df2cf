//! Publishing and replaying onto the log in memory: topics, keys, timestamps, dead letters, pace, stopping.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kafka::memory::MemoryLog;
use kafka::{Assignment, Consumer, Log, TopicPartition};
use producers::{
    Format, Publisher, PublisherOptions, ReadError, ReplayError, ReplayOptions, Simulator, SimulatorOptions,
    Speed, merge_by_event_time, replay,
};
use schemas::{DeadLetter, Decoder, Event, SchemaIds, Timestamp, Topic};

const PARTITIONS: u32 = 4;

fn log(prefix: &str) -> MemoryLog {
    let log = MemoryLog::new();
    for topic in Topic::ALL {
        assert!(log.create_topic(&format!("{prefix}{topic}"), PARTITIONS));
    }
    log
}

fn publisher(log: &MemoryLog, prefix: &str) -> Publisher<MemoryLog> {
    let options = PublisherOptions { topic_prefix: prefix.to_owned(), ..PublisherOptions::default() };
    Publisher::new(log, &options).expect("a producer")
}

struct Stored {
    partition: i32,
    timestamp_ms: i64,
    key: Vec<u8>,
    value: Vec<u8>,
}

fn stored(log: &MemoryLog, topic: &str) -> Vec<Stored> {
    let partitions = (0..PARTITIONS as i32).map(|number| TopicPartition::new(topic, number));
    let from: Vec<_> = partitions.map(|partition| Assignment { partition, offset: 0 }).collect();
    let mut reader = log.reader(&from).expect("a reader");
    let mut records = Vec::new();
    loop {
        let before = records.len();
        let polled = reader.poll(10_000, Duration::ZERO, &mut |record| {
            records.push(Stored {
                partition: record.partition,
                timestamp_ms: record.timestamp_ms,
                key: record.key.expect("a key").to_vec(),
                value: record.value.expect("a value").to_vec(),
            });
        });
        polled.expect("records");
        if records.len() == before {
            return records;
        }
    }
}

fn full_speed() -> ReplayOptions {
    ReplayOptions { speed: Speed::Full, ..ReplayOptions::default() }
}

fn simulated(count: u64) -> Vec<Event<'static>> {
    let options = SimulatorOptions { count: Some(count), ..SimulatorOptions::default() };
    Simulator::new(options).expect("the options hold").collect()
}

#[test]
fn every_event_arrives_once_under_its_key_and_stamped_by_the_clock() {
    let log = log("stage.");
    let mut publisher = publisher(&log, "stage.");
    let mut made = simulated(5_000);
    let report =
        replay(made.clone().into_iter().map(Ok), &mut publisher, &full_speed(), &AtomicBool::new(false));
    let report = report.expect("it is published");
    assert_eq!(report.counts.events(), 5_000);
    assert!(!report.was_stopped && report.malformed == 0 && report.events_per_second() > 0.0);

    let decoder = Decoder::new(SchemaIds::local());
    let mut found: BTreeMap<String, Event<'static>> = BTreeMap::new();
    let mut partition_of: BTreeMap<(Topic, Vec<u8>), i32> = BTreeMap::new();
    for topic in Topic::EVENTS {
        let records = stored(&log, &format!("stage.{topic}"));
        assert_eq!(records.len() as u64, report.counts.of(topic));
        for record in records {
            let value = record.value.clone().leak();
            let event = decoder.decode_event(topic, value).expect("it decodes");
            let header = event.header();
            assert_eq!(record.key, header.channel_id.as_bytes());
            assert_eq!(record.timestamp_ms, header.ingest_time.millis());
            assert!(header.ingest_time > Timestamp::from_millis(1_700_000_000_000), "the clock's time");
            assert_eq!(
                *partition_of.entry((topic, record.key)).or_insert(record.partition),
                record.partition
            );
            assert!(found.insert(header.event_id.to_owned(), event).is_none(), "twice");
        }
    }
    for event in &mut made {
        let arrived = &found[event.header().event_id];
        event.set_ingest_time(arrived.header().ingest_time);
        assert_eq!(event, arrived);
    }
    assert_eq!(found.len(), made.len());
}

#[test]
fn malformed_lines_become_dead_letters_and_the_rest_arrives() {
    let log = log("");
    let mut publisher = publisher(&log, "");
    let text = "@id=1;room-id=1;tmi-sent-ts=1700000000000 :a!a@a PRIVMSG #r :one\nNONSENSE \u{1f600}\n\
        @id=2;room-id=1;tmi-sent-ts=1700000000001 :a!a@a PRIVMSG #r :two\n";
    let merged = merge_by_event_time(vec![common::open(Format::TwitchIrc, text).expect("it opens")]);
    let report =
        replay(merged, &mut publisher, &full_speed(), &AtomicBool::new(false)).expect("it is published");
    assert_eq!((report.counts.of(Topic::Chat), report.malformed), (2, 1));
    assert_eq!(report.problems, ["test-input:2: `NONSENSE` is not a command of twitch"]);
    let letters = stored(&log, "ovation.dead-letter");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].key, b"events.chat");
    let letter: DeadLetter = Decoder::new(SchemaIds::local()).decode(&letters[0].value).expect("it decodes");
    assert_eq!(letter.value.as_deref(), Some("NONSENSE \u{1f600}".as_bytes()));
    assert_eq!((&*letter.reason, letter.partition, letter.offset), ("unreadable_input", -1, -1));
    assert_eq!((&*letter.topic, &*letter.job, letter.key), ("events.chat", "produce", None));
    assert_eq!(letter.detail, report.problems[0]);
}

#[test]
fn a_broken_input_ends_the_run_with_what_was_read_on_the_log() {
    let log = log("");
    let mut publisher = publisher(&log, "");
    let error = std::io::Error::other("disk gone");
    let broken = ReadError::Io { path: std::path::Path::new("x").into(), error };
    let events =
        simulated(10).into_iter().map(Ok).chain([Err(broken)]).chain(simulated(5).into_iter().map(Ok));
    let error =
        replay(events, &mut publisher, &full_speed(), &AtomicBool::new(false)).expect_err("it is broken");
    assert!(matches!(error, ReplayError::Read(ReadError::Io { .. })), "{error}");
    let arrived: usize = Topic::EVENTS.iter().map(|topic| stored(&log, topic.name()).len()).sum();
    assert_eq!(arrived, 10);
}

#[test]
fn a_topic_that_is_missing_is_named() {
    let log = MemoryLog::new();
    let mut publisher = publisher(&log, "");
    let outcome =
        replay(simulated(3).into_iter().map(Ok), &mut publisher, &full_speed(), &AtomicBool::new(false));
    let error = outcome.expect_err("there are no topics");
    assert!(error.to_string().contains("events."), "{error}");
}

#[test]
fn the_pace_is_kept_and_event_time_moves_to_now_where_asked() {
    let log = log("");
    let mut publisher = publisher(&log, "");
    // 400 events at 1,000 a second, four times as fast: the last is due after 99.75 ms
    let options = ReplayOptions { speed: Speed::Times(4.0), shift_to_now: true, ..ReplayOptions::default() };
    let started = Instant::now();
    let since_1970 = std::time::UNIX_EPOCH.elapsed().expect("a clock");
    let began = Timestamp::from_micros(since_1970.as_micros() as i64);
    let report =
        replay(simulated(400).into_iter().map(Ok), &mut publisher, &options, &AtomicBool::new(false));
    let report = report.expect("it is published");
    assert!(started.elapsed() >= Duration::from_micros(99_750), "{:?}", report.elapsed);
    assert_eq!(report.counts.events(), 400);
    let decoder = Decoder::new(SchemaIds::local());
    let mut times = Vec::new();
    for topic in Topic::EVENTS {
        for record in stored(&log, topic.name()) {
            let event = decoder.decode_event(topic, &record.value).expect("it decodes");
            times.push((event.header().event_time, event.header().ingest_time));
        }
    }
    times.sort_unstable();
    let (first, last) = (times[0], times[399]);
    assert_eq!(first.0, first.1, "the first event happens now");
    assert_eq!(last.0.micros_since(first.0), 399_000, "distances are kept");
    // the first event was due at once, and not before the clock was looked at; 1 ms for two clocks that may drift
    let early = times
        .iter()
        .find(|(event, ingest)| ingest.micros_since(began) + 1_000 < event.micros_since(first.0) / 4);
    assert_eq!(early, None);
}

#[test]
fn the_stop_flag_ends_the_run_and_what_was_sent_is_there() {
    let log = log("");
    let mut publisher = publisher(&log, "");
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let events = simulated(1_000).into_iter().enumerate().map(move |(number, event)| {
        if number == 100 {
            flag.store(true, Ordering::Relaxed);
        }
        Ok(event)
    });
    let report = replay(events, &mut publisher, &full_speed(), &stop).expect("it is published");
    assert!(report.was_stopped);
    assert_eq!(report.counts.events(), 100);
    let arrived: usize = Topic::EVENTS.iter().map(|topic| stored(&log, topic.name()).len()).sum();
    assert_eq!(arrived, 100);
}
