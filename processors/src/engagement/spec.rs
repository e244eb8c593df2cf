//! What of engagement is configured.
//!
//! Always holds: it does not change while a job runs. Does not know: events.

use crate::pending::slice_micros;

/// Engagement as configured, validated: `emit_every_micros` divides `window_micros` and every age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EngagementSpec {
    pub(crate) window_micros: i64,
    pub(crate) emit_every_micros: i64,
    pub(crate) heartbeat_timeout_micros: i64,
    /// In rising order.
    pub(crate) retention_ages_micros: Vec<i64>,
    /// Names counted exactly, of a channel's chatters and viewers each.
    pub(crate) distinct_max: usize,
    /// Messages of a channel's window that can be taken back.
    pub(crate) messages_max: usize,
    /// Sessions of a channel.
    pub(crate) sessions_max: usize,
}

impl EngagementSpec {
    /// Events are taken in at multiples of this, which divides `emit_every_micros`.
    pub(super) fn slice_micros(&self) -> i64 {
        slice_micros(std::iter::once(self.emit_every_micros))
    }
}
