//! Lines of a Binance WebSocket capture: `<recv_ns> <json>` or `<recv s>: <json>`, the message bare or in the
//! combined stream's wrapper `{"stream": ..., "data": ...}`.
//!
//! Always holds: only `trade` messages become events. `aggTrade` is the same trades again, summed up; depth, book tickers
//! and answers to subscriptions are no trades: all give none. `wss://...` lines and those marked `<-` are what
//! the recorder sent. Event time is `T` (milliseconds, or microseconds by size); ingest time is the time in front of the
//! line, else the message's own `E`.
//!
//! Does not know: which of Binance's markets it reads; the option `venue` says.

use std::borrow::Cow;

use schemas::{Amount, Event};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::binance::Trade;
use super::{ParseError, instant_by_magnitude, parse_instant};

#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(borrow, default)]
    e: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<Inner<'a>>,
}

/// In the wrapper there may be any JSON; only objects are looked into.
#[derive(Deserialize)]
#[serde(untagged)]
enum Inner<'a> {
    Object {
        #[serde(borrow, default)]
        e: Option<Cow<'a, str>>,
    },
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct Wrapper<'a> {
    #[serde(borrow)]
    data: Written<'a>,
}

#[derive(Deserialize)]
#[allow(non_snake_case)] // the names are Binance's
struct Written<'a> {
    #[serde(borrow)]
    s: Cow<'a, str>,
    t: i64,
    p: Amount,
    q: Amount,
    T: i64,
    #[serde(default)]
    E: Option<i64>,
    m: bool,
}

/// Appends the trade in a line to `events`, if there is one.
///
/// # Errors
/// If the line is not JSON behind a time, or a trade lacks a field.
pub fn parse(line: &str, venue: &str, events: &mut Vec<Event<'static>>) -> Result<(), ParseError> {
    let line = line.trim();
    if line.is_empty() || line.starts_with("wss://") || line.starts_with("ws://") {
        return Ok(());
    }
    let (received, json) = if line.starts_with(['{', '[']) {
        (None, line)
    } else {
        let (time, rest) = line
            .split_once(' ')
            .ok_or_else(|| ParseError::Shape("neither JSON nor a receive time and JSON".into()))?;
        let time = time.strip_suffix(':').unwrap_or(time);
        let received = parse_instant(time).ok_or_else(|| {
            ParseError::Shape("does not start with a receive time in nanoseconds or seconds".into())
        })?;
        (Some(received), rest.trim_start())
    };
    if json.starts_with("<-") {
        return Ok(());
    }
    let shape = |error: serde_json::Error| ParseError::Shape(error.to_string());
    if json.starts_with('[') {
        serde_json::from_str::<IgnoredAny>(json).map_err(shape)?;
        return Ok(());
    }
    let probe: Probe<'_> = serde_json::from_str(json).map_err(shape)?;
    let written = match (probe.e.as_deref(), probe.data) {
        (Some("trade"), _) => serde_json::from_str::<Written<'_>>(json).map_err(shape)?,
        (None, Some(Inner::Object { e: Some(e) })) if e == "trade" => {
            serde_json::from_str::<Wrapper<'_>>(json).map_err(shape)?.data
        }
        _ => return Ok(()),
    };
    let event_time = instant_by_magnitude(written.T);
    let trade = Trade {
        symbol: &written.s,
        trade_id: written.t,
        price: written.p,
        quantity: written.q,
        is_buyer_maker: written.m,
        event_time,
        ingest_time: received.or(written.E.map(instant_by_magnitude)).unwrap_or(event_time),
    };
    events.push(trade.into_event(venue));
    Ok(())
}
