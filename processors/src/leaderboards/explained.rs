//! Boards in words: see [`crate::explain`].
//!
//! Always holds: bounds are those that the boards keep to. Does not know: any event.

use schemas::Topic;

use super::{BoardSpec, ENTRY_BYTES, GROUP_BYTES, ITEM_BYTES, Stage, WAITING_BYTES, Window};
use crate::explain::{Explained, Memory, names, rate, span, waiting};

impl BoardSpec {
    pub(crate) fn explain(&self, lateness_micros: i64) -> Explained {
        let mut records = vec![rate(self.emit_every_micros, "group")];
        if self.window != Window::AllTime {
            records.push("one at the end of each window of a group".to_owned());
        }
        let kind = self.window_kind;
        let window = match &self.window {
            Window::Rolling { length_micros, slide_micros } => {
                let slide = match slide_micros {
                    slide_micros if slide_micros == length_micros => String::new(),
                    slide_micros => format!(", moved on every {}", span(*slide_micros)),
                };
                let before = self.growth.map_or(0, |growth| growth.before_micros);
                let and_before = match before {
                    0 => String::new(),
                    before => format!(", and the {} before it", span(before)),
                };
                format!("the {kind} window of {}{slide}{and_before}", span(*length_micros - before))
            }
            Window::Session { gap_micros } => {
                format!("each group's {kind}, until nothing has come for {}", span(*gap_micros))
            }
            Window::Fixed(_) | Window::Calendar(_) => format!("the {kind} window"),
            Window::AllTime => "all time, for ever".to_owned(),
        };
        let mut reads = vec![self.source.topic()];
        if self.retracts && !reads.contains(&Topic::Chat) {
            reads.insert(0, Topic::Chat);
        }
        if self.stage == Stage::Second {
            reads = vec![Topic::Partials];
        }
        let (writes, shows) = match self.stage {
            Stage::First => (Topic::Partials, "ranks nothing, which the second stage does".to_owned()),
            Stage::Only | Stage::Second => (Topic::Leaderboards, format!("shows the first {}", self.k)),
        };
        let waits = match self.stage {
            Stage::Second => {
                Memory::new(WAITING_BYTES, "score that faster shards have told beyond the slowest's clock")
                    .at_most(self.entries_max)
            }
            _ => waiting(WAITING_BYTES, "score", lateness_micros, self.emit_every_micros),
        };
        Explained {
            processor: format!("board {}", self.name),
            reads: names(&reads),
            writes: writes.name().to_owned(),
            key: "BOARD/GROUP",
            keeps: vec![format!(
                "every item in {window}; {shows}; at most {} entries in a shard",
                self.entries_max
            )],
            memory: vec![
                Memory::new(GROUP_BYTES, "group"),
                Memory::new(ITEM_BYTES, "item of a group"),
                Memory::new(ENTRY_BYTES, "score in a pane, user of one, or message that may be taken back"),
                waits,
            ],
            records,
        }
    }
}
