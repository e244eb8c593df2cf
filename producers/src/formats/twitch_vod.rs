//! A Twitch VOD's chat as one JSON document: `{"video": {...}, "comments": [...]}`, comments in the v5 shape.
//!
//! **Time**: a comment's place is `content_offset_seconds` after the start; its `created_at` is not reliable. The start is
//! the option given, else the document's `video.created_at`, else 1970-01-01T00:00Z. Nobody wrote down when the
//! comments were received: ingest time equals event time.
//! **Ids**: `twitch:` and `_id`. A comment gives a message; with bits also a cheer, with a sub or resub notice also
//! a subscription. A comment that cannot be read does not harm the others.
//!
//! Does not know: files.

use std::borrow::Cow;

use schemas::{ChatKind, Event, ReactionKind, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::twitch::{self, Context};
use super::{ParseError, field_error, parse_instant};

/// A document, opened: where it starts, and its comments, unread.
#[derive(Debug)]
pub struct Document {
    start: Timestamp,
    /// The comments as they stand.
    pub comments: Vec<Value>,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    video: Option<Video>,
    comments: Vec<Value>,
}

#[derive(Deserialize)]
struct Video {
    #[serde(default)]
    created_at: Option<String>,
}

#[derive(Deserialize)]
struct Comment<'a> {
    #[serde(borrow)]
    _id: Cow<'a, str>,
    #[serde(borrow)]
    channel_id: Cow<'a, str>,
    content_offset_seconds: f64,
    #[serde(borrow, default)]
    commenter: Option<Commenter<'a>>,
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct Commenter<'a> {
    #[serde(borrow)]
    _id: Cow<'a, str>,
    #[serde(borrow, default)]
    display_name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    body: Cow<'a, str>,
    #[serde(default)]
    is_action: bool,
    #[serde(borrow, default)]
    fragments: Vec<Fragment<'a>>,
    #[serde(borrow, default)]
    user_badges: Option<Vec<Badge<'a>>>,
    #[serde(default)]
    bits_spent: Option<i64>,
    #[serde(default)]
    user_notice_params: Option<Value>,
}

#[derive(Deserialize)]
struct Fragment<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow, default)]
    emoticon: Option<Emoticon<'a>>,
}

#[derive(Deserialize)]
struct Emoticon<'a> {
    #[serde(borrow)]
    emoticon_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Badge<'a> {
    #[serde(borrow)]
    _id: Cow<'a, str>,
    #[serde(borrow, default)]
    version: Cow<'a, str>,
}

impl Document {
    /// Opens a document.
    ///
    /// # Errors
    /// If it is not JSON, has no `comments`, or its start cannot be read.
    pub fn parse(bytes: &[u8], start: Option<Timestamp>) -> Result<Self, ParseError> {
        let written: Written =
            serde_json::from_slice(bytes).map_err(|error| ParseError::Shape(error.to_string()))?;
        let created_at = written.video.and_then(|video| video.created_at);
        let start = match (start, created_at) {
            (Some(start), _) => start,
            (None, Some(text)) => parse_instant(&text)
                .ok_or_else(|| field_error("video.created_at", &text, "not an instant in RFC 3339"))?,
            (None, None) => Timestamp::default(),
        };
        Ok(Document { start, comments: written.comments })
    }

    /// Appends what a comment means to `events`.
    ///
    /// # Errors
    /// If it is not a comment in the v5 shape.
    pub fn read(&self, comment: &Value, events: &mut Vec<Event<'static>>) -> Result<(), ParseError> {
        let comment = Comment::deserialize(comment).map_err(|error| ParseError::Shape(error.to_string()))?;
        let offset_s = comment.content_offset_seconds;
        // a day has 86,400 s; no video lasts a century
        if !(0.0..4e9).contains(&offset_s) {
            let problem = "not a number of seconds from 0";
            return Err(field_error("content_offset_seconds", &offset_s.to_string(), problem));
        }
        let event_time = self.start.plus_micros((offset_s * 1e6).round() as i64);
        let context = Context {
            id: twitch::id(&comment._id),
            event_time,
            ingest_time: event_time,
            channel_id: twitch::id(&comment.channel_id),
            user_id: comment.commenter.as_ref().map(|commenter| twitch::id(&commenter._id)),
            user_name: comment
                .commenter
                .and_then(|commenter| commenter.display_name)
                .map(|name| name.into_owned().into()),
        };
        let message = comment.message;
        let badges = message.user_badges.unwrap_or_default();
        let mut event = context.chat(ChatKind::Message);
        for fragment in &message.fragments {
            if let Some(emoticon) = &fragment.emoticon {
                twitch::count_emote(&mut event.emotes, &emoticon.emoticon_id, fragment.text.trim());
            }
        }
        event.roles = twitch::roles(badges.iter().map(|badge| &*badge._id));
        event.badges = badges.iter().map(|badge| format!("{}/{}", badge._id, badge.version).into()).collect();
        event.text = Some(twitch::text(&message.body, message.is_action));
        events.push(Event::Chat(event));
        if let Some(bits) = message.bits_spent.filter(|bits| *bits > 0) {
            events.push(Event::Reaction(context.reaction(ReactionKind::Cheer, bits)));
        }
        let notice = message.user_notice_params.as_ref().and_then(|notice| notice.get("msg-id"));
        let kind = notice.and_then(Value::as_str).and_then(twitch::notice_kind);
        if kind == Some(ReactionKind::Subscription) {
            events.push(Event::Reaction(context.reaction(ReactionKind::Subscription, 1)));
        }
        Ok(())
    }
}
