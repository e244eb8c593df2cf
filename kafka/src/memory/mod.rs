//! The log within one process: for tests and simulations, with faults.
//!
//! Always holds: what a program sees through [`Log`] is what it would see on a broker with the classic group protocol,
//! but at once and in the same order on every run; no call waits. Does not know: time, and no record is ever deleted.

mod consumer;
mod faults;
mod group;
mod partition;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::log::{Assignment, ConsumerOptions, Log, LogError, Outgoing, Partitioned, TopicPartition};
use crate::partitioner::murmur2_partition;

pub use consumer::{MemoryConsumer, MemoryGroup};
pub use faults::{Fault, Faults};
pub use writer::{MemoryProducer, MemoryTransactions};

use faults::Script;
use group::Group;
use partition::{Partition, Stored};
use writer::Coordinator;

/// What a broker takes by default, key and value together.
const RECORD_BYTES_MAX: usize = 1_000_000;

/// The log in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<Arc<str>, Topic>,
    groups: BTreeMap<String, Group>,
    coordinators: BTreeMap<String, Coordinator>,
    members: u64,
    script: Script,
}

#[derive(Debug, Default)]
struct Topic {
    partitions: Vec<Partition>,
    /// Where the next record without a key goes.
    next: usize,
}

impl MemoryLog {
    /// A log without topics.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a topic; false if there is one of this name already.
    pub fn create_topic(&self, name: &str, partitions: u32) -> bool {
        let mut state = self.lock();
        if state.topics.contains_key(name) {
            return false;
        }
        let partitions = (0..partitions).map(|_| Partition::default()).collect();
        state.topics.insert(name.into(), Topic { partitions, next: 0 });
        let State { groups, topics, .. } = &mut *state;
        for group in groups.values_mut().filter(|group| group.reads(name)) {
            group.rebalance();
            group.complete(|topic| count(topics, topic));
        }
        true
    }

    /// A log of its own that begins with the records and positions that are here now, as one restored from a backup: what is open
    /// is aborted, and the groups are empty.
    #[must_use]
    pub fn backup(&self) -> Self {
        let state = self.lock();
        let topic = |(name, topic): (&Arc<str>, &Topic)| {
            let partitions = topic.partitions.iter().map(Partition::backup).collect();
            (Arc::clone(name), Topic { partitions, next: topic.next })
        };
        let copy = State {
            topics: state.topics.iter().map(topic).collect(),
            groups: state.groups.iter().map(|(name, group)| (name.clone(), group.backup())).collect(),
            ..State::default()
        };
        MemoryLog { state: Arc::new(Mutex::new(copy)) }
    }

    /// The next commit meets this; several wait in line.
    pub fn inject(&self, fault: Fault) {
        self.lock().script.push(fault);
    }

    /// From now on faults are drawn.
    pub fn draw_faults(&self, faults: Faults) {
        self.lock().script.draw_from(faults);
    }

    /// The group goes on without a member, which hears of it at its next poll; false if it is in no such group.
    pub fn expel(&self, group: &str, member: u64) -> bool {
        self.lock().remove(group, member)
    }

    /// The group goes on without the members that have crashed, and the static ones that have not come back.
    pub fn expel_absent(&self, group: &str) {
        let mut state = self.lock();
        let absent = state.groups.get(group).map(Group::away).unwrap_or_default();
        for member in absent {
            state.remove(group, member);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn partition(&self, of: &TopicPartition) -> Option<&Partition> {
        self.topics.get(&of.topic)?.partitions.get(usize::try_from(of.partition).ok()?)
    }

    fn partition_mut(&mut self, of: &TopicPartition) -> Option<&mut Partition> {
        self.topics.get_mut(&of.topic)?.partitions.get_mut(usize::try_from(of.partition).ok()?)
    }

    /// The partition that a record goes to, and the record to be kept.
    fn take(&mut self, record: &Outgoing<'_>) -> Result<(TopicPartition, Stored), LogError> {
        let size = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        if size > RECORD_BYTES_MAX {
            return Err(LogError::must_abort(format!(
                "a record of {size} bytes is too large for {}",
                record.topic
            )));
        }
        let unknown = || LogError::must_abort(format!("there is no such partition of {}", record.topic));
        let (name, _) = self.topics.get_key_value(record.topic).ok_or_else(unknown)?;
        let name = Arc::clone(name);
        let topic = self.topics.get_mut(record.topic).ok_or_else(unknown)?;
        let count = topic.partitions.len();
        let number = match (record.partition, record.key) {
            (Partitioned::To(number), _) => number,
            (Partitioned::ByKey, Some(key)) => murmur2_partition(key, count as i32),
            (Partitioned::ByKey, None) => {
                topic.next = (topic.next + 1) % count.max(1);
                topic.next as i32
            }
        };
        if usize::try_from(number).map_or(true, |number| number >= count) {
            return Err(unknown());
        }
        let timestamp_ms = record.timestamp_ms;
        let stored =
            Stored { timestamp_ms, key: record.key.map(Into::into), value: record.value.map(Into::into) };
        Ok((TopicPartition::new(name, number), stored))
    }

    fn group(&mut self, name: &str) -> &mut Group {
        self.groups.entry(name.to_owned()).or_default()
    }

    /// Takes a new member in; its id.
    fn join(&mut self, options: &ConsumerOptions) -> u64 {
        self.members += 1;
        let id = self.members;
        let topics = options.topics.iter().map(|topic| topic.as_str().into()).collect();
        self.group(&options.group).join(id, options.instance_id.clone(), topics);
        self.complete(&options.group);
        id
    }

    fn remove(&mut self, group: &str, member: u64) -> bool {
        let removed = self.group(group).remove(member);
        self.complete(group);
        removed
    }

    fn complete(&mut self, group: &str) {
        let State { groups, topics, .. } = self;
        if let Some(group) = groups.get_mut(group) {
            group.complete(|topic| count(topics, topic));
        }
    }
}

fn count(topics: &BTreeMap<Arc<str>, Topic>, topic: &str) -> i32 {
    topics.get(topic).map_or(0, |topic| topic.partitions.len() as i32)
}

impl Log for MemoryLog {
    type Consumer = MemoryConsumer;
    type Transactions = MemoryTransactions;
    type Producer = MemoryProducer;
    type Group = MemoryGroup;

    fn join(&self, options: &ConsumerOptions) -> Result<MemoryConsumer, LogError> {
        let member = self.lock().join(options);
        Ok(MemoryConsumer::member(self.clone(), options.clone(), member))
    }

    fn reader(&self, from: &[Assignment]) -> Result<MemoryConsumer, LogError> {
        MemoryConsumer::reader(self.clone(), from)
    }

    fn transactions(&self, transactional_id: &str) -> Result<MemoryTransactions, LogError> {
        Ok(MemoryTransactions::new(self.clone(), transactional_id))
    }

    fn producer(&self) -> Result<MemoryProducer, LogError> {
        Ok(MemoryProducer::new(self.clone()))
    }

    fn partition_count(&self, topic: &str) -> Result<Option<i32>, LogError> {
        Ok(self.lock().topics.get(topic).map(|topic| topic.partitions.len() as i32))
    }

    fn offsets(&self, partition: &TopicPartition) -> Result<(i64, i64), LogError> {
        let state = self.lock();
        let found = state.partition(partition);
        found
            .map(|partition| (0, partition.stable_end()))
            .ok_or_else(|| LogError::retriable(format!("there is no partition {partition}")))
    }
}

#[cfg(test)]
mod tests;
