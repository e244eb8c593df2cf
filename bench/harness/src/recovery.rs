//! From start to first commit after a kill, with many live keys and input since the last snapshot.
//!
//! Always holds: the process that is measured finds the newest snapshot and that much input after it. Does not know: where
//! the time goes beyond the parts that the program counts.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;

use crate::ovation::{Bench, CHAT, PARTITIONS, Process};

const JOBS: &str = r#"
[jobs.boards]
lateness = "2s"
[[jobs.boards.boards]]
name = "top_chatters_all_time"
source = "chat"
item = "user"
window = { kind = "all_time" }
k = 100
emit_every = "5s"
"#;
const CHANNELS: u64 = 1_000;
const START_MICROS: u64 = 1_700_000_040_000_000;

/// How large.
#[derive(Args)]
pub struct Options {
    /// Live (channel, user) keys.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Events since the last snapshot: by default two minutes at 5,000 a second.
    #[arg(long, default_value_t = 600_000)]
    since: u64,
}

/// Measures and prints a line for each part.
///
/// # Errors
/// If a server or the program fails.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let bench = Bench::start(binary, JOBS)?;
    let mut from = 0;
    let mut feed = |count: u64| -> Result<()> {
        from += count;
        produce(&bench, from - count..from, options.keys)
    };
    // With a name the restarted instance need not wait for its predecessor's session to end.
    let instance = ("instance_id", "measured");
    let keeping = |every| [instance, ("snapshots.place", "snapshots"), ("snapshots.every", every)];

    feed(options.keys)?;
    let process = bench.process("boards", &keeping("2s"))?;
    bench.wait_until_committed("boards", &[CHAT])?;
    settle(&process)?;
    let get = |process: &Process, name: &str| process.metric(name).with_context(|| format!("no {name}"));
    writeln!(
        out,
        "memory with {} keys: {:.1} MB",
        options.keys,
        process.usage()?.resident_bytes as f64 / 1e6
    )?;
    let (count, bytes) = (get(&process, "snapshots")?, get(&process, "snapshot_bytes")?);
    let tenth = options.keys / 100;
    feed(tenth)?;
    bench.wait_until_committed("boards", &[CHAT])?;
    settle(&process)?;
    writeln!(
        out,
        "{} snapshots after {tenth} more events (1 key in 100): {:.3} MB; one shard's whole state: {:.1} MB",
        get(&process, "snapshots")? - count,
        (get(&process, "snapshot_bytes")? - bytes) as f64 / 1e6,
        get(&process, "state_bytes")? as f64 / 1e6
    )?;
    process.stop()?;
    writeln!(out, "snapshots on disk: {:.1} MB", size(&bench.folder().join("snapshots"))? as f64 / 1e6)?;

    let process = bench.process("boards", &keeping("1h"))?;
    feed(options.since)?;
    bench.wait_until_committed("boards", &[CHAT])?;
    process.kill()?;
    // Input goes on while nobody reads: the first commit has something to commit.
    feed(1_000)?;
    let started = Instant::now();
    let process = bench.process("boards", &keeping("1h"))?;
    let part = |name: &str, least: i64| -> Result<f64> {
        process.wait_for_metric(name, least)?;
        Ok(started.elapsed().as_secs_f64())
    };
    let restored_s = part("restores", i64::from(PARTITIONS))?;
    while get(&process, "restore_records_to_go")? > 0 || get(&process, "replayed")? == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let replayed_s = started.elapsed().as_secs_f64();
    let committed_s = part("commits", 1)?;
    writeln!(out, "started, joined and restored {PARTITIONS} shards after {restored_s:.2} s")?;
    writeln!(out, "read {} records again, done after {replayed_s:.2} s", get(&process, "replayed")?)?;
    writeln!(
        out,
        "first commit after {committed_s:.2} s; CPU time until then {:.2} s",
        process.usage()?.cpu_s
    )?;
    ensure!(get(&process, "replayed")? >= options.since as i64 / 2, "a newer snapshot was found");
    bench.wait_until_committed("boards", &[CHAT])?;
    process.stop()?;
    bench.stop()
}

/// Waits until every shard has stored what it has now: the second snapshot from here on has it for certain.
fn settle(process: &Process) -> Result<()> {
    let before = process.metric("snapshots").unwrap_or(0);
    process.wait_for_metric("snapshots", before + 3 * i64::from(PARTITIONS))
}

/// Publishes messages, each of the next of `keys` users, 5,000 a second of event time.
fn produce(bench: &Bench, numbers: std::ops::Range<u64>, keys: u64) -> Result<()> {
    let path = bench.folder().join("events.jsonl");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    for number in numbers {
        let (user, time) = (number * 7_919 % keys, START_MICROS + number * 200);
        let event = json!({
            "topic": CHAT,
            "record": {
                "event_id": format!("measured:{number}"),
                "event_time": time,
                "ingest_time": time,
                "source": "measured",
                "channel_id": format!("measured:{}", user % CHANNELS),
                "user_id": format!("measured:{user}"),
                "kind": "message",
                "text": "hello",
            },
        });
        writeln!(file, "{event}")?;
    }
    file.flush()?;
    bench.run(&["produce", "replay", "--speed", "full", "--input", &format!("jsonl:{}", path.display())])?;
    Ok(())
}

/// The size of a folder's files, in bytes.
fn size(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        sum += if kind.is_dir() { size(&entry.path())? } else { kind.len() };
    }
    Ok(sum)
}
