//! What a process, or this thread, has used, as Linux counts it.
//!
//! Always holds: figures of a process are of it alone, all its threads included. Does not know: what it does.

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

/// The unit of times in /proc (USER_HZ), which programs see as 100 on every architecture that we build for.
const TICKS_PER_S: f64 = 100.0;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time of all threads, in seconds.
    pub cpu_s: f64,
    /// Memory held now, in bytes.
    pub resident_bytes: u64,
    /// The most memory ever held, in bytes.
    pub peak_bytes: u64,
}

/// Of the process with this id.
///
/// # Errors
/// If it has ended.
pub fn usage(id: u32) -> Result<Usage> {
    let read = |file: &str| {
        std::fs::read_to_string(format!("/proc/{id}/{file}")).with_context(|| format!("process {id} ended"))
    };
    let stat = read("stat")?;
    // The second field, the command's name, may contain anything but ends with the last parenthesis.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |index: usize| -> Option<f64> { fields.get(index)?.parse().ok() };
    let ticks = ticks(11).zip(ticks(12)).context("no times in stat")?;
    let status = read("status")?;
    let bytes = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    Ok(Usage {
        cpu_s: (ticks.0 + ticks.1) / TICKS_PER_S,
        resident_bytes: bytes("VmRSS:").context("no VmRSS")?,
        peak_bytes: bytes("VmHWM:").context("no VmHWM")?,
    })
}

/// User and system time of this thread so far, in seconds.
pub fn thread_cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The middle one, or what is between the middle two.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(values.len().saturating_sub(1) / 2), at(values.len() / 2))
}
