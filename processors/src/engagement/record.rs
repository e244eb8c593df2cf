//! A channel's window as a record.
//!
//! Always holds: only a final record carries what windows are merged by; the retention curve has a point for each
//! configured age. Does not know: when records are written.

use schemas::{EngagementResult, Freshness, RetentionPoint, Timestamp};

use super::{Channel, EngagementSpec};

impl EngagementSpec {
    /// The record of the window that ends at `end`, as of `tick`.
    pub(super) fn record(
        &self,
        channel_id: &str,
        channel: &Channel,
        tick: Timestamp,
        end: Timestamp,
    ) -> EngagementResult {
        let (counts, sums, presence) = (&channel.counts, &channel.counts.sums, channel.sessions.before(tick));
        let is_final = tick == end;
        let [startup_p50_ms, startup_p90_ms, startup_p95_ms, startup_p99_ms] =
            counts.startup.percentiles([50, 90, 95, 99]);
        let [live_latency_p50_ms, live_latency_p90_ms, live_latency_p95_ms, live_latency_p99_ms] =
            counts.live_latency.percentiles([50, 90, 95, 99]);
        EngagementResult {
            channel_id: channel_id.to_owned(),
            window_start: Some(end.plus_micros(-self.window_micros)),
            window_end: Some(end),
            is_final,
            revision: channel.revision,
            messages: sums.messages,
            unique_chatters: counts.chatters.count(),
            reactions: counts.reactions.iter().map(|(kind, sum)| ((*kind).to_owned(), *sum)).collect(),
            money_micros: counts.money_micros.iter().map(|(code, sum)| (code.to_string(), *sum)).collect(),
            concurrent_viewers: channel.sessions.watching(),
            peak_concurrent_viewers: presence.peak,
            unique_viewers: counts.viewers.count(),
            joins: sums.joins,
            leaves: sums.leaves,
            watch_ms: sums.watch_ms,
            rebuffer_count: sums.rebuffer_count,
            rebuffer_ms: sums.rebuffer_ms,
            retracted_messages: sums.retracted_messages,
            presence_us: presence.presence_us,
            audience_us: presence.audience_us,
            retention: self.retention(channel),
            unique_chatters_is_estimated: counts.chatters.is_estimated(),
            unique_chatters_sketch: if is_final { counts.chatters.registers() } else { Vec::new() },
            unique_viewers_is_estimated: counts.viewers.is_estimated(),
            unique_viewers_sketch: if is_final { counts.viewers.registers() } else { Vec::new() },
            startup_count: counts.startup.count(),
            startup_p50_ms,
            startup_p90_ms,
            startup_p95_ms,
            startup_p99_ms,
            startup_histogram: if is_final { counts.startup.buckets() } else { Vec::new() },
            live_latency_count: counts.live_latency.count(),
            live_latency_p50_ms,
            live_latency_p90_ms,
            live_latency_p95_ms,
            live_latency_p99_ms,
            live_latency_histogram: if is_final { counts.live_latency.buckets() } else { Vec::new() },
            bitrate_bits: sums.bitrate_bits,
            bitrate_ms: sums.bitrate_ms,
            untracked_sessions: sums.untracked_sessions,
            untracked_messages: sums.untracked_messages,
            freshness: Freshness { as_of: tick, ..Freshness::default() },
        }
    }

    fn retention(&self, channel: &Channel) -> Vec<RetentionPoint> {
        let point = |age: &i64| {
            let (cohort, retained) = channel.counts.retention.get(age).copied().unwrap_or_default();
            RetentionPoint { age_us: *age, cohort, retained }
        };
        self.retention_ages_micros.iter().map(point).collect()
    }
}
