//! Snapshots: a shard's state in an object store, so that a restart reads the log from there and not from its start.
//!
//! **Why the moment is right.** A worker takes a snapshot between two steps, right after a commit has returned with success, and
//! only of a shard whose every change was in that commit (a shard whose snapshot is due is always in it, so its
//! watermark too is what was committed). The state is then exactly the function of the committed positions, horizon and
//! raises. A commit that failed, was aborted or whose outcome is unknown never returns with success; a commit that did
//! cannot be undone later. So a snapshot lies on the history of commits, and every later owner of the shard starts at or
//! after it on the same history. A log that is restored from a backup undoes commits all the same: then snapshots are found
//! ahead of the committed positions, and a new history begins, in which none of them is used.
//!
//! **What it costs the worker**: encoding the chunks that changed. Writing, reading and checksums are the keeper's.
//!
//! Reading order: `manifest` (what a snapshot is), `store` (where it is), `keeper` (the thread), `location` (URLs).
//! Always holds: a snapshot that cannot be written or read never stops processing, and never gives a wrong state.

mod keeper;
pub mod location;
pub mod manifest;
pub mod store;

use std::time::Duration;

pub use keeper::{Driver, Work};
pub(crate) use keeper::{Keeper, Reply};
pub use store::SnapshotStore;

/// How a worker keeps snapshots.
#[derive(Clone)]
pub struct SnapshotOptions {
    /// Where they are kept.
    pub store: SnapshotStore,
    /// How often each shard's state is written.
    pub every: Duration,
    /// The job's configuration, as a hash that is the same for the same configuration.
    pub fingerprint: String,
    /// Who writes and reads; none: threads of the worker's own. A simulation decides itself when each work goes on, so that every
    /// run of a seed is the same.
    pub driver: Option<Driver>,
}
