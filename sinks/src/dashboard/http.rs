//! The routes: page and assets, health, snapshot, and the two live protocols.
//!
//! Always holds: every answer carries the security headers; the page loads nothing from elsewhere; a page of another
//! origin gets nothing unless the configuration lets it; results go only to whoever may read them. Tokens are in no answer
//! and in no log. Does not know: how the live protocols work, what makes a token good.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;
use serde_json::{Map, Value as Json, json};

use super::accept::Peer;
use super::access::Grant;
use super::hub::{Hub, Reader, now_micros};
use super::limits::{Place, Places};
use super::refused::Refused;
use super::selector::{BadMessage, Filter, Kind, Selectors, SeriesKey};
use super::shard::Shards;
use super::{DashboardOptions, socket, sse};

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The built page. In a development build the files are read from the folder when asked for.
#[derive(RustEmbed)]
#[folder = "../web/dist"]
struct Page;

/// What the routes share.
#[derive(Clone)]
pub struct Shared {
    /// The state to serve.
    pub hub: Arc<Hub>,
    /// The set-up.
    pub options: Arc<DashboardOptions>,
    /// Places for clients with a live connection.
    pub connections: Arc<Places>,
    /// Who serves WebSockets.
    pub shards: Arc<Shards>,
}

impl Shared {
    /// A place for one more live connection.
    ///
    /// # Errors
    /// If there is none, for all or for this address.
    pub fn connect(&self, peer: Peer, headers: &HeaderMap) -> Result<Place, Refused> {
        let address = self.options.clients.client_address(peer.0, headers);
        Ok(self.connections.take(Some(address))?)
    }
}

/// All routes. Called in the runtime that serves them.
pub fn router(hub: Arc<Hub>, options: DashboardOptions) -> Router {
    let connections = options.clients.connections();
    let options = Arc::new(options);
    let shards = Arc::new(Shards::start(&hub, &options));
    let shared = Shared { hub, options, connections, shards };
    Router::new()
        .route("/api/health", get(health))
        .route("/api/ready", get(ready))
        .route("/api/snapshot", get(snapshot))
        .route("/ws", get(socket::upgrade))
        .route("/sse", get(sse::events))
        .fallback(get(asset))
        .layer(middleware::from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

/// The token in `Authorization: Bearer`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What is asked for in the query, as far as it may be read: `subscribe=` with a JSON list, or the fields of one selector;
/// with `partial=true` what may not be read is left out. What else the query may have is in `others`.
///
/// # Errors
/// If it makes no sense, or nothing of a selector may be read.
pub fn filter(
    query: &HashMap<String, String>,
    others: &[&str],
    selectors_max: usize,
    grant: &Grant,
) -> Result<Filter, Refused> {
    let list = match query.get("subscribe") {
        Some(text) => serde_json::from_str(text)
            .map_err(|error| BadMessage(format!("`subscribe` is not JSON: {error}")))?,
        None => {
            let is_field = |name: &str| name != "partial" && !others.contains(&name);
            let fields = query.iter().filter(|(name, _)| is_field(name));
            let fields = fields.map(|(name, value)| (name.clone(), Json::from(value.as_str())));
            Json::Array(vec![Json::Object(fields.collect::<Map<_, _>>())])
        }
    };
    let asked = Selectors::from_json(&list, "subscribe", selectors_max)?;
    match query.get("partial").map(String::as_str) {
        Some("true") => Ok(Filter::partial(asked, grant.readable.clone())),
        Some("false") | None => Ok(Filter::new(asked, grant.readable.clone())?),
        Some(_) => Err(Refused::BadRequest(BadMessage("`partial` must be true or false".to_owned()))),
    }
}

/// Checks the origin, and puts the headers that every answer has.
async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = origin
        .as_ref()
        .filter(|origin| is_allowed(origin, request.headers(), &shared.options.allowed_origins));
    let mut response = match (&origin, allowed) {
        (Some(_), None) => Refused::Origin.into_response(),
        // a page of another origin that wants to send a token is asked for by its browser first
        (Some(_), Some(_)) if request.method() == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, if-none-match, last-event-id"),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, "etag"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// True for our own page (its origin is the host that was asked) and for the configured origins.
fn is_allowed(origin: &HeaderValue, headers: &HeaderMap, allowed: &[String]) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_own = origin.split_once("://").is_some_and(|(_, authority)| authority == host);
    is_own || allowed.iter().any(|entry| entry == "*" || entry == origin)
}

/// For whoever looks after the gateway; what the pipeline is about, for those who may read that.
async fn health(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let key = SeriesKey { kind: Kind::Health, parts: Vec::new() };
    let grant = shared.options.access.grant(bearer(&headers));
    let may_read_all = grant.is_ok_and(|grant| grant.readable.match_any(&key, true));
    let (pipeline, computed_at) = shared.hub.pipeline();
    let (as_of, watermark, entries, bytes) = {
        let store = shared.hub.store();
        let ((as_of, watermark), (entries, bytes)) = (store.freshness(), store.size());
        (as_of, watermark, entries, bytes)
    };
    let now = now_micros();
    let age_ms = |instant: Option<i64>| instant.map(|at| now.saturating_sub(at) / 1_000);
    let mut body = json!({
        "state": pipeline["state"],
        "server_time": now,
        "as_of": as_of,
        "watermark": watermark,
        "age_ms": age_ms(computed_at),
        "event_age_ms": age_ms(as_of),
        "connections": shared.connections.count(),
        "entries": entries,
        "bytes": bytes,
        "epoch": shared.hub.epoch(),
    });
    if may_read_all {
        body["pipeline"] = pipeline;
    }
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn ready(State(shared): State<Shared>) -> Response {
    let (pipeline, _) = shared.hub.pipeline();
    match pipeline["state"].as_str() {
        Some("live") => (StatusCode::OK, "ready\n").into_response(),
        state => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", state.unwrap_or("starting"))).into_response()
        }
    }
}

/// The state now; 304 if the client has it already.
async fn snapshot(
    State(shared): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let options = &shared.options;
    let grant = options.access.grant(bearer(&headers))?;
    let filter = filter(&query, &["resume"], options.clients.selectors_max, &grant)?;
    if !shared.hub.is_caught_up() {
        return Err(Refused::CatchingUp);
    }
    let (text, name) = Reader::whole(&shared.hub, &filter);
    // weak: the same items, though the frame around them tells of a later moment
    let tag = format!("W/\"{name}\"");
    let caching = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
        (header::VARY, "authorization".to_owned()),
    ];
    if knows(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    Ok((caching, content_type, text.bytes()).into_response())
}

/// True if the client says that it has what this tag names.
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok()).unwrap_or_default();
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.split(',').any(|known| bare(known) == bare(tag))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "webmanifest") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The page and its parts. What Vite names by content is cached for ever, the rest is asked for each time.
async fn asset(uri: Uri, headers: HeaderMap) -> Response {
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    let Some(file) = Page::get(path) else {
        return Refused::NotFound.into_response();
    };
    let hash = file.metadata.sha256_hash();
    let tag: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let caching =
        if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let (status, body) = if knows(&headers, &tag) {
        (StatusCode::NOT_MODIFIED, Body::empty())
    } else {
        (StatusCode::OK, Body::from(file.data))
    };
    let headers = [
        (header::CONTENT_TYPE, content_type(path).to_owned()),
        (header::CACHE_CONTROL, caching.to_owned()),
        (header::ETAG, tag),
    ];
    (status, headers, body).into_response()
}
