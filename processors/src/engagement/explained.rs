//! Engagement in words: see [`crate::explain`].
//!
//! Always holds: bounds are those that it keeps to. Does not know: any event.

use schemas::Topic;

use super::window::{MESSAGE_BYTES, NAME_BYTES, SKETCH_BYTES};
use super::{CHANNEL_BYTES, COHORT_BYTES, EngagementSpec, SESSION_BYTES, WAITING_BYTES};
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
            ]
            .into_iter()
            .chain(self.retention_ages_micros.last().map(|oldest| {
                format!("how many of those who joined at each tick are still there, for {}", span(*oldest))
            }))
            .collect(),
            memory: vec![
                Memory::new(CHANNEL_BYTES, "channel"),
                Memory::new(SESSION_BYTES, "session of a channel").at_most(self.sessions_max),
                Memory::new(NAME_BYTES, "chatter or viewer of a channel's window")
                    .at_most(2 * self.distinct_max),
                Memory::new(SKETCH_BYTES, "estimate of a channel's chatters or viewers beyond that"),
                Memory::new(MESSAGE_BYTES, "message of a channel's window").at_most(self.messages_max),
                Memory::new(COHORT_BYTES, "tick at which somebody joined a channel"),
                waiting(WAITING_BYTES, "event", lateness_micros, self.slice_micros()),
            ],
            records: vec![
                rate(self.emit_every_micros, "channel"),
                "one at the end of each window of a channel".to_owned(),
            ],
        }
    }
}
