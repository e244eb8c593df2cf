//! The loop: reads the topics as one member of a group, gathers rows, has them written, commits.
//!
//! Always holds: one thread owns the consumer; a partition's chunks are written one after the other, and its position is
//! committed only up to the end of the last one that was acknowledged; on the first error that repeating will not cure
//! the sink ends without committing anything more. Memory is bounded: reading pauses while too much waits.
//!
//! Does not know: how rows look (`rows`), or how they travel (`insert`, `writer`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::{Duration, Instant};

use kafka::{
    Assignment, Consumer, ConsumerOptions, ErrorClass, Log, LogError, OffsetCommit, Polled, Position, Record,
    TopicPartition,
};
use schemas::{SchemaIds, Topic};

use super::health::SinkHealth;
use super::lane::{InFlight, Lane, LaneKey, Tag};
use super::options::{ClickHouseOptions, OptionsError};
use super::reader::{DeadLetters, FindSchema, Reader};
use super::writer::{Done, InsertError, Writer};

/// How many records one poll may bring.
const RECORDS_MAX: usize = 2_000;
/// The longest that one poll waits: acknowledgements are looked at in between.
const POLL_TIMEOUT: Duration = Duration::from_millis(50);
/// The pause after an error of the log that may pass.
const LOG_RETRY_PAUSE: Duration = Duration::from_millis(500);
const SESSION_TIMEOUT: Duration = Duration::from_secs(45);
const DEAD_LETTER_TIMEOUT: Duration = Duration::from_secs(30);

/// What a sink needs to know.
#[derive(Clone, Debug)]
pub struct SinkSettings {
    /// The deployment's prefix of topic and group names; may be empty.
    pub prefix: String,
    /// The ids of our own schemas.
    pub ids: SchemaIds,
    /// Static membership; see [`ConsumerOptions::instance_id`].
    pub instance_id: Option<String>,
    /// Where the rows go.
    pub clickhouse: ClickHouseOptions,
}

/// Why a sink ended.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// An option makes no sense.
    #[error("clickhouse option: {0}")]
    Options(#[from] OptionsError),
    /// The threads could not be started.
    #[error("the writer cannot be started: {0}")]
    Start(#[from] std::io::Error),
    /// The server refused rows, and repeating will not help.
    #[error(transparent)]
    Insert(#[from] InsertError),
    /// The log failed.
    #[error("the log failed: {0}")]
    Log(#[from] LogError),
    /// A dead letter was not delivered; its record stays uncommitted.
    #[error("a dead letter could not be delivered: {0}")]
    DeadLetter(LogError),
}

/// The name of the sink's consumer group.
#[must_use]
pub fn group(prefix: &str) -> String {
    format!("{prefix}ovation-clickhouse")
}

/// Runs a sink until `stop` is set: reads every topic of `schemas::Topic`, and writes its rows. Blocks its thread.
///
/// Where a partition has no committed position, it is read from its start. `find_schema` is asked for schema ids that
/// are not ours. On `stop` everything gathered is written and committed, as far as the drain timeout allows; what is
/// not is read again next time.
///
/// # Errors
/// See [`SinkError`]. An unreachable ClickHouse is none: the sink goes on trying, and `health` says so.
pub fn run<L: Log>(
    log: &L,
    settings: &SinkSettings,
    find_schema: &mut FindSchema<'_>,
    stop: &AtomicBool,
    health: &Arc<SinkHealth>,
) -> Result<(), SinkError> {
    let options = &settings.clickhouse;
    options.check()?;
    let topics: Vec<(String, Topic)> =
        Topic::STORED.map(|topic| (format!("{}{}", settings.prefix, topic.name()), topic)).into();
    let (sender, done) = channel();
    let writer = Writer::new(options, health.clone(), sender)?;
    let dead_letter_topic = format!("{}{}", settings.prefix, Topic::DeadLetter.name());
    let job = group(&settings.prefix);
    let dead_letters = DeadLetters::new(log.producer()?, settings.ids, dead_letter_topic, job.clone());
    let mut find_schema = |id| find_schema(id);
    let reader = Reader::new(settings.ids, &mut find_schema, dead_letters);
    let consumer = log.join(&ConsumerOptions {
        group: job,
        topics: topics.iter().map(|(name, _)| name.clone()).collect(),
        instance_id: settings.instance_id.clone(),
        session_timeout: SESSION_TIMEOUT,
    })?;
    let lanes = BTreeMap::new();
    let (is_paused, lives) = (false, 0);
    let mut sink =
        Sink { options, stop, topics, consumer, reader, writer, done, lanes, is_paused, lives, health };
    let outcome = sink.run_until_stopped();
    sink.end(outcome)
}

struct Sink<'a, C, P> {
    options: &'a ClickHouseOptions,
    stop: &'a AtomicBool,
    topics: Vec<(String, Topic)>,
    consumer: C,
    reader: Reader<'a, P>,
    writer: Writer<Tag>,
    done: Receiver<Done<Tag>>,
    lanes: BTreeMap<LaneKey, Lane>,
    is_paused: bool,
    lives: u64,
    health: &'a SinkHealth,
}

impl<C: Consumer + OffsetCommit, P: kafka::Producer> Sink<'_, C, P> {
    fn run_until_stopped(&mut self) -> Result<(), SinkError> {
        while !self.is_stopped() {
            match self.poll()? {
                Polled::Records(_) => {}
                Polled::Assigned(partitions) => self.assign(&partitions)?,
                Polled::Revoked { partitions, lost } => self.revoke(&partitions, lost)?,
            }
            self.take_acknowledgements()?;
            self.write_what_is_due();
            self.commit()?;
            self.pause_or_resume()?;
            self.report();
        }
        tracing::info!("clickhouse sink stops: writing what was gathered");
        self.drain(&self.lanes.keys().copied().collect::<Vec<_>>())
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn end(mut self, outcome: Result<(), SinkError>) -> Result<(), SinkError> {
        self.is_paused = false;
        self.report();
        for flight in self.lanes.values().filter_map(|lane| lane.in_flight.as_ref()) {
            flight.task.abort();
        }
        self.writer.shut_down();
        let closed = self.consumer.close();
        outcome?;
        Ok(closed?)
    }

    fn poll(&mut self) -> Result<Polled, SinkError> {
        let Sink { options, topics, consumer, reader, lanes, .. } = self;
        let mut failure = None;
        let mut on_record = |record: &Record<'_>| {
            if failure.is_some() {
                return;
            }
            let topic = topics.iter().find(|(name, _)| name == record.topic).map(|(_, topic)| *topic);
            let Some((topic, lane)) =
                topic.and_then(|topic| Some((topic, lanes.get_mut(&(topic, record.partition))?)))
            else {
                return;
            };
            if let Err(error) = reader.read(topic, record, &mut lane.open) {
                failure = Some(SinkError::DeadLetter(error));
            }
            if lane.open.rows >= options.flush_rows || lane.open.bytes >= options.flush_bytes {
                lane.seal();
            }
        };
        let polled = consumer.poll(RECORDS_MAX, POLL_TIMEOUT.min(options.flush_interval), &mut on_record);
        if let Some(failure) = failure {
            return Err(failure);
        }
        polled.or_else(|error| {
            pass_if_retriable(error)?;
            Ok(Polled::Records(0))
        })
    }

    fn assign(&mut self, partitions: &[TopicPartition]) -> Result<(), SinkError> {
        let committed = loop {
            match self.consumer.committed(partitions) {
                Ok(committed) => break committed,
                Err(_) if self.is_stopped() => return Ok(()),
                Err(error) => pass_if_retriable(error)?,
            }
        };
        let mut starts = Vec::with_capacity(partitions.len());
        for (partition, committed) in partitions.iter().zip(committed) {
            let offset = committed.map_or(0, |committed| committed.offset);
            starts.push(Assignment { partition: partition.clone(), offset });
            let Some((_, topic)) = self.topics.iter().find(|(name, _)| **name == *partition.topic) else {
                continue;
            };
            self.lives += 1;
            let lane = Lane::new(partition.clone(), self.lives, offset);
            self.lanes.insert((*topic, partition.partition), lane);
        }
        while let Err(error) = self.consumer.start(&starts) {
            pass_if_retriable(error)?;
            if self.is_stopped() {
                return Ok(());
            }
        }
        if self.is_paused {
            self.consumer.pause(partitions)?;
        }
        tracing::info!(partitions = partitions.len(), "partitions assigned");
        Ok(())
    }

    fn revoke(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<(), SinkError> {
        let is_revoked = |lane: &Lane| partitions.contains(&lane.partition);
        let keys: Vec<LaneKey> =
            self.lanes.iter().filter(|(_, lane)| is_revoked(lane)).map(|(key, _)| *key).collect();
        if !lost {
            self.drain(&keys)?;
        }
        for key in keys {
            if let Some(flight) = self.lanes.remove(&key).and_then(|lane| lane.in_flight) {
                flight.task.abort();
            }
        }
        tracing::info!(partitions = partitions.len(), lost, "partitions revoked");
        Ok(self.consumer.release(partitions)?)
    }

    /// Writes and commits what these lanes have gathered, as far as the drain timeout allows.
    fn drain(&mut self, keys: &[LaneKey]) -> Result<(), SinkError> {
        for key in keys {
            if let Some(lane) = self.lanes.get_mut(key) {
                lane.seal();
            }
        }
        let deadline = Instant::now() + self.options.drain_timeout;
        loop {
            self.start_writing();
            let is_drained = |key| self.lanes.get(key).is_none_or(Lane::is_drained);
            if keys.iter().all(is_drained) {
                break;
            }
            match self.done.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(done) => self.acknowledge(done)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    tracing::warn!(
                        "rows were not written in time: they are read again by whoever comes next"
                    );
                    break;
                }
            }
        }
        self.commit()
    }

    fn take_acknowledgements(&mut self) -> Result<(), SinkError> {
        loop {
            match self.done.try_recv() {
                Ok(done) => self.acknowledge(done)?,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }

    fn acknowledge(&mut self, done: Done<Tag>) -> Result<(), SinkError> {
        let (key, life, end) = done.tag;
        let Some(lane) = self.lanes.get_mut(&key).filter(|lane| lane.life == life) else { return Ok(()) };
        done.outcome?;
        lane.in_flight = None;
        lane.written = end;
        Ok(())
    }

    /// Seals chunks that are old enough, unless their lane is busy: then they grow, so that inserts stay few.
    fn write_what_is_due(&mut self) {
        let now = Instant::now();
        for lane in self.lanes.values_mut() {
            let is_old = |opened: Instant| now.duration_since(opened) >= self.options.flush_interval;
            if lane.in_flight.is_none() && lane.sealed.is_empty() && lane.open.opened.is_some_and(is_old) {
                lane.seal();
            }
        }
        self.start_writing();
    }

    fn start_writing(&mut self) {
        for (key, lane) in &mut self.lanes {
            while lane.in_flight.is_none()
                && let Some(chunk) = lane.sealed.pop_front()
            {
                let (rows, bytes, end) = (chunk.rows, chunk.bytes, chunk.end);
                if rows == 0 {
                    lane.written = end;
                    continue;
                }
                let inserts = chunk.into_inserts(key.0, &lane.partition);
                let task = self.writer.write((*key, lane.life, end), inserts);
                lane.in_flight = Some(InFlight { task, rows, bytes });
            }
        }
    }

    fn commit(&mut self) -> Result<(), SinkError> {
        let behind = self.lanes.values().filter(|lane| lane.written > lane.committed);
        let positions: Vec<Position> = behind
            .map(|lane| Position {
                partition: lane.partition.clone(),
                offset: lane.written,
                metadata: String::new(),
            })
            .collect();
        if positions.is_empty() {
            return Ok(());
        }
        self.reader.dead_letters.flush(DEAD_LETTER_TIMEOUT).map_err(SinkError::DeadLetter)?;
        match self.consumer.commit(&positions) {
            Ok(()) => {
                for lane in self.lanes.values_mut() {
                    lane.committed = lane.written;
                }
                Ok(())
            }
            Err(error) if error.class == ErrorClass::Fatal => Err(error.into()),
            // Repeated at the next turn; if the partitions are not ours any more, the next poll says so.
            Err(error) => {
                tracing::warn!(%error, "positions could not be committed yet");
                Ok(())
            }
        }
    }

    fn pause_or_resume(&mut self) -> Result<(), SinkError> {
        let bytes: usize = self.lanes.values().map(|lane| lane.buffered().1).sum();
        let is_too_much = bytes > self.options.buffer_bytes;
        let is_little = bytes <= self.options.buffer_bytes / 2;
        let is_right = if self.is_paused { !is_little } else { !is_too_much };
        if is_right {
            return Ok(());
        }
        let partitions: Vec<TopicPartition> =
            self.lanes.values().map(|lane| lane.partition.clone()).collect();
        match (partitions.is_empty(), self.is_paused) {
            (true, _) => {}
            (false, true) => self.consumer.resume(&partitions)?,
            (false, false) => self.consumer.pause(&partitions)?,
        }
        self.is_paused = !self.is_paused;
        tracing::info!(bytes, paused = self.is_paused, "reading paused or resumed");
        Ok(())
    }

    fn report(&self) {
        let buffered = self.lanes.values().map(Lane::buffered).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        let counts = self.reader.counts;
        let mut status = self.health.lock();
        status.partitions = self.lanes.len();
        status.is_paused = self.is_paused;
        (status.rows_buffered, status.bytes_buffered) = (buffered.0 as u64, buffered.1 as u64);
        status.records = counts.records;
        status.dead_letters = counts.dead_letters;
        status.undecodable_dead_letters = counts.undecodable_dead_letters;
        status.tombstones = counts.tombstones;
        status.clamped_times = counts.clamped_times;
    }
}

/// Waits a little after an error that may pass.
fn pass_if_retriable(error: LogError) -> Result<(), LogError> {
    if error.class != ErrorClass::Retriable {
        return Err(error);
    }
    tracing::warn!(%error, "the log failed; trying again");
    std::thread::sleep(LOG_RETRY_PAUSE);
    Ok(())
}
