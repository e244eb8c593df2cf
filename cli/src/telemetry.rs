//! Logs: to standard error, as text or as JSON, at the level that `RUST_LOG` or `--log` asks for.
//!
//! Always holds: the library of WebSockets is not asked for its traces, which have every message in them, with its token.

use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::arguments::{Arguments, LogFormat};

/// What must not be traced.
const MESSAGES_IN_TRACES: [&str; 2] = ["tungstenite=info", "tokio_tungstenite=info"];

/// Starts logging.
pub(crate) fn start(arguments: &Arguments) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&arguments.log));
    let filter =
        MESSAGES_IN_TRACES.iter().filter_map(|rule| rule.parse().ok()).fold(filter, EnvFilter::add_directive);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match arguments.log_format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// Tells the user why the program ends.
pub(crate) fn complain(error: &anyhow::Error) {
    // If standard error is gone there is nobody left to tell.
    let _nobody_left = writeln!(std::io::stderr(), "ovation: {error:#}");
}
