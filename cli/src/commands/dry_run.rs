//! `ovation dry-run`: jobs over recorded files, without Kafka.
//!
//! Always holds: the same files and configuration give the same bytes. An event is decoded and checked as it would be in
//! production; what cannot be read is printed as the dead letter that it would become, and counted on standard error.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use anyhow::Result;
use processors::{Driver, Job, Output};
use producers::{ReadError, merge_by_event_time};
use schemas::json::JsonReader;
use schemas::{DeadLetter, Encoder, Event, Message, SchemaIds, Timestamp, Topic};
use serde_json::json;
use tracing::{info, warn};

use crate::arguments::DryRunArguments;
use crate::config::Checked;

use super::produce;

pub(super) fn run(checked: &Checked, arguments: &DryRunArguments) -> Result<()> {
    let mut jobs = checked.select(&arguments.jobs)?;
    // A second stage runs with its first.
    jobs.retain(|job| job.first.is_none());
    anyhow::ensure!(!jobs.is_empty(), "a second stage is run with its first: name the job without `.global`");
    let recordings = produce::open(&arguments.input, None)?;
    let mut run = DryRun::new(&jobs, arguments.only_final);
    for event in merge_by_event_time(recordings) {
        match event {
            Ok(event) => run.take(&event)?,
            Err(error) if error.is_one_line() => run.refuse_line(&error)?,
            Err(error) => return Err(error.into()),
        }
    }
    run.finish()
}

/// The jobs and where their results go.
struct DryRun {
    jobs: Vec<(Arc<Job>, Driver)>,
    printer: Printer,
    clock: Timestamp,
    events: u64,
    late: u64,
    clamped: u64,
    refused: u64,
}

impl DryRun {
    fn new(jobs: &[Arc<Job>], only_final: bool) -> Self {
        let start = |job: &Arc<Job>| {
            let mut driver = Driver::new(job);
            // A topic that the recordings do not have holds nothing back; one that they have wakes with its first event.
            job.inputs.iter().for_each(|topic| driver.mark_idle(*topic));
            (Arc::clone(job), driver)
        };
        DryRun {
            jobs: jobs.iter().map(start).collect(),
            printer: Printer::new(only_final),
            clock: Timestamp::MIN,
            events: 0,
            late: 0,
            clamped: 0,
            refused: 0,
        }
    }

    fn take(&mut self, event: &Event<'_>) -> Result<()> {
        let ingest_time = event.header().ingest_time;
        self.clock = self.clock.max(ingest_time);
        self.events += 1;
        if let Err(error) = event.check() {
            let (reason, detail) = ("invalid_value", error.to_string());
            let mut value = Vec::new();
            Encoder::new(SchemaIds::local()).encode_event(event, &mut value)?;
            let key = event.header().channel_id.as_bytes().to_vec();
            return self.refuse(event.topic().name(), Some(key), value, reason, detail);
        }
        let topic = event.topic();
        for (job, driver) in &mut self.jobs {
            if job.inputs.contains(&topic) {
                let taken = driver.push(topic, ingest_time, event);
                self.late += u64::from(taken.is_late);
                self.clamped += u64::from(taken.is_clamped);
                self.printer.results(driver.take())?;
            }
        }
        Ok(())
    }

    fn refuse_line(&mut self, error: &ReadError) -> Result<()> {
        let ReadError::Malformed { format, raw, .. } = error else { return Ok(()) };
        let topic = format.topic().map_or("unknown", Topic::name);
        self.refuse(topic, None, raw.clone(), "unreadable_input", error.to_string())
    }

    fn refuse(
        &mut self,
        topic: &str,
        key: Option<Vec<u8>>,
        value: Vec<u8>,
        reason: &str,
        detail: String,
    ) -> Result<()> {
        warn!(topic, detail, "dead letter");
        self.refused += 1;
        self.printer.dead_letter(&DeadLetter {
            topic: topic.to_owned(),
            partition: -1,
            offset: -1,
            key,
            value: Some(value),
            reason: reason.to_owned(),
            detail,
            job: "dry-run".to_owned(),
            failed_at: self.clock.max(Timestamp::from_micros(0)),
        })
    }

    fn finish(mut self) -> Result<()> {
        for (_, driver) in self.jobs {
            self.printer.results(driver.finish())?;
        }
        self.printer.finish()?;
        info!(
            events = self.events,
            late = self.late,
            clamped = self.clamped,
            dead_letters = self.refused,
            "done"
        );
        Ok(())
    }
}

/// Prints records as JSON lines: topic, key, record.
struct Printer {
    out: BufWriter<std::io::Stdout>,
    encoder: Encoder,
    readers: BTreeMap<Topic, JsonReader>,
    only_final: bool,
    /// With `only_final`: the last record of each group of a board without an end, by key.
    last_open: BTreeMap<String, Output>,
    buffer: Vec<u8>,
}

impl Printer {
    fn new(only_final: bool) -> Self {
        Printer {
            out: BufWriter::new(std::io::stdout()),
            encoder: Encoder::new(SchemaIds::local()),
            readers: BTreeMap::new(),
            only_final,
            last_open: BTreeMap::new(),
            buffer: Vec::new(),
        }
    }

    fn results(&mut self, outputs: Vec<Output>) -> Result<()> {
        for output in outputs {
            if self.only_final {
                let (is_final, has_end) = match &output {
                    Output::Leaderboard(result) => (result.is_final, result.window_end.is_some()),
                    Output::Engagement(result) => (result.is_final, true),
                    Output::Candle(result) => (result.is_final, true),
                    Output::Flag(_) | Output::Partial(_) => (true, true),
                };
                if !has_end {
                    self.last_open.insert(output.key(), output);
                    continue;
                }
                if !is_final {
                    continue;
                }
            }
            self.result(&output)?;
        }
        Ok(())
    }

    fn result(&mut self, output: &Output) -> Result<()> {
        let key = output.key();
        match output {
            Output::Leaderboard(result) => self.print(&key, result),
            Output::Engagement(result) => self.print(&key, result),
            Output::Candle(result) => self.print(&key, result),
            Output::Flag(flag) => self.print(&key, flag),
            Output::Partial(partial) => self.print(&key, partial),
        }
    }

    fn dead_letter(&mut self, letter: &DeadLetter) -> Result<()> {
        self.print(&letter.topic, letter)
    }

    /// As it would be published, and read back by its schema.
    fn print<M: Message>(&mut self, key: &str, message: &M) -> Result<()> {
        self.buffer.clear();
        self.encoder.encode(message, &mut self.buffer)?;
        let reader = match self.readers.entry(M::TOPIC) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                new.insert(JsonReader::new(M::TOPIC.spec().schema)?)
            }
        };
        let record = reader.read(&self.buffer)?;
        serde_json::to_writer(
            &mut self.out,
            &json!({"topic": M::TOPIC.name(), "key": key, "record": record}),
        )?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        for (_, output) in std::mem::take(&mut self.last_open) {
            self.result(&output)?;
        }
        self.out.flush()?;
        Ok(())
    }
}
