//! The first Ctrl-C or SIGTERM stops the run after its commit in progress; committed records are kept. The second one
//! ends the program at once.

use super::Exit;
use crate::collect::CancellationToken;

/// Starts to listen for signals. `say` prints the message that the program is stopping.
pub fn cancellation(say: fn(&str)) -> CancellationToken {
    let cancellation = CancellationToken::new();
    tokio::spawn(listen(cancellation.clone(), say));
    cancellation
}

async fn listen(cancellation: CancellationToken, say: fn(&str)) {
    if stop_signal().await.is_ok() {
        say("stopping; committed records are kept (a second signal stops at once)");
        cancellation.cancel();
        if stop_signal().await.is_ok() {
            std::process::exit(Exit::Interrupted as i32);
        }
    }
}

#[cfg(unix)]
async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn stop_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
