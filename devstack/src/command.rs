//! The commands of the local stack, offered by `ovation-devstack` and, as a subcommand, by `ovation`.
//!
//! A command runs in this process until it is done or asked to stop. Knows no configuration file: everything is an
//! argument.

use std::{ffi::OsString, io::Write as _, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{
    ClickHouseOptions, KafkaOptions, Part, RegistryOptions, Stack, StackOptions, fetch_chdb, fetch_kafka,
    lifetime::stop_requested, run_clickhouse, run_kafka, run_registry,
};

/// What the local stack can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Copy Kafka's jars into the cache folder
    KafkaFetch,
    /// Copy ClickHouse's engine into the cache folder
    ChdbFetch,
    /// Run one Kafka broker until Ctrl-C
    Kafka(KafkaOptions),
    /// Run a ClickHouse HTTP server until Ctrl-C
    Clickhouse(ClickHouseOptions),
    /// Run a schema registry until Ctrl-C; it needs Kafka
    Registry(RegistryOptions),
    /// Run Kafka, ClickHouse and a schema registry until Ctrl-C
    Up(UpOptions),
}

/// What [`Command::Up`] starts.
#[derive(Debug, Clone, clap::Args)]
pub struct UpOptions {
    /// Folder of all data and logs, created where missing
    #[arg(long = "data", default_value = ".ovation")]
    data_dir: PathBuf,
    /// Port of the broker on 127.0.0.1; 0 is a free one
    #[arg(long, default_value_t = 9092)]
    kafka_port: u16,
    /// Port of ClickHouse on 127.0.0.1; 0 is a free one
    #[arg(long, default_value_t = 8123)]
    clickhouse_port: u16,
    /// Port of the schema registry on 127.0.0.1; 0 is a free one
    #[arg(long, default_value_t = 8081)]
    registry_port: u16,
}

/// Carries a command out. `subcommand` are the arguments of this program that lead to [`Command`], if there are any.
///
/// # Errors
/// As the command says; the message is one for a person.
pub async fn run(command: Command, subcommand: &[&str]) -> Result<()> {
    match command {
        Command::KafkaFetch => tokio::task::spawn_blocking(fetch_kafka).await?.map(|_| ()),
        Command::ChdbFetch => tokio::task::spawn_blocking(fetch_chdb).await?.map(|_| ()),
        Command::Kafka(options) => run_kafka(options).await,
        Command::Clickhouse(options) => run_clickhouse(options).await,
        Command::Registry(options) => run_registry(options).await,
        Command::Up(options) => up(options, subcommand).await,
    }
}

async fn up(options: UpOptions, subcommand: &[&str]) -> Result<()> {
    let part = |port| if port == 0 { Part::Free } else { Part::Fixed(port) };
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let command = std::iter::once(program.into()).chain(subcommand.iter().map(OsString::from)).collect();
    let options = StackOptions::new(options.data_dir)
        .with_kafka(part(options.kafka_port))
        .with_clickhouse(part(options.clickhouse_port))
        .with_registry(part(options.registry_port))
        .with_server_command(command);
    // from the start, so that Ctrl-C while the servers start stops them in order too
    let stop = stop_requested(false);
    let starting = tokio::task::spawn_blocking(move || Stack::start(options));
    tokio::pin!(stop, starting);
    let stack = tokio::select! {
        stack = &mut starting => stack??,
        stopped = &mut stop => {
            stopped?;
            let stack = starting.await??;
            return tokio::task::spawn_blocking(move || stack.stop()).await?;
        }
    };
    let mut output = std::io::stdout();
    writeln!(output, "kafka       {}", stack.kafka_brokers())?;
    writeln!(output, "clickhouse  {}", stack.clickhouse_url())?;
    writeln!(output, "registry    {}", stack.registry_url())?;
    stop.await?;
    tokio::task::spawn_blocking(move || stack.stop()).await?
}
