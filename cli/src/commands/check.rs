//! `ovation check`: says what a configuration means, without starting anything.
//!
//! Always holds: text and JSON say the same, and both what the jobs are built from. Does not know: whether the servers answer.

use anyhow::Result;
use processors::{Explained, Job, Memory};
use serde::Serialize;

use crate::arguments::OutputFormat;
use crate::config::Checked;
use crate::output;

/// What is printed.
#[derive(Serialize)]
struct Report<'a> {
    kafka: String,
    schema_registry: String,
    clickhouse: String,
    clickhouse_database: &'a str,
    dashboard: String,
    dashboard_readers: String,
    jobs: Vec<JobReport>,
}

/// What a job means.
#[derive(Serialize)]
struct JobReport {
    job: String,
    reads: Vec<String>,
    /// One for each partition number of what it reads, where `ovation topics apply` made the topics.
    shards: i32,
    lateness: String,
    future_skew: String,
    dedup_for: String,
    ids: Option<Memory>,
    snapshots: Option<Snapshots>,
    processors: Vec<Explained>,
}

/// When state is written, and where.
#[derive(Serialize)]
struct Snapshots {
    place: String,
    every: String,
    keep: usize,
}

pub(super) fn run(checked: &Checked, format: OutputFormat) -> Result<()> {
    // keys that cannot be read are part of what is wrong
    checked.dashboard_options()?;
    let report = Report {
        kafka: checked.brokers(),
        schema_registry: checked.schema_registry_url(),
        clickhouse: checked.clickhouse_url(),
        clickhouse_database: &checked.config.clickhouse.database,
        dashboard: format!("{}://{}", checked.dashboard_scheme(), checked.config.dashboard.listen),
        dashboard_readers: checked.dashboard_readers(),
        jobs: checked.jobs.iter().filter_map(|job| job_report(checked, job)).collect(),
    };
    match format {
        OutputFormat::Json => output::line(serde_json::to_string(&report)?),
        OutputFormat::Text => lines(&report).into_iter().try_for_each(output::line),
    }
}

fn job_report(checked: &Checked, job: &Job) -> Option<JobReport> {
    // A second stage is configured with the job that it belongs to.
    let written = checked.config.jobs.get(job.first.as_ref().unwrap_or(&job.name))?;
    let named = |topic: &str| format!("{}{topic}", checked.config.topic_prefix);
    let snapshots = &checked.config.snapshots;
    let mut processors = job.explain();
    for processor in &mut processors {
        processor.reads.iter_mut().chain([&mut processor.writes]).for_each(|topic| *topic = named(topic));
    }
    Some(JobReport {
        job: job.name.clone(),
        reads: job.inputs.iter().map(|topic| named(topic.name())).collect(),
        shards: checked.config.kafka.partitions,
        lateness: written.lateness.to_string(),
        future_skew: written.future_skew.to_string(),
        dedup_for: written.dedup_for.to_string(),
        ids: job.explain_ids(),
        snapshots: (!snapshots.place.is_empty()).then(|| Snapshots {
            place: snapshots.place.clone(),
            every: snapshots.every.to_string(),
            keep: snapshots.keep,
        }),
        processors,
    })
}

fn lines(report: &Report<'_>) -> Vec<String> {
    let mut lines = vec![
        format!("kafka: {}", report.kafka),
        format!("schema registry: {}", report.schema_registry),
        format!("clickhouse: {}, database {}", report.clickhouse, report.clickhouse_database),
        format!("dashboard: {}, {}", report.dashboard, report.dashboard_readers),
    ];
    report.jobs.iter().for_each(|job| lines.extend(job_lines(job)));
    lines
}

fn job_lines(job: &JobReport) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!("job {}", job.job),
        format!(
            "  reads    {}, in {} shards: one for each partition number",
            job.reads.join(", "),
            job.shards
        ),
        format!(
            "  waits    {} for events out of order; cuts off what is more than {} ahead of its ingest time",
            job.lateness, job.future_skew
        ),
        match &job.ids {
            Some(ids) => {
                format!("  ids      count once within {}; in each shard {}", job.dedup_for, memory(ids))
            }
            None => "  ids      are not remembered: an event that is sent twice counts twice".to_owned(),
        },
        match &job.snapshots {
            Some(snapshots) => format!(
                "  saves    every {} what changed of the state, to {}; the last {} are kept",
                snapshots.every, snapshots.place, snapshots.keep
            ),
            None => "  saves    nothing: a start reads the log from the beginning of the job".to_owned(),
        },
    ];
    for processor in &job.processors {
        lines.push(format!("  {}", processor.processor));
        let mut row = |name: &str, text: String| lines.push(format!("    {name:<8} {text}"));
        row("counts", processor.reads.join(", "));
        row("writes", format!("{}, key {}", processor.writes, processor.key));
        processor.keeps.iter().for_each(|kept| row("keeps", kept.clone()));
        if !processor.memory.is_empty() {
            let parts: Vec<String> = processor.memory.iter().map(memory).collect();
            row("memory", format!("about {}", parts.join(" + ")));
        }
        processor.records.iter().for_each(|records| row("records", records.clone()));
    }
    lines
}

/// Bytes for each of something.
fn memory(memory: &Memory) -> String {
    let most = |count: u64| match memory.bytes * count {
        bytes if bytes < 1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        bytes => format!("{} MB", bytes / 1_000_000),
    };
    let bound = memory.at_most.map(|count| format!(", at most {count} of them: {}", most(count)));
    format!("{} bytes for each {}{}", memory.bytes, memory.for_each, bound.unwrap_or_default())
}
