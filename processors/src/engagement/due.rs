//! Which channels have records due: at the next tick, or at the end of the window.
//!
//! Always holds: a channel stands in a list if and only if it is marked so, and once. Does not know: when ticks are.

use std::sync::Arc;

use super::Channel;

/// The channels that changed since the last tick, and those with a record in the open window.
#[derive(Default)]
pub(super) struct Due {
    changed: Vec<Arc<str>>,
    active: Vec<Arc<str>>,
}

impl Due {
    /// The next tick shows the channel.
    pub(super) fn at_tick(&mut self, channel_id: &Arc<str>, channel: &mut Channel) {
        if !std::mem::replace(&mut channel.is_changed, true) {
            self.changed.push(Arc::clone(channel_id));
        }
        self.at_end(channel_id, channel);
    }

    /// The end of the window shows the channel.
    pub(super) fn at_end(&mut self, channel_id: &Arc<str>, channel: &mut Channel) {
        if !std::mem::replace(&mut channel.is_active, true) {
            self.active.push(Arc::clone(channel_id));
        }
    }

    /// A channel was restored with its marks.
    pub(super) fn restore(&mut self, channel_id: &Arc<str>, channel: &Channel) {
        self.changed.extend(channel.is_changed.then(|| Arc::clone(channel_id)));
        self.active.extend(channel.is_active.then(|| Arc::clone(channel_id)));
    }

    pub(super) fn is_any_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    pub(super) fn is_any_active(&self) -> bool {
        !self.active.is_empty()
    }

    /// The channels that are active, in no order.
    pub(super) fn active(&self) -> impl Iterator<Item = &Arc<str>> {
        self.active.iter()
    }

    /// Takes out the channels that a tick shows, in order; their marks are to be taken off.
    pub(super) fn take(&mut self, is_final: bool) -> Vec<Arc<str>> {
        let changed = std::mem::take(&mut self.changed);
        let mut due = if is_final { std::mem::take(&mut self.active) } else { changed };
        due.sort_unstable();
        due
    }
}
