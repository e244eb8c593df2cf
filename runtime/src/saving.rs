//! When a shard's state is written to a snapshot, and what of it is written already.
//!
//! Always holds: a snapshot is taken right after a commit that the shard's every change was in (see [`crate::snapshot`] for why
//! that is right). A snapshot that could not be written is tried again when the next is due. Does not know: the store.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use kafka::Log;
use processors::Chunk;
use schemas::{Timestamp, Topic};
use tracing::{debug, warn};

use crate::live::{Input, LiveShard};
use crate::metrics::add;
use crate::snapshot::manifest::{InputPosition, Manifest, Moment, StoredChunk};
use crate::snapshot::store::{Draft, DraftChunk, Saved};
use crate::worker::{Now, Worker, micros};

/// What of a shard's state is stored.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The newest snapshot on which the state builds.
    newest: Option<Manifest>,
    /// Its chunks by name.
    chunks: BTreeMap<String, StoredChunk>,
    /// Elapsed time at which the next is due; none before the first commit.
    due_micros: Option<i64>,
    /// Whether a snapshot of this very shard is being written, and not of one that was here before under the same number.
    is_saving: bool,
}

impl Kept {
    /// Nothing but this snapshot.
    pub(crate) fn from(newest: Manifest) -> Self {
        let mut kept = Kept::default();
        kept.set(newest);
        kept
    }

    fn set(&mut self, newest: Manifest) {
        self.chunks = newest.chunks.iter().map(|chunk| (chunk.name.clone(), chunk.clone())).collect();
        self.newest = Some(newest);
    }

    /// When the newest snapshot was taken.
    pub(crate) fn stored_at(&self) -> Option<Timestamp> {
        self.newest.as_ref().map(|newest| newest.created_at)
    }

    /// The offset of `topic` that the newest snapshot reflects.
    pub(crate) fn offset(&self, topic: Topic) -> Option<i64> {
        self.newest.as_ref().and_then(|newest| newest.offset(topic.name()))
    }

    /// What is stored under this name and version.
    fn stored(&self, name: &str, version: u64) -> Option<&StoredChunk> {
        self.chunks.get(name).filter(|chunk| chunk.version == version)
    }
}

impl LiveShard {
    /// Whether a snapshot is to be taken at the next commit.
    fn is_due(&mut self, now: Now, every_micros: i64) -> bool {
        if self.is_rebuilding() {
            return false;
        }
        // Shards take turns: what begins together need not be written together.
        let stagger = i64::from(self.number.rem_euclid(8)) * (every_micros / 8);
        let due = *self.kept.due_micros.get_or_insert(now.elapsed_micros + every_micros - stagger);
        let is_pressing = self.inputs.iter().any(|input| input.raises.is_long());
        now.elapsed_micros >= if is_pressing { due - every_micros / 8 * 7 } else { due }
    }

    fn is_at(&self, manifest: &Manifest) -> bool {
        self.history == manifest.history
            && self.watermark() == manifest.watermark
            && self.inputs.iter().all(|input| manifest.offset(input.topic.name()) == Some(input.next_offset))
    }

    /// The snapshot of this moment; chunks that are stored already are only named. None if the state gave a chunk neither
    /// with its content nor as it is stored.
    fn draft(&mut self, folder: &str, fingerprint: &str, now: Now) -> Option<Draft> {
        let kept = &self.kept;
        let chunks = self.shard.save(&|name, version| kept.stored(name, version).is_some());
        let chunk = |Chunk { name, version, bytes }: Chunk| match bytes {
            Some(bytes) => Some(DraftChunk::New { name, version, bytes }),
            None => kept.stored(&name, version).cloned().map(DraftChunk::Stored),
        };
        let chunks: Option<Vec<DraftChunk>> = chunks.into_iter().map(chunk).collect();
        let position =
            |input: &Input| InputPosition { topic: input.topic.name().to_owned(), offset: input.next_offset };
        let moment = Moment {
            fingerprint: fingerprint.to_owned(),
            job: folder.to_owned(),
            shard: self.number,
            history: self.history,
            created_at: now.wall,
            watermark: self.watermark(),
            positions: self.inputs.iter().map(position).collect(),
        };
        Some(Draft { moment, chunks: chunks? })
    }

    /// A snapshot is stored. Raises are kept back to the one before it, in case this one turns out to be damaged.
    fn was_saved(&mut self, saved: Saved) {
        for input in &mut self.inputs {
            let is_long = input.raises.is_long();
            let keep_from = if is_long { Some(&saved.manifest) } else { self.kept.newest.as_ref() };
            if let Some(offset) = keep_from.and_then(|manifest| manifest.offset(input.topic.name())) {
                input.raises.prune(offset);
            }
        }
        self.kept.set(saved.manifest);
    }
}

impl<L: Log> Worker<L> {
    /// Sees to it that shards whose snapshot is due are part of the next commit, unless the last one is still being written.
    pub(crate) fn prepare_snapshots(&mut self, now: Now) {
        let Some((every_micros, keeper)) = self.snapshot_every().zip(self.keeper.as_ref()) else { return };
        for shard in self.shards.values_mut() {
            if !shard.is_due(now, every_micros) {
                continue;
            }
            if !keeper.is_saving() {
                shard.has_news = true;
            } else if shard.kept.due_micros.is_some_and(|due| now.elapsed_micros - due >= every_micros) {
                add(&self.metrics.snapshots_skipped, 1);
                shard.kept.due_micros = Some(now.elapsed_micros);
            }
        }
    }

    /// Right after a commit of these shards: takes the snapshot of one that is due. The others are next.
    pub(crate) fn take_snapshot(&mut self, committed: &[i32], now: Now) {
        let Some(every_micros) = self.snapshot_every() else { return };
        let (Some(keeper), Some(options)) = (&mut self.keeper, &self.options.snapshots) else { return };
        for number in committed {
            let Some(shard) = self.shards.get_mut(number) else { continue };
            if keeper.is_saving() || !shard.is_due(now, every_micros) {
                continue;
            }
            shard.kept.due_micros = Some(now.elapsed_micros + every_micros);
            if shard.kept.newest.as_ref().is_some_and(|newest| shard.is_at(newest)) {
                continue;
            }
            match shard.draft(&self.folder, &options.fingerprint, now) {
                Some(draft) => {
                    shard.kept.is_saving = true;
                    keeper.save(draft);
                }
                None => {
                    add(&self.metrics.snapshots_failed, 1);
                    warn!(job = self.job.name, shard = number, "state gave a chunk without content");
                }
            }
        }
    }

    /// The keeper has written a snapshot, or could not.
    pub(crate) fn snapshot_saved(&mut self, number: i32, outcome: Result<Saved, String>) {
        // A shard that was made anew meanwhile gives the same names and versions to other chunks, and must not build on these.
        let shard = self.shards.get_mut(&number);
        let shard = shard.and_then(|shard| std::mem::take(&mut shard.kept.is_saving).then_some(shard));
        match outcome {
            Ok(saved) => {
                let metrics = &self.metrics;
                add(&metrics.snapshots, 1);
                add(&metrics.snapshot_bytes, saved.written_bytes);
                metrics.state_bytes.store(saved.manifest.state_bytes(), Ordering::Relaxed);
                debug!(
                    job = self.job.name,
                    shard = number,
                    written_bytes = saved.written_bytes,
                    state_bytes = saved.manifest.state_bytes(),
                    "snapshot stored"
                );
                if let Some(shard) = shard {
                    shard.was_saved(saved);
                }
            }
            Err(error) => {
                add(&self.metrics.snapshots_failed, 1);
                warn!(
                    job = self.job.name,
                    shard = number,
                    error,
                    "cannot store a snapshot, trying again later"
                );
            }
        }
    }

    fn snapshot_every(&self) -> Option<i64> {
        self.options.snapshots.as_ref().map(|options| micros(options.every))
    }
}
