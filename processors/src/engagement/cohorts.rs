//! The retention curve: of the sessions that joined, how many are still watching at stated ages.
//!
//! The sessions of a channel that joined at one tick are a *cohort*. At the tick that comes an age later it is counted how many it
//! had and how many of them have been present without a break since; so the survival of a cohort is added up in the window in which
//! the age is reached, and points of several windows add up. A session that is heard of without having joined is in none.
//!
//! Always holds: a channel has one cohort at most for each tick of the largest age. Does not know: sessions.

use std::collections::BTreeMap;

use schemas::Timestamp;

use crate::state::bytes::stored;

/// The sessions that joined at one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cohort {
    pub(super) joined: i64,
    /// Those that have been present since.
    pub(super) present: i64,
}

stored!(Cohort { joined, present });

/// The cohorts of one channel that have not reached the largest age.
#[derive(Debug, Default)]
pub(super) struct Cohorts {
    by_join: BTreeMap<Timestamp, Cohort>,
}

impl Cohorts {
    pub(super) fn len(&self) -> usize {
        self.by_join.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_join.is_empty()
    }

    /// A session joined at the tick `join`. True if it is the first.
    pub(super) fn join(&mut self, join: Timestamp) -> bool {
        let cohort = self.by_join.entry(join).or_default();
        cohort.joined += 1;
        cohort.present += 1;
        cohort.joined == 1
    }

    /// A session that joined at the tick `join` is not present any more. False if its cohort is past all ages.
    pub(super) fn leave(&mut self, join: Timestamp) -> bool {
        self.by_join.get_mut(&join).map(|cohort| cohort.present -= 1).is_some()
    }

    pub(super) fn get(&self, join: Timestamp) -> Option<&Cohort> {
        self.by_join.get(&join)
    }

    /// Forgets a cohort that has reached the largest age.
    pub(super) fn forget(&mut self, join: Timestamp) {
        self.by_join.remove(&join);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Timestamp, &Cohort)> {
        self.by_join.iter().map(|(join, cohort)| (*join, cohort))
    }

    pub(super) fn restore(&mut self, join: Timestamp, cohort: Option<Cohort>) {
        match cohort {
            Some(cohort) => self.by_join.insert(join, cohort),
            None => self.by_join.remove(&join),
        };
    }
}
