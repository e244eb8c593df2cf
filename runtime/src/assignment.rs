//! Partitions come and go: shards begin when all their inputs are here, are committed, parked and let go.
//!
//! Always holds: a shard takes records in only while it has the same partition number of every input of the job; an assignment
//! that leaves one split for longer than allowed is refused. What is done is committed before partitions are given up.
//! A parked shard goes on only if nobody has committed for it since. Does not know: how state is restored.

use std::collections::{BTreeMap, BTreeSet};

use kafka::{Assignment, Consumer, ErrorClass, Log, TopicPartition};
use schemas::Topic;
use tracing::{debug, info, warn};

use crate::live::LiveShard;
use crate::metrics::add;
use crate::restore::Loading;
use crate::worker::{Now, Worker, WorkerError, group_id, micros};

/// At most so many shards are kept after they were taken from us, each for so long.
const PARKED_MAX: usize = 16;
const PARKED_FOR_MICROS: i64 = 300_000_000;

/// What the group has given a worker, and the shards that do not take records in.
#[derive(Default)]
pub(crate) struct Shares {
    /// Every partition that is ours.
    pub(crate) owned: BTreeSet<TopicPartition>,
    /// Shards of which some inputs are here and others are not, and since when (elapsed time).
    split_since: BTreeMap<i32, i64>,
    /// Shards whose state is being looked for.
    pub(crate) loading: BTreeMap<i32, Loading>,
    /// Shards that were taken from us, as of their last commit, and since when.
    parked: BTreeMap<i32, (i64, LiveShard)>,
    /// Counts what was asked of the keeper.
    pub(crate) tickets: u64,
}

impl Shares {
    fn numbers(&self) -> BTreeSet<i32> {
        self.owned.iter().map(|partition| partition.partition).collect()
    }

    /// Takes a parked shard back.
    pub(crate) fn unpark(&mut self, number: i32) -> Option<LiveShard> {
        self.parked.remove(&number).map(|(_, shard)| shard)
    }

    /// Keeps a shard whose every change is committed.
    fn park(&mut self, shard: LiveShard, now: Now) {
        self.parked.retain(|_, (since, _)| now.elapsed_micros - *since < PARKED_FOR_MICROS);
        if self.parked.len() >= PARKED_MAX {
            let oldest = self.parked.iter().min_by_key(|(_, (since, _))| *since).map(|(number, _)| *number);
            oldest.and_then(|number| self.parked.remove(&number));
        }
        self.parked.insert(shard.number, (now.elapsed_micros, shard));
    }
}

impl<L: Log> Worker<L> {
    /// An input of the shard that is not here.
    fn missing_input(&self, number: i32) -> Option<Topic> {
        let is_here = |name| self.shares.owned.contains(&TopicPartition::new(name, number));
        let mut missing = self.topics.iter().filter(|(_, name)| !is_here(std::sync::Arc::clone(name)));
        missing.next().map(|(topic, _)| *topic)
    }

    /// The shards of which every input is here.
    fn whole_shards(&self) -> BTreeSet<i32> {
        let is_whole = |number: &i32| self.missing_input(*number).is_none();
        self.shares.numbers().into_iter().filter(is_whole).collect()
    }

    /// Partitions came to us: shards that are whole now begin.
    pub(crate) fn take_over(&mut self, partitions: &[TopicPartition], now: Now) -> Result<(), WorkerError> {
        self.shares.owned.extend(partitions.iter().cloned());
        self.note_split_shards(now);
        self.refuse_split_shards(now)?;
        self.count_shards()?;
        let is_new = |number: &i32| partitions.iter().any(|partition| partition.partition == *number);
        let numbers: BTreeSet<i32> = self.whole_shards().into_iter().filter(is_new).collect();
        self.begin(&numbers, now)?;
        let starts: Vec<Assignment> = partitions.iter().map(|partition| self.place_of(partition)).collect();
        match self.consumer.start(&starts) {
            // The report was overtaken by the next one, which takes these partitions away.
            Err(error) if error.class == ErrorClass::MustAbort => {
                debug!(job = self.job.name, %error, "assignment overtaken");
                partitions.iter().for_each(|partition| self.forget(partition));
                return Ok(());
            }
            answered => answered?,
        }
        let is_waiting = |partition: &&TopicPartition| !self.shards.contains_key(&partition.partition);
        let waiting: Vec<TopicPartition> = partitions.iter().filter(is_waiting).cloned().collect();
        self.consumer.pause(&waiting)?;
        for number in &numbers {
            // Inputs that came earlier have waited for these.
            let is_earlier = |partition: &TopicPartition| !partitions.contains(partition);
            self.read_on(*number, is_earlier)?;
        }
        info!(job = self.job.name, shards = ?self.shares.numbers(), "partitions assigned");
        Ok(())
    }

    /// Counts what a second stage has to know: the shards that there are, and its own.
    fn count_shards(&mut self) -> Result<(), WorkerError> {
        let (Some((_, input)), true) = (self.topics.first(), self.job.second.is_some()) else {
            return Ok(());
        };
        self.shard_count = self.log.partition_count(input)?.unwrap_or(0);
        self.outlet.count_partial_partitions(&self.log)
    }

    /// From where a partition of ours is to be read.
    fn place_of(&self, partition: &TopicPartition) -> Assignment {
        let inputs =
            match (self.shards.get(&partition.partition), self.shares.loading.get(&partition.partition)) {
                (Some(shard), _) => shard.inputs.as_slice(),
                (None, Some(loading)) => loading.origin.inputs.as_slice(),
                (None, None) => &[],
            };
        let input = inputs.iter().find(|input| input.partition == *partition);
        Assignment { partition: partition.clone(), offset: input.map_or(0, |input| input.next_offset) }
    }

    /// A shard that takes records in reads on from where it is; of its partitions those that are `meant`.
    pub(crate) fn read_on(
        &mut self,
        number: i32,
        meant: impl Fn(&TopicPartition) -> bool,
    ) -> Result<(), WorkerError> {
        let Some(shard) = self.shards.get(&number) else { return Ok(()) };
        for input in shard.inputs.iter().filter(|input| meant(&input.partition)) {
            let place = Assignment { partition: input.partition.clone(), offset: input.next_offset };
            self.consumer.seek(&place)?;
            self.consumer.resume(std::slice::from_ref(&input.partition))?;
        }
        Ok(())
    }

    /// After an aborted transaction: every shard's state is made anew, as of the last commit.
    pub(crate) fn rebuild_all(&mut self, now: Now) -> Result<(), WorkerError> {
        self.shards.clear();
        self.shares.loading.clear();
        let numbers = self.whole_shards();
        self.begin(&numbers, now)?;
        let waiting: Vec<TopicPartition> = self
            .shares
            .owned
            .iter()
            .filter(|partition| !self.shards.contains_key(&partition.partition))
            .cloned()
            .collect();
        self.consumer.pause(&waiting)?;
        numbers.iter().try_for_each(|number| self.read_on(*number, |_| true))
    }

    /// Partitions are taken from us: commits what is done, unless they are lost already, and lets go.
    pub(crate) fn give_up(
        &mut self,
        partitions: &[TopicPartition],
        lost: bool,
        now: Now,
    ) -> Result<(), WorkerError> {
        self.shares.owned.retain(|partition| !partitions.contains(partition));
        let numbers: BTreeSet<i32> = partitions.iter().map(|partition| partition.partition).collect();
        if lost {
            warn!(job = self.job.name, ?partitions, "partitions lost");
            self.outlet.abort()?;
            self.shards.retain(|number, _| !numbers.contains(number));
            // What the others had sent is gone with it.
            if !self.shards.is_empty() {
                self.rebuild_all(now)?;
            }
        } else {
            self.commit(now)?;
            debug!(job = self.job.name, ?partitions, "partitions revoked");
        }
        for number in &numbers {
            self.shares.loading.remove(number);
            if let Some(shard) = self.shards.remove(number)
                && !shard.has_news
                && !shard.is_rebuilding()
            {
                self.shares.park(shard, now);
            }
        }
        let is_left = |partition: &&TopicPartition| numbers.contains(&partition.partition);
        let left: Vec<TopicPartition> = self.shares.owned.iter().filter(is_left).cloned().collect();
        self.consumer.pause(&left)?;
        self.note_split_shards(now);
        self.consumer.release(partitions)?;
        Ok(())
    }

    fn forget(&mut self, partition: &TopicPartition) {
        self.shares.owned.remove(partition);
        self.shares.loading.remove(&partition.partition);
        self.shards.remove(&partition.partition);
    }

    fn note_split_shards(&mut self, now: Now) {
        let numbers = self.shares.numbers();
        let split: Vec<i32> =
            numbers.into_iter().filter(|number| self.missing_input(*number).is_some()).collect();
        self.shares.split_since.retain(|number, _| split.contains(number));
        for number in split {
            self.shares.split_since.entry(number).or_insert(now.elapsed_micros);
        }
    }

    /// Inputs of one shard may come one after the other, but not for ever.
    pub(crate) fn refuse_split_shards(&self, now: Now) -> Result<(), WorkerError> {
        let timeout_micros = micros(self.options.split_timeout);
        for (number, since) in &self.shares.split_since {
            if now.elapsed_micros - since >= timeout_micros
                && let Some(topic) = self.missing_input(*number)
            {
                let group = group_id(&self.options.topic_prefix, &self.job.name);
                return Err(WorkerError::SplitShard { shard: *number, topic, group });
            }
        }
        Ok(())
    }

    /// A shard goes on where it was parked, if nobody has committed for it since.
    pub(crate) fn unpark(&mut self, number: i32, committed: &[Option<kafka::Committed>], now: Now) -> bool {
        let Some(mut shard) = self.shares.unpark(number).filter(|shard| shard.committed == committed) else {
            return false;
        };
        shard.resume(now);
        self.shards.insert(number, shard);
        add(&self.metrics.unparked, 1);
        true
    }
}
