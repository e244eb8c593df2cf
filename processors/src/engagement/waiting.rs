//! What waits of an event until it becomes visible, and how it is written meanwhile.
//!
//! Always holds: what was put is got again. Does not know: when that is.

use schemas::Timestamp;

use super::activity::Activity;
use crate::state::bytes::{Reader, Stored, Unreadable, put_str};

/// An event that waits to become visible.
pub(super) struct Waiting<'a> {
    pub(super) channel_id: &'a str,
    pub(super) event_time: Timestamp,
    pub(super) activity: Activity,
    pub(super) is_in_window: bool,
    pub(super) tells_presence: bool,
}

impl<'a> Waiting<'a> {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_str(out, self.channel_id);
        self.event_time.put(out);
        self.activity.put(out);
        self.is_in_window.put(out);
        self.tells_presence.put(out);
    }

    pub(super) fn get(reader: &mut Reader<'a>) -> Result<Self, Unreadable> {
        Ok(Waiting {
            channel_id: reader.str()?,
            event_time: reader.get()?,
            activity: reader.get()?,
            is_in_window: reader.get()?,
            tells_presence: reader.get()?,
        })
    }
}
