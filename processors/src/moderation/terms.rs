//! The rule `terms`: words and phrases of a list.
//!
//! Always holds: a term matches whole words of a reading of the message (see [`super::normalise`]), so that "class" does
//! not match "ass"; in scripts written without spaces it matches anywhere. A letter may be stretched to three or more
//! ("baaad"), but "good" is not "god". All terms are searched at once. Of several matches the worst is reported,
//! among equals the first of the list. Does not know: who wrote the message.

use aho_corasick::{AhoCorasick, BuildError};
use schemas::SuggestedAction;

use super::normalise::Normalised;
use super::{Finding, Verdict};

/// A term as configured, validated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TermSpec {
    pub(crate) term: String,
    pub(crate) verdict: Verdict,
}

struct Term {
    spec: TermSpec,
    lower_case: String,
    runs: Vec<u32>,
    needs_gap_before: bool,
    needs_gap_after: bool,
}

/// The list, ready for searching.
pub(crate) struct Terms {
    automaton: AhoCorasick,
    terms: Vec<Term>,
}

/// What a term looks like after normalisation; terms that look the same are one. Empty if nothing is left of it.
pub(crate) fn normal_form(term: &str) -> (String, Vec<u32>) {
    let normalised = Normalised::of_term(term);
    (normalised.letters().to_owned(), normalised.runs().to_vec())
}

impl Terms {
    /// Prepares a list.
    ///
    /// # Errors
    /// If the list is too large for the automaton (more than 2^31 states).
    pub(crate) fn new(specs: &[TermSpec]) -> Result<Self, BuildError> {
        let forms: Vec<_> = specs.iter().map(|spec| normal_form(&spec.term)).collect();
        let automaton = AhoCorasick::new(forms.iter().map(|form| &form.0))?;
        let term = |(spec, (letters, runs)): (&TermSpec, (String, Vec<u32>))| Term {
            spec: spec.clone(),
            lower_case: spec.term.to_lowercase(),
            runs,
            needs_gap_before: letters.chars().next().is_some_and(is_written_with_gaps),
            needs_gap_after: letters.chars().next_back().is_some_and(is_written_with_gaps),
        };
        Ok(Terms { automaton, terms: specs.iter().zip(forms).map(term).collect() })
    }

    /// Looks for the terms in a message.
    pub(super) fn find(&self, text: &str, normalised: &Normalised) -> Option<Finding> {
        let letters = normalised.letters();
        let is_gap = |byte: Option<&u8>| byte.is_none_or(|byte| matches!(byte, b' ' | b'\n'));
        let mut found: Vec<usize> = Vec::new();
        for candidate in self.automaton.find_overlapping_iter(letters) {
            let index = candidate.pattern().as_usize();
            let (term, span) = (&self.terms[index], candidate.span());
            let before = span.start.checked_sub(1).and_then(|index| letters.as_bytes().get(index));
            let after = letters.as_bytes().get(span.end);
            let matches = (!term.needs_gap_before || is_gap(before))
                && (!term.needs_gap_after || is_gap(after))
                && normalised.runs()[span.range()]
                    .iter()
                    .zip(&term.runs)
                    .all(|(run, wanted)| is_stretched(*run, *wanted));
            if matches && !found.contains(&index) {
                found.push(index);
            }
        }
        let worst = *found
            .iter()
            .min_by_key(|index| (std::cmp::Reverse(self.terms[**index].spec.verdict.severity), **index))?;
        let term = &self.terms[worst];
        let is_plain = text.to_lowercase().contains(&term.lower_case);
        let more = if found.len() > 1 { format!(" and {} more", found.len() - 1) } else { String::new() };
        Some(Finding {
            rule: "terms",
            verdict: term.spec.verdict.clone(),
            score: if is_plain { 1.0 } else { 0.8 },
            evidence: format!(
                "term \"{}\"{more}{}",
                term.spec.term,
                if is_plain { "" } else { ", in disguise" }
            ),
        })
    }
}

/// Whether a run of letters in a message stands for a run in a term: just as long, or stretched.
fn is_stretched(run: u32, wanted: u32) -> bool {
    run == wanted || (run >= 3 && run >= wanted)
}

/// Whether words of this letter's script stand apart. Not so in Thai, Lao, Chinese and Japanese.
fn is_written_with_gaps(letter: char) -> bool {
    !matches!(letter, '\u{0E00}'..='\u{0EFF}' | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// By severity, what a moderator might do.
pub(crate) fn action_for(severity: u8) -> SuggestedAction {
    match severity {
        0 => SuggestedAction::None,
        1 => SuggestedAction::Review,
        2 => SuggestedAction::Delete,
        3 => SuggestedAction::TimeOut,
        _ => SuggestedAction::Ban,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(terms: &[&str], text: &str) -> Option<(String, f64)> {
        let verdict = Verdict { category: "c".into(), severity: 2, suggested_action: action_for(2) };
        let specs: Vec<_> = terms
            .iter()
            .map(|term| TermSpec { term: (*term).to_owned(), verdict: verdict.clone() })
            .collect();
        let terms = Terms::new(&specs).expect("small list");
        terms.find(text, &Normalised::of(text)).map(|finding| (finding.evidence, finding.score))
    }

    #[test]
    fn whole_words_are_found_in_any_disguise() {
        for text in [
            "badword",
            "a BADWORD!",
            "b a d w o r d",
            "b.a.d.w.o.r.d",
            "b4dw0rd",
            "baaadwooord",
            "badword123",
            "b\u{200b}adword",
            "\u{0432}\u{0430}dw\u{043e}rd",
            "ｂａｄｗｏｒｄ",
            "b\u{0301}adword",
        ] {
            assert!(found(&["badword"], text).is_some(), "{text}");
        }
        assert!(found(&["kill"], "k1ll").is_some());
        assert!(found(&["lol"], "1ol").is_some());
        assert!(found(&["buy followers"], "come BUY   follow3rs now").is_some());
        assert!(found(&["悪い"], "これは悪いです").is_some());
    }

    #[test]
    fn parts_of_words_and_other_words_are_not() {
        for (term, text) in [
            ("ass", "class"),
            ("ass", "assassin"),
            ("ass", "as if"),
            ("god", "good"),
            ("good", "god"),
            ("cop", "the coop"),
            ("ass", "455"),
            ("buy followers", "buy two followers"),
            ("badword", "bad word"),
        ] {
            assert_eq!(found(&[term], text), None, "{term} in {text}");
        }
    }

    #[test]
    fn the_evidence_names_the_term_and_says_how_sure_it_is() {
        assert_eq!(found(&["bad"], "so Bad"), Some(("term \"bad\"".into(), 1.0)));
        assert_eq!(found(&["bad"], "so b4d"), Some(("term \"bad\", in disguise".into(), 0.8)));
        assert_eq!(found(&["bad", "evil"], "evil and bad"), Some(("term \"bad\" and 1 more".into(), 1.0)));
    }
}
