//! One server as a child process.
//!
//! The child has a process group of its own, so that Ctrl-C in the terminal reaches us alone and we stop the servers in
//! order; it stops when its standard input closes, which happens when we say so and also when we die. Its output goes to
//! a file, whose last lines are part of the error where it fails.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

const POLL_EVERY: Duration = Duration::from_millis(20);
const START_DEADLINE: Duration = Duration::from_secs(180);
/// Longer than a server gives itself.
const STOP_DEADLINE: Duration = Duration::from_secs(75);
const LOG_LINES: usize = 15;

/// A server that runs; killed where it is dropped without [`Server::stop`].
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `command`, a program and its first arguments, with further `arguments`; its output goes to `log`.
    ///
    /// # Errors
    /// If the program or the file cannot be opened.
    pub(crate) fn start(
        name: &'static str,
        command: &[OsString],
        arguments: &[OsString],
        log: &Path,
    ) -> Result<Server> {
        let (program, first) = command.split_first().context("no program to start servers with")?;
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(program)
            .args(first)
            .args(arguments)
            .arg("--with-parent")
            .stdin(Stdio::piped())
            .stdout(file.try_clone().context("cannot share the log")?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", Path::new(program).display()))?;
        Ok(Server { name, child, log: log.to_owned() })
    }

    /// Waits until the server answers.
    ///
    /// # Errors
    /// If it ends before, or does not answer in time; with the last lines of its log.
    pub(crate) fn wait_until_ready(&mut self, is_ready: impl Fn() -> std::io::Result<bool>) -> Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().context("cannot watch a child process")? {
                bail!("{} did not start ({status}):\n{}", self.name, self.last_lines());
            }
            let answer = is_ready();
            if matches!(answer, Ok(true)) {
                tracing::debug!(server = self.name, after_ms = started.elapsed().as_millis(), "ready");
                return Ok(());
            }
            if started.elapsed() > START_DEADLINE {
                let seconds = START_DEADLINE.as_secs();
                bail!("{} does not answer after {seconds} s ({answer:?}):\n{}", self.name, self.last_lines());
            }
            std::thread::sleep(POLL_EVERY);
        }
    }

    /// Asks the server to stop and waits until it has.
    ///
    /// # Errors
    /// If it had ended before, did so with an error, or had to be killed.
    pub(crate) fn stop(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait().context("cannot watch a child process")? {
            bail!("{} had ended before ({status}):\n{}", self.name, self.last_lines());
        }
        drop(self.child.stdin.take());
        let asked = Instant::now();
        while asked.elapsed() < STOP_DEADLINE {
            match self.child.try_wait().context("cannot watch a child process")? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    bail!("{} stopped with an error ({status}):\n{}", self.name, self.last_lines())
                }
                None => std::thread::sleep(POLL_EVERY),
            }
        }
        bail!("{} did not stop within {} s and is killed", self.name, STOP_DEADLINE.as_secs())
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn last_lines(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        format!(
            "{}\n(from {})",
            lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"),
            self.log.display()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // what cannot be killed or waited for has ended
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
