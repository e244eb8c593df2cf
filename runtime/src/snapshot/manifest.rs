//! A manifest: what a snapshot consists of, and of which moment it is.
//!
//! Always holds: a manifest that was read is, byte for byte, what was written; one that is not says so. It names each of its
//! chunks with checksum and length. Does not know: where it is kept.

use std::fmt::Write;

use processors::STATE_VERSION;
use schemas::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The form of the manifest itself.
const FORMAT: u32 = 1;

/// One snapshot of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// The form of the chunks' bytes.
    pub state_version: u32,
    /// The job's configuration, as a hash.
    pub fingerprint: String,
    /// The job.
    pub job: String,
    /// The shard's number.
    pub shard: i32,
    /// The history of commits that the state belongs to.
    pub history: i64,
    /// When it was taken, by the clock of the machine that took it.
    pub created_at: Timestamp,
    /// The shard's watermark.
    pub watermark: Timestamp,
    /// The committed positions that the state reflects exactly.
    pub positions: Vec<InputPosition>,
    /// All of the state.
    pub chunks: Vec<StoredChunk>,
    /// Of the manifest itself, with this field empty.
    checksum: String,
}

/// How far one input had been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputPosition {
    /// The topic's name, without the deployment's prefix.
    pub topic: String,
    /// The offset after the last record that the state reflects.
    pub offset: i64,
}

/// A chunk as it is stored, under its checksum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredChunk {
    /// Its name within the shard's state.
    pub name: String,
    /// The version of its content.
    pub version: u64,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub checksum: String,
    /// How many bytes it has.
    pub len_bytes: u64,
}

/// Whose state, and of which moment.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The job's configuration, as a hash.
    pub fingerprint: String,
    /// The job.
    pub job: String,
    /// The shard's number.
    pub shard: i32,
    /// The history of commits that the state belongs to.
    pub history: i64,
    /// When it was taken.
    pub created_at: Timestamp,
    /// The shard's watermark.
    pub watermark: Timestamp,
    /// The committed positions.
    pub positions: Vec<InputPosition>,
}

/// What the first look at a manifest must tell, whatever else it has.
#[derive(Deserialize)]
struct Form {
    format: u32,
}

/// Why a manifest is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Another program's form.
    #[error("it has format {0}, this program knows format {FORMAT}")]
    Format(u32),
    /// Cut off, changed, or none.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl Manifest {
    /// The manifest of `chunks` at `moment`.
    #[must_use]
    pub fn new(moment: Moment, chunks: Vec<StoredChunk>) -> Self {
        let Moment { fingerprint, job, shard, history, created_at, watermark, positions } = moment;
        let mut manifest = Manifest {
            format: FORMAT,
            state_version: STATE_VERSION,
            fingerprint,
            job,
            shard,
            history,
            created_at,
            watermark,
            positions,
            chunks,
            checksum: String::new(),
        };
        manifest.checksum = checksum(&manifest.to_bytes());
        manifest
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads one.
    ///
    /// # Errors
    /// If these are not the bytes that were written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let damaged = |error: serde_json::Error| ManifestError::Damaged(error.to_string());
        let form: Form = serde_json::from_slice(bytes).map_err(damaged)?;
        if form.format != FORMAT {
            return Err(ManifestError::Format(form.format));
        }
        let mut manifest: Manifest = serde_json::from_slice(bytes).map_err(damaged)?;
        let claimed = std::mem::take(&mut manifest.checksum);
        if claimed != checksum(&manifest.to_bytes()) {
            return Err(ManifestError::Damaged("its checksum is wrong".to_owned()));
        }
        manifest.checksum = claimed;
        Ok(manifest)
    }

    /// The name of its file. Names sort by when the snapshots were taken.
    #[must_use]
    pub fn file_name(&self) -> String {
        let mut name = format!("manifest-{:016x}", self.created_at.micros().max(0));
        for position in &self.positions {
            write!(name, "-{}", position.offset).ok();
        }
        name + ".json"
    }

    /// The offset that it reflects of a topic (without prefix).
    #[must_use]
    pub fn offset(&self, topic: &str) -> Option<i64> {
        self.positions.iter().find(|position| position.topic == topic).map(|position| position.offset)
    }

    /// The size of all of the state, in bytes.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.len_bytes).sum()
    }
}

/// SHA-256 in hexadecimal digits.
#[must_use]
pub fn checksum(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(digits, "{byte:02x}").ok();
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let moment = Moment {
            fingerprint: "f".to_owned(),
            job: "live".to_owned(),
            shard: 3,
            history: 17,
            created_at: Timestamp::from_micros(1_700_000_000_000_000),
            watermark: Timestamp::from_micros(5),
            positions: vec![
                InputPosition { topic: "events.chat".to_owned(), offset: 42 },
                InputPosition { topic: "events.viewers".to_owned(), offset: 7 },
            ],
        };
        let chunk =
            StoredChunk { name: "0/pane".to_owned(), version: 2, checksum: checksum(b"abc"), len_bytes: 3 };
        Manifest::new(moment, vec![chunk])
    }

    #[test]
    fn a_manifest_comes_back_and_its_name_has_its_positions() {
        let written = manifest();
        assert_eq!(Manifest::from_bytes(&written.to_bytes()).unwrap(), written);
        assert_eq!(written.file_name(), "manifest-00060a24181e4000-42-7.json");
        assert_eq!((written.offset("events.viewers"), written.state_bytes()), (Some(7), 3));
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let bytes = manifest().to_bytes();
        for index in 0..bytes.len() {
            assert!(Manifest::from_bytes(&bytes[..index]).is_err(), "cut at {index}");
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert!(Manifest::from_bytes(&changed).is_err(), "changed at {index}");
        }
        let next = String::from_utf8(bytes).unwrap().replace("\"format\":1", "\"format\":2");
        assert!(matches!(Manifest::from_bytes(next.as_bytes()), Err(ManifestError::Format(2))));
    }
}
