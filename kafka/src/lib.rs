//! The log: partitions, consumer groups and transactions, as [`Log`] describes them, with two implementations:
//! [`broker`] (Apache Kafka through librdkafka) and [`memory`] (in one process, with faults drawn from a seed).
//! Beside them the client of the [`registry`], which names the schemas of what the log carries.
//!
//! Always holds: this is the only crate that names rdkafka. Does not know: what the bytes mean.

pub mod broker;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod log;
pub mod memory;
mod partitioner;
pub mod registry;

pub use log::{
    Assignment, Committed, Consumer, ConsumerOptions, ErrorClass, Log, LogError, OffsetCommit, Outgoing,
    Partitioned, Polled, Position, Producer, Record, TopicPartition, Transactions,
};
pub use partitioner::murmur2_partition;
