//! What the rest of Ovation asks of the log: the traits, and the plain values that go through them.
//!
//! Always holds: every call is blocking and returns by its deadline; nothing here starts a thread for its caller.
//! Readers see committed records only (read_committed). A record's `timestamp` is its ingest time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's full name, with the deployment's prefix.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition numbered `partition` of `topic`.
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.topic, self.partition)
    }
}

/// A record as read; valid during the call that hands it over.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The topic's full name.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: i32,
    /// The record's place in its partition.
    pub offset: i64,
    /// Milliseconds since 1970; -1 if the record has none.
    pub timestamp_ms: i64,
    /// The key, if the record has one.
    pub key: Option<&'a [u8]>,
    /// The value; none in a tombstone.
    pub value: Option<&'a [u8]>,
}

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The topic's full name.
    pub topic: &'a str,
    /// Where it goes.
    pub partition: Partitioned,
    /// Milliseconds since 1970: the ingest time.
    pub timestamp_ms: i64,
    /// The key, if any.
    pub key: Option<&'a [u8]>,
    /// The value; none writes a tombstone.
    pub value: Option<&'a [u8]>,
}

/// How an outgoing record finds its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioned {
    /// By murmur2 of the key, as the JVM clients do; without a key any.
    ByKey,
    /// This one.
    To(i32),
}

/// How far a group has come in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset after the last record that is done.
    pub offset: i64,
    /// Free text that travels with the offset; 4 KiB at most.
    pub metadata: String,
}

/// A position as the broker has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset after the last record that is done.
    pub offset: i64,
    /// The text that was committed with it.
    pub metadata: String,
}

/// Who must react to an error, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The same call may succeed later.
    Retriable,
    /// The transaction must be aborted; the work since the last commit is to be done again.
    MustAbort,
    /// Somebody else has taken over (fenced), or the client is beyond repair: give up this instance of it.
    Fatal,
}

/// An error of the log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct LogError {
    /// Who must react, and how.
    pub class: ErrorClass,
    /// What happened, in words.
    pub message: String,
}

impl LogError {
    /// The same call may succeed later.
    #[must_use]
    pub fn retriable(message: impl Into<String>) -> Self {
        LogError { class: ErrorClass::Retriable, message: message.into() }
    }

    /// The transaction must be aborted.
    #[must_use]
    pub fn must_abort(message: impl Into<String>) -> Self {
        LogError { class: ErrorClass::MustAbort, message: message.into() }
    }

    /// This instance must be given up.
    #[must_use]
    pub fn fatal(message: impl Into<String>) -> Self {
        LogError { class: ErrorClass::Fatal, message: message.into() }
    }
}

/// What a call of [`Consumer::poll`] brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// This many records were handed over; 0 when the time ran out.
    Records(usize),
    /// Partitions were given to this member. Answer with [`Consumer::start`], after looking up where to start.
    Assigned(Vec<TopicPartition>),
    /// Partitions are being taken away. Commit what is done, then answer with [`Consumer::release`]. It may come instead
    /// of the answer to an assignment that is overtaken by it.
    /// If `lost`, they are gone already and committing is no use.
    Revoked {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// True if somebody else may own them already.
        lost: bool,
    },
}

/// Where a partition is to be read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The partition.
    pub partition: TopicPartition,
    /// The first offset to read. Below the log's start it means the start; beyond its end, the end.
    pub offset: i64,
}

/// How a member of a consumer group joins.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// The group's id.
    pub group: String,
    /// The topics' full names.
    pub topics: Vec<String>,
    /// Static membership: a name that outlives a restart. None: the member is new each time.
    pub instance_id: Option<String>,
    /// How long the group waits for a silent member.
    pub session_timeout: Duration,
}

/// The log.
pub trait Log: Clone + Send + Sync + 'static {
    /// A reader, as member of a group or on its own.
    type Consumer: Consumer<Group = Self::Group> + OffsetCommit;
    /// A transactional writer.
    type Transactions: Transactions<Group = Self::Group>;
    /// A plain idempotent writer.
    type Producer: Producer;
    /// A member's proof of membership at one moment, which a transaction carries to fence zombies.
    type Group: Send;

    /// Joins a group. Partitions arrive through [`Consumer::poll`], with the same partition numbers of every topic
    /// for one member (range assignment).
    ///
    /// # Errors
    /// If the log refuses the options.
    fn join(&self, options: &ConsumerOptions) -> Result<Self::Consumer, LogError>;

    /// Reads these partitions outside any group.
    ///
    /// # Errors
    /// If the log cannot be reached.
    fn reader(&self, from: &[Assignment]) -> Result<Self::Consumer, LogError>;

    /// A transactional writer. Whoever held the same id is fenced, and its open transaction aborted.
    ///
    /// # Errors
    /// If the log cannot be reached by the deadline.
    fn transactions(&self, transactional_id: &str) -> Result<Self::Transactions, LogError>;

    /// A plain idempotent writer.
    ///
    /// # Errors
    /// If the client cannot be made.
    fn producer(&self) -> Result<Self::Producer, LogError>;

    /// How many partitions a topic has; none if there is no such topic.
    ///
    /// # Errors
    /// If the log cannot be reached.
    fn partition_count(&self, topic: &str) -> Result<Option<i32>, LogError>;

    /// The first offset there is and the offset after the last committed record (the last stable offset).
    ///
    /// # Errors
    /// If the log cannot be reached.
    fn offsets(&self, partition: &TopicPartition) -> Result<(i64, i64), LogError>;
}

/// A reader of the log. Owned by one thread.
pub trait Consumer: Send {
    /// See [`Log::Group`].
    type Group;

    /// Hands over up to `records_max` records, or reports one change of the assignment. Waits up to `timeout` for the
    /// first record and returns early once it has some and no more are at hand. Records of one partition come in
    /// the order of their offsets. No record of a revoked partition comes after its revocation was reported.
    ///
    /// # Errors
    /// Errors of single fetches are retried inside; what comes out concerns the whole reader.
    fn poll(
        &mut self,
        records_max: usize,
        timeout: Duration,
        on_record: &mut dyn FnMut(&Record<'_>),
    ) -> Result<Polled, LogError>;

    /// Answers [`Polled::Assigned`]: reading starts at these offsets. One answer for the whole report: it names exactly
    /// the partitions that were assigned. After an error it may be given again. Until then nothing of them is read.
    ///
    /// # Errors
    /// [`ErrorClass::MustAbort`] if the assignment is not ours any more: go on polling.
    fn start(&mut self, from: &[Assignment]) -> Result<(), LogError>;

    /// Answers [`Polled::Revoked`], also one that says `lost`: the partitions may go to others. One answer for the whole
    /// report, with exactly its partitions. The group waits for it, and polling brings nothing new until then.
    ///
    /// # Errors
    /// If the group cannot be told.
    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// Goes on reading a partition from another offset.
    ///
    /// # Errors
    /// If the partition is not ours.
    fn seek(&mut self, to: &Assignment) -> Result<(), LogError>;

    /// Stops handing over records of these partitions; they stay ours.
    ///
    /// # Errors
    /// If a partition is not ours.
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// Ends a pause.
    ///
    /// # Errors
    /// If a partition is not ours.
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// The group's committed positions, in the order asked for.
    ///
    /// # Errors
    /// If the log cannot be reached by the deadline.
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, LogError>;

    /// The membership as of now.
    ///
    /// # Errors
    /// If this reader is not in a group.
    fn group(&self) -> Result<Self::Group, LogError>;

    /// Leaves the group and ends the reader. Dropping does the same but cannot report.
    ///
    /// # Errors
    /// If the group could not be told.
    fn close(self) -> Result<(), LogError>;
}

/// Committing positions alone: for sinks, which write elsewhere. Processing commits through [`Transactions`] only.
pub trait OffsetCommit {
    /// Commits the positions and waits until the log has them.
    ///
    /// # Errors
    /// If a partition is not ours any more, or the log cannot be reached.
    fn commit(&mut self, positions: &[Position]) -> Result<(), LogError>;
}

/// A transactional writer: records and positions become visible together or not at all.
pub trait Transactions: Send {
    /// See [`Log::Group`].
    type Group;

    /// Opens a transaction.
    ///
    /// # Errors
    /// [`ErrorClass::Fatal`] if fenced.
    fn begin(&mut self) -> Result<(), LogError>;

    /// Adds a record to the open transaction. Waits while the client's buffer is full.
    ///
    /// # Errors
    /// By class; a record that is too large is [`ErrorClass::MustAbort`].
    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), LogError>;

    /// Adds the positions and commits: returns once the log has everything.
    ///
    /// # Errors
    /// Retriable errors are retried inside until the deadline. [`ErrorClass::MustAbort`]: call
    /// [`Transactions::abort`]. [`ErrorClass::Fatal`]: fenced, or the outcome is unknown; open a new writer and look at
    /// the committed positions.
    fn commit(&mut self, positions: &[Position], group: &Self::Group) -> Result<(), LogError>;

    /// Throws the open transaction away.
    ///
    /// # Errors
    /// [`ErrorClass::Fatal`] if fenced.
    fn abort(&mut self) -> Result<(), LogError>;
}

/// A plain idempotent writer: no duplicates from its own retries, order kept within a partition.
pub trait Producer: Send {
    /// Hands a record to the client; waits while its buffer is full. Delivery shows in [`Producer::flush`].
    ///
    /// # Errors
    /// If the client refuses the record (too large, unknown topic) or an earlier delivery has failed.
    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), LogError>;

    /// Waits until everything sent has been acknowledged by the log.
    ///
    /// # Errors
    /// If a record was not delivered by the deadline; the message names the first.
    fn flush(&mut self, timeout: Duration) -> Result<(), LogError>;
}
