//! The `ovation` binary: arguments, configuration, wiring, signals and telemetry.
//!
//! Always holds: the only place where an error becomes an exit code. 0: done; 1: it failed, or a check found a difference;
//! 2: the arguments or the configuration are wrong. Does not know: how anything is done; see `commands`.

mod arguments;
mod commands;
mod config;
mod endpoint;
mod output;
mod telemetry;
mod wiring;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

use crate::arguments::Arguments;

/// Millions of small names and counts are what a job's memory consists of: up to 1.6 times as many events a second as with glibc's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::start(&arguments);
    match commands::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let refused = error.downcast_ref::<config::Refused>().is_some();
            telemetry::complain(&error);
            ExitCode::from(if refused { 2 } else { 1 })
        }
    }
}

/// The reader of our output has seen enough (`ovation tail ... | head`).
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    };
    error.chain().any(broken)
}
