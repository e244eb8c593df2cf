//! Topics on the broker: create, describe, delete, and wait for the broker itself.
//!
//! Always holds: a topic that was reported as created can be written and read at once. Does not know: which topics
//! there should be.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::admin::{self, AdminClient, AdminOptions, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::log::{Log as _, LogError};

use super::BrokerLog;
use super::context::Quiet;
use super::error::{class_of_code, plain};

/// Between two looks at whether something is there.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its full name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// How many copies of each; -1 for the broker's default.
    pub replication: i32,
    /// The broker's topic settings, such as `retention.ms`.
    pub config: BTreeMap<String, String>,
}

/// What became of a topic to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It is there now.
    Created,
    /// It was there before, perhaps with other settings.
    Existed,
}

/// A topic as the broker has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// How many partitions.
    pub partitions: i32,
    /// How many copies of the first partition.
    pub replication: i32,
    /// Every setting in force, also those that are the broker's defaults.
    pub config: BTreeMap<String, String>,
}

impl BrokerLog {
    /// Creates the topics that are not there yet, and waits until they can be used. What became of each, in order.
    ///
    /// # Errors
    /// If the broker cannot be reached or refuses a topic; the others may have been created.
    pub fn create_topics(&self, topics: &[NewTopic]) -> Result<Vec<Creation>, LogError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<admin::NewTopic<'_>> = topics.iter().map(native).collect();
        let client = self.admin()?;
        let results = wait_for(client.create_topics(&wanted, &self.admin_options()))
            .map_err(|error| plain("cannot create topics", &error))?;
        let mut creations = Vec::with_capacity(topics.len());
        for result in results {
            creations.push(match result {
                Ok(_) => Creation::Created,
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Creation::Existed,
                Err((name, code)) => {
                    let message = format!("cannot create the topic {name}: {code}");
                    return Err(LogError { class: class_of_code(code), message });
                }
            });
        }
        let deadline = Instant::now() + self.inner.options.call_timeout;
        for topic in topics {
            self.wait_for_topic(&topic.name, deadline)?;
        }
        Ok(creations)
    }

    /// The topic with its settings; none if there is no such topic.
    ///
    /// # Errors
    /// If the broker cannot be reached.
    pub fn describe_topic(&self, name: &str) -> Result<Option<TopicDescription>, LogError> {
        let Some(partitions) = self.partition_count(name)? else { return Ok(None) };
        let failed = |error: KafkaError| plain(&format!("cannot describe the topic {name}"), &error);
        let topic = ResourceSpecifier::Topic(name);
        let client = self.admin()?;
        let resources = wait_for(client.describe_configs([&topic], &self.admin_options())).map_err(failed)?;
        let mut config = BTreeMap::new();
        for resource in resources {
            let entries = resource.map_err(|code| failed(KafkaError::AdminOp(code)))?.entries;
            config.extend(entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))));
        }
        let metadata = self
            .inner
            .questions
            .fetch_metadata(Some(name), self.inner.options.call_timeout)
            .map_err(failed)?;
        let first = metadata.topics().iter().flat_map(|topic| topic.partitions()).next();
        let replication = first.map_or(0, |partition| partition.replicas().len());
        Ok(Some(TopicDescription {
            partitions,
            replication: i32::try_from(replication).unwrap_or(i32::MAX),
            config,
        }))
    }

    /// Deletes the topics; those that are not there are no error.
    ///
    /// # Errors
    /// If the broker cannot be reached or refuses.
    pub fn delete_topics(&self, names: &[&str]) -> Result<(), LogError> {
        if names.is_empty() {
            return Ok(());
        }
        let client = self.admin()?;
        let results = wait_for(client.delete_topics(names, &self.admin_options()))
            .map_err(|error| plain("cannot delete topics", &error))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((name, code)) => {
                    let message = format!("cannot delete the topic {name}: {code}");
                    return Err(LogError { class: class_of_code(code), message });
                }
            }
        }
        Ok(())
    }

    /// Waits until the broker answers.
    ///
    /// # Errors
    /// If it has not by then.
    pub fn wait_until_ready(&self, timeout: Duration) -> Result<(), LogError> {
        let deadline = Instant::now() + timeout;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let step = rest.clamp(Duration::from_millis(1), Duration::from_secs(1));
            let error = match self.inner.questions.fetch_metadata(None, step) {
                Ok(metadata) if !metadata.brokers().is_empty() => return Ok(()),
                Ok(_) => "no broker is in the cluster".to_owned(),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= deadline {
                let brokers = &self.inner.options.brokers;
                return Err(LogError::retriable(format!("kafka at {brokers} does not answer: {error}")));
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Waits until each partition of a topic has a leader.
    pub(super) fn delete_groups(&self, groups: &[&str]) -> Result<(), LogError> {
        let results = wait_for(self.admin()?.delete_groups(groups, &self.admin_options()))
            .map_err(|error| plain("cannot delete groups", &error))?;
        for result in results {
            if let Err((name, code)) = result {
                let message = format!("cannot delete the group {name}: {code}");
                return Err(LogError { class: class_of_code(code), message });
            }
        }
        Ok(())
    }

    fn wait_for_topic(&self, name: &str, deadline: Instant) -> Result<(), LogError> {
        loop {
            let metadata = self.inner.questions.fetch_metadata(Some(name), self.inner.options.call_timeout);
            let metadata =
                metadata.map_err(|error| plain(&format!("cannot look at the topic {name}"), &error))?;
            let ready = metadata.topics().iter().any(|topic| {
                let partitions = topic.partitions();
                !partitions.is_empty() && partitions.iter().all(|partition| partition.leader() >= 0)
            });
            if ready {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(LogError::retriable(format!(
                    "the topic {name} was created but has no leader yet"
                )));
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn admin(&self) -> Result<AdminClient<Quiet>, LogError> {
        let config = self.inner.options.administration();
        config
            .create_with_context(Quiet::default())
            .map_err(|error| plain("cannot make an admin client", &error))
    }

    fn admin_options(&self) -> AdminOptions {
        let timeout = Some(self.inner.options.call_timeout);
        AdminOptions::new().request_timeout(timeout).operation_timeout(timeout)
    }
}

fn native(topic: &NewTopic) -> admin::NewTopic<'_> {
    let replication = TopicReplication::Fixed(topic.replication);
    let new = admin::NewTopic::new(&topic.name, topic.partitions, replication);
    topic.config.iter().fold(new, |new, (key, value)| new.set(key, value))
}

/// Wakes the thread that waits for a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks until the admin client, which has a thread of its own, has the answer.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
