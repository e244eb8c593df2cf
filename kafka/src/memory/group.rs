//! A consumer group of the in-memory log: members, generations, the range assignment, committed positions.
//!
//! Always holds: a partition is given to a member only after every other has released it or is out of the group; a
//! commit counts only from a member of the present generation. Does not know: time. Who is silent is said from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::log::{Committed, LogError, Position, TopicPartition};

/// What the log does not keep beyond, as a broker does by default.
const METADATA_BYTES_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) generation: u64,
    members: BTreeMap<u64, Member>,
    /// Members whose place was taken by another with the same instance id.
    fenced: BTreeSet<u64>,
    is_rebalancing: bool,
    committed: BTreeMap<TopicPartition, Committed>,
}

#[derive(Debug)]
struct Member {
    instance_id: Option<String>,
    topics: Vec<Arc<str>>,
    /// What it was told it has, until it releases it.
    owned: Vec<TopicPartition>,
    /// What it was given and has not been told yet.
    pending: Option<Vec<TopicPartition>>,
    /// True for a member that nobody runs any more.
    is_away: bool,
}

/// What a member must be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    Nothing,
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
    /// It is not in the group any more.
    Gone,
}

impl Group {
    /// What would be found after a restore from a backup: the committed positions, and nobody.
    pub(super) fn backup(&self) -> Self {
        Group { generation: self.generation, committed: self.committed.clone(), ..Group::default() }
    }

    /// Takes a member in. One with the instance id of another takes its place and its partitions.
    pub(super) fn join(&mut self, id: u64, instance_id: Option<String>, topics: Vec<Arc<str>>) {
        let before = self
            .members
            .iter()
            .find(|(_, member)| member.instance_id.is_some() && member.instance_id == instance_id);
        let before = before.map(|(id, _)| *id);
        let before = before.and_then(|before| Some((before, self.members.remove(&before)?)));
        let mut member = Member { instance_id, topics, owned: Vec::new(), pending: None, is_away: false };
        match before {
            Some((fenced, before)) => {
                self.fenced.insert(fenced);
                self.is_rebalancing |= before.topics != member.topics;
                if !self.is_rebalancing {
                    member.pending = before.pending.or(Some(before.owned));
                }
            }
            None => self.is_rebalancing = true,
        }
        self.members.insert(id, member);
    }

    /// Takes a member out. Tells whether it was in.
    pub(super) fn remove(&mut self, id: u64) -> bool {
        let removed = self.members.remove(&id).is_some();
        self.is_rebalancing |= removed;
        removed
    }

    /// Nobody runs the member any more, but the group does not know.
    pub(super) fn leave_silently(&mut self, id: u64) {
        if let Some(member) = self.members.get_mut(&id) {
            member.is_away = true;
        }
    }

    /// The members that nobody runs any more.
    pub(super) fn away(&self) -> Vec<u64> {
        self.members.iter().filter(|(_, member)| member.is_away).map(|(id, _)| *id).collect()
    }

    pub(super) fn is_static(&self, id: u64) -> bool {
        self.members.get(&id).is_some_and(|member| member.instance_id.is_some())
    }

    pub(super) fn reads(&self, topic: &str) -> bool {
        self.members.values().any(|member| member.topics.iter().any(|name| **name == *topic))
    }

    /// The group shares its partitions anew.
    pub(super) fn rebalance(&mut self) {
        self.is_rebalancing = true;
    }

    /// Gives the partitions out once nobody holds any.
    pub(super) fn complete(&mut self, partitions_of: impl Fn(&str) -> i32) {
        if !self.is_rebalancing || self.members.values().any(|member| !member.owned.is_empty()) {
            return;
        }
        self.is_rebalancing = false;
        self.generation += 1;
        let mut shares = self.range(partitions_of);
        for (id, member) in &mut self.members {
            member.pending = Some(shares.remove(id).unwrap_or_default());
        }
    }

    /// Of each topic a run of partition numbers for each member, in one order of members for all topics.
    fn range(&self, partitions_of: impl Fn(&str) -> i32) -> BTreeMap<u64, Vec<TopicPartition>> {
        let mut order: Vec<(&u64, &Member)> = self.members.iter().collect();
        order.sort_by_key(|(id, member)| (member.instance_id.as_deref(), **id));
        let topics: BTreeSet<&Arc<str>> = self.members.values().flat_map(|member| &member.topics).collect();
        let mut shares: BTreeMap<u64, Vec<TopicPartition>> = BTreeMap::new();
        for topic in topics {
            let readers: Vec<u64> = order
                .iter()
                .filter(|(_, member)| member.topics.contains(topic))
                .map(|(id, _)| **id)
                .collect();
            let (count, among) = (partitions_of(topic), readers.len() as i32);
            let mut next = 0;
            for (index, reader) in readers.into_iter().enumerate() {
                let share = count / among + i32::from((index as i32) < count % among);
                let numbers = next..next + share;
                next += share;
                let given = numbers.map(|number| TopicPartition::new(Arc::clone(topic), number));
                shares.entry(reader).or_default().extend(given);
            }
        }
        shares
    }

    /// What the member must be told now; telling it counts as done.
    pub(super) fn news(&mut self, id: u64) -> Result<News, LogError> {
        if self.fenced.contains(&id) {
            return Err(LogError::fatal("another member has joined with this instance id"));
        }
        let Some(member) = self.members.get_mut(&id) else { return Ok(News::Gone) };
        if self.is_rebalancing && !member.owned.is_empty() {
            return Ok(News::Revoked(member.owned.clone()));
        }
        let Some(given) = member.pending.take() else { return Ok(News::Nothing) };
        if given.is_empty() {
            return Ok(News::Nothing);
        }
        member.owned.clone_from(&given);
        Ok(News::Assigned(given))
    }

    /// The member has let go of everything.
    pub(super) fn release(&mut self, id: u64) {
        if let Some(member) = self.members.get_mut(&id) {
            member.owned.clear();
        }
    }

    /// Refuses who is not a member of this generation.
    pub(super) fn check(&self, id: u64, generation: u64) -> Result<(), LogError> {
        if self.fenced.contains(&id) {
            return Err(LogError::fatal("another member has joined with this instance id"));
        }
        if !self.members.contains_key(&id) {
            return Err(LogError::must_abort("the group does not know this member"));
        }
        if generation != self.generation {
            let now = self.generation;
            return Err(LogError::must_abort(format!(
                "generation {generation} has passed, the group is at {now}"
            )));
        }
        Ok(())
    }

    pub(super) fn commit(&mut self, positions: &[Position]) {
        for Position { partition, offset, metadata } in positions {
            let committed = Committed { offset: *offset, metadata: metadata.clone() };
            self.committed.insert(partition.clone(), committed);
        }
    }

    pub(super) fn committed(&self, partition: &TopicPartition) -> Option<Committed> {
        self.committed.get(partition).cloned()
    }
}

/// Refuses metadata that a broker would refuse.
pub(super) fn check_positions(positions: &[Position]) -> Result<(), LogError> {
    match positions.iter().find(|position| position.metadata.len() > METADATA_BYTES_MAX) {
        Some(position) => {
            Err(LogError::must_abort(format!("the metadata of {} is too large", position.partition)))
        }
        None => Ok(()),
    }
}
