//! What it costs to look at a chat message: our moderation processor beside crates that filter words, on the same messages, in turns.
//!
//! All have the same list of terms. Ours makes the whole flag, with its evidence; a crate says yes or no. Always holds: no speed is shown before
//! all have found exactly what is expected where they claim the same (`compare.rs`); times are processor time of the one thread, which
//! does nothing else; each turn begins with a filter that has seen nothing. Does not know: what a message means.

mod compare;
mod filters;
mod messages;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use schemas::Event;
use serde_json::json;

use crate::meter::{median, thread_cpu_s};
use compare::Comparison;
use filters::{Prepared, Side};
use messages::{Messages, TERMS, text_of};

/// How large.
#[derive(Args)]
pub struct Options {
    /// Simulated messages.
    #[arg(long, default_value_t = 100_000)]
    messages: usize,
    /// A file with further messages, one a line: recorded chat. None of it is shown.
    #[arg(long)]
    lines: Option<PathBuf>,
    /// A file with terms, one a line, instead of the small list that is built in.
    #[arg(long)]
    terms: Option<PathBuf>,
    /// How often each side is run.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Where all numbers go.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Of one side.
struct Measured {
    side: Side,
    /// Of a message, in each round.
    cpu_us: Vec<f64>,
    flagged: usize,
    kept_items: u64,
    kept_bytes: u64,
}

/// Compares, measures and prints a line for each side.
///
/// # Errors
/// If a file cannot be read, or a side does not find what is expected among plain sentences.
pub fn measure(options: &Options) -> Result<()> {
    let terms: Vec<String> = match &options.terms {
        Some(file) => std::fs::read_to_string(file)?.lines().map(|line| line.trim().to_lowercase()).collect(),
        None => TERMS.map(str::to_owned).into(),
    };
    let messages = Messages::new(options.messages, &terms, options.lines.as_deref())?;
    let prepared = Prepared::new(&terms)?;
    let mut out = std::io::stdout().lock();
    let comparison = Comparison::new(&prepared, &messages)?;
    comparison.print(&mut out)?;
    let measured = run(&prepared, &messages.all, options.rounds);
    let bytes: usize = messages.all.iter().map(|message| text_of(message).len()).sum();
    let bytes_each = bytes as f64 / messages.all.len() as f64;
    writeln!(
        out,
        "{} messages, {bytes_each:.1} bytes each, {} terms, {} rounds in turns, one thread",
        messages.all.len(),
        terms.len(),
        options.rounds
    )?;
    print(&measured, &mut out)?;
    if let Some(file) = &options.json {
        let side = |of: &Measured| {
            json!({
                "name": of.side.name(),
                "cpu_us_per_message": of.cpu_us,
                "flagged": of.flagged,
                "kept_items": of.kept_items,
                "kept_bytes_estimate": of.kept_bytes,
            })
        };
        let all = json!({
            "messages": messages.all.len(),
            "of_the_file": messages.all.len() - messages.simulated_count,
            "bytes_each": bytes_each,
            "terms": terms.len(),
            "found": comparison.json(),
            "sides": measured.iter().map(side).collect::<Vec<_>>(),
        });
        std::fs::write(file, format!("{all:#}\n"))?;
    }
    Ok(())
}

fn run(prepared: &Prepared, messages: &[Event<'static>], rounds: usize) -> Vec<Measured> {
    let none = |side| Measured { side, cpu_us: Vec::new(), flagged: 0, kept_items: 0, kept_bytes: 0 };
    let mut all: Vec<Measured> = Side::ALL.map(none).into();
    for _ in 0..rounds {
        for measured in &mut all {
            let mut filter = prepared.filter(measured.side);
            let before_s = thread_cpu_s();
            measured.flagged = messages.iter().filter(|message| filter.is_flagged(message)).count();
            let used_s = thread_cpu_s() - before_s;
            measured.cpu_us.push(used_s / messages.len() as f64 * 1e6);
            let kept = filter.kept();
            (measured.kept_items, measured.kept_bytes) = (kept.items, kept.bytes_estimate);
        }
    }
    all
}

fn print(measured: &[Measured], out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "{:<24} {:>24} {:>24} {:>9} {:>16}",
        "", "CPU us/message (spread)", "messages/second of CPU", "flagged", "kept at the end"
    )?;
    for Measured { side, cpu_us, flagged, kept_items, kept_bytes } in measured {
        let middle = median(cpu_us.clone());
        let least = cpu_us.iter().copied().fold(f64::INFINITY, f64::min);
        let most = cpu_us.iter().copied().fold(0.0, f64::max);
        let cpu = format!("{middle:.3} ({least:.3}-{most:.3})");
        let kept = format!("{kept_items}, {:.1} MB", *kept_bytes as f64 / 1e6);
        writeln!(
            out,
            "{:<24} {cpu:>24} {:>24.0} {flagged:>9} {:>16}",
            side.name(),
            1e6 / middle,
            if *kept_items == 0 { "-" } else { &kept }
        )?;
    }
    Ok(())
}
