//! One partition of the in-memory log: its entries and how far a reader of committed records may go.
//!
//! Always holds: an entry's offset is its place, markers and aborted records keep theirs, and nothing at or after the
//! first open record is readable. Does not know: who writes or reads.

use std::collections::BTreeSet;
use std::sync::Arc;

/// A record as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) timestamp_ms: i64,
    pub(super) key: Option<Arc<[u8]>>,
    pub(super) value: Option<Arc<[u8]>>,
}

#[derive(Clone, Debug)]
enum Entry {
    Committed(Stored),
    Open(Stored),
    Aborted,
    Marker,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Partition {
    entries: Vec<Entry>,
    open: BTreeSet<i64>,
}

impl Partition {
    /// Adds a record that is visible at once; its offset.
    pub(super) fn append(&mut self, record: Stored) -> i64 {
        self.push(Entry::Committed(record))
    }

    /// Adds a record of an open transaction; its offset.
    pub(super) fn append_open(&mut self, record: Stored) -> i64 {
        let offset = self.push(Entry::Open(record));
        self.open.insert(offset);
        offset
    }

    /// Ends a transaction that has written these records here.
    pub(super) fn end_transaction(&mut self, offsets: &[i64], committed: bool) {
        for offset in offsets {
            self.open.remove(offset);
            let Some(entry) = usize::try_from(*offset).ok().and_then(|index| self.entries.get_mut(index))
            else {
                continue;
            };
            if let Entry::Open(record) = entry {
                *entry = if committed { Entry::Committed(record.clone()) } else { Entry::Aborted };
            }
        }
        self.push(Entry::Marker);
    }

    /// What would be found after a restore from a backup: open transactions are aborted.
    pub(super) fn backup(&self) -> Self {
        let mut copy = self.clone();
        let open: Vec<i64> = self.open.iter().copied().collect();
        if !open.is_empty() {
            copy.end_transaction(&open, false);
        }
        copy
    }

    /// The last stable offset: no committed reader gets to it.
    pub(super) fn stable_end(&self) -> i64 {
        self.open.first().copied().unwrap_or(self.entries.len() as i64)
    }

    /// The first committed record at or after `offset`, with its offset.
    pub(super) fn next(&self, offset: i64) -> Option<(i64, &Stored)> {
        (offset..self.stable_end()).find_map(|at| match self.entries.get(usize::try_from(at).ok()?)? {
            Entry::Committed(record) => Some((at, record)),
            _ => None,
        })
    }

    fn push(&mut self, entry: Entry) -> i64 {
        self.entries.push(entry);
        self.entries.len() as i64 - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: &str) -> Stored {
        Stored { timestamp_ms: 0, key: None, value: Some(value.as_bytes().into()) }
    }

    #[test]
    fn an_open_record_hides_what_comes_after_it() {
        let mut partition = Partition::default();
        partition.append(record("a"));
        let open = partition.append_open(record("b"));
        partition.append(record("c"));
        assert_eq!(partition.stable_end(), 1);
        assert!(partition.next(1).is_none());
        partition.end_transaction(&[open], false);
        assert_eq!(partition.stable_end(), 4);
        assert_eq!(partition.next(1).map(|(offset, _)| offset), Some(2));
    }
}
