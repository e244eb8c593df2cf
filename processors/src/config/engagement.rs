//! Engagement, as written under `[jobs.NAME.engagement]`, and what is refused there.
//!
//! Always holds: an unknown key is refused; a message says what would be right. Does not know: the file, or what the keys make of the events.

use serde::Deserialize;

use super::duration::Duration;
use super::validate::Problems;
use super::{a_million, one_second};
use crate::engagement::EngagementSpec;

/// Engagement of every channel, in tumbling windows.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngagementConfig {
    /// How long a window is.
    #[serde(default = "one_minute")]
    pub window: Duration,
    /// How often, in event time, a changed channel is shown before its window ends.
    #[serde(default = "one_second")]
    pub emit_every: Duration,
    /// A session that was not heard of for so long no longer counts as watching.
    #[serde(default = "half_a_minute")]
    pub heartbeat_timeout: Duration,
    /// Ages of the retention curve: times since joining at which it is counted who is still watching. None: no curve.
    #[serde(default)]
    pub retention_ages: Vec<Duration>,
    /// Distinct chatters and viewers of a channel's window that are counted exactly; if there are more, they are estimated.
    #[serde(default = "ten_thousand")]
    pub distinct_max: u32,
    /// Messages of a channel's window that a deletion, ban, time-out or clear can take back; more count for good.
    #[serde(default = "a_hundred_thousand")]
    pub messages_max: u32,
    /// Sessions of a channel that are tracked at once; more are not among the concurrent viewers.
    #[serde(default = "a_million")]
    pub sessions_max: u32,
}

/// Ages of a retention curve, and ticks until the last of them, at most.
const AGES_MAX: usize = 24;
const AGE_TICKS_MAX: i64 = 100_000;
/// Sessions and messages at most, and names.
const ITEMS_MAX: u32 = 100_000_000;
const DISTINCT_MAX: u32 = 1_000_000;

pub(super) fn validate_engagement(
    config: &EngagementConfig,
    problems: &mut Problems,
) -> Option<EngagementSpec> {
    let key = |field: &str| format!("engagement.{field}");
    problems.require_positive(config.heartbeat_timeout, key("heartbeat_timeout"));
    let is_sound = problems.require_positive(config.window, key("window"))
        & problems.require_positive(config.emit_every, key("emit_every"));
    validate_limits(config, problems);
    if !is_sound {
        return None;
    }
    problems.require_divides(config.emit_every, config.window, key("emit_every"), "the window");
    validate_ages(config, problems);
    Some(EngagementSpec {
        window_micros: config.window.micros(),
        emit_every_micros: config.emit_every.micros(),
        heartbeat_timeout_micros: config.heartbeat_timeout.micros(),
        retention_ages_micros: config.retention_ages.iter().map(|age| age.micros()).collect(),
        distinct_max: config.distinct_max as usize,
        messages_max: config.messages_max as usize,
        sessions_max: config.sessions_max as usize,
    })
}

fn validate_limits(config: &EngagementConfig, problems: &mut Problems) {
    for (name, value, least, most) in [
        ("distinct_max", config.distinct_max, 0, DISTINCT_MAX),
        ("messages_max", config.messages_max, 0, ITEMS_MAX),
        ("sessions_max", config.sessions_max, 1, ITEMS_MAX),
    ] {
        problems.require((least..=most).contains(&value), format!("engagement.{name}"), || {
            format!("is {value}: it goes from {least} to {most}")
        });
    }
}

/// The ages rise, and each is a number of ticks, not too many.
fn validate_ages(config: &EngagementConfig, problems: &mut Problems) {
    let (ages, emit_every) = (&config.retention_ages, config.emit_every);
    problems.require(ages.len() <= AGES_MAX, "engagement.retention_ages", || {
        format!("has {} ages: write {AGES_MAX} at most", ages.len())
    });
    for (index, age) in ages.iter().enumerate() {
        let key = || format!("engagement.retention_ages[{index}]");
        let before = index.checked_sub(1).map_or(0, |before| ages[before].micros());
        let rises = problems.require(age.micros() > before, key(), || {
            format!("\"{age}\" is not above the one before it, or above zero: write them in rising order")
        });
        let ticks = age.micros() / emit_every.micros();
        let is_whole = ticks * emit_every.micros() == age.micros();
        let fits = rises
            && problems.require(is_whole, key(), || {
                format!("\"{age}\" is no whole number of times emit_every, \"{emit_every}\"")
            });
        if fits {
            problems.require(ticks <= AGE_TICKS_MAX, key(), || {
                format!(
                    "\"{age}\" is {ticks} times emit_every, \"{emit_every}\": at most {AGE_TICKS_MAX}, or it takes too much memory"
                )
            });
        }
    }
}

fn ten_thousand() -> u32 {
    10_000
}

fn a_hundred_thousand() -> u32 {
    100_000
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

fn one_minute() -> Duration {
    Duration::from_secs(60)
}
