//! The instant by which a run must have stopped reading. It is passed from the run to every statement.

use std::time::{Duration, Instant};

/// A fixed instant of the process's monotonic clock, or no limit.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline `limit` from now. An instant that the clock cannot represent means no deadline.
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now().checked_add(limit))
    }

    /// No deadline.
    pub const fn none() -> Self {
        Self(None)
    }

    /// The remaining time, which is zero once the deadline has passed; `None` if there is no deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.0.map(|instant| instant.saturating_duration_since(Instant::now()))
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
        Self(self.0.and_then(|instant| instant.checked_add(grace)))
    }

    /// Waits until the deadline has passed; never returns if there is no deadline.
    pub async fn passed(&self) {
        match self.0 {
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

    #[tokio::test]
    async fn waiting_for_a_deadline_that_is_over_returns_at_once() {
        Deadline::after(Duration::ZERO).passed().await;
    }
}
