//! `ovation clickhouse backfill`: reads a part of a topic again and writes what is missing.
//!
//! Always holds: it is a sink of a group of its own, with the same promises; it stops when each partition is written up to where it
//! was to go. Does not know: how the sink finds what is missing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kafka::broker::BrokerLog;
use kafka::{Assignment, Consumer, Log, TopicPartition};
use runtime::snapshot::manifest::checksum;
use sinks::clickhouse::{self, Backfill, SinkHealth, SinkSettings};

use crate::arguments::{BackfillArguments, LogPlace};
use crate::config::Checked;
use crate::{output, wiring};

/// How long a record may take to be read that is there.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn run(checked: &Checked, arguments: &BackfillArguments) -> Result<()> {
    let log = wiring::log(checked)?;
    let ids = wiring::schema_ids(checked)?;
    let spans = spans(checked, &log, arguments)?;
    let mut target = checked.clone();
    if let Some(database) = &arguments.into {
        target.config.clickhouse.database.clone_from(database);
    }
    super::clickhouse::migrate(&target)?;
    let mut settings = super::clickhouse::settings(&target, ids);
    for (partition, span) in &spans {
        output::line(format!("{}/{partition}: offsets {} to {}", arguments.topic, span.start, span.end - 1))?;
    }
    if spans.is_empty() {
        return output::line("no records there: nothing to do");
    }
    let what = format!("{} {} {spans:?}", settings.clickhouse.database, arguments.topic);
    let group = format!("{}-backfill-{}", clickhouse::group(&settings.prefix), checksum(what.as_bytes()));
    settings.instance_id = None;
    settings.backfill = Some(Backfill { group: group.clone(), topic: arguments.topic, spans });
    write(checked, &log, &settings)?;
    if let Err(error) = log.delete_group(&group) {
        // another process may be at the same backfill
        tracing::warn!(%error, "the backfill's group stays");
    }
    Ok(())
}

fn write(checked: &Checked, log: &BrokerLog, settings: &SinkSettings) -> Result<()> {
    let health = Arc::<SinkHealth>::default();
    let stop = wiring::stop_on_signal()?;
    let lookup = wiring::schema_lookup(checked);
    let written = clickhouse::run(log, settings, &mut |id| lookup(id), &stop, &health);
    written.with_context(|| super::clickhouse::named(checked))?;
    let status = health.status();
    output::line(format!(
        "{} records read, {} of them were there; {} rows written, {} records cannot be decoded, {} are refused",
        status.records,
        status.records_known,
        status.rows_written,
        status.dead_letters,
        status.records_refused
    ))
}

/// Of each partition with records there, the first offset and the one after its last record.
fn spans(
    checked: &Checked,
    log: &BrokerLog,
    arguments: &BackfillArguments,
) -> Result<BTreeMap<i32, Range<i64>>> {
    let name = format!("{}{}", checked.config.topic_prefix, arguments.topic);
    let Some(count) = log.partition_count(&name)? else {
        bail!("there is no topic {name}; `ovation topics apply` creates it");
    };
    let numbers = arguments.partition.map_or(0..count, |number| number..number + 1);
    let partitions: Vec<TopicPartition> =
        numbers.map(|number| TopicPartition::new(name.as_str(), number)).collect();
    if partitions.iter().any(|partition| !(0..count).contains(&partition.partition)) {
        bail!("{name} has partitions 0 to {}", count - 1);
    }
    let is_elsewhere =
        arguments.into.as_ref().is_some_and(|into| *into != checked.config.clickhouse.database);
    let sink = log.group_positions(&clickhouse::group(&checked.config.topic_prefix), &partitions)?;
    let mut spans = BTreeMap::new();
    for (partition, sink) in partitions.iter().zip(sink) {
        let (first, mut end) = log.offsets(partition)?;
        if !is_elsewhere {
            let position = sink.map_or(0, |position| position.offset);
            if position < end {
                tracing::info!(%partition, position, "from here on the sink writes by itself");
            }
            end = end.min(position);
        }
        let from = offset(log, partition, arguments.from, (first, end))?;
        let to = offset(log, partition, arguments.to, (first, end))?;
        if let Some(last) = last_record(log, partition, from, to)? {
            spans.insert(partition.partition, from..last + 1);
        }
    }
    Ok(spans)
}

/// A place as an offset within these bounds.
fn offset(log: &BrokerLog, partition: &TopicPartition, place: LogPlace, within: (i64, i64)) -> Result<i64> {
    let (first, end) = within;
    let offset = match place {
        LogPlace::Earliest => first,
        LogPlace::Latest => end,
        LogPlace::Offset(offset) => offset,
        LogPlace::Time(time) => log.offsets_at(std::slice::from_ref(partition), time.millis())?[0],
    };
    Ok(offset.clamp(first, end.max(first)))
}

/// The last record in a range: its end may be a transaction's marker, which is no record.
fn last_record(log: &BrokerLog, partition: &TopicPartition, from: i64, to: i64) -> Result<Option<i64>> {
    if from >= to {
        return Ok(None);
    }
    let mut back = 1;
    loop {
        let start = (to - back).max(from);
        let mut reader = log.reader(&[Assignment { partition: partition.clone(), offset: start }])?;
        let (mut last, mut is_past) = (None, false);
        let mut deadline = Instant::now() + READ_TIMEOUT;
        while !is_past && Instant::now() < deadline {
            reader.poll(1_000, Duration::from_millis(100), &mut |record| {
                if record.offset < to {
                    last = Some(record.offset);
                    deadline = Instant::now() + READ_TIMEOUT;
                }
                is_past |= record.offset + 1 >= to;
            })?;
        }
        reader.close()?;
        if last.is_some() || start == from {
            return Ok(last);
        }
        back *= 8;
    }
}
