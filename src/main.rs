//! The binary: everything is in the library.

use std::process::ExitCode;

/// A server's memory stays as it is under load; that of the C library's allocator grows for minutes.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    daymark::cli::run(std::env::args_os()).await
}
