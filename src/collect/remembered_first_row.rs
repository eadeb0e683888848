//! The day of the platform's first row, as reports read it last. Reports that are made every few seconds use it, so that they do
//! not scan the platform each time.

use std::time::{Duration, Instant};

use jiff::civil::Date;
use tokio::sync::Mutex;

/// How long a day that was read is used. It changes slowly: with the day, where old rows are deleted.
const USED_FOR: Duration = Duration::from_mins(10);
/// How long a report waits for the first row, which takes a scan where a time column has no index.
const WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub struct RememberedFirstRow(Mutex<Option<(Instant, Option<Date>)>>);

impl RememberedFirstRow {
    /// The day that was read last; `None` also if none was read.
    pub fn last_read(&self) -> Option<Date> {
        self.0.try_lock().ok()?.as_ref()?.1
    }

    /// The day that was read within the last ten minutes, or that `read` returns within two seconds.
    pub(super) async fn or_read(&self, read: impl Future<Output = Option<Date>>) -> Option<Date> {
        let mut remembered = self.0.lock().await;
        match *remembered {
            Some((read_at, date)) if read_at.elapsed() < USED_FOR => date,
            _ => {
                let date = tokio::time::timeout(WAIT, read).await.unwrap_or_default();
                *remembered = Some((Instant::now(), date));
                date
            }
        }
    }
}
