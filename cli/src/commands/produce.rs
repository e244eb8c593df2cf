//! `ovation produce`: events from the simulator or from recorded files.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use kafka::Log;
use producers::{
    Input, Pseudonyms, Publisher, PublisherOptions, Recording, ReplayOptions, ReplayReport, Simulator,
    SimulatorOptions, Speed, merge_by_event_time,
};
use schemas::json::JsonReader;
use schemas::{Encoder, Event, SchemaIds, Timestamp, Topic};
use tracing::{info, warn};

use crate::arguments::{ProduceCommand, ReplayArguments, SimulateArguments};
use crate::config::{Checked, std_duration};
use crate::wiring;

pub(super) fn run(checked: &Checked, command: ProduceCommand) -> Result<()> {
    let stop = wiring::stop_on_signal()?;
    match command {
        ProduceCommand::Simulate(arguments) => simulate(checked, &arguments, &stop),
        ProduceCommand::Replay(arguments) => replay(checked, &arguments, &stop),
    }
}

fn simulate(checked: &Checked, arguments: &SimulateArguments, stop: &AtomicBool) -> Result<()> {
    let options = simulator_options(arguments)?;
    let events = Simulator::new(options)?;
    if let Some(path) = &arguments.to {
        return write_lines(events, path, stop);
    }
    let speed = if arguments.unpaced { Speed::Full } else { Speed::Times(1.0) };
    let replay_options = ReplayOptions { speed, ..ReplayOptions::default() };
    let log = wiring::log(checked)?;
    publish(checked, &log, events.map(Ok), &replay_options, stop)
}

/// Publishes simulated events at `rate` a second until `stop` is set.
pub(super) fn simulate_until_stopped<L: Log>(
    checked: &Checked,
    log: &L,
    rate: u32,
    schema_ids: SchemaIds,
    stop: &AtomicBool,
) -> Result<()> {
    let start = wiring::now();
    // Another audience each time: their names would otherwise be those of an earlier run, and their scores added up.
    let seed = start.micros().unsigned_abs();
    let options = SimulatorOptions { seed, events_per_second: rate, start, ..SimulatorOptions::default() };
    let events = Simulator::new(options)?;
    let mut publisher = publisher(checked, log, schema_ids)?;
    producers::replay(events.map(Ok), &mut publisher, &ReplayOptions::default(), stop)?;
    Ok(())
}

fn simulator_options(arguments: &SimulateArguments) -> Result<SimulatorOptions> {
    let duration = arguments.duration.as_ref().map(|text| text.parse()).transpose().context("--duration")?;
    let shares = arguments.shares.as_ref().map(|text| text.parse()).transpose().context("--shares")?;
    Ok(SimulatorOptions {
        seed: arguments.seed,
        start: arguments.start.map_or_else(wiring::now, Timestamp::from_millis),
        events_per_second: arguments.rate,
        duration: duration.map(std_duration),
        count: arguments.count,
        channels: arguments.channels,
        users: arguments.users,
        regulars: arguments.regulars,
        symbols: arguments.symbols,
        shares: shares.unwrap_or_default(),
        disorder_max_ms: arguments.disorder_ms,
        is_moderated: !arguments.unmoderated,
    })
}

fn replay(checked: &Checked, arguments: &ReplayArguments, stop: &AtomicBool) -> Result<()> {
    let speed: Speed = arguments.speed.parse().context("--speed")?;
    let pseudonyms = arguments.pseudonyms.as_ref().map(|key| Pseudonyms::new(key));
    let recordings = open(&arguments.input, pseudonyms.as_ref())?;
    let options = ReplayOptions { speed, shift_to_now: arguments.shift_to_now, ..ReplayOptions::default() };
    let log = wiring::log(checked)?;
    publish(checked, &log, merge_by_event_time(recordings), &options, stop)
}

/// Opens `FORMAT:FILE` inputs; a file that cannot be used is refused before anything is read.
pub(super) fn open(inputs: &[String], pseudonyms: Option<&Pseudonyms>) -> Result<Vec<Recording>> {
    let open_one = |text: &String| {
        let mut input: Input = text.parse().with_context(|| format!("--input {text}"))?;
        input.options.pseudonyms = pseudonyms.cloned();
        input.open().with_context(|| format!("--input {text}"))
    };
    inputs.iter().map(open_one).collect()
}

fn publisher<L: Log>(checked: &Checked, log: &L, schema_ids: SchemaIds) -> Result<Publisher<L>> {
    let topic_prefix = checked.config.topic_prefix.clone();
    let options = PublisherOptions { topic_prefix, schema_ids, ..PublisherOptions::default() };
    Ok(Publisher::new(log, &options)?)
}

fn publish<L: Log>(
    checked: &Checked,
    log: &L,
    events: impl Iterator<Item = Result<Event<'static>, producers::ReadError>>,
    options: &ReplayOptions,
    stop: &AtomicBool,
) -> Result<()> {
    let schema_ids = wiring::schema_ids(checked)?;
    for topic in Topic::EVENTS {
        let name = format!("{}{topic}", checked.config.topic_prefix);
        if log.partition_count(&name)?.is_none() {
            bail!("there is no topic {name}; `ovation topics apply` creates it");
        }
    }
    let mut publisher = publisher(checked, log, schema_ids)?;
    let report = producers::replay(events, &mut publisher, options, stop)?;
    tell(&report);
    Ok(())
}

fn tell(report: &ReplayReport) {
    for (topic, count) in report.counts.by_topic() {
        info!(%topic, count, "published");
    }
    if report.malformed > 0 {
        warn!(lines = report.malformed, "malformed lines went to the dead letter");
    }
    let rate = report.events_per_second().round();
    info!(events = report.counts.events(), seconds = report.elapsed.as_secs_f64(), rate, "done");
}

/// Events as JSON lines, which `produce replay` and `dry-run` read.
fn write_lines(events: impl Iterator<Item = Event<'static>>, path: &Path, stop: &AtomicBool) -> Result<()> {
    let to: Box<dyn Write> = if path == Path::new("-") {
        Box::new(std::io::stdout().lock())
    } else {
        Box::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?)
    };
    let mut to = BufWriter::new(to);
    let mut encoder = Encoder::new(SchemaIds::local());
    let readers = Topic::EVENTS.map(|topic| (topic, JsonReader::new(topic.spec().schema)));
    let mut buffer = Vec::new();
    for event in events {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        buffer.clear();
        encoder.encode_event(&event, &mut buffer)?;
        let topic = event.topic();
        let Some((_, Ok(reader))) = readers.iter().find(|(of, _)| *of == topic) else {
            bail!("the schema of {topic} cannot be shown");
        };
        serde_json::to_writer(
            &mut to,
            &serde_json::json!({"topic": topic.name(), "record": reader.read(&buffer)?}),
        )?;
        to.write_all(b"\n")?;
    }
    to.flush()?;
    Ok(())
}
