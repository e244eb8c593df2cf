//! The frames that clients receive, as JSON text.
//!
//! Always holds: every frame has `type`, `id` (`epoch:offset`), `as_of` and `watermark`; the items of a snapshot are
//! change frames, byte for byte. Does not know: who gets them.

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::message::{self, Kind};
use super::row::Row;

/// A frame's text as a whole WebSocket message, made once and shared by all who receive it in whatever way.
#[derive(Clone, Debug)]
pub struct Text {
    message: Bytes,
    start: usize,
}

impl Text {
    fn new(json: &str) -> Self {
        let message = message::encode(Kind::Text, json.as_bytes());
        Text { start: message.len() - json.len(), message }
    }

    /// With the header of a WebSocket message.
    #[must_use]
    pub fn message(&self) -> &Bytes {
        &self.message
    }

    /// The text alone, not copied.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.message.slice(self.start..)
    }

    /// Bytes of the text alone.
    #[must_use]
    pub fn text_len(&self) -> usize {
        self.message.len() - self.start
    }

    /// The text alone.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.message[self.start..]).unwrap_or_default() // it was made of text
    }
}

/// The place of a frame in the numbering, as clients see it.
#[must_use]
pub fn id(epoch: &str, offset: u64) -> String {
    format!("{epoch}:{offset}")
}

/// The offset in an id of this epoch; none if it is of another or no id at all.
#[must_use]
pub fn offset_of(epoch: &str, id: &str) -> Option<u64> {
    id.strip_prefix(epoch)?.strip_prefix(':')?.parse().ok()
}

/// A change of one slot.
#[must_use]
pub fn change(epoch: &str, offset: u64, row: &Row) -> Text {
    let head = json!({
        "type": "change",
        "id": id(epoch, offset),
        "kind": row.key.kind.name(),
        "key": row.key.to_json(),
        "as_of": row.as_of,
        "watermark": row.watermark,
    });
    with_last_field(&head, "value", &row.value.to_string())
}

/// Where and when a frame that is made for one client stands.
pub struct Stand<'a> {
    /// The gateway's epoch.
    pub epoch: &'a str,
    /// Everything up to this offset is in this frame and those before it.
    pub offset: u64,
    /// The newest of any result, in microseconds.
    pub as_of: Option<i64>,
    /// The newest of any result, in microseconds.
    pub watermark: Option<i64>,
}

impl Stand<'_> {
    fn head(&self, kind: &str) -> Json {
        json!({
            "type": kind,
            "id": id(self.epoch, self.offset),
            "as_of": self.as_of,
            "watermark": self.watermark,
        })
    }

    /// One part of a snapshot. `forbidden`: what is left out, for who wants to be told.
    #[must_use]
    pub fn snapshot(
        &self,
        part: usize,
        is_last: bool,
        forbidden: Option<&Json>,
        items: &[(u64, Text)],
    ) -> Text {
        let mut head = self.head("snapshot");
        if let Some(forbidden) = forbidden.filter(|_| part == 0) {
            head["forbidden"] = forbidden.clone();
        }
        head["part"] = part.into();
        head["is_last"] = is_last.into();
        let mut list =
            String::with_capacity(items.iter().map(|(_, item)| item.text_len() + 1).sum::<usize>() + 2);
        list.push('[');
        for (index, (_, item)) in items.iter().enumerate() {
            list.push_str(if index == 0 { "" } else { "," });
            list.push_str(item.as_str());
        }
        list.push(']');
        with_last_field(&head, "items", &list)
    }

    /// What was missed follows. `forbidden` as in a snapshot.
    #[must_use]
    pub fn resumed(&self, forbidden: Option<&Json>) -> Text {
        let mut frame = self.head("resumed");
        if let Some(forbidden) = forbidden {
            frame["forbidden"] = forbidden.clone();
        }
        Text::new(&frame.to_string())
    }

    /// Nothing new, and the line is alive. `server_time` in microseconds.
    #[must_use]
    pub fn heartbeat(&self, server_time: i64) -> Text {
        let mut frame = self.head("heartbeat");
        frame["server_time"] = server_time.into();
        Text::new(&frame.to_string())
    }

    /// The client did something wrong; the connection ends.
    #[must_use]
    pub fn error(&self, code: &str, message: &str) -> Text {
        let mut frame = self.head("error");
        frame["code"] = code.into();
        frame["message"] = message.into();
        Text::new(&frame.to_string())
    }
}

/// `object` with one more field whose JSON text is at hand already.
fn with_last_field(object: &Json, name: &str, text: &str) -> Text {
    let mut frame = object.to_string();
    frame.pop();
    frame.reserve(name.len() + text.len() + 5);
    frame.push_str(",\"");
    frame.push_str(name);
    frame.push_str("\":");
    frame.push_str(text);
    frame.push('}');
    Text::new(&frame)
}
