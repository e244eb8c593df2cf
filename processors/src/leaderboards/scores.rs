//! What an event adds to a board: which item, and how much.
//!
//! Always holds: a score is above zero; what is not ranked (another kind of event, an anonymous user) yields nothing.
//! Does not know: windows or places.

use schemas::{ChatKind, Event, ReactionEvent, ReactionKind};

use crate::config::{BoardItem, BoardSource};

/// A score for an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Score<'e> {
    pub(super) item: &'e str,
    pub(super) label: Option<&'e str>,
    pub(super) score: i64,
}

/// How many reactions an event stands for: its count, but a raid is one (its count is the viewers it brings).
pub(crate) fn reaction_count(reaction: &ReactionEvent<'_>) -> i64 {
    if reaction.kind == ReactionKind::Raid { 1 } else { reaction.count }
}

/// Calls `each` with what the event adds. False if the board does not count such events at all.
pub(super) fn scores<'e>(
    source: BoardSource,
    item: BoardItem,
    event: &'e Event<'_>,
    mut each: impl FnMut(Score<'e>),
) -> bool {
    match (source, item, event) {
        (BoardSource::Chat, _, Event::Chat(chat)) if chat.kind != ChatKind::Message => return false,
        (BoardSource::Chat, BoardItem::User, Event::Chat(chat)) => {
            if let Some(user) = &chat.user_id {
                each(Score { item: user, label: chat.user_name.as_deref(), score: 1 });
            }
        }
        (BoardSource::Chat, BoardItem::Emote, Event::Chat(chat)) => {
            for emote in chat.emotes.iter().filter(|emote| emote.count > 0) {
                each(Score { item: &emote.name, label: None, score: i64::from(emote.count) });
            }
        }
        (BoardSource::Reactions, BoardItem::Emoji, Event::Reaction(reaction)) => {
            if let (ReactionKind::Emoji, Some(emoji)) = (reaction.kind, &reaction.emoji) {
                each(Score { item: emoji, label: None, score: reaction.count });
            }
        }
        (BoardSource::Reactions, BoardItem::User, Event::Reaction(reaction)) => {
            if let Some(user) = &reaction.user_id {
                let label = reaction.user_name.as_deref();
                each(Score { item: user, label, score: reaction_count(reaction) });
            }
        }
        (BoardSource::Trades, BoardItem::User, Event::Trade(trade)) => {
            if let Some(user) = &trade.user_id {
                each(Score { item: user, label: None, score: 1 });
            }
        }
        _ => return false,
    }
    true
}
