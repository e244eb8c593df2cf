//! Runs seeds of the simulation and prints what happened: `cargo run -p simulation --release -- --seeds 100000`.
//!
//! Always holds: the exit code is 0 only if every run agreed with the model and every kind of fault happened. Does not know:
//! what a run does.

use std::io::Write;

use clap::Parser;

/// Fewer seeds cannot be expected to meet every kind of fault.
const SEEDS_FOR_EVERY_FAULT: u64 = 500;

/// Runs the production worker on an in-memory log that fails, and compares with a naive model.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Threads; by default one for each core.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let started = std::time::Instant::now();
    let summary = simulation::run_seeds(arguments.from, arguments.seeds, arguments.threads.unwrap_or(cores));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} runs agreed with the model in {:.1} s", summary.runs, started.elapsed().as_secs_f64())?;
    write!(out, "{}", summary.counts)?;
    writeln!(out, "  {:<34} {:>12}", "records compared", summary.counts.compared())?;
    for failure in &summary.failures {
        writeln!(out, "\n{failure}")?;
    }
    anyhow::ensure!(summary.failures.is_empty(), "{} runs failed", summary.failures.len());
    let missing = summary.counts.missing(summary.runs);
    anyhow::ensure!(
        missing.is_empty() || arguments.seeds < SEEDS_FOR_EVERY_FAULT,
        "happened too seldom: {}",
        missing.join(", ")
    );
    Ok(())
}
