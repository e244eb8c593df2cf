//! Memory with a short and with a long backlog: it must not grow with the lag.
//!
//! Always holds: the same users and channels in both, a thousand messages a second of event time, so that each is longer than
//! the window and the memory of ids, and the state is as large. Does not know: what takes the memory.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use clap::Args;

use crate::ovation::{Bench, CHAT, ROLLING_BOARD};

/// How large.
#[derive(Args)]
pub struct Options {
    /// Records of each backlog, from the shortest.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 10_000_000])]
    records: Vec<u64>,
    /// Users who write them, in 1,000 channels.
    #[arg(long, default_value_t = 20_000)]
    users: u32,
}

/// Measures and prints a line for each backlog.
///
/// # Errors
/// If a server or the program fails.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for records in &options.records {
        let bench = Bench::start(binary, ROLLING_BOARD)?;
        bench.simulate_chat(*records, options.users, 1_000)?;
        let process = bench.process("boards", &[("snapshots.place", "snapshots")])?;
        bench.wait_until_committed("boards", &[CHAT])?;
        let usage = process.usage()?;
        writeln!(
            out,
            "backlog of {records} records: {:.1} MB at most, {:.1} MB at the end, {:.3} us of CPU time for each",
            usage.peak_bytes as f64 / 1e6,
            usage.resident_bytes as f64 / 1e6,
            usage.cpu_s / *records as f64 * 1e6
        )?;
        process.stop()?;
        bench.stop()?;
    }
    Ok(())
}
