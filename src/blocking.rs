//! Runs computations that would block the other tasks of an asynchronous worker thread.

use tokio::runtime::{Handle, RuntimeFlavor};

/// The most metric days that are processed on the worker thread itself, which takes a few milliseconds.
const SMALL: usize = 5_000;

/// Runs `work`, whose size is given in metric days. Above 5,000, a multi-threaded runtime first moves the other tasks
/// of this thread to another one (`tokio::task::block_in_place`).
pub fn block_in_place_if_large<T>(days: usize, work: impl FnOnce() -> T) -> T {
    let has_threads =
        || Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if days > SMALL && has_threads() { tokio::task::block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn other_tasks_continue_during_large_work() {
        let work = tokio::spawn(async {
            let (sender, receiver) = mpsc::channel();
            tokio::spawn(async move { sender.send("the work continues") });
            block_in_place_if_large(SMALL + 1, || receiver.recv_timeout(Duration::from_secs(60)))
        });
        assert_eq!(work.await.unwrap(), Ok("the work continues"));
    }

    #[tokio::test]
    async fn a_single_threaded_runtime_does_the_work_in_place() {
        assert_eq!(block_in_place_if_large(usize::MAX, || "done"), "done");
    }
}
