//! How it runs: a job's shards on worker threads, over any [`kafka::Log`].
//!
//! Always holds: a worker is a state machine that its thread (or a test) steps; it owns its consumer, its writer and its shards,
//! and shares nothing but counters. Outputs and input positions are committed in one transaction or not at all, unless
//! at-least-once is asked for. Does not know: Kafka's client, what a processor computes, or where settings come from.
//!
//! Reading order: [`worker`] (the loop), `live` (one shard's progress), [`horizon`] and [`raises`] (what travels with a committed
//! position), `assignment` and `restore` (how shards come and go), `saving` and [`snapshot`] (how state is kept), [`intake`]
//! (bytes to events), `outlet` and `delivery` (results to the log), [`query`] and [`status`] (what others may ask),
//! [`supervisor`] (threads).

mod assignment;
mod at_least_once;
mod delivery;
pub mod horizon;
pub mod intake;
mod live;
pub mod metrics;
mod options;
mod outlet;
pub mod query;
pub mod raises;
mod restore;
mod saving;
pub mod snapshot;
pub mod status;
pub mod supervisor;
pub mod worker;

pub use intake::SchemaLookup;
pub use metrics::JobMetrics;
pub use options::{Guarantee, WorkerOptions};
pub use query::{Answer, Desk};
pub use snapshot::{SnapshotOptions, SnapshotStore};
pub use supervisor::{RunningJob, start};
pub use worker::{Now, Worker, WorkerError};
