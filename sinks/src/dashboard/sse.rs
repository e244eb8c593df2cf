//! The live stream as server-sent events, for clients without WebSockets: the same frames, one an event.
//!
//! Always holds: an event's id is its frame's id, so that a browser that reconnects sends it as Last-Event-ID and
//! resumes; the frame's text is shared with every other client. Does not know: what the frames say.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::accept::Peer;
use super::access::{Denied, Grant};
use super::cursor::Frame;
use super::frame::id;
use super::http::{Shared, bearer, filter};
use super::hub::{Reader, now_micros};
use super::limits::Place;
use super::refused::Refused;

struct Events {
    shared: Shared,
    reader: Reader,
    heartbeat: Interval,
    closing: watch::Receiver<bool>,
    grant: Grant,
    is_over: bool,
    _place: Place,
}

/// `GET /sse?subscribe=[...]`. A browser's `EventSource` sends no headers of a page's choice: its token is in the address.
pub async fn events(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let limits = &shared.options.clients;
    let token = bearer(&headers).or(query.get("token").map(String::as_str));
    let grant = shared.options.access.grant(token)?;
    let filter = filter(&query, &["resume", "token"], limits.selectors_max, &grant)?;
    let place = shared.connect(peer, &headers)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let resume = last.or(query.get("resume").map(String::as_str));
    let period = limits.heartbeat_interval;
    let mut heartbeat = interval_at(Instant::now() + period, period);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let events = Events {
        reader: Reader::new(&shared.hub, filter, resume, limits.frame_interval),
        closing: shared.hub.closing(),
        shared,
        heartbeat,
        grant,
        is_over: false,
        _place: place,
    };
    let events = stream::unfold(events, |mut events| async move {
        let frame = events.next().await?;
        Some((event(events.shared.hub.epoch(), &frame), events))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // proxies must not gather the events into larger portions
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(events.flatten())).into_response())
}

impl Events {
    async fn next(&mut self) -> Option<Frame> {
        if self.is_over {
            return None;
        }
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|is_closing| *is_closing) => None,
            () = self.grant.expired() => {
                self.is_over = true;
                let (offset, denied) = (self.reader.handed_over(), Denied::Expired);
                let text = self.shared.hub.with_stand(offset, |stand| stand.error(denied.code(), &denied.to_string()));
                Some(Frame { offset, text })
            }
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
fn event(epoch: &str, frame: &Frame) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    let head = Bytes::from(format!("id: {}\ndata: ", id(epoch, frame.offset)));
    stream::iter([Ok(head), Ok(frame.text.bytes()), Ok(Bytes::from_static(b"\n\n"))])
}
