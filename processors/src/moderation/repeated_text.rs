//! The rule `repeated_text`: one user saying the same again and again in a channel.
//!
//! Always holds: texts are the same if their first reading is (see [`super::normalise`]); the message that makes it `count`
//! within `within` is flagged, and none of that user and text again until `within` passes without one. Times are those from
//! which the messages are visible; forgetting never changes a verdict. Memory: the texts of the last `within` before the
//! watermark, and at most twice as many entries.
//! Does not know: what is said. Emoji and signs alone are never the same text: waves of them are how a chat cheers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use schemas::Timestamp;

use super::normalise::Normalised;
use super::{Finding, Verdict};
use crate::maps::{ByName, value_of};
use crate::state::bytes::{Reader, Stored, Unreadable, put_str};
use crate::state::journal::{Entries, Journal};
use crate::state::{Chunk, Head, StateError};

/// The rule as configured, validated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RepeatedTextSpec {
    pub(crate) within_micros: i64,
    pub(crate) count: usize,
    pub(crate) min_length: usize,
    pub(crate) verdict: Verdict,
}

/// Below so many entries nothing is forgotten.
const ENTRIES_MIN: usize = 1024;

/// What a user said lately, and how often.
#[derive(Debug, Default)]
struct Repetition {
    /// The latest `count` at most.
    times: VecDeque<Timestamp>,
    is_flagged: bool,
    /// Whether it is among the changes that the next save writes.
    is_unsaved: bool,
}

impl Stored for Repetition {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_flagged.put(out);
        (self.times.len() as u64).put(out);
        self.times.iter().for_each(|time| time.put(out));
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let is_flagged = reader.get()?;
        let times: Vec<Timestamp> = reader.get()?;
        Ok(Repetition { times: times.into(), is_flagged, is_unsaved: false })
    }
}

/// The rule and what it remembers.
pub(super) struct RepeatedText {
    spec: RepeatedTextSpec,
    said: ByName<Repetition>,
    /// At so many entries those that are out of reach are forgotten.
    entries_max: usize,
    key: String,
    head: Head,
    journal: Journal,
    /// Whether it was saved or restored before: until then no change is remembered, since all would be written.
    is_tracked: bool,
    unsaved: Vec<Arc<str>>,
}

impl RepeatedText {
    pub(super) fn new(spec: RepeatedTextSpec) -> Self {
        RepeatedText {
            spec,
            said: ByName::default(),
            entries_max: ENTRIES_MIN,
            key: String::new(),
            head: Head::default(),
            journal: Journal::default(),
            is_tracked: false,
            unsaved: Vec::new(),
        }
    }

    /// Takes a message in. `time` is at or after the partition's watermark.
    pub(super) fn find(
        &mut self,
        channel_id: &str,
        user_id: &str,
        time: Timestamp,
        normalised: &Normalised,
    ) -> Option<Finding> {
        let text = normalised.first_reading();
        let length = text.chars().filter(|character| character.is_alphanumeric()).count();
        if length < self.spec.min_length {
            return None;
        }
        self.key.clear();
        for part in [channel_id, "\0", user_id, "\0", text] {
            self.key.push_str(part);
        }
        let repetition = value_of(&mut self.said, &self.key);
        if self.is_tracked && !std::mem::replace(&mut repetition.is_unsaved, true) {
            self.unsaved.push(Arc::from(self.key.as_str()));
        }
        repetition.forget_until(time.plus_micros(-self.spec.within_micros));
        repetition.times.push_back(time);
        if repetition.times.len() > self.spec.count {
            repetition.times.pop_front();
        }
        if repetition.times.len() < self.spec.count || std::mem::replace(&mut repetition.is_flagged, true) {
            return None;
        }
        let span = repetition.times.iter().min().map_or(0, |first| time.micros_since(*first));
        Some(Finding {
            rule: "repeated_text",
            verdict: self.spec.verdict.clone(),
            score: 1.0,
            evidence: format!(
                "the same text {} times in {} s",
                self.spec.count,
                (span.max(0) + 999_999) / 1_000_000
            ),
        })
    }

    /// Forgets what no message can repeat any more.
    pub(super) fn advance(&mut self, watermark: Timestamp) {
        if self.said.len() > self.entries_max {
            let horizon = watermark.plus_micros(-self.spec.within_micros);
            let (is_tracked, unsaved) = (self.is_tracked, &mut self.unsaved);
            self.said.retain(|key, repetition| {
                let is_kept = repetition.times.iter().any(|time| *time > horizon);
                if !is_kept && is_tracked && !repetition.is_unsaved {
                    unsaved.push(Arc::clone(key));
                }
                is_kept
            });
            self.entries_max = ENTRIES_MIN.max(2 * self.said.len());
        }
    }

    /// How many texts are remembered.
    pub(super) fn len(&self) -> usize {
        self.said.len()
    }

    /// Adds the chunks.
    pub(super) fn save(
        &mut self,
        prefix: &str,
        is_known: &dyn Fn(&str, u64) -> bool,
        chunks: &mut Vec<Chunk>,
    ) {
        let mut changed = Entries::default();
        for text in self.unsaved.drain(..) {
            match self.said.get_mut(&text) {
                Some(repetition) => {
                    repetition.is_unsaved = false;
                    changed.put(|key| put_str(key, &text), |value| repetition.put(value));
                }
                None => changed.remove(|key| put_str(key, &text)),
            }
        }
        let changed = std::mem::replace(&mut self.is_tracked, true).then_some(changed);
        let said = &self.said;
        self.journal.save(&format!("{prefix}/said"), is_known, chunks, changed, |all| {
            said.iter().for_each(|(text, repetition)| {
                all.put(|key| put_str(key, text), |value| repetition.put(value));
            });
        });
        self.head.save(format!("{prefix}/head"), is_known, chunks, |out| {
            (self.entries_max as u64).put(out);
            self.journal.put_head(out);
        });
    }

    /// Takes over what was saved.
    ///
    /// # Errors
    /// A chunk is missing or unreadable.
    pub(super) fn restore(
        &mut self,
        prefix: &str,
        chunks: &BTreeMap<String, Chunk>,
    ) -> Result<(), StateError> {
        let entries_max: u64;
        (entries_max, self.journal) = self
            .head
            .restore(&format!("{prefix}/head"), chunks, |head| Ok((head.get()?, Journal::get_head(head)?)))?;
        self.entries_max = usize::try_from(entries_max).unwrap_or(usize::MAX);
        self.is_tracked = true;
        let said = &mut self.said;
        self.journal.restore(&format!("{prefix}/said"), chunks, |key, value| {
            let text = key.get()?;
            match value {
                Some(value) => said.insert(text, value.get()?),
                None => said.remove(&text),
            };
            Ok(())
        })
    }
}

impl Repetition {
    fn forget_until(&mut self, horizon: Timestamp) {
        self.times.retain(|time| *time > horizon);
        if self.times.is_empty() {
            self.is_flagged = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::terms::action_for;
    use super::*;

    fn rule(count: usize) -> RepeatedText {
        let verdict = Verdict { category: "spam".into(), severity: 1, suggested_action: action_for(1) };
        RepeatedText::new(RepeatedTextSpec { within_micros: 30_000_000, count, min_length: 8, verdict })
    }

    fn say(rule: &mut RepeatedText, user: &str, second: i64, text: &str) -> bool {
        let time = Timestamp::from_micros(second * 1_000_000);
        rule.find("c", user, time, &Normalised::of(text)).is_some()
    }

    #[test]
    fn the_third_time_is_flagged_once_until_it_is_quiet() {
        let mut rule = rule(3);
        let heard = [0, 10, 20, 21, 45, 74, 104, 105, 106, 107]
            .map(|second| say(&mut rule, "u", second, "follow my page"));
        // 104 is 30 s after 74: the burst is over, and 104, 105, 106 are a new one.
        assert_eq!(heard, [false, false, true, false, false, false, false, false, true, false]);
    }

    #[test]
    fn spelling_does_not_hide_it_and_others_do_not_count() {
        let mut rule = rule(3);
        assert!(!say(&mut rule, "u", 0, "Follow my page"));
        assert!(!say(&mut rule, "v", 1, "follow my page"));
        assert!(!say(&mut rule, "u", 2, "f0llow my   page!!"));
        assert!(!say(&mut rule, "u", 3, "follow his page"));
        assert!(say(&mut rule, "u", 4, "FOLLOW MY PAAAAGE"));
        for second in 10..20 {
            assert!(!say(&mut rule, "u", second, "LUL"), "too short");
        }
    }

    #[test]
    fn memory_is_bounded_and_forgetting_changes_nothing() {
        let mut rule = rule(2);
        for second in 0..100_000 {
            assert!(!say(&mut rule, "u", second, &format!("message number {second} abcdefgh")));
            rule.advance(Timestamp::from_micros((second - 5) * 1_000_000));
            assert!(rule.said.len() <= ENTRIES_MIN + 1);
        }
        assert!(say(&mut rule, "u", 100_000, "message number 99999 abcdefgh"));
    }

    #[test]
    fn what_was_forgotten_since_a_save_is_not_restored() {
        let mut one = rule(2);
        let mut known: BTreeMap<String, Chunk> = BTreeMap::new();
        for second in 0..3_000 {
            say(&mut one, "u", second, &format!("message number {second} abcdefgh"));
            one.advance(Timestamp::from_micros((second - 5) * 1_000_000));
            if second % 250 == 0 {
                let mut chunks = Vec::new();
                let is_known =
                    |name: &str, version| known.get(name).is_some_and(|chunk| chunk.version == version);
                one.save("r", &is_known, &mut chunks);
                for chunk in chunks.iter_mut().filter(|chunk| chunk.bytes.is_none()) {
                    chunk.bytes.clone_from(&known[&chunk.name].bytes);
                }
                known = chunks.into_iter().map(|chunk| (chunk.name.clone(), chunk)).collect();
                let mut again = rule(2);
                again.restore("r", &known).expect("restored");
                assert_eq!(again.len(), one.len(), "after {second} s");
            }
        }
        assert!(one.len() < 2_000, "much was forgotten");
    }
}
