//! What no state can be faster than: this machine's memory, to one thread.
//!
//! In a row: through a buffer far larger than a processor's caches. At random: lines of a buffer as large as the state, each of which says which is
//! next, so that each read waits for the one before, as a lookup does that follows another. Always holds: times are the thread's own, and the best of several
//! goes, since what else the machine does can only take away; the system's pages are as it gives them out. Does not know: how many bytes or lines an event touches.

use std::hint::black_box;

use crate::meter::thread_cpu_s;
use crate::trades::scattered;

/// The least that is read in a row.
const IN_A_ROW_BYTES: usize = 512 << 20;
/// A line of the processor's caches, as 64-bit words.
type Line = [u64; 8];
/// Random reads are made in so many bytes at least.
const RANDOM_BYTES_MIN: usize = 16 << 20;
const READS: u32 = 2_000_000;
const GOES: usize = 3;

/// What was measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub read_gb_per_s: f64,
    pub write_gb_per_s: f64,
    pub random_read_ns: f64,
    /// In how many bytes.
    pub random_bytes: usize,
}

/// Measures, with random reads in a buffer of so many bytes.
pub fn measure(state_bytes: usize) -> Memory {
    let random_bytes = state_bytes.max(RANDOM_BYTES_MIN);
    let (read_gb_per_s, write_gb_per_s) = in_a_row();
    Memory { read_gb_per_s, write_gb_per_s, random_read_ns: at_random(random_bytes), random_bytes }
}

/// Reading and writing, in GB/s.
fn in_a_row() -> (f64, f64) {
    let mut words = vec![0_u64; IN_A_ROW_BYTES / size_of::<u64>()];
    let gb = IN_A_ROW_BYTES as f64 / 1e9;
    let (mut read_s, mut write_s) = (f64::INFINITY, f64::INFINITY);
    for go in 0..GOES {
        let started_s = thread_cpu_s();
        words.fill(black_box(go as u64 + 1));
        black_box(&mut words);
        write_s = write_s.min(thread_cpu_s() - started_s);
        let started_s = thread_cpu_s();
        black_box(words.iter().fold(0_u64, |sum, word| sum.wrapping_add(*word)));
        read_s = read_s.min(thread_cpu_s() - started_s);
    }
    (gb / read_s, gb / write_s)
}

/// Nanoseconds for each read.
fn at_random(bytes: usize) -> f64 {
    let count = bytes / size_of::<Line>();
    let mut lines: Vec<Line> = (0..count as u64).map(|number| [number; 8]).collect();
    // Sattolo's shuffle: all lines are one circle.
    for last in (1..count).rev() {
        let other = (scattered(last as u64) % last as u64) as usize;
        let next = lines[last][0];
        lines[last][0] = std::mem::replace(&mut lines[other][0], next);
    }
    let (mut best_s, mut place) = (f64::INFINITY, 0);
    for _ in 0..GOES {
        let started_s = thread_cpu_s();
        for _ in 0..READS {
            place = lines[place][0] as usize;
        }
        place = black_box(place);
        best_s = best_s.min(thread_cpu_s() - started_s);
    }
    best_s / f64::from(READS) * 1e9
}
