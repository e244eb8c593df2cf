//! Raw events and results into ClickHouse: rows encoded by us, in chunks of one partition each.
//!
//! Always holds: a position is committed only after every row before it was acknowledged; what cannot be decoded is in
//! the dead-letter topic before its position is committed; a chunk is kept until it is acknowledged, so that a retry
//! carries the same bytes. Delivery is at least once: a row that is written again replaces itself (see `migrations/`).
//!
//! Does not know: what the results mean, or who asks for them.
//!
//! Reading order: [`rows`] (what a record becomes) and [`tables`], `chunk`, `insert`, `lane`, then `sink` (the loop).

mod chunk;
mod cluster;
mod health;
mod insert;
mod lane;
mod migrate;
mod options;
mod reader;
mod rebuild;
mod retention;
pub mod rowbinary;
pub mod rows;
mod sink;
pub mod tables;
pub mod verify;
mod writer;

pub use health::{SinkHealth, SinkStatus};
pub use migrate::{MIGRATIONS, MigrateError, Migration, Step, Target, migrate, migrate_with, plan};
pub use options::{ClickHouseOptions, OptionsError};
pub use rebuild::{RebuildError, rebuild_rollups};
pub use retention::{Retention, RetentionError};
pub use sink::{SinkError, SinkSettings, group, run};
