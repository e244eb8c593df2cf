//! Which partition a key belongs to, as the JVM clients decide it.
//!
//! Always holds: the same key and count give the same partition as Kafka's own default partitioner. Does not know:
//! records without a key, which may go anywhere.

const SEED: u32 = 0x9747_b28c;
const M: u32 = 0x5bd1_e995;
const R: u32 = 24;

/// The partition, from 0, of a key in a topic of `count` partitions; `count` is at least 1.
#[must_use]
pub fn murmur2_partition(key: &[u8], count: i32) -> i32 {
    (murmur2(key) & i32::MAX) % count.max(1)
}

/// The 32-bit murmur2 hash, with the seed that Kafka uses.
fn murmur2(data: &[u8]) -> i32 {
    let (words, rest) = data.as_chunks::<4>();
    // the hash is defined on 32 bits, and so is the length that goes into it
    let mut hash = SEED ^ (data.len() as u32);
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    i32::from_ne_bytes(hash.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_jvm_clients() {
        let known: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (data, hash) in known {
            assert_eq!(murmur2(data), hash, "{}", String::from_utf8_lossy(data));
        }
    }

    #[test]
    fn negative_hashes_give_no_negative_partition() {
        assert_eq!(murmur2_partition(b"21", 12), (-973_932_308_i32 & 0x7fff_ffff) % 12);
        assert!((1..100).all(|count| (0..count).contains(&murmur2_partition(b"foobar", count))));
    }
}
