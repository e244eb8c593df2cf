//! What flows through Ovation: the events that producers publish, the results that processors compute,
//! the table of topics that they travel in, and the codec between Rust values and Kafka bytes.
//!
//! Always holds: everything here is pure. No clock, no network, no file, no thread. The Avro schemas in
//! `avro/` are the one definition of a value's shape; the structs repeat them and the tests compare the two.
//!
//! Does not know: Kafka, the schema registry, or who computes what.
//!
//! Reading order: [`event`] and [`result`], then [`topics`], then [`codec`].

pub mod codec;
pub mod decimal;
pub mod event;
pub mod json;
mod partial;
mod quick;
pub mod result;
pub mod text;
pub mod time;
pub mod topics;

pub use codec::{DecodeError, Decoder, Encoder, Message, SchemaIds};
pub use decimal::{Amount, Decimal, Quote};
pub use event::{
    Aggressor, ChatEvent, ChatKind, Emote, Event, Header, InvalidValue, ReactionEvent, ReactionKind,
    TradeEvent, ViewerEvent, ViewerKind,
};
pub use partial::{BoardPartial, PartialKind, PartialScore};
pub use result::{
    CandleResult, DeadLetter, EngagementResult, Freshness, HistogramBucket, LeaderboardEntry,
    LeaderboardResult, ModerationFlag, RetentionPoint, SketchRegister, SuggestedAction,
};
pub use text::Text;
pub use time::Timestamp;
pub use topics::{Topic, TopicSpec};
