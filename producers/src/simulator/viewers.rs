//! Viewers' sessions: they come, watch with a heartbeat every 10 s, stall, change their bit rate, and leave.
//!
//! Always holds: memory grows with the sessions that are open, and their number settles where their heartbeats fill the
//! viewers' share of the rate: a session begins only when no event of another is due.
//! Does not know: what the viewers say.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use schemas::{Event, Timestamp, ViewerEvent, ViewerKind};

use super::cast::{Cast, SOURCE, user_id};
use super::draw::Draw;
use super::phrases::{COUNTRIES, DEVICES};
use super::spotlight::Spotlight;

const HEARTBEAT_US: i64 = 10_000_000;
/// Elevenths of all sessions end within each of these steps, in seconds.
const LENGTHS_S: [u32; 12] = [3, 8, 15, 30, 60, 120, 240, 480, 900, 1_800, 3_600, 7_200];
const BITRATES_KBPS: [i32; 5] = [700, 1_500, 3_000, 6_000, 8_000];

struct Session {
    number: u64,
    user: Option<u32>,
    channel: u32,
    device: &'static str,
    country: &'static str,
    bitrate: usize,
    last_at: Timestamp,
    heartbeat_due: Timestamp,
    ends_at: Timestamp,
    is_quality_next: bool,
}

pub(super) struct Viewers {
    draw: Draw,
    sessions: Vec<Option<Session>>,
    free: Vec<u32>,
    due: BinaryHeap<Reverse<(Timestamp, u32)>>,
    sessions_begun: u64,
    events: u64,
}

impl Viewers {
    pub(super) fn new(draw: Draw) -> Self {
        Viewers {
            draw,
            sessions: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            sessions_begun: 0,
            events: 0,
        }
    }

    pub(super) fn open_sessions(&self) -> usize {
        self.due.len()
    }

    pub(super) fn next(&mut self, now: Timestamp, cast: &Cast, spotlight: &Spotlight) -> Event<'static> {
        self.events += 1;
        let due = self.due.peek().filter(|due| due.0.0 <= now).map(|due| due.0.1);
        let session = due.and_then(|slot| self.sessions[slot as usize].take().map(|session| (slot, session)));
        match session {
            Some((slot, session)) => {
                self.due.pop();
                self.step(now, cast, slot, session)
            }
            None => self.join(now, cast, spotlight),
        }
    }

    fn join(&mut self, now: Timestamp, cast: &Cast, spotlight: &Spotlight) -> Event<'static> {
        let draw = &mut self.draw;
        let (channel, _) = spotlight.channel(cast, draw, 500);
        let step = draw.below(LENGTHS_S.len() as u32 - 1) as usize;
        let length_ms = draw.between(LENGTHS_S[step] * 1_000, LENGTHS_S[step + 1] * 1_000);
        let user = cast.any_user(draw);
        let is_anonymous = draw.chance(200);
        self.sessions_begun += 1;
        let session = Session {
            number: self.sessions_begun,
            user: if is_anonymous { None } else { Some(user) },
            channel,
            device: draw.pick(&DEVICES),
            country: draw.pick(&COUNTRIES),
            bitrate: draw.below(BITRATES_KBPS.len() as u32) as usize,
            last_at: now,
            heartbeat_due: now.plus_micros(HEARTBEAT_US),
            ends_at: now.plus_micros(i64::from(length_ms) * 1_000),
            is_quality_next: false,
        };
        let mut event = self.event(now, cast, &session, ViewerKind::Join);
        event.startup_ms =
            Some(i64::from(self.draw.between(250, 1_200) + self.draw.below(4) * self.draw.below(700)));
        let slot = self.free.pop().unwrap_or_else(|| {
            self.sessions.push(None);
            self.sessions.len() as u32 - 1
        });
        self.schedule(slot, session);
        Event::Viewer(event)
    }

    fn step(&mut self, now: Timestamp, cast: &Cast, slot: u32, mut session: Session) -> Event<'static> {
        let is_over = session.ends_at <= now;
        let kind = match (is_over, session.is_quality_next) {
            (true, _) => ViewerKind::Leave,
            (false, true) => ViewerKind::Quality,
            (false, false) => ViewerKind::Heartbeat,
        };
        if kind == ViewerKind::Quality {
            session.bitrate = self.draw.below(BITRATES_KBPS.len() as u32) as usize;
        }
        let mut event = self.event(now, cast, &session, kind);
        let elapsed_ms = now.millis() - session.last_at.millis();
        if self.draw.chance(25) {
            event.rebuffer_ms = i64::from(self.draw.between(150, 3_000)).min(elapsed_ms);
            event.rebuffer_count = i32::from(event.rebuffer_ms > 0) * self.draw.between(1, 2) as i32;
        }
        event.watch_ms = elapsed_ms - event.rebuffer_ms;
        session.last_at = now;
        if is_over {
            self.free.push(slot);
            return Event::Viewer(event);
        }
        if kind == ViewerKind::Heartbeat {
            session.heartbeat_due = session.heartbeat_due.plus_micros(HEARTBEAT_US);
        }
        session.is_quality_next = kind == ViewerKind::Heartbeat && self.draw.chance(60);
        self.schedule(slot, session);
        Event::Viewer(event)
    }

    fn schedule(&mut self, slot: u32, session: Session) {
        let early_us =
            if session.is_quality_next { i64::from(self.draw.between(1, 9)) * 1_000_000 } else { 0 };
        let due = session.heartbeat_due.plus_micros(-early_us).min(session.ends_at);
        self.due.push(Reverse((due, slot)));
        self.sessions[slot as usize] = Some(session);
    }

    fn event(
        &mut self,
        now: Timestamp,
        cast: &Cast,
        session: &Session,
        kind: ViewerKind,
    ) -> ViewerEvent<'static> {
        ViewerEvent {
            event_id: cast.id('v', self.events),
            event_time: now,
            ingest_time: now,
            source: SOURCE.into(),
            channel_id: cast.channel_id(session.channel),
            user_id: session.user.map(user_id),
            stream_id: None,
            kind,
            session_id: cast.id('s', session.number),
            watch_ms: 0,
            startup_ms: None,
            rebuffer_count: 0,
            rebuffer_ms: 0,
            bitrate_kbps: Some(BITRATES_KBPS[session.bitrate]),
            live_latency_ms: Some(i64::from(self.draw.between(1_500, 6_000))),
            device: Some(session.device.into()),
            country: Some(session.country.into()),
        }
    }
}
