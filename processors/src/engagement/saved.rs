//! Engagement as chunks.
//!
//! `head` is small; `pending/` has the events that wait; `channels/` a record for every channel (`c`) and session (`s`); `window/`
//! what every channel's open window counts (`c`) and the distinct names in it (`n`), and is empty when a window has ended.
//!
//! Always holds: what changes for every channel when a window begins is not written for each: a channel's record says to which window
//! its peak belongs. Does not know: what is counted.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::Timestamp;

use super::sessions::Sessions;
use super::window::{Counts, NameKind};
use super::{Channel, Engagement};
use crate::maps::value_of;
use crate::state::bytes::{Reader, Stored, Unreadable, put_str, text};
use crate::state::journal::{Entries, Journal};
use crate::state::{Chunk, Head, StateError};

/// What was saved, and what changed since.
#[derive(Default)]
pub(super) struct Saved {
    /// Whether it was saved or restored before: until then no change is remembered, since all would be written.
    is_tracked: bool,
    head: Head,
    channels: Journal,
    window: Journal,
    unsaved_channels: Vec<Arc<str>>,
    unsaved_sessions: Vec<(Arc<str>, Arc<str>)>,
    unsaved_names: Vec<(Arc<str>, NameKind, Box<str>)>,
}

impl Saved {
    /// A channel got a record or is about to be forgotten.
    pub(super) fn note_channel(&mut self, channel_id: &Arc<str>, is_unsaved: &mut bool) {
        if self.is_tracked && !std::mem::replace(is_unsaved, true) {
            self.unsaved_channels.push(Arc::clone(channel_id));
        }
    }

    /// A session changed or is gone.
    pub(super) fn note_session(
        &mut self,
        channel_id: &Arc<str>,
        session_id: &Arc<str>,
        sessions: &mut Sessions,
    ) {
        if self.is_tracked && sessions.mark_unsaved(session_id) {
            self.unsaved_sessions.push((Arc::clone(channel_id), Arc::clone(session_id)));
        }
    }

    /// A name is counted for the first time in the open window.
    pub(super) fn note_name(&mut self, channel_id: &Arc<str>, kind: NameKind, name: &str) {
        if self.is_tracked {
            self.unsaved_names.push((Arc::clone(channel_id), kind, name.into()));
        }
    }

    /// The open window has ended.
    pub(super) fn clear_window(&mut self) {
        self.window.clear();
        self.unsaved_names.clear();
    }
}

type Known<'a> = &'a dyn Fn(&str, u64) -> bool;

impl Engagement {
    pub(super) fn save_chunks(&mut self, prefix: &str, is_known: Known<'_>, chunks: &mut Vec<Chunk>) {
        self.pending.save(prefix, is_known, chunks);
        let (changed, window) = self.take_unsaved();
        let is_tracked = std::mem::replace(&mut self.saved.is_tracked, true);
        let (saved, known, active, end) = (&mut self.saved, &self.channels, &self.active, self.window_end);
        let changed = is_tracked.then_some(changed);
        saved.channels.save(&format!("{prefix}/channels"), is_known, chunks, changed, |all| {
            for (channel_id, channel) in known {
                put_channel(channel_id, channel, end, all);
                for (session_id, session) in channel.sessions.iter() {
                    all.put(|key| put_key(b's', channel_id, session_id, key), |value| session.put(value));
                }
            }
        });
        let changed = is_tracked.then_some(window);
        saved.window.save(&format!("{prefix}/window"), is_known, chunks, changed, |all| {
            for (channel_id, channel) in active.iter().filter_map(|id| known.get_key_value(id)) {
                put_counts(channel_id, channel, all);
                for (kind, name) in channel.counts.names() {
                    put_name(channel_id, kind, name, all);
                }
            }
        });
        saved.head.save(format!("{prefix}/head"), is_known, chunks, |out| {
            self.last_tick.put(out);
            self.window_end.put(out);
            self.pending.put_head(out);
            saved.channels.put_head(out);
            saved.window.put_head(out);
        });
    }

    /// What changed since the last save: for `channels/` and for `window/`.
    fn take_unsaved(&mut self) -> (Entries, Entries) {
        let (mut channels, mut window) = (Entries::default(), Entries::default());
        for channel_id in self.saved.unsaved_channels.drain(..) {
            match self.channels.get_mut(&channel_id) {
                Some(channel) => {
                    channel.is_unsaved = false;
                    put_channel(&channel_id, channel, self.window_end, &mut channels);
                    if self.active.contains(&channel_id) {
                        put_counts(&channel_id, channel, &mut window);
                    }
                }
                None => channels.remove(|key| put_key(b'c', &channel_id, "", key)),
            }
        }
        for (channel_id, session_id) in self.saved.unsaved_sessions.drain(..) {
            let key = |key: &mut Vec<u8>| put_key(b's', &channel_id, &session_id, key);
            let channel = self.channels.get_mut(&channel_id);
            match channel.and_then(|channel| channel.sessions.mark_saved(&session_id)) {
                Some(session) => channels.put(key, |value| session.put(value)),
                None => channels.remove(key),
            }
        }
        for (channel_id, kind, name) in self.saved.unsaved_names.drain(..) {
            put_name(&channel_id, kind, &name, &mut window);
        }
        (channels, window)
    }

    pub(super) fn restore_chunks(
        &mut self,
        prefix: &str,
        chunks: &BTreeMap<String, Chunk>,
    ) -> Result<(), StateError> {
        let mut saved = Saved { is_tracked: true, ..Saved::default() };
        (saved.channels, saved.window) = saved.head.restore(&format!("{prefix}/head"), chunks, |head| {
            (self.last_tick, self.window_end) = (head.get()?, head.get()?);
            self.pending.get_head(head)?;
            Ok((Journal::get_head(head)?, Journal::get_head(head)?))
        })?;
        self.pending.restore(prefix, chunks)?;
        let start = self.window_end.plus_micros(-self.spec.window_micros);
        let mut ends: BTreeMap<Arc<str>, Timestamp> = BTreeMap::new();
        saved.channels.restore(&format!("{prefix}/channels"), chunks, |key, value| {
            let (kind, channel_id, rest) = get_key(key)?;
            match (kind, value) {
                (b'c', Some(value)) => {
                    self.channel(channel_id).sessions.restore_peak(value.get()?);
                    ends.insert(channel_id.into(), value.get()?);
                }
                (b'c', None) => {
                    self.channels.remove(channel_id);
                    ends.remove(channel_id);
                }
                (b's', Some(value)) => self.channel(channel_id).sessions.restore(rest, Some(value.get()?)),
                (b's', None) => self.channel(channel_id).sessions.restore(rest, None),
                _ => return Err(Unreadable("holds a key that is none")),
            }
            Ok(())
        })?;
        saved.window.restore(&format!("{prefix}/window"), chunks, |key, value| {
            let value = value.ok_or(Unreadable("lacks a value"))?;
            self.restore_window(get_key(key)?, value)
        })?;
        self.channels.retain(|channel_id, _| ends.contains_key(channel_id));
        for (channel_id, channel) in &mut self.channels {
            if ends.get(channel_id).is_some_and(|end| *end < self.window_end) {
                channel.sessions.begin_window(start);
            }
            let due = |(session_id, session): (&Arc<str>, &super::sessions::Session)| {
                Reverse((session.due, Arc::clone(channel_id), Arc::clone(session_id)))
            };
            self.time_outs.extend(channel.sessions.iter().map(due));
        }
        self.saved = saved;
        Ok(())
    }

    fn channel(&mut self, channel_id: &str) -> &mut Channel {
        value_of(&mut self.channels, channel_id)
    }

    fn restore_window(
        &mut self,
        (kind, channel_id, rest): (u8, &str, &str),
        value: &mut Reader<'_>,
    ) -> Result<(), Unreadable> {
        let Some((channel_id, _)) = self.channels.get_key_value(channel_id) else {
            return Err(Unreadable("counts for a channel that is not there"));
        };
        let channel_id = Arc::clone(channel_id);
        let channel = self.channel(&channel_id);
        if kind == b'c' {
            let (revision, counts): (i64, Counts) = value.get()?;
            channel.revision = revision;
            channel.counts.restore_sums(counts);
            self.active.insert(channel_id);
            return Ok(());
        }
        let kind = match kind {
            b'0' => NameKind::Chatter,
            b'1' => NameKind::User,
            b'2' => NameKind::AnonymousSession,
            _ => return Err(Unreadable("holds a key that is none")),
        };
        channel.counts.add_name(kind, rest, |_, _| {});
        Ok(())
    }
}

fn put_key(kind: u8, channel_id: &str, rest: &str, out: &mut Vec<u8>) {
    out.push(kind);
    put_str(out, channel_id);
    out.extend_from_slice(rest.as_bytes());
}

fn get_key<'a>(key: &mut Reader<'a>) -> Result<(u8, &'a str, &'a str), Unreadable> {
    Ok((key.take(1)?[0], key.str()?, text(key.rest())?))
}

fn put_channel(channel_id: &str, channel: &Channel, window_end: Timestamp, out: &mut Entries) {
    out.put(
        |key| put_key(b'c', channel_id, "", key),
        |value| {
            channel.sessions.peak().put(value);
            window_end.put(value);
        },
    );
}

fn put_counts(channel_id: &str, channel: &Channel, out: &mut Entries) {
    out.put(
        |key| put_key(b'c', channel_id, "", key),
        |value| {
            channel.revision.put(value);
            channel.counts.put(value);
        },
    );
}

fn put_name(channel_id: &str, kind: NameKind, name: &str, out: &mut Entries) {
    let kind = match kind {
        NameKind::Chatter => b'0',
        NameKind::User => b'1',
        NameKind::AnonymousSession => b'2',
    };
    out.put(|key| put_key(kind, channel_id, name, key), |_| {});
}
