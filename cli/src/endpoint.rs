//! What a process with jobs or with a sink answers over HTTP: live state, health, metrics.
//!
//! `GET /state/boards/{board}/{group}`: the board as it stands, from the instance that has its shard; another instance answers
//! with a redirect to that one. `GET /health`: 200 while every job runs and the sink's inserts succeed. `GET /metrics`: counters for Prometheus.
//!
//! Always holds: the answer is what the schema says, as JSON. Does not know: who may ask; bind it where only those are.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kafka::TopicPartition;
use kafka::broker::BrokerLog;
use processors::{Job, StateSize};
use runtime::horizon::Horizon;
use runtime::{Answer, Desk, JobMetrics, RunningJob};
use schemas::json::JsonReader;
use schemas::{Encoder, LeaderboardResult, SchemaIds, Topic};
use serde_json::json;
use sinks::clickhouse::SinkHealth;

use crate::config::Checked;
use crate::wiring;

/// How long a worker may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A job as the endpoint sees it.
struct Served {
    job: Arc<Job>,
    /// The names of its boards.
    boards: Vec<String>,
    desk: Desk,
    metrics: Arc<JobMetrics>,
}

struct Endpoint {
    log: BrokerLog,
    topic_prefix: String,
    jobs: Vec<Served>,
    sink: Option<Arc<SinkHealth>>,
    stop: Arc<AtomicBool>,
}

/// The port of the endpoint, taken before the jobs start so that they can name it.
pub(crate) struct Bound {
    listener: TcpListener,
    /// The address under which others reach it.
    pub(crate) owner: String,
}

/// Takes the port.
pub(crate) fn bind(checked: &Checked) -> Result<Bound> {
    let wanted = checked.config.process.listen;
    let listener = TcpListener::bind(wanted).with_context(|| {
        format!("cannot listen on {wanted} (process.listen); port 0 takes any that is free")
    })?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let owner = checked.config.process.advertise.clone().unwrap_or_else(|| format!("http://{address}"));
    Ok(Bound { listener, owner })
}

/// Serves on a thread of its own until `stop` is set.
pub(crate) fn serve(
    checked: &Checked,
    bound: Bound,
    log: &BrokerLog,
    running: &[(Arc<Job>, &RunningJob)],
    sink: Option<Arc<SinkHealth>>,
    stop: &Arc<AtomicBool>,
) -> Result<JoinHandle<Result<()>>> {
    let served = |(job, running): &(Arc<Job>, &RunningJob)| Served {
        boards: job.board_names().map(str::to_owned).collect(),
        job: Arc::clone(job),
        desk: running.desk.clone(),
        metrics: Arc::clone(&running.metrics),
    };
    let endpoint = Endpoint {
        log: log.clone(),
        topic_prefix: checked.config.topic_prefix.clone(),
        jobs: running.iter().map(served).collect(),
        sink,
        stop: Arc::clone(stop),
    };
    tracing::info!(address = bound.owner, "live state, health and metrics are served");
    let stop = Arc::clone(stop);
    let thread = std::thread::Builder::new().name("endpoint".to_owned());
    Ok(thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(bound.listener)?;
            let server = axum::serve(listener, router(Arc::new(endpoint)));
            tokio::select! {
                served = server => served.context("process.listen"),
                () = wiring::stopped(stop) => Ok(()),
            }
        })
    })?)
}

fn router(endpoint: Arc<Endpoint>) -> Router {
    Router::new()
        .route("/state/boards/{board}/{*group}", get(board))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .with_state(endpoint)
}

async fn board(
    State(endpoint): State<Arc<Endpoint>>,
    Path((board, group)): Path<(String, String)>,
) -> Response {
    // A worker answers between two steps, and the broker is asked for owners: neither on the server's thread.
    let answered = tokio::task::spawn_blocking(move || endpoint.board(&board, &group)).await;
    answered.unwrap_or_else(|error| problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))
}

fn problem(status: StatusCode, message: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], json!({"error": message}).to_string())
        .into_response()
}

impl Endpoint {
    fn board(&self, board: &str, group: &str) -> Response {
        let Some(served) = self.jobs.iter().find(|served| served.boards.iter().any(|name| name == board))
        else {
            return problem(StatusCode::NOT_FOUND, &format!("no job here has a board {board}"));
        };
        match served.desk.query(board, group, ANSWER_TIMEOUT) {
            Ok(Answer::Found(result)) => found(&result),
            Ok(Answer::NotFound) => {
                problem(StatusCode::NOT_FOUND, &format!("board {board} has no group {group}"))
            }
            Ok(Answer::NotYet(shard)) => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                &format!("shard {shard} is being restored; ask again"),
            ),
            Ok(Answer::Elsewhere(shard)) => match self.owner(&served.job, shard) {
                Some(owner) => {
                    let place = format!("{owner}/state/boards/{board}/{group}");
                    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place)]).into_response()
                }
                None => problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    &format!("nobody has shard {shard} now; ask again"),
                ),
            },
            Err(error) => problem(StatusCode::BAD_GATEWAY, &error.to_string()),
        }
    }

    /// Who had the shard at its last commit.
    fn owner(&self, job: &Job, shard: i32) -> Option<String> {
        let input = job.inputs.first()?;
        let partition = TopicPartition::new(format!("{}{input}", self.topic_prefix), shard);
        let group = runtime::worker::group_id(&self.topic_prefix, &job.name);
        let committed = self.log.group_positions(&group, &[partition]).ok()?.into_iter().next()??;
        Horizon::from_metadata(&committed.metadata).ok()??.note.owner
    }
}

/// The board as the schema's JSON.
fn found(result: &LeaderboardResult) -> Response {
    let mut bytes = Vec::new();
    let encoded =
        Encoder::new(SchemaIds::local()).encode(result, &mut bytes).map_err(|error| error.to_string());
    let shown = encoded.and_then(|()| {
        let reader = JsonReader::new(Topic::Leaderboards.spec().schema).map_err(|error| error.to_string())?;
        reader.read(&bytes).map_err(|error| error.to_string())
    });
    match shown {
        Ok(shown) => ([(header::CONTENT_TYPE, "application/json")], shown.to_string()).into_response(),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}

async fn health(State(endpoint): State<Arc<Endpoint>>) -> Response {
    let jobs: BTreeMap<&str, u64> = endpoint
        .jobs
        .iter()
        .map(|served| (served.job.name.as_str(), served.metrics.commits.load(Ordering::Relaxed)))
        .collect();
    let is_stopping = endpoint.stop.load(Ordering::Relaxed);
    let sink = endpoint.sink.as_ref().map(|sink| sink.status());
    let is_failing = sink.as_ref().is_some_and(|sink| sink.failing_since.is_some());
    let is_well = !is_stopping && !is_failing;
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({"stopping": is_stopping, "commits": jobs, "sink": sink}).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics(State(endpoint): State<Arc<Endpoint>>) -> Response {
    let mut text = String::new();
    for served in &endpoint.jobs {
        let job = &served.job.name;
        for (name, value) in counters(&served.metrics) {
            // Writing to a string cannot fail.
            writeln!(text, "ovation_job_{name}{{job=\"{job}\"}} {value}").ok();
        }
        for (operator, size) in served.metrics.state() {
            for (name, value) in held(&size) {
                writeln!(text, "ovation_job_state_{name}{{job=\"{job}\",operator=\"{operator}\"}} {value}")
                    .ok();
            }
        }
        for (reason, count) in served.metrics.dead() {
            writeln!(text, "ovation_job_dead_letters{{job=\"{job}\",reason=\"{reason}\"}} {count}").ok();
        }
    }
    for (name, value) in endpoint.sink.iter().flat_map(|sink| sink.status().counters()) {
        writeln!(text, "ovation_sink_{name} {value}").ok();
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// What an operator holds; what the names mean is said at [`StateSize`].
fn held(size: &StateSize) -> [(&'static str, u64); 7] {
    [
        ("groups", size.groups),
        ("items", size.items),
        ("pending", size.pending),
        ("entries", size.entries),
        ("forgotten", size.forgotten),
        ("dedup_ids", size.dedup_ids),
        ("bytes_estimate", size.bytes_estimate),
    ]
}

fn counters(metrics: &JobMetrics) -> [(&'static str, i64); 20] {
    let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as i64;
    [
        ("events", get(&metrics.events)),
        ("late", get(&metrics.late)),
        ("clamped", get(&metrics.clamped)),
        ("duplicates", get(&metrics.duplicates)),
        ("tombstones", get(&metrics.tombstones)),
        ("results", get(&metrics.results)),
        ("commits", get(&metrics.commits)),
        ("aborts", get(&metrics.aborts)),
        ("replayed", get(&metrics.replayed)),
        ("snapshots", get(&metrics.snapshots)),
        ("snapshot_bytes", get(&metrics.snapshot_bytes)),
        ("snapshots_failed", get(&metrics.snapshots_failed)),
        ("snapshots_skipped", get(&metrics.snapshots_skipped)),
        ("snapshots_damaged", get(&metrics.snapshots_damaged)),
        ("state_bytes", get(&metrics.state_bytes)),
        ("restores", get(&metrics.restores)),
        ("restores_from_older", get(&metrics.restores_from_older)),
        ("restores_from_log", get(&metrics.restores_from_log)),
        ("restore_records_to_go", get(&metrics.restore_records_to_go)),
        ("watermark_micros", metrics.watermark_micros.load(Ordering::Relaxed)),
    ]
}
