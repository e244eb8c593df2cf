//! What the sink knows of one partition that is its own: the chunk that is gathered, those that wait, and what the log says of them.
//!
//! Always holds: the chunks of a lane follow each other without a hole; at most one of them is being written, the first; it is
//! written only once the log names it; where the log has named an end already, a chunk ends there.

use std::collections::VecDeque;

use kafka::{Position, TopicPartition};
use schemas::Topic;
use tokio::task::AbortHandle;

use super::chunk::{Chunk, Insert, OpenChunk};
use super::intent::{Announced, Intent, TEXT_BYTES_MAX};
use super::known::Known;

/// So many chunks are named ahead, so that the next can be sent the moment the one before it is acknowledged.
const ANNOUNCED_MAX: usize = 4;
/// So many refusals in a row, with nothing accepted in between, are not the fault of single rows.
const REFUSALS_MAX: u32 = 256;

/// Names a chunk that is being written: its lane and the lane's life.
pub(super) type Tag = (LaneKey, u64);
pub(super) type LaneKey = (Topic, i32);

/// One partition that is ours.
pub(super) struct Lane {
    pub partition: TopicPartition,
    /// Tells this life of the lane from an earlier one.
    pub life: u64,
    history: String,
    /// What the table has from before this history.
    known: Known,
    known_until: i64,
    /// Where chunks must end, because whoever had the partition before us has announced it.
    cuts: VecDeque<Announced>,
    pub open: OpenChunk,
    /// Where reading ends, in a backfill.
    pub until: Option<i64>,
    is_skipping: bool,
    sealed: VecDeque<Chunk>,
    /// So many of `sealed`, from the first, are named in the log.
    announced: usize,
    /// The pieces of a chunk that was divided are named together or not at all: so many of `sealed`.
    pieces: usize,
    pub in_flight: Option<AbortHandle>,
    /// Everything before this offset is written.
    written: i64,
    /// The position as the log has it, with its text.
    committed: Option<(i64, String)>,
    refusals: u32,
}

/// What to do after a refusal.
pub(super) enum Refused {
    /// The chunk was divided; its pieces are to be sent.
    Divided,
    /// This record is alone, and refused: it is a dead letter now, and its chunk is done.
    Record(i64),
    /// It is not the rows.
    Everything,
}

impl Lane {
    /// A lane that goes on from this offset as the intent says. `known`: what the table has from before.
    pub fn new(partition: TopicPartition, life: u64, offset: i64, intent: Intent, known: Known) -> Self {
        Lane {
            partition,
            life,
            history: intent.history,
            known_until: intent.known_until.max(known.end()),
            known,
            cuts: intent.chunks.into(),
            open: OpenChunk::new(offset),
            until: None,
            is_skipping: false,
            sealed: VecDeque::new(),
            announced: 0,
            pieces: 0,
            in_flight: None,
            written: offset,
            committed: None,
            refusals: 0,
        }
    }

    /// Gets ready for the record at this offset; true if the table has it already, so that it must not become rows.
    pub fn begin(&mut self, offset: i64) -> bool {
        while self.close_at_cut(offset) {}
        if !self.cuts.is_empty() {
            return false;
        }
        let is_known = self.known.advance_to(offset);
        if is_known != self.is_skipping {
            // a chunk is either all new or all known, so that it can be made again
            self.seal();
            self.is_skipping = is_known;
        }
        is_known
    }

    /// The record at hand is in the open chunk: ends the chunk if it must.
    pub fn end(&mut self, rows_max: usize, bytes_max: usize) {
        let is_last = self.until.is_some_and(|until| self.open.end() >= until);
        if !self.close_at_cut(self.open.end()) && (is_last || self.open.is_full(rows_max, bytes_max)) {
            self.seal();
        }
    }

    /// Ends the chunk if this offset has reached its announced end.
    fn close_at_cut(&mut self, offset: i64) -> bool {
        let is_reached = self.cuts.front().is_some_and(|cut| cut.end <= offset);
        if is_reached {
            let cut = self.cuts.pop_front();
            self.close(cut);
        }
        is_reached
    }

    fn close(&mut self, cut: Option<Announced>) {
        let end = cut.as_ref().map_or(self.open.end(), |cut| cut.end);
        self.announced += usize::from(cut.is_some());
        let open = std::mem::replace(&mut self.open, OpenChunk::new(end));
        self.sealed.push_back(open.close(cut));
    }

    /// Ends the chunk that is being gathered, unless it is empty or its end was announced elsewhere.
    pub fn seal(&mut self) {
        if !self.open.is_empty() && self.cuts.is_empty() {
            self.close(None);
        }
    }

    /// True if a chunk that is due by time may end now. Behind others it grows instead, so that inserts stay few.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.sealed.is_empty()
    }

    /// True if nothing waits that can be written: what ends at an announced end that was not reached is left to the next.
    pub fn is_drained(&self) -> bool {
        self.is_idle() && (self.open.is_empty() || !self.cuts.is_empty())
    }

    /// True if everything up to where reading ends is written.
    pub fn is_finished(&self) -> bool {
        self.until.is_some_and(|until| self.written >= until)
    }

    /// True if nothing that the log names is waiting or being written.
    pub fn is_settled(&self) -> bool {
        self.in_flight.is_none() && self.announced == 0
    }

    /// The rows that wait to be written or acknowledged, and their bytes.
    pub fn buffered(&self) -> (usize, usize) {
        let open = (self.open.rows, self.open.bytes);
        let sealed = self.sealed.iter().map(|chunk| (chunk.rows(), chunk.bytes()));
        sealed.fold(open, |sum, next| (sum.0 + next.0, sum.1 + next.1))
    }

    /// The inserts of the chunk that may be sent now, if there is one; chunks without rows are done at once.
    pub fn next_to_write(&mut self, topic: Topic) -> Option<Vec<Insert>> {
        if self.in_flight.is_some() {
            return None;
        }
        while self.sealed.front().is_some_and(|chunk| chunk.rows() == 0) {
            self.first_is_written();
        }
        let chunk = self.sealed.front().filter(|_| self.announced > 0)?;
        Some(chunk.inserts(topic, &self.partition, &self.history))
    }

    /// The chunk being written was acknowledged.
    pub fn acknowledged(&mut self) {
        self.in_flight = None;
        self.refusals = 0;
        self.first_is_written();
    }

    fn first_is_written(&mut self) {
        if let Some(chunk) = self.sealed.pop_front() {
            self.written = chunk.end();
            self.announced = self.announced.saturating_sub(1);
            self.pieces = self.pieces.saturating_sub(1);
        }
    }

    /// The chunk being written was refused, but for these table partitions.
    pub fn refused(&mut self, done_days: &[i32]) -> Refused {
        self.in_flight = None;
        self.refusals += 1;
        if self.refusals > REFUSALS_MAX {
            return Refused::Everything;
        }
        let Some(chunk) = self.sealed.front().cloned() else { return Refused::Divided };
        match chunk.divide(done_days) {
            Ok((before, after)) => {
                self.sealed.pop_front();
                self.sealed.push_front(after);
                self.sealed.push_front(before);
                self.pieces = self.pieces.max(1) + 1;
                // the pieces have other tokens, which the log must name first
                self.announced = 0;
                Refused::Divided
            }
            Err(None) => {
                self.first_is_written();
                Refused::Divided
            }
            Err(Some(offset)) => {
                self.first_is_written();
                Refused::Record(offset)
            }
        }
    }

    /// True if a chunk waits to be named in the log.
    pub fn wants_announcement(&self) -> bool {
        self.announced < self.sealed.len().min(ANNOUNCED_MAX.max(self.pieces))
    }

    /// The position as it should be in the log now, and how many of the waiting chunks it names.
    pub fn position(&self) -> (Position, usize) {
        let mut count = self.sealed.len().min(ANNOUNCED_MAX.max(self.pieces).max(self.announced));
        loop {
            let sealed = self.sealed.iter().take(count).map(|chunk| chunk.announced.clone());
            let intent = Intent {
                history: self.history.clone(),
                known_until: if self.known_until > self.written { self.known_until } else { 0 },
                chunks: sealed.chain(self.cuts.iter().cloned()).collect(),
            };
            let metadata = intent.to_string();
            if metadata.len() <= TEXT_BYTES_MAX || count <= self.pieces.max(self.announced).max(1) {
                let partition = self.partition.clone();
                return (Position { partition, offset: self.written, metadata }, count);
            }
            count -= 1;
        }
    }

    /// True if the log has this position already.
    pub fn is_committed(&self, position: &Position) -> bool {
        self.committed
            .as_ref()
            .is_some_and(|(offset, text)| *offset == position.offset && *text == position.metadata)
    }

    /// True if what is written is ahead of what the log has.
    pub fn is_ahead(&self) -> bool {
        self.committed.as_ref().is_none_or(|(offset, _)| *offset < self.written)
    }

    /// The log has taken a position that named so many chunks.
    pub fn committed(&mut self, position: Position, named: usize) {
        self.committed = Some((position.offset, position.metadata));
        self.announced = named;
    }
}
