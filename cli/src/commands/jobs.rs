//! `ovation jobs`: how jobs are doing, and setting them back.
//!
//! Always holds: looking needs nothing but Kafka (and, for snapshots, their place); a job is set back only while nobody runs it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use kafka::broker::BrokerLog;
use kafka::{Log, Position, TopicPartition};
use processors::Job;
use runtime::SnapshotStore;
use runtime::status::{self, PartitionState, ShardStatus};
use schemas::{Timestamp, Topic};
use serde_json::{Value, json};

use crate::arguments::{JobsCommand, OutputFormat, ResetTo};
use crate::config::Checked;
use crate::{output, wiring};

pub(super) fn run(checked: &Checked, command: &JobsCommand) -> Result<()> {
    match command {
        JobsCommand::Status { jobs, output } => print_status(checked, jobs, *output),
        JobsCommand::Reset { job, to } => reset(checked, job, to),
        JobsCommand::Snapshots { job, delete } => snapshots(checked, job, *delete),
    }
}

/// The input partitions of a job, topic by topic.
fn partitions(checked: &Checked, log: &BrokerLog, job: &Job) -> Result<Vec<(Topic, TopicPartition)>> {
    let mut found = Vec::new();
    for topic in &job.inputs {
        let name = format!("{}{topic}", checked.config.topic_prefix);
        let Some(count) = log.partition_count(&name)? else {
            bail!("there is no topic {name}; `ovation topics apply` creates it");
        };
        found.extend((0..count).map(|number| (*topic, TopicPartition::new(name.as_str(), number))));
    }
    Ok(found)
}

fn group(checked: &Checked, job: &Job) -> String {
    runtime::worker::group_id(&checked.config.topic_prefix, &job.name)
}

fn print_status(checked: &Checked, names: &[String], format: OutputFormat) -> Result<()> {
    let log = wiring::log(checked)?;
    let mut shown = Vec::new();
    for job in checked.select(names)? {
        let (members, shards) = look_at(checked, &log, &job)?;
        shown.push((job.name.clone(), members, shards));
    }
    match format {
        OutputFormat::Text => print_tables(&shown),
        OutputFormat::Json => {
            let jobs = shown.iter().map(|(job, members, shards)| {
                json!({"job": job, "members": members, "shards": shards.iter().map(as_json).collect::<Vec<_>>()})
            });
            output::line(json!(jobs.collect::<Vec<Value>>()).to_string())
        }
    }
}

/// The members of a job's group, and its shards.
pub(super) fn look_at(checked: &Checked, log: &BrokerLog, job: &Job) -> Result<(usize, Vec<ShardStatus>)> {
    let group = group(checked, job);
    let members = log.group_members(&group)?.len();
    let partitions = partitions(checked, log, job)?;
    let named: Vec<TopicPartition> = partitions.iter().map(|(_, partition)| partition.clone()).collect();
    let committed = log.group_positions(&group, &named)?;
    let mut states = Vec::new();
    for ((topic, partition), committed) in partitions.into_iter().zip(committed) {
        let (start, end) = log.offsets(&partition)?;
        states.push(PartitionState { topic, partition: partition.partition, committed, start, end });
    }
    Ok((members, status::shards(&states, wiring::now())))
}

fn print_tables(shown: &[(String, usize, Vec<ShardStatus>)]) -> Result<()> {
    let age = |milliseconds: Option<i64>| {
        milliseconds.map_or("-".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1e3))
    };
    for (job, members, shards) in shown {
        output::line(format!("job {job}: {members} members"))?;
        let row = |shard: &ShardStatus| {
            let state = match (&shard.problem, shard.restoring) {
                (Some(problem), _) => problem.clone(),
                (None, Some(records)) => format!("restoring, {records} records to go"),
                (None, None) => String::new(),
            };
            [
                shard.shard.to_string(),
                shard.lag_records.to_string(),
                age(shard.lag_ms),
                age(shard.commit_age_ms),
                age(shard.snapshot_age_ms),
                shard.owner.clone().unwrap_or_else(|| "-".to_owned()),
                state,
            ]
        };
        let rows: Vec<[String; 7]> = shards.iter().map(row).collect();
        output::table(["SHARD", "LAG", "BEHIND", "COMMITTED", "SNAPSHOT", "OWNER", "STATE"], &rows)?;
    }
    Ok(())
}

fn as_json(shard: &ShardStatus) -> Value {
    let named = |offsets: &BTreeMap<Topic, i64>| -> BTreeMap<&str, i64> {
        offsets.iter().map(|(topic, offset)| (topic.name(), *offset)).collect()
    };
    let positions: BTreeMap<&str, Option<i64>> =
        shard.positions.iter().map(|(topic, offset)| (topic.name(), *offset)).collect();
    json!({
        "shard": shard.shard,
        "positions": positions,
        "lag_records": shard.lag_records,
        "watermark": shard.watermark.map(Timestamp::micros),
        "lag_ms": shard.lag_ms,
        "commit_age_ms": shard.commit_age_ms,
        "snapshot_age_ms": shard.snapshot_age_ms,
        "snapshot_positions": named(&shard.snapshot_positions),
        "restoring_records": shard.restoring,
        "owner": shard.owner,
        "problem": shard.problem,
    })
}

fn reset(checked: &Checked, name: &String, to: &ResetTo) -> Result<()> {
    let log = wiring::log(checked)?;
    let jobs = checked.select(std::slice::from_ref(name))?;
    if let Some(first) = jobs.first().and_then(|job| job.first.as_ref()) {
        bail!("{name} makes boards of what {first} tells it, and is set back with it: reset {first}");
    }
    for job in &jobs {
        let members = log.group_members(&group(checked, job))?;
        if !members.is_empty() {
            bail!("{} members run job {}: stop them first", members.len(), job.name);
        }
    }
    for job in &jobs {
        // What the first stage has told so far it tells again.
        let to = if job.first.is_some() { &ResetTo::Latest } else { to };
        reset_one(checked, &log, job, to)?;
    }
    Ok(())
}

fn reset_one(checked: &Checked, log: &BrokerLog, job: &Job, to: &ResetTo) -> Result<()> {
    let partitions: Vec<TopicPartition> =
        partitions(checked, log, job)?.into_iter().map(|(_, partition)| partition).collect();
    let offsets: Vec<i64> = match to {
        ResetTo::Earliest => bounds(log, &partitions, |(start, _)| start)?,
        ResetTo::Latest => bounds(log, &partitions, |(_, end)| end)?,
        ResetTo::Time(timestamp) => log.offsets_at(&partitions, timestamp.millis())?,
    };
    // Snapshots belong to the history that ends here.
    if let Some(store) = wiring::snapshot_store(checked)? {
        super::runtime()?
            .block_on(store.delete(&folder(checked, &job.name)))
            .context("cannot delete the job's snapshots")?;
    }
    let position = |(partition, offset): (&TopicPartition, &i64)| Position {
        partition: partition.clone(),
        offset: *offset,
        metadata: String::new(),
    };
    let positions: Vec<Position> = partitions.iter().zip(&offsets).map(position).collect();
    log.set_group_positions(&group(checked, job), &positions)?;
    positions
        .iter()
        .try_for_each(|position| output::line(format!("{}: {}", position.partition, position.offset)))
}

fn bounds(
    log: &BrokerLog,
    partitions: &[TopicPartition],
    of: impl Fn((i64, i64)) -> i64,
) -> Result<Vec<i64>> {
    partitions.iter().map(|partition| Ok(of(log.offsets(partition)?))).collect()
}

fn snapshots(checked: &Checked, name: &String, delete: bool) -> Result<()> {
    let jobs = checked.select(std::slice::from_ref(name))?;
    let Some(store) = wiring::snapshot_store(checked)? else {
        bail!("the configuration keeps no snapshots (snapshots.place)");
    };
    let runtime = super::runtime()?;
    if delete {
        let log = wiring::log(checked)?;
        for job in &jobs {
            if !log.group_members(&group(checked, job))?.is_empty() {
                bail!("job {} is running: stop it first", job.name);
            }
        }
        let mut deleted = 0;
        for job in &jobs {
            let folder = folder(checked, &job.name);
            deleted += runtime.block_on(store.delete(&folder)).context("snapshots.place")?;
        }
        return output::line(format!("{deleted} files deleted"));
    }
    runtime.block_on(list(&store, &folder(checked, name)))
}

/// Under which name the store has a job: several deployments may share a place.
fn folder(checked: &Checked, job: &str) -> String {
    format!("{}{job}", checked.config.topic_prefix)
}

async fn list(store: &SnapshotStore, job: &str) -> Result<()> {
    let now = wiring::now();
    let mut rows = Vec::new();
    for shard in store.shards(job).await.context("snapshots.place")? {
        for (file, manifest) in store.list(job, shard).await.context("snapshots.place")? {
            rows.push(match manifest {
                Ok(manifest) => [
                    shard.to_string(),
                    format!("{:.0} s", now.micros_since(manifest.created_at) as f64 / 1e6),
                    format!("{:.1} MB", manifest.state_bytes() as f64 / 1e6),
                    manifest.chunks.len().to_string(),
                    manifest
                        .positions
                        .iter()
                        .map(|at| format!("{} {}", at.topic, at.offset))
                        .collect::<Vec<_>>()
                        .join(", "),
                    file,
                ],
                Err(error) => [shard.to_string(), "-".into(), "-".into(), "-".into(), error, file],
            });
        }
    }
    output::table(["SHARD", "AGE", "STATE", "CHUNKS", "POSITIONS", "FILE"], &rows)
}
