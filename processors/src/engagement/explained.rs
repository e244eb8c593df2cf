//! Engagement in words: see [`crate::explain`].
//!
//! Always holds: bounds are those that it keeps to. Does not know: any event.

use schemas::Topic;

use super::{CHANNEL_BYTES, EngagementSpec, SESSION_BYTES, WAITING_BYTES};
use crate::explain::{Explained, Memory, names, rate, span, waiting};

impl EngagementSpec {
    pub(crate) fn explain(&self, lateness_micros: i64) -> Explained {
        Explained {
            processor: "engagement".to_owned(),
            reads: names(&[Topic::Chat, Topic::Reactions, Topic::Viewers]),
            writes: Topic::Engagement.name().to_owned(),
            key: "CHANNEL_ID",
            keeps: vec![
                format!("the open window of {} of each channel", span(self.window_micros)),
                format!(
                    "each session until {} after it was last heard of",
                    span(self.heartbeat_timeout_micros)
                ),
            ],
            memory: vec![
                Memory::new(CHANNEL_BYTES, "channel"),
                Memory::new(SESSION_BYTES, "session"),
                waiting(WAITING_BYTES, "event", lateness_micros, self.emit_every_micros),
            ],
            records: vec![
                rate(self.emit_every_micros, "channel"),
                "one at the end of each window of a channel".to_owned(),
            ],
        }
    }
}
