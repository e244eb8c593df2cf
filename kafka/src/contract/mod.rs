//! What every log must do, as functions over [`Log`] that panic where one does not: the tests of the broker and of the
//! in-memory log run the same ones.
//!
//! Always holds: a case uses topics, groups and transactional ids of its own, so cases may run side by side. Does not
//! know: which log it is talking to.

mod groups;
mod member;
mod records;
mod writers;

use std::time::Duration;

use crate::log::{ErrorClass, Log, LogError, Outgoing, Partitioned, Polled, TopicPartition};

pub use member::Member;

/// How long a case waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A log under test, and what a test can do to it that a program cannot.
pub trait Fixture: Sync {
    /// The log.
    type Log: Log;

    /// The log.
    fn log(&self) -> &Self::Log;

    /// Creates a topic.
    fn create_topic(&self, name: &str, partitions: i32);

    /// The member falls silent for longer than the group waits: the group goes on without it.
    fn silence(&self, group: &str, member: &<Self::Log as Log>::Consumer);

    /// The session timeout that members are to ask for.
    fn session_timeout(&self) -> Duration;

    /// How long to wait to see that nothing comes.
    fn quiet(&self) -> Duration;
}

/// One case: its name, and what must hold.
pub type Case<F> = (&'static str, fn(&F));

/// The cases about records and offsets.
#[must_use]
pub fn records<F: Fixture>() -> Vec<Case<F>> {
    vec![
        ("records come back as they were written", records::come_back::<F>),
        ("keys find their partition by murmur2", records::keys_by_murmur2::<F>),
        ("reading starts within the log", records::start_within_the_log::<F>),
        ("pause, resume and seek", records::pause_resume_seek::<F>),
        ("a topic that is not there has no partitions", records::unknown_topic::<F>),
        ("a record that is too large is refused", records::too_large::<F>),
    ]
}

/// The cases about transactions.
#[must_use]
pub fn transactions<F: Fixture>() -> Vec<Case<F>> {
    vec![
        ("a transaction shows when it commits, or never", writers::atomic::<F>),
        ("the end of the log waits for open transactions", writers::stable_end::<F>),
        ("positions and their metadata commit with the records", writers::positions::<F>),
        ("a second writer of one id fences the first", writers::fenced::<F>),
        ("a new writer aborts what the one before left open", writers::left_open::<F>),
    ]
}

/// The cases about groups.
#[must_use]
pub fn groups<F: Fixture>() -> Vec<Case<F>> {
    vec![
        ("members share co-partitioned topics by number", groups::share::<F>),
        ("partitions move on at the committed positions", groups::move_on::<F>),
        ("a commit with a stale membership is refused", groups::stale_membership::<F>),
        ("a static member comes back without a rebalance", groups::static_member::<F>),
        ("positions commit without a transaction", groups::plain_commit::<F>),
        ("answers must fit the report", groups::answers::<F>),
    ]
}

/// The case about members that fall silent.
#[must_use]
pub fn silent_members<F: Fixture>() -> Vec<Case<F>> {
    vec![("a silent member loses its partitions and is told so", groups::silent_member::<F>)]
}

/// A name that the other cases of a run do not have, also if the log outlives the run.
fn unique(name: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::SystemTime;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let started = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis());
    format!("{name}-{started}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A record as a case compares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it was.
    pub partition: TopicPartition,
    /// Its offset there.
    pub offset: i64,
    /// Its timestamp.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

impl Seen {
    /// The value as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }
}

/// A record with this value for partition `partition`.
fn to<'a>(topic: &'a str, partition: i32, value: &'a str) -> Outgoing<'a> {
    Outgoing {
        topic,
        partition: Partitioned::To(partition),
        timestamp_ms: 1_700_000_000_000,
        key: None,
        value: Some(value.as_bytes()),
    }
}

/// One poll, with copies of what it handed over.
fn poll<C: crate::log::Consumer>(consumer: &mut C, records_max: usize, seen: &mut Vec<Seen>) -> Polled {
    let polled = consumer.poll(records_max, Duration::from_millis(50), &mut |record| {
        seen.push(Seen {
            partition: TopicPartition::new(record.topic, record.partition),
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
        });
    });
    polled.expect("polling works")
}

/// Reads on until `count` more records have come, and makes sure that no further one does.
fn read<F: Fixture>(fixture: &F, consumer: &mut <F::Log as Log>::Consumer, count: usize) -> Vec<Seen> {
    let mut seen = Vec::new();
    wait_for("records", || {
        assert!(matches!(poll(consumer, 500, &mut seen), Polled::Records(_)), "no rebalance was expected");
        (seen.len() >= count).then_some(())
    });
    let quiet = std::time::Instant::now() + fixture.quiet();
    while std::time::Instant::now() < quiet {
        poll(consumer, 500, &mut seen);
    }
    assert_eq!(seen.len(), count, "records: {:?}", seen.iter().map(Seen::text).take(20).collect::<Vec<_>>());
    seen
}

/// Repeats until there is a value.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(std::time::Instant::now() < deadline, "gave up waiting for {what}");
    }
}

/// A reader of whole partitions, from their start.
fn reader_of<F: Fixture>(fixture: &F, topic: &str, partitions: i32) -> <F::Log as Log>::Consumer {
    let from: Vec<_> = (0..partitions)
        .map(|number| crate::log::Assignment { partition: TopicPartition::new(topic, number), offset: 0 })
        .collect();
    fixture.log().reader(&from).expect("a reader can be made")
}

/// The error's class; panics if there is none.
fn class_of<T>(result: Result<T, LogError>) -> ErrorClass {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => error.class,
    }
}

fn close<C: crate::log::Consumer>(consumer: C) {
    consumer.close().expect("closing works");
}
