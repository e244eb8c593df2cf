//! What an event changes on a board: which items of which groups gain how much, or what is taken back.
//!
//! The step from events to changes ends here, and the one from changes to places begins: a [`Change`] owns all that the latter needs,
//! can be written and read, and could come from another topic as well as from an event.
//!
//! Always holds: a value is above zero; what is not ranked (another kind of event, an anonymous user) yields nothing.
//! Does not know: windows or places.

use std::sync::Arc;

use schemas::{ChatKind, Event, Timestamp};

use super::BoardSpec;
use super::cell::Scoring;
use super::partials::Merge;
use super::scores::scores;
use crate::config::{BoardGroup, BoardSource};
use crate::ids::Id;
use crate::state::bytes::{Reader, Stored, Unreadable, stored};

/// What an event changes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    Add(Contribution),
    TakeBack(Retraction),
    /// What another stage has added up.
    Merge(Merge),
}

/// What an item gains.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contribution {
    pub(super) group: Arc<str>,
    pub(super) item: Arc<str>,
    pub(super) label: Option<Box<str>>,
    pub(super) value: i128,
    pub(super) event_time: Timestamp,
    /// Who it is from, where that matters: a ban takes it back, or users are counted.
    pub(super) user: Option<Arc<str>>,
    /// The message it is from, where a deletion takes it back.
    pub(super) message: Option<Id>,
}

stored!(Contribution { group, item, label, value, event_time, user, message });

/// What moderators took back in a channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Retraction {
    pub(super) channel: Box<str>,
    pub(super) what: Retracted,
}

stored!(Retraction { channel, what });

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Retracted {
    /// What a message with this id brought.
    Message(Id),
    /// What this user brought.
    User(Box<str>),
    /// What all messages brought.
    Chat,
}

impl Stored for Retracted {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Retracted::Chat => out.push(0),
            Retracted::Message(id) => {
                out.push(1);
                id.put(out);
            }
            Retracted::User(id) => {
                out.push(2);
                id.put(out);
            }
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match reader.take(1)? {
            [0] => Ok(Retracted::Chat),
            [1] => reader.get().map(Retracted::Message),
            [2] => reader.get().map(Retracted::User),
            _ => Err(Unreadable("takes back what is unknown")),
        }
    }
}

impl Stored for Change {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Change::Add(contribution) => {
                out.push(0);
                contribution.put(out);
            }
            Change::TakeBack(retraction) => {
                out.push(1);
                retraction.put(out);
            }
            Change::Merge(merge) => {
                out.push(2);
                merge.put(out);
            }
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match reader.take(1)? {
            [0] => reader.get().map(Change::Add),
            [1] => reader.get().map(Change::TakeBack),
            [2] => reader.get().map(Change::Merge),
            _ => Err(Unreadable("is a change of an unknown kind")),
        }
    }
}

/// Makes changes of events, for one board.
pub(super) struct Contributor {
    needs_user: bool,
    counts_users: bool,
    keeps_messages: bool,
    group_name: String,
}

impl Contributor {
    pub(super) fn new(spec: &BoardSpec) -> Self {
        let rules = spec.rules();
        let keeps_messages = spec.keeps_messages();
        Contributor {
            needs_user: rules.keeps_users || keeps_messages,
            counts_users: matches!(rules.scoring, Scoring::Distinct | Scoring::Votes),
            keeps_messages,
            group_name: String::new(),
        }
    }

    /// What the event adds goes to `each`, under the group's name as `known` has it, if it does. False if the board does not count such
    /// events at all.
    pub(super) fn contributions(
        &mut self,
        spec: &BoardSpec,
        event: &Event<'_>,
        event_time: Timestamp,
        known: &dyn Fn(&str) -> Option<Arc<str>>,
        each: &mut dyn FnMut(Contribution),
    ) -> bool {
        if !group_name(&spec.groups, event, &mut self.group_name) {
            return false;
        }
        let header = event.header();
        let name = self.group_name.as_str();
        let message = self.keeps_messages.then(|| Id::of(header.event_id));
        let mut group: Option<Arc<str>> = None;
        scores(spec, event, &mut |score| {
            if score.value <= 0 || (self.counts_users && header.user_id.is_none()) {
                return;
            }
            let group = group.get_or_insert_with(|| known(name).unwrap_or_else(|| Arc::from(name)));
            let item: Arc<str> = Arc::from(score.item);
            let user = header.user_id.filter(|_| self.needs_user);
            each(Contribution {
                user: user.map(|user| if *user == *item { Arc::clone(&item) } else { Arc::from(user) }),
                message,
                group: Arc::clone(group),
                item,
                label: score.label,
                value: score.value,
                event_time,
            });
        })
    }
}

/// What the event takes back from the board.
pub(super) fn retraction(spec: &BoardSpec, event: &Event<'_>) -> Option<Retraction> {
    let Event::Chat(chat) = event else { return None };
    let of_messages = spec.source == BoardSource::Chat;
    let what = match chat.kind {
        ChatKind::MessageDeleted if of_messages => {
            Retracted::Message(Id::of(chat.target_message_id.as_deref()?))
        }
        ChatKind::UserBanned | ChatKind::UserTimedOut => {
            Retracted::User(chat.target_user_id.as_deref()?.into())
        }
        ChatKind::ChatCleared if of_messages => Retracted::Chat,
        _ => return None,
    };
    Some(Retraction { channel: (*chat.channel_id).into(), what }).filter(|_| spec.retracts)
}

/// The name of the group that an event belongs to, written into `name`. False if it belongs to none.
fn group_name(groups: &[BoardGroup], event: &Event<'_>, name: &mut String) -> bool {
    name.clear();
    if let [BoardGroup::Channel | BoardGroup::Symbol] = groups {
        name.push_str(event.header().channel_id);
        return true;
    }
    for (index, group) in groups.iter().enumerate() {
        let part = match (group, event) {
            (BoardGroup::Channel | BoardGroup::Symbol, _) => Some(event.header().channel_id),
            (BoardGroup::Currency, Event::Reaction(reaction)) => reaction.currency.as_deref(),
            (BoardGroup::Poll, Event::Reaction(reaction)) => reaction.target_id.as_deref(),
            (BoardGroup::Country, Event::Viewer(viewer)) => viewer.country.as_deref(),
            _ => None,
        };
        let Some(part) = part else { return false };
        if index > 0 {
            name.push('/');
        }
        push_part(part, name);
    }
    true
}

/// Groups of several keys are their values with `/` between; within a value `/` and `%` are written as in URLs.
fn push_part(part: &str, name: &mut String) {
    for character in part.chars() {
        match character {
            '/' => name.push_str("%2F"),
            '%' => name.push_str("%25"),
            other => name.push(other),
        }
    }
}

/// The first value in the name of a group of several keys.
pub(crate) fn first_part(name: &str) -> String {
    let part = name.split_once('/').map_or(name, |(first, _)| first);
    part.replace("%2F", "/").replace("%25", "%")
}

/// What the names of a channel's groups begin with, on boards of several keys.
pub(super) fn group_prefix(channel: &str) -> String {
    let mut prefix = String::with_capacity(channel.len() + 1);
    push_part(channel, &mut prefix);
    prefix.push('/');
    prefix
}
