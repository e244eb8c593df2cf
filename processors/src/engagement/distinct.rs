//! Distinct names: each of them up to a limit, beyond it a sketch.
//!
//! A name is its XXH64 (seed 0). Up to the limit every name is known, with a value, and can be removed; among 10,000 of them two
//! fall together with a probability of 3 in 10^12. The name that would exceed it turns all into the registers of a
//! HyperLogLog sketch (Flajolet, Fusy, Gandouet, Meunier 2007), from which nothing can be removed. Its standard error is
//! 1.04 / sqrt(4096) = 1.6 %, by the estimator of Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
//! (arXiv 1702.01284, algorithm 6), which needs no table of corrections.
//!
//! The registers are written here and not taken from a crate because they are published: SQL builds the same from the raw
//! events, and merges those of several windows by the largest rank.
//!
//! Always holds: registers depend on the set of names alone, and the estimate on the registers alone; it is computed with sums and
//! products only, so that every machine gets the same. Does not know: whose names they are.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use rustc_hash::FxBuildHasher;
use schemas::SketchRegister;
use twox_hash::XxHash64;

use crate::state::bytes::{Reader, Stored, Unreadable};

const INDEX_BITS: u32 = 12;
const REGISTERS: usize = 1 << INDEX_BITS;
/// The rank of a hash whose other bits are all zero.
const RANK_MAX: u32 = 64 - INDEX_BITS + 1;

/// What stands for a name.
pub(super) fn fingerprint(name: &str) -> u64 {
    XxHash64::oneshot(0, name.as_bytes())
}

/// Distinct names, each with a value while they are counted exactly.
pub(super) struct Distinct<V> {
    known: HashMap<u64, V, FxBuildHasher>,
    sketch: Option<Box<Sketch>>,
}

impl<V> Default for Distinct<V> {
    fn default() -> Self {
        Distinct { known: HashMap::default(), sketch: None }
    }
}

/// What became of a name that was added.
pub(super) enum Added<'d, V> {
    New(&'d mut V),
    Known(&'d mut V),
    /// It is in the sketch.
    Sketched,
}

impl<V: Default> Distinct<V> {
    pub(super) fn is_estimated(&self) -> bool {
        self.sketch.is_some()
    }

    /// How many names are held one by one.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// How many names there are, or about.
    pub(super) fn count(&self) -> i64 {
        self.sketch.as_ref().map_or(self.known.len() as i64, |sketch| sketch.estimate())
    }

    /// The registers that are not zero, by number.
    pub(super) fn registers(&self) -> Vec<SketchRegister> {
        match &self.sketch {
            Some(sketch) => sketch.registers(),
            None => Sketch::of(self.known.keys()).registers(),
        }
    }

    /// Adds a name.
    pub(super) fn add(&mut self, name: u64, limit: usize) -> Added<'_, V> {
        if self.sketch.is_none() && self.known.len() >= limit && !self.known.contains_key(&name) {
            self.set_sketch(Sketch::of(self.known.keys()));
        }
        if let Some(sketch) = &mut self.sketch {
            sketch.add(name);
            return Added::Sketched;
        }
        match self.known.entry(name) {
            Entry::Occupied(entry) => Added::Known(entry.into_mut()),
            Entry::Vacant(entry) => Added::New(entry.insert(V::default())),
        }
    }

    fn set_sketch(&mut self, sketch: Sketch) {
        self.known = HashMap::default();
        self.sketch = Some(Box::new(sketch));
    }

    pub(super) fn get(&self, name: u64) -> Option<&V> {
        self.known.get(&name)
    }

    /// The value of a name, made if it is new; none if names are sketched. For what was once let in.
    pub(super) fn restored(&mut self, name: u64) -> Option<&mut V> {
        self.sketch.is_none().then(|| self.known.entry(name).or_default())
    }

    pub(super) fn get_mut(&mut self, name: u64) -> Option<&mut V> {
        self.known.get_mut(&name)
    }

    pub(super) fn remove(&mut self, name: u64) {
        self.known.remove(&name);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        self.known.iter().map(|(name, value)| (*name, value))
    }

    /// Writes the sketch, if there is one, but no names.
    pub(super) fn put_sketch(&self, out: &mut Vec<u8>) {
        self.sketch.is_some().put(out);
        if let Some(sketch) = &self.sketch {
            out.extend_from_slice(&sketch.ranks);
        }
    }

    /// Reads what [`Distinct::put_sketch`] wrote: a sketch takes the place of all names.
    pub(super) fn get_sketch(&mut self, reader: &mut Reader<'_>) -> Result<(), Unreadable> {
        if reader.get()? {
            let ranks = reader.take(REGISTERS)?.try_into().map_err(|_| Unreadable("is cut off"))?;
            self.set_sketch(Sketch { ranks });
        }
        Ok(())
    }
}

/// The registers.
struct Sketch {
    ranks: [u8; REGISTERS],
}

impl Sketch {
    fn of<'n>(names: impl Iterator<Item = &'n u64>) -> Self {
        let mut sketch = Sketch { ranks: [0; REGISTERS] };
        names.for_each(|name| sketch.add(*name));
        sketch
    }

    fn add(&mut self, name: u64) {
        let rank = ((name >> INDEX_BITS).trailing_zeros() + 1).min(RANK_MAX) as u8;
        let register = &mut self.ranks[(name as usize) & (REGISTERS - 1)];
        *register = rank.max(*register);
    }

    fn registers(&self) -> Vec<SketchRegister> {
        let ranks = (0..).zip(&self.ranks).filter(|(_, rank)| **rank > 0);
        ranks.map(|(register, rank)| SketchRegister { register, rank: i32::from(*rank) }).collect()
    }

    fn estimate(&self) -> i64 {
        let mut counts = [0u32; RANK_MAX as usize + 1];
        self.ranks.iter().for_each(|rank| counts[usize::from((*rank).min(RANK_MAX as u8))] += 1);
        let registers = REGISTERS as f64;
        let mut sum = registers * tau(1.0 - f64::from(counts[RANK_MAX as usize]) / registers);
        for count in counts[1..RANK_MAX as usize].iter().rev() {
            sum = 0.5 * (sum + f64::from(*count));
        }
        sum += registers * sigma(f64::from(counts[0]) / registers);
        (registers * registers / (2.0 * std::f64::consts::LN_2 * sum)).round() as i64
    }
}

/// What registers of rank zero add: x + x^2 + 2 x^4 + 4 x^8 + ...
fn sigma(x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut weight, mut sum) = (x, 1.0, x);
    loop {
        power *= power;
        let before = sum;
        sum += power * weight;
        weight += weight;
        if sum <= before {
            return sum;
        }
    }
}

/// What registers of the largest rank add: (1 - x - sum over k of (1 - x^(2^-k))^2 2^-k) / 3.
fn tau(x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut root, mut weight, mut sum) = (x, 1.0, 1.0 - x);
    loop {
        root = root.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - root) * (1.0 - root) * weight;
        if sum >= before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: std::ops::Range<u64>, limit: usize) -> Distinct<()> {
        let mut distinct = Distinct::default();
        for name in names {
            distinct.add(fingerprint(&format!("user {name}")), limit);
        }
        distinct
    }

    #[test]
    fn a_fingerprint_is_that_of_other_programs() {
        assert_eq!(fingerprint(""), 0xef46_db37_51d8_e999);
        assert_eq!(fingerprint("a"), 0xd24e_c4f1_a98c_6e5b);
    }

    #[test]
    fn names_are_counted_exactly_up_to_the_limit_and_not_beyond() {
        let mut distinct = of(0..100, 100);
        assert_eq!((distinct.count(), distinct.is_estimated(), distinct.len()), (100, false, 100));
        assert!(matches!(distinct.add(fingerprint("user 7"), 100), Added::Known(())));
        let exact = distinct.registers();
        assert!(matches!(distinct.add(fingerprint("user 100"), 100), Added::Sketched));
        assert_eq!((distinct.is_estimated(), distinct.len()), (true, 0));
        assert!((99..=103).contains(&distinct.count()), "{}", distinct.count());
        assert_ne!(distinct.registers(), exact);
        assert_eq!(distinct.registers(), of(0..101, 0).registers(), "the registers are those of the names");
    }

    #[test]
    fn the_error_is_what_is_stated_from_a_few_names_to_a_million() {
        for count in [1_u64, 50, 1_000, 5_000, 10_000, 15_000, 40_000, 200_000, 1_000_000] {
            let tries = if count > 100_000 { 8 } else { 40 };
            let errors: Vec<f64> = (0..tries)
                .map(|seed| {
                    let estimate = of(seed << 32..(seed << 32) + count, 0).count() as f64;
                    estimate / count as f64 - 1.0
                })
                .collect();
            let mean_square = errors.iter().map(|error| error * error).sum::<f64>() / tries as f64;
            let mean = errors.iter().sum::<f64>() / tries as f64;
            assert!(mean_square.sqrt() < 0.016 * 1.5, "{count}: {}", mean_square.sqrt());
            assert!(mean.abs() < 0.016 * 4.0 / (tries as f64).sqrt(), "{count}: biased by {mean}");
        }
        assert_eq!(of(0..0, 0).count(), 0);
    }

    #[test]
    fn registers_at_their_end_are_estimated_too() {
        let mut sketch = Sketch { ranks: [RANK_MAX as u8; REGISTERS] };
        assert!(sketch.estimate() > 1 << 60, "infinitely many");
        sketch.ranks[0] = 0;
        assert!(sketch.estimate() > 0);
        let mut sketch = Sketch { ranks: [0; REGISTERS] };
        sketch.add(0);
        assert_eq!(sketch.registers(), [SketchRegister { register: 0, rank: 53 }]);
        sketch.add(u64::MAX);
        assert_eq!(sketch.registers()[1], SketchRegister { register: 4095, rank: 1 });
    }
}
