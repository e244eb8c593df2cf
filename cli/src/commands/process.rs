//! `ovation process`: runs jobs until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use kafka::broker::BrokerLog;
use processors::Job;
use runtime::RunningJob;
use schemas::{SchemaIds, Timestamp};
use sinks::clickhouse::SinkHealth;
use tracing::info;

use crate::config::Checked;
use crate::endpoint::{self, Bound};
use crate::wiring;

/// How often a running job says how it is doing.
const REPORT_EVERY: Duration = Duration::from_secs(30);

pub(super) fn run(checked: &Checked, names: &[String]) -> Result<()> {
    let jobs = checked.select(names)?;
    let bound = endpoint::bind(checked)?;
    let log = wiring::log(checked)?;
    let ids = wiring::schema_ids(checked)?;
    let stop = wiring::stop_on_signal()?;
    let (running, served) = start(checked, &log, &jobs, ids, bound, None, &stop)?;
    let outcome = wait(running, &stop);
    outcome.and(served.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// Starts the jobs' threads, and the endpoint that answers for them.
pub(super) fn start(
    checked: &Checked,
    log: &BrokerLog,
    jobs: &[Arc<Job>],
    schema_ids: SchemaIds,
    bound: Bound,
    sink: Option<Arc<SinkHealth>>,
    stop: &Arc<AtomicBool>,
) -> Result<(Vec<RunningJob>, JoinHandle<Result<()>>)> {
    let shared = wiring::Running {
        schema_ids,
        schema_lookup: wiring::schema_lookup(checked),
        snapshots: wiring::snapshot_store(checked)?,
        owner: Some(bound.owner.clone()),
    };
    let start_one = |job: &Arc<Job>| {
        let options = |number| wiring::worker_options(checked, &job.name, number, &shared);
        runtime::start(log, job, checked.config.process.workers, options, stop)
    };
    let running: Vec<RunningJob> = jobs.iter().map(start_one).collect();
    let named: Vec<_> = jobs.iter().cloned().zip(&running).collect();
    let served = endpoint::serve(checked, bound, log, &named, sink, stop)?;
    Ok((running, served))
}

/// Waits for the jobs to end, reporting now and then. A job that ends by itself stops the others.
pub(super) fn wait(running: Vec<RunningJob>, stop: &AtomicBool) -> Result<()> {
    let mut until_report = REPORT_EVERY;
    while !stop.load(Ordering::Relaxed) && !running.iter().any(RunningJob::is_finished) {
        let pause = Duration::from_millis(100);
        std::thread::sleep(pause);
        until_report = until_report.saturating_sub(pause);
        if until_report.is_zero() {
            running.iter().for_each(report);
            until_report = REPORT_EVERY;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut outcome = Ok(());
    for job in running {
        report(&job);
        let name = job.name.clone();
        outcome = outcome.and(job.join().with_context(|| format!("job {name}")));
    }
    outcome
}

fn report(job: &RunningJob) {
    let metrics = &job.metrics;
    let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let watermark = Timestamp::from_micros(metrics.watermark_micros.load(Ordering::Relaxed));
    info!(
        job = job.name,
        events = get(&metrics.events),
        results = get(&metrics.results),
        commits = get(&metrics.commits),
        late = get(&metrics.late),
        duplicates = get(&metrics.duplicates),
        clamped = get(&metrics.clamped),
        dead = ?metrics.dead(),
        watermark_ms = watermark.millis(),
        "job"
    );
}
