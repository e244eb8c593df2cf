//! Which events a board counts.
//!
//! Always holds: a key that is not given holds for every event; a key that the event has no value for holds for none.
//! Does not know: which keys make sense for which source; the configuration refuses the others.

use schemas::{ChatEvent, Event, ReactionEvent, TradeEvent, ViewerEvent, ViewerKind};

use crate::config::BoardFilter;

/// The word for a kind of viewer event.
pub(crate) fn kind_of_viewer(kind: ViewerKind) -> &'static str {
    match kind {
        ViewerKind::Join => "join",
        ViewerKind::Heartbeat => "heartbeat",
        ViewerKind::Leave => "leave",
        ViewerKind::Quality => "quality",
        ViewerKind::Unknown => "unknown",
    }
}

type Wanted = Option<Vec<String>>;

fn is_one_of(wanted: &Wanted, value: Option<&str>) -> bool {
    wanted.as_ref().is_none_or(|wanted| value.is_some_and(|value| wanted.iter().any(|one| one == value)))
}

impl BoardFilter {
    /// Whether the event counts.
    pub(crate) fn matches(&self, event: &Event<'_>) -> bool {
        let header = event.header();
        is_one_of(&self.channel, Some(header.channel_id))
            && is_one_of(&self.source, Some(header.source))
            && match event {
                Event::Chat(chat) => self.matches_chat(chat),
                Event::Reaction(reaction) => self.matches_reaction(reaction),
                Event::Viewer(viewer) => self.matches_viewer(viewer),
                Event::Trade(trade) => self.matches_trade(trade),
                Event::Partial(_) => false,
            }
    }

    fn matches_chat(&self, chat: &ChatEvent<'_>) -> bool {
        let has_role =
            |wanted: &Vec<String>| chat.roles.iter().any(|role| wanted.iter().any(|one| one == &**role));
        let has_badge = |wanted: &Vec<String>| {
            let names = |badge: &str, one: &str| badge == one || badge.split('/').next() == Some(one);
            chat.badges.iter().any(|badge| wanted.iter().any(|one| names(badge, one)))
        };
        self.role.as_ref().is_none_or(has_role)
            && self.badge.as_ref().is_none_or(has_badge)
            && self.is_question.is_none_or(|wanted| wanted == chat.is_question)
    }

    fn matches_reaction(&self, reaction: &ReactionEvent<'_>) -> bool {
        is_one_of(&self.kind, Some(reaction.kind.name()))
            && is_one_of(&self.emoji, reaction.emoji.as_deref())
            && is_one_of(&self.currency, reaction.currency.as_deref())
            && is_one_of(&self.target, reaction.target_id.as_deref())
    }

    fn matches_viewer(&self, viewer: &ViewerEvent<'_>) -> bool {
        is_one_of(&self.kind, Some(kind_of_viewer(viewer.kind)))
            && is_one_of(&self.country, viewer.country.as_deref())
            && is_one_of(&self.device, viewer.device.as_deref())
    }

    fn matches_trade(&self, trade: &TradeEvent<'_>) -> bool {
        is_one_of(&self.venue, Some(&trade.venue))
            && is_one_of(&self.symbol, Some(&trade.symbol))
            && is_one_of(&self.aggressor, Some(aggressor_name(trade.aggressor)))
    }
}

/// The word for the side that took liquidity.
pub(crate) fn aggressor_name(aggressor: schemas::Aggressor) -> &'static str {
    match aggressor {
        schemas::Aggressor::Buy => "buy",
        schemas::Aggressor::Sell => "sell",
        schemas::Aggressor::Unknown => "unknown",
    }
}
