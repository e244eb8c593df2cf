//! What a record becomes: the rows of each kind of value.
//!
//! Always holds: a value writes its columns in the order of its table's list (`tables`), and after them topic, partition and offset;
//! the same record makes the same bytes. Times that `DateTime64(6)` cannot hold are clamped to it.
//!
//! Does not know: how rows are grouped and sent.

mod engagement;

use std::sync::Arc;

use schemas::{
    Aggressor, CandleResult, ChatEvent, ChatKind, DeadLetter, Event, Freshness, LeaderboardEntry,
    LeaderboardResult, ModerationFlag, ReactionEvent, SuggestedAction, Timestamp, TradeEvent, ViewerEvent,
    ViewerKind,
};

use super::rowbinary::{RowBuffer, clamp};

/// Where a record was read: the identity of its rows.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The topic's full name.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
}

impl Place<'_> {
    fn write(&self, row: &mut RowBuffer) {
        row.string(self.topic);
        row.int32(self.partition);
        row.int64(self.offset);
    }
}

/// A value that becomes rows of one table.
pub trait Rows {
    /// The table partition that the rows belong to, in days since 1970; see [`day_of_event`] and [`day_of_result`].
    fn day(&self) -> i32;

    /// Appends the rows and says how many they are.
    fn write(&self, place: &Place<'_>, rows: &mut RowBuffer) -> usize;
}

const DAY_MICROS: i64 = 86_400_000_000;
const YEAR_2000: i64 = 10_957 * DAY_MICROS;
const YEAR_2100: i64 = 47_482 * DAY_MICROS;

fn day_if(is_sane: bool, micros: i64) -> i32 {
    if is_sane && (YEAR_2000..YEAR_2100).contains(&micros) { (micros / DAY_MICROS) as i32 } else { 0 }
}

/// The table partition of an event: its day, or day 0 for times that must not open a partition of their own (as
/// `migrations/001_events.sql` says).
#[must_use]
pub fn day_of_event(event_time: Timestamp, ingest_time: Timestamp) -> i32 {
    let (event, ingest) = (clamp(event_time).micros(), clamp(ingest_time).micros());
    day_if(event >= ingest - 31 * DAY_MICROS && event <= ingest + DAY_MICROS, event)
}

/// The table partition of a result or a dead letter: the day on which it was made, or day 0 for an absurd clock.
#[must_use]
pub fn day_of_result(made_at: Timestamp) -> i32 {
    day_if(true, made_at.micros())
}

/// True if an event's time is not what it was once it is stored.
#[must_use]
pub fn is_clamped(event: &Event<'_>) -> bool {
    let header = event.header();
    clamp(header.event_time) != header.event_time || clamp(header.ingest_time) != header.ingest_time
}

fn kind_of_chat(kind: ChatKind) -> &'static str {
    match kind {
        ChatKind::Message => "message",
        ChatKind::MessageDeleted => "message_deleted",
        ChatKind::UserBanned => "user_banned",
        ChatKind::UserTimedOut => "user_timed_out",
        ChatKind::ChatCleared => "chat_cleared",
        ChatKind::Unknown => "unknown",
    }
}

fn kind_of_viewer(kind: ViewerKind) -> &'static str {
    match kind {
        ViewerKind::Join => "join",
        ViewerKind::Heartbeat => "heartbeat",
        ViewerKind::Leave => "leave",
        ViewerKind::Quality => "quality",
        ViewerKind::Unknown => "unknown",
    }
}

fn side(aggressor: Aggressor) -> &'static str {
    match aggressor {
        Aggressor::Buy => "buy",
        Aggressor::Sell => "sell",
        Aggressor::Unknown => "unknown",
    }
}

fn action(action: SuggestedAction) -> &'static str {
    match action {
        SuggestedAction::None => "none",
        SuggestedAction::Review => "review",
        SuggestedAction::Delete => "delete",
        SuggestedAction::TimeOut => "time_out",
        SuggestedAction::Ban => "ban",
        SuggestedAction::Unknown => "unknown",
    }
}

fn write_freshness(freshness: &Freshness, row: &mut RowBuffer) {
    row.instant(freshness.as_of);
    row.instant(freshness.watermark);
    row.instant(freshness.computed_at);
    row.string(&freshness.job);
    row.int32(freshness.shard);
    row.counts(&freshness.input_offsets);
}

impl Rows for Event<'_> {
    fn day(&self) -> i32 {
        let header = self.header();
        day_of_event(header.event_time, header.ingest_time)
    }

    fn write(&self, place: &Place<'_>, row: &mut RowBuffer) -> usize {
        let header = self.header();
        let stream_id = match self {
            Event::Chat(event) => &event.stream_id,
            Event::Reaction(event) => &event.stream_id,
            Event::Viewer(event) => &event.stream_id,
            Event::Trade(event) => &event.stream_id,
            Event::Partial(_) => unreachable!("the sink does not read partials"),
        };
        row.string(header.event_id);
        row.instant(header.event_time);
        row.instant(header.ingest_time);
        row.string(header.source);
        row.string(header.channel_id);
        row.nullable_string(header.user_id);
        row.nullable_string(stream_id.as_deref());
        match self {
            Event::Chat(event) => write_chat(event, row),
            Event::Reaction(event) => write_reaction(event, row),
            Event::Viewer(event) => write_viewer(event, row),
            Event::Trade(event) => write_trade(event, row),
            Event::Partial(_) => unreachable!("the sink does not read partials"),
        }
        place.write(row);
        1
    }
}

fn write_chat(event: &ChatEvent<'_>, row: &mut RowBuffer) {
    row.string(kind_of_chat(event.kind));
    row.nullable_string(event.user_name.as_deref());
    row.nullable_string(event.text.as_deref());
    row.array(&event.emotes, |row, emote| {
        row.string(&emote.id);
        row.string(&emote.name);
        row.int32(emote.count);
    });
    row.array(&event.roles, |row, role| row.string(role));
    row.array(&event.badges, |row, badge| row.string(badge));
    row.nullable_string(event.reply_to.as_deref());
    row.boolean(event.is_question);
    row.boolean(event.is_first_message);
    row.nullable_string(event.target_message_id.as_deref());
    row.nullable_string(event.target_user_id.as_deref());
    row.nullable(event.duration_ms, RowBuffer::int64);
}

fn write_reaction(event: &ReactionEvent<'_>, row: &mut RowBuffer) {
    row.string(event.kind.name());
    row.int64(event.count);
    row.nullable_string(event.user_name.as_deref());
    row.nullable_string(event.emoji.as_deref());
    row.nullable(event.amount_micros, RowBuffer::int64);
    row.nullable_string(event.currency.as_deref());
    row.nullable_string(event.target_id.as_deref());
    row.nullable_string(event.option.as_deref());
}

fn write_viewer(event: &ViewerEvent<'_>, row: &mut RowBuffer) {
    row.string(kind_of_viewer(event.kind));
    row.string(&event.session_id);
    row.int64(event.watch_ms);
    row.nullable(event.startup_ms, RowBuffer::int64);
    row.int32(event.rebuffer_count);
    row.int64(event.rebuffer_ms);
    row.nullable(event.bitrate_kbps, RowBuffer::int32);
    row.nullable(event.live_latency_ms, RowBuffer::int64);
    row.nullable_string(event.device.as_deref());
    row.nullable_string(event.country.as_deref());
}

fn write_trade(event: &TradeEvent<'_>, row: &mut RowBuffer) {
    row.nullable(event.trade_id, RowBuffer::int64);
    row.decimal128(event.price.units());
    row.decimal128(event.quantity.units());
    row.string(side(event.aggressor));
    row.string(&event.venue);
    row.string(&event.symbol);
}

impl Rows for LeaderboardResult {
    fn day(&self) -> i32 {
        day_of_result(self.freshness.computed_at)
    }

    /// One row an entry. A board without entries is one row of rank 0, so that it replaces the board before it.
    fn write(&self, place: &Place<'_>, rows: &mut RowBuffer) -> usize {
        let nothing = [LeaderboardEntry {
            rank: 0,
            item: Arc::default(),
            label: Arc::default(),
            score: schemas::Amount::ZERO,
            previous_rank: None,
        }];
        let entries = if self.entries.is_empty() { &nothing[..] } else { &self.entries[..] };
        for entry in entries {
            rows.string(&self.board);
            rows.string(&self.group);
            rows.string(&self.window);
            rows.nullable(self.window_start, RowBuffer::instant);
            rows.nullable(self.window_end, RowBuffer::instant);
            rows.boolean(self.is_final);
            rows.int64(self.revision);
            rows.int32(entry.rank);
            rows.string(&entry.item);
            rows.string(&entry.label);
            rows.decimal128(entry.score.units());
            rows.nullable(entry.previous_rank, RowBuffer::int32);
            rows.int64(self.item_count);
            rows.decimal128(self.total_score.units());
            write_freshness(&self.freshness, rows);
            place.write(rows);
        }
        entries.len()
    }
}

impl Rows for CandleResult {
    fn day(&self) -> i32 {
        day_of_result(self.freshness.computed_at)
    }

    fn write(&self, place: &Place<'_>, row: &mut RowBuffer) -> usize {
        row.string(&self.venue);
        row.string(&self.symbol);
        row.int32(self.interval_s);
        row.instant(self.window_start);
        row.instant(self.window_end);
        row.boolean(self.is_final);
        row.int64(self.revision);
        for price in [self.open, self.high, self.low, self.close] {
            row.decimal128(price.units());
        }
        row.int64(self.trade_count);
        row.decimal128(self.base_volume.units());
        row.decimal128(self.quote_volume.units());
        row.int64(self.taker_buy_count);
        row.int64(self.taker_sell_count);
        row.decimal128(self.taker_buy_volume.units());
        row.decimal128(self.taker_sell_volume.units());
        row.nullable(self.first_trade_id, RowBuffer::int64);
        row.nullable(self.last_trade_id, RowBuffer::int64);
        row.int64(self.missing_trade_ids);
        row.nullable(self.missing_before, RowBuffer::int64);
        row.int64(self.duplicate_trade_count);
        for amount in [self.duplicate_volume, self.largest_quantity, self.largest_price] {
            row.decimal128(amount.units());
        }
        row.nullable(self.largest_trade_id, RowBuffer::int64);
        row.decimal128(self.taker_net_volume.units());
        row.decimal128(self.taker_volume.units());
        row.nullable(self.realised_variance, RowBuffer::float64);
        row.decimal128(self.true_range.units());
        row.int32(self.past_candle_count);
        row.decimal128(self.past_base_volume.units());
        row.decimal128(self.past_true_range.units());
        row.boolean(self.is_volume_spike);
        row.boolean(self.is_price_spike);
        write_freshness(&self.freshness, row);
        place.write(row);
        1
    }
}

impl Rows for ModerationFlag {
    fn day(&self) -> i32 {
        day_of_result(self.freshness.computed_at)
    }

    fn write(&self, place: &Place<'_>, row: &mut RowBuffer) -> usize {
        row.string(&self.flag_id);
        row.string(&self.channel_id);
        row.string(&self.message_id);
        row.instant(self.event_time);
        row.nullable_string(self.user_id.as_deref());
        row.nullable_string(self.user_name.as_deref());
        row.string(&self.text);
        row.string(&self.rule);
        row.string(&self.category);
        row.int32(self.severity);
        row.float64(self.score);
        row.string(&self.evidence);
        row.string(action(self.suggested_action));
        write_freshness(&self.freshness, row);
        place.write(row);
        1
    }
}

impl Rows for DeadLetter {
    fn day(&self) -> i32 {
        day_of_result(self.failed_at)
    }

    fn write(&self, place: &Place<'_>, row: &mut RowBuffer) -> usize {
        row.string(&self.topic);
        row.int32(self.partition);
        row.int64(self.offset);
        row.nullable(self.key.as_deref(), RowBuffer::bytes);
        row.nullable(self.value.as_deref(), RowBuffer::bytes);
        row.string(&self.reason);
        row.string(&self.detail);
        row.string(&self.job);
        row.instant(self.failed_at);
        place.write(row);
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(event_days: i64, ingest_days: i64) -> i32 {
        let at = |days: i64| Timestamp::from_micros(days * DAY_MICROS + 1);
        day_of_event(at(event_days), at(ingest_days))
    }

    #[test]
    fn only_times_near_their_ingest_time_have_a_day_of_their_own() {
        assert_eq!(day(20_000, 20_000), 20_000);
        assert_eq!(day(19_969, 20_000), 19_969);
        assert_eq!(day(19_968, 20_000), 0);
        assert_eq!(day(20_001, 20_000), 20_001);
        assert_eq!(day(20_002, 20_000), 0);
        assert_eq!(day(10_956, 10_956), 0);
        assert_eq!(day(47_482, 47_482), 0);
        assert_eq!(day_of_event(Timestamp::MIN, Timestamp::MAX), 0);
        assert_eq!(day_of_event(Timestamp::MAX, Timestamp::MAX), 0);
        assert_eq!(day_of_result(Timestamp::MIN), 0);
    }
}
