//! The live stream as server-sent events, for clients without WebSockets: the same frames, one an event.
//!
//! Always holds: an event's id is its frame's id, so that a browser that reconnects sends it as Last-Event-ID and
//! resumes; the frame's text is shared with every other client. Does not know: what the frames say.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::frame::id;
use super::http::{Shared, refusal, subscription};
use super::hub::{Connection, Frame, Reader, now_micros};

struct Events {
    shared: Shared,
    reader: Reader,
    heartbeat: Interval,
    closing: watch::Receiver<bool>,
    _connection: Connection,
}

/// `GET /sse?subscribe=[...]`.
pub async fn events(
    State(shared): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let limits = shared.options.clients;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let request = match subscription(&query, limits.selectors_max, last) {
        Ok(request) => request,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, "bad_request", &error.0),
    };
    let Some(connection) = shared.hub.connect() else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", "try again later");
    };
    let period = limits.heartbeat_interval;
    let mut heartbeat = interval_at(Instant::now() + period, period);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let events = Events {
        reader: Reader::new(&shared.hub, request, limits.frame_interval),
        closing: shared.hub.closing(),
        shared,
        heartbeat,
        _connection: connection,
    };
    let events = stream::unfold(events, |mut events| async move {
        let frame = events.next().await?;
        Some((event(events.shared.hub.epoch(), frame), events))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // proxies must not gather the events into larger portions
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(events.flatten())).into_response()
}

impl Events {
    async fn next(&mut self) -> Option<Frame> {
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|is_closing| *is_closing) => None,
            _ = self.heartbeat.tick() => {
                let offset = self.reader.handed_over();
                let text = self.shared.hub.with_stand(offset, |stand| stand.heartbeat(now_micros()));
                Some(Frame { offset, text })
            }
            frame = self.reader.next() => Some(frame),
        }
    }
}

/// The event around a frame, whose text is not copied.
fn event(epoch: &str, frame: Frame) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    let head = Bytes::from(format!("id: {}\ndata: ", id(epoch, frame.offset)));
    stream::iter([Ok(head), Ok(Bytes::from(frame.text)), Ok(Bytes::from_static(b"\n\n"))])
}
