//! Leaderboards, as written under `[[jobs.NAME.boards]]`.
//!
//! Always holds: an unknown key is refused; nothing is checked beyond its type, which is what `checks` is for.
//! Does not know: the file, or what the keys make of the events.

mod across;
mod checks;
mod offers;

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor, value};

use super::duration::Duration;
use super::{a_million, one_second};
pub(super) use checks::{board_inputs, validate_boards};

pub use crate::windows::CalendarUnit;

/// A leaderboard.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardConfig {
    /// Its name in the results.
    pub name: String,
    /// The events that it counts.
    pub source: BoardSource,
    /// Which of them.
    #[serde(default)]
    pub filter: BoardFilter,
    /// What there is one board for, one key or several. Default: channel; for trades: symbol; for poll_option: channel and poll; for
    /// channel and symbol as items: global. Boards that are not for each channel (or symbol) are made in two stages.
    pub group: Option<BoardGroups>,
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
    /// Whether deletions, bans, time-outs and clears in the channel's chat take back what they are about. Default: true for chat and
    /// reactions, but for all time.
    pub retract: Option<bool>,
    /// How much a shard keeps for this board at most: items, their scores in each pane, who they are from, and messages that
    /// may be taken back, together. Beyond, the oldest messages can no longer be taken back, and then new items are refused.
    #[serde(default = "a_million")]
    pub entries_max: u32,
}

/// The events that a leaderboard counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardSource {
    /// Chat messages.
    Chat,
    /// Reactions.
    Reactions,
    /// Viewers' sessions.
    Viewers,
    /// Trades.
    Trades,
}

/// Which events count: those that have, for every key that is given, one of its values.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardFilter {
    /// Kinds of reactions or of viewer events.
    pub kind: Option<Vec<String>>,
    /// channel_id.
    pub channel: Option<Vec<String>>,
    /// Platforms.
    pub source: Option<Vec<String>>,
    /// Chat: one of the user's roles.
    pub role: Option<Vec<String>>,
    /// Chat: one of the user's badges, as `set` or `set/version`.
    pub badge: Option<Vec<String>>,
    /// Chat: whether it is a question.
    pub is_question: Option<bool>,
    /// Reactions: the emoji.
    pub emoji: Option<Vec<String>>,
    /// Reactions: the currency of the money.
    pub currency: Option<Vec<String>>,
    /// Reactions: what it is aimed at, such as a poll.
    pub target: Option<Vec<String>>,
    /// Viewers: the country.
    pub country: Option<Vec<String>>,
    /// Viewers: the device.
    pub device: Option<Vec<String>>,
    /// Trades: the venue.
    pub venue: Option<Vec<String>>,
    /// Trades: the symbol.
    pub symbol: Option<Vec<String>>,
    /// Trades: the side that took liquidity, buy or sell.
    pub aggressor: Option<Vec<String>>,
}

/// One thing that boards are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardGroup {
    /// Everything: one board, over all shards.
    Global,
    /// Each channel_id.
    Channel,
    /// Each market, named by its channel_id (venue and symbol).
    Symbol,
    /// Each currency. Events without money have none and are not counted.
    Currency,
    /// Each poll, named by its target_id.
    Poll,
    /// Each country. Viewers whose country is not known are not counted.
    Country,
}

/// What there is one board for: the values of these, together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardGroups(pub Vec<BoardGroup>);

/// What a leaderboard ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardItem {
    /// user_id. Anonymous events are not ranked.
    User,
    /// channel_id, on boards over several channels.
    Channel,
    /// The market, named by its channel_id (venue and symbol), on boards over several markets.
    Symbol,
    /// An emote's name.
    Emote,
    /// The emoji of reactions of kind emoji.
    Emoji,
    /// The kind of reaction.
    Reaction,
    /// The option of a poll.
    PollOption,
    /// The question that is voted for, by its event_id.
    Question,
    /// What a reaction is aimed at, such as a receiving user.
    Target,
    /// The viewer's country.
    Country,
    /// The viewer's device.
    Device,
    /// Each trade, by its event_id.
    Trade,
    /// The side that took liquidity.
    Aggressor,
}

/// What an item's score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardScore {
    /// Chat by user: messages; by emote: uses. Reactions: the sum of count (a raid is one). Others: events.
    #[default]
    Count,
    /// How many users there are.
    DistinctUsers,
    /// One vote per user in each group, the last one by its event time.
    Votes,
    /// The sum of a field.
    Sum(BoardField),
    /// The largest value of a field.
    Largest(BoardField),
    /// What [`BoardScore::Count`] counts, as a multiple of what the item had on average in the time before the window.
    Growth(GrowthConfig),
}

/// With what a growth compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrowthConfig {
    /// How long the time before the window is.
    pub before: Duration,
    /// An item that had less in as long as the window is, counts as if it had this much: so that few events are no trend.
    pub minimum: u32,
}

/// A field that can be summed or compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardField {
    /// Reactions: money, in units of its currency.
    Money,
    /// Reactions: how many at once.
    Count,
    /// Trades: units traded.
    Quantity,
    /// Trades: the price of one unit.
    Price,
    /// Trades: price times quantity.
    Notional,
    /// Viewers: milliseconds watched.
    WatchMs,
}

/// A leaderboard's window.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
    /// For each group: from an event until none has come for `gap`.
    Session {
        /// The pause that ends it.
        gap: Duration,
    },
    /// One window, such as a challenge.
    Fixed {
        /// Its first instant, as RFC 3339 writes it.
        from: String,
        /// The first instant after it.
        to: String,
    },
    /// A day, week, month or year after the other, as a time zone counts them.
    Calendar {
        /// How long a window is.
        unit: CalendarUnit,
        /// The zone's name in IANA's database.
        #[serde(default = "utc")]
        time_zone: String,
    },
    /// Everything since the beginning of the input.
    AllTime,
}

impl<'de> Deserialize<'de> for BoardGroups {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GroupsVisitor;
        impl<'de> Visitor<'de> for GroupsVisitor {
            type Value = BoardGroups;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(
                    "what there is one board for, such as \"channel\" or [\"channel\", \"currency\"]",
                )
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<BoardGroups, E> {
                let group = BoardGroup::deserialize(value::StrDeserializer::new(text))?;
                Ok(BoardGroups(vec![group]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut groups: A) -> Result<BoardGroups, A::Error> {
                let mut all = Vec::new();
                while let Some(group) = groups.next_element()? {
                    all.push(group);
                }
                Ok(BoardGroups(all))
            }
        }
        deserializer.deserialize_any(GroupsVisitor)
    }
}

fn utc() -> String {
    "UTC".to_owned()
}
