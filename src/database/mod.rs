//! Code that the platform and the store share: the URLs of databases, the classification of their errors, the retry of
//! transient failures, and the deadline of a run.

mod certificate_files;
mod deadline;
mod fault;
mod fault_class;
mod hint;
mod retry;
mod url;

pub use certificate_files::{certificate_files, with_unreadable_file};
pub use deadline::{Deadline, LimitSource, TimeLimit};
pub use fault::Fault;
pub use fault_class::FaultClass;
pub use retry::RetryPolicy;
pub use url::{DatabaseUrl, DatabaseUrlError};
