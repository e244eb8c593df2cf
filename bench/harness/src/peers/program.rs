//! The peers: which there are, what each can do, and its process.
//!
//! Always holds: a process ends with this program's handle on it, if it has not ended before. Does not know: what it computes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
    /// Bytewax, in Python: w2 and w3. At least once and without a consumer group: it is done when it has ended by itself, at the ends of its
    /// topics. Nothing is taken back, nothing may come too late.
    Bytewax,
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
        ["streams", "streams-dsl", "flink", "bytewax"][self as usize]
    }

    /// Where it was built, below the folder of all.
    fn folder(self) -> &'static str {
        match self {
            Peer::Streams | Peer::StreamsDsl => "kafka-streams/target",
            Peer::Flink => "flink/target",
            Peer::Bytewax => "bytewax/target",
        }
    }

    /// Whether its job is written for these.
    pub fn has(self, stores: Stores) -> bool {
        matches!(self, Peer::Streams | Peer::StreamsDsl) || stores == Stores::Memory
    }

    /// Which variant of its program, if it has several.
    pub fn style(self) -> Option<&'static str> {
        match self {
            Peer::Streams => Some("processor"),
            Peer::StreamsDsl => Some("dsl"),
            Peer::Flink | Peer::Bytewax => None,
        }
    }

    /// Whether its job is written for this.
    pub fn computes(self, workload: Workload) -> bool {
        self != Peer::Bytewax || matches!(workload, Workload::W2 | Workload::W3)
    }

    /// Whether it can take back what moderators delete.
    pub fn takes_back(self) -> bool {
        !matches!(self, Peer::StreamsDsl | Peer::Bytewax)
    }

    /// Whether it says by its end that it has read everything, since it commits no positions.
    pub fn ends_by_itself(self) -> bool {
        self == Peer::Bytewax
    }

    /// Whether what comes too late is for it something else than for us.
    pub fn is_late_otherwise(self) -> bool {
        matches!(self, Peer::Flink | Peer::Bytewax)
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
        let (files, build): (&[_], _) = match self {
            Peer::Bytewax => (&["installed"], "make bench/peers/bytewax/target/installed"),
            _ => (&["peer.jar", "libs"], "make peers"),
        };
        let is_there = files.iter().all(|file| folder.join(file).exists());
        ensure!(is_there, "{} has no peer: run `{build}` first", folder.display());
        Ok(())
    }

    /// Starts it. Java's collector is the one that costs least in all; nobody waits for an answer here.
    ///
    /// # Errors
    /// If there is no Java, or no Python.
    pub fn start(self, folder: &Path, heap_mb: u32, arguments: impl FnOnce(&mut Command)) -> Result<Program> {
        let built = folder.join(self.folder());
        let mut command;
        if self == Peer::Bytewax {
            command = Command::new(built.join("bin/python"));
            // Nothing is written beside the sources.
            command.arg("-B").arg(folder.join("bytewax/main.py"));
        } else {
            command = Command::new("java");
            command.arg(format!("-Xmx{heap_mb}m"));
            command.args(["-XX:+UseParallelGC", "-XX:+ExitOnOutOfMemoryError"]);
            command.arg("-jar").arg(built.join("peer.jar"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        arguments(&mut command);
        let child =
            command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
        Ok(Program(child))
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

    /// Waits until it has ended by itself. What it had used when it was last seen, at most a look before its end.
    ///
    /// # Errors
    /// If it does not end well, or not in time.
    pub fn until_ended(mut self, look_every: Duration, deadline: Duration) -> Result<Usage> {
        let (started, mut last) = (Instant::now(), Usage::default());
        // What has ended and was not waited for has no memory any more.
        while let Ok(used) = usage(self.0.id()) {
            last = used;
            ensure!(started.elapsed() < deadline, "the peer does not end");
            std::thread::sleep(look_every);
        }
        let status = self.0.wait()?;
        ensure!(status.success(), "the peer ended with {status}: it said why on standard error");
        Ok(last)
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
