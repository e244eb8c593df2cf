//! What an event costs a rolling board with few and with many users, and what a user costs in memory.
//!
//! The same number of messages each time, all within one window, so that only the number of keys differs: users in a
//! channel, of whom some write far more often than others. Always holds: keys are counted by the job itself, at the end. Does not know: what takes
//! the memory; a key's is the difference to the fewest users, divided by the further keys.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;

use crate::ovation::{Bench, CHAT, ROLLING_BOARD};

/// Bounds of state that this data does not reach.
const UNBOUNDED: &str = "entries_max = 100000000\n";
/// Seconds of event time over which the messages are spread; the window is longer.
const SPAN_S: u64 = 290;

/// How large.
#[derive(Args)]
pub struct Options {
    /// Users, from the fewest.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000, 10_000_000])]
    users: Vec<u32>,
    /// Chat messages, in 1,000 channels.
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// How often the job takes snapshots.
    #[arg(long, default_value = "30s")]
    snapshots_every: String,
}

/// Measures and prints a line for each number of users.
///
/// # Errors
/// If a server or the program fails.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} chat messages in 1,000 channels within one window of five minutes", options.events)?;
    writeln!(
        out,
        "{:>10} {:>12} {:>10} {:>14} {:>8} {:>9} {:>16}",
        "users", "keys", "events/s", "CPU us/event", "ratio", "peak MB", "bytes/further key"
    )?;
    let mut first: Option<(f64, f64, f64)> = None;
    for users in &options.users {
        let bench = Bench::start(binary, &format!("{ROLLING_BOARD}{UNBOUNDED}"))?;
        let rate = u32::try_from(options.events.div_ceil(SPAN_S)).context("too many events")?;
        bench.simulate_crowd(options.events, *users, *users, rate)?;
        let settings = [("snapshots.place", "snapshots"), ("snapshots.every", &options.snapshots_every)];
        let process = bench.process("boards", &settings)?;
        process.wait_for_metric("events", 1)?;
        let started = std::time::Instant::now();
        bench.wait_until_committed("boards", &[CHAT])?;
        let (wall_s, used) = (started.elapsed().as_secs_f64(), process.usage()?);
        let keys =
            process.metric("state_items").context("the job does not say how many items it has")? as f64;
        let (cpu_us, peak) = (used.cpu_s / options.events as f64 * 1e6, used.peak_bytes as f64);
        let (first_us, first_keys, first_peak) = *first.get_or_insert((cpu_us, keys, peak));
        let further = keys - first_keys;
        let each =
            if further > 0.0 { format!("{:.0}", (peak - first_peak) / further) } else { "-".to_owned() };
        writeln!(
            out,
            "{users:>10} {keys:>12.0} {:>10.0} {cpu_us:>14.3} {:>8.2} {:>9.0} {each:>16}",
            options.events as f64 / wall_s,
            cpu_us / first_us,
            peak / 1e6
        )?;
        process.stop()?;
        bench.stop()?;
    }
    Ok(())
}
