//! The items of a group by name and by number.
//!
//! An item is looked up by its name once, when something comes for it. Cells and places know its number: from there on nothing
//! reads a name to find it, which would cost a message that expires more memory accesses than all else about it.
//!
//! Always holds: an item keeps its number until it is removed, and only then another may get it; so nothing that has a number outlives the item,
//! and what might (messages, parts that a save writes) has the name. Numbers are of one run: they are not saved and order nothing.
//! Does not know: what an item is.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::item::Item;

/// The number of an item in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Number(pub(super) u32);

/// A number in the table, with the hash of the name: a table that grows reads no names.
#[derive(Clone, Copy, Debug)]
struct Known {
    hash: u32,
    number: Number,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Items {
    /// By number.
    slots: Vec<Option<Item>>,
    free: Vec<Number>,
    numbers: HashTable<Known>,
}

impl Items {
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The number of the item with this name.
    pub(super) fn number_of(&self, name: &str) -> Option<Number> {
        let hash = hash_of(name);
        let is_it = |known: &Known| known.hash == hash && self.is_named(known.number, name);
        self.numbers.find(spread(hash), is_it).map(|known| known.number)
    }

    pub(super) fn get(&self, number: Number) -> Option<&Item> {
        self.slots.get(number.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: Number) -> Option<&mut Item> {
        self.slots.get_mut(number.0 as usize)?.as_mut()
    }

    /// The item with this name, made if it is new.
    pub(super) fn entry_of(&mut self, name: &str, new: impl FnOnce(Arc<str>) -> Item) -> (Number, &mut Item) {
        let number = self.number_of(name).unwrap_or_else(|| self.give_number(name));
        (number, self.slots[number.0 as usize].get_or_insert_with(|| new(Arc::from(name))))
    }

    pub(super) fn remove(&mut self, number: Number) {
        let Some(item) = self.slots.get_mut(number.0 as usize).and_then(Option::take) else { return };
        let hash = hash_of(&item.name);
        if let Ok(entry) = self.numbers.find_entry(spread(hash), |known| known.number == number) {
            entry.remove();
        }
        self.free.push(number);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Number, &Item)> {
        (0..).map(Number).zip(&self.slots).filter_map(|(number, slot)| Some((number, slot.as_ref()?)))
    }

    fn is_named(&self, number: Number, name: &str) -> bool {
        self.get(number).is_some_and(|item| &*item.name == name)
    }

    /// Gives a number to a name that has none.
    fn give_number(&mut self, name: &str) -> Number {
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            Number(self.slots.len() as u32 - 1)
        });
        let hash = hash_of(name);
        self.numbers.insert_unique(spread(hash), Known { hash, number }, |known| spread(known.hash));
        number
    }
}

fn hash_of(name: &str) -> u32 {
    let hash = FxBuildHasher.hash_one(name);
    (hash ^ (hash >> 32)) as u32
}

/// A hash of 64 bits for the table, which looks at the first and the last of them. The factor is 2^64 divided by the golden ratio.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use schemas::Timestamp;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn items_are_found_by_name_and_keep_their_numbers(
            steps in proptest::collection::vec((0..40u32, any::<bool>()), 1..400),
        ) {
            let (mut items, mut model) = (Items::default(), BTreeMap::new());
            for (name, is_removed) in steps {
                let name = format!("user{name}");
                if is_removed {
                    if let Some(number) = model.remove(&name) {
                        items.remove(number);
                    }
                } else {
                    let (number, item) = items.entry_of(&name, |name| Item::new(name, Timestamp::MIN, None));
                    prop_assert_eq!(&*item.name, name.as_str());
                    prop_assert_eq!(*model.entry(name).or_insert(number), number);
                }
                prop_assert_eq!(items.len(), model.len());
                prop_assert_eq!(items.is_empty(), model.is_empty());
                let found: BTreeMap<String, Number> =
                    items.iter().map(|(number, item)| (item.name.to_string(), number)).collect();
                prop_assert_eq!(&found, &model);
                for name in (0..40).map(|name| format!("user{name}")) {
                    prop_assert_eq!(items.number_of(&name), model.get(&name).copied());
                }
            }
            prop_assert!(items.slots.len() <= 40, "numbers are given again");
        }
    }
}
