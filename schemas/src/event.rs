//! The four kinds of events that producers publish, and what else a job may read.
//!
//! Always holds: a struct has exactly the fields of its schema in `avro/`, in the same order; field docs live
//! there. Strings borrow from the decoded buffer. [`Event::check`] says whether the values make sense.

use serde::{Deserialize, Serialize};

use crate::decimal::Amount;
use crate::partial::BoardPartial;
use crate::text::Text;
use crate::time::Timestamp;

/// `events.chat`: what is said in a channel's chat, and what its moderators take back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/chat_event.avsc
pub struct ChatEvent<'a> {
    #[serde(borrow)]
    pub event_id: Text<'a>,
    pub event_time: Timestamp,
    pub ingest_time: Timestamp,
    pub source: Text<'a>,
    pub channel_id: Text<'a>,
    #[serde(default)]
    pub user_id: Option<Text<'a>>,
    #[serde(default)]
    pub stream_id: Option<Text<'a>>,
    pub kind: ChatKind,
    #[serde(default)]
    pub user_name: Option<Text<'a>>,
    #[serde(default)]
    pub text: Option<Text<'a>>,
    #[serde(default)]
    pub emotes: Vec<Emote<'a>>,
    #[serde(default)]
    pub roles: Vec<Text<'a>>,
    #[serde(default)]
    pub badges: Vec<Text<'a>>,
    #[serde(default)]
    pub reply_to: Option<Text<'a>>,
    #[serde(default)]
    pub is_question: bool,
    #[serde(default)]
    pub is_first_message: bool,
    #[serde(default)]
    pub target_message_id: Option<Text<'a>>,
    #[serde(default)]
    pub target_user_id: Option<Text<'a>>,
    #[serde(default)]
    pub duration_ms: Option<i64>,
}

/// What happened in the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatKind {
    /// Somebody wrote.
    Message,
    /// A message was removed.
    MessageDeleted,
    /// A user and what they wrote were removed for good.
    UserBanned,
    /// A user and what they wrote were removed for a while.
    UserTimedOut,
    /// Everything in the channel so far was removed.
    ChatCleared,
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

/// An emote used in a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Emote<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    pub name: Text<'a>,
    pub count: i32,
}

/// `events.reactions`: what the audience does besides chatting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/reaction_event.avsc
pub struct ReactionEvent<'a> {
    #[serde(borrow)]
    pub event_id: Text<'a>,
    pub event_time: Timestamp,
    pub ingest_time: Timestamp,
    pub source: Text<'a>,
    pub channel_id: Text<'a>,
    #[serde(default)]
    pub user_id: Option<Text<'a>>,
    #[serde(default)]
    pub stream_id: Option<Text<'a>>,
    pub kind: ReactionKind,
    pub count: i64,
    #[serde(default)]
    pub user_name: Option<Text<'a>>,
    #[serde(default)]
    pub emoji: Option<Text<'a>>,
    #[serde(default)]
    pub amount_micros: Option<i64>,
    #[serde(default)]
    pub currency: Option<Text<'a>>,
    #[serde(default)]
    pub target_id: Option<Text<'a>>,
    #[serde(default)]
    pub option: Option<Text<'a>>,
}

/// The kind of reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReactionKind {
    /// An emoji.
    Emoji,
    /// A like.
    Like,
    /// Bits or the like.
    Cheer,
    /// A gifted subscription or item.
    Gift,
    /// A paid message.
    SuperChat,
    /// A new or renewed subscription.
    Subscription,
    /// Another channel sends its viewers.
    Raid,
    /// A vote in a poll.
    PollVote,
    /// A vote for a question.
    QuestionUpvote,
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

impl ReactionKind {
    /// The word used in Avro, SQL and on the page.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ReactionKind::Emoji => "emoji",
            ReactionKind::Like => "like",
            ReactionKind::Cheer => "cheer",
            ReactionKind::Gift => "gift",
            ReactionKind::SuperChat => "super_chat",
            ReactionKind::Subscription => "subscription",
            ReactionKind::Raid => "raid",
            ReactionKind::PollVote => "poll_vote",
            ReactionKind::QuestionUpvote => "question_upvote",
            ReactionKind::Unknown => "unknown",
        }
    }
}

/// `events.viewers`: one player's session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/viewer_event.avsc
pub struct ViewerEvent<'a> {
    #[serde(borrow)]
    pub event_id: Text<'a>,
    pub event_time: Timestamp,
    pub ingest_time: Timestamp,
    pub source: Text<'a>,
    pub channel_id: Text<'a>,
    #[serde(default)]
    pub user_id: Option<Text<'a>>,
    #[serde(default)]
    pub stream_id: Option<Text<'a>>,
    pub kind: ViewerKind,
    pub session_id: Text<'a>,
    #[serde(default)]
    pub watch_ms: i64,
    #[serde(default)]
    pub startup_ms: Option<i64>,
    #[serde(default)]
    pub rebuffer_count: i32,
    #[serde(default)]
    pub rebuffer_ms: i64,
    #[serde(default)]
    pub bitrate_kbps: Option<i32>,
    #[serde(default)]
    pub live_latency_ms: Option<i64>,
    #[serde(default)]
    pub device: Option<Text<'a>>,
    #[serde(default)]
    pub country: Option<Text<'a>>,
}

/// The step of a viewer's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewerKind {
    /// The session starts.
    Join,
    /// Still watching.
    Heartbeat,
    /// The session ends.
    Leave,
    /// Measurements only.
    Quality,
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

/// `events.trades`: one trade of a market.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/trade_event.avsc
pub struct TradeEvent<'a> {
    #[serde(borrow)]
    pub event_id: Text<'a>,
    pub event_time: Timestamp,
    pub ingest_time: Timestamp,
    pub source: Text<'a>,
    pub channel_id: Text<'a>,
    #[serde(default)]
    pub user_id: Option<Text<'a>>,
    #[serde(default)]
    pub stream_id: Option<Text<'a>>,
    #[serde(default)]
    pub trade_id: Option<i64>,
    pub price: Amount,
    pub quantity: Amount,
    pub aggressor: Aggressor,
    pub venue: Text<'a>,
    pub symbol: Text<'a>,
}

/// The side that took liquidity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggressor {
    /// The buyer was the taker.
    Buy,
    /// The seller was the taker.
    Sell,
    /// The venue does not tell.
    #[serde(other)]
    Unknown,
}

/// Any event: of a producer, or of a job's first stage to its second.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Event<'a> {
    Chat(ChatEvent<'a>),
    Reaction(ReactionEvent<'a>),
    Viewer(ViewerEvent<'a>),
    Trade(TradeEvent<'a>),
    Partial(Box<BoardPartial>),
}

/// What all events have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // see the schemas
pub struct Header<'e> {
    pub event_id: &'e str,
    pub event_time: Timestamp,
    pub ingest_time: Timestamp,
    pub source: &'e str,
    pub channel_id: &'e str,
    pub user_id: Option<&'e str>,
}

/// A value that its schema allows but that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct InvalidValue {
    /// The field's name in the schema.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

pub(crate) fn require(holds: bool, field: &'static str, problem: &'static str) -> Result<(), InvalidValue> {
    if holds { Ok(()) } else { Err(InvalidValue { field, problem }) }
}

impl Event<'_> {
    /// What all events have in common.
    #[must_use]
    pub fn header(&self) -> Header<'_> {
        let (event_id, event_time, ingest_time, source, channel_id, user_id) = match self {
            Event::Chat(e) => {
                (&e.event_id, e.event_time, e.ingest_time, &e.source, &e.channel_id, &e.user_id)
            }
            Event::Reaction(e) => {
                (&e.event_id, e.event_time, e.ingest_time, &e.source, &e.channel_id, &e.user_id)
            }
            Event::Viewer(e) => {
                (&e.event_id, e.event_time, e.ingest_time, &e.source, &e.channel_id, &e.user_id)
            }
            Event::Trade(e) => {
                (&e.event_id, e.event_time, e.ingest_time, &e.source, &e.channel_id, &e.user_id)
            }
            Event::Partial(partial) => return partial.header(),
        };
        Header { event_id, event_time, ingest_time, source, channel_id, user_id: user_id.as_deref() }
    }

    /// Replaces the ingest time: a producer stamps it when it publishes.
    pub fn set_ingest_time(&mut self, ingest_time: Timestamp) {
        match self {
            Event::Chat(event) => event.ingest_time = ingest_time,
            Event::Reaction(event) => event.ingest_time = ingest_time,
            Event::Viewer(event) => event.ingest_time = ingest_time,
            Event::Trade(event) => event.ingest_time = ingest_time,
            Event::Partial(partial) => partial.freshness.computed_at = ingest_time,
        }
    }

    /// Replaces the event time: a replay may move a recording to another day.
    pub fn set_event_time(&mut self, event_time: Timestamp) {
        match self {
            Event::Chat(event) => event.event_time = event_time,
            Event::Reaction(event) => event.event_time = event_time,
            Event::Viewer(event) => event.event_time = event_time,
            Event::Trade(event) => event.event_time = event_time,
            Event::Partial(partial) => partial.freshness.as_of = event_time.plus_micros(1),
        }
    }

    /// Refuses values that no correct producer sends.
    ///
    /// # Errors
    /// The first field that makes no sense.
    pub fn check(&self) -> Result<(), InvalidValue> {
        let header = self.header();
        require(!header.event_id.is_empty(), "event_id", "is empty")?;
        require(!header.channel_id.is_empty(), "channel_id", "is empty")?;
        match self {
            Event::Chat(event) => event.check(),
            Event::Reaction(event) => event.check(),
            Event::Viewer(event) => event.check(),
            Event::Trade(event) => event.check(),
            Event::Partial(partial) => partial.check(),
        }
    }
}

impl ChatEvent<'_> {
    fn check(&self) -> Result<(), InvalidValue> {
        let is = |kind| self.kind == kind;
        require(!is(ChatKind::Message) || self.text.is_some(), "text", "is missing in a message")?;
        require(self.emotes.iter().all(|emote| emote.count >= 1), "emotes", "has a count below 1")?;
        let has_message = self.target_message_id.is_some();
        require(
            !is(ChatKind::MessageDeleted) || has_message,
            "target_message_id",
            "is missing in message_deleted",
        )?;
        let names_user = is(ChatKind::UserBanned) || is(ChatKind::UserTimedOut);
        require(
            !names_user || self.target_user_id.is_some(),
            "target_user_id",
            "is missing in a ban or time-out",
        )
    }
}

impl ReactionEvent<'_> {
    fn check(&self) -> Result<(), InvalidValue> {
        require(self.count >= 1, "count", "is below 1")?;
        require(self.amount_micros.unwrap_or(0) >= 0, "amount_micros", "is negative")?;
        require(
            self.amount_micros.is_some() == self.currency.is_some(),
            "currency",
            "must come with amount_micros",
        )?;
        let is_code = |code: &Text<'_>| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        require(self.currency.as_ref().is_none_or(is_code), "currency", "is not an ISO 4217 code")
    }
}

impl ViewerEvent<'_> {
    fn check(&self) -> Result<(), InvalidValue> {
        require(!self.session_id.is_empty(), "session_id", "is empty")?;
        require(self.watch_ms >= 0, "watch_ms", "is negative")?;
        require(self.startup_ms.unwrap_or(0) >= 0, "startup_ms", "is negative")?;
        require(self.rebuffer_count >= 0, "rebuffer_count", "is negative")?;
        require(self.rebuffer_ms >= 0, "rebuffer_ms", "is negative")?;
        require(self.bitrate_kbps.unwrap_or(0) >= 0, "bitrate_kbps", "is negative")
    }
}

impl TradeEvent<'_> {
    fn check(&self) -> Result<(), InvalidValue> {
        require(self.quantity > Amount::ZERO, "quantity", "is not above zero")?;
        require(!self.venue.is_empty(), "venue", "is empty")?;
        require(!self.symbol.is_empty(), "symbol", "is empty")
    }
}
