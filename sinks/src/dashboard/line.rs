//! One client's WebSocket: what it says, what it is owed, and when it must be looked at again.
//!
//! Always holds: a wrong message gets an error frame and a close code, never silence; a client that takes no frame for the send timeout is
//! disconnected; nothing is queued for a client beyond one step; nothing is sent to one whose token has expired. Nothing here
//! waits: what cannot be done now wakes the line when it can. Does not know: other lines, what the frames say.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use super::access::{Access, Denied, Grant};
use super::cursor::Cursor;
use super::hub::{Hub, now_micros};
use super::limits::{ClientLimits, Pace, Place};
use super::message::{Incoming, Kind, Said, Wrong, encode, encode_close};
use super::outgoing::Outgoing;
use super::selector::{Filter, Subscribe};
use super::steps::Steps;

/// Beyond this a message is refused by the length that it announces, before it is read.
const MESSAGE_BYTES_REFUSED: usize = 128 << 10;
/// After as many reads, or steps, others have their turn.
const TURNS_MAX: usize = 16;
/// So long is waited for the client's answer to our end, so that it reads the reason before the connection is torn down.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// A heartbeat that is due within this part of its interval goes out with a frame.
const HEARTBEAT_EARLY: u32 = 20;

const GOING_AWAY: u16 = 1001;
const PROTOCOL: u16 = 1002;
const UNSUPPORTED: u16 = 1003;
const NOT_UTF8: u16 = 1007;
const POLICY: u16 = 1008;
const TOO_LARGE: u16 = 1009;
/// Close codes of our own: the HTTP status that says the same, and 4000.
const UNAUTHORIZED: u16 = 4401;
const FORBIDDEN: u16 = 4403;

/// Why a connection ends.
enum End {
    /// The client is gone or does not read.
    Gone,
    /// The client ends it, with this code.
    Ended(Option<u16>),
    /// We end it, with a close code and, where it is the client's fault, the error's code; and the reason.
    Close(u16, Option<&'static str>, String),
}

fn unauthorized(denied: &Denied) -> End {
    End::Close(UNAUTHORIZED, Some(denied.code()), denied.to_string())
}

/// What lines share.
pub struct Around<'a> {
    /// What there is to show.
    pub hub: &'a Hub,
    /// How much may be asked for.
    pub limits: &'a ClientLimits,
    /// Who may read what.
    pub access: &'a Access,
    /// Steps that were taken at this moment.
    pub steps: &'a mut Steps,
    /// What is read into.
    pub buffer: &'a mut [u8],
    /// Changes up to this offset are due.
    pub due: u64,
    /// This moment.
    pub now: Instant,
}

enum State {
    Open,
    /// We have said that it ends; is over then, or when the client has said so too and has all of it.
    Closing {
        until: Instant,
        is_answered: bool,
    },
    Over,
}

/// A client with its connection.
pub struct Line {
    stream: TokioIo<Upgraded>,
    waker: Waker,
    incoming: Incoming,
    outgoing: Outgoing,
    /// None: nothing may be read before a message brings a token.
    grant: Option<Grant>,
    pace: Pace,
    cursor: Option<Cursor>,
    subscribe_until: Instant,
    heartbeat_at: Instant,
    /// The next frame must be taken by then; none while nothing waits.
    taken_until: Option<Instant>,
    state: State,
    _place: Place,
}

impl Line {
    /// A connection after its handshake, which wakes this waker.
    pub fn new(
        stream: Upgraded,
        grant: Option<Grant>,
        place: Place,
        waker: Waker,
        limits: &ClientLimits,
    ) -> Self {
        let now = Instant::now();
        Line {
            stream: TokioIo::new(stream),
            waker,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            grant,
            pace: Pace::new(limits.messages_per_second_max, now.into_std()),
            cursor: None,
            subscribe_until: now + limits.subscribe_timeout,
            heartbeat_at: now + limits.heartbeat_interval,
            taken_until: None,
            state: State::Open,
            _place: place,
        }
    }

    /// True once there is nothing left to do but to drop it.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Look at it then, with [`Line::on_time`], if not before.
    pub fn look_at(&self, now: Instant) -> Instant {
        if let State::Closing { until, .. } = self.state {
            return until;
        }
        let subscribe = self.cursor.is_none().then_some(self.subscribe_until);
        let expiry = self.grant.as_ref().and_then(Grant::left).map(|left| now + left);
        [subscribe, expiry, self.taken_until].into_iter().flatten().fold(self.heartbeat_at, Instant::min)
    }

    /// It was woken: reads, and goes on sending.
    pub fn on_ready(&mut self, around: &mut Around<'_>) {
        let read = self.read(around);
        if read.is_err() {
            self.waker.wake_by_ref(); // reads on, for the client's answer
        }
        self.settle(read, around);
        self.send(around);
    }

    /// What is due at this moment.
    pub fn on_time(&mut self, around: &mut Around<'_>) {
        let now = around.now;
        if let State::Closing { until, .. } = self.state {
            if until <= now {
                self.state = State::Over;
            }
            return;
        }
        let is_expired = self.grant.as_ref().and_then(Grant::left).is_some_and(|left| left.is_zero());
        let end = if self.taken_until.is_some_and(|until| until <= now) {
            Err(End::Gone)
        } else if is_expired {
            Err(unauthorized(&Denied::Expired))
        } else if self.cursor.is_none() && self.subscribe_until <= now {
            Err(End::Close(POLICY, Some("subscribe_timeout"), "no subscription has come".to_owned()))
        } else {
            Ok(())
        };
        self.settle(end, around);
        self.beat(now, around);
        self.send(around);
    }

    /// Changes are due.
    pub fn on_change(&mut self, around: &mut Around<'_>) {
        if self.is_owed(around.due) && !self.outgoing.is_waiting() {
            self.beat(around.now + around.limits.heartbeat_interval / HEARTBEAT_EARLY, around);
            self.send(around);
        }
    }

    /// The store has what the log held at the start.
    pub fn on_caught_up(&mut self, around: &mut Around<'_>) {
        if let Some(cursor) = &mut self.cursor {
            cursor.begin(around.hub);
        }
        self.send(around);
    }

    /// The gateway is shutting down.
    pub fn on_shutdown(&mut self, around: &mut Around<'_>) {
        let end = End::Close(GOING_AWAY, None, "the gateway is shutting down".to_owned());
        self.settle(Err(end), around);
        self.send(around);
    }

    /// Puts a heartbeat before the next frame, if it is due by then.
    fn beat(&mut self, by: Instant, around: &Around<'_>) {
        if self.heartbeat_at > by || !matches!(self.state, State::Open) {
            return;
        }
        self.heartbeat_at = around.now + around.limits.heartbeat_interval;
        let offset = self.outgoing.handed_over().or_else(|| self.cursor.as_ref().map(Cursor::offset));
        let text = around.hub.with_stand(offset.unwrap_or(0), |stand| stand.heartbeat(now_micros()));
        self.outgoing.put_control(text.message().clone());
    }

    fn is_owed(&self, due: u64) -> bool {
        self.cursor.as_ref().is_some_and(|cursor| !cursor.is_live() || cursor.offset() < due)
    }

    /// Sends until nothing is owed or the client takes no more.
    fn send(&mut self, around: &mut Around<'_>) {
        for _ in 0..TURNS_MAX {
            if self.is_over() {
                return;
            }
            let mut context = Context::from_waker(&self.waker);
            let mut is_frame_taken = false;
            match self.outgoing.poll_send(&mut self.stream, &mut context, &mut is_frame_taken) {
                Poll::Pending => {
                    let until = around.now + around.limits.send_timeout;
                    self.taken_until = self.taken_until.filter(|_| !is_frame_taken).or(Some(until));
                    return;
                }
                Poll::Ready(Err(_)) => self.state = State::Over,
                Poll::Ready(Ok(())) => self.taken_until = None,
            }
            if let State::Closing { is_answered: true, .. } = self.state {
                self.state = State::Over;
            }
            if !around.hub.is_caught_up() || !self.is_owed(around.due) {
                return;
            }
            if let Some(cursor) = &mut self.cursor {
                let before = cursor.offset();
                let step = around.steps.take(cursor, around.hub);
                self.outgoing.put(step, before);
            }
        }
        self.waker.wake_by_ref(); // goes on after the others
    }

    /// Reads what has come.
    fn read(&mut self, around: &mut Around<'_>) -> Result<(), End> {
        for _ in 0..TURNS_MAX {
            let mut context = Context::from_waker(&self.waker);
            let mut buffer = ReadBuf::new(around.buffer);
            match Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(_)) => return Err(End::Gone),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Err(End::Gone),
                Poll::Ready(Ok(())) => self.incoming.extend(buffer.filled()),
            }
            self.listen(around)?;
        }
        self.waker.wake_by_ref();
        Ok(())
    }

    fn listen(&mut self, around: &mut Around<'_>) -> Result<(), End> {
        loop {
            match self.incoming.next(MESSAGE_BYTES_REFUSED) {
                Ok(None) => return Ok(()),
                Ok(Some(Said::Close(code))) => return Err(End::Ended(code)),
                Ok(Some(_)) | Err(_) if !matches!(self.state, State::Open) => {}
                Err(Wrong::TooLong) => return Err(too_large(around.limits)),
                Err(Wrong::Protocol) => {
                    return Err(End::Close(PROTOCOL, None, "this is no WebSocket frame".to_owned()));
                }
                Err(Wrong::NotUtf8) => {
                    return Err(End::Close(NOT_UTF8, None, "a text must be UTF-8".to_owned()));
                }
                Ok(Some(said)) => self.take(said, around)?,
            }
        }
    }

    fn take(&mut self, said: Said, around: &mut Around<'_>) -> Result<(), End> {
        let limits = around.limits;
        if !self.pace.admit(around.now.into_std()) {
            let reason = format!("at most {} messages a second", limits.messages_per_second_max);
            return Err(End::Close(POLICY, Some("too_many_messages"), reason));
        }
        match said {
            Said::Ping(payload) => self.outgoing.put_control(encode(Kind::Pong, &payload)),
            Said::Binary => {
                let reason = "messages must be text".to_owned();
                return Err(End::Close(UNSUPPORTED, Some("binary_message"), reason));
            }
            Said::Text(text) if text.len() > limits.message_bytes_max => return Err(too_large(limits)),
            Said::Text(text) => self.subscribe(&text, around)?,
            Said::Pong | Said::Close(_) => {}
        }
        Ok(())
    }

    fn subscribe(&mut self, text: &str, around: &mut Around<'_>) -> Result<(), End> {
        let request = Subscribe::parse(text, around.limits.selectors_max)
            .map_err(|error| End::Close(POLICY, Some("bad_message"), error.0))?;
        if let Some(token) = &request.token {
            self.grant = Some(around.access.grant(Some(&token.0)).map_err(|denied| unauthorized(&denied))?);
        }
        let grant = self.grant.as_ref().ok_or_else(|| unauthorized(&Denied::Missing))?;
        let resume = request.resume.clone();
        let filter: Filter = request
            .filter(grant.readable.clone())
            .map_err(|error| End::Close(FORBIDDEN, Some("forbidden"), error.to_string()))?;
        self.outgoing.end_steps();
        self.cursor = Some(Cursor::new(around.hub, around.steps.shared(filter), resume.as_deref()));
        Ok(())
    }

    fn settle(&mut self, end: Result<(), End>, around: &Around<'_>) {
        let Err(end) = end else { return };
        let is_open = matches!(self.state, State::Open);
        let until = around.now + CLOSE_TIMEOUT;
        match end {
            End::Gone => self.state = State::Over,
            End::Ended(_) if !is_open => self.state = State::Closing { until, is_answered: true },
            End::Close(..) if !is_open => {}
            End::Ended(code) => {
                self.outgoing.put_control(encode_close(code.unwrap_or(1000), ""));
                self.state = State::Closing { until, is_answered: true };
            }
            End::Close(code, error, reason) => {
                if let Some(error) = error {
                    let text = around.hub.with_stand(0, |stand| stand.error(error, &reason));
                    self.outgoing.put_control(text.message().clone());
                }
                self.outgoing.put_control(encode_close(code, &reason));
                self.state = State::Closing { until, is_answered: false };
            }
        }
        self.outgoing.end_steps();
        self.cursor = None;
    }
}

fn too_large(limits: &ClientLimits) -> End {
    let reason = format!("a message may have {} bytes", limits.message_bytes_max);
    End::Close(TOO_LARGE, Some("message_too_large"), reason)
}
