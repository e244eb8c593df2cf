//! From changes to scores: what becomes visible is added to its group, or takes something back; sessions end on the way.
//!
//! Always holds: changes come in the order of visibility, whatever brought them; what they need beyond `entries_max` is counted as
//! forgotten. Does not know: where changes come from, and what records show.

use std::cmp::Reverse;
use std::sync::Arc;

use schemas::{LeaderboardResult, Timestamp};

use super::contributions::{Change, Contribution, Retracted, group_prefix};
use super::group::{Added, Gain, Group, MessageId, Remembered};
use super::window::Window;
use super::{Board, ONLY_PANE, OldestMessage, Stage};
use crate::maps::entry_of;
use crate::windows::{Span, tick_at_or_after};

impl Board {
    /// Takes in what becomes visible before `instant`. Records of sessions that end meanwhile go to `out`: of boards of sessions, the
    /// instant is a tick.
    pub(super) fn take_in(&mut self, instant: Timestamp, out: &mut Vec<LeaderboardResult>) {
        self.rules.is_tracked = self.saved.is_tracked();
        self.roll(instant);
        let is_first = self.spec.stage == Stage::First;
        let mut merges = Vec::new();
        let filed = self.pending.take(instant);
        for (visible_from, change) in filed.iter(Change::get) {
            match change {
                Change::Add(contribution) if is_first => {
                    // What cannot be taken back need not be kept.
                    if !self.spec.retracts || self.add(&contribution) {
                        self.note_gain(visible_from, &contribution);
                    }
                }
                Change::Add(contribution) => {
                    self.close_if_over(contribution.group, visible_from, instant, out);
                    self.add(&contribution);
                }
                Change::Merge(merge) => merges.push(merge),
                Change::TakeBack(retraction) => {
                    for name in self.groups_of(retraction.channel) {
                        self.close_if_over(&name, visible_from, instant, out);
                        self.take_back(&name, &retraction.what);
                        if is_first {
                            self.note_losses(&name);
                        }
                    }
                }
            }
        }
        self.merge(merges);
        self.pending.reuse(filed);
        self.settle();
        self.as_of = instant;
        while let Some(Reverse(oldest)) = self.oldest.peek()
            && self.first_message(oldest).is_none()
        {
            self.oldest.pop();
        }
    }

    /// Puts the places of all groups in order in which something changed.
    fn settle(&mut self) {
        let is_over = |group: &Group| group.is_empty() && group.revision == 0 && !group.is_changed;
        let mut is_any_over = false;
        for name in std::mem::take(&mut self.touched) {
            let Some(group) = self.groups.get_mut(&name) else { continue };
            group.is_touched = false;
            group.settle(self.spec.k, self.rules);
            if !group.is_changed {
                group.drop_gone();
                is_any_over |= is_over(group);
            }
            count(&mut self.item_count, &mut self.entry_count, group);
            self.saved.note_group(&name, group);
        }
        if is_any_over {
            self.drop_groups(is_over);
        }
    }

    /// The groups that a channel's events count for.
    fn groups_of(&self, channel: &str) -> Vec<Arc<str>> {
        if self.spec.groups.len() == 1 {
            return self
                .groups
                .get_key_value(channel)
                .map(|(name, _)| Arc::clone(name))
                .into_iter()
                .collect();
        }
        let prefix = group_prefix(channel);
        self.groups.keys().filter(|name| name.starts_with(&prefix)).map(Arc::clone).collect()
    }

    /// Adds to a group. False if there is no room, or a later vote counts.
    pub(super) fn add(&mut self, contribution: &Contribution<'_>) -> bool {
        while self.entry_count >= self.spec.entries_max && self.forget_oldest() {}
        let is_full = self.entry_count >= self.spec.entries_max;
        let pane = self.pane_of(contribution.event_time);
        let is_pane_tracked = self.saved.note(pane);
        let number = self.last_message + 1;
        let open_from = self.saved.first_open_message();
        let gain = Gain {
            item: contribution.item,
            label: contribution.label.as_deref(),
            value: contribution.value,
            event_time: contribution.event_time,
            pane,
            is_pane_tracked,
            user: contribution.user,
            message: contribution.message.map(|id| MessageId { id, number, open_from }),
        };
        let (name, group) = entry_of(&mut self.groups, contribution.group, Group::default);
        let added = group.add(&gain, self.rules, is_full);
        let Added::Counted(remembered) = added else {
            self.forgotten += u64::from(added == Added::Refused);
            if group.is_new() {
                self.groups.remove(contribution.group);
            }
            return false;
        };
        if let Some(remembered) = remembered {
            self.last_message += u64::from(remembered != Remembered::Known);
            if remembered == Remembered::First {
                let group = Arc::clone(name);
                self.oldest.push(Reverse(OldestMessage { number, pane, group }));
            }
        }
        if let Window::Session { gap_micros } = self.spec.window {
            let end = contribution.event_time.plus_micros(gap_micros);
            let session = group.session.unwrap_or(Span { start: contribution.event_time, end });
            let start = session.start.min(contribution.event_time);
            group.session = Some(Span { start, end: session.end.max(end) });
            if session.end < end || group.revision == 0 {
                let tick = |end| tick_at_or_after(end, self.spec.emit_every_micros);
                self.closing.remove(&(tick(session.end), Arc::clone(name)));
                self.closing.insert((tick(session.end.max(end)), Arc::clone(name)));
            }
        }
        count(&mut self.item_count, &mut self.entry_count, group);
        note_change(&mut self.changed, &mut self.touched, name, group);
        true
    }

    /// The pane in which something counts that becomes visible in the open window.
    pub(super) fn pane_of(&self, event_time: Timestamp) -> Timestamp {
        match self.spec.window {
            Window::Rolling { slide_micros, .. } => event_time.floor(slide_micros),
            _ => self.window.map_or(ONLY_PANE, |window| window.start),
        }
    }

    fn take_back(&mut self, name: &Arc<str>, what: &Retracted<'_>) {
        let Some(group) = self.groups.get_mut(name) else { return };
        if group.take_back(what, self.rules) {
            note_change(&mut self.changed, &mut self.touched, name, group);
        }
        count(&mut self.item_count, &mut self.entry_count, group);
    }

    /// The number of the first message where that one was the first.
    fn first_message(&self, oldest: &OldestMessage) -> Option<u64> {
        self.groups.get(&oldest.group)?.first_message(oldest.pane)
    }

    /// Forgets the oldest message. False if there is none.
    fn forget_oldest(&mut self) -> bool {
        while let Some(Reverse(oldest)) = self.oldest.pop() {
            let Some(number) = self.first_message(&oldest) else { continue };
            let Some(group) = self.groups.get_mut(&oldest.group) else { continue };
            let is_oldest =
                number == oldest.number && group.forget(oldest.pane, number, self.rules.is_tracked);
            if is_oldest {
                count(&mut self.item_count, &mut self.entry_count, group);
                self.saved.note_group(&oldest.group, group);
                self.forgotten += 1;
            }
            if let Some(number) = group.first_message(oldest.pane) {
                self.oldest.push(Reverse(OldestMessage { number, ..oldest }));
            }
            if is_oldest {
                return true;
            }
        }
        false
    }

    /// Ends a group's session if it is over at `instant`.
    pub(super) fn close_if_over(
        &mut self,
        name: &str,
        instant: Timestamp,
        tick: Timestamp,
        out: &mut Vec<LeaderboardResult>,
    ) {
        if self.closing.is_empty() {
            return;
        }
        let session = self.groups.get(name).and_then(|group| group.session);
        let Some(session) = session.filter(|session| session.end <= instant) else { return };
        let closing_tick = tick_at_or_after(session.end, self.spec.emit_every_micros);
        let Some((name, mut group)) = self.groups.remove_entry(name) else { return };
        self.closing.remove(&(closing_tick, Arc::clone(&name)));
        group.settle(self.spec.k, self.rules);
        group.drop_gone();
        if group.is_changed || !group.is_empty() {
            group.revision += 1;
            out.push(LeaderboardResult { is_final: true, ..self.record(tick, &name, &group) });
        }
        self.item_count -= group.counted.0;
        self.entry_count -= group.counted.1;
        self.saved.note_dropped(&name, &group);
    }
}

/// A group changed: its places are to be put in order, and the next tick shows it.
pub(super) fn note_change(
    changed: &mut Vec<Arc<str>>,
    touched: &mut Vec<Arc<str>>,
    name: &Arc<str>,
    group: &mut Group,
) {
    note_touch(touched, name, group);
    if !std::mem::replace(&mut group.is_changed, true) {
        changed.push(Arc::clone(name));
    }
}

/// A group's places are to be put in order.
pub(super) fn note_touch(touched: &mut Vec<Arc<str>>, name: &Arc<str>, group: &mut Group) {
    if !std::mem::replace(&mut group.is_touched, true) {
        touched.push(Arc::clone(name));
    }
}

/// Follows how many items and entries a group has.
pub(super) fn count(item_count: &mut usize, entry_count: &mut usize, group: &mut Group) {
    let now = (group.len(), group.entries);
    *item_count = *item_count - group.counted.0 + now.0;
    *entry_count = *entry_count - group.counted.1 + now.1;
    group.counted = now;
}
