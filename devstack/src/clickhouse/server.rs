//! The HTTP side: addresses, credentials, and the hand-over to a thread for each query.
//!
//! Stops on SIGTERM and SIGINT: queries under way are given some time, then the data folder is closed. Knows no SQL.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, FromRequest as _, Multipart, Query, State},
    http::{HeaderMap, Method, Request as HttpRequest, Response as HttpResponse, StatusCode, Uri, header},
    routing::get,
};

use super::{
    body,
    exception::{Exception, code},
    execute::execute,
    fetch_chdb,
    library::Engine,
    request::Request,
    response::{Context, Response},
};
use crate::lifetime::{DataFolder, stop_requested};

const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// The most that a form (a query with parameters) may hold.
const FORM_LIMIT: usize = 16 << 20;

/// What one server needs to know.
#[derive(Debug, Clone, clap::Args)]
pub struct ClickHouseOptions {
    /// Port on 127.0.0.1
    #[arg(long, default_value_t = 8123)]
    pub port: u16,
    /// Folder of its data, created where missing
    #[arg(long = "data", default_value = ".ovation/clickhouse")]
    pub data_dir: PathBuf,
    /// The one user that is let in
    #[arg(long, default_value = "default")]
    pub user: String,
    /// The user's password
    #[arg(long, default_value = "", hide_default_value = true)]
    pub password: String,
    /// Stop when standard input ends, as it does when the starting process ends
    #[arg(long)]
    pub with_parent: bool,
}

struct Server {
    engine: Engine,
    user: String,
    password: String,
}

/// Serves ClickHouse's HTTP interface until the process is asked to stop; fetches the engine first where it is missing.
///
/// # Errors
/// If the port is taken, the data folder is in use or cannot be opened, or the engine is not to be had.
pub async fn run_clickhouse(options: ClickHouseOptions) -> Result<()> {
    let port = options.port;
    let listener = crate::ports::listen(port, "--port")?;
    let with_parent = options.with_parent;
    let (folder, server) = tokio::task::spawn_blocking(move || open(options)).await??;
    let server = Arc::new(server);
    tracing::info!(port, version = server.engine.version(), "clickhouse is ready");
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let serving = axum::serve(listener, router(server.clone())).with_graceful_shutdown(async move {
        if let Err(error) = stop_requested(with_parent).await {
            tracing::error!("stopping, for signals cannot be had: {error:#}");
        }
        stopping.send(()).ok();
    });
    tokio::select! {
        served = serving.into_future() => served.context("cannot serve")?,
        () = async {
            stopped.await.ok();
            tokio::time::sleep(STOP_DEADLINE).await;
        } => tracing::warn!("queries still under way after {} s are cut off", STOP_DEADLINE.as_secs()),
    }
    // the last owner closes the engine, and with it the data folder
    tokio::task::spawn_blocking(move || drop((server, folder))).await?;
    tracing::info!("clickhouse has stopped");
    Ok(())
}

fn open(options: ClickHouseOptions) -> Result<(DataFolder, Server)> {
    let library = fetch_chdb()?;
    let folder = DataFolder::claim(&options.data_dir)?;
    let data_dir = options.data_dir.join("data");
    std::fs::create_dir_all(&data_dir).with_context(|| format!("cannot create {}", data_dir.display()))?;
    let data_dir =
        data_dir.canonicalize().with_context(|| format!("cannot resolve {}", data_dir.display()))?;
    let engine = Engine::open(&library, &data_dir)?;
    Ok((folder, Server { engine, user: options.user, password: options.password }))
}

fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/", get(query).post(query))
        .route("/ping", get("Ok.\n"))
        .route("/replicas_status", get("Ok.\n"))
        .fallback(unknown_path)
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .with_state(server)
}

async fn unknown_path(uri: Uri) -> (StatusCode, String) {
    let path = uri.path();
    (StatusCode::NOT_FOUND, format!("There is no handle {path}\n\nUse / or /ping for health checks.\n"))
}

async fn query(State(server): State<Arc<Server>>, http: HttpRequest<Body>) -> HttpResponse<Body> {
    let (head, body) = http.into_parts();
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(&head.uri);
    let mut context = Context {
        query_id: uuid::Uuid::new_v4().to_string(),
        version: server.engine.version().to_owned(),
        timezone: server.engine.timezone().to_owned(),
    };
    let parsed = match pairs {
        Ok(Query(pairs)) => Request::parse(&head.method, pairs, &head.headers),
        Err(error) => Err(bad_arguments(format!("Cannot read the address: {error}"))),
    };
    let mut request = match parsed {
        Ok(request) => request,
        Err(exception) => return context.failure(&exception),
    };
    if let Some(query_id) = &request.query_id {
        query_id.clone_into(&mut context.query_id);
    }
    if head.method != Method::POST && request.query.is_empty() {
        return HttpResponse::new(Body::from("Ok.\n"));
    }
    if let Err(exception) = request.authenticate(&server.user, &server.password) {
        return context.failure(&exception);
    }
    let body = if is_form(&head.headers) {
        match read_form(HttpRequest::from_parts(head, body), &mut request).await {
            Ok(()) => Body::empty(),
            Err(exception) => return context.failure(&exception),
        }
    } else {
        body
    };
    let received = body::receive(body);
    let (response, answer) = Response::new(&request, context.clone());
    tokio::task::spawn_blocking(move || {
        let mut reader = received.reader(request.body_encoding, request.decompress);
        execute(&server.engine, &request, &mut *reader, response);
    });
    answer.await.unwrap_or_else(|_| {
        let message = "The thread of the query ended without an answer";
        context.failure(&Exception::new(code::UNKNOWN_EXCEPTION, "UNKNOWN_EXCEPTION", message))
    })
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
    content_type.to_ascii_lowercase().starts_with(b"multipart/form-data")
}

/// Takes the SQL and its parameters from a form, as clients send them that keep them out of the address.
async fn read_form(http: HttpRequest<Body>, request: &mut Request) -> Result<(), Exception> {
    let unreadable = |error: &dyn std::fmt::Display| bad_arguments(format!("Cannot read the form: {error}"));
    let mut form = Multipart::from_request(http, &()).await.map_err(|error| unreadable(&error))?;
    while let Some(field) = form.next_field().await.map_err(|error| unreadable(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        if field.file_name().is_some() {
            let message = format!("External tables are not supported: {name:?} is sent as a file");
            return Err(Exception::new(code::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message));
        }
        let value = field.text().await.map_err(|error| unreadable(&error))?;
        request.take(name, value);
    }
    Ok(())
}

fn bad_arguments(message: String) -> Exception {
    Exception::new(code::BAD_ARGUMENTS, "BAD_ARGUMENTS", message)
}
