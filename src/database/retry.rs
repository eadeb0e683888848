//! Retries after transient failures, with exponential backoff and jitter (the crate `backon`).

use std::{future::Future, time::Duration};

use backon::{ExponentialBuilder, Retryable};

use crate::telemetry::OutageLog;

#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The number of retries after the first failure.
    pub retries: usize,
    /// The delay before the first retry. It doubles before each further one, up to 30 s; jitter adds up to as much
    /// again.
    pub initial_delay: Duration,
}

/// Throttles the log of all retries of this process: while a database cannot be reached, a server starts failed operations again and again,
/// each with its retries.
static RETRIES: OutageLog = OutageLog::new();

/// The longest delay, without jitter.
const MAX_DELAY: Duration = Duration::from_secs(30);

impl RetryPolicy {
    /// Runs `attempt` until it succeeds, fails with an error that is not transient, or has been retried `retries`
    /// times.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub async fn run<T, E, F>(
        &self,
        is_transient: impl Fn(&E) -> bool,
        attempt: impl FnMut() -> F,
    ) -> Result<T, E>
    where
        E: std::fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        let delays = ExponentialBuilder::default()
            .with_min_delay(self.initial_delay)
            .with_max_delay(MAX_DELAY)
            .with_max_times(self.retries)
            .with_jitter();
        attempt
            .retry(delays)
            .sleep(tokio::time::sleep)
            .when(is_transient)
            .notify(|error, delay| {
                if let Some(suppressed) = RETRIES.failed_now() {
                    let delay_ms = delay.as_millis() as u64;
                    tracing::warn!(%error, delay_ms, suppressed, "a transient failure is retried");
                }
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    async fn attempts_until(policy: RetryPolicy, succeed_at: usize, is_transient: bool) -> (usize, bool) {
        let attempts = Cell::new(0);
        let result = policy
            .run(
                |_: &String| is_transient,
                || {
                    attempts.set(attempts.get() + 1);
                    let done = attempts.get() == succeed_at;
                    async move { if done { Ok(()) } else { Err("no".to_owned()) } }
                },
            )
            .await;
        (attempts.get(), result.is_ok())
    }

    #[tokio::test]
    async fn a_transient_failure_is_retried_three_times_and_another_one_never() {
        let policy = RetryPolicy { retries: 3, initial_delay: Duration::ZERO };
        assert_eq!(attempts_until(policy, 4, true).await, (4, true));
        assert_eq!(attempts_until(policy, 5, true).await, (4, false));
        assert_eq!(attempts_until(policy, 2, false).await, (1, false));
    }
}
