//! The instant by which a run must have stopped reading. It is passed from the run to every statement.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// What messages say about a limit of time.
#[derive(Debug, PartialEq, Eq)]
pub struct LimitSource {
    /// What sets it: a setting, or what has a fixed limit, as in `of a preview over the API`.
    pub set_by: &'static str,
    /// What the user can do when it is reached.
    pub advice: &'static str,
}

/// How long a run may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit {
    pub duration: Duration,
    pub source: &'static LimitSource,
}

/// As in `the limit of 60 minutes (of a preview over the API)`.
impl fmt::Display for TimeLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.duration.as_secs();
        let duration = match (seconds / 60, seconds % 60) {
            (1, 0) => "1 minute".to_owned(),
            (minutes, 0) => format!("{minutes} minutes"),
            _ => format!("{seconds} seconds"),
        };
        write!(formatter, "the limit of {duration} ({})", self.source.set_by)
    }
}

/// A fixed instant of the process's monotonic clock, or no limit.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Option<Instant>,
    limit: Option<TimeLimit>,
}

impl Deadline {
    /// The deadline `limit` from now. An instant that the clock cannot represent means no deadline.
    pub fn after(limit: Duration) -> Self {
        Self { at: Instant::now().checked_add(limit), limit: None }
    }

    /// The deadline `limit` from now, which messages name.
    pub fn of(limit: TimeLimit) -> Self {
        Self { limit: Some(limit), ..Self::after(limit.duration) }
    }

    /// No deadline.
    pub const fn none() -> Self {
        Self { at: None, limit: None }
    }

    /// The limit that it comes from, if messages are to name it.
    pub fn limit(&self) -> Option<TimeLimit> {
        self.limit
    }

    /// The remaining time, which is zero once the deadline has passed; `None` if there is no deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.at.map(|instant| instant.saturating_duration_since(Instant::now()))
    }

    /// `limit`, or the remaining time if that is less.
    pub fn at_most(&self, limit: Duration) -> Duration {
        self.remaining().map_or(limit, |remaining| remaining.min(limit))
    }

    pub fn is_over(&self) -> bool {
        self.remaining() == Some(Duration::ZERO)
    }

    /// The same deadline, `grace` later.
    pub fn extended(&self, grace: Duration) -> Self {
        Self { at: self.at.and_then(|instant| instant.checked_add(grace)), ..*self }
    }

    /// Waits until the deadline has passed; never returns if there is no deadline.
    pub async fn passed(&self) {
        match self.at {
            Some(instant) => tokio::time::sleep_until(instant.into()).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_over_when_nothing_remains() {
        assert!(Deadline::after(Duration::ZERO).is_over());
        let later = Deadline::after(Duration::from_secs(3600));
        assert!(!later.is_over() && later.remaining() > Some(Duration::from_secs(3000)));
        let hour = Duration::from_secs(3600);
        assert_eq!(Deadline::after(2 * hour).at_most(hour), hour);
        assert!(later.at_most(2 * hour) <= hour);
        assert_eq!(Deadline::none().at_most(hour), hour);
        assert_eq!(Deadline::none().remaining(), None);
        assert!(!Deadline::none().is_over());
        assert!(!Deadline::after(Duration::ZERO).extended(Duration::from_secs(60)).is_over());
    }

    #[test]
    fn a_deadline_beyond_the_clocks_range_is_none() {
        assert_eq!(Deadline::after(Duration::MAX).remaining(), None);
    }

    #[test]
    fn a_limit_is_shown_in_its_unit_with_what_sets_it() {
        let source = &LimitSource { set_by: "`a.setting`", advice: "" };
        let shown = |seconds| TimeLimit { duration: Duration::from_secs(seconds), source }.to_string();
        assert_eq!(shown(10), "the limit of 10 seconds (`a.setting`)");
        assert_eq!(shown(60), "the limit of 1 minute (`a.setting`)");
        assert_eq!(shown(3600), "the limit of 60 minutes (`a.setting`)");
    }

    #[tokio::test]
    async fn waiting_for_a_deadline_that_is_over_returns_at_once() {
        Deadline::after(Duration::ZERO).passed().await;
    }
}
