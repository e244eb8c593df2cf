//! Shards come and go: parked ones go on at once, incremental assignments are pieced together, questions find the owner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kafka::memory::{MemoryConsumer, MemoryGroup, MemoryLog, MemoryProducer, MemoryTransactions};
use kafka::{
    Assignment, Committed, Consumer, ConsumerOptions, Log, LogError, OffsetCommit, Polled, Position, Record,
    TopicPartition, murmur2_partition,
};
use processors::JobConfig;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use runtime::{Answer, JobMetrics, Now, Worker, WorkerError};
use schemas::{Encoder, Event, ReactionKind, SchemaIds, Timestamp, Topic};
use serde_json::json;

use super::compare;
use super::faulty_store::FaultyStore;
use super::snapshots::snapshots;
use super::world::{
    Made, PARTITIONS, START_MS, Settings, World, committed, count, event, horizons, job, make_records,
    new_log, produce, run,
};

fn now(elapsed_micros: i64) -> Now {
    Now { wall: Timestamp::from_millis(START_MS).plus_micros(elapsed_micros), elapsed_micros }
}

#[test]
fn a_parked_shard_goes_on_without_reading_anything_again() {
    let log = new_log();
    let store = Arc::new(FaultyStore::new(1, 0));
    let settings =
        Settings { snapshots: Some(snapshots(&store, Duration::from_secs(3600))), ..Settings::new(2) };
    produce(&log, &make_records(3)[..200]);
    let mine: Arc<JobMetrics> = Arc::default();
    let worker = |number| {
        let metrics = if number == 0 { Arc::clone(&mine) } else { Arc::default() };
        Worker::new(log.clone(), job(), settings.options(number), metrics).expect("a worker")
    };
    let mut first = worker(0);
    let mut elapsed_micros = 0;
    let mut step = |workers: &mut [&mut Worker<MemoryLog>]| {
        for _ in 0..20 {
            elapsed_micros += 20_000;
            workers.iter_mut().for_each(|worker| worker.step(now(elapsed_micros)).expect("a step"));
        }
        now(elapsed_micros)
    };
    step(&mut [&mut first]);
    assert_eq!(first.shard_numbers().collect::<Vec<_>>(), [0, 1]);
    let mut second = worker(1);
    step(&mut [&mut first, &mut second]);
    assert_eq!((first.shard_numbers().count(), second.shard_numbers().count()), (1, 1));
    assert_eq!((count(&mine.unparked), count(&mine.replayed), count(&mine.restores)), (1, 0, 0));
    // The other shard comes back after somebody else has moved it: it is read again.
    produce(&log, &make_records(3)[200..]);
    let at = step(&mut [&mut first, &mut second]);
    second.stop(at).expect("a clean stop");
    let at = step(&mut [&mut first]);
    assert_eq!(first.shard_numbers().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(count(&mine.unparked), 2, "the shard that stayed was parked for a moment");
    assert!(count(&mine.replayed) > 50, "{}", count(&mine.replayed));
    first.stop(at).expect("a clean stop");
    let mut world = World::new(&log, settings);
    world.finish();
    let (calm, _) = run(3, false, Settings::new(1));
    assert!(compare(&calm, &log, "parked shards") > 100);
}

/// A log whose group tells of each input's partitions in a report of its own, as KIP-848 may.
#[derive(Clone)]
struct OneByOne {
    log: MemoryLog,
    /// Inputs that never come.
    withheld: Option<Topic>,
}

struct OneByOneConsumer {
    inner: MemoryConsumer,
    withheld: Option<Topic>,
    /// Reports to come.
    waiting: Vec<Vec<TopicPartition>>,
    started: BTreeMap<TopicPartition, i64>,
    paused: BTreeSet<TopicPartition>,
}

impl Log for OneByOne {
    type Consumer = OneByOneConsumer;
    type Transactions = MemoryTransactions;
    type Producer = MemoryProducer;
    type Group = MemoryGroup;

    fn join(&self, options: &ConsumerOptions) -> Result<OneByOneConsumer, LogError> {
        let (inner, withheld) = (self.log.join(options)?, self.withheld);
        Ok(OneByOneConsumer {
            inner,
            withheld,
            waiting: Vec::new(),
            started: BTreeMap::new(),
            paused: BTreeSet::new(),
        })
    }

    fn reader(&self, _: &[Assignment]) -> Result<OneByOneConsumer, LogError> {
        Err(LogError::fatal("not asked for here"))
    }

    fn transactions(&self, id: &str) -> Result<MemoryTransactions, LogError> {
        self.log.transactions(id)
    }

    fn producer(&self) -> Result<MemoryProducer, LogError> {
        self.log.producer()
    }

    fn partition_count(&self, topic: &str) -> Result<Option<i32>, LogError> {
        self.log.partition_count(topic)
    }

    fn offsets(&self, partition: &TopicPartition) -> Result<(i64, i64), LogError> {
        self.log.offsets(partition)
    }
}

impl OneByOneConsumer {
    fn is_whole(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Consumer for OneByOneConsumer {
    type Group = MemoryGroup;

    fn poll(
        &mut self,
        records_max: usize,
        timeout: Duration,
        on_record: &mut dyn FnMut(&Record<'_>),
    ) -> Result<Polled, LogError> {
        if let Some(next) = self.waiting.last() {
            if self.withheld.is_some_and(|topic| next[0].topic.as_ref() == topic.name()) {
                return Ok(Polled::Records(0));
            }
            return Ok(Polled::Assigned(next.clone()));
        }
        match self.inner.poll(records_max, timeout, on_record)? {
            Polled::Assigned(partitions) => {
                let mut by_topic: BTreeMap<Arc<str>, Vec<TopicPartition>> = BTreeMap::new();
                for partition in partitions {
                    by_topic.entry(Arc::clone(&partition.topic)).or_default().push(partition);
                }
                self.waiting = by_topic.into_values().collect();
                self.poll(records_max, timeout, on_record)
            }
            other => Ok(other),
        }
    }

    fn start(&mut self, from: &[Assignment]) -> Result<(), LogError> {
        let told = self.waiting.pop().expect("a report");
        assert_eq!(told.len(), from.len());
        self.started.extend(from.iter().map(|start| (start.partition.clone(), start.offset)));
        if self.is_whole() {
            let all: Vec<Assignment> = std::mem::take(&mut self.started)
                .into_iter()
                .map(|(partition, offset)| Assignment { partition, offset })
                .collect();
            self.inner.start(&all)?;
            let paused: Vec<TopicPartition> = self.paused.iter().cloned().collect();
            self.inner.pause(&paused)?;
        }
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.inner.release(partitions)
    }

    fn seek(&mut self, to: &Assignment) -> Result<(), LogError> {
        assert!(self.is_whole(), "nothing is read before all is here");
        self.inner.seek(to)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.paused.extend(partitions.iter().cloned());
        if self.is_whole() { self.inner.pause(partitions) } else { Ok(()) }
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        partitions.iter().for_each(|partition| assert!(self.paused.remove(partition)));
        self.inner.resume(partitions)
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, LogError> {
        self.inner.committed(partitions)
    }

    fn group(&self) -> Result<MemoryGroup, LogError> {
        self.inner.group()
    }

    fn close(self) -> Result<(), LogError> {
        self.inner.close()
    }
}

impl OffsetCommit for OneByOneConsumer {
    fn commit(&mut self, positions: &[Position]) -> Result<(), LogError> {
        self.inner.commit(positions)
    }
}

fn one_by_one(withheld: Option<Topic>, split_timeout: Duration) -> (MemoryLog, Result<(), WorkerError>) {
    let log = new_log();
    produce(&log, &make_records(5));
    let mut options = Settings::new(1).options(0);
    options.split_timeout = split_timeout;
    let group = OneByOne { log: log.clone(), withheld };
    let mut worker = Worker::new(group, job(), options, Arc::default()).expect("a worker");
    let outcome = (0..60).try_for_each(|number| worker.step(now(number * 20_000)));
    let outcome = outcome.and_then(|()| worker.stop(now(1_200_000)));
    (log, outcome)
}

#[test]
fn inputs_may_come_one_after_the_other_but_not_for_ever() {
    let (log, outcome) = one_by_one(None, Duration::from_secs(1));
    outcome.expect("all inputs come in time");
    World::new(&log, Settings::new(1)).finish();
    let (calm, _) = run(5, false, Settings::new(1));
    assert!(compare(&calm, &log, "inputs one by one") > 100);
    for (withheld, timeout) in [(Some(Topic::Chat), Duration::from_secs(1)), (None, Duration::ZERO)] {
        let (_, outcome) = one_by_one(withheld, timeout);
        assert!(matches!(outcome, Err(WorkerError::SplitShard { .. })), "{outcome:?}");
    }
}

#[test]
fn commits_tell_who_owns_a_shard_and_what_is_stored() {
    let log = new_log();
    let store = Arc::new(FaultyStore::new(1, 0));
    let settings =
        Settings { snapshots: Some(snapshots(&store, Duration::from_millis(100))), ..Settings::new(1) };
    produce(&log, &make_records(3)[..200]);
    let mut world = World::new(&log, settings);
    world.steps(40);
    produce(&log, &make_records(3)[200..300]);
    world.steps(40);
    let (offset, horizon) = horizons(&log).remove(1);
    assert_eq!(horizon.note.owner.as_deref(), Some("http://worker-0"));
    assert!(horizon.note.snapshot_at.is_some() && horizon.note.committed_at > horizon.note.snapshot_at);
    assert!(horizon.note.snapshot_offset.is_some_and(|stored| 0 < stored && stored <= offset));
}

#[test]
fn metrics_tell_what_the_shards_of_all_workers_hold_while_they_live() {
    let log = new_log();
    produce(&log, &make_records(3));
    let (settings, metrics) = (Settings::new(2), Arc::<JobMetrics>::default());
    let worker = |number| {
        Worker::new(log.clone(), job(), settings.options(number), Arc::clone(&metrics)).expect("a worker")
    };
    let mut workers = vec![worker(0), worker(1)];
    for step in 0..300 {
        workers.iter_mut().for_each(|worker| worker.step(now(step * 20_000)).expect("a step"));
    }
    assert!(workers.iter().all(|worker| worker.shard_numbers().count() == 1));
    let held = |metrics: &JobMetrics| metrics.state().get("board.all").copied().unwrap_or_default();
    let of_both = held(&metrics);
    assert!(of_both.entries > 0 && of_both.bytes_estimate > 0, "{of_both:?}");
    // All channels are in shard 1.
    workers.retain(|worker| worker.shard_numbers().eq([1]));
    assert_eq!(held(&metrics), of_both);
    workers.clear();
    assert!(metrics.state().is_empty());
}

#[test]
fn a_board_is_found_where_its_shard_is() {
    let log = new_log();
    produce(&log, &make_records(3));
    let stop = Arc::new(AtomicBool::new(false));
    let settings = Settings::new(1);
    let running = runtime::start(&log, &job(), 1, |number| settings.options(number), &stop);
    let group = "test:channel-1";
    let until = Instant::now() + Duration::from_secs(30);
    let found = loop {
        match running.query("all", group).expect("an answer") {
            Answer::Found(found) if count(&running.metrics.events) > 350 => break found,
            _ => assert!(Instant::now() < until, "the board does not appear"),
        }
    };
    assert_eq!((found.board.as_str(), found.group.as_str()), ("all", group));
    assert!(!found.entries.is_empty());
    assert_eq!(running.query("no such board", group).expect("an answer"), Answer::NotFound);
    // A second instance takes one of the shards: each answers for its own and sends for the other.
    let (there, settings) = (Arc::new(AtomicBool::new(false)), Settings::new(2));
    let other = runtime::start(&log, &job(), 1, |_| settings.options(1), &there);
    let shard = murmur2_partition(group.as_bytes(), PARTITIONS as i32);
    loop {
        let answers =
            [running.query("all", group), other.query("all", group)].map(|answer| answer.expect("one"));
        let is_found = |answer: &Answer| matches!(answer, Answer::Found(_));
        let (found, elsewhere) = (
            answers.iter().filter(|answer| is_found(answer)).count(),
            answers.iter().filter(|answer| **answer == Answer::Elsewhere(shard)).count(),
        );
        if (found, elsewhere) == (1, 1) {
            break;
        }
        assert!(Instant::now() < until, "{answers:?}");
    }
    stop.store(true, Ordering::Relaxed);
    there.store(true, Ordering::Relaxed);
    running.join().expect("a clean end");
    other.join().expect("a clean end");
}

/// Likes in two currencies on six channels, of which some have a slash in their names.
fn in_two_currencies() -> Vec<Made> {
    let mut encoder = Encoder::new(SchemaIds::local());
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut made = Vec::new();
    while made.len() < 200 {
        let number = made.len() as i64;
        let channel = format!("test:{}/{}", number % 3, number % 2);
        let mut event = event(number, START_MS + number * 100, &channel, "test:user", &mut random);
        let Event::Reaction(reaction) = &mut event else { continue };
        (reaction.currency, reaction.amount_micros) =
            (Some(["EUR", "USD"][made.len() / 6 % 2].into()), Some(1_000_000));
        reaction.kind = ReactionKind::Gift;
        let mut value = Vec::new();
        encoder.encode_event(&event, &mut value).expect("fits");
        let timestamp_ms = START_MS + number * 100;
        made.push(Made { topic: Topic::Reactions, key: channel, value, timestamp_ms });
    }
    made
}

#[test]
fn a_group_of_several_keys_is_found_where_its_channel_is() {
    let board = json!({"name": "givers", "source": "reactions", "item": "user", "k": 5, "emit_every": "1s", "retract": false,
        "group": ["channel", "currency"], "score": {"sum": "money"}, "window": {"kind": "all_time"}});
    let config: JobConfig =
        serde_json::from_value(json!({"lateness": "0s", "boards": [board]})).expect("a configuration");
    let job = Arc::new(config.validate("all").expect("a job"));
    let log = new_log();
    produce(&log, &in_two_currencies());
    let stop = Arc::new(AtomicBool::new(false));
    let settings = Settings::new(1);
    let running = runtime::start(&log, &job, 1, |number| settings.options(number), &stop);
    let until = Instant::now() + Duration::from_secs(30);
    for number in 0..12 {
        let currency = ["EUR", "USD"][number / 6];
        let group = format!("test:{}%2F{}/{currency}", number % 3, number % 2);
        loop {
            if let Answer::Found(found) = running.query("givers", &group).expect("an answer") {
                assert_eq!(found.group, group);
                break;
            }
            assert!(Instant::now() < until, "{group} does not appear");
        }
    }
    stop.store(true, Ordering::Relaxed);
    running.join().expect("a clean end");
}

#[test]
fn late_events_are_kept_if_asked_for_and_duplicates_are_counted() {
    let records = make_records(9);
    let log = new_log();
    let settings = Settings { late_to_dead_letter: true, ..Settings::new(1) };
    let mut world = World::new(&log, settings);
    produce(&log, &records);
    // Again: an event that came before counts once.
    produce(&log, &records[390..]);
    world.finish();
    let lates =
        committed(&log, Topic::DeadLetter).iter().filter(|letter| letter["reason"] == "late").count() as u64;
    assert_eq!(lates, count(&world.metrics.late));
    assert!(count(&world.metrics.duplicates) >= 8, "{}", count(&world.metrics.duplicates));
    let (calm, _) = run(9, false, Settings::new(1));
    let boards = |log| committed(log, Topic::Leaderboards);
    assert_eq!(boards(&log), boards(&calm));
}
