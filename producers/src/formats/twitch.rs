//! What Twitch's formats share: ids, roles, emote counting, notices that are reactions.
//!
//! Always holds: a chat message's event id is `twitch:ID`; a reaction that comes with it is `twitch:ID/KIND`, so
//! both can be de-duplicated. Does not know: which transport the values came by.

use schemas::{ChatEvent, ChatKind, Emote, ReactionEvent, ReactionKind, Text, Timestamp};

pub(crate) const SOURCE: &str = "twitch";

/// `twitch:ID`.
pub(crate) fn id(id: &str) -> Text<'static> {
    format!("{SOURCE}:{id}").into()
}

/// A message's text as its author typed it: an action begins with `/me`.
pub(crate) fn text(words: &str, is_action: bool) -> Text<'static> {
    if is_action { format!("/me {words}").into() } else { words.to_owned().into() }
}

/// What the events of one line have in common.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The message's id, with the source in front.
    pub id: Text<'static>,
    pub event_time: Timestamp,
    pub ingest_time: Timestamp,
    pub channel_id: Text<'static>,
    pub user_id: Option<Text<'static>>,
    pub user_name: Option<Text<'static>>,
}

impl Context {
    pub(crate) fn chat(&self, kind: ChatKind) -> ChatEvent<'static> {
        ChatEvent {
            event_id: self.id.clone(),
            event_time: self.event_time,
            ingest_time: self.ingest_time,
            source: SOURCE.into(),
            channel_id: self.channel_id.clone(),
            user_id: self.user_id.clone(),
            stream_id: None,
            kind,
            user_name: self.user_name.clone(),
            text: None,
            emotes: Vec::new(),
            roles: Vec::new(),
            badges: Vec::new(),
            reply_to: None,
            is_question: false,
            is_first_message: false,
            target_message_id: None,
            target_user_id: None,
            duration_ms: None,
        }
    }

    pub(crate) fn reaction(&self, kind: ReactionKind, count: i64) -> ReactionEvent<'static> {
        ReactionEvent {
            event_id: format!("{}/{}", self.id, kind.name()).into(),
            event_time: self.event_time,
            ingest_time: self.ingest_time,
            source: SOURCE.into(),
            channel_id: self.channel_id.clone(),
            user_id: self.user_id.clone(),
            stream_id: None,
            kind,
            count,
            user_name: self.user_name.clone(),
            emoji: None,
            amount_micros: None,
            currency: None,
            target_id: None,
            option: None,
        }
    }
}

/// The roles that badges stand for, each once, from `set/version` or a bare set.
pub(crate) fn roles<'b>(badges: impl Iterator<Item = &'b str>) -> Vec<Text<'static>> {
    let mut roles: Vec<Text<'static>> = Vec::new();
    for badge in badges {
        let role = match badge.split('/').next().unwrap_or(badge) {
            "broadcaster" => "broadcaster",
            "moderator" | "lead_moderator" => "moderator",
            "vip" => "vip",
            "subscriber" | "founder" => "subscriber",
            "staff" | "admin" | "global_mod" => "staff",
            "artist-badge" => "artist",
            "partner" => "partner",
            _ => continue,
        };
        if !roles.iter().any(|known| known == role) {
            roles.push(role.into());
        }
    }
    roles
}

/// Counts one use of an emote; emotes stay in order of first use.
pub(crate) fn count_emote(emotes: &mut Vec<Emote<'static>>, emote_id: &str, name: &str) {
    let is_same = |emote: &&mut Emote<'_>| emote.id.strip_prefix("twitch:") == Some(emote_id);
    match emotes.iter_mut().find(is_same) {
        Some(emote) => emote.count = emote.count.saturating_add(1),
        None => emotes.push(Emote { id: id(emote_id), name: name.to_owned().into(), count: 1 }),
    }
}

/// The reaction that a notice is, by its `msg-id`. Upgrades, rituals, announcements and the like are none.
pub(crate) fn notice_kind(notice: &str) -> Option<ReactionKind> {
    match notice {
        "sub" | "resub" => Some(ReactionKind::Subscription),
        "subgift" | "anonsubgift" | "submysterygift" | "anonsubmysterygift" => Some(ReactionKind::Gift),
        "raid" => Some(ReactionKind::Raid),
        _ => None,
    }
}
