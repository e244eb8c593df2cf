//! One window of a channel: what its events add up to.
//!
//! **What is taken back.** A deletion takes back the message that it names, a ban or time-out the messages of the user that it names,
//! a clear all messages of the channel: those of the window in which it becomes visible that became visible before it and are not
//! of a later event time than its own. They leave `messages`, and a user of whom none is left leaves the chatters. Nothing else is
//! taken back: money stays given, and whoever watched has watched. Windows that are closed stay as they are.
//!
//! Messages beyond `messages_max` count but are not remembered: they cannot be taken back, nor can chatters once they are more
//! than `distinct_max` and only estimated. Of messages with one id the first is remembered.
//!
//! Always holds: the result depends on the events and the order in which they become visible; sums of what producers claim
//! saturate instead of wrapping. Does not know: who is watching.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use rustc_hash::FxBuildHasher;
use schemas::{Timestamp, ViewerKind};

use super::EngagementSpec;
use super::activity::{Activity, REACTION_KINDS, Retraction, ViewerActivity};
use super::distinct::{Added, Distinct};
use super::histogram::Histogram;
use crate::state::bytes::{Reader, Stored, Unreadable, put_str, stored};

/// About what a name, a message and a bucket take in memory, and a sketch.
pub(super) const NAME_BYTES: usize = 24;
pub(super) const MESSAGE_BYTES: usize = 56;
const BUCKET_BYTES: usize = 40;
pub(super) const SKETCH_BYTES: usize = 4_096;

/// What a save must write: which piece of a window has come, changed or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A chatter who stays whatever is taken back.
    Chatter(u64),
    Viewer(u64),
    Message(u64),
}

/// A message that can be taken back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    user: Option<u64>,
    event_time: Timestamp,
}

stored!(Message { user, event_time });

/// What a chatter wrote.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    /// Messages that can be taken back.
    messages: u32,
    /// There is one that cannot.
    is_lasting: bool,
}

/// The plain sums of a window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) messages: i64,
    pub(super) retracted_messages: i64,
    pub(super) untracked_messages: i64,
    pub(super) joins: i64,
    pub(super) leaves: i64,
    pub(super) watch_ms: i64,
    pub(super) rebuffer_count: i64,
    pub(super) rebuffer_ms: i64,
    pub(super) bitrate_bits: i64,
    pub(super) bitrate_ms: i64,
    pub(super) untracked_sessions: i64,
}

stored!(Sums {
    messages,
    retracted_messages,
    untracked_messages,
    joins,
    leaves,
    watch_ms,
    rebuffer_count,
    rebuffer_ms,
    bitrate_bits,
    bitrate_ms,
    untracked_sessions,
});

/// What a window adds up to.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) sums: Sums,
    pub(super) chatters: Distinct<Written>,
    remembered: HashMap<u64, Message, FxBuildHasher>,
    pub(super) reactions: BTreeMap<&'static str, i64>,
    pub(super) money_micros: BTreeMap<Box<str>, i64>,
    pub(super) viewers: Distinct<()>,
    pub(super) startup: Histogram,
    pub(super) live_latency: Histogram,
    /// For each age that some session reached: how many did, and how many of them were still watching.
    pub(super) retention: BTreeMap<i64, (i64, i64)>,
}

impl Counts {
    /// Adds an event, or takes back what it says. Tells `note` of every piece that came, changed or went.
    pub(super) fn add(
        &mut self,
        activity: &Activity,
        event_time: Timestamp,
        spec: &EngagementSpec,
        mut note: impl FnMut(Piece),
    ) {
        match activity {
            Activity::Message { id, user } => {
                let message = Message { user: *user, event_time };
                self.add_message(*id, message, spec, note);
            }
            Activity::Retraction(retraction) => self.retract(*retraction, event_time, note),
            Activity::Reaction { kind, count, money } => {
                let sum = self.reactions.entry(kind.name()).or_insert(0);
                *sum = sum.saturating_add(*count);
                if let Some((currency, amount_micros)) = money {
                    let sum = self.money_micros.entry(currency.clone()).or_insert(0);
                    *sum = sum.saturating_add(*amount_micros);
                }
            }
            Activity::Viewer(viewer) => {
                if let Added::New(()) = self.viewers.add(viewer.viewer, spec.distinct_max) {
                    note(Piece::Viewer(viewer.viewer));
                }
                self.add_viewer(viewer);
            }
        }
    }

    fn add_message(&mut self, id: u64, message: Message, spec: &EngagementSpec, mut note: impl FnMut(Piece)) {
        self.sums.messages += 1;
        let has_room = self.remembered.len() < spec.messages_max;
        let place = has_room.then(|| self.remembered.entry(id));
        let is_remembered = matches!(place, Some(Entry::Vacant(_)));
        if let Some(Entry::Vacant(place)) = place {
            place.insert(message);
            note(Piece::Message(id));
        } else {
            self.sums.untracked_messages += 1;
        }
        let Some(user) = message.user else { return };
        if let Added::New(written) | Added::Known(written) = self.chatters.add(user, spec.distinct_max) {
            if is_remembered {
                written.messages += 1;
            } else if !std::mem::replace(&mut written.is_lasting, true) {
                note(Piece::Chatter(user));
            }
        }
    }

    fn retract(&mut self, retraction: Retraction, event_time: Timestamp, mut note: impl FnMut(Piece)) {
        let (remembered, chatters) = (&mut self.remembered, &mut self.chatters);
        let mut count = 0;
        let mut take_back = |id: u64, message: &Message| {
            count += 1;
            note(Piece::Message(id));
            let Some(user) = message.user else { return };
            let Some(written) = chatters.get_mut(user) else { return };
            written.messages -= 1;
            if written.messages == 0 && !written.is_lasting {
                chatters.remove(user);
            }
        };
        let is_meant = |message: &Message| match retraction {
            Retraction::User(user) => message.user == Some(user),
            Retraction::Message(_) | Retraction::Everything => true,
        };
        let is_meant = |message: &Message| message.event_time <= event_time && is_meant(message);
        if let Retraction::Message(id) = retraction {
            if let Some(message) = remembered.get(&id).copied().filter(is_meant) {
                remembered.remove(&id);
                take_back(id, &message);
            }
        } else {
            let gone = remembered.extract_if(|_, message| is_meant(message));
            gone.for_each(|(id, message)| take_back(id, &message));
        }
        self.sums.messages -= count;
        self.sums.retracted_messages += count;
    }

    fn add_viewer(&mut self, viewer: &ViewerActivity) {
        self.sums.joins += i64::from(viewer.kind == ViewerKind::Join);
        self.sums.leaves += i64::from(viewer.kind == ViewerKind::Leave);
        self.sums.watch_ms = self.sums.watch_ms.saturating_add(viewer.watch_ms);
        self.sums.rebuffer_count = self.sums.rebuffer_count.saturating_add(viewer.rebuffer_count);
        self.sums.rebuffer_ms = self.sums.rebuffer_ms.saturating_add(viewer.rebuffer_ms);
        if let Some(bitrate_kbps) = viewer.bitrate_kbps {
            // Kilobits a second times milliseconds are bits.
            let bits = bitrate_kbps.saturating_mul(viewer.watch_ms);
            self.sums.bitrate_bits = self.sums.bitrate_bits.saturating_add(bits);
            self.sums.bitrate_ms = self.sums.bitrate_ms.saturating_add(viewer.watch_ms);
        }
        viewer.startup_ms.into_iter().for_each(|sample| self.startup.add(sample));
        viewer.live_latency_ms.into_iter().for_each(|sample| self.live_latency.add(sample));
    }

    /// An age is reached by a cohort of so many sessions, of which so many are still watching.
    pub(super) fn reach(&mut self, age_micros: i64, cohort: i64, retained: i64) {
        let point = self.retention.entry(age_micros).or_insert((0, 0));
        *point = (point.0 + cohort, point.1 + retained);
    }

    /// How many names and messages are held one by one.
    pub(super) fn len(&self) -> usize {
        self.chatters.len() + self.viewers.len() + self.remembered.len()
    }

    /// About how much memory names, messages and samples take.
    pub(super) fn bytes_estimate(&self) -> usize {
        let sketches = usize::from(self.chatters.is_estimated()) + usize::from(self.viewers.is_estimated());
        (self.chatters.len() + self.viewers.len()) * NAME_BYTES
            + self.remembered.len() * MESSAGE_BYTES
            + (self.startup.len() + self.live_latency.len()) * BUCKET_BYTES
            + sketches * SKETCH_BYTES
    }

    /// All pieces that there are.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> {
        let lasting = self.chatters.iter().filter(|(_, written)| written.is_lasting);
        let viewers = self.viewers.iter().map(|(name, ())| Piece::Viewer(name));
        lasting
            .map(|(name, _)| Piece::Chatter(name))
            .chain(viewers)
            .chain(self.remembered.keys().map(|id| Piece::Message(*id)))
    }

    /// The message of this id, if it can be taken back.
    pub(super) fn message(&self, id: u64) -> Option<&Message> {
        self.remembered.get(&id)
    }

    /// Whether a save must write this name.
    pub(super) fn has(&self, piece: Piece) -> bool {
        match piece {
            Piece::Chatter(name) => self.chatters.get(name).is_some_and(|written| written.is_lasting),
            Piece::Viewer(name) => self.viewers.get(name).is_some(),
            Piece::Message(id) => self.remembered.contains_key(&id),
        }
    }

    /// Takes over a name.
    pub(super) fn restore_name(&mut self, piece: Piece) {
        match piece {
            Piece::Chatter(name) => {
                self.chatters.restored(name).into_iter().for_each(|written| written.is_lasting = true);
            }
            Piece::Viewer(name) => _ = self.viewers.restored(name),
            Piece::Message(_) => {}
        }
    }

    /// Takes over a message, or that it is gone.
    pub(super) fn restore_message(&mut self, id: u64, message: Option<Message>) {
        match message {
            Some(message) => self.remembered.insert(id, message),
            None => self.remembered.remove(&id),
        };
    }

    /// Takes over all but names and messages.
    pub(super) fn restore_sums(&mut self, sums: Counts) {
        let before = std::mem::replace(self, sums);
        self.remembered = before.remembered;
        if !self.chatters.is_estimated() {
            self.chatters = before.chatters;
        }
        if !self.viewers.is_estimated() {
            self.viewers = before.viewers;
        }
    }

    /// Everything was taken over: chatters are known by their messages.
    pub(super) fn finish_restore(&mut self) {
        for user in self.remembered.values().filter_map(|message| message.user) {
            self.chatters.restored(user).into_iter().for_each(|written| written.messages += 1);
        }
    }
}

impl Stored for Counts {
    /// All but names and messages.
    fn put(&self, out: &mut Vec<u8>) {
        self.sums.put(out);
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
        (self.retention.len() as u64).put(out);
        for (age, point) in &self.retention {
            age.put(out);
            point.0.put(out);
            point.1.put(out);
        }
        self.startup.put(out);
        self.live_latency.put(out);
        self.chatters.put_sketch(out);
        self.viewers.put_sketch(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let mut counts = Counts { sums: reader.get()?, ..Counts::default() };
        for _ in 0..reader.len()? {
            let name = reader.str()?;
            let kind = REACTION_KINDS.into_iter().find(|kind| kind.name() == name);
            let kind = kind.ok_or(Unreadable("holds a kind that does not exist"))?;
            counts.reactions.insert(kind.name(), reader.get()?);
        }
        counts.money_micros = reader.get::<Vec<_>>()?.into_iter().collect();
        counts.retention = reader.get::<Vec<_>>()?.into_iter().collect();
        counts.startup = reader.get()?;
        counts.live_latency = reader.get()?;
        counts.chatters.get_sketch(reader)?;
        counts.viewers.get_sketch(reader)?;
        Ok(counts)
    }
}
