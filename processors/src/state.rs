//! A shard's state as chunks: what a snapshot stores, and what a shard is restored from.
//!
//! State is a set of named chunks. A chunk's version rises whenever its content changes, so a snapshot writes only what changed
//! since the last one: a pane that is past stays as it was written, a board of all time adds a chunk with the scores that changed.
//!
//! Always holds: restoring every chunk of a snapshot gives a shard that behaves, and is saved again, exactly as the saved one.
//! Does not know: where chunks are stored.

/// The form of the chunks' bytes. It rises when an older program could not read them.
pub const STATE_VERSION: u32 = 1;

/// A piece of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Unique within the shard; may only have letters, digits, `.`, `_`, `-` and `/`.
    pub name: String,
    /// Rises when the content changes.
    pub version: u64,
    /// The content; none if the caller said that it has this version.
    pub bytes: Option<Vec<u8>>,
}

/// Chunks that cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("state cannot be restored: chunk {chunk} {problem}")]
pub struct StateError {
    /// The chunk's name.
    pub chunk: String,
    /// What is wrong with it.
    pub problem: String,
}

/// How much state there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct StateSize {
    /// Groups of boards, channels and markets with state.
    pub groups: u64,
    /// Items on boards, sessions, and repeated texts.
    pub items: u64,
    /// Events that were read and wait to become visible, once for every processor that counts them.
    pub pending: u64,
    /// Event ids that are remembered.
    pub dedup_ids: u64,
    /// About how much memory all of it takes.
    pub bytes_estimate: u64,
}
