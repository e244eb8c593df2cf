//! Moderation, naively: a message at a time, in the order of its partition, over everything said before.
//!
//! Which texts the term matches is known from how they were made (see [`TEXTS`]); normalisation is not computed again.

use processors::Output;
use processors::config::{ModerationConfig, RepeatedTextConfig};
use schemas::{ChatEvent, ChatKind, Event, Freshness, ModerationFlag, SuggestedAction};

use super::{Arrived, at};
use crate::events::TEXTS;

/// Who said what where, and from when it was visible.
type Said<'a> = ((&'a str, &'a str, &'a str), i64);

/// Writes every flag.
pub(super) fn flags(config: &ModerationConfig, arrived: &[Arrived<'_>], out: &mut Vec<Output>) {
    let mut said: Vec<Said<'_>> = Vec::new();
    for arrived in arrived {
        let Event::Chat(chat) = arrived.event else { continue };
        let (ChatKind::Message, Some(text)) = (chat.kind, &chat.text) else { continue };
        if chat.roles.iter().any(|role| role.as_str() == "moderator" || role.as_str() == "broadcaster") {
            continue;
        }
        let known = TEXTS.iter().find(|(known, _)| *known == text.as_str());
        if let Some((score, evidence)) = known.and_then(|(_, term)| *term) {
            out.push(flag(arrived, chat, "terms", (2, SuggestedAction::Delete), score, evidence));
        }
        if let (Some(rule), Some(user)) = (&config.repeated_text, &chat.user_id)
            && text.chars().filter(|character| character.is_alphanumeric()).count()
                >= rule.min_length as usize
        {
            said.push(((&chat.channel_id, user, text), arrived.visible()));
            if let Some(evidence) = repeated(rule, &said) {
                out.push(flag(arrived, chat, "repeated_text", (1, SuggestedAction::Review), 1.0, &evidence));
            }
        }
    }
}

/// The evidence, if the last of `said` is the one that repeats too often.
fn repeated(rule: &RepeatedTextConfig, said: &[Said<'_>]) -> Option<String> {
    let (who, now) = said.last()?;
    let (mut burst, mut is_flagged, mut is_the_one): (Vec<i64>, bool, bool) = (Vec::new(), false, false);
    for (_, time) in said.iter().filter(|(other, _)| other == who) {
        burst.retain(|earlier| *earlier > time - rule.within.micros());
        is_flagged &= !burst.is_empty();
        burst.push(*time);
        burst = burst.split_off(burst.len().saturating_sub(rule.count as usize));
        is_the_one = burst.len() == rule.count as usize && !is_flagged;
        is_flagged |= is_the_one;
    }
    let span = (now - burst.iter().min()?).max(0);
    let seconds = (span + 999_999) / 1_000_000;
    is_the_one.then(|| format!("the same text {} times in {seconds} s", rule.count))
}

fn flag(
    arrived: &Arrived<'_>,
    chat: &ChatEvent<'_>,
    rule: &str,
    (severity, suggested_action): (i32, SuggestedAction),
    score: f64,
    evidence: &str,
) -> Output {
    let as_of =
        if arrived.watermark == i64::MIN { arrived.time } else { arrived.watermark.min(arrived.time) };
    Output::Flag(ModerationFlag {
        flag_id: format!("{}/{rule}", chat.event_id),
        channel_id: chat.channel_id.to_string(),
        message_id: chat.event_id.to_string(),
        event_time: at(arrived.time),
        user_id: chat.user_id.as_deref().map(str::to_owned),
        user_name: chat.user_name.as_deref().map(str::to_owned),
        text: chat.text.as_deref().unwrap_or_default().to_owned(),
        rule: rule.to_owned(),
        category: "spam".to_owned(),
        severity,
        score,
        evidence: evidence.to_owned(),
        suggested_action,
        freshness: Freshness { as_of: at(as_of), ..Freshness::default() },
    })
}
