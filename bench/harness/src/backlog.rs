//! Memory with a short and with a long backlog: it must not grow with the lag.
//!
//! Always holds: the same users and channels in both, a thousand messages a second of event time, so that each is longer than
//! the window and the memory of ids, and the state is as large. Does not know: what takes the memory.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use clap::Args;

use crate::ovation::Bench;

const JOBS: &str = r#"
[jobs.boards]
lateness = "2s"
[[jobs.boards.boards]]
name = "top_chatters"
source = "chat"
item = "user"
window = { kind = "rolling", length = "5m", slide = "10s" }
k = 100
emit_every = "10s"
"#;
const TOPIC: &str = "events.chat";
/// Event time of the first message: in the past, or it would be cut off as from the future.
const START_MS: &str = "1700000040000";

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
    let users = options.users.to_string();
    for records in &options.records {
        let bench = Bench::start(binary, JOBS)?;
        let count = records.to_string();
        let world = [
            "--channels",
            "1000",
            "--users",
            &users,
            "--shares",
            "chat=1",
            "--rate",
            "1000",
            "--start",
            START_MS,
        ];
        bench.run(&[&["produce", "simulate", "--unpaced", "--count", &count][..], &world].concat())?;
        let process = bench.process("boards", &[("snapshots.place", "snapshots")])?;
        bench.wait_until_committed("boards", &[TOPIC])?;
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
