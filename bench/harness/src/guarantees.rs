//! What exactly-once and snapshots cost.
//!
//! The same chat is read from its beginning in each of four ways, one after the other, several times over; each way's median
//! is compared with that of the cheapest guarantee. Always holds: every way read every record. Does not know: why one is dearer.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use clap::Args;

use crate::meter::median;
use crate::ovation::{Bench, CHAT, ROLLING_BOARD};

/// What is compared: a name, the guarantee, and whether snapshots are kept.
const WAYS: [(&str, &str, bool); 4] = [
    ("at least once, no snapshots", "at_least_once", false),
    ("at least once, snapshots", "at_least_once", true),
    ("exactly once, no snapshots", "exactly_once", false),
    ("exactly once, snapshots", "exactly_once", true),
];

/// How large.
#[derive(Args)]
pub struct Options {
    /// Chat messages.
    #[arg(long, default_value_t = 3_000_000)]
    events: u64,
    /// Users who write them, in 1,000 channels.
    #[arg(long, default_value_t = 100_000)]
    users: u32,
    /// How often each way is run.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Seconds of one run.
#[derive(Clone, Copy)]
struct Run {
    wall_s: f64,
    cpu_s: f64,
    peak_bytes: u64,
}

/// Measures and prints a table.
///
/// # Errors
/// If a server or the program fails.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let bench = Bench::start(binary, ROLLING_BOARD)?;
    bench.simulate_chat(options.events, options.users, 10_000)?;
    let mut runs: Vec<Vec<Run>> = vec![Vec::new(); WAYS.len()];
    for round in 0..options.rounds {
        for (way, (_, guarantee, has_snapshots)) in WAYS.iter().enumerate() {
            bench.run(&["jobs", "reset", "boards", "--to", "earliest"])?;
            let place = if *has_snapshots { format!("snapshots-{round}-{way}") } else { String::new() };
            let settings =
                [("process.guarantee", *guarantee), ("snapshots.place", &place), ("snapshots.every", "2s")];
            runs[way].push(run(&bench, &settings)?);
        }
    }
    let records = bench.records(&[CHAT])? as f64;
    writeln!(
        out,
        "{records} chat messages, {} users, {} rounds; medians; snapshots every 2 s",
        options.users, options.rounds
    )?;
    writeln!(
        out,
        "{:<30} {:>12} {:>14} {:>8} {:>8} {:>9}",
        "", "events/s", "CPU us/event", "wall", "CPU", "peak MB"
    )?;
    let of = |way: usize, what: fn(&Run) -> f64| median(runs[way].iter().map(what).collect());
    for (way, (name, ..)) in WAYS.iter().enumerate() {
        let (wall_s, cpu_s) = (of(way, |run| run.wall_s), of(way, |run| run.cpu_s));
        writeln!(
            out,
            "{name:<30} {:>12.0} {:>14.3} {:>8.3} {:>8.3} {:>9.0}",
            records / wall_s,
            cpu_s / records * 1e6,
            wall_s / of(0, |run| run.wall_s),
            cpu_s / of(0, |run| run.cpu_s),
            of(way, |run| run.peak_bytes as f64) / 1e6
        )?;
    }
    bench.stop()
}

/// From the first event until all is committed.
fn run(bench: &Bench, settings: &[(&str, &str)]) -> Result<Run> {
    let process = bench.process("boards", settings)?;
    process.wait_for_metric("events", 1)?;
    let started = Instant::now();
    bench.wait_until_committed("boards", &[CHAT])?;
    let (wall_s, usage) = (started.elapsed().as_secs_f64(), process.usage()?);
    process.stop()?;
    Ok(Run { wall_s, cpu_s: usage.cpu_s, peak_bytes: usage.peak_bytes })
}
