//! The limits of streams of events, and their end when the server stops.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::collect::CancellationToken;

/// The most streams that may be open at once. Each holds a connection.
const MAX_STREAMS: usize = 128;
/// The most streams of one user or key, such as the pages that a browser shows.
const MAX_STREAMS_OF_SUBJECT: usize = 8;

/// The streams that are open.
#[derive(Default)]
pub struct EventStreams {
    open: Arc<Mutex<HashMap<Arc<str>, usize>>>,
    stop: CancellationToken,
}

/// The place of one stream, which is free again when this is dropped.
pub struct StreamPlace {
    subject: Arc<str>,
    open: Arc<Mutex<HashMap<Arc<str>, usize>>>,
}

impl EventStreams {
    /// A place for a stream of `subject`; `None` where the subject, or all together, have as many as they may.
    pub fn open(&self, subject: &Arc<str>) -> Option<StreamPlace> {
        let mut open = self.open.lock();
        let of_subject = open.get(subject).copied().unwrap_or_default();
        if open.values().sum::<usize>() >= MAX_STREAMS || of_subject >= MAX_STREAMS_OF_SUBJECT {
            return None;
        }
        open.insert(Arc::clone(subject), of_subject + 1);
        Some(StreamPlace { subject: Arc::clone(subject), open: Arc::clone(&self.open) })
    }

    /// Ends all streams, because the server stops.
    pub fn close(&self) {
        self.stop.cancel();
    }

    /// Is cancelled when the server stops.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(count) = open.get_mut(&self.subject) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_and_all_together_have_a_limit_and_places_become_free() {
        let streams = EventStreams::default();
        let one: Arc<str> = "key:1".into();
        let places: Vec<_> = (0..MAX_STREAMS_OF_SUBJECT).map(|_| streams.open(&one).unwrap()).collect();
        assert!(streams.open(&one).is_none());
        let others: Vec<_> = (0..MAX_STREAMS - MAX_STREAMS_OF_SUBJECT)
            .map(|number| streams.open(&format!("user:{number}").into()).unwrap())
            .collect();
        assert!(streams.open(&"user:further".into()).is_none());
        drop(others);
        drop(places);
        assert!(streams.open(&one).is_some());
        assert!(streams.open.lock().is_empty(), "nothing is kept of subjects without streams");
    }
}
