//! Seeded runs of the production [`runtime::Worker`] on the in-memory log, in one thread and with a clock moved by hand:
//! whatever crashes, is refused, comes twice or comes late, readers of committed records must see what a naive model says.
//!
//! Always holds: a seed alone decides a run. Input, plan, schedule and faults are drawn from streams of their own, so
//! more faults do not move the input. The model (`model`) computes every expected record from the records in the input
//! partitions by sorting and by looking at all events for every tick; it shares no code with the processors. A run that
//! compared nothing fails, and so does a batch of runs in which a kind of fault happened too seldom.
//! Does not know: Kafka, and what a processor computes beyond what the schemas and the processors' documentation say.
//!
//! **Watermarks.** They follow events, and wall time only through the idle rule. Three ways keep the expectation exact:
//! most runs have an `idle_after` beyond their disturbed part; others pause for many times `idle_after`, with events that
//! keep to the clock, whose visibility no idle rule can change; in all of them the harness reads each shard's last
//! committed horizon and expects the ticks up to it, which at the quiet end must be all there are.
//!
//! **Snapshots** are kept by the production code in a store that is slow, fails, lies and loses files. Its work goes on when the
//! simulation lets it, so a snapshot is still on its way at a crash, a rebalance or the next one, and outlives its worker. In
//! some runs the log itself is lost once and restored from a backup, while the snapshots of what is gone are still there;
//! that the store cannot be read just then is more than is promised, and left out.
//!
//! Reading order: `plan` (what is drawn), `input` (records), `chaos` (the log that fails), `store` (the store that fails),
//! `process` (a worker and its work under way), `world` (workers and clock),
//! `model` (what must come out), `compare`, `batch` (many seeds).

mod batch;
mod chaos;
mod compare;
mod counts;
mod events;
mod input;
mod model;
mod plan;
mod process;
mod run;
mod store;
mod world;

pub use batch::{Summary, run_seeds};
pub use counts::Counts;
pub use run::{Failure, Report, run_seed};
