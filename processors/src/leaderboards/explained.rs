//! Boards in words: see [`crate::explain`].
//!
//! Always holds: bounds are those that the boards keep to. Does not know: any event.

use schemas::Topic;

use super::{BoardSpec, GROUP_BYTES, ITEM_BYTES, WAITING_BYTES};
use crate::explain::{Explained, Memory, names, rate, span, waiting};

impl BoardSpec {
    pub(crate) fn explain(&self, lateness_micros: i64) -> Explained {
        let mut records = vec![rate(self.emit_every_micros, "group")];
        let window = match self.window {
            Some(window) => {
                records.push("one at the end of each window of a group".to_owned());
                let slide = match window.slide_micros {
                    slide_micros if slide_micros == window.length_micros => String::new(),
                    slide_micros => format!(", moved on every {}", span(slide_micros)),
                };
                format!("the {} window of {}{slide}", self.window_kind, span(window.length_micros))
            }
            None => "all time, for ever".to_owned(),
        };
        Explained {
            processor: format!("board {}", self.name),
            reads: names(&[self.source.topic()]),
            writes: Topic::Leaderboards.name().to_owned(),
            key: "BOARD/GROUP",
            keeps: vec![format!("every item in {window}; shows the first {}", self.k)],
            memory: vec![
                Memory::new(GROUP_BYTES, "group"),
                Memory::new(ITEM_BYTES, "item of a group"),
                waiting(WAITING_BYTES, "score", lateness_micros, self.emit_every_micros),
            ],
            records,
        }
    }
}
