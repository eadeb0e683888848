//! The end of a run, with texts of bounded length.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::run::{Run, RunStatus};
use crate::store::row;

/// The end of a run.
#[derive(Debug, Clone)]
pub struct Finish {
    pub id: Uuid,
    pub status: RunStatus,
    pub completed_at: Timestamp,
    pub error_message: Option<String>,
    /// `sqlstate` and `context` of the first failure, and `failures`: a list of `category`, `message`, `sqlstate`,
    /// `context`, `timed_out`.
    pub error_details: Option<Map<String, Value>>,
}

/// The longest message of a log entry, in characters.
const MAX_MESSAGE: usize = 4096;
/// The largest details of a log entry, in bytes of JSON. The tables permit a little more.
const MAX_DETAILS: usize = 1_000_000;

impl Finish {
    /// The message, cut at [`MAX_MESSAGE`]: however long the errors are, a run must be finished in the log.
    pub(in crate::store) fn short_message(&self) -> Option<Cow<'_, str>> {
        let message = self.error_message.as_deref()?;
        Some(match message.char_indices().nth(MAX_MESSAGE) {
            None => Cow::Borrowed(message),
            Some(_) => Cow::Owned(message.chars().take(MAX_MESSAGE - 1).chain(['…']).collect()),
        })
    }

    /// The details without the last failures where all of them are more than [`MAX_DETAILS`].
    pub(in crate::store) fn bounded_details(&self) -> Option<Cow<'_, Map<String, Value>>> {
        let details = self.error_details.as_ref()?;
        let size = |details: &Map<String, Value>| serde_json::to_string(details).map_or(0, |json| json.len());
        if size(details) <= MAX_DETAILS {
            return Some(Cow::Borrowed(details));
        }
        let mut bounded = details.clone();
        while size(&bounded) > MAX_DETAILS {
            match bounded.get_mut("failures").and_then(Value::as_array_mut) {
                Some(failures) if !failures.is_empty() => failures.truncate(failures.len() / 2),
                _ => bounded.clear(),
            }
        }
        Some(Cow::Owned(bounded))
    }

    /// Whether an earlier attempt of this very call finished `run`, and only its answer was lost.
    pub(in crate::store) fn made(&self, run: &Run) -> bool {
        run.id == self.id
            && run.status == self.status
            && run.completed_at == Some(row::to_micros(self.completed_at))
    }
}
