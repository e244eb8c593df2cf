//! The log on Apache Kafka, through librdkafka.
//!
//! Always holds: readers see committed records only; positions are committed by their owner and never by the client;
//! keys find their partition as with the JVM clients. Does not know: what the bytes mean.

mod admin;
mod consumer;
mod context;
mod error;
mod groups;
mod letting_go;
mod options;
mod partitions;
mod producer;

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;

use crate::log::{Assignment, ConsumerOptions, Log, LogError, TopicPartition};

pub use admin::{Creation, NewTopic, TopicDescription};
pub use consumer::{BrokerConsumer, BrokerGroup};
pub use groups::GroupMember;
pub use options::{BrokerOptions, GroupProtocol};
pub use producer::{BrokerProducer, BrokerTransactions};

use context::Quiet;
use error::{class_of_code, plain};

/// The log on a broker. Cheap to clone; nothing is contacted before the first call that needs it.
#[derive(Clone)]
pub struct BrokerLog {
    inner: Arc<Inner>,
}

struct Inner {
    options: BrokerOptions,
    questions: BaseConsumer<Quiet>,
}

impl BrokerLog {
    /// The log behind these options.
    ///
    /// # Errors
    /// If an option is none of librdkafka's, has a value that it refuses, or is not the deployment's to set.
    pub fn new(options: BrokerOptions) -> Result<Self, LogError> {
        options.check()?;
        let questions = options
            .questions()
            .create_with_context(Quiet::default())
            .map_err(|error| plain("cannot use these options for kafka", &error))?;
        Ok(BrokerLog { inner: Arc::new(Inner { options, questions }) })
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &BrokerOptions {
        &self.inner.options
    }

    /// Lets the client for questions hand over its log lines.
    fn serve(&self) {
        drop(self.inner.questions.poll(Duration::ZERO));
    }
}

impl Log for BrokerLog {
    type Consumer = BrokerConsumer;
    type Transactions = BrokerTransactions;
    type Producer = BrokerProducer;
    type Group = BrokerGroup;

    fn join(&self, options: &ConsumerOptions) -> Result<BrokerConsumer, LogError> {
        let own = &self.inner.options;
        BrokerConsumer::join(&own.member(options), &options.group, &options.topics, own.call_timeout)
    }

    fn reader(&self, from: &[Assignment]) -> Result<BrokerConsumer, LogError> {
        let own = &self.inner.options;
        BrokerConsumer::read(&own.reader(), from, own.call_timeout)
    }

    fn transactions(&self, transactional_id: &str) -> Result<BrokerTransactions, LogError> {
        let own = &self.inner.options;
        BrokerTransactions::new(&own.transactions(transactional_id), own.call_timeout)
    }

    fn producer(&self) -> Result<BrokerProducer, LogError> {
        let own = &self.inner.options;
        BrokerProducer::new(&own.producer(), own.call_timeout)
    }

    fn partition_count(&self, topic: &str) -> Result<Option<i32>, LogError> {
        let failed = |error| plain(&format!("cannot look at the topic {topic}"), &error);
        let metadata = self
            .inner
            .questions
            .fetch_metadata(Some(topic), self.inner.options.call_timeout)
            .map_err(failed)?;
        self.serve();
        let Some(found) = metadata.topics().first() else { return Ok(None) };
        match found.error().map(RDKafkaErrorCode::from) {
            None => Ok(Some(i32::try_from(found.partitions().len()).unwrap_or(i32::MAX))),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
            Some(code) => {
                let message = format!("cannot look at the topic {topic}: {code}");
                Err(LogError { class: class_of_code(code), message })
            }
        }
    }

    /// The end is what the broker answers to a reader of committed records: the last stable offset, which open
    /// transactions hold back.
    fn offsets(&self, partition: &TopicPartition) -> Result<(i64, i64), LogError> {
        let offsets = self
            .inner
            .questions
            .fetch_watermarks(&partition.topic, partition.partition, self.inner.options.call_timeout)
            .map_err(|error| plain(&format!("cannot get offsets of {partition}"), &error));
        self.serve();
        offsets
    }
}
