//! The figures of a workload as a table, and all of them as JSON.
//!
//! Always holds: the table's figures are medians over rounds, with the least and the most beside them. Does not know: how they came about.

use std::io::Write;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::memory::Memory;
use super::program::Peer;
use super::{Measured, Options, Run, Workload};
use crate::meter::median;

/// Prints the table.
///
/// # Errors
/// If standard output is closed.
pub fn print(measured: &Measured, options: &Options) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let Measured { workload, stores, events, compared, .. } = measured;
    let title = match workload {
        Workload::W1 => "rolling board, 5 min by 10 s, top 100 of each channel",
        Workload::W2 => "messages and distinct chatters of each channel and minute",
        Workload::W3 => "candles of 1 s and 1 min of each market",
        Workload::W4 => "all of these from one read",
    };
    let compared = match compared {
        0 => "beside nothing that it could be compared with".to_owned(),
        compared => format!("{compared} results compared, all equal"),
    };
    writeln!(
        out,
        "{}: {title}. {events} events, {} users, 1000 channels, {} symbols, up to {} ms late{}, {} rounds; state of peers in {}; {compared}",
        workload.name(),
        options.users,
        options.symbols,
        options.disorder_ms,
        if options.is_moderated() { "" } else { ", nothing taken back" },
        options.rounds,
        stores.name(),
    )?;
    writeln!(
        out,
        "{:<20} {:>10} {:>24} {:>16} {:>20} {:>8}",
        "", "events/s", "CPU us/event (spread)", "steady events/s", "steady CPU us/event", "peak MB"
    )?;
    let ours = Figures::of(&measured.ours, *events);
    let figures = |(peer, runs): &(Peer, Vec<Run>)| (peer.name(), Figures::of(runs, *events));
    let before = (!measured.before.is_empty()).then(|| ("before", Figures::of(&measured.before, *events)));
    let others: Vec<(&str, Figures)> = before.into_iter().chain(measured.peers.iter().map(figures)).collect();
    for (name, figures) in [("ovation", &ours)].into_iter().chain(others.iter().map(|(name, of)| (*name, of)))
    {
        let Figures { events_per_s, cpu_us, spread, steady_events_per_s, steady_cpu_us, peak_mb } = figures;
        let cpu = format!("{cpu_us:.3} ({:.3}-{:.3})", spread.0, spread.1);
        let (steady_events_per_s, steady_cpu_us) = (known(*steady_events_per_s, 0), known(*steady_cpu_us, 3));
        writeln!(
            out,
            "{name:<20} {events_per_s:>10.0} {cpu:>24} {steady_events_per_s:>16} {steady_cpu_us:>20} {peak_mb:>8.0}",
        )?;
    }
    for (name, peer) in &others {
        writeln!(
            out,
            "{:<20} {:>10.2} {:>24.2} {:>16} {:>20} {:>8.2}",
            format!("{name}/ovation"),
            peer.events_per_s / ours.events_per_s,
            peer.cpu_us / ours.cpu_us,
            known(peer.steady_events_per_s / ours.steady_events_per_s, 2),
            known(peer.steady_cpu_us / ours.steady_cpu_us, 2),
            peer.peak_mb / ours.peak_mb,
        )?;
    }
    let limit = |what: fn(&super::Limits) -> f64| {
        median(measured.limits.iter().map(|limits| what(limits) / events * 1e6).collect())
    };
    writeln!(out, "{:<20} {:>35.3}", "only reading", limit(|limits| limits.consume_s))?;
    writeln!(out, "{:<20} {:>35.3}", "and decoding", limit(|limits| limits.decode_s))?;
    let Memory { read_gb_per_s, write_gb_per_s, random_read_ns, random_bytes } = measured.memory;
    writeln!(
        out,
        "memory, one thread: reads {read_gb_per_s:.1} GB/s, writes {write_gb_per_s:.1} GB/s in a row; {random_read_ns:.0} ns for each of random \
         reads that wait for one another in {:.0} MB, so that an event of ours is as dear as {:.1} of them\n",
        random_bytes as f64 / 1e6,
        ours.cpu_us * 1e3 / random_read_ns,
    )?;
    Ok(())
}

/// So many digits after the point, or that there is nothing to tell.
fn known(figure: f64, digits: usize) -> String {
    if figure.is_nan() { "-".to_owned() } else { format!("{figure:.digits$}") }
}

/// Medians over rounds.
struct Figures {
    events_per_s: f64,
    cpu_us: f64,
    /// The least and the most of it.
    spread: (f64, f64),
    steady_events_per_s: f64,
    steady_cpu_us: f64,
    peak_mb: f64,
}

impl Figures {
    fn of(runs: &[Run], events: f64) -> Self {
        let median_of = |what: &dyn Fn(&Run) -> f64| median(runs.iter().map(what).collect());
        let cpu_us = |run: &Run| run.cpu_s / events * 1e6;
        // Of a few events that are left nothing can be told.
        let is_steady = |run: &Run| run.steady_events > events / 2.0;
        let steady = |run: &Run, figure: f64| if is_steady(run) { figure } else { f64::NAN };
        let costs = runs.iter().map(cpu_us);
        Figures {
            events_per_s: median_of(&|run| events / run.wall_s),
            cpu_us: median_of(&cpu_us),
            spread: (costs.clone().fold(f64::INFINITY, f64::min), costs.fold(0.0, f64::max)),
            steady_events_per_s: median_of(&|run| steady(run, run.steady_events / run.steady_wall_s)),
            steady_cpu_us: median_of(&|run| steady(run, run.steady_cpu_s / run.steady_events * 1e6)),
            peak_mb: median_of(&|run| run.peak_bytes as f64 / 1e6),
        }
    }
}

/// All numbers.
pub fn json(all: &[Measured], options: &Options) -> Value {
    let runs = |runs: &[Run]| -> Vec<Value> {
        let run = |run: &Run| {
            json!({
                "wall_s": run.wall_s,
                "cpu_s": run.cpu_s,
                "peak_bytes": run.peak_bytes,
                "steady_wall_s": run.steady_wall_s,
                "steady_cpu_s": run.steady_cpu_s,
                "steady_events": run.steady_events,
            })
        };
        runs.iter().map(run).collect()
    };
    let one = |measured: &Measured| {
        let limits = measured.limits.iter();
        json!({
            "workload": measured.workload.name(),
            "stores": measured.stores.name(),
            "events": measured.events,
            "results_compared": measured.compared,
            "ovation": runs(&measured.ours),
            "before": runs(&measured.before),
            "peers": measured.peers.iter().map(|(peer, of)| (peer.name().to_owned(), runs(of).into())).collect::<Map<_, _>>(),
            "consume_cpu_s": limits.clone().map(|limits| limits.consume_s).collect::<Vec<_>>(),
            "consume_and_decode_cpu_s": limits.map(|limits| limits.decode_s).collect::<Vec<_>>(),
            "memory": {
                "read_gb_per_s": measured.memory.read_gb_per_s,
                "write_gb_per_s": measured.memory.write_gb_per_s,
                "random_read_ns": measured.memory.random_read_ns,
                "random_bytes": measured.memory.random_bytes,
            },
        })
    };
    json!({
        "rate": options.rate,
        "users": options.users,
        "channels": 1_000,
        "symbols": options.symbols,
        "disorder_ms": options.disorder_ms,
        "heap_mb": options.heap_mb,
        "checkpoint_ms": options.checkpoint_ms,
        "moderated": options.is_moderated(),
        "workloads": all.iter().map(one).collect::<Vec<_>>(),
    })
}
