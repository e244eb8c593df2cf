//! Instants, as event time and ingest time use them.
//!
//! Always holds: an instant is a whole number of microseconds since 1970-01-01T00:00Z and may be negative.
//! Arithmetic saturates: no input can make it wrap. Does not know: the clock; whoever needs it passes the time.

use serde::{Deserialize, Serialize};

/// An instant in microseconds since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Before every event.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// After every event.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// From microseconds since 1970.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// From milliseconds since 1970, saturating.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis.saturating_mul(1_000))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970, rounded down.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The instant this many microseconds later (earlier if negative).
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Timestamp(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to `self`.
    #[must_use]
    pub const fn micros_since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The last multiple of `step_micros` at or before this instant. Right before 1970 too.
    /// `step_micros` must be positive.
    #[must_use]
    pub const fn floor(self, step_micros: i64) -> Self {
        debug_assert!(step_micros > 0);
        Timestamp(self.0.saturating_sub(self.0.rem_euclid(step_micros)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_rounds_towards_the_past_on_both_sides_of_1970() {
        let floor = |micros| Timestamp::from_micros(micros).floor(10).micros();
        assert_eq!(
            [floor(0), floor(9), floor(10), floor(-1), floor(-10), floor(-11)],
            [0, 0, 10, -10, -10, -20]
        );
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.plus_micros(1), Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.micros_since(Timestamp::MAX), i64::MIN);
        assert_eq!(Timestamp::MIN.floor(7).micros(), i64::MIN);
    }
}
