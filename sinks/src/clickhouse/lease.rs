//! The lease: for how long after the group last confirmed our membership an insert may still begin.
//!
//! Always holds: it is renewed by nothing but a commit that the group accepted, counted from the moment at which that commit was
//! sent. Time in which this process stands still counts. Does not know: which partitions are ours.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Lease {
    base: Instant,
    length: Duration,
    /// Milliseconds after `base`; 0: never renewed.
    renewed_ms: AtomicU64,
}

impl Lease {
    /// A lease that is not held yet.
    pub fn new(length: Duration) -> Self {
        Lease { base: Instant::now(), length, renewed_ms: AtomicU64::new(0) }
    }

    /// A commit that was sent at this instant has been accepted.
    pub fn renew(&self, sent: Instant) {
        let renewed_ms = sent.duration_since(self.base).as_millis() as u64 + 1;
        self.renewed_ms.fetch_max(renewed_ms, Ordering::AcqRel);
    }

    /// How long ago it was renewed; none if it never was.
    fn age(&self) -> Option<Duration> {
        let renewed_ms = self.renewed_ms.load(Ordering::Acquire).checked_sub(1)?;
        Some(self.base.elapsed().saturating_sub(Duration::from_millis(renewed_ms)))
    }

    /// True while an insert may begin.
    pub fn is_held(&self) -> bool {
        self.age().is_some_and(|age| age < self.length)
    }

    /// True when it is time to renew it.
    pub fn is_ageing(&self) -> bool {
        self.age().is_none_or(|age| age >= self.length / 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_held_from_the_sending_of_a_commit_and_runs_out() {
        let lease = Lease::new(Duration::from_secs(60));
        assert!(!lease.is_held() && lease.is_ageing());
        lease.renew(Instant::now());
        assert!(lease.is_held() && !lease.is_ageing());
        let short = Lease::new(Duration::from_nanos(1));
        short.renew(Instant::now());
        assert!(!short.is_held());
    }
}
