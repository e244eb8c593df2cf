//! What a processor is: events in, records out into a buffer that the caller owns, time as an argument.
//!
//! **When a record shows what.** A processor must give the same records however its shard's partitions were
//! interleaved. So it never shows an event at once: it files the event under the instant from which it is *visible*,
//! the later of its event time and its own partition's watermark ([`Arrival::visible_from`]), and shows it in the
//! records of the first tick after that instant, when the shard's watermark passes the tick. A tick at `T` then reflects
//! exactly the events visible before `T`, which depends on the order within each partition and on nothing else.

use std::collections::BTreeMap;

use schemas::{
    BoardPartial, CandleResult, EngagementResult, Event, Freshness, LeaderboardResult, ModerationFlag,
    Timestamp, Topic,
};

use crate::state::{Chunk, StateError, StateSize};

/// How an event came to a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The topic it was read from.
    pub topic: Topic,
    /// Its offset there.
    pub offset: i64,
    /// Its event time, with a future beyond the allowed skew cut off. Processors use this one, not the event's own.
    pub event_time: Timestamp,
    /// The watermark of its own partition when it was read: a window that ends at or before it is closed to the event.
    pub partition_watermark: Timestamp,
}

impl Arrival {
    /// The instant from which records may reflect the event.
    #[must_use]
    pub fn visible_from(&self) -> Timestamp {
        self.event_time.max(self.partition_watermark)
    }
}

/// What a processor did with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It counts somewhere.
    Taken,
    /// Every window it belongs to was closed.
    Late,
    /// It is none of this processor's business: another kind of event.
    Ignored,
}

/// A result on its way out, or what goes to the job's second stage.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
#[allow(
    clippy::large_enum_variant,
    reason = "a record is encoded soon after it is made, and most are candles"
)]
pub enum Output {
    Leaderboard(LeaderboardResult),
    Engagement(EngagementResult),
    Candle(CandleResult),
    Flag(ModerationFlag),
    Partial(BoardPartial),
}

impl Output {
    /// The topic it goes to.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Output::Leaderboard(_) => Topic::Leaderboards,
            Output::Engagement(_) => Topic::Engagement,
            Output::Candle(_) => Topic::Markets,
            Output::Flag(_) => Topic::Moderation,
            Output::Partial(_) => Topic::Partials,
        }
    }

    /// The record's key, as the table of topics says.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Output::Leaderboard(result) => format!("{}/{}", result.board, result.group),
            Output::Engagement(result) => result.channel_id.clone(),
            Output::Candle(result) => format!("{}:{}/{}", result.venue, result.symbol, result.interval_s),
            Output::Flag(flag) => flag.channel_id.clone(),
            Output::Partial(partial) => match (&partial.board, &partial.group) {
                (Some(board), Some(group)) => format!("{board}/{group}"),
                _ => partial.freshness.job.clone(),
            },
        }
    }

    /// The freshness fields. A processor sets `as_of`; whoever runs it sets the others.
    pub fn freshness_mut(&mut self) -> &mut Freshness {
        match self {
            Output::Leaderboard(result) => &mut result.freshness,
            Output::Engagement(result) => &mut result.freshness,
            Output::Candle(result) => &mut result.freshness,
            Output::Flag(flag) => &mut flag.freshness,
            Output::Partial(partial) => &mut partial.freshness,
        }
    }
}

/// Computes results from the events of one shard.
pub trait Processor: Send {
    /// Takes an event in. Records that depend on this event alone (a moderation flag) may go out at once.
    fn process(&mut self, event: &Event<'_>, arrival: &Arrival, out: &mut Vec<Output>) -> Disposition;

    /// The shard's watermark has risen to `watermark`: writes the records of every tick up to it, in the order of the
    /// ticks and, within a tick, of the groups' names. Ticks at which no group changed write nothing and cost nothing.
    /// [`Timestamp::MAX`] ends the input: every window is closed and every record written.
    fn advance(&mut self, watermark: Timestamp, out: &mut Vec<Output>);

    /// Up to where time must have gone for memory to stay within its bound. Beyond the watermark that depends on what was
    /// processed, and not on how often [`Processor::advance`] was called meanwhile.
    fn must_reach(&self) -> Option<Timestamp> {
        None
    }

    /// Its name among the processors of a shard, as it may stand in the names of chunks. It does not depend on the others.
    fn name(&self) -> String;

    /// Adds the state's chunks, named `prefix/...`, to `chunks`. Bytes are encoded only for chunks of which `is_known` says that
    /// the caller has that name and version. Called between advances, never within one.
    fn save(&mut self, prefix: &str, is_known: &dyn Fn(&str, u64) -> bool, chunks: &mut Vec<Chunk>);

    /// Takes over the state that was saved under `prefix`. The processor is freshly built; after an error it is of no use.
    ///
    /// # Errors
    /// A chunk of this processor is missing or unreadable.
    fn restore(&mut self, prefix: &str, chunks: &BTreeMap<String, Chunk>) -> Result<(), StateError>;

    /// The board called `board` for `group` as it stands, if this is that board.
    fn query_board(&self, _board: &str, _group: &str) -> Option<LeaderboardResult> {
        None
    }

    /// The engagement of a channel as it stands, if this computes it.
    fn query_engagement(&self, _channel_id: &str) -> Option<EngagementResult> {
        None
    }

    /// How much there is. Cheap.
    fn size(&self) -> StateSize;
}
