//! When each day is to be collected: as soon as it has settled, or at the first time of a cron expression after that.

use jiff::{SignedDuration, Timestamp, civil::Date};

use crate::metric::{Calendar, CronSchedule};

/// The schedule of a tenant, as a function of time.
#[derive(Debug, Clone, Copy)]
pub struct DueTimes<'a> {
    pub calendar: &'a Calendar,
    /// How long after its end a day is given to late commits.
    pub settle: SignedDuration,
    pub cron: Option<&'a CronSchedule>,
}

impl DueTimes<'_> {
    /// The newest day whose time has come at `now`. `None`: the cron expression has no time before.
    pub fn last_due(&self, now: Timestamp) -> Option<Date> {
        let run = match self.cron {
            None => now,
            Some(cron) => cron.at_or_before(now)?,
        };
        Some(self.calendar.last_finished(run, self.settle))
    }

    /// When `date` is to be collected. `None`: the cron expression has no time after its end.
    pub fn due_at(&self, date: Date) -> Option<Timestamp> {
        let ready_at = self.calendar.ready_at(date, self.settle);
        match self.cron {
            None => Some(ready_at),
            Some(cron) => cron.at_or_after(ready_at),
        }
    }

    /// The next day to be collected after `now`, and the earliest time of its collection. Days that a cron expression leaves out between two of its
    /// times are caught up with. `None`: the cron expression has no time after.
    pub fn next_due(&self, now: Timestamp) -> Option<(Date, Timestamp)> {
        let last = self.last_due(now).unwrap_or_else(|| self.calendar.last_finished(now, self.settle));
        let next = self.calendar.day_after(last);
        let ready_at = self.calendar.ready_at(next, self.settle);
        match self.cron {
            None => Some((next, ready_at)),
            Some(cron) => {
                let run = cron.at_or_after(ready_at)?;
                Some((self.calendar.last_finished(run, self.settle), run))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(instant: &str) -> Timestamp {
        instant.parse().unwrap()
    }

    #[test]
    fn a_day_is_due_when_it_has_settled() {
        let calendar = Calendar::new("Europe/Berlin").unwrap();
        let due = DueTimes { calendar: &calendar, settle: SignedDuration::from_mins(15), cron: None };
        let day: Date = "2025-03-30".parse().unwrap();
        assert_eq!(due.last_due(at("2025-03-30T22:14:59Z")).unwrap().to_string(), "2025-03-29");
        assert_eq!(due.last_due(at("2025-03-30T22:15:00Z")), Some(day), "the day had 23 hours");
        assert_eq!(due.next_due(at("2025-03-30T12:00:00Z")), Some((day, at("2025-03-30T22:15:00Z"))));
    }

    #[test]
    fn a_cron_expression_puts_it_off() {
        let calendar = Calendar::utc();
        let cron = CronSchedule::new("0 6 * * 1", "UTC").unwrap();
        let due = DueTimes { calendar: &calendar, settle: SignedDuration::from_mins(15), cron: Some(&cron) };
        let (sunday, next_sunday) = ("2025-01-05".parse().unwrap(), "2025-01-12".parse().unwrap());
        assert_eq!(due.last_due(at("2025-01-06T06:00:00Z")), Some(sunday));
        assert_eq!(due.last_due(at("2025-01-12T23:00:00Z")), Some(sunday));
        assert_eq!(due.due_at(sunday), Some(at("2025-01-06T06:00:00Z")));
        assert_eq!(due.next_due(at("2025-01-06T06:00:00Z")), Some((next_sunday, at("2025-01-13T06:00:00Z"))));
        assert_eq!(due.next_due(at("2025-01-06T05:00:00Z")), Some((sunday, at("2025-01-06T06:00:00Z"))));
    }
}
