//! The configuration of a job as written in `ovation.toml`, under `[jobs.NAME]`.
//!
//! Always holds: an unknown key is refused; nothing is checked beyond its type. [`JobConfig::validate`] makes a
//! [`crate::Job`] of it or says everything that is wrong. Does not know: the file, or what the keys make of the events.

pub mod duration;
mod validate;

use schemas::SuggestedAction;
use serde::Deserialize;

pub use duration::{Duration, InvalidDuration};

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

/// A leaderboard.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardConfig {
    /// Its name in the results.
    pub name: String,
    /// The events that it counts.
    pub source: BoardSource,
    /// What there is one board for. Default: channel; for trades: symbol.
    pub group: Option<BoardGroup>,
    /// What is ranked.
    pub item: BoardItem,
    /// What an item's score is.
    #[serde(default)]
    pub score: BoardScore,
    /// Over which time.
    pub window: WindowConfig,
    /// How many places are shown.
    pub k: u32,
    /// How often, in event time, a changed board is shown before its window ends.
    #[serde(default = "one_second")]
    pub emit_every: Duration,
}

/// The events that a leaderboard counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardSource {
    /// Chat messages.
    Chat,
    /// Reactions.
    Reactions,
    /// Trades.
    Trades,
}

/// What there is one board for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardGroup {
    /// Each channel_id.
    Channel,
    /// Each market, named by its channel_id (venue and symbol).
    Symbol,
}

/// What a leaderboard ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardItem {
    /// user_id. Anonymous events are not ranked.
    User,
    /// An emote's name.
    Emote,
    /// The emoji of reactions of kind emoji.
    Emoji,
}

/// What an item's score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardScore {
    /// Chat by user: messages; by emote: uses. Reactions: the sum of count (a raid is one). Trades: trades.
    #[default]
    Count,
}

/// A leaderboard's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum WindowConfig {
    /// The last `length`, moved on every `slide`.
    Rolling {
        /// How long the window is.
        length: Duration,
        /// How often one ends.
        slide: Duration,
    },
    /// One window after the other.
    Tumbling {
        /// How long a window is.
        length: Duration,
    },
    /// Everything since the beginning of the input.
    AllTime,
}

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

/// Candles of every market.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandlesConfig {
    /// The candles' lengths, in whole seconds.
    pub intervals: Vec<Duration>,
    /// How often, in event time, a changed candle is shown before it ends; intervals up to this show only the end.
    #[serde(default = "one_second")]
    pub emit_every: Duration,
}

/// Moderation of chat messages: the rules that are present apply.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModerationConfig {
    /// Words and phrases, found also when spaced, stretched or written in look-alikes.
    #[serde(default)]
    pub terms: Vec<TermConfig>,
    /// One user saying the same again and again.
    pub repeated_text: Option<RepeatedTextConfig>,
    /// Links to places that are not allowed.
    pub links: Option<LinksConfig>,
}

/// A word or phrase.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermConfig {
    /// The word or phrase, in plain spelling.
    pub term: String,
    /// What kind of trouble it is.
    pub category: String,
    /// 0 (note) to 4 (worst).
    pub severity: u8,
    /// Default: by severity, from none over review, delete and time_out to ban.
    pub suggested_action: Option<SuggestedAction>,
}

/// One user saying the same again and again in a channel.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepeatedTextConfig {
    /// The time in which repetitions are counted.
    pub within: Duration,
    /// The message that makes it so many is flagged, once until `within` passes without one.
    pub count: u32,
    /// Texts with fewer letters and digits than this are never flagged: short cheers are normal.
    #[serde(default = "eight")]
    pub min_length: u32,
    /// What kind of trouble it is.
    #[serde(default = "spam")]
    pub category: String,
    /// 0 (note) to 4 (worst).
    #[serde(default = "one")]
    pub severity: u8,
    /// Default: by severity, from none over review, delete and time_out to ban.
    pub suggested_action: Option<SuggestedAction>,
}

/// Links to places that are not allowed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinksConfig {
    /// Domains that anyone may link to, with their subdomains.
    #[serde(default)]
    pub allow: Vec<String>,
    /// What kind of trouble it is.
    #[serde(default = "spam")]
    pub category: String,
    /// 0 (note) to 4 (worst).
    #[serde(default = "one")]
    pub severity: u8,
    /// Default: by severity, from none over review, delete and time_out to ban.
    pub suggested_action: Option<SuggestedAction>,
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

fn future_skew() -> Duration {
    Duration::from_secs(10)
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

fn one_minute() -> Duration {
    Duration::from_secs(60)
}

fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

fn a_million() -> u32 {
    1_000_000
}

fn one() -> u8 {
    1
}

fn eight() -> u32 {
    8
}

fn spam() -> String {
    "spam".to_owned()
}
