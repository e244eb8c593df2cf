//! The loop: reads the topics as one member of a group, gathers rows in chunks, names them in the log, has them written, commits.
//!
//! Always holds: one thread owns the consumer; a chunk is sent only after the log has taken its range as part of a position's text
//! (see `intent`), and a position moves on only when the rows before it were acknowledged; on the first error that
//! repeating will not cure the sink ends without committing anything more. Memory is bounded: reading pauses while too much waits.
//!
//! Does not know: how rows look (`rows`), how they travel (`insert`, `writer`), or how a partition changes hands (`takeover`).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::{Duration, Instant};

use kafka::{Consumer, ConsumerOptions, ErrorClass, Log, LogError, Polled, Record, TopicPartition};
use schemas::{SchemaIds, Topic};

use super::dead_letters::DeadLetters;
use super::health::SinkHealth;
use super::intent::UnreadableIntent;
use super::lane::{Lane, LaneKey, Refused, Tag};
use super::lease::Lease;
use super::options::{ClickHouseOptions, OptionsError};
use super::reader::{FindSchema, Reader};
use super::writer::{Done, InsertError, Outcome, Writer};

/// How many records one poll may bring.
const RECORDS_MAX: usize = 2_000;
/// The longest that one poll waits: acknowledgements are looked at in between.
const POLL_TIMEOUT: Duration = Duration::from_millis(50);
/// The pause after an error of the log that may pass.
pub(super) const LOG_RETRY_PAUSE: Duration = Duration::from_millis(500);

/// What a sink needs to know.
#[derive(Clone, Debug)]
pub struct SinkSettings {
    /// The deployment's prefix of topic and group names; may be empty.
    pub prefix: String,
    /// The ids of our own schemas.
    pub ids: SchemaIds,
    /// Static membership; see [`ConsumerOptions::instance_id`].
    pub instance_id: Option<String>,
    /// How long the group waits for a silent member; no insert begins later than that after the last sign of membership.
    pub session_timeout: Duration,
    /// Where the rows go.
    pub clickhouse: ClickHouseOptions,
    /// What is read: None is every topic of [`Topic::STORED`], for ever, as the group of [`group`].
    pub backfill: Option<Backfill>,
}

/// A part of the log that is read again.
#[derive(Clone, Debug)]
pub struct Backfill {
    /// The consumer group: it remembers how far the backfill has come.
    pub group: String,
    /// The topic.
    pub topic: Topic,
    /// Of each partition, the first offset and the one after its last record. None of them is empty.
    pub spans: BTreeMap<i32, Range<i64>>,
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
    /// A position's text is one of ours and cannot be read.
    #[error("{0}: {1}")]
    Intent(TopicPartition, UnreadableIntent),
}

/// The name of the sink's consumer group.
#[must_use]
pub fn group(prefix: &str) -> String {
    format!("{prefix}ovation-clickhouse")
}

/// Runs a sink until `stop` is set, or a backfill until it is done: reads the topics, and writes their rows. Blocks its thread.
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
    let backfill = settings.backfill.as_ref();
    let read = backfill.map_or(Topic::STORED.to_vec(), |backfill| vec![backfill.topic]);
    let topics: Vec<(String, Topic)> =
        read.into_iter().map(|topic| (format!("{}{}", settings.prefix, topic.name()), topic)).collect();
    let job = backfill.map_or_else(|| group(&settings.prefix), |backfill| backfill.group.clone());
    let (sender, done) = channel();
    let lease = Arc::new(Lease::new(settings.session_timeout));
    let writer = Writer::new(options, health.clone(), lease.clone(), sender)?;
    let dead_letter_topic = format!("{}{}", settings.prefix, Topic::DeadLetter.name());
    // Of a backfill who read it the first time has sent them.
    let producer = if backfill.is_none() { Some(log.producer()?) } else { None };
    let dead_letters = DeadLetters::new(producer, settings.ids, dead_letter_topic, job.clone());
    let mut find_schema = |id| find_schema(id);
    let reader = Reader::new(settings.ids, &mut find_schema, dead_letters);
    let consumer = log.join(&ConsumerOptions {
        group: job,
        topics: topics.iter().map(|(name, _)| name.clone()).collect(),
        instance_id: settings.instance_id.clone(),
        session_timeout: settings.session_timeout,
    })?;
    let now = Instant::now();
    let mut sink = Sink {
        log,
        options,
        stop,
        topics,
        backfill,
        consumer,
        reader,
        writer,
        lease,
        done,
        lanes: BTreeMap::new(),
        is_paused: false,
        lives: 0,
        next_flush: now + options.flush_interval,
        next_commit: now,
        health,
    };
    let outcome = sink.run_until_stopped();
    sink.end(outcome)
}

pub(super) struct Sink<'a, L: Log> {
    pub log: &'a L,
    pub options: &'a ClickHouseOptions,
    stop: &'a AtomicBool,
    pub topics: Vec<(String, Topic)>,
    pub backfill: Option<&'a Backfill>,
    pub consumer: L::Consumer,
    pub reader: Reader<'a, L::Producer>,
    pub writer: Writer<Tag>,
    pub lease: Arc<Lease>,
    done: Receiver<Done<Tag>>,
    pub lanes: BTreeMap<LaneKey, Lane>,
    pub is_paused: bool,
    pub lives: u64,
    /// When gathered chunks are sent although they are small: one instant for all lanes, so that their ranges are named in one commit.
    next_flush: Instant,
    /// When positions are committed that no chunk waits for.
    pub next_commit: Instant,
    pub health: &'a SinkHealth,
}

impl<L: Log> Sink<'_, L> {
    fn run_until_stopped(&mut self) -> Result<(), SinkError> {
        while !self.is_stopped() && !self.is_backfilled() {
            match self.poll()? {
                Polled::Records(_) => {}
                Polled::Assigned(partitions) => self.assign(&partitions)?,
                Polled::Revoked { partitions, lost } => self.revoke(&partitions, lost)?,
            }
            self.take_acknowledgements()?;
            self.seal_what_is_due();
            self.commit_if_due()?;
            self.start_writing();
            self.pause_or_resume()?;
            self.report();
        }
        tracing::info!("clickhouse sink stops: writing what was gathered");
        for lane in self.lanes.values_mut() {
            lane.seal();
        }
        self.drain(&self.lanes.keys().copied().collect::<Vec<_>>(), Lane::is_drained)
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// True once a backfill has written all of every partition.
    fn is_backfilled(&self) -> bool {
        self.backfill.is_some() && !self.lanes.is_empty() && self.lanes.values().all(Lane::is_finished)
    }

    fn end(mut self, outcome: Result<(), SinkError>) -> Result<(), SinkError> {
        self.is_paused = false;
        self.report();
        for task in self.lanes.values().filter_map(|lane| lane.in_flight.as_ref()) {
            task.abort();
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
            if lane.until.is_some_and(|until| record.offset >= until) {
                return;
            }
            if lane.begin(record.offset) {
                reader.skip(record, &mut lane.open);
            } else if let Err(error) = reader.read(topic, record, &mut lane.open) {
                failure = Some(SinkError::DeadLetter(error));
            }
            lane.end(options.flush_rows, options.flush_bytes);
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

    /// Has written what is ready, names it and commits, until `is_done` holds for all of these lanes, or the drain timeout is over.
    pub fn drain(&mut self, keys: &[LaneKey], is_done: fn(&Lane) -> bool) -> Result<(), SinkError> {
        let deadline = Instant::now() + self.options.drain_timeout;
        loop {
            self.commit()?;
            self.start_writing();
            if keys.iter().all(|key| self.lanes.get(key).is_none_or(is_done)) {
                break;
            }
            let wait = deadline.saturating_duration_since(Instant::now());
            match self.done.recv_timeout(wait.min(LOG_RETRY_PAUSE)) {
                Ok(done) => self.acknowledge(done)?,
                Err(RecvTimeoutError::Timeout) if !wait.is_zero() => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    tracing::warn!("rows were not written in time: whoever comes next writes them");
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
        let (key, life) = done.tag;
        let Some(lane) = self.lanes.get_mut(&key).filter(|lane| lane.life == life) else { return Ok(()) };
        match done.outcome {
            Outcome::Written => lane.acknowledged(),
            Outcome::Failed(error) => return Err(error.into()),
            Outcome::Refused { done_days, error } => match lane.refused(&done_days) {
                Refused::Divided => tracing::debug!(%error, "rows are refused: looking for which"),
                Refused::Everything => return Err(error.into()),
                Refused::Record(offset) => {
                    let partition = lane.partition.clone();
                    self.refuse(&partition, offset, &error)?;
                }
            },
        }
        Ok(())
    }

    fn seal_what_is_due(&mut self) {
        let now = Instant::now();
        let is_due = now >= self.next_flush;
        if is_due {
            self.next_flush = now.max(self.next_flush + self.options.flush_interval);
        } else if self.bytes() <= self.options.buffer_bytes {
            return;
        }
        for lane in self.lanes.values_mut().filter(|lane| lane.is_idle()) {
            lane.seal();
        }
    }

    /// The bytes of rows that wait.
    fn bytes(&self) -> usize {
        self.lanes.values().map(|lane| lane.buffered().1).sum()
    }

    fn start_writing(&mut self) {
        for (key, lane) in &mut self.lanes {
            let Some(inserts) = lane.next_to_write(key.0) else { continue };
            lane.in_flight = Some(self.writer.write((*key, lane.life), inserts));
        }
    }

    fn pause_or_resume(&mut self) -> Result<(), SinkError> {
        let bytes = self.bytes();
        // What was announced must be read to its end, however large it is.
        let can_write = self.lanes.values().any(|lane| !lane.is_idle());
        let is_too_much = bytes > self.options.buffer_bytes && can_write;
        let is_little = bytes <= self.options.buffer_bytes / 2 || !can_write;
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
        status.records_known = counts.known;
    }
}

/// Waits a little after an error that may pass.
pub(super) fn pass_if_retriable(error: LogError) -> Result<(), LogError> {
    if error.class != ErrorClass::Retriable {
        return Err(error);
    }
    tracing::warn!(%error, "the log failed; trying again");
    std::thread::sleep(LOG_RETRY_PAUSE);
    Ok(())
}
