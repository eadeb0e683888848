//! The result of building a measure from its declaration.

use crate::{
    config::{
        file::declaration::Formula,
        finding::{Finding, Located},
    },
    metric::{JoinedColumn, Measure},
};

/// The default number of labels that a breakdown names.
pub(super) const DEFAULT_TOP: usize = 10;

/// The result of building one measure.
#[derive(Debug, Default)]
pub struct BuiltMeasure {
    pub measure: Option<Measure>,
    pub findings: Vec<Finding>,
    /// The reasons why sources of the preset are missing.
    pub missing: Vec<String>,
    /// The name of a source, metric or key with an error that has been reported already.
    pub broken: Option<String>,
    /// The columns that the measure names through foreign keys, with the names of their sources.
    pub joined: Vec<(String, JoinedColumn)>,
}

/// The value of a key that the measure requires; that it is missing becomes a finding.
pub(super) fn required<'f, T>(
    formula: &Formula,
    key: &str,
    value: &'f Option<Located<T>>,
    built: &mut BuiltMeasure,
) -> Option<&'f Located<T>> {
    if formula.unreadable.contains(&key) {
        built.broken = Some(key.to_owned());
    } else if value.is_none() {
        let measure = formula.measure.as_ref().map_or("", |measure| measure.value.name());
        let message = format!("`{key}` is missing, which the measure `{measure}` requires");
        let hint = match key {
            "returns" => {
                Some("write what the query returns: \"value\", \"average\", \"ratio\" or \"labels\"")
            }
            "after_days" => Some("how many days the day of the cohort lies back: `after_days = 7`"),
            "state" => Some("\"new\", \"retained\", \"resurrected\" or \"churned\""),
            "quantile" => Some("the 95th percentile is `quantile = 0.95`"),
            _ => None,
        };
        let hint = hint.map(str::to_owned);
        built.findings.push(Finding::error(&formula.place, message).maybe_hint(hint));
    }
    value.as_ref()
}
