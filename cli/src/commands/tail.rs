//! `ovation tail`: the records of a topic, decoded.
//!
//! Always holds: a record is shown with its own writer's schema; one that cannot be decoded is shown with the reason.
//! Partitions are read side by side; records of one partition keep their order.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, bail};
use kafka::{Assignment, Consumer, Log, Polled, Record, TopicPartition};
use runtime::SchemaLookup;
use schemas::DecodeError;
use schemas::codec::split_wire_format;
use schemas::json::JsonReader;
use serde_json::{Value, json};

use crate::arguments::TailArguments;
use crate::config::Checked;
use crate::{output, wiring};

pub(super) fn run(checked: &Checked, arguments: &TailArguments) -> Result<()> {
    let log = wiring::log(checked)?;
    let name = format!("{}{}", checked.config.topic_prefix, arguments.topic);
    let Some(partitions) = log.partition_count(&name)? else {
        bail!("there is no topic {name}; `ovation topics apply` creates it");
    };
    let mut from = Vec::new();
    let mut ends: HashMap<i32, i64> = HashMap::new();
    for number in 0..partitions {
        let partition = TopicPartition::new(name.as_str(), number);
        let (first, end) = log.offsets(&partition)?;
        let offset = if arguments.from_beginning { first } else { end };
        if offset < end {
            ends.insert(number, end);
        }
        from.push(Assignment { partition, offset });
    }
    let stop = wiring::stop_on_signal()?;
    let mut schemas = Schemas { lookup: wiring::schema_lookup(checked), readers: HashMap::new() };
    let mut reader = log.reader(&from)?;
    let records_max = arguments.max_records.unwrap_or(u64::MAX);
    let (mut printed, mut quiet_polls) = (0, 0);
    while printed < records_max && !stop.load(Ordering::Relaxed) {
        let room = usize::try_from(records_max - printed).unwrap_or(usize::MAX).min(1_000);
        let mut lines = Vec::new();
        let polled = reader.poll(room, Duration::from_millis(100), &mut |record| {
            if ends.get(&record.partition).is_some_and(|end| record.offset + 1 >= *end) {
                ends.remove(&record.partition);
            }
            lines.push(schemas.show(record, arguments.topic.name()));
        })?;
        printed += lines.len() as u64;
        lines.iter().try_for_each(output::line)?;
        // The end of a partition may be a transaction's marker, which is no record: then quiet says that it is reached.
        quiet_polls = if polled == Polled::Records(0) { quiet_polls + 1 } else { 0 };
        if arguments.exit_at_end && (ends.is_empty() || quiet_polls > 20) {
            break;
        }
    }
    reader.close()?;
    Ok(())
}

/// A reader for each schema id met so far.
struct Schemas {
    lookup: SchemaLookup,
    readers: HashMap<u32, Result<JsonReader, String>>,
}

impl Schemas {
    /// The record as one line of JSON.
    fn show(&mut self, record: &Record<'_>, topic: &str) -> String {
        let mut shown = json!({
            "topic": topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp_ms": record.timestamp_ms,
            "key": record.key.map(String::from_utf8_lossy),
        });
        match record.value.map(|value| self.decode(value)) {
            None => shown["record"] = Value::Null,
            Some(Ok(value)) => shown["record"] = value,
            Some(Err(error)) => shown["undecodable"] = error.into(),
        }
        shown.to_string()
    }

    fn decode(&mut self, value: &[u8]) -> Result<Value, String> {
        let (id, _) = split_wire_format(value).map_err(|error| error.to_string())?;
        let lookup = &self.lookup;
        let reader = self.readers.entry(id).or_insert_with(|| {
            let schema = lookup(id)?.ok_or_else(|| DecodeError::UnknownSchema(id).to_string())?;
            JsonReader::new(&schema).map_err(|error| error.to_string())
        });
        match reader {
            Ok(reader) => reader.read(value).map_err(|error| error.to_string()),
            Err(error) => Err(error.clone()),
        }
    }
}
