//! Ids of events, as they are remembered.
//!
//! Always holds: equal ids are equal; with a million different ones, two are taken for one with a probability of 3 in 10^33. Does not know: whose
//! they are.

use twox_hash::XxHash3_128;

use crate::state::bytes::{Reader, Stored, Unreadable};

/// An id as its 128-bit XXH3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(u128);

impl Id {
    pub(crate) fn of(text: &str) -> Self {
        Id(XxHash3_128::oneshot(text.as_bytes()))
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Id(u128::from_le_bytes(bytes))
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// For tables.
    pub(crate) fn hash(self) -> u64 {
        self.0 as u64
    }

    /// Tells ids with equal hashes apart, nearly always.
    pub(crate) fn tag(self) -> u16 {
        (self.0 >> 64) as u16
    }
}

impl Stored for Id {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let bytes = reader.take(16)?.try_into().map_err(|_| Unreadable("is cut off"))?;
        Ok(Id::from_bytes(bytes))
    }
}
