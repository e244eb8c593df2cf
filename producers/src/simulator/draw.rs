//! Chance: one random stream for each concern, and the integer arithmetic that draws from it.
//!
//! Always holds: no floating point, so that the same seed draws the same on every machine. Does not know: what for.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What draws. Each has its own stream, so that a change in one does not move the others.
#[derive(Clone, Copy)]
pub(super) enum Concern {
    Kinds = 0,
    Viewers = 1,
    Chat = 2,
    Reactions = 3,
    Markets = 4,
    Spotlight = 5,
    Spam = 6,
    Disorder = 7,
}

/// A random stream.
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    pub(super) fn new(seed: u64, concern: Concern) -> Self {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        stream.set_stream(concern as u64);
        Draw(stream)
    }

    /// From 0 up to, not including, `end`; `end` at least 1.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(end)) >> 32) as u32
    }

    /// From `from` to `to`, both included.
    pub(super) fn between(&mut self, from: u32, to: u32) -> u32 {
        from + self.below(to - from + 1)
    }

    /// True in `per_mille` of 1000 cases.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1_000) < per_mille
    }

    /// One of the items, each as likely.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u32) as usize]
    }

    /// An index, as likely as its weight says.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut left = self.below(weights.iter().sum::<u32>().max(1));
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        0
    }
}

/// Popularity by Zipf's law: the item at place n is chosen with a weight of 1 / (n + 1).
pub(super) struct Zipf {
    cumulative: Vec<u64>,
}

impl Zipf {
    pub(super) fn new(items: u32) -> Self {
        let mut sum = 0;
        let weights = (1..=u64::from(items)).map(|place| (1 << 40) / place);
        let cumulative = weights.map(|weight| {
            sum += weight;
            sum
        });
        Zipf { cumulative: cumulative.collect() }
    }

    pub(super) fn pick(&self, draw: &mut Draw) -> u32 {
        let total = self.cumulative.last().copied().unwrap_or(1);
        let point = ((u128::from(draw.0.next_u64()) * u128::from(total)) >> 64) as u64;
        self.cumulative.partition_point(|end| *end <= point) as u32
    }
}

/// A hash of two numbers that never changes: who belongs where, without a table.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let mut mixed = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_add(0x2545_f491_4f6c_dd1d);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
