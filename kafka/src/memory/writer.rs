//! Writers of the in-memory log: plain and transactional.
//!
//! Always holds: of the writers with one transactional id only the newest can do anything. Does not know: who reads.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::log::{ErrorClass, LogError, Outgoing, Position, Producer, TopicPartition, Transactions};

use super::consumer::MemoryGroup;
use super::faults::Fault;
use super::group::check_positions;
use super::{MemoryLog, State};

/// What the log knows of a transactional id.
#[derive(Debug, Default)]
pub(super) struct Coordinator {
    epoch: u64,
    /// The open transaction's records.
    written: BTreeMap<TopicPartition, Vec<i64>>,
}

impl State {
    /// Fences the writers of this id; the epoch of the new one.
    fn fence(&mut self, id: &str) -> u64 {
        self.end_transaction(id, false);
        let coordinator = self.coordinators.entry(id.to_owned()).or_default();
        coordinator.epoch += 1;
        coordinator.epoch
    }

    fn end_transaction(&mut self, id: &str, committed: bool) {
        let Some(coordinator) = self.coordinators.get_mut(id) else { return };
        for (partition, offsets) in std::mem::take(&mut coordinator.written) {
            if let Some(partition) = self.partition_mut(&partition) {
                partition.end_transaction(&offsets, committed);
            }
        }
    }
}

/// A transactional writer.
#[derive(Debug)]
pub struct MemoryTransactions {
    log: MemoryLog,
    id: String,
    epoch: u64,
    is_open: bool,
    /// Why nothing but an abort is possible, or not even that.
    failure: Option<LogError>,
}

impl MemoryTransactions {
    pub(super) fn new(log: MemoryLog, id: &str) -> Self {
        let epoch = log.lock().fence(id);
        MemoryTransactions { log, id: id.to_owned(), epoch, is_open: false, failure: None }
    }

    /// Does something, unless this writer was fenced or has failed; remembers if it fails.
    fn guarded<T>(
        &mut self,
        must_be_open: bool,
        call: impl FnOnce(&mut State, &str) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let mut state = self.log.lock();
        let result = if state.coordinators.get(&self.id).is_none_or(|now| now.epoch != self.epoch) {
            Err(LogError::fatal(format!("another writer has taken over the id {}", self.id)))
        } else if self.is_open != must_be_open {
            Err(LogError::fatal(if must_be_open {
                "no transaction is open"
            } else {
                "a transaction is open"
            }))
        } else {
            call(&mut state, &self.id)
        };
        if let Err(error) = &result {
            self.failure = Some(error.clone());
        }
        result
    }
}

/// Commits, or fails as a fault wants it.
fn commit(state: &mut State, id: &str, positions: &[Position], group: &MemoryGroup) -> Result<(), LogError> {
    let fault = state.script.at_commit();
    match fault {
        Some(Fault::Refuse(ErrorClass::Fatal)) => {
            return Err(LogError::fatal("the commit was refused (injected)"));
        }
        Some(Fault::Refuse(_)) => return Err(LogError::must_abort("the commit was refused (injected)")),
        Some(Fault::LostUnknown) => {
            return Err(LogError::fatal("the outcome of the commit is unknown (injected)"));
        }
        Some(Fault::Expel) => {
            state.remove(&group.group, group.member);
        }
        Some(Fault::AppliedUnknown) | None => {}
    }
    if !positions.is_empty() {
        check_positions(positions)?;
        state.group(&group.group).check(group.member, group.generation)?;
        state.group(&group.group).commit(positions);
    }
    state.end_transaction(id, true);
    match fault {
        Some(Fault::AppliedUnknown) => {
            Err(LogError::fatal("the outcome of the commit is unknown (injected)"))
        }
        _ => Ok(()),
    }
}

impl Transactions for MemoryTransactions {
    type Group = MemoryGroup;

    fn begin(&mut self) -> Result<(), LogError> {
        self.guarded(false, |_, _| Ok(()))?;
        self.is_open = true;
        Ok(())
    }

    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), LogError> {
        self.guarded(true, |state, id| {
            let (to, stored) = state.take(record)?;
            let Some(partition) = state.partition_mut(&to) else {
                return Err(LogError::must_abort(format!("there is no partition {to}")));
            };
            let offset = partition.append_open(stored);
            let coordinator = state.coordinators.entry(id.to_owned()).or_default();
            coordinator.written.entry(to).or_default().push(offset);
            Ok(())
        })
    }

    fn commit(&mut self, positions: &[Position], group: &MemoryGroup) -> Result<(), LogError> {
        self.guarded(true, |state, id| commit(state, id, positions, group))?;
        self.is_open = false;
        Ok(())
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.failure.take_if(|failure| failure.class != ErrorClass::Fatal);
        self.guarded(true, |state, id| {
            state.end_transaction(id, false);
            Ok(())
        })?;
        self.is_open = false;
        Ok(())
    }
}

/// A plain writer.
#[derive(Debug)]
pub struct MemoryProducer {
    log: MemoryLog,
}

impl MemoryProducer {
    pub(super) fn new(log: MemoryLog) -> Self {
        MemoryProducer { log }
    }
}

impl Producer for MemoryProducer {
    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), LogError> {
        let mut state = self.log.lock();
        let (to, stored) = state.take(record)?;
        let partition = state.partition_mut(&to);
        partition.ok_or_else(|| LogError::must_abort(format!("there is no partition {to}")))?.append(stored);
        Ok(())
    }

    fn flush(&mut self, _timeout: Duration) -> Result<(), LogError> {
        Ok(())
    }
}
