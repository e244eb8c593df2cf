//! The peer's process.
//!
//! Always holds: it ends with this program's handle on it. Does not know: what it computes.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::meter::{Usage, usage};

/// The running program.
pub struct Streams(Child);

/// Refuses to begin without the peer.
///
/// # Errors
/// If it was not built.
pub fn check(folder: &Path) -> Result<()> {
    let is_there = folder.join("peer.jar").exists() && folder.join("libs").exists();
    ensure!(is_there, "{} has no peer: run `make peers` first", folder.display());
    Ok(())
}

/// Starts it. The collector is the one that costs least in all; nobody waits for an answer here.
///
/// # Errors
/// If there is no Java.
pub fn start(folder: &Path, heap_mb: u32, arguments: impl FnOnce(&mut Command)) -> Result<Streams> {
    let mut command = Command::new("java");
    let classes = std::env::join_paths([folder.join("peer.jar"), folder.join("libs/*")])?;
    command.arg(format!("-Xmx{heap_mb}m")).args(["-XX:+UseParallelGC", "-XX:+ExitOnOutOfMemoryError"]);
    command.arg("-cp").arg(classes).arg("ovation.peer.Main").stdin(Stdio::null()).stdout(Stdio::null());
    arguments(&mut command);
    Ok(Streams(command.spawn().context("cannot run java")?))
}

impl Streams {
    /// What it has used.
    ///
    /// # Errors
    /// If it has ended.
    pub fn usage(&self) -> Result<Usage> {
        usage(self.0.id()).context("the peer has ended by itself: it said why on standard error")
    }

    /// Ends it as an operator does. Java then says 143.
    ///
    /// # Errors
    /// If it does not end well.
    pub fn stop(mut self) -> Result<()> {
        let id = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.context("a process id")?, rustix::process::Signal::TERM)?;
        let status = self.0.wait()?;
        ensure!(status.code() == Some(143), "the peer ended with {status}");
        Ok(())
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
