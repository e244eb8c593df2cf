//! How a worker runs.
//!
//! Always holds: plain values; nothing here is checked or looked up. Does not know: where settings come from.

use std::time::Duration;

use schemas::SchemaIds;

use crate::intake::SchemaLookup;
use crate::snapshot::SnapshotOptions;

/// What readers of the results may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Guarantee {
    /// Results and positions in one transaction: readers of committed records see each result once.
    #[default]
    ExactlyOnce,
    /// Results first, positions afterwards: after a failure some results are written again, the same or newer. For logs
    /// without transactions.
    AtLeastOnce,
}

/// How a worker runs.
#[derive(Clone)]
pub struct WorkerOptions {
    /// In front of every topic's name and of the group's.
    pub topic_prefix: String,
    /// A name for this worker that outlives a restart, for static membership and fencing; none: new each time.
    pub instance_id: Option<String>,
    /// The id under which this worker writes transactions.
    pub transactional_id: String,
    /// What readers of the results may rely on.
    pub guarantee: Guarantee,
    /// How often outputs and positions are committed.
    pub commit_every: Duration,
    /// How long a partition must bring nothing, although asked, to stop holding the others back.
    pub idle_after: Duration,
    /// How long the group waits for a silent member.
    pub session_timeout: Duration,
    /// How long an assignment may name some inputs of a shard and not the others. Zero where all come at once (the classic
    /// protocol); some seconds where they come one by one (KIP-848).
    pub split_timeout: Duration,
    /// How long one poll waits for a record.
    pub poll_timeout: Duration,
    /// Whether events that are late for everything go to the dead letters; they are counted in any case.
    pub late_to_dead_letter: bool,
    /// The address at which this instance answers over HTTP, for whoever looks for the owner of a shard.
    pub owner: Option<String>,
    /// Where the state is kept; none: after a restart it is computed again from the log.
    pub snapshots: Option<SnapshotOptions>,
    /// The registry's ids of our schemas.
    pub schema_ids: SchemaIds,
    /// Asks the registry for other writers' schemas.
    pub schema_lookup: SchemaLookup,
}
