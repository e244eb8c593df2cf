//! A member of a group as a case drives it: it answers what it is told, and remembers what it read.
//!
//! Always holds: it starts at the committed positions (or 0), and commits how far it came when partitions are taken
//! from it. Does not know: what the case is about.

use std::collections::BTreeMap;

use crate::log::{
    Assignment, Committed, Consumer as _, ConsumerOptions, Log, LogError, Polled, Position, TopicPartition,
    Transactions as _,
};

use super::{Fixture, Seen, poll};

/// A member with a transactional writer that commits its positions.
pub struct Member<F: Fixture> {
    /// The reader.
    pub consumer: <F::Log as Log>::Consumer,
    /// The writer.
    pub writer: <F::Log as Log>::Transactions,
    /// What it owns, and the offset after the last record read.
    pub owned: BTreeMap<TopicPartition, i64>,
    /// Where each partition was started.
    pub started: Vec<Assignment>,
    /// What it read.
    pub seen: Vec<Seen>,
    /// How often partitions were taken from it.
    pub revocations: usize,
    /// True once partitions were lost.
    pub lost: bool,
}

impl<F: Fixture> Member<F> {
    /// Joins `group`, which reads `topics`.
    pub fn join(fixture: &F, group: &str, topics: &[&str], instance_id: Option<&str>) -> Self {
        let options = ConsumerOptions {
            group: group.to_owned(),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            instance_id: instance_id.map(str::to_owned),
            session_timeout: fixture.session_timeout(),
        };
        Member {
            consumer: fixture.log().join(&options).expect("joining works"),
            writer: fixture.log().transactions(&super::unique(group)).expect("a writer can be made"),
            owned: BTreeMap::new(),
            started: Vec::new(),
            seen: Vec::new(),
            revocations: 0,
            lost: false,
        }
    }

    /// One poll, answered.
    pub fn step(&mut self) {
        let before = self.seen.len();
        match poll(&mut self.consumer, 200, &mut self.seen) {
            Polled::Records(count) => {
                assert_eq!(self.seen.len(), before + count);
                for record in &self.seen[before..] {
                    let next =
                        self.owned.get_mut(&record.partition).expect("only what is ours is handed over");
                    assert!(record.offset >= *next, "positions never go back");
                    *next = record.offset + 1;
                }
            }
            Polled::Assigned(partitions) => self.start(&partitions),
            Polled::Revoked { partitions, lost } => {
                if lost {
                    self.lost = true;
                } else {
                    self.commit().expect("positions commit before partitions move");
                }
                for partition in &partitions {
                    self.owned.remove(partition).expect("only what was ours is taken away");
                }
                self.revocations += 1;
                self.consumer.release(&partitions).expect("releasing works");
            }
        }
    }

    fn start(&mut self, partitions: &[TopicPartition]) {
        let committed = self.consumer.committed(partitions).expect("committed positions can be read");
        let offset = |committed: Option<Committed>| committed.map_or(0, |position| position.offset);
        let from: Vec<Assignment> = partitions
            .iter()
            .zip(committed)
            .map(|(partition, committed)| Assignment {
                partition: partition.clone(),
                offset: offset(committed),
            })
            .collect();
        self.consumer.start(&from).expect("starting works");
        for assignment in from {
            let before = self.owned.insert(assignment.partition.clone(), assignment.offset);
            assert_eq!(before, None, "nothing is given twice");
            self.started.push(assignment);
        }
    }

    /// How far it came.
    pub fn positions(&self) -> Vec<Position> {
        let position = |(partition, offset): (&TopicPartition, &i64)| Position {
            partition: partition.clone(),
            offset: *offset,
            metadata: String::new(),
        };
        self.owned.iter().map(position).collect()
    }

    /// Commits how far it came, in a transaction of its own.
    pub fn commit(&mut self) -> Result<(), LogError> {
        let group = self.consumer.group().expect("a member has a membership");
        self.writer.begin()?;
        self.writer.commit(&self.positions(), &group)
    }

    /// The numbers that it owns of `topic`.
    pub fn numbers(&self, topic: &str) -> Vec<i32> {
        self.owned.keys().filter(|owned| &*owned.topic == topic).map(|owned| owned.partition).collect()
    }
}
