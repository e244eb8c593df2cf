//! The intent: the text that travels with a committed position, and says what the sink is about to write after it.
//!
//! Always holds: a chunk is named here, in the log, before anything of it is sent; so whoever comes next cuts the same chunks and
//! gives them the same tokens. The text stays below what a broker keeps. Does not know: what is in a chunk.

use std::fmt;

/// What a broker keeps by default is 4,096 bytes; this leaves some room.
pub(super) const TEXT_BYTES_MAX: usize = 4_000;
/// The first word of the text, and the version of its form.
const HEAD: &str = "ovation-sink";
const VERSION: &str = "1";

/// A chunk that was announced. It begins where the one before it ends; the first at the position itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Announced {
    /// The offset after its last.
    pub end: i64,
    /// Table partitions (in days since 1970) whose rows are written already, so that they must not be sent again: the rest was
    /// refused, and the chunk was divided.
    pub done_days: Vec<i32>,
}

/// What the sink is about to write after a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Intent {
    /// Names this run of positions without a break: part of every token. No spaces.
    pub history: String,
    /// Below this offset the table may have rows that were not written in this history.
    pub known_until: i64,
    /// The chunks, in order.
    pub chunks: Vec<Announced>,
}

/// A text that a newer version may have written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the position's text cannot be read; a newer version may have written it: {0}")]
pub struct UnreadableIntent(String);

impl Intent {
    /// Reads a position's text. None if it is not one of ours: positions set by an operator's tool, or by a version that kept no
    /// intents.
    ///
    /// # Errors
    /// If it is one of ours that cannot be read: going on would write rows twice.
    pub fn parse(text: &str) -> Result<Option<Self>, UnreadableIntent> {
        let mut words = text.split(' ');
        if words.next() != Some(HEAD) {
            return Ok(None);
        }
        let unreadable = || UnreadableIntent(text.to_owned());
        if words.next() != Some(VERSION) {
            return Err(unreadable());
        }
        let history = words.next().filter(|word| !word.is_empty()).ok_or_else(unreadable)?.to_owned();
        let known_until = words.next().and_then(|word| word.parse().ok()).ok_or_else(unreadable)?;
        let mut chunks: Vec<Announced> = Vec::new();
        for word in words {
            chunks.push(chunk(word, chunks.last()).ok_or_else(unreadable)?);
        }
        Ok(Some(Intent { history, known_until, chunks }))
    }
}

/// `END`, `END+DAY+DAY`, or `END=`: with the same days as the chunk before.
fn chunk(word: &str, before: Option<&Announced>) -> Option<Announced> {
    let (end, done_days) = match word.strip_suffix('=') {
        Some(end) => (end.parse().ok()?, before?.done_days.clone()),
        None => {
            let mut numbers = word.split('+');
            let end = numbers.next()?.parse().ok()?;
            (end, numbers.map(|day| day.parse().ok()).collect::<Option<_>>()?)
        }
    };
    (before.is_none_or(|before| before.end <= end)).then_some(Announced { end, done_days })
}

impl fmt::Display for Intent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{HEAD} {VERSION} {} {}", self.history, self.known_until)?;
        let mut before: Option<&Announced> = None;
        for chunk in &self.chunks {
            write!(formatter, " {}", chunk.end)?;
            if !chunk.done_days.is_empty() && before.is_some_and(|before| before.done_days == chunk.done_days)
            {
                formatter.write_str("=")?;
            } else {
                chunk.done_days.iter().try_for_each(|day| write!(formatter, "+{day}"))?;
            }
            before = Some(chunk);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(end: i64, done_days: &[i32]) -> Announced {
        Announced { end, done_days: done_days.to_vec() }
    }

    fn intent(chunks: &[Announced]) -> Intent {
        Intent { history: "1.5f3a".to_owned(), known_until: 12, chunks: chunks.to_vec() }
    }

    #[test]
    fn what_is_written_is_read() {
        let none = intent(&[]);
        assert_eq!(none.to_string(), "ovation-sink 1 1.5f3a 12");
        let several = intent(&[
            announced(20, &[]),
            announced(30, &[20_000, 0]),
            announced(31, &[20_000, 0]),
            announced(31, &[]),
            announced(90, &[7]),
        ]);
        assert_eq!(several.to_string(), "ovation-sink 1 1.5f3a 12 20 30+20000+0 31= 31 90+7");
        for written in [none, several] {
            assert_eq!(Intent::parse(&written.to_string()), Ok(Some(written)));
        }
    }

    #[test]
    fn a_text_of_others_is_no_intent_and_one_of_ours_that_is_broken_is_refused() {
        assert_eq!(Intent::parse(""), Ok(None));
        assert_eq!(Intent::parse("set by hand"), Ok(None));
        for broken in [
            "ovation-sink",
            "ovation-sink 2 h 0",
            "ovation-sink 1 h",
            "ovation-sink 1  0",
            "ovation-sink 1 h 0 x",
            "ovation-sink 1 h 0 20=",
            "ovation-sink 1 h 0 20 10",
            "ovation-sink 1 h 0 20+",
        ] {
            assert!(Intent::parse(broken).is_err(), "{broken}");
        }
    }
}
