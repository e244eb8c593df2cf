//! Who of many clients has seen which result, and when.
//!
//! Always holds: a frame is counted when a client has all of it. Does not know: clients.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};
use serde_json::Value as Json;

use crate::crowd::number_after;
use crate::fanout::now_micros;

/// What the clients have seen of each result, by its number.
pub struct Seen {
    /// When it was published, in microseconds since 1970.
    pub published: Vec<AtomicI64>,
    /// When the last client had it.
    last: Vec<AtomicI64>,
    /// How many have it.
    clients: Vec<AtomicU64>,
    /// How many deliveries came at each age, in milliseconds.
    ages_ms: Vec<AtomicU64>,
    /// All that one client received.
    kept: Mutex<Vec<u8>>,
}

impl Seen {
    /// Of so many results nothing yet.
    pub fn new(results: usize) -> Self {
        let numbers = || (0..results).map(|_| AtomicI64::new(0)).collect();
        let counts = |length: usize| (0..length).map(|_| AtomicU64::new(0)).collect();
        Seen {
            published: numbers(),
            last: numbers(),
            clients: counts(results),
            ages_ms: counts(60_001),
            kept: Mutex::default(),
        }
    }

    /// A client has received this frame, or several with a line for each.
    pub fn take(&self, frames: &[u8]) {
        frames.split(|byte| *byte == b'\n').for_each(|frame| self.take_one(frame));
    }

    /// Keeps frames of one client for [`Seen::compare`].
    pub fn keep(&self, frames: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(frames);
        kept.push(b'\n');
    }

    /// How many values one client has received, each as it was published under its number.
    ///
    /// # Errors
    /// If one is another, or the newest is not there.
    pub fn compare(&self, published: &[Json]) -> Result<usize> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut count, mut newest) = (0, None);
        for frame in kept.split(|byte| *byte == b'\n').filter(|frame| !frame.is_empty()) {
            let frame: Json = serde_json::from_slice(frame)?;
            let value =
                if frame["type"] == "change" { &frame["value"] } else { &frame["push"]["pub"]["data"] };
            let Some(number) = value["revision"].as_u64() else { continue };
            let expected = usize::try_from(number).ok().and_then(|number| published.get(number));
            ensure!(expected == Some(value), "received {value}, not {expected:?}");
            (count, newest) = (count + 1, newest.max(Some(number)));
        }
        ensure!(newest.is_some_and(|newest| newest as usize == published.len() - 1), "the newest is missing");
        Ok(count)
    }

    fn take_one(&self, frame: &[u8]) {
        let is_change = frame.starts_with(b"{\"type\":\"change\"") || frame.starts_with(b"{\"push\":");
        let number = number_after(frame, "\"revision\":").and_then(|number| usize::try_from(number).ok());
        let Some(number) = number.filter(|number| is_change && *number < self.published.len()) else {
            return;
        };
        let now = now_micros();
        self.last[number].fetch_max(now, Ordering::AcqRel);
        self.clients[number].fetch_add(1, Ordering::AcqRel);
        let age_us = now - self.published[number].load(Ordering::Acquire);
        let age_ms = usize::try_from(age_us / 1_000).unwrap_or(0).min(self.ages_ms.len() - 1);
        self.ages_ms[age_ms].fetch_add(1, Ordering::AcqRel);
    }

    /// How many clients have the newest result.
    pub fn with_newest(&self) -> u64 {
        self.clients.last().map_or(0, |count| count.load(Ordering::Acquire))
    }

    /// How many frames with a result were received.
    pub fn delivered(&self) -> u64 {
        self.clients.iter().map(|count| count.load(Ordering::Acquire)).sum()
    }

    /// The age at which this share of all deliveries had come.
    pub fn age_ms(&self, share: f64) -> usize {
        let wanted = (self.delivered() as f64 * share) as u64;
        let mut sum = 0;
        let reached = self.ages_ms.iter().position(|count| {
            sum += count.load(Ordering::Acquire);
            sum > wanted.min(self.delivered().saturating_sub(1))
        });
        reached.unwrap_or(0)
    }

    /// The ages of results when their last client had them, sorted.
    pub fn last_ages_ms(&self) -> Vec<f64> {
        let age = |(last, published): (&AtomicI64, &AtomicI64)| {
            (last.load(Ordering::Acquire) - published.load(Ordering::Acquire)) as f64 / 1e3
        };
        let mut ages: Vec<f64> = self.last.iter().zip(&self.published).map(age).collect();
        ages.sort_by(f64::total_cmp);
        ages
    }
}
