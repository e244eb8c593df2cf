//! The way to the live stream over a WebSocket: who asks, and the handshake.
//!
//! Always holds: a connection has its place before it is answered. Does not know: what becomes of it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::OnUpgrade;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::accept::Peer;
use super::http::{Shared, bearer};
use super::refused::Refused;
use super::selector::BadMessage;
use super::shard::Arrival;

/// The subprotocol's name, and what a token has before it where it is given as another.
const PROTOCOL: &str = "ovation";
const TOKEN_PROTOCOL: &str = "bearer.";
/// What every WebSocket server puts behind a client's key (RFC 6455).
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// `GET /ws`.
pub async fn upgrade(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Query(query): Query<HashMap<String, String>>,
    mut request: Request,
) -> Result<Response, Refused> {
    if let Some(name) = query.keys().next() {
        let message = format!("unknown parameter `{name}`; send a message with `subscribe` instead");
        return Err(BadMessage(message).into());
    }
    let on_upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let headers = request.headers();
    let (Some(key), Some(on_upgrade)) = (key(&request), on_upgrade) else {
        let message = "this is the address of a WebSocket, version 13";
        return Err(BadMessage(message.to_owned()).into());
    };
    let access = &shared.options.access;
    let grant = match token(headers) {
        Some(token) => Some(access.grant(Some(token))?),
        // the first message may bring a token
        None => access.grant(None).ok(),
    };
    let place = shared.connect(peer, headers)?;
    let accepted = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, KEY_SUFFIX.as_bytes()].concat()));
    let answer = [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_ACCEPT, accepted.as_str()),
    ];
    let mut response = (StatusCode::SWITCHING_PROTOCOLS, answer).into_response();
    if protocols(headers).any(|protocol| protocol == PROTOCOL) {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    let shards = Arc::clone(&shared.shards);
    tokio::spawn(async move {
        // an error: the client did not wait for the answer
        if let Ok(stream) = on_upgrade.await {
            shards.admit(Arrival { stream, grant, place });
        }
    });
    Ok(response)
}

/// The key of a handshake; none if this is none.
fn key(request: &Request) -> Option<&[u8]> {
    let headers = request.headers();
    let names = |name: header::HeaderName, wanted: &str| {
        let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    let is_handshake = request.method() == Method::GET
        && names(header::CONNECTION, "upgrade")
        && names(header::UPGRADE, "websocket")
        && names(header::SEC_WEBSOCKET_VERSION, "13");
    headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| is_handshake).map(HeaderValue::as_bytes)
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim)
}

/// The token in the headers of a handshake. A browser's WebSocket lets a page choose nothing but subprotocols.
fn token(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).or_else(|| protocols(headers).find_map(|protocol| protocol.strip_prefix(TOKEN_PROTOCOL)))
}
