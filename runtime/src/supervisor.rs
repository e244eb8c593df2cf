//! Threads for a job's workers.
//!
//! Always holds: a worker that fails for a reason that may pass is replaced after a growing pause; one that fails for a reason
//! that will not pass ends the job with that reason. Stopping commits what is done. Does not know: signals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kafka::{Log, LogError};
use processors::Job;
use schemas::Timestamp;
use tracing::{error, info, warn};

use crate::metrics::JobMetrics;
use crate::query::{Answer, Desk, Query};
use crate::worker::{Now, Worker, WorkerError, WorkerOptions};

const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a worker may take to answer a question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A job on its threads.
pub struct RunningJob {
    /// The job's name.
    pub name: String,
    /// Its counters.
    pub metrics: Arc<JobMetrics>,
    /// Where questions about its live state go in.
    pub desk: Desk,
    threads: Vec<JoinHandle<Result<(), WorkerError>>>,
}

impl RunningJob {
    /// Whether a worker has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// What `board` shows for `group` (a channel_id) now, or which shard to ask another instance for.
    ///
    /// # Errors
    /// If the log does not tell how many partitions there are.
    pub fn query(&self, board: &str, group: &str) -> Result<Answer, LogError> {
        self.desk.query(board, group, ANSWER_TIMEOUT)
    }

    /// Waits for all workers.
    ///
    /// # Errors
    /// The first worker's error.
    pub fn join(self) -> Result<(), WorkerError> {
        let mut outcome = Ok(());
        for thread in self.threads {
            match thread.join() {
                Ok(ended) => outcome = outcome.and(ended),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        outcome
    }
}

/// Starts `workers` threads for the job; they run until `stop` is set. `options` names each worker by its number.
#[must_use]
pub fn start<L: Log>(
    log: &L,
    job: &Arc<Job>,
    workers: usize,
    options: impl Fn(usize) -> WorkerOptions,
    stop: &Arc<AtomicBool>,
) -> RunningJob {
    let metrics = Arc::new(JobMetrics::default());
    let options: Vec<WorkerOptions> = (0..workers).map(options).collect();
    let prefix = options.first().map(|options| options.topic_prefix.clone()).unwrap_or_default();
    let (counted, input) = (log.clone(), job.inputs.first().map(|topic| format!("{prefix}{topic}")));
    let (desk, questions) = Desk::new(workers, job, move || {
        input.as_ref().map_or(Ok(None), |input| counted.partition_count(input))
    });
    let spawn = |(number, (options, questions)): (usize, (WorkerOptions, Receiver<Query>))| {
        let (log, job, metrics, stop) =
            (log.clone(), Arc::clone(job), Arc::clone(&metrics), Arc::clone(stop));
        let name = format!("{}-{number}", job.name);
        let run = move || keep_running(&log, &job, &options, &metrics, &questions, &stop);
        match std::thread::Builder::new().name(name).spawn(run) {
            Ok(thread) => thread,
            Err(error) => unreachable!("the system has no thread left: {error}"),
        }
    };
    let threads = options.into_iter().zip(questions).enumerate().map(spawn).collect();
    RunningJob { name: job.name.clone(), threads, metrics, desk }
}

fn keep_running<L: Log>(
    log: &L,
    job: &Arc<Job>,
    options: &WorkerOptions,
    metrics: &Arc<JobMetrics>,
    questions: &Receiver<Query>,
    stop: &AtomicBool,
) -> Result<(), WorkerError> {
    let mut pause = PAUSE_MIN;
    while !stop.load(Ordering::Relaxed) {
        let commits_before = metrics.commits.load(Ordering::Relaxed);
        match run_once(log, job, options, metrics, questions, stop) {
            Ok(()) => return Ok(()),
            Err(reason) if reason.is_worth_retrying() => {
                if metrics.commits.load(Ordering::Relaxed) > commits_before {
                    pause = PAUSE_MIN;
                }
                warn!(job = job.name, error = %reason, pause_ms = pause.as_millis() as u64, "worker failed, starting anew");
                wait(pause, stop);
                pause = (pause * 2).min(PAUSE_MAX);
            }
            Err(reason) => {
                error!(job = job.name, error = %reason, "worker ended");
                return Err(reason);
            }
        }
    }
    Ok(())
}

fn run_once<L: Log>(
    log: &L,
    job: &Arc<Job>,
    options: &WorkerOptions,
    metrics: &Arc<JobMetrics>,
    questions: &Receiver<Query>,
    stop: &AtomicBool,
) -> Result<(), WorkerError> {
    let started = Instant::now();
    let mut worker = Worker::new(log.clone(), Arc::clone(job), options.clone(), Arc::clone(metrics))?;
    info!(job = job.name, "worker started");
    while !stop.load(Ordering::Relaxed) {
        worker.step(now(started))?;
        worker.answer(questions);
    }
    worker.stop(now(started))?;
    info!(job = job.name, "worker stopped");
    Ok(())
}

/// Sleeps, but not past a stop.
fn wait(pause: Duration, stop: &AtomicBool) {
    let until = Instant::now() + pause;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn now(started: Instant) -> Now {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now {
        wall: Timestamp::from_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)),
        elapsed_micros: i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX),
    }
}
