//! Snapshots in an object store: written, found again, cleared away.
//!
//! Layout, under the root: `JOB/SHARD/chunks/SHA256` and `JOB/SHARD/manifest-TIME-OFFSETS.json`. A chunk is named by its content,
//! so it never changes, and whoever writes it again writes the same.
//!
//! Always holds: a manifest is written after all of its chunks; what is read is checked against the checksums, and a snapshot with
//! any fault is passed over for an older one. Clearing away keeps the newest manifests and all that they name, and no chunk
//! goes before its grace period, in which a manifest that names it may still be on its way. Does not know: the log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use processors::{Chunk, Job, STATE_VERSION, Shard};
use schemas::Timestamp;
use tracing::{debug, warn};

use super::manifest::{Manifest, ManifestError, Moment, StoredChunk, checksum};

/// How many chunks are on their way at once.
const CONCURRENCY: usize = 8;

/// Where the snapshots of all jobs are, and how many are kept.
#[derive(Clone, Debug)]
pub struct SnapshotStore {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// The path within it.
    pub root: Path,
    /// How many snapshots of each shard are kept; at least one.
    pub keep: usize,
    /// How old a chunk that no manifest names must be to be deleted, from the store's clock to the one that a snapshot was taken by.
    pub grace: Duration,
}

/// A snapshot to be written.
pub struct Draft {
    /// Whose state, and when.
    pub moment: Moment,
    /// All of the state.
    pub chunks: Vec<DraftChunk>,
}

/// A chunk of a snapshot to be written.
pub enum DraftChunk {
    /// It has changed since the last snapshot.
    New {
        /// Its name within the shard's state.
        name: String,
        /// The version of its content.
        version: u64,
        /// The content.
        bytes: Vec<u8>,
    },
    /// It is stored already.
    Stored(StoredChunk),
}

/// A snapshot that was written.
#[derive(Clone, Debug)]
pub struct Saved {
    /// What it consists of.
    pub manifest: Manifest,
    /// Bytes of the chunks that had to be written.
    pub written_bytes: u64,
}

/// Which snapshot will do.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The shard's number.
    pub shard: i32,
    /// The job's configuration, as a hash.
    pub fingerprint: String,
    /// The history of commits that it must belong to.
    pub history: i64,
    /// By topic (without prefix): it must not reflect anything from this offset on.
    pub committed: Vec<(String, i64)>,
    /// The committed horizon: it must not have got further.
    pub watermark: Timestamp,
}

/// What was found.
pub struct Found {
    /// The newest snapshot that will do, with the shard as it was.
    pub restored: Option<(Manifest, Shard)>,
    /// Snapshots that were passed over because they are damaged.
    pub damaged: u64,
    /// Whether a snapshot of the history reflects more than is committed: then commits have been lost.
    pub is_ahead: bool,
}

/// A snapshot that would do, but for another program or configuration.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "snapshot {name} of shard {shard} of job {job} is of {other}; go back to that, or delete the job's snapshots with \
     `ovation jobs snapshots {configured} --delete` (state is then computed anew from the log), or start over with \
     `ovation jobs reset {configured}`"
)]
pub struct Refused {
    name: String,
    job: String,
    /// The job that an operator sets back: of a second stage, its first.
    configured: String,
    shard: i32,
    other: String,
}

impl SnapshotStore {
    fn folder(&self, job: &str, shard: i32) -> Path {
        self.root.clone().join(job).join(shard.to_string())
    }

    /// Writes a snapshot, then clears away what is not needed any more.
    ///
    /// # Errors
    /// If anything could not be written: the snapshot does not exist then.
    pub async fn save(&self, draft: Draft) -> object_store::Result<Saved> {
        let folder = self.folder(&draft.moment.job, draft.moment.shard);
        let chunks = folder.clone().join("chunks");
        let store_one = |chunk: DraftChunk| {
            let (store, chunks) = (Arc::clone(&self.store), chunks.clone());
            async move {
                match chunk {
                    DraftChunk::Stored(stored) => Ok((stored, 0)),
                    DraftChunk::New { name, version, bytes } => {
                        let (checksum, len_bytes) = (checksum(&bytes), bytes.len() as u64);
                        store.put(&chunks.join(checksum.as_str()), bytes.into()).await?;
                        Ok::<_, object_store::Error>((
                            StoredChunk { name, version, checksum, len_bytes },
                            len_bytes,
                        ))
                    }
                }
            }
        };
        let taken_at = draft.moment.created_at;
        let stored: Vec<(StoredChunk, u64)> =
            stream::iter(draft.chunks).map(store_one).buffered(CONCURRENCY).try_collect().await?;
        let written_bytes = stored.iter().map(|(_, written)| written).sum();
        let manifest = Manifest::new(draft.moment, stored.into_iter().map(|(chunk, _)| chunk).collect());
        let path = folder.clone().join(manifest.file_name().as_str());
        self.store.put(&path, manifest.to_bytes().into()).await?;
        if let Err(error) = self.clear_away(&folder, taken_at).await {
            warn!(%folder, %error, "cannot clear away old snapshots");
        }
        Ok(Saved { manifest, written_bytes })
    }

    /// The newest snapshot that fits `wanted`, restored. A store that cannot be read has none.
    ///
    /// # Errors
    /// If it is of another configuration or another program.
    pub async fn load(&self, job: &Job, folder_name: &str, wanted: &Wanted) -> Result<Found, Refused> {
        let folder = self.folder(folder_name, wanted.shard);
        let mut found = Found { restored: None, damaged: 0, is_ahead: false };
        let manifests = match self.manifests(&folder).await {
            Ok(manifests) => manifests,
            Err(error) => {
                warn!(%folder, %error, "cannot look for snapshots, reading the log instead");
                found.damaged += 1;
                return Ok(found);
            }
        };
        for meta in manifests {
            let name = meta.location.filename().unwrap_or_default().to_owned();
            let refused = |other: String| Refused {
                name: name.clone(),
                job: job.name.clone(),
                configured: job.first.as_ref().unwrap_or(&job.name).clone(),
                shard: wanted.shard,
                other,
            };
            let manifest = match self.read(&meta.location).await.map(|bytes| Manifest::from_bytes(&bytes)) {
                Ok(Ok(manifest)) => manifest,
                Ok(Err(error @ ManifestError::Format(_))) => return Err(refused(error.to_string())),
                Ok(Err(error)) => {
                    warn!(%folder, name, %error, "passing over a snapshot");
                    found.damaged += 1;
                    continue;
                }
                Err(error) => {
                    warn!(%folder, name, %error, "passing over a snapshot");
                    found.damaged += 1;
                    continue;
                }
            };
            if manifest.history != wanted.history {
                debug!(%folder, name, "passing over a snapshot from before positions were reset");
                continue;
            }
            if manifest.state_version != STATE_VERSION {
                return Err(refused(format!(
                    "state version {}, not {STATE_VERSION}",
                    manifest.state_version
                )));
            }
            if manifest.fingerprint != wanted.fingerprint {
                return Err(refused("another configuration of the job".to_owned()));
            }
            if !is_behind(&manifest, wanted) {
                warn!(%folder, name, "passing over a snapshot that is ahead of the committed positions");
                found.is_ahead = true;
                continue;
            }
            match self.restore(&folder, job, &manifest).await {
                Ok(shard) => {
                    found.restored = Some((manifest, shard));
                    return Ok(found);
                }
                Err(why) => {
                    warn!(%folder, name, why, "passing over a snapshot");
                    found.damaged += 1;
                }
            }
        }
        Ok(found)
    }

    async fn restore(&self, folder: &Path, job: &Job, manifest: &Manifest) -> Result<Shard, String> {
        let folder = folder.clone().join("chunks");
        let fetch = |stored: StoredChunk| {
            let path = folder.clone().join(stored.checksum.as_str());
            async move {
                let bytes = self.read(&path).await.map_err(|error| error.to_string())?;
                if bytes.len() as u64 != stored.len_bytes || checksum(&bytes) != stored.checksum {
                    return Err(format!("chunk {} is damaged", stored.name));
                }
                Ok(Chunk { name: stored.name, version: stored.version, bytes: Some(bytes) })
            }
        };
        let chunks: Vec<Chunk> =
            stream::iter(manifest.chunks.clone()).map(fetch).buffered(CONCURRENCY).try_collect().await?;
        let mut shard = job.shard();
        shard.restore(chunks).map_err(|error| error.to_string())?;
        Ok(shard)
    }

    /// The manifests of a shard, the newest first; each as it is, or why it cannot be read.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn list(
        &self,
        job: &str,
        shard: i32,
    ) -> object_store::Result<Vec<(String, Result<Manifest, String>)>> {
        let mut listed = Vec::new();
        for meta in self.manifests(&self.folder(job, shard)).await? {
            let name = meta.location.filename().unwrap_or_default().to_owned();
            let bytes = self.read(&meta.location).await?;
            listed.push((name, Manifest::from_bytes(&bytes).map_err(|error| error.to_string())));
        }
        Ok(listed)
    }

    /// The numbers of the shards that a job has snapshots of.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn shards(&self, job: &str) -> object_store::Result<Vec<i32>> {
        let folders = self.store.list_with_delimiter(Some(&self.root.clone().join(job))).await?;
        let number = |folder: &Path| folder.filename().and_then(|name| name.parse().ok());
        let mut numbers: Vec<i32> = folders.common_prefixes.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Deletes all snapshots of a job; how many files.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub async fn delete(&self, job: &str) -> object_store::Result<usize> {
        let mut deleted = 0;
        for shard in self.shards(job).await? {
            let folder = self.folder(job, shard);
            // Manifests first: none may name what is gone.
            for meta in self.manifests(&folder).await? {
                self.store.delete(&meta.location).await?;
                deleted += 1;
            }
            let rest: Vec<ObjectMeta> = self.store.list(Some(&folder)).try_collect().await?;
            for meta in rest {
                self.store.delete(&meta.location).await?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// Deletes all but the newest manifests, and the chunks that these do not name.
    async fn clear_away(&self, folder: &Path, now: Timestamp) -> object_store::Result<()> {
        let mut named = BTreeSet::new();
        let mut kept = 0;
        for meta in self.manifests(folder).await? {
            // One that cannot be read is no use, and must not push out one that can.
            match Manifest::from_bytes(&self.read(&meta.location).await?) {
                Ok(manifest) if kept < self.keep.max(1) => {
                    kept += 1;
                    named.extend(manifest.chunks.into_iter().map(|chunk| chunk.checksum));
                }
                _ => self.store.delete(&meta.location).await?,
            }
        }
        let grace_ms = i64::try_from(self.grace.as_millis()).unwrap_or(i64::MAX);
        let deadline_ms = now.millis().saturating_sub(grace_ms);
        let mut chunks = self.store.list(Some(&folder.clone().join("chunks")));
        while let Some(meta) = chunks.try_next().await? {
            let is_named = meta.location.filename().is_some_and(|name| named.contains(name));
            if !is_named && meta.last_modified.timestamp_millis() <= deadline_ms {
                self.store.delete(&meta.location).await?;
            }
        }
        Ok(())
    }

    /// The files of a shard's manifests, the newest first.
    async fn manifests(&self, folder: &Path) -> object_store::Result<Vec<ObjectMeta>> {
        let listed = self.store.list_with_delimiter(Some(folder)).await?;
        let is_manifest =
            |meta: &ObjectMeta| meta.location.filename().is_some_and(|name| name.starts_with("manifest-"));
        let mut manifests: Vec<ObjectMeta> = listed.objects.into_iter().filter(is_manifest).collect();
        manifests.sort_by(|one, other| other.location.cmp(&one.location));
        Ok(manifests)
    }

    async fn read(&self, path: &Path) -> object_store::Result<Vec<u8>> {
        Ok(self.store.get(path).await?.bytes().await?.into())
    }
}

/// Whether it reflects nothing beyond the committed positions. With nothing new to read the clock moves a shard on all the same, so
/// equal positions are not enough.
fn is_behind(manifest: &Manifest, wanted: &Wanted) -> bool {
    let is_committed = |(topic, committed): &(String, i64)| {
        manifest.offset(topic).is_some_and(|offset| offset <= *committed)
    };
    manifest.watermark <= wanted.watermark && wanted.committed.iter().all(is_committed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::manifest::{InputPosition, Moment};

    #[test]
    fn what_is_ahead_in_any_position_or_in_time_is_not_behind() {
        let at = Timestamp::from_micros;
        let moment = Moment {
            fingerprint: String::new(),
            job: "live".to_owned(),
            shard: 0,
            history: 1,
            created_at: at(9),
            watermark: at(5),
            positions: vec![InputPosition { topic: "events.chat".to_owned(), offset: 42 }],
        };
        let manifest = Manifest::new(moment, Vec::new());
        let is_behind = |offset: i64, watermark: i64| {
            let committed = vec![("events.chat".to_owned(), offset)];
            let fingerprint = String::new();
            is_behind(
                &manifest,
                &Wanted { shard: 0, fingerprint, history: 1, committed, watermark: at(watermark) },
            )
        };
        assert!(is_behind(42, 5) && is_behind(43, 6));
        assert!(!is_behind(41, 5), "a record is lost");
        assert!(!is_behind(42, 4), "the clock closed a window, and that is lost");
    }
}
