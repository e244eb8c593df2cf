//! The messages of a pane that may be taken back, from the oldest.
//!
//! Always holds: numbers rise; the parts of a message, what it brought to each item, follow one another; the first part and the last are of
//! messages that are remembered. A message's id is kept as [`Id`] and found by it. Who is banned loses all that came before: such a message
//! stays where it is, and taking it brings nothing. Does not know: scores.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::ids::Id;
use crate::maps::{ByName, value_of};

/// What a message brought to an item.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) id: Id,
    pub(super) item: Arc<str>,
    /// Who wrote it, where that is not the item.
    pub(super) user: Option<Arc<str>>,
    /// Above zero; zero once the message is gone.
    pub(super) value: i128,
    pub(super) key: PartKey,
}

impl Part {
    /// Who wrote it; `is_by_user`: whether items are users.
    pub(super) fn author(&self, is_by_user: bool) -> Option<&Arc<str>> {
        if is_by_user { Some(&self.item) } else { self.user.as_ref() }
    }
}

/// Where a part stands: the number of its message, of all messages of the board, and its own in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::leaderboards) struct PartKey {
    pub(in crate::leaderboards) number: u64,
    pub(in crate::leaderboards) index: u32,
}

/// Whether a message was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::leaderboards) enum Remembered {
    /// It is the one that came last.
    Known,
    New,
    /// It is new, and the first of its pane.
    First,
}

/// Which message a part is of.
#[derive(Clone, Copy, Debug)]
pub(in crate::leaderboards) struct MessageId {
    pub(in crate::leaderboards) id: Id,
    /// What a new message is to be numbered.
    pub(in crate::leaderboards) number: u64,
    /// Messages with lower numbers get no further parts.
    pub(in crate::leaderboards) open_from: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Messages {
    parts: VecDeque<Part>,
    /// How many parts were dropped from the front so far, around 2^32.
    dropped: u32,
    /// For each message the place of its first part: the number of parts that ever came before it, around 2^32.
    places: HashTable<u32>,
    /// Up to which message what somebody wrote was taken.
    bans: ByName<u64>,
}

impl Messages {
    /// How many are remembered, and how many bans.
    pub(super) fn len(&self) -> usize {
        self.places.len() + self.bans.len()
    }

    /// The number of the oldest.
    pub(super) fn first(&self) -> Option<u64> {
        self.parts.front().map(|part| part.key.number)
    }

    /// The number of the newest.
    pub(super) fn last(&self) -> Option<u64> {
        self.parts.back().map(|part| part.key.number)
    }

    /// Adds a part. It belongs to the message that came last if that has its id and a number from `open_from` on; otherwise to a new one
    /// with `number`, which is above all others.
    pub(super) fn add(
        &mut self,
        of: &MessageId,
        item: Arc<str>,
        user: Option<Arc<str>>,
        value: i128,
    ) -> Remembered {
        let last = self.parts.back().filter(|last| last.id == of.id && last.value > 0).map(|last| last.key);
        let (key, remembered) = match last.filter(|last| last.number >= of.open_from) {
            Some(last) => (PartKey { index: last.index + 1, ..last }, Remembered::Known),
            None if self.parts.is_empty() => (PartKey { number: of.number, index: 0 }, Remembered::First),
            None => (PartKey { number: of.number, index: 0 }, Remembered::New),
        };
        self.restore(Part { id: of.id, item, user, value, key });
        remembered
    }

    /// Adds a part that comes after all others.
    pub(super) fn restore(&mut self, part: Part) {
        let is_first = part.key.index == 0;
        self.parts.push_back(part);
        if is_first {
            let (parts, dropped) = (&self.parts, self.dropped);
            let hash = |place: &u32| parts[place.wrapping_sub(dropped) as usize].id.hash();
            let at = parts.len() - 1;
            self.places.insert_unique(parts[at].id.hash(), dropped.wrapping_add(at as u32), hash);
        }
    }

    /// Takes the messages with this id: what was not taken with a ban before. `is_by_user`: whether items are users. The keys of all parts go to
    /// `gone`.
    pub(super) fn take(&mut self, id: Id, is_by_user: bool, gone: &mut Vec<PartKey>) -> Vec<Part> {
        let mut taken = Vec::new();
        loop {
            let (parts, dropped) = (&self.parts, self.dropped);
            let at = |place: &u32| place.wrapping_sub(dropped) as usize;
            let Ok(found) = self.places.find_entry(id.hash(), |place| parts[at(place)].id == id) else {
                break;
            };
            let first = at(&found.remove().0);
            let number = self.parts[first].key.number;
            for part in self.parts.range_mut(first..).take_while(|part| part.key.number == number) {
                let until = part.author(is_by_user).and_then(|user| self.bans.get(user)).copied();
                if until.is_none_or(|until| number > until) {
                    taken.push(part.clone());
                }
                gone.push(part.key);
                part.value = 0;
            }
        }
        self.drop_gone();
        taken
    }

    /// Forgets the message with this number, if it is the oldest; the keys of its parts go to `gone`. False if it is not.
    pub(super) fn forget_first(&mut self, number: u64, gone: &mut Vec<PartKey>) -> bool {
        let (dropped, first) = (self.dropped, self.parts.front().filter(|first| first.key.number == number));
        let Some(hash) = first.map(|first| first.id.hash()) else { return false };
        if let Ok(found) = self.places.find_entry(hash, |place| *place == dropped) {
            found.remove();
        }
        for part in self.parts.iter_mut().take_while(|part| part.key.number == number) {
            gone.push(part.key);
            part.value = 0;
        }
        self.drop_gone();
        true
    }

    /// Drops what is gone, up to the first message that is remembered, and after the last.
    fn drop_gone(&mut self) {
        while self.parts.back().is_some_and(|part| part.value == 0) {
            self.parts.pop_back();
        }
        while self.parts.front().is_some_and(|part| part.value == 0) {
            self.parts.pop_front();
            self.dropped = self.dropped.wrapping_add(1);
        }
    }

    /// All that this user wrote was taken. False if there was nothing to remember that of.
    pub(super) fn ban(&mut self, user: &str) -> bool {
        let Some(last) = self.last() else { return false };
        self.restore_ban(user, Some(last));
        true
    }

    /// Somebody is banned up to a message, or not.
    pub(super) fn restore_ban(&mut self, user: &str, until: Option<u64>) {
        match until {
            Some(until) => *value_of(&mut self.bans, user) = until,
            None => drop(self.bans.remove(user)),
        }
    }

    /// The parts of messages that have a number from `from` on.
    pub(super) fn parts_from(&self, from: u64) -> impl Iterator<Item = &Part> {
        let start = self.parts.partition_point(|part| part.key.number < from);
        self.parts.range(start..).filter(|part| part.value > 0)
    }

    /// Who is banned, and up to which message.
    pub(super) fn bans(&self) -> impl Iterator<Item = (&Arc<str>, &u64)> {
        self.bans.iter()
    }

    /// Up to which message somebody is banned.
    pub(super) fn banned_until(&self, user: &str) -> Option<u64> {
        self.bans.get(user).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each message brought, one point to its user: (id, user), numbered from 1.
    fn messages(of: &[(&str, &str)]) -> Messages {
        let mut messages = Messages::default();
        for ((id, user), number) in of.iter().zip(1..) {
            let id = MessageId { id: Id::of(id), number, open_from: 1 };
            assert_ne!(messages.add(&id, Arc::from("item"), Some(Arc::from(*user)), 1), Remembered::Known);
        }
        messages
    }

    fn taken(messages: &mut Messages, id: &str) -> usize {
        messages.take(Id::of(id), false, &mut Vec::new()).len()
    }

    #[test]
    fn a_message_is_taken_once_wherever_it_stands() {
        let mut messages = messages(&[("a", "u"), ("b", "u"), ("c", "v"), ("d", "v")]);
        assert_eq!(
            [taken(&mut messages, "c"), taken(&mut messages, "c"), taken(&mut messages, "x")],
            [1, 0, 0]
        );
        assert_eq!((messages.len(), messages.first(), messages.last()), (3, Some(1), Some(4)));
        assert_eq!([taken(&mut messages, "a"), taken(&mut messages, "b")], [1, 1]);
        assert_eq!((messages.len(), messages.first()), (1, Some(4)), "what is gone does not stand in front");
        assert_eq!(taken(&mut messages, "d"), 1, "its place is right after others were dropped");
        assert_eq!((messages.len(), messages.first()), (0, None));
    }

    #[test]
    fn a_ban_takes_what_came_before_and_not_what_comes_after() {
        let mut messages = messages(&[("a", "u"), ("b", "v")]);
        assert!(messages.ban("u"));
        let later = MessageId { id: Id::of("later"), number: 3, open_from: 1 };
        messages.add(&later, Arc::from("item"), Some(Arc::from("u")), 1);
        assert_eq!(["a", "b", "later"].map(|id| taken(&mut messages, id)), [0, 1, 1]);
        assert!(!Messages::default().ban("u"), "there is nothing to remember it of");
    }

    #[test]
    fn parts_of_a_message_go_together_unless_it_was_saved_in_between() {
        let mut messages = Messages::default();
        let mut add = |number, open_from| {
            messages.add(&MessageId { id: Id::of("a"), number, open_from }, Arc::from("item"), None, 1)
        };
        assert_eq!(
            [add(1, 1), add(2, 1), add(2, 2)],
            [Remembered::First, Remembered::Known, Remembered::New]
        );
        let keys: Vec<_> = messages.parts_from(0).map(|part| (part.key.number, part.key.index)).collect();
        assert_eq!(keys, [(1, 0), (1, 1), (2, 0)]);
        assert_eq!(messages.parts_from(2).count(), 1);
        let mut gone = Vec::new();
        assert_eq!(messages.take(Id::of("a"), false, &mut gone).len(), 3, "all with the id");
        assert_eq!(gone.len(), 3);
    }

    #[test]
    fn what_is_gone_does_not_stand_at_the_end() {
        let mut messages = messages(&[("a", "u"), ("b", "u"), ("c", "v")]);
        assert_eq!([taken(&mut messages, "b"), taken(&mut messages, "c")], [1, 1]);
        assert_eq!(messages.last(), Some(1), "a ban reaches up to it, before and after a restart");
        let later = MessageId { id: Id::of("later"), number: 4, open_from: 1 };
        messages.add(&later, Arc::from("item"), None, 1);
        assert_eq!(["a", "later"].map(|id| taken(&mut messages, id)), [1, 1], "places are still right");
    }

    #[test]
    fn only_the_oldest_is_forgotten() {
        let mut messages = messages(&[("a", "u"), ("b", "u")]);
        assert!(!messages.forget_first(2, &mut Vec::new()));
        let mut gone = Vec::new();
        assert!(messages.forget_first(1, &mut gone));
        assert_eq!(gone, [PartKey { number: 1, index: 0 }]);
        assert_eq!([taken(&mut messages, "a"), taken(&mut messages, "b")], [0, 1]);
    }
}
