//! Engagement as chunks.
//!
//! `head` is small; `pending/` has the events that wait; `channels/` a record for every channel (`c`), session (`s`) and cohort (`j`);
//! `window/` what every channel's open window counts and whether the next tick shows it (`c`), its distinct names (`0`, `1`) and its messages (`m`), and is empty when
//! a window has ended. A chatter is known by the messages, but for one of whom a message is not remembered.
//!
//! Always holds: what changes for every channel when a window begins is not written for each: a channel's record says to which window
//! its presence belongs. Does not know: what is counted.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::Timestamp;

use super::sessions::{Presence, Sessions};
use super::window::{Counts, Piece};
use super::{Channel, Engagement, Waiting};
use crate::maps::value_of;
use crate::pending::ONLY_LANE;
use crate::state::bytes::{Reader, Stored, Unreadable, put_str};
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
    unsaved_sessions: Vec<(Arc<str>, u64)>,
    unsaved_cohorts: Vec<(Arc<str>, Timestamp)>,
    unsaved_pieces: Vec<(Arc<str>, Piece)>,
}

impl Saved {
    /// A channel got a record or is about to be forgotten.
    pub(super) fn note_channel(&mut self, channel_id: &Arc<str>, is_unsaved: &mut bool) {
        if self.is_tracked && !std::mem::replace(is_unsaved, true) {
            self.unsaved_channels.push(Arc::clone(channel_id));
        }
    }

    /// A session changed or is gone.
    pub(super) fn note_session(&mut self, channel_id: &Arc<str>, session_id: u64, sessions: &mut Sessions) {
        if self.is_tracked && sessions.mark_unsaved(session_id) {
            self.unsaved_sessions.push((Arc::clone(channel_id), session_id));
        }
    }

    /// A cohort changed or is gone.
    pub(super) fn note_cohort(&mut self, channel_id: &Arc<str>, join: Timestamp) {
        if self.is_tracked {
            self.unsaved_cohorts.push((Arc::clone(channel_id), join));
        }
    }

    /// A piece of the open window has come, changed or gone.
    pub(super) fn note_piece(&mut self, channel_id: &Arc<str>, piece: Piece) {
        if self.is_tracked {
            self.unsaved_pieces.push((Arc::clone(channel_id), piece));
        }
    }

    /// The open window has ended.
    pub(super) fn clear_window(&mut self) {
        self.window.clear();
        self.unsaved_pieces.clear();
    }
}

type Known<'a> = &'a dyn Fn(&str, u64) -> bool;

impl Engagement {
    pub(super) fn save_chunks(&mut self, prefix: &str, is_known: Known<'_>, chunks: &mut Vec<Chunk>) {
        self.pending.save(prefix, is_known, chunks);
        let (changed, window) = self.take_unsaved();
        let is_tracked = std::mem::replace(&mut self.saved.is_tracked, true);
        let (saved, known, due, end) = (&mut self.saved, &self.channels, &self.due, self.window_end);
        let changed = is_tracked.then_some(changed);
        saved.channels.save(&format!("{prefix}/channels"), is_known, chunks, changed, |all| {
            for (channel_id, channel) in known {
                put_channel(channel_id, channel, end, all);
                for (session_id, session) in channel.sessions.iter() {
                    all.put(|key| put_key(b's', channel_id, &session_id, key), |value| session.put(value));
                }
                for (join, cohort) in channel.cohorts.iter() {
                    all.put(|key| put_key(b'j', channel_id, &join, key), |value| cohort.put(value));
                }
            }
        });
        let changed = is_tracked.then_some(window);
        saved.window.save(&format!("{prefix}/window"), is_known, chunks, changed, |all| {
            for (channel_id, channel) in due.active().filter_map(|id| known.get_key_value(id)) {
                put_counts(channel_id, channel, all);
                channel.counts.pieces().for_each(|piece| put_piece(channel_id, piece, &channel.counts, all));
            }
        });
        saved.head.save(format!("{prefix}/head"), is_known, chunks, |out| {
            self.as_of.put(out);
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
                    if channel.is_active {
                        put_counts(&channel_id, channel, &mut window);
                    }
                }
                None => channels.remove(|key| put_key(b'c', &channel_id, &(), key)),
            }
        }
        for (channel_id, session_id) in self.saved.unsaved_sessions.drain(..) {
            let key = |key: &mut Vec<u8>| put_key(b's', &channel_id, &session_id, key);
            let channel = self.channels.get_mut(&channel_id);
            match channel.and_then(|channel| channel.sessions.mark_saved(session_id)) {
                Some(session) => channels.put(key, |value| session.put(value)),
                None => channels.remove(key),
            }
        }
        for (channel_id, join) in self.saved.unsaved_cohorts.drain(..) {
            let key = |key: &mut Vec<u8>| put_key(b'j', &channel_id, &join, key);
            match self.channels.get(&channel_id).and_then(|channel| channel.cohorts.get(join)) {
                Some(cohort) => channels.put(key, |value| cohort.put(value)),
                None => channels.remove(key),
            }
        }
        for (channel_id, piece) in self.saved.unsaved_pieces.drain(..) {
            if let Some(channel) = self.channels.get(&channel_id) {
                put_piece(&channel_id, piece, &channel.counts, &mut window);
            }
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
            (self.as_of, self.window_end) = (head.get()?, head.get()?);
            self.pending.get_head(head)?;
            Ok((Journal::get_head(head)?, Journal::get_head(head)?))
        })?;
        self.pending.restore(prefix, chunks, |reader| Waiting::get(reader).map(|_| ONLY_LANE))?;
        let mut ends: BTreeMap<Arc<str>, Timestamp> = BTreeMap::new();
        saved.channels.restore(&format!("{prefix}/channels"), chunks, |key, value| {
            let (kind, channel_id) = get_key(key)?;
            if kind == b'c' {
                match self.restore_channel(channel_id, value)? {
                    Some(end) => ends.insert(channel_id.into(), end),
                    None => ends.remove(channel_id),
                };
                return Ok(());
            }
            let channel = value_of(&mut self.channels, channel_id);
            match kind {
                b's' => channel.sessions.restore(key.get()?, optional(value)?),
                b'j' => channel.cohorts.restore(key.get()?, optional(value)?),
                _ => return Err(Unreadable("holds a key that is none")),
            }
            Ok(())
        })?;
        saved.window.restore(&format!("{prefix}/window"), chunks, |key, value| {
            let (kind, channel_id) = get_key(key)?;
            self.restore_window(kind, channel_id, key, value)
        })?;
        self.channels.retain(|channel_id, _| ends.contains_key(channel_id));
        self.finish_restore(&ends);
        self.saved = saved;
        Ok(())
    }

    /// Takes over a channel's own record, or that it is gone. Gives the end of the window to which its presence belongs.
    fn restore_channel(
        &mut self,
        channel_id: &str,
        value: Option<&mut Reader<'_>>,
    ) -> Result<Option<Timestamp>, Unreadable> {
        let Some(value) = value else {
            self.channels.remove(channel_id);
            return Ok(None);
        };
        let presence: (Presence, Timestamp) = value.get()?;
        value_of(&mut self.channels, channel_id).sessions.restore_presence(presence);
        value.get().map(Some)
    }

    fn restore_window(
        &mut self,
        kind: u8,
        channel_id: &str,
        key: &mut Reader<'_>,
        value: Option<&mut Reader<'_>>,
    ) -> Result<(), Unreadable> {
        let channel = self.channels.get_mut(channel_id);
        let channel = channel.ok_or(Unreadable("counts for a channel that is not there"))?;
        match (kind, value) {
            (b'c', Some(value)) => {
                channel.revision = value.get()?;
                channel.is_changed = value.get()?;
                channel.is_active = true;
                channel.counts.restore_sums(value.get()?);
            }
            (b'0', Some(_)) => channel.counts.restore_name(Piece::Chatter(key.get()?)),
            (b'1', Some(_)) => channel.counts.restore_name(Piece::Viewer(key.get()?)),
            (b'm', value) => channel.counts.restore_message(key.get()?, optional(value)?),
            (b'0' | b'1', None) => _ = key.get::<u64>()?,
            _ => return Err(Unreadable("holds a key that is none")),
        }
        Ok(())
    }

    /// Derives what is not saved.
    fn finish_restore(&mut self, ends: &BTreeMap<Arc<str>, Timestamp>) {
        let start = self.window_end.plus_micros(-self.spec.window_micros);
        for (channel_id, channel) in &mut self.channels {
            if ends.get(channel_id).is_some_and(|end| *end < self.window_end) {
                channel.sessions.begin_window(start);
            }
            channel.counts.finish_restore();
            self.due.restore(channel_id, channel);
            self.held += channel.held();
            for (session_id, session) in channel.sessions.iter() {
                self.time_outs.push(Reverse((session.due, Arc::clone(channel_id), session_id)));
            }
            for (join, _) in channel.cohorts.iter() {
                let ages = self.spec.retention_ages_micros.iter().map(|age| join.plus_micros(*age));
                if let Some(due) = ages.filter(|due| *due > self.as_of).min() {
                    self.anniversaries.push(Reverse((due, Arc::clone(channel_id), join)));
                }
            }
        }
    }
}

fn optional<T: Stored>(value: Option<&mut Reader<'_>>) -> Result<Option<T>, Unreadable> {
    value.map(Reader::get).transpose()
}

fn put_key(kind: u8, channel_id: &str, rest: &impl Stored, out: &mut Vec<u8>) {
    out.push(kind);
    put_str(out, channel_id);
    rest.put(out);
}

fn get_key<'a>(key: &mut Reader<'a>) -> Result<(u8, &'a str), Unreadable> {
    Ok((key.take(1)?[0], key.str()?))
}

fn put_channel(channel_id: &str, channel: &Channel, window_end: Timestamp, out: &mut Entries) {
    out.put(
        |key| put_key(b'c', channel_id, &(), key),
        |value| {
            channel.sessions.presence().put(value);
            window_end.put(value);
        },
    );
}

fn put_counts(channel_id: &str, channel: &Channel, out: &mut Entries) {
    out.put(
        |key| put_key(b'c', channel_id, &(), key),
        |value| {
            channel.revision.put(value);
            channel.is_changed.put(value);
            channel.counts.put(value);
        },
    );
}

fn put_piece(channel_id: &str, piece: Piece, counts: &Counts, out: &mut Entries) {
    let (kind, name) = match piece {
        Piece::Chatter(name) => (b'0', name),
        Piece::Viewer(name) => (b'1', name),
        Piece::Message(id) => (b'm', id),
    };
    let key = |key: &mut Vec<u8>| put_key(kind, channel_id, &name, key);
    match (piece, counts.has(piece)) {
        (_, false) => out.remove(key),
        (Piece::Message(id), true) => out.put(key, |value| {
            counts.message(id).into_iter().for_each(|message| message.put(value));
        }),
        (_, true) => out.put(key, |_| {}),
    }
}
