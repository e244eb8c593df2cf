//! Who is watching: a channel's sessions along the line of event time.
//!
//! Always holds: a session is present from the instant at which a join or heartbeat becomes visible (its event time, unless
//! it came behind its own partition's watermark) until its last event time plus the time-out, exclusive, or until a
//! leave becomes visible. Of several events of a session the one with the latest event time decides, at equal times
//! the one later in the partition. The peak is the largest number of sessions present at any instant in the window, however
//! short; what begins and ends at one instant was never present. Time only moves on.
//! Does not know: windows, beyond being told when one begins.

use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use rustc_hash::FxBuildHasher;
use schemas::Timestamp;

use crate::state::bytes::stored;

/// A session as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    last_seen: Timestamp,
    is_watching: bool,
    /// When to look whether it fell silent; perhaps too early.
    pub(super) due: Timestamp,
    /// Whether it is among the changes that the next save writes.
    is_unsaved: bool,
}

stored!(Session { last_seen, is_watching, due }..{ is_unsaved });

/// The sessions of one channel.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    known: HashMap<Arc<str>, Session, FxBuildHasher>,
    watching: i64,
    peak: i64,
    /// The number watching is up to date for every instant before this one and includes what happened at it so far.
    now: Timestamp,
}

impl Default for Sessions {
    fn default() -> Self {
        Sessions { known: HashMap::default(), watching: 0, peak: 0, now: Timestamp::MIN }
    }
}

/// What became of a session that was heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is new: its time-out must be watched.
    New(Arc<str>),
    /// It changed.
    Changed(Arc<str>),
    /// Something older or nothing new was heard.
    Same,
}

/// What became of a session whose time-out was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It was heard of since: look again then.
    Later(Timestamp),
    /// It stopped watching by silence.
    Silent,
    /// It had left before, and is now forgotten.
    Forgotten,
}

impl Sessions {
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn watching(&self) -> i64 {
        self.watching
    }

    /// The largest number present at any instant from the window's start until just before `instant`.
    pub(super) fn peak_before(&self, instant: Timestamp) -> i64 {
        if instant > self.now { self.peak.max(self.watching) } else { self.peak }
    }

    /// A window begins: the peak is that of the window alone.
    pub(super) fn begin_window(&mut self, start: Timestamp) {
        self.peak = 0;
        self.now = self.now.max(start);
    }

    fn move_to(&mut self, instant: Timestamp) {
        if instant > self.now {
            self.peak = self.peak.max(self.watching);
            self.now = instant;
        }
    }

    /// A session was heard of (or left, if not `is_watching`). If it is new, `due` is when to look whether it fell silent.
    pub(super) fn hear(
        &mut self,
        visible_from: Timestamp,
        session_id: &str,
        event_time: Timestamp,
        is_watching: bool,
        due: Timestamp,
    ) -> Heard {
        self.move_to(visible_from);
        let EntryRef::Occupied(mut known) = self.known.entry_ref(session_id) else {
            let key: Arc<str> = Arc::from(session_id);
            self.watching += i64::from(is_watching);
            let session = Session { last_seen: event_time, is_watching, due, is_unsaved: false };
            self.known.insert(Arc::clone(&key), session);
            return Heard::New(key);
        };
        let session = known.get_mut();
        if event_time < session.last_seen {
            return Heard::Same;
        }
        self.watching += i64::from(is_watching) - i64::from(session.is_watching);
        (session.last_seen, session.is_watching) = (event_time, is_watching);
        Heard::Changed(Arc::clone(known.key()))
    }

    /// The time-out of a session, as far as it was known when it was set, is reached.
    pub(super) fn time_out(&mut self, instant: Timestamp, session_id: &str, timeout_micros: i64) -> Expiry {
        let Some(session) = self.known.get_mut(session_id) else { return Expiry::Forgotten };
        let due = session.last_seen.plus_micros(timeout_micros);
        if due > instant {
            session.due = due;
            return Expiry::Later(due);
        }
        let session = *session;
        self.known.remove(session_id);
        if !session.is_watching {
            return Expiry::Forgotten;
        }
        self.move_to(instant);
        self.watching -= 1;
        Expiry::Silent
    }

    /// The session is among the changes that the next save writes. False if it was already.
    pub(super) fn mark_unsaved(&mut self, session_id: &str) -> bool {
        self.known.get_mut(session_id).is_none_or(|session| !std::mem::replace(&mut session.is_unsaved, true))
    }

    /// The session for a save that writes it; none if it is gone.
    pub(super) fn mark_saved(&mut self, session_id: &str) -> Option<&Session> {
        let session = self.known.get_mut(session_id)?;
        session.is_unsaved = false;
        Some(session)
    }

    /// All sessions.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Session)> {
        self.known.iter()
    }

    /// What is to be saved besides the sessions: the peak, and up to when it holds.
    pub(super) fn peak(&self) -> (i64, Timestamp) {
        (self.peak, self.now)
    }

    /// Takes over what [`Sessions::peak`] gave.
    pub(super) fn restore_peak(&mut self, (peak, now): (i64, Timestamp)) {
        (self.peak, self.now) = (peak, now);
    }

    /// Takes over a session, or that it is gone.
    pub(super) fn restore(&mut self, session_id: &str, session: Option<Session>) {
        let before = match session {
            Some(session) => {
                self.watching += i64::from(session.is_watching);
                self.known.insert(Arc::from(session_id), session)
            }
            None => self.known.remove(session_id),
        };
        self.watching -= i64::from(before.is_some_and(|session| session.is_watching));
    }
}
