//! Moderation in words: see [`crate::explain`].
//!
//! Always holds: bounds are those that the rules keep to. Does not know: any message.

use schemas::Topic;

use super::{ModerationSpec, TEXT_BYTES};
use crate::explain::{Explained, Memory, names, span};

impl ModerationSpec {
    pub(crate) fn explain(&self) -> Explained {
        let (mut keeps, mut memory) = (Vec::new(), Vec::new());
        if let Some(rule) = &self.repeated_text {
            let within = span(rule.within_micros);
            keeps.push(format!("what each user said in each channel within {within}"));
            memory.push(Memory::new(
                TEXT_BYTES,
                format!("text of the last {within} of event time, twice at most"),
            ));
        }
        Explained {
            processor: "moderation".to_owned(),
            reads: names(&[Topic::Chat]),
            writes: Topic::Moderation.name().to_owned(),
            key: "CHANNEL_ID",
            keeps,
            memory,
            records: vec!["one for each message and rule that finds it, when it is read".to_owned()],
        }
    }
}
