//! What there is to show: kinds of things, and the keys of their series.
//!
//! Always holds: a key has a part for each of its kind's fields, in order. Does not know: who asks, and for what.

use schemas::Topic;
use serde_json::Value as Json;

/// A class of things a dashboard shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The whole top k of a board.
    Leaderboards,
    /// Windows of a channel's audience metrics.
    Engagement,
    /// Candles.
    Markets,
    /// Flagged messages.
    Moderation,
    /// What is said in a channel, event by event.
    Chat,
    /// The pipeline's own state, as the gateway sees it.
    Health,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 6] =
        [Kind::Leaderboards, Kind::Engagement, Kind::Markets, Kind::Moderation, Kind::Chat, Kind::Health];

    /// The topic that it is read from; health is the gateway's own.
    #[must_use]
    pub const fn topic(self) -> Option<Topic> {
        match self {
            Kind::Leaderboards => Some(Topic::Leaderboards),
            Kind::Engagement => Some(Topic::Engagement),
            Kind::Markets => Some(Topic::Markets),
            Kind::Moderation => Some(Topic::Moderation),
            Kind::Chat => Some(Topic::Chat),
            Kind::Health => None,
        }
    }

    /// True for what jobs have computed: its times are those of the pipeline.
    #[must_use]
    pub const fn is_result(self) -> bool {
        !matches!(self, Kind::Chat | Kind::Health)
    }

    /// Its name in messages: that of the topic, where there is one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Leaderboards => "leaderboards",
            Kind::Engagement => "engagement",
            Kind::Markets => "markets",
            Kind::Moderation => "moderation",
            Kind::Chat => "chat",
            Kind::Health => "health",
        }
    }

    /// The names of the parts of a key, in order. A name that ends in `_s` is a whole number of seconds.
    #[must_use]
    pub const fn fields(self) -> &'static [&'static str] {
        match self {
            Kind::Leaderboards => &["board", "group", "window"],
            Kind::Engagement => &["channel", "window_s"],
            Kind::Markets => &["market", "interval_s"],
            Kind::Moderation => &["channel"],
            Kind::Chat => &["channel", "what"],
            Kind::Health => &[],
        }
    }
}

/// What changes belong to: a board of one group, one channel's windows, one market's candles of an interval.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The kind.
    pub kind: Kind,
    /// One part for each of [`Kind::fields`].
    pub parts: Vec<Box<str>>,
}

impl SeriesKey {
    /// The key as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let fields = self.kind.fields().iter().zip(&self.parts);
        Json::Object(fields.map(|(name, part)| ((*name).to_owned(), part_to_json(name, part))).collect())
    }
}

/// A part of a key, where it is a whole number of seconds as such.
pub(super) fn part_to_json(name: &str, part: &str) -> Json {
    let seconds = name.ends_with("_s").then(|| part.parse::<i64>().ok()).flatten();
    seconds.map_or_else(|| Json::from(part), Json::from)
}
