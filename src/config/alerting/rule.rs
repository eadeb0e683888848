//! The rules of alerts: those that are built in, and those of a file: `[alerts.NAME]`.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use strum::{EnumIter, IntoStaticStr};

use crate::metric::Decimal;

/// A rule: a condition, how long it must hold before the alert fires, and the channels and labels of its notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    pub name: String,
    /// Where it was declared; `built in` for a rule that the file does not mention.
    pub place: String,
    pub condition: AlertCondition,
    pub severity: AlertSeverity,
    /// How long the condition must hold before it fires.
    pub holds_for: SignedDuration,
    /// The names of the channels that are notified; `None`: all of them.
    pub channels: Option<Vec<String>>,
    /// Further labels, which go to the receivers.
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AlertSeverity {
    Critical,
    Warning,
    Info,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertCondition {
    /// This many collections failed in a row.
    CollectionFailing { runs: i64 },
    /// No record was written for this many hours.
    NothingRecorded { hours: i64 },
    /// More than this percentage of this process's requests for data failed within 5 minutes.
    QueryErrors { percent: Decimal },
    /// The last collection that recorded something took longer than this.
    SlowCollection { seconds: i64 },
    /// A day of the last 7 that are due lacks records.
    DayMissing,
    /// The schedule is paused for longer than this without an end, or for a week and longer than this with one.
    ForgottenPause { hours: i64 },
    /// At least this many recorded values of the last due day are anomalies.
    Anomaly { values: i64 },
    /// A recorded value that was counted again lately differs by more than this percentage.
    Drift { percent: Decimal },
    /// A condition of the recorded values of a metric.
    Metric(MetricCondition),
}

/// A condition of the values of a metric on the last finished day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricCondition {
    /// The metric's category.
    pub metric: String,
    pub test: MetricTest,
    /// On how many days in a row it must hold, the last finished one included.
    pub days: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricTest {
    Above(Decimal),
    Below(Decimal),
    /// It is higher by at least this percentage than `window_days` before.
    Rises {
        percent: Decimal,
        window_days: u32,
    },
    /// It is lower by at least this percentage than `window_days` before.
    Falls {
        percent: Decimal,
        window_days: u32,
    },
    /// There is no value.
    Missing,
}

impl AlertSeverity {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The names of the built-in rules.
pub const BUILT_IN_RULES: [&str; 8] = [
    "collection_failing",
    "nothing_recorded",
    "query_errors",
    "slow_collection",
    "day_missing",
    "forgotten_pause",
    "anomaly",
    "drift",
];

/// The place of a rule that the file does not mention.
pub const BUILT_IN: &str = "built in";

/// The built-in rules with their defaults.
pub fn built_in_rules() -> Vec<AlertRule> {
    use AlertSeverity::{Critical, Warning};
    let rule = |name: &str, condition, severity, minutes| AlertRule {
        name: name.to_owned(),
        place: BUILT_IN.to_owned(),
        condition,
        severity,
        holds_for: SignedDuration::from_mins(minutes),
        channels: None,
        labels: BTreeMap::new(),
    };
    let [failing, nothing, errors, slow, missing, pause, anomaly, drift] = BUILT_IN_RULES;
    vec![
        rule(failing, AlertCondition::CollectionFailing { runs: 3 }, Critical, 0),
        // After a week of being off, the catch-up has this long before the alert fires.
        rule(nothing, AlertCondition::NothingRecorded { hours: 48 }, Critical, 10),
        rule(errors, AlertCondition::QueryErrors { percent: Decimal::from(5) }, Critical, 0),
        rule(slow, AlertCondition::SlowCollection { seconds: 60 }, Warning, 0),
        rule(missing, AlertCondition::DayMissing, Warning, 60),
        rule(pause, AlertCondition::ForgottenPause { hours: 24 }, Warning, 0),
        rule(anomaly, AlertCondition::Anomaly { values: 1 }, Warning, 0),
        rule(drift, AlertCondition::Drift { percent: Decimal::from(10) }, Warning, 0),
    ]
}
