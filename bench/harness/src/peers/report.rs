//! The figures of a workload as a table, and all of them as JSON.
//!
//! Always holds: the table's figures are medians over rounds, with the least and the most beside them. Does not know: how they came about.

use std::io::Write;

use anyhow::Result;
use serde_json::{Value, json};

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
    writeln!(
        out,
        "{}: {title}. {events} events, {} users, 1000 channels, up to {} ms late, {} rounds; state of the peer in {}; {compared} \
         results compared, all equal",
        workload.name(),
        options.users,
        options.disorder_ms,
        options.rounds,
        stores.name(),
    )?;
    writeln!(
        out,
        "{:<16} {:>10} {:>24} {:>16} {:>20} {:>8}",
        "", "events/s", "CPU us/event (spread)", "steady events/s", "steady CPU us/event", "peak MB"
    )?;
    for (name, runs) in [("ovation", &measured.ours), ("kafka streams", &measured.peer)] {
        let of = |what: &dyn Fn(&Run) -> f64| median(runs.iter().map(what).collect());
        let cpu_us = |run: &Run| run.cpu_s / events * 1e6;
        let least = runs.iter().map(cpu_us).fold(f64::INFINITY, f64::min);
        let most = runs.iter().map(cpu_us).fold(0.0, f64::max);
        writeln!(
            out,
            "{name:<16} {:>10.0} {:>24} {:>16.0} {:>20.3} {:>8.0}",
            of(&|run| events / run.wall_s),
            format!("{:.3} ({least:.3}-{most:.3})", of(&cpu_us)),
            of(&|run| run.steady_events / run.steady_wall_s),
            of(&|run| run.steady_cpu_s / run.steady_events * 1e6),
            of(&|run| run.peak_bytes as f64 / 1e6),
        )?;
    }
    let ratio = |what: &dyn Fn(&Run) -> f64| {
        median(measured.peer.iter().map(what).collect()) / median(measured.ours.iter().map(what).collect())
    };
    writeln!(
        out,
        "{:<16} {:>10.2} {:>24.2} {:>16.2} {:>20.2} {:>8.2}",
        "streams/ovation",
        1.0 / ratio(&|run| run.wall_s),
        ratio(&|run| run.cpu_s),
        1.0 / ratio(&|run| run.steady_wall_s / run.steady_events),
        ratio(&|run| run.steady_cpu_s / run.steady_events),
        ratio(&|run| run.peak_bytes as f64),
    )?;
    let limit = |what: fn(&super::Limits) -> f64| {
        median(measured.limits.iter().map(|limits| what(limits) / events * 1e6).collect())
    };
    writeln!(out, "{:<16} {:>35.3}", "only reading", limit(|limits| limits.consume_s))?;
    writeln!(out, "{:<16} {:>35.3}\n", "and decoding", limit(|limits| limits.decode_s))?;
    Ok(())
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
            "kafka_streams": runs(&measured.peer),
            "consume_cpu_s": limits.clone().map(|limits| limits.consume_s).collect::<Vec<_>>(),
            "consume_and_decode_cpu_s": limits.map(|limits| limits.decode_s).collect::<Vec<_>>(),
        })
    };
    json!({
        "rate": options.rate,
        "users": options.users,
        "channels": 1_000,
        "disorder_ms": options.disorder_ms,
        "heap_mb": options.heap_mb,
        "workloads": all.iter().map(one).collect::<Vec<_>>(),
    })
}
