//! The ClickHouse server away for minutes while events go on: memory, health, and what is there afterwards.
//!
//! Always holds: the server is killed, not asked to stop. Does not know: how the sink waits.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::ovation::{Bench, CHAT};
use crate::warehouse::Warehouse;

/// How large.
#[derive(Args)]
pub struct Options {
    /// Events a second.
    #[arg(long, default_value_t = 5_000)]
    rate: u64,
    /// For how long the server is away, in seconds.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
}

/// Measures and prints what happened.
///
/// # Errors
/// If a server or the program fails, or rows are missing or doubled.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let bench = Bench::start(binary, "")?;
    let mut server = Warehouse::start(binary, bench.folder())?;
    let url = server.url();
    bench.run_with(&["clickhouse", "migrate"], &[("clickhouse.url", &url)])?;
    let sink = bench.sink(&[("clickhouse.url", &url)])?;
    let count = options.rate * (options.seconds + 20);
    let mut producer = bench.start_simulating_chat(count, options.rate)?;
    std::thread::sleep(Duration::from_secs(10));
    ensure!(sink.health()? == 200, "the health is red before anything happened");
    let before = sink.usage()?;
    server.kill()?;
    let away = Instant::now();
    let (mut looks, mut reds) = (0, 0);
    while away.elapsed() < Duration::from_secs(options.seconds) {
        std::thread::sleep(Duration::from_secs(1));
        looks += 1;
        reds += u32::from(sink.health()? == 503);
    }
    let during = sink.usage()?;
    server.restart()?;
    let back = Instant::now();
    let rows = "SELECT count() FROM ovation.chat_events";
    let target = |bench: &Bench| bench.records(&[CHAT]);
    while (server.number(rows)? as i64) < target(&bench)? - options.rate as i64 * 2 {
        ensure!(back.elapsed() < Duration::from_secs(600), "not caught up: {} rows", server.number(rows)?);
        std::thread::sleep(Duration::from_millis(200));
    }
    let caught_up_s = back.elapsed().as_secs_f64();
    ensure!(producer.wait()?.success(), "the producer failed");
    while (server.number(rows)? as i64) < target(&bench)? {
        ensure!(back.elapsed() < Duration::from_secs(600), "rows are missing: {}", server.number(rows)?);
        std::thread::sleep(Duration::from_millis(200));
    }
    let each = server.ask("SELECT count(), uniqExact(partition, offset) FROM ovation.chat_events")?;
    let health = sink.health()?;
    writeln!(
        out,
        "server away for {} s at {} events/s: health red in {reds} of {looks} looks; memory {:.0} MB before, {:.0} MB at the end, {:.0} \
         MB at most; back within 2 s of the log after {caught_up_s:.1} s; rows and distinct rows {each} of {count}; health then {health}",
        options.seconds,
        options.rate,
        before.resident_bytes as f64 / 1e6,
        during.resident_bytes as f64 / 1e6,
        sink.usage()?.peak_bytes as f64 / 1e6,
    )?;
    ensure!(each == format!("{count}\t{count}"), "rows are missing or doubled");
    sink.stop()?;
    drop(server);
    bench.stop()
}
