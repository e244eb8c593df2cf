//! A table of keys and values as chunks: a base and runs of what changed since, each save writing what changed.
//!
//! A save writes the keys that changed since the save before as a new *run*: sorted keys, each with its value or a mark that
//! it is gone. Runs that are not at least twice as long as the one after them are merged with it, and when the runs together
//! outgrow half of the base, everything is written anew as the base, in whatever order it comes: a base is never merged. So there are
//! never more runs than the logarithm of the base's length, and each change is written a logarithmic number of times.
//!
//! Always holds: base, then runs from the oldest, the later value counting, give the table as of the last save. The bytes of
//! the runs are kept in memory (half as much as the base's keys and values at most), those of the base are not. A run that the caller lost is
//! handed out again; if it lost the base, everything is written anew. The content of a name and version never changes.
//! Does not know: what keys and values mean.

use std::collections::BTreeMap;

use super::bytes::{Reader, Stored, Unreadable};
use super::{Chunk, StateError, bytes_of};

/// A base is cut into chunks of about this many bytes.
const PART_BYTES: usize = 2 << 20;

/// Entries on their way into a run or a base, in any order; of several with one key the last counts.
#[derive(Default)]
pub(crate) struct Entries {
    bytes: Vec<u8>,
    /// Start of key, start of value, end of value; the value of a key that is gone has no end.
    spans: Vec<(usize, usize, Option<usize>)>,
}

impl Entries {
    /// Adds a key with its value.
    pub(crate) fn put(&mut self, key: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        key(&mut self.bytes);
        let middle = self.bytes.len();
        value(&mut self.bytes);
        self.spans.push((start, middle, Some(self.bytes.len())));
    }

    /// Adds a key that is gone.
    pub(crate) fn remove(&mut self, key: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        key(&mut self.bytes);
        self.spans.push((start, self.bytes.len(), None));
    }

    /// In the order of their keys, each once.
    fn into_run(mut self) -> Vec<u8> {
        let bytes = &self.bytes;
        self.spans.sort_by(|a, b| bytes[a.0..a.1].cmp(&bytes[b.0..b.1]));
        let mut run = RunWriter::default();
        for (index, (start, middle, end)) in self.spans.iter().enumerate() {
            let key = &bytes[*start..*middle];
            if self.spans.get(index + 1).is_none_or(|next| &bytes[next.0..next.1] != key) {
                run.push(key, end.map(|end| &bytes[*middle..end]));
            }
        }
        run.bytes
    }

    /// As they came, in parts of about [`PART_BYTES`].
    fn into_parts(self) -> Vec<Vec<u8>> {
        let mut parts = Vec::new();
        let mut part = RunWriter::default();
        for (start, middle, end) in self.spans {
            part.push(&self.bytes[start..middle], end.map(|end| &self.bytes[middle..end]));
            if part.bytes.len() >= PART_BYTES {
                parts.push(std::mem::take(&mut part).bytes);
            }
        }
        if !part.bytes.is_empty() {
            parts.push(part.bytes);
        }
        parts
    }
}

/// Writes entries; a key is written as the length of what it shares with the one before, and the rest.
#[derive(Default)]
struct RunWriter {
    bytes: Vec<u8>,
    last_key: Vec<u8>,
}

impl RunWriter {
    fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        let shared = self.last_key.iter().zip(key).take_while(|(a, b)| a == b).count();
        (shared as u64).put(&mut self.bytes);
        ((key.len() - shared) as u64).put(&mut self.bytes);
        self.bytes.extend_from_slice(&key[shared..]);
        (value.map_or(0, |value| value.len() as u64 + 1)).put(&mut self.bytes);
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(&key[shared..]);
    }
}

/// Reads what a [`RunWriter`] wrote: after each step `key` is the entry's.
struct RunReader<'a> {
    reader: Reader<'a>,
    key: Vec<u8>,
}

impl<'a> RunReader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        RunReader { reader: Reader::new(bytes), key: Vec::new() }
    }

    /// The next entry's value, if it has one; `Ok(None)` at the end.
    fn next(&mut self) -> Result<Option<Option<&'a [u8]>>, Unreadable> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let shared = self.reader.get::<u64>()?;
        if shared > self.key.len() as u64 {
            return Err(Unreadable("holds a key without a beginning"));
        }
        self.key.truncate(shared as usize);
        let suffix_len = self.reader.len()?;
        self.key.extend_from_slice(self.reader.take(suffix_len)?);
        match self.reader.get::<u64>()? {
            0 => Ok(Some(None)),
            len => self.reader.take((len - 1) as usize).map(|value| Some(Some(value))),
        }
    }
}

/// Merges two runs; of a key in both the newer one's counts.
fn merge(older: &[u8], newer: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let (mut older, mut newer) = (RunReader::new(older), RunReader::new(newer));
    let mut merged = RunWriter::default();
    let (mut old, mut new) = (older.next()?, newer.next()?);
    loop {
        let is_old_first = match (old, new) {
            (None, None) => return Ok(merged.bytes),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(_), Some(_)) => {
                if older.key == newer.key {
                    old = older.next()?;
                    continue;
                }
                older.key < newer.key
            }
        };
        let (source, next) = if is_old_first { (&mut older, &mut old) } else { (&mut newer, &mut new) };
        if let Some(value) = *next {
            merged.push(&source.key, value);
        }
        *next = source.next()?;
    }
}

/// What changed between two saves.
struct Run {
    version: u64,
    bytes: Vec<u8>,
}

/// Where the chunks of a table stand.
#[derive(Default)]
pub(crate) struct Journal {
    /// The last version that was given to a chunk.
    version: u64,
    base_version: u64,
    base_parts: u64,
    base_bytes: u64,
    /// From the oldest.
    runs: Vec<Run>,
}

impl Journal {
    /// Whether the table was written.
    pub(crate) fn has_base(&self) -> bool {
        self.base_version > 0
    }

    /// The table is empty again. Versions go on.
    pub(crate) fn clear(&mut self) {
        *self = Journal { version: self.version, ..Journal::default() };
    }

    /// Adds the chunks of the table. `changed` are the keys that changed since the last save; `all` gives the whole table, and is
    /// called only if the base has to be written. None of `changed`: they are not known, everything is written.
    pub(crate) fn save(
        &mut self,
        prefix: &str,
        is_known: &dyn Fn(&str, u64) -> bool,
        chunks: &mut Vec<Chunk>,
        changed: Option<Entries>,
        all: impl FnOnce(&mut Entries),
    ) {
        let is_known_part = |part| is_known(&base_name(prefix, part), self.base_version);
        let has_base = (0..self.base_parts).all(is_known_part);
        let run_bytes = |runs: &[Run]| runs.iter().map(|run| run.bytes.len()).sum::<usize>();
        // What is about to be outgrown need not be extended first. Runs take less room than changes, whose keys are not shortened.
        let is_outgrown = |bytes: usize| bytes as u64 > self.base_bytes / 2;
        let short = changed.filter(|changed| !is_outgrown(run_bytes(&self.runs) + changed.bytes.len() / 2));
        let is_extended = has_base && short.is_some_and(|changed| self.extend(changed).is_ok());
        if !is_extended || run_bytes(&self.runs) as u64 > self.base_bytes / 2 {
            let mut entries = Entries::default();
            all(&mut entries);
            self.rewrite(prefix, entries, chunks);
            return;
        }
        for part in 0..self.base_parts {
            let name = base_name(prefix, part);
            chunks.push(Chunk { name, version: self.base_version, bytes: None });
        }
        for run in &self.runs {
            let name = run_name(prefix, run.version);
            let bytes = (!is_known(&name, run.version)).then(|| run.bytes.clone());
            chunks.push(Chunk { name, version: run.version, bytes });
        }
    }

    /// Adds a run, and merges what is too short for its place.
    fn extend(&mut self, changed: Entries) -> Result<(), Unreadable> {
        let bytes = changed.into_run();
        if bytes.is_empty() {
            return Ok(());
        }
        self.version += 1;
        let mut last = Run { version: self.version, bytes };
        while self.runs.last().is_some_and(|run| run.bytes.len() < 2 * last.bytes.len()) {
            if let Some(older) = self.runs.pop() {
                last.bytes = merge(&older.bytes, &last.bytes)?;
            }
        }
        self.runs.push(last);
        Ok(())
    }

    fn rewrite(&mut self, prefix: &str, entries: Entries, chunks: &mut Vec<Chunk>) {
        // Whatever the order, which decides how much keys are shortened.
        self.base_bytes = entries.bytes.len() as u64;
        let parts = entries.into_parts();
        self.version += 1;
        self.runs.clear();
        self.base_version = self.version;
        self.base_parts = parts.len() as u64;
        for (part, bytes) in (0..).zip(parts) {
            let name = base_name(prefix, part);
            chunks.push(Chunk { name, version: self.base_version, bytes: Some(bytes) });
        }
    }

    /// Adds to a processor's head which chunks there are.
    pub(crate) fn put_head(&self, out: &mut Vec<u8>) {
        for number in [self.version, self.base_version, self.base_parts, self.base_bytes] {
            number.put(out);
        }
        (self.runs.len() as u64).put(out);
        self.runs.iter().for_each(|run| run.version.put(out));
    }

    /// Reads what [`Journal::put_head`] wrote, for [`Journal::restore`].
    pub(crate) fn get_head(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let version = reader.get()?;
        let (base_version, base_parts, base_bytes) = (reader.get()?, reader.get()?, reader.get()?);
        let versions: Vec<u64> = reader.get()?;
        let runs = versions.into_iter().map(|version| Run { version, bytes: Vec::new() }).collect();
        Ok(Journal { version, base_version, base_parts, base_bytes, runs })
    }

    /// Reads the table: calls `each` with keys and their values (none: the key is gone), those that count after those that do not.
    ///
    /// # Errors
    /// A chunk is missing or unreadable.
    pub(crate) fn restore(
        &mut self,
        prefix: &str,
        chunks: &BTreeMap<String, Chunk>,
        mut each: impl FnMut(&mut Reader<'_>, Option<&mut Reader<'_>>) -> Result<(), Unreadable>,
    ) -> Result<(), StateError> {
        for part in 0..self.base_parts {
            let name = base_name(prefix, part);
            let bytes = bytes_of(chunks, &name, self.base_version)?;
            read_run(bytes, &mut each).map_err(|problem| StateError::unreadable(&name, &problem))?;
        }
        for run in &mut self.runs {
            let name = run_name(prefix, run.version);
            run.bytes = bytes_of(chunks, &name, run.version)?.to_vec();
            read_run(&run.bytes, &mut each).map_err(|problem| StateError::unreadable(&name, &problem))?;
        }
        Ok(())
    }
}

fn read_run(
    bytes: &[u8],
    each: &mut impl FnMut(&mut Reader<'_>, Option<&mut Reader<'_>>) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let mut run = RunReader::new(bytes);
    while let Some(value) = run.next()? {
        let (mut key, mut value) = (Reader::new(&run.key), value.map(Reader::new));
        each(&mut key, value.as_mut())?;
        if !key.is_empty() || value.is_some_and(|value| !value.is_empty()) {
            return Err(Unreadable("holds more than it should"));
        }
    }
    Ok(())
}

fn base_name(prefix: &str, part: u64) -> String {
    format!("{prefix}/base.{part}")
}

fn run_name(prefix: &str, version: u64) -> String {
    format!("{prefix}/run.{version}")
}
