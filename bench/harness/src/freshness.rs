//! From producing an event to seeing it in a query, at a steady rate.
//!
//! Every 50 ms a query asks which rows are new and how old their ingest time is: so a figure is at most 50 ms and a query too high.
//! Always holds: every event is counted once. Does not know: where the time goes.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::ovation::{Bench, PARTITIONS};
use crate::warehouse::Warehouse;

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How large.
#[derive(Args)]
pub struct Options {
    /// Events a second.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 20_000])]
    rates: Vec<u64>,
    /// For how long, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Measures and prints a line for each rate.
///
/// # Errors
/// If a server or the program fails.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for rate in &options.rates {
        let bench = Bench::start(binary, "")?;
        let server = Warehouse::start(binary, bench.folder())?;
        let url = server.url();
        bench.run_with(&["clickhouse", "migrate"], &[("clickhouse.url", &url)])?;
        let sink = bench.sink(&[("clickhouse.url", &url), ("clickhouse.flush_interval", "1s")])?;
        let count = rate * options.seconds;
        let mut producer = bench.start_simulating_chat(count, *rate)?;
        let ages_ms = watch(&server, count, Duration::from_secs(options.seconds + 120))?;
        ensure!(producer.wait()?.success(), "the producer failed");
        let at = |share: f64| ages_ms[((ages_ms.len() - 1) as f64 * share) as usize];
        writeln!(
            out,
            "{rate} events/s for {} s, flush interval 1 s: visible after {:.0} ms (p50), {:.0} ms (p99), {:.0} ms at most; {:.3} \
             us of our CPU and {:.3} us of the server's an event, queries included",
            options.seconds,
            at(0.5),
            at(0.99),
            at(1.0),
            sink.usage()?.cpu_s / count as f64 * 1e6,
            server.usage()?.cpu_s / count as f64 * 1e6
        )?;
        sink.stop()?;
        drop(server);
        bench.stop()?;
    }
    Ok(())
}

/// The ages of so many events when they were first seen, in milliseconds, sorted.
fn watch(server: &Warehouse, count: u64, patience: Duration) -> Result<Vec<f64>> {
    let mut next: BTreeMap<i64, i64> = (0..i64::from(PARTITIONS)).map(|partition| (partition, 0)).collect();
    let (mut ages_ms, started) = (Vec::new(), Instant::now());
    while (ages_ms.len() as u64) < count {
        ensure!(started.elapsed() < patience, "{} of {count} events were seen", ages_ms.len());
        let turn = Instant::now();
        let is_new: Vec<String> = next
            .iter()
            .map(|(partition, offset)| format!("(partition = {partition} AND offset >= {offset})"))
            .collect();
        let rows = server.ask(&format!(
            "SELECT partition, offset, toUnixTimestamp64Micro(now64(6)) - toUnixTimestamp64Micro(ingest_time) \
             FROM ovation.chat_events WHERE {} ORDER BY partition, offset",
            is_new.join(" OR ")
        ))?;
        for row in rows.lines() {
            let mut cells = row.split('\t').map(str::parse::<i64>);
            let mut cell = || cells.next().context("a cell")?.context("a number");
            let (partition, offset, age_us) = (cell()?, cell()?, cell()?);
            if next.get(&partition).is_some_and(|next| offset >= *next) {
                next.insert(partition, offset + 1);
                ages_ms.push(age_us as f64 / 1e3);
            }
        }
        std::thread::sleep(LOOK_EVERY.saturating_sub(turn.elapsed()));
    }
    ages_ms.sort_by(f64::total_cmp);
    Ok(ages_ms)
}
