//! Raw events and results into ClickHouse: rows encoded by us, in chunks of one partition each, exactly once.
//!
//! Always holds: a chunk is named in the log before it is sent, so that whoever comes next sends the same one, under the token by which
//! the server knows it; a position is committed only after every row before it is there; what cannot be decoded is in the
//! dead-letter topic before its position is committed. ARCHITECTURE.md has the argument.
//!
//! Does not know: what the results mean, or who asks for them.
//!
//! Reading order: [`rows`] (what a record becomes) and [`tables`], `intent`, `chunk`, `lane` (one partition), `sink` (the loop), `takeover`,
//! then `insert`, [`native`] and `writer`.

mod chunk;
mod cluster;
mod dead_letters;
mod health;
mod insert;
mod intent;
mod known;
mod lane;
mod lease;
mod migrate;
pub mod native;
mod options;
mod reader;
mod rebuild;
mod retention;
pub mod rowbinary;
pub mod rows;
mod sink;
pub mod tables;
mod takeover;
pub mod verify;
mod views;
mod writer;

pub use health::{SinkHealth, SinkStatus};
pub use insert::is_passing;
pub use intent::UnreadableIntent;
pub use migrate::{MIGRATIONS, MigrateError, Migration, Step, Target, migrate, migrate_with, plan};
pub use options::{ClickHouseOptions, OptionsError};
pub use rebuild::{RebuildError, rebuild_rollups};
pub use retention::{Retention, RetentionError};
pub use sink::{Backfill, SinkError, SinkSettings, group, run};
pub use views::tables_that_forget_tokens;
