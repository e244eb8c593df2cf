//! Point queries: what a board shows right now, asked of the worker that has the shard.
//!
//! Always holds: a question is answered between two steps of a worker, from state of which the last changes may not be committed
//! yet; nobody waits longer than the deadline. Does not know: HTTP, or where the other instances are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use kafka::{LogError, murmur2_partition};
use processors::Job;
use schemas::LeaderboardResult;

use crate::assignment::Shares;
use crate::live::LiveShard;

/// At most so many questions wait for a worker.
const WAITING_MAX: usize = 64;

/// What is known of a board.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The board as it stands: not final, without the fields that say when and where it was computed.
    Found(Box<LeaderboardResult>),
    /// The shard is here, and has no such board or group.
    NotFound,
    /// Another instance has the shard with this number.
    Elsewhere(i32),
    /// The shard with this number is here but being restored, or its worker did not answer in time: ask again.
    NotYet(i32),
}

/// What a worker says of a shard.
enum Said {
    Found(Box<LeaderboardResult>),
    NotFound,
    NotYet,
    NotHere,
}

/// A question on its way to a worker.
pub struct Query {
    shard: i32,
    board: String,
    group: String,
    reply: SyncSender<Said>,
}

impl Query {
    /// Answers from the worker's shards.
    pub(crate) fn answer(&self, shards: &BTreeMap<i32, LiveShard>, shares: &Shares) {
        let said = match shards.get(&self.shard) {
            Some(live) if live.is_rebuilding() => Said::NotYet,
            Some(live) => match live.shard.query(&self.board, &self.group) {
                Some(result) => Said::Found(Box::new(result)),
                None => Said::NotFound,
            },
            None if shares.loading.contains_key(&self.shard) => Said::NotYet,
            None => Said::NotHere,
        };
        // Whoever asked may have gone.
        self.reply.try_send(said).ok();
    }
}

/// Where questions to a job go in. Clones lead to the same workers.
#[derive(Clone)]
pub struct Desk {
    workers: Vec<SyncSender<Query>>,
    job: Arc<Job>,
    /// How many partitions the job's inputs have.
    partition_count: Arc<dyn Fn() -> Result<Option<i32>, LogError> + Send + Sync>,
}

impl Desk {
    /// A desk for so many workers, and where each gets its questions.
    pub(crate) fn new(
        workers: usize,
        job: &Arc<Job>,
        partition_count: impl Fn() -> Result<Option<i32>, LogError> + Send + Sync + 'static,
    ) -> (Self, Vec<Receiver<Query>>) {
        let (workers, questions) = (0..workers).map(|_| sync_channel(WAITING_MAX)).unzip();
        (Desk { workers, job: Arc::clone(job), partition_count: Arc::new(partition_count) }, questions)
    }

    /// Asks what `board` shows for `group` now. Waits at most about `timeout`.
    ///
    /// # Errors
    /// If the log does not tell how many partitions there are.
    pub fn query(&self, board: &str, group: &str, timeout: Duration) -> Result<Answer, LogError> {
        let count =
            (self.partition_count)()?.ok_or_else(|| LogError::fatal("the job's input topic is missing"))?;
        let shard = murmur2_partition(self.job.partition_key(board, group).as_bytes(), count);
        Ok(self.ask(shard, board, group, timeout))
    }

    fn ask(&self, shard: i32, board: &str, group: &str, timeout: Duration) -> Answer {
        let until = Instant::now() + timeout;
        // One slot for each worker, so that none ever waits to answer.
        let (reply, replies) = sync_channel(self.workers.len().max(1));
        for worker in &self.workers {
            let query =
                Query { shard, board: board.to_owned(), group: group.to_owned(), reply: reply.clone() };
            // One that has too many waiting, or is being replaced, stays silent.
            worker.try_send(query).ok();
        }
        drop(reply);
        let mut not_here = 0;
        while let Ok(said) = replies.recv_timeout(until.saturating_duration_since(Instant::now())) {
            match said {
                Said::Found(result) => return Answer::Found(result),
                Said::NotFound => return Answer::NotFound,
                Said::NotYet => return Answer::NotYet(shard),
                Said::NotHere => not_here += 1,
            }
        }
        if not_here == self.workers.len() { Answer::Elsewhere(shard) } else { Answer::NotYet(shard) }
    }
}
