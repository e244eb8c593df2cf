//! A job: a set of processors fed from one read of their inputs, checked and ready to run.
//!
//! Always holds: it was validated; every shard of it is built alike. Does not know: how many shards there are.

use std::borrow::Cow;
use std::sync::Arc;

use schemas::Topic;

use crate::engagement::{Engagement, EngagementSpec};
use crate::leaderboards::{Board, BoardSpec, Stage as BoardStage, first_part};
use crate::markets::{CandleSpec, Candles};
use crate::moderation::{Moderation, ModerationSpec};
use crate::processor::Processor;
use crate::shard::{Shard, ShardSettings, Stage};
use crate::sources::Sources;

/// A job that [`crate::config::JobConfig::validate`] found sound.
#[derive(Clone)]
pub struct Job {
    /// Its name in the configuration and in the results.
    pub name: String,
    /// How it treats time.
    pub settings: ShardSettings,
    /// The topics that it reads, in the order of the table of topics. All have one partitioning.
    pub inputs: Vec<Topic>,
    /// The job that makes the boards of which no shard of this one has a whole group, from what this one tells it.
    pub second: Option<Arc<Job>>,
    /// Of such a job, the name of the one that it follows.
    pub first: Option<String>,
    pub(crate) boards: Vec<BoardSpec>,
    pub(crate) engagement: Option<EngagementSpec>,
    pub(crate) candles: Option<CandleSpec>,
    pub(crate) moderation: Option<ModerationSpec>,
}

impl Job {
    /// The processors of one shard, with empty state: boards in the order of the configuration, engagement, candles, moderation.
    #[must_use]
    pub fn build(&self) -> Vec<Box<dyn Processor>> {
        let mut processors: Vec<Box<dyn Processor>> = Vec::new();
        for board in &self.boards {
            processors.push(Box::new(Board::new(board.clone())));
        }
        if let Some(engagement) = &self.engagement {
            processors.push(Box::new(Engagement::new(engagement.clone())));
        }
        if let Some(candles) = &self.candles {
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
        let shard = Shard::new(self.settings, &self.inputs, self.build());
        let steps = self.boards.iter().filter(|board| board.stage == BoardStage::First);
        match (&self.first, steps.map(|board| board.emit_every_micros).min()) {
            (Some(first), _) => {
                shard.with_stage(Stage::Second { first: first.clone(), sources: Sources::default() })
            }
            (None, Some(step_micros)) => shard.with_stage(Stage::First { step_micros, is_idle_told: false }),
            (None, None) => shard,
        }
    }

    /// The key whose partition is the shard that has this group of a board: what its events are keyed by. A group of several keys
    /// begins with it; a second stage is sent board and group.
    #[must_use]
    pub fn partition_key<'g>(&self, board: &str, group: &'g str) -> Cow<'g, str> {
        let has_several = |spec: &BoardSpec| spec.name == board && spec.groups.len() > 1;
        if self.first.is_some() {
            format!("{board}/{group}").into()
        } else if self.boards.iter().any(has_several) {
            first_part(group).into()
        } else {
            group.into()
        }
    }

    /// The names of the boards that it shows.
    pub fn board_names(&self) -> impl Iterator<Item = &str> {
        self.boards.iter().filter(|board| board.stage != BoardStage::First).map(|board| board.name.as_str())
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
