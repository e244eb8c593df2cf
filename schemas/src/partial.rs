//! What a job's two stages say to each other.
//!
//! Always holds: a struct has exactly the fields of its schema in `avro/`, in the same order; field docs live there. Does not know:
//! how the stages work.

use serde::{Deserialize, Serialize};

use crate::decimal::Quote;
use crate::event::{Header, InvalidValue, require};
use crate::result::Freshness;
use crate::time::Timestamp;

/// `ovation.partials`: what one shard contributes to a board across shards, or how far it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/board_partial.avsc
pub struct BoardPartial {
    pub event_id: String,
    pub kind: PartialKind,
    pub shard_count: i32,
    #[serde(default)]
    pub board: Option<String>,
    #[serde(default)]
    pub group: Option<String>,
    #[serde(default)]
    pub scores: Vec<PartialScore>,
    #[serde(flatten)]
    pub freshness: Freshness,
}

/// What a partial says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartialKind {
    /// What became visible between two ticks.
    Scores,
    /// Nothing more will come for ticks up to this one.
    Progress,
    /// The shard has never had an event.
    Idle,
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

/// What an item gained and lost in one pane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are documented in avro/board_partial.avsc
pub struct PartialScore {
    pub item: String,
    #[serde(default)]
    pub label: Option<String>,
    #[serde(default)]
    pub user_id: Option<String>,
    #[serde(default)]
    pub pane: Option<Timestamp>,
    pub gained: Quote,
    #[serde(default)]
    pub reached: Option<Timestamp>,
    #[serde(default)]
    pub visible_from: Option<Timestamp>,
    pub lost: Quote,
}

impl BoardPartial {
    /// It happens just before its tick, on the channel of its board.
    pub(crate) fn header(&self) -> Header<'_> {
        Header {
            event_id: &self.event_id,
            event_time: self.freshness.as_of.plus_micros(-1),
            ingest_time: self.freshness.computed_at,
            source: &self.freshness.job,
            channel_id: self.board.as_deref().unwrap_or(&self.freshness.job),
            user_id: None,
        }
    }

    /// Refuses values that no job writes.
    pub(crate) fn check(&self) -> Result<(), InvalidValue> {
        let is_known = (0..self.shard_count).contains(&self.freshness.shard);
        require(is_known, "shard", "is not below shard_count")?;
        let is_placed = self.board.is_some() && self.group.is_some();
        require(self.kind != PartialKind::Scores || is_placed, "board", "is missing in scores")?;
        let is_sound = |score: &PartialScore| {
            let is_gain = score.reached.is_some() && score.visible_from.is_some();
            score.lost >= Quote::ZERO
                && score.gained >= Quote::ZERO
                && (score.gained == Quote::ZERO || is_gain)
        };
        require(self.scores.iter().all(is_sound), "scores", "has a gain or loss that is none")
    }
}
