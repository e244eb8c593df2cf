//! At least once: records through a plain idempotent writer, then positions on their own. For logs without transactions.
//!
//! Always holds: positions are committed only after every record sent before has been acknowledged. A failure in between sends
//! those records again; results are upserts by (board or channel, window, group) with a rising revision, and computed alike
//! from the same input, so readers that keep the newest converge. Does not know: shards.

use std::time::Duration;

use kafka::{ErrorClass, Log, LogError, OffsetCommit, Outgoing, Position, Producer};

use crate::delivery::Delivery;

/// How long the log may take to acknowledge what was sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct AtLeastOnce<L: Log> {
    log: L,
    producer: L::Producer,
}

impl<L: Log> AtLeastOnce<L> {
    pub(crate) fn new(log: &L) -> Result<Self, LogError> {
        Ok(AtLeastOnce { log: log.clone(), producer: log.producer()? })
    }
}

impl<L: Log> Delivery<L> for AtLeastOnce<L> {
    fn begin(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), LogError> {
        self.producer.send(record).map_err(do_again)
    }

    fn commit(&mut self, positions: &[Position], consumer: &mut L::Consumer) -> Result<(), LogError> {
        self.producer.flush(FLUSH_TIMEOUT).map_err(do_again)?;
        consumer.commit(positions).map_err(do_again)
    }

    fn abort(&mut self) -> Result<(), LogError> {
        // What was sent cannot be taken back. A new writer knows nothing of deliveries that have failed.
        self.producer = self.log.producer()?;
        Ok(())
    }
}

/// Whatever failed, the work since the last commit is done again.
fn do_again(error: LogError) -> LogError {
    let class = if error.class == ErrorClass::Fatal { ErrorClass::Fatal } else { ErrorClass::MustAbort };
    LogError { class, ..error }
}
