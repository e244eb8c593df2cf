//! A reader of the in-memory log: a member of a group, or on its own.
//!
//! Always holds: as in [`crate::broker`], a rebalance is reported through [`Consumer::poll`] and goes on only when it
//! was answered; partitions take turns in the order of their names. Does not know: who else is in the group.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use crate::log::{
    Assignment, Committed, Consumer, ConsumerOptions, LogError, OffsetCommit, Polled, Position, Record,
    TopicPartition,
};

use super::faults::Fault;
use super::group::{News, check_positions};
use super::partition::Stored;
use super::{MemoryLog, State};

/// A member's proof of membership at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryGroup {
    pub(super) group: String,
    pub(super) member: u64,
    pub(super) generation: u64,
}

/// A reader of the in-memory log.
#[derive(Debug)]
pub struct MemoryConsumer {
    log: MemoryLog,
    /// None for a reader on its own.
    membership: Option<Membership>,
    cursors: BTreeMap<TopicPartition, Cursor>,
    /// The partition that gave the last record.
    last: Option<TopicPartition>,
}

#[derive(Debug)]
struct Membership {
    options: ConsumerOptions,
    member: u64,
    /// What it was told it has.
    told: Vec<TopicPartition>,
    unanswered: Option<Question>,
    has_left: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Start,
    Release { lost: bool },
}

#[derive(Debug)]
struct Cursor {
    offset: i64,
    is_paused: bool,
}

impl MemoryConsumer {
    pub(super) fn member(log: MemoryLog, options: ConsumerOptions, member: u64) -> Self {
        let membership = Membership { options, member, told: Vec::new(), unanswered: None, has_left: false };
        MemoryConsumer { log, membership: Some(membership), cursors: BTreeMap::new(), last: None }
    }

    pub(super) fn reader(log: MemoryLog, from: &[Assignment]) -> Result<Self, LogError> {
        let mut reader = MemoryConsumer { log, membership: None, cursors: BTreeMap::new(), last: None };
        reader.read_from(from)?;
        Ok(reader)
    }

    /// The member's id as [`MemoryLog::expel`] takes it; it changes when the member joins again.
    #[must_use]
    pub fn member_id(&self) -> Option<u64> {
        self.membership.as_ref().map(|membership| membership.member)
    }

    /// Ends the reader as a killed process would: the group is not told. See [`MemoryLog::expel_absent`].
    pub fn crash(mut self) {
        if let Some(membership) = &mut self.membership {
            membership.has_left = true;
            let Membership { options, member, .. } = membership;
            self.log.lock().group(&options.group).leave_silently(*member);
        }
    }

    fn read_from(&mut self, from: &[Assignment]) -> Result<(), LogError> {
        let state = self.log.lock();
        for Assignment { partition, offset } in from {
            let Some(found) = state.partition(partition) else {
                return Err(LogError::retriable(format!("there is no partition {partition}")));
            };
            let offset = (*offset).clamp(0, found.stable_end());
            self.cursors.insert(partition.clone(), Cursor { offset, is_paused: false });
        }
        Ok(())
    }

    fn membership(&self) -> Result<&Membership, LogError> {
        self.membership.as_ref().ok_or_else(|| LogError::fatal("this reader is in no group"))
    }

    /// What has changed since the last call, if the owner must know.
    fn news(&mut self) -> Result<Option<Polled>, LogError> {
        let Some(membership) = &mut self.membership else { return Ok(None) };
        if matches!(membership.unanswered, Some(Question::Release { .. })) {
            return Ok(None);
        }
        let mut state = self.log.lock();
        if state.script.at_poll() {
            state.remove(&membership.options.group, membership.member);
        }
        let news = state.group(&membership.options.group).news(membership.member)?;
        match news {
            News::Assigned(partitions) => {
                membership.told.clone_from(&partitions);
                membership.unanswered = Some(Question::Start);
                Ok(Some(Polled::Assigned(partitions)))
            }
            News::Gone if membership.told.is_empty() => {
                membership.member = state.join(&membership.options);
                Ok(None)
            }
            News::Gone => {
                membership.unanswered = Some(Question::Release { lost: true });
                self.cursors.clear();
                Ok(Some(Polled::Revoked { partitions: membership.told.clone(), lost: true }))
            }
            News::Revoked(partitions) if membership.unanswered.is_none() => {
                membership.unanswered = Some(Question::Release { lost: false });
                self.cursors.clear();
                Ok(Some(Polled::Revoked { partitions, lost: false }))
            }
            News::Revoked(_) | News::Nothing => Ok(None),
        }
    }

    /// Takes up to `records_max` records; each partition in turn gives what it has.
    fn take(&mut self, records_max: usize) -> Vec<(TopicPartition, i64, Stored)> {
        let state = self.log.lock();
        let mut batch = Vec::new();
        let order = self.order();
        for partition in order {
            let Some(found) = state.partition(&partition) else { continue };
            let Some(cursor) = self.cursors.get_mut(&partition) else { continue };
            while batch.len() < records_max && !cursor.is_paused {
                let Some((offset, record)) = found.next(cursor.offset) else { break };
                cursor.offset = offset + 1;
                batch.push((partition.clone(), offset, record.clone()));
                self.last = Some(partition.clone());
            }
        }
        batch
    }

    /// Every partition, beginning with the one after that which gave the last record.
    fn order(&self) -> Vec<TopicPartition> {
        let (before, after): (Vec<_>, Vec<_>) = self
            .cursors
            .keys()
            .cloned()
            .partition(|partition| self.last.as_ref().is_some_and(|last| partition <= last));
        [after, before].concat()
    }

    fn cursor(&mut self, partition: &TopicPartition) -> Result<&mut Cursor, LogError> {
        self.cursors.get_mut(partition).ok_or_else(|| LogError::fatal(format!("{partition} is not ours")))
    }

    fn answered(&self, partitions: Vec<&TopicPartition>) -> Result<(), LogError> {
        let mut told: Vec<&TopicPartition> = self.membership()?.told.iter().collect();
        let mut answered = partitions;
        told.sort_unstable();
        answered.sort_unstable();
        if told == answered {
            Ok(())
        } else {
            Err(LogError::must_abort("the answer does not fit the report"))
        }
    }

    fn leave(&mut self) {
        let Some(membership) = &mut self.membership else { return };
        if mem::replace(&mut membership.has_left, true) {
            return;
        }
        let mut state = self.log.lock();
        let Membership { options, member, .. } = membership;
        // a static member is expected back
        if state.group(&options.group).is_static(*member) {
            state.group(&options.group).leave_silently(*member);
        } else {
            state.remove(&options.group, *member);
        }
    }
}

impl Consumer for MemoryConsumer {
    type Group = MemoryGroup;

    fn poll(
        &mut self,
        records_max: usize,
        _timeout: Duration,
        on_record: &mut dyn FnMut(&Record<'_>),
    ) -> Result<Polled, LogError> {
        if let Some(polled) = self.news()? {
            return Ok(polled);
        }
        let batch = self.take(records_max);
        for (partition, offset, stored) in &batch {
            on_record(&Record {
                topic: &partition.topic,
                partition: partition.partition,
                offset: *offset,
                timestamp_ms: stored.timestamp_ms,
                key: stored.key.as_deref(),
                value: stored.value.as_deref(),
            });
        }
        Ok(Polled::Records(batch.len()))
    }

    fn start(&mut self, from: &[Assignment]) -> Result<(), LogError> {
        if self.membership()?.unanswered != Some(Question::Start) {
            return Err(LogError::must_abort("no assignment waits for an answer"));
        }
        self.answered(from.iter().map(|assignment| &assignment.partition).collect())?;
        self.read_from(from)?;
        if let Some(membership) = &mut self.membership {
            membership.unanswered = None;
        }
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        let Some(Question::Release { lost }) = self.membership()?.unanswered else {
            return Err(LogError::must_abort("no revocation waits for an answer"));
        };
        self.answered(partitions.iter().collect())?;
        let Some(membership) = &mut self.membership else { return Ok(()) };
        membership.unanswered = None;
        membership.told.clear();
        let mut state = self.log.lock();
        if lost {
            membership.member = state.join(&membership.options);
        } else {
            state.group(&membership.options.group).release(membership.member);
            state.complete(&membership.options.group);
        }
        Ok(())
    }

    fn seek(&mut self, to: &Assignment) -> Result<(), LogError> {
        let is_paused = self.cursor(&to.partition)?.is_paused;
        self.read_from(std::slice::from_ref(to))?;
        self.cursor(&to.partition)?.is_paused = is_paused;
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        partitions
            .iter()
            .try_for_each(|partition| self.cursor(partition).map(|cursor| cursor.is_paused = true))
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        partitions
            .iter()
            .try_for_each(|partition| self.cursor(partition).map(|cursor| cursor.is_paused = false))
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, LogError> {
        let mut state = self.log.lock();
        let group = state.group(&self.membership()?.options.group);
        Ok(partitions.iter().map(|partition| group.committed(partition)).collect())
    }

    fn group(&self) -> Result<MemoryGroup, LogError> {
        let Membership { options, member, .. } = self.membership()?;
        let generation = self.log.lock().group(&options.group).generation;
        Ok(MemoryGroup { group: options.group.clone(), member: *member, generation })
    }

    fn close(mut self) -> Result<(), LogError> {
        self.leave();
        Ok(())
    }
}

impl OffsetCommit for MemoryConsumer {
    fn commit(&mut self, positions: &[Position]) -> Result<(), LogError> {
        let membership = self.membership()?;
        if let Some(position) =
            positions.iter().find(|position| !membership.told.contains(&position.partition))
        {
            return Err(LogError::must_abort(format!("{} is not ours", position.partition)));
        }
        check_positions(positions)?;
        let Membership { options, member, .. } = membership;
        commit(&mut self.log.lock(), &options.group, *member, positions)
    }
}

/// Commits positions alone, or fails as a fault wants it.
fn commit(state: &mut State, group: &str, member: u64, positions: &[Position]) -> Result<(), LogError> {
    let unknown = || LogError::retriable("the commit was not answered (injected)");
    let fault = state.script.at_commit();
    match fault {
        Some(Fault::Refuse(class)) => {
            return Err(LogError { class, message: "the commit was refused (injected)".to_owned() });
        }
        Some(Fault::LostUnknown) => return Err(unknown()),
        Some(Fault::Expel) => {
            state.remove(group, member);
        }
        Some(Fault::AppliedUnknown) | None => {}
    }
    let group = state.group(group);
    group.check(member, group.generation)?;
    group.commit(positions);
    if fault == Some(Fault::AppliedUnknown) { Err(unknown()) } else { Ok(()) }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        self.leave();
    }
}
