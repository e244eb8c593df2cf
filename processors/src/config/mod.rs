//! The configuration of a job as written in `ovation.toml`, under `[jobs.NAME]`.
//!
//! Always holds: an unknown key is refused; nothing is checked beyond its type. [`JobConfig::validate`] makes a
//! [`crate::Job`] of it or says everything that is wrong. Does not know: the file, or what the keys make of the events.

mod boards;
mod candles;
pub mod duration;
mod engagement;
mod moderation;
mod validate;

use serde::Deserialize;

pub use boards::{
    BoardConfig, BoardField, BoardFilter, BoardGroup, BoardGroups, BoardItem, BoardScore, BoardSource,
    CalendarUnit, GrowthConfig, WindowConfig,
};
pub use candles::CandlesConfig;
pub use duration::{Duration, InvalidDuration};
pub use engagement::EngagementConfig;
pub use moderation::{LinksConfig, ModerationConfig, RepeatedTextConfig, TermConfig};

/// One job: a set of processors fed from one read of their inputs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobConfig {
    /// How far the watermark stays behind the largest event time seen: how much disorder is waited for.
    pub lateness: Duration,
    /// How far an event may be ahead of its ingest time; what is further ahead is cut off there.
    #[serde(default = "future_skew")]
    pub future_skew: Duration,
    /// How long the id of an event is remembered, in event time: what comes again within it counts once. Zero: no id is.
    #[serde(default = "ten_minutes")]
    pub dedup_for: Duration,
    /// How many ids a shard remembers at most, an equal share for every input topic; beyond, the oldest are forgotten.
    #[serde(default = "a_million")]
    pub dedup_ids_max: u32,
    /// Leaderboards.
    #[serde(default)]
    pub boards: Vec<BoardConfig>,
    /// Engagement of every channel.
    pub engagement: Option<EngagementConfig>,
    /// Candles of every market.
    pub candles: Option<CandlesConfig>,
    /// Moderation of every channel's chat.
    pub moderation: Option<ModerationConfig>,
}

/// A key whose value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    /// The key, within the job: `boards[0].k`.
    pub key: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

fn a_million() -> u32 {
    1_000_000
}

fn future_skew() -> Duration {
    Duration::from_secs(10)
}
