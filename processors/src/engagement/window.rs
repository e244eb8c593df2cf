//! One window of a channel: what its events add up to.
//!
//! Always holds: the result depends on the set of events and not on their order; sums of what producers claim saturate
//! instead of wrapping. Does not know: who is watching.

use std::collections::BTreeMap;

use hashbrown::HashSet;
use rustc_hash::FxBuildHasher;
use schemas::{ReactionKind, ViewerKind};

use crate::state::bytes::{Reader, Stored, Unreadable, put_str, stored};

type Names = HashSet<Box<str>, FxBuildHasher>;

/// What an event adds.
#[derive(Clone, Debug)]
pub(super) enum Activity {
    Message { user: Option<Box<str>> },
    Reaction { kind: ReactionKind, count: i64, money: Option<(Box<str>, i64)> },
    Viewer(ViewerActivity),
}

/// What an event of a session adds.
#[derive(Clone, Debug)]
pub(super) struct ViewerActivity {
    pub(super) kind: ViewerKind,
    pub(super) session_id: Box<str>,
    pub(super) user: Option<Box<str>>,
    pub(super) watch_ms: i64,
    pub(super) rebuffer_count: i64,
    pub(super) rebuffer_ms: i64,
}

stored!(ViewerActivity { kind, session_id, user, watch_ms, rebuffer_count, rebuffer_ms });

impl Stored for Activity {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Activity::Message { user } => {
                out.push(0);
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
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match reader.take(1)? {
            [0] => Ok(Activity::Message { user: reader.get()? }),
            [1] => Ok(Activity::Reaction { kind: reader.get()?, count: reader.get()?, money: reader.get()? }),
            [2] => Ok(Activity::Viewer(reader.get()?)),
            _ => Err(Unreadable("holds an activity that does not exist")),
        }
    }
}

/// Writes an enum without fields as its place in a list that only grows.
macro_rules! stored_as_place {
    ($list:ident: $name:ident [$($variant:ident),+ $(,)?]) => {
        const $list: [$name; [$($name::$variant),+].len()] = [$($name::$variant),+];

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

/// Which distinct names are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameKind {
    Chatter,
    User,
    AnonymousSession,
}

/// The counts of one window.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) messages: i64,
    chatters: Names,
    pub(super) reactions: BTreeMap<&'static str, i64>,
    pub(super) money_micros: BTreeMap<Box<str>, i64>,
    users: Names,
    anonymous_sessions: Names,
    pub(super) joins: i64,
    pub(super) leaves: i64,
    pub(super) watch_ms: i64,
    pub(super) rebuffer_count: i64,
    pub(super) rebuffer_ms: i64,
}

impl Stored for Counts {
    /// All but the names.
    fn put(&self, out: &mut Vec<u8>) {
        let numbers =
            [self.messages, self.joins, self.leaves, self.watch_ms, self.rebuffer_count, self.rebuffer_ms];
        numbers.iter().for_each(|number| number.put(out));
        (self.reactions.len() as u64).put(out);
        for (name, sum) in &self.reactions {
            put_str(out, name);
            sum.put(out);
        }
        (self.money_micros.len() as u64).put(out);
        for (currency, sum) in &self.money_micros {
            currency.put(out);
            sum.put(out);
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let mut counts = Counts::default();
        let numbers = [
            &mut counts.messages,
            &mut counts.joins,
            &mut counts.leaves,
            &mut counts.watch_ms,
            &mut counts.rebuffer_count,
            &mut counts.rebuffer_ms,
        ];
        for number in numbers {
            *number = reader.get()?;
        }
        for _ in 0..reader.len()? {
            let name = reader.str()?;
            let kind = REACTION_KINDS.into_iter().find(|kind| kind.name() == name);
            let kind = kind.ok_or(Unreadable("holds a kind that does not exist"))?;
            counts.reactions.insert(kind.name(), reader.get()?);
        }
        counts.money_micros = reader.get::<Vec<_>>()?.into_iter().collect();
        Ok(counts)
    }
}

impl Counts {
    /// Distinct users who wrote.
    pub(super) fn unique_chatters(&self) -> i64 {
        self.chatters.len() as i64
    }

    /// Distinct users, and distinct sessions without a user.
    pub(super) fn unique_viewers(&self) -> i64 {
        (self.users.len() + self.anonymous_sessions.len()) as i64
    }

    /// Adds an event. Calls `is_new` with a name that was not counted before.
    pub(super) fn add(&mut self, activity: &Activity, is_new: impl FnOnce(NameKind, &str)) {
        match activity {
            Activity::Message { user } => {
                self.messages += 1;
                if let Some(user) = user {
                    self.add_name(NameKind::Chatter, user, is_new);
                }
            }
            Activity::Reaction { kind, count, money } => {
                let sum = self.reactions.entry(kind.name()).or_insert(0);
                *sum = sum.saturating_add(*count);
                if let Some((currency, amount_micros)) = money {
                    let sum = self.money_micros.entry(currency.clone()).or_insert(0);
                    *sum = sum.saturating_add(*amount_micros);
                }
            }
            Activity::Viewer(viewer) => {
                let (kind, name) = match &viewer.user {
                    Some(user) => (NameKind::User, user),
                    None => (NameKind::AnonymousSession, &viewer.session_id),
                };
                self.add_name(kind, name, is_new);
                self.add_viewer(viewer);
            }
        }
    }

    fn add_viewer(&mut self, viewer: &ViewerActivity) {
        self.joins += i64::from(viewer.kind == ViewerKind::Join);
        self.leaves += i64::from(viewer.kind == ViewerKind::Leave);
        self.watch_ms = self.watch_ms.saturating_add(viewer.watch_ms);
        self.rebuffer_count = self.rebuffer_count.saturating_add(viewer.rebuffer_count);
        self.rebuffer_ms = self.rebuffer_ms.saturating_add(viewer.rebuffer_ms);
    }

    /// Counts a name once.
    pub(super) fn add_name(&mut self, kind: NameKind, name: &str, is_new: impl FnOnce(NameKind, &str)) {
        let names = match kind {
            NameKind::Chatter => &mut self.chatters,
            NameKind::User => &mut self.users,
            NameKind::AnonymousSession => &mut self.anonymous_sessions,
        };
        if !names.contains(name) {
            names.insert(name.into());
            is_new(kind, name);
        }
    }

    /// Takes over all but the names.
    pub(super) fn restore_sums(&mut self, sums: Counts) {
        let Counts { chatters, users, anonymous_sessions, .. } = std::mem::take(self);
        *self = Counts { chatters, users, anonymous_sessions, ..sums };
    }

    /// All distinct names.
    pub(super) fn names(&self) -> impl Iterator<Item = (NameKind, &str)> {
        fn of(kind: NameKind, names: &Names) -> impl Iterator<Item = (NameKind, &str)> {
            names.iter().map(move |name| (kind, &**name))
        }
        of(NameKind::Chatter, &self.chatters)
            .chain(of(NameKind::User, &self.users))
            .chain(of(NameKind::AnonymousSession, &self.anonymous_sessions))
    }
}
