//! Engagement, as written under `[jobs.NAME.engagement]`, and what is refused there.
//!
//! Always holds: an unknown key is refused; a message says what would be right. Does not know: the file, or what the keys make of the events.

use serde::Deserialize;

use super::duration::Duration;
use super::one_second;
use super::validate::Problems;
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
}

pub(super) fn validate_engagement(
    config: &EngagementConfig,
    problems: &mut Problems,
) -> Option<EngagementSpec> {
    let key = |field: &str| format!("engagement.{field}");
    problems.require_positive(config.heartbeat_timeout, key("heartbeat_timeout"));
    let is_sound = problems.require_positive(config.window, key("window"))
        & problems.require_positive(config.emit_every, key("emit_every"));
    (is_sound && problems.require_divides(config.emit_every, config.window, key("emit_every"), "the window"))
        .then(|| EngagementSpec {
            window_micros: config.window.micros(),
            emit_every_micros: config.emit_every.micros(),
            heartbeat_timeout_micros: config.heartbeat_timeout.micros(),
        })
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

fn one_minute() -> Duration {
    Duration::from_secs(60)
}
