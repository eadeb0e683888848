//! Work that would hold up the other tasks of its thread.

use tokio::runtime::{Handle, RuntimeFlavor};

/// So many days of metrics are worked through in a few milliseconds.
const SMALL: usize = 5_000;

/// Does `work`, which is about so many days of metrics. Where that takes longer, another thread goes on with the tasks of
/// this one meanwhile, if the runtime has several.
pub fn aside<T>(days: usize, work: impl FnOnce() -> T) -> T {
    let has_threads =
        || Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if days > SMALL && has_threads() { tokio::task::block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn other_tasks_go_on_beside_much_work() {
        let work = tokio::spawn(async {
            let (sender, receiver) = mpsc::channel();
            tokio::spawn(async move { sender.send("it goes on") });
            aside(SMALL + 1, || receiver.recv_timeout(Duration::from_secs(60)))
        });
        assert_eq!(work.await.unwrap(), Ok("it goes on"));
    }

    #[tokio::test]
    async fn one_thread_does_all_the_work_there_is() {
        assert_eq!(aside(usize::MAX, || "done"), "done");
    }
}
