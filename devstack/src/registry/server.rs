//! The HTTP side: Confluent's addresses, bodies and answers.
//!
//! Only shapes are known here; what is right is decided by the state.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State as Shared},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    compatibility::Level,
    error::{CONTENT_TYPE, RegistryError},
    schema::AvroSchema,
    state::{State, VersionName, level_record},
    store::Store,
};
use crate::lifetime::stop_requested;

/// What one registry needs to know.
#[derive(Debug, Clone, clap::Args)]
pub struct RegistryOptions {
    /// Port on 127.0.0.1
    #[arg(long, default_value_t = 8081)]
    pub port: u16,
    /// Brokers that keep the schemas, as host:port
    #[arg(long, default_value = "127.0.0.1:9092")]
    pub kafka: String,
    /// Stop when standard input ends, as it does when the starting process ends
    #[arg(long)]
    pub with_parent: bool,
}

/// Serves a schema registry until the process is asked to stop.
///
/// # Errors
/// If the port is taken, Kafka does not answer, or its topic `_schemas` cannot be used.
pub async fn run_registry(options: RegistryOptions) -> Result<()> {
    let listener = crate::ports::listen(options.port, "--port")?;
    let store = tokio::task::spawn_blocking(move || Store::open(&options.kafka)).await??;
    tracing::info!(port = options.port, "registry is ready");
    let stop = async move {
        if let Err(error) = stop_requested(options.with_parent).await {
            tracing::error!("stopping, for signals cannot be had: {error:#}");
        }
    };
    let store = Arc::new(store);
    axum::serve(listener, router(store.clone()))
        .with_graceful_shutdown(stop)
        .await
        .context("cannot serve")?;
    // closing Kafka's clients blocks
    tokio::task::spawn_blocking(move || drop(store)).await?;
    tracing::info!("registry has stopped");
    Ok(())
}

type Answer = Result<Json, RegistryError>;
type Pairs = Query<HashMap<String, String>>;
type Registry = Shared<Arc<Store>>;

/// A JSON answer.
struct Json(Value);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], self.0.to_string()).into_response()
    }
}

fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/", get(async || Json(json!({}))))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(lookup).delete(delete_subject))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version).delete(delete_version))
        .route("/subjects/{subject}/versions/{version}/schema", get(version_schema))
        .route("/schemas/types", get(async || Json(json!(["AVRO"]))))
        .route("/schemas/ids/{id}", get(schema))
        .route("/schemas/ids/{id}/schema", get(schema_text))
        .route("/schemas/ids/{id}/versions", get(uses))
        .route("/config", get(global_level).put(set_global_level))
        .route("/config/{subject}", get(subject_level).put(set_subject_level).delete(unset_subject_level))
        .route("/mode", get(async || Json(json!({"mode": "READWRITE"}))).put(set_mode))
        .route("/mode/{subject}", put(set_mode))
        .route("/compatibility/subjects/{subject}/versions", post(compatibility_with_all))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(compatibility))
        .fallback(async || plain_error(StatusCode::NOT_FOUND, "HTTP 404 Not Found"))
        .method_not_allowed_fallback(async || {
            plain_error(StatusCode::METHOD_NOT_ALLOWED, "HTTP 405 Method Not Allowed")
        })
        .with_state(store)
}

/// An error of HTTP itself: its code is the status.
fn plain_error(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error_code": status.as_u16(), "message": message}))).into_response()
}

/// A schema as clients send it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaBody {
    #[serde(default)]
    schema: String,
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Value>,
}

impl SchemaBody {
    fn parse(body: &Bytes) -> Result<AvroSchema, RegistryError> {
        let body: SchemaBody = json_body(body)?;
        match body.schema_type.as_deref() {
            None | Some("AVRO") => {}
            Some(other) => {
                return Err(RegistryError::InvalidSchema(format!(
                    "type {other} is not supported, only AVRO is"
                )));
            }
        }
        if !body.references.is_empty() {
            return Err(RegistryError::InvalidSchema(
                "references to other subjects are not supported".to_owned(),
            ));
        }
        AvroSchema::parse(&body.schema)
    }
}

fn json_body<T: DeserializeOwned>(body: &Bytes) -> Result<T, RegistryError> {
    serde_json::from_slice(body)
        .map_err(|error| RegistryError::Unprocessable(format!("Unreadable body: {error}")))
}

fn is_on(pairs: &HashMap<String, String>, name: &str) -> bool {
    pairs.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn parse_id(id: &str) -> Result<u32, RegistryError> {
    id.parse().map_err(|_| RegistryError::Unprocessable(format!("{id:?} is not a schema id")))
}

async fn subjects(Shared(store): Registry, Query(pairs): Pairs) -> Json {
    let prefix = pairs.get("subjectPrefix").map_or("", String::as_str);
    Json(json!(store.state().subjects(prefix, is_on(&pairs, "deleted"))))
}

async fn versions(Shared(store): Registry, Path(subject): Path<String>, Query(pairs): Pairs) -> Answer {
    Ok(Json(json!(store.state().versions(&subject, is_on(&pairs, "deleted"))?)))
}

async fn version(Shared(store): Registry, Path((subject, version)): Path<(String, String)>) -> Answer {
    Ok(Json(json!(store.state().version(&subject, VersionName::parse(&version)?)?)))
}

async fn version_schema(
    Shared(store): Registry,
    Path((subject, version)): Path<(String, String)>,
) -> Result<Response, RegistryError> {
    Ok(raw(store.state().version(&subject, VersionName::parse(&version)?)?.schema))
}

/// A schema alone, which is JSON by itself.
fn raw(schema: String) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], schema).into_response()
}

async fn schema(Shared(store): Registry, Path(id): Path<String>) -> Answer {
    Ok(Json(json!({"schema": store.state().schema(parse_id(&id)?)?})))
}

async fn schema_text(Shared(store): Registry, Path(id): Path<String>) -> Result<Response, RegistryError> {
    Ok(raw(store.state().schema(parse_id(&id)?)?.to_owned()))
}

async fn uses(Shared(store): Registry, Path(id): Path<String>) -> Answer {
    let state = store.state();
    let uses = state.uses(parse_id(&id)?)?;
    Ok(Json(
        uses.into_iter().map(|(subject, version)| json!({"subject": subject, "version": version})).collect(),
    ))
}

async fn lookup(Shared(store): Registry, Path(subject): Path<String>, body: Bytes) -> Answer {
    // the schema first, as in Confluent's: what is no schema is 42201 in any subject
    let schema = SchemaBody::parse(&body)?;
    Ok(Json(json!(store.state().lookup(&subject, &schema)?)))
}

/// Makes a change on a thread of its own, for it waits for Kafka.
async fn change(
    store: Arc<Store>,
    decide: impl FnOnce(&State) -> Result<(Value, Vec<super::state::NewRecord>), RegistryError> + Send + 'static,
) -> Answer {
    match tokio::task::spawn_blocking(move || store.change(decide)).await {
        Ok(answer) => answer.map(Json),
        Err(error) => Err(RegistryError::Backend(error.to_string())),
    }
}

async fn register(Shared(store): Registry, Path(subject): Path<String>, body: Bytes) -> Answer {
    let schema = SchemaBody::parse(&body)?;
    change(store, move |state| {
        let registration = state.register(&subject, &schema)?;
        Ok((json!({"id": registration.id}), registration.record.into_iter().collect()))
    })
    .await
}

fn refuse_permanent(pairs: &HashMap<String, String>) -> Result<(), RegistryError> {
    if is_on(pairs, "permanent") {
        return Err(RegistryError::Unprocessable("Permanent deletion is not supported".to_owned()));
    }
    Ok(())
}

async fn delete_subject(Shared(store): Registry, Path(subject): Path<String>, Query(pairs): Pairs) -> Answer {
    refuse_permanent(&pairs)?;
    change(store, move |state| {
        state.delete_subject(&subject).map(|(numbers, records)| (json!(numbers), records))
    })
    .await
}

async fn delete_version(
    Shared(store): Registry,
    Path((subject, version)): Path<(String, String)>,
    Query(pairs): Pairs,
) -> Answer {
    refuse_permanent(&pairs)?;
    let version = VersionName::parse(&version)?;
    change(store, move |state| {
        state.delete_version(&subject, version).map(|(number, record)| (json!(number), vec![record]))
    })
    .await
}

async fn global_level(Shared(store): Registry) -> Json {
    let level = store.state().own_level(None).unwrap_or(Level::Backward);
    Json(json!({"compatibilityLevel": level}))
}

async fn subject_level(Shared(store): Registry, Path(subject): Path<String>, Query(pairs): Pairs) -> Answer {
    let state = store.state();
    let level = state.own_level(Some(&subject));
    let level = level.or_else(|| is_on(&pairs, "defaultToGlobal").then(|| state.level(&subject)));
    level
        .map(|level| Json(json!({"compatibilityLevel": level})))
        .ok_or(RegistryError::NoSubjectLevel(subject))
}

async fn set_level(store: Arc<Store>, subject: Option<String>, body: &Bytes) -> Answer {
    let body: HashMap<String, Value> = json_body(body)?;
    let level = Level::parse(body.get("compatibility").and_then(Value::as_str).unwrap_or_default())?;
    change(store, move |_| {
        Ok((json!({"compatibility": level}), vec![level_record(subject.as_deref(), level)]))
    })
    .await
}

async fn set_global_level(Shared(store): Registry, body: Bytes) -> Answer {
    set_level(store, None, &body).await
}

async fn set_subject_level(Shared(store): Registry, Path(subject): Path<String>, body: Bytes) -> Answer {
    set_level(store, Some(subject), &body).await
}

async fn unset_subject_level(Shared(store): Registry, Path(subject): Path<String>) -> Answer {
    change(store, move |state| {
        let level =
            state.own_level(Some(&subject)).ok_or_else(|| RegistryError::NoSubjectLevel(subject.clone()))?;
        let removal = (super::records::Key::config(Some(&subject)), None);
        Ok((json!({"compatibilityLevel": level}), vec![removal]))
    })
    .await
}

async fn set_mode() -> RegistryError {
    RegistryError::Unprocessable("Modes other than READWRITE are not supported".to_owned())
}

fn compatibility_answer(
    store: &Store,
    subject: &str,
    body: &Bytes,
    with: Option<VersionName>,
    pairs: &HashMap<String, String>,
) -> Answer {
    let schema = SchemaBody::parse(body)?;
    let objections = store.state().objections(subject, &schema, with)?;
    let mut answer = json!({"is_compatible": objections.is_empty()});
    if is_on(pairs, "verbose") {
        answer["messages"] = json!(objections);
    }
    Ok(Json(answer))
}

async fn compatibility(
    Shared(store): Registry,
    Path((subject, version)): Path<(String, String)>,
    Query(pairs): Pairs,
    body: Bytes,
) -> Answer {
    compatibility_answer(&store, &subject, &body, Some(VersionName::parse(&version)?), &pairs)
}

async fn compatibility_with_all(
    Shared(store): Registry,
    Path(subject): Path<String>,
    Query(pairs): Pairs,
    body: Bytes,
) -> Answer {
    compatibility_answer(&store, &subject, &body, None, &pairs)
}
