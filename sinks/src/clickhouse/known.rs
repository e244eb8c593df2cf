//! Which offsets of a partition a table has: asked where a position is not ours, so that nothing is written twice, and by `verify`.
//!
//! Always holds: the answer is exact, also where rows are not merged yet. Does not know: who wrote them.

use std::ops::Range;

use bytes::Bytes;
use clickhouse::Client;
use clickhouse::error::Error;
use kafka::TopicPartition;
use schemas::Topic;

use super::tables::Table;

/// Offsets are counted in blocks of this many, so that a long run without a hole is one line of the answer.
const BLOCK: i64 = 65_536;

/// Ranges of offsets, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    ranges: Vec<Range<i64>>,
}

impl Known {
    /// True if the table has this offset. Ranges before it are forgotten: offsets only rise.
    pub fn advance_to(&mut self, offset: i64) -> bool {
        let passed = self.ranges.partition_point(|range| range.end <= offset);
        self.ranges.drain(..passed);
        self.ranges.first().is_some_and(|range| range.contains(&offset))
    }

    /// True if this offset is known.
    pub fn has(&self, offset: i64) -> bool {
        let next = self.ranges.partition_point(|range| range.end <= offset);
        self.ranges.get(next).is_some_and(|range| range.contains(&offset))
    }

    /// How many of the known offsets are not among others.
    pub fn without(&self, others: &Known) -> u64 {
        self.ranges.iter().cloned().flatten().filter(|offset| !others.has(*offset)).count() as u64
    }

    /// The first known offset that is not below this one.
    pub fn first_from(&self, offset: i64) -> Option<i64> {
        let range = self.ranges.iter().find(|range| range.end > offset)?;
        Some(range.start.max(offset))
    }

    /// The offset after the last that is known.
    pub fn end(&self) -> i64 {
        self.ranges.last().map_or(0, |range| range.end)
    }

    /// How many offsets are known.
    pub fn len(&self) -> i64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }

    /// Adds a range that begins after those before it.
    fn push(&mut self, next: Range<i64>) {
        match self.ranges.last_mut() {
            Some(last) if last.end == next.start => last.end = next.end,
            _ => self.ranges.push(next),
        }
    }
}

/// Of which offsets it is asked.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    /// Those of a table's rows.
    Rows(Table),
    /// Those of which this job made dead letters.
    Letters(&'a str),
}

/// Asks which of the offsets in `within` there are.
///
/// # Errors
/// Of the network or the server.
pub(super) async fn ask(
    client: &Client,
    of: Of<'_>,
    partition: &TopicPartition,
    within: Range<i64>,
) -> Result<Known, Error> {
    let (table, prefix, job) = match of {
        Of::Rows(table) => (table.name, "", None),
        Of::Letters(job) => (Table::of(Topic::DeadLetter).name, "original_", Some(job)),
    };
    let offset = format!("`{prefix}offset`");
    let of_job = if job.is_some() { " AND job = ?" } else { "" };
    let condition =
        format!("{prefix}topic = ? AND `{prefix}partition` = ? AND {offset} >= ? AND {offset} < ?{of_job}");
    let blocks = format!(
        "SELECT intDiv({offset}, {BLOCK}) AS block, min({offset}), max({offset}), toInt64(groupBitmap(toUInt64({offset}))) \
         FROM {table} WHERE {condition} GROUP BY block ORDER BY block"
    );
    let bind = |query: clickhouse::query::Query| {
        let query =
            query.bind(&*partition.topic).bind(partition.partition).bind(within.start).bind(within.end);
        job.into_iter().fold(query, clickhouse::query::Query::bind)
    };
    let blocks: Vec<(i64, i64, i64, i64)> = bind(client.query(&blocks)).fetch_all().await?;
    let mut known = Known::default();
    for (block, first, last, count) in blocks {
        if count == last - first + 1 {
            known.push(first..last + 1);
            continue;
        }
        let offsets = format!(
            "SELECT DISTINCT {offset} FROM {table} WHERE {condition} AND intDiv({offset}, {BLOCK}) = ? ORDER BY {offset}"
        );
        let offsets: Vec<i64> = bind(client.query(&offsets)).bind(block).fetch_all().await?;
        offsets.into_iter().for_each(|offset| known.push(offset..offset + 1));
    }
    Ok(known)
}

/// One row of a record, as it would be sent; none if there is no such row any more.
///
/// # Errors
/// Of the network or the server.
pub(super) async fn row(
    client: &Client,
    table: Table,
    partition: &TopicPartition,
    offset: i64,
) -> Result<Bytes, Error> {
    // a leaderboard's record is a row for each rank
    let order = if table.columns().any(|(name, _)| name == "rank") { "rank" } else { "`offset`" };
    let row = format!(
        "SELECT {} FROM {} WHERE topic = ? AND `partition` = ? AND `offset` = ? ORDER BY {order} LIMIT 1",
        table.column_names(),
        table.name
    );
    let row = client.query(&row).bind(&*partition.topic).bind(partition.partition).bind(offset);
    row.fetch_bytes("RowBinary")?.collect().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_one_and_what_is_passed_is_forgotten() {
        let mut known = Known::default();
        for range in [3..5, 5..6, 8..9] {
            known.push(range);
        }
        assert_eq!((known.ranges.len(), known.end(), known.len()), (2, 9, 4));
        assert_eq!((0..11).filter(|offset| known.has(*offset)).collect::<Vec<_>>(), [3, 4, 5, 8]);
        let mut others = Known::default();
        others.push(4..9);
        assert_eq!((known.without(&others), others.without(&known), known.without(&known)), (1, 2, 0));
        assert_eq!([0, 4, 6, 9].map(|offset| known.first_from(offset)), [Some(3), Some(4), Some(8), None]);
        let found: Vec<bool> = (2..10).map(|offset| known.advance_to(offset)).collect();
        assert_eq!(found, [false, true, true, true, false, false, true, false]);
        assert_eq!(known, Known::default());
    }
}
