//! Maps by shared names.
//!
//! Always holds: a name is copied only when it is new. Does not know: what is mapped.

use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use rustc_hash::FxBuildHasher;

/// Values by name.
pub(crate) type ByName<V> = HashMap<Arc<str>, V, FxBuildHasher>;

/// The value of a name, made if it is new.
pub(crate) fn value_of<'m, V: Default>(map: &'m mut ByName<V>, name: &str) -> &'m mut V {
    entry_of(map, name, V::default).1
}

/// A name as the map has it, and its value, made if it is new.
pub(crate) fn entry_of<'m, V>(
    map: &'m mut ByName<V>,
    name: &str,
    new: impl FnOnce() -> V,
) -> (&'m Arc<str>, &'m mut V) {
    match map.entry_ref(name) {
        EntryRef::Occupied(entry) => entry.into_entry(),
        EntryRef::Vacant(entry) => entry.insert_entry_with_key(Arc::from(name), new()).into_entry(),
    }
}
