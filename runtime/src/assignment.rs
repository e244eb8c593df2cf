//! Partitions come and go: shards are rebuilt, committed and let go.
//!
//! Always holds: a shard has the same partition number of every input of the job, or the assignment is refused; what is done is
//! committed before partitions are given up. Does not know: the loop that calls it.

use std::collections::BTreeMap;

use kafka::{Assignment, Consumer, Log, TopicPartition};
use schemas::{Timestamp, Topic};
use tracing::{debug, info, warn};

use crate::horizon::Horizon;
use crate::live::{Input, LiveShard};
use crate::worker::{Now, Worker, WorkerError, group_id};

impl<L: Log> Worker<L> {
    pub(crate) fn partitions(&self) -> impl Iterator<Item = TopicPartition> + '_ {
        self.shards.values().flat_map(|shard| shard.inputs.iter().map(|input| input.partition.clone()))
    }

    /// Partitions came to us: rebuilds their shards and starts reading.
    pub(crate) fn take_over(&mut self, partitions: &[TopicPartition], now: Now) -> Result<(), WorkerError> {
        let starts = self.rebuild(partitions, now)?;
        self.consumer.start(&starts)?;
        info!(job = self.job.name, shards = ?self.shards.keys().collect::<Vec<_>>(), "partitions assigned");
        Ok(())
    }

    /// Makes fresh shards for these partitions, and says from where their partitions must be read.
    pub(crate) fn rebuild(
        &mut self,
        partitions: &[TopicPartition],
        now: Now,
    ) -> Result<Vec<Assignment>, WorkerError> {
        let committed = self.consumer.committed(partitions)?;
        let mut inputs: BTreeMap<i32, Vec<Input>> = BTreeMap::new();
        let mut horizons: BTreeMap<i32, Horizon> = BTreeMap::new();
        let mut starts = Vec::with_capacity(partitions.len());
        for (partition, committed) in partitions.iter().zip(committed) {
            let Some((topic, _)) = self.topics.iter().find(|(_, name)| *name == partition.topic) else {
                continue;
            };
            let number = partition.partition;
            let metadata = committed.as_ref().map_or("", |committed| committed.metadata.as_str());
            let horizon = Horizon::from_metadata(metadata)?;
            let known = horizons.entry(number).or_insert(horizon);
            if horizon.watermark() > known.watermark() {
                *known = horizon;
            }
            let (first_offset, _) = self.log.offsets(partition)?;
            starts.push(Assignment { partition: partition.clone(), offset: first_offset });
            inputs.entry(number).or_default().push(Input {
                topic: *topic,
                partition: partition.clone(),
                next_offset: first_offset,
                shown_before: committed.map_or(0, |committed| committed.offset),
                quiet_since_micros: now.elapsed_micros,
                is_idle: false,
            });
        }
        for (number, inputs) in inputs {
            let has = |topic: &Topic| inputs.iter().any(|input| input.topic == *topic);
            if let Some(topic) = self.job.inputs.iter().find(|topic| !has(topic)) {
                let group = group_id(&self.options.topic_prefix, &self.job.name);
                return Err(WorkerError::SplitShard { shard: number, topic: *topic, group });
            }
            let horizon = horizons.get(&number).copied().unwrap_or(Horizon::at(Timestamp::MIN));
            self.shards.insert(number, LiveShard::new(number, self.job.shard(), inputs, horizon));
        }
        Ok(starts)
    }

    /// Partitions are taken from us: commits what is done, unless they are lost already, and lets go.
    pub(crate) fn give_up(
        &mut self,
        partitions: &[TopicPartition],
        lost: bool,
        now: Now,
    ) -> Result<(), WorkerError> {
        if lost {
            warn!(job = self.job.name, ?partitions, "partitions lost");
            self.outlet.abort()?;
        } else {
            self.commit(now)?;
            debug!(job = self.job.name, ?partitions, "partitions revoked");
        }
        for partition in partitions {
            self.shards.remove(&partition.partition);
        }
        self.consumer.release(partitions)?;
        Ok(())
    }
}
