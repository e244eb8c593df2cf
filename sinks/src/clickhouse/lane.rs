//! What the sink knows of one partition that is its own.
//!
//! Always holds: the chunks of a lane follow each other without a hole; at most one of them is being written.

use std::collections::VecDeque;

use kafka::TopicPartition;
use schemas::Topic;
use tokio::task::AbortHandle;

use super::chunk::Chunk;

/// Names a chunk that is being written: its lane, the lane's life, and the chunk's end.
pub(super) type Tag = (LaneKey, u64, i64);
pub(super) type LaneKey = (Topic, i32);

/// One partition that is ours.
pub(super) struct Lane {
    pub partition: TopicPartition,
    /// Tells this life of the lane from an earlier one.
    pub life: u64,
    pub open: Chunk,
    pub sealed: VecDeque<Chunk>,
    pub in_flight: Option<InFlight>,
    /// Everything before this offset is written.
    pub written: i64,
    pub committed: i64,
}

pub(super) struct InFlight {
    pub task: AbortHandle,
    pub rows: usize,
    pub bytes: usize,
}

impl Lane {
    /// A lane that goes on from this offset.
    pub fn new(partition: TopicPartition, life: u64, offset: i64) -> Self {
        let (open, sealed) = (Chunk::new(offset), VecDeque::new());
        Lane { partition, life, open, sealed, in_flight: None, written: offset, committed: offset }
    }

    /// Ends the chunk that is being filled, unless it is empty.
    pub fn seal(&mut self) {
        if !self.open.is_empty() {
            let next = Chunk::new(self.open.end);
            self.sealed.push_back(std::mem::replace(&mut self.open, next));
        }
    }

    /// True if nothing waits to be written or acknowledged.
    pub fn is_drained(&self) -> bool {
        self.open.is_empty() && self.sealed.is_empty() && self.in_flight.is_none()
    }

    /// The rows that wait to be written or acknowledged, and their bytes.
    pub fn buffered(&self) -> (usize, usize) {
        let waiting = self.sealed.iter().chain([&self.open]).map(|chunk| (chunk.rows, chunk.bytes));
        let in_flight = self.in_flight.iter().map(|flight| (flight.rows, flight.bytes));
        waiting.chain(in_flight).fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1))
    }
}
