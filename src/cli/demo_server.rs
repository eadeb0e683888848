//! The server that `daymark demo` starts after its story, so that the record can be looked at until Ctrl-C.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
};

use super::{Exit, Format, Page, app::App, serve};
use crate::{clock::SystemClock, config};

/// Prints the story, and serves the files in `home` until Ctrl-C or SIGTERM. The server's log is left out.
pub async fn run(story: &Page, home: &Path) -> anyhow::Result<(Page, Exit)> {
    let file = home.join("daymark.toml");
    // Settings of the environment are of another installation.
    let mut config = config::load(Some(&file), &config::GivenFlags::new(), &config::Environment::new())?;
    config.settings.http.listen = free_address(config.settings.http.listen)?;
    std::io::stdout().write_all(story.render(Format::Text)?.as_bytes())?;
    let announce = |address| {
        // The server runs also where its address cannot be printed.
        let _ = writeln!(std::io::stdout(), "\nThe dashboard is at http://{address}/?recount until Ctrl-C.");
    };
    serve::run(&App::new(config, Arc::new(SystemClock)), announce).await
}

/// The address itself, or where its port is taken one with a free port.
fn free_address(wanted: SocketAddr) -> std::io::Result<SocketAddr> {
    let bound = TcpListener::bind(wanted).or_else(|_| TcpListener::bind((wanted.ip(), 0)))?;
    bound.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_replaced_by_a_free_one() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let wanted = taken.local_addr().unwrap();
        assert_ne!(free_address(wanted).unwrap(), wanted);
        drop(taken);
        assert_eq!(free_address(wanted).unwrap(), wanted);
    }
}
