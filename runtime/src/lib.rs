//! How it runs: a job's shards on worker threads, over any [`kafka::Log`].
//!
//! Always holds: a worker is a state machine that its thread (or a test) steps; it owns its consumer, its transactional
//! writer and its shards, and shares nothing but counters. Outputs and input positions are committed in one transaction or
//! not at all. Does not know: Kafka's client, what a processor computes, or where settings come from.
//!
//! Reading order: [`worker`] (the loop), `live` (one shard's progress), [`intake`] (bytes to events), [`horizon`] (what
//! travels with a committed position), [`supervisor`] (threads).

mod assignment;
pub mod horizon;
pub mod intake;
mod live;
pub mod metrics;
mod outlet;
pub mod supervisor;
pub mod worker;

pub use intake::SchemaLookup;
pub use metrics::JobMetrics;
pub use supervisor::{RunningJob, start};
pub use worker::{Now, Worker, WorkerError, WorkerOptions};
