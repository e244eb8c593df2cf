//! The rule `repeated_text`: one user saying the same again and again in a channel.
//!
//! Always holds: texts are the same if their first reading is (see [`super::normalise`]); the message that makes it `count`
//! within `within` is flagged, and none of that user and text again until `within` passes without one. Times are those from
//! which the messages are visible; forgetting never changes a verdict. Memory: the texts of the last `within` before the
//! watermark, and at most twice as many entries.
//! Does not know: what is said. Emoji and signs alone are never the same text: waves of them are how a chat cheers.

use std::collections::VecDeque;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use schemas::Timestamp;

use super::normalise::Normalised;
use super::{Finding, Verdict};

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
}

/// The rule and what it remembers.
pub(super) struct RepeatedText {
    spec: RepeatedTextSpec,
    said: HashMap<String, Repetition, FxBuildHasher>,
    /// At so many entries those that are out of reach are forgotten.
    entries_max: usize,
    key: String,
}

impl RepeatedText {
    pub(super) fn new(spec: RepeatedTextSpec) -> Self {
        RepeatedText { spec, said: HashMap::default(), entries_max: ENTRIES_MIN, key: String::new() }
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
        let repetition = self.said.entry_ref(self.key.as_str()).or_default();
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
            self.said.retain(|_, repetition| repetition.times.iter().any(|time| *time > horizon));
            self.entries_max = ENTRIES_MIN.max(2 * self.said.len());
        }
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
}
