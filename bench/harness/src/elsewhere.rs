//! The receiving half of the loopback connection on another core, so that it is not done within the sender's calls.
//!
//! A client on another machine pays for receiving itself. Over loopback the kernel does it while the sender sends, and counts it as the
//! sender's. With this the kernel hands what is received to the last core (receive packet steering), and the sender is kept on the
//! others. Always holds: the system is as it was when this is dropped. Does not know: who sends.

use std::process::Command;

use anyhow::{Context, Result, ensure};

const STEERING: &str = "/sys/class/net/lo/queues/rx-0/rps_cpus";

/// As long as this is there, receiving is done on the last core.
pub struct Elsewhere {
    before: String,
}

impl Elsewhere {
    /// Sets it up.
    ///
    /// # Errors
    /// If there is one core only, or without root's rights.
    pub fn start() -> Result<Self> {
        let cores = std::thread::available_parallelism()?.get();
        ensure!((2..=32).contains(&cores), "--receive-elsewhere wants 2 to 32 cores");
        let before = std::fs::read_to_string(STEERING).with_context(|| STEERING.to_owned())?;
        let last = format!("{:x}", 1_u64 << (cores - 1));
        std::fs::write(STEERING, last).context("--receive-elsewhere must be root")?;
        Ok(Elsewhere { before: before.trim().to_owned() })
    }

    /// Keeps a process off that core.
    ///
    /// # Errors
    /// If it is not there.
    pub fn keep_off(&self, process: u32) -> Result<()> {
        let cores = std::thread::available_parallelism()?.get();
        let others = format!("0-{}", cores - 2);
        let process = process.to_string();
        let output = Command::new("taskset").args(["-a", "-c", "-p", &others, &process]).output()?;
        ensure!(output.status.success(), "taskset: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        std::fs::write(STEERING, &self.before).ok();
    }
}
