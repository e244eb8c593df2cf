//! Writers of the broker: plain and transactional.
//!
//! Always holds: no failed delivery goes unnoticed (a flush or a commit after it fails), and every call ends by its
//! deadline. Does not know: what a failed commit means for the owner's state.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

use crate::log::{ErrorClass, LogError, Outgoing, Partitioned, Position, Producer, Transactions};

use super::consumer::BrokerGroup;
use super::context::Deliveries;
use super::error::{of_client, plain, transaction_class};
use super::letting_go::let_go;
use super::partitions::offsets;

/// The client; letting go of it takes bounded time.
struct Client(ManuallyDrop<ThreadedProducer<Deliveries>>);

impl Deref for Client {
    type Target = ThreadedProducer<Deliveries>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        #[allow(unsafe_code, reason = "the client must be moved out of what is dropped")]
        // SAFETY: it is taken here only, once, and nothing looks at it afterwards.
        let client = unsafe { ManuallyDrop::take(&mut self.0) };
        if let Err(error) = let_go("the writer", client) {
            tracing::warn!(%error, "a writer was given up");
        }
    }
}

/// Between two looks at a full buffer.
const BUFFER_FULL_RETRY: Duration = Duration::from_millis(1);

/// Between two tries of a call that may be repeated.
const CALL_RETRY: Duration = Duration::from_millis(10);

/// A plain idempotent writer.
pub struct BrokerProducer {
    client: Client,
    call_timeout: Duration,
}

impl BrokerProducer {
    pub(super) fn new(config: &ClientConfig, call_timeout: Duration) -> Result<Self, LogError> {
        Ok(BrokerProducer { client: client(config)?, call_timeout })
    }

    /// Records that the log has acknowledged, since the writer was made.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.client.client().context().delivered()
    }

    /// Records that were given up, since the writer was made.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.client.client().context().failed()
    }
}

impl Producer for BrokerProducer {
    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), LogError> {
        if let Some(failure) = self.client.client().context().failure() {
            return Err(failure);
        }
        enqueue(&self.client, record, self.call_timeout)
    }

    fn flush(&mut self, timeout: Duration) -> Result<(), LogError> {
        let unsent = flush(&self.client, timeout);
        if let Some(failure) = self.client.client().context().forget() {
            return Err(failure);
        }
        unsent
    }
}

/// A transactional writer.
pub struct BrokerTransactions {
    client: Client,
    /// Why nothing but an abort is possible, or not even that.
    failure: Option<LogError>,
    call_timeout: Duration,
}

impl BrokerTransactions {
    pub(super) fn new(config: &ClientConfig, call_timeout: Duration) -> Result<Self, LogError> {
        let writer = BrokerTransactions { client: client(config)?, failure: None, call_timeout };
        let deadline = Instant::now() + call_timeout;
        writer.retried(deadline, "cannot fence the writer before", |rest| {
            writer.client.init_transactions(rest)
        })?;
        Ok(writer)
    }

    /// Repeats what may be repeated until the deadline; [`ErrorClass::Retriable`] comes out only after it.
    fn retried(
        &self,
        deadline: Instant,
        what: &str,
        call: impl Fn(Duration) -> KafkaResult<()>,
    ) -> Result<(), LogError> {
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let Err(error) = call(rest.max(Duration::from_millis(1))) else { return Ok(()) };
            let class = transaction_class(&error);
            if class != ErrorClass::Retriable || Instant::now() >= deadline {
                let described = of_client(self.client.client(), what, &error);
                let class = if described.class == ErrorClass::Fatal { ErrorClass::Fatal } else { class };
                return Err(LogError { class, ..described });
            }
            tracing::debug!(%error, what, "trying again");
            thread::sleep(CALL_RETRY);
        }
    }

    /// The failure that stands in the way, if any.
    fn usable(&self) -> Result<(), LogError> {
        let delivery = || self.client.client().context().failure();
        match self.failure.clone().or_else(delivery) {
            Some(failure) if failure.class == ErrorClass::Fatal => Err(failure),
            Some(failure) => Err(LogError { class: ErrorClass::MustAbort, ..failure }),
            None => Ok(()),
        }
    }

    /// Remembers a failure: from now on only an abort helps, or not even that.
    fn failed(&mut self, error: LogError) -> LogError {
        let class = if error.class == ErrorClass::Fatal { ErrorClass::Fatal } else { ErrorClass::MustAbort };
        let error = LogError { class, ..error };
        self.failure = Some(error.clone());
        error
    }

    fn commit_by(
        &self,
        deadline: Instant,
        positions: &[Position],
        group: &BrokerGroup,
    ) -> Result<(), LogError> {
        flush(&self.client, deadline.saturating_duration_since(Instant::now()))?;
        self.usable()?;
        if !positions.is_empty() {
            let offsets = offsets(positions).map_err(|error| plain("cannot set an offset", &error))?;
            self.retried(deadline, "cannot add positions to the transaction", |rest| {
                self.client.send_offsets_to_transaction(&offsets, &group.0, rest)
            })?;
        }
        self.retried(deadline, "cannot commit the transaction", |rest| self.client.commit_transaction(rest))
            .map_err(|error| match error.class {
                ErrorClass::Retriable => {
                    LogError::fatal(format!("the outcome of the commit is unknown: {}", error.message))
                }
                _ => error,
            })
    }
}

impl Transactions for BrokerTransactions {
    type Group = BrokerGroup;

    fn begin(&mut self) -> Result<(), LogError> {
        self.usable()?;
        match self.client.begin_transaction() {
            Ok(()) => Ok(()),
            Err(error) => {
                let class = transaction_class(&error);
                let described = of_client(self.client.client(), "cannot begin a transaction", &error);
                Err(self.failed(LogError { class, ..described }))
            }
        }
    }

    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), LogError> {
        self.usable()?;
        enqueue(&self.client, record, self.call_timeout).map_err(|error| self.failed(error))
    }

    fn commit(&mut self, positions: &[Position], group: &BrokerGroup) -> Result<(), LogError> {
        self.usable()?;
        let deadline = Instant::now() + self.call_timeout;
        self.commit_by(deadline, positions, group).map_err(|error| self.failed(error))
    }

    fn abort(&mut self) -> Result<(), LogError> {
        if let Some(failure) = self.failure.as_ref().filter(|failure| failure.class == ErrorClass::Fatal) {
            return Err(failure.clone());
        }
        let deadline = Instant::now() + self.call_timeout;
        let aborted = self
            .retried(deadline, "cannot abort the transaction", |rest| self.client.abort_transaction(rest));
        match aborted {
            Ok(()) => {
                // records that were thrown away count as failed deliveries
                self.client.client().context().forget();
                self.failure = None;
                Ok(())
            }
            Err(error) => Err(self.failed(LogError::fatal(error.message))),
        }
    }
}

fn client(config: &ClientConfig) -> Result<Client, LogError> {
    let client = config.create_with_context(Deliveries::default());
    Ok(Client(ManuallyDrop::new(client.map_err(|error| plain("cannot make a producer", &error))?)))
}

/// Hands a record to the client, which copies it; waits while its buffer is full.
fn enqueue(client: &Client, record: &Outgoing<'_>, timeout: Duration) -> Result<(), LogError> {
    let mut next = BaseRecord::<[u8], [u8]>::to(record.topic).timestamp(record.timestamp_ms);
    next.key = record.key;
    next.payload = record.value;
    if let Partitioned::To(partition) = record.partition {
        next.partition = Some(partition);
    }
    let mut deadline = None;
    loop {
        let (error, back) = match client.send(next) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + timeout);
        if !full || Instant::now() >= deadline {
            return Err(of_client(client.client(), &format!("cannot write to {}", record.topic), &error));
        }
        client.poll(BUFFER_FULL_RETRY);
        next = back;
    }
}

/// Waits until every record sent was acknowledged or given up, without waiting for batches to fill.
fn flush(client: &Client, timeout: Duration) -> Result<(), LogError> {
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // `Producer::flush` polls in steps of 100 ms, which would be the least time that a commit takes.
    #[allow(unsafe_code, reason = "rd_kafka_flush has no safe form that waits no longer than needed")]
    // SAFETY: the pointer is the live client's, which `client` keeps alive; rd_kafka_flush may be called from any
    // thread; the delivery reports that it waits for are served by the thread of `ThreadedProducer`.
    let outcome = unsafe { rdkafka::bindings::rd_kafka_flush(client.client().native_ptr(), timeout_ms) };
    if outcome == rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    let error = KafkaError::Flush(outcome.into());
    let unsent = client.in_flight_count();
    Err(of_client(client.client(), &format!("{unsent} records are not acknowledged yet"), &error))
}
