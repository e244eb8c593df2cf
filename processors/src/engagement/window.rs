//! One window of a channel: what its events add up to.
//!
//! Always holds: the result depends on the set of events and not on their order; sums of what producers claim saturate
//! instead of wrapping. Does not know: who is watching.

use std::collections::BTreeMap;

use hashbrown::HashSet;
use rustc_hash::FxBuildHasher;
use schemas::{ReactionKind, ViewerKind};

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

impl Counts {
    /// Distinct users who wrote.
    pub(super) fn unique_chatters(&self) -> i64 {
        self.chatters.len() as i64
    }

    /// Distinct users, and distinct sessions without a user.
    pub(super) fn unique_viewers(&self) -> i64 {
        (self.users.len() + self.anonymous_sessions.len()) as i64
    }

    /// Adds an event.
    pub(super) fn add(&mut self, activity: &Activity) {
        match activity {
            Activity::Message { user } => {
                self.messages += 1;
                if let Some(user) = user {
                    self.chatters.get_or_insert_with(&**user, |user| user.into());
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
            Activity::Viewer(viewer) => self.add_viewer(viewer),
        }
    }

    fn add_viewer(&mut self, viewer: &ViewerActivity) {
        match &viewer.user {
            Some(user) => self.users.get_or_insert_with(&**user, |user| user.into()),
            None => self.anonymous_sessions.get_or_insert_with(&*viewer.session_id, |id| id.into()),
        };
        self.joins += i64::from(viewer.kind == ViewerKind::Join);
        self.leaves += i64::from(viewer.kind == ViewerKind::Leave);
        self.watch_ms = self.watch_ms.saturating_add(viewer.watch_ms);
        self.rebuffer_count = self.rebuffer_count.saturating_add(viewer.rebuffer_count);
        self.rebuffer_ms = self.rebuffer_ms.saturating_add(viewer.rebuffer_ms);
    }
}
