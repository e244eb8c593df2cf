//! Measures the whole program on real servers.
//!
//! Always holds: what is measured is the released binary as a process of its own (build it first: `make build`), on a broker
//! that is started for the measurement; times of this program and of the broker are not counted as its own. Does not know: how
//! the binary does it.

mod away;
mod backlog;
mod centrifugo;
mod crowd;
mod elsewhere;
mod fanout;
mod formats;
mod freshness;
mod guarantees;
mod live;
mod meter;
mod moderation;
mod ovation;
mod peers;
mod publish;
mod publisher;
mod recovery;
mod scaling;
mod seen;
mod sink;
mod storm;
mod trades;
mod users;
mod warehouse;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures the whole program on real servers.
#[derive(Parser)]
struct Arguments {
    /// The binary.
    #[arg(long, global = true, default_value = "target/release/ovation")]
    binary: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// What exactly-once and snapshots cost: throughput and CPU time with and without, interleaved, as ratios.
    Guarantees(guarantees::Options),
    /// Memory with a short and with a long backlog.
    Backlog(backlog::Options),
    /// From start to first commit after a kill, with many keys and input since the last snapshot.
    Recovery(recovery::Options),
    /// Raw chat into ClickHouse: our sink beside the server's own Kafka table engine, interleaved.
    Sink(sink::Options),
    /// What the server pays to take the same rows in other formats, with and without LZ4.
    Formats(formats::Options),
    /// From producing an event to seeing it in a query.
    Freshness(freshness::Options),
    /// The ClickHouse server away for minutes while events go on.
    Away(away::Options),
    /// Live frames to many clients: frames for each second of the gateway's CPU, memory, slow clients, a reconnect storm; beside Centrifugo.
    Fanout(fanout::Options),
    /// From an event to the frame that a dashboard receives, stage by stage.
    Live(live::Options),
    /// The same jobs on Kafka Streams, Flink or Bytewax, interleaved; the results are compared first.
    Peers(peers::Options),
    /// From when a result can be known to when it is committed, at shares of the greatest rate, beside Kafka Streams.
    Latency(peers::latency::Options),
    /// What looking at a chat message costs: our moderation beside crates that filter words; what they find is compared first.
    Moderation(moderation::Options),
    /// A rolling board with few and with many users: cost of an event, memory of a key.
    Users(users::Options),
    /// A rolling board with more partitions, worker threads and processes.
    Scaling(scaling::Options),
}

/// Does what the command line says; its first argument is the program's name.
///
/// # Errors
/// If the binary is not there, or what is measured fails.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<()> {
    let Arguments { binary, what } = Arguments::parse_from(arguments);
    anyhow::ensure!(binary.exists(), "{} is not there: run `make build` first", binary.display());
    let binary = std::path::absolute(binary)?;
    match what {
        What::Guarantees(options) => guarantees::measure(&binary, &options),
        What::Backlog(options) => backlog::measure(&binary, &options),
        What::Recovery(options) => recovery::measure(&binary, &options),
        What::Sink(options) => sink::measure(&binary, &options),
        What::Formats(options) => formats::measure(&binary, &options),
        What::Freshness(options) => freshness::measure(&binary, &options),
        What::Away(options) => away::measure(&binary, &options),
        What::Fanout(options) => fanout::measure(&binary, &options),
        What::Live(options) => live::measure(&binary, &options),
        What::Peers(options) => peers::measure(&binary, &options),
        What::Latency(options) => peers::latency::measure(&binary, &options),
        What::Moderation(options) => moderation::measure(&options),
        What::Users(options) => users::measure(&binary, &options),
        What::Scaling(options) => scaling::measure(&binary, &options),
    }
}
