//! What goes wrong in the in-memory log: scripted one by one, or drawn from a seed.
//!
//! Always holds: the same seed and the same calls give the same faults. Does not know: what they do to whom.

use std::collections::VecDeque;

use crate::log::ErrorClass;

/// One thing that goes wrong at the next commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is applied and the error has this class. A retriable one never leaves a transactional writer, which
    /// retries by itself: there it becomes [`ErrorClass::MustAbort`].
    Refuse(ErrorClass),
    /// Everything is applied, but the caller is told that the outcome is unknown.
    AppliedUnknown,
    /// Nothing is applied, and the caller is told that the outcome is unknown.
    LostUnknown,
    /// The member that commits is thrown out of its group just before.
    Expel,
}

/// How often something goes wrong by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Where the sequence starts.
    pub seed: u64,
    /// Of 1000 commits, how many meet a [`Fault`].
    pub commits_per_mille: u32,
    /// Of 1000 polls of members, how many find the member thrown out of its group.
    pub polls_per_mille: u32,
}

#[derive(Debug, Default)]
pub(super) struct Script {
    next: VecDeque<Fault>,
    faults: Faults,
    state: u64,
}

impl Script {
    pub(super) fn push(&mut self, fault: Fault) {
        self.next.push_back(fault);
    }

    pub(super) fn draw_from(&mut self, faults: Faults) {
        self.state = faults.seed;
        self.faults = faults;
    }

    /// What goes wrong at this commit.
    pub(super) fn at_commit(&mut self) -> Option<Fault> {
        if let Some(fault) = self.next.pop_front() {
            return Some(fault);
        }
        if !self.happens(self.faults.commits_per_mille) {
            return None;
        }
        let kinds = [
            Fault::Refuse(ErrorClass::MustAbort),
            Fault::Refuse(ErrorClass::Fatal),
            Fault::AppliedUnknown,
            Fault::LostUnknown,
            Fault::Expel,
        ];
        let kind = usize::try_from(self.random() % kinds.len() as u64).unwrap_or_default();
        Some(kinds[kind])
    }

    /// Whether this poll finds its member thrown out.
    pub(super) fn at_poll(&mut self) -> bool {
        self.happens(self.faults.polls_per_mille)
    }

    fn happens(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.random() % 1_000 < u64::from(per_mille)
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
