//! Window and tick arithmetic.
//!
//! Always holds: windows are half-open, `[start, end)`, and begin at multiples of their step counted from 1970, before
//! 1970 too. A *tick* is an instant at which records are written; a tick at `T` shows what was visible before `T`.
//! Does not know: what is counted in a window. All spans are in microseconds and positive.

mod calendar;

use schemas::Timestamp;

pub(crate) use calendar::instant;
pub use calendar::{Calendar, CalendarUnit, Span};

/// The first multiple of `step_micros` after `instant`: the first tick that shows what became visible at `instant`.
#[must_use]
pub fn tick_after(instant: Timestamp, step_micros: i64) -> Timestamp {
    instant.floor(step_micros).plus_micros(step_micros)
}

/// The first multiple of `step_micros` at or after `instant`: the end of the window that is open just before it.
#[must_use]
pub fn tick_at_or_after(instant: Timestamp, step_micros: i64) -> Timestamp {
    let floor = instant.floor(step_micros);
    if floor == instant { instant } else { floor.plus_micros(step_micros) }
}

/// The end of the last window of `length_micros`, one beginning every `slide_micros`, that contains `event_time`.
/// An event whose last window ends at or before its own partition's watermark is late.
#[must_use]
pub fn last_window_end(event_time: Timestamp, length_micros: i64, slide_micros: i64) -> Timestamp {
    event_time.floor(slide_micros).plus_micros(length_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn a_tick_shows_what_came_before_it_and_not_what_came_at_it() {
        let ticks = |micros| (tick_after(at(micros), 10).micros(), tick_at_or_after(at(micros), 10).micros());
        assert_eq!(ticks(0), (10, 0));
        assert_eq!(ticks(1), (10, 10));
        assert_eq!(ticks(10), (20, 10));
        assert_eq!(ticks(-1), (0, 0));
        assert_eq!(ticks(-10), (0, -10));
        assert_eq!(ticks(-11), (-10, -10));
    }

    #[test]
    fn an_event_at_a_windows_end_belongs_to_the_next() {
        assert_eq!(last_window_end(at(0), 30, 10).micros(), 30);
        assert_eq!(last_window_end(at(9), 30, 10).micros(), 30);
        assert_eq!(last_window_end(at(10), 30, 10).micros(), 40);
        assert_eq!(last_window_end(at(-1), 30, 10).micros(), 20);
        assert_eq!(last_window_end(at(10), 10, 10).micros(), 20);
    }
}
