//! Snapshots: a shard's state in an object store, so that a restart reads the log from there and not from its start.
//!
//! **Why the moment is right.** A worker takes a snapshot between two steps, right after a commit has returned with success, and
//! only of a shard whose every change was in that commit (a shard whose snapshot is due is always in it, so its
//! watermark too is what was committed). The state is then exactly the function of the committed positions, horizon and
//! raises. A commit that failed, was aborted or whose outcome is unknown never returns with success; a commit that did
//! cannot be undone later. So a snapshot lies on the history of commits, and every later owner of the shard starts at or
//! after it on the same history.
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

pub(crate) use keeper::{Keeper, Reply};
pub use store::SnapshotStore;

/// How a worker keeps snapshots.
#[derive(Clone, Debug)]
pub struct SnapshotOptions {
    /// Where they are kept.
    pub store: SnapshotStore,
    /// How often each shard's state is written.
    pub every: Duration,
    /// The job's configuration, as a hash that is the same for the same configuration.
    pub fingerprint: String,
    /// Whether the worker waits for the store instead of leaving it to a thread: for simulations, in which every run of a seed must
    /// be the same.
    pub is_inline: bool,
}
