//! How values are written into chunks and read again.
//!
//! Always holds: equal values have equal bytes; what was put is got again, and any other bytes give an error, never a panic and
//! never more memory than the bytes can account for. Integers are in base 128, the lowest digits first, signed ones folded
//! so that small magnitudes are short. Does not know: chunks.

use std::sync::Arc;

use schemas::{Decimal, Timestamp, Topic};

/// Bytes that are not what they should be.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// Something that can be written into chunks.
pub(crate) trait Stored: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable>;
}

/// What is left to be read.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn get<T: Stored>(&mut self) -> Result<T, Unreadable> {
        T::get(self)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// A length that is to be followed by so many bytes or more.
    pub(crate) fn len(&mut self) -> Result<usize, Unreadable> {
        match usize::try_from(self.get::<u64>()?) {
            Ok(len) if len <= self.rest.len() => Ok(len),
            _ => Err(CUT_OFF),
        }
    }

    pub(crate) fn str(&mut self) -> Result<&'a str, Unreadable> {
        let len = self.len()?;
        text(self.take(len)?)
    }

    pub(crate) fn optional_str(&mut self) -> Result<Option<&'a str>, Unreadable> {
        if self.get()? { self.str().map(Some) } else { Ok(None) }
    }
}

/// Bytes that must be text.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(bytes).map_err(|_| Unreadable("holds text that is not UTF-8"))
}

/// Writes a text, its length first.
pub(crate) fn put_str(out: &mut Vec<u8>, text: &str) {
    (text.len() as u64).put(out);
    out.extend_from_slice(text.as_bytes());
}

/// Writes a text if there is one.
pub(crate) fn put_optional_str(out: &mut Vec<u8>, text: Option<&str>) {
    text.is_some().put(out);
    if let Some(text) = text {
        put_str(out, text);
    }
}

/// The most bytes that a number of 64 bits takes.
const DIGITS_MAX: usize = 10;

fn put_digits(out: &mut Vec<u8>, mut value: u64) {
    let (mut digits, mut len) = ([0; DIGITS_MAX], 0);
    while value >= 0x80 {
        digits[len] = (value as u8) | 0x80;
        value >>= 7;
        len += 1;
    }
    digits[len] = value as u8;
    // A length that is known is copied without a call.
    let start = out.len();
    out.extend_from_slice(&digits);
    out.truncate(start + len + 1);
}

fn digits(reader: &mut Reader<'_>) -> Result<u64, Unreadable> {
    let mut value = 0;
    for (place, byte) in reader.rest.iter().take(DIGITS_MAX).enumerate() {
        let digit = u64::from(byte & 0x7f);
        value |= digit << (7 * place);
        if *byte < 0x80 && (place < DIGITS_MAX - 1 || digit < 2) {
            reader.rest = &reader.rest[place + 1..];
            return Ok(value);
        }
    }
    Err(if reader.rest.len() < DIGITS_MAX { CUT_OFF } else { TOO_LARGE })
}

const CUT_OFF: Unreadable = Unreadable("is cut off");
const TOO_LARGE: Unreadable = Unreadable("holds a number that does not fit");

impl Stored for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        put_digits(out, *self);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        digits(reader)
    }
}

impl Stored for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        put_digits(out, ((self << 1) ^ (self >> 63)) as u64);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let folded = digits(reader)?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }
}

/// Written as an `i64` is where it is one, which nearly all are.
impl Stored for i128 {
    fn put(&self, out: &mut Vec<u8>) {
        if let Ok(short) = i64::try_from(*self) {
            return short.put(out);
        }
        let mut folded = ((self << 1) ^ (self >> 127)) as u128;
        while folded >= 0x80 {
            out.push((folded as u8) | 0x80);
            folded >>= 7;
        }
        out.push(folded as u8);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        if let Ok(short) = i64::get(reader) {
            return Ok(short.into());
        }
        let mut folded = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = reader.take(1)?[0];
            let digit = u128::from(byte & 0x7f);
            if (digit << shift) >> shift != digit {
                break;
            }
            folded |= digit << shift;
            if byte < 0x80 {
                return Ok((folded >> 1) as i128 ^ -((folded & 1) as i128));
            }
        }
        Err(TOO_LARGE)
    }
}

impl Stored for i32 {
    fn put(&self, out: &mut Vec<u8>) {
        i64::from(*self).put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        i32::try_from(i64::get(reader)?).map_err(|_| TOO_LARGE)
    }
}

impl Stored for () {
    fn put(&self, _: &mut Vec<u8>) {}

    fn get(_: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(())
    }
}

impl Stored for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match reader.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Unreadable("holds neither yes nor no")),
        }
    }
}

impl Stored for Timestamp {
    fn put(&self, out: &mut Vec<u8>) {
        self.micros().put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.get().map(Timestamp::from_micros)
    }
}

impl<const SCALE: u32> Stored for Decimal<SCALE> {
    fn put(&self, out: &mut Vec<u8>) {
        self.units().put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Decimal::from_units(reader.get()?).ok_or(TOO_LARGE)
    }
}

impl Stored for Topic {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let number = reader.take(1)?[0];
        let topic = Topic::ALL.into_iter().find(|topic| *topic as u8 == number);
        topic.ok_or(Unreadable("names a topic that does not exist"))
    }
}

impl Stored for Box<str> {
    fn put(&self, out: &mut Vec<u8>) {
        put_str(out, self);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.str().map(Box::from)
    }
}

impl Stored for Arc<str> {
    fn put(&self, out: &mut Vec<u8>) {
        put_str(out, self);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        reader.str().map(Arc::from)
    }
}

impl<T: Stored> Stored for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        if reader.get()? { reader.get().map(Some) } else { Ok(None) }
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok((reader.get()?, reader.get()?))
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        self.iter().for_each(|value| value.put(out));
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        // Every value takes a byte at least, so a length beyond what is left is refused.
        (0..reader.len()?).map(|_| reader.get()).collect()
    }
}

/// Writes and reads the fields of a struct, in the order given; the others take their default.
macro_rules! stored {
    ($name:ident { $($field:ident),+ $(,)? } $(.. { $($other:ident),+ })?) => {
        impl $crate::state::bytes::Stored for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)+
            }

            fn get(
                reader: &mut $crate::state::bytes::Reader<'_>,
            ) -> Result<Self, $crate::state::bytes::Unreadable> {
                Ok($name { $($field: reader.get()?,)+ $($($other: Default::default(),)+)? })
            }
        }
    };
}
pub(crate) use stored;

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "so that literals can be given")]
    fn again<T: Stored + PartialEq + std::fmt::Debug>(value: T) {
        let mut bytes = Vec::new();
        value.put(&mut bytes);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.get::<T>().expect("readable"), value);
        assert!(reader.is_empty());
        for len in 0..bytes.len() {
            assert!(Reader::new(&bytes[..len]).get::<T>().is_err(), "{value:?} cut at {len}");
        }
    }

    #[test]
    fn what_was_put_is_got_again_and_what_is_cut_off_is_refused() {
        for value in [0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN] {
            again(value);
            again(Timestamp::from_micros(value));
        }
        for bits in 0..127 {
            [(1 << bits) - 1, 1 << bits, -(1 << bits)].into_iter().for_each(again::<i128>);
        }
        [i128::MIN, i128::MAX].into_iter().for_each(again);
        for bits in 0..64 {
            [1 << bits, u64::MAX >> bits].into_iter().for_each(again::<u64>);
        }
        again((true, Some(Box::<str>::from("naïve"))));
        again(vec![Topic::Chat, Topic::Trades]);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Reader::new(&[0xff; 40]).get::<u64>().is_err());
        assert!(Reader::new(&[0xff; 40]).get::<i128>().is_err());
        let beyond = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert!(Reader::new(&beyond).get::<u64>().is_err() && Reader::new(&beyond).get::<i64>().is_err());
        assert!(Reader::new(&beyond).get::<i128>().is_ok());
        assert!(Reader::new(&[2]).get::<bool>().is_err());
        assert!(Reader::new(&[2, 0xc3, 0x28]).get::<Box<str>>().is_err());
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x7f, 0]).get::<Vec<bool>>().is_err());
        assert!(Reader::new(&[99]).get::<Topic>().is_err());
    }
}
