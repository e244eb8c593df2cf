//! Days, weeks, months and years as a time zone counts them.
//!
//! Always holds: the spans of one calendar follow each other without gap or overlap over all of time, and a span begins at
//! the first instant of a local date: a day of a change to daylight saving has 23 hours, the one back has 25. The zones' rules
//! are compiled in, so the same program gives the same spans everywhere. Does not know: what is counted in a span.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use schemas::Timestamp;

/// A stretch of time: its first instant, and the first one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant inside.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

/// How long a span of a calendar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalendarUnit {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to the first of the next.
    Month,
    /// From the first of January to the next.
    Year,
}

/// Spans of one unit in one time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    unit: CalendarUnit,
    zone: TimeZone,
}

/// The rules of time zones are asked for the years from -9000 to 9000 only; what is outside is one span on either side.
const EARLIEST: Timestamp = Timestamp::from_micros(-346_000_000_000_000_000);
const LATEST: Timestamp = Timestamp::from_micros(221_000_000_000_000_000);
const FAR: Timestamp = Timestamp::from_micros(i64::MAX / 2);

impl Calendar {
    /// The calendar of the zone that IANA's database calls `zone`, such as `Europe/Berlin`; none if it does not have it.
    #[must_use]
    pub fn new(unit: CalendarUnit, zone: &str) -> Option<Self> {
        let zone = TimeZoneDatabase::bundled().get(zone).ok()?;
        Some(Calendar { unit, zone })
    }

    /// The span that contains `instant`.
    #[must_use]
    pub fn span_at(&self, instant: Timestamp) -> Span {
        if instant < EARLIEST {
            return Span { start: Timestamp::MIN, end: EARLIEST };
        }
        if instant >= LATEST {
            let (start, end) = if instant < FAR { (LATEST, FAR) } else { (FAR, Timestamp::MAX) };
            return Span { start, end };
        }
        let mut first = self.first_date(self.local_date(instant));
        // Where a clock is set back across midnight, an instant can lie before the day that its local date names, or after it.
        while self.start(first) > instant {
            first = self.first_date(first.yesterday().unwrap_or(Date::MIN));
        }
        while self.start(self.next(first)) <= instant {
            first = self.next(first);
        }
        Span { start: self.start(first).max(EARLIEST), end: self.start(self.next(first)).min(LATEST) }
    }

    fn local_date(&self, instant: Timestamp) -> Date {
        let instant =
            jiff::Timestamp::from_microsecond(instant.micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        self.zone.to_datetime(instant).date()
    }

    /// The first date of the span that a date belongs to.
    fn first_date(&self, date: Date) -> Date {
        match self.unit {
            CalendarUnit::Day => date,
            CalendarUnit::Week => {
                let days = i64::from(date.weekday().to_monday_zero_offset());
                date.checked_sub(days.days()).unwrap_or(Date::MIN)
            }
            CalendarUnit::Month => date.first_of_month(),
            CalendarUnit::Year => date.first_of_year(),
        }
    }

    /// The first date of the next span.
    fn next(&self, first: Date) -> Date {
        let unit = match self.unit {
            CalendarUnit::Day => 1.day(),
            CalendarUnit::Week => 1.week(),
            CalendarUnit::Month => 1.month(),
            CalendarUnit::Year => 1.year(),
        };
        first.checked_add(unit).unwrap_or(Date::MAX)
    }

    /// The first instant of a date. Of a midnight that the clock skips or repeats: the instant of the change, or the first.
    fn start(&self, date: Date) -> Timestamp {
        let midnight = self.zone.to_ambiguous_timestamp(date.to_datetime(jiff::civil::Time::midnight()));
        midnight
            .compatible()
            .map_or(Timestamp::MAX, |instant| Timestamp::from_micros(instant.as_microsecond()))
    }
}

/// The instant that a text in the form of RFC 3339 names, such as `2026-03-01T18:00:00Z`; none if it names none.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_micros(instant.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn at(text: &str) -> Timestamp {
        instant(text).expect(text)
    }

    fn span(unit: CalendarUnit, zone: &str, instant: &str) -> (Timestamp, Timestamp) {
        let span = Calendar::new(unit, zone).expect(zone).span_at(at(instant));
        (span.start, span.end)
    }

    /// Days of change, from the zones' published rules: the last Sundays of March and October; the second Sunday of March
    /// and the first of November.
    #[test]
    fn a_day_of_change_has_23_or_25_hours() {
        for (zone, date, start, hours) in [
            ("Europe/Berlin", "2024-03-31", "2024-03-30T23:00:00Z", 23),
            ("Europe/Berlin", "2024-10-27", "2024-10-26T22:00:00Z", 25),
            ("Europe/Berlin", "2025-03-30", "2025-03-29T23:00:00Z", 23),
            ("Europe/Berlin", "2025-10-26", "2025-10-25T22:00:00Z", 25),
            ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", 23),
            ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", 25),
            ("Europe/Berlin", "2026-07-01", "2026-06-30T22:00:00Z", 24),
            ("America/Los_Angeles", "2024-03-10", "2024-03-10T08:00:00Z", 23),
            ("America/Los_Angeles", "2024-11-03", "2024-11-03T07:00:00Z", 25),
            ("America/Los_Angeles", "2025-03-09", "2025-03-09T08:00:00Z", 23),
            ("America/Los_Angeles", "2025-11-02", "2025-11-02T07:00:00Z", 25),
            ("America/Los_Angeles", "2026-03-08", "2026-03-08T08:00:00Z", 23),
            ("America/Los_Angeles", "2026-11-01", "2026-11-01T07:00:00Z", 25),
            ("America/Los_Angeles", "2026-01-01", "2026-01-01T08:00:00Z", 24),
            ("UTC", "2026-03-29", "2026-03-29T00:00:00Z", 24),
        ] {
            let end = at(start).plus_micros(hours * HOUR);
            let noon = at(start).plus_micros(hours * HOUR / 2);
            let calendar = Calendar::new(CalendarUnit::Day, zone).expect(zone);
            for inside in [at(start), noon, end.plus_micros(-1)] {
                assert_eq!(calendar.span_at(inside), Span { start: at(start), end }, "{zone} {date}");
            }
            assert_eq!(calendar.span_at(end).start, end, "{zone}: the day after {date}");
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_run_across_the_new_year() {
        let berlin = |instant| span(CalendarUnit::Week, "Europe/Berlin", instant);
        let week = (at("2025-12-28T23:00:00Z"), at("2026-01-04T23:00:00Z"));
        assert_eq!(berlin("2025-12-31T12:00:00Z"), week);
        assert_eq!(berlin("2026-01-04T22:59:59Z"), week);
        // 169 hours: the clock is set back within it.
        let long = (at("2024-10-20T22:00:00Z"), at("2024-10-27T23:00:00Z"));
        assert_eq!(berlin("2024-10-24T00:00:00Z"), long);
        assert_eq!(
            span(CalendarUnit::Week, "America/Los_Angeles", "2026-01-01T00:00:00Z"),
            (at("2025-12-29T08:00:00Z"), at("2026-01-05T08:00:00Z"))
        );
    }

    #[test]
    fn months_and_years_have_the_days_they_have() {
        let month = |zone, instant| span(CalendarUnit::Month, zone, instant);
        assert_eq!(
            month("Europe/Berlin", "2024-02-29T22:59:59Z"),
            (at("2024-01-31T23:00:00Z"), at("2024-02-29T23:00:00Z"))
        );
        assert_eq!(
            month("Europe/Berlin", "2025-02-28T12:00:00Z"),
            (at("2025-01-31T23:00:00Z"), at("2025-02-28T23:00:00Z"))
        );
        assert_eq!(
            month("America/Los_Angeles", "2026-03-31T23:00:00Z"),
            (at("2026-03-01T08:00:00Z"), at("2026-04-01T07:00:00Z"))
        );
        assert_eq!(
            span(CalendarUnit::Year, "America/Los_Angeles", "2024-12-31T23:59:59Z"),
            (at("2024-01-01T08:00:00Z"), at("2025-01-01T08:00:00Z"))
        );
    }

    /// Zones whose clocks change at midnight, one that skipped a day, and all of time: spans follow each other.
    #[test]
    fn spans_follow_each_other_everywhere() {
        for (zone, from, to) in [
            ("America/Sao_Paulo", "2017-10-10T00:00:00Z", "2018-02-25T00:00:00Z"),
            ("America/St_Johns", "2010-10-20T00:00:00Z", "2010-11-15T00:00:00Z"),
            ("Pacific/Apia", "2011-12-20T00:00:00Z", "2012-01-10T00:00:00Z"),
            ("Africa/Cairo", "2024-04-20T00:00:00Z", "2024-11-05T00:00:00Z"),
            ("Asia/Kathmandu", "1985-12-28T00:00:00Z", "1986-01-05T00:00:00Z"),
        ] {
            let calendar = Calendar::new(CalendarUnit::Day, zone).expect(zone);
            let mut span = calendar.span_at(at(from));
            while span.start < at(to) {
                assert!(span.start < span.end, "{zone}: {span:?}");
                for inside in [span.start, span.start.plus_micros(HOUR), span.end.plus_micros(-1)] {
                    assert_eq!(calendar.span_at(inside), span, "{zone}");
                }
                let next = calendar.span_at(span.end);
                assert_eq!(next.start, span.end, "{zone}");
                span = next;
            }
        }
        let calendar = Calendar::new(CalendarUnit::Month, "Europe/Berlin").expect("known");
        for far in [Timestamp::MIN, EARLIEST, LATEST.plus_micros(-1), LATEST, FAR] {
            let span = calendar.span_at(far);
            assert!(span.start <= far && far < span.end, "{span:?}");
            assert_eq!(calendar.span_at(span.end.plus_micros(-1)), span);
        }
        assert_eq!(calendar.span_at(EARLIEST).start, EARLIEST);
    }

    #[test]
    fn names_and_instants_that_are_none_are_refused() {
        assert_eq!(Calendar::new(CalendarUnit::Day, "Mars/Olympus_Mons"), None);
        assert!(instant("2026-03-01T18:00:00+01:00") == instant("2026-03-01T17:00:00Z"));
        for text in ["2026-03-01", "2026-03-01T18:00:00", "soon", ""] {
            assert_eq!(instant(text), None, "{text}");
        }
    }
}
