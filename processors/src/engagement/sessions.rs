//! Who is watching: a channel's sessions along the line of event time.
//!
//! Concurrent viewers are what Conviva calls concurrent plays: sessions under way at an instant, known by their heartbeats.
//!
//! Always holds: a session is present from the instant at which a join or heartbeat becomes visible (its event time, unless
//! it came behind its own partition's watermark) until its last event time plus the time-out, exclusive, or until a
//! leave becomes visible. Of several events of a session the one with the latest event time decides, at equal times
//! the one later in the partition. The peak is the largest number of sessions present at any instant in the window, however
//! short; what begins and ends at one instant was never present. Time only moves on. There are never more sessions
//! than allowed: one beyond is refused until another is forgotten.
//! Does not know: windows, beyond being told when one begins.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use rustc_hash::FxBuildHasher;
use schemas::{Timestamp, ViewerKind};

use crate::state::bytes::stored;

/// A session as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    last_seen: Timestamp,
    is_watching: bool,
    /// The cohort of the join since which it has been present; none if it was not heard to join.
    cohort: Option<Timestamp>,
    /// When to look whether it fell silent; perhaps too early.
    pub(super) due: Timestamp,
    /// Whether it is among the changes that the next save writes.
    is_unsaved: bool,
}

stored!(Session { last_seen, is_watching, cohort, due }..{ is_unsaved });

/// What the sessions of a window add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Presence {
    pub(super) peak: i64,
    /// The sum over all sessions of the time that they were present.
    pub(super) presence_us: i64,
    /// How long at least one was present.
    pub(super) audience_us: i64,
}

stored!(Presence { peak, presence_us, audience_us });

/// The sessions of one channel.
#[derive(Debug)]
pub(super) struct Sessions {
    known: HashMap<u64, Session, FxBuildHasher>,
    watching: i64,
    /// Of the window, before `now`.
    presence: Presence,
    /// The number watching is up to date for every instant before this one and includes what happened at it so far.
    now: Timestamp,
}

impl Default for Sessions {
    fn default() -> Self {
        let (known, presence) = (HashMap::default(), Presence::default());
        Sessions { known, watching: 0, presence, now: Timestamp::MIN }
    }
}

/// What is heard of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) kind: ViewerKind,
    pub(super) event_time: Timestamp,
    pub(super) visible_from: Timestamp,
    /// When it falls silent if nothing more is heard.
    pub(super) due: Timestamp,
    /// The cohort of those who join now.
    pub(super) cohort: Timestamp,
}

/// What became of a session that was heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is new: its time-out must be watched.
    New { joined: bool },
    /// It changed. `left` is the cohort that it leaves by not being present any more.
    Changed { joined: bool, left: Option<Timestamp> },
    /// Something older or nothing new was heard.
    Same,
    /// There are too many: it is not tracked.
    Refused,
}

/// What became of a session whose time-out was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It was heard of since: look again then.
    Later(Timestamp),
    /// It stopped watching by silence, and leaves its cohort.
    Silent(Option<Timestamp>),
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

    /// What the window adds up to from its start until just before `instant`.
    pub(super) fn before(&self, instant: Timestamp) -> Presence {
        let mut presence = self.presence;
        if instant > self.now && self.watching > 0 {
            let micros = instant.micros() - self.now.micros();
            presence.peak = presence.peak.max(self.watching);
            presence.presence_us = presence.presence_us.saturating_add(self.watching.saturating_mul(micros));
            presence.audience_us += micros;
        }
        presence
    }

    /// A window begins: what was before is no part of it.
    pub(super) fn begin_window(&mut self, start: Timestamp) {
        self.presence = Presence::default();
        self.now = self.now.max(start);
    }

    fn move_to(&mut self, instant: Timestamp) {
        if instant > self.now {
            self.presence = self.before(instant);
            self.now = instant;
        }
    }

    /// A session was heard of, or left.
    pub(super) fn hear(&mut self, session_id: u64, report: &Report, sessions_max: usize) -> Heard {
        self.move_to(report.visible_from);
        let is_watching = report.kind != ViewerKind::Leave;
        let cohort = (report.kind == ViewerKind::Join).then_some(report.cohort);
        let has_room = self.known.len() < sessions_max;
        let mut known = match self.known.entry(session_id) {
            Entry::Occupied(known) => known,
            Entry::Vacant(_) if !has_room => return Heard::Refused,
            Entry::Vacant(new) => {
                let Report { event_time: last_seen, due, .. } = *report;
                new.insert(Session { last_seen, is_watching, cohort, due, is_unsaved: false });
                self.watching += i64::from(is_watching);
                return Heard::New { joined: cohort.is_some() };
            }
        };
        let session = known.get_mut();
        if report.event_time < session.last_seen {
            return Heard::Same;
        }
        session.last_seen = report.event_time;
        let was_watching = std::mem::replace(&mut session.is_watching, is_watching);
        self.watching += i64::from(is_watching) - i64::from(was_watching);
        match (was_watching, is_watching) {
            (false, true) => {
                session.cohort = cohort;
                Heard::Changed { joined: cohort.is_some(), left: None }
            }
            (true, false) => Heard::Changed { joined: false, left: session.cohort.take() },
            _ => Heard::Changed { joined: false, left: None },
        }
    }

    /// The time-out of a session, as far as it was known when it was set, is reached.
    pub(super) fn time_out(&mut self, instant: Timestamp, session_id: u64, timeout_micros: i64) -> Expiry {
        let Some(session) = self.known.get_mut(&session_id) else { return Expiry::Forgotten };
        let due = session.last_seen.plus_micros(timeout_micros);
        if due > instant {
            session.due = due;
            return Expiry::Later(due);
        }
        let session = *session;
        self.known.remove(&session_id);
        if !session.is_watching {
            return Expiry::Forgotten;
        }
        self.move_to(instant);
        self.watching -= 1;
        Expiry::Silent(session.cohort)
    }

    /// The session is among the changes that the next save writes. False if it was already.
    pub(super) fn mark_unsaved(&mut self, session_id: u64) -> bool {
        let known = self.known.get_mut(&session_id);
        known.is_none_or(|session| !std::mem::replace(&mut session.is_unsaved, true))
    }

    /// The session for a save that writes it; none if it is gone.
    pub(super) fn mark_saved(&mut self, session_id: u64) -> Option<&Session> {
        let session = self.known.get_mut(&session_id)?;
        session.is_unsaved = false;
        Some(session)
    }

    /// All sessions.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Session)> {
        self.known.iter().map(|(session_id, session)| (*session_id, session))
    }

    /// What is to be saved besides the sessions, and up to when it holds.
    pub(super) fn presence(&self) -> (Presence, Timestamp) {
        (self.presence, self.now)
    }

    /// Takes over what [`Sessions::presence`] gave.
    pub(super) fn restore_presence(&mut self, (presence, now): (Presence, Timestamp)) {
        (self.presence, self.now) = (presence, now);
    }

    /// Takes over a session, or that it is gone.
    pub(super) fn restore(&mut self, session_id: u64, session: Option<Session>) {
        let before = match session {
            Some(session) => {
                self.watching += i64::from(session.is_watching);
                self.known.insert(session_id, session)
            }
            None => self.known.remove(&session_id),
        };
        self.watching -= i64::from(before.is_some_and(|session| session.is_watching));
    }
}
