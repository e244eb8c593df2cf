//! What is computed: leaderboards, engagement, markets and moderation.
//!
//! Always holds: pure and synchronous. No clock, no network, no file, no thread, no randomness; equal input gives equal
//! output, record for record. Time comes from the events. Does not know: Kafka, or how it is run.
//!
//! Reading order: [`processor`] (what a processor is), [`shard`] (what feeds one), [`windows`] and `pending` (time), [`state`] (what survives), then the
//! processors themselves (`leaderboards`, `engagement`, `markets`, `moderation`), and how one is made and run: [`config`],
//! [`job`], [`driver`], [`explain`].

pub mod config;
mod dedup;
pub mod driver;
mod engagement;
pub mod explain;
mod ids;
pub mod job;
mod leaderboards;
mod maps;
mod markets;
mod moderation;
mod pending;
pub mod processor;
pub mod shard;
mod sources;
pub mod state;
pub mod windows;

pub use config::{ConfigError, JobConfig};
pub use driver::{Driver, Stamp, stamp};
pub use explain::{Explained, Memory};
pub use job::Job;
pub use processor::{Arrival, Disposition, Output, Processor};
pub use shard::{Shard, ShardSettings, Taken};
pub use state::{Chunk, STATE_VERSION, StateError, StateSize};
