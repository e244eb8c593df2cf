//! Boards of which no shard has a whole group, such as one over all channels: what they cannot do, and their two stages.
//!
//! Always holds: a message says what would be right. Does not know: how the stages work.

use super::{BoardConfig, BoardGroup, BoardItem, BoardScore, WindowConfig};
use crate::config::validate::Problems;
use crate::leaderboards::BoardSpec;

/// What the events of a board are sharded by: the first of its source's groups.
fn shard_key(board: &BoardConfig) -> BoardGroup {
    board.source.offer().groups[0].0
}

/// Whether several shards have parts of a group.
pub(super) fn is_across(board: &BoardConfig, groups: &[BoardGroup]) -> bool {
    !groups.contains(&shard_key(board))
}

/// Whether parts of a score can be added up although something may be taken back of them.
pub(super) fn is_additive(score: BoardScore) -> bool {
    matches!(score, BoardScore::Count | BoardScore::Sum(_) | BoardScore::Growth(_))
}

pub(super) fn check_across(
    board: &BoardConfig,
    groups: &[BoardGroup],
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems,
) {
    let is_of_all = matches!(board.item, BoardItem::Channel | BoardItem::Symbol);
    if !is_across(board, groups) {
        problems.require(!is_of_all, key("item"), || {
            "is what the board is for, so that each would have one place: use group = \"global\"".to_owned()
        });
        return;
    }
    problems.require(!groups.contains(&BoardGroup::Global) || groups.len() == 1, key("group"), || {
        "is global and something else: global is everything, write it alone".to_owned()
    });
    problems.require(!matches!(board.window, WindowConfig::Session { .. }), key("window.kind"), || {
        "is session, but no shard sees when all channels pause: use rolling, tumbling, fixed, calendar or all_time"
            .to_owned()
    });
    problems.require(board.score != BoardScore::Votes, key("score"), || {
        "counts one vote per user in each group, which has to be within one channel: group by [\"channel\", \"poll\"]"
            .to_owned()
    });
    problems.require(is_additive(board.score) || !board.retracts(), key("retract"), || {
        "cannot take back from largest values and distinct users over several channels: write false, or use count or sum"
            .to_owned()
    });
}

/// A board as the job's shards make it and, if it is across them, as its second stage does.
pub(super) fn stages(board: &BoardConfig, spec: BoardSpec) -> (BoardSpec, Option<BoardSpec>) {
    if is_across(board, &spec.groups) {
        let (first, second) = spec.in_two_stages(shard_key(board));
        (first, Some(second))
    } else {
        (spec, None)
    }
}
