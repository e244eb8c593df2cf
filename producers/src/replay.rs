//! Publishing a stream of events at the pace at which it happened, N times as fast, or as fast as it goes. The
//! simulator and recorded files go through here alike.
//!
//! Always holds: the order is the stream's; ingest time is the wall clock's when an event is sent; a malformed line goes
//! to the dead letter and does not end the run; however the run ends, what was sent is flushed first and the
//! report says how much that was. Does not know: formats, the simulator.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kafka::Log;
use schemas::{Event, Timestamp};

use crate::publish::{PublishCounts, PublishError, Publisher};
use crate::recording::ReadError;

/// While it waits for the next event, it looks at the stop flag this often.
const WAIT_MAX: Duration = Duration::from_millis(20);
/// Of so many malformed lines the report keeps the message.
const PROBLEMS_KEPT: usize = 10;

/// How fast event time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as it happened.
    Times(f64),
    /// As fast as the log takes it.
    Full,
}

/// A text that is no speed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a speed: a number above 0 such as 1 or 10x, or full")]
pub struct InvalidSpeed(pub String);

impl FromStr for Speed {
    type Err = InvalidSpeed;

    fn from_str(text: &str) -> Result<Self, InvalidSpeed> {
        if text == "full" {
            return Ok(Speed::Full);
        }
        let number = text.strip_suffix('x').unwrap_or(text).parse::<f64>();
        match number {
            Ok(times) if times.is_finite() && times > 0.0 => Ok(Speed::Times(times)),
            _ => Err(InvalidSpeed(text.to_owned())),
        }
    }
}

/// How a stream is published.
#[derive(Clone, Copy, Debug)]
pub struct ReplayOptions {
    /// How fast event time passes.
    pub speed: Speed,
    /// Moves all event times by one amount, so that the first event happens when the run starts. At a speed other than
    /// 1 event time then runs ahead of the clock (or behind it).
    pub shift_to_now: bool,
    /// How long the last flush may take.
    pub flush_timeout: Duration,
}

impl Default for ReplayOptions {
    /// As it happened, unshifted, 30 s for the flush.
    fn default() -> Self {
        ReplayOptions {
            speed: Speed::Times(1.0),
            shift_to_now: false,
            flush_timeout: Duration::from_secs(30),
        }
    }
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct ReplayReport {
    /// Records by topic.
    pub counts: PublishCounts,
    /// Malformed lines.
    pub malformed: u64,
    /// What was wrong with the first of them.
    pub problems: Vec<String>,
    /// How long it took, with the flush.
    pub elapsed: Duration,
    /// The most that an event was sent after its time.
    pub behind_max: Duration,
    /// True if the stop flag ended it.
    pub was_stopped: bool,
}

impl ReplayReport {
    /// Events a second over the whole run.
    #[must_use]
    pub fn events_per_second(&self) -> f64 {
        let elapsed_s = self.elapsed.as_secs_f64();
        if elapsed_s > 0.0 { self.counts.events() as f64 / elapsed_s } else { 0.0 }
    }
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The input, beyond a single line.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// When each event is due, by its event time alone.
struct Pace {
    speed: Speed,
    first: Option<Timestamp>,
}

impl Pace {
    /// How long after the first event this one is due: an event before the first one at once.
    fn due(&mut self, event_time: Timestamp) -> Duration {
        let Speed::Times(times) = self.speed else { return Duration::ZERO };
        let first = *self.first.get_or_insert(event_time);
        let elapsed_us = event_time.micros_since(first).max(0);
        Duration::try_from_secs_f64(elapsed_us as f64 / 1e6 / times).unwrap_or(Duration::MAX)
    }
}

fn wall_clock() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
}

/// Waits until `due` after `started`; false if the flag said stop meanwhile. Returns how late it is.
fn wait(started: Instant, due: Duration, stop: &AtomicBool) -> Option<Duration> {
    loop {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let elapsed = started.elapsed();
        match due.checked_sub(elapsed) {
            None => return Some(elapsed.saturating_sub(due)),
            Some(Duration::ZERO) => return Some(Duration::ZERO),
            Some(left) => std::thread::sleep(left.min(WAIT_MAX)),
        }
    }
}

/// Publishes `events` until they end, `stop` is set, or something fails; flushes in every case.
///
/// `publisher` counts; take a fresh one for each run whose report is to stand alone.
///
/// # Errors
/// [`ReplayError::Read`] if the input breaks (a malformed line does not), [`ReplayError::Publish`] if the log does.
pub fn replay<L: Log>(
    events: impl Iterator<Item = Result<Event<'static>, ReadError>>,
    publisher: &mut Publisher<L>,
    options: &ReplayOptions,
    stop: &AtomicBool,
) -> Result<ReplayReport, ReplayError> {
    let started = Instant::now();
    let mut report = ReplayReport::default();
    let outcome = publish_all(events, publisher, options, stop, &mut report);
    let flushed = publisher.flush(options.flush_timeout);
    outcome?;
    flushed?;
    report.counts = publisher.counts();
    report.elapsed = started.elapsed();
    Ok(report)
}

fn publish_all<L: Log>(
    events: impl Iterator<Item = Result<Event<'static>, ReadError>>,
    publisher: &mut Publisher<L>,
    options: &ReplayOptions,
    stop: &AtomicBool,
    report: &mut ReplayReport,
) -> Result<(), ReplayError> {
    let mut pace = Pace { speed: options.speed, first: None };
    let (mut paced_from, mut shift_us) = (None, None);
    for event in events {
        let mut event = match event {
            Ok(event) => event,
            Err(error) if error.is_one_line() => {
                report.malformed += 1;
                if report.problems.len() < PROBLEMS_KEPT {
                    tracing::warn!(%error, "malformed line goes to the dead letter");
                    report.problems.push(error.to_string());
                }
                publisher.dead_letter(&error, wall_clock())?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let event_time = event.header().event_time;
        let paced_from = *paced_from.get_or_insert_with(Instant::now);
        let Some(behind) = wait(paced_from, pace.due(event_time), stop) else {
            report.was_stopped = true;
            return Ok(());
        };
        if options.speed != Speed::Full {
            report.behind_max = report.behind_max.max(behind);
        }
        let now = wall_clock();
        if options.shift_to_now {
            let shift_us = *shift_us.get_or_insert_with(|| now.micros_since(event_time));
            event.set_event_time(event_time.plus_micros(shift_us));
        }
        event.set_ingest_time(now);
        publisher.publish(&event)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_due_at_their_distance_from_the_first_divided_by_the_speed() {
        let mut pace = Pace { speed: Speed::Times(4.0), first: None };
        let due = [1_000_000, 3_000_000, 500_000, 1_000_001].map(|us| pace.due(Timestamp::from_micros(us)));
        assert_eq!(due[0], Duration::ZERO);
        assert_eq!(due[1], Duration::from_millis(500));
        assert_eq!(due[2], Duration::ZERO, "an event out of order is not waited for");
        assert_eq!(due[3], Duration::from_nanos(250));
        let mut pace = Pace { speed: Speed::Full, first: None };
        assert_eq!(pace.due(Timestamp::MAX), Duration::ZERO);
        let mut pace = Pace { speed: Speed::Times(1e-300), first: None };
        pace.due(Timestamp::MIN);
        assert_eq!(pace.due(Timestamp::MAX), Duration::MAX);
    }

    #[test]
    fn a_speed_is_a_number_above_zero_or_full() {
        assert_eq!("full".parse(), Ok(Speed::Full));
        assert_eq!("10x".parse(), Ok(Speed::Times(10.0)));
        assert_eq!("0.5".parse(), Ok(Speed::Times(0.5)));
        for text in ["", "0", "-1", "fast", "nan", "inf", "x"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }

    #[test]
    fn waiting_ends_when_told_to_stop() {
        let stop = AtomicBool::new(true);
        assert_eq!(wait(Instant::now(), Duration::MAX, &stop), None);
        stop.store(false, Ordering::Relaxed);
        let due = Duration::from_millis(30);
        let started = Instant::now();
        assert!(wait(started, due, &stop).is_some());
        assert!(started.elapsed() >= due);
    }
}
