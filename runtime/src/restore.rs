//! A shard begins: where it was parked, from a snapshot, or from where its history began.
//!
//! Looking for a snapshot and reading it is the keeper's work. Until it is done the shard's partitions are ours but paused, so the
//! worker goes on polling and the group does not miss it; then they are read from the snapshot's positions on.
//!
//! Always holds: the state that a shard begins with is a state of its own history, at or before the committed positions. A shard
//! whose positions an operator has set begins with no state, there. One whose commits were lost, so that snapshots are ahead of
//! them, goes on in a new history. Does not know: what is in a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use kafka::{Committed, Consumer, Log, TopicPartition};
use processors::Shard;
use schemas::Timestamp;
use tracing::{info, warn};

use crate::horizon::Horizon;
use crate::live::{Input, LiveShard, Origin};
use crate::metrics::add;
use crate::saving::Kept;
use crate::snapshot::manifest::Manifest;
use crate::snapshot::store::{Found, Wanted};
use crate::worker::{Now, Worker, WorkerError};

/// A shard whose state is being looked for.
pub(crate) struct Loading {
    pub(crate) origin: Origin,
    /// Names the question, so that an answer to an earlier one is not taken for this one's.
    ticket: u64,
    is_asked: bool,
    since_micros: i64,
}

impl<L: Log> Worker<L> {
    /// Begins these shards, of which every input is ours. Some begin at once, others when their state is there.
    pub(crate) fn begin(&mut self, numbers: &BTreeSet<i32>, now: Now) -> Result<(), WorkerError> {
        let is_meant = |partition: &&TopicPartition| numbers.contains(&partition.partition);
        let partitions: Vec<TopicPartition> = self.shares.owned.iter().filter(is_meant).cloned().collect();
        if partitions.is_empty() {
            return Ok(());
        }
        let committed = self.consumer.committed(&partitions)?;
        let mut by_shard: BTreeMap<i32, Vec<(TopicPartition, Option<Committed>)>> = BTreeMap::new();
        for (partition, committed) in partitions.into_iter().zip(committed) {
            by_shard.entry(partition.partition).or_default().push((partition, committed));
        }
        for (number, members) in by_shard {
            let committed: Vec<Option<Committed>> =
                members.iter().map(|(_, committed)| committed.clone()).collect();
            if self.unpark(number, &committed, now) {
                continue;
            }
            let (origin, is_continued) = self.origin(number, members, now)?;
            if self.keeper.is_some() && is_continued {
                self.shares.tickets += 1;
                let ticket = self.shares.tickets;
                let loading = Loading { origin, ticket, is_asked: false, since_micros: now.elapsed_micros };
                self.shares.loading.insert(number, loading);
            } else {
                self.begin_with(origin, None, now);
            }
        }
        Ok(())
    }

    /// What the committed positions say of a shard, and whether they continue a history.
    fn origin(
        &self,
        number: i32,
        members: Vec<(TopicPartition, Option<Committed>)>,
        now: Now,
    ) -> Result<(Origin, bool), WorkerError> {
        let mut origin = Origin {
            number,
            history: now.wall.micros(),
            shown_up_to: Timestamp::MIN,
            inputs: Vec::new(),
            committed: Vec::new(),
        };
        let mut histories = BTreeSet::new();
        for (partition, committed) in members {
            let Some((topic, _)) = self.topics.iter().find(|(_, name)| *name == partition.topic) else {
                continue;
            };
            let (log_start, _) = self.log.offsets(&partition)?;
            let text = committed.as_ref().map_or("", |committed| committed.metadata.as_str());
            let horizon = Horizon::from_metadata(text)?;
            let offset = committed.as_ref().map_or(log_start, |committed| committed.offset);
            let from = horizon.as_ref().map_or(offset, |horizon| horizon.from);
            let mut input = Input::new(*topic, partition, from, offset, log_start);
            if committed.is_some() {
                histories.insert(horizon.as_ref().map(|horizon| horizon.history));
            }
            if let Some(horizon) = horizon {
                origin.shown_up_to = origin.shown_up_to.max(horizon.watermark);
                input.raises = horizon.raises;
            }
            origin.inputs.push(input);
            origin.committed.push(committed);
        }
        // An input that is new to the job has no position yet and changes nothing; one whose position was set by hand does.
        let continued = match (histories.len(), histories.pop_first()) {
            (1, Some(history)) => history,
            _ => None,
        };
        origin.history = continued.unwrap_or(origin.history);
        Ok((origin, continued.is_some()))
    }

    /// Asks the keeper for the next shard's state, if it has time.
    pub(crate) fn load_next(&mut self) {
        let (Some(keeper), Some(options)) = (&mut self.keeper, &self.options.snapshots) else { return };
        if keeper.is_loading() {
            return;
        }
        let Some((number, loading)) = self.shares.loading.iter_mut().find(|(_, loading)| !loading.is_asked)
        else {
            return;
        };
        loading.is_asked = true;
        let committed = |input: &Input| (input.topic.name().to_owned(), input.shown_before);
        let wanted = Wanted {
            shard: *number,
            fingerprint: options.fingerprint.clone(),
            history: loading.origin.history,
            committed: loading.origin.inputs.iter().map(committed).collect(),
            watermark: loading.origin.shown_up_to,
        };
        keeper.load(loading.ticket, wanted);
    }

    /// The keeper has looked for a shard's state: the shard begins, unless it has left meanwhile.
    pub(crate) fn snapshot_loaded(
        &mut self,
        ticket: u64,
        number: i32,
        found: Found,
        now: Now,
    ) -> Result<(), WorkerError> {
        add(&self.metrics.snapshots_damaged, found.damaged);
        if self.shares.loading.get(&number).is_none_or(|loading| loading.ticket != ticket) {
            return Ok(());
        }
        let Some(mut loading) = self.shares.loading.remove(&number) else { return Ok(()) };
        if found.is_ahead {
            // The log was set back. What is ahead now is behind later, but of another past: the history ends here.
            loading.origin.history = now.wall.micros();
        }
        match &found.restored {
            Some((manifest, _)) => {
                let took = u64::try_from(now.elapsed_micros - loading.since_micros).unwrap_or(0);
                add(&self.metrics.restores, 1);
                add(&self.metrics.restores_from_older, u64::from(found.damaged > 0));
                add(&self.metrics.restore_bytes, manifest.state_bytes());
                self.metrics.restore_micros.store(took, Ordering::Relaxed);
            }
            None => add(&self.metrics.restores_from_log, 1),
        }
        self.begin_with(loading.origin, found.restored, now);
        self.read_on(number, |_| true)
    }

    /// A shard begins with this state, or with none where its history begins.
    fn begin_with(&mut self, mut origin: Origin, restored: Option<(Manifest, Shard)>, now: Now) {
        let number = origin.number;
        let is_restored = restored.is_some();
        let mut is_complete = true;
        let (kept, shard) = match restored {
            Some((manifest, shard)) => {
                for input in &mut origin.inputs {
                    let offset = manifest.offset(input.topic.name()).unwrap_or(input.from);
                    is_complete &= input.begin_at(offset);
                }
                (Kept::from(manifest), shard)
            }
            None => {
                for input in &mut origin.inputs {
                    is_complete &= input.begin_at(input.from);
                }
                (Kept::default(), self.job.shard())
            }
        };
        if !is_complete {
            warn!(
                job = self.job.name,
                shard = number,
                "the log has lost records that the state is computed from"
            );
        }
        if origin.inputs.iter().any(|input| input.raises.complete_from() > input.next_offset) {
            warn!(
                job = self.job.name,
                shard = number,
                "it is not known any more where idleness made events late: some may count again"
            );
        }
        let shard = LiveShard::new(origin, shard, kept, now);
        info!(
            job = self.job.name,
            shard = number,
            is_restored,
            to_read_again = shard.records_to_go(),
            "shard begins"
        );
        self.shards.insert(number, shard);
    }
}
