//! How long a result takes, at a steady rate, beside Kafka Streams.
//!
//! The latency of a result is counted from when it can first be known, the end of its window and the lateness after it, until a reader of
//! committed records on this machine has it. Events happen as they are produced, in order, so that nothing else is waited for.
//! First the greatest rate is found: what both sides can do with a backlog, the slower one's. Then each side in turn, on a broker of its own, is
//! given shares of it. Always holds: both commit every 100 ms; what comes in the first seconds is left out (Java compiles meanwhile).
//! Does not know: where the time goes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use kafka::registry::Registry;
use kafka::{Consumer as _, Log as _};
use schemas::Decoder;

use super::program::{Peer, Program, Stores};
use super::results::{Mark, result};
use super::turn::Turn;
use super::{Workload, create_results, run_ours, start_ours};
use crate::fanout::now_micros;
use crate::meter::median;
use crate::ovation::{Bench, Process};
use crate::trades::{RealTrades, Size};

/// So long at the start is left out.
const WARM_UP: Duration = Duration::from_secs(30);
const LATENESS_MICROS: i64 = 2_000_000;

/// How large.
#[derive(Args)]
pub struct Options {
    /// What is computed: boards every ten seconds (w1), candles every second (w3).
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Workload::W1, Workload::W3])]
    workload: Vec<Workload>,
    /// Shares of the greatest rate, in percent.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 50, 80])]
    percent: Vec<u64>,
    /// The greatest rate, in events a second, if it is not to be found first.
    #[arg(long)]
    greatest: Option<u64>,
    /// Events of the backlog with which it is found.
    #[arg(long, default_value_t = 2_000_000)]
    events: u64,
    /// For how long, in seconds, after the start is over.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Symbols that the recorded trades are repeated for.
    #[arg(long, default_value_t = 1_000)]
    symbols: u32,
    /// Where `make peers` has built it.
    #[arg(long, default_value = "bench/peers")]
    peers: PathBuf,
    /// The most heap that the peer may take, in MB.
    #[arg(long, default_value_t = 6_144)]
    heap_mb: u32,
}

impl Options {
    /// What starting a side takes.
    fn of_peers(&self) -> super::Options {
        super::Options {
            workload: Vec::new(),
            events: self.events,
            rate: 10_000,
            users: 100_000,
            symbols: self.symbols,
            disorder_ms: 0,
            rounds: 1,
            stores: vec![Stores::Memory],
            peer: vec![Peer::Streams],
            before: None,
            peers: self.peers.clone(),
            checkpoint_ms: 1_000,
            heap_mb: self.heap_mb,
            snapshots_every: "30s".to_owned(),
            kill_peer: false,
            json: None,
        }
    }
}

/// A side that runs.
enum Running {
    Ours(Process),
    Peer(Program),
}

impl Running {
    fn stop(self) -> Result<()> {
        match self {
            Running::Ours(process) => process.stop(),
            Running::Peer(process) => process.stop(),
        }
    }
}

/// What publishes meanwhile.
enum Producing {
    Chat(Child),
    Trades(JoinHandle<Result<()>>),
}

impl Producing {
    fn has_ended(&mut self) -> Result<bool> {
        Ok(match self {
            Producing::Chat(process) => process.try_wait()?.is_some(),
            Producing::Trades(thread) => thread.is_finished(),
        })
    }

    fn wait(self) -> Result<()> {
        match self {
            Producing::Chat(mut process) => process.wait().map(drop).map_err(Into::into),
            Producing::Trades(thread) => {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
        }
    }
}

/// Measures and prints a line for each side and share.
///
/// # Errors
/// If a server or a program fails.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    Peer::Streams.check(&options.peers)?;
    let mut out = std::io::stdout().lock();
    for workload in &options.workload {
        ensure!(matches!(workload, Workload::W1 | Workload::W3), "{} has too few results", workload.name());
        let greatest = match options.greatest {
            Some(rate) => rate,
            None => find_greatest(binary, options, *workload)?,
        };
        writeln!(
            out,
            "{}: {greatest} events/s at most; milliseconds from when a result can be known, for {} s",
            workload.name(),
            options.seconds
        )?;
        writeln!(out, "{:<24} {:>9} {:>9} {:>9} {:>9} {:>9}", "", "results", "p50", "p99", "p99.9", "most")?;
        for percent in &options.percent {
            for is_ours in [true, false] {
                let late_ms = run(binary, options, *workload, greatest * percent / 100, is_ours)?;
                let at = |share: f64| late_ms[((late_ms.len() - 1) as f64 * share) as usize];
                let side = if is_ours { "ovation" } else { "kafka streams" };
                writeln!(
                    out,
                    "{:<24} {:>9} {:>9.0} {:>9.0} {:>9.0} {:>9.0}",
                    format!("{percent:>3} % {side}"),
                    late_ms.len(),
                    at(0.5),
                    at(0.99),
                    at(0.999),
                    at(1.0)
                )?;
            }
        }
    }
    Ok(())
}

/// What the slower side can do, in events a second.
fn find_greatest(binary: &Path, options: &Options, workload: Workload) -> Result<u64> {
    let bench = Bench::start(binary, &workload.settings())?;
    create_results(&bench)?;
    let options = options.of_peers();
    if workload == Workload::W3 {
        bench.publish_trades(RealTrades::new(options.trades())?)?;
    } else {
        bench.simulate(options.events, options.rate, options.users, options.disorder_ms, &["chat=1"])?;
    }
    let ours = run_ours(&bench, &options, workload, "greatest")?;
    let peer = turn(workload).run(&bench, &options, 0)?;
    bench.stop()?;
    let rate = |run: &super::Run| run.steady_events / run.steady_wall_s;
    Ok(rate(&ours).min(rate(&peer)) as u64)
}

/// How late each result was, in milliseconds, sorted.
fn run(binary: &Path, options: &Options, workload: Workload, rate: u64, is_ours: bool) -> Result<Vec<f64>> {
    let bench = Bench::start(binary, &workload.settings())?;
    create_results(&bench)?;
    let mark = Mark::now(&bench)?;
    let of_peers = options.of_peers();
    let running = if is_ours {
        Running::Ours(start_ours(&bench, &of_peers, workload, "latency")?)
    } else {
        Running::Peer(turn(workload).start(&bench, &of_peers, "latency")?)
    };
    let seconds = WARM_UP + Duration::from_secs(options.seconds);
    let count = rate * (seconds.as_secs() + 5);
    let mut producer = if workload == Workload::W3 {
        let trades = RealTrades::new(Size { count, rate, ..of_peers.trades() })?;
        Producing::Trades(bench.start_publishing_trades(trades)?)
    } else {
        Producing::Chat(bench.start_simulating_chat(count, rate)?)
    };
    let (mut reader, started) = (bench.log().reader(mark.starts())?, Instant::now());
    let mut seen = Vec::new();
    while started.elapsed() < seconds {
        let is_warm = started.elapsed() >= WARM_UP;
        reader.poll(10_000, Duration::from_millis(20), &mut |record| {
            if let Some(value) = record.value.filter(|_| is_warm) {
                seen.push((now_micros(), record.topic.to_owned(), value.to_vec()));
            }
        })?;
    }
    reader.close()?;
    ensure!(!producer.has_ended()?, "the producer has ended too early");
    let decoder = Decoder::new(Registry::new(bench.registry(), None).resolve_ids("", false)?);
    let mut late_ms = Vec::new();
    for (at, topic, value) in seen {
        if let Some((subject, _)) = result(&decoder, &topic, &value)? {
            late_ms.push((at - subject.end - LATENESS_MICROS) as f64 / 1e3);
        }
    }
    producer.wait().context("the producer")?;
    running.stop()?;
    bench.stop()?;
    late_ms.sort_by(f64::total_cmp);
    ensure!(!late_ms.is_empty(), "no result came in {} s at {rate} events/s", options.seconds);
    ensure!(median(late_ms.clone()) >= 0.0, "results came before they could be known");
    Ok(late_ms)
}

fn turn(workload: Workload) -> Turn {
    Turn { peer: Peer::Streams, workload, stores: Stores::Memory }
}
