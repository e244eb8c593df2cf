//! A worker: one member of the job's consumer group, its shards and its transactional writer, stepped by its thread.
//!
//! One step: poll; take the records in; let watermarks advance; send what is to be shown; hear what the keeper of snapshots has
//! done; commit when it is time. Revoked partitions are committed before they are given up; an aborted
//! transaction rolls the state back by rebuilding it.
//!
//! Always holds: positions are committed only together with the outputs before them (see [`WorkerOptions::guarantee`]). A
//! shard has the same partition number of every input of the job, or the worker refuses the assignment. No step waits
//! for the store of snapshots. Time comes in through [`Now`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use kafka::{Consumer, ConsumerOptions, ErrorClass, Log, LogError, Polled};
use processors::{Job, Output, Stamp, stamp};
use schemas::{DeadLetter, Timestamp, Topic};
use tracing::{debug, warn};

use crate::assignment::Shares;
use crate::horizon::{Note, UnreadableHorizon};
use crate::intake::{Context, Intake, take_record};
use crate::live::LiveShard;
use crate::metrics::{Held, JobMetrics};
pub use crate::options::{Guarantee, WorkerOptions};
use crate::outlet::Outlet;
use crate::query::Query;
use crate::snapshot::store::Refused;
use crate::snapshot::{Keeper, Reply};

/// At most this many records are taken in between two looks at the clock.
const BATCH_RECORDS_MAX: usize = 4_096;
/// How often a shard that is being rebuilt says how far it is.
const PROGRESS_EVERY_MICROS: i64 = 5_000_000;

/// The time, as a step gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The clock on the wall.
    pub wall: Timestamp,
    /// Microseconds since some fixed moment, never falling.
    pub elapsed_micros: i64,
}

/// Why a worker cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The log says no; [`LogError::class`] tells whether a new worker may do better.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The group gave us a partition number of some inputs but not of all.
    #[error(
        "the assignment splits shard {shard}: {topic} is missing; all members of group {group} must use the range \
         assignor and the topics the same number of partitions"
    )]
    SplitShard {
        /// The partition number.
        shard: i32,
        /// An input that was not assigned with it.
        topic: Topic,
        /// The consumer group.
        group: String,
    },
    /// The committed position carries a text that is not ours.
    #[error(
        "{0}; another program may use this group, or a newer version of ovation; use another group or reset this one"
    )]
    Horizon(#[from] UnreadableHorizon),
    /// A snapshot is of another configuration or another program.
    #[error(transparent)]
    Snapshot(#[from] Refused),
    /// The keeper of snapshots cannot be started.
    #[error("cannot start the keeper of snapshots: {0}")]
    Keeper(std::io::Error),
    /// A result does not fit its schema: a bug.
    #[error("cannot encode a result: {0}")]
    Encode(String),
}

impl WorkerError {
    /// Whether a new worker may succeed where this one failed.
    #[must_use]
    pub fn is_worth_retrying(&self) -> bool {
        matches!(self, WorkerError::Log(_))
    }
}

/// One member of a job's consumer group.
pub struct Worker<L: Log> {
    pub(crate) log: L,
    pub(crate) job: Arc<Job>,
    pub(crate) options: WorkerOptions,
    pub(crate) consumer: L::Consumer,
    pub(crate) outlet: Outlet<L>,
    pub(crate) metrics: Arc<JobMetrics>,
    /// The full names of the job's input topics.
    pub(crate) topics: Vec<(Topic, Arc<str>)>,
    /// The shards that take records in.
    pub(crate) shards: BTreeMap<i32, LiveShard>,
    /// What the group has given us, and the shards that do not take records in yet or any more.
    pub(crate) shares: Shares,
    /// Writes and reads snapshots.
    pub(crate) keeper: Option<Keeper>,
    /// The name under which the job's snapshots are kept.
    pub(crate) folder: String,
    intake: Intake,
    held: Arc<Held>,
    /// Partitions of the job's inputs; of interest to a second stage.
    pub(crate) shard_count: i32,
    committed_at_micros: i64,
    status_at_micros: i64,
}

/// What one poll brought, on its way out.
#[derive(Default)]
struct Batch {
    outputs: Vec<(i32, Output)>,
    dead: Vec<DeadLetter>,
    touched: BTreeSet<i32>,
}

/// The consumer group of a job.
#[must_use]
pub fn group_id(topic_prefix: &str, job: &str) -> String {
    format!("{topic_prefix}ovation-{job}")
}

impl<L: Log> Worker<L> {
    /// Joins the job's group. Whoever used the same transactional id is fenced.
    ///
    /// # Errors
    /// If the log cannot be reached.
    pub fn new(
        log: L,
        job: Arc<Job>,
        options: WorkerOptions,
        metrics: Arc<JobMetrics>,
    ) -> Result<Self, WorkerError> {
        let full_name = |topic: &Topic| (*topic, Arc::from(format!("{}{topic}", options.topic_prefix)));
        let topics: Vec<(Topic, Arc<str>)> = job.inputs.iter().map(full_name).collect();
        let outlet = Outlet::new(&log, &options, Arc::clone(&metrics))?;
        let folder = format!("{}{}", options.topic_prefix, job.name);
        let keeper = options.snapshots.as_ref().map(|snapshots| Keeper::new(snapshots, &job, &folder));
        let keeper = keeper.transpose().map_err(WorkerError::Keeper)?;
        let consumer = log.join(&ConsumerOptions {
            group: group_id(&options.topic_prefix, &job.name),
            topics: topics.iter().map(|(_, name)| name.to_string()).collect(),
            instance_id: options.instance_id.clone(),
            session_timeout: options.session_timeout,
        })?;
        Ok(Worker {
            intake: Intake::new(options.schema_ids, Arc::clone(&options.schema_lookup)),
            log,
            job,
            options,
            consumer,
            outlet,
            shards: BTreeMap::new(),
            shares: Shares::default(),
            keeper,
            folder,
            held: metrics.new_held(),
            metrics,
            topics,
            shard_count: 0,
            committed_at_micros: i64::MIN,
            status_at_micros: i64::MIN,
        })
    }

    /// The numbers of the shards that this worker owns.
    pub fn shard_numbers(&self) -> impl Iterator<Item = i32> + '_ {
        self.shards.keys().copied()
    }

    /// Answers the questions that wait. To be called between steps.
    pub fn answer(&self, questions: &Receiver<Query>) {
        questions.try_iter().for_each(|question| question.answer(&self.shards, &self.shares));
    }

    /// One round of the loop; returns within about `poll_timeout` if there is nothing to do.
    ///
    /// # Errors
    /// If the worker cannot go on; it must then be dropped, and a new one continues from the last commit.
    pub fn step(&mut self, now: Now) -> Result<(), WorkerError> {
        match self.poll(now)? {
            Polled::Records(_) => {}
            Polled::Assigned(partitions) => self.take_over(&partitions, now)?,
            Polled::Revoked { partitions, lost } => self.give_up(&partitions, lost, now)?,
        }
        self.hear_keeper(now)?;
        self.refuse_split_shards(now)?;
        self.look_for_idle_partitions(now)?;
        self.follow_clock(now)?;
        let is_due =
            now.elapsed_micros.saturating_sub(self.committed_at_micros) >= micros(self.options.commit_every);
        if is_due {
            self.commit(now)?;
        }
        Ok(())
    }

    /// Commits what is done and leaves the group.
    ///
    /// # Errors
    /// If the last commit failed: then the next owner does that work again.
    pub fn stop(mut self, now: Now) -> Result<(), WorkerError> {
        self.commit(now)?;
        self.consumer.close()?;
        Ok(())
    }

    /// Takes records in and sends what they make visible.
    fn poll(&mut self, now: Now) -> Result<Polled, WorkerError> {
        let mut batch = Batch::default();
        let (intake, shards, metrics) = (&mut self.intake, &mut self.shards, &self.metrics);
        let (topics, job) = (&self.topics, &self.job);
        let late_to_dead_letter = self.options.late_to_dead_letter;
        let mut outputs = Vec::new();
        let polled = self.consumer.poll(BATCH_RECORDS_MAX, self.options.poll_timeout, &mut |record| {
            let Some(topic) =
                topics.iter().find(|(_, name)| **name == *record.topic).map(|(topic, _)| *topic)
            else {
                return;
            };
            let Some(shard) = shards.get_mut(&record.partition) else { return };
            let context = Context { now, metrics, job: &job.name, late_to_dead_letter };
            take_record(intake, shard, topic, record, &context, &mut outputs, &mut batch.dead);
            batch.touched.insert(record.partition);
            batch.outputs.extend(outputs.drain(..).map(|output| (record.partition, output)));
        })?;
        for number in &batch.touched {
            if let Some(shard) = self.shards.get_mut(number) {
                shard.advance(&mut outputs);
                batch.outputs.extend(outputs.drain(..).map(|output| (*number, output)));
            }
        }
        self.send(batch, now)?;
        Ok(polled)
    }

    /// Adds outputs and dead letters to the transaction.
    fn send(&mut self, batch: Batch, now: Now) -> Result<(), WorkerError> {
        let sent = self.try_send(batch, now);
        self.roll_back_if_aborted(sent, now)
    }

    fn try_send(&mut self, batch: Batch, now: Now) -> Result<(), WorkerError> {
        let mut read = BTreeMap::new();
        for (number, mut output) in batch.outputs {
            let Some(shard) = self.shards.get(&number) else { continue };
            let known = Stamp {
                job: &self.job.name,
                shard: number,
                shard_count: self.shard_count,
                watermark: shard.watermark(),
                computed_at: now.wall,
                input_offsets: read.entry(number).or_insert_with(|| shard.input_offsets()),
            };
            stamp(&mut output, &known);
            self.outlet.send_result(&output, now)?;
        }
        batch.dead.iter().try_for_each(|letter| self.outlet.send_dead_letter(letter, now))
    }

    /// Commits outputs and positions together, if there is anything new.
    pub(crate) fn commit(&mut self, now: Now) -> Result<(), WorkerError> {
        self.committed_at_micros = now.elapsed_micros;
        self.prepare_snapshots(now);
        self.tell_progress(now);
        self.tell_sizes();
        let ready: Vec<i32> = self.shards.values().filter(|s| s.has_news).map(|s| s.number).collect();
        if ready.is_empty() && !self.outlet.is_open() {
            return Ok(());
        }
        let committed = self.try_commit(&ready, now);
        self.roll_back_if_aborted(committed, now)
    }

    fn try_commit(&mut self, ready: &[i32], now: Now) -> Result<(), WorkerError> {
        let note =
            Note { owner: self.options.owner.clone(), committed_at: Some(now.wall), ..Note::default() };
        let shards = ready.iter().filter_map(|number| self.shards.get(number));
        let positions: Vec<_> = shards.flat_map(|shard| shard.positions(&note)).collect();
        self.outlet.commit(&positions, &mut self.consumer)?;
        for shard in self.shards.values_mut().filter(|shard| shard.has_news) {
            shard.was_committed(&positions);
        }
        let watermark = self
            .shards
            .values()
            .map(|shard| shard.watermark().micros())
            .filter(|micros| *micros > i64::MIN)
            .min()
            .unwrap_or(i64::MIN);
        self.metrics.watermark_micros.store(watermark, Ordering::Relaxed);
        self.take_snapshot(ready, now);
        Ok(())
    }

    /// Tells the metrics what the shards hold.
    fn tell_sizes(&self) {
        let Ok(mut held) = self.held.lock() else { return };
        held.clear();
        let sizes = self.shards.values().flat_map(|shard| shard.shard.sizes());
        sizes.for_each(|(operator, size)| *held.entry(operator).or_default() += size);
    }

    /// Now and then a shard that is being rebuilt commits what it had, for the sake of the note that goes with it.
    fn tell_progress(&mut self, now: Now) {
        if now.elapsed_micros.saturating_sub(self.status_at_micros) < PROGRESS_EVERY_MICROS {
            return;
        }
        self.status_at_micros = now.elapsed_micros;
        self.shards
            .values_mut()
            .filter(|shard| shard.is_rebuilding())
            .for_each(|shard| shard.has_news = true);
    }

    /// Hears what has become of snapshots and restores, and tells how far restores have come.
    fn hear_keeper(&mut self, now: Now) -> Result<(), WorkerError> {
        while let Some(reply) = self.keeper.as_mut().and_then(Keeper::reply) {
            match reply {
                Reply::Saved { shard, outcome } => self.snapshot_saved(shard, outcome),
                Reply::Loaded { ticket, shard, outcome } => {
                    self.snapshot_loaded(ticket, shard, outcome?, now)?
                }
            }
        }
        self.load_next();
        let to_go = self.shards.values().map(LiveShard::records_to_go).sum();
        self.metrics.restore_records_to_go.store(to_go, Ordering::Relaxed);
        Ok(())
    }

    /// An error that asks for it aborts the transaction; the shards are then rebuilt, since their state has already taken
    /// in what was thrown away.
    fn roll_back_if_aborted(
        &mut self,
        outcome: Result<(), WorkerError>,
        now: Now,
    ) -> Result<(), WorkerError> {
        match outcome {
            Err(WorkerError::Log(error)) if error.class == ErrorClass::MustAbort => {
                warn!(job = self.job.name, %error, "transaction aborted, rebuilding state");
                self.outlet.abort()?;
                self.rebuild_all(now)?;
                Ok(())
            }
            other => other,
        }
    }

    /// A partition that has brought nothing for a while is idle if the log has nothing more for us. Being asked, not
    /// the time alone, decides: time that we spent elsewhere must not count.
    fn look_for_idle_partitions(&mut self, now: Now) -> Result<(), WorkerError> {
        let idle_after = micros(self.options.idle_after);
        let mut batch = Batch::default();
        let mut outputs = Vec::new();
        for shard in self.shards.values_mut() {
            let mut idle = Vec::new();
            for input in &mut shard.inputs {
                // How far a first stage has come, and whether a shard of it is idle, is in the log.
                let is_told = input.topic == Topic::Partials;
                if is_told || input.is_idle || now.elapsed_micros - input.quiet_since_micros < idle_after {
                    continue;
                }
                input.quiet_since_micros = now.elapsed_micros;
                match self.log.offsets(&input.partition) {
                    Ok((_, end)) if input.next_offset >= end => idle.push(input.topic),
                    Ok(_) => {}
                    Err(error) => debug!(partition = %input.partition, %error, "cannot tell whether idle"),
                }
            }
            if !idle.is_empty() {
                idle.into_iter().for_each(|topic| shard.mark_idle(topic));
                shard.advance(&mut outputs);
                batch.outputs.extend(outputs.drain(..).map(|output| (shard.number, output)));
            }
        }
        self.send(batch, now)
    }

    fn follow_clock(&mut self, now: Now) -> Result<(), WorkerError> {
        let mut batch = Batch::default();
        let mut outputs = Vec::new();
        for shard in self.shards.values_mut() {
            shard.follow_clock(now, &mut outputs);
            batch.outputs.extend(outputs.drain(..).map(|output| (shard.number, output)));
        }
        self.send(batch, now)
    }
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
