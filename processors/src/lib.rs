//! What is computed: leaderboards, engagement, markets and moderation.
//!
//! Always holds: pure and synchronous. No clock, no network, no file, no thread, no randomness; equal input gives equal
//! output, record for record. Time comes from the events. Does not know: Kafka, or how it is run.
//!
//! Reading order: [`processor`] (what a processor is), [`shard`] (what feeds one), then the processors themselves.

pub mod processor;
pub mod shard;

pub use processor::{Arrival, Disposition, Output, Processor};
pub use shard::{Shard, ShardSettings};
