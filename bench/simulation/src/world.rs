//! The workers of a run, the clock that is moved by hand, and what befalls them.
//!
//! Always holds: one thread; a process that is killed is dropped without closing anything. The run ends undisturbed: all
//! workers are started, everything is read, nothing more comes, and the clock closes every window. Does not know: what must
//! come out.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka::memory::MemoryLog;
use kafka::{Log, Outgoing, Partitioned, Producer, Transactions};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use runtime::worker::group_id;
use runtime::{Guarantee, JobMetrics, Now, Worker, WorkerOptions};
use schemas::{SchemaIds, Timestamp, Topic};

use crate::chaos::{Chaos, ChaosLog};
use crate::counts::Counts;
use crate::input::{Made, START_MICROS};
use crate::plan::{Concern, Plan, Rates, StoreRates, stream};
use crate::process::{Process, Works};
use crate::store::{SLOW_MICROS, Storage};

const SECOND_MICROS: i64 = 1_000_000;
const NEVER: Duration = Duration::from_secs(1_000_000);
const SET_BACK: &str = "log set back";
/// How long the clock goes on at the end: beyond the furthest future that counts and the longest window.
const QUIET_SECONDS: i64 = 400;

/// A place for a worker of a job.
struct Slot {
    job: usize,
    number: usize,
    process: Option<Process>,
    /// Not started before: elapsed time.
    down_until_micros: i64,
}

/// Everything of a run that moves.
pub(crate) struct World<'a> {
    plan: &'a Plan,
    pub(crate) log: MemoryLog,
    /// The log as it was a while ago.
    backup: Option<MemoryLog>,
    chaos: Arc<Mutex<Chaos>>,
    storage: Arc<Storage>,
    random: ChaCha8Rng,
    slots: Vec<Slot>,
    /// Processes that go on although others have taken their places.
    zombies: Vec<Process>,
    /// What workers that have ended had under way.
    left_behind: Vec<Works>,
    pub(crate) metrics: Vec<Arc<JobMetrics>>,
    clock: Arc<AtomicI64>,
    /// Nothing goes wrong any more.
    is_calm: bool,
}

impl<'a> World<'a> {
    /// Nothing has been produced and nobody runs.
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let log = MemoryLog::new();
        for topic in Topic::ALL {
            log.create_topic(topic.name(), plan.partitions as u32);
        }
        let chaos = Chaos {
            random: stream(plan.seed, Concern::Faults),
            rates: plan.rates,
            poll_records_max: plan.poll_records_max,
            counts: Counts::default(),
        };
        let clock = Arc::default();
        let slot = |job| move |number| Slot { job, number, process: None, down_until_micros: 0 };
        World {
            plan,
            log,
            backup: None,
            storage: Arc::new(Storage::new(plan, &clock)),
            chaos: Arc::new(Mutex::new(chaos)),
            random: stream(plan.seed, Concern::Schedule),
            slots: (0..plan.jobs.len()).flat_map(|job| (0..plan.workers).map(slot(job))).collect(),
            zombies: Vec::new(),
            left_behind: Vec::new(),
            metrics: plan.jobs.iter().map(|_| Arc::default()).collect(),
            clock,
            is_calm: false,
        }
    }

    fn chaos(&self) -> MutexGuard<'_, Chaos> {
        self.chaos.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_of(&self, what: &str) -> u64 {
        self.chaos().counts.get(what)
    }

    fn count(&self, what: &'static str) {
        self.chaos().counts.add(what, 1);
    }

    fn elapsed_micros(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn pass(&self, micros: i64) {
        self.clock.fetch_add(micros, Ordering::Relaxed);
    }

    fn now(&self) -> Now {
        let elapsed_micros = self.elapsed_micros();
        Now { wall: Timestamp::from_micros(START_MICROS).plus_micros(elapsed_micros), elapsed_micros }
    }

    /// Runs everything, from the first record to the last closed window.
    ///
    /// # Errors
    /// A worker gave up where it should not have.
    pub(crate) fn run(&mut self, records: &[Made]) -> Result<Counts, String> {
        let mut rest = records;
        let mut turn = 0;
        while !rest.is_empty() {
            let step_ms = if self.plan.has_pauses { 20..100 } else { 5..400 };
            let step_micros = self.random.random_range(step_ms) * 1_000;
            self.pass(step_micros);
            let due = rest.partition_point(|record| record.at_micros <= self.elapsed_micros());
            self.produce(&rest[..due])?;
            rest = &rest[due..];
            self.work();
            turn += 1;
            // With pauses nobody is left unstepped: what lies unread for long comes late by rights.
            for _ in 0..if self.plan.has_pauses { self.slots.len() } else { 1 } {
                let slot =
                    if self.plan.has_pauses { turn } else { self.random.random_range(0..self.slots.len()) };
                self.step(slot % self.slots.len())?;
                turn += 1;
            }
            self.disturb()?;
            if !rest.is_empty() {
                self.set_back();
            }
        }
        self.finish()?;
        Ok(self.counts())
    }

    fn counts(&self) -> Counts {
        let mut counts = self.chaos().counts.clone();
        counts.merge(&self.storage.counts());
        for metrics in &self.metrics {
            for (what, count) in [
                ("transaction aborted", &metrics.aborts),
                ("record replayed", &metrics.replayed),
                ("duplicate left out", &metrics.duplicates),
                ("shard unparked", &metrics.unparked),
                ("snapshot stored", &metrics.snapshots),
                ("snapshot failed", &metrics.snapshots_failed),
                ("snapshot skipped", &metrics.snapshots_skipped),
                ("restored from a snapshot", &metrics.restores),
                ("restored from an older snapshot", &metrics.restores_from_older),
                ("restored from the log", &metrics.restores_from_log),
            ] {
                counts.add(what, count.load(Ordering::Relaxed));
            }
        }
        counts.add("idle run", u64::from(self.plan.has_pauses));
        counts
    }

    /// Snapshots that are being written or read go on.
    fn work(&mut self) {
        let slots = self.slots.iter().filter_map(|slot| slot.process.as_ref());
        slots.chain(&self.zombies).for_each(|process| {
            process.works.go_on();
        });
        self.left_behind.retain(Works::go_on);
    }

    fn produce(&self, records: &[Made]) -> Result<(), String> {
        let failed = |error: kafka::LogError| format!("cannot produce: {error}");
        let mut producer = self.log.producer().map_err(failed)?;
        for record in records {
            let outgoing = Outgoing {
                topic: record.topic.name(),
                partition: Partitioned::To(record.partition),
                timestamp_ms: record.timestamp_ms,
                key: record.key.as_deref(),
                value: record.value.as_deref(),
            };
            if record.is_aborted {
                let mut writer = self.log.transactions("producer").map_err(failed)?;
                writer.begin().map_err(failed)?;
                writer.send(&outgoing).map_err(failed)?;
                writer.abort().map_err(failed)?;
            } else {
                producer.send(&outgoing).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Perhaps something befalls a worker or a group.
    fn disturb(&mut self) -> Result<(), String> {
        if self.random.random_range(0..20) == 0 {
            self.end_sessions();
        }
        self.storage.lose_file();
        if !self.zombies.is_empty() && self.random.random_range(0..3) == 0 {
            let zombie = self.random.random_range(0..self.zombies.len());
            let now = self.now();
            if let Err(error) = self.zombies[zombie].worker.step(now) {
                let zombie = self.zombies.swap_remove(zombie);
                judge(&zombie, &error)?;
                self.leave_behind(&zombie);
            }
        }
        if self.random.random_range(0..1_000) >= self.plan.rates.upheaval {
            return Ok(());
        }
        let index = self.random.random_range(0..self.slots.len());
        let down_micros = self.random.random_range(0..5 * SECOND_MICROS);
        let now = self.now();
        let slot = &mut self.slots[index];
        let Some(process) = slot.process.take() else { return Ok(()) };
        slot.down_until_micros = now.elapsed_micros + down_micros;
        match self.random.random_range(0..3) {
            0 => {
                process.log.kill();
                self.count("crash between steps");
            }
            1 => {
                self.leave_behind(&process);
                let Process { worker, log, .. } = process;
                match worker.stop(now) {
                    Ok(()) => self.count("worker left"),
                    Err(error) if log.is_dead() || error.is_worth_retrying() => {}
                    Err(error) => return Err(format!("a worker did not stop: {error}")),
                }
            }
            _ => {
                slot.down_until_micros = 0;
                process.log.life.end();
                self.zombies.push(process);
                self.count("zombie");
            }
        }
        Ok(())
    }

    /// The groups find out who is silent.
    fn end_sessions(&self) {
        self.plan.jobs.iter().for_each(|job| self.log.expel_absent(&group_id("", &job.job.name)));
    }

    /// Steps a worker, which is started if there is none; one that fails is thrown away, as its thread would.
    fn step(&mut self, index: usize) -> Result<(), String> {
        let now = self.now();
        let slot = &self.slots[index];
        if slot.process.is_none() {
            if slot.down_until_micros > now.elapsed_micros {
                return Ok(());
            }
            let started = self.start(slot.job, slot.number)?;
            self.slots[index].process = started;
        }
        let slot = &mut self.slots[index];
        if let Some(process) = &mut slot.process
            && let Err(error) = process.worker.step(now)
        {
            judge(process, &error)?;
            let down_micros = if self.is_calm { 0 } else { self.random.random_range(0..3 * SECOND_MICROS) };
            slot.down_until_micros = now.elapsed_micros + down_micros;
            if let Some(process) = slot.process.take() {
                self.leave_behind(&process);
            }
        }
        Ok(())
    }

    fn start(&self, job: usize, number: usize) -> Result<Option<Process>, String> {
        let log = ChaosLog::new(&self.log, &self.chaos);
        let works = Works::new(&log.life);
        let mut snapshots = self.plan.snapshots;
        if self.is_calm && self.plan.ends_with_restart {
            snapshots.iter_mut().for_each(|snapshots| snapshots.every = NEVER);
        }
        let planned = Arc::clone(&self.plan.jobs[job].job);
        let name = format!("{}-{number}", planned.name);
        let options = WorkerOptions {
            topic_prefix: String::new(),
            instance_id: self.plan.is_static.then(|| name.clone()),
            // Kept over restarts: the next one aborts what a crash left open.
            transactional_id: name,
            guarantee: Guarantee::ExactlyOnce,
            commit_every: self.plan.commit_every,
            idle_after: self.plan.idle_after,
            session_timeout: Duration::from_secs(10),
            split_timeout: Duration::ZERO,
            poll_timeout: Duration::ZERO,
            late_to_dead_letter: false,
            owner: None,
            snapshots: snapshots.map(|plan| works.options(&plan, &self.storage)),
            schema_ids: SchemaIds::local(),
            schema_lookup: Arc::new(|_| Ok(None)),
        };
        match Worker::new(log.clone(), planned, options, Arc::clone(&self.metrics[job])) {
            Ok(worker) => {
                self.count("worker joined");
                Ok(Some(Process { worker, log, works }))
            }
            Err(error) if log.is_dead() || error.is_worth_retrying() => Ok(None),
            Err(error) => Err(format!("a worker did not start: {error}")),
        }
    }

    /// What a worker has under way when it ends goes on, unless its process was killed.
    fn leave_behind(&mut self, process: &Process) {
        process.log.life.end();
        self.left_behind.push(process.works.clone());
    }

    /// In some runs the log is lost once, and restored from a backup: what was written since is gone, but for snapshots.
    fn set_back(&mut self) {
        if !self.plan.is_set_back || self.random.random_range(0..40) > 0 {
            return;
        }
        match self.backup.take() {
            None if self.count_of(SET_BACK) == 0 => self.backup = Some(self.log.backup()),
            None => {}
            Some(backup) => {
                self.kill_all();
                self.log = backup;
                // A shard that begins now must see that there are snapshots of what is gone.
                self.storage.set_rates(|rates| rates.look = 0);
                self.count(SET_BACK);
            }
        }
    }

    fn kill_all(&mut self) {
        let slots = self.slots.iter_mut().filter_map(|slot| slot.process.take());
        slots.chain(self.zombies.drain(..)).for_each(|process| process.log.kill());
        self.left_behind.clear();
    }

    /// Undisturbed: everything is read, then all is idle, then the clock closes the windows, then the workers stop.
    fn finish(&mut self) -> Result<(), String> {
        // A fault that was drawn for the commit of a fenced writer may still wait for another's.
        self.is_calm = true;
        self.chaos().rates = Rates::default();
        self.storage.set_rates(|rates| *rates = StoreRates::default());
        self.chaos().poll_records_max = usize::MAX;
        self.zombies.drain(..).for_each(|zombie| zombie.log.kill());
        if self.plan.ends_with_restart {
            self.kill_all();
        }
        self.slots.iter_mut().for_each(|slot| slot.down_until_micros = 0);
        self.rounds(20, SECOND_MICROS / 20)?;
        self.end_sessions();
        // What is slow already comes to its end.
        self.rounds(20, SLOW_MICROS / 20)?;
        // Partitions become idle one after the other, as they were last read.
        let idle_after_micros = self.plan.idle_after.as_micros() as i64;
        self.pass((idle_after_micros - 6 * SECOND_MICROS).max(0));
        self.rounds(30, SECOND_MICROS / 4)?;
        self.rounds(QUIET_SECONDS / 20, 20 * SECOND_MICROS)?;
        let now = self.now();
        for slot in &mut self.slots {
            if let Some(process) = slot.process.take() {
                process.worker.stop(now).map_err(|error| format!("a worker did not stop: {error}"))?;
            }
        }
        Ok(())
    }

    fn rounds(&mut self, rounds: i64, step_micros: i64) -> Result<(), String> {
        for _ in 0..rounds {
            self.pass(step_micros);
            self.work();
            (0..self.slots.len()).try_for_each(|slot| self.step(slot))?;
        }
        Ok(())
    }
}

/// Whether a worker may fail so.
fn judge(process: &Process, error: &runtime::WorkerError) -> Result<(), String> {
    if process.log.is_dead() || error.is_worth_retrying() {
        Ok(())
    } else {
        Err(format!("a worker gave up: {error}"))
    }
}
