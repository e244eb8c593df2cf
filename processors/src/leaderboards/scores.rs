//! What an event says about items: which, and how much.
//!
//! Always holds: a value counts units of ten to the minus [`scale`] and is exact; a trade whose notional has more than 38 digits says
//! nothing. Does not know: groups, windows or places.

use std::borrow::Cow;

use schemas::{ChatEvent, ChatKind, Event, ReactionEvent, ReactionKind, TradeEvent, ViewerEvent};

use super::filter::aggressor_name;
use super::{BoardSpec, growth};
use crate::config::{BoardField, BoardItem, BoardScore};

/// How many reactions an event stands for: its count, but a raid is one (its count is the viewers it brings).
pub(crate) fn reaction_count(reaction: &ReactionEvent<'_>) -> i64 {
    if reaction.kind == ReactionKind::Raid { 1 } else { reaction.count }
}

/// Digits after the point of a board's values.
pub(super) fn scale(score: BoardScore) -> u32 {
    match score {
        BoardScore::Sum(field) | BoardScore::Largest(field) => match field {
            BoardField::Money => 6,
            BoardField::Quantity | BoardField::Price => 10,
            BoardField::Notional => 20,
            BoardField::Count | BoardField::WatchMs => 0,
        },
        BoardScore::Count | BoardScore::DistinctUsers | BoardScore::Votes | BoardScore::Growth(_) => 0,
    }
}

/// Digits after the point of a board's scores.
pub(super) fn shown_scale(score: BoardScore) -> u32 {
    if matches!(score, BoardScore::Growth(_)) { growth::DIGITS } else { scale(score) }
}

/// What an event says about an item.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Score<'e> {
    pub(super) item: &'e str,
    pub(super) label: Option<Cow<'e, str>>,
    pub(super) value: i128,
}

/// Calls `each` with what the event adds to which item. False if the board does not count such events at all.
pub(super) fn scores<'e>(spec: &BoardSpec, event: &'e Event<'_>, each: &mut dyn FnMut(Score<'e>)) -> bool {
    let is_of_source = event.topic() == spec.source.topic();
    if !is_of_source || !spec.filter.matches(event) {
        return false;
    }
    match event {
        Event::Chat(chat) if chat.kind == ChatKind::Message => of_message(spec, chat, each),
        Event::Chat(_) => return false,
        Event::Reaction(reaction) => return of_reaction(spec, reaction, each),
        Event::Viewer(viewer) => of_viewer(spec, viewer, each),
        Event::Trade(trade) => of_trade(spec, trade, each),
        Event::Partial(_) => return false,
    }
    true
}

fn of_message<'e>(spec: &BoardSpec, chat: &'e ChatEvent<'_>, each: &mut dyn FnMut(Score<'e>)) {
    let is_count = matches!(spec.score, BoardScore::Count | BoardScore::Growth(_));
    if spec.item == BoardItem::Emote {
        for emote in &chat.emotes {
            let value = if is_count { i128::from(emote.count) } else { 1 };
            each(Score { item: &emote.name, label: None, value });
        }
    } else if spec.item == BoardItem::Channel {
        each(Score { item: &chat.channel_id, label: None, value: 1 });
    } else if let Some(user) = &chat.user_id {
        each(Score { item: user, label: chat.user_name.as_deref().map(Cow::Borrowed), value: 1 });
    }
}

fn of_reaction<'e>(
    spec: &BoardSpec,
    reaction: &'e ReactionEvent<'_>,
    each: &mut dyn FnMut(Score<'e>),
) -> bool {
    let kind = reaction.kind;
    let item = match spec.item {
        BoardItem::Emoji if kind == ReactionKind::Emoji => reaction.emoji.as_deref(),
        BoardItem::PollOption if kind == ReactionKind::PollVote => reaction.option.as_deref(),
        BoardItem::Question if kind == ReactionKind::QuestionUpvote => reaction.target_id.as_deref(),
        BoardItem::Emoji | BoardItem::PollOption | BoardItem::Question => return true,
        BoardItem::Reaction => Some(kind.name()),
        BoardItem::Target => reaction.target_id.as_deref(),
        BoardItem::Channel => Some(&*reaction.channel_id),
        _ => reaction.user_id.as_deref(),
    };
    let value = match spec.score {
        BoardScore::Sum(BoardField::Money) | BoardScore::Largest(BoardField::Money) => {
            i128::from(reaction.amount_micros.unwrap_or(0))
        }
        BoardScore::DistinctUsers | BoardScore::Votes => 1,
        _ => i128::from(reaction_count(reaction)),
    };
    if let Some(item) = item {
        let name = if spec.item == BoardItem::User { reaction.user_name.as_deref() } else { None };
        each(Score { item, label: name.map(Cow::Borrowed), value });
    }
    true
}

fn of_viewer<'e>(spec: &BoardSpec, viewer: &'e ViewerEvent<'_>, each: &mut dyn FnMut(Score<'e>)) {
    let item = match spec.item {
        BoardItem::Country => viewer.country.as_deref(),
        BoardItem::Device => viewer.device.as_deref(),
        BoardItem::Channel => Some(&*viewer.channel_id),
        _ => viewer.user_id.as_deref(),
    };
    let value = match spec.score {
        BoardScore::Sum(_) | BoardScore::Largest(_) => i128::from(viewer.watch_ms),
        _ => 1,
    };
    if let Some(item) = item {
        each(Score { item, label: None, value });
    }
}

fn of_trade<'e>(spec: &BoardSpec, trade: &'e TradeEvent<'_>, each: &mut dyn FnMut(Score<'e>)) {
    let value = match spec.score {
        BoardScore::Sum(field) | BoardScore::Largest(field) => match field {
            BoardField::Price => Some(trade.price.units()),
            BoardField::Notional => trade.price.checked_mul(trade.quantity).map(schemas::Quote::units),
            _ => Some(trade.quantity.units()),
        },
        _ => Some(1),
    };
    let (item, label) = match spec.item {
        BoardItem::Trade => {
            (Some(&*trade.event_id), Some(format!("{} at {}", trade.quantity, trade.price).into()))
        }
        BoardItem::Aggressor => (Some(aggressor_name(trade.aggressor)), None),
        BoardItem::Symbol => (Some(&*trade.channel_id), Some(Cow::Borrowed(&*trade.symbol))),
        _ => (trade.user_id.as_deref(), None),
    };
    if let (Some(item), Some(value)) = (item, value) {
        each(Score { item, label, value });
    }
}
