//! The live stream over a WebSocket.
//!
//! Always holds: a wrong message gets an error frame and a close code, never silence; a client that takes no frame
//! for the send timeout is disconnected; nothing is queued for a client beyond one step of its reader.
//! Does not know: what the frames say.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::ClientLimits;
use super::http::{Shared, refusal};
use super::hub::{Connection, Frame, Hub, Reader, now_micros};
use super::selector::Subscribe;

/// Beyond this a message is not even read to tell its sender so.
const MESSAGE_BYTES_REFUSED: usize = 1 << 20;

/// `GET /ws`.
pub async fn upgrade(
    State(shared): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Some(name) = query.keys().next() {
        let message = format!("unknown parameter `{name}`; send a message with `subscribe` instead");
        return refusal(StatusCode::BAD_REQUEST, "bad_request", &message);
    }
    let Some(connection) = shared.hub.connect() else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", "try again later");
    };
    upgrade
        .max_message_size(MESSAGE_BYTES_REFUSED)
        .max_frame_size(MESSAGE_BYTES_REFUSED)
        .on_upgrade(move |socket| serve(socket, shared, connection))
}

/// Why a connection ends.
enum End {
    /// The client is gone or does not read.
    Gone,
    /// We end it, with a close code and, where it is the client's fault, the error's code; and the reason.
    Close(u16, Option<&'static str>, String),
}

async fn serve(socket: WebSocket, shared: Shared, connection: Connection) {
    let limits = shared.options.clients;
    let mut client = Client { socket, hub: Arc::clone(&shared.hub), limits, reader: None };
    if let End::Close(code, error, reason) = client.run().await {
        client.end(code, error, reason).await;
    }
    drop(connection);
}

struct Client {
    socket: WebSocket,
    hub: Arc<Hub>,
    limits: ClientLimits,
    reader: Option<Reader>,
}

impl Client {
    async fn run(&mut self) -> End {
        let mut closing = self.hub.closing();
        let period = self.limits.heartbeat_interval;
        let mut heartbeat = interval_at(Instant::now() + period, period);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let frame = tokio::select! {
                biased;
                _ = closing.wait_for(|is_closing| *is_closing) => {
                    return End::Close(close_code::AWAY, None, "the gateway is shutting down".to_owned());
                }
                message = self.socket.recv() => {
                    if let Err(end) = self.take(message) { return end }
                    continue;
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
        let text = match message {
            None | Some(Err(_) | Ok(Message::Close(_))) => return Err(End::Gone),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => {
                let reason = "messages must be text".to_owned();
                return Err(End::Close(close_code::UNSUPPORTED, Some("binary_message"), reason));
            }
            Some(Ok(Message::Text(text))) => text,
        };
        if text.len() > self.limits.message_bytes_max {
            let reason = format!("a message may have {} bytes", self.limits.message_bytes_max);
            return Err(End::Close(close_code::SIZE, Some("message_too_large"), reason));
        }
        let request = Subscribe::parse(&text, self.limits.selectors_max)
            .map_err(|error| End::Close(close_code::POLICY, Some("bad_message"), error.0))?;
        self.reader = Some(Reader::new(&self.hub, request, self.limits.frame_interval));
        Ok(())
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

async fn next_frame(reader: &mut Option<Reader>) -> Frame {
    match reader {
        Some(reader) => reader.next().await,
        None => std::future::pending().await,
    }
}
