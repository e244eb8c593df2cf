//! The frames that clients receive, as JSON text.
//!
//! Always holds: every frame has `type`, `id` (`epoch:offset`), `as_of` and `watermark`; the items of a snapshot are
//! change frames, byte for byte. Does not know: who gets them.

use axum::extract::ws::Utf8Bytes;
use serde_json::{Value as Json, json};

use super::row::Row;

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
pub fn change(epoch: &str, offset: u64, row: &Row) -> Utf8Bytes {
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
        items: &[(u64, Utf8Bytes)],
    ) -> Utf8Bytes {
        let mut head = self.head("snapshot");
        if let Some(forbidden) = forbidden.filter(|_| part == 0) {
            head["forbidden"] = forbidden.clone();
        }
        head["part"] = part.into();
        head["is_last"] = is_last.into();
        let mut list = String::with_capacity(items.iter().map(|(_, item)| item.len() + 1).sum::<usize>() + 2);
        list.push('[');
        for (index, (_, item)) in items.iter().enumerate() {
            list.push_str(if index == 0 { "" } else { "," });
            list.push_str(item);
        }
        list.push(']');
        with_last_field(&head, "items", &list)
    }

    /// What was missed follows. `forbidden` as in a snapshot.
    #[must_use]
    pub fn resumed(&self, forbidden: Option<&Json>) -> Utf8Bytes {
        let mut frame = self.head("resumed");
        if let Some(forbidden) = forbidden {
            frame["forbidden"] = forbidden.clone();
        }
        frame.to_string().into()
    }

    /// Nothing new, and the line is alive. `server_time` in microseconds.
    #[must_use]
    pub fn heartbeat(&self, server_time: i64) -> Utf8Bytes {
        let mut frame = self.head("heartbeat");
        frame["server_time"] = server_time.into();
        frame.to_string().into()
    }

    /// The client did something wrong; the connection ends.
    #[must_use]
    pub fn error(&self, code: &str, message: &str) -> Utf8Bytes {
        let mut frame = self.head("error");
        frame["code"] = code.into();
        frame["message"] = message.into();
        frame.to_string().into()
    }
}

/// `object` with one more field whose JSON text is at hand already.
fn with_last_field(object: &Json, name: &str, text: &str) -> Utf8Bytes {
    let mut frame = object.to_string();
    frame.pop();
    frame.reserve(name.len() + text.len() + 5);
    frame.push_str(",\"");
    frame.push_str(name);
    frame.push_str("\":");
    frame.push_str(text);
    frame.push('}');
    frame.into()
}
