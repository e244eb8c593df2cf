//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use schemas::{Timestamp, Topic};

mod dashboard;
mod produce;

pub use dashboard::{DashboardArguments, DashboardCommand, TokenArguments};
pub use produce::{ProduceCommand, ReplayArguments, SimulateArguments};

/// The event pipeline behind live moments: leaderboards, engagement, markets and moderation from Kafka, into ClickHouse and
/// onto live dashboards.
///
/// `ovation run` starts everything in one process, with Kafka, ClickHouse's engine and a schema registry on this machine
/// where the configuration names none.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 110)]
pub struct Arguments {
    /// The configuration; by default ovation.toml in this folder, or else the one that comes with the program.
    #[arg(long, short, global = true, value_name = "FILE", env = "OVATION_CONFIG")]
    pub config: Option<PathBuf>,

    /// What is logged to standard error: error, warn, info, debug, trace, or filters as in `info,kafka=debug`.
    #[arg(long, global = true, default_value = "info", value_name = "LEVEL")]
    pub log: String,

    /// How it is logged.
    #[arg(long, global = true, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,

    #[command(subcommand)]
    pub command: Command,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How a command prints what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// For scripts.
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start all roles in one process: processing, ClickHouse sink, dashboard, and the local stack where none is named.
    Run(RunArguments),
    /// Create or check the topics.
    #[command(subcommand)]
    Topics(TopicsCommand),
    /// Register or check the schemas in the schema registry.
    #[command(subcommand)]
    Schemas(SchemasCommand),
    /// Publish events: from the simulator or from recorded files.
    #[command(subcommand)]
    Produce(ProduceCommand),
    /// Run jobs: read events, compute, publish results, exactly once.
    Process {
        /// The jobs to run; all of the configuration by default.
        #[arg(value_name = "JOB")]
        jobs: Vec<String>,
    },
    /// See how jobs are doing, set them back, look after their snapshots.
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// Push events and results elsewhere.
    #[command(subcommand)]
    Sink(SinkCommand),
    /// Serve the live page and its WebSocket, SSE and HTTP interfaces.
    Dashboard(DashboardArguments),
    /// Run jobs over recorded files without Kafka and print what they would publish, one JSON object a line.
    DryRun(DryRunArguments),
    /// Look after ClickHouse.
    #[command(subcommand)]
    Clickhouse(ClickhouseCommand),
    /// Prove that ClickHouse has what the log has, once, and that every number agrees with the raw events. Exit code 1 if one differs.
    ///
    /// Three comparisons, all of them unless some are named. It may run while the pipeline runs: offsets and rollups are compared up to
    /// the positions that the sink had committed when it began, and results where they are final.
    Verify(VerifyArguments),
    /// Validate the configuration and say what it means, without starting anything.
    ///
    /// For each job: what it reads and writes, how long it waits, what it keeps and about how much memory that takes in each shard, how
    /// many records it writes at most, and when its state is saved. Exit code 2 if the configuration is wrong.
    Check {
        /// How to print it.
        #[arg(long, default_value = "text")]
        output: OutputFormat,
    },
    /// Print the records of a topic, decoded, one JSON object a line.
    Tail(TailArguments),
    /// Start Kafka, ClickHouse's engine and a schema registry on this machine.
    #[command(subcommand)]
    Devstack(devstack::Command),
}

#[derive(Debug, Args)]
pub struct RunArguments {
    /// Publish simulated events too, this many a second.
    #[arg(long, value_name = "EVENTS_PER_SECOND")]
    pub simulate: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Create the topics that are missing. Existing ones are left as they are.
    Apply,
    /// Compare the topics with what they should be. Exit code 1 if one is missing or differs.
    Check {
        /// How to print it.
        #[arg(long, default_value = "text")]
        output: OutputFormat,
    },
    /// Print the table of topics: what each carries, its key, its schema's subject.
    List,
}

#[derive(Debug, Subcommand)]
pub enum SchemasCommand {
    /// Register the value schemas of all topics, with full transitive compatibility.
    Register,
    /// Check that the registry has the schemas, or would accept them. Exit code 1 if not.
    Check {
        /// How to print it.
        #[arg(long, default_value = "text")]
        output: OutputFormat,
    },
}

#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// Members, shards, lag in records and in time, last commit, last snapshot, owner.
    Status {
        /// The jobs; all of the configuration by default.
        #[arg(value_name = "JOB")]
        jobs: Vec<String>,
        /// How to print it.
        #[arg(long, default_value = "text")]
        output: OutputFormat,
    },
    /// Start a job over from another place in its inputs. It must not be running. Its state is computed anew from there, its
    /// snapshots are deleted, and results from there on are published again, with revisions from 1.
    Reset {
        /// The job.
        #[arg(value_name = "JOB")]
        job: String,
        /// earliest, latest, or the time from which records were taken in: milliseconds since 1970.
        #[arg(long, value_name = "earliest|latest|MILLISECONDS")]
        to: ResetTo,
    },
    /// List the snapshots of a job's state.
    Snapshots {
        /// The job.
        #[arg(value_name = "JOB")]
        job: String,
        /// Delete them all: state is then computed anew from the log. The job must not be running.
        #[arg(long)]
        delete: bool,
    },
}

/// A place in a job's inputs.
#[derive(Clone, Debug)]
pub enum ResetTo {
    /// The first record there is.
    Earliest,
    /// After the last.
    Latest,
    /// The first record taken in at or after this instant.
    Time(Timestamp),
}

impl FromStr for ResetTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => Ok(ResetTo::Earliest),
            "latest" => Ok(ResetTo::Latest),
            _ => {
                let millis = text
                    .parse()
                    .map_err(|_| "write earliest, latest or milliseconds since 1970".to_owned())?;
                Ok(ResetTo::Time(Timestamp::from_millis(millis)))
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum SinkCommand {
    /// Write events, results and dead letters into ClickHouse.
    Clickhouse,
}

#[derive(Debug, Args)]
pub struct DryRunArguments {
    /// The jobs to run; all of the configuration by default.
    #[arg(long = "job", value_name = "NAME")]
    pub jobs: Vec<String>,
    /// What to read, as FORMAT:FILE; several are merged by event time. Formats: twitch-irc, twitch-vod, binance-ws,
    /// binance-csv, jsonl; gzip is understood. Trades take a venue: binance-csv,venue=binance-usdm:FILE
    #[arg(long, required = true, value_name = "FORMAT:FILE", num_args = 1..)]
    pub input: Vec<String>,
    /// Print only the last record of each window (is_final) and, for all time, of each group.
    #[arg(long)]
    pub only_final: bool,
}

#[derive(Debug, Subcommand)]
pub enum ClickhouseCommand {
    /// Create or bring up to date the database, its tables and views, and how long rows are kept. Safe to run again, and by several
    /// instances at once.
    Migrate {
        /// Print the statements that would be run, and run none.
        #[arg(long)]
        dry_run: bool,
    },
    /// Make the rollups anew from the raw events. The sink must not be running.
    ///
    /// For events from before there were rollups, and after somebody has changed rows. Refused where events are gone that the rollups have.
    RebuildRollups,
    /// Read a part of a topic again and write what is missing.
    ///
    /// Records that the table has are left as they are, so nothing is doubled, also if this is interrupted and run again. Into the
    /// sink's own database nothing is written from where the sink is now: that it writes itself.
    Backfill(BackfillArguments),
}

#[derive(Debug, Args)]
pub struct BackfillArguments {
    /// The topic.
    #[arg(long, value_name = "TOPIC")]
    pub topic: Topic,
    /// One partition; all by default.
    #[arg(long, value_name = "N")]
    pub partition: Option<i32>,
    /// The first record: earliest, an offset, or the time at which it was taken in, as in 2026-03-01T18:00:00Z.
    #[arg(long, default_value = "earliest", value_name = "earliest|OFFSET|TIME")]
    pub from: LogPlace,
    /// Before which record to stop: latest, an offset, or a time.
    #[arg(long, default_value = "latest", value_name = "latest|OFFSET|TIME")]
    pub to: LogPlace,
    /// Another database, which is created; the sink's by default.
    #[arg(long, value_name = "DATABASE")]
    pub into: Option<String>,
}

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogPlace {
    /// The first record there is.
    Earliest,
    /// After the last.
    Latest,
    /// This offset.
    Offset(i64),
    /// The first record taken in at or after this instant.
    Time(Timestamp),
}

impl FromStr for LogPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => return Ok(LogPlace::Earliest),
            "latest" => return Ok(LogPlace::Latest),
            _ => {}
        }
        if let Ok(offset) = text.parse() {
            return Ok(LogPlace::Offset(offset));
        }
        let time: jiff::Timestamp = text
            .parse()
            .map_err(|_| "write earliest, latest, an offset, or a time with its zone".to_owned())?;
        Ok(LogPlace::Time(Timestamp::from_micros(time.as_microsecond())))
    }
}

#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// Offsets against rows: of each partition, which records have no row (or dead letter), and which rows are there twice or are of no
    /// record.
    #[arg(long)]
    pub offsets: bool,
    /// Raw events against their rollups by minute, hour and day, every figure.
    #[arg(long)]
    pub rollups: bool,
    /// Every final result computed again from the raw events: engagement, candles and boards.
    #[arg(long)]
    pub results: bool,
    /// Results of these jobs; of all of the configuration by default.
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
    /// How to print it.
    #[arg(long, default_value = "text")]
    pub output: OutputFormat,
}

#[derive(Debug, Args)]
pub struct TailArguments {
    /// The topic: events.chat, events.reactions, events.viewers, events.trades, results.leaderboards,
    /// results.engagement, results.markets, results.moderation, ovation.dead-letter, ovation.partials
    #[arg(value_name = "TOPIC")]
    pub topic: Topic,
    /// Start with the oldest record instead of the next.
    #[arg(long)]
    pub from_beginning: bool,
    /// Stop after this many records.
    #[arg(long, short = 'n', value_name = "N")]
    pub max_records: Option<u64>,
    /// Stop at the end instead of waiting for more.
    #[arg(long)]
    pub exit_at_end: bool,
}
