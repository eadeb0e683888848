//! Times of a cron expression in a time zone, as croner reads it (the fields of Vixie cron). A time that a clock change
//! skips is run at the first instant after it; one that occurs twice is run once.

use std::fmt;

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};

/// A cron expression of five fields, and the zone that its hours and days are of.
#[derive(Clone)]
pub struct CronSchedule {
    cron: Cron,
    zone: TimeZone,
}

/// Why an expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    #[error("it is not a cron expression of five fields (minute, hour, day, month, day of the week): {0}")]
    Syntax(String),
    #[error("no time ever matches it")]
    Never,
    #[error("unknown time zone `{0}`: give an IANA name such as `UTC` or `Europe/Berlin`")]
    UnknownZone(String),
}

impl CronSchedule {
    /// # Errors
    /// When the expression cannot be read or matches no time, or `zone` is not an IANA name.
    pub fn new(expression: &str, zone: &str) -> Result<Self, CronError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(expression).map_err(|error| CronError::Syntax(error.to_string()))?;
        let zone = TimeZone::get(zone).map_err(|_| CronError::UnknownZone(zone.to_owned()))?;
        let schedule = Self { cron, zone };
        match schedule.at_or_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(CronError::Never),
        }
    }

    /// The latest time of the schedule that is not after `instant`.
    pub fn at_or_before(&self, instant: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_previous_occurrence(&self.zoned(instant), true);
        found.ok().map(|time| time.timestamp())
    }

    /// The first time of the schedule that is not before `instant`.
    pub fn at_or_after(&self, instant: Timestamp) -> Option<Timestamp> {
        let whole = self.zoned(instant);
        let found = self.cron.find_next_occurrence(&whole, true).ok()?.timestamp();
        if found >= instant {
            return Some(found);
        }
        self.cron.find_next_occurrence(&whole, false).ok().map(|time| time.timestamp())
    }

    fn zoned(&self, instant: Timestamp) -> Zoned {
        let whole = Timestamp::from_second(instant.as_second()).unwrap_or(instant);
        whole.to_zoned(self.zone.clone())
    }
}

impl fmt::Debug for CronSchedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CronSchedule({})", self)
    }
}

/// The expression and the zone: `30 2 * * * (Europe/Berlin)`.
impl fmt::Display for CronSchedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.cron.as_str(), self.zone.iana_name().unwrap_or("UTC"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = CronSchedule::new(expression, zone).unwrap();
        let mut instant: Timestamp = from.parse().unwrap();
        let mut times = Vec::new();
        for _ in 0..count {
            let time = schedule.at_or_after(instant).unwrap();
            times.push(time.to_string());
            instant = time + jiff::SignedDuration::from_nanos(1);
        }
        times
    }

    #[test]
    fn hours_are_those_of_the_zone() {
        assert_eq!(
            times("30 2 * * *", "Asia/Kolkata", "2025-01-01T00:00:00Z", 2),
            ["2025-01-01T21:00:00Z", "2025-01-02T21:00:00Z"]
        );
    }

    #[test]
    fn a_time_that_a_clock_change_skips_or_repeats_is_one_time() {
        let spring = times("30 2 * * *", "Europe/Berlin", "2025-03-29T12:00:00Z", 2);
        assert_eq!(spring, ["2025-03-30T01:00:00Z", "2025-03-31T00:30:00Z"]);
        let autumn = times("30 2 * * *", "Europe/Berlin", "2025-10-25T12:00:00Z", 2);
        assert_eq!(autumn, ["2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z"]);
        // Midnight does not happen on this day.
        let sao_paulo = times("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", 2);
        assert_eq!(sao_paulo, ["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"]);
    }

    #[test]
    fn the_latest_time_is_found_as_well() {
        let schedule = CronSchedule::new("0 6 * * 1", "UTC").unwrap();
        let before = |instant: &str| schedule.at_or_before(instant.parse().unwrap()).unwrap().to_string();
        assert_eq!(before("2025-01-06T06:00:00Z"), "2025-01-06T06:00:00Z");
        assert_eq!(before("2025-01-06T05:59:59.9Z"), "2024-12-30T06:00:00Z");
    }

    #[test]
    fn unusable_expressions_are_refused() {
        let error = |expression: &str, zone: &str| CronSchedule::new(expression, zone).unwrap_err();
        assert!(matches!(error("every night", "UTC"), CronError::Syntax(_)));
        assert!(
            matches!(error("0 0 0 * * *", "UTC"), CronError::Syntax(_)),
            "seconds are none of the fields"
        );
        assert_eq!(error("0 0 30 2 *", "UTC"), CronError::Never);
        assert_eq!(error("0 0 * * *", "Mars/Olympus"), CronError::UnknownZone("Mars/Olympus".to_owned()));
    }
}
