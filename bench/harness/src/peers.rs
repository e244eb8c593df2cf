//! The same jobs beside other frameworks: those of `bench/peers` read the same topics on the same broker, and must find the same.
//!
//! The data is produced once, chat by the simulator, trades from a recording (`trades.rs`); then all take turns at each workload, in every
//! second round in the opposite order, each time from the beginning until the last position is committed; who commits none ends by itself, and has
//! then no steady figures.
//! Always holds: figures are of one process alone, all its threads included, from its start (a virtual machine's own start and its compiling
//! belong to it; the steady figures leave out what came before the first commit); no speed is printed before the results of
//! that round were compared, each peer's with ours, and a comparison that compared nothing fails. Does not know: how any side does it.

mod compare;
pub mod latency;
mod limits;
mod memory;
mod program;
mod report;
mod results;
mod turn;
mod workload;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use kafka::broker::NewTopic;

use crate::meter::Usage;
use crate::ovation::{Bench, CHAT, PARTITIONS, Process};
use crate::publish::BACKLOG_START;
use crate::trades::{RealTrades, Size};
use compare::Kind;
use limits::Limits;
use memory::Memory;
use program::{Peer, Stores};
use results::Mark;
use turn::Turn;
use workload::TRADES;
pub use workload::Workload;

/// Where peers write.
const PEER_RESULTS: &str = "peers.results";
/// As jobs are configured here.
const LATENESS: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const DEADLINE: Duration = Duration::from_secs(1_800);

/// How large.
#[derive(Args)]
pub struct Options {
    /// What is computed.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Workload::W1, Workload::W2, Workload::W3, Workload::W4])]
    workload: Vec<Workload>,
    /// Chat messages, and as many trades.
    #[arg(long, default_value_t = 3_000_000)]
    events: u64,
    /// Of each kind in a second of event time.
    #[arg(long, default_value_t = 10_000)]
    rate: u32,
    /// Users who write, in 1,000 channels.
    #[arg(long, default_value_t = 100_000)]
    users: u32,
    /// Symbols that the recorded trades are repeated for.
    #[arg(long, default_value_t = 1_000)]
    symbols: u32,
    /// The longest time that an event is on its way, in milliseconds; above 2,000 some come too late.
    #[arg(long, default_value_t = 1_000)]
    disorder_ms: u32,
    /// How often each side is run.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// What is measured beside ours, in turns; nothing if it is followed by no name.
    #[arg(long, value_enum, value_delimiter = ',', num_args = 0.., default_values_t = [Peer::Streams])]
    peer: Vec<Peer>,
    /// Another build of the binary, measured beside this one.
    #[arg(long)]
    before: Option<PathBuf>,
    /// Where peers keep their state.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Stores::Memory])]
    stores: Vec<Stores>,
    /// Where they were built.
    #[arg(long, default_value = "bench/peers")]
    peers: PathBuf,
    /// The most heap that a peer may take, in MB.
    #[arg(long, default_value_t = 6_144)]
    heap_mb: u32,
    /// How often our job takes snapshots.
    #[arg(long, default_value = "30s")]
    snapshots_every: String,
    /// How often Flink takes a checkpoint, in milliseconds. It commits with each and only then.
    #[arg(long, default_value_t = 1_000)]
    checkpoint_ms: u32,
    /// Kill peers half-way and start them again: their results must be the same. Their speeds then say nothing.
    #[arg(long)]
    kill_peer: bool,
    /// Where all numbers go.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// One side's read of everything.
#[derive(Clone, Copy, Debug)]
struct Run {
    wall_s: f64,
    cpu_s: f64,
    peak_bytes: u64,
    /// The same from the first commit that was seen, and how many events came after it.
    steady_wall_s: f64,
    steady_cpu_s: f64,
    steady_events: f64,
}

impl Run {
    /// Of which nothing is known but the whole.
    fn whole(took: Duration, used: Usage) -> Self {
        let (wall_s, steady_events) = (took.as_secs_f64(), 0.0);
        let Usage { cpu_s, peak_bytes, .. } = used;
        Run { wall_s, cpu_s, peak_bytes, steady_wall_s: wall_s, steady_cpu_s: cpu_s, steady_events }
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Ours,
    /// Ours as it was before a change.
    Before,
    Peer(Peer),
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Side::Ours => "ours",
            Side::Before => "before",
            Side::Peer(peer) => peer.name(),
        }
    }
}

/// What was measured of one workload with one kind of store.
struct Measured {
    workload: Workload,
    stores: Stores,
    events: f64,
    compared: usize,
    ours: Vec<Run>,
    before: Vec<Run>,
    peers: Vec<(Peer, Vec<Run>)>,
    limits: Vec<Limits>,
    memory: Memory,
}

impl Measured {
    fn runs_of(&mut self, side: Side) -> &mut Vec<Run> {
        match side {
            Side::Ours => &mut self.ours,
            Side::Before => &mut self.before,
            Side::Peer(peer) => match self.peers.iter().position(|(known, _)| *known == peer) {
                Some(at) => &mut self.peers[at].1,
                None => unreachable!("only peers that are measured have turns"),
            },
        }
    }
}

/// Measures, compares and prints a table for each workload.
///
/// # Errors
/// If a server or a program fails, or the results differ.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    options.check()?;
    let jobs: Vec<String> = options.workload.iter().map(|workload| workload.settings()).collect();
    let mut bench = Bench::start(binary, &jobs.concat())?;
    create_results(&bench)?;
    let is_read = |topic| options.workload.iter().any(|workload| workload.topics().contains(&topic));
    if is_read(CHAT) {
        let what: &[&str] = if options.is_moderated() { &["chat=1"] } else { &["chat=1", "--unmoderated"] };
        bench.simulate(options.events, options.rate, options.users, options.disorder_ms, what)?;
    }
    if is_read(TRADES) {
        bench.publish_trades(RealTrades::new(options.trades())?)?;
    }
    if options.workload.iter().any(|workload| workload.kinds().contains(&Kind::Engagement)) {
        // Our engagement reads these too. What is of today holds back no window of the chat, which is of long ago.
        bench.simulate_now(400, "reactions=1,viewers=1")?;
    }
    let mut all = Vec::new();
    for workload in &options.workload {
        for stores in options.stores.iter().filter(|stores| options.has(**stores)) {
            let measured = measure_one(&mut bench, binary, options, *workload, *stores)?;
            report::print(&measured, options)?;
            all.push(measured);
        }
    }
    if let Some(file) = &options.json {
        std::fs::write(file, format!("{:#}\n", report::json(&all, options)))?;
    }
    bench.stop()
}

/// Creates the topic that peers write to. What a window's result has as its time is of long ago: the broker must not delete what it
/// takes for old.
fn create_results(bench: &Bench) -> Result<()> {
    let (name, config) = (PEER_RESULTS.to_owned(), [("retention.ms".to_owned(), "-1".to_owned())].into());
    bench.log().create_topics(&[NewTopic { name, partitions: PARTITIONS, replication: 1, config }])?;
    Ok(())
}

impl Options {
    fn check(&self) -> Result<()> {
        self.peer.iter().try_for_each(|peer| peer.check(&self.peers))?;
        let most_ms = LATENESS.as_millis();
        for peer in &self.peer {
            let name = peer.name();
            ensure!(
                !peer.is_late_otherwise() || u128::from(self.disorder_ms) <= most_ms,
                "the watermark of {name} is another than ours: above {most_ms} ms they drop different events"
            );
            ensure!(
                self.workload.iter().all(|workload| peer.computes(*workload)),
                "the job for {name} is not written for all of these workloads"
            );
            ensure!(
                !self.kill_peer || !peer.ends_by_itself(),
                "{name} commits no positions that tell when it is half-way, and repeats results after a kill"
            );
        }
        ensure!(
            self.stores.iter().any(|stores| self.has(*stores)),
            "these peers have their state in memory only"
        );
        Ok(())
    }

    fn trades(&self) -> Size {
        let (count, rate, start) = (self.events, u64::from(self.rate), BACKLOG_START);
        Size { count, symbols: self.symbols, rate, disorder_ms: self.disorder_ms, start }
    }

    /// Whether anything is to be measured with these.
    fn has(&self, stores: Stores) -> bool {
        self.peer.is_empty() || self.peer.iter().any(|peer| peer.has(stores))
    }

    /// Whether moderators take back some of the chat.
    fn is_moderated(&self) -> bool {
        self.peer.iter().all(|peer| peer.takes_back())
    }
}

fn measure_one(
    bench: &mut Bench,
    binary: &Path,
    options: &Options,
    workload: Workload,
    stores: Stores,
) -> Result<Measured> {
    let events = bench.records(workload.topics())? as f64;
    let peers: Vec<Peer> = options.peer.iter().copied().filter(|peer| peer.has(stores)).collect();
    let mut measured = Measured {
        workload,
        stores,
        events,
        compared: 0,
        ours: vec![],
        before: vec![],
        peers: peers.iter().map(|peer| (*peer, vec![])).collect(),
        limits: vec![],
        memory: Memory::default(),
    };
    for round in 0..options.rounds {
        let mut sides = vec![Side::Ours];
        sides.extend(options.before.is_some().then_some(Side::Before));
        sides.extend(peers.iter().copied().map(Side::Peer));
        // Who comes later finds memory that the one before gave back just now: a virtual machine's host need not bring it anew.
        if round % 2 == 1 {
            sides.reverse();
        }
        let mut found = Vec::new();
        for side in sides {
            let mark = Mark::now(bench)?;
            let run = take_turn(bench, binary, options, &measured, side, round)?;
            let (ours, of_peer) = mark.read_since(bench)?;
            let mut results = if matches!(side, Side::Peer(_)) { of_peer } else { ours };
            if !options.is_moderated() {
                // Who cannot take back says nothing of a window in which nobody wrote, and here only those are empty.
                compare::drop_empty_boards(&mut results);
            }
            measured.runs_of(side).push(run);
            found.push((side, results));
        }
        let of_ours = found.iter().find(|(side, _)| *side == Side::Ours);
        let (_, ours) = of_ours.context("we have a turn in every round")?;
        for (side, theirs) in found.iter().filter(|(side, _)| *side != Side::Ours) {
            measured.compared += compare::compare(workload.kinds(), ours, theirs)
                .with_context(|| format!("the other is {}", side.name()))?;
        }
        measured.limits.push(limits::measure(bench, workload.topics())?);
    }
    let state_bytes = measured.ours.iter().map(|run| run.peak_bytes).max().unwrap_or_default();
    measured.memory = memory::measure(usize::try_from(state_bytes)?);
    Ok(measured)
}

fn take_turn(
    bench: &mut Bench,
    binary: &Path,
    options: &Options,
    measured: &Measured,
    side: Side,
    round: usize,
) -> Result<Run> {
    let (workload, stores) = (measured.workload, measured.stores);
    let name = format!("{}-{}-{round}", side.name(), stores.name());
    match (side, &options.before) {
        (Side::Peer(peer), _) => Turn { peer, workload, stores }.run(bench, options, round),
        (Side::Before, Some(before)) => {
            bench.set_binary(&std::path::absolute(before)?);
            let run = run_ours(bench, options, workload, &name);
            bench.set_binary(binary);
            run
        }
        _ => run_ours(bench, options, workload, &name),
    }
}

fn run_ours(bench: &Bench, options: &Options, workload: Workload, name: &str) -> Result<Run> {
    let jobs: Vec<&str> = workload.jobs().iter().map(|(job, _)| *job).collect();
    for job in &jobs {
        bench.run(&["jobs", "reset", job, "--to", "earliest"])?;
    }
    let started = Instant::now();
    let process = start_ours(bench, options, workload, name)?;
    let committed = || {
        let of = |(job, topics): &(&str, &[&str])| bench.committed(&format!("ovation-{job}"), topics);
        workload.jobs().iter().map(of).sum()
    };
    let run = until_committed(bench, workload, started, &committed, &|| process.usage())?;
    process.stop()?;
    Ok(run)
}

fn start_ours(bench: &Bench, options: &Options, workload: Workload, name: &str) -> Result<Process> {
    let jobs: Vec<&str> = workload.jobs().iter().map(|(job, _)| *job).collect();
    let place = format!("snapshots-{}-{name}", workload.name());
    // Nothing is idle: a job that has read everything would go on and close windows that the peer leaves open.
    let settings = [
        ("snapshots.place", place.as_str()),
        ("snapshots.every", &options.snapshots_every),
        ("process.idle_after", "1h"),
    ];
    bench.process_jobs(&jobs, &settings)
}

fn until_committed(
    bench: &Bench,
    workload: Workload,
    started: Instant,
    committed: &dyn Fn() -> Result<i64>,
    usage: &dyn Fn() -> Result<Usage>,
) -> Result<Run> {
    let all = bench.records(workload.topics())?;
    let mut first = None;
    loop {
        let committed = committed()?;
        let (wall_s, used) = (started.elapsed().as_secs_f64(), usage()?);
        let (first_wall_s, first_cpu_s, first_events) = if committed > 0 && committed < all {
            *first.get_or_insert((wall_s, used.cpu_s, committed))
        } else {
            first.unwrap_or_default()
        };
        if committed >= all {
            return Ok(Run {
                wall_s,
                cpu_s: used.cpu_s,
                peak_bytes: used.peak_bytes,
                steady_wall_s: wall_s - first_wall_s,
                steady_cpu_s: used.cpu_s - first_cpu_s,
                steady_events: (all - first_events) as f64,
            });
        }
        ensure!(
            started.elapsed() < DEADLINE,
            "{} has committed {committed} of {all} records",
            workload.name()
        );
        std::thread::sleep(LOOK_EVERY);
    }
}
