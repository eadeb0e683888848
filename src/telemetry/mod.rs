//! What a process tells about itself: log set-up, log throttling and counters. Below every other layer, so that the
//! command line, jobs and the server count and log the same way.

pub mod counters;
pub mod log;
mod log_throttle;

pub use counters::Counters;
pub use log_throttle::LogThrottle;
