//! Delivery of notifications, which are rows of the store, to the channels of the configuration: at least once, each with the
//! same key of idempotency at every attempt. Whatever a receiver does holds up neither another channel nor a collection.
//!
//! **Architecture Invariant:** a notification is sent only after it was committed, and an attempt is noted only after it was made:
//! a process that is killed in between sends it again, under the same id.

mod alertmanager;
mod backoff;
mod chat;
mod content;
mod deliverer;
mod email;
mod guard;
mod http_client;
mod sender;
mod signature;
mod webhook;

pub use content::{AlertNotice, NotificationContent};
pub use deliverer::{Delivered, Deliverer, test_channel};
