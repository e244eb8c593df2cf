//! The commands of the local stack, offered by `ovation-devstack` and, as a subcommand, by `ovation`.
//!
//! A command runs in this process until it is done or asked to stop. Knows no configuration file: everything is an
//! argument.

use anyhow::Result;

use crate::{ClickHouseOptions, KafkaOptions, fetch_chdb, fetch_kafka, run_clickhouse, run_kafka};

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
}

/// Carries a command out.
///
/// # Errors
/// As the command says; the message is one for a person.
pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::KafkaFetch => tokio::task::spawn_blocking(fetch_kafka).await?.map(|_| ()),
        Command::ChdbFetch => tokio::task::spawn_blocking(fetch_chdb).await?.map(|_| ()),
        Command::Kafka(options) => run_kafka(options).await,
        Command::Clickhouse(options) => run_clickhouse(options).await,
    }
}
