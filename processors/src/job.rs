//! A job: a set of processors fed from one read of their inputs, checked and ready to run.
//!
//! Always holds: it was validated; every shard of it is built alike. Does not know: how many shards there are.

use schemas::Topic;

use crate::engagement::{Engagement, EngagementSpec};
use crate::leaderboards::{Board, BoardSpec};
use crate::markets::{CandleSpec, Candles};
use crate::moderation::{Moderation, ModerationSpec};
use crate::processor::Processor;
use crate::shard::{Shard, ShardSettings};

/// A job that [`crate::config::JobConfig::validate`] found sound.
#[derive(Clone)]
pub struct Job {
    /// Its name in the configuration and in the results.
    pub name: String,
    /// How it treats time.
    pub settings: ShardSettings,
    /// The topics that it reads, in the order of the table of topics. All have one partitioning.
    pub inputs: Vec<Topic>,
    pub(crate) boards: Vec<BoardSpec>,
    pub(crate) engagement: Option<EngagementSpec>,
    pub(crate) candles: Vec<CandleSpec>,
    pub(crate) moderation: Option<ModerationSpec>,
}

impl Job {
    /// The processors of one shard, with empty state: boards in the order of the configuration, engagement, candles (one
    /// for all intervals that are shown equally often), moderation.
    #[must_use]
    pub fn build(&self) -> Vec<Box<dyn Processor>> {
        let mut processors: Vec<Box<dyn Processor>> = Vec::new();
        for board in &self.boards {
            processors.push(Box::new(Board::new(board.clone())));
        }
        if let Some(engagement) = &self.engagement {
            processors.push(Box::new(Engagement::new(engagement.clone())));
        }
        for candles in &self.candles {
            processors.push(Box::new(Candles::new(candles)));
        }
        if let Some(moderation) = &self.moderation {
            processors.push(Box::new(Moderation::new(moderation)));
        }
        processors
    }

    /// A shard that has seen nothing.
    #[must_use]
    pub fn shard(&self) -> Shard {
        Shard::new(self.settings, &self.inputs, self.build())
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Job")
            .field("name", &self.name)
            .field("inputs", &self.inputs)
            .finish_non_exhaustive()
    }
}
