//! From an event to the frame that a dashboard receives, at a steady rate, with all shipped jobs and exactly-once on; stage by stage.
//!
//! One client has subscribed to everything. Always holds: all instants are of this machine's clock; what comes while the jobs
//! start is left out. Does not know: where the time goes within a stage.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::crowd::{Client, Door, number_after};
use crate::fanout::now_micros;
use crate::ovation::Bench;

/// The configuration that comes with the program, from where its jobs begin.
const SHIPPED: &str = include_str!("../../../ovation.toml");
const JOBS_BEGIN: &str = "\n[jobs.";
const EVERYTHING: &str = r#"{"subscribe":[{"kind":"leaderboards","history":false},{"kind":"engagement","history":false},
    {"kind":"markets","history":false},{"kind":"moderation","history":false}]}"#;
/// So long at the start is left out.
const WARM_UP: Duration = Duration::from_secs(10);

/// How large.
#[derive(Args)]
pub struct Options {
    /// Events a second.
    #[arg(long, default_value_t = 20_000)]
    rate: u64,
    /// For how long, in seconds, after the start is over.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// How long each stage took for each frame, in microseconds.
#[derive(Default)]
struct Stages {
    event_to_result: Vec<i64>,
    result_to_frame: Vec<i64>,
    event_to_frame: Vec<i64>,
}

/// Measures and prints a line for each kind of result.
///
/// # Errors
/// If a server or the program fails.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let jobs = SHIPPED.split_once(JOBS_BEGIN).map_or("", |(_, jobs)| jobs);
    let bench = Bench::start(binary, &format!("{JOBS_BEGIN}{jobs}"))?;
    let jobs = bench.process_all(&[])?;
    let (gateway, address) = bench.dashboard(&[("dashboard.anonymous", "true")])?;
    let seconds = WARM_UP + Duration::from_secs(options.seconds);
    let count = options.rate * seconds.as_secs();
    let mut producer = bench.start_simulating(count, options.rate)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stages = runtime.block_on(async {
        let mut client = Client::connect(&Door::of_gateway(address, EVERYTHING), None).await?;
        let started = Instant::now();
        let mut stages = BTreeMap::<&str, Stages>::new();
        while started.elapsed() < seconds {
            let is_warm = started.elapsed() >= WARM_UP;
            client
                .receive(1 << 20, &mut |frame| {
                    if is_warm {
                        take(frame, &mut stages)
                    }
                })
                .await?;
        }
        anyhow::Ok(stages)
    })?;
    let (used, gateway_used) = (jobs.usage()?, gateway.usage()?);
    ensure!(producer.wait()?.success(), "the producer failed");
    writeln!(out, "{} events/s for {} s; milliseconds, p50 and p99", options.rate, options.seconds)?;
    writeln!(
        out,
        "{:<14} {:>9} {:>22} {:>22} {:>22}",
        "", "frames", "event to result", "result to frame", "event to frame"
    )?;
    for (kind, stages) in stages {
        let of = |times: &[i64]| {
            let mut times = times.to_vec();
            times.sort_unstable();
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize] / 1_000;
            format!("{} {}", at(0.5), at(0.99))
        };
        let Stages { event_to_result, result_to_frame, event_to_frame } = stages;
        let (frames, first) = (event_to_frame.len(), of(&event_to_result));
        let (second, all) = (of(&result_to_frame), of(&event_to_frame));
        writeln!(out, "{kind:<14} {frames:>9} {first:>22} {second:>22} {all:>22}")?;
    }
    let per_event = |cpu_s: f64| cpu_s / count as f64 * 1e6;
    writeln!(
        out,
        "CPU an event: jobs {:.2} us, gateway {:.2} us; memory at most {:.0} MB and {:.0} MB",
        per_event(used.cpu_s),
        per_event(gateway_used.cpu_s),
        used.peak_bytes as f64 / 1e6,
        gateway_used.peak_bytes as f64 / 1e6
    )?;
    gateway.stop()?;
    jobs.stop()?;
    bench.stop()
}

/// Takes the times of a change. A flag is about one event; any other result includes events up to its `as_of`.
fn take(frame: &[u8], stages: &mut BTreeMap<&str, Stages>) {
    if !frame.starts_with(b"{\"type\":\"change\"") {
        return;
    }
    let kinds = [
        ("leaderboards", "\"as_of\":"),
        ("engagement", "\"as_of\":"),
        ("markets", "\"as_of\":"),
        ("moderation", "\"event_time\":"),
    ];
    let is_of = |kind: &str| {
        let name = format!("\"kind\":\"{kind}\"");
        frame.windows(name.len()).take(200).any(|bytes| bytes == name.as_bytes())
    };
    let Some((kind, event)) = kinds.into_iter().find(|(kind, _)| is_of(kind)) else { return };
    let (Some(event), Some(result)) = (number_after(frame, event), number_after(frame, "\"computed_at\":"))
    else {
        return;
    };
    let (now, of_kind) = (now_micros(), stages.entry(kind).or_default());
    of_kind.event_to_result.push(result - event);
    of_kind.result_to_frame.push(now - result);
    of_kind.event_to_frame.push(now - event);
}
