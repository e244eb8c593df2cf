//! Many seeds, on as many threads as asked for.
//!
//! Always holds: every seed of the range is run, unless failures stop the batch; a panic is a failure of its seed. The result
//! does not depend on the number of threads. Does not know: what a run does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::counts::Counts;
use crate::run::{Failure, run_seed};

/// After so many failures a batch stops.
const FAILURES_MAX: usize = 10;

/// What a batch of seeds brought.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Runs that ended well.
    pub runs: u64,
    /// What happened in them.
    pub counts: Counts,
    /// Those that did not, by seed.
    pub failures: Vec<Failure>,
}

/// Runs `count` seeds from `from` on `threads` threads.
#[must_use]
pub fn run_seeds(from: u64, count: u64, threads: usize) -> Summary {
    let next = AtomicU64::new(0);
    let summary = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count || !run_one(from + index, &summary) {
                        break;
                    }
                }
            });
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.failures.sort_by_key(|failure| failure.seed);
    summary
}

/// False if the batch should stop.
fn run_one(seed: u64, summary: &Mutex<Summary>) -> bool {
    let outcome = catch_unwind(AssertUnwindSafe(|| run_seed(seed))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let problem = format!("panic: {}", text.unwrap_or_default());
        Err(Failure { seed, problem, plan: String::new() })
    });
    let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
    match outcome {
        Ok(report) => {
            summary.runs += 1;
            summary.counts.merge(&report.counts);
        }
        Err(failure) => summary.failures.push(failure),
    }
    summary.failures.len() < FAILURES_MAX
}
