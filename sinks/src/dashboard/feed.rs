//! The one thread that reads the result topics, the dead letters and, where that is wanted, the chat, and publishes what changed.
//!
//! Always holds: a record is published after every earlier record of its partition; one that cannot be shown is
//! counted by reason and never stops the thread; where the log cannot be read, the thread says so in the health row,
//! waits with a bounded back-off and goes on from where it was. Reading starts at most
//! [`FeedOptions::catch_up_records_max`] records before each partition's end: what has not changed within them is
//! not shown until it changes. Dead letters are counted over the same stretch.
//!
//! Does not know: clients.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use kafka::{Assignment, Consumer, ErrorClass, Log, Polled, Record, TopicPartition};
use schemas::Topic;
use schemas::codec::{DecodeError, split_wire_format};
use schemas::json::JsonReader;
use serde_json::Value as Json;

use super::hub::Hub;
use super::pipeline::{Lags, Pipeline};
use super::row::Row;

const POLL_RECORDS_MAX: usize = 500;
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
const POLL_PAUSE: Duration = Duration::from_millis(5);
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);
const BACK_OFF_MIN: Duration = Duration::from_millis(200);
const BACK_OFF_MAX: Duration = Duration::from_secs(10);
/// A schema id that nobody knew is asked for again after this long.
const UNKNOWN_SCHEMA_RETRY: Duration = Duration::from_secs(5);
/// Schema ids that are remembered, known or not.
const SCHEMAS_MAX: usize = 1_024;
/// As many records of a partition of the chat are read at the start: of each channel only the newest messages are kept.
const CHAT_CATCH_UP_RECORDS_MAX: i64 = 20_000;
/// A partition without records for this long counts as read to its end: the offsets that are left hold markers only.
const CAUGHT_UP_AFTER: Duration = Duration::from_secs(2);

/// What the thread reads.
#[derive(Clone, Debug)]
pub struct FeedOptions {
    /// In front of every topic's name.
    pub topic_prefix: String,
    /// How many records before its end the reading of a partition starts.
    pub catch_up_records_max: i64,
    /// Whether the chat is read.
    pub with_chat: bool,
    /// Where the jobs' lags are told.
    pub lags: Lags,
}

/// The thread's state.
pub struct Feed<L, S> {
    log: L,
    options: FeedOptions,
    schema: S,
    hub: Arc<Hub>,
    topics: Vec<(String, Topic)>,
    readers: HashMap<u32, Result<JsonReader, Instant>>,
    pipeline: Pipeline,
    positions: HashMap<TopicPartition, i64>,
    is_caught_up: bool,
    health_at: Option<Instant>,
    health_text: String,
}

impl<L: Log, S: Fn(u32) -> Option<String>> Feed<L, S> {
    /// A feed that has read nothing. `schema` tells a writer's schema by its id; it may block.
    pub fn new(log: L, options: FeedOptions, schema: S, hub: Arc<Hub>) -> Self {
        let shown = Topic::RESULTS.into_iter().chain([Topic::DeadLetter]);
        let shown = shown.chain(options.with_chat.then_some(Topic::Chat));
        let topics = shown.map(|topic| (format!("{}{}", options.topic_prefix, topic.name()), topic));
        Feed {
            topics: topics.collect(),
            log,
            pipeline: Pipeline::new(options.lags.clone()),
            options,
            schema,
            hub,
            readers: HashMap::new(),
            positions: HashMap::new(),
            is_caught_up: false,
            health_at: None,
            health_text: String::new(),
        }
    }

    /// Reads until `stop`.
    pub fn run(mut self, stop: &AtomicBool) {
        let mut back_off = BACK_OFF_MIN;
        while !stop.load(Ordering::Relaxed) {
            let started = Instant::now();
            let Err(error) = self.read(stop) else { return };
            tracing::warn!(error = format!("{error:#}"), "cannot read the results, trying again");
            self.pipeline.set_trouble(Some(format!("{error:#}")));
            self.publish_health();
            if started.elapsed() > BACK_OFF_MAX {
                back_off = BACK_OFF_MIN;
            }
            let until = Instant::now() + back_off;
            while Instant::now() < until && !stop.load(Ordering::Relaxed) {
                std::thread::sleep(POLL_TIMEOUT.min(back_off));
            }
            back_off = (back_off * 2).min(BACK_OFF_MAX);
        }
    }

    /// Every partition to read, from where it was left or from a bounded way before its end, and the ends.
    fn assignments(&self) -> anyhow::Result<(Vec<Assignment>, HashMap<TopicPartition, i64>)> {
        let mut from = Vec::new();
        let mut ends = HashMap::new();
        for (name, topic) in &self.topics {
            let records_max = match topic {
                Topic::Chat => self.options.catch_up_records_max.min(CHAT_CATCH_UP_RECORDS_MAX),
                _ => self.options.catch_up_records_max,
            };
            let count = self.log.partition_count(name).with_context(|| format!("topic {name}"))?;
            let count = count.with_context(|| format!("there is no topic {name}"))?;
            let name: Arc<str> = name.as_str().into();
            for number in 0..count {
                let partition = TopicPartition::new(Arc::clone(&name), number);
                let (first, end) = self.log.offsets(&partition).with_context(|| partition.to_string())?;
                let fresh = first.max(end - records_max);
                let offset = self.positions.get(&partition).copied().unwrap_or(fresh);
                ends.insert(partition.clone(), end);
                from.push(Assignment { partition, offset });
            }
        }
        Ok((from, ends))
    }

    fn read(&mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        let (from, ends) = self.assignments()?;
        self.positions = from.iter().map(|at| (at.partition.clone(), at.offset)).collect();
        let mut consumer = self.log.reader(&from).context("open the reader")?;
        self.pipeline.set_trouble(None);
        let mut last_record_at = Instant::now();
        let mut outcome = Ok(());
        while !stop.load(Ordering::Relaxed) {
            let polled_at = Instant::now();
            match self.poll(&mut consumer) {
                // a log in memory answers at once; asking it again and again would take a whole core
                Ok(0) => std::thread::sleep(POLL_PAUSE.saturating_sub(polled_at.elapsed())),
                Ok(_) => last_record_at = Instant::now(),
                Err(error) if error.class == ErrorClass::Retriable => {
                    tracing::debug!(%error, "poll failed, trying again");
                    self.pipeline.set_trouble(Some(error.to_string()));
                    std::thread::sleep(POLL_TIMEOUT);
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            // the last record of a transaction is followed by a marker that no reader sees
            let at_end = || ends.iter().all(|(at, end)| end - self.positions.get(at).unwrap_or(end) <= 1);
            if !self.is_caught_up && (at_end() || last_record_at.elapsed() > CAUGHT_UP_AFTER) {
                self.is_caught_up = true;
                self.publish_health(); // before anybody is served
                self.hub.set_caught_up();
                tracing::info!(results = self.hub.store().head(), "caught up with the result topics");
            }
            if self.health_at.is_none_or(|at| at.elapsed() >= HEALTH_INTERVAL) {
                self.publish_health();
            }
        }
        let closed = consumer.close();
        outcome.context("read the results")?;
        closed.context("close the reader")
    }

    fn poll(&mut self, consumer: &mut L::Consumer) -> Result<usize, kafka::LogError> {
        let mut rows = Vec::new();
        let polled = consumer.poll(POLL_RECORDS_MAX, POLL_TIMEOUT, &mut |record| {
            rows.extend(self.take(record));
            let at = TopicPartition::new(record.topic, record.partition);
            self.positions.insert(at, record.offset + 1);
        });
        self.hub.publish(&rows);
        match polled? {
            Polled::Records(count) => {
                self.pipeline.set_trouble(None);
                Ok(count)
            }
            Polled::Assigned(_) | Polled::Revoked { .. } => Ok(0), // only members of a group see these
        }
    }

    fn take(&mut self, record: &Record<'_>) -> Option<Row> {
        let topic = self.topics.iter().find(|(name, _)| name == record.topic)?.1;
        let Some(payload) = record.value else {
            self.pipeline.saw_tombstone();
            return None;
        };
        let (reason, detail) = match self.decode(payload) {
            Ok(value) if topic == Topic::DeadLetter => {
                let reason = value.get("reason").and_then(Json::as_str).unwrap_or("unknown");
                self.pipeline.saw_dead_letter(reason);
                return None;
            }
            Ok(value) => match Row::from_record(topic, value) {
                Ok(row) => {
                    if row.key.kind.is_result() {
                        self.pipeline.saw_result(&row);
                    }
                    return Some(row);
                }
                Err(error) => ("wrong_shape", error.to_string()),
            },
            Err(error) => (error.reason(), error.to_string()),
        };
        // the 1st, 2nd, 4th, 8th, ...: a flood of them must not become a flood of lines
        let count = self.pipeline.refused(reason);
        if count.is_power_of_two() {
            let (topic, partition, offset) = (record.topic, record.partition, record.offset);
            tracing::warn!(topic, partition, offset, reason, detail, count, "record cannot be shown");
        }
        None
    }

    fn decode(&mut self, payload: &[u8]) -> Result<Json, DecodeError> {
        let (id, _) = split_wire_format(payload)?;
        let is_to_ask = match self.readers.get(&id) {
            Some(Ok(_)) => false,
            Some(Err(asked_at)) => asked_at.elapsed() > UNKNOWN_SCHEMA_RETRY,
            None => true,
        };
        if is_to_ask {
            if self.readers.len() >= SCHEMAS_MAX {
                self.readers.clear();
            }
            let reader = (self.schema)(id).and_then(|text| {
                JsonReader::new(&text)
                    .inspect_err(|error| tracing::warn!(id, %error, "the registry's schema cannot be used"))
                    .ok()
            });
            self.readers.insert(id, reader.ok_or_else(Instant::now));
        }
        match self.readers.get(&id) {
            Some(Ok(reader)) => reader.read(payload),
            _ => Err(DecodeError::UnknownSchema(id)),
        }
    }

    fn publish_health(&mut self) {
        self.health_at = Some(Instant::now());
        let row = self.pipeline.to_row(self.is_caught_up);
        self.hub.set_pipeline(row.value.clone(), self.pipeline.newest_computed_at());
        let text = row.value.to_string();
        if text != self.health_text {
            self.health_text = text;
            self.hub.publish(&[row]);
        }
    }
}
