//! The live stream over a WebSocket.
//!
//! Always holds: a wrong message gets an error frame and a close code, never silence; a client that takes no frame
//! for the send timeout is disconnected; nothing is queued for a client beyond one step of its reader; nothing is sent to
//! one whose token has expired. Does not know: what the frames say.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::accept::Peer;
use super::access::{Access, Denied, Grant};
use super::http::{Shared, bearer};
use super::hub::{Frame, Hub, Reader, now_micros};
use super::limits::{ClientLimits, Pace};
use super::refused::Refused;
use super::selector::{BadMessage, Subscribe};

/// Beyond this a message is refused by the length that it announces, before it is read.
const MESSAGE_BYTES_REFUSED: usize = 128 << 10;
/// What is set aside to read into, for each connection.
const READ_BUFFER_BYTES: usize = 4 << 10;
/// The subprotocol's name, and what a token has before it where it is given as another.
const PROTOCOL: &str = "ovation";
const TOKEN_PROTOCOL: &str = "bearer.";
/// Close codes of our own: the HTTP status that says the same, and 4000.
const UNAUTHORIZED: u16 = 4401;
const FORBIDDEN: u16 = 4403;

/// `GET /ws`.
pub async fn upgrade(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refused> {
    if let Some(name) = query.keys().next() {
        let message = format!("unknown parameter `{name}`; send a message with `subscribe` instead");
        return Err(Refused::BadRequest(BadMessage(message)));
    }
    let access = &shared.options.access;
    let grant = match token(&headers) {
        Some(token) => Some(access.grant(Some(token))?),
        // the first message may bring a token
        None => access.grant(None).ok(),
    };
    let place = shared.connect(peer, &headers)?;
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(MESSAGE_BYTES_REFUSED)
        .max_frame_size(MESSAGE_BYTES_REFUSED);
    Ok(upgrade.on_upgrade(async move |socket| {
        serve(socket, shared, grant).await;
        drop(place);
    }))
}

/// The token in the headers of a handshake. A browser's WebSocket lets a page choose nothing but subprotocols.
fn token(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    let mut protocols = lines.flat_map(|line| line.split(',')).map(str::trim);
    bearer(headers).or_else(|| protocols.find_map(|protocol| protocol.strip_prefix(TOKEN_PROTOCOL)))
}

/// Why a connection ends.
enum End {
    /// The client is gone or does not read.
    Gone,
    /// We end it, with a close code and, where it is the client's fault, the error's code; and the reason.
    Close(u16, Option<&'static str>, String),
}

async fn serve(socket: WebSocket, shared: Shared, grant: Option<Grant>) {
    let limits = &shared.options.clients;
    let pace = Pace::new(limits.messages_per_second_max, Instant::now().into_std());
    let access = &shared.options.access;
    let mut client = Client { socket, hub: &shared.hub, limits, access, grant, pace, reader: None };
    if let End::Close(code, error, reason) = client.run().await {
        client.end(code, error, reason).await;
    }
}

struct Client<'a> {
    socket: WebSocket,
    hub: &'a Arc<Hub>,
    limits: &'a ClientLimits,
    access: &'a Access,
    /// None: nothing may be read before a message brings a token.
    grant: Option<Grant>,
    pace: Pace,
    reader: Option<Reader>,
}

impl Client<'_> {
    async fn run(&mut self) -> End {
        let mut closing = self.hub.closing();
        let period = self.limits.heartbeat_interval;
        let mut heartbeat = interval_at(Instant::now() + period, period);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let silent_until = Instant::now() + self.limits.subscribe_timeout;
        loop {
            let frame = tokio::select! {
                biased;
                _ = closing.wait_for(|is_closing| *is_closing) => {
                    return End::Close(close_code::AWAY, None, "the gateway is shutting down".to_owned());
                }
                () = expired(self.grant.as_ref()) => return unauthorized(&Denied::Expired),
                message = self.socket.recv() => {
                    if let Err(end) = self.take(message) { return end }
                    continue;
                }
                () = tokio::time::sleep_until(silent_until), if self.reader.is_none() => {
                    let reason = "no subscription has come".to_owned();
                    return End::Close(close_code::POLICY, Some("subscribe_timeout"), reason);
                }
                _ = heartbeat.tick() => {
                    let offset = self.reader.as_ref().map_or(0, Reader::handed_over);
                    self.hub.with_stand(offset, |stand| stand.heartbeat(now_micros()))
                }
                frame = next_frame(&mut self.reader) => frame.text,
            };
            if self.send(Message::Text(frame), self.limits.send_timeout).await.is_err() {
                return End::Gone;
            }
        }
    }

    fn take(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        if !self.pace.admit(Instant::now().into_std()) {
            let reason = format!("at most {} messages a second", self.limits.messages_per_second_max);
            return Err(End::Close(close_code::POLICY, Some("too_many_messages"), reason));
        }
        let text = match message {
            // the library's words for a frame that announces more than may come
            Some(Err(error)) if error.to_string().contains("too long") => return Err(self.too_large()),
            None | Some(Err(_) | Ok(Message::Close(_))) => return Err(End::Gone),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => {
                let reason = "messages must be text".to_owned();
                return Err(End::Close(close_code::UNSUPPORTED, Some("binary_message"), reason));
            }
            Some(Ok(Message::Text(text))) => text,
        };
        if text.len() > self.limits.message_bytes_max {
            return Err(self.too_large());
        }
        let request = Subscribe::parse(&text, self.limits.selectors_max)
            .map_err(|error| End::Close(close_code::POLICY, Some("bad_message"), error.0))?;
        if let Some(token) = &request.token {
            self.grant = Some(self.access.grant(Some(&token.0)).map_err(|denied| unauthorized(&denied))?);
        }
        let grant = self.grant.as_ref().ok_or_else(|| unauthorized(&Denied::Missing))?;
        let resume = request.resume.clone();
        let filter = request
            .filter(grant.readable.clone())
            .map_err(|error| End::Close(FORBIDDEN, Some("forbidden"), error.to_string()))?;
        self.reader = Some(Reader::new(self.hub, filter, resume.as_deref(), self.limits.frame_interval));
        Ok(())
    }

    fn too_large(&self) -> End {
        let reason = format!("a message may have {} bytes", self.limits.message_bytes_max);
        End::Close(close_code::SIZE, Some("message_too_large"), reason)
    }

    async fn send(&mut self, message: Message, within: Duration) -> Result<(), ()> {
        match timeout(within, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(()),
        }
    }

    async fn end(&mut self, code: u16, error: Option<&str>, reason: String) {
        const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
        /// A close frame has room for 123 bytes.
        const REASON_BYTES_MAX: usize = 123;
        if let Some(error) = error {
            let frame = self.hub.with_stand(0, |stand| stand.error(error, &reason));
            if self.send(Message::Text(frame), CLOSE_TIMEOUT).await.is_err() {
                return;
            }
        }
        let mut length = reason.len().min(REASON_BYTES_MAX);
        while !reason.is_char_boundary(length) {
            length -= 1;
        }
        let close = CloseFrame { code, reason: reason[..length].into() };
        if self.send(Message::Close(Some(close)), CLOSE_TIMEOUT).await.is_ok() {
            // until the client has answered, so that it reads the reason before the connection is torn down
            let _answered =
                timeout(CLOSE_TIMEOUT, async { while let Some(Ok(_)) = self.socket.recv().await {} })
                    .await
                    .is_ok();
        }
    }
}

fn unauthorized(denied: &Denied) -> End {
    End::Close(UNAUTHORIZED, Some(denied.code()), denied.to_string())
}

async fn expired(grant: Option<&Grant>) {
    match grant {
        Some(grant) => grant.expired().await,
        None => std::future::pending().await,
    }
}

async fn next_frame(reader: &mut Option<Reader>) -> Frame {
    match reader {
        Some(reader) => reader.next().await,
        None => std::future::pending().await,
    }
}
