//! Raw chat into ClickHouse: our sink beside the server's own Kafka table engine, which reads the same topic.
//!
//! The two take turns, each time into an empty database with the same table, until every record is there and merges are over. Always
//! holds: processor time is that of our process and of the server, all threads included; the broker's is left out for both. Does not
//! know: why one is dearer.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::meter::median;
use crate::ovation::{Bench, CHAT, PARTITIONS};
use crate::warehouse::Warehouse;

const DEADLINE: Duration = Duration::from_secs(900);

/// How large.
#[derive(Args)]
pub struct Options {
    /// Chat messages.
    #[arg(long, default_value_t = 2_000_000)]
    events: u64,
    /// How often each is run.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Consumers of the table engine; 0 leaves it out.
    #[arg(long, default_value_t = 1)]
    engine_consumers: u32,
    /// Another build of the program, which takes turns with this one.
    #[arg(long)]
    before: Option<PathBuf>,
}

#[derive(Clone, Copy)]
struct Run {
    wall_s: f64,
    own_cpu_s: f64,
    server_cpu_s: f64,
    peak_bytes: u64,
}

/// Measures and prints a table.
///
/// # Errors
/// If a server or the program fails.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut bench = Bench::start(binary, "")?;
    let server = Warehouse::start(binary, bench.folder())?;
    bench.simulate_chat(options.events, 100_000, 10_000)?;
    let records = bench.records(&[CHAT])? as u64;
    let before = options.before.as_deref().map(std::path::absolute).transpose()?;
    let (mut ours, mut before_it, mut engine) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..options.rounds {
        if let Some(before) = &before {
            bench.set_binary(before);
            before_it.push(with_sink(&bench, &server, &format!("before_{round}"), records)?);
            bench.set_binary(binary);
        }
        ours.push(with_sink(&bench, &server, &format!("sink_{round}"), records)?);
        if options.engine_consumers > 0 {
            engine.push(with_engine(&bench, &server, &format!("engine_{round}"), records, options)?);
        }
    }
    writeln!(out, "{records} chat messages in {PARTITIONS} partitions, {} rounds, medians", options.rounds)?;
    writeln!(
        out,
        "{:<14} {:>10} {:>16} {:>16} {:>18} {:>9}",
        "", "rows/s", "our CPU us/row", "server CPU us/row", "rows/s of CPU", "peak MB"
    )?;
    let all = [("before", &before_it), ("ovation sink", &ours), ("Kafka engine", &engine)];
    for (name, runs) in all.into_iter().filter(|(_, runs)| !runs.is_empty()) {
        let of = |what: fn(&Run) -> f64| median(runs.iter().map(what).collect());
        let cpu_s = of(|run| run.own_cpu_s + run.server_cpu_s);
        let per_row = |seconds: f64| seconds / records as f64 * 1e6;
        writeln!(
            out,
            "{name:<14} {:>10.0} {:>16.3} {:>17.3} {:>18.0} {:>9.0}",
            records as f64 / of(|run| run.wall_s),
            per_row(of(|run| run.own_cpu_s)),
            per_row(of(|run| run.server_cpu_s)),
            records as f64 / cpu_s,
            of(|run| run.peak_bytes as f64) / 1e6
        )?;
    }
    drop(server);
    bench.stop()
}

fn wait_for_rows(server: &Warehouse, database: &str, records: u64) -> Result<()> {
    let started = Instant::now();
    let count = format!("SELECT uniqExact(partition, offset) FROM {database}.chat_events");
    let rows = format!("SELECT count() FROM {database}.chat_events");
    loop {
        // cheap until it may be enough
        if server.number(&rows)? >= records && server.number(&count)? >= records {
            return Ok(());
        }
        ensure!(started.elapsed() < DEADLINE, "{} of {records} rows are there", server.number(&rows)?);
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn migrate(bench: &Bench, server: &Warehouse, database: &str) -> Result<()> {
    bench.run_with(&["clickhouse", "migrate"], &settings(&server.url(), database)).map(drop)
}

fn settings<'a>(url: &'a str, database: &'a str) -> [(&'a str, &'a str); 2] {
    [("clickhouse.url", url), ("clickhouse.database", database)]
}

fn with_sink(bench: &Bench, server: &Warehouse, database: &str, records: u64) -> Result<Run> {
    migrate(bench, server, database)?;
    bench.forget_group("ovation-clickhouse")?;
    let (before, started) = (server.usage()?, Instant::now());
    let sink = bench.sink(&settings(&server.url(), database))?;
    wait_for_rows(server, database, records)?;
    let wall_s = started.elapsed().as_secs_f64();
    let own = sink.usage()?;
    sink.stop()?;
    server.settle()?;
    let server_cpu_s = server.usage()?.cpu_s - before.cpu_s;
    ensure!(
        server.number(&format!("SELECT count() FROM {database}.chat_events"))? == records,
        "rows are doubled"
    );
    server.ask(&format!("DROP DATABASE {database}"))?;
    Ok(Run { wall_s, own_cpu_s: own.cpu_s, server_cpu_s, peak_bytes: own.peak_bytes })
}

fn with_engine(
    bench: &Bench,
    server: &Warehouse,
    database: &str,
    records: u64,
    options: &Options,
) -> Result<Run> {
    migrate(bench, server, database)?;
    let columns = server.ask(&format!(
        "SELECT name || ' ' || type FROM system.columns WHERE database = '{database}' AND table = 'chat_events' AND name \
         NOT IN ('topic', 'partition', 'offset')"
    ))?;
    let definitions = columns.lines().map(|line| line.replace("\\'", "'")).collect::<Vec<_>>().join(", ");
    let names: Vec<&str> = columns.lines().filter_map(|line| line.split(' ').next()).collect();
    let (brokers, registry, consumers) = (bench.brokers(), bench.registry(), options.engine_consumers);
    let (before, started) = (server.usage()?, Instant::now());
    server.ask(&format!(
        "CREATE TABLE {database}.queue ({definitions}) ENGINE = Kafka SETTINGS kafka_broker_list = '{brokers}', \
         kafka_topic_list = '{CHAT}', kafka_group_name = '{database}', kafka_format = 'AvroConfluent', \
         format_avro_schema_registry_url = '{registry}', kafka_num_consumers = {consumers}, \
         kafka_thread_per_consumer = {}, kafka_max_block_size = 50000, kafka_poll_max_batch_size = 50000, \
         kafka_flush_interval_ms = 1000",
        u8::from(consumers > 1)
    ))?;
    server.ask(&format!(
        "CREATE MATERIALIZED VIEW {database}.feed TO {database}.chat_events AS SELECT {}, _topic AS topic, \
         toInt32(_partition) AS partition, toInt64(_offset) AS offset FROM {database}.queue",
        names.join(", ")
    ))?;
    wait_for_rows(server, database, records)?;
    let wall_s = started.elapsed().as_secs_f64();
    server.settle()?;
    let usage = server.usage()?;
    server.ask(&format!("DROP TABLE {database}.feed"))?;
    server.ask(&format!("DROP TABLE {database}.queue"))?;
    server.ask(&format!("DROP DATABASE {database}"))?;
    Ok(Run { wall_s, own_cpu_s: 0.0, server_cpu_s: usage.cpu_s - before.cpu_s, peak_bytes: usage.peak_bytes })
}
