//! What the platform and the store have in common: how a database is named, how its errors are classified, how often a
//! transient failure is tried again, and the deadline of a run.

mod deadline;
mod fault;
mod fault_class;
mod hint;
mod retry;
mod url;

pub use deadline::Deadline;
pub use fault::Fault;
pub use fault_class::FaultClass;
pub use retry::RetryPolicy;
pub use url::{DatabaseUrl, DatabaseUrlError};
