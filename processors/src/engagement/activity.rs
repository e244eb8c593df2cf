//! What an event says about a channel's audience, as far as engagement counts it.
//!
//! Always holds: names are fingerprints, so that an event that waits is small. Does not know: windows.

use schemas::{ChatEvent, ChatKind, Event, ReactionEvent, ReactionKind, ViewerEvent, ViewerKind};

use super::distinct::fingerprint;
use crate::leaderboards::reaction_count;
use crate::state::bytes::{Reader, Stored, Unreadable, stored};

/// What an event adds or takes back.
#[derive(Clone, Debug)]
pub(super) enum Activity {
    Message { id: u64, user: Option<u64> },
    Retraction(Retraction),
    Reaction { kind: ReactionKind, count: i64, money: Option<(Box<str>, i64)> },
    Viewer(ViewerActivity),
}

/// What moderators take back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Retraction {
    Message(u64),
    User(u64),
    Everything,
}

/// What an event of a session adds.
#[derive(Clone, Debug)]
pub(super) struct ViewerActivity {
    pub(super) kind: ViewerKind,
    pub(super) session: u64,
    /// The user, or the session of an anonymous one.
    pub(super) viewer: u64,
    pub(super) watch_ms: i64,
    pub(super) rebuffer_count: i64,
    pub(super) rebuffer_ms: i64,
    pub(super) startup_ms: Option<i64>,
    pub(super) bitrate_kbps: Option<i64>,
    pub(super) live_latency_ms: Option<i64>,
}

stored!(ViewerActivity {
    kind,
    session,
    viewer,
    watch_ms,
    rebuffer_count,
    rebuffer_ms,
    startup_ms,
    bitrate_kbps,
    live_latency_ms,
});

impl Activity {
    /// What `event` says; none if it is none of engagement's business.
    pub(super) fn of(event: &Event<'_>) -> Option<Activity> {
        match event {
            Event::Chat(event) => chat(event),
            Event::Reaction(event) => Some(reaction(event)),
            Event::Viewer(event) => viewer(event),
            Event::Trade(_) | Event::Partial(_) => None,
        }
    }
}

fn chat(event: &ChatEvent<'_>) -> Option<Activity> {
    let name = |name: &Option<schemas::Text<'_>>| name.as_deref().map(fingerprint);
    match event.kind {
        ChatKind::Message => {
            Some(Activity::Message { id: fingerprint(&event.event_id), user: name(&event.user_id) })
        }
        ChatKind::MessageDeleted => {
            name(&event.target_message_id).map(|id| Activity::Retraction(Retraction::Message(id)))
        }
        ChatKind::UserBanned | ChatKind::UserTimedOut => {
            name(&event.target_user_id).map(|user| Activity::Retraction(Retraction::User(user)))
        }
        ChatKind::ChatCleared => Some(Activity::Retraction(Retraction::Everything)),
        ChatKind::Unknown => None,
    }
}

fn reaction(event: &ReactionEvent<'_>) -> Activity {
    let currency = event.currency.as_deref().map(Box::from);
    Activity::Reaction {
        kind: event.kind,
        count: reaction_count(event),
        money: currency.zip(event.amount_micros),
    }
}

fn viewer(event: &ViewerEvent<'_>) -> Option<Activity> {
    let session = fingerprint(&event.session_id);
    let activity = ViewerActivity {
        kind: event.kind,
        session,
        viewer: event.user_id.as_deref().map_or(session, fingerprint),
        watch_ms: event.watch_ms,
        rebuffer_count: i64::from(event.rebuffer_count),
        rebuffer_ms: event.rebuffer_ms,
        startup_ms: event.startup_ms,
        bitrate_kbps: event.bitrate_kbps.map(i64::from),
        live_latency_ms: event.live_latency_ms,
    };
    (event.kind != ViewerKind::Unknown).then_some(Activity::Viewer(activity))
}

impl Stored for Activity {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Activity::Message { id, user } => {
                out.push(0);
                id.put(out);
                user.put(out);
            }
            Activity::Reaction { kind, count, money } => {
                out.push(1);
                kind.put(out);
                count.put(out);
                money.put(out);
            }
            Activity::Viewer(viewer) => {
                out.push(2);
                viewer.put(out);
            }
            Activity::Retraction(Retraction::Message(id)) => {
                out.push(3);
                id.put(out);
            }
            Activity::Retraction(Retraction::User(user)) => {
                out.push(4);
                user.put(out);
            }
            Activity::Retraction(Retraction::Everything) => out.push(5),
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(match reader.take(1)? {
            [0] => Activity::Message { id: reader.get()?, user: reader.get()? },
            [1] => Activity::Reaction { kind: reader.get()?, count: reader.get()?, money: reader.get()? },
            [2] => Activity::Viewer(reader.get()?),
            [3] => Activity::Retraction(Retraction::Message(reader.get()?)),
            [4] => Activity::Retraction(Retraction::User(reader.get()?)),
            [5] => Activity::Retraction(Retraction::Everything),
            _ => return Err(Unreadable("holds an activity that does not exist")),
        })
    }
}

/// Writes an enum without fields as its place in a list that only grows.
macro_rules! stored_as_place {
    ($list:ident: $name:ident [$($variant:ident),+ $(,)?]) => {
        pub(super) const $list: [$name; [$($name::$variant),+].len()] = [$($name::$variant),+];

        impl Stored for $name {
            fn put(&self, out: &mut Vec<u8>) {
                // Exhaustive, so that a new variant must be given a place.
                match self {
                    $($name::$variant => {})+
                }
                out.push($list.iter().position(|one| one == self).unwrap_or_default() as u8);
            }

            fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
                let place = usize::from(reader.take(1)?[0]);
                $list.get(place).copied().ok_or(Unreadable("holds a kind that does not exist"))
            }
        }
    };
}

stored_as_place!(VIEWER_KINDS: ViewerKind [Join, Heartbeat, Leave, Quality, Unknown]);
stored_as_place!(REACTION_KINDS: ReactionKind [
    Emoji, Like, Cheer, Gift, SuperChat, Subscription, Raid, PollVote, QuestionUpvote, Unknown,
]);
