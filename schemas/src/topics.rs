//! The table of topics: one row for each, from which creation, checks and documentation derive.
//!
//! Always holds: the rows are in the order in which data flows, and what is internal comes last; topics of one co-partition group have the same
//! number of partitions and the same key. Does not know: the prefix and the sizes that a deployment chooses.

use std::fmt;
use std::str::FromStr;

/// A topic of Ovation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// `events.chat`
    Chat,
    /// `events.reactions`
    Reactions,
    /// `events.viewers`
    Viewers,
    /// `events.trades`
    Trades,
    /// `results.leaderboards`
    Leaderboards,
    /// `results.engagement`
    Engagement,
    /// `results.markets`
    Markets,
    /// `results.moderation`
    Moderation,
    /// `ovation.dead-letter`
    DeadLetter,
    /// `ovation.partials`
    Partials,
}

/// Topics that a job may read together must agree on their partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioning {
    /// Keyed by channel: the same channel has the same partition number in each of these topics.
    Channels,
    /// Keyed by venue and symbol.
    Markets,
    /// Result topics, the dead letter and partials: nobody joins them.
    Free,
}

/// What happens to old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Kept for the configured time.
    Time,
    /// Kept for the configured time; within it, once a day has passed, only each key's newest must stay.
    TimeAndLatest,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct TopicSpec {
    /// The topic.
    pub topic: Topic,
    /// Its name, without the deployment's prefix.
    pub name: &'static str,
    /// What the record key is.
    pub key: &'static str,
    /// What the records are.
    pub about: &'static str,
    /// Which topics it must agree with.
    pub partitioning: Partitioning,
    /// What happens to old records.
    pub retention: Retention,
    /// The Avro schema of its values, as registered.
    pub schema: &'static str,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Topic; 10] = [
        Topic::Chat,
        Topic::Reactions,
        Topic::Viewers,
        Topic::Trades,
        Topic::Leaderboards,
        Topic::Engagement,
        Topic::Markets,
        Topic::Moderation,
        Topic::DeadLetter,
        Topic::Partials,
    ];

    /// The topics that go to ClickHouse: all but what jobs tell themselves.
    pub const STORED: [Topic; 9] = [
        Topic::Chat,
        Topic::Reactions,
        Topic::Viewers,
        Topic::Trades,
        Topic::Leaderboards,
        Topic::Engagement,
        Topic::Markets,
        Topic::Moderation,
        Topic::DeadLetter,
    ];

    /// The topics that producers write.
    pub const EVENTS: [Topic; 4] = [Topic::Chat, Topic::Reactions, Topic::Viewers, Topic::Trades];

    /// The topics that processors write.
    pub const RESULTS: [Topic; 4] =
        [Topic::Leaderboards, Topic::Engagement, Topic::Markets, Topic::Moderation];

    /// The topic's row.
    #[must_use]
    pub const fn spec(self) -> &'static TopicSpec {
        &TABLE[self as usize]
    }

    /// The topic's name, without the deployment's prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// The subject of its value schema in a schema registry: the topic's name strategy.
    #[must_use]
    pub fn subject(self, prefix: &str) -> String {
        format!("{prefix}{}-value", self.name())
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name that is no topic of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a topic of ovation")]
pub struct UnknownTopic(pub String);

impl FromStr for Topic {
    type Err = UnknownTopic;

    fn from_str(name: &str) -> Result<Self, UnknownTopic> {
        let found = Topic::ALL.into_iter().find(|topic| topic.name() == name);
        found.ok_or_else(|| UnknownTopic(name.to_owned()))
    }
}

const fn events(
    topic: Topic,
    name: &'static str,
    key: &'static str,
    partitioning: Partitioning,
    about: &'static str,
    schema: &'static str,
) -> TopicSpec {
    TopicSpec { topic, name, key, about, partitioning, retention: Retention::Time, schema }
}

const fn results(
    topic: Topic,
    name: &'static str,
    key: &'static str,
    about: &'static str,
    schema: &'static str,
) -> TopicSpec {
    let (partitioning, retention) = (Partitioning::Free, Retention::TimeAndLatest);
    TopicSpec { topic, name, key, about, partitioning, retention, schema }
}

const TABLE: [TopicSpec; 10] = [
    events(
        Topic::Chat,
        "events.chat",
        "channel_id",
        Partitioning::Channels,
        "chat messages, and deletions, bans, time-outs and clears that take them back",
        include_str!("../avro/chat_event.avsc"),
    ),
    events(
        Topic::Reactions,
        "events.reactions",
        "channel_id",
        Partitioning::Channels,
        "emoji, likes, cheers, gifts, paid messages, subscriptions, raids, votes",
        include_str!("../avro/reaction_event.avsc"),
    ),
    events(
        Topic::Viewers,
        "events.viewers",
        "channel_id",
        Partitioning::Channels,
        "viewers' sessions: join, heartbeat, leave, playback quality",
        include_str!("../avro/viewer_event.avsc"),
    ),
    events(
        Topic::Trades,
        "events.trades",
        "channel_id (venue:symbol)",
        Partitioning::Markets,
        "trades",
        include_str!("../avro/trade_event.avsc"),
    ),
    results(
        Topic::Leaderboards,
        "results.leaderboards",
        "board/group",
        "the whole top k of a board",
        include_str!("../avro/leaderboard_result.avsc"),
    ),
    results(
        Topic::Engagement,
        "results.engagement",
        "channel_id",
        "one window of a channel's audience metrics",
        include_str!("../avro/engagement_result.avsc"),
    ),
    results(
        Topic::Markets,
        "results.markets",
        "venue:symbol/interval_s",
        "one candle",
        include_str!("../avro/candle_result.avsc"),
    ),
    TopicSpec {
        retention: Retention::Time,
        ..results(
            Topic::Moderation,
            "results.moderation",
            "channel_id",
            "one flagged message",
            include_str!("../avro/moderation_flag.avsc"),
        )
    },
    TopicSpec {
        retention: Retention::Time,
        ..results(
            Topic::DeadLetter,
            "ovation.dead-letter",
            "the original topic",
            "records that could not be used, with their original bytes and the reason",
            include_str!("../avro/dead_letter.avsc"),
        )
    },
    TopicSpec {
        retention: Retention::Time,
        ..results(
            Topic::Partials,
            "ovation.partials",
            "board/group; progress goes to every partition",
            "what the shards of a job contribute to boards across them; for the jobs' second stages only",
            include_str!("../avro/board_partial.avsc"),
        )
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_finds_its_own_row() {
        for topic in Topic::ALL {
            assert_eq!(topic.spec().topic, topic);
            assert_eq!(topic.name().parse(), Ok(topic));
        }
    }
}
