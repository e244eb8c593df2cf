//! How much faster a rolling board is with more partitions, worker threads and processes.
//!
//! Each way reads the same messages from the beginning until the last is committed. Always holds: the broker and this program are on
//! the same machine, so that on two cores two workers cannot be twice as fast as one; figures of CPU time are of all processes of the job
//! together. Does not know: what holds a way back.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::meter::median;
use crate::ovation::{Bench, CHAT, Process, ROLLING_BOARD};

/// Worker threads of each process, and processes.
const WAYS: [(usize, usize); 3] = [(1, 1), (2, 1), (1, 2)];

const DEADLINE: Duration = Duration::from_secs(60);

/// How large.
#[derive(Args)]
pub struct Options {
    /// Partitions of the topic.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    partitions: Vec<i32>,
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

/// Measures and prints a line for each way.
///
/// # Errors
/// If a server or the program fails.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} chat messages, {} users, {} rounds, medians",
        options.events, options.users, options.rounds
    )?;
    writeln!(
        out,
        "{:>10} {:>8} {:>10} {:>10} {:>9} {:>14}",
        "partitions", "workers", "processes", "events/s", "speed-up", "CPU us/event"
    )?;
    let mut first = None;
    for partitions in &options.partitions {
        let bench = Bench::start_with(binary, ROLLING_BOARD, *partitions)?;
        bench.simulate_chat(options.events, options.users, 10_000)?;
        let mut runs = vec![Vec::new(); WAYS.len()];
        for round in 0..options.rounds {
            for (way, (workers, processes)) in WAYS.into_iter().enumerate() {
                runs[way].push(run(&bench, workers, processes, &format!("snapshots-{round}-{way}"))?);
            }
        }
        for ((workers, processes), runs) in WAYS.iter().zip(&runs) {
            let events = options.events as f64;
            let rate = events / median(runs.iter().map(|(wall_s, _)| *wall_s).collect());
            let cpu_us = median(runs.iter().map(|(_, cpu_s)| *cpu_s).collect()) / events * 1e6;
            let speed_up = rate / *first.get_or_insert(rate);
            writeln!(
                out,
                "{partitions:>10} {workers:>8} {processes:>10} {rate:>10.0} {speed_up:>9.2} {cpu_us:>14.3}"
            )?;
        }
        bench.stop()?;
    }
    Ok(())
}

/// When it was seen; with one partition only one process has events.
fn wait_for_first_event(running: &[Process]) -> Result<Instant> {
    let started = Instant::now();
    while running.iter().all(|process| process.metric("events").is_none_or(|events| events == 0)) {
        ensure!(started.elapsed() < DEADLINE, "no event was read");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(Instant::now())
}

/// Seconds from the first event until all is committed, and of processor time.
fn run(bench: &Bench, workers: usize, processes: usize, snapshots: &str) -> Result<(f64, f64)> {
    bench.run(&["jobs", "reset", "boards", "--to", "earliest"])?;
    let workers = workers.to_string();
    let settings = [("process.workers", workers.as_str()), ("snapshots.place", snapshots)];
    let running =
        (0..processes).map(|_| bench.process("boards", &settings)).collect::<Result<Vec<Process>>>()?;
    let started = wait_for_first_event(&running)?;
    bench.wait_until_committed("boards", &[CHAT])?;
    let wall_s = started.elapsed().as_secs_f64();
    let mut cpu_s = 0.0;
    for process in &running {
        cpu_s += process.usage()?.cpu_s;
    }
    running.into_iter().try_for_each(Process::stop)?;
    Ok((wall_s, cpu_s))
}
