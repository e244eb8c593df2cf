//! Moderation: rules that look at every chat message and flag what they find. Nothing is punished.
//!
//! Always holds: a flag goes out when its message is read, and one rule flags one message once; a verdict depends on the
//! message and on what was read before it in its partition. Broadcasters and moderators are not looked at. The text of a flag
//! is cut at 500 characters; it is text, whatever it contains. A flag's `as_of` is the watermark of the message's
//! partition, or the message's time where that is earlier.
//! Does not know: what becomes of a flag.

mod confusables;
mod explained;
mod links;
mod normalise;
mod repeated_text;
mod terms;

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::{ChatEvent, ChatKind, Event, Freshness, ModerationFlag, SuggestedAction, Timestamp};

use crate::processor::{Arrival, Disposition, Output, Processor};
use crate::state::{Chunk, StateError, StateSize};
pub(crate) use links::{LinksSpec, is_domain};
use normalise::Normalised;
use repeated_text::RepeatedText;
pub(crate) use repeated_text::RepeatedTextSpec;
pub(crate) use terms::{TermSpec, Terms, action_for, normal_form};

/// Characters of a message that a flag carries.
const FLAG_TEXT_CHARS_MAX: usize = 500;

/// About what a remembered text takes in memory.
const TEXT_BYTES: usize = 250;

/// Roles whose messages are not looked at.
const EXEMPT_ROLES: [&str; 2] = ["broadcaster", "moderator"];

/// What is said of a message that a rule finds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) category: String,
    pub(crate) severity: u8,
    pub(crate) suggested_action: SuggestedAction,
}

/// What a rule found in a message.
#[derive(Clone, Debug, PartialEq)]
struct Finding {
    rule: &'static str,
    verdict: Verdict,
    score: f64,
    evidence: String,
}

/// The rules as configured, validated.
#[derive(Clone)]
pub(crate) struct ModerationSpec {
    pub(crate) terms: Option<Arc<Terms>>,
    pub(crate) repeated_text: Option<RepeatedTextSpec>,
    pub(crate) links: Option<Arc<LinksSpec>>,
}

/// The rules over the channels of one shard.
pub(crate) struct Moderation {
    terms: Option<Arc<Terms>>,
    repeated_text: Option<RepeatedText>,
    links: Option<Arc<LinksSpec>>,
}

impl Moderation {
    pub(crate) fn new(spec: &ModerationSpec) -> Self {
        Moderation {
            terms: spec.terms.clone(),
            repeated_text: spec.repeated_text.clone().map(RepeatedText::new),
            links: spec.links.clone(),
        }
    }

    fn find(&mut self, chat: &ChatEvent<'_>, text: &str, arrival: &Arrival) -> Vec<Finding> {
        let normalised = Normalised::of(text);
        let terms = self.terms.as_ref().and_then(|rule| rule.find(text, &normalised));
        let repeated =
            self.repeated_text.as_mut().zip(chat.user_id.as_deref()).and_then(|(rule, user_id)| {
                rule.find(&chat.channel_id, user_id, arrival.visible_from(), &normalised)
            });
        let links = self.links.as_ref().and_then(|rule| rule.find(text));
        terms.into_iter().chain(repeated).chain(links).collect()
    }
}

fn flag(chat: &ChatEvent<'_>, text: &str, arrival: &Arrival, finding: Finding) -> ModerationFlag {
    let as_of = match arrival.partition_watermark {
        Timestamp::MIN => arrival.event_time,
        watermark => watermark.min(arrival.event_time),
    };
    ModerationFlag {
        flag_id: format!("{}/{}", chat.event_id, finding.rule),
        channel_id: chat.channel_id.to_string(),
        message_id: chat.event_id.to_string(),
        event_time: arrival.event_time,
        user_id: chat.user_id.as_deref().map(str::to_owned),
        user_name: chat.user_name.as_deref().map(str::to_owned),
        text: text.chars().take(FLAG_TEXT_CHARS_MAX).collect(),
        rule: finding.rule.to_owned(),
        category: finding.verdict.category,
        severity: i32::from(finding.verdict.severity),
        score: finding.score,
        evidence: finding.evidence,
        suggested_action: finding.verdict.suggested_action,
        freshness: Freshness { as_of, ..Freshness::default() },
    }
}

impl Processor for Moderation {
    fn process(&mut self, event: &Event<'_>, arrival: &Arrival, out: &mut Vec<Output>) -> Disposition {
        let Event::Chat(chat) = event else { return Disposition::Ignored };
        let (ChatKind::Message, Some(text)) = (chat.kind, &chat.text) else { return Disposition::Ignored };
        if chat.roles.iter().any(|role| EXEMPT_ROLES.contains(&role.as_str())) {
            return Disposition::Taken;
        }
        for finding in self.find(chat, text, arrival) {
            out.push(Output::Flag(flag(chat, text, arrival, finding)));
        }
        Disposition::Taken
    }

    fn advance(&mut self, watermark: Timestamp, _: &mut Vec<Output>) {
        if let Some(rule) = &mut self.repeated_text {
            rule.advance(watermark);
        }
    }

    fn name(&self) -> String {
        "moderation".to_owned()
    }

    fn save(&mut self, prefix: &str, is_known: &dyn Fn(&str, u64) -> bool, chunks: &mut Vec<Chunk>) {
        if let Some(rule) = &mut self.repeated_text {
            rule.save(&format!("{prefix}/repeated_text"), is_known, chunks);
        }
    }

    fn restore(&mut self, prefix: &str, chunks: &BTreeMap<String, Chunk>) -> Result<(), StateError> {
        match &mut self.repeated_text {
            Some(rule) => rule.restore(&format!("{prefix}/repeated_text"), chunks),
            None => Ok(()),
        }
    }

    fn size(&self) -> StateSize {
        let items = self.repeated_text.as_ref().map_or(0, RepeatedText::len);
        StateSize { items: items as u64, bytes_estimate: (items * TEXT_BYTES) as u64, ..StateSize::default() }
    }
}
