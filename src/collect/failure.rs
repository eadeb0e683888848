//! Failures of single metrics, as they are reported and as they are written to the collection log.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::metric_advice;
use crate::database::{Fault, FaultClass};

/// The most bytes of a log entry's `error_message`, because many metrics may fail in one run. The text of each failure
/// is bounded by [`crate::database::Fault`].
const MAX_MESSAGE_BYTES: usize = 16 * 1024;

/// A metric that could not be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    #[serde(rename = "metric_category")]
    pub category: String,
    /// The message of the first day that failed.
    pub message: String,
    #[serde(default)]
    pub sqlstate: Option<String>,
    #[serde(default)]
    pub context: Option<String>,
    /// Whether a statement reached its time limit.
    #[serde(default)]
    pub timed_out: bool,
    /// What the user can do about it.
    #[serde(default)]
    pub hint: Option<String>,
    /// The days that failed, ascending; empty if all days of the run that lack the metric failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<FailedDays>,
}

/// Consecutive days of a backfill on which a metric failed for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedDays {
    pub first: Date,
    pub last: Date,
    pub message: String,
}

impl Failure {
    pub(super) fn of_fault(category: &str, fault: &Fault) -> Self {
        Self {
            sqlstate: fault.sqlstate.clone(),
            context: fault.context.clone(),
            timed_out: fault.class == FaultClass::TimedOut,
            hint: Some(metric_advice(fault).to_owned()),
            ..Self::without_hint(category, fault.message.clone())
        }
    }

    /// The failure for a value that the platform returned but that is not valid for the metric's type.
    pub(super) fn of_value(category: &str, message: String) -> Self {
        let hint = "correct the rows on the platform, or exclude them with a filter of the metric";
        Self { hint: Some(hint.to_owned()), ..Self::without_hint(category, message) }
    }

    /// A failure of no statement, whose `message` also says what to do.
    pub(super) fn without_hint(category: &str, message: String) -> Self {
        Self {
            category: category.to_owned(),
            message,
            sqlstate: None,
            context: None,
            timed_out: false,
            hint: None,
            days: Vec::new(),
        }
    }

    /// Returns one line, such as `likes_total: permission denied for table likes (42501)`.
    pub fn summary(&self) -> String {
        match &self.sqlstate {
            Some(sqlstate) => format!("{}: {} ({sqlstate})", self.category, self.message),
            None => format!("{}: {}", self.category, self.message),
        }
    }

    /// The message for `date`; `None` if the metric did not fail on that day.
    pub(super) fn on(&self, date: Date) -> Option<&str> {
        if self.days.is_empty() {
            return Some(&self.message);
        }
        let days = self.days.iter().find(|days| (days.first..=days.last).contains(&date))?;
        Some(&days.message)
    }
}

/// The `error_message` of a log entry: one line for each metric that failed. Text beyond [`MAX_MESSAGE_BYTES`] is
/// replaced by the number of further failures.
pub(super) fn message(failures: &[Failure]) -> Option<String> {
    let mut text = String::new();
    for (index, line) in failures.iter().map(Failure::summary).enumerate() {
        if index > 0 && text.len() + line.len() > MAX_MESSAGE_BYTES {
            text += &format!("\n… and {} more", failures.len() - index);
            break;
        }
        if index > 0 {
            text.push('\n');
        }
        text += &line;
    }
    (!text.is_empty()).then_some(text)
}

/// The `error_details` of a log entry whose metrics failed individually.
pub(super) fn details(failures: &[Failure]) -> Option<Map<String, Value>> {
    let first = failures.first()?;
    let mut details = Map::new();
    details.insert("sqlstate".to_owned(), json!(first.sqlstate));
    details.insert("context".to_owned(), json!(first.context));
    details.insert("failures".to_owned(), json!(failures));
    Some(details)
}

/// The `error_details` of a log entry of a run that failed as a whole.
pub(super) fn fault_details(fault: &Fault) -> Map<String, Value> {
    let mut details = Map::new();
    details.insert("sqlstate".to_owned(), json!(fault.sqlstate));
    details.insert("context".to_owned(), json!(fault.context));
    details.insert("timed_out".to_owned(), json!(fault.class == FaultClass::TimedOut));
    details
}

/// The failures in a log entry's `error_details`; empty if the run failed as a whole.
pub(super) fn listed(details: Option<&Map<String, Value>>) -> Vec<Failure> {
    let Some(Value::Array(failures)) = details.and_then(|details| details.get("failures")) else {
        return Vec::new();
    };
    failures.iter().filter_map(|failure| Failure::deserialize(failure).ok()).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn failures_survive_the_log_entry_unchanged() {
        let mut fault = Fault::new(FaultClass::TimedOut, "canceling statement due to statement timeout");
        fault.sqlstate = Some("57014".to_owned());
        fault.context = Some("context: here".to_owned());
        let mut partly = Failure::of_value("rate", "negative".to_owned());
        let (first, last) = (date(2025, 1, 2), date(2025, 1, 3));
        partly.days = vec![FailedDays { first, last, message: "negative".to_owned() }];
        let failures = [Failure::of_fault("posts_total", &fault), partly];
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
    fn a_run_without_failures_logs_no_error() {
        assert_eq!((message(&[]), details(&[])), (None, None));
        assert_eq!(listed(None), []);
    }

    #[test]
    fn the_message_of_a_log_entry_is_bounded() {
        let failures: Vec<_> = (0..100).map(|_| Failure::of_value("a", "x".repeat(1000))).collect();
        let message = message(&failures).unwrap();
        assert!(message.len() < MAX_MESSAGE_BYTES + 100, "{}", message.len());
        assert!(message.ends_with("… and 84 more"), "{}", &message[message.len() - 40..]);
    }

    #[test]
    fn a_failure_of_some_days_explains_those_days_only() {
        let mut failure = Failure::of_value("a", "odd".to_owned());
        assert_eq!(failure.on(date(2025, 1, 1)), Some("odd"));
        let (first, last) = (date(2025, 1, 2), date(2025, 1, 3));
        failure.days = vec![FailedDays { first, last, message: "even".to_owned() }];
        assert_eq!(failure.on(date(2025, 1, 1)), None);
        assert_eq!(failure.on(date(2025, 1, 3)), Some("even"));
    }
}
