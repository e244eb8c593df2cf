//! What each source of events offers to boards: items, fields, groups, filters.
//!
//! Always holds: the first of a source's groups is what its events are sharded by. Does not know: what goes together.

use schemas::Topic;

use super::{BoardField, BoardGroup, BoardItem, BoardSource};

/// What a source has.
pub(super) struct Offer {
    pub(super) name: &'static str,
    pub(super) items: &'static [(BoardItem, &'static str)],
    pub(super) fields: &'static [(BoardField, &'static str)],
    pub(super) groups: &'static [(BoardGroup, &'static str)],
    pub(super) filters: &'static [&'static str],
    pub(super) kinds: &'static [&'static str],
}

/// A board over everything, which every source may have.
const GLOBALLY: (BoardGroup, &str) = (BoardGroup::Global, "global");

const CHAT: Offer = Offer {
    name: "chat",
    items: &[(BoardItem::User, "user"), (BoardItem::Emote, "emote"), (BoardItem::Channel, "channel")],
    fields: &[],
    groups: &[(BoardGroup::Channel, "channel"), GLOBALLY],
    filters: &["channel", "source", "role", "badge", "is_question"],
    kinds: &[],
};

const REACTIONS: Offer = Offer {
    name: "reactions",
    items: &[
        (BoardItem::User, "user"),
        (BoardItem::Emoji, "emoji"),
        (BoardItem::Reaction, "reaction"),
        (BoardItem::PollOption, "poll_option"),
        (BoardItem::Question, "question"),
        (BoardItem::Target, "target"),
        (BoardItem::Channel, "channel"),
    ],
    fields: &[(BoardField::Money, "money"), (BoardField::Count, "count")],
    groups: &[
        (BoardGroup::Channel, "channel"),
        (BoardGroup::Currency, "currency"),
        (BoardGroup::Poll, "poll"),
        GLOBALLY,
    ],
    filters: &["channel", "source", "kind", "emoji", "currency", "target"],
    kinds: &[
        "emoji",
        "like",
        "cheer",
        "gift",
        "super_chat",
        "subscription",
        "raid",
        "poll_vote",
        "question_upvote",
    ],
};

const VIEWERS: Offer = Offer {
    name: "viewers",
    items: &[
        (BoardItem::User, "user"),
        (BoardItem::Country, "country"),
        (BoardItem::Device, "device"),
        (BoardItem::Channel, "channel"),
    ],
    fields: &[(BoardField::WatchMs, "watch_ms")],
    groups: &[(BoardGroup::Channel, "channel"), (BoardGroup::Country, "country"), GLOBALLY],
    filters: &["channel", "source", "kind", "country", "device"],
    kinds: &["join", "heartbeat", "leave", "quality"],
};

const TRADES: Offer = Offer {
    name: "trades",
    items: &[
        (BoardItem::Trade, "trade"),
        (BoardItem::User, "user"),
        (BoardItem::Aggressor, "aggressor"),
        (BoardItem::Symbol, "symbol"),
    ],
    fields: &[
        (BoardField::Quantity, "quantity"),
        (BoardField::Price, "price"),
        (BoardField::Notional, "notional"),
    ],
    groups: &[(BoardGroup::Symbol, "symbol"), GLOBALLY],
    filters: &["channel", "source", "venue", "symbol", "aggressor"],
    kinds: &[],
};

impl BoardSource {
    /// The topic that has its events.
    pub(crate) fn topic(self) -> Topic {
        match self {
            BoardSource::Chat => Topic::Chat,
            BoardSource::Reactions => Topic::Reactions,
            BoardSource::Viewers => Topic::Viewers,
            BoardSource::Trades => Topic::Trades,
        }
    }

    pub(super) fn offer(self) -> &'static Offer {
        match self {
            BoardSource::Chat => &CHAT,
            BoardSource::Reactions => &REACTIONS,
            BoardSource::Viewers => &VIEWERS,
            BoardSource::Trades => &TRADES,
        }
    }

    pub(super) fn has_moderators(self) -> bool {
        matches!(self, BoardSource::Chat | BoardSource::Reactions)
    }
}
