//! Ctrl-C and SIGTERM ask the run to stop; what is committed is kept. A second one ends the program at once.

use super::Exit;
use crate::collect::{Cancellation, Canceller};

/// Listens for signals from now on. `say` writes that the program stops.
pub fn cancellation(say: fn(&str)) -> Cancellation {
    let (canceller, cancellation) = Cancellation::new();
    tokio::spawn(listen(canceller, say));
    cancellation
}

async fn listen(canceller: Canceller, say: fn(&str)) {
    if asked_to_stop().await.is_ok() {
        say("stopping; what is committed is kept (again: at once)");
        canceller.cancel();
        if asked_to_stop().await.is_ok() {
            std::process::exit(Exit::Interrupted as i32);
        }
    }
}

#[cfg(unix)]
async fn asked_to_stop() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn asked_to_stop() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
