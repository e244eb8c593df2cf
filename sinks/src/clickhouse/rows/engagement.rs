//! The row of a channel's window.
//!
//! Always holds: columns are written in the order of the table's list. Does not know: how rows are grouped and sent.

use schemas::{EngagementResult, HistogramBucket, SketchRegister};

use super::{Place, Rows, day_of_result, write_freshness};
use crate::clickhouse::rowbinary::RowBuffer;

fn write_sketch(sketch: &[SketchRegister], row: &mut RowBuffer) {
    row.array(sketch, |row, register| {
        row.int32(register.register);
        row.int32(register.rank);
    });
}

fn write_histogram(histogram: &[HistogramBucket], row: &mut RowBuffer) {
    row.array(histogram, |row, bucket| {
        row.int64(bucket.value_ms);
        row.int64(bucket.count);
    });
}

impl Rows for EngagementResult {
    fn day(&self) -> i32 {
        day_of_result(self.freshness.computed_at)
    }

    fn write(&self, place: &Place<'_>, row: &mut RowBuffer) -> usize {
        row.string(&self.channel_id);
        row.nullable(self.window_start, RowBuffer::instant);
        row.nullable(self.window_end, RowBuffer::instant);
        row.boolean(self.is_final);
        row.int64(self.revision);
        row.int64(self.messages);
        row.int64(self.unique_chatters);
        row.counts(&self.reactions);
        row.counts(&self.money_micros);
        row.int64(self.concurrent_viewers);
        row.int64(self.peak_concurrent_viewers);
        row.int64(self.unique_viewers);
        row.int64(self.joins);
        row.int64(self.leaves);
        row.int64(self.watch_ms);
        row.int64(self.rebuffer_count);
        row.int64(self.rebuffer_ms);
        row.int64(self.retracted_messages);
        row.int64(self.presence_us);
        row.int64(self.audience_us);
        row.array(&self.retention, |row, point| {
            row.int64(point.age_us);
            row.int64(point.cohort);
            row.int64(point.retained);
        });
        row.boolean(self.unique_chatters_is_estimated);
        write_sketch(&self.unique_chatters_sketch, row);
        row.boolean(self.unique_viewers_is_estimated);
        write_sketch(&self.unique_viewers_sketch, row);
        row.int64(self.startup_count);
        for percentile in [self.startup_p50_ms, self.startup_p90_ms, self.startup_p95_ms, self.startup_p99_ms]
        {
            row.nullable(percentile, RowBuffer::int64);
        }
        write_histogram(&self.startup_histogram, row);
        row.int64(self.live_latency_count);
        row.nullable(self.live_latency_p50_ms, RowBuffer::int64);
        row.nullable(self.live_latency_p90_ms, RowBuffer::int64);
        row.nullable(self.live_latency_p95_ms, RowBuffer::int64);
        row.nullable(self.live_latency_p99_ms, RowBuffer::int64);
        write_histogram(&self.live_latency_histogram, row);
        row.int64(self.bitrate_bits);
        row.int64(self.bitrate_ms);
        row.int64(self.untracked_sessions);
        row.int64(self.untracked_messages);
        write_freshness(&self.freshness, row);
        place.write(row);
        1
    }
}
