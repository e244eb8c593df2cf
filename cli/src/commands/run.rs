//! `ovation run`: all roles in one process.
//!
//! Always holds: what the configuration does not name is started on this machine and stopped at the end, in order: first the
//! simulator, then the jobs and the sink (which commit what is done), then the page, then the servers. A role that
//! cannot go on stops the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use devstack::{Part, Stack, StackOptions};
use sinks::clickhouse::SinkHealth;
use tracing::info;

use crate::arguments::RunArguments;
use crate::config::Checked;
use crate::{endpoint, output, wiring};

use super::{clickhouse, dashboard, process, produce, topics};

pub(super) fn run(checked: &Checked, arguments: &RunArguments) -> Result<()> {
    let stop = wiring::stop_on_signal()?;
    let stack = start_stack(checked)?;
    let outcome = if stop.load(Ordering::Relaxed) { Ok(()) } else { run_roles(checked, arguments, &stop) };
    stop.store(true, Ordering::Relaxed);
    let stopped = stack.map_or(Ok(()), Stack::stop);
    outcome.and(stopped)
}

/// Starts the servers that the configuration does not name.
fn start_stack(checked: &Checked) -> Result<Option<Stack>> {
    let config = &checked.config;
    let part = |named: &Option<String>, port| named.clone().map_or(Part::Fixed(port), Part::External);
    let all_named = config.kafka.brokers.is_some()
        && config.clickhouse.url.is_some()
        && config.schema_registry.url.is_some();
    if all_named {
        return Ok(None);
    }
    info!(data_dir = %config.local.data_dir.display(), "starting the local stack");
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let options = StackOptions::new(&config.local.data_dir)
        .with_kafka(part(&config.kafka.brokers, config.local.kafka_port))
        .with_clickhouse(part(&config.clickhouse.url, config.local.clickhouse_port))
        .with_registry(part(&config.schema_registry.url, config.local.schema_registry_port))
        .with_server_command(vec![program.into(), "devstack".into()]);
    let stack =
        Stack::start(options).context("the local stack (section [local]; or name your own servers)")?;
    Ok(Some(stack))
}

fn run_roles(checked: &Checked, arguments: &RunArguments, stop: &Arc<AtomicBool>) -> Result<()> {
    let log = wiring::log(checked)?;
    topics::apply(checked, &log)?;
    let ids = wiring::schema_ids(checked)?;
    clickhouse::migrate(checked)?;
    let page = role("dashboard", checked, stop, {
        let log = log.clone();
        move |checked, stop| super::runtime()?.block_on(dashboard::serve(checked, log, stop))
    })?;
    let health = Arc::<SinkHealth>::default();
    let sink = role("clickhouse", checked, stop, {
        let (log, health) = (log.clone(), health.clone());
        move |checked, stop| clickhouse::write(checked, &log, ids, stop, &health)
    })?;
    let bound = endpoint::bind(checked)?;
    let (jobs, endpoint) = process::start(checked, &log, &checked.jobs, ids, bound, Some(health), stop)?;
    let audience = arguments
        .simulate
        .map(|rate| {
            let log = log.clone();
            role("simulator", checked, stop, move |checked, stop| {
                produce::simulate_until_stopped(checked, &log, rate, ids, stop)
            })
        })
        .transpose()?;
    output::line("running; Ctrl-C stops")?;
    let mut outcome = process::wait(jobs, stop);
    for (name, thread) in
        [Some(page), Some(sink), audience, Some(("endpoint", endpoint))].into_iter().flatten()
    {
        let ended = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome = outcome.and(ended.context(name));
    }
    outcome
}

type Role = (&'static str, JoinHandle<Result<()>>);

/// A role on its own thread. When it ends, for whatever reason, everything ends.
fn role(
    name: &'static str,
    checked: &Checked,
    stop: &Arc<AtomicBool>,
    work: impl FnOnce(&Checked, &Arc<AtomicBool>) -> Result<()> + Send + 'static,
) -> Result<Role> {
    let (checked, stop) = (checked.clone(), Arc::clone(stop));
    let run = move || {
        let outcome = work(&checked, &stop);
        stop.store(true, Ordering::Relaxed);
        outcome
    };
    Ok((name, thread::Builder::new().name(name.to_owned()).spawn(run)?))
}
