//! Days of the reporting time zone as half-open ranges of instants. A day is 23 to 25 hours long (24.5 on Lord Howe
//! Island), and a few calendar dates never happened at all (30 December 2011 in Apia).

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};

/// The reporting time zone, which defines where a day begins and ends.
#[derive(Debug, Clone)]
pub struct Calendar {
    zone: TimeZone,
    name: String,
}

/// One day: all instants `t` with `start <= t < end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayBounds {
    pub date: Date,
    pub start: Timestamp,
    pub end: Timestamp,
    /// The date of the day that follows: not always the next one, as zones have skipped dates.
    pub next: Date,
}

#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    #[error(
        "unknown time zone `{0}`: give an IANA name such as `UTC`, `Europe/Berlin` or `America/Los_Angeles`"
    )]
    UnknownZone(String),
}

impl Calendar {
    /// # Errors
    /// When `name` is not in the IANA time zone database.
    pub fn new(name: &str) -> Result<Self, CalendarError> {
        let zone = TimeZone::get(name).map_err(|_| CalendarError::UnknownZone(name.to_owned()))?;
        // The spelling of the IANA database, so that a zone has one name for every spelling of the user.
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Ok(Self { zone, name })
    }

    pub fn utc() -> Self {
        Self { zone: TimeZone::UTC, name: "UTC".to_owned() }
    }

    /// The IANA name of the zone.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The day's bounds, or `None` for a date that the zone skipped.
    pub fn bounds(&self, date: Date) -> Option<DayBounds> {
        let start = self.start_of(date);
        let end = self.start_of(date.tomorrow().unwrap_or(date));
        (start < end).then(|| DayBounds { date, start, end, next: self.date_of(end) })
    }

    /// All days from `from` to `to`, both included, without those that never happened.
    pub fn days(&self, from: Date, to: Date) -> Vec<DayBounds> {
        let mut days = Vec::new();
        let mut date = from;
        while date <= to {
            days.extend(self.bounds(date));
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        days
    }

    /// Dates from `from` to `to` around which the zone's offset changed. Between two of them that follow each other, all days
    /// begin at the same time in UTC.
    pub fn dates_of_changes(&self, from: Date, to: Date) -> Vec<Date> {
        let end = self.start_of(to.saturating_add(1.day()));
        let changes = self.zone.following(self.start_of(from)).take_while(|change| change.timestamp() <= end);
        let mut dates: Vec<_> = changes
            .flat_map(|change| {
                let before = change.timestamp().saturating_sub(1.nanosecond()).unwrap_or(Timestamp::MIN);
                let (before, after) = (self.date_of(before), self.date_of(change.timestamp()));
                let last = before.max(after).saturating_add(1.day());
                before.min(after).series(1.day()).take_while(move |date| *date <= last)
            })
            .filter(|date| (from..=to).contains(date))
            .collect();
        dates.sort_unstable();
        dates.dedup();
        dates
    }

    /// The dates from `from` to `to`, both included, that never happened.
    pub fn skipped(&self, from: Date, to: Date) -> Vec<Date> {
        let end = self.start_of(to.saturating_add(1.day()));
        // Only where the zone's offset changed can a date have been skipped.
        let changes = self
            .zone
            .following(self.start_of(from.saturating_sub(1.day())))
            .take_while(|change| change.timestamp() <= end);
        let around = changes.map(|change| {
            let before = change.timestamp().saturating_sub(1.nanosecond()).unwrap_or(Timestamp::MIN);
            (self.date_of(before), self.date_of(change.timestamp()))
        });
        let skipped = around.flat_map(|(before, after)| {
            let dates = before.series(1.day()).skip(1);
            dates.take_while(move |date| *date < after)
        });
        skipped.filter(|date| (from..=to).contains(date)).collect()
    }

    /// The date on which `instant` falls.
    pub fn date_of(&self, instant: Timestamp) -> Date {
        self.zone.to_datetime(instant).date()
    }

    /// The instant from which `date` may be recorded: its end plus the time given to late commits.
    pub fn ready_at(&self, date: Date, settle: SignedDuration) -> Timestamp {
        let end = self.start_of(date.saturating_add(1.day()));
        end.checked_add(settle).unwrap_or(Timestamp::MAX)
    }

    /// The latest day that had ended `settle` before `now`.
    pub fn last_finished(&self, now: Timestamp, settle: SignedDuration) -> Date {
        let settled = now.checked_sub(settle).unwrap_or(Timestamp::MIN);
        let mut date = self.date_of(settled).saturating_sub(1.day());
        while self.bounds(date).is_none() {
            date = date.saturating_sub(1.day());
        }
        date
    }

    /// The first day after `date` that exists in the zone.
    pub fn day_after(&self, date: Date) -> Date {
        let mut next = date.saturating_add(1.day());
        while self.bounds(next).is_none() && next < Date::MAX {
            next = next.saturating_add(1.day());
        }
        next
    }

    /// The instant in the reporting zone, to the minute, with the zone's abbreviation: `2025-01-11 00:15 CET`.
    pub fn display(&self, instant: Timestamp) -> String {
        instant.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
    }

    /// The first instant whose date is `date` or later. This needs "compatible" disambiguation: of two midnights it
    /// takes the first, and a midnight that was skipped becomes the first instant after the gap.
    pub fn start_of(&self, date: Date) -> Timestamp {
        self.zone.to_timestamp(date.at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn hours(zone: &str, day: Date) -> Option<f64> {
        let bounds = Calendar::new(zone).unwrap().bounds(day)?;
        Some(bounds.end.duration_since(bounds.start).as_secs_f64() / 3600.0)
    }

    #[test]
    fn days_have_the_length_they_had() {
        assert_eq!(hours("UTC", date(2025, 3, 30)), Some(24.0));
        assert_eq!(hours("Europe/Berlin", date(2025, 3, 30)), Some(23.0));
        assert_eq!(hours("Europe/Berlin", date(2025, 10, 26)), Some(25.0));
        assert_eq!(hours("America/Los_Angeles", date(2025, 3, 9)), Some(23.0));
        assert_eq!(hours("America/Los_Angeles", date(2025, 11, 2)), Some(25.0));
        assert_eq!(hours("Asia/Kolkata", date(2025, 3, 30)), Some(24.0));
        assert_eq!(hours("Australia/Lord_Howe", date(2025, 4, 6)), Some(24.5));
        assert_eq!(hours("Australia/Lord_Howe", date(2025, 10, 5)), Some(23.5));
        assert_eq!(hours("America/Sao_Paulo", date(2018, 11, 4)), Some(23.0), "midnight itself was skipped");
        assert_eq!(hours("America/Havana", date(2024, 11, 3)), Some(25.0), "midnight happened twice");
        assert_eq!(hours("Pacific/Apia", date(2011, 12, 30)), None, "this date never happened");
        assert_eq!(hours("Pacific/Apia", date(2011, 12, 29)), Some(24.0));
        assert_eq!(hours("Pacific/Apia", date(2011, 12, 31)), Some(24.0));
    }

    #[test]
    fn skipped_dates_are_those_without_bounds() {
        let zones = [
            "Pacific/Apia",
            "Pacific/Kwajalein",
            "Pacific/Kiritimati",
            "Pacific/Enderbury",
            "Asia/Manila",
            "America/Juneau",
            "Europe/Berlin",
            "UTC",
        ];
        let (from, to) = (date(1844, 1, 1), date(2025, 1, 1));
        let mut most = 0;
        for zone in zones {
            let calendar = Calendar::new(zone).unwrap();
            let dates = from.series(1.day()).take_while(|date| *date <= to);
            let without_bounds: Vec<_> = dates.filter(|date| calendar.bounds(*date).is_none()).collect();
            assert_eq!(calendar.skipped(from, to), without_bounds, "{zone}");
            most = most.max(without_bounds.len());
            for day in without_bounds {
                assert_eq!(calendar.skipped(day, day), [day], "{zone}");
                assert!(calendar.skipped(day.tomorrow().unwrap(), to).is_empty());
            }
        }
        assert!(most > 0);
    }

    #[test]
    fn the_last_finished_day_waits_for_late_commits_and_skips_dates_without_a_day() {
        let apia = Calendar::new("Pacific/Apia").unwrap();
        let settle = SignedDuration::from_mins(15);
        let ready = apia.ready_at(date(2011, 12, 29), settle);
        assert_eq!(apia.last_finished(ready, settle), date(2011, 12, 29));
        assert_eq!(apia.last_finished(ready - 1.second(), settle), date(2011, 12, 28));
    }

    #[test]
    fn an_unknown_zone_is_named() {
        assert!(Calendar::new("Mars/Olympus").unwrap_err().to_string().contains("`Mars/Olympus`"));
    }

    proptest! {
        #[test]
        fn every_instant_is_in_exactly_one_day(
            second in 0i64..2_000_000_000,
            zone in prop::sample::select(vec![
                "UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe",
                "Pacific/Apia", "America/Sao_Paulo", "America/Havana", "Africa/Cairo", "Asia/Kathmandu",
            ]),
        ) {
            let calendar = Calendar::new(zone).unwrap();
            let instant = Timestamp::from_second(second).unwrap();
            let date = calendar.date_of(instant);
            let days = calendar.days(date.saturating_sub(3.days()), date.saturating_add(3.days()));
            let holding: Vec<_> = days.iter().filter(|day| day.start <= instant && instant < day.end).collect();
            prop_assert_eq!(holding.len(), 1);
            prop_assert_eq!(holding[0].date, date);
            for pair in days.windows(2) {
                prop_assert_eq!(pair[0].end, pair[1].start, "no instant is lost or counted twice");
            }
        }
    }
}
