//! Delivery of notifications, which are rows of the store, to the channels of the configuration: at least once, each with the
//! same idempotency key at every attempt, and to each channel in the order in which they were written. A slow or failing receiver
//! delays neither another channel nor a collection.
//!
//! **Architecture Invariant:** a notification is sent only after it was committed, only by the instance that holds the lock of
//! alerts at that moment, and an attempt is recorded only after it was made. A process that is killed in between sends it again, under
//! the same id; one that cannot note it sends nothing else before it has.

mod alert_lock;
mod alertmanager;
mod backoff;
mod batch;
mod channel_problem;
mod chat;
mod deliverer;
mod email;
mod guard;
mod http_client;
mod messages;
mod preview;
mod sender;
mod signature;
mod test_channel;
mod unrecorded_attempts;
mod webhook;

pub use alert_lock::{AlertLock, AlertLockWatch};
pub use channel_problem::{channel_problem, leads_inside};
pub use deliverer::Deliverer;
pub use preview::{MessagePreview, preview};
pub use test_channel::{Tested, test_channel};
