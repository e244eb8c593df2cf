//! The local stack as a program of its own, for tests and for those who want only the servers.
//!
//! Logs go to standard error; the exit code is 1 where a command fails.

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// What a laptop lacks: Kafka, the engine of ClickHouse and a schema registry, started locally
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: devstack::Command,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match devstack::run(arguments.command, &[]).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
