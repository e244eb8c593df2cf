//! Writes chunks on threads of its own and reports what became of them.
//!
//! Always holds: every chunk handed in is reported once, unless its task was aborted; retriable errors are repeated for
//! as long as it takes, with a growing pause, and are visible in the health meanwhile.
//! Does not know: offsets, groups, or in which order its caller needs the chunks.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use clickhouse::Client;
use clickhouse::error::Error;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::chunk::Insert;
use super::health::SinkHealth;
use super::insert;
use super::options::ClickHouseOptions;

/// What became of a chunk.
pub(super) struct Done<Tag> {
    /// What the caller called it.
    pub tag: Tag,
    /// Nothing, or the error that repeating will not cure.
    pub outcome: Result<(), InsertError>,
}

/// An insert that the server refused for good.
#[derive(Debug, thiserror::Error)]
#[error("clickhouse refused `{statement}` ({token}): {source}{advice}")]
pub struct InsertError {
    /// The statement, without its rows.
    pub statement: String,
    /// The range of offsets it was for.
    pub token: String,
    /// The server's answer.
    pub source: Box<Error>,
    advice: &'static str,
}

pub(super) struct Writer<Tag> {
    runtime: Runtime,
    client: Client,
    options: Arc<ClickHouseOptions>,
    permits: Arc<Semaphore>,
    health: Arc<SinkHealth>,
    done: Sender<Done<Tag>>,
}

impl<Tag: Send + 'static> Writer<Tag> {
    /// A writer that reports to `done`.
    pub fn new(
        options: &ClickHouseOptions,
        health: Arc<SinkHealth>,
        done: Sender<Done<Tag>>,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(2)
            .thread_name("clickhouse-writer")
            .enable_all()
            .build()?;
        Ok(Writer {
            runtime,
            client: options.client(),
            options: Arc::new(options.clone()),
            permits: Arc::new(Semaphore::new(options.inserts_max)),
            health,
            done,
        })
    }

    /// Starts writing these inserts, one after the other.
    pub fn write(&self, tag: Tag, inserts: Vec<Insert>) -> AbortHandle {
        let (client, options) = (self.client.clone(), self.options.clone());
        let (permits, health, done) = (self.permits.clone(), self.health.clone(), self.done.clone());
        let task = self.runtime.spawn(async move {
            let mut outcome = Ok(());
            for insert in &inserts {
                outcome = write_until_acknowledged(&client, &options, &permits, &health, insert).await;
                if outcome.is_err() {
                    break;
                }
            }
            if done.send(Done { tag, outcome }).is_err() {
                tracing::debug!("a chunk was written after its sink had ended");
            }
        });
        task.abort_handle()
    }

    /// Ends all tasks.
    pub fn shut_down(self) {
        self.runtime.shutdown_background();
    }
}

async fn write_until_acknowledged(
    client: &Client,
    options: &ClickHouseOptions,
    permits: &Semaphore,
    health: &SinkHealth,
    insert: &Insert,
) -> Result<(), InsertError> {
    let mut delay = options.retry_delay;
    loop {
        // The semaphore is never closed; a permit is held during an attempt, not during a pause.
        let permit = permits.acquire().await;
        let outcome = insert::send(client, options, insert).await;
        drop(permit);
        let error = match outcome {
            Ok(()) => {
                health.insert_succeeded(insert.rows);
                tracing::debug!(token = insert.token, rows = insert.rows, "rows written");
                return Ok(());
            }
            Err(error) => error,
        };
        health.insert_failed(&error.to_string());
        if !insert::is_retriable(&error) {
            let advice = insert::advice(&error);
            let (statement, token) = (insert.statement.clone(), insert.token.clone());
            return Err(InsertError { statement, token, source: Box::new(error), advice });
        }
        let delay_ms = delay.as_millis() as u64;
        tracing::warn!(token = insert.token, %error, delay_ms, "insert failed and will be repeated");
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(options.retry_delay_max.max(options.retry_delay));
    }
}
