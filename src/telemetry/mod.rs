//! Log set-up, log throttling and counters of a process. This module lies below every other layer, so that the
//! command line, jobs and the server count and log the same way.

pub mod counters;
mod exposition;
pub mod log;
mod log_throttle;
mod outage_log;
mod query_times;

pub use counters::Counters;
pub use exposition::Exposition;
pub use log_throttle::LogThrottle;
pub use outage_log::OutageLog;
pub use query_times::QueryTimes;
