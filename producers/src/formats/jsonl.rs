//! Our own JSON lines: `{"topic": "events.chat", "record": {...}}`, the record with its schema's field names, decimals
//! as strings, instants as microseconds since 1970. It is what the commands that show records print.
//!
//! Always holds: other fields of the line (key, offset, ...) are ignored; the topic may carry a deployment's prefix.
//! Does not know: results; a line of a result topic is an error, because nothing can be replayed from it.

use schemas::{ChatEvent, Emote, Event, ReactionEvent, Text, Topic, TradeEvent, ViewerEvent};
use serde::Deserialize;
use serde_json::Value;

use super::{ParseError, field_error};

/// Appends the event in a line to `events`; an empty line has none.
///
/// # Errors
/// If the line is not such an object, or the record does not fit its topic's schema.
pub fn parse(line: &str, events: &mut Vec<Event<'static>>) -> Result<(), ParseError> {
    if line.trim().is_empty() {
        return Ok(());
    }
    let shape = |error: serde_json::Error| ParseError::Shape(error.to_string());
    let written: Value = serde_json::from_str(line).map_err(shape)?;
    let topic = written.get("topic").and_then(Value::as_str).ok_or(ParseError::Missing("topic"))?;
    let record = written.get("record").ok_or(ParseError::Missing("record"))?;
    let known = Topic::EVENTS.into_iter().find(|known| topic.ends_with(known.name()));
    let known = known.ok_or_else(|| field_error("topic", topic, "not a topic of events"))?;
    if !record.is_object() {
        return Err(ParseError::Shape("the record is not an object".into()));
    }
    let event = match known {
        Topic::Chat => ChatEvent::deserialize(record).map(Event::Chat),
        Topic::Reactions => ReactionEvent::deserialize(record).map(Event::Reaction),
        Topic::Viewers => ViewerEvent::deserialize(record).map(Event::Viewer),
        _ => TradeEvent::deserialize(record).map(Event::Trade),
    };
    events.push(into_owned(event.map_err(shape)?));
    Ok(())
}

fn optional(text: Option<Text<'_>>) -> Option<Text<'static>> {
    text.map(Text::into_owned)
}

fn list(texts: Vec<Text<'_>>) -> Vec<Text<'static>> {
    texts.into_iter().map(Text::into_owned).collect()
}

/// The same event, independent of the line.
fn into_owned(event: Event<'_>) -> Event<'static> {
    match event {
        Event::Chat(event) => Event::Chat(owned_chat(event)),
        Event::Reaction(event) => Event::Reaction(ReactionEvent {
            event_id: event.event_id.into_owned(),
            source: event.source.into_owned(),
            channel_id: event.channel_id.into_owned(),
            user_id: optional(event.user_id),
            stream_id: optional(event.stream_id),
            user_name: optional(event.user_name),
            emoji: optional(event.emoji),
            currency: optional(event.currency),
            target_id: optional(event.target_id),
            option: optional(event.option),
            event_time: event.event_time,
            ingest_time: event.ingest_time,
            kind: event.kind,
            count: event.count,
            amount_micros: event.amount_micros,
        }),
        Event::Viewer(event) => Event::Viewer(ViewerEvent {
            event_id: event.event_id.into_owned(),
            source: event.source.into_owned(),
            channel_id: event.channel_id.into_owned(),
            user_id: optional(event.user_id),
            stream_id: optional(event.stream_id),
            session_id: event.session_id.into_owned(),
            device: optional(event.device),
            country: optional(event.country),
            event_time: event.event_time,
            ingest_time: event.ingest_time,
            kind: event.kind,
            watch_ms: event.watch_ms,
            startup_ms: event.startup_ms,
            rebuffer_count: event.rebuffer_count,
            rebuffer_ms: event.rebuffer_ms,
            bitrate_kbps: event.bitrate_kbps,
            live_latency_ms: event.live_latency_ms,
        }),
        Event::Trade(event) => Event::Trade(TradeEvent {
            event_id: event.event_id.into_owned(),
            source: event.source.into_owned(),
            channel_id: event.channel_id.into_owned(),
            user_id: optional(event.user_id),
            stream_id: optional(event.stream_id),
            venue: event.venue.into_owned(),
            symbol: event.symbol.into_owned(),
            event_time: event.event_time,
            ingest_time: event.ingest_time,
            trade_id: event.trade_id,
            price: event.price,
            quantity: event.quantity,
            aggressor: event.aggressor,
        }),
        Event::Partial(partial) => Event::Partial(partial),
    }
}

fn owned_chat(event: ChatEvent<'_>) -> ChatEvent<'static> {
    let owned_emote = |emote: Emote<'_>| Emote {
        id: emote.id.into_owned(),
        name: emote.name.into_owned(),
        count: emote.count,
    };
    ChatEvent {
        event_id: event.event_id.into_owned(),
        source: event.source.into_owned(),
        channel_id: event.channel_id.into_owned(),
        user_id: optional(event.user_id),
        stream_id: optional(event.stream_id),
        user_name: optional(event.user_name),
        text: optional(event.text),
        emotes: event.emotes.into_iter().map(owned_emote).collect(),
        roles: list(event.roles),
        badges: list(event.badges),
        reply_to: optional(event.reply_to),
        target_message_id: optional(event.target_message_id),
        target_user_id: optional(event.target_user_id),
        event_time: event.event_time,
        ingest_time: event.ingest_time,
        kind: event.kind,
        is_question: event.is_question,
        is_first_message: event.is_first_message,
        duration_ms: event.duration_ms,
    }
}
