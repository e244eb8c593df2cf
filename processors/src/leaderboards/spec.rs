//! What a board is, validated, and what follows from that.
//!
//! Always holds: nothing here changes while a board runs. Does not know: events or places.

use super::cell::Scoring;
use super::group::Rules;
use super::growth::Growth;
use super::window::Window;
use crate::config::{BoardFilter, BoardGroup, BoardItem, BoardScore, BoardSource};
use crate::pending::slice_micros;

/// What of the way from events to records is done in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// All of it: each group is within one shard.
    Only,
    /// From events to partials.
    First,
    /// From partials to records.
    Second,
}

/// A leaderboard as configured, validated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BoardSpec {
    pub(crate) name: String,
    pub(crate) source: BoardSource,
    pub(crate) filter: BoardFilter,
    pub(crate) groups: Vec<BoardGroup>,
    pub(crate) item: BoardItem,
    pub(crate) score: BoardScore,
    /// The word in the results: tumbling, rolling, session, fixed, calendar, all_time.
    pub(crate) window_kind: &'static str,
    /// For how long events count; of a growth that is the window and the time before.
    pub(crate) window: Window,
    pub(crate) growth: Option<Growth>,
    pub(crate) k: usize,
    pub(crate) emit_every_micros: i64,
    /// Whether moderators' actions take back what they are about.
    pub(crate) retracts: bool,
    pub(crate) entries_max: usize,
    pub(crate) stage: Stage,
}

impl BoardSpec {
    /// The two stages of a board of which no shard has a whole group. Within a shard its groups are kept by `key`, what the inputs
    /// are sharded by, so that moderators take back what is of their channel.
    pub(crate) fn in_two_stages(self, key: BoardGroup) -> (BoardSpec, BoardSpec) {
        let kept = self.groups.iter().copied().filter(|group| *group != BoardGroup::Global);
        let groups = [key].into_iter().chain(kept).collect();
        let first = BoardSpec { groups, k: 0, stage: Stage::First, ..self.clone() };
        (first, BoardSpec { retracts: false, stage: Stage::Second, ..self })
    }

    /// How it counts.
    pub(super) fn rules(&self) -> Rules {
        let scoring = match self.score {
            BoardScore::Count | BoardScore::Sum(_) | BoardScore::Growth(_) => Scoring::Sum,
            BoardScore::Largest(_) => Scoring::Largest,
            BoardScore::DistinctUsers => Scoring::Distinct,
            BoardScore::Votes => Scoring::Votes,
        };
        let is_by_user = self.item == BoardItem::User;
        let counts_users = matches!(scoring, Scoring::Distinct | Scoring::Votes);
        let has_panes = matches!(self.window, Window::Rolling { length_micros, slide_micros } if slide_micros < length_micros);
        Rules {
            scoring,
            has_panes,
            is_by_user,
            keeps_users: counts_users || (self.retracts && !is_by_user),
            keeps_losses: self.stage == Stage::First,
            growth: self.growth.filter(|_| self.stage != Stage::First),
            is_tracked: false,
        }
    }

    /// What becomes visible may be taken in at multiples of this, which divides `emit_every_micros`. Sessions end by what the tick says, and
    /// between two stages there is nothing but what a tick says.
    pub(super) fn slice_micros(&self) -> i64 {
        if self.stage == Stage::Only && !matches!(self.window, Window::Session { .. }) {
            slice_micros(std::iter::once(self.emit_every_micros))
        } else {
            self.emit_every_micros
        }
    }

    /// Whether what a message brought is remembered until it cannot be taken back any more.
    pub(super) fn keeps_messages(&self) -> bool {
        self.retracts && self.source == BoardSource::Chat
    }
}
