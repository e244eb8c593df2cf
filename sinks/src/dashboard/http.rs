//! The routes: page and assets, health, snapshot, and the two live protocols.
//!
//! Always holds: every answer carries the security headers; the page loads nothing from elsewhere; a page of another
//! origin gets nothing unless the configuration lets it. Does not know: how the live protocols work.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;
use serde_json::{Map, Value as Json, json};

use super::hub::{Hub, Reader, now_micros};
use super::selector::{BadMessage, Filter, Subscribe};
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
}

/// All routes.
pub fn router(hub: Arc<Hub>, options: DashboardOptions) -> Router {
    let shared = Shared { hub, options: Arc::new(options) };
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

/// A short answer in JSON: `{"error":{"code":...,"message":...}}`.
pub fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "error": { "code": code, "message": message } }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// What a client asked for in the query: `subscribe=` with a JSON list, or the fields of one selector.
///
/// # Errors
/// As [`Filter::from_json`].
pub fn subscription(
    query: &HashMap<String, String>,
    selectors_max: usize,
    resume: Option<String>,
) -> Result<Subscribe, BadMessage> {
    let list = match query.get("subscribe") {
        Some(text) => serde_json::from_str(text)
            .map_err(|error| BadMessage(format!("`subscribe` is not JSON: {error}")))?,
        None => {
            let fields = query.iter().filter(|(name, _)| *name != "resume");
            let fields = fields.map(|(name, value)| (name.clone(), Json::from(value.as_str())));
            Json::Array(vec![Json::Object(fields.collect::<Map<_, _>>())])
        }
    };
    let resume = resume.or_else(|| query.get("resume").cloned());
    Ok(Subscribe { filter: Filter::from_json(&list, selectors_max)?, resume })
}

/// Checks the origin, and puts the headers that every answer has.
async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = origin
        .as_ref()
        .filter(|origin| is_allowed(origin, request.headers(), &shared.options.allowed_origins));
    let mut response = match (&origin, allowed) {
        (Some(_), None) => {
            let message = "pages of this origin may not connect; see `dashboard.allowed_origins`";
            refusal(StatusCode::FORBIDDEN, "origin", message)
        }
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
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

async fn health(State(shared): State<Shared>) -> Response {
    let (pipeline, computed_at) = shared.hub.pipeline();
    let (as_of, watermark, entries, bytes) = {
        let store = shared.hub.store();
        let ((as_of, watermark), (entries, bytes)) = (store.freshness(), store.size());
        (as_of, watermark, entries, bytes)
    };
    let now = now_micros();
    let age_ms = |instant: Option<i64>| instant.map(|at| now.saturating_sub(at) / 1_000);
    let body = json!({
        "state": pipeline["state"],
        "server_time": now,
        "as_of": as_of,
        "watermark": watermark,
        "age_ms": age_ms(computed_at),
        "event_age_ms": age_ms(as_of),
        "connections": shared.hub.connection_count(),
        "entries": entries,
        "bytes": bytes,
        "epoch": shared.hub.epoch(),
        "pipeline": pipeline,
    });
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

async fn snapshot(State(shared): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Response {
    let limits = shared.options.clients;
    let request = match subscription(&query, limits.selectors_max, None) {
        Ok(request) => Subscribe { resume: None, ..request },
        Err(error) => return refusal(StatusCode::BAD_REQUEST, "bad_request", &error.0),
    };
    if !shared.hub.is_caught_up() {
        let message = "the gateway is still reading what was there when it started";
        let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, "catching_up", message);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        return response;
    }
    let text = Reader::whole(&shared.hub, &request.filter);
    ([(header::CONTENT_TYPE, "application/json")], axum::body::Bytes::from(text)).into_response()
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
        return refusal(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address");
    };
    let hash = file.metadata.sha256_hash();
    let tag: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let caching =
        if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let is_same = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let (status, body) = if is_same {
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
