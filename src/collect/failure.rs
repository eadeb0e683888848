//! Failures of single metrics, as they are reported and as they stand in the collection log.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::database::{Fault, FaultClass};

/// A metric that could not be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    #[serde(rename = "metric_category")]
    pub category: String,
    pub message: String,
    #[serde(default)]
    pub sqlstate: Option<String>,
    #[serde(default)]
    pub context: Option<String>,
    /// Whether a statement ran into its time limit.
    #[serde(default)]
    pub timed_out: bool,
}

impl Failure {
    pub(super) fn of_fault(category: &str, fault: &Fault) -> Self {
        Self {
            category: category.to_owned(),
            message: fault.message.clone(),
            sqlstate: fault.sqlstate.clone(),
            context: fault.context.clone(),
            timed_out: fault.class == FaultClass::TimedOut,
        }
    }

    pub(super) fn of_value(category: &str, message: String) -> Self {
        Self { category: category.to_owned(), message, sqlstate: None, context: None, timed_out: false }
    }

    /// One line: `likes_total: permission denied for table likes (42501)`.
    pub fn summary(&self) -> String {
        match &self.sqlstate {
            Some(sqlstate) => format!("{}: {} ({sqlstate})", self.category, self.message),
            None => format!("{}: {}", self.category, self.message),
        }
    }
}

/// `error_message` of a log entry: a line for each metric that failed.
pub(super) fn message(failures: &[Failure]) -> Option<String> {
    let lines: Vec<_> = failures.iter().map(Failure::summary).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// `error_details` of a log entry whose metrics failed one by one.
pub(super) fn details(failures: &[Failure]) -> Option<Map<String, Value>> {
    let first = failures.first()?;
    let mut details = Map::new();
    details.insert("sqlstate".to_owned(), json!(first.sqlstate));
    details.insert("context".to_owned(), json!(first.context));
    details.insert("failures".to_owned(), json!(failures));
    Some(details)
}

/// `error_details` of a log entry that failed as a whole.
pub(super) fn fault_details(fault: &Fault) -> Map<String, Value> {
    let mut details = Map::new();
    details.insert("sqlstate".to_owned(), json!(fault.sqlstate));
    details.insert("context".to_owned(), json!(fault.context));
    details.insert("timed_out".to_owned(), json!(fault.class == FaultClass::TimedOut));
    details
}

/// The failures listed in a log entry's `error_details`; none when it failed as a whole.
pub(super) fn listed(details: Option<&Map<String, Value>>) -> Vec<Failure> {
    let Some(Value::Array(failures)) = details.and_then(|details| details.get("failures")) else {
        return Vec::new();
    };
    failures.iter().filter_map(|failure| Failure::deserialize(failure).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_into_the_log_comes_out_again() {
        let mut fault = Fault::new(FaultClass::TimedOut, "canceling statement due to statement timeout");
        fault.sqlstate = Some("57014".to_owned());
        fault.context = Some("context: here".to_owned());
        let failures =
            [Failure::of_fault("posts_total", &fault), Failure::of_value("rate", "negative".to_owned())];
        let details = details(&failures).unwrap();
        assert_eq!(
            (details["sqlstate"].clone(), details["context"].clone()),
            (json!("57014"), json!("context: here"))
        );
        assert_eq!(listed(Some(&details)), failures);
        assert_eq!(
            message(&failures).unwrap(),
            "posts_total: canceling statement due to statement timeout (57014)\nrate: negative"
        );
    }

    #[test]
    fn nothing_failed_is_nothing_logged() {
        assert_eq!((message(&[]), details(&[])), (None, None));
        assert_eq!(listed(None), []);
    }
}
