//! The binary: everything is in the library.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    daymark::cli::run(std::env::args_os()).await
}
