//! Moderation, as written under `[jobs.NAME.moderation]`, and what is refused there.
//!
//! Always holds: an unknown key is refused; a message says what would be right. Does not know: the file, or what the keys make of the events.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemas::SuggestedAction;
use serde::Deserialize;

use super::duration::Duration;
use super::validate::Problems;
use crate::moderation::{
    LinksSpec, ModerationSpec, RepeatedTextSpec, TermSpec, Terms, is_domain, normal_form,
};

/// Repetitions that may be asked for.
const REPETITIONS_MAX: u32 = 1_000;

/// Moderation of chat messages: the rules that are present apply.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModerationConfig {
    /// Words and phrases, found also when spaced, stretched or written in look-alikes.
    #[serde(default)]
    pub terms: Vec<TermConfig>,
    /// One user saying the same again and again.
    pub repeated_text: Option<RepeatedTextConfig>,
    /// Links to places that are not allowed.
    pub links: Option<LinksConfig>,
}

/// A word or phrase.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermConfig {
    /// The word or phrase, in plain spelling.
    pub term: String,
    /// What kind of trouble it is.
    pub category: String,
    /// 0 (note) to 4 (worst).
    pub severity: u8,
    /// Default: by severity, from none over review, delete and time_out to ban.
    pub suggested_action: Option<SuggestedAction>,
}

/// One user saying the same again and again in a channel.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepeatedTextConfig {
    /// The time in which repetitions are counted.
    pub within: Duration,
    /// The message that makes it so many is flagged, once until `within` passes without one.
    pub count: u32,
    /// Texts with fewer letters and digits than this are never flagged: short cheers are normal.
    #[serde(default = "eight")]
    pub min_length: u32,
    /// What kind of trouble it is.
    #[serde(default = "spam")]
    pub category: String,
    /// 0 (note) to 4 (worst).
    #[serde(default = "one")]
    pub severity: u8,
    /// Default: by severity, from none over review, delete and time_out to ban.
    pub suggested_action: Option<SuggestedAction>,
}

/// Links to places that are not allowed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinksConfig {
    /// Domains that anyone may link to, with their subdomains.
    #[serde(default)]
    pub allow: Vec<String>,
    /// What kind of trouble it is.
    #[serde(default = "spam")]
    pub category: String,
    /// 0 (note) to 4 (worst).
    #[serde(default = "one")]
    pub severity: u8,
    /// Default: by severity, from none over review, delete and time_out to ban.
    pub suggested_action: Option<SuggestedAction>,
}

pub(super) fn validate_moderation(
    config: &ModerationConfig,
    problems: &mut Problems,
) -> Option<ModerationSpec> {
    let has_rule = !config.terms.is_empty() || config.repeated_text.is_some() || config.links.is_some();
    problems
        .require(has_rule, "moderation", || "has no rule: give it terms, repeated_text or links".to_owned());
    let specs = validate_terms(&config.terms, problems);
    let terms = match Terms::new(&specs) {
        Ok(terms) => (!specs.is_empty()).then(|| Arc::new(terms)),
        Err(error) => {
            problems.require(false, "moderation.terms", || format!("cannot be searched for: {error}"));
            None
        }
    };
    Some(ModerationSpec {
        terms,
        repeated_text: config.repeated_text.as_ref().map(|rule| validate_repeated_text(rule, problems)),
        links: config.links.as_ref().map(|rule| Arc::new(validate_links(rule, problems))),
    })
}

fn validate_terms(terms: &[TermConfig], problems: &mut Problems) -> Vec<TermSpec> {
    let mut forms = BTreeSet::new();
    let mut specs = Vec::new();
    for (index, config) in terms.iter().enumerate() {
        let key = format!("moderation.terms[{index}]");
        let term = &config.term;
        let form = normal_form(term);
        let term_key = format!("{key}.term");
        let _ = problems.require(!form.0.is_empty(), term_key.clone(), || {
            format!("`{term}` has no letter or digit: nothing would match it")
        }) && problems.require(forms.insert(form), term_key, || {
            format!("`{term}` matches the same as an earlier term: drop one")
        });
        let verdict = problems.verdict(&key, &config.category, config.severity, config.suggested_action);
        specs.push(TermSpec { term: term.clone(), verdict });
    }
    specs
}

fn validate_repeated_text(rule: &RepeatedTextConfig, problems: &mut Problems) -> RepeatedTextSpec {
    let key = "moderation.repeated_text";
    problems.require_positive(rule.within, format!("{key}.within"));
    problems.require((2..=REPETITIONS_MAX).contains(&rule.count), format!("{key}.count"), || {
        format!("is {}: it goes from 2 to {REPETITIONS_MAX}", rule.count)
    });
    problems.require(rule.min_length > 0, format!("{key}.min_length"), || {
        "is 0: it must be at least 1, since texts without letters and digits are not compared".to_owned()
    });
    RepeatedTextSpec {
        within_micros: rule.within.micros(),
        count: rule.count as usize,
        min_length: rule.min_length as usize,
        verdict: problems.verdict(key, &rule.category, rule.severity, rule.suggested_action),
    }
}

fn validate_links(rule: &LinksConfig, problems: &mut Problems) -> LinksSpec {
    let mut seen = BTreeSet::new();
    for (index, domain) in rule.allow.iter().enumerate() {
        let key = format!("moderation.links.allow[{index}]");
        let _ = problems.require(is_domain(domain), key.clone(), || {
            format!("`{domain}` is not a domain: write it in lower case without scheme, path or `*.`, as \"example.org\"")
        }) && problems.require(seen.insert(domain), key, || format!("`{domain}` is given twice: once is enough"));
    }
    LinksSpec {
        allow: rule.allow.clone(),
        verdict: problems.verdict("moderation.links", &rule.category, rule.severity, rule.suggested_action),
    }
}

fn one() -> u8 {
    1
}

fn eight() -> u32 {
    8
}

fn spam() -> String {
    "spam".to_owned()
}
