//! The peers: which there are, what each can do, and its process.
//!
//! Always holds: a process ends with this program's handle on it. Does not know: what it computes.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::Workload;
use crate::meter::{Usage, usage};

/// What is measured beside ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// Kafka Streams, its processor API: as fast as we know how to write it there.
    Streams,
    /// Kafka Streams, its DSL: as its guide teaches it. Cannot take back, so with it nothing is.
    StreamsDsl,
    /// Flink, its DataStream API; state on the heap. Waits for all partitions, so that nothing may come too late.
    Flink,
}

/// Where a peer keeps its state. The changelog of Kafka Streams is in Kafka in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stores {
    Memory,
    Rocksdb,
}

impl Peer {
    /// As it is called on the command line.
    pub fn name(self) -> &'static str {
        ["streams", "streams-dsl", "flink"][self as usize]
    }

    /// Where Maven has it, below the folder of all.
    fn folder(self) -> &'static str {
        match self {
            Peer::Streams | Peer::StreamsDsl => "kafka-streams/target",
            Peer::Flink => "flink/target",
        }
    }

    /// Whether its job is written for these.
    pub fn has(self, stores: Stores) -> bool {
        self != Peer::Flink || stores == Stores::Memory
    }

    /// Which variant of its program, if it has several.
    pub fn style(self) -> Option<&'static str> {
        match self {
            Peer::Streams => Some("processor"),
            Peer::StreamsDsl => Some("dsl"),
            Peer::Flink => None,
        }
    }

    /// What it writes for itself and reads again, in order: all is done when this is read as well.
    pub fn inner_topics(self, workload: Workload) -> &'static [&'static str] {
        match (self, workload) {
            (Peer::StreamsDsl, Workload::W1) => &["users", "boards"],
            (Peer::StreamsDsl, Workload::W2) => &["users", "minutes"],
            (Peer::StreamsDsl, Workload::W4) => &["users", "boards", "minutes"],
            _ => &[],
        }
    }

    /// Refuses to begin without it.
    ///
    /// # Errors
    /// If it was not built.
    pub fn check(self, folder: &Path) -> Result<()> {
        let folder = folder.join(self.folder());
        let is_there = folder.join("peer.jar").exists() && folder.join("libs").exists();
        ensure!(is_there, "{} has no peer: run `make peers` first", folder.display());
        Ok(())
    }

    /// Starts it. The collector is the one that costs least in all; nobody waits for an answer here.
    ///
    /// # Errors
    /// If there is no Java.
    pub fn start(self, folder: &Path, heap_mb: u32, arguments: impl FnOnce(&mut Command)) -> Result<Program> {
        let mut command = Command::new("java");
        command.arg(format!("-Xmx{heap_mb}m")).args(["-XX:+UseParallelGC", "-XX:+ExitOnOutOfMemoryError"]);
        command.arg("-jar").arg(folder.join(self.folder()).join("peer.jar"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        arguments(&mut command);
        Ok(Program(command.spawn().context("cannot run java")?))
    }
}

impl Stores {
    /// As it is called on the command line.
    pub fn name(self) -> &'static str {
        ["memory", "rocksdb"][self as usize]
    }
}

/// The running program.
pub struct Program(Child);

impl Program {
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

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
