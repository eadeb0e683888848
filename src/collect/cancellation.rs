//! Cancellation of a run: it completes the current commit, closes its log entry and returns.

use tokio::sync::watch;

/// The side that requests the cancellation.
#[derive(Debug)]
pub struct Canceller(watch::Sender<bool>);

/// The side that waits for the request. Clones belong to the same [`Canceller`].
#[derive(Debug, Clone)]
pub struct Cancellation(watch::Receiver<bool>);

impl Cancellation {
    pub fn new() -> (Canceller, Self) {
        let (sender, receiver) = watch::channel(false);
        (Canceller(sender), Self(receiver))
    }

    /// A cancellation that is never requested.
    pub fn never() -> Self {
        Self::new().1
    }

    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until cancellation is requested. It never returns if the [`Canceller`] was dropped without a request.
    pub async fn cancelled(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|cancelled| *cancelled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Canceller {
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_is_cancelled() {
        let (canceller, cancellation) = Cancellation::new();
        let listener = tokio::spawn({
            let cancellation = cancellation.clone();
            async move { cancellation.cancelled().await }
        });
        assert!(!cancellation.is_cancelled());
        canceller.cancel();
        listener.await.unwrap();
        assert!(cancellation.is_cancelled());
    }
}
