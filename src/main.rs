//! The binary, which only calls the library.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    daymark::cli::run(std::env::args_os()).await
}
