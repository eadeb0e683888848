//! Which form of the tests runs: the short one with all tests, or the long one of `make soak`.

use std::time::Duration;

pub fn is_long() -> bool {
    std::env::var("DAYMARK_SOAK").as_deref() == Ok("long")
}

/// How long the servers are under faults: `SOAK_SECONDS`, or else an hour of the long form and some seconds of the short one.
pub fn time_under_faults() -> Duration {
    let given = std::env::var("SOAK_SECONDS").ok();
    let seconds = given.map(|seconds| seconds.parse().expect("SOAK_SECONDS is a number of seconds"));
    Duration::from_secs(seconds.unwrap_or(if is_long() { 3600 } else { 8 }))
}
