//! What librdkafka tells us by itself: log lines, errors that it is already dealing with, rebalances, deliveries.
//!
//! Always holds: an error that goes on is logged once, not each time; a rebalance is only noted here and answered by
//! the consumer's owner, except while the consumer is closing. Does not know: what the owner does with it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Message as _, TopicPartitionList};

use crate::log::{LogError, TopicPartition};

use super::error::{class_of_code, plain};

/// Locks, also after a panic elsewhere: every value kept here is whole at all times.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes on log lines and says once when something is wrong and once when it is well again.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    is_troubled: AtomicBool,
    trouble: Mutex<Option<RDKafkaErrorCode>>,
}

impl Reporter {
    fn trouble(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        let mut trouble = lock(&self.trouble);
        if *trouble != code {
            *trouble = code;
            self.is_troubled.store(true, Ordering::Relaxed);
            tracing::warn!(%error, reason, "kafka is in trouble, the client keeps trying");
        }
    }

    /// Something came through.
    pub(super) fn well(&self) {
        if self.is_troubled.load(Ordering::Relaxed)
            && self.is_troubled.swap(false, Ordering::Relaxed)
            && lock(&self.trouble).take().is_some()
        {
            tracing::info!("kafka is well again");
        }
    }
}

fn log_line(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{line}");
        }
        // connections that come and go are reported as changes by `Reporter`
        _ if facility == "FAIL" => tracing::debug!(target: "librdkafka", facility, "{line}"),
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::warn!(target: "librdkafka", facility, "{line}");
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{line}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}

/// Of a client that asks questions or administers.
#[derive(Debug, Default)]
pub(super) struct Quiet(Reporter);

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.trouble(&error, reason);
    }
}

impl ConsumerContext for Quiet {}

/// A change of the assignment that librdkafka waits to have answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Assigned(Vec<TopicPartition>),
    Revoked { partitions: Vec<TopicPartition>, lost: bool },
}

/// Of a reader.
#[derive(Debug, Default)]
pub(super) struct ConsumerEvents {
    pub(super) reporter: Reporter,
    changes: Mutex<VecDeque<Change>>,
    changed: AtomicBool,
    closing: AtomicBool,
}

impl ConsumerEvents {
    /// The oldest change that nobody has seen yet.
    pub(super) fn next_change(&self) -> Option<Change> {
        if !self.changed.load(Ordering::Acquire) {
            return None;
        }
        let mut changes = lock(&self.changes);
        let change = changes.pop_front();
        self.changed.store(!changes.is_empty(), Ordering::Release);
        change
    }

    /// True if [`ConsumerEvents::next_change`] has one.
    pub(super) fn has_change(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    /// From now on changes are answered here: the owner has left.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    fn note(&self, change: Change) {
        lock(&self.changes).push_back(change);
        self.changed.store(true, Ordering::Release);
    }
}

impl ClientContext for ConsumerEvents {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reporter.trouble(&error, reason);
    }
}

impl ConsumerContext for ConsumerEvents {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigned = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            let nothing = TopicPartitionList::new();
            let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
            let answered = match (cooperative, assigned) {
                (true, true) => consumer.incremental_assign(&nothing),
                (true, false) => consumer.incremental_unassign(list),
                (false, true) => consumer.assign(&nothing),
                (false, false) => consumer.unassign(),
            };
            if let Err(error) = answered {
                tracing::warn!(%error, "cannot give up the partitions while closing");
            }
            return;
        }
        let partitions = list
            .elements()
            .iter()
            .map(|element| TopicPartition::new(element.topic(), element.partition()))
            .collect();
        self.note(if assigned {
            Change::Assigned(partitions)
        } else {
            Change::Revoked { partitions, lost: consumer.assignment_lost() }
        });
    }
}

/// Of a writer: counts what arrived and keeps the first failure.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    reporter: Reporter,
    delivered: AtomicU64,
    failed: AtomicU64,
    is_failed: AtomicBool,
    first_failure: Mutex<Option<LogError>>,
}

impl Deliveries {
    /// Records that the log has acknowledged.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Records that the log will not get.
    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// The first failure since [`Deliveries::forget`].
    pub(super) fn failure(&self) -> Option<LogError> {
        if self.is_failed.load(Ordering::Acquire) { lock(&self.first_failure).clone() } else { None }
    }

    /// Starts anew, and gives the first failure until now.
    pub(super) fn forget(&self) -> Option<LogError> {
        let failure = lock(&self.first_failure).take();
        self.is_failed.store(false, Ordering::Release);
        failure
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reporter.trouble(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
                self.reporter.well();
            }
            Err((error, message)) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let mut first = lock(&self.first_failure);
                if first.is_none() {
                    let what =
                        format!("a record of {}/{} was not delivered", message.topic(), message.partition());
                    let class = error.rdkafka_error_code().map(class_of_code);
                    let failure = plain(&what, error);
                    *first = Some(LogError { class: class.unwrap_or(failure.class), ..failure });
                }
                drop(first);
                self.is_failed.store(true, Ordering::Release);
            }
        }
    }
}
