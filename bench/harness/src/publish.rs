//! What is published for a measurement: the simulator's events, and real trades.
//!
//! Always holds: of the simulator 1,000 channels, the first of which are the most popular; real trades are encoded, keyed and sent by our
//! producers, as `ovation produce replay` does. Does not know: who reads it.

use std::process::{Child, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use anyhow::{Result, ensure};
use kafka::registry::Registry;
use producers::{Publisher, PublisherOptions, ReplayOptions, Speed, replay};
use schemas::Timestamp;

use crate::ovation::Bench;
use crate::trades::RealTrades;

/// When a backlog begins. The times are past, or they would be cut off as from the future.
pub const BACKLOG_START: Timestamp = Timestamp::from_millis(1_700_000_040_000);

impl Bench {
    /// Starts publishing so many messages as they happen, at a rate in events a second.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_simulating_chat(&self, count: u64, rate: u64) -> Result<Child> {
        self.start_simulating_of(count, rate, &["--shares", "chat=1"])
    }

    /// The same with events of all kinds.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_simulating(&self, count: u64, rate: u64) -> Result<Child> {
        self.start_simulating_of(count, rate, &[])
    }

    fn start_simulating_of(&self, count: u64, rate: u64, more: &[&str]) -> Result<Child> {
        let [count, rate] = [count.to_string(), rate.to_string()];
        let size = ["produce", "simulate", "--count", &count, "--rate", &rate];
        let world = ["--channels", "1000", "--users", "100000"];
        Ok(self.command(&[&size[..], &world, more].concat()).stdout(Stdio::null()).spawn()?)
    }

    /// Publishes so many messages of so many users in 1,000 channels, `rate` a second of event time.
    ///
    /// # Errors
    /// If it fails, with what it said.
    pub fn simulate_chat(&self, count: u64, users: u32, rate: u32) -> Result<()> {
        self.simulate_crowd(count, users, 2_000, rate)
    }

    /// The same, of which so many write in each channel.
    ///
    /// # Errors
    /// If it fails, with what it said.
    pub fn simulate_crowd(&self, count: u64, users: u32, regulars: u32, rate: u32) -> Result<()> {
        let [count, users, rate] = [count.to_string(), users.to_string(), rate.to_string()];
        let regulars = regulars.to_string();
        let start = BACKLOG_START.millis().to_string();
        let size = ["--unpaced", "--count", &count, "--rate", &rate, "--start", &start];
        let world = ["--channels", "1000", "--users", &users, "--regulars", &regulars, "--shares", "chat=1"];
        self.run(&[&["produce", "simulate"], &size[..], &world].concat())?;
        Ok(())
    }

    /// Publishes so many events of one kind in the same world, some of them out of order. `what` is the kind's share, and more options.
    ///
    /// # Errors
    /// If it fails, with what it said.
    pub fn simulate(&self, count: u64, rate: u32, users: u32, disorder_ms: u32, what: &[&str]) -> Result<()> {
        let [count, rate, users] = [count.to_string(), rate.to_string(), users.to_string()];
        let disorder_ms = disorder_ms.to_string();
        let start = BACKLOG_START.millis().to_string();
        let size = ["--unpaced", "--count", &count, "--rate", &rate, "--start", &start];
        let world = ["--channels", "1000", "--users", &users, "--symbols", "100", "--shares"];
        let order = ["--disorder-ms", &disorder_ms];
        self.run(&[&["produce", "simulate"], &size[..], &order, &world, what].concat())?;
        Ok(())
    }

    /// Publishes so many events in the same channels as of now.
    ///
    /// # Errors
    /// If it fails, with what it said.
    pub fn simulate_now(&self, count: u64, shares: &str) -> Result<()> {
        let count = count.to_string();
        let size = ["produce", "simulate", "--unpaced", "--count", &count, "--rate", "1000"];
        self.run(&[&size[..], &["--channels", "1000", "--shares", shares]].concat())?;
        Ok(())
    }

    /// Publishes all of these trades.
    ///
    /// # Errors
    /// If the servers cannot be reached.
    pub fn publish_trades(&self, trades: RealTrades) -> Result<()> {
        let options = ReplayOptions { speed: Speed::Full, ..ReplayOptions::default() };
        self.start_publishing(trades, options)?
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Starts publishing them as they happen, from now on.
    ///
    /// # Errors
    /// If the servers cannot be reached.
    pub fn start_publishing_trades(&self, trades: RealTrades) -> Result<JoinHandle<Result<()>>> {
        self.start_publishing(trades, ReplayOptions { shift_to_now: true, ..ReplayOptions::default() })
    }

    fn start_publishing(&self, trades: RealTrades, options: ReplayOptions) -> Result<JoinHandle<Result<()>>> {
        let schema_ids = Registry::new(self.registry(), None).resolve_ids("", false)?;
        let mut publisher =
            Publisher::new(self.log(), &PublisherOptions { schema_ids, ..PublisherOptions::default() })?;
        Ok(std::thread::spawn(move || {
            let report = replay(trades.map(Ok), &mut publisher, &options, &AtomicBool::new(false))?;
            ensure!(!report.was_stopped && report.malformed == 0, "not all trades were published");
            Ok(())
        }))
    }
}
