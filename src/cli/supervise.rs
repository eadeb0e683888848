//! Restarts the tasks of a server that must run as long as the server does.

use std::time::Duration;

use crate::collect::CancellationToken;

/// The pause between a panic and the restart, so that a task that panics at once does not take a processor.
pub const RESTART_PAUSE: Duration = Duration::from_secs(30);

/// Runs the task that `start` makes, named `what` in the log, and starts it again `pause` after a panic, until it ends by itself or `stop`
/// is cancelled.
pub async fn restart_after_panics<F>(
    what: &str,
    pause: Duration,
    stop: &CancellationToken,
    start: impl Fn() -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    while let Err(error) = tokio::spawn(start()).await {
        tracing::error!(%error, "{what} has panicked, which is a fault of Daymark; it is started again in {pause:?}");
        if tokio::time::timeout(pause, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    /// Counts its starts, and panics at the first `panics` of them.
    async fn panic_at_first(starts: Arc<AtomicUsize>, panics: usize) {
        let started = starts.fetch_add(1, Ordering::SeqCst);
        assert!(started >= panics, "a fault in a task");
    }

    #[tokio::test]
    async fn a_task_that_panics_is_started_again_until_it_ends() {
        let starts = Arc::new(AtomicUsize::new(0));
        let start = || panic_at_first(Arc::clone(&starts), 2);
        restart_after_panics("the task", Duration::ZERO, &CancellationToken::new(), start).await;
        assert_eq!(starts.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_server_that_stops_starts_no_task_again() {
        let starts = Arc::new(AtomicUsize::new(0));
        let start = || panic_at_first(Arc::clone(&starts), usize::MAX);
        let stop = CancellationToken::new();
        stop.cancel();
        restart_after_panics("the task", RESTART_PAUSE, &stop, start).await;
        assert_eq!(starts.load(Ordering::SeqCst), 1);
    }
}
