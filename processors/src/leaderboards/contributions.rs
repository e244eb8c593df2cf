//! What an event changes on a board: which items of which groups gain how much, or what is taken back.
//!
//! The step from events to changes ends here, and the one from changes to places begins: a [`Change`] has all that the latter needs,
//! can be written and read, and could come from another topic as well as from an event. Its texts are those of the event, or of the bytes
//! from which it was read.
//!
//! Always holds: a value is above zero; what is not ranked (another kind of event, an anonymous user) yields nothing.
//! Does not know: windows or places.

use std::borrow::Cow;

use schemas::{ChatKind, Event, Timestamp};

use super::BoardSpec;
use super::cell::Scoring;
use super::partials::Merge;
use super::scores::{Score, scores};
use crate::config::{BoardGroup, BoardSource};
use crate::ids::Id;
use crate::pending::{Lane, ONLY_LANE, lane_of};
use crate::state::bytes::{Reader, Stored, Unreadable, put_optional_str, put_str};

/// What an event changes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change<'a> {
    Add(Contribution<'a>),
    TakeBack(Retraction<'a>),
    /// What another stage has added up.
    Merge(Merge<'a>),
}

/// What an item gains.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contribution<'a> {
    pub(super) group: &'a str,
    pub(super) item: &'a str,
    pub(super) label: Option<Cow<'a, str>>,
    pub(super) value: i128,
    pub(super) event_time: Timestamp,
    /// Who it is from, where that matters: a ban takes it back, or users are counted.
    pub(super) user: Option<&'a str>,
    /// The message it is from, where a deletion takes it back.
    pub(super) message: Option<Id>,
}

impl<'a> Contribution<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        put_str(out, self.group);
        put_str(out, self.item);
        put_optional_str(out, self.label.as_deref());
        self.value.put(out);
        self.event_time.put(out);
        put_optional_str(out, self.user);
        self.message.put(out);
    }

    fn get(reader: &mut Reader<'a>) -> Result<Self, Unreadable> {
        Ok(Contribution {
            group: reader.str()?,
            item: reader.str()?,
            label: reader.optional_str()?.map(Cow::Borrowed),
            value: reader.get()?,
            event_time: reader.get()?,
            user: reader.optional_str()?,
            message: reader.get()?,
        })
    }
}

/// What moderators took back in a channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Retraction<'a> {
    pub(super) channel: &'a str,
    pub(super) what: Retracted<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Retracted<'a> {
    /// What a message with this id brought.
    Message(Id),
    /// What this user brought.
    User(&'a str),
    /// What all messages brought.
    Chat,
}

impl<'a> Retracted<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Retracted::Chat => out.push(0),
            Retracted::Message(id) => {
                out.push(1);
                id.put(out);
            }
            Retracted::User(id) => {
                out.push(2);
                put_str(out, id);
            }
        }
    }

    fn get(reader: &mut Reader<'a>) -> Result<Self, Unreadable> {
        match reader.take(1)? {
            [0] => Ok(Retracted::Chat),
            [1] => reader.get().map(Retracted::Message),
            [2] => reader.str().map(Retracted::User),
            _ => Err(Unreadable("takes back what is unknown")),
        }
    }
}

impl<'a> Change<'a> {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Change::Add(contribution) => {
                out.push(0);
                contribution.put(out);
            }
            Change::TakeBack(retraction) => {
                out.push(1);
                put_str(out, retraction.channel);
                retraction.what.put(out);
            }
            Change::Merge(merge) => {
                out.push(2);
                merge.put(out);
            }
        }
    }

    /// The lane in which it waits: all of a channel's changes have one, since moderators take back what came before; what other stages have added
    /// up is put in order when it is merged.
    pub(super) fn lane(&self, groups: &[BoardGroup]) -> Lane {
        match (self, groups) {
            (Change::Merge(_), _) => ONLY_LANE,
            (Change::Add(contribution), [BoardGroup::Channel | BoardGroup::Symbol]) => {
                lane_of(contribution.group)
            }
            (Change::Add(contribution), [BoardGroup::Channel | BoardGroup::Symbol, ..]) => {
                lane_of(contribution.group.split_inclusive('/').next().unwrap_or_default())
            }
            (Change::TakeBack(retraction), [BoardGroup::Channel]) => lane_of(retraction.channel),
            (Change::TakeBack(retraction), [BoardGroup::Channel, ..]) => {
                lane_of(&group_prefix(retraction.channel))
            }
            _ => ONLY_LANE,
        }
    }

    pub(super) fn get(reader: &mut Reader<'a>) -> Result<Self, Unreadable> {
        match reader.take(1)? {
            [0] => Contribution::get(reader).map(Change::Add),
            [1] => {
                let (channel, what) = (reader.str()?, Retracted::get(reader)?);
                Ok(Change::TakeBack(Retraction { channel, what }))
            }
            [2] => Merge::get(reader).map(Change::Merge),
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
            needs_user: rules.keeps_users || (keeps_messages && !rules.is_by_user),
            counts_users: matches!(rules.scoring, Scoring::Distinct | Scoring::Votes),
            keeps_messages,
            group_name: String::new(),
        }
    }

    /// What the event adds goes to `each`. False if the board does not count such events at all.
    pub(super) fn contributions(
        &mut self,
        spec: &BoardSpec,
        event: &Event<'_>,
        event_time: Timestamp,
        each: &mut dyn FnMut(Contribution<'_>),
    ) -> bool {
        if !group_name(&spec.groups, event, &mut self.group_name) {
            return false;
        }
        let header = event.header();
        let group = self.group_name.as_str();
        let message = self.keeps_messages.then(|| Id::of(header.event_id));
        scores(spec, event, &mut |score| {
            if score.value <= 0 || (self.counts_users && header.user_id.is_none()) {
                return;
            }
            let Score { item, label, value } = score;
            let user = header.user_id.filter(|_| self.needs_user);
            each(Contribution { group, item, label, value, event_time, user, message });
        })
    }
}

/// What the event takes back from the board.
pub(super) fn retraction<'e>(spec: &BoardSpec, event: &'e Event<'_>) -> Option<Retraction<'e>> {
    let Event::Chat(chat) = event else { return None };
    let of_messages = spec.source == BoardSource::Chat;
    let what = match chat.kind {
        ChatKind::MessageDeleted if of_messages => {
            Retracted::Message(Id::of(chat.target_message_id.as_deref()?))
        }
        ChatKind::UserBanned | ChatKind::UserTimedOut => Retracted::User(chat.target_user_id.as_deref()?),
        ChatKind::ChatCleared if of_messages => Retracted::Chat,
        _ => return None,
    };
    Some(Retraction { channel: &chat.channel_id, what }).filter(|_| spec.retracts)
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
