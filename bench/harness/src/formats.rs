//! What the server pays to take the same chat rows in other formats, with and without LZ4.
//!
//! The bodies are made by the server itself from rows that our sink wrote, in chunks of the sink's size, and inserted into a table like
//! ours with merges stopped; the ways take turns. Always holds: every way inserts the same rows. Does not know: what it costs the sender.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, ensure};
use clap::Args;

use crate::meter::median;
use crate::ovation::{Bench, CHAT};
use crate::warehouse::Warehouse;

/// A name, the format, and a setting for the server when it makes the bodies.
const WAYS: [(&str, &str, &str); 4] = [
    ("RowBinary", "RowBinary", ""),
    ("Native", "Native", ""),
    ("Native without dictionaries", "Native", "&low_cardinality_allow_in_native_format=0"),
    ("ArrowStream", "ArrowStream", ""),
];
const CHUNK_ROWS: u64 = 50_000;

/// How large.
#[derive(Args)]
pub struct Options {
    /// Chat messages.
    #[arg(long, default_value_t = 300_000)]
    events: u64,
    /// How often each way is run.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Measures and prints a table.
///
/// # Errors
/// If a server or the program fails.
pub fn measure(binary: &Path, options: &Options) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let bench = Bench::start(binary, "")?;
    let server = Warehouse::start(binary, bench.folder())?;
    let url = server.url();
    bench.run_with(&["clickhouse", "migrate"], &[("clickhouse.url", &url)])?;
    bench.simulate_chat(options.events, 100_000, 10_000)?;
    let records = bench.records(&[CHAT])? as u64;
    let sink = bench.sink(&[("clickhouse.url", &url)])?;
    bench.wait_until_committed("clickhouse", &[CHAT])?;
    sink.stop()?;
    server.settle()?;
    server.ask("CREATE TABLE ovation.taken AS ovation.chat_events")?;
    server.ask("SYSTEM STOP MERGES ovation.taken")?;
    writeln!(
        out,
        "{records} chat messages in inserts of {CHUNK_ROWS}, {} rounds, medians, merges stopped",
        options.rounds
    )?;
    writeln!(out, "{:<30} {:>6} {:>12} {:>18}", "", "", "bytes/row", "server CPU us/row")?;
    let mut bodies = Vec::new();
    for (name, format, setting) in WAYS {
        for is_compressed in [false, true] {
            let chunks = make(&server, records, format, setting, is_compressed)?;
            bodies.push((name, format, is_compressed, chunks, Vec::new()));
        }
    }
    for _ in 0..options.rounds {
        for (_, format, is_compressed, chunks, cpu_s) in &mut bodies {
            let before = server.usage()?.cpu_s;
            for chunk in chunks.iter() {
                let decompress = if *is_compressed { "&decompress=1" } else { "" };
                let address =
                    format!("{url}/?query=INSERT%20INTO%20ovation.taken%20FORMAT%20{format}{decompress}");
                server.post(&address, chunk, format)?;
            }
            cpu_s.push(server.usage()?.cpu_s - before);
            ensure!(server.number("SELECT count() FROM ovation.taken")? == records, "rows are missing");
            server.ask("TRUNCATE TABLE ovation.taken")?;
        }
    }
    for (name, _, is_compressed, chunks, cpu_s) in bodies {
        let bytes: usize = chunks.iter().map(Vec::len).sum();
        writeln!(
            out,
            "{name:<30} {:>6} {:>12.1} {:>18.3}",
            if is_compressed { "LZ4" } else { "plain" },
            bytes as f64 / records as f64,
            median(cpu_s) / records as f64 * 1e6
        )?;
    }
    drop(server);
    bench.stop()
}

/// The rows as bodies of inserts.
fn make(
    server: &Warehouse,
    records: u64,
    format: &str,
    setting: &str,
    is_compressed: bool,
) -> Result<Vec<Vec<u8>>> {
    let compress = u8::from(is_compressed);
    let address = format!("{}/?compress={compress}{setting}&max_block_size={CHUNK_ROWS}", server.url());
    let chunk = |number: u64| {
        let skipped = number * CHUNK_ROWS;
        let sql = format!(
            "SELECT * FROM ovation.chat_events ORDER BY partition, offset LIMIT {CHUNK_ROWS} OFFSET {skipped} FORMAT {format}"
        );
        server.post(&address, sql.as_bytes(), &sql)
    };
    (0..records.div_ceil(CHUNK_ROWS)).map(chunk).collect()
}
