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
mod dead_letters;
mod health;
mod insert;
mod intent;
mod known;
mod lane;
mod lease;
mod migrate;
mod options;
mod reader;
pub mod rowbinary;
pub mod rows;
mod sink;
pub mod tables;
mod takeover;
pub mod verify;
mod writer;

pub use health::{SinkHealth, SinkStatus};
pub use migrate::{Applied, MIGRATIONS, MigrateError, Migration, migrate, migrate_with};
pub use options::{ClickHouseOptions, OptionsError};
pub use intent::UnreadableIntent;
pub use sink::{Backfill, SinkError, SinkSettings, group, run};
