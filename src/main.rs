//! The binary: everything is in the library.

use std::process::ExitCode;

/// A server frees what it answered with on other threads than it took it on, and answers are large: the allocator of
/// glibc spends a third of an uncached year on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    daymark::cli::run(std::env::args_os()).await
}
