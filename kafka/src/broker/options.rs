//! How the client of the broker is set up: what is ours to decide, what may be tuned, and what only a deployment knows.
//!
//! Always holds: what exactly-once and memory bounds rest on cannot be overridden; an attempt is refused with its name.
//! Does not know: which of librdkafka's properties exist (librdkafka refuses the others itself).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;

use crate::log::{ConsumerOptions, LogError};

/// How the group shares its partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The members decide, everybody stops for a rebalance. Works everywhere.
    #[default]
    Classic,
    /// The broker decides and only what moves stops (KIP-848). Apache Kafka 4 and later. The session timeout is the
    /// broker's to set. A member that does not poll for `max.poll.interval.ms` ends with a fatal error.
    Consumer,
}

/// Where the broker is and how to talk to it.
#[derive(Clone)]
pub struct BrokerOptions {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// The name under which the broker logs this client.
    pub client_id: String,
    /// How the group shares its partitions.
    pub group_protocol: GroupProtocol,
    /// Further properties of librdkafka, passed through: `security.protocol`, `sasl.*`, `ssl.*`, and tuning.
    pub properties: BTreeMap<String, String>,
    /// How long one call may take (not [`crate::Consumer::poll`], which has its own time).
    pub call_timeout: Duration,
}

/// Names the properties without their values, which may be secrets.
impl fmt::Debug for BrokerOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BrokerOptions")
            .field("brokers", &self.brokers)
            .field("client_id", &self.client_id)
            .field("group_protocol", &self.group_protocol)
            .field("properties", &self.properties.keys())
            .field("call_timeout", &self.call_timeout)
            .finish()
    }
}

impl BrokerOptions {
    /// Options for `brokers` with everything else as is usual.
    #[must_use]
    pub fn new(brokers: impl Into<String>) -> Self {
        BrokerOptions {
            brokers: brokers.into(),
            client_id: "ovation".to_owned(),
            group_protocol: GroupProtocol::default(),
            properties: BTreeMap::new(),
            call_timeout: Duration::from_secs(30),
        }
    }

    /// Refuses properties that are not the deployment's to set.
    pub(super) fn check(&self) -> Result<(), LogError> {
        match self.properties.keys().find(|key| OURS.contains(&key.as_str())) {
            Some(key) => {
                Err(LogError::fatal(format!("the property `{key}` cannot be set: it is decided here")))
            }
            None => Ok(()),
        }
    }

    /// For a member of a group.
    pub(super) fn member(&self, options: &ConsumerOptions) -> ClientConfig {
        let mut config = self.reading();
        config.set("group.id", &options.group);
        if let Some(instance_id) = &options.instance_id {
            config.set("group.instance.id", instance_id);
        }
        match self.group_protocol {
            GroupProtocol::Classic => {
                let session_ms = options.session_timeout.as_millis();
                config
                    .set("group.protocol", "classic")
                    .set("partition.assignment.strategy", "range")
                    .set("session.timeout.ms", session_ms.to_string())
                    .set("heartbeat.interval.ms", (session_ms / 3).clamp(1, 3_000).to_string());
            }
            GroupProtocol::Consumer => {
                config.set("group.protocol", "consumer").set("group.remote.assignor", "range");
            }
        }
        config
    }

    /// For a reader outside any group: the id is needed by the client and never reaches the broker's groups.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut config = self.reading();
        config.set("group.id", "ovation-reader").set("session.timeout.ms", NO_SESSION_MS);
        config
    }

    /// For questions about topics and offsets, as a reader of committed records sees them.
    pub(super) fn questions(&self) -> ClientConfig {
        let mut config = self.common(&[]);
        config
            .set("isolation.level", "read_committed")
            .set("allow.auto.create.topics", "false")
            .set("session.timeout.ms", NO_SESSION_MS);
        config
    }

    /// For administration.
    pub(super) fn administration(&self) -> ClientConfig {
        self.common(&[])
    }

    /// For a plain idempotent writer.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.common(WRITING);
        config.set("enable.idempotence", "true").set("acks", "all").set("partitioner", "murmur2_random");
        config
    }

    /// For a transactional writer.
    pub(super) fn transactions(&self, transactional_id: &str) -> ClientConfig {
        let mut config = self.producer();
        config
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", "45000")
            .set("message.timeout.ms", "30000");
        config
    }

    fn reading(&self) -> ClientConfig {
        let mut config = self.common(READING);
        config
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "false")
            .set("allow.auto.create.topics", "false");
        config
    }

    fn common(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in COMMON.iter().chain(defaults) {
            config.set(*key, *value);
        }
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config.set("bootstrap.servers", &self.brokers).set("client.id", &self.client_id);
        config
    }
}

/// Outside groups there is no session, but librdkafka wants it to be shorter than `max.poll.interval.ms`.
const NO_SESSION_MS: &str = "1";

/// May be tuned by a deployment: what every client starts from.
const COMMON: &[(&str, &str)] = &[
    ("statistics.interval.ms", "0"),
    ("socket.keepalive.enable", "true"),
    ("reconnect.backoff.max.ms", "2000"),
];

/// May be tuned: little waiting, and at most 32 MB of fetched records in memory.
const READING: &[(&str, &str)] = &[
    ("fetch.wait.max.ms", "50"),
    ("fetch.queue.backoff.ms", "10"),
    ("fetch.error.backoff.ms", "100"),
    ("fetch.max.bytes", "8388608"),
    ("queued.max.messages.kbytes", "32768"),
];

/// May be tuned: small batches soon, at most 128 MB of records in memory.
const WRITING: &[(&str, &str)] = &[
    ("compression.type", "lz4"),
    ("linger.ms", "5"),
    ("message.timeout.ms", "120000"),
    ("queue.buffering.max.kbytes", "131072"),
];

/// Decided here, because correctness rests on them.
const OURS: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "client.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "request.required.acks",
    "session.timeout.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let mut options = BrokerOptions::new("host:9092");
        options.properties.insert("sasl.password".to_owned(), "hunter2".to_owned());
        let shown = format!("{options:?}");
        assert!(shown.contains("sasl.password") && !shown.contains("hunter2"), "{shown}");
    }
}
