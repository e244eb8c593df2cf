//! A peer's turn: its program, on the same topics, until it has committed all that there is, or has ended by itself.
//!
//! Always holds: what a program kept for itself is deleted after its turn. Does not know: what it computes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kafka::{Log as _, TopicPartition};

use super::program::{Peer, Program, Stores};
use super::{DEADLINE, LOOK_EVERY, Options, PEER_RESULTS, Run, Workload, until_committed};
use crate::ovation::{Bench, PARTITIONS};

/// A peer's turn.
pub struct Turn {
    pub peer: Peer,
    pub workload: Workload,
    pub stores: Stores,
}

impl Turn {
    /// Reads everything, from the beginning.
    ///
    /// # Errors
    /// If the program fails.
    pub fn run(&self, bench: &Bench, options: &Options, round: usize) -> Result<Run> {
        let (name, topics) = (self.workload.name(), self.workload.topics());
        let application = format!("{}-{name}-{}-{round}", self.peer.name(), self.stores.name());
        let committed = || self.committed(bench, &application);
        let started = Instant::now();
        let mut process = self.start(bench, options, &application)?;
        if self.peer.ends_by_itself() {
            let used = process.until_ended(LOOK_EVERY, DEADLINE)?;
            let run = Run::whole(started.elapsed(), used);
            std::fs::remove_dir_all(state(bench))?;
            return Ok(run);
        }
        if options.kill_peer {
            let half = bench.records(topics)? / 2;
            while committed()? < half {
                process.usage()?;
                ensure!(started.elapsed() < DEADLINE, "{application} does not come to half of its records");
                std::thread::sleep(Duration::from_millis(5));
            }
            ensure!(
                committed()? < bench.records(topics)?,
                "{application} was done before it could be killed"
            );
            drop(process);
            process = self.start(bench, options, &application)?;
        }
        let run = until_committed(bench, self.workload, started, &committed, &|| process.usage())?;
        process.stop()?;
        std::fs::remove_dir_all(state(bench))?;
        Ok(run)
    }

    /// Starts the program.
    ///
    /// # Errors
    /// If there is nothing to run it with.
    pub fn start(&self, bench: &Bench, options: &Options, application: &str) -> Result<Program> {
        let (job, stores) = (self.workload.name(), self.stores.name());
        self.peer.start(&options.peers, options.heap_mb, |command| {
            command.args(["--workload", job, "--stores", stores, "--application", application]);
            command.args(["--brokers", bench.brokers(), "--registry", bench.registry()]);
            command.args(["--results", PEER_RESULTS]).arg("--state").arg(state(bench));
            if let Some(style) = self.peer.style() {
                command.args(["--style", style]);
            }
            if self.peer == Peer::Flink {
                command.arg("--checkpoint-ms").arg(options.checkpoint_ms.to_string());
            }
        })
    }

    /// How many records of the inputs; one less than all of them while it has not read all that it wrote for itself.
    fn committed(&self, bench: &Bench, application: &str) -> Result<i64> {
        let topics = self.workload.topics();
        let (committed, all) = (bench.committed(application, topics)?, bench.records(topics)?);
        if committed < all {
            return Ok(committed);
        }
        for topic in self.peer.inner_topics(self.workload) {
            for number in 0..PARTITIONS {
                let partition = TopicPartition::new(format!("{application}-{topic}-repartition"), number);
                let (_, end) = bench.log().offsets(&partition)?;
                let positions = bench.log().group_positions(application, &[partition])?;
                if positions.iter().flatten().all(|position| position.offset < end) && end > 0 {
                    return Ok(all - 1);
                }
            }
        }
        Ok(all)
    }
}

/// The folder of a peer's state.
fn state(bench: &Bench) -> PathBuf {
    bench.folder().join("peer")
}
