//! A record as the store keeps it: which series it belongs to, its place there, and its freshness.
//!
//! Always holds: a record that lacks what its kind needs is refused, never guessed. Does not know: offsets, frames.

use schemas::Topic;
use serde_json::Value as Json;

use super::selector::{Kind, SeriesKey};

/// The place within a series: the window's start or the event's time, then an id where several share an instant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Microseconds since 1970.
    pub time: i64,
    /// Empty where the time says it all.
    pub id: Box<str>,
}

/// One change of what is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The series.
    pub key: SeriesKey,
    /// The place within the series.
    pub slot: Slot,
    /// A row replaces an earlier one of its slot unless its order is less.
    pub order: i64,
    /// Event time that the value reflects, in microseconds.
    pub as_of: i64,
    /// The watermark when the value was computed, in microseconds; none for what is not computed.
    pub watermark: Option<i64>,
    /// The record with its schema's field names.
    pub value: Json,
}

/// A record of another shape than its topic's: the field that is missing or of the wrong type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field `{0}` is missing or of the wrong type")]
pub struct WrongShape(&'static str);

fn text<'a>(value: &'a Json, field: &'static str) -> Result<&'a str, WrongShape> {
    value.get(field).and_then(Json::as_str).ok_or(WrongShape(field))
}

fn number(value: &Json, field: &'static str) -> Result<i64, WrongShape> {
    value.get(field).and_then(Json::as_i64).ok_or(WrongShape(field))
}

/// A window's start and end; none of all time.
fn window(value: &Json) -> Result<Option<(i64, i64)>, WrongShape> {
    match (value.get("window_start"), value.get("window_end")) {
        (Some(Json::Null), Some(Json::Null)) => Ok(None),
        _ => Ok(Some((number(value, "window_start")?, number(value, "window_end")?))),
    }
}

/// Takes sketches and histograms out of a window: they are for merging many, and larger than all that a client shows.
fn leave_out_what_windows_are_merged_by(window: &mut Json) {
    if let Some(fields) = window.as_object_mut() {
        fields.retain(|name, _| !name.ends_with("_sketch") && !name.ends_with("_histogram"));
    }
}

impl Row {
    /// The row of a record of the chat or of a result topic.
    ///
    /// # Errors
    /// If a field that places it is not there.
    pub fn from_record(topic: Topic, mut value: Json) -> Result<Self, WrongShape> {
        let at = |time: i64| Slot { time, id: "".into() };
        let (kind, parts, slot, order): (_, Vec<Box<str>>, _, _) = match topic {
            Topic::Leaderboards => {
                let parts = [text(&value, "board")?, text(&value, "group")?, text(&value, "window")?];
                let end = window(&value)?.map_or(i64::MAX, |(_, end)| end);
                (Kind::Leaderboards, parts.map(Into::into).into(), at(0), end)
            }
            Topic::Engagement => {
                leave_out_what_windows_are_merged_by(&mut value);
                let (start, length_s) = window(&value)?
                    .map_or((0, 0), |(start, end)| (start, end.saturating_sub(start) / 1_000_000));
                let parts = vec![text(&value, "channel_id")?.into(), length_s.to_string().into()];
                (Kind::Engagement, parts, at(start), 0)
            }
            Topic::Markets => {
                let market = format!("{}:{}", text(&value, "venue")?, text(&value, "symbol")?);
                let parts = vec![market.into(), number(&value, "interval_s")?.to_string().into()];
                (Kind::Markets, parts, at(number(&value, "window_start")?), 0)
            }
            Topic::Moderation => {
                let id = text(&value, "flag_id")?.into();
                let slot = Slot { time: number(&value, "event_time")?, id };
                (Kind::Moderation, vec![text(&value, "channel_id")?.into()], slot, 0)
            }
            Topic::Chat => {
                let what = match (text(&value, "kind")?, value.get("is_question")) {
                    ("message", Some(Json::Bool(true))) => "question",
                    ("message", _) => "message",
                    _ => "action",
                };
                // a sender's clock that runs ahead keeps no place that others' messages need
                let time = number(&value, "event_time")?.min(number(&value, "ingest_time")?);
                let slot = Slot { time, id: text(&value, "event_id")?.into() };
                (Kind::Chat, vec![text(&value, "channel_id")?.into(), what.into()], slot, 0)
            }
            _ => unreachable!("{topic} is not shown"),
        };
        let (as_of, watermark) = match kind {
            Kind::Chat => (number(&value, "event_time")?, None),
            _ => (number(&value, "as_of")?, Some(number(&value, "watermark")?)),
        };
        Ok(Row { key: SeriesKey { kind, parts }, slot, order, as_of, watermark, value })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_window_goes_out_without_sketches_and_histograms() {
        let window = json!({
            "channel_id": "a", "window_start": 0, "window_end": 60_000_000, "unique_viewers": 7,
            "unique_viewers_sketch": [{"register": 1, "rank": 2}], "startup_p50_ms": 3,
            "startup_histogram": [{"value_ms": 3, "count": 1}], "as_of": 1, "watermark": 1,
        });
        let row = Row::from_record(Topic::Engagement, window).expect("a window");
        let names: Vec<&str> = row.value.as_object().expect("an object").keys().map(String::as_str).collect();
        let kept = [
            "channel_id",
            "window_start",
            "window_end",
            "unique_viewers",
            "startup_p50_ms",
            "as_of",
            "watermark",
        ];
        assert_eq!(names, kept);
    }
}
