//! A shard's state as chunks: what a snapshot stores, and what a shard is restored from.
//!
//! State is a set of named chunks. A chunk's version rises whenever its content changes, so a snapshot writes only what changed
//! since the last one: a pane that is past stays as it was written, a board of all time adds a chunk with the scores that changed.
//!
//! Always holds: restoring every chunk of a snapshot gives a shard that behaves, and is saved again, exactly as the saved one, but for the
//! order of the keys in what is written whole.
//! Does not know: where chunks are stored.

pub(crate) mod bytes;
pub(crate) mod journal;

use std::collections::BTreeMap;
use std::ops::AddAssign;

use bytes::{Reader, Unreadable};

/// The form of the chunks' bytes. It rises when an older program could not read them.
pub const STATE_VERSION: u32 = 4;

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

impl StateError {
    pub(crate) fn new(chunk: &str, problem: &str) -> Self {
        StateError { chunk: chunk.to_owned(), problem: problem.to_owned() }
    }

    pub(crate) fn unreadable(chunk: &str, problem: &Unreadable) -> Self {
        StateError::new(chunk, problem.0)
    }
}

/// The bytes of the chunk `name`.
pub(crate) fn bytes_of<'c>(
    chunks: &'c BTreeMap<String, Chunk>,
    name: &str,
    version: u64,
) -> Result<&'c [u8], StateError> {
    let chunk = chunks.get(name).ok_or_else(|| StateError::new(name, "is missing"))?;
    if chunk.version != version {
        let problem = format!("has version {} where {version} belongs", chunk.version);
        return Err(StateError::new(name, &problem));
    }
    chunk.bytes.as_deref().ok_or_else(|| StateError::new(name, "has no bytes"))
}

/// A small chunk that is encoded at every save; its version rises when it comes out differently.
#[derive(Default)]
pub(crate) struct Head {
    version: u64,
    bytes: Vec<u8>,
}

impl Head {
    /// Adds the chunk.
    pub(crate) fn save(
        &mut self,
        name: String,
        is_known: &dyn Fn(&str, u64) -> bool,
        chunks: &mut Vec<Chunk>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        write(&mut bytes);
        if self.version == 0 || bytes != self.bytes {
            self.version += 1;
            self.bytes = bytes;
        }
        let bytes = (!is_known(&name, self.version)).then(|| self.bytes.clone());
        chunks.push(Chunk { name, version: self.version, bytes });
    }

    /// Reads the chunk: `read` must read all of it.
    pub(crate) fn restore<T>(
        &mut self,
        name: &str,
        chunks: &BTreeMap<String, Chunk>,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, Unreadable>,
    ) -> Result<T, StateError> {
        let version = chunks.get(name).map_or(0, |chunk| chunk.version);
        let bytes = bytes_of(chunks, name, version)?;
        let mut reader = Reader::new(bytes);
        let value = read(&mut reader).map_err(|problem| StateError::unreadable(name, &problem))?;
        if !reader.is_empty() {
            return Err(StateError::new(name, "holds more than it should"));
        }
        *self = Head { version, bytes: bytes.to_vec() };
        Ok(value)
    }
}

/// A name as it may stand in a chunk's name: what is not a letter, a digit, `_` or `-` is written as `.` and two hex digits.
pub(crate) fn chunk_name(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!(".{byte:02x}")),
        }
    }
    escaped
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
    /// What boards keep within their `entries_max`: items, their scores in each pane, whom these are from, and messages.
    pub entries: u64,
    /// What no longer fitted into a board's `entries_max` so far: messages that can no longer be taken back, and contributions that
    /// were refused.
    pub forgotten: u64,
    /// Event ids that are remembered.
    pub dedup_ids: u64,
    /// About how much memory all of it takes.
    pub bytes_estimate: u64,
}

impl AddAssign for StateSize {
    fn add_assign(&mut self, more: Self) {
        self.groups += more.groups;
        self.items += more.items;
        self.pending += more.pending;
        self.entries += more.entries;
        self.forgotten += more.forgotten;
        self.dedup_ids += more.dedup_ids;
        self.bytes_estimate += more.bytes_estimate;
    }
}
