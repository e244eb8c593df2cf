//! Leaderboards, as written under `[[jobs.NAME.boards]]`, and what is refused there.
//!
//! Always holds: an unknown key is refused; a message says what would be right. Does not know: the file, or what the keys make of the events.

use std::collections::BTreeSet;

use schemas::Topic;
use serde::Deserialize;

use super::duration::Duration;
use super::one_second;
use super::validate::Problems;
use crate::leaderboards::{BoardSpec, RollingWindow};

/// Places that a board may have.
const K_MAX: u32 = 10_000;
/// Panes that a rolling window may consist of.
const PANES_MAX: i64 = 10_000;

/// A leaderboard.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardConfig {
    /// Its name in the results.
    pub name: String,
    /// The events that it counts.
    pub source: BoardSource,
    /// What there is one board for. Default: channel; for trades: symbol.
    pub group: Option<BoardGroup>,
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
}

/// The events that a leaderboard counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardSource {
    /// Chat messages.
    Chat,
    /// Reactions.
    Reactions,
    /// Trades.
    Trades,
}

/// What there is one board for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardGroup {
    /// Each channel_id.
    Channel,
    /// Each market, named by its channel_id (venue and symbol).
    Symbol,
}

/// What a leaderboard ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardItem {
    /// user_id. Anonymous events are not ranked.
    User,
    /// An emote's name.
    Emote,
    /// The emoji of reactions of kind emoji.
    Emoji,
}

/// What an item's score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardScore {
    /// Chat by user: messages; by emote: uses. Reactions: the sum of count (a raid is one). Trades: trades.
    #[default]
    Count,
}

/// A leaderboard's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
    /// Everything since the beginning of the input.
    AllTime,
}

impl BoardSource {
    pub(crate) fn topic(self) -> Topic {
        match self {
            BoardSource::Chat => Topic::Chat,
            BoardSource::Reactions => Topic::Reactions,
            BoardSource::Trades => Topic::Trades,
        }
    }

    fn name(self) -> &'static str {
        match self {
            BoardSource::Chat => "chat",
            BoardSource::Reactions => "reactions",
            BoardSource::Trades => "trades",
        }
    }

    /// The items that it has, and the group.
    fn has(self) -> (&'static [BoardItem], &'static str, BoardGroup, &'static str) {
        match self {
            BoardSource::Chat => {
                (&[BoardItem::User, BoardItem::Emote], "user or emote", BoardGroup::Channel, "channel")
            }
            BoardSource::Reactions => {
                (&[BoardItem::User, BoardItem::Emoji], "user or emoji", BoardGroup::Channel, "channel")
            }
            BoardSource::Trades => (&[BoardItem::User], "user", BoardGroup::Symbol, "symbol"),
        }
    }
}

pub(super) fn validate_boards(boards: &[BoardConfig], problems: &mut Problems) -> Vec<BoardSpec> {
    let mut names = BTreeSet::new();
    let mut specs = Vec::new();
    for (index, board) in boards.iter().enumerate() {
        let key = |field: &str| format!("boards[{index}].{field}");
        problems.require_name(&board.name, key("name"));
        problems.require(names.insert(board.name.as_str()), key("name"), || {
            format!("`{}` is the name of an earlier board too: every board needs its own", board.name)
        });
        let (items, item_words, group, group_word) = board.source.has();
        let source = board.source.name();
        problems.require(items.contains(&board.item), key("item"), || {
            format!("source \"{source}\" has no such item: it ranks {item_words}")
        });
        problems.require(board.group.is_none_or(|given| given == group), key("group"), || {
            format!("source \"{source}\" is grouped by {group_word}: write that or leave it out")
        });
        problems.require((1..=K_MAX).contains(&board.k), key("k"), || {
            format!("is {}: a board has from 1 to {K_MAX} places", board.k)
        });
        let is_positive = problems.require_positive(board.emit_every, key("emit_every"));
        let window = validate_window(&board.window, index, problems);
        if let (true, Ok(Some(window))) = (is_positive, &window) {
            let slide = Duration::from_micros(window.slide_micros);
            let whole =
                if window.slide_micros == window.length_micros { "the window's length" } else { "the slide" };
            problems.require_divides(board.emit_every, slide, key("emit_every"), whole);
        }
        specs.push(BoardSpec {
            name: board.name.clone(),
            source: board.source,
            item: board.item,
            window_kind: match board.window {
                WindowConfig::Rolling { .. } => "rolling",
                WindowConfig::Tumbling { .. } => "tumbling",
                WindowConfig::AllTime => "all_time",
            },
            window: window.unwrap_or(None),
            k: board.k as usize,
            emit_every_micros: board.emit_every.micros(),
        });
    }
    specs
}

/// A window that cannot be; the problem is noted.
struct BadWindow;

fn validate_window(
    window: &WindowConfig,
    index: usize,
    problems: &mut Problems,
) -> Result<Option<RollingWindow>, BadWindow> {
    let key = |field: &str| format!("boards[{index}].window.{field}");
    let (length, slide) = match *window {
        WindowConfig::AllTime => return Ok(None),
        WindowConfig::Tumbling { length } => (length, length),
        WindowConfig::Rolling { length, slide } => (length, slide),
    };
    let is_sound = problems.require_positive(length, key("length"))
        && problems.require_positive(slide, key("slide"))
        && problems.require(slide <= length, key("slide"), || {
            format!("\"{slide}\" is longer than the window, \"{length}\": it must divide it")
        })
        && problems.require_divides(slide, length, key("slide"), "the length")
        && problems.require(length.micros() / slide.micros() <= PANES_MAX, key("slide"), || {
            format!("\"{slide}\" cuts \"{length}\" into more than {PANES_MAX} panes: make it longer")
        });
    let window = RollingWindow { length_micros: length.micros(), slide_micros: slide.micros() };
    if is_sound { Ok(Some(window)) } else { Err(BadWindow) }
}
