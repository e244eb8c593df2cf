//! The in-memory log as a worker has it: every call may be its process's last, or fail.
//!
//! Always holds: what is not hindered goes to the log as it is. A process that has died reaches the log no more: its open
//! transaction stays open and its group is not told, as after a kill. Does not know: what the calls are for.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka::memory::{Fault, MemoryConsumer, MemoryGroup, MemoryLog, MemoryProducer, MemoryTransactions};
use kafka::{
    Assignment, Committed, Consumer, ConsumerOptions, ErrorClass, Log, LogError, OffsetCommit, Outgoing,
    Polled, Position, Record, TopicPartition, Transactions,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::counts::Counts;
use crate::plan::Rates;
use crate::process::Life;

/// What goes wrong, drawn from one stream for all workers of a run.
pub(crate) struct Chaos {
    pub(crate) random: ChaCha8Rng,
    /// All zero: nothing goes wrong.
    pub(crate) rates: Rates,
    pub(crate) poll_records_max: usize,
    pub(crate) counts: Counts,
}

impl Chaos {
    fn happens(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.random.random_range(0..1_000) < per_mille
    }
}

/// The log as one process has it.
#[derive(Clone)]
pub(crate) struct ChaosLog {
    log: MemoryLog,
    chaos: Arc<Mutex<Chaos>>,
    pub(crate) life: Arc<Life>,
}

impl ChaosLog {
    /// For a process that has just started.
    pub(crate) fn new(log: &MemoryLog, chaos: &Arc<Mutex<Chaos>>) -> Self {
        ChaosLog { log: log.clone(), chaos: Arc::clone(chaos), life: Arc::default() }
    }

    /// The process is killed.
    pub(crate) fn kill(&self) {
        self.die(&mut self.chaos().counts);
    }

    fn die(&self, counts: &mut Counts) {
        let Life { is_dead, writing, reading, .. } = &*self.life;
        if !is_dead.swap(true, Ordering::Relaxed) {
            counts.add("crash while a snapshot is written", u64::from(writing.load(Ordering::Relaxed) > 0));
            counts.add("crash while a snapshot is read", u64::from(reading.load(Ordering::Relaxed) > 0));
        }
    }

    /// Whether the process was killed, from within or without.
    pub(crate) fn is_dead(&self) -> bool {
        self.life.is_dead.load(Ordering::Relaxed)
    }

    fn chaos(&self) -> MutexGuard<'_, Chaos> {
        self.chaos.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The beginning of a call: perhaps the process dies here.
    fn enter(&self, crash: &'static str) -> Result<(), LogError> {
        if !self.is_dead() {
            let mut chaos = self.chaos();
            let rate = chaos.rates.crash_at_call;
            if !chaos.happens(rate) {
                return Ok(());
            }
            chaos.counts.add(crash, 1);
            self.die(&mut chaos.counts);
        }
        Err(LogError::fatal("the process was killed (simulated)"))
    }

    /// Perhaps the call fails and the process lives on.
    fn hinder(&self, what: &'static str, error: fn(&'static str) -> LogError) -> Result<(), LogError> {
        let mut chaos = self.chaos();
        let rate = chaos.rates.refused;
        if chaos.happens(rate) {
            chaos.counts.add(what, 1);
            return Err(error(what));
        }
        Ok(())
    }
}

impl Log for ChaosLog {
    type Consumer = ChaosConsumer;
    type Transactions = ChaosTransactions;
    type Producer = MemoryProducer;
    type Group = MemoryGroup;

    fn join(&self, options: &ConsumerOptions) -> Result<ChaosConsumer, LogError> {
        self.enter("crash at join")?;
        let consumer = self.log.join(options)?;
        Ok(ChaosConsumer { inner: Some(consumer), log: self.clone(), group: options.group.clone() })
    }

    fn reader(&self, from: &[Assignment]) -> Result<ChaosConsumer, LogError> {
        let consumer = self.log.reader(from)?;
        Ok(ChaosConsumer { inner: Some(consumer), log: self.clone(), group: String::new() })
    }

    fn transactions(&self, transactional_id: &str) -> Result<ChaosTransactions, LogError> {
        self.enter("crash at transactions")?;
        Ok(ChaosTransactions { inner: self.log.transactions(transactional_id)?, log: self.clone() })
    }

    fn producer(&self) -> Result<MemoryProducer, LogError> {
        self.log.producer()
    }

    fn partition_count(&self, topic: &str) -> Result<Option<i32>, LogError> {
        self.log.partition_count(topic)
    }

    fn offsets(&self, partition: &TopicPartition) -> Result<(i64, i64), LogError> {
        self.enter("crash at offsets")?;
        self.hinder("look-up failed", LogError::retriable)?;
        self.log.offsets(partition)
    }
}

/// A member of a group.
pub(crate) struct ChaosConsumer {
    /// None once closed.
    inner: Option<MemoryConsumer>,
    log: ChaosLog,
    group: String,
}

impl ChaosConsumer {
    fn inner(&mut self) -> Result<&mut MemoryConsumer, LogError> {
        self.inner.as_mut().ok_or_else(|| LogError::fatal("the reader is closed"))
    }
}

impl Consumer for ChaosConsumer {
    type Group = MemoryGroup;

    fn poll(
        &mut self,
        records_max: usize,
        timeout: Duration,
        on_record: &mut dyn FnMut(&Record<'_>),
    ) -> Result<Polled, LogError> {
        self.log.enter("crash at poll")?;
        self.log.hinder("poll failed", LogError::retriable)?;
        let member = self.inner()?.member_id();
        let records_max = {
            let mut chaos = self.log.chaos();
            let rate = chaos.rates.expelled;
            if chaos.happens(rate) && member.is_some_and(|member| self.log.log.expel(&self.group, member)) {
                chaos.counts.add("expelled at poll", 1);
            }
            records_max.min(chaos.poll_records_max)
        };
        let polled = self.inner()?.poll(records_max, timeout, on_record)?;
        let mut chaos = self.log.chaos();
        if matches!(polled, Polled::Revoked { .. }) && self.log.life.writing.load(Ordering::Relaxed) > 0 {
            chaos.counts.add("rebalance while a snapshot is written", 1);
        }
        match &polled {
            Polled::Records(_) => {}
            Polled::Assigned(_) => chaos.counts.add("partitions assigned", 1),
            Polled::Revoked { lost: true, .. } => chaos.counts.add("partitions lost", 1),
            Polled::Revoked { .. } => chaos.counts.add("partitions revoked", 1),
        }
        drop(chaos);
        Ok(polled)
    }

    fn start(&mut self, from: &[Assignment]) -> Result<(), LogError> {
        self.log.enter("crash at start")?;
        self.inner()?.start(from)
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.log.enter("crash at release")?;
        self.inner()?.release(partitions)
    }

    fn seek(&mut self, to: &Assignment) -> Result<(), LogError> {
        self.log.enter("crash at seek")?;
        self.inner()?.seek(to)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.log.enter("crash at pause")?;
        self.inner()?.pause(partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.log.enter("crash at resume")?;
        self.inner()?.resume(partitions)
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, LogError> {
        self.log.enter("crash at committed")?;
        self.log.hinder("look-up failed", LogError::retriable)?;
        self.inner()?.committed(partitions)
    }

    fn group(&self) -> Result<MemoryGroup, LogError> {
        self.inner.as_ref().ok_or_else(|| LogError::fatal("the reader is closed"))?.group()
    }

    fn close(mut self) -> Result<(), LogError> {
        self.log.enter("crash at close")?;
        self.inner.take().map_or(Ok(()), Consumer::close)
    }
}

impl OffsetCommit for ChaosConsumer {
    fn commit(&mut self, positions: &[Position]) -> Result<(), LogError> {
        self.log.enter("crash before commit")?;
        self.inner()?.commit(positions)
    }
}

impl Drop for ChaosConsumer {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && self.log.is_dead()
        {
            inner.crash();
        }
    }
}

/// A transactional writer.
pub(crate) struct ChaosTransactions {
    inner: MemoryTransactions,
    log: ChaosLog,
}

impl ChaosTransactions {
    /// Draws a fault for the next commit, and gives it to the log.
    fn inject(&self) {
        const KINDS: [(Fault, &str); 5] = [
            (Fault::Refuse(ErrorClass::MustAbort), "commit refused, abort"),
            (Fault::Refuse(ErrorClass::Fatal), "commit refused, fatal"),
            (Fault::AppliedUnknown, "commit applied, outcome unknown"),
            (Fault::LostUnknown, "commit lost, outcome unknown"),
            (Fault::Expel, "expelled at commit"),
        ];
        let mut chaos = self.log.chaos();
        let rate = chaos.rates.commit;
        if chaos.happens(rate) {
            let (fault, name) = KINDS[chaos.random.random_range(0..KINDS.len())];
            chaos.counts.add(name, 1);
            self.log.log.inject(fault);
        }
    }
}

impl Transactions for ChaosTransactions {
    type Group = MemoryGroup;

    fn begin(&mut self) -> Result<(), LogError> {
        self.log.enter("crash at begin")?;
        self.inner.begin()
    }

    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), LogError> {
        self.log.enter("crash at send")?;
        self.log.hinder("send refused", LogError::must_abort)?;
        self.inner.send(record)
    }

    fn commit(&mut self, positions: &[Position], group: &MemoryGroup) -> Result<(), LogError> {
        self.log.enter("crash before commit")?;
        self.inject();
        let outcome = self.inner.commit(positions, group);
        self.log.enter("crash after commit")?;
        outcome
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.log.enter("crash at abort")?;
        self.inner.abort()
    }
}
