//! The windows of boards: which one is open, and when an event is too late for all of them.
//!
//! Always holds: at any instant one window is open at most (for sessions: in each group), so a record is of one window. An
//! event that is not late belongs to the window that is open when it becomes visible. Does not know: what is counted.

use schemas::Timestamp;

use super::growth::Growth;
use crate::windows::{Calendar, Span, last_window_end, tick_at_or_after};

/// A board's window, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// Moves on by `slide_micros`, which divides `length_micros`; tumbling where the two are equal.
    Rolling { length_micros: i64, slide_micros: i64 },
    /// For each group, until nothing has come for so long.
    Session { gap_micros: i64 },
    /// One.
    Fixed(Span),
    /// One after the other.
    Calendar(Calendar),
    /// Everything.
    AllTime,
}

/// Where an event stands in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// In no window that there ever is.
    Outside,
    /// Every window that it belongs to has ended before its partition's watermark.
    Late,
    Counts,
}

impl Window {
    /// A rolling window together with the time before it that a growth looks back to.
    pub(crate) fn with_time_before(self, growth: Option<Growth>) -> Window {
        match (self, growth) {
            (Window::Rolling { length_micros, slide_micros }, Some(growth)) => {
                Window::Rolling { length_micros: length_micros + growth.before_micros, slide_micros }
            }
            (window, _) => window,
        }
    }

    pub(super) fn standing(&self, event_time: Timestamp, watermark: Timestamp) -> Standing {
        let last_end = match self {
            Window::Rolling { length_micros, slide_micros } => {
                last_window_end(event_time, *length_micros, *slide_micros)
            }
            Window::Session { gap_micros } => event_time.plus_micros(*gap_micros),
            Window::Fixed(span) if event_time < span.start || event_time >= span.end => {
                return Standing::Outside;
            }
            Window::Fixed(span) => span.end,
            // Whatever the calendar says, the span of an event that is not behind the watermark is open.
            Window::Calendar(_) if event_time >= watermark => Timestamp::MAX,
            Window::Calendar(calendar) => calendar.span_at(event_time).end,
            Window::AllTime => Timestamp::MAX,
        };
        if last_end <= watermark { Standing::Late } else { Standing::Counts }
    }

    /// The window of all groups that is open just before `tick`, given the one that was open last.
    pub(super) fn open_before(&self, tick: Timestamp, last: Option<Span>) -> Option<Span> {
        match self {
            Window::Rolling { length_micros, slide_micros } => {
                let end = tick_at_or_after(tick, *slide_micros);
                Some(Span { start: end.plus_micros(-length_micros), end })
            }
            Window::Fixed(span) => (tick <= span.end).then_some(*span),
            Window::Calendar(calendar) => match last {
                Some(span) if span.start < tick && tick <= span.end => last,
                _ => Some(calendar.span_at(tick.plus_micros(-1))),
            },
            Window::Session { .. } | Window::AllTime => None,
        }
    }

    /// Of the instants after `before` up to `tick`, the first after which a record is due: `tick`, unless a window ends before.
    pub(super) fn first_due(&self, before: Timestamp, tick: Timestamp, last: Option<Span>) -> Timestamp {
        match self {
            Window::Fixed(span) if span.end > before => span.end.min(tick),
            Window::Calendar(_) if last.is_some_and(|span| span.start <= before && tick <= span.end) => tick,
            Window::Calendar(calendar) => calendar.span_at(before).end.min(tick),
            _ => tick,
        }
    }
}
