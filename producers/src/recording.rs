//! Recorded input as a stream of events: opening, gzip, lines, and merging several inputs by event time.
//!
//! Always holds: a line format is read with bounded memory (the VOD document is one JSON value and is held whole); gzip is
//! known by its first bytes, not by a name; a malformed line is an item of the stream and does not end it; a
//! broken header, document or disk ends it. Does not know: what becomes of the events.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use schemas::{Event, Timestamp};
use serde_json::Value;

use crate::formats::binance::DEFAULT_VENUE;
use crate::formats::{Format, ParseError, binance_csv, binance_ws, jsonl, twitch_irc, twitch_vod};
use crate::pseudonyms::Pseudonyms;

/// No line may be longer; of a longer one this much is kept for the report. Half of what Kafka takes in one
/// message by default, so that it fits into a dead letter.
pub const LINE_BYTES_MAX: usize = 512 * 1024;

/// How a recording is to be read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Binance formats: the market place (default `binance-spot`).
    pub venue: Option<String>,
    /// twitch-vod: when the video started (default: as the document says).
    pub start: Option<Timestamp>,
    /// Replaces user ids, names and message ids.
    pub pseudonyms: Option<Pseudonyms>,
}

/// What goes wrong when reading.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read (any further). The recording ends.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: Arc<Path>,
        /// What the system says.
        error: io::Error,
    },
    /// The header or the document is not of this format: nothing can be read.
    #[error("{}: not a {format} file: {problem}", path.display())]
    Unsupported {
        /// The file.
        path: Arc<Path>,
        /// The format that was asked for.
        format: Format,
        /// What is wrong.
        problem: ParseError,
    },
    /// One line is malformed. The recording goes on.
    #[error("{}:{line}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: Arc<Path>,
        /// The format that was asked for.
        format: Format,
        /// The line's number from 1 (twitch-vod: the comment's).
        line: u64,
        /// What is wrong with it.
        problem: ParseError,
        /// The line's bytes, [`LINE_BYTES_MAX`] at most.
        raw: Vec<u8>,
    },
}

impl ReadError {
    /// True if the recording goes on behind it.
    #[must_use]
    pub fn is_one_line(&self) -> bool {
        matches!(self, ReadError::Malformed { .. })
    }
}

/// What a recording has given so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadCounts {
    /// Lines (or comments) read, the header of a CSV not counted.
    pub lines: u64,
    /// Lines that are well-formed and mean no event.
    pub without_event: u64,
    /// Lines that are malformed.
    pub malformed: u64,
    /// Events.
    pub events: u64,
}

enum Parser {
    TwitchIrc(twitch_irc::Parser),
    BinanceWs,
    BinanceCsv(binance_csv::Columns),
    Jsonl,
}

enum Content {
    Lines { reader: Box<dyn BufRead + Send>, parser: Parser, buffer: Vec<u8> },
    Comments { document: twitch_vod::Document, next: usize },
    Ended,
}

/// One recorded file, read as it is asked for events.
pub struct Recording {
    path: Arc<Path>,
    format: Format,
    venue: String,
    pseudonyms: Option<Pseudonyms>,
    content: Content,
    ready: VecDeque<Event<'static>>,
    scratch: Vec<Event<'static>>,
    counts: ReadCounts,
}

impl Recording {
    /// Opens a file and checks its header, where the format has one.
    ///
    /// # Errors
    /// [`ReadError::Io`] and [`ReadError::Unsupported`].
    pub fn open(format: Format, path: &Path, options: &ReadOptions) -> Result<Self, ReadError> {
        let io_error = |error| ReadError::Io { path: path.into(), error };
        let file = File::open(path).map_err(io_error)?;
        Self::read(format, path, file, options)
    }

    /// Reads from `source`; `path` is its name in messages.
    ///
    /// # Errors
    /// As [`Recording::open`].
    pub fn read(
        format: Format,
        path: &Path,
        source: impl Read + Send + 'static,
        options: &ReadOptions,
    ) -> Result<Self, ReadError> {
        let path: Arc<Path> = path.into();
        let io_error = |error| ReadError::Io { path: Arc::clone(&path), error };
        let unsupported = |problem| ReadError::Unsupported { path: Arc::clone(&path), format, problem };
        let mut reader = unpacked(source).map_err(io_error)?;
        let content = if format == Format::TwitchVod {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map_err(io_error)?;
            let document = twitch_vod::Document::parse(&bytes, options.start).map_err(unsupported)?;
            Content::Comments { document, next: 0 }
        } else {
            let mut buffer = Vec::new();
            let parser = match format {
                Format::BinanceCsv => {
                    if read_line(&mut *reader, &mut buffer).map_err(io_error)? == Line::End {
                        return Err(unsupported(ParseError::Shape("the file is empty".into())));
                    }
                    let header = str::from_utf8(&buffer).map_err(|_| unsupported(ParseError::NotUtf8))?;
                    Parser::BinanceCsv(binance_csv::Columns::parse(header).map_err(unsupported)?)
                }
                Format::BinanceWs => Parser::BinanceWs,
                Format::Jsonl => Parser::Jsonl,
                Format::TwitchIrc | Format::TwitchVod => Parser::TwitchIrc(twitch_irc::Parser::default()),
            };
            Content::Lines { reader, parser, buffer }
        };
        Ok(Recording {
            format,
            venue: options.venue.clone().unwrap_or_else(|| DEFAULT_VENUE.to_owned()),
            pseudonyms: options.pseudonyms.clone(),
            content,
            ready: VecDeque::new(),
            scratch: Vec::new(),
            counts: ReadCounts::default(),
            path,
        })
    }

    /// What it has given so far.
    #[must_use]
    pub fn counts(&self) -> ReadCounts {
        self.counts
    }

    /// The file's name in messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads one line or comment into `scratch`. False at the end.
    fn read_one(&mut self) -> Result<bool, ReadError> {
        let (read, raw) = match &mut self.content {
            Content::Ended => return Ok(false),
            Content::Lines { reader, parser, buffer } => {
                let line = read_line(&mut **reader, buffer)
                    .map_err(|error| ReadError::Io { path: Arc::clone(&self.path), error })?;
                if line == Line::End {
                    return Ok(false);
                }
                let parsed = parse(parser, line, buffer, &self.venue, &mut self.scratch);
                let read = parsed.and_then(|()| check(&self.scratch));
                let raw = if read.is_err() { buffer.clone() } else { Vec::new() };
                (read, raw)
            }
            Content::Comments { document, next } => {
                let Some(comment) = document.comments.get_mut(*next).map(Value::take) else {
                    return Ok(false);
                };
                *next += 1;
                let read = document.read(&comment, &mut self.scratch).and_then(|()| check(&self.scratch));
                let mut raw = if read.is_err() { comment.to_string().into_bytes() } else { Vec::new() };
                raw.truncate(LINE_BYTES_MAX);
                (read, raw)
            }
        };
        self.counts.lines += 1;
        let Err(problem) = read else { return Ok(true) };
        self.counts.malformed += 1;
        self.scratch.clear();
        let (path, format, line) = (Arc::clone(&self.path), self.format, self.counts.lines);
        let line = line + u64::from(format == Format::BinanceCsv);
        Err(ReadError::Malformed { path, format, line, problem, raw })
    }
}

fn parse(
    parser: &mut Parser,
    line: Line,
    bytes: &[u8],
    venue: &str,
    events: &mut Vec<Event<'static>>,
) -> Result<(), ParseError> {
    if line == Line::TooLong {
        return Err(ParseError::TooLong { limit_bytes: LINE_BYTES_MAX });
    }
    let text = str::from_utf8(bytes).map_err(|_| ParseError::NotUtf8)?;
    match parser {
        Parser::TwitchIrc(parser) => parser.parse(text, events),
        Parser::BinanceWs => binance_ws::parse(text, venue, events),
        Parser::BinanceCsv(columns) => columns.read(text, venue, events),
        Parser::Jsonl => jsonl::parse(text, events),
    }
}

fn check(events: &[Event<'static>]) -> Result<(), ParseError> {
    events.iter().try_for_each(|event| event.check().map_err(ParseError::InvalidValue))
}

impl Iterator for Recording {
    type Item = Result<Event<'static>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.counts.events += 1;
                return Some(Ok(event));
            }
            match self.read_one() {
                Ok(true) if self.scratch.is_empty() => self.counts.without_event += 1,
                Ok(true) => {
                    if let Some(pseudonyms) = &self.pseudonyms {
                        self.scratch.iter_mut().for_each(|event| pseudonyms.apply(event));
                    }
                    self.ready.extend(self.scratch.drain(..));
                }
                Ok(false) => {
                    self.content = Content::Ended;
                    return None;
                }
                Err(error) => {
                    if !error.is_one_line() {
                        self.content = Content::Ended;
                    }
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Several recordings as one, by event time.
pub struct Merged {
    recordings: Vec<Recording>,
    heads: Vec<Option<Event<'static>>>,
}

/// Merges by the event time of what each recording would give next. A recording keeps its own order even where
/// that is not by time; equal times come in the order of the recordings. A malformed line comes out as soon as its
/// recording meets it.
#[must_use]
pub fn merge_by_event_time(recordings: Vec<Recording>) -> Merged {
    Merged { heads: recordings.iter().map(|_| None).collect(), recordings }
}

impl Merged {
    /// The recordings, for their counts.
    #[must_use]
    pub fn recordings(&self) -> &[Recording] {
        &self.recordings
    }
}

impl Iterator for Merged {
    type Item = Result<Event<'static>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        for (recording, head) in self.recordings.iter_mut().zip(&mut self.heads) {
            if head.is_none() {
                match recording.next() {
                    Some(Ok(event)) => *head = Some(event),
                    Some(Err(error)) => return Some(Err(error)),
                    None => {}
                }
            }
        }
        let times = self.heads.iter().enumerate();
        let times = times.filter_map(|(index, head)| Some((head.as_ref()?.header().event_time, index)));
        let (_, first) = times.min()?;
        self.heads[first].take().map(Ok)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Whole,
    TooLong,
    End,
}

/// Reads a line without its end into `buffer`; of a line that is too long the first part, the rest is skipped.
fn read_line(reader: &mut dyn BufRead, buffer: &mut Vec<u8>) -> io::Result<Line> {
    buffer.clear();
    let limit = LINE_BYTES_MAX as u64 + 1;
    if reader.take(limit).read_until(b'\n', buffer)? == 0 {
        return Ok(Line::End);
    }
    if buffer.last() == Some(&b'\n') {
        buffer.pop();
        if buffer.last() == Some(&b'\r') {
            buffer.pop();
        }
    } else if buffer.len() > LINE_BYTES_MAX {
        buffer.truncate(LINE_BYTES_MAX);
        reader.skip_until(b'\n')?;
        return Ok(Line::TooLong);
    }
    Ok(Line::Whole)
}

/// Undoes gzip where the first bytes say that it is gzip.
fn unpacked(mut source: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut first = Vec::new();
    source.by_ref().take(2).read_to_end(&mut first)?;
    let is_gzip = first == [0x1f, 0x8b];
    let source = Cursor::new(first).chain(source);
    if is_gzip {
        Ok(Box::new(BufReader::with_capacity(64 * 1024, MultiGzDecoder::new(BufReader::new(source)))))
    } else {
        Ok(Box::new(BufReader::with_capacity(64 * 1024, source)))
    }
}
