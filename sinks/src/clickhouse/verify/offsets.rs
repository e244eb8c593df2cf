//! The log against the rows: for every partition, whether each record is in ClickHouse once.
//!
//! Compared are the offsets from the log's start to the position that the sink's group had committed when the comparison began; so it
//! may run while the pipeline runs. A record must be rows of its own, or a dead letter of the sink, or be left out by rule (a
//! tombstone; an undecodable record of the dead-letter topic). The topics of raw events have a record at every offset, so they are read
//! only where rows are missing; the others have holes (the marks of transactions, aborted records) and are read as a read_committed
//! reader sees them.
//!
//! Always holds: nothing is written, and no group's position moves. Does not know: whether a row has the right content.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clickhouse::Client;
use kafka::{Assignment, Consumer, Log, Record, TopicPartition};
use schemas::{DeadLetter, Decoder, SchemaIds, Topic};

use super::super::known::{self, Known, Of};
use super::super::retention::Retention;
use super::super::tables::Table;
use super::VerifyError;

/// So many offsets are named; all are counted.
const NAMED_MAX: usize = 10;
const POLL_RECORDS: usize = 10_000;
const POLL_TIMEOUT: Duration = Duration::from_millis(200);
/// What lies before a committed position comes at once; when nothing has come for so long, there is nothing more that can be seen.
const SILENCE: Duration = Duration::from_secs(10);

/// A partition with the position up to which it is compared.
#[derive(Clone, Debug)]
pub struct Compared {
    /// What the topic carries.
    pub topic: Topic,
    /// The partition.
    pub partition: TopicPartition,
    /// The sink's position; none if it has never committed one.
    pub committed: Option<i64>,
}

/// What the comparison of one partition found.
#[derive(Clone, Debug)]
pub struct PartitionReport {
    /// The topic's full name and the partition.
    pub partition: TopicPartition,
    /// The first offset that was compared.
    pub from: i64,
    /// The offset after the last.
    pub to: i64,
    /// Records with rows.
    pub rows: u64,
    /// Records that the sink made dead letters of.
    pub dead_letters: u64,
    /// Records left out by rule, or older than a retention keeps them.
    pub left_out: u64,
    /// Records that are nowhere, and rows that are missing within a record.
    pub missing: u64,
    /// Rows that are there twice.
    pub doubled: u64,
    /// Rows of no record that can be read.
    pub unexplained: u64,
    /// The first offsets of what is missing or unexplained.
    pub examples: Vec<i64>,
}

impl PartitionReport {
    /// How many differences there are.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.missing + self.doubled + self.unexplained
    }
}

/// Compares partitions, one after the other. Blocks its thread while it reads the log.
pub struct OffsetCheck<'a, L> {
    /// The log.
    pub log: &'a L,
    /// ClickHouse.
    pub client: &'a Client,
    /// The sink's group, which signs its dead letters.
    pub group: &'a str,
    /// The ids of our own schemas.
    pub ids: SchemaIds,
    /// How long rows are kept.
    pub retention: &'a Retention,
}

impl<L: Log> OffsetCheck<'_, L> {
    /// Compares one partition; `all` are those of this comparison, among which dead letters on their way are looked for.
    ///
    /// # Errors
    /// If ClickHouse or the log cannot be asked.
    pub async fn compare(&self, one: &Compared, all: &[Compared]) -> Result<PartitionReport, VerifyError> {
        let (start, _) = self.log.offsets(&one.partition)?;
        let to = one.committed.unwrap_or(start).max(start);
        let mut report = PartitionReport {
            partition: one.partition.clone(),
            from: start,
            to,
            rows: 0,
            dead_letters: 0,
            left_out: 0,
            missing: 0,
            doubled: 0,
            unexplained: 0,
            examples: Vec::new(),
        };
        if to == start {
            return Ok(report);
        }
        let table = Table::of(one.topic);
        let rows = known::ask(self.client, Of::Rows(table), &one.partition, start..to).await?;
        let letters = known::ask(self.client, Of::Letters(self.group), &one.partition, start..to).await?;
        report.rows = rows.len() as u64;
        report.dead_letters = letters.without(&rows);
        let is_board = one.topic == Topic::Leaderboards;
        let doubled = format!("count() - uniqExact(offset{})", if is_board { ", rank" } else { "" });
        report.doubled = self.count(&doubled, table.name, &report).await?;
        if is_board {
            // Places are numbered without a gap.
            let of_record = format!(
                "(SELECT topic, partition, offset, max(rank) AS highest, uniqExact(rank) AS places FROM {} WHERE rank > 0 \
                 GROUP BY topic, partition, offset)",
                table.name
            );
            report.missing = self.count("sum(highest - places)", &of_record, &report).await?;
        }
        let is_whole = report.rows + report.dead_letters >= to.abs_diff(start);
        if Topic::EVENTS.contains(&one.topic) && is_whole {
            return Ok(report);
        }
        self.read_and_compare(one, &rows, &letters, all, &mut report)?;
        Ok(report)
    }

    /// Compares with what the log has, record by record.
    fn read_and_compare(
        &self,
        one: &Compared,
        rows: &Known,
        letters: &Known,
        all: &[Compared],
        report: &mut PartitionReport,
    ) -> Result<(), VerifyError> {
        let decoder = Decoder::new(self.ids);
        let keeps_since_ms = self.keeps_since_ms(one.topic);
        let (mut missing, mut left_out, mut explained) = (BTreeSet::new(), 0, 0);
        let mut unexplained_from = report.from;
        let mut unexplained = Vec::new();
        self.read(&one.partition, report.from, report.to, &mut |record| {
            let offset = record.offset;
            // Offsets that a reader does not get to see.
            note_rows(rows, unexplained_from..offset, &mut unexplained);
            unexplained_from = offset + 1;
            let is_undecodable_letter = one.topic == Topic::DeadLetter
                && record.value.is_some_and(|value| decoder.decode::<DeadLetter>(value).is_err());
            if rows.has(offset) || letters.has(offset) {
                explained += u64::from(rows.has(offset));
            } else if record.value.is_none() || is_undecodable_letter || record.timestamp_ms < keeps_since_ms
            {
                left_out += 1;
            } else {
                missing.insert(offset);
            }
        })?;
        note_rows(rows, unexplained_from..report.to, &mut unexplained);
        if !missing.is_empty() {
            let on_their_way = self.letters_on_their_way(&one.partition, all)?;
            let found = missing.intersection(&on_their_way).count() as u64;
            missing = missing.difference(&on_their_way).copied().collect();
            report.dead_letters += found;
        }
        report.left_out = left_out;
        report.missing += missing.len() as u64;
        report.unexplained = report.rows - explained;
        report.examples = missing.into_iter().chain(unexplained).take(NAMED_MAX).collect();
        Ok(())
    }

    /// The offsets of a partition of which the sink's dead letters are in the log, and not in ClickHouse yet.
    fn letters_on_their_way(
        &self,
        of: &TopicPartition,
        all: &[Compared],
    ) -> Result<BTreeSet<i64>, VerifyError> {
        let decoder = Decoder::new(self.ids);
        let mut found = BTreeSet::new();
        for one in all.iter().filter(|one| one.topic == Topic::DeadLetter) {
            let (start, end) = self.log.offsets(&one.partition)?;
            let from = one.committed.unwrap_or(start).max(start);
            self.read(&one.partition, from, end, &mut |record| {
                let letter = record.value.and_then(|value| decoder.decode::<DeadLetter>(value).ok());
                if let Some(letter) = letter
                    && letter.job == self.group
                    && *letter.topic == *of.topic
                    && letter.partition == of.partition
                {
                    found.insert(letter.offset);
                }
            })?;
        }
        Ok(found)
    }

    /// The records of `from..to` that a read_committed reader sees.
    fn read(
        &self,
        partition: &TopicPartition,
        from: i64,
        to: i64,
        each: &mut dyn FnMut(&Record<'_>),
    ) -> Result<(), VerifyError> {
        if from >= to {
            return Ok(());
        }
        let mut reader = self.log.reader(&[Assignment { partition: partition.clone(), offset: from }])?;
        let (mut next, mut heard) = (from, Instant::now());
        while next < to && heard.elapsed() < SILENCE {
            let before = next;
            let mut on_record = |record: &Record<'_>| {
                next = record.offset + 1;
                if record.offset < to {
                    each(record);
                }
            };
            match reader.poll(POLL_RECORDS, POLL_TIMEOUT, &mut on_record) {
                Err(error) if error.class != kafka::ErrorClass::Retriable => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(%error, "the log failed; trying again");
                    heard = Instant::now();
                }
                Ok(_) if next > before => heard = Instant::now(),
                Ok(_) => {}
            }
        }
        Ok(reader.close()?)
    }

    /// A number of the rows that are compared.
    async fn count(&self, number: &str, from: &str, report: &PartitionReport) -> Result<u64, VerifyError> {
        let question = format!(
            "SELECT toUInt64({number}) FROM {from} WHERE topic = ? AND partition = ? AND offset >= ? AND offset < ?"
        );
        let query = self.client.query(&question).bind(&*report.partition.topic);
        let query = query.bind(report.partition.partition).bind(report.from).bind(report.to);
        Ok(query.fetch_one().await?)
    }

    /// Records from before may have been deleted; milliseconds since 1970.
    fn keeps_since_ms(&self, topic: Topic) -> i64 {
        let kept = match topic {
            _ if Topic::EVENTS.contains(&topic) => self.retention.events,
            Topic::DeadLetter => self.retention.dead_letters,
            _ => self.retention.results,
        };
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        kept.map_or(i64::MIN, |kept| since_1970.as_millis() as i64 - kept.as_millis() as i64)
    }
}

/// Adds the rows of these offsets, as many as are named.
fn note_rows(rows: &Known, offsets: std::ops::Range<i64>, noted: &mut Vec<i64>) {
    let room = NAMED_MAX.saturating_sub(noted.len());
    noted.extend(offsets.filter(|offset| rows.has(*offset)).take(room));
}
