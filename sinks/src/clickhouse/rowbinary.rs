//! The RowBinary format, as far as our columns need it: values one after the other, no names, no types.
//!
//! Always holds: equal values have equal bytes; an instant is within what `DateTime64(6)` can hold.
//! Does not know: which columns there are; the caller writes them in the order in which the INSERT names them.

use std::collections::BTreeMap;

use schemas::Timestamp;

/// The first instant of `DateTime64(6)`: 1900-01-01T00:00Z.
pub const INSTANT_MIN: Timestamp = Timestamp::from_micros(-2_208_988_800_000_000);
/// The last instant of `DateTime64(6)`: 2299-12-31T23:59:59.999999Z.
pub const INSTANT_MAX: Timestamp = Timestamp::from_micros(10_413_791_999_999_999);

/// The nearest instant that `DateTime64(6)` can hold.
#[must_use]
pub fn clamp(instant: Timestamp) -> Timestamp {
    instant.clamp(INSTANT_MIN, INSTANT_MAX)
}

/// Appends a length in LEB128, as this format and Native have it.
pub(super) fn write_length(length: usize, bytes: &mut Vec<u8>) {
    let mut rest = length;
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// Rows in RowBinary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowBuffer {
    bytes: Vec<u8>,
}

impl RowBuffer {
    /// The bytes so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes themselves.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// A length, as it stands before an array, a map or a string: LEB128.
    pub fn length(&mut self, length: usize) {
        write_length(length, &mut self.bytes);
    }

    /// `String`, of any bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// `String` or `LowCardinality(String)`.
    pub fn string(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// `Bool`.
    pub fn boolean(&mut self, flag: bool) {
        self.bytes.push(u8::from(flag));
    }

    /// `Int32`.
    pub fn int32(&mut self, number: i32) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    /// `Int64`.
    pub fn int64(&mut self, number: i64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    /// `Float64`.
    pub fn float64(&mut self, number: f64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    /// `Decimal(38, s)`, given in units of 10^-s.
    pub fn decimal128(&mut self, units: i128) {
        self.bytes.extend_from_slice(&units.to_le_bytes());
    }

    /// `DateTime64(6)`: clamped to what the type can hold.
    pub fn instant(&mut self, instant: Timestamp) {
        self.int64(clamp(instant).micros());
    }

    /// `Nullable(T)`: `write` writes the value if there is one.
    pub fn nullable<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => {
                self.bytes.push(0);
                write(self, value);
            }
            None => self.bytes.push(1),
        }
    }

    /// `Nullable(String)` or `LowCardinality(Nullable(String))`.
    pub fn nullable_string(&mut self, text: Option<&str>) {
        self.nullable(text, Self::string);
    }

    /// `Array(T)`: `write` writes each item.
    pub fn array<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.length(items.len());
        for item in items {
            write(self, item);
        }
    }

    /// `Map(LowCardinality(String), Int64)`.
    pub fn counts(&mut self, counts: &BTreeMap<String, i64>) {
        self.length(counts.len());
        for (name, count) in counts {
            self.string(name);
            self.int64(*count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut RowBuffer)) -> Vec<u8> {
        let mut buffer = RowBuffer::default();
        write(&mut buffer);
        buffer.into_bytes()
    }

    #[test]
    fn lengths_are_leb128() {
        for (length, bytes) in [
            (0, vec![0]),
            (127, vec![0x7f]),
            (128, vec![0x80, 0x01]),
            (300, vec![0xac, 0x02]),
            (1 << 21, vec![0x80, 0x80, 0x80, 0x01]),
        ] {
            assert_eq!(written(|buffer| buffer.length(length)), bytes, "{length}");
        }
    }

    #[test]
    fn an_absent_value_is_one_byte() {
        assert_eq!(written(|buffer| buffer.nullable_string(None)), [1]);
        assert_eq!(written(|buffer| buffer.nullable_string(Some("a"))), [0, 1, b'a']);
    }

    #[test]
    fn decimals_are_sixteen_bytes_little_endian() {
        let mut minus_two = vec![0xff; 16];
        minus_two[0] = 0xfe;
        assert_eq!(written(|buffer| buffer.decimal128(-2)), minus_two);
    }

    #[test]
    fn instants_are_clamped_at_both_ends() {
        for (given, kept) in [
            (i64::MIN, INSTANT_MIN.micros()),
            (INSTANT_MIN.micros(), INSTANT_MIN.micros()),
            (-1, -1),
            (INSTANT_MAX.micros() + 1, INSTANT_MAX.micros()),
            (i64::MAX, INSTANT_MAX.micros()),
        ] {
            assert_eq!(written(|buffer| buffer.instant(Timestamp::from_micros(given))), kept.to_le_bytes());
        }
    }
}
