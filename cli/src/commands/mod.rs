//! One file for each command; here only the dispatch.

mod backfill;
mod check;
mod clickhouse;
mod dashboard;
mod dry_run;
mod jobs;
mod process;
mod produce;
mod run;
mod schemas;
mod tail;
mod topics;
mod verify;

use anyhow::Result;

use crate::arguments::{Arguments, Command, SinkCommand};
use crate::config;

/// Carries the command out.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    if let Command::Devstack(command) = arguments.command {
        return runtime()?.block_on(devstack::run(command, &["devstack"]));
    }
    let checked = config::load(arguments.config.as_deref())?;
    match arguments.command {
        Command::Run(arguments) => run::run(&checked, &arguments),
        Command::Topics(command) => topics::run(&checked, &command),
        Command::Schemas(command) => schemas::run(&checked, &command),
        Command::Produce(command) => produce::run(&checked, command),
        Command::Process { jobs } => process::run(&checked, &jobs),
        Command::Jobs(command) => jobs::run(&checked, &command),
        Command::Sink(SinkCommand::Clickhouse) => clickhouse::sink(&checked),
        Command::Dashboard(arguments) => dashboard::run(&checked, arguments.command.as_ref()),
        Command::DryRun(arguments) => dry_run::run(&checked, &arguments),
        Command::Clickhouse(command) => clickhouse::run(&checked, &command),
        Command::Check { output } => check::run(&checked, output),
        Command::Verify(arguments) => verify::run(&checked, &arguments),
        Command::Tail(arguments) => tail::run(&checked, &arguments),
        Command::Devstack(_) => Ok(()),
    }
}

/// The async runtime for the commands that need one.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
