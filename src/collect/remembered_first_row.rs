//! The day of the platform's first row, as reports read it last. Reports that are made every few seconds use it, so that they do
//! not scan the platform each time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::civil::Date;
use parking_lot::Mutex;

/// How long a day that was read is used. It changes slowly: with the day, where old rows are deleted.
const USED_FOR: Duration = Duration::from_mins(10);
/// How long after a failure the platform is not asked again.
const PAUSE: Duration = Duration::from_mins(1);
/// How long a report waits for the first row, which takes a scan where a time column has no index.
const WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub struct RememberedFirstRow {
    last: Mutex<LastRead>,
    /// Held while the platform is read.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct LastRead {
    date: Option<Date>,
    /// `None` if the platform was never asked.
    next: Option<Instant>,
}

impl RememberedFirstRow {
    /// The day that was read last; `None` also if none was read.
    pub fn last_read(&self) -> Option<Date> {
        self.last.lock().date
    }

    /// The day that was read within the last ten minutes, or that `read` returns within two seconds; then `read` continues, and its day
    /// is used later. Until it has one, and where it fails, which is `None`, the day before stays in use.
    pub(super) async fn or_read(
        self: &Arc<Self>,
        read: impl Future<Output = Option<Option<Date>>> + Send + 'static,
    ) -> Option<Date> {
        self.or_read_within(WAIT, read).await
    }

    async fn or_read_within(
        self: &Arc<Self>,
        wait: Duration,
        read: impl Future<Output = Option<Option<Date>>> + Send + 'static,
    ) -> Option<Date> {
        let is_due = self.last.lock().next.is_none_or(|next| next <= Instant::now());
        if is_due && let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
            let this = Arc::clone(self);
            let reading = tokio::spawn(async move {
                let read = read.await;
                let mut last = this.last.lock();
                last.next = Instant::now().checked_add(if read.is_some() { USED_FOR } else { PAUSE });
                last.date = read.unwrap_or(last.date);
                drop(turn);
            });
            // What it found is in `last`.
            tokio::time::timeout(wait, reading).await.ok();
        }
        self.last_read()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use tokio::sync::oneshot;

    use super::*;

    const FIRST: Date = date(2025, 1, 1);

    #[tokio::test]
    async fn a_slow_read_is_waited_for_once_and_used_when_it_ends() {
        let remembered = Arc::new(RememberedFirstRow::default());
        let (send, ended) = oneshot::channel::<()>();
        let slow = async move {
            ended.await.ok();
            Some(Some(FIRST))
        };
        assert_eq!(remembered.or_read_within(Duration::ZERO, slow).await, None, "the time is over");
        assert_eq!(remembered.or_read(async { panic!("a second read") }).await, None);
        send.send(()).unwrap();
        while remembered.last_read().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(remembered.or_read(async { panic!("a second read") }).await, Some(FIRST));
    }

    #[tokio::test]
    async fn a_failure_keeps_the_day_that_was_read_before() {
        let remembered = Arc::new(RememberedFirstRow::default());
        assert_eq!(remembered.or_read(async { Some(Some(FIRST)) }).await, Some(FIRST));
        remembered.last.lock().next = None;
        assert_eq!(remembered.or_read(async { None }).await, Some(FIRST));
        assert_eq!(remembered.or_read(async { panic!("too soon") }).await, Some(FIRST));
        remembered.last.lock().next = None;
        assert_eq!(remembered.or_read(async { Some(None) }).await, None, "the rows are gone");
    }
}
