//! A chunk: what a range of offsets of one partition becomes, grouped by table partition.
//!
//! Always holds: the range is contiguous (holes in the log and skipped records are inside it). Each insert touches one partition of
//! one table, so that it is atomic; its token names the range, the table partition and the history, and nothing else: so
//! it is the same token whoever makes the chunk again.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka::TopicPartition;
use schemas::Topic;

use super::intent::Announced;
use super::rowbinary::RowBuffer;
use super::rows::{Place, Rows};
use super::tables::Table;

/// The version of the mapping from records to rows: the first part of a history's name, and so of every token.
pub(super) const MAPPING_VERSION: u32 = 1;
/// A chunk of rows of so many table partitions ends, however few they are: each is an insert of its own.
const DAYS_MAX: usize = 100;

/// Where a record's rows end in its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    offset: i64,
    bytes_end: usize,
    rows_end: usize,
}

#[derive(Default)]
struct OpenPart {
    buffer: RowBuffer,
    rows: usize,
    marks: Vec<Mark>,
}

/// The rows of the offsets `from..end` of one partition, while they are gathered.
pub(super) struct OpenChunk {
    from: i64,
    end: i64,
    /// How many rows there are.
    pub rows: usize,
    /// How many bytes they have.
    pub bytes: usize,
    is_empty: bool,
    parts: BTreeMap<i32, OpenPart>,
}

/// The rows of one table partition.
#[derive(Clone, Debug)]
struct Part {
    body: Bytes,
    marks: Vec<Mark>,
}

/// A chunk that is complete.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    from: i64,
    /// The offset after the last, and what is written of it already.
    pub announced: Announced,
    /// True if it was announced by whoever had the partition before us: it may have been written.
    pub is_taken_over: bool,
    parts: BTreeMap<i32, Part>,
}

/// One INSERT.
#[derive(Clone, Debug)]
pub(super) struct Insert {
    /// The table.
    pub table: Table,
    /// Names the content: the server drops an insert whose token it has seen.
    pub token: String,
    /// The rows in RowBinary.
    pub body: Bytes,
    /// How many there are.
    pub rows: usize,
    /// Where those records are.
    pub partition: TopicPartition,
    /// The first offset of the chunk, and the one after its last.
    pub offsets: (i64, i64),
    /// The table partition, in days since 1970.
    pub day: i32,
    /// True if somebody else may have sent it already.
    pub is_taken_over: bool,
}

impl OpenChunk {
    /// Nothing yet, from this offset.
    pub fn new(from: i64) -> Self {
        OpenChunk { from, end: from, rows: 0, bytes: 0, is_empty: true, parts: BTreeMap::new() }
    }

    /// Takes in a record's offset, whether or not it becomes rows.
    pub fn take_offset(&mut self, offset: i64) {
        self.end = offset + 1;
        self.is_empty = false;
    }

    /// Appends the rows of a value.
    pub fn append(&mut self, value: &impl Rows, place: &Place<'_>) {
        let part = self.parts.entry(value.day()).or_default();
        let bytes_before = part.buffer.as_bytes().len();
        let rows = value.write(place, &mut part.buffer);
        let bytes_end = part.buffer.as_bytes().len();
        part.rows += rows;
        self.rows += rows;
        self.bytes += bytes_end - bytes_before;
        part.marks.push(Mark { offset: place.offset, bytes_end, rows_end: part.rows });
    }

    /// The rows alone, in the order of their days.
    pub fn into_bytes(self) -> Vec<u8> {
        self.parts.into_values().flat_map(|part| part.buffer.into_bytes()).collect()
    }

    /// The offset after the last.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// True if no record came.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// True if it must not grow beyond what is wanted.
    pub fn is_full(&self, rows_max: usize, bytes_max: usize) -> bool {
        self.rows >= rows_max || self.bytes >= bytes_max || self.parts.len() >= DAYS_MAX
    }

    /// The complete chunk. It ends at `announced`, or after its last record.
    pub fn close(self, announced: Option<Announced>) -> Chunk {
        let close = |part: OpenPart| Part { body: Bytes::from(part.buffer.into_bytes()), marks: part.marks };
        Chunk {
            from: self.from,
            is_taken_over: announced.is_some(),
            announced: announced.unwrap_or(Announced { end: self.end, done_days: Vec::new() }),
            parts: self.parts.into_iter().map(|(day, part)| (day, close(part))).collect(),
        }
    }
}

impl Part {
    fn rows(&self) -> usize {
        self.marks.last().map_or(0, |mark| mark.rows_end)
    }

    /// What is before an offset, and the rest.
    fn split(self, offset: i64) -> (Part, Part) {
        let count = self.marks.partition_point(|mark| mark.offset < offset);
        let (before, after) = self.marks.split_at(count);
        let (bytes, rows) = before.last().map_or((0, 0), |mark| (mark.bytes_end, mark.rows_end));
        let moved = |mark: &Mark| Mark {
            offset: mark.offset,
            bytes_end: mark.bytes_end - bytes,
            rows_end: mark.rows_end - rows,
        };
        let after = Part { body: self.body.slice(bytes..), marks: after.iter().map(moved).collect() };
        (Part { body: self.body.slice(..bytes), marks: before.to_vec() }, after)
    }
}

impl Chunk {
    /// The offset after the last.
    pub fn end(&self) -> i64 {
        self.announced.end
    }

    fn due(&self) -> impl Iterator<Item = (&i32, &Part)> {
        self.parts.iter().filter(|(day, _)| !self.announced.done_days.contains(day))
    }

    /// The rows that are to be sent.
    pub fn rows(&self) -> usize {
        self.due().map(|(_, part)| part.rows()).sum()
    }

    /// Their bytes.
    pub fn bytes(&self) -> usize {
        self.due().map(|(_, part)| part.body.len()).sum()
    }

    /// The inserts that write it, in the order of their days.
    pub fn inserts(&self, topic: Topic, partition: &TopicPartition, history: &str) -> Vec<Insert> {
        let offsets = (self.from, self.end());
        let insert = |(day, part): (&i32, &Part)| Insert {
            table: Table::of(topic),
            token: format!("{partition}/{}-{}/{history}/{day}", self.from, self.end()),
            body: part.body.clone(),
            rows: part.rows(),
            partition: partition.clone(),
            offsets,
            day: *day,
            is_taken_over: self.is_taken_over,
        };
        self.due().map(insert).collect()
    }

    /// Divides a chunk that was refused, when these table partitions had been written. Its records that are still to be written go
    /// into two chunks, half and half; the offset of the only one, if it is alone.
    pub fn divide(mut self, done_days: &[i32]) -> Result<(Chunk, Chunk), Option<i64>> {
        self.announced.done_days.extend(done_days);
        let mut offsets: Vec<i64> =
            self.due().flat_map(|(_, part)| &part.marks).map(|mark| mark.offset).collect();
        offsets.sort_unstable();
        offsets.dedup();
        let middle = match offsets[..] {
            [] => return Err(None),
            [only] => return Err(Some(only)),
            _ => offsets[offsets.len() / 2],
        };
        let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
        for (day, part) in self.parts {
            let halves = part.split(middle);
            for (half, parts) in [(halves.0, &mut before), (halves.1, &mut after)] {
                if !half.marks.is_empty() {
                    parts.insert(day, half);
                }
            }
        }
        let done_days = self.announced.done_days;
        let half = |from, end, done_days, parts| Chunk {
            from,
            announced: Announced { end, done_days },
            is_taken_over: false,
            parts,
        };
        Ok((
            half(self.from, middle, done_days.clone(), before),
            half(middle, self.announced.end, done_days, after),
        ))
    }
}

/// A new name for a history: no two of the same partition begin in the same microsecond.
pub(super) fn new_history(since_1970_us: u128) -> String {
    format!("{MAPPING_VERSION}.{since_1970_us:x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{DeadLetter, Timestamp};

    const PLACE: &str = "p.ovation.dead-letter";

    fn letter(day: i64, detail: &str) -> DeadLetter {
        DeadLetter {
            topic: "events.chat".to_owned(),
            partition: 0,
            offset: 1,
            key: None,
            value: Some(vec![0, 255]),
            reason: "late".to_owned(),
            detail: detail.to_owned(),
            job: "test".to_owned(),
            failed_at: Timestamp::from_micros(day * 86_400_000_000),
        }
    }

    fn chunk(letters: &[DeadLetter]) -> Chunk {
        let mut chunk = OpenChunk::new(10);
        for (offset, letter) in (10..).zip(letters) {
            chunk.append(letter, &Place { topic: PLACE, partition: 2, offset });
            chunk.take_offset(offset);
        }
        chunk.close(None)
    }

    fn inserts(chunk: &Chunk) -> Vec<Insert> {
        chunk.inserts(Topic::DeadLetter, &TopicPartition::new(PLACE, 2), "1.abc")
    }

    #[test]
    fn an_insert_stays_within_one_day_and_its_token_names_the_range() {
        let letters = [letter(20_001, "a"), letter(20_000, "b"), letter(20_001, "c")];
        let found = inserts(&chunk(&letters));
        let tokens: Vec<&str> = found.iter().map(|insert| insert.token.as_str()).collect();
        assert_eq!(
            tokens,
            ["p.ovation.dead-letter/2/10-13/1.abc/20000", "p.ovation.dead-letter/2/10-13/1.abc/20001"]
        );
        assert_eq!(found.iter().map(|insert| insert.rows).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(found[1].body, inserts(&chunk(&letters))[1].body);
    }

    #[test]
    fn a_refused_chunk_is_halved_down_to_the_record_and_nothing_of_it_is_lost_or_sent_twice() {
        let letters: Vec<DeadLetter> =
            (0..9).map(|number| letter(20_000 + number % 3, &number.to_string())).collect();
        let whole = chunk(&letters);
        let (mut waiting, mut single, mut bodies) = (vec![whole.clone()], Vec::new(), BTreeMap::new());
        while let Some(next) = waiting.pop() {
            let is_first = next.end() == whole.end() && next.from == whole.from;
            // the first day was accepted the first time
            let done: &[i32] = if is_first { &[20_000] } else { &[] };
            match next.clone().divide(done) {
                Ok((before, after)) => {
                    assert_eq!((before.from, before.end(), after.end()), (next.from, after.from, next.end()));
                    waiting.extend([after, before]);
                }
                Err(only) => {
                    single.push(only.expect("a record"));
                    for insert in inserts(&next) {
                        bodies.entry(insert.day).or_insert_with(Vec::new).extend_from_slice(&insert.body);
                    }
                }
            }
        }
        assert_eq!(single, [11, 12, 14, 15, 17, 18]);
        let expected: BTreeMap<i32, Vec<u8>> = inserts(&whole)
            .into_iter()
            .filter(|insert| insert.day != 20_000)
            .map(|insert| (insert.day, insert.body.to_vec()))
            .collect();
        assert_eq!(bodies, expected);
    }
}
