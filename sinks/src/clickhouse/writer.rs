//! Writes chunks on threads of its own and reports what became of them.
//!
//! Always holds: every chunk handed in is reported once, unless its task was aborted; retriable errors are repeated for as long as
//! it takes, with a growing pause, and are visible in the health meanwhile. No attempt begins while the lease is not held. An
//! acknowledgement that follows an attempt of unknown outcome counts only if the table has the rows.
//! Does not know: positions, groups, or in which order its caller needs the chunks.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use clickhouse::Client;
use clickhouse::error::Error;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::chunk::Insert;
use super::health::SinkHealth;
use super::insert::{self, Meaning};
use super::lease::Lease;
use super::options::ClickHouseOptions;

/// How soon it is looked again whether the lease is held.
const LEASE_PAUSE: Duration = Duration::from_millis(50);

/// What became of a chunk.
pub(super) struct Done<Tag> {
    /// What the caller called it.
    pub tag: Tag,
    /// How it ended.
    pub outcome: Outcome,
}

/// How the writing of a chunk ended.
pub(super) enum Outcome {
    /// All of it is in the table.
    Written,
    /// The server refuses rows of it. The rows of these table partitions are written.
    Refused {
        /// Table partitions, in days since 1970.
        done_days: Vec<i32>,
        /// The server's words.
        error: InsertError,
    },
    /// An error that repeating will not cure.
    Failed(InsertError),
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
    pub(super) advice: &'static str,
}

/// How one insert ended, short of being written.
enum Unwritten {
    Refused(InsertError),
    Failed(InsertError),
}

pub(super) struct Writer<Tag> {
    runtime: Runtime,
    attempts: Arc<Attempts>,
    done: Sender<Done<Tag>>,
}

/// What all inserts share.
struct Attempts {
    client: Client,
    options: ClickHouseOptions,
    permits: Semaphore,
    health: Arc<SinkHealth>,
    lease: Arc<Lease>,
}

/// Pauses between attempts: each twice as long as the one before, up to a limit.
struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    fn new(options: &ClickHouseOptions) -> Self {
        let next = options.retry_delay;
        Pauses { next, longest: options.retry_delay_max.max(next) }
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(self.longest);
    }
}

impl<Tag: Send + 'static> Writer<Tag> {
    /// A writer that reports to `done`.
    pub fn new(
        options: &ClickHouseOptions,
        health: Arc<SinkHealth>,
        lease: Arc<Lease>,
        done: Sender<Done<Tag>>,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(2)
            .thread_name("clickhouse-writer")
            .enable_all()
            .build()?;
        let attempts = Attempts {
            client: options.client(),
            options: options.clone(),
            permits: Semaphore::new(options.inserts_max),
            health,
            lease,
        };
        Ok(Writer { runtime, attempts: Arc::new(attempts), done })
    }

    /// Starts writing these inserts, one after the other.
    pub fn write(&self, tag: Tag, inserts: Vec<Insert>) -> AbortHandle {
        let (attempts, done) = (self.attempts.clone(), self.done.clone());
        let task = self.runtime.spawn(async move {
            let outcome = attempts.write_all(&inserts).await;
            if done.send(Done { tag, outcome }).is_err() {
                tracing::debug!("a chunk was written after its sink had ended");
            }
        });
        task.abort_handle()
    }

    /// Asks the server something; blocks.
    pub fn ask<T>(&self, question: impl AsyncFnOnce(&Client) -> T) -> T {
        self.runtime.block_on(question(&self.attempts.client))
    }

    /// Ends all tasks.
    pub fn shut_down(self) {
        self.runtime.shutdown_background();
    }
}

impl Attempts {
    async fn write_all(&self, inserts: &[Insert]) -> Outcome {
        let mut done_days = Vec::new();
        for insert in inserts {
            match self.write(insert).await {
                Ok(()) => done_days.push(insert.day),
                Err(Unwritten::Refused(error)) => return Outcome::Refused { done_days, error },
                Err(Unwritten::Failed(error)) => return Outcome::Failed(error),
            }
        }
        Outcome::Written
    }

    /// Repeats an insert until it is written, or refused.
    async fn write(&self, insert: &Insert) -> Result<(), Unwritten> {
        let mut pauses = Pauses::new(&self.options);
        // Whether an attempt of unknown outcome has been made, here or by whoever had the partition before.
        let mut is_in_doubt = insert.is_taken_over;
        loop {
            let error = match self.attempt(insert, is_in_doubt).await {
                Ok(()) => {
                    self.health.insert_succeeded(insert.rows);
                    tracing::debug!(token = insert.token, rows = insert.rows, "rows written");
                    return Ok(());
                }
                Err(error) => error,
            };
            self.health.insert_failed(&error.to_string());
            match insert::meaning(&error) {
                Meaning::Later => is_in_doubt = true,
                Meaning::Rows => return self.refused(insert, error).await,
                Meaning::Never => return Err(Unwritten::Failed(self.refusal(insert, error))),
            }
            let delay_ms = pauses.next.as_millis() as u64;
            tracing::warn!(token = insert.token, %error, delay_ms, "insert failed and will be repeated");
            pauses.pause().await;
        }
    }

    /// One attempt, once the lease is held. If the outcome of one before it is unknown, the table must have the rows afterwards: the
    /// server notes a token before it makes the part visible, and if it is killed in between, it remembers what it does not have.
    async fn attempt(&self, insert: &Insert, is_in_doubt: bool) -> Result<(), Error> {
        // The semaphore is never closed; a permit is held during an attempt, not during a pause.
        let _permit = self.permits.acquire().await;
        while !self.lease.is_held() {
            tokio::time::sleep(LEASE_PAUSE).await;
        }
        insert::send(&self.client, &self.options, insert).await?;
        if !is_in_doubt || insert::records_there(&self.client, insert).await? != Some(0) {
            return Ok(());
        }
        tracing::warn!(token = insert.token, "the server knows the token and has no rows: they are moved in");
        self.health.insert_moved_in();
        insert::move_in(&self.client, &self.options, insert).await
    }

    /// The server refuses rows, here or in a materialized view. If the table has them all the same, dividing would write them again.
    async fn refused(&self, insert: &Insert, error: Error) -> Result<(), Unwritten> {
        let mut pauses = Pauses::new(&self.options);
        let there = loop {
            match insert::records_there(&self.client, insert).await {
                Ok(there) => break there.unwrap_or(0),
                Err(error) if insert::meaning(&error) == Meaning::Later => {
                    self.health.insert_failed(&error.to_string());
                    pauses.pause().await;
                }
                Err(error) => return Err(Unwritten::Failed(self.refusal(insert, error))),
            }
        };
        if there == 0 {
            return Err(Unwritten::Refused(self.refusal(insert, error)));
        }
        let advice =
            "; the table has the rows, so it is a materialized view that refuses them: mend or drop it";
        Err(Unwritten::Failed(InsertError { advice, ..self.refusal(insert, error) }))
    }

    fn refusal(&self, insert: &Insert, error: Error) -> InsertError {
        InsertError {
            statement: insert.table.insert_statement(),
            token: insert.token.clone(),
            advice: insert::advice(&error),
            source: Box::new(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use kafka::TopicPartition;
    use schemas::Topic;

    use super::super::tables::Table;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_attempt_begins_before_the_lease_is_held() {
        let nobody =
            std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let options = ClickHouseOptions { url: format!("http://{nobody}"), ..ClickHouseOptions::default() };
        let lease = Arc::new(Lease::new(Duration::from_secs(600)));
        let attempts = Attempts {
            client: options.client(),
            options,
            permits: Semaphore::new(1),
            health: Arc::default(),
            lease: lease.clone(),
        };
        let insert = Insert {
            table: Table::of(Topic::Chat),
            token: "t".to_owned(),
            body: "rows".into(),
            rows: 1,
            partition: TopicPartition::new("events.chat", 0),
            offsets: (0, 1),
            day: 0,
            is_taken_over: false,
        };
        // Time passes by itself while nothing else can happen; an attempt would fail at once, since nobody is there.
        let waiting =
            tokio::time::timeout(Duration::from_secs(3_600), attempts.attempt(&insert, false)).await;
        assert!(waiting.is_err(), "{waiting:?}");
        lease.renew(Instant::now());
        let attempted =
            tokio::time::timeout(Duration::from_secs(3_600), attempts.attempt(&insert, false)).await;
        assert!(matches!(attempted, Ok(Err(_))), "{attempted:?}");
    }
}
