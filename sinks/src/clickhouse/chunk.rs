//! A chunk: what a range of offsets of one partition becomes, grouped by table partition.
//!
//! Always holds: the range is contiguous (holes in the log and skipped records are inside it); the same records make the
//! same inserts with the same tokens. Each insert touches one partition of one table, so that it is atomic.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use kafka::TopicPartition;
use schemas::Topic;

use super::rowbinary::RowBuffer;
use super::rows::{Place, Rows};
use super::tables::Table;

/// The version of the mapping from records to rows; part of the token.
const MAPPING_VERSION: u32 = 1;

#[derive(Default)]
struct Part {
    buffer: RowBuffer,
    rows: usize,
}

/// The rows of the offsets `from..end` of one partition.
pub(super) struct Chunk {
    /// The first offset.
    pub from: i64,
    /// The offset after the last.
    pub end: i64,
    /// How many rows there are.
    pub rows: usize,
    /// How many bytes they have.
    pub bytes: usize,
    /// When the first record came; none in an empty chunk.
    pub opened: Option<Instant>,
    parts: BTreeMap<i32, Part>,
}

/// One INSERT.
#[derive(Clone, Debug)]
pub(super) struct Insert {
    /// The statement; its body are the rows.
    pub statement: String,
    /// Names the content: the server drops an insert whose token it has seen.
    pub token: String,
    /// The rows in RowBinary.
    pub body: Bytes,
    /// How many there are.
    pub rows: usize,
}

impl Chunk {
    /// Nothing yet, from this offset.
    pub fn new(from: i64) -> Self {
        Chunk { from, end: from, rows: 0, bytes: 0, opened: None, parts: BTreeMap::new() }
    }

    /// Takes in a record's offset, whether or not it becomes rows.
    pub fn take_offset(&mut self, offset: i64, now: Instant) {
        self.end = offset + 1;
        self.opened.get_or_insert(now);
    }

    /// Appends the rows of a value.
    pub fn append(&mut self, value: &impl Rows, place: &Place<'_>) {
        let part = self.parts.entry(value.day()).or_default();
        let bytes_before = part.buffer.as_bytes().len();
        let rows = value.write(place, &mut part.buffer);
        part.rows += rows;
        self.rows += rows;
        self.bytes += part.buffer.as_bytes().len() - bytes_before;
    }

    /// True if no record came.
    pub fn is_empty(&self) -> bool {
        self.opened.is_none()
    }

    /// The inserts that write it, in the order of their days.
    pub fn into_inserts(self, topic: Topic, partition: &TopicPartition) -> Vec<Insert> {
        let statement = Table::of(topic).insert_statement();
        let range = format!("{partition}/{}-{}/v{MAPPING_VERSION}", self.from, self.end);
        let insert = |(day, part): (i32, Part)| {
            let body = Bytes::from(part.buffer.into_bytes());
            // With the content in the token, a range of a topic that was made anew is not taken for its namesake.
            let token = format!("{range}/{day}/{:016x}", fingerprint(&body));
            Insert { statement: statement.clone(), token, body, rows: part.rows }
        };
        self.parts.into_iter().map(insert).collect()
    }
}

/// FNV-1a, 64 bits: the same on every machine and in every version.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{DeadLetter, Timestamp};

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

    fn inserts(letters: &[DeadLetter]) -> Vec<Insert> {
        let mut chunk = Chunk::new(10);
        for (offset, letter) in (10..).zip(letters) {
            chunk.take_offset(offset, Instant::now());
            chunk.append(letter, &Place { topic: "p.ovation.dead-letter", partition: 2, offset });
        }
        chunk.into_inserts(Topic::DeadLetter, &TopicPartition::new("p.ovation.dead-letter", 2))
    }

    #[test]
    fn an_insert_stays_within_one_day_and_its_token_names_range_and_content() {
        let letters = [letter(20_001, "a"), letter(20_000, "b"), letter(20_001, "c")];
        let found = inserts(&letters);
        assert_eq!(found.iter().map(|insert| insert.rows).collect::<Vec<_>>(), [1, 2]);
        assert!(found[0].token.starts_with("p.ovation.dead-letter/2/10-13/v1/20000/"), "{}", found[0].token);
        assert_ne!(found[0].token, found[1].token);
        let again = inserts(&letters);
        assert_eq!(found[1].token, again[1].token);
        assert_eq!(found[1].body, again[1].body);
        let other = inserts(&[letter(20_001, "a"), letter(20_000, "b"), letter(20_001, "d")]);
        assert_eq!(found[0].token, other[0].token);
        assert_ne!(found[1].token, other[1].token);
    }

    #[test]
    fn the_fingerprint_is_fnv_1a() {
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
